"""Pairs: which clips are comparable frame by frame, and what the filters change."""

from __future__ import annotations

import threading

import pytest

from pytest_vmaf.errors import PairError, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.geometry import SCALERS
from pytest_vmaf.media.pair import check_pair

slow = pytest.mark.slow
#: FFV1 would convert full range to limited; x264 keeps the samples and the tags.
LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", 0)


@pytest.fixture(scope="module")
def reference(footage):
    """A small lossless reference: 192x128, 6 frames at 25 frames/s, yuv420p."""
    return footage("192x128", 6)


@pytest.fixture(scope="module")
def encoded(encode, reference):
    """An honest encode of the reference."""
    return encode(reference, 28)


@pytest.fixture(scope="module")
def tagged(make, reference, tmp_path_factory):
    """tagged("colorspace=bt709"): the reference, losslessly, with these tags and nothing else changed."""
    folder = tmp_path_factory.mktemp("tagged")

    def clip(tags: str):
        path = folder / f"{tags.replace('=', '-')}.mkv"
        return path if path.exists() else make("-i", reference, "-vf", f"setparams={tags}", *LOSSLESS, path)

    return clip


def problems(ffmpeg: str, reference, distorted, **settings) -> str:
    """The problems of a pair that check_pair lists; "" if there are none."""
    settings = {"scale": None, "align": False, "allow": (), **settings}
    try:
        check_pair(Clip(reference), Clip(distorted), ffmpeg, **settings)
    except PairError as error:
        return str(error)
    return ""


def test_every_problem_is_listed_at_once(make, reference, tmp_path, ffmpeg):
    chain = "scale=96:64,setparams=range=pc:color_trc=smpte2084,fps=50"
    other = make("-i", reference, "-vf", chain, *LOSSLESS, tmp_path / "other.mkv")
    said = problems(ffmpeg, reference, other)
    assert said.startswith("not comparable: size: ")
    for problem in ("size:", "frame rate:", "transfer:", "colour range:"):
        assert said.count(problem) == 1
    assert said.endswith(f"\n  reference: {reference}\n  distorted: {other}")


def test_filters_of_equal_clips(reference, encoded, ffmpeg):
    pair = check_pair(Clip(reference), Clip(encoded), ffmpeg, scale=None, align=False, allow=())
    assert pair.reference_filters.startswith("settb=AVTB,setpts=N")
    assert pair.reference_filters == pair.distorted_filters
    assert "scale" not in pair.reference_filters
    assert (pair.width, pair.height, pair.offset, pair.notes, pair.frame_rate) == (192, 128, 0, (), 25)


@pytest.mark.parametrize("word", ["HDR", "everything", "", "h"])
def test_unknown_allowance(word, reference, score):
    with pytest.raises(SettingsError, match=rf"allow must contain only hdr, interlaced, frame_rate, .*, not '{word}'"):
        score(reference, reference, allow=(word,))


@pytest.mark.parametrize("scale", ["cubic", "", "bicubic:flags=x", "true"])
def test_unknown_scaler(scale, reference, score):
    with pytest.raises(SettingsError, match=rf"scale must be one of bicubic, bilinear, lanczos.*, not '{scale}'"):
        score(reference, reference, scale=scale)


# Size


@pytest.fixture(scope="module")
def half(encode, reference):
    """An encode at half the size."""
    return encode(reference, 20, "scale=96:64:flags=bicubic")


def test_different_size(reference, half, score):
    with pytest.raises(
        PairError, match=r'size: the reference is 192x128, the distorted clip 96x64\. Pass scale="bicubic"'
    ):
        score(reference, half)


@pytest.mark.slow
def test_every_scaler(make, reference, half, tmp_path, ffmpeg):
    filters = []
    for scale in SCALERS:
        pair = check_pair(Clip(reference), Clip(half), ffmpeg, scale=scale, align=False, allow=())
        filters.append(next(f for f in pair.distorted_filters.split(",") if f.startswith("scale=")))
        assert filters[-1].startswith(f"scale=192:128:flags={scale}")
        assert pair.notes == (f"distorted scaled from 96x64 to 192x128 ({scale})",)
    # ffmpeg knows them all.
    make("-i", half, "-vf", ",".join(filters), "-c:v", "ffv1", tmp_path / "scaled.mkv")


