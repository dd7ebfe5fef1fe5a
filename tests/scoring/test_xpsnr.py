"""XPSNR beside a score: against its formula, in every scorer, in parts, and where it cannot be measured."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pytest_vmaf import FakeScorer, GateViolation, Vmaf
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import LogError, PairError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg, has_filter
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.cached import score_key
from pytest_vmaf.scoring.features import XPSNR_COLUMNS
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import Capabilities, EncodeStep, ScoreLog, ScoreRequest, Tools
from pytest_vmaf.scoring.xpsnr import weighted_average
from pytest_vmaf.search.metric import parse_metric

from .xpsnr_formula import xpsnr

Y, U, V = XPSNR_COLUMNS


def frames_of(result: Result) -> list[list[float]]:
    """The XPSNR of each frame, plane by plane."""
    return [list(row) for row in zip(*(result[column].frames for column in XPSNR_COLUMNS), strict=True)]


@pytest.fixture(scope="session")
def raw(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Clip, Clip]]:
    """raw(width, height, pix_fmt): Netflix's pair of three frames in this form, as raw video."""
    folder = tmp_path_factory.mktemp("xpsnr")

    def make(width: int, height: int, pix_fmt: str, frame_rate: int = 25) -> tuple[Clip, Clip]:
        clips = []
        for number in (0, 1):
            path = folder / f"{number}-{width}x{height}-{pix_fmt}.yuv"
            if not path.exists():
                source = golden / f"src01_hrc0{number}_576x324_yuv420p10le.yuv"
                form = ["-f", "rawvideo", "-video_size", "576x324", "-pixel_format", "yuv420p10le"]
                argv = [find_ffmpeg().path, "-v", "error", *form, "-i", str(source), "-vf", f"scale={width}:{height}"]
                subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", pix_fmt, str(path)], check=True)
            clips.append(Clip(path, width=width, height=height, pix_fmt=pix_fmt, frame_rate=frame_rate))
        return clips[0], clips[1]

    return make


def planes(clip: Clip, chroma: tuple[int, int]) -> list[list[np.ndarray]]:
    """The planes of each frame of raw video."""
    width, height = clip.width or 0, clip.height or 0
    small = -(-height // chroma[1]), -(-width // chroma[0])
    values = np.fromfile(clip.path, np.uint8 if clip.pix_fmt in ("yuv420p", "yuv422p", "yuv444p") else "<u2")
    sizes = [(height, width), small, small]
    frames = values.reshape(-1, sum(a * b for a, b in sizes))
    starts = np.cumsum([a * b for a, b in sizes])[:-1]
    return [[part.reshape(size) for part, size in zip(np.split(f, starts), sizes, strict=True)] for f in frames]


CHROMA = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}


@pytest.mark.every_python
@pytest.mark.parametrize(
    ("width", "height", "pix_fmt", "rate"),
    [
        (576, 324, "yuv420p10le", 25),
        pytest.param(576, 324, "yuv420p10le", 50, marks=pytest.mark.slow),
        (176, 144, "yuv420p", 25),
        # Lines of these are padded in ffmpeg, whose filter takes the padding for pixels.
        (176, 144, "yuv420p10le", 25),
        pytest.param(90, 66, "yuv422p10le", 50, marks=pytest.mark.slow),
        pytest.param(90, 66, "yuv422p", 50, marks=pytest.mark.slow),
        pytest.param(180, 101, "yuv444p12le", 25, marks=pytest.mark.slow),
        pytest.param(180, 102, "yuv444p", 25, marks=pytest.mark.slow),
        pytest.param(64, 48, "yuv420p12le", 25, marks=pytest.mark.slow),
    ],
)
def test_formula(width, height, pix_fmt, rate, raw, score):
    clips = raw(width, height, pix_fmt, rate)
    depth, chroma = int(pix_fmt[7:].removesuffix("le") or 8), CHROMA[pix_fmt[3:6]]
    expected = xpsnr(*(planes(clip, chroma) for clip in clips), depth, rate)
    found = frames_of(score(*clips, features=("xpsnr",)))
    assert found == [pytest.approx(row, abs=2e-5) for row in expected]


def test_reference_is_the_first_input(raw, score):
    pair = raw(576, 324, "yuv420p10le")
    result = score(*pair, features=("xpsnr",))
    assert result[Y].frames == pytest.approx((37.0562, 31.0359, 30.0897), abs=1e-4)
    # As the filter's help names its inputs, this would be 29.7222 dB.
    assert "xpsnr_y 32.2285, xpsnr_u 39.0647, xpsnr_v 41.2308" in "\n".join(result.provenance["notes"])
    assert score(*reversed(pair), features=("xpsnr",))[Y].frames != result[Y].frames


