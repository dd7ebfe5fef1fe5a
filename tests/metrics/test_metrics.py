"""Metrics of plugins, measured on real clips: windows, colours, errors, the cache, and what a result has of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrics.builders import ssim
from pytest_vmaf import ClipMetric, FramePairs, Metric, MetricError, Vmaf
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.metrics.clip_pair import ClipPair
from pytest_vmaf.metrics.run_metrics import run_metrics
from pytest_vmaf.metrics.spec import read_spec
from pytest_vmaf.metrics.windows import spread, window_starts

Array = np.ndarray[Any, Any]


class Difference:
    """The mean absolute difference, lower is better."""

    name, label, direction = "difference", "Difference", "lower"

    def __init__(self, measure: Callable[..., object] | None = None, **attributes: object) -> None:
        self._measure = measure
        vars(self).update(attributes)

    def measure(self, reference: Array, distorted: Array) -> Any:
        if self._measure is not None:
            return self._measure(reference, distorted)
        return float(np.abs(reference - distorted).mean())


class WholeClip:
    """The same over a complete clip."""

    name, direction = "whole", "lower"

    def measure_clip(self, pairs: FramePairs) -> float:
        return float(np.mean([np.abs(a - b).mean() for a, b in pairs]))


@pytest.fixture(scope="session")
def coded(clip: Path, encode: Callable[..., Path]) -> Path:
    return encode(clip, 34)


@pytest.fixture
def pair(clip: Path, coded: Path) -> ClipPair:
    chain = "settb=AVTB,setpts=N"
    return ClipPair(
        reference=Clip(clip),
        distorted=Clip(coded),
        chains=(chain, chain),
        turned=(True, True),
        width=192,
        height=128,
        pix_fmt="yuv420p",
        matrix="unknown",
        color_range="tv",
        frames=12,
        frame_rate=None,
        ffmpeg=find_ffmpeg().path,
    )


def test_protocols() -> None:
    metric: Metric = Difference()
    clip_metric: ClipMetric = WholeClip()
    assert read_spec(metric).frames == 1
    assert read_spec(clip_metric).frames == 0


def test_window_starts() -> None:
    assert window_starts(7, 3, 2) == (0, 2, 4)
    assert window_starts(8, 3, 2) == (0, 2, 4, 5)
    assert window_starts(8, 3, 3) == (0, 3, 5)
    assert window_starts(8, 1, 3) == (0, 3, 6, 7)
    assert window_starts(2, 3, 1) == ()


def test_spread() -> None:
    assert spread([[1.0], [3.0]], (0, 2), 3, 5) == (1.0, 1.0, 2.0, 3.0, 3.0)
    assert spread([[1.0, 2.0], [5.0, 6.0]], (0, 3), 2, 5) == (1.0, 2.0, 2.0, 5.0, 6.0)


@pytest.mark.parametrize(
    ("clips", "size", "pix_fmt"),
    [
        (("ref_160x90_yuv420p.yuv", "dis_160x90_yuv420p.yuv"), (160, 90), "yuv420p"),
        pytest.param(
            ("src01_hrc00_576x324_yuv420p10le.yuv", "src01_hrc01_576x324_yuv420p10le.yuv"),
            (576, 324),
            "yuv420p10le",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_ssim_network(
    golden: Path, tmp_path: Path, clips: tuple[str, str], size: tuple[int, int], pix_fmt: str
) -> None:
    path = tmp_path / "ssim.onnx"
    path.write_bytes(ssim())
    width, height = size
    raw = {"width": width, "height": height, "pix_fmt": pix_fmt, "frame_rate": 25, "frames": 2}
    reference, distorted = (Clip(golden / name, **raw) for name in clips)  # type: ignore[arg-type]
    result = Vmaf().score(reference, distorted, metrics=[path], features=["float_ssim"])
    own, theirs = result["net_ssim"].frames, result["float_ssim"].frames
    assert max(abs(a - b) for a, b in zip(own, theirs, strict=True)) < 4e-5


def test_one_pass(pair: ClipPair) -> None:
    values = run_metrics([read_spec(each) for each in (Difference(), WholeClip())], pair)
    assert len(values["difference"]) == 12
    assert values["whole"] == (pytest.approx(np.mean(values["difference"])),) * 12


def test_windows(pair: ClipPair) -> None:
    shapes: list[tuple[int, ...]] = []

    def measure(reference: Array, distorted: Array) -> Array:
        shapes.append(reference.shape)
        result: Array = np.abs(reference - distorted).mean((1, 2, 3))
        reference[:] = 0
        return result

    single = run_metrics([read_spec(Difference())], pair)["difference"]
    several = [Difference(measure, name=f"t{stride}", frames=5, stride=stride) for stride in (1, 3, 5)]
    values = run_metrics([read_spec(each) for each in several], pair)
    assert set(shapes) == {(5, 128, 192, 3)}
    for each in values.values():
        assert each == pytest.approx(single, abs=1e-6)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: float("nan"), r"returned nan \(frame 0\)"),
        (lambda a, b: -1e16, r"returned -1e\+16 \(frame 0\). Its values must be at most 1e\+12"),
        (lambda a, b: None, "must return a number, not NoneType None"),
        (lambda a, b: "1", "must return a number, not str"),
        (lambda a, b: np.ma.masked, "must return a number, not MaskedConstant"),
        (lambda a, b: np.zeros(3), r"not an array of shape \[3\]"),
        (lambda a, b: 1 / 0, r"failed at frame 0 \(test_metrics\.py, line \d+\): ZeroDivisionError"),
    ],
)
def test_invalid_answers(pair: ClipPair, answer: Callable[..., object], words: str) -> None:
    with pytest.raises(MetricError, match=words):
        run_metrics([read_spec(Difference(answer))], pair)


class Tensor:
    """A number that refuses to become an array, as a tensor with a gradient does."""

    def __array__(self, *arguments: object, **options: object) -> Array:
        raise RuntimeError("requires grad")

    def __float__(self) -> float:
        return 0.5


@pytest.mark.parametrize("answer", [np.float16(0.5), np.array([[0.5]]), Tensor()], ids=["float16", "array", "tensor"])
def test_numbers(pair: ClipPair, answer: object) -> None:
    assert run_metrics([read_spec(Difference(lambda a, b: answer))], pair)["difference"] == (0.5,) * 12


def test_cause(clip: Path, coded: Path) -> None:
    count = iter(range(12))

    def measure(reference: Array, distorted: Array) -> float:
        if next(count) == 7:
            raise OSError("no such weights")
        return 0.5

    with pytest.raises(MetricError, match=r"difference failed at frame 7 .*: OSError: no such weights") as caught:
        Vmaf().score(clip, coded, metrics=[Difference(measure)])
    assert isinstance(caught.value.__cause__, OSError)