def test_smaller_distorted_is_scaled_up(make, reference, half, tmp_path, score):
    scale = "area"
    result = score(reference, half, scale=scale)
    by_hand = make("-i", half, "-vf", f"scale=192:128:flags={scale}", "-c:v", "ffv1", tmp_path / "up.mkv")
    expected = score(reference, by_hand)
    assert result.neg.unclipped.frames == expected.neg.unclipped.frames
    assert result.provenance["notes"] == [f"distorted scaled from 96x64 to 192x128 ({scale})"]
    assert (result.neg.scale.width, result.neg.scale.height) == (192, 128)


def test_scaling_reference_down_flatters(make, reference, half, tmp_path, score):
    down = make("-i", reference, "-vf", "scale=96:64:flags=bicubic", "-c:v", "ffv1", tmp_path / "down.mkv")
    assert float(score(down, half).neg) > float(score(reference, half, scale="bicubic").neg) + 5


@pytest.mark.parametrize("size", ["384x256", pytest.param("240x64", marks=slow)])
def test_larger_distorted(size, make, reference, tmp_path, score):
    # ffmpeg sets the sample aspect ratio that keeps the shape.
    larger = make("-i", reference, "-s", size, "-c:v", "ffv1", tmp_path / "larger.mkv")
    for scale in (None, "bicubic"):
        with pytest.raises(PairError, match=rf"distorted clip {size}\b.*\. The reference is never scaled"):
            score(reference, larger, scale=scale)


def test_larger_distorted_of_another_shape(make, reference, tmp_path, ffmpeg):
    larger = make("-i", reference, "-vf", "scale=192:144,setsar=1", "-c:v", "ffv1", tmp_path / "larger.mkv")
    assert "display: the reference is 192x128, the distorted clip 192x144, so" in problems(ffmpeg, reference, larger)


def test_scale_with_equal_sizes(reference, encoded, ffmpeg):
    clips = Clip(reference), Clip(encoded)
    plain, scaled = (check_pair(*clips, ffmpeg, scale=scale, align=False, allow=()) for scale in (None, "bicubic"))
    assert scaled == plain


# Pixels


def test_chroma_conversion_is_noted(make, reference, tmp_path, score):
    finer = make("-i", reference, "-pix_fmt", "yuv444p", "-c:v", "ffv1", tmp_path / "444.mkv")
    result = score(finer, reference)
    assert result.provenance["notes"] == ["reference converted from yuv444p to yuv420p"]
    result = score(reference, finer)
    assert result.provenance["notes"] == ["reference converted from yuv420p to yuv444p"]


