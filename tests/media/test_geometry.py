"""Sizes, shapes and crops of a pair: what is refused, what the message offers, and what is then scored."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from fractions import Fraction

import pytest

from pytest_vmaf.errors import ClipError, PairError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import content_of
from pytest_vmaf.media.geometry import display_size, plan_size, same_shape, shown_size
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.media.pair import check_pair

LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", 0)
SIX = ("-frames:v", 6)
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def source(footage):
    """320x180, square samples, 6 frames."""
    return footage("320x180", 6)


@pytest.fixture(scope="module")
def films(make, source, tmp_path_factory):
    """One film: with black bars, encoded without them, and that at half the size; the source's middle."""
    folder = tmp_path_factory.mktemp("films")
    bars = make("-i", source, "-vf", "crop=320:136:0:22,pad=320:180:0:22", *LOSSLESS, folder / "bars.mp4")
    x264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 28)
    return {
        "bars": bars,
        "cropped": make("-i", bars, "-vf", "crop=320:136:0:22", *x264, folder / "cropped.mp4"),
        "half": make("-i", bars, "-vf", "crop=320:136:0:22,scale=160:68", *x264, folder / "half.mp4"),
        "middle": make("-i", source, "-vf", "crop=320:136:0:22", *x264, folder / "middle.mp4"),
    }


@pytest.fixture(scope="module")
def anamorphic(make, source, tmp_path_factory):
    """180x144 samples of 64:45, shown at 256x144, and encodes: alike, with square samples, without the ratio."""
    folder = tmp_path_factory.mktemp("anamorphic")
    clip = make("-i", source, "-vf", "scale=180:144,setsar=64/45", *LOSSLESS, folder / "dv.mp4")
    x264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", 24)
    return {
        "source": clip,
        "alike": make("-i", clip, *x264, folder / "alike.mp4"),
        "square": make("-i", clip, "-vf", "scale=256:144", *x264, folder / "square.mp4"),
        "small": make("-i", clip, "-vf", "scale=128:72", *x264, folder / "small.mp4"),
        "lost": make("-i", clip, "-vf", "setsar=1", *x264, folder / "lost.mp4"),
        "bare": make("-i", clip, "-c:v", "libsvtav1", "-preset", 12, "-crf", 30, "-f", "ivf", folder / "bare.ivf"),
        "raw": make("-i", clip, folder / "raw.yuv"),
    }


def refusal(ffmpeg, reference, distorted, **settings):
    """The message that refuses a pair."""
    clips = [clip if isinstance(clip, Clip) else Clip(clip) for clip in (reference, distorted)]
    with pytest.raises(PairError) as raised:
        check_pair(*clips, ffmpeg, **{"scale": None, "align": False, "allow": (), **settings})
    return str(raised.value)


def accepted(ffmpeg, reference, distorted, **settings):
    """The pair that is accepted."""
    clips = [clip if isinstance(clip, Clip) else Clip(clip) for clip in (reference, distorted)]
    return check_pair(*clips, ffmpeg, **{"scale": None, "align": False, "allow": (), **settings})


def by_hand(make, libvmaf, reference, distorted, tmp_path):
    """NEG of each frame: both clips decoded to lossless files by plain calls of ffmpeg, and one run of the filter."""
    paths = []
    for name, (clip, chain) in {"reference": reference, "distorted": distorted}.items():
        paths.append(make("-i", clip, "-vf", chain, "-c:v", "ffv1", tmp_path / f"{name}.mkv"))
    log = libvmaf(paths[1], paths[0], r"model='version=vmaf_v0.6.1neg\:name=neg\:disable_clip=true'").log
    return pytest.approx(log.columns["neg"], abs=1e-9)


# Crops


