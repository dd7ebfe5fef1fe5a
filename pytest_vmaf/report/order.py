"""Worst-first orders of a report's tests, measurements and gates, and what failed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pytest_vmaf.gates.metrics import ABOVE, PART_METRICS, SPEED_GATES, STREAM_METRICS, decimals, metric_of
from pytest_vmaf.report.schema import DROP, RISE, STATUSES, Record
from pytest_vmaf.scoring.features import feature_columns
from pytest_vmaf.scoring.signs import SIGNS


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
    return status, rank(gate) if gate else (True, 3, 0.0), neg if neg is not None else math.inf


def swallowed(test: Record) -> list[Record]:
    """The failed measurements of a test that did not fail, because its code caught the error; the worst first."""
    if test["status"] not in ("passed", "skipped"):
        return []
    failed = (each for each in test["measurements"] if each["status"] != "passed" and not each.get("would_fail"))
    return sorted(failed, key=badness)


def would_fail(test: Record) -> bool:
    """Whether a test passed only because of report-only mode."""
    return test["status"] in ("passed", "skipped") and bool(test.get("would_fail"))


def outcomes(tests: Iterable[Record]) -> set[str]:
    """The statuses of tests, and of gates and measurements that failed in tests which did not."""
    tests = list(tests)
    only_reported = {"failed"} if any(map(would_fail, tests)) else set()
    return {each["status"] for test in tests for each in (test, *swallowed(test))} | only_reported


def smallest_margin(measurement: Record) -> Record | None:
    """The gate with the smallest margin, in the order of `rank`. None if no gate was checked."""
    return min((gate for gate in measurement["gates"] if gate.get("margin") is not None), key=rank, default=None)


def is_quiet(gate: Record) -> bool:
    """Whether the margin of a gate that passed tells little: default signs, counts of frames, and gates in words.

    A clip far below any useful quality passes them by as much as a good one.
    """
    is_sign = gate["metric"] in SIGNS and gate.get("origin") == "default"
    return bool(gate["passed"]) and (is_sign or gate["metric"] == ABOVE or bool(gate.get("text")))


def rank(gate: Record) -> tuple[bool, int, float]:
    """The sort key of a gate: failed first; default signs, frame counts and words last; then its margin."""
    is_sign = gate["metric"] in SIGNS and gate.get("origin") == "default"
    worded = gate["passed"] and gate.get("text")
    unit = 3 if worded else 2 if gate["metric"] == ABOVE else 1 if is_sign else 0
    return gate["passed"], unit, gate["margin"] / scale(gate)


def scale(gate: Record) -> float:
    """The margin that weighs as much as a point of VMAF.

    It is a decibel, a hundredth of SSIM, a percent of a bitrate or a speed, and a tenth of what a sign of the picture
    may be.
    """
    metric, limit = str(gate["metric"]), abs(float(gate.get("limit") or 0))
    if metric in SIGNS:
        return limit / 10 or 1.0
    if metric.startswith((DROP, RISE)):
        # The limit of a change says nothing about the metric: 0.5 is usual for points of VMAF.
        return 0.01 if "ssim" in metric else limit / 100 or 1.0 if metric.endswith(STREAM_METRICS) else 1.0
    if metric in (*STREAM_METRICS, *SPEED_GATES):
        return limit / 100 or 1.0
    is_feature = metric in feature_columns() or metric in PART_METRICS or metric_of(metric).source == "plugin"
    return 0.01 if is_feature and decimals(metric, limit) > 2 else 1.0
