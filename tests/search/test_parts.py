"""Searches on a part of a clip, against the same searches on a file that ffmpeg cut first."""

from __future__ import annotations

import pytest

from pytest_vmaf import Clip, Vmaf
from pytest_vmaf.errors import ClipError, SettingsError

ENCODERS = {"libx264": "veryfast", "libx265": "ultrafast", "libsvtav1": "10", "libvpx-vp9": None, "libvvenc": "faster"}


@pytest.fixture(scope="module")
def source(footage):
    """24 frames, of which 12 are searched on."""
    return footage("176x144", 24)


@pytest.fixture(scope="module")
def cut(source, make, tmp_path_factory):
    """Frames 10 to 21 of the source, cut by ffmpeg."""
    chain = "trim=start_frame=10:end_frame=22,setpts=PTS-STARTPTS"
    return make("-i", source, "-vf", chain, "-f", "yuv4mpegpipe", tmp_path_factory.mktemp("cut") / "cut.y4m")


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_encode_and_score(encoder, source, cut, tmp_path):
    vmaf, results = Vmaf(cache=False), []
    for number, clip in enumerate((Clip(source, start="0.4s", frames=12), cut)):
        path = tmp_path / f"{number}.mp4"
        encode = vmaf.encode(clip, path, encoder=encoder, crf=32, preset=ENCODERS[encoder])
        result = vmaf.score(clip, encode)
        results.append((encode.frames, encode.size, encode.bitrate, result.neg.frames, result.vmaf.frames))
    assert results[0] == results[1]
    assert results[0][0] == 12


@pytest.mark.slow
def test_bisect(source, cut):
    settings = {"encoder": "libx264", "preset": "veryfast", "targets": 60, "crf": (28, 36)}
    vmaf, part = Vmaf(cache=False), Clip(source, start=10, frames=12)
    by_part, by_file = vmaf.bisect(part, **settings), vmaf.bisect(cut, **settings)
    assert [(probe.crf, probe.score, probe.bitrate) for probe in by_part.probes] == [
        (probe.crf, probe.score, probe.bitrate) for probe in by_file.probes
    ]
    assert by_part.reference.endswith("(frames 10 to 21)")
    assert vmaf.bisect(part, **settings, sample=0.16).sample == (4, 4)


def test_a_part_that_the_source_lacks(source):
    with pytest.raises(ClipError, match=r"has 24 frames, 0 to 23, and no part of 12 frames from frame 13 on\.$"):
        Vmaf(cache=False).bisect(Clip(source, start=13, frames=12), encoder="libx264", targets=80)


def test_an_encoder_that_reads_the_file(source):
    with pytest.raises(SettingsError, match=r"first:\n  ffmpeg .* -vf trim=start_frame=10 -fps_mode"):
        Vmaf(cache=False).bisect(Clip(source, start=10), encoder="enc {input} {output} {crf}", targets=80)