@pytest.mark.parametrize(
    ("reference", "distorted", "offer"),
    [
        ("bars", "cropped", "The reference has black bars, and without them it matches the other clip: pass {bars}"),
        ("bars", "half", "The reference has black bars, and without them it matches the other clip: pass {bars}"),
        ("cropped", "bars", "The distorted clip has black bars, and without them it matches the other clip: {bars}"),
        ("source", "middle", "A part of the reference matches the other clip: pass {source}"),
    ],
)
def test_crop_is_offered(reference, distorted, offer, films, source, ffmpeg):
    films = {**films, "source": source}
    # Scaling is no way out.
    scale = "bicubic" if distorted == "middle" else None
    message = refusal(ffmpeg, films[reference], films[distorted], scale=scale)
    assert message.startswith("not comparable: display: the reference is ")
    which = "bars" if "{bars}" in offer else "source"
    crop = f"Clip({str(films[which])!r}, crop=(0, 22, 320, 136))"
    assert offer.partition("{")[0].removesuffix("pass ") in message
    assert crop in message
    flag = "--distorted-crop" if distorted == "bars" else "--reference-crop"
    assert f"({flag} 0,22,320,136)" in message
    # What is offered works.
    clips = {name: eval(crop) if name == which else path for name, path in films.items()}
    needs = "bicubic" if 'and scale="bicubic"' in message else None
    assert (needs is not None) == (distorted == "half")
    pair = accepted(ffmpeg, clips[reference], clips[distorted], scale=needs)
    assert (pair.width, pair.height) == (320, 136)


def test_cropped_reference(films, make, libvmaf, score, tmp_path):
    result = score(Clip(films["bars"], crop=(0, 22, 320, 136)), films["cropped"])
    expected = by_hand(make, libvmaf, (films["bars"], "crop=320:136:0:22"), (films["cropped"], "null"), tmp_path)
    assert result.neg.unclipped.frames == expected
    assert result.context.reference == f"{films['bars']} (crop 320x136 at 0,22)"


def test_cropped_distorted(films, make, libvmaf, score, tmp_path):
    result = score(films["cropped"], Clip(films["bars"], crop=(0, 22, 320, 136)), allow=("order",))
    expected = by_hand(make, libvmaf, (films["cropped"], "null"), (films["bars"], "crop=320:136:0:22"), tmp_path)
    assert result.neg.unclipped.frames == expected


def test_odd_crop(source, make, score, tmp_path):
    # Without exact=1, ffmpeg would crop from 6, 4.
    crop = (7, 5, 101, 99)
    by_hand = make("-i", source, "-vf", "crop=101:99:7:5:exact=1", "-c:v", "ffv1", tmp_path / "odd.mkv")
    result = score(Clip(source, crop=crop), by_hand)
    assert result.features["psnr_y"].frames == pytest.approx([60.0] * 6)
    assert (result.neg.scale.width, result.neg.scale.height) == (101, 99)


@pytest.mark.parametrize("crop", [(0, 0, 321, 10), (300, 0, 21, 10), (0, 100, 10, 81), (319, 179, 2, 1)])
def test_crop_outside(crop, source, ffmpeg):
    with pytest.raises(ClipError, match=r"crop must lie in the picture, which is 320x180"):
        inspect(Clip(source, crop=crop), ffmpeg, 1)


@pytest.mark.parametrize(
    "crop", [5, "0,0,1,1", (1, 2, 3), (0, 0, 0, 1), (-1, 0, 1, 1), (0, 0, 1.0, 1), (0, 0, True, 1), (0, 0, 1 << 17, 1)]
)
def test_invalid_crop(crop):
    with pytest.raises(ClipError, match=r"a\.mkv: crop must (be \(x, y, w, h\)|lie in the picture)"):
        Clip("a.mkv", crop=crop)


def test_crop_is_content(source):
    clip = Clip(source)
    contents = {content_of(each) for each in (clip, replace(clip, crop=(0, 0, 8, 8)), replace(clip, crop=(0, 0, 8, 9)))}
    assert len(contents) == 3
    assert content_of(replace(clip, stream=0)) == content_of(clip)
    assert clip.spelled(crop=(0, 0, 8, 8), stream=1) == f"Clip({str(source)!r}, stream=1, crop=(0, 0, 8, 8))"


