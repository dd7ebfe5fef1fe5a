"""pytest_vmaf.search.verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_vmaf.gates.gate import Gate, Verdict
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.search.bisection import Answer, Bisection
from pytest_vmaf.search.probe import Metric


def judge_answer(answer: Answer, gates: Sequence[Gate]) -> list[Verdict]:
    """The target itself as a gate, and those that are held at it; none where the target is not met."""
    if not answer.met:
        return []
    values = {"bitrate": answer.bitrate, "crf": float(answer.crf)}
    verdicts = [judge_score(answer.metric, answer.target, answer.score)]
    for gate in gates:
        value, limit = values[gate.metric], gate.limit or 0.0
        verdicts.append(Verdict(gate, value, limit - value if gate.bound == "max" else value - limit))
    return verdicts


def judge_score(metric: Metric, target: float, score: float) -> Verdict:
    """A target as a gate, held against a score."""
    return Verdict(Gate("target", "min", metric.name, metric.pool, target, "call"), score, score - target)


def best_below(searches: Iterable[Bisection], target: float) -> tuple[Result, float]:
    """What came nearest to a target that is not met: an encode's result, or the reference's own, and its score."""
    searches = list(searches)
    below = [probe for found in searches for probe in found.probes if probe.score < target]
    if below:
        best = max(below, key=lambda probe: probe.score)
        return best.result, best.score
    return searches[0].self_score, searches[0].ceiling


def violation(answer: Answer, verdict: Verdict) -> str:
    """A violated gate in words, numbers first."""
    gate = verdict.gate
    if gate.metric == "bitrate":
        return f"{verdict.value:,.0f} bit/s > {gate.limit:,.0f} at {answer.metric} {answer.target:g}"
    return f"CRF {verdict.value:g} < {gate.limit:g} at {answer.metric} {answer.target:g}"
