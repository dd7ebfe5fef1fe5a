"""Report sections about how well metrics agree with viewers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_vmaf.correlation.statistics import STATISTICS, Estimate
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report.sections import Chart, DataTable, Line, Paragraph, Section
from pytest_vmaf.text import plural

if TYPE_CHECKING:
    from pytest_vmaf.correlation.correlation import ClipGroup, Correlation, MetricAgreement
    from pytest_vmaf.correlation.differences import MetricDifference
    from pytest_vmaf.correlation.join import RatedClip

#: What a cell shows that has no value.
NOTHING = "–"
#: The statistics in the table of sources, and those that the first sentence compares metrics by.
OF_SOURCES, OF_SENTENCE = "srcc", ("tau_b_95", "srcc", "plcc")
#: Points of a curve, and the most clips of a chart and of the table of the worst.
CURVE, MOST_DOTS, MOST_WORST = 60, 2000, 10


def correlation_sections(correlation: Correlation) -> list[Section]:
    """The tables, and a section with a chart for each metric."""
    return [*tables_of(correlation), *(_metric_section(correlation, agreement) for agreement in correlation)]


def tables_of(correlation: Correlation) -> list[Section]:
    """The statistics of all clips, of each codec and of each source, and the differences between metrics."""
    return [
        _all_section(correlation),
        *([_codec_section(correlation)] if correlation.codecs else []),
        *([_source_section(correlation)] if correlation.sources else []),
        *([_difference_section(correlation)] if correlation.differences else []),
    ]


def lead(correlation: Correlation) -> str:
    """Which metric agrees best with viewers, in a sentence."""
    clips = plural(correlation.everything.clips, "clip")
    for statistic in OF_SENTENCE:
        values = {each.metric: each.estimates[statistic] for each in correlation}
        defined = {metric: each.value for metric, each in values.items() if each.value is not None}
        if defined:
            break
    else:
        return f"No metric can be compared with viewers on {clips}."
    best = max(defined, key=lambda metric: defined[metric])
    name, value = STATISTICS[statistic].label, _interval(values[best])
    end = f" on {clips}"
    if statistic == "tau_b_95" and correlation.ceiling is not None:
        end += f"; the viewers' own ceiling is {correlation.ceiling:.3f}"
    if len(defined) == 1:
        return f"{label(best)}: {name} {value}{end}."
    text = f"{label(best)} has the highest {name} of {plural(len(defined), 'metric')}, {value}{end}."
    worse: list[str] = []
    alike: list[str] = []
    for each in correlation.differences:
        if each.statistic == statistic and best in (each.first, each.second):
            other = each.second if each.first == best else each.first
            (worse if each.better == best else alike).append(label(other))
    if not worse:
        return f"{text} No difference to the others is significant."
    rest = f"; the difference to {', '.join(alike)} is not significant" if alike else ""
    return f"{text} It is significantly better than {', '.join(worse)}{rest}."


def _all_section(correlation: Correlation) -> Section:
    rows = [[label(each.metric), *_cells(each)] for each in correlation]
    columns = ["metric", *(each.label for each in STATISTICS.values())]
    text = [Paragraph(f"Note: {note}") for note in correlation.notes]
    reasons = list(dict.fromkeys(_reasons([correlation.everything])))
    return Section(
        "All clips",
        [*text, DataTable(columns, rows), *map(Paragraph, reasons), Paragraph(_method(correlation))],
    )


def _codec_section(correlation: Correlation) -> Section:
    rows = [
        [group.name, label(each.metric), group.clips, _bias(each), *_cells(each)]
        for group in correlation.codecs
        for each in group.agreements.values()
    ]
    columns = ["codec", "metric", "clips", "bias", *(each.label for each in STATISTICS.values())]
    text = (
        "Bias: by how much the mapping of all clips overrates the codec, in the unit of the MOS. The other columns "
        "have a mapping of the codec's own clips."
    )
    reasons = list(dict.fromkeys(_reasons(correlation.codecs)))
    return Section("Per codec", [DataTable(columns, rows, text), *map(Paragraph, reasons)])


def _source_section(correlation: Correlation) -> Section:
    rows = [
        [group.name, group.clips, *(_number(each.estimates[OF_SOURCES].value) for each in group.agreements.values())]
        for group in correlation.sources
    ]
    columns = ["source", "clips", *map(label, correlation.metrics)]
    caption = f"{STATISTICS[OF_SOURCES].label} on the clips of each source"
    return Section("Per source", [DataTable(columns, rows, caption, folded=len(rows) > 12)])


def _difference_section(correlation: Correlation) -> Section:
    pairs: dict[tuple[str, str], dict[str, MetricDifference]] = {}
    for each in correlation.differences:
        pairs.setdefault((each.first, each.second), {})[each.statistic] = each
    rows = [
        [f"{label(first)} − {label(second)}", *(_difference(pair.get(name)) for name in STATISTICS)]
        for (first, second), pair in pairs.items()
    ]
    columns = ["metrics", *(each.label for each in STATISTICS.values())]
    caption = (
        "Differences and their p. A star marks a significant one: p below 0.05 after Holm's correction for "
        f"{plural(len(pairs), 'pair')}. PLCC is tested by Fisher's z of dependent correlations, which assumes "
        "that clips are independent; the others by a paired bootstrap."
    )
    return Section("Differences between metrics", [DataTable(columns, rows, caption, folded=len(rows) > 12)])


def _metric_section(correlation: Correlation, agreement: MetricAgreement) -> Section:
    metric, name = agreement.metric, label(agreement.metric)
    step = -(-len(correlation.clips) // MOST_DOTS)
    clips = correlation.clips[::step]
    codecs = sorted({clip.codec for clip in clips})
    lines = [
        Line(codec or "clips", [(clip.scores[metric], clip.mos) for clip in clips if clip.codec == codec], style="dots")
        for codec in codecs
    ]
    curve = agreement.curve
    if curve is not None:
        places = [curve.low + (curve.high - curve.low) * at / CURVE for at in range(CURVE + 1)]
        lines.append(Line("mapping", [(x, curve.predict(x)) for x in places], style="curve"))
    statistics = ", ".join(
        f"{STATISTICS[key].label} {each.value:.3f}"
        for key, each in agreement.estimates.items()
        if each.value is not None
    )
    caption = f"MOS over {name}: {statistics or 'no statistic is defined'}. A dot is a clip"
    caption += f"; one in {step} is shown." if step > 1 else "."
    blocks: list[Chart | DataTable] = [Chart(name, "MOS", lines, caption=caption)]
    if curve is not None:
        blocks.append(_worst(correlation, agreement))
    return Section(name, blocks)


def _worst(correlation: Correlation, agreement: MetricAgreement) -> DataTable:
    curve = agreement.curve
    assert curve is not None  # noqa: S101  (the caller checks it)

    def error(clip: RatedClip) -> float:
        return curve.predict(clip.scores[agreement.metric]) - clip.mos

    worst = sorted(correlation.clips, key=lambda clip: -abs(error(clip)))[:MOST_WORST]
    rows = [
        [
            clip.clip,
            clip.codec or NOTHING,
            _number(clip.scores[agreement.metric]),
            _number(clip.mos),
            NOTHING if clip.interval is None else f"±{clip.interval:.3f}",
            f"{error(clip):+.3f}",
        ]
        for clip in worst
    ]
    columns = ["clip", "codec", label(agreement.metric), "MOS", "interval", "error"]
    return DataTable(columns, rows, "The clips farthest from the mapping", folded=True)


def _cells(agreement: MetricAgreement) -> list[str]:
    return [_interval(agreement.estimates[name]) for name in STATISTICS]


def _bias(agreement: MetricAgreement) -> str:
    bias = agreement.bias
    if bias is None or bias.value is None:
        return NOTHING
    ends = "" if bias.low is None or bias.high is None else f" ({bias.low:+.2f} to {bias.high:+.2f})"
    # Not -0.00.
    return f"{round(bias.value, 2) + 0.0:+.2f}{ends}"


def _interval(estimate: Estimate) -> str:
    if estimate.value is None:
        return NOTHING
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    # A browser breaks no line after a hyphen before a digit.
    between = "-" if estimate.low >= 0 else " to "
    return f"{estimate.value:.3f} ({estimate.low:.3f}{between}{estimate.high:.3f})"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _difference(difference: MetricDifference | None) -> str:
    if difference is None:
        return NOTHING
    star = "*" if difference.is_significant else ""
    p = "<0.001" if difference.adjusted_p < 0.001 else f"{difference.adjusted_p:.3f}"
    return f"{difference.value:+.3f}{star} ({p})"


def _reasons(groups: Sequence[ClipGroup]) -> list[str]:
    """Why statistics are undefined."""
    reasons: dict[str, list[str]] = {}
    for group in groups:
        for metric, agreement in group.agreements.items():
            for name, each in agreement.estimates.items():
                where = "" if group.kind == "all" else f"{group.name}: "
                if each.value is None and not (
                    STATISTICS[name].needs_intervals and each.why.startswith("the MOS have")
                ):
                    reasons.setdefault(f"{where}{{}} of {label(metric)}: {each.why}.", []).append(
                        STATISTICS[name].label
                    )
    texts = [text.replace("{}", f"no {', '.join(names)}", 1) for text, names in reasons.items()]
    if any(
        each.estimates["rmse_star"].why.startswith("the MOS have") for g in groups for each in g.agreements.values()
    ):
        texts.append("No tau-b 95, RMSE* and outliers: the MOS have no confidence intervals (ci, or std and n).")
    return texts


def _method(correlation: Correlation) -> str:
    curve = {
        "cubic": "the third-order polynomial of ITU-T P.1401, which never falls as the metric gets better",
        "logistic": "the logistic function of ITU-T J.149",
    }[correlation.mapping]
    ceiling = "" if correlation.ceiling is None else f" The ceiling of tau-b 95 is {correlation.ceiling:.3f}."
    return (
        f"PLCC, RMSE, RMSE* and outliers are those after {curve}. In brackets: 95 % intervals from "
        f"{correlation.resamples} resamples by {correlation.block}, seed {correlation.seed}.{ceiling}"
    )