def test_other_shape_without_crop(source, make, ffmpeg, tmp_path):
    other = make("-f", "lavfi", "-i", "testsrc2=size=320x136:rate=25", *SIX, *LOSSLESS, tmp_path / "other.mp4")
    message = refusal(ffmpeg, source, other, scale="bicubic")
    assert (
        "Scaling would stretch one of them. If it was cropped, crop the other: Clip(path, crop=(x, y, w, h))" in message
    )
    pair = accepted(ffmpeg, source, other, scale="bicubic", allow=["display", "displaced"][:1])
    assert (pair.width, pair.height) == (320, 180)


@pytest.mark.parametrize("scale", [None, pytest.param("bicubic", marks=slow)])
@pytest.mark.parametrize("crop", [(7, 5, 300, 170), pytest.param((81, 44, 160, 90), marks=slow)])
def test_part_of_the_same_shape(crop, scale, source, make, ffmpeg, tmp_path):
    x, y, width, height = crop
    part = make("-i", source, "-vf", f"crop={width}:{height}:{x}:{y}:exact=1", *LOSSLESS, tmp_path / "part.mp4")
    message = refusal(ffmpeg, source, part, scale=scale, allow=["order"])
    assert "but the pictures show different parts of the scene. A part of the reference matches" in message
    assert f"--reference-crop {x},{y},{width},{height}" in message
    accepted(ffmpeg, Clip(source, crop=crop), part, allow=["order"])


@pytest.mark.parametrize(
    ("chain", "crop"),
    [
        ("pad=320:192", (0, 0, 320, 180)),
        pytest.param("crop=300:180", (10, 0, 300, 180), marks=slow),
    ],
)
def test_padded_or_cropped_encode(chain, crop, source, make, ffmpeg, tmp_path):
    encode = make("-i", source, "-vf", chain, "-c:v", "libx264", "-crf", 20, tmp_path / "encode.mp4")
    assert f"crop={crop})" in refusal(ffmpeg, source, encode)


@pytest.mark.parametrize(
    ("size", "other", "same"),
    [
        ((1920, 1080), (416, 234), True),
        ((1920, 1080), (426, 240), True),
        ((1920, 1080), (424, 240), True),
        ((1920, 1080), (480, 272), True),
        ((1920, 1080), (400, 224), True),
        ((3840, 2160), (1280, 720), True),
        ((320, 180), (160, 88), True),
        ((1920, 1080), (1920, 1072), False),
        ((1920, 1080), (1440, 1080), False),
        ((1920, 1080), (1280, 692), False),
        ((1920, 1080), (640, 352), True),
        ((720, 576), (352, 288), True),
        ((720, 576), (640, 480), False),
        ((320, 180), (160, 68), False),
        ((64, 36), (32, 22), False),
    ],
)
def test_same_shape(size, other, same):
    assert same_shape(size, other) == same
    assert same_shape(other, size) == same


# Sample aspect ratios


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [
        ((720, 576), "64/45", (1024, 576)),
        ((720, 480), "32/27", (854, 480)),
        ((720, 480), "8/9", (640, 480)),
        ((1440, 1080), "4/3", (1920, 1080)),
        ((426, 240), "640/639", (426, 240)),
    ],
)
def test_shown_size(size, aspect, shown):
    assert shown_size(*size, Fraction(aspect)) == shown


