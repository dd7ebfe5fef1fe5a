"""A report as data: reading one, merging several, and whether it stands for whole runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.report.schema import DOCUMENT, GATE, SCHEMA
from pytest_vmaf.shapes import conform, require
from pytest_vmaf.text import printable

#: A document is read whole, so one that is larger than any that is written here is refused.
LARGEST_BYTES = 128 * 1024 * 1024


def read(path: Path) -> dict[str, Any]:
    """Read one document. Raises MeasurementError that names the file for anything else than what is written here."""
    try:
        if not path.is_file():
            raise ValueError("it is no regular file" if path.exists() else "it does not exist")
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
        document = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
        if not isinstance(document, dict) or document.get("kind") != "pytest-vmaf report":
            raise ValueError("it was not written by pytest --vmaf-json")
        if document.get("schema") != SCHEMA:
            raise ValueError(f"its schema is {document.get('schema')!r:.80}, and this version reads {SCHEMA}")
        conform(document, DOCUMENT)
        for index, test in enumerate(document["tests"]):
            if not 0 <= test["run"] < len(document["runs"]):
                raise ValueError(f"document.tests[{index}].run is not one of its runs")
            for attempt in (test, *test["earlier"]):
                for number, measurement in enumerate(attempt["measurements"]):
                    _require_whole(measurement, f"document.tests[{index}].measurements[{number}]")
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise MeasurementError(f"{printable(str(path))} is no report that can be read: {why}.") from error
    return document


def merge(documents: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> dict[str, Any]:
    """One document of several: the shards of a build matrix, each with its own runs. Nothing is taken for the same.

    ``names`` says what to call each one's runs.
    """
    merged: dict[str, Any] = {
        "kind": "pytest-vmaf report",
        "schema": SCHEMA,
        "runs": [],
        "tests": [],
        "sections": [],
        "left_out": [],
    }
    for document, name in zip(documents, names or [""] * len(documents), strict=True):
        first = len(merged["runs"])
        merged["runs"] += [{**run, "name": " ".join(filter(None, (name, run["name"])))} for run in document["runs"]]
        merged["tests"] += [{**test, "run": test["run"] + first} for test in document["tests"]]
        merged["sections"] += document["sections"]
        merged["left_out"] += document["left_out"]
    return merged


def is_complete(document: Mapping[str, Any]) -> bool:
    """Whether every run ended by itself and ran all that it had planned."""
    return all(run["ended"] == "finished" and not run["not_collected"] for run in document["runs"])


def _require_whole(measurement: Mapping[str, Any], where: str) -> None:
    """What a shape alone cannot say: a measurement that is no error has all its numbers, and they fit together."""
    if measurement["status"] == "error":
        require(measurement.get("error") is not None, f"{where}.error", "there", None)
        for gate in measurement["gates"]:
            require(gate.get("margin") is None, f"{where}.gates", "without a margin, as nothing was measured", gate)
        return
    for key in ("vmaf", "neg", "gap", "above_100", "frames", "pools", "series", "histogram", "above", "provenance"):
        require(measurement.get(key) is not None, f"{where}.{key}", "there", None)
    series, frames = measurement["series"], measurement["frames"]
    lengths = {len(values) for values in series["worst"].values()}
    require(
        frames >= 1
        and series["frames_per_bucket"] >= 1
        and {"vmaf", "neg", "gap"} <= series["worst"].keys()
        and lengths == {-(-frames // series["frames_per_bucket"])},
        f"{where}.series",
        "as long as the frames it stands for",
        lengths,
    )
    for metric in ("vmaf", "neg", "gap"):
        require("mean" in measurement["pools"].get(metric, {}), f"{where}.pools.{metric}", "with a mean", None)
        require("min" in measurement["pools"][metric], f"{where}.pools.{metric}", "with a minimum", None)
    bins = measurement["histogram"]
    require(bins["neg"] and len(bins["neg"]) == len(bins["vmaf"]), f"{where}.histogram", "of equal bins", None)
    for gate in measurement["gates"]:
        require(None not in map(gate.get, list(GATE)), f"{where}.gates", "held against a value", gate)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
