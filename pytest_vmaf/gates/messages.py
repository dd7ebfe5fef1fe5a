"""The words of failed gates: values, limits, worst frames, and how they were measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from pytest_vmaf.gates.gate import Gate, Verdict, part_of, region_prefix
from pytest_vmaf.gates.metrics import ABOVE, STREAM_METRICS, decimals, label, metric_of, metrics
from pytest_vmaf.gates.stream_numbers import place_of
from pytest_vmaf.scoring.pools import SHOT, is_window
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.text import plural

if TYPE_CHECKING:
    from pytest_vmaf.bitstream.stream import Stream
    from pytest_vmaf.gates.expectations import Check

ENHANCED = (ABOVE, "enhancement", "contrast")
#: What it means if one of these metrics is above its limit.
MEANINGS = (
    (
        ("gap",),
        "The default score credits detail that is stronger than the reference's, and NEG does not. Coding makes\n"
        "  gaps of up to 3. A larger one is enhancement (sharpening, contrast): look for a filter before the encoder,\n"
        "  or a tune inside it. If there is none, check that the reference is the first argument.",
    ),
    (
        ENHANCED,
        "Detail or contrast is stronger than the reference's: enhancement (sharpening, contrast) raised the default\n"
        "  score, not fidelity. Look for a filter before the encoder, or a tune inside it. If there is none, check\n"
        "  that the reference is the first argument, and the range and matrix tags.",
    ),
    (
        ("colour_loss", "colour_shift", "colour_lag"),
        "Colour is not the reference's, which VMAF v0 does not see. Look for chroma planes that are swapped, shifted,\n"
        "  late or missing, a hue or saturation filter, or a conversion with another matrix.",
    ),
    (
        ("colour_matrix",),
        "Luma changed with colour, as if a step had taken BT.601 for BT.709, or the reverse. Look for a conversion\n"
        "  from or to RGB that guesses the matrix, and name it there (with ffmpeg,\n"
        "  scale=in_color_matrix=…:out_color_matrix=…).",
    ),
    (
        ("contrast_loss",),
        "Contrast is lower than the reference's. Look for a filter, or a conversion of the range.",
    ),
    (
        ("patch",),
        "A part of the picture is not the reference's. Look for lost blocks or slices, a logo, text or bars over the\n"
        "  picture, or parts that are frozen.",
    ),
    (
        ("lag",),
        "Frames are mixed with earlier or later ones. Look for a deinterlacer, fields in the wrong order, a change of\n"
        "  the frame rate that blends, or temporal denoising.",
    ),
    (
        ("level_shift",),
        "Brightness is not the reference's, which VMAF v0 hardly sees. Look for a filter of brightness or gamma, or a\n"
        "  conversion of the range.",
    ),
    (
        ("collapse",),
        "Single frames are far worse than their shot. Look for frames that are black, damaged, mirrored or of another\n"
        "  scene.",
    ),
)


class BaselineComparison(Protocol):
    """A comparison with a baseline, in words."""

    @property
    def failed(self) -> Sequence[str]:
        """The failures, one sentence each."""

    @property
    def lines(self) -> Sequence[str]:
        """Details of the failures."""

    @property
    def also(self) -> Sequence[str]:
        """The tolerances that passed, one sentence each."""


def describe(
    result: Result, verdicts: Iterable[Verdict], comparison: BaselineComparison, checks: Sequence[Check] = ()
) -> str:
    """The message of a failed check: every failure with its worst frames, and how the result was measured.

    Args:
        result: The result that was checked.
        verdicts: The verdicts of its gates.
        comparison: The comparison with its baseline, if there is one.
        checks: Expectations on the stream that were checked.
    """
    verdicts = list(verdicts)
    failed = [verdict for verdict in verdicts if not verdict.passed]
    wrong = [check.text for check in checks if not check.passed]
    passed = [*(_comparison(verdict) for verdict in verdicts if verdict.passed), *comparison.also]
    passed += [check.text for check in checks if check.passed]
    # The numbers come first, because pytest's short summary shows the start of the first line.
    lines = [summary([*map(_comparison, failed), *wrong, *comparison.failed], passed)]
    for verdict in failed:
        lines.append(_missed(verdict))
        lines.extend(f"    {line}" for line in worst_lines(result, verdict.gate))
    lines += stream_lines(result.stream, (), checks) if result.stream else []
    lines += [f"  {line}" for line in comparison.lines]
    if passed:
        lines.append(f"  passed: {'; '.join(passed)}")
    lines += [f"  {line}" for line in provenance_lines(result)]
    lines += [f"  {text}" for text in meanings(each.gate.metric for each in failed if each.gate.bound == "max")]
    return "\n".join(lines)


def describe_stream(
    stream: Stream, verdicts: Sequence[Verdict], checks: Sequence[Check], comparison: BaselineComparison
) -> str:
    """The message of a failed check of a stream: every failure, and where in the stream it is."""
    wrong = [check for check in checks if not check.passed]
    failed = [*(_comparison(each) for each in verdicts if not each.passed), *(check.text for check in wrong)]
    passed = [*(_comparison(each) for each in verdicts if each.passed), *(each.text for each in checks if each.passed)]
    passed += comparison.also
    lines = [summary([*failed, *comparison.failed], passed), *stream_lines(stream, verdicts, checks)]
    lines += [f"  {line}" for line in comparison.lines]
    if passed:
        lines.append(f"  passed: {'; '.join(passed)}")
    return "\n".join([*lines, f"  stream: {stream.clip}: {stream}"])


def stream_lines(stream: Stream, verdicts: Sequence[Verdict], checks: Sequence[Check]) -> list[str]:
    """The details of failed gates and expectations on a stream."""
    lines = []
    for verdict in verdicts:
        if not verdict.passed:
            lines += [_missed(verdict), *(f"    {line}" for line in place_of(stream, verdict.gate.metric))]
    for check in checks:
        if not check.passed:
            lines += [f"  {check.name}: {check.text} (set by the {check.origin})", *(f"    {at}" for at in check.where)]
    return lines


def _missed(verdict: Verdict) -> str:
    by = _amount(verdict.gate.metric, -verdict.margin)
    return f"  {verdict.gate.name}: {_comparison(verdict)} (missed by {by}; set by the {verdict.gate.origin})"


def meanings(above: Iterable[str]) -> list[str]:
    """What it means if these metrics are above their limits, and where to look."""
    failed = {*above}
    if failed & {*ENHANCED}:
        failed.discard("gap")
    return [text for names, text in MEANINGS if failed & {*names}]


def summary(failed: Sequence[str], passed: Sequence[str]) -> str:
    """The first line of a failure, for example "NEG 92.290 < 93 (1 of 2 gates failed)"."""
    return f"{'; '.join(failed)} ({len(failed)} of {len(failed) + len(passed)} gates failed)"


def worst_lines(result: Result, gate: Gate) -> list[str]:
    """The frames that are furthest on the wrong side of a gate, with their times."""
    result = part_of(result, gate)
    if gate.metric in STREAM_METRICS:
        return place_of(result.stream, gate.metric) if result.stream else []
    if gate.metric == ABOVE:
        worst, context = result.above_100.worst(3), result.context
        return _frames([f"{context.time_code(index)} {score:.2f}, self-score {own:.2f}" for index, score, own in worst])
    score = result.judged(gate.metric, gate.pool, gate.bound)
    lines = [_window_line(score, gate.pool)] if is_window(gate.pool) else []
    lines += worst_lines_of(score, lowest=gate.bound == "min")
    # Of a quality map, another tile may be the worst one in another pool.
    elsewhere = score.context.distorted != result.context.distorted
    return [*lines, f"in {score.context.distorted}"] if elsewhere else lines


def _window_line(score: Score, pool: str) -> str:
    window = score.worst_window(pool)
    last = window.first + window.frames - 1
    what = "shot" if pool == SHOT else "part"
    return f"worst {what}: {score.context.time_code(window.first)} to {score.context.time_code(last)}"


def worst_lines_of(score: Score, lowest: bool | None = None) -> list[str]:
    """The worst frames of a score with their times; `lowest` as in `Score.worst`."""
    if len(score.frames) == 1:
        return []
    worst, metric = score.worst(3, lowest=lowest), score.scale.metric
    return _frames([f"{score.context.time_code(index)} {value:.{decimals(metric, value)}f}" for index, value in worst])


def _frames(frames: list[str]) -> list[str]:
    return [f"worst frames: {'; '.join(frames)}"] if frames else []


def provenance_lines(result: Result) -> list[str]:
    """The scores of a result, and how they were measured."""
    vmaf, neg = (_with_unclipped(score) for score in (result.vmaf, result.neg))
    scores = f"VMAF {vmaf}, NEG {neg}, gap {result.gap:.2f} (unclipped)"
    return [f"{scores}, {plural(len(result.vmaf.frames), 'frame')}", *provenance_lines_of(result.neg)]


def provenance_lines_of(score: Score) -> list[str]:
    """The clips, models and scorer of a score."""
    provenance, context = score.context.provenance, score.context
    libvmaf = provenance.get("libvmaf") or "?"
    models = f"{provenance.get('model')} / {provenance.get('neg_model')}"
    return [
        f"reference: {context.reference}",
        f"distorted: {context.distorted}",
        f"models: {models}; scorer: {provenance.get('scorer')} (libvmaf {libvmaf})",
        *([f"from the cache, measured {provenance['cached']}"] if provenance.get("cached") else []),
        *(f"note: {note}" for note in provenance.get("notes", ())),
    ]


def _with_unclipped(score: Score) -> str:
    # Without it, the gap would not be the difference of the two printed scores.
    unclipped = float(score.unclipped)
    return f"{score:.2f}" if abs(unclipped - score) < 0.005 else f"{score:.2f} ({unclipped:.2f} unclipped)"


def _comparison(verdict: Verdict) -> str:
    gate, limit = verdict.gate, verdict.gate.limit or 0
    region = region_prefix(gate.region)
    if gate.metric == ABOVE:
        frames = plural(verdict.value, "frame")
        return f"{region}{frames} above 100 and the reference's own score, {limit:g} allowed"
    pool = "" if gate.pool == metric_of(gate.metric).pool else f" {gate.pool}"
    signs = {("min", True): "≥", ("min", False): "<", ("max", True): "≤", ("max", False): ">"}
    sign = signs[gate.bound, verdict.passed]
    if gate.metric in STREAM_METRICS:
        exact = gate.metric == "level"
        value = _amount("level", verdict.value) if exact else f"{verdict.value:,.{decimals(gate.metric, limit)}f}"
        return f"{label(gate.metric)} {value} {sign} {_amount(gate.metric, limit)}"
    return f"{region}{label(gate.metric)}{pool} {_short(verdict.value, limit)} {sign} {limit:g}"


def _short(value: float, limit: float) -> str:
    """A value with three decimals, or with three digits beside a small limit, such as that of a mean difference."""
    return f"{value:.3g}" if 0 < abs(limit) < 0.01 and abs(value) < 0.01 else f"{value:.3f}"


def _amount(metric: str, amount: float) -> str:
    """How far a gate was missed, or the limit of a stream, with its unit."""
    if metric == ABOVE:
        return plural(amount, "frame")
    if metric == "level":
        from pytest_vmaf.bitstream.header import level_name

        return level_name(amount)
    if metric in STREAM_METRICS:
        return f"{amount:,.{decimals(metric, amount)}f} {metrics()[metric].unit}".rstrip()
    return f"{amount:.3g}"
