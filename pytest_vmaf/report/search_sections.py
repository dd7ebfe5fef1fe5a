"""Sections of a report about searches: what an encoder needed for its targets, and what was compared."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.report.sections import Chart, DataTable, Line, Paragraph, Section

if TYPE_CHECKING:
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.comparison import Comparison, Delta
    from pytest_vmaf.search.ladder import Ladder
    from pytest_vmaf.search.per_shot import PerShot


#: Sources of a comparison that get a section of their own; all of them are in its first table.
SOURCES = 20


def bisect_section(found: Bisection) -> Section:
    """Quality over CRF with every probe, the ceiling and the crossings; the answers and the probes as tables."""
    probes = sorted(found.probes, key=lambda probe: probe.crf)
    metric = str(found.metric)
    crossings = {answer.probe.crf for answer in found.answers.values() if answer.met and answer.probe}
    arguments = f", with {' '.join(found.arguments)}" if found.arguments else ""
    sample = f" A sample of {found.sample[1]} frames from frame {found.sample[0]} on." if found.sample else ""
    said = (
        f"{found.reference} with {found.name}{arguments}: {_count(len(probes), 'encode')} for "
        f"{_count(len(found.answers), 'target')}. "
        f"The reference against itself has {metric} {found.ceiling:.3f}; no encode passes that.{sample}"
    )
    rows = []
    for answer in found.answers.values():
        row: list[object] = [f"{answer.target:g}", "–", "–", "–", "–", "–", answer.outcome]
        if answer.met:
            following = "–" if answer.next_score is None else f"{answer.next_score:.3f}"
            bitrate = f"{answer.bitrate / 1000:.1f}"
            row[1:6] = [answer.crf, f"{answer.score:.3f}", following, bitrate, answer.size]
        rows.append(row)
    line = Line(
        metric,
        [(probe.crf, probe.score) for probe in probes],
        [index for index, probe in enumerate(probes) if probe.crf in crossings],
    )
    own = [] if metric in ("VMAF", "NEG") else [metric]
    levels = [("ceiling", found.ceiling), *((f"{metric} {target:g}", target) for target in found.answers)]
    chart = (
        [Chart("CRF", metric, [line], levels, f"{metric} over CRF; large dots are the crossings.")] if probes else []
    )
    return Section(
        f"{found.name}: {metric} {', '.join(f'{target:g}' for target in found.answers)}",
        [
            Paragraph(said),
            DataTable(("target", "CRF", metric, "one coarser", "kbit/s", "bytes", "outcome"), rows, "Answers"),
            *chart,
            DataTable(
                ("CRF", *own, "VMAF", "NEG", "gap", "kbit/s", "bytes"),
                [
                    (
                        probe.crf,
                        *([f"{probe.score:.3f}"] if own else []),
                        f"{probe.result.vmaf:.3f}",
                        f"{probe.result.neg:.3f}",
                        f"{probe.result.gap:.3f}",
                        f"{probe.bitrate / 1000:.1f}",
                        probe.encode.size,
                    )
                    for probe in probes
                ],
                "Probes",
            ),
        ],
    )


def compare_sections(found: Comparison) -> list[Section]:
    """Rate-quality curves of each source, bitrates at equal quality, BD-rates against the first encoder, speeds."""
    metric, labels = str(found.metric), found.labels
    sections = [_pooled_section(found)] if len(labels) > 1 or len(found.bisections) > SOURCES else []
    for source, by_label in list(found.bisections.items())[:SOURCES]:
        lines, rows = [], []
        for label, one in by_label.items():
            by_rate = sorted(one.probes, key=lambda probe: probe.bitrate)
            answered = {answer.probe.crf for answer in one.answers.values() if answer.met and answer.probe}
            marked = [index for index, probe in enumerate(by_rate) if probe.crf in answered]
            lines.append(Line(label, [(probe.bitrate / 1000, probe.score) for probe in by_rate], marked))
            for answer in one.answers.values():
                row: list[object] = [label, f"{answer.target:g}", "–", "–", "–", "–", answer.outcome]
                if answer.met:
                    exact = _said(lambda: f"{found.rate(label, answer.target, source) / 1000:.1f}")  # noqa: B023
                    row[2:6] = [answer.crf, f"{answer.score:.3f}", f"{answer.bitrate / 1000:.1f}", exact]
                rows.append(row)
        sections.append(
            Section(
                f"Rate and quality: {source}",
                [
                    Chart("kbit/s", metric, [line for line in lines if line.points], (), "Large dots meet a target."),
                    DataTable(
                        ("encoder", "target", "CRF", metric, "kbit/s", "kbit/s at exactly the target", "outcome"), rows
                    ),
                ],
            )
        )
    return sections


def _pooled_section(found: Comparison) -> Section:
    anchor, metric = found.labels[0], str(found.metric)
    rows: list[list[object]] = []
    for label in found.labels:
        bd: list[object] = ["anchor", "anchor", "anchor", "anchor"]
        if label != anchor:
            delta = _tried(lambda: found.bd_rate(label, anchor=anchor))  # noqa: B023
            spread = "–" if delta is None or delta.interval is None else "{:+.1f} to {:+.1f}".format(*delta.interval)
            quality = _tried(lambda: found.bd_quality(label, anchor=anchor))  # noqa: B023
            credited = _tried(lambda: found.bd_rate(label, anchor=anchor, metric="vmaf"))  # noqa: B023
            bd = [_signed(delta, " %"), spread, _signed(quality, ""), _signed(credited, " %")]
        penalties = [_tried(lambda: found.penalty(label, t)) for t in found.targets]  # noqa: B023
        speeds = [speed for source in found.bisections if (speed := found.speed(label, source))]
        fast = [f"{fmean(each):.1f}" for each in zip(*((one.encode, one.decode) for one in speeds), strict=True)]
        rows.append([label, *bd, ", ".join(_signed(each, " %") for each in penalties), *(fast or ["–", "–"])])
    blocks: list[Paragraph | DataTable | Chart] = [
        DataTable(
            (
                "encoder",
                f"BD-rate, {metric}",
                "95 % interval",
                "BD-quality, points",
                "BD-rate, VMAF",
                f"NEG beyond VMAF at {', '.join(f'{target:g}' for target in found.targets)}",
                "encoded frames/s",
                "decoded frames/s",
            ),
            rows,
            f"Against {anchor}, as means over {len(found.bisections)} source{'s'[: len(found.bisections) > 1]}; less bitrate is "
            "negative.",
        )
    ]
    others = found.labels[1:]
    if others and len(found.bisections) > 1:
        each = {label: _tried(lambda: found.bd_rate(label, anchor=anchor)) for label in others}  # noqa: B023
        by_source = [
            [source, *("–" if delta is None else f"{delta.per_source[source]:+.2f} %" for delta in each.values())]
            for source in found.bisections
        ]
        blocks.append(DataTable(("source", *others), by_source, f"BD-rate of each source against {anchor}, {metric}"))
    blocks += [Paragraph(said) for said in (_lost_wins(found), _left_out(found)) if said]
    return Section(f"Comparison of {', '.join(found.labels)}", blocks)


def _lost_wins(found: Comparison) -> str:
    try:
        lost = "; ".join(f"{encoder} over {base}" for encoder, base in found.lost_wins)
    except MeasurementError as error:
        return f"Whether a win by default VMAF is none by NEG is not known: {error}" if len(found.labels) > 1 else ""
    return f"Wins by default VMAF that are none by NEG: {lost}." if lost else ""


def _left_out(found: Comparison) -> str:
    more = len(found.bisections) - SOURCES
    return f"The curves of the first {SOURCES} sources follow; {more} more are left out." if more > 0 else ""


def ladder_section(ladder: Ladder) -> Section:
    """The probes of each resolution over bitrate, the hull around them, and the rungs."""
    metric = str(ladder.metric)
    chosen = {(rung.width, rung.height, rung.probe.crf) for rung in ladder.rungs}
    lines = []
    for (width, height), one in ladder.found.items():
        by_rate = sorted(one.probes, key=lambda probe: probe.bitrate)
        marked = [index for index, probe in enumerate(by_rate) if (width, height, probe.crf) in chosen]
        lines.append(Line(f"{width}x{height}", [(p.bitrate / 1000, p.score) for p in by_rate], marked))
    lines.append(Line("hull", [(rate / 1000, score) for rate, score in ladder.hull]))
    rows = [
        (
            f"{rung.width}x{rung.height}",
            rung.probe.crf,
            ", ".join(f"{target:g}" for target in rung.targets),
            f"{rung.probe.score:.3f}",
            f"{rung.bitrate / 1000:.1f}",
            f"{rung.peak / 1000:.1f}",
            rung.codecs,
            "yes" if rung.on_hull else "no",
        )
        for rung in ladder.rungs
    ]
    columns = ("resolution", "CRF", "for", metric, "kbit/s", "peak kbit/s", "CODECS", "on the hull")
    unmet = [Paragraph(f"Not met: {why}.") for why in ladder.unmet.values()]
    chart = Chart("kbit/s", metric, [line for line in lines if line.points], (), "Large dots are the rungs.")
    said = f"{ladder.reference} with {ladder.name}, shown at {ladder.display[0]}x{ladder.display[1]}."
    return Section(f"Ladder of {ladder.name}", [Paragraph(said), DataTable(columns, rows), *unmet, chart])


def per_shot_section(found: PerShot) -> Section:
    """Each shot on a time line: its score and its CRF, beside the one CRF that scores the same."""
    metric = str(found.metric)
    rate = found.result.context.frame_rate
    unit = "frame" if rate is None else "s"

    def time(frame: int) -> float:
        return float(frame if rate is None else frame / rate)

    scores: list[tuple[float, float]] = []
    beside: list[tuple[float, float]] = []
    crfs: list[tuple[float, float]] = []
    for answer in found.shots:
        for frame in (answer.shot.start, answer.shot.start + answer.shot.frames):
            scores.append((time(frame), answer.score))
            beside += [] if answer.fixed_score is None else [(time(frame), answer.fixed_score)]
            crfs.append((time(frame), answer.crf))
    lines = [Line("per shot", scores), *([Line("one CRF", beside)] if beside else [])]
    levels = [(f"target {found.target:g}", found.target)]
    rows = [
        (
            answer.shot.start,
            answer.shot.frames,
            answer.crf,
            f"{answer.score:.3f}",
            "–" if answer.fixed_score is None else f"{answer.fixed_score:.3f}",
            f"{answer.probe.bitrate / 1000:.1f}",
            "yes" if answer.met else answer.why,
        )
        for answer in found.shots
    ]
    return Section(
        f"Shots of {found.reference}",
        [
            Paragraph(str(found).partition("\n")[0] + "."),
            *map(Paragraph, found.against_fixed),
            Chart(unit, metric, lines, levels, "The mean score of each shot."),
            Chart(unit, "CRF", [Line("CRF", crfs)], (), "The CRF of each shot."),
            DataTable(("first frame", "frames", "CRF", metric, "with one CRF", "kbit/s", "met"), rows, "Shots"),
        ],
    )


def _tried(number: Callable[[], Delta]) -> Delta | None:
    try:
        return number()
    except MeasurementError:
        return None


def _said(number: Callable[[], str]) -> str:
    try:
        return number()
    except MeasurementError:
        return "–"


def _signed(number: float | None, unit: str) -> str:
    return "–" if number is None else f"{number:+.2f}{unit}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
