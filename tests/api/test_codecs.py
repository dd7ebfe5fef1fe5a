"""Codecs in Python wherever a method takes an encoder: searches, gates, names, the command, and processes of xdist."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoding.codecs import Lossless, Rounding

from pytest_vmaf import ClipError, EncodeError, Encoder, GateViolation, MeasurementError, SettingsError, Vmaf

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parents[1]


class Steps(Rounding):
    """A codec with a grid of its own, of which a larger number is finer."""

    qualities = (0.02, 0.05, 0.1, 0.2, 0.4)
    larger_is_finer = True

    def encode(self, frames: Iterable[Any], quality: float) -> bytes:
        assert quality in self.qualities
        return super().encode(frames, 1 / quality)


@pytest.fixture(scope="session")
def short(footage: Callable[..., Path]) -> Path:
    """Eight frames of 192x128 pixels."""
    return footage("192x128", 8)


@pytest.fixture
def vmaf(tmp_path: Path) -> Vmaf:
    """A Vmaf whose cache is shared by the calls of a test."""
    return Vmaf(progress=False, cache=True, cache_dir=tmp_path / "cache", signs=False)


def test_grid(vmaf: Vmaf, short: Path, tmp_path: Path) -> None:
    found = vmaf.bisect(short, encoder=Steps(), targets=[60, 85], keep=tmp_path / "kept", max_bitrate=10**8)
    fine, coarse = found[85], found[60]
    named = vmaf.encode(short, tmp_path / "named.bin", encoder=Steps(), crf=np.float32(coarse.crf))
    assert (named.crf, type(named.crf), named.checksum) == (coarse.crf, float, coarse.encode.checksum)
    assert coarse.crf < fine.crf
    assert {fine.crf, coarse.crf} <= set(Steps.qualities)
    at = Steps.qualities.index(coarse.crf)
    assert coarse.next_probe is None or coarse.next_probe.crf == Steps.qualities[at - 1]
    assert f"CRF {fine.crf}" in str(fine.why)
    assert fine.encode.path == tmp_path / "kept" / f"{short.stem}-Steps-crf{fine.crf}.bin"
    assert sorted((tmp_path / "kept").iterdir()) == sorted({found[target].encode.path for target in found})
    assert fine.bitrate == fine.encode.path.stat().st_size * 8 / 0.32
    assert float(vmaf.score(short, fine).neg) == fine.score
    assert json.loads(found.to_json())["answers"][1]["crf"] == fine.crf
    assert any(f"CRF {fine.crf}" in record["distorted"] for record in vmaf.records)
    assert f"{fine.crf}" in str(vmaf.sections)
    again = vmaf.bisect(short, encoder=Steps(), targets=[60, 85], workers=2, start=found)
    assert [(each.crf, each.score, each.size) for each in again.answers.values()] == [
        (each.crf, each.score, each.size) for each in found.answers.values()
    ]


def test_window_of_a_grid(vmaf: Vmaf, short: Path) -> None:
    found = vmaf.bisect(short, encoder=Steps(), targets=[1], crf=(0.1, 0.2))
    assert found[1].crf == 0.1
    for window in ((0.1, 0.3), (0.2, 0.1), (1, 2)):
        with pytest.raises(SettingsError, match=r"crf must be two of 0\.02, 0\.05, 0\.1, 0\.2, 0\.4 for Steps"):
            vmaf.bisect(short, encoder=Steps(), targets=[1], crf=window)


def test_compare_with_x264(vmaf: Vmaf, short: Path) -> None:
    mine = Encoder("mine", codec=Rounding(), crf_range=(1, 40))
    encoders = {"mine": {"encoder": mine, "crf": (20, 40)}, "x264": {"encoder": "libx264:ultrafast", "crf": (26, 30)}}
    compared = vmaf.compare(short, encoders=encoders, targets=[85])
    assert compared["mine"][85].bitrate > 2 * compared["x264"][85].bitrate
    speed = compared.speed("mine")
    assert speed is not None
    assert speed.encode > 0
    assert speed.decode is not None


def test_compare_with_few_qualities(vmaf: Vmaf, short: Path) -> None:
    """A search makes two or three trial encodes of so short a scale, and a BD-rate needs four."""
    compared = vmaf.compare(short, encoders={"a": Steps(), "b": Steps()}, targets=[75, 85], speed=False)
    assert sorted(probe.crf for probe in compared["a"].probes) == list(Steps.qualities)
    assert compared.bd_rate("b", anchor="a") == pytest.approx(0)


def test_ladder(vmaf: Vmaf, short: Path, tmp_path: Path) -> None:
    ladder = vmaf.ladder(
        short, encoder=Rounding(), resolutions=["192x128", "96x64"], targets=[80], keep=tmp_path / "kept"
    )
    [rung] = ladder.rungs
    assert rung.peak == rung.bitrate
    assert rung.probe.encode.path is not None
    assert rung.probe.encode.path.is_file()
    for playlist in (ladder.to_hls, ladder.to_dash):
        with pytest.raises(SettingsError, match=r"Rounding is a codec in Python\. Players cannot read"):
            playlist()


def test_sweep(vmaf: Vmaf, short: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    rows = vmaf.sweep(short, encoders=[Steps()], crfs=[0.4, 0.05], output=output)
    assert [row.crf for row in rows] == [0.05, 0.4]
    assert rows[0].neg < rows[1].neg
    before = output.read_bytes()
    assert vmaf.sweep(short, encoders=[Steps()], crfs=[0.05, 0.4], output=output) == rows
    assert output.read_bytes() == before
    with pytest.raises(SettingsError, match=r"crfs must be of 0\.02, .* for Steps, not 0\.3"):
        vmaf.sweep(short, encoders=[Steps()], crfs=[0.3], output=output)


def test_determinism(vmaf: Vmaf, short: Path) -> None:
    class Varies(Rounding):
        encodes = 0

        def encode(self, frames: Iterable[Any], quality: float) -> bytes:
            self.encodes += 1
            return super().encode(frames, quality + 3 * (self.encodes == 2))

    assert vmaf.determinism(short, encoder=Rounding(), crf=8).level == "bitstream"
    varies = vmaf.determinism(short, encoder=Varies(), crf=8)
    assert (varies.level, varies.differs) == ("noisy", 2)


def test_speed(vmaf: Vmaf, short: Path) -> None:
    class Works(Rounding):
        def encode(self, frames: Iterable[Any], quality: float) -> bytes:
            end = time.process_time() + 0.15
            while time.process_time() < end:
                pass
            return super().encode(frames, quality)

    speed = vmaf.speed(short, encoder=Works(), crf=8, rounds=1)
    assert speed.frames == 8
    with pytest.raises(SettingsError, match="it is a codec, which runs in this process"):
        vmaf.speed(short, encoder=Works(), crf=8, clock="instructions")


def test_per_shot(vmaf: Vmaf, short: Path) -> None:
    with pytest.raises(SettingsError, match="Rounding is a codec in Python, whose bitstreams cannot be joined"):
        vmaf.per_shot(short, encoder=Rounding(), target=80)


def test_gates(vmaf: Vmaf, short: Path, tmp_path: Path) -> None:
    encode = vmaf.encode(short, tmp_path / "out.bin", encoder=Rounding(), crf=8)
    result = vmaf.check(short, encode, max_size=encode.size, max_bitrate=encode.bitrate, max_above_100=None)
    assert (result.size, result.bitrate) == (encode.size, encode.bitrate)
    with pytest.raises(GateViolation, match=r"bitrate .* > 1,000 bit/s"):
        vmaf.check(short, encode.clip, max_bitrate=1000, max_above_100=None)
    for method in (vmaf.stream, lambda clip, **gates: vmaf.check(short, clip, **gates)):
        with pytest.raises(ClipError, match="has no stream: it comes from a codec in Python"):
            method(encode, max_keyframe_distance=10)


def test_lossless_codec_passes_default_gates(
    vmaf: Vmaf, bunny: Path, make: Callable[..., Path], tmp_path: Path
) -> None:
    small = ("-frames:v", 4, "-vf", "scale=176:144", "-pix_fmt", "yuv420p")
    source = make("-ss", 1, "-i", bunny, *small, tmp_path / "natural.y4m")
    for pix_fmt in ("rgb24", "rgb48le"):
        encode = vmaf.encode(source, tmp_path / "out.bin", encoder=Lossless(pix_fmt), crf=0)
        assert vmaf.check(source, encode, signs=True, min_neg=95).neg > 95


def test_error_in_a_search(vmaf: Vmaf, short: Path, temp: Path) -> None:
    class Breaks(Rounding):
        def decode(self, bitstream: bytes) -> Any:
            frames = list(super().decode(bitstream))
            return frames[1:] if len(bitstream) < 150_000 else frames

    with pytest.raises(EncodeError, match=r"Breaks: decode\(\) at quality \d+ returned 7 frames, but 8") as caught:
        vmaf.bisect(short, encoder=Breaks(), targets=[80], crf=(20, 40))
    del caught
    assert [path for path in temp.iterdir() if path.name.startswith("pytest-vmaf-")] == []


CONFTEST = """
import sys
sys.path.insert(0, {tests!r})
from encoding.codecs import Rounding
from pytest_vmaf import Encoder

