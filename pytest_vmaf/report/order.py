"""Worst-first orders of a report's tests, measurements and gates, and what failed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_vmaf.gates.metrics import ABOVE, BASE_METRICS, PART_METRICS, decimals
from pytest_vmaf.report.schema import STATUSES, Record
from pytest_vmaf.scoring.models import feature_columns


def worst_first(tests: Iterable[Record]) -> list[Record]:
    """Sort tests: errors, then failures by how far they miss a limit, then passes by their smallest margin."""
    return sorted(tests, key=lambda test: (STATUSES.index(test["status"]), worst_of(test["measurements"]), test["id"]))


def worst_of(measurements: Iterable[Record]) -> tuple[Any, ...]:
    """The sort key of the worst measurement. Tests without measurements come last."""
    return min(map(badness, measurements), default=(3,))


def badness(measurement: Record) -> tuple[Any, ...]:
    """The sort key of a measurement: errors first, then the rank of its worst gate, then the lowest NEG."""
    gate, neg = smallest_margin(measurement), measurement.get("neg")
    status = ("error", "failed", "passed").index(measurement["status"])
    return status, rank(gate) if gate else (True, 3, 0.0), neg if neg is not None else 0.0


def swallowed(test: Record) -> list[Record]:
    """The failed measurements of a test that did not fail, because its code caught the error; the worst first."""
    if test["status"] not in ("passed", "skipped"):
        return []
    return sorted((each for each in test["measurements"] if each["status"] != "passed"), key=badness)


def outcomes(tests: Iterable[Record]) -> set[str]:
    """The statuses of tests, and of measurements that failed in tests which did not."""
    return {each["status"] for test in tests for each in (test, *swallowed(test))}


def smallest_margin(measurement: Record) -> Record | None:
    """The gate with the smallest margin, in the order of `rank`. None if no gate was checked."""
    return min((gate for gate in measurement["gates"] if gate.get("margin") is not None), key=rank, default=None)


def rank(gate: Record) -> tuple[bool, int, float]:
    """The sort key of a gate: failed first, scores and features before other units and frame counts, then the margin.

    A point of VMAF, a decibel and a hundredth of SSIM weigh the same.
    """
    metric = gate["metric"]
    is_score = metric in BASE_METRICS or metric in PART_METRICS or metric in feature_columns()
    unit = 0 if is_score else 2 if metric == ABOVE else 1
    scale = 100 if metric not in BASE_METRICS and decimals(metric, gate["limit"]) > 2 else 1
    return gate["passed"], unit, scale * gate["margin"]
