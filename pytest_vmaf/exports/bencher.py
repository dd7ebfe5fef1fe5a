"""Bencher Metric Format: a JSON object of benchmarks, measures and values, for Bencher's `json` adapter."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pytest_vmaf.exports.names import fit
from pytest_vmaf.exports.readings import Reading

#: Bencher's limits of names, in bytes (its documentation, "Bencher Metric Format").
MOST_OF_BENCHMARK, MOST_OF_MEASURE = 1024, 64


def bencher_json(readings: Iterable[Reading]) -> str:
    """Format readings, each with the range of the runs if these differ."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    for each in readings:
        metric = {"value": each.number.value}
        if each.runs_differ:
            metric |= {"lower_value": each.low, "upper_value": each.high}
        results.setdefault(fit(each.name, MOST_OF_BENCHMARK), {})[fit(each.number.name, MOST_OF_MEASURE)] = metric
    return json.dumps(results, indent=2, allow_nan=False) + "\n"
