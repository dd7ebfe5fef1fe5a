"""`vmaf.check_baseline`: compare results that exist already with a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pytest_vmaf.api.context import Context
from pytest_vmaf.baselines.entry import Entry
from pytest_vmaf.baselines.judge import Outcome
from pytest_vmaf.errors import GateViolation, SettingsError
from pytest_vmaf.gates.messages import describe
from pytest_vmaf.gates.metrics import BASE_METRICS, BD_RATE, ENCODE_METRICS
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.spool import title_of
from pytest_vmaf.report.record import outcome_gates, with_gates
from pytest_vmaf.report.section_makers import section_maker
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.settings import make_layer

if TYPE_CHECKING:
    from pytest_vmaf.roi.quality_map import QualityMap
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.comparison import Comparison

    Comparable = Result | QualityMap | Sequence[Result | QualityMap] | Bisection | Comparison

# pytest shows the caller's line, not ours.
__tracebackhide__ = True


@dataclass(frozen=True)
class _Subject:
    """What is compared: the kind of its baseline, its default name, its metrics, its references and its entry."""

    kind: str
    name: str
    has_metric: Callable[[str], bool]
    references: tuple[str, ...]
    entry: Callable[[Sequence[Clip], Sequence[str]], Entry]


def check_baseline(context: Context, result: Comparable, keywords: Mapping[str, object]) -> None:
    """Compare results with a baseline, as `Vmaf.check_baseline` describes it.

    Raises:
        GateViolation: If a tolerance fails.
        BaselineError: If the two cannot be compared.
        SettingsError: If an argument is not valid.
    """
    if "agree" in keywords:
        raise SettingsError(
            "agree needs vmaf.bisect or vmaf.compare with baseline=True: they make further encodes near the bitrates "
            "of the baseline, and check_baseline makes none."
        )
    layer = make_layer("call", keywords, find=context.find_metric)
    if layer.gates or layer.options:
        name = next(iter((*layer.options, *(gate.name for gate in layer.gates))))
        raise SettingsError(f"{name} is not a tolerance. check_baseline measures nothing and checks only tolerances.")
    result = _judged(result)
    subject = _subject(result)
    first = result[0] if isinstance(result, list | tuple) else result
    origin = context.baselines.find_origin(first)
    check = context.baselines.prepare_check((layer, *context.layers), subject.kind, subject.has_metric, subject.name)
    if check is None:
        return
    entry = subject.entry(origin[0] if origin else _references(subject.references), check.windows)
    outcome = check.compare(entry, first.context.frame_rate if isinstance(first, Result) else None)
    known = origin is not None and origin[1] < len(context.records.measurements)
    index = origin[1] if origin is not None and known else None
    _record(context, outcome, index)
    if outcome.failed:
        violation = GateViolation(_message(first, outcome))
        violation.result = first if isinstance(first, Result) else None
        context.violate(violation, [index] if index is not None else [])


def _judged(result: Comparable) -> Comparable:
    """What is compared of a result: of quality maps the worst tile."""
    from pytest_vmaf.roi.quality_map import QualityMap

    if isinstance(result, list | tuple):
        return [each.worst_result if isinstance(each, QualityMap) else each for each in result]
    return result.worst_result if isinstance(result, QualityMap) else result


def _subject(result: Comparable) -> _Subject:
    from pytest_vmaf.baselines import from_results
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.comparison import Comparison

    if isinstance(result, Bisection):
        name = f"{title_of(result.reference)}: bisect with {result.encoder.name}"
        return _Subject(
            "bisect",
            name,
            ENCODE_METRICS.__contains__,
            (result.reference,),
            lambda clips, _: from_results.entry_of_bisection(result, clips[0]),
        )
    if isinstance(result, Comparison):
        sources = tuple(result.bisections)
        return _Subject(
            "compare",
            f"{', '.join(map(title_of, sources))}: compare",
            (BD_RATE,).__contains__,
            sources,
            lambda clips, _: from_results.entry_of_comparison(result, clips),
        )
    results = cast("list[Result]", list(result) if isinstance(result, list | tuple) else [result])
    if len({id(each) for each in results}) < len(results):
        raise SettingsError("A result is given twice. Repeated encodes must each be encoded and measured.")
    if not results or not all(isinstance(each, Result) for each in results):
        raise SettingsError(
            "check_baseline takes a Result, a list of Results of repeated encodes, a Bisection or a Comparison, not "
            f"{result!r:.80}."
        )
    return _Subject(
        "score",
        title_of(results[0].context.distorted),
        lambda metric: metric in BASE_METRICS or all(metric in each.features for each in results),
        (results[0].context.reference,),
        lambda clips, windows: from_results.entry_of_results(results, clips[0], windows),
    )


def _references(names: Sequence[str]) -> Sequence[Clip]:
    """The references of what another session measured, by name. Raises SettingsError if they are not there."""
    clips = [Clip(name) for name in names if name]
    if not clips or not all(clip.path.exists() for clip in clips):
        raise SettingsError(
            f"The reference {', '.join(names)} does not exist, and a baseline identifies its reference by its bytes. "
            "Pass baseline=True in the test that measures instead."
        )
    return clips


def _record(context: Context, outcome: Outcome, index: int | None) -> None:
    measurements = context.records.measurements
    if maker := section_maker(outcome):
        context.records.section_makers.append(maker)
    if index is not None:
        gates = outcome_gates(outcome, None)
        measurements[index] = with_gates(measurements[index], gates, failed=bool(outcome.failed))


def _message(first: object, outcome: Outcome) -> str:
    if isinstance(first, Result):
        return describe(first, [], outcome)
    count = f"{len(outcome.failed)} of {len(outcome.failed) + len(outcome.also)}"
    lines = [*outcome.lines, *str(first).splitlines()]
    return f"{'; '.join(outcome.failed)} ({count} gates failed)\n" + "\n".join(f"  {line}" for line in lines)
