"""`vmaf.check_baseline`: a baseline held against what was measured before, by this test or by another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.baselines.check import BaselineCheck
from pytest_vmaf.baselines.entry import Entry
from pytest_vmaf.baselines.outcome import Outcome
from pytest_vmaf.errors import GateViolation, SettingsError
from pytest_vmaf.gates.messages import describe
from pytest_vmaf.gates.metrics import BD_RATE, ENCODE_METRICS
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.report.baseline_section import section_maker
from pytest_vmaf.report.record import outcome_gates, with_gates
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.settings import Layer, make_layer

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf

KINDS = "a Result, a list of Results of repeated encodes, a Bisection or a Comparison"


def check_baseline(session: Vmaf, given: Any, keywords: Mapping[str, Any], layers: Sequence[Layer]) -> None:
    """As :meth:`pytest_vmaf.Vmaf.check_baseline`."""
    __tracebackhide__ = True
    layer = make_layer("call", keywords)
    if layer.gates or layer.options:
        name = next(iter((*layer.options, *(gate.name for gate in layer.gates))))
        raise SettingsError(f"{name} is no tolerance; check_baseline holds a baseline and measures nothing.")
    kind, name, has = _look(given)
    first = given[0] if isinstance(given, list | tuple) else given
    known = session.baselines.find_origin(first)
    asked = session.baselines.prepare_check((layer, *layers), kind, has, name)
    if asked is None:
        return
    references = known[0] if known else _references(first)
    outcome = asked.compare(_entry(kind, given, references), _rate(first))
    session.makings += filter(None, [section_maker(outcome)])
    if known and known[1] < len(session.records):
        session.records[known[1]] = with_gates(
            session.records[known[1]], outcome_gates(outcome, None), failed=bool(outcome.failed)
        )
    if outcome.failed:
        violation = GateViolation(_message(first, outcome, asked))
        violation.result = first if isinstance(first, Result) else None
        raise violation


def _look(given: Any) -> tuple[str, str, Any]:
    """The kind of an entry, its name, and which metrics it may be held by. Raises SettingsError."""
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.comparison import Comparison

    if isinstance(given, Bisection):
        return "bisect", f"{Path(given.reference).name}: bisect with {given.encoder.name}", ENCODE_METRICS.__contains__
    if isinstance(given, Comparison):
        return "compare", f"{', '.join(Path(source).name for source in given.bisections)}: compare", (BD_RATE,).__contains__
    results = list(given) if isinstance(given, list | tuple) else [given]
    if len({id(each) for each in results}) < len(results):
        raise SettingsError("One result is given twice: repeated encodes are encodes of their own, each measured.")
    if not results or not all(isinstance(each, Result) for each in results):
        raise SettingsError(f"{given!r:.80} has no baseline; check_baseline takes {KINDS}.")

    def has(metric: str) -> bool:
        return metric in ("vmaf", "neg", "gap") or all(metric in each.features for each in results)

    return "score", Path(results[0].context.distorted).name, has


def _entry(kind: str, given: Any, references: Sequence[Clip]) -> Entry:
    from pytest_vmaf.baselines import from_results as entries

    if kind == "bisect":
        return entries.entry_of_bisection(given, references[0])
    if kind == "compare":
        return entries.entry_of_comparison(given, references)
    results = list(given) if isinstance(given, list | tuple) else [given]
    return entries.entry_of_results(results, references[0])


def _references(found: Any) -> Sequence[Clip]:
    """The references of what another session measured, by their names. Raises SettingsError where there is no such."""
    names = [found.context.reference] if isinstance(found, Result) else [getattr(found, "reference", "")]
    names = list(found.bisections) if hasattr(found, "bisections") else names
    clips = [Clip(name) for name in names if name]
    if not clips or not all(clip.path.exists() for clip in clips):
        raise SettingsError(
            f"What was measured is of {', '.join(names)}, which is not there; a baseline knows its reference by the "
            "bytes of it. Hold it in the test that measures, with baseline=True."
        )
    return clips


def _rate(first: Any) -> Any:
    return first.context.frame_rate if isinstance(first, Result) else None


def _message(first: Any, outcome: Outcome, asked: BaselineCheck) -> str:
    if isinstance(first, Result):
        return describe(first, [], outcome.failed, outcome.lines, outcome.also)
    count = f"{len(outcome.failed)} of {len(outcome.failed) + len(outcome.also)}"
    lines = [*outcome.lines, *str(first).splitlines()]
    return f"{'; '.join(outcome.failed)} ({count} gates violated)\n" + "\n".join(f"  {line}" for line in lines)
