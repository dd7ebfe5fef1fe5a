"""Documents within the size that can be read again: milder tests lose pictures first, then points of their charts."""

from __future__ import annotations

import copy
import json
from operator import itemgetter

from pytest_vmaf import files
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.report import collector, document as documents
from pytest_vmaf.report.collector import SMALL, drop_picture, lighten, picture_size, sections_size
from pytest_vmaf.report.order import worst_first
from pytest_vmaf.report.schema import Record, RecordDict
from pytest_vmaf.report.series import WORST_POINTS, coarsen
from pytest_vmaf.text import plural

#: The most characters of the pictures in a page that contains them.
PAGE_PICTURES = 2_000_000
#: The points of a series, from step to step, until a document fits.
POINTS = (50, 10, 2)


def fit_pictures(document: RecordDict, most: int | None = None) -> None:
    """Leave out pictures and frames of heat maps beyond a limit, those of the mildest tests first.

    Args:
        document: The document. It is changed.
        most: The most characters of pictures. By default the limit of one report.
    """
    limit = collector.MOST_PICTURES if most is None else most
    size, pictures = pictures_size(document), 0
    order = [*reversed(worst_first(document["tests"])), {"sections": document["sections"], "measurements": []}]
    for test in order:
        for measurement in test["measurements"]:
            while size > limit and measurement.get("pictures"):
                size -= drop_picture(measurement)
                pictures += 1
        while size > limit and sections_size(test["sections"]):
            saved, dropped = lighten(test["sections"])
            size, pictures = size - saved, pictures + dropped
    for measurement in (each for test in order for each in test["measurements"]):
        if size > limit and picture_size(measurement):
            size -= drop_picture(measurement)
            pictures += 1
    if pictures:
        document["left_out"].append(f"{plural(pictures, 'picture')} of milder tests left out{SMALL}")


def fit_page(document: Record) -> Record:
    """The document of a page that contains its pictures, which a mail or an artifact must carry.

    Beyond `PAGE_PICTURES`, all tests have one frame before any has two. The document itself stays as it is.
    """
    size = pictures_size(document)
    if size <= PAGE_PICTURES:
        return document
    tests = [
        {
            **test,
            "measurements": list(map(_with_own_pictures, test["measurements"])),
            "sections": _own(test["sections"]),
        }
        for test in document["tests"]
    ]
    fitted = {**document, "tests": tests, "sections": _own(document["sections"]), "left_out": []}
    for measurement in (each for test in reversed(worst_first(tests)) for each in test["measurements"]):
        while size > PAGE_PICTURES and len(measurement.get("pictures") or ()) > 1:
            size -= drop_picture(measurement)
    fit_pictures(fitted, PAGE_PICTURES)
    note = "Some pictures were left out, to keep the page small. --vmaf-html-assets keeps all of them."
    return {**fitted, "left_out": [*document["left_out"], note]}


def without_pictures(document: Record) -> RecordDict:
    """The document without its pictures, and with a note of that if a measurement failed."""
    tests = [
        {
            **test,
            "measurements": [_without(measurement, "pictures", "thumbnail") for measurement in test["measurements"]],
            "sections": list(map(_plain_section, test["sections"])),
        }
        for test in document["tests"]
    ]
    sections = list(map(_plain_section, document["sections"]))
    failed = any(each["status"] == "failed" for test in tests for each in test["measurements"])
    note = ["There are no pictures: this report was made of data that --vmaf-json wrote without --vmaf-json-pictures."]
    return {**document, "tests": tests, "sections": sections, "left_out": [*document["left_out"], *note * failed]}


def pictures_size(document: Record) -> int:
    """The characters of everything in a document that can be left out."""
    return sum(map(_size_of_test, document["tests"])) + sections_size(document["sections"])


def _with_own_pictures(measurement: Record) -> RecordDict:
    return {**measurement, "pictures": list(measurement.get("pictures") or ())}


def _own(sections: list[RecordDict]) -> list[RecordDict]:
    return copy.deepcopy(sections)


def _plain_section(section: Record) -> RecordDict:
    return {**section, "blocks": list(map(_plain_block, section["blocks"]))}


def _plain_block(block: Record) -> Record:
    """A block without pictures: a heat map stays as numbers, a frame with rectangles goes."""
    if heat := block.get("heat"):
        return {**block, "heat": {**heat, "pictures": []}}
    return {"kind": "text", "text": block.get("caption") or ""} if block.get("shown") else block


def _without(record: Record, *keys: str) -> RecordDict:
    return {key: value for key, value in record.items() if key not in keys}


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
    sections = [
        {**section, "blocks": [_coarser_block(block, points) for block in section["blocks"]]}
        for section in attempt["sections"]
    ]
    measurements = [coarsen(each, points) for each in attempt["measurements"]]
    return {**attempt, "measurements": measurements, "sections": sections}


def _coarser_block(block: Record, points: int) -> Record:
    """A block whose chart of the worst frames over time has at most so many points a line. Other charts stay."""
    if block.get("kind") != "chart" or block.get("caption") != WORST_POINTS:
        return block
    lines = []
    for line in block["lines"]:
        size = -(-len(line["points"]) // points) or 1
        starts = range(0, len(line["points"]), size)
        lowest = [min(line["points"][start : start + size], key=itemgetter(1)) for start in starts]
        lines.append({**line, "points": lowest})
    return {**block, "lines": lines}


def _size_of_test(test: RecordDict) -> int:
    return sum(map(picture_size, test["measurements"])) + sections_size(test["sections"])


def _encode(document: RecordDict) -> str:
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def _fits(text: str) -> bool:
    # It is ASCII, so characters are bytes.
    return len(text) <= documents.LARGEST_BYTES and not files.too_many(text)
