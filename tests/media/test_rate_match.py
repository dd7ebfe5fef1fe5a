"""Rate matching: which frame of the reference each frame shows, and the scores with `match_rate`."""

from __future__ import annotations

import random
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from pytest_vmaf.errors import PairError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import THUMBNAIL, inspect
from pytest_vmaf.media.rate_match import expression, filters_of, frame_map, usual_maps

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 30)
PASS = ("-fps_mode", "passthrough", "-enc_time_base", "demux")


def evaluate(text: str, name: str, number: int) -> int:
    """What ffmpeg computes for an expression."""
    functions = {"IF": lambda c, a, b: a if c else b, "lt": lambda a, b: a < b, "mod": lambda a, b: a % b}
    return eval(text.replace("if(", "IF("), {**functions, "floor": lambda x: x // 1, name: number})


@pytest.mark.parametrize("seed", range(20))
def test_expression(seed):
    generator = random.Random(seed)
    values = [0]
    for _ in range(generator.choice([1, 3, 10, 80])):
        values.append(values[-1] + generator.choice([0, 1, 1, 2]))
    text = expression(values, "n")
    assert [evaluate(text, "n", number) for number in range(len(values))] == values


@pytest.mark.parametrize(
    ("shown", "longest"),
    [
        ([2 * frame for frame in range(5000)], 60),
        ([0, 1, 2, *range(3, 5000, 2)], 100),
        ([frame * 4 // 5 for frame in range(5000)], 120),
    ],
)
def test_expressions_of_regular_patterns_are_short(shown, longest):
    select, *_, times = (*filters_of(shown, max(shown) + 2), expression(shown, "N"))
    assert max(len(select), len(times)) <= longest


def film(count: int) -> np.ndarray:
    """Rows of luma of a picture that moves."""
    texture = np.random.default_rng(1).integers(30, 220, THUMBNAIL[0] * THUMBNAIL[1]).astype(float)
    for shift in range(6):
        texture = (texture + np.roll(texture, 1 << shift)) / 2
    return np.stack([np.roll(texture, 3 * frame) for frame in range(count)]).round().astype(np.uint8)


def at(count: int, rate: float) -> list[float]:
    """Time stamps at a constant rate."""
    return [frame / rate for frame in range(count)]


@pytest.mark.parametrize(
    ("rate", "shown", "to"),
    [
        (50, [2 * frame for frame in range(24)], 25),
        (50, [0, 1, 2, *range(3, 48, 2)], 25),
        (24, [frame * 4 // 5 for frame in range(60)], 30),
        (24, [*range(12), *range(13, 48)], 23.976),
    ],
)
def test_frame_map(rate, shown, to):
    reference = film(max(shown) + 1)
    noise = np.random.default_rng(2).normal(0, 2, (len(shown), reference.shape[1]))
    distorted = (reference[shown] + noise).clip(0, 255).astype(np.uint8)
    assert frame_map(reference, distorted, at(len(reference), rate), at(len(shown), to)) == shown


def test_noise_is_no_jump():
    """In a picture that moves slowly, noise of coding makes neighbours more similar than the frame itself."""
    reference = film(40)
    # A tenth of the motion.
    slow = np.stack([reference[0] * (1 - frame / 400) + reference[1] * (frame / 400) for frame in range(40)])
    shown = [*range(12), *range(11, 39)]
    noise = np.random.default_rng(3).normal(0, 3, slow.shape)
    distorted = (slow[shown] + noise).clip(0, 255).astype(np.uint8)
    indices = frame_map(slow.round().astype(np.uint8), distorted, at(40, 29.97), at(40, 30))
    steps = np.diff(indices)
    assert (steps == 0).sum() <= 1
    assert steps.max() == 1


def test_maps_of_ffmpeg(make, ffmpeg, tmp_path):
    source = make("-f", "lavfi", "-i", "color=black:s=16x16:r=50,format=gray,geq=lum=N*4", "-frames:v", 60, "-c:v",
                  "ffv1", tmp_path / "counted.mkv")  # fmt: skip
    for options, index in ((("-vf", "fps=30"), 1), (("-vf", "fps=30:round=down"), 2), (("-r", "30"), 4)):
        argv = [ffmpeg, "-v", "error", "-i", source, *options, "-f", "rawvideo", "-"]
        pixels = subprocess.run(argv, capture_output=True, check=True).stdout[:: 16 * 16]
        numbers = [round(level / 4) for level in pixels]
        assert usual_maps(at(60, 50), at(len(numbers), 30), 30)[index] == numbers


# With real clips


@pytest.fixture(scope="module")
def clips(make, footage, tmp_path_factory):
    """Sources at a constant rate of 50 and at variable rates, losslessly: 128x96, 24 frames."""
    folder = tmp_path_factory.mktemp("rates")
    base = footage("128x96", 24, 50)
    holes = "setpts='(N+2*gte(N,8)+gte(N,15))/25/TB'"
    jitter = "settb=1/1000,setpts='N*33+floor(random(1)*32)'"
    lossless = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", 0)
    recording = make("-i", base, "-vf", jitter, *PASS, "-c:v", "libvpx", "-b:v", "4M", folder / "muxed.webm")
    # Browsers' recorders state no default duration of frames.
    data = recording.read_bytes()
    place = data.index(b"\x23\xe3\x83")
    size = data[place + 3] & 0x7F
    (folder / "recorded.webm").write_bytes(
        data[:place] + b"\xec" + bytes([0x80 | (size + 2)]) + bytes(size + 2) + data[place + 4 + size :]
    )
    return {
        "constant": base,
        "holes": make("-i", base, "-vf", holes, *PASS, *lossless, folder / "holes.mp4"),
        "phone": make("-i", base, "-vf", jitter, *PASS, *lossless, "-video_track_timescale", 90000,
                      folder / "phone.mp4"),
        "recorded": folder / "recorded.webm",
    }  # fmt: skip


@pytest.mark.slow
def test_variable_rates_are_recognised(clips, ffmpeg):
    videos = {name: inspect(Clip(path), ffmpeg, 16) for name, path in clips.items()}
    assert {name: video.has_variable_rate for name, video in videos.items()} == {
        "constant": False, "holes": True, "phone": True, "recorded": True,
    }  # fmt: skip
    assert [name for name, video in videos.items() if video.states_clock] == ["recorded"]
    assert videos["constant"].frame_rate == 50
    assert videos["holes"].frame_rate == Fraction(25 * 23, 26)
    for name in ("phone", "recorded"):
        assert 29 < float(videos[name].frame_rate) < 32
    stated = inspect(Clip(clips["recorded"], frame_rate=25), ffmpeg, 16)
    assert (stated.frame_rate, stated.has_variable_rate, stated.states_clock) == (25, False, False)


@pytest.mark.slow
@pytest.mark.parametrize("change", [("-vf", "fps=30"), ("-r", "25")])
def test_dropped_frames(change, clips, make, score, libvmaf, tmp_path):
    reference, lossless = clips["constant"], tmp_path / "lossless.mkv"
    make("-i", reference, *change, "-c:v", "ffv1", lossless)
    distorted = make("-i", lossless, *X264, tmp_path / "distorted.mp4")
    with pytest.raises(PairError, match=r"frame rate: .*If frames were dropped, pass match_rate=True") as refused:
        score(reference, distorted)
    assert "alignment" not in str(refused.value)
    result = score(reference, distorted, match_rate=True)
    # The other route: the reference at the other rate, made by ffmpeg alone.
    by_hand = libvmaf(distorted, lossless, "model=version=vmaf_v0.6.1neg\\\\:name=neg")
    assert result.neg.unclipped.frames == pytest.approx(by_hand.log.columns["neg"], abs=1e-5)
    assert result.context.frame_rate == int(change[1].removeprefix("fps="))
    frames = len(result.neg.unclipped.frames)
    [note] = result.provenance["notes"]
    assert f"has {frames} frames" in note
    assert f"{24 - frames} frames of the reference dropped" in note
    assert ", 0 doubled, as" in note


def test_doubled_frames(clips, make, score, libvmaf, tmp_path):
    reference = make("-r", "24000/1001", "-i", clips["constant"], "-c:v", "ffv1", tmp_path / "film.mkv")
    lossless = make("-i", reference, "-vf", "fps=30", "-c:v", "ffv1", tmp_path / "lossless.mkv")
    distorted = make("-i", lossless, *X264, tmp_path / "distorted.mp4")
    result = score(reference, distorted, match_rate=True)
    by_hand = libvmaf(distorted, lossless, "model=version=vmaf_v0.6.1neg\\\\:name=neg")
    assert result.neg.unclipped.frames == pytest.approx(by_hand.log.columns["neg"], abs=1e-5)
    assert "0 frames of the reference dropped, 6 doubled" in result.provenance["notes"][0]


@pytest.mark.slow
def test_variable_rate_at_a_constant_one(clips, make, score, tmp_path):
    phone = clips["phone"]
    x264 = ("-c:v", "libx264", "-crf", 30)
    constant = make("-i", phone, "-r", 25, *x264, tmp_path / "constant.mp4")
    with pytest.raises(PairError, match=r"The reference has a variable frame rate .*-fps_mode passthrough"):
        score(phone, constant)
    result = score(phone, constant, match_rate=True)
    through = make("-i", phone, *PASS, *x264, tmp_path / "through.mp4")
    passed = score(phone, through)
    assert float(result.neg) == pytest.approx(float(passed.neg), abs=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("select='not(eq(n,9))'", "1 frame of the reference dropped (9), 0 doubled"),
        ("loop=1:1:5", "0 frames of the reference dropped, 1 doubled (4)"),
    ],
)
def test_frames_at_the_same_rate(change, words, footage, make, score, libvmaf, tmp_path):
    reference, lossless = footage("128x96", 24), tmp_path / "lossless.mkv"
    make("-i", reference, "-vf", f"{change},setpts=N/25/TB", "-c:v", "ffv1", lossless)
    distorted = make("-i", lossless, "-c:v", "libx264", "-crf", 30, tmp_path / "distorted.mp4")
    with pytest.raises(PairError, match=r"different lengths.*\n.*\n.*\n.*pass match_rate=True"):
        score(reference, distorted)
    result = score(reference, distorted, match_rate=True)
    by_hand = libvmaf(distorted, lossless, "model=version=vmaf_v0.6.1neg\\\\:name=neg")
    assert result.neg.unclipped.frames == pytest.approx(by_hand.log.columns["neg"], abs=1e-5)
    assert words in result.provenance["notes"][0]


def test_equal_frames_at_other_rates(clips, make, score, tmp_path):
    distorted = make("-i", clips["constant"], "-vf", "setpts=N/48/TB", "-r", 48, *X264,
                     tmp_path / "retimed.mp4")  # fmt: skip
    result = score(clips["constant"], distorted, match_rate=True)
    assert float(result.neg) == float(score(clips["constant"], distorted, allow=("frame_rate",)).neg)
    assert "0 frames of the reference dropped, 0 doubled" in result.provenance["notes"][0]


def test_other_pictures_are_not_matched(clips, make, score, tmp_path):
    other = make("-i", clips["constant"], "-vf", "negate,hflip,fps=25", "-c:v", "ffv1", tmp_path / "other.mkv")
    with pytest.raises(PairError, match=r"match_rate: the frames of .* are not those of"):
        score(clips["constant"], other, match_rate=True)