@pytest.mark.parametrize("aspect", ["4/3", pytest.param("1/2", marks=slow)])
def test_other_sample_aspect(aspect, source, make, ffmpeg, tmp_path):
    other = make("-i", source, "-vf", f"setsar={aspect}", *LOSSLESS, tmp_path / "other.mp4")
    for pair in ((source, other), (other, source)):
        message = refusal(ffmpeg, *pair, scale="bicubic")
        assert "so the shapes of the pictures differ. A player stretches one of them." in message
        assert f"with a sample aspect ratio of {Fraction(aspect).numerator}:{Fraction(aspect).denominator}" in message
    assert accepted(ffmpeg, source, other, allow=["display"]).distorted_filters.count("scale") == 0
    # The remedy for a ratio that was lost.
    command = shlex.split(refusal(ffmpeg, source, other).partition("state it: ")[2].partition("; or")[0])
    assert command[0] == "ffmpeg"
    subprocess.run([ffmpeg, "-v", "error", *command[1:]], check=True, cwd=tmp_path)
    accepted(ffmpeg, source, tmp_path / "OUT.mkv")


def test_anamorphic_pair_alike(anamorphic, ffmpeg):
    pair = accepted(ffmpeg, anamorphic["source"], anamorphic["alike"])
    assert (pair.width, pair.height, pair.notes) == (180, 144, ())
    assert display_size(pair.reference) == (256, 144)


@pytest.mark.slow
def test_square_encode_of_anamorphic(anamorphic, make, libvmaf, score, ffmpeg, tmp_path):
    message = refusal(ffmpeg, anamorphic["source"], anamorphic["square"])
    shown = "the reference is 180x144 with a sample aspect ratio of 64:45, shown at 256x144, the distorted clip 256x144"
    assert f'size: {shown}. Pass scale="bicubic" (--vmaf-scale) to score both at the size of the display' in message
    result = score(anamorphic["source"], anamorphic["square"], scale="bicubic")
    scaled = (anamorphic["source"], "scale=256:144:flags=bicubic")
    assert result.neg.unclipped.frames == by_hand(make, libvmaf, scaled, (anamorphic["square"], "null"), tmp_path)
    assert result.provenance["notes"] == [
        "scored at 256x144, as shown: the reference states a sample aspect ratio of 64:45",
        "reference scaled from 180x144 to 256x144 (bicubic)",
    ]


@pytest.mark.parametrize("which", ["small", pytest.param("alike", marks=slow)])
def test_anamorphic_is_scored_as_shown(which, anamorphic, ffmpeg):
    pair = accepted(ffmpeg, anamorphic["source"], anamorphic[which], scale="bicubic")
    assert (pair.width, pair.height) == (256, 144)
    assert all("scale=256:144:flags=bicubic" in chain for chain in (pair.reference_filters, pair.distorted_filters))


def test_lost_sample_aspect(anamorphic, ffmpeg, tmp_path):
    message = refusal(ffmpeg, anamorphic["source"], anamorphic["lost"])
    command = shlex.split(message.partition("state it: ")[2].partition("; or")[0])
    assert command[command.index("-aspect") + 1] == "16:9"
    subprocess.run([ffmpeg, "-v", "error", *command[1:]], check=True, cwd=tmp_path)
    assert accepted(ffmpeg, anamorphic["source"], tmp_path / "OUT.mkv").width == 180


def test_formats_without_sample_aspect(anamorphic, ffmpeg):
    for clip in (Clip(anamorphic["raw"], width=180, height=144), Clip(anamorphic["bare"])):
        pair = accepted(ffmpeg, anamorphic["source"], clip)
        note = "the distorted clip cannot state a sample aspect ratio; 64:45 is assumed, as of the other"
        assert note in pair.notes


def test_plan_of_larger_rounding(anamorphic, ffmpeg):
    # 180x144 of 64:45 are shown at 256x144; encoders may round to 260.
    pair = accepted(ffmpeg, anamorphic["source"], anamorphic["square"], scale="bicubic")
    rounded = replace(pair.distorted, width=260)
    plan = plan_size(pair.reference, rounded, "bicubic")
    assert plan.size == (260, 144)
    assert plan.filters == (("scale=260:144:flags=bicubic",), ())
