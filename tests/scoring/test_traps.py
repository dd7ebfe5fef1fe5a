"""Traps: where VMAF, libvmaf and ffmpeg silently give a wrong number. Here each is an error, or measured right.

Where possible, a test first shows the trap itself. A test whose trap is gone may be deleted.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import pytest

from pytest_vmaf.errors import ClipError, MeasurementError, ModelError, PairError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.logs import read_log
from pytest_vmaf.scoring.models import resolve_model
from pytest_vmaf.scoring.scorer import ScoreRequest, Source, Tools
from pytest_vmaf.scoring.verify_log import verify_log

FORMS = ("faststart.mp4", "mp4", "mkv", "ts", "avi", "flv", "ivf", "y4m", "nut")
BY_INDEX = "settb=AVTB,setpts=N"
V0 = r"version=vmaf_v0.6.1\:name=vmaf"


def slow(*values: object) -> object:
    """A case of a parametrised test that runs in full runs only."""
    return pytest.param(*values, marks=pytest.mark.slow)


def requested(reference: Path, distorted: Path, *columns: str) -> ScoreRequest:
    """A request for these columns of two 192x108 clips."""
    models = resolve_model(width=192, height=108)
    return ScoreRequest(
        reference=Source(Clip(reference), BY_INDEX),
        distorted=Source(Clip(distorted), BY_INDEX),
        width=192,
        height=108,
        pix_fmt="yuv420p",
        models=(models.default, models.neg),
        features=(),
        columns=columns,
        tools=Tools(find_ffmpeg()),
    )


# The clip to 0..100, the gap, and frames above 100


def test_disable_clip(libvmaf, reference, sharpened, enhanced):
    ignored = libvmaf(sharpened, reference, rf"model='{V0}\:disable_clip=1'").log.columns["vmaf"]
    unclipped = libvmaf(sharpened, reference, rf"model='{V0}\:disable_clip=true'").log.columns["vmaf"]
    assert max(ignored) == 100
    assert max(unclipped) > 101
    assert enhanced.vmaf.unclipped.frames == unclipped
    assert enhanced.vmaf.frames == ignored


def test_gap_near_the_ceiling(reference, encode, score):
    result = score(reference, encode(reference, 1))
    hidden = result.vmaf - result.neg
    assert result.vmaf > 99
    assert result.gap > hidden + 0.3
    frames = zip(result.vmaf.unclipped.frames, result.neg.unclipped.frames, strict=True)
    assert result.gap.frames == tuple(vmaf - neg for vmaf, neg in frames)


def test_honest_frames_above_100(reference, encode, score):
    result = score(reference, encode(reference, 1))
    assert result.above_100.past_limit > 0
    assert not result.above_100
    assert result.above_100.total == 12


def test_sharpened_frames_above_100(enhanced, itself):
    assert enhanced.above_100
    for index, value, own in enhanced.above_100.frames:
        assert value == enhanced.vmaf.unclipped.frames[index]
        assert own == itself.vmaf.unclipped.frames[index]
        assert value > max(100, own)


def test_reference_itself_above_100(itself):
    assert max(itself.vmaf.unclipped.frames) > 100
    assert itself.above_100.past_limit > 0
    assert not itself.above_100


def test_copy_of_the_reference_above_100(reference, make, tmp_path, score):
    copy = make("-i", reference, "-c:v", "libx264", "-qp", 0, tmp_path / "copy.mp4")
    assert not score(reference, copy).above_100


# Several models, several columns


def test_second_model_without_a_name(libvmaf, reference, encoded, honest):
    lost = libvmaf(encoded, reference, "model='version=vmaf_v0.6.1|version=vmaf_v0.6.1neg'")
    assert lost.returncode == 0
    assert lost.log.columns.keys() >= {"vmaf"}
    assert sum("vmaf" in column for column in lost.log.columns) == 1
    alone = {
        name: libvmaf(encoded, reference, rf"model='version={name}\:name=x\:disable_clip=true'").log.columns["x"]
        for name in ("vmaf_v0.6.1", "vmaf_v0.6.1neg")
    }
    assert honest.vmaf.unclipped.frames == alone["vmaf_v0.6.1"]
    assert honest.neg.unclipped.frames == alone["vmaf_v0.6.1neg"]


def test_unknown_model_option(libvmaf, reference, encoded):
    careless = libvmaf(encoded, reference, rf"model='{V0}\:bogus=1'")
    assert careless.returncode == 0
    request = requested(reference, encoded, "vmaf", "neg", "bogus")
    with pytest.raises(ScorerError, match="The log has no column 'bogus'; it has neg, vmaf"):
        verify_log(FfmpegScorer().score(request), request, "ffmpeg")


def test_unwritable_log(libvmaf, reference, encoded, monkeypatch):
    unwritten = libvmaf(encoded, reference, rf"model='{V0}':log_path=/nowhere/log.xml")
    assert unwritten.returncode == 0
    assert unwritten.log is None
    for module in ("plugins.ffmpeg", "scoring.ffmpeg_graph"):
        monkeypatch.setattr(f"pytest_vmaf.{module}.log_name", lambda number: "no-such-folder/vmaf.xml")
    request = requested(reference, encoded, "vmaf", "neg")
    with pytest.raises(ScorerError, match="exited normally but wrote no log, so nothing was scored"):
        FfmpegScorer().score(request)


def test_infinite_feature(reference, score):
    with pytest.raises(ScorerError, match=r"psnr_hvs\w* is (infinite|not a number) in 12 frames"):
        score(reference, reference, features=("psnr_hvs",))


def test_psnr_of_identical_frames(itself):
    assert itself["psnr_y"] == 60


# Lengths and pairing


@pytest.fixture(scope="module")
def first(make, tmp_path_factory):
    """first(clip, n): the first n frames, losslessly."""
    folder = tmp_path_factory.mktemp("first")

    def frames(clip: Path, n: int, chain: str = "null") -> Path:
        path = folder / f"{clip.stem}-{n}-{abs(hash(chain))}.mkv"
        return path if path.exists() else make("-i", clip, "-vf", chain, "-c:v", "ffv1", "-frames:v", n, path)

    return frames


def test_short_distorted_clip(libvmaf, reference, encoded, first, score):
    missing = 1
    shorter = first(encoded, 12 - missing)
    assert len(libvmaf(shorter, reference, f"model='{V0}'").log.columns["vmaf"]) == 12
    words = rf"12 frames in the reference, {12 - missing} in the distorted clip \({missing} more in the reference\)"
    with pytest.raises(PairError, match=rf"different lengths: {words}"):
        score(reference, shorter)


def test_short_reference(reference, encoded, first, score):
    missing = 6
    words = rf"{12 - missing} frames in the reference, 12 in the distorted clip \({missing} more in the distorted"
    with pytest.raises(PairError, match=f"different lengths: {words}"):
        score(first(reference, 12 - missing), encoded)


def test_dropped_frame(reference, encoded, first, score):
    with pytest.raises(PairError, match="12 frames in the reference, 11 in the distorted clip"):
        score(reference, first(encoded, 12, r"select='not(eq(n\,5))'"))


def test_dropped_first_frame(reference, encoded, first, score):
    with pytest.raises(PairError, match="the distorted clip starts 1 frame into the reference"):
        score(reference, first(encoded, 12, r"select='not(eq(n\,0))'"))


def test_repeated_frame(reference, encoded, first, score):
    with pytest.raises(PairError, match="12 frames in the reference, 13 in the distorted clip"):
        score(reference, first(encoded, 13, "loop=loop=1:size=1:start=6,setpts=N/25/TB"))


def test_late_time_stamps(libvmaf, make, reference, encoded, tmp_path, score, honest):
    stamps = ("-c", "copy", "-bsf:v", r"setts=ts=if(gt(N\,0)\,TS+1\,TS)")
    late = make("-i", reference, *stamps, tmp_path / "late.mkv")
    expected = honest.neg
    result = score(late, encoded, allow=("frame_rate",))
    assert result.neg.unclipped.frames == expected.unclipped.frames
    by_time = libvmaf(encoded, late, r"model='version=vmaf_v0.6.1neg\:name=x'", chain="null").log
    assert by_time.pooled_means["x"] < expected - 3


@pytest.mark.parametrize("form", ["mp4", *map(slow, ("ts", "webm"))])
def test_containers_at_59_94(form, make, footage, tmp_path, score):
    reference = footage("160x90", 12, "60000/1001")
    codec = ("-c:v", "libvpx", "-b:v", "300k") if form == "webm" else ("-c:v", "libx264", "-crf", 28)
    packed = make("-i", reference, *codec, "-bf", 2 if form != "webm" else 0, tmp_path / f"a.{form}")
    frames = make("-i", packed, "-fps_mode", "passthrough", "-pix_fmt", "yuv420p", tmp_path / "a.yuv")
    raw = Clip(frames, width=160, height=90, frame_rate="60000/1001")
    assert score(reference, packed).neg.unclipped.frames == score(reference, raw).neg.unclipped.frames


def test_uneven_time_stamps(make, reference, encoded, tmp_path, score, honest):
    stamps = "setpts='N/25/TB+mod(N,3)*0.012/TB'"
    uneven = make("-i", encoded, "-vf", stamps, "-fps_mode", "passthrough", "-c:v", "ffv1", tmp_path / "vfr.mkv")
    result = score(reference, uneven, allow=("frame_rate",))
    assert result.neg.unclipped.frames == honest.neg.unclipped.frames


def test_time_base_after_numbers(libvmaf, footage, encode):
    reference = footage("192x108", 12, "60000/1001")
    encoded = encode(reference, 28)
    right = libvmaf(encoded, reference, f"model='{V0}'", chain=BY_INDEX).log.columns["vmaf"]
    wrong = libvmaf(encoded, reference, f"model='{V0}'", chain="setpts=N,settb=AVTB").log.columns["vmaf"]
    assert math.fsum(wrong) / len(wrong) < math.fsum(right) / len(right) - 10


def test_subsampled_log(libvmaf, reference, encoded, tmp_path):
    with pytest.raises(ScorerError, match=r"frames are missing \(gates need every frame, so n_subsample must be 1\)"):
        libvmaf(encoded, reference, f"model='{V0}':n_subsample=3")
    with pytest.raises(ScorerError, match="frame 3 follows frame 0"):
        read_log(tmp_path / "by-hand.xml")


def test_threads(reference, sharpened, score, enhanced):
    threaded = score(reference, sharpened, threads=5, features=("float_ssim",))
    for name in ("vmaf", "neg", "gap", "psnr_y", "float_ssim"):
        assert threaded[name].unclipped.frames == enhanced[name].unclipped.frames
    assert threaded.above_100.frames == enhanced.above_100.frames


# Pools


def test_unknown_pool_in_libvmaf(libvmaf, reference, encoded):
    assert libvmaf(encoded, reference, f"model='{V0}':pool=p5").returncode == 0


def test_pools_of_libvmaf(libvmaf, reference, encoded, honest):
    text = libvmaf(encoded, reference, f"model='{V0}'").text
    row = next(line for line in text.splitlines() if '<metric name="vmaf"' in line)
    for pool in ("min", "max", "mean", "harmonic_mean"):
        logged = float(row.partition(f' {pool}="')[2].partition('"')[0])
        assert float(getattr(honest.vmaf, pool)) == pytest.approx(logged, abs=2e-6)


# Sizes


@pytest.mark.parametrize("size", ["16x108", "2x2"])
def test_frames_too_small(size, make, reference, tmp_path, score):
    tiny = make("-i", reference, "-s", size, "-c:v", "ffv1", "-frames:v", 4, tmp_path / "tiny.mkv")
    with pytest.raises(ModelError, match=rf"Frames of {size} are too small for vmaf_v0\.6\.1, which needs 18 pixels"):
        score(tiny, tiny)


def test_frames_too_small_for_v1(make, reference, tmp_path, score):
    small = make("-i", reference, "-s", "200x158", "-c:v", "ffv1", "-frames:v", 4, tmp_path / "small.mkv")
    with pytest.raises(ModelError, match=r"needs 160 pixels .* and 216 .*\n.*vmaf_v0\.6\.1 takes 18 pixels"):
        score(small, small, generation="v1")
    assert score(small, small).neg > 90


def test_crash_of_libvmaf(make, reference, tmp_path):
    tiny = make("-i", reference, "-s", "16x16", "-c:v", "ffv1", "-frames:v", 4, tmp_path / "tiny.mkv")
    with pytest.raises(ScorerError, match=r"ffmpeg crashed while scoring(.|\n)*killed by SIGSEGV"):
        FfmpegScorer().score(requested(tiny, tiny, "vmaf", "neg"))


@pytest.fixture(scope="module")
def changing(make, reference, tmp_path_factory):
    """changing("scale=160:90"): an H.264 stream whose second half looks otherwise; no container keeps it from that."""
    folder = tmp_path_factory.mktemp("changing")
    x264 = ("-c:v", "libx264", "-crf", 24, "-f", "h264")

    def stream(second: str, first: str = "null") -> Path:
        parts = [
            make("-i", reference, "-vf", f"trim={trim},{chain}", *x264, folder / f"{number}.h264")
            for number, (trim, chain) in enumerate((("end_frame=6", first), ("start_frame=6", second)))
        ]
        path = folder / f"{abs(hash((first, second)))}.h264"
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        return path

    return stream


@pytest.mark.slow
@pytest.mark.parametrize(("second", "what"), [("scale=160:90", "size"), ("format=yuv444p", "pixel format")])
def test_clip_that_changes_midway(second, what, changing, reference, score):
    clip = changing(second)
    for pair in ((reference, clip), (clip, clip)):
        with pytest.raises(ClipError, match=f"The {what} of .* changes at frame 6, from"):
            score(*pair)


def test_scaled_clip_that_changes_midway(changing, reference, score):
    with pytest.raises(ClipError, match="changes at frame 6, from 160x90 to 80x46"):
        score(reference, changing("scale=80:46", "scale=160:90"), scale="bicubic")


def test_clip_of_two_equal_parts(changing, reference, score):
    assert len(score(reference, changing("null")).neg.frames) == 12


# Damage


UNREADABLE = (
    "different lengths|could not decode or score|cannot be decoded|cut off or damaged|is cut off: its last frame|"
    "decoding errors|not comparable|has no video stream|lacks its index|has lost packets"
)


def cut_short(source: Path, target: Path, share: float) -> Path:
    """The first part of a file."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


