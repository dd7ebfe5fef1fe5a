"""Sections of regions, masks and maps, with pictures of real clips."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_vmaf import FakeScorer, Region, Vmaf
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.report import document as documents, part_sections
from pytest_vmaf.report.html import write_html
from pytest_vmaf.report.part_sections import _tint, map_section, roi_section
from pytest_vmaf.scoring.score import Scale

Run = Callable[..., pytest.RunResult]
TESTS = """
from pytest_vmaf import Region

R, D = {reference!r}, {distorted!r}

def test_regions(vmaf):
    track = Region.track([(3 * n, n, 61, 47) for n in range(8)], min_neg=100)
    vmaf.score(R, D, regions={{"face": Region(33, 17, 65, 51), "ball": track}})

def test_roi(vmaf):
    assert vmaf.roi(R, D, threshold=0).mask_coverage > 0

def test_map(vmaf):
    assert vmaf.quality_map(R, D, grid=(3, 2), saliency=True).neg_tile > 0
"""


@pytest.fixture(scope="session")
def pair(
    footage: Callable[..., Path], make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Clip, Clip]:
    """Eight frames of 192x128, and an encode of them that lost something."""
    reference = footage("192x128", 8)
    output = tmp_path_factory.mktemp("parts") / "lost.mp4"
    return Clip(reference), Clip(make("-i", reference, "-c:v", "libx264", "-crf", 40, output))


@pytest.fixture
def run(pytester: pytest.Pytester, pair: tuple[Clip, Clip]) -> Run:
    """Run the tests above on a worker, which must send the sections."""
    pytester.makepyfile(TESTS.format(reference=str(pair[0].path), distorted=str(pair[1].path)))
    return lambda *arguments: pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n1", *arguments, timeout=120)


def blocks(test: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for section in test["sections"] for block in section["blocks"] if block["kind"] == kind]


@pytest.mark.slow
def test_sections_in_report(run: Run, pytester: pytest.Pytester) -> None:
    run("--vmaf-json=r.json", "--vmaf-json-pictures", "--vmaf-html=r.html").assert_outcomes(passed=2, failed=1)
    tests = {t["id"].partition("::")[2]: t for t in documents.read(pytester.path / "r.json")["tests"]}
    regions = tests["test_regions"]
    assert [each["distorted"].partition(" [")[2] for each in regions["measurements"]] == [
        "",
        "face 65x51+33+17]",
        "ball 61x47, moving]",
    ]
    assert [each["status"] for each in regions["measurements"]] == ["passed", "passed", "failed"]
    # What failed is shown as it was scored: the region alone.
    failed = regions["measurements"][2]["pictures"][0]
    assert (failed["full_width"], failed["full_height"]) == (61, 47)
    shown = blocks(regions, "shown")[0]["shown"]
    assert [box["name"] for box in shown["boxes"]] == ["face", "ball"]
    lines = blocks(regions, "chart")[0]["lines"]
    assert [(line["name"], len(line["points"])) for line in lines] == [("whole picture", 8), ("face", 8), ("ball", 8)]
    (heat,) = blocks(tests["test_map"], "heat")
    assert (heat["heat"]["columns"], heat["heat"]["rows"], len(heat["heat"]["frames"])) == (3, 2, 8)
    assert heat["heat"]["pictures"]
    assert blocks(tests["test_roi"], "shown")[0]["shown"]["pictures"][0]["caption"].startswith("reference, tinted")
    page = (pytester.path / "r.html").read_text()
    assert "Quality map of" in page
    assert "Salient parts of" in page


def test_no_pictures_without_report(pair: tuple[Clip, Clip]) -> None:
    session = Vmaf()
    session.score(*pair, regions={"face": (33, 17, 65, 51)})
    assert session.sections == []
    assert len(session._context.records.section_makers) == 1
    assert not [
        block
        for block in session._context.records.section_makers[0](0).to_record()["blocks"]
        if block["kind"] == "shown"
    ]


def test_map_without_pictures(pair: tuple[Clip, Clip], tmp_path: Path) -> None:
    found = Vmaf().quality_map(*pair, grid=(2, 2))
    record = map_section(found, pair, 0).to_record()
    (heat,) = [block["heat"] for block in record["blocks"] if block["kind"] == "heat"]
    assert heat["pictures"] == []
    for frame in heat["frames"]:
        expected = [tile.neg.frames[frame["frame"]] for tile in found.tiles]
        assert frame["values"] == pytest.approx(expected, abs=5e-4)
    lowest = [min(frame["values"]) for frame in heat["frames"]]
    assert heat["worst"][0] == lowest.index(min(lowest))
    document = documents.merge([])
    document["sections"] = [record]
    write_html(tmp_path / "r.html", document)
    assert "NEG of each tile" in (tmp_path / "r.html").read_text()


def test_box_of_moving_region(pair: tuple[Clip, Clip]) -> None:
    regions = {"ball": Region.track([(3 * n, n, 61, 47) for n in range(8)])}
    session = Vmaf()
    result = session.score(*pair, regions=regions)
    frame = result.regions["ball"].neg.worst()[0][0]
    record = session._context.records.section_makers[0](1).to_record()
    (shown,) = [block["shown"] for block in record["blocks"] if block["kind"] == "shown"]
    assert (shown["boxes"][0]["x"], shown["boxes"][0]["y"]) == (3 * frame, frame)
    assert (shown["full_width"], shown["full_height"]) == (192, 128)


@pytest.mark.slow
def test_box_in_aligned_pair(footage: Callable[..., Path], make: Callable[..., Path], tmp_path: Path) -> None:
    reference = footage("192x128", 16)
    late = make("-i", reference, "-vf", "trim=start_frame=2,setpts=N/25/TB", "-c:v", "ffv1", tmp_path / "late.mkv")
    session = Vmaf(align=True)
    boxes = [(5 * n, 3 * n, 64, 48) for n in range(16)]
    result = session.score(reference, late, regions={"ball": Region.track(boxes)})
    frame = result.regions["ball"].neg.worst()[0][0]
    record = session._context.records.section_makers[0](1).to_record()
    (shown,) = [block["shown"] for block in record["blocks"] if block["kind"] == "shown"]
    assert (shown["boxes"][0]["x"], shown["boxes"][0]["y"]) == boxes[frame + 2][:2]


def test_chart_of_a_long_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    score = Vmaf(scorer=FakeScorer(frames=2000)).score("ref.mkv", "dis.mkv").neg
    clips: list[object] = []
    clip = Scale.clip
    monkeypatch.setattr(Scale, "clip", lambda self, frames: clips.append(self) or clip(self, frames))
    [chart] = part_sections._chart({"all": score})
    assert len(chart.lines[0].points) > 100
    # Once for each line, not for each point.
    assert len(clips) <= 2


def test_many_regions(pair: tuple[Clip, Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_sections, "MOST_BOXES", 2)
    regions = {f"r{n}": Region(n, n // 2, 61, 47) for n in range(4)}
    session = Vmaf()
    result = session.score(*pair, regions=regions)
    worst = min(result.regions, key=lambda name: float(result.regions[name].neg))
    record = session._context.records.section_makers[0](1).to_record()
    (block,) = [block for block in record["blocks"] if block["kind"] == "shown"]
    assert len(block["shown"]["boxes"]) == 2
    assert block["shown"]["boxes"][0]["name"] == worst
    assert block["caption"].endswith("2 of 4 regions are drawn.")
    assert len(result.regions) == 4


def test_tint(ffmpeg: str) -> None:
    grey = ["-f", "lavfi", "-i", "color=gray:s=64x48", "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "2", "-f", "mjpeg"]
    jpeg = subprocess.run([ffmpeg, "-v", "error", *grey, "-"], check=True, capture_output=True).stdout
    picture = {"reference": base64.b64encode(jpeg).decode(), "width": 64, "height": 48}
    mask = np.zeros((12, 16), np.uint8)
    mask[:, 8:] = 255
    tinted = base64.b64decode(_tint(picture, (mask.tobytes(), 16, 12), ffmpeg))
    raw = ["-f", "jpeg_pipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run([ffmpeg, "-v", "error", *raw], input=tinted, check=True, capture_output=True)
    red, green, _ = np.moveaxis(np.frombuffer(done.stdout, np.uint8).reshape(48, 64, 3).astype(int), 2, 0)
    assert abs(red - green)[:, :24].max() < 12
    assert (red - green)[:, 40:].min() > 60


def test_roi_section(pair: tuple[Clip, Clip]) -> None:
    session = Vmaf()
    found = session.roi(*pair, synthetic_mask=0.5, threshold=0, fade=1)
    record = roi_section(found, pair, 1).to_record()
    said = " ".join(block["text"] for block in record["blocks"] if block["kind"] == "text")
    assert "the mask keeps 50.00 % of the picture" in said
    # A synthetic mask is no map to be shown.
    (shown,) = [block["shown"] for block in record["blocks"] if block["kind"] == "shown"]
    assert [each["caption"] for each in shown["pictures"]] == ["reference", "distorted"]
