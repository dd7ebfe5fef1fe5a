"""Documents within the size that can be read again: milder tests lose pictures first, then points of their charts."""

from __future__ import annotations

import json

from pytest_vmaf import files
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.report import collector, document as documents
from pytest_vmaf.report.collector import SMALL, lighten, picture_size, sections_size
from pytest_vmaf.report.order import worst_first
from pytest_vmaf.report.schema import RecordDict
from pytest_vmaf.report.series import coarsen
from pytest_vmaf.text import plural

#: The points of a series, from step to step, until a document fits.
POINTS = (50, 10, 2)


def fit_pictures(document: RecordDict) -> None:
    """Leave out pictures and frames of heat maps beyond the limit of one report, those of the mildest tests first."""
    size = sum(map(_size_of_test, document["tests"])) + sections_size(document["sections"])
    pictures = 0
    for test in [*reversed(worst_first(document["tests"])), {"sections": document["sections"], "measurements": []}]:
        for measurement in test["measurements"]:
            while size > collector.MOST_PICTURES and measurement.get("pictures"):
                size -= picture_size({"pictures": [measurement["pictures"].pop()]})
                measurement["left_out"] = f"Some of its pictures were left out{SMALL}"
                pictures += 1
        while size > collector.MOST_PICTURES and sections_size(test["sections"]):
            saved, dropped = lighten(test["sections"])
            size, pictures = size - saved, pictures + dropped
    if pictures:
        document["left_out"].append(f"{plural(pictures, 'picture')} of milder tests left out{SMALL}")


def json_text(document: RecordDict) -> str:
    """A document as JSON that `document.read` reads.

    Raises:
        MeasurementError: If it is too large even with few points in its charts.
    """
    text = _encode(document)
    for points in POINTS:
        if _fits(text):
            return text
        note = f"Charts have at most {points} points{SMALL}"
        tests = [
            {**_coarser(test, points), "earlier": [_coarser(each, points) for each in test["earlier"]]}
            for test in document["tests"]
        ]
        text = _encode({**document, "tests": tests, "left_out": [*document["left_out"], note]})
    if _fits(text):
        return text
    raise MeasurementError(
        f"The report would be larger than {documents.LARGEST_BYTES >> 20} MiB of JSON, which could not be read again. "
        "Merge fewer files into each report, or write .html."
    )


def _coarser(attempt: RecordDict, points: int) -> RecordDict:
    return {**attempt, "measurements": [coarsen(each, points) for each in attempt["measurements"]]}


def _size_of_test(test: RecordDict) -> int:
    return sum(map(picture_size, test["measurements"])) + sections_size(test["sections"])


def _encode(document: RecordDict) -> str:
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def _fits(text: str) -> bool:
    # It is ASCII, so characters are bytes.
    return len(text) <= documents.LARGEST_BYTES and not files.too_many(text)