@pytest.mark.parametrize("form", ["faststart.mp4", *map(slow, FORMS[1:])])
def test_cut_file(form, make, footage, tmp_path, score):
    reference = footage("160x90", 24)
    options = ("-movflags", "+faststart") if form.startswith("faststart") else ()
    fast = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 20)
    codec = {"ivf": ("-c:v", "libvpx", "-deadline", "realtime"), "y4m": ()}.get(form, fast)
    whole = make("-i", reference, *codec, *options, tmp_path / f"whole.{form}")
    assert len(score(reference, whole).neg.frames) == 24
    for share in (0.03, 0.97):
        with pytest.raises(MeasurementError, match=UNREADABLE):
            score(reference, cut_short(whole, tmp_path / f"cut-{share}.{form}", share))
    cut = cut_short(whole, tmp_path / f"both.{form}", 0.5)
    with pytest.raises(MeasurementError, match=UNREADABLE):
        score(cut, cut)


@pytest.mark.parametrize("side", ["reference", "distorted"])
def test_damaged_data(side, make, footage, tmp_path, score):
    whole = make("-i", footage("320x180", 12), "-c:v", "libx264", "-crf", 16, tmp_path / "whole.mp4")
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    with pytest.raises(MeasurementError, match=UNREADABLE):
        score(*((damaged, whole) if side == "reference" else (whole, damaged)))


