"""Heat maps: data, tiles, Markdown, and the limits of a report."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf import HeatMap, MeasurementError, Section
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report import collector as collect, document as documents, heatmap as heat, html, markdown, schema
from pytest_vmaf.report.sections import Paragraph, collect_sections
from report.builders import HOSTILE, JPEG, a_document, a_full_document, a_measurement, a_test

#: Two frames of a grid of 3x2 tiles; the second has the lowest tile, and one without a score.
FRAMES = [(0, 0.0, [90, 91, 92, 93, 94, 95]), (25, 1.0, [90.04, 84.5, 20, None, 60, 100])]


def a_map(**changed: Any) -> HeatMap:
    return HeatMap(**{"columns": 3, "rows": 2, "frames": FRAMES, "low": 20, "high": 100, "metric": "NEG", **changed})


def a_record(made: HeatMap) -> dict[str, Any]:
    return Section("Where", [made]).to_record()


def the_heat(made: HeatMap) -> dict[str, Any]:
    found = a_record(made)["blocks"][0]["heat"]
    assert isinstance(found, dict)
    return found


def shown(*records: dict[str, Any]) -> str:
    return "".join(html.page(a_document(sections=list(records)), html.Form(True, html._data)))


# ---------------------------------------------------------------- as data


def test_to_record() -> None:
    made = a_map(caption="tiles", worst=[1, 0], pictures={0: JPEG, 1: JPEG}, size=(1920, 1080))
    assert made.to_record() == {
        "kind": "heat",
        "caption": "tiles",
        "heat": {
            "columns": 3,
            "rows": 2,
            "width": 1920,
            "height": 1080,
            "metric": "NEG",
            "low": 20.0,
            "high": 100.0,
            "frames": [
                {"frame": 0, "time": 0.0, "values": [90.0, 91.0, 92.0, 93.0, 94.0, 95.0]},
                {"frame": 25, "time": 1.0, "values": [90.04, 84.5, 20.0, None, 60.0, 100.0]},
            ],
            "worst": [1, 0],
            "pictures": [{"index": 1, "jpeg": JPEG}, {"index": 0, "jpeg": JPEG}],
        },
    }


def test_full_document() -> None:
    blocks = {block["kind"]: block for block in a_full_document()["sections"][0]["blocks"]}
    assert set(blocks["heat"]["heat"]) == set(schema.HEAT)
    assert set(blocks["shown"]["shown"]) == set(schema.SHOWN)


def test_default_worst() -> None:
    assert the_heat(a_map())["worst"] == [1]
    assert the_heat(a_map(frames=[(0, None, [None] * 6), (1, None, [90] * 6)]))["worst"] == [1]
    assert the_heat(a_map(frames=[(0, None, [None] * 6)]))["worst"] == [0]


values = st.none() | st.floats(-1e15, 1e15) | st.floats(0, 100)


@st.composite
def maps(draw: st.DrawFn) -> HeatMap:
    columns, rows = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    tiles = st.lists(values, min_size=columns * rows, max_size=columns * rows)
    times = st.none() | st.floats(-1e6, 1e9)
    frames = draw(st.lists(st.tuples(st.integers(0, 10**9), times, tiles), min_size=1, max_size=4))
    indexes = st.integers(0, len(frames) - 1)
    worst = draw(st.lists(indexes, unique=True))
    low = draw(st.floats(-1e6, 1e6))
    high = low + draw(st.floats(0.2, 1e6))
    pictures = draw(st.dictionaries(st.sampled_from(worst), st.just(JPEG))) if worst else {}
    texts = draw(st.text(max_size=9)), draw(st.text(max_size=9))
    return HeatMap(
        columns, rows, frames, low, high, *texts, worst, pictures, draw(st.tuples(*[st.integers(1, 999)] * 2))
    )


@settings(max_examples=25, deadline=None)
@given(maps())
@pytest.mark.slow
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, made: HeatMap) -> None:
    record = a_record(made)
    path = tmp_path_factory.mktemp("heat") / "r.json"
    path.write_text(json.dumps(a_document(sections=[record]), allow_nan=False))
    read = documents.read(path)
    assert read["sections"] == [record]
    page = "".join(html.page(read, html.Form(True, html._data)))
    worst = record["blocks"][0]["heat"]["worst"]
    assert page.count('<figure class="map ') == page.count('class="w') == len(worst)
    assert page.count("<td class=h") == len(worst) * made.columns * made.rows
    assert markdown.markdown(read).count("| row |") == heat.has_numbers(record["blocks"][0]["heat"])


MANY = [(number, None, [90.0]) for number in range(601)]
TOO_MUCH = [
    ({"columns": 65, "rows": 1}, "must have a grid of 1x1 to 64x64 tiles, not 65x1"),
    ({"columns": 0}, "tiles, not 0x2"),
    ({"columns": 1, "rows": 1, "frames": MANY}, "must have 1 to 600 frames with a grid of 1x1 tiles, not 601"),
    ({"columns": 64, "rows": 64, "frames": MANY[:49]}, "must have 1 to 48 frames with a grid of 64x64 tiles, not 49"),
    ({"frames": []}, "tiles, not 0"),
    ({"columns": 2}, r"must have 2x2 values in frames\[0\], not 6"),
    ({"low": 100.0}, "must have a high at least 0.1 above its low, not colours from 100 to 100"),
    ({"low": 101.0}, "not colours from 101 to 100"),
    ({"worst": [2]}, r"must name 1 to 12 different indexes of its 2 frames as worst, not \[2\]"),
    ({"worst": [-1]}, r"as worst, not \[-1\]"),
    ({"worst": [1, 1]}, r"as worst, not \[1, 1\]"),
    ({"columns": 1, "rows": 1, "frames": MANY[:20], "worst": range(13)}, "must name 1 to 12 different"),
    ({"size": (0, 9)}, "must have frames of 1 to 65535 pixels each way, not 0x9"),
    ({"worst": [1], "pictures": {0: JPEG}}, r"has a picture of frames\[0\], which is not one of its worst"),
    ({"pictures": {1: "PHN2Zz4="}}, "pictures.*must be a string of the right form"),
    ({"frames": [(0, 0.0, [math.nan] * 6)]}, r"frames\[0\].values\[0\] must be a finite number, not nan"),
    ({"frames": [(0, 0.0, [90, math.inf, 90, 90, 90, 90])]}, r"values\[1\] must be a finite number, not inf"),
    ({"frames": [(0, math.nan, [90] * 6)]}, r"frames\[0\].time must be a finite number, not nan"),
]


@pytest.mark.parametrize(("changed", "said"), TOO_MUCH)
def test_misfits(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"^section\.blocks\[0\]\.heat.*{said}"):
        a_record(a_map(**changed))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda each: each.update(columns=4), "must have 4x2 values in frames[0], not 6"),
        (lambda each: each.update(worst=[]), "as worst"),
        (lambda each: each.update(worst=[5]), "as worst"),
        (lambda each: each.update(more=1), "has an unknown key 'more'"),
        (lambda each: each.pop("low"), "lacks 'low'"),
        (lambda each: each["frames"][0]["values"].append(1), "must have 3x2 values in frames[0], not 7"),
        (lambda each: each["frames"][0].update(values=["90"] * 6), "must be a finite number"),
        (lambda each: each.update(pictures=[{"index": 0, "jpeg": JPEG}]), "not one of its worst"),
    ],
)
def test_misfits_in_file(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    made = a_document(sections=[a_record(a_map())])
    change(made["sections"][0]["blocks"][0]["heat"])
    (tmp_path / "r.json").write_text(json.dumps(made))
    with pytest.raises(MeasurementError) as refused:
        documents.read(tmp_path / "r.json")
    assert "document.sections[0].blocks[0].heat" in str(refused.value)
    assert said in str(refused.value)


# ---------------------------------------------------------------- as a page


def tiles(page: str) -> list[tuple[str, str, str]]:
    """Colour, title and text of each tile."""
    return re.findall(r'<td class=(\w+) title="([^"]*)">([^<]*)', page)


def test_tiles() -> None:
    assert tiles(shown(a_record(a_map()))) == [
        ("h18", "column 0, row 0: NEG 90.0", "90"),
        # Halves go up, as in the script.
        ("h16", "column 1, row 0: NEG 84.5", "85"),
        ("h0", "column 2, row 0: NEG 20.0", "20"),
        ("hn", "column 0, row 1: not scored", "–"),
        ("h10", "column 1, row 1: NEG 60.0", "60"),
        ("h20", "column 2, row 1: NEG 100.0", "100"),
    ]


def test_tiles_beyond_scale() -> None:
    frames = [(0, None, [-50, 200])]
    found = tiles(shown(a_record(a_map(columns=2, rows=1, frames=frames))))
    assert [(colour, text) for colour, _, text in found] == [("h0", "-50"), ("h20", "200")]


def test_tiles_of_narrow_scale() -> None:
    frames = [(0, None, [0.9, 0.987])]
    found = tiles(shown(a_record(a_map(columns=2, rows=1, frames=frames, low=0.8, high=1, metric="ssim"))))
    assert found == [
        ("h10", "column 0, row 0: ssim 0.900", "0.90"),
        ("h19", "column 1, row 0: ssim 0.987", "0.99"),
    ]


def test_fine_grid() -> None:
    page = shown(a_record(a_map(columns=13, rows=1, frames=[(0, None, [90] * 13)])))
    assert page.count("<td class=h18>") == 13
    assert tiles(page) == []


def test_contrast() -> None:
    style = html._template("style.css")
    colours = {int(step): tuple(map(int, rgb.split())) for step, rgb in re.findall(r"\.h(\d+)\{--h:([\d ]+)\}", style)}
    [light] = re.findall(r"((?:\.tiles \.h\d+,?)+)\{color:#fff\}", style)
    white = set(map(int, re.findall(r"\.h(\d+)", light)))
    assert sorted(colours) == list(range(heat.COLOURS))

    def luminance(rgb: tuple[int, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (each / 255 for each in rgb)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for step, rgb in colours.items():
        found = luminance(rgb)
        assert (1.05 / (found + 0.05) if step in white else (found + 0.05) / 0.05) >= 4.5, step


@pytest.mark.parametrize("assets", [False, True])
def test_hostile_names(tmp_path: Path, assets: bool) -> None:
    record = a_record(a_map(metric=HOSTILE, caption=HOSTILE, pictures={1: JPEG}))
    record["blocks"][0]["left_out"] = HOSTILE
    path = tmp_path / "r.html"
    html.write_html(path, a_document(sections=[record]), assets=assets)
    page = path.read_text()
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 10
    assert " style=" not in page
    assert ("data:image/jpeg" in page) is not assets


def test_control_characters() -> None:
    page = shown(a_record(a_map(metric="a\x1b\ud800\u202e")))
    page.encode()
    assert "a\\x1b\\ud800\\u202e 84.5" in page


# ---------------------------------------------------------------- as Markdown


def test_markdown() -> None:
    test = a_test("failed", a_measurement(90.0, 80.0, min_neg=85), sections=[a_record(a_map(caption="a | b"))])
    text = markdown.markdown(a_document(test, sections=[a_record(a_map(worst=[0]))]))
    assert "Section Where of <code>test&#95;x</code>: a &#124; b" in text
    assert "lowest NEG 20.0 in column 2, row 0" in text
    assert "| row | 0 | 1 | 2 |\n|---|---:|---:|---:|\n| 0 | 90 | 85 | 20 |\n| 1 | &#8211; | 60 | 100 |\n" in text
    assert "| 0 | 90 | 91 | 92 |" in text


def test_markdown_of_fine_grid() -> None:
    made = a_map(columns=13, rows=1, frames=[(7, None, [90] * 13)])
    text = markdown.markdown(a_document(sections=[a_record(made)]))
    assert "frame 7&#58; lowest NEG 90.0 in column 0, row 0" in text
    assert "| row |" not in text


def test_markdown_of_many_maps() -> None:
    frames = [(0, None, [90] * 144)]
    record = a_record(a_map(columns=12, rows=12, frames=frames, metric=HOSTILE, caption=HOSTILE * 9))
    text = markdown.markdown(a_document(sections=[record] * 300))
    assert 1 <= text.count("| row |") <= 10
    assert len(text) <= markdown.MOST_CHARACTERS
    assert "<script" not in text


# ---------------------------------------------------------------- the budget


def a_report(number: int, sections: list[dict[str, Any]]) -> Any:
    """The report of a test that missed its gate by so much."""
    gate = {"margin": -float(number), "passed": False, "metric": "neg"}
    measured = {"status": "failed", "gates": [gate], "neg": 90.0, "started": 0.0}
    sent = {"measurements": [measured], "sections": sections}
    names = {"nodeid": f"t::{number}", "when": "call", "outcome": "failed", "longrepr": "no", "duration": 0.0}
    return type("Report", (), {**names, "vmaf": sent, "location": ("t.py", 0, "t")})()


def a_large_one(frames: int = 0) -> dict[str, Any]:
    """A section with two pictures of a million characters."""
    picture = JPEG[:-4] + "A" * 1_000_000
    many = [(number, None, [90] * 6) for number in range(frames)]
    return a_record(a_map(frames=[*FRAMES, *many], worst=[1, 0], pictures={1: picture, 0: picture}))


def test_picture_limit() -> None:
    collector = collect.Collector()
    for number in range(1, 13):
        collector.add(a_report(number, [a_large_one(frames=1)]))
    blocks = [test["sections"][0]["blocks"][0] for test in collector.records()]
    assert [len(block["heat"]["pictures"]) for block in blocks] == [0] * 4 + [1] + [2] * 7
    assert collector.pictures_left_out == 9
    for block in blocks[:5]:
        assert block["left_out"].startswith("Some of its pictures were left out, to keep the report small.")
        assert "Some of its pictures were left out" in shown({"title": "t", "blocks": [block]})
    # Pictures first, and then frames.
    assert blocks[0]["left_out"].endswith("small. All frames but the worst were left out, to keep the report small.")
    assert "frames" not in blocks[4]["left_out"]
    assert "left_out" not in blocks[-1]
    # The worst frame's picture is the one that stays.
    assert [picture["index"] for picture in blocks[4]["heat"]["pictures"]] == [1]


def test_frame_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "MOST_PICTURES", 3_000)
    collector = collect.Collector()
    frames = [(number, None, [90] * 6) for number in range(100)]
    sections = [a_record(a_map(frames=[*frames, *FRAMES], worst=[101, 7])) for _ in range(2)]
    for number, section in enumerate(sections, 1):
        collector.add(a_report(number, [section]))
    for test in collector.records():
        [block] = test["sections"][0]["blocks"]
        assert [frame["frame"] for frame in block["heat"]["frames"]] == [7, 25]
        assert block["heat"]["worst"] == [1, 0]
        assert block["left_out"] == "All frames but the worst were left out, to keep the report small."
        conform(test["sections"][0], schema.SECTION)
    assert collector.pictures_left_out == 0


def test_limit_of_reruns() -> None:
    collector = collect.Collector()
    for _ in range(12):
        again = a_report(1, [a_large_one()])
        again.outcome = "rerun"
        collector.add(again)
    collector.add(a_report(1, [a_large_one()]))
    [test] = collector.records()
    assert len(test["sections"][0]["blocks"][0]["heat"]["pictures"]) == 2
    assert collector.pictures_left_out == 0


def test_limit_of_run_sections() -> None:
    class Ready:
        def to_record(self) -> dict[str, Any]:
            return a_large_one()

    records = collect_sections(lambda: [[Ready() for _ in range(12)]], "a_hook")  # type: ignore[misc]
    assert collect.sections_size(records) <= collect.MOST_PICTURES
    kept = [len(record["blocks"][0]["heat"]["pictures"]) for record in records]
    assert kept == [2] * 7 + [1] + [0] * 4
    assert records[-1]["blocks"][0]["left_out"]


def test_other_blocks() -> None:
    record = Section("Where", [Paragraph("before"), a_map(), Paragraph("after")]).to_record()
    page = shown(record, copy.deepcopy(record))
    assert page.index("<p>before</p>") < page.index('class="views heat"') < page.index("<p>after</p>")
    names = re.findall(r' id="([^"]*)"', page)
    assert len(names) == len(set(names))
