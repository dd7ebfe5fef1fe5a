"""Searches on sources with a variable frame rate, and on recordings that state the clock of their time stamps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_vmaf import EncodeError, SettingsError, Vmaf
from pytest_vmaf.encoding.encoders import ENCODERS, command_encoder
from pytest_vmaf.encoding.job import EncodeJob, check_arguments
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import inspect

PASS = ("-fps_mode", "passthrough", "-enc_time_base", "demux")
JITTER = "settb=1/1000,setpts='N*33+floor(random(1)*32)'"
#: What the fastest preset and a coarse quality of each encoder are.
FAST = {
    "libx264": ("ultrafast", 40), "libx265": ("ultrafast", 40), "libsvtav1": ("12", 50), "libaom-av1": ("8", 50),
    "libvpx-vp9": ("5", 50), "librav1e": ("10", 180), "libvvenc": ("faster", 45),
}  # fmt: skip


@pytest.fixture(scope="module")
def phone(make, footage, tmp_path_factory):
    """A clip whose frames are shown for different times: 128x96, 24 frames."""
    path = tmp_path_factory.mktemp("phone") / "phone.mp4"
    quality = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", 8, "-video_track_timescale", 90000)
    return make("-i", footage("128x96", 24), "-vf", JITTER, *PASS, *quality, path)


@pytest.fixture(scope="module")
def recording(make, footage, tmp_path_factory):
    """What a browser records: it states no duration of frames, so ffmpeg takes the clock for the rate."""
    folder = tmp_path_factory.mktemp("recording")
    data = make("-i", footage("128x96", 24), "-vf", JITTER, *PASS, "-c:v", "libvpx", "-b:v", "4M",
                folder / "muxed.webm").read_bytes()  # fmt: skip
    place = data.index(b"\x23\xe3\x83")
    size = data[place + 3] & 0x7F
    path = folder / "recording.webm"
    path.write_bytes(data[:place] + b"\xec" + bytes([0x80 | (size + 2)]) + bytes(size + 2) + data[place + 4 + size :])
    return path


def test_arguments_for_a_variable_rate(phone, footage, ffmpeg, tmp_path):
    video = inspect(Clip(phone), ffmpeg, 16)
    assert video.has_variable_rate

    def job(encoder: str, source=video) -> EncodeJob:
        row = ENCODERS[encoder] if encoder in ENCODERS else command_encoder(encoder)
        return EncodeJob(row, source, ffmpeg, row.preset)

    clock = ("-enc_time_base", "demux")
    assert job("libx264").ffmpeg_arguments(30)[-2:] == clock
    # It writes wrong time stamps with that clock.
    steady = job("libvvenc")
    assert "-enc_time_base" not in steady.ffmpeg_arguments(30)
    rate = f"-r {video.frame_rate}"
    assert rate in steady.command(30, Path("out.mp4"))
    assert rate in job("enc {crf} {output}").command(30, Path("out.mp4"))
    constant = inspect(Clip(footage("128x96", 24)), ffmpeg, 16)
    for encoder in (*FAST, "enc {crf} {output}"):
        assert not {"-r", *clock} & set(job(encoder, constant).command(30, Path("out.mp4")).split())


@pytest.mark.parametrize("option", ["-r", "-r:v", "-fps_mode", "-vsync", "-fpsmax"])
def test_other_frame_rate(option):
    with pytest.raises(SettingsError, match=rf"arguments must not contain {option}: .*ffmpeg -i IN -vf fps=25"):
        check_arguments(ENCODERS["libx264"], (option, "25"))


@pytest.mark.slow
def test_bisect_and_encode(phone, recording, tmp_path):
    vmaf = Vmaf()
    for source in (phone, recording):
        found = vmaf.bisect(source, encoder="libx264", preset="ultrafast", targets=[20], crf=(40, 42))
        encode = vmaf.encode(source, tmp_path / "out.mp4", encoder="libx264", preset="ultrafast", crf=found[20].crf)
        times = (encode.frames, round(encode.duration, 1))
        assert times == (24, 0.8)
        assert float(vmaf.score(source, encode, allow=["frame_rate"]).neg) == pytest.approx(found[20].score, abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", FAST)
def test_every_encoder(encoder, phone, recording, tmp_path):
    preset, crf = FAST[encoder]
    vmaf = Vmaf()
    for source in (phone, recording):
        path = tmp_path / f"out{ENCODERS[encoder].suffix}"
        encode = vmaf.encode(source, path, encoder=encoder, preset=preset, crf=crf)
        assert (encode.frames, round(encode.duration, 1)) == (24, 0.8)
        assert len(vmaf.score(source, encode).neg.unclipped.frames) == 24


@pytest.mark.slow
def test_other_searches(phone, recording, program):
    pipe = program("ffmpeg -f yuv4mpegpipe -i - -c:v libx264 -preset ultrafast -crf $1 $2")
    vmaf = Vmaf()
    # One encode answers each search, so that its source is all that matters.
    common = {"encoder": "libx264", "preset": "ultrafast", "crf": (42, 42)}
    assert vmaf.bisect(phone, encoder=f"{pipe} {{crf}} {{output}}", targets=[10], crf=(42, 42)).answers
    assert vmaf.ladder(recording, targets=[10], resolutions=["128x96", "64x48"], **common).rungs
    for source in (phone, recording):
        assert vmaf.per_shot(source, target=10, fixed=False, **common).encode.frames == 24
        assert vmaf.bisect(source, targets=[10], sample=0.5, **common).answers


@pytest.mark.slow
def test_rate_that_varies_later(make, footage, tmp_path):
    # The first frames do not show it, and Matroska states a constant rate.
    chain = "settb=1/1000,setpts='if(lt(N,20),N*40,800+(N-20)*40+floor(random(1)*39))'"
    quality = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", 8)
    late = make("-i", footage("128x96", 48), "-vf", chain, *PASS, *quality, tmp_path / "late.mkv")
    options = {"encoder": "libx264", "preset": "ultrafast", "crf": 40}
    with pytest.raises(EncodeError, match=r"State its average rate: (Clip\(.*\))\.") as refused:
        Vmaf(cache=False).encode(late, tmp_path / "out.mp4", **options)
    stated = re.search(r"rate: (Clip\(.*\))\.", str(refused.value))[1]
    encode = Vmaf(cache=False).encode(eval(stated), tmp_path / "out.mp4", **options)
    assert encode.frames == 48