def test_wrong_checksum(make, reference, tmp_path, score):
    damaged = make("-i", reference, "-c:v", "ffv1", "-level", 3, "-slicecrc", 1, tmp_path / "damaged.mkv")
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 0x55
    damaged.write_bytes(data)
    for pair in ((reference, damaged), (damaged, damaged)):
        with pytest.raises(ScorerError, match=r"damaged\.mkv is cut off or damaged \(slice CRC mismatch"):
            score(*pair)


def test_files_without_video(make, reference, tmp_path, score):
    sound = make("-f", "lavfi", "-i", "sine=duration=0.2", tmp_path / "sound.wav")
    with pytest.raises(ClipError, match=r"sound\.wav"):
        score(reference, sound)
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    with pytest.raises(ClipError, match=r"text\.mp4 (cannot be decoded as video|is a playlist)"):
        score(tmp_path / "text.mp4", reference)


def test_range_tags(make, reference, encoded, tmp_path, libvmaf, score):
    tag = ("-c", "copy", "-bsf:v", "h264_metadata=video_full_range_flag=1")
    full = make("-i", encoded, *tag, tmp_path / "full.mp4")
    model = r"model='version=vmaf_v0.6.1neg\:name=x'"
    wrong, right = (libvmaf(clip, reference, model).log.pooled_means["x"] for clip in (full, encoded))
    assert abs(wrong - right) > 3
    with pytest.raises(PairError, match=r"colour range: the reference is tagged \w+, the distorted clip pc"):
        score(reference, full)


