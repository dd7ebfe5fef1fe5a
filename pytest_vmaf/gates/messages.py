"""pytest_vmaf.gates.messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_vmaf.gates.gate import Gate, Verdict, _of
from pytest_vmaf.gates.metrics import ABOVE, label
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.text import printable


def describe(
    result: Result,
    verdicts: Iterable[Verdict],
    more: Sequence[str] = (),
    about: Sequence[str] = (),
    also: Sequence[str] = (),
) -> str:
    """All violations at once, each with its worst frames, and what was measured how.

    ``more`` are violations of what is no gate, with the lines ``about`` them; ``also`` what of that was held.
    """
    verdicts = list(verdicts)
    failed = [verdict for verdict in verdicts if not verdict.passed]
    violations = "; ".join([*(_short(verdict) for verdict in failed), *more])
    count = f"{len(failed) + len(more)} of {len(verdicts) + len(more) + len(also)}"
    # The numbers come first: pytest's short summary shows the start of the first line.
    lines = [f"{violations} ({count} gates violated)"]
    for verdict in failed:
        lines.append(f"  {_long(verdict)}")
        lines.extend(f"    {line}" for line in worst_lines(result, verdict.gate))
    lines += [f"  {line}" for line in about]
    held = [*(_short(verdict) for verdict in verdicts if verdict.passed), *also]
    if held:
        lines.append(f"  also held: {'; '.join(held)}")
    lines += [f"  {line}" for line in provenance_lines(result)]
    if any(verdict.gate.metric in (ABOVE, "gap") for verdict in failed):
        lines.append(
            "  A large gap, and frames above the reference's own score, mean that enhancement (sharpening, contrast)\n"
            "  raised the default score, not fidelity: look for a filter before the encoder, or a tune inside it.\n"
            "  If there is none, look whether the reference is the first argument, and at the range and matrix tags."
        )
    return "\n".join(lines)


def worst_lines(result: Result, gate: Gate) -> list[str]:
    """The frames that are furthest on the wrong side of a gate, with their time codes, in one line."""
    result = _of(result, gate)
    if gate.metric != ABOVE:
        score = result.judged(gate.metric, gate.pool, gate.bound)
        lines = worst_lines_of(score, lowest=gate.bound == "min")
        # Of a map, by another pool another tile may be the worst.
        elsewhere = score.context.distorted != result.context.distorted
        return [*lines, f"in {score.context.distorted}"] if elsewhere else lines
    lifted, context = result.above_100.worst(3), result.context
    frames = [f"{context.time_code(index)} {score:.2f}, self-score {own:.2f}" for index, score, own in lifted]
    return [f"worst frames: {'; '.join(frames)}"] if frames else []


def worst_lines_of(score: Score, lowest: bool | None = None) -> list[str]:
    """The worst frames of a score with their time codes, in one line; ``lowest`` as in Score.worst."""
    worst = score.worst(3, lowest=lowest)
    if len(score.frames) == 1:
        return []
    frames = [f"{score.context.time_code(index)} {value:.2f}" for index, value in worst]
    return [f"worst frames: {'; '.join(frames)}"]


def provenance_lines(result: Result) -> list[str]:
    """What was measured and with what, in a few lines."""
    return [
        f"VMAF {_with_unclipped(result.vmaf)}, NEG {_with_unclipped(result.neg)}, gap {result.gap:.2f} (unclipped), "
        f"{_count(len(result.vmaf.frames))}",
        *provenance_lines_of(result.neg),
    ]


def _with_unclipped(score: Score) -> str:
    # Without it the gap would not be the difference of the two numbers beside it.
    unclipped = float(score.unclipped)
    return f"{score:.2f}" if abs(unclipped - score) < 0.005 else f"{score:.2f} ({unclipped:.2f} unclipped)"


def _count(frames: float) -> str:
    return f"{frames:g} frame{'' if frames == 1 else 's'}"


def provenance_lines_of(score: Score) -> list[str]:
    """The clips, the models and the scorer behind a score."""
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


def _short(verdict: Verdict) -> str:
    gate, limit = verdict.gate, verdict.gate.limit or 0
    of = f"{printable(gate.region)}: " if gate.region else ""
    if gate.metric == ABOVE:
        return f"{of}{_count(verdict.value)} above 100 and the reference's own score, {limit:g} allowed"
    pool = "" if gate.pool == "mean" else f" {gate.pool}"
    compared = {("min", True): "≥", ("min", False): "<", ("max", True): "≤", ("max", False): ">"}[
        gate.bound, verdict.passed
    ]
    return f"{of}{label(gate.metric)}{pool} {verdict.value:.3f} {compared} {limit:g}"


def _long(verdict: Verdict) -> str:
    gate = verdict.gate
    missed = _count(-verdict.margin) if gate.metric == ABOVE else f"{-verdict.margin:.3g}"
    return f"{gate.name}: {_short(verdict)} (missed by {missed}; set by the {gate.origin})"
