"""Reports as data: read a document, merge several, and tell whether their runs were complete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.files import load_json
from pytest_vmaf.gates.metrics import BASE_METRICS
from pytest_vmaf.json_shapes import conform, known_keys, require
from pytest_vmaf.report.record import note_metrics
from pytest_vmaf.report.schema import DOCUMENT, GATE, KIND, MINOR, SCHEMA, Record, RecordDict, is_scored
from pytest_vmaf.text import printable

#: The largest document that is read. A document is read as a whole, and this plugin writes much smaller ones.
LARGEST_BYTES = 128 * 1024 * 1024


def read(path: Path) -> RecordDict:
    """Read one document.

    Raises:
        MeasurementError: If the file is not a report that `--vmaf-json` of this version writes. The error names it.
    """
    try:
        if not path.is_file():
            raise ValueError("it is not a regular file" if path.exists() else "it does not exist")
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
        document = load_json(path.read_bytes())
        if not isinstance(document, dict) or document.get("kind") != KIND:
            raise ValueError("it was not written by pytest --vmaf-json")
        if document.get("schema") != SCHEMA:
            raise ValueError(f"its schema must be {SCHEMA}, not {document.get('schema')!r:.80}")
        if isinstance(document.get("minor"), int) and document["minor"] > MINOR:
            document = known_keys(document, DOCUMENT)
        conform(document, DOCUMENT)
        for index, test in enumerate(document["tests"]):
            if not 0 <= test["run"] < len(document["runs"]):
                raise ValueError(f"document.tests[{index}].run is not the index of one of its runs")
            for attempt in (test, *test["earlier"]):
                for number, measurement in enumerate(attempt["measurements"]):
                    _require_consistent(measurement, f"document.tests[{index}].measurements[{number}]")
                    note_metrics(measurement)
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise MeasurementError(f"{printable(str(path))} is not a readable report: {why}.") from error
    return document


def merge(documents: Sequence[Record], names: Sequence[str] = ()) -> RecordDict:
    """Merge documents, for example those of the shards of a build matrix. Equal tests of two documents both stay.

    Args:
        documents: The documents, each with its own runs.
        names: A name for the runs of each document.
    """
    merged: RecordDict = {"kind": KIND, "schema": SCHEMA, "minor": MINOR}
    merged |= {"runs": [], "tests": [], "sections": [], "left_out": []}
    for document, name in zip(documents, names or [""] * len(documents), strict=True):
        first = len(merged["runs"])
        merged["runs"] += [{**run, "name": " ".join(filter(None, (name, run["name"])))} for run in document["runs"]]
        merged["tests"] += [{**test, "run": test["run"] + first} for test in document["tests"]]
        merged["sections"] += document["sections"]
        merged["left_out"] += document["left_out"]
    return merged


def is_complete(document: Record) -> bool:
    """Whether every run finished and collected all its files."""
    return all(run["ended"] == "finished" and not run["not_collected"] for run in document["runs"])


def _require_consistent(measurement: Record, where: str) -> None:
    """Check what a shape alone cannot: a scored measurement has all its numbers, and they fit together."""
    if measurement["status"] == "error":
        require(measurement.get("error") is not None, f"{where}.error", "there", None)
        for gate in measurement["gates"]:
            require(gate.get("margin") is None, f"{where}.gates", "without a margin, as nothing was measured", gate)
        return
    for gate in measurement["gates"]:
        numbers = [name for name in GATE if name != "text"]
        require(None not in map(gate.get, numbers), f"{where}.gates", "checked against a value", gate)
    if not is_scored(measurement):
        require(
            measurement.get("about") is not None,
            f"{where}.about",
            "a sentence, because the measurement has no scores",
            None,
        )
        return
    for key in (*BASE_METRICS, "above_100", "frames", "pools", "series", "histogram", "above", "provenance"):
        require(measurement.get(key) is not None, f"{where}.{key}", "there", None)
    series, frames = measurement["series"], measurement["frames"]
    lengths = {len(values) for values in series["worst"].values()}
    require(
        frames >= 1
        and series["frames_per_bucket"] >= 1
        and set(BASE_METRICS) <= series["worst"].keys()
        and lengths == {-(-frames // series["frames_per_bucket"])},
        f"{where}.series",
        "as long as its number of frames requires",
        lengths,
    )
    for metric in BASE_METRICS:
        pools = measurement["pools"].get(metric, {})
        require({"mean", "min"} <= pools.keys(), f"{where}.pools.{metric}", "with a mean and a minimum", pools)
    bins = measurement["histogram"]
    require(bins["neg"] and len(bins["neg"]) == len(bins["vmaf"]), f"{where}.histogram", "of equal bins", None)