# What VMAF does not see, and names that look like messages of tools


@pytest.mark.parametrize(
    "frames", [pytest.param((8, 0), marks=pytest.mark.slow), (12, 6)], ids=["black", "black start"]
)
def test_flat_reference(frames, make, tmp_path, score, footage):
    total, scene_from = frames
    black = f"color=black:size=192x108:rate=25:duration={total / 25}"
    if scene_from:
        scene = footage("192x108", 12)
        join = f"color=black:size=192x108:rate=25:duration={scene_from / 25},format=yuv420p[b];[b][0:v]concat=n=2"
        reference = make("-i", scene, "-filter_complex", join, "-c:v", "ffv1", tmp_path / "r.mkv")
        broken = "noise=alls=100:allf=t:enable='lt(n,6)',lutyuv=y=255-val:enable='lt(n,6)'"
    else:
        reference = make("-f", "lavfi", "-i", black, "-c:v", "ffv1", "-pix_fmt", "yuv420p", tmp_path / "r.mkv")
        broken = "lutyuv=y=128,noise=alls=100:allf=t"
    distorted = make("-i", reference, "-vf", broken, "-c:v", "ffv1", "-pix_fmt", "yuv420p", tmp_path / "d.mkv")
    with pytest.raises(
        MeasurementError, match=r"VMAF is not meaningful for \d+ of \d+ frames: frame 0 has NEG 9\d\.\d"
    ):
        score(reference, distorted)
    honest = make("-i", reference, "-c:v", "libx264", "-crf", 30, tmp_path / "honest.mp4")
    assert score(reference, honest).neg.min > 50


