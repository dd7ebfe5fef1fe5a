"""Timing: time stamps, interlaced frames and frame rates of a pair."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from types import SimpleNamespace

import pytest

from pytest_vmaf.errors import PairError
from pytest_vmaf.media.timing import (
    FrameFlags,
    field_problems,
    hold_problems,
    interlacing_problems,
    time_stamp_problems,
)


def times(count: int, rate: float = 25, start: float = 0.0, clock: int = 0) -> list[float]:
    """Time stamps at a constant rate, rounded to a clock of so many ticks a second."""
    exact = [start + frame / rate for frame in range(count)]
    return [round(time * clock) / clock for time in exact] if clock else exact


def freeze(stamps: list[float], frame: int, seconds: float) -> list[float]:
    """Time stamps of a clip whose frame is shown longer."""
    return [time + seconds * (number > frame) for number, time in enumerate(stamps)]


VARIABLE = [0.033 * frame + 0.011 * (frame * 7 % 5) + 0.4 * (frame > 20) for frame in range(60)]


@pytest.mark.parametrize("rate", [12.5, 24000 / 1001, 25, 30000 / 1001, 50, 60000 / 1001, 240])
@pytest.mark.parametrize("clock", [1000, 90000, 600])
def test_rounded_time_stamps(rate, clock):
    assert time_stamp_problems(times(500, rate), times(500, rate, start=1.48, clock=clock)) == []


@pytest.mark.parametrize(
    "distorted",
    [
        VARIABLE,
        [time + 5 for time in VARIABLE],
        [round(time, 3) for time in VARIABLE],
        [round(time * 25) / 25 for time in VARIABLE],
        [round(time * 30) / 30 for time in VARIABLE],
    ],
)
def test_variable_rate_passed_through(distorted):
    assert time_stamp_problems(VARIABLE, distorted) == []


def test_rates_within_the_tolerance():
    assert time_stamp_problems(times(100_000, 25), times(100_000, 25.01)) == []


@pytest.mark.parametrize(
    ("distorted", "message"),
    [
        (freeze(times(48), 23, 2), "frame 23 is shown for 2.04 s in the distorted clip, and for 0.04 s in the ref"),
        (freeze(times(48), 0, 0.2), "frame 0 is shown for 0.24 s in the distorted clip"),
        (times(48, 20), "last 2.35 s in the distorted clip, and 1.88 s in the reference; frame 47 is shown at 2.35 s"),
        (times(48, 30), "the frames last 1.567 s in the distorted clip, and 1.88 s in the reference"),
    ],
)
def test_freeze_and_stretch(distorted, message):
    [problem] = time_stamp_problems(times(48), distorted)
    assert message in problem
    assert 'allow=["time_stamps"]' in problem


def test_hold_that_was_lost():
    [problem] = time_stamp_problems(freeze(times(48), 10, 0.5), times(48))
    assert "frame 10 is shown for 0.54 s in the reference, and for 0.04 s in the distorted clip" in problem


def test_constant_retiming_of_a_variable_rate():
    assert time_stamp_problems(VARIABLE, times(60, 59 / VARIABLE[-1]))


@pytest.mark.parametrize("stamps", [[], [0.0], times(47), [math.nan] * 48, [*times(47), math.nan]])
def test_time_stamps_that_cannot_be_compared(stamps):
    assert time_stamp_problems(times(48), stamps) == []


def test_freeze_against_a_clip_with_one_rate():
    [problem] = hold_problems(times(48), freeze(times(48, clock=1000), 23, 2))
    assert "frame 23 is shown for 2.04 s in the distorted clip, and for 0.04 s in the reference" in problem
    assert hold_problems(times(48), times(48, clock=1000)) == []
    # Recordings with a variable rate, of which a decoder wrote the frames alone.
    assert hold_problems(times(60, 30), VARIABLE) == []
    many = times(48)
    for frame in (5, 10, 20, 30):
        many = freeze(many, frame, 0.5)
    assert hold_problems(times(48), many) == []
    assert hold_problems(times(48), times(48, 20)) == []
    assert hold_problems([0.0], [0.0]) == hold_problems(times(48), [math.nan] * 48) == []


def flags(count: int, *interlaced: int, aspect: Fraction | None = Fraction(1)) -> list[FrameFlags]:
    """The flags of a clip with these interlaced frames."""
    return [FrameFlags(frame in interlaced, aspect) for frame in range(count)]


def test_interlaced_frames_anywhere():
    problems = field_problems(flags(48), flags(48, *range(24, 48)), ())
    assert [problem.partition(", which")[0] for problem in problems] == [
        "interlacing: 24 of 48 frames of the distorted clip are interlaced, from frame 24 on"
    ]
    assert field_problems(flags(48, 3), flags(48), ["interlaced"]) == []
    assert field_problems(flags(48), flags(48), ()) == []


def test_sample_aspect_ratio_that_changes():
    wide = [*flags(12), *flags(12, aspect=Fraction(64, 45))]
    [problem] = field_problems(flags(24), wide, ())
    assert "changes from 1 to 64/45 in frame 12 of the distorted clip" in problem
    assert field_problems(flags(24), wide, ["display"]) == []
    assert field_problems(flags(24), [*flags(12), *flags(12, aspect=None)], ()) == []


# With real clips


@pytest.fixture(scope="module")
def film(make, footage, tmp_path_factory):
    """24 frames at 24000/1001, losslessly, and telecined to interlaced video at 30000/1001 by an encoder."""
    folder = tmp_path_factory.mktemp("film")
    film = make("-r", "24000/1001", "-i", footage("192x128", 24), "-c:v", "ffv1", folder / "film.mkv")
    chain = "telecine=pattern=23,setfield=tff"
    encoder = ("-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-q:v", 3)
    return film, make("-i", film, "-vf", chain, *encoder, folder / "telecined.mpg")


@pytest.mark.slow
def test_telecined_film(film, make, score, tmp_path):
    film, telecined = film
    with pytest.raises(PairError, match=r"repeats fields as telecined film does \(3:2 pulldown\)") as refused:
        score(film, telecined)
    message = str(refused.value)
    assert "frame rate:" not in message
    assert "alignment:" not in message
    filters = re.search(r"-vf (\S+) -c:v ffv1", message)[1]
    restored = make("-i", telecined, "-vf", filters, "-c:v", "ffv1", tmp_path / "restored.mkv")
    assert float(score(film, restored, allow=("order",)).neg) > 80


def test_interlaced_video_is_not_film(make, footage, score, tmp_path):
    encoder = ("-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-q:v", 3)
    interlaced = make("-i", footage("192x128", 24, 50), "-vf", "interlace", *encoder, tmp_path / "interlaced.mpg")
    half = make("-i", footage("192x128", 24, 50), "-vf", "fps=25", "-c:v", "ffv1", tmp_path / "half.mkv")
    with pytest.raises(
        PairError, match=r"contains interlaced frames.*\. Deinterlace the distorted clip first"
    ) as refused:
        score(half, interlaced)
    assert "telecined film does" not in str(refused.value)


def video(path: str, rate: int | Fraction, interlaced: bool = False) -> SimpleNamespace:
    """What inspection says of a clip."""
    return SimpleNamespace(clip=path, frame_rate=Fraction(rate), interlaced=interlaced)


@pytest.mark.parametrize(
    ("reference", "distorted", "remedy"),
    [
        ((25, True), (25, False), "Deinterlace the reference first (ffmpeg -i IN -fps_mode passthrough -vf "
         "bwdif=mode=send_frame -c:v ffv1"),
        ((25, True), (50, False), "Deinterlace the reference to a frame for each field first (ffmpeg -i IN -fps_mode "
         "passthrough -vf bwdif -c:v ffv1"),
        ((50, False), (25, True), "Deinterlace the distorted clip to a frame for each field first"),
        ((25, True), (25, True), "the reference and the distorted clip contain interlaced frames"),
        ((Fraction(24000, 1001), False), (Fraction(30000, 1001), True), "-vf fieldmatch,decimate -c:v ffv1"),
        ((30, True), (24, False), "-vf fieldmatch,decimate -c:v ffv1"),
    ],
)  # fmt: skip
def test_how_to_deinterlace(reference, distorted, remedy):
    [problem] = interlacing_problems(video("r", *reference), video("d", *distorted), (), lambda clip: "")
    assert remedy in problem
