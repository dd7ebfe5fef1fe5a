"""The shape of a report as data (`--vmaf-json`), version 1: what may stand where, and the check that it does.

A document holds the ``runs`` it comes from and their ``tests``, each with one entry per measurement. Everything is
exact JSON. Scores are VMAF points, times seconds (``started`` from 1970 on), sizes pixels; ``frame`` counts from 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pytest_vmaf.quality.errors import MeasurementError
from pytest_vmaf.quality.process import printable

SCHEMA = 1
STATUSES = ("error", "failed", "xfailed", "skipped", "passed")
#: A document is read whole, so one that is larger than any that is written here is refused.
LARGEST_BYTES = 128 * 1024 * 1024
#: Larger numbers stand nowhere; the bytes of a film and the bits of an hour are far below.
LARGEST = 10**15
JPEG = re.compile(r"/9j/(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Optional(NamedTuple):
    """A key that may be missing, or hold None."""

    shape: Any


class OneOf(NamedTuple):
    """One of these words."""

    words: tuple[str, ...]


class Each(NamedTuple):
    """A mapping whose keys are free, with values of one shape."""

    shape: Any


class Text(NamedTuple):
    """A text of a given form."""

    form: re.Pattern[str]


#: One gate held against a result; a measurement that failed has only its name, limit and origin.
GATE = {
    "name": str,
    "limit": float,
    "origin": str,
    "metric": Optional(str),
    "pool": Optional(str),
    "bound": Optional(OneOf(("min", "max"))),
    "value": Optional(float),
    "margin": Optional(float),
    "passed": Optional(bool),
}
#: A worst frame as pictures (JPEG, base64): ``difference`` is the absolute RGB difference times ``amplified``.
PICTURE = {
    "frame": int,
    "time": Optional(float),
    "metric": str,
    "value": float,
    "width": int,
    "height": int,
    "full_width": int,
    "full_height": int,
    "amplified": int,
    "reference": Text(JPEG),
    "distorted": Text(JPEG),
    "difference": Text(JPEG),
}
#: A block of a section: a paragraph, a table, or a chart of lines over a common axis.
BLOCK = {
    "kind": OneOf(("text", "table", "chart")),
    "text": Optional(str),
    "caption": Optional(str),
    "columns": Optional([str]),
    "rows": Optional([[str]]),
    "x": Optional(str),
    "y": Optional(str),
    "lines": Optional([{"name": str, "points": [(float, float)], "marked": Optional([int])}]),
    "levels": Optional([{"name": str, "value": float}]),
}
SECTION = {"title": str, "blocks": [BLOCK]}
#: How the numbers were made; ``command`` repeats the measurement, ``filters`` prepared the frames.
PROVENANCE = {
    **dict.fromkeys(
        (
            "pytest_vmaf",
            "model",
            "neg_model",
            "generation",
            "clip",
            "scorer",
            "scorer_version",
            "ffmpeg",
            "ffmpeg_path",
            "libvmaf",
            "pix_fmt",
            "matrix",
            "color_range",
            "command",
        ),
        str,
    ),
    **dict.fromkeys(("threads", "frames", "width", "height"), int),
    **dict.fromkeys(("phone", "fake"), bool),
    "notes": [str],
    "filters": {"reference": str, "distorted": str},
}
#: One call of vmaf.score, .check or .self_score; an "error" has no scores.
MEASUREMENT = {
    "schema": int,
    "status": OneOf(("passed", "failed", "error")),
    "reference": str,
    "distorted": str,
    "started": float,
    "subtest": Optional(str),
    "error": Optional(str),
    "gates": [GATE],
    "gated": Optional(bool),
    "every_gate": Optional(bool),
    "vmaf": Optional(float),
    "neg": Optional(float),
    "gap": Optional(float),
    "above_100": Optional(int),
    "features": Optional(Each(float)),
    "frames": Optional(int),
    "frame_rate": Optional(Text(re.compile(r"[1-9][0-9]{0,18}(/[1-9][0-9]{0,18})?"))),
    "pools": Optional(Each(Each(float))),
    "series": Optional({"frames_per_bucket": int, "worst": Each([float])}),
    "histogram": Optional({"low": float, "high": float, "vmaf": [int], "neg": [int]}),
    "above": Optional({"limit": float, "past_limit": int, "buckets": [int], "worst": [[float]]}),
    "worst": Optional([{"metric": str, "frame": int, "value": float}]),
    "pictures": Optional([PICTURE]),
    "left_out": Optional(str),
    "provenance": Optional(PROVENANCE),
}
ATTEMPT = {
    "status": OneOf(STATUSES),
    "message": str,
    "duration": float,
    "worker": str,
    "measurements": [MEASUREMENT],
}
#: One test; its last attempt counts, ``earlier`` holds those that were run again. ``run`` indexes ``runs``.
TEST = {
    **ATTEMPT,
    "run": int,
    "id": str,
    "file": Optional(str),
    "line": Optional(int),
    "earlier": [ATTEMPT],
    "sections": [SECTION],
}
#: One pytest run. ``ended`` says how, ``exit`` is its exit code; of the ``planned`` tests (all, not the plugin's own
#: alone) ``ran`` began; ``not_collected`` files had errors.
RUN = {
    "name": str,
    "ended": OneOf(("finished", "interrupted", "internal error")),
    "why": str,
    "exit": int,
    "command": str,
    "created": str,
    "duration": float,
    "python": str,
    "platform": str,
    "pytest": str,
    "pytest_vmaf": str,
    "gates": [str],
    "planned": int,
    "ran": int,
    "not_collected": int,
}
DOCUMENT = {
    "kind": OneOf(("pytest-vmaf report",)),
    "schema": int,
    "runs": [RUN],
    "tests": [TEST],
    "sections": [SECTION],
    "left_out": [str],
}


def conform(value: Any, shape: Any, where: str = "document") -> None:
    """Raise ValueError, naming the place, where ``value`` is not of the ``shape``. Unknown keys are refused too."""
    if shape is Any:
        return
    if isinstance(shape, Optional):
        if value is not None:
            conform(value, shape.shape, where)
    elif isinstance(shape, OneOf):
        _require(isinstance(value, str) and value in shape.words, where, f"one of {', '.join(shape.words)}", value)
    elif isinstance(shape, Text):
        _require(isinstance(value, str) and shape.form.fullmatch(value), where, "a text of the right form", value)
    elif isinstance(shape, Each):
        _require(isinstance(value, dict), where, "an object", value)
        for key, each in value.items():
            conform(each, shape.shape, f"{where}.{key}")
    elif isinstance(shape, tuple):
        _require(isinstance(value, list) and len(value) == len(shape), where, f"a list of {len(shape)}", value)
        for index, each in enumerate(value):
            conform(each, shape[index], f"{where}[{index}]")
    elif isinstance(shape, list):
        _require(isinstance(value, list), where, "a list", value)
        for index, each in enumerate(value):
            conform(each, shape[0], f"{where}[{index}]")
    elif isinstance(shape, dict):
        _require(isinstance(value, dict), where, "an object", value)
        for key in value.keys() - shape.keys():
            raise ValueError(f"{printable(where)} has an unknown key {key!r:.80}")
        for key, part in shape.items():
            if key not in value and not isinstance(part, Optional):
                raise ValueError(f"{printable(where)} lacks {key!r}")
            conform(value.get(key), part, f"{where}.{key}")
    elif shape is float:
        number = isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST
        _require(number, where, "a finite number", value)
    else:
        right = isinstance(value, shape) and not (shape is int and isinstance(value, bool))
        right = right and (shape is not int or -LARGEST <= value <= LARGEST)
        _require(right, where, {str: "a text", int: "a whole number", bool: "true or false"}[shape], value)


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


def whole(document: Mapping[str, Any]) -> bool:
    """Whether every run ended by itself and ran all that it had planned."""
    return all(run["ended"] == "finished" and not run["not_collected"] for run in document["runs"])


def _require_whole(measurement: Mapping[str, Any], where: str) -> None:
    """What a shape alone cannot say: a measurement that is no error has all its numbers, and they fit together."""
    if measurement["status"] == "error":
        _require(measurement.get("error") is not None, f"{where}.error", "there", None)
        for gate in measurement["gates"]:
            _require(gate.get("margin") is None, f"{where}.gates", "without a margin, as nothing was measured", gate)
        return
    for key in ("vmaf", "neg", "gap", "above_100", "frames", "pools", "series", "histogram", "above", "provenance"):
        _require(measurement.get(key) is not None, f"{where}.{key}", "there", None)
    series, frames = measurement["series"], measurement["frames"]
    lengths = {len(values) for values in series["worst"].values()}
    _require(
        frames >= 1
        and series["frames_per_bucket"] >= 1
        and {"vmaf", "neg", "gap"} <= series["worst"].keys()
        and lengths == {-(-frames // series["frames_per_bucket"])},
        f"{where}.series",
        "as long as the frames it stands for",
        lengths,
    )
    for metric in ("vmaf", "neg", "gap"):
        _require("mean" in measurement["pools"].get(metric, {}), f"{where}.pools.{metric}", "with a mean", None)
        _require("min" in measurement["pools"][metric], f"{where}.pools.{metric}", "with a minimum", None)
    bins = measurement["histogram"]
    _require(bins["neg"] and len(bins["neg"]) == len(bins["vmaf"]), f"{where}.histogram", "of equal bins", None)
    for gate in measurement["gates"]:
        _require(None not in map(gate.get, list(GATE)), f"{where}.gates", "held against a value", gate)


def _require(right: object, where: str, wanted: str, value: Any) -> None:
    if not right:
        raise ValueError(f"{printable(where)} is {value!r:.80}, not {wanted}")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