def test_worst_honest_encode(encode, reference, score):
    assert score(reference, encode(reference, 51)).neg < 60


@pytest.mark.slow
def test_extreme_enhancement(make, reference, tmp_path, score):
    equalised = make("-i", reference, "-vf", "histeq=strength=1,format=yuv420p", "-c:v", "ffv1", tmp_path / "h.mkv")
    assert score(reference, equalised).gap > -20


def test_name_like_statistics(make, reference, tmp_path, score):
    short = make("-i", reference, "-frames:v", 8, "-c:v", "ffv1", tmp_path / "short.mkv")
    name = "Input stream #0:0 (video): 12 frames decoded; 0 decode errors.mkv"
    liar = tmp_path / name
    liar.write_bytes(reference.read_bytes())
    with pytest.raises(PairError, match="different lengths: 12 frames in the reference, 8 in the distorted"):
        score(liar, short)


@pytest.mark.slow
def test_bad_frames_are_not_a_shift(make, tmp_path, score):
    """A still picture fits at every shift; leaving out the bad frames must not look like a better fit."""
    scene = "mandelbrot=size=160x90:rate=25,format=yuv420p,trim=end_frame=1,loop=loop=-1:size=1"
    still = make("-f", "lavfi", "-i", scene, "-frames:v", 40, "-c:v", "ffv1", tmp_path / "still.mkv")
    blur = "boxblur=12:enable='lt(n,5)'"
    bad = make("-i", still, "-vf", blur, "-c:v", "ffv1", tmp_path / "bad.mkv")
    result = score(still, bad, align=True)
    assert len(result.neg.frames) == 40
    assert result.neg.min < 60


