"""Typed keywords: they agree with the grammar of gates and the table of options, and mypy finds a user's typos."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs.blocks import read_blocks
from docs.test_examples import TUTORIAL

import pytest_vmaf
from pytest_vmaf.api import keywords
from pytest_vmaf.api.run_search import OPTIONS as SEARCH_OPTIONS
from pytest_vmaf.option_table import BY_NAME
from pytest_vmaf.settings import make_layer

RIGHT = """
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_vmaf import Agreement, Bisection, Clip, Encode, Encoder, Region, Result, Vmaf
from pytest_vmaf import FramePairs, Metric, NetworkMetric
from pytest_vmaf import Codec, Correlation, MetricAgreement, Row, SourceFrames, correlate, read_frames


@pytest.mark.vmaf(min_neg=93)
def test_gate(vmaf: Vmaf, tmp_path: Path) -> None:
    encode: Encode = vmaf.encode("ref.y4m", tmp_path / "out.mp4", encoder="libx264", crf=23, preset="fast")
    result: Result = vmaf.check("ref.y4m", encode, min_neg=93, min_neg_p5=85, max_gap=None, above_100=False)
    assert result.neg >= 93 and encode.bitrate < 2_000_000
    raw = Clip("a.yuv", width=640, height=360)
    vmaf.check(raw, "b.mp4", gates={"min_psnr_hvs_p10": 38}, baseline=True, max_drop="2%")
    vmaf.score(Path("a"), "b", model="auto", regions={"face": Region(0, 0, 64, 64), "sky": (0, 0, 8, 8)})
    with ProcessPoolExecutor(2) as pool:
        vmaf.check("a", "b", chunk=30, executor=pool, min_neg=93)
    vmaf.roi("a", "b", min_neg_roi=90, weight=0.7)
    vmaf.map("a", "b", grid=(4, 4), min_neg_tile=80)


class Net:
    name = "net"
    direction = "lower"

    def measure(self, reference: NDArray[np.float32], distorted: NDArray[np.float32]) -> float:
        return float(np.abs(reference - distorted).mean())


class Flicker:
    name, direction, unit = "flicker", "lower", "dB"

    def measure_clip(self, pairs: FramePairs) -> list[float]:
        return [float(abs(a.mean() - b.mean())) for a, b in pairs]


def pytest_vmaf_metric(config: pytest.Config | None, name: str) -> Metric | None:
    return Net() if name == "net" else None


def test_metrics(vmaf: Vmaf, tmp_path: Path) -> None:
    network = NetworkMetric(tmp_path / "net.onnx", direction="higher")
    vmaf.check("a", "b", metrics=[Net(), Flicker(), "other", "net.onnx", network], gates={"max_net_p95": 0.1})
    vmaf.bisect("a", encoder="libx264", targets=70, metric="ssimulacra2", metrics=network)


def test_targets(vmaf: Vmaf) -> None:
    bisection: Bisection = vmaf.bisect("ref.y4m", encoder="libx264:slow", targets=[94, 96], max_bitrate={96: 1e6})
    crf: float = bisection[96].crf
    vmaf.check("ref.y4m", bisection[96], min_neg=96)
    own = {"encoder": Encoder("x", (0, 51), ("-crf", "{crf}"))}
    vmaf.compare(["a", "b"], encoders={"a": "libx264", "b": "libsvtav1"}).bd_rate("b", anchor="a")
    vmaf.bisect("ref.y4m", encoder=lambda source, output, crf: None, targets=crf, baseline=True, max_bitrate_rise="2%")
    vmaf.bisect("ref.y4m", encoder=own["encoder"], targets=96, start=bisection)
    pair: tuple[Bisection, ...] = vmaf.bisect([Path("a"), "b"], encoder="libx264", targets=96, executor=None)
    assert pair
    vmaf.bisect("ref.y4m", encoder="libx264", targets=96, baseline=True, agree=["xpsnr_y", "float_ms_ssim"])
    both = vmaf.compare("a", encoders=["libx264", "libx265"], agree="psnr_y", max_disagreement=10)
    rates: Agreement = both.bd_rates("libx265", anchor="libx264")
    verdict: str = rates.beside(v1=rates).verdict
    worse: float = rates["psnr_y"] + rates.margin("psnr_y") + rates.disagreement
    assert verdict and worse and rates.of("better") and "neg" in rates and rates.unknown["cambi"]


def test_correlation(rows: tuple[Row, ...]) -> None:
    found: Correlation = correlate("scores.csv", Path("mos.csv"), lower_is_better="lpips", mapping="logistic")
    agreement: MetricAgreement = found["neg"]
    assert agreement.srcc > 0.9 and found.of("neg", codec="av1").value("tau_b_95") > 0.7
    correlate([{"clip": "a", "neg": 90.5}], {"clip": ["a"], "mos": [4.5]}, metrics=["neg"], allow_missing=True)
    correlate(rows, "mos.csv", resample_by="source", seed=3)
    print([each.better for each in found.differences if each.is_significant], found.to_rows())


class Mine:
    qualities = (1, 2.5)
    larger_is_finer = True

    def encode(self, frames: Iterable[NDArray[np.uint8]], quality: float) -> bytes:
        return b"".join(frame.tobytes() for frame in frames)

    def decode(self, bitstream: bytes) -> Iterator[NDArray[np.uint8]]:
        yield np.zeros((2, 2, 3), np.uint8)


class Whole:
    def encode(self, frames: SourceFrames, quality: int) -> bytes:
        return bytes(frames.width)

    def decode(self, bitstream: bytes) -> NDArray[np.uint8]:
        return np.zeros((1, 2, 2, 3), np.uint8)


