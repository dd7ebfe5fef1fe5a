"""`pytest-vmaf ladder`."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.commands import FAST, ONE, Run, searching, strict
from pytest_vmaf import Vmaf

LADDER = [
    "ladder", "--encoder", "libx264", *FAST, "--resolutions", "192x108,96x54", "--target-vmafs", "78,40", "--neg",
    "--crf-range", "24-32",
]  # fmt: skip


@pytest.mark.slow
def test_json(run: Run, clip: Path, cache_dir: Path) -> None:
    done = run(*LADDER, "--src", clip, "--format", "json")
    assert done.returncode == 0, done.stderr
    data = strict(done.stdout)
    assert (data["command"], data["neg"], data["metric"], data["met"]) == ("ladder", True, "neg", True)
    assert data["target_model"] == data["models"]["neg_model"] == "vmaf_v0.6.1neg"
    settings: dict[str, Any] = {"preset": "veryfast", "resolutions": ["192x108", "96x54"], "targets": [78, 40]}
    ladder = Vmaf(cache_dir=str(cache_dir)).ladder(clip, encoder="libx264", crf=(24, 32), **settings)
    assert [(rung["width"], rung["crf"], rung["score"], rung["bitrate"]) for rung in data["rungs"]] == [
        (rung.width, rung.probe.crf, rung.probe.score, rung.bitrate) for rung in ladder.rungs
    ]


@pytest.mark.slow
def test_manifests(run: Run, clip: Path, tmp_path: Path) -> None:
    asked = [*LADDER, "--src", clip]
    hls = run(*asked, "--format", "hls")
    assert hls.returncode == 0, hls.stderr
    lines = hls.stdout.splitlines()
    assert lines[:2] == ["#EXTM3U", "# Targets are NEG, the score of vmaf_v0.6.1neg. They are 78, 40."]
    assert [line for line in lines if not line.startswith("#")] == ["96x54-crf30.m3u8", "192x108-crf26.m3u8"]
    output = tmp_path / "out.mpd"
    dash = run(*asked, "--format", "dash", "--output", output)
    assert dash.returncode == 0, dash.stderr
    assert "<!-- Targets are NEG, the score of vmaf_v0.6.1neg. They are 78, 40. -->" in output.read_text()
    mpd = ET.parse(output).getroot()
    found = [each.get("width") for each in mpd.iter("{urn:mpeg:dash:schema:mpd:2011}Representation")]
    assert found == ["96", "192"]


@pytest.mark.parametrize(("form", "name"), [("dash", "index.mpd"), ("json", "index.m3u8")])
@pytest.mark.slow
def test_package(run: Run, form: str, name: str, clip: Path, tmp_path: Path, ffmpeg: str) -> None:
    package = tmp_path / "package"
    asked = ["ladder", "--src", clip, "--encoder", "libx264", *FAST, "--resolutions", "192x108,96x54"]
    asked += ["--target-vmafs", "1", "--neg", *ONE]
    done = run(*asked, "--package", package, "--format", form)
    assert done.returncode == 0, done.stderr
    manifest = package / name
    if form == "json":
        assert strict(done.stdout)["met"]
    else:
        assert done.stdout == manifest.read_text()
    assert "the score of vmaf_v0.6.1neg" in manifest.read_text()
    if name == "index.m3u8":
        argv = [ffmpeg, "-v", "error", "-allowed_extensions", "ALL", "-i", str(manifest)]
        argv += ["-map", "0:v", "-f", "framemd5", "-"]
        played = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert played.stderr == ""
        streams = [line.partition(",")[0] for line in played.stdout.splitlines() if not line.startswith("#")]
        assert streams == ["0"] * 12


def test_no_rung(run: Run, clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.m3u8"
    done = run(*searching("ladder", clip, "99.99"), "--format", "hls", "--output", output, "--package", tmp_path / "p")
    assert done.returncode == 1
    assert "there is no rung, so no manifest is written" in done.stderr
    assert not output.exists()


@pytest.mark.slow
def test_raw_source_without_a_size(run: Run, raw: Path) -> None:
    asked = [
        "ladder",
        "--src",
        raw,
        "--resolutions",
        "96x54,192x108",
        "--target-vmafs",
        "1",
        *ONE,
        "--encoder",
        "libx264",
    ]
    done = run(*asked, *FAST, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "is read as 192x108 yuv420p and 24 frames/s" in done.stderr
    data = strict(done.stdout)
    assert data["display"] == [192, 108]
    assert data["assumed"][0]["width"] == 192


@pytest.mark.slow
def test_published_command(run: Run, make: Callable[..., Path], tmp_path: Path) -> None:
    line = (
        "ladder --src reference.yuv --resolutions 1920x1080,1280x720,854x480 --target-vmafs 95,90,85 "
        "--encoder libsvtav1 --neg --format hls"
    )
    # Grey is searched in few encodes.
    scene = "color=gray:s=1920x1080:r=24,format=yuv420p"
    make("-f", "lavfi", "-i", scene, "-frames:v", 1, "-f", "rawvideo", tmp_path / "reference.yuv")
    done = run(*line.split(), cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    assert "is read as 1920x1080 yuv420p and 24 frames/s" in done.stderr
    assert "Targets are NEG, the score of vmaf_v0.6.1neg." in done.stdout
    assert "#EXT-X-STREAM-INF:" in done.stdout