@pytest.mark.parametrize("what", ["empty", "fifo"])
def test_hole_in_a_sequence(what, make, reference, tmp_path, score):
    make("-i", reference, "-frames:v", 6, tmp_path / "f_%d.png")
    third = tmp_path / "f_3.png"
    third.unlink()
    os.mkfifo(third) if what == "fifo" else third.touch()
    with pytest.raises(ClipError, match="number 3 is empty or not a regular file"):
        score(tmp_path / "f_%d.png", tmp_path / "f_%d.png")


def test_huge_number_in_a_sequence(make, reference, tmp_path, score):
    make("-i", reference, "-frames:v", 3, tmp_path / "f_%d.png")
    shutil.copy(tmp_path / "f_1.png", tmp_path / "f_99999999999.png")
    with pytest.raises(ClipError, match=r"from 1 to 99999999999, but number 4 is missing \(99999999995 missing"):
        score(tmp_path / "f_%d.png", tmp_path / "f_%d.png")


def test_notes(make, reference, tmp_path, score):
    two = ("-i", reference, "-i", reference, "-map", "0:v", "-map", "1:v", "-c:v", "ffv1", tmp_path / "two.mkv")
    [note] = score(reference, make(*two)).provenance["notes"]
    assert note.startswith("distorted has 2 video streams (0: ")
    assert note.endswith("; the first, which players show, is scored; Clip(path, stream=1) selects another")
    picture = make("-i", reference, "-frames:v", 1, "-pix_fmt", "rgba", tmp_path / "a.png")
    notes = score(picture, picture).provenance["notes"]
    assert "reference has transparency (rgba), which is ignored" in notes


@pytest.mark.slow
def test_packed_yuv(make, footage, tmp_path, score):
    """Not RGB: its samples are scored as they are, and its tags count."""
    packed = "uyvy422"
    source = make("-i", footage("160x90", 12), "-pix_fmt", packed, "-c:v", "rawvideo", tmp_path / "source.avi")
    tagged = "format=yuv422p,setparams=colorspace=bt709"
    same = make("-i", source, "-vf", tagged, "-c:v", "ffv1", tmp_path / "same.mkv")
    result = score(source, same)
    assert result["psnr_y"] == 60
    assert f"reference converted from {packed} to yuv422p" in result.provenance["notes"]
    full = make("-i", same, "-color_range", "pc", "-c:v", "ffv1", tmp_path / "full.mkv")
    with pytest.raises(PairError, match="colour range"):
        score(source, full)