def test_codec(vmaf: Vmaf) -> None:
    codec: Codec[float] = Mine()
    found = vmaf.bisect("ref.y4m", encoder=codec, targets=96, crf=(1, 2.5))
    vmaf.encode("ref.y4m", "out.bin", encoder=Encoder("mine", codec=Mine()), crf=found[96].crf)
    vmaf.compare("ref.y4m", encoders=[Whole(), "libx264", {"a": "b"}["a"]])


def test_modes(vmaf: Vmaf) -> None:
    encoder = Encoder("libx264", mode="2pass")
    vmaf.bisect("ref.y4m", encoder=encoder, targets=96, bitrate=(500, 4000))
    encode = vmaf.encode("ref.y4m", "out.mp4", encoder="libx264", mode="bitrate", bitrate=1500)
    vmaf.compare("ref.y4m", encoders={"a": {"encoder": "libx264", "mode": "2pass"}, "b": "libx264:2pass"}, targets=96)
    vmaf.sweep("ref.y4m", encoders=["libx264"], bitrates=[500, 1000], mode="2pass", output="rows.jsonl")
    assert encode.mode == "bitrate"


def decoded(frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    yield from frames


def test_frames(vmaf: Vmaf) -> None:
    frames = list(read_frames("ref.y4m"))
    vmaf.check(np.stack(frames), decoded(frames), min_neg=93)
    planes = read_frames("ref.y4m", pix_fmt="yuv420p", timeout=60)
    luma: NDArray[np.uint8] = next(planes)[0]
    clip = Clip.from_frames(planes, pix_fmt="yuv420p", frame_rate=25, name="a")
    vmaf.score(clip, Clip.from_frames(luma[None], layout="NHW"))
    vmaf.bisect(decoded(frames), encoder="libx264", targets=96)
    vmaf.self_score(frames)


def test_alone() -> None:
    Vmaf(min_neg=93, threads=2).self_score("ref.y4m", generation="v1")
"""

WRONG = {
    'vmaf.check("a", "b", min_ngg=3)': "min_ngg",
    'vmaf.check("a", "b", modle="auto")': "modle",
    'vmaf.check("a", "b", min_neg="high")': "min_neg",
    'vmaf.compare("a", encoders=["libx264"], max_disagreement="10")': "max_disagreement",
    'vmaf.bisect("a", encoder="libx264", targets=90, max_disagreement=10)': "max_disagreement",
    'vmaf.check("a", "b", generation="v2")': "generation",
    'vmaf.encode("a", "b", encoder="libx264", crf=9, mode="two")': "mode",
    'vmaf.check("a", 5)': "check",
    'vmaf.score("a", "b", threads="all")': "threads",
    'vmaf.bisect("a", encoder="x", target=96)': "target",
    'vmaf.bisect("a", encoder="x", targets=96, presett="fast")': "presett",
    'vmaf.bisect("a", encoder="x", targets=96).nothing': "nothing",
    'vmaf.map("a", "b", min_neg_roi=3)': "min_neg_roi",
    "Vmaf(min_ngg=3)": "min_ngg",
    'vmaf.roi("a", "b", chunk=30)': "chunk",
    "Clip.from_frames(5)": "from_frames",
    'Clip.from_frames([], pixfmt="gray")': "pixfmt",
    'read_frames("a", pixfmt="gray")': "read_frames",
}


def test_names_are_in_the_grammar() -> None:
    for typed in (keywords.CheckSettings, keywords.RoiSettings, keywords.MapSettings, keywords.BisectSettings):
        names = [name for name in typed.__annotations__ if name.startswith(("min_", "max_", "above_"))]
        for name in names:
            layer = make_layer("call", {name: 1})
            assert len(layer.gates) + len(layer.tolerances) == 1


def test_options_are_complete() -> None:
    assert set(keywords.Settings.__annotations__) == set(BY_NAME)
    assert set(keywords.SearchOptions.__annotations__) == set(SEARCH_OPTIONS)


@pytest.mark.slow
def test_mypy_on_a_users_file(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(RIGHT)
    calls = "\n".join(f"    {call}" for call in WRONG)
    head = "from pytest_vmaf import Clip, Vmaf, read_frames\n\n\ndef test(vmaf: Vmaf) -> None:\n"
    (tmp_path / "wrong.py").write_text(f"{head}{calls}\n")
    # The tests of the tutorial, whose annotations are optional.
    files = [block for block in read_blocks(TUTORIAL, TUTORIAL.parents[1]) if block.claim == "file"]
    for number, block in enumerate(files):
        (tmp_path / f"tutorial_{number}.py").write_text(block.code)
    assert len(files) == 3
    package = Path(pytest_vmaf.__file__).parents[1]
    # mypy cannot follow the import hook of an editable install.
    editable = {} if package.name == "site-packages" else {"MYPYPATH": str(package)}
    argv = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    # The package itself is checked elsewhere; here only its signatures matter.
    argv += ["--follow-imports=silent", "--no-incremental"]
    output = subprocess.run(
        [*argv, *sorted(path.name for path in tmp_path.iterdir())],
        cwd=tmp_path,
        env={**os.environ, **editable},
        capture_output=True,
        text=True,
    ).stdout
    assert [line for line in output.splitlines() if not line.startswith("wrong.py")] == [], output
    for number, (call, name) in enumerate(WRONG.items(), 5):
        assert re.search(rf'^wrong\.py:{number}: error: .*"{name}"', output, re.M), f"{call}\n{output}"
