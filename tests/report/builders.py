"""Builders of measurements (by FakeScorer), tests and documents."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from pytest_vmaf import FakeScorer, GateViolation, MeasurementError, Vmaf
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report import document as documents, schema
from pytest_vmaf.report.record import error_record
from pytest_vmaf.report.sections import Chart, DataTable, HeatMap, Line, Paragraph, Pictures, Section

Document = dict[str, Any]
Frames = float | list[float]
Way = tuple[str | int, ...]

#: Markup that must be shown as text.
HOSTILE = "\"'><script>alert(1)</script></title></style><img src=x onerror=alert(2)>&lt;{{ 7*7 }}"
JPEG = "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="
#: A worst frame. Its pictures only have the form of a JPEG.
PICTURE = {
    "frame": 1,
    "time": 0.04,
    "metric": "neg",
    "value": 93.0,
    "width": 320,
    "height": 180,
    "full_width": 1920,
    "full_height": 1080,
    "amplified": 8,
    "reference": JPEG,
    "distorted": JPEG,
    "difference": "/9j/4AAQSkZJRgABAQAAAQABAAD/AAA=",
}
RUN = {
    "name": "",
    "ended": "finished",
    "why": "",
    "exit": 0,
    "command": "pytest --vmaf-html=r.html",
    "created": "2026-01-02T03:04:05+00:00",
    "duration": 61.25,
    "python": "3.13.1",
    "platform": "Linux",
    "pytest": "9.0.0",
    "pytest_vmaf": "0.1.0",
    "gates": ["min_neg=93 (ini)"],
    "planned": 3,
    "ran": 3,
    "not_collected": 0,
    "title": "Nightly",
    "branch": "main",
    "commit": "3f9c2e1aa0bb",
    "build": "GitHub run 7",
    "url": "https://ci.example/runs/7",
    "report_only": "",
}


#: What the packets and headers of an encode say.
STREAM = {
    **dict.fromkeys(("codec", "profile", "level", "tier", "pix_fmt", "digest"), "x"),
    **dict.fromkeys(("color_range", "matrix", "primaries", "transfer"), "unknown"),
    **dict.fromkeys(("width", "height", "frames", "packets", "size", "keyframe_distance", "changes"), 8),
    "closed_gops": True,
    "window": 1.0,
    "frame_rate": "24000/1001",
    **dict.fromkeys(("bitrate", "peak_bitrate", "peak_time"), 8.5),
}
#: An expectation on a stream that is not a number.
EXPECTATION = {
    "name": "codec",
    "metric": "codec",
    "pool": "mean",
    "bound": "min",
    "limit": 1.0,
    "origin": "call",
    "value": 0.0,
    "margin": -1.0,
    "passed": False,
    "text": "codec is hevc, not h264",
}


def a_measurement(vmaf: Frames = 95.0, neg: Frames = 93.0, **settings: Any) -> dict[str, Any]:
    """The record of `Vmaf.check` for these frames, whether its gates pass or not."""
    features = settings.pop("columns", None)
    session = Vmaf(scorer=FakeScorer(vmaf=vmaf, neg=neg, features=features))
    with contextlib.suppress(GateViolation, MeasurementError):
        session.check("clips/ref.mkv", "out/crf23.mp4", **settings)
    return session.records[0]


def an_error(said: str = "out/crf23.mp4 does not exist.") -> dict[str, Any]:
    """The record of a failed measurement, with the gate that was never checked."""
    from pytest_vmaf.gates.gate import parse_gate

    gates = [parse_gate("min_neg", 93, "ini")]
    return {**error_record("clips/ref.mkv", "out/crf23.mp4", MeasurementError(said), gates), "started": 1.0}


def an_attempt(status: str, *measurements: dict[str, Any], message: str = "") -> dict[str, Any]:
    """As `schema.ATTEMPT`."""
    return {
        "status": status,
        "message": message,
        "duration": 1.5,
        "worker": "gw0",
        "measurements": list(measurements),
    }


def a_test(status: str, *measurements: dict[str, Any], name: str = "test_x", **more: Any) -> dict[str, Any]:
    """As `schema.TEST`."""
    return {
        **an_attempt(status, *measurements),
        "run": 0,
        "id": f"tests/test_it.py::{name}",
        "file": "tests/test_it.py",
        "line": 12,
        "earlier": [],
        "sections": [],
        **more,
    }


def a_document(*tests: dict[str, Any], sections: list[dict[str, Any]] | None = None, **run: Any) -> Document:
    """A document of one run."""
    made = {**documents.merge([]), "runs": [{**RUN, **run}], "tests": list(tests), "sections": sections or []}
    conform(made, schema.DOCUMENT)
    return copy.deepcopy(made)


def a_full_document() -> Document:
    """A small document with a value for every key, optional ones included."""
    return copy.deepcopy(_full())


@cache
def _full() -> Document:
    boxes = [("face", 8, 8, 64, 64), ("right half", 320, 0, 320, 360)]
    blocks = [
        Paragraph("a paragraph"),
        DataTable(["clip", "kbit/s"], [["a", 1.5], ["b", None]], "a caption"),
        Chart(
            "kbit/s",
            "NEG",
            [Line("x264", [(1, 90), (2, 95)], [1]), Line("x265", [(1, 91)], style="dots")],
            [("floor", 93)],
            "rd",
        ),
        Pictures([("tinted", JPEG), ("plain", JPEG)], 320, 180, 640, 360, "looked at", boxes),
        DataTable(["CRF"], [[23]], "a folded table", folded=True, links=[RUN["url"]]),
        Chart("commit", "NEG", [Line("NEG", [(0, 93), (1, 93), (2, 91)], [2], "course", [2])], names=[(0, "c0ffee")]),
        HeatMap(2, 1, [(0, 0.0, [90, 80]), (9, 0.36, [70, None])], 20, 100, "NEG", "tiles", [1, 0], {1: JPEG}),
    ]
    sections = [Section("a section", blocks).to_record()]
    sections[0]["blocks"][-1]["left_out"] = "a picture was left out"
    columns = {"psnr_y": [30.0, 41.0, 42.0], "psnr_cb": 44.0, "psnr_cr": 45.0}
    bad = a_measurement(
        [95, 96, 101],
        [80.5, 94, 95.5],
        columns=columns,
        min_neg=95,
        min_psnr_y=40,
        max_gap_stdev=9,
        min_neg_worst_2f=50,
    )
    small = {"frame": 1, "width": 224, "height": 126, "reference": JPEG, "distorted": JPEG}
    bad.update(pictures=[{**PICTURE, "thumbnail": small}], thumbnail=small)
    bad.update(left_out="some were left out", subtest="codec=x264", would_fail=False, about="a sentence", first_frame=8)
    bad.update(stream=STREAM, gates=[*bad["gates"], EXPECTATION])
    bad["repeats"] = {"encoder": "x265", "crf": 30, "mode": "2pass", "encodes": 3, "verdict": "noisy"}
    bad["repeats"] |= {name: {"mean": 90.0, "standard_error": 0.25} for name in ("neg", "bitrate")}
    bad["provenance"]["notes"] = ["a note"]
    bad["provenance"].update(size=12_345, seconds=0.12)
    metric = {"label": "LPIPS", "unit": "", "version": "1", "higher_is_better": False, "low": 0.0, "high": None}
    bad["provenance"]["metrics"] = {"lpips": metric}
    bad["provenance"]["filters"] = {"reference": "null", "distorted": "scale=2:2"}
    good = a_measurement(95.0, 93.0, min_neg=90)
    tests = [
        a_test(
            "failed",
            bad,
            name="test_bad[x264-medium]",
            message="NEG 90.0 < 95",
            earlier=[an_attempt("error", an_error(), good, message="gone")],
        ),
        a_test("passed", good, name="test_good", sections=sections),
        a_test("error", an_error(), name="test_error", message="out/crf23.mp4 does not exist."),
        a_test("xfailed", bad, name="test_xfailed", message="as expected"),
        a_test("skipped", name="test_skipped", message="no clip"),
    ]
    made = a_document(*tests, sections=sections, why="stopped", ended="interrupted", name="linux")
    made["left_out"] = ["pictures of two tests"]
    made["tests"][0]["would_fail"] = []
    return made


def leaves(value: Any, way: Way = ()) -> Iterator[Way]:
    """The path to each leaf in nested lists and dicts. Empty ones are leaves."""
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    if not parts:
        yield way
    for key, part in parts:
        yield from leaves(part, (*way, key))


def get(value: Any, way: Way) -> Any:
    """The value at the end of a path."""
    for key in way:
        value = value[key]
    return value


def put(value: Any, way: Way, new: Any) -> None:
    """Replace the value at the end of a path."""
    get(value, way[:-1])[way[-1]] = new


def with_texts(made: Document, change: Callable[[Way, str], str]) -> Document:
    """Change each free text of a document. Texts of a fixed form stay."""
    fixed = {"kind", "status", "ended", "bound", "verdict", "frame_rate", "style", "mode"}
    fixed |= {"reference", "distorted", "difference", "jpeg"}
    made = copy.deepcopy(made)
    for way in list(leaves(made)):
        old = get(made, way)
        pictured = "pictures" in way or "thumbnail" in way
        if isinstance(old, str) and (way[-1] not in fixed or (way[-1] in ("reference", "distorted") and not pictured)):
            put(made, way, change(way, old))
    return made