def pytest_vmaf_encoder(config, name):
    if name == "rounding":
        return Rounding()
    if name == "broken":
        return "a name"
"""
MODULE = """
import pytest

def test_bisect(vmaf):
    assert vmaf.bisect({source!r}, encoder="rounding", targets=80, crf=(36, 41))[80].encode.name == "rounding"

def test_check(vmaf, tmp_path):
    encode = vmaf.encode({source!r}, tmp_path / "out.bin", encoder="rounding", crf=4)
    vmaf.check({source!r}, encode, min_neg=99, max_above_100=None, signs=False)

def test_broken(vmaf):
    with pytest.raises(Exception, match="must return an Encoder or a Codec for 'broken', not 'a name'"):
        vmaf.bisect({source!r}, encoder="broken", targets=80)
"""


@pytest.mark.parametrize("options", [["-p", "no:xdist"], ["-n1"]], ids=["alone", "xdist"])
def test_hook(options: list[str], pytester: pytest.Pytester, short: Path) -> None:
    pytester.makeconftest(CONFTEST.format(tests=str(TESTS)))
    pytester.makepyfile(MODULE.format(source=str(short)))
    result = pytester.runpytest("--vmaf-json=report.json", *options)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*NEG *< 99*", "*distorted: out.bin (8 frames decoded, 192x128 rgb24)*"])
    assert "CRF" in (pytester.path / "report.json").read_text()


def test_command(pytester: pytest.Pytester, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = pytester.mkdir("site")
    (site / "own_codec.py").write_text(
        "import pluggy, sys\n"
        f"sys.path.insert(0, {str(TESTS)!r})\n"
        "from encoding.codecs import Rounding\n\n"
        "class Steps(Rounding):\n"
        "    qualities = (4.5, 9.5, 19.5, 39.5)\n\n"
        "@pluggy.HookimplMarker('pytest')\n"
        "def pytest_vmaf_encoder(config, name):\n"
        "    return Steps() if name == 'steps' else None\n"
    )
    package = site / "own_codec-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: own-codec\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[pytest_vmaf.encoders]\nsteps = own_codec\n")
    monkeypatch.syspath_prepend(site)
    from pytest_vmaf.cli import main

    monkeypatch.chdir(pytester.path)
    assert main(["bisect", str(short), "--encoder", "steps", "--targets", "60", "--crf", "4.5-19.5"]) == 0
    assert main(["encode", str(short), "out.bin", "--encoder", "steps", "--crf", "9.5"]) == 0
    assert (pytester.path / "out.bin").stat().st_size > 0
    assert main(["encode", str(short), "out.bin", "--encoder", "steps", "--crf", "9"]) == 2


def test_source_without_a_frame_rate(vmaf: Vmaf, make: Callable[..., Path], short: Path, tmp_path: Path) -> None:
    from pytest_vmaf import Clip

    raw = make("-i", short, "-f", "rawvideo", tmp_path / "raw.yuv")
    with pytest.raises(MeasurementError, match=r"states no frame rate, so bitrates are unknown"):
        vmaf.encode(Clip(raw, width=192, height=128), tmp_path / "out.bin", encoder=Rounding(), crf=8)


def test_codec_that_ignores_the_quality(vmaf: Vmaf, short: Path) -> None:
    class Constant(Rounding):
        def encode(self, frames: Iterable[Any], quality: float) -> bytes:
            return super().encode(frames, 20)

    with pytest.raises(EncodeError, match=r"Constant ignores the CRF: .*\n  Check that encode\(frames, quality\) uses"):
        vmaf.bisect(short, encoder=Constant(), targets=[50])


def test_order_of_the_pair(vmaf: Vmaf, encode: Callable[..., Path], short: Path, tmp_path: Path) -> None:
    lossy = encode(short, 30)
    coded = vmaf.encode(lossy, tmp_path / "out.bin", encoder=Lossless(), crf=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vmaf.score(lossy, coded, signs=True)