def test_identical_frames_are_limited_as_psnr(raw, score):
    reference, _ = raw(176, 144, "yuv420p")
    result = score(reference, reference, features=("xpsnr",))
    assert result[Y].frames == result["psnr_y"].frames == (60.0,) * 3
    assert result.provenance["notes"] == [
        "XPSNR is limited to 60 dB, where the clips are identical or nearly so: xpsnr_y in 3 frames, xpsnr_u in 3 "
        "frames, xpsnr_v in 3 frames"
    ]
    reference, _ = raw(176, 144, "yuv420p10le")
    result = score(*[replace(reference, frame_rate=None)] * 2, features=("xpsnr",))
    assert result[V].frames == (72.0,) * 3
    assert "no frame rate is stated, so XPSNR is weighted as below 32 frames/s" in result.provenance["notes"]


@pytest.mark.slow
def test_grey_has_neutral_chroma(raw, score):
    clips = raw(176, 144, "gray")
    result = score(*clips, features=("xpsnr",))
    assert max(result[Y].frames) < 60
    assert result[U].frames == result[V].frames == (60.0,) * 3


def test_average_of_the_clip():
    assert weighted_average([30.0, 30.0]) == pytest.approx(30)
    # Of errors that are 1 and 3 times as large, the mean is twice as large.
    assert weighted_average([40.0, 40 - 20 * math.log10(3)]) == pytest.approx(40 - 20 * math.log10(2))


@pytest.mark.parametrize("rate", [25, pytest.param(50, marks=pytest.mark.slow)])
def test_parts(rate, park, score):
    clips = [replace(clip, frame_rate=rate) for clip in park]
    whole = score(*clips, features=("xpsnr",))
    for start in (1, 5):
        part = score(*(replace(clip, start=start, frames=3) for clip in clips), features=("xpsnr",))
        assert frames_of(part) == frames_of(whole)[start : start + 3]
        # One frame before a part is what VMAF needs; changes of changes need two.
        assert (f"trim=start_frame={max(0, start - (2 if rate == 50 else 1))}:") in part.provenance["command"]


@pytest.fixture(scope="session")
def park(footage, encode) -> tuple[Clip, Clip]:
    """A clip of 9 frames and its encode."""
    reference = footage("176x144", 9)
    return Clip(reference), Clip(encode(reference, 30))


class Delegate:
    """A scorer of somebody's, which knows nothing of XPSNR."""

    asked: ClassVar[list[ScoreRequest]] = []

    def capabilities(self, tools: Tools) -> Capabilities:
        return Capabilities(name="delegate", version="1")

    def score(self, request: ScoreRequest) -> ScoreLog:
        self.asked.append(request)
        return FfmpegScorer().score(replace(request, xpsnr_rate=0))


def test_scorer_without_xpsnr(park, score):
    result = measure(MeasureRequest(*park, features=("xpsnr", "float_ssim")), Delegate())
    assert frames_of(result) == frames_of(score(*park, features=("xpsnr",)))
    [asked] = Delegate.asked
    assert asked.features == ("float_ssim", "psnr")
    assert set(XPSNR_COLUMNS) <= set(asked.optional_columns) - set(asked.columns)


class OwnXpsnr(Delegate):
    """A scorer that measures XPSNR itself."""

    def score(self, request: ScoreRequest) -> ScoreLog:
        log = super().score(request)
        return replace(log, columns={**log.columns, **dict.fromkeys(XPSNR_COLUMNS, (33.0,) * log.reference_frames)})


def test_scorer_with_xpsnr(park):
    assert measure(MeasureRequest(*park, features=("xpsnr",)), OwnXpsnr())[U] == 33


class Short(Delegate):
    """A scorer that leaves out a frame."""

    def score(self, request: ScoreRequest) -> ScoreLog:
        log = super().score(request)
        columns = {name: values[:-1] for name, values in log.columns.items()}
        return replace(log, columns=columns, reference_frames=8, distorted_frames=8, pooled_means={})


def test_scorer_with_fewer_frames(park):
    with pytest.raises(LogError, match="reports 8 frames, but ffmpeg measured XPSNR of 9"):
        measure(MeasureRequest(*park, features=("xpsnr",)), Short())


@pytest.mark.parametrize("pix_fmt", ["yuv420p", pytest.param("yuv420p10le", marks=pytest.mark.slow)])
def test_encode_and_score(pix_fmt, park, tmp_path):
    reference, _ = park
    arguments = ("-c:v", "libx264", "-crf", "33", "-preset", "ultrafast", "-pix_fmt", pix_fmt)
    path, scorer = tmp_path / "out.mp4", FfmpegScorer()
    subprocess.run([find_ffmpeg().path, "-v", "error", "-i", str(reference.path), *arguments, str(path)], check=True)
    job = prepare(MeasureRequest(reference, Clip(path), features=("xpsnr",)), scorer).job
    apart = scorer.score(job)
    path.unlink()
    together = scorer.encode_and_score(job, EncodeStep(reference, arguments, path))
    assert together.columns == apart.columns
    assert set(XPSNR_COLUMNS) < set(together.columns)


