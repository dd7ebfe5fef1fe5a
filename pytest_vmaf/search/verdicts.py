"""Verdicts of the gates of a search, and the words for violations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_vmaf.gates.gate import Gate, Verdict
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.search.bisection import Answer, Bisection
from pytest_vmaf.search.metric import Metric


def judge_answer(answer: Answer, gates: Sequence[Gate]) -> list[Verdict]:
    """Check the target, and the gates on bitrate and CRF, at the operating point; no verdicts if there is none."""
    if not answer.met:
        return []
    values = {"bitrate": answer.bitrate, "crf": float(answer.crf)}
    verdicts = [judge_score(answer.metric, answer.target, answer.score)]
    for gate in gates:
        value, limit = values[gate.metric], gate.limit or 0.0
        verdicts.append(Verdict(gate, value, limit - value if gate.bound == "max" else value - limit))
    return verdicts


def judge_score(metric: Metric, target: float, score: float) -> Verdict:
    """Check a score against a target."""
    return Verdict(Gate("target", "min", metric.name, metric.pool, target, "call"), score, score - target)


def best_below(bisections: Iterable[Bisection], target: float) -> tuple[Result, float]:
    """The result and score nearest to a target that is not met: of a trial encode, or of the reference itself."""
    bisections = list(bisections)
    below = [probe for bisection in bisections for probe in bisection.points if probe.score < target]
    if below:
        best = max(below, key=lambda probe: probe.score)
        return best.result, best.score
    return bisections[0].self_score, bisections[0].ceiling


def violation(answer: Answer, verdict: Verdict) -> str:
    """A failed gate in words, numbers first."""
    limit, where = verdict.gate.limit, f"at {answer.metric} {answer.target:g}"
    if verdict.gate.metric == "bitrate":
        return f"{verdict.value:,.0f} bit/s > {limit:,.0f} {where}"
    return f"CRF {verdict.value:g} < {limit:g} {where}"
