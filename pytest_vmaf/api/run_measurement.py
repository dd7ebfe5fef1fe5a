"""One measurement, from the call to the record: plan, measure, judge, record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Generic

from pytest_vmaf.api.chunking import choose_measure, read_seconds, without_chunking
from pytest_vmaf.api.context import Context
from pytest_vmaf.api.gate_selection import has_baseline, measured_gates, needs_neg_only, select_gates, supports
from pytest_vmaf.api.measurement_kinds import Kind, MeasuredResult
from pytest_vmaf.api.stream_plan import StreamPlan, check, note_checked, plan_stream, read
from pytest_vmaf.baselines.judge import Outcome
from pytest_vmaf.errors import BaselineError, GateViolation, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.gates.defaults import is_sign
from pytest_vmaf.gates.gate import Gate, Verdict, judge
from pytest_vmaf.gates.messages import describe
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.clip_like import ClipLike, as_pair, clip_name, discard, is_encode, own_cause
from pytest_vmaf.media.fingerprint import Stamps, stamps_of
from pytest_vmaf.report.record import (
    check_gates,
    error_record,
    measurement_record,
    outcome_gates,
    stream_data,
    with_gates,
)
from pytest_vmaf.report.section_makers import section_maker
from pytest_vmaf.scoring.pools import SHOT
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.settings import Layer, make_layer
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.baselines.check import BaselineCheck
    from pytest_vmaf.gates.expectations import Check
    from pytest_vmaf.scoring.scorer import Scorer

# pytest shows the caller's line, not ours.
__tracebackhide__ = True


@dataclass(frozen=True)
class Call(Generic[MeasuredResult]):
    """A call of a method that measures a pair; `run_measurement` describes the fields."""

    settings: Mapping[str, object]
    make_kind: Callable[..., Kind[MeasuredResult]]
    every_gate: bool
    gated: bool


@dataclass
class _About:
    """What the record of an error says of the measurement: the names of the clips, and the gates; and the clips."""

    names: tuple[str, str]
    clips: tuple[Clip, ...] = ()
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a measurement does.

    Attributes:
        layers: Settings and gates, the call's first.
        gates: The gates to check.
        baseline: The baseline to compare with, if any.
        request: The clips and how to score them.
        scorer: The scorer.
        stream: What to read of the distorted clip's stream.
        stamps: Tell whether the clips' files were written to later.
    """

    layers: tuple[Layer, ...]
    gates: tuple[Gate, ...]
    baseline: BaselineCheck | None
    request: MeasureRequest
    scorer: Scorer
    stream: StreamPlan
    stamps: Stamps