@pytest.mark.slow
def test_regions_together(raw, score):
    """Each has weights of its own size, and is measured in the same run or, with padded lines, beside it."""
    for pix_fmt, rate in (("yuv420p", 25), ("yuv420p10le", 50)):
        clips = raw(576, 324, pix_fmt, rate)
        gate = Vmaf(cache=False)
        result = gate.score(*clips, features="xpsnr", regions={"face": (100, 50, 200, 150)})
        cut = [replace(clip, crop=(100, 50, 200, 150)) for clip in clips]
        assert frames_of(result.regions["face"]) == frames_of(score(*cut, features=("xpsnr",)))
        assert frames_of(result) == frames_of(score(*clips, features=("xpsnr",)))


def test_cache(park, tmp_path):
    cache = Cache(tmp_path)
    slow, fast = (
        prepare(
            MeasureRequest(*(replace(clip, frame_rate=rate) for clip in park), features=("xpsnr",), cache=cache),
            FfmpegScorer(),
        ).job
        for rate in (25, 50)
    )
    plain = replace(slow, columns=slow.columns[:2], xpsnr_rate=0)
    keys = [score_key(FfmpegScorer(), job, cache) for job in (slow, fast, replace(fast, xpsnr_rate=25), plain)]
    assert len(set(keys)) == 4
    assert None not in keys
    first = measure(MeasureRequest(*park, features=("xpsnr",), cache=cache), FfmpegScorer())
    again = measure(MeasureRequest(*park, features=("xpsnr",), cache=cache), FfmpegScorer())
    assert again.provenance["cached"]
    assert frames_of(again) == frames_of(first)
    assert again.provenance["notes"] == first.provenance["notes"]


def test_ffmpeg_without_the_filter(park, score, monkeypatch):
    monkeypatch.setattr("pytest_vmaf.scoring.xpsnr.has_filter", lambda path, name: False)
    with pytest.raises(ScorerError, match=r"XPSNR is measured by ffmpeg's filter xpsnr \(7.1 and later\), which "):
        score(*park, features=("xpsnr",))
    score(*park)


def test_filters_of_an_ffmpeg(tmp_path):
    assert has_filter(find_ffmpeg().path, "xpsnr")
    old = tmp_path / "ffmpeg"
    old.write_text("#!/bin/sh\necho \"Unknown filter 'xpsnr'.\"\n")
    old.chmod(0o755)
    assert not has_filter(str(old), "xpsnr")


@pytest.mark.parametrize(
    ("width", "height", "pix_fmt", "message"),
    [(44, 46, "yuv420p", "at least 45x45 pixels, not 44x46"), (64, 48, "yuv420p16le", "up to 14 bits, not 16")],
)
def test_frames_that_the_filter_cannot_measure(width, height, pix_fmt, message, raw, score):
    with pytest.raises(PairError, match=message):
        score(*raw(width, height, pix_fmt), features=("xpsnr",))


def test_small_region(raw):
    with pytest.raises(PairError, match="at least 45x45 pixels, not 40x40"):
        Vmaf(cache=False).score(*raw(176, 144, "yuv420p"), features="xpsnr", regions={"eye": (0, 0, 40, 40)})


@pytest.mark.slow
def test_tiles_have_none(raw):
    """They are smaller than what the filter measures, and their weights would be those of another size."""
    found = Vmaf(cache=False).quality_map(*raw(176, 144, "yuv420p"), grid=(4, 4), features="xpsnr")
    assert set(XPSNR_COLUMNS) < set(found.whole.features)


def test_unequal_lengths(park, score):
    reference, encoded = park
    with pytest.raises(PairError, match="different lengths: 9 frames in the reference, 5 in the distorted"):
        score(reference, replace(encoded, start=0, frames=5), features=("xpsnr",))


def test_gates_and_targets(park):
    gate = Vmaf(cache=False)
    result = gate.check(*park, min_xpsnr_y=20, gates={"min_xpsnr_u_p5": 20}, signs=False)
    assert set(XPSNR_COLUMNS) < set(result.features)
    with pytest.raises(GateViolation, match="xpsnr_y"):
        gate.check(*park, min_xpsnr_y=50, signs=False)
    assert parse_metric("xpsnr_y.p5").features == ("xpsnr",)
    fake = gate.check(*park, scorer=FakeScorer(features={"xpsnr_y": 33, "xpsnr_u": 40, "xpsnr_v": 41}), min_xpsnr_y=33)
    assert fake["xpsnr_y"] == 33


PSNR = {"psnr_y": 40.0}