@pytest.mark.parametrize(
    "pix_fmt", ["yuv422p10le", *(pytest.param(form, marks=slow) for form in ("yuv444p12le", "yuv420p16le"))]
)
def test_native_formats(pix_fmt, make, reference, tmp_path, score):
    clip = make("-i", reference, "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "a.mkv")
    worse = make("-i", clip, "-vf", "gblur=0.6", "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "b.mkv")
    result = score(clip, worse)
    assert result.provenance["notes"] == []
    assert 20 < result.neg < 99
    assert len(set(result.neg.frames)) > 4


def test_eight_bit_encode_of_deeper_reference(make, reference, encode, tmp_path, score):
    pix_fmt = "yuv420p10le"
    fine = "scale=sws_dither=none,format=yuv420p16le,noise=alls=4:allf=t:all_seed=3"
    deep = make("-i", reference, "-vf", fine, "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "deep.mkv")
    eight = encode(deep, 24, "format=yuv420p")
    result = score(deep, eight)
    assert result.provenance["notes"] == [f"distorted converted from yuv420p to {pix_fmt}"]
    by_hand = make("-i", eight, "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "10.mkv")
    assert result.neg.unclipped.frames == score(deep, by_hand).neg.unclipped.frames


def test_ten_bit_encode_of_8_bit_reference(reference, encode, score):
    result = score(reference, encode(reference, 24, "format=yuv420p10le"))
    assert result.provenance["notes"] == ["reference converted from yuv420p to yuv420p10le"]
    assert result.neg > 60


def test_big_endian_samples(make, reference, encoded, tmp_path, score):
    expected = make("-i", encoded, "-pix_fmt", "yuv420p10le", "-c:v", "rawvideo", tmp_path / "little.nut")
    other = make("-i", encoded, "-pix_fmt", "yuv420p10be", "-c:v", "rawvideo", tmp_path / "big.nut")
    assert score(reference, other).neg.unclipped.frames == score(reference, expected).neg.unclipped.frames


def test_rgb_is_scored_in_444_and_said(make, reference, tmp_path, score):
    rgb = make("-i", reference, "-vf", "format=gbrp", "-c:v", "ffv1", tmp_path / "rgb.mkv")
    result = score(rgb, rgb)
    assert result.neg > 95
    assert all(note.endswith(" to yuv444p") for note in result.provenance["notes"])
    assert len(result.provenance["notes"]) == 2


# Colour


def test_different_range(tagged, score):
    limited, full, untagged = tagged("range=tv"), tagged("range=pc"), tagged("range=unknown")
    for reference, distorted, words in (
        (limited, full, "reference is tagged tv, the distorted clip pc"),
        (full, limited, "reference is tagged pc, the distorted clip tv"),
        (full, untagged, r"reference is tagged pc, the distorted clip (unknown|tv)"),
    ):
        with pytest.raises(PairError, match=rf"colour range: the {words} .*Correct the wrong tag"):
            score(reference, distorted)
    assert score(limited, untagged).neg.unclipped.frames == score(limited, limited).neg.unclipped.frames


def test_full_range_on_both_sides(tagged, make, tmp_path, score):
    limited, full = tagged("range=tv"), tagged("range=pc")
    worse = {
        name: make("-i", clip, "-vf", "noise=alls=12:all_seed=1", *LOSSLESS, tmp_path / f"{name}.mkv")
        for name, clip in (("limited", limited), ("full", full))
    }
    assert score(full, worse["full"]).neg.unclipped.frames == score(limited, worse["limited"]).neg.unclipped.frames


def test_full_range_jpeg(tagged, make, tmp_path, score):
    full = tagged("range=pc")
    motion_jpeg = make("-i", full, "-c:v", "mjpeg", "-q:v", 3, "-pix_fmt", "yuvj420p", tmp_path / "m.avi")
    samples = make("-i", motion_jpeg, *LOSSLESS, tmp_path / "m.mkv")
    assert score(full, motion_jpeg).neg.unclipped.frames == score(full, samples).neg.unclipped.frames


@pytest.mark.slow
def test_hlg(tagged, ffmpeg):
    clip = tagged("color_trc=arib-std-b67")
    assert "the reference is HLG (arib-std-b67)" in problems(ffmpeg, clip, clip)
    assert problems(ffmpeg, clip, clip, allow=("hdr",)) == ""


def test_hdr_is_refused_unless_allowed(tagged, score):
    transfer, name = "smpte2084", "PQ"
    clip = tagged(f"color_trc={transfer}")
    with pytest.raises(
        PairError, match=rf'the reference is {name} \({transfer}\), and no VMAF model .* allow=\["hdr"\]'
    ):
        score(clip, clip)
    plain = tagged("color_trc=unknown")
    with pytest.raises(PairError, match=rf"the distorted clip is {name}"):
        score(plain, clip)
    assert score(clip, clip, allow=("hdr",)).neg > 90


def test_hdr_against_sdr(tagged, score):
    with pytest.raises(PairError, match="transfer: the reference is tagged bt709, the distorted clip smpte2084"):
        score(tagged("color_trc=bt709"), tagged("color_trc=smpte2084"), allow=("hdr",))


@pytest.mark.parametrize(
    ("what", "key", "one", "other"),
    [
        ("matrix", "colorspace", "bt709", "smpte170m"),
        ("matrix", "colorspace", "bt709", "bt2020nc"),
        ("primaries", "color_primaries", "bt709", "bt2020"),
        ("transfer", "color_trc", "bt709", "iec61966-2-1"),
    ],
)
def test_different_colour_tags(what, key, one, other, tagged, score):
    with pytest.raises(
        PairError, match=rf"{what}: the reference is tagged {one}, the distorted clip {other}\. Convert"
    ):
        score(tagged(f"{key}={one}"), tagged(f"{key}={other}"))


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("colorspace", "bt470bg", "smpte170m"),
        ("color_trc", "bt709", "smpte170m"),
        ("color_trc", "bt709", "bt2020-10"),
        ("colorspace", "bt709", "unknown"),
    ],
)
def test_equivalent_tags(key, one, other, tagged, ffmpeg):
    settings = {"scale": None, "align": False, "allow": ()}
    first, second = Clip(tagged(f"{key}={one}")), Clip(tagged(f"{key}={other}"))
    pair, same = (check_pair(first, clip, ffmpeg, **settings) for clip in (second, first))
    # Nothing is converted.
    assert (pair.reference_filters, pair.distorted_filters) == (same.reference_filters, same.distorted_filters)
    assert (pair.notes, pair.matrix, pair.color_range) == ((), same.matrix, same.color_range)


def test_equivalent_tags_score(tagged, score):
    one, other = tagged("colorspace=bt470bg"), tagged("colorspace=smpte170m")
    assert score(one, other).neg.unclipped.frames == score(one, one).neg.unclipped.frames


# Interlacing and frame rates


@pytest.mark.slow
def test_bottom_field_first(make, reference, tmp_path, ffmpeg):
    fields = ("-vf", "setfield=bff", "-flags", "+ildct+ilme", "-c:v", "libx264")
    clip = make("-i", reference, *fields, tmp_path / "fields.mp4")
    assert "the distorted clip contains interlaced frames" in problems(ffmpeg, reference, clip)


def test_interlaced(make, reference, tmp_path, score):
    fields = ("-vf", "setfield=tff", "-flags", "+ildct+ilme", "-c:v", "libx264")
    clip = make("-i", reference, *fields, tmp_path / "fields.mp4")
    with pytest.raises(PairError, match=r'the distorted clip contains interlaced frames, .* allow=\["interlaced"\]'):
        score(reference, clip)
    with pytest.raises(PairError, match=r"the reference and the distorted clip contain interlaced frames"):
        score(clip, clip)
    assert score(reference, clip, allow=("interlaced",)).neg > 60


def test_different_frame_rate(make, encoded, reference, tmp_path, score):
    faster = make("-r", 50, "-i", encoded, "-c:v", "libx264", tmp_path / "fast.mp4")
    with pytest.raises(
        PairError, match=r"reference has 25 frames/s, the distorted clip 50\. .*Clip\(path, frame_rate="
    ):
        score(reference, faster)


def test_frame_rate_stated_or_allowed(make, encoded, reference, tmp_path, score):
    faster = make("-r", 50, "-i", encoded, "-c:v", "libx264", "-crf", 20, tmp_path / "fast.mp4")
    said, allowed = score(reference, Clip(faster, frame_rate=25)), score(reference, faster, allow=("frame_rate",))
    assert said.neg.unclipped.frames == allowed.neg.unclipped.frames
    assert len(said.neg.frames) == 6


@pytest.mark.parametrize(
    ("rate", "other", "fine"), [("24000/1001", "24", False), ("30000/1001", "29.97", True), ("25", "25", True)]
)
def test_rounded_frame_rates(rate, other, fine, footage, make, tmp_path, ffmpeg):
    clip = footage("64x48", 8, rate)
    copy = make("-r", other, "-i", clip, "-c:v", "ffv1", tmp_path / "copy.mkv")
    said = problems(ffmpeg, clip, copy)
    assert ("frame rate" not in said) == fine


def test_raw_video_without_a_rate_fits_any(make, reference, encoded, tmp_path, score):
    raw = make("-i", reference, tmp_path / "r.yuv")
    result = score(Clip(raw, width=192, height=128), encoded)
    assert result.neg.unclipped.frames == score(reference, encoded).neg.unclipped.frames
    assert result.context.frame_rate == 25


def test_two_raw_clips_have_no_times(make, reference, tmp_path, score):
    raw = Clip(make("-i", reference, tmp_path / "r.yuv"), width=192, height=128)
    result = score(raw, raw)
    assert result.context.frame_rate is None
    assert result.context.time_code(3) == "frame 3"


def test_refused_thread(reference, encoded, ffmpeg, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ScorerError, match="The system refused a thread"):
        check_pair(Clip(reference), Clip(encoded), ffmpeg, scale=None, align=False, allow=())