@dataclass(frozen=True)
class Judgement:
    """The verdicts of the gates, the outcome of the comparison with a baseline, and the expectations on the stream."""

    verdicts: tuple[Verdict, ...]
    outcome: Outcome
    checks: tuple[Check, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every gate and tolerance passed."""
        gates = all(verdict.passed for verdict in self.verdicts) and all(check.passed for check in self.checks)
        return gates and not self.outcome.failed


def run_measurement(
    context: Context,
    reference: ClipLike,
    distorted: ClipLike,
    settings: Mapping[str, object],
    make_kind: Callable[..., Kind[MeasuredResult]],
    *,
    every_gate: bool = False,
    gated: bool = True,
) -> MeasuredResult:
    """Measure a pair of clips, check its gates and its baseline, and record all of it.

    Args:
        context: What the Vmaf knows.
        reference: The reference.
        distorted: The distorted clip.
        settings: The keywords of the call.
        make_kind: Makes the kind of measurement, with `find` that finds metrics of plugins; called once, so that its
            errors are recorded.
        every_gate: Whether to check the gates of all layers, as `check` does.
        gated: Whether to check gates at all.

    Raises:
        GateViolation: If a gate or a tolerance fails, unless in report-only mode.
        MeasurementError: If there is no trustworthy score.
        SettingsError: If a setting is not valid.
    """
    started = time.time()
    call = Call(settings, make_kind, every_gate, gated)
    about = _About((clip_name(reference), clip_name(distorted)))
    try:
        kind, plan, result, judgement = _measure(context, reference, distorted, call, about)
    except (MeasurementError, SettingsError, OSError) as caught:
        error: MeasurementError | SettingsError = (
            # A full disk, or a temporary folder that was removed.
            ScorerError(f"The system refused what scoring needs: {printable(str(caught))}.")
            if isinstance(caught, OSError)
            else caught
        )
        context.records.add({**error_record(*about.names, error, about.gates), "started": started})
        discard((reference, distorted), about.clips)
        # The caller's line matters. Ours, and the causes, add nothing to the message.
        raise error.with_traceback(None) from own_cause(error)
    if gated:
        _note_checked(context, plan, kind.metrics)
        if not kind.metrics:
            note_checked(context, plan.layers)
    first = len(context.records.measurements)
    _record(context, plan, result, judgement, {"started": started, "gated": gated, "every_gate": every_gate})
    if kind.section is not None:
        clips = plan.request.reference, plan.request.distorted
        context.records.add_maker(partial(kind.section, result, clips), clips)
    if not judgement.passed:
        violation = _violation(result, judgement, kind.public(result))
        context.violate(violation, range(first, len(context.records.measurements)))
    return result


def _measure(
    context: Context, reference: ClipLike, distorted: ClipLike, call: Call[MeasuredResult], about: _About
) -> tuple[Kind[MeasuredResult], Plan, MeasuredResult, Judgement]:
    """Plan, measure and judge. What is known before an error goes into `about`."""
    layers = (make_layer("call", without_chunking(call.settings), find=context.find_metric), *context.layers)
    try:
        kind = call.make_kind(find=partial(context.find_metric, nearer=layers[0]))
    except SettingsError:
        # Regions are invalid. The record names the gates of the whole picture all the same.
        about.gates = select_gates(layers, (), every_gate=call.every_gate) if call.gated else ()
        raise
    if call.gated:
        about.gates = (*select_gates(layers, kind.metrics, every_gate=call.every_gate), *kind.gates)
    elif layers[0].gates or layers[0].tolerances or layers[0].baseline or layers[0].stream:
        raise SettingsError("self_score checks no gates. Use assert on its result.")
    seconds = read_seconds(call.settings, kind, gated=call.gated)
    clips = as_pair(reference, distorted, alone=not call.gated)
    about.names, about.clips = (str(clips[0]), str(clips[1])), clips
    encoded = is_encode(distorted) and distorted is not reference
    plan = _plan(context, clips, layers, about.gates, kind, call, encoded=encoded)
    if kind.neg_only is not None and plan.baseline is None and needs_neg_only(plan.gates, kind.metrics):
        kind = replace(kind, measure=kind.neg_only)
    measure = choose_measure(call.settings, kind, seconds, layers, plan.scorer)
    stream = read(plan.stream, plan.request.distorted) if plan.stream.needs_packets else None
    with context.progress(plan.request.distorted.title) as update:
        result = measure(replace(plan.request, progress=update) if update else plan.request, plan.scorer)
    result = replace(result, stream=stream) if stream else result
    return kind, plan, result, _judge(plan, result)


def _plan(
    context: Context,
    clips: tuple[Clip, Clip],
    layers: tuple[Layer, ...],
    gates: tuple[Gate, ...],
    kind: Kind[MeasuredResult],
    call: Call[MeasuredResult],
    *,
    encoded: bool,
) -> Plan:
    gated, every_gate = call.gated, call.every_gate
    baseline = None
    if gated:
        has_metric = partial(has_baseline, metrics=kind.metrics)
        baseline = context.baselines.prepare_check(layers, "score", has_metric, clips[1].title)
    features = [gate.feature for gate in gates if gate.feature]
    features += baseline.features if baseline else ()
    metrics = [gate.plugin_metric for gate in gates if gate.plugin_metric]
    metrics += baseline.plugin_metrics if baseline else ()
    # `check` measures signs only if a gate needs them, `score` always.
    signs = gated and not kind.metrics and (not every_gate or any(map(is_sign, gates)))
    request, scorer = context.request(*clips, layers, features, metrics, signs=signs, encoded=encoded)
    request = replace(request, same=("refuse" if every_gate else "note") if gated else "ignore")
    request = replace(request, shots_for=_needs_shots(gates, baseline))
    stream = _plan_stream(layers, gates, kind, gated=gated)
    gates = (*gates, *(gate for gate in stream.gates if gate not in gates))
    return Plan(layers, gates, baseline, request, scorer, stream, stamps_of(request.reference, request.distorted))


def _plan_stream(
    layers: tuple[Layer, ...], gates: tuple[Gate, ...], kind: Kind[MeasuredResult], *, gated: bool
) -> StreamPlan:
    """What to read of the stream: nothing for parts of the picture, or for what is not gated."""
    if gated and not kind.metrics:
        return plan_stream(layers, gates)
    if layers[0].stream:
        raise SettingsError("stream= requires vmaf.check(), vmaf.score() or vmaf.stream(), which read streams.")
    return StreamPlan()


def _needs_shots(gates: Sequence[Gate], baseline: BaselineCheck | None) -> str:
    """The first gate or tolerance on the worst shot, "" if there is none."""
    names = [gate.name for gate in gates if gate.pool == SHOT]
    names += [each.name for each in (baseline.tolerances if baseline else ()) if each.pool == SHOT]
    return next(iter(names), "")


def _judge(plan: Plan, result: Result) -> Judgement:
    verdicts = judge(result, measured_gates(plan.gates, result))
    clips = plan.request.reference, plan.request.distorted
    checks = tuple(check(plan.stream, result.stream, clips[1], clips[0])) if result.stream else ()
    if plan.baseline is None:
        return Judgement(verdicts, Outcome(), checks)
    from pytest_vmaf.baselines.from_results import entry_of_result

    if stamps_of(clips[0])[0] != plan.stamps[0]:
        raise BaselineError(f"{clips[0]} was modified while it was scored.")
    entry = entry_of_result(result, clips[0], plan.baseline.windows)
    same = plan.stream.same_bitstream
    if result.stream and same:
        from pytest_vmaf.baselines.from_streams import bitstream_entry

        entry["bitstream"] = bitstream_entry(result.stream)
    outcome = plan.baseline.compare(entry, result.context.frame_rate, same_bitstream=same)
    return Judgement(verdicts, outcome, checks)


def _note_checked(context: Context, plan: Plan, metrics: Sequence[str]) -> None:
    """Remember which gates were checked, or switched off by the call, so that the marker's are not missed."""
    checked = context.records.checked
    checked.update(gate.key for gate in plan.layers[0].gates if gate.limit is None)
    checked.update(gate.key for layer in plan.layers for gate in layer.gates if supports(gate.metric, metrics))


def _record(
    context: Context, plan: Plan, result: Result, judgement: Judgement, attributes: Mapping[str, object]
) -> None:
    records, outcome = context.records, judgement.outcome
    context.baselines.remember(result, [plan.request.reference], len(records.measurements))
    for name, part in {"": result, **result.regions}.items():
        verdicts = [verdict for verdict in judgement.verdicts if verdict.gate.region == name]
        record = {**measurement_record(part, verdicts), **attributes}
        if name:
            # A region has gates of its own only: its record does not count as the test's check.
            record |= {"gated": False, "every_gate": False}
        gates = outcome_gates(outcome, name)
        if result.stream and not name:
            record |= {"stream": stream_data(result.stream), "about": printable(str(result.stream))}
            gates = [*check_gates(judgement.checks), *gates]
        failed = bool(outcome.failed and not name)
        records.add(
            with_gates(record, gates, failed=failed),
            (plan.request.reference, plan.request.distorted, plan.stamps),
        )
    if maker := section_maker(outcome):
        records.section_makers.append(maker)


def _violation(result: Result, judgement: Judgement, public: object) -> GateViolation:
    outcome = judgement.outcome
    violation = GateViolation(describe(result, judgement.verdicts, outcome, judgement.checks))
    violation.result = public
    return violation
