"""The records of a search: one per encode that answers a target, and the gates of all targets together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_vmaf.api.context import Context
from pytest_vmaf.baselines.judge import Outcome
from pytest_vmaf.errors import GateViolation
from pytest_vmaf.gates.gate import Gate, Verdict
from pytest_vmaf.report.record import disagreement_gates, measurement_record, outcome_gates, with_gates
from pytest_vmaf.report.repeats import repeats_data
from pytest_vmaf.report.section_makers import section_maker
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.search.verdicts import best_below, judge_answer, judge_score, violation
from pytest_vmaf.settings import TEST_ORIGINS

if TYPE_CHECKING:
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.disagreement_gate import DisagreementVerdict
    from pytest_vmaf.search.ladder import Ladder

# pytest shows the caller's line, not ours.
__tracebackhide__ = True


def record_result(context: Context, result: Result, verdicts: Sequence[Verdict]) -> None:
    """Record one encode. It counts as the test's check, unless the marker has gates: a search checks none of those."""
    marked = any(layer.gates for layer in context.layers if layer.origin in TEST_ORIGINS)
    record = {**measurement_record(result, verdicts), "gated": not marked, "every_gate": False}
    context.records.add(record)


def record_ladder(context: Context, ladder: Ladder) -> None:
    """Record one measurement per rung.

    A resolution that misses a target is not an error; a target that no resolution reaches is.
    """
    for rung in ladder.rungs:
        score = rung.probe.score
        verdicts = [judge_score(ladder.metric, target, score) for target in rung.targets]
        record_result(context, rung.probe.result, verdicts)
    for target in ladder.unmet:
        result, score = best_below(ladder.bisections.values(), target)
        record_result(context, result, [judge_score(ladder.metric, target, score)])


def record_answers(
    context: Context,
    bisections: Iterable[Bisection],
    limits: Sequence[tuple[Gate, float]] = (),
    outcome: Outcome | None = None,
    disagreement: Sequence[DisagreementVerdict] = (),
) -> None:
    """Record one measurement per encode that answers a target, and check the gates of all targets.

    Args:
        context: What the Vmaf knows.
        bisections: The bisections.
        limits: Gates on bitrate and CRF, each with its target.
        outcome: The comparison with a baseline. Its gates go into the first record.
        disagreement: The verdicts of `max_disagreement`, likewise.

    Raises:
        GateViolation: If a gate or a tolerance fails, or a target with a gate is not met.
    """
    measurements = context.records.measurements
    first = len(measurements)
    violations: list[str] = []
    lines: list[str] = []
    for bisection in bisections:
        violations += _record_bisection(context, bisection, limits)
        lines = str(bisection).splitlines()
    count = len(limits) + len(disagreement)
    apart = [each for each in disagreement if not each.passed]
    violations += [each.text for each in apart]
    lines = [*(each.agreement.verdict for each in apart), *lines]
    if disagreement and first < len(measurements):
        measurements[first] = with_gates(measurements[first], disagreement_gates(disagreement))
    if outcome is not None:
        violations += outcome.failed
        count += len(outcome.failed) + len(outcome.also)
        lines = [*outcome.lines, *(f"also passed: {also}" for also in outcome.also), *lines]
        if maker := section_maker(outcome):
            context.records.section_makers.append(maker)
        if first < len(measurements):
            gates = outcome_gates(outcome, None)
            measurements[first] = with_gates(measurements[first], gates, failed=bool(outcome.failed))
    if violations:
        summary = f"{'; '.join(violations)} ({len(violations)} of {count} gates failed)"
        context.violate(GateViolation("\n  ".join([summary, *lines])), range(first, len(context.records.measurements)))


def _record_bisection(context: Context, bisection: Bisection, limits: Sequence[tuple[Gate, float]]) -> list[str]:
    """Record the answers of one bisection, and word its violations."""
    violations: list[str] = []
    verdicts: dict[int, list[Verdict]] = {}
    for answer in bisection.answers.values():
        gates = [gate for gate, target in limits if target == answer.target]
        if answer.met:
            judged = judge_answer(answer, gates)
            violations += [violation(answer, verdict) for verdict in judged if not verdict.passed]
            verdicts.setdefault(answer.crf, []).extend(judged)
            continue
        violations += [answer.why] if gates else []
        # The report shows a target that is not met, whether the test has a gate on it or not.
        result, score = best_below([bisection], answer.target)
        record_result(context, result, [judge_score(answer.metric, answer.target, score)])
    probes = {probe.crf: probe for probe in bisection.points}
    repeated = {each.crf: repeats_data(each) for each in bisection.determinism}
    for crf, judged in verdicts.items():
        record_result(context, probes[crf].result, judged)
        if crf in repeated:
            context.records.measurements[-1]["repeats"] = repeated[crf]
    return violations
