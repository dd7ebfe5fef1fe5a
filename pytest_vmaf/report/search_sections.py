"""Report sections of searches: bisections, comparisons, ladders and per-shot encodes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from statistics import fmean
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pytest_vmaf.encoding.rate_modes import unit_of
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.report import repeats
from pytest_vmaf.report.agreement_section import agreement_sections
from pytest_vmaf.report.sections import Chart, DataTable, Line, Paragraph, Section
from pytest_vmaf.report.series import time_axis
from pytest_vmaf.text import plural

if TYPE_CHECKING:
    from pytest_vmaf.search.bisection import Answer, Bisection
    from pytest_vmaf.search.comparison import Comparison
    from pytest_vmaf.search.ladder import Ladder
    from pytest_vmaf.search.per_shot import PerShot
    from pytest_vmaf.search.probe import Trial

#: The most sources of a comparison with a section of their own. Its first table contains all of them.
SOURCES = 20

P = ParamSpec("P")
T = TypeVar("T")


def bisect_section(bisection: Bisection) -> Section:
    """The answers as a table, quality over CRF as a chart with the ceiling, and all trial encodes."""
    probes = sorted(bisection.probes, key=lambda probe: probe.crf)
    metric, answers = str(bisection.metric), bisection.answers.values()
    arguments = f", with {' '.join(bisection.arguments)}" if bisection.arguments else ""
    sample = "A sample of {1} frames from frame {0} on.".format(*bisection.sample) if bisection.sample else ""
    text = (
        f"{bisection.reference} with {bisection.name}{arguments}: {plural(len(probes), 'encode')} for "
        f"{plural(len(answers), 'target')}. "
        f"The reference against itself has {metric} {bisection.ceiling:.3f}; no encode exceeds that. {sample}"
    )
    points = [(probe.crf, probe.score) for probe in probes]
    marked = [index for index, probe in enumerate(probes) if probe.crf in _crfs(answers)]
    levels = [("ceiling", bisection.ceiling), *((f"{metric} {answer.target:g}", answer.target) for answer in answers)]
    caption = f"{metric} over {unit_of(bisection.encoder.mode)}. Large dots are the operating points."
    own = [] if metric in ("VMAF", "NEG") else [metric]
    rows = []
    for probe in probes:
        scores = [f"{probe.score:.3f}"] if own else []
        if result := probe.result:
            scores += [f"{score:.3f}" for score in (result.vmaf, result.neg, result.gap)]
        else:
            scores += [f"{probe.score:.3f}" if name == metric else "–" for name in ("VMAF", "NEG", "gap")]
        rows.append((probe.crf, *scores, _kbits(probe.bitrate), probe.encode.size))
    number = unit_of(bisection.encoder.mode)
    columns = ("target", number, metric, "one coarser", "kbit/s", "bytes", "outcome")
    return Section(
        f"{bisection.name}: {metric} {', '.join(f'{answer.target:g}' for answer in answers)}",
        [
            Paragraph(text.rstrip()),
            DataTable(columns, [answer.cells for answer in answers], "Answers"),
            *_repeats(bisection),
            *(Paragraph(f"Note: {note}.") for note in bisection.notes),
            *([Chart(number, metric, [Line(metric, points, marked)], levels, caption)] if probes else []),
            DataTable((number, *own, "VMAF", "NEG", "gap", "kbit/s", "bytes"), rows, "Trial encodes", folded=True),
        ],
    )


def _repeats(bisection: Bisection) -> list[DataTable]:
    records = [{"repeats": repeats.repeats_data(each), "reference": each.reference} for each in bisection.determinism]
    return [DataTable(repeats.COLUMNS, rows, repeats.TITLE)] if (rows := repeats.repeats_rows(records)) else []


def compare_sections(comparison: Comparison) -> list[Section]:
    """BD-rates against the first encoder and speeds, what each metric says, then rate and quality of each source."""
    metric, sources = str(comparison.metric), comparison.bisections
    sections = [_pooled_section(comparison)] if len(comparison.labels) > 1 or len(sources) > SOURCES else []
    sections += agreement_sections(comparison.agreements)
    number = _unit(search.encoder.mode for search in comparison.searches)
    columns = ("encoder", "target", number, metric, "kbit/s", "kbit/s at exactly the target", "outcome")
    for source, by_label in list(sources.items())[:SOURCES]:
        lines = [_rate_line(label, one.probes, _crfs(one.answers.values())) for label, one in by_label.items()]
        rows: list[list[object]] = []
        for label, one in by_label.items():
            for answer in one.answers.values():
                cells: list[object] = ["–"] * 4
                if answer.met:
                    exact = _kbits(_try(comparison.rate, label, answer.target, source))
                    cells = [answer.crf, f"{answer.score:.3f}", _kbits(answer.bitrate), exact]
                rows.append([label, f"{answer.target:g}", *cells, answer.outcome])
        chart = Chart("kbit/s", metric, [line for line in lines if line.points], (), "Large dots meet a target.")
        sections.append(Section(f"Rate and quality: {source}", [chart, DataTable(columns, rows)]))
    return sections


def _pooled_section(comparison: Comparison) -> Section:
    anchor, metric, sources = comparison.labels[0], str(comparison.metric), comparison.bisections
    targets = ", ".join(f"{target:g}" for target in comparison.targets)
    columns = ["encoder", f"BD-rate, {metric}", "95 % interval", "BD-quality, points", "BD-rate, VMAF"]
    columns += [f"NEG beyond VMAF at {targets}", "encoded frames/s", "decoded frames/s"]
    rows: list[list[object]] = []
    for label in comparison.labels:
        bd: list[object] = ["anchor"] * 4
        if label != anchor:
            delta = _try(comparison.bd_rate, label, anchor=anchor)
            spread = "–" if delta is None or delta.interval is None else "{:+.1f} to {:+.1f}".format(*delta.interval)
            quality = _try(comparison.bd_quality, label, anchor=anchor)
            default = _try(comparison.bd_rate, label, anchor=anchor, metric="vmaf")
            bd = [_signed(delta, " %"), spread, _signed(quality, ""), _signed(default, " %")]
        penalties = (_signed(_try(comparison.penalty, label, target), " %") for target in comparison.targets)
        speeds = [speed for source in sources if (speed := comparison.speed(label, source))]
        means = [
            f"{fmean(each):.1f}" for each in zip(*((one.encode, one.decode or 0.0) for one in speeds), strict=True)
        ]
        rows.append([label, *bd, ", ".join(penalties), *(means or ["–"] * 2)])
    over = f"Against {anchor}, as means over {plural(len(sources), 'source')}. Less bitrate is negative."
    blocks: list[Paragraph | DataTable | Chart] = [DataTable(columns, rows, over)]
    others = comparison.labels[1:]
    if others and len(sources) > 1:
        deltas = [_try(comparison.bd_rate, label, anchor=anchor) for label in others]
        by_source = [
            [source, *(_signed(None if delta is None else delta.per_source[source], " %") for delta in deltas)]
            for source in sources
        ]
        blocks.append(DataTable(("source", *others), by_source, f"BD-rate of each source against {anchor}, {metric}"))
    if wins := _lost_wins(comparison):
        blocks.append(Paragraph(wins))
    if len(sources) > SOURCES:
        more = len(sources) - SOURCES
        blocks.append(Paragraph(f"The curves of the first {SOURCES} sources follow; {more} more are left out."))
    return Section(f"Comparison of {', '.join(comparison.labels)}", blocks)


def _lost_wins(comparison: Comparison) -> str:
    try:
        wins = "; ".join(f"{encoder} over {base}" for encoder, base in comparison.lost_wins)
    except MeasurementError as error:
        unknown = f"Whether wins by default VMAF disappear under NEG is unknown: {error}"
        return unknown if len(comparison.labels) > 1 else ""
    return f"Wins by default VMAF that disappear under NEG: {wins}." if wins else ""


def ladder_section(ladder: Ladder) -> Section:
    """The rungs as a table, and the trial encodes of each resolution over bitrate with the convex hull around them."""
    metric = str(ladder.metric)
    lines = []
    for (width, height), one in ladder.bisections.items():
        crfs = {rung.probe.crf for rung in ladder.rungs if (rung.width, rung.height) == (width, height)}
        lines.append(_rate_line(f"{width}x{height}", one.probes, crfs))
    lines.append(Line("hull", [(rate / 1000, score) for rate, score in ladder.hull]))
    rows = []
    for rung in ladder.rungs:
        targets = ", ".join(f"{target:g}" for target in rung.targets)
        numbers = (rung.probe.crf, targets, f"{rung.probe.score:.3f}", _kbits(rung.bitrate), _kbits(rung.peak))
        rows.append((f"{rung.width}x{rung.height}", *numbers, rung.codecs, "yes" if rung.on_hull else "no"))
    number = _unit(one.encoder.mode for one in ladder.bisections.values())
    columns = ("resolution", number, "for", metric, "kbit/s", "peak kbit/s", "CODECS", "on the hull")
    unmet = [Paragraph(f"Not met: {why}.") for why in ladder.unmet.values()]
    chart = Chart("kbit/s", metric, [line for line in lines if line.points], (), "Large dots are the rungs.")
    text = f"{ladder.reference} with {ladder.name}, displayed at {ladder.display[0]}x{ladder.display[1]}."
    return Section(f"Ladder of {ladder.name}", [Paragraph(text), DataTable(columns, rows), *unmet, chart])


def per_shot_section(per_shot: PerShot) -> Section:
    """Score and CRF of each shot over time, compared with the one CRF for the whole clip that scores the same."""
    metric = str(per_shot.metric)
    unit, time = time_axis(per_shot.result.context.frame_rate)
    ends = [
        (time(frame), each)
        for each in per_shot.shots
        for frame in (each.shot.start, each.shot.start + each.shot.frames)
    ]
    fixed = [(at, each.fixed_score) for at, each in ends if each.fixed_score is not None]
    number, one = unit_of(per_shot.encode.mode), f"one {per_shot.number}"
    lines = [Line("per shot", [(at, each.score) for at, each in ends]), *([Line(one, fixed)] if fixed else [])]
    over_time = [(at, each.crf) for at, each in ends]
    levels = [(f"target {per_shot.target:g}", per_shot.target)]
    rows = []
    for each in per_shot.shots:
        scores = ("–" if score is None else f"{score:.3f}" for score in (each.score, each.fixed_score))
        numbers = (each.shot.start, each.shot.frames, each.crf, *scores, _kbits(each.probe.bitrate))
        rows.append((*numbers, "yes" if each.met else each.why))
    return Section(
        f"Shots of {per_shot.reference}",
        [
            Paragraph(str(per_shot).partition("\n")[0] + "."),
            *map(Paragraph, per_shot.against_fixed),
            Chart(unit, metric, lines, levels, "The mean score of each shot."),
            Chart(unit, number, [Line(number, over_time)], (), f"The {per_shot.number} of each shot."),
            DataTable(("first frame", "frames", number, metric, f"with {one}", "kbit/s", "met"), rows, "Shots"),
        ],
    )


def _unit(modes: Iterable[str]) -> str:
    """The title of the column with the numbers of encodes in these modes."""
    return " or ".join(dict.fromkeys(map(unit_of, modes)))


def _rate_line(name: str, probes: Iterable[Trial], crfs: Collection[float]) -> Line:
    """Quality over bitrate, with large dots at some CRFs."""
    ordered = sorted(probes, key=lambda probe: probe.bitrate)
    marked = [index for index, probe in enumerate(ordered) if probe.crf in crfs]
    return Line(name, [(probe.bitrate / 1000, probe.score) for probe in ordered], marked)


def _crfs(answers: Iterable[Answer]) -> set[float]:
    return {answer.probe.crf for answer in answers if answer.met and answer.probe}


def _try(number: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """A number of a comparison. None if it does not exist, for example for curves that do not overlap."""
    try:
        return number(*args, **kwargs)
    except MeasurementError:
        return None


def _kbits(bitrate: float | None) -> str:
    return "–" if bitrate is None else f"{bitrate / 1000:.1f}"


def _signed(number: float | None, unit: str) -> str:
    return "–" if number is None else f"{number:+.2f}{unit}"
