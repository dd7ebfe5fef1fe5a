"""Times and fields of all frames: pairs that `score` and `check` refuse, and those that they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_vmaf import PairError, Vmaf
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.scorer import ScoreRequest

FAST = ("-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-crf", 20)


@pytest.fixture(scope="module")
def source(footage):
    """A small lossless reference: 192x128, 24 frames at 25 frames/s."""
    return footage("192x128", 24)


@pytest.fixture(scope="module")
def frozen(make, source, tmp_path_factory):
    """The reference with a frame that is shown for two seconds."""
    chain = "setpts='(N+gte(N,12)*50)/25/TB'"
    return make("-i", source, "-vf", chain, *FAST, tmp_path_factory.mktemp("frozen") / "frozen.mp4")


class Other:
    """A scorer that measures no signs, so that they are measured beside it."""

    def capabilities(self, tools):
        """Those of ffmpeg's scorer."""
        return FfmpegScorer().capabilities(tools)

    def score(self, request: ScoreRequest):
        """The log of ffmpeg's scorer, without more."""
        return FfmpegScorer().score(replace(request, signs=False))


@pytest.mark.slow
def test_freeze(frozen, source, tmp_path):
    vmaf = Vmaf(cache_dir=tmp_path)
    message = r"time stamps: frame 11 is shown for 2\.04 s .*allow=\[\"time_stamps\"\]"
    for call in (vmaf.score, vmaf.check):
        with pytest.raises(PairError, match=message):
            call(source, frozen)
    assert vmaf.score(source, frozen, allow=["time_stamps"]).neg > 50
    assert vmaf.score(source, frozen, signs=False).neg > 50


@pytest.mark.slow
def test_freeze_beside_another_scorer(frozen, source):
    with pytest.raises(PairError, match=r"time stamps: frame 11 is shown for 2\.04 s"):
        Vmaf(scorer=Other(), cache=False).score(source, frozen)


@pytest.mark.slow
def test_fields_from_the_middle_on(make, source, tmp_path):
    data = b""
    for name, chain, flags in (
        ("a", "trim=end_frame=18", "0"),
        ("b", "trim=start_frame=18,setpts=N/25/TB,setfield=tff", "+ildct+ilme"),
    ):
        codec = ("-c:v", "mpeg2video", "-flags", flags, "-q:v", 3, "-f", "mpeg2video")
        data += make("-i", source, "-vf", chain, *codec, tmp_path / f"{name}.m2v").read_bytes()
    joined = tmp_path / "joined.m2v"
    joined.write_bytes(data)
    with pytest.raises(PairError, match=r"interlacing: 6 of 24 frames of the distorted clip .* from frame 18 on"):
        Vmaf(cache=False).score(source, joined)
    assert Vmaf(cache=False).score(source, joined, allow=["interlaced"]).neg > 50


@pytest.fixture(scope="module")
def variable(make, source, tmp_path_factory):
    """The reference with frames that are shown for longer than others."""
    chain = "setpts='(N+2*gte(N,8)+30*gte(N,15))/25/TB'"
    output = tmp_path_factory.mktemp("variable") / "variable.mp4"
    return make("-i", source, "-vf", chain, "-enc_time_base", "demux", *FAST, output)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["ts", "h264"])
def test_variable_rate_passes_through(form, make, variable, tmp_path):
    rate = ("-enc_time_base", "demux") if form == "ts" else ()
    distorted = make("-i", variable, *rate, *FAST[:-1], 30, tmp_path / f"distorted.{form}")
    assert Vmaf(cache=False).score(variable, distorted, allow=["order"]).neg > 50


@pytest.mark.slow
def test_same_frames_at_even_times(make, variable, tmp_path):
    # In a file that states times, they are another clip.
    even = make("-i", variable, "-vf", "setpts=N/25/TB", *FAST, tmp_path / "even.mp4")
    with pytest.raises(PairError, match=r"time stamps: frame 14 is shown for 1\.24 s in the reference"):
        Vmaf(cache=False).score(variable, even)


@pytest.mark.slow
def test_equal_frames_at_other_rates(make, source, tmp_path):
    slow = make("-i", source, "-vf", "setpts=N/20/TB", "-r", 20, *FAST[2:], tmp_path / "slow.mp4")
    for settings in ({"match_rate": True}, {"allow": ["frame_rate"]}):
        assert Vmaf(cache=False).score(source, slow, **settings).neg > 50
