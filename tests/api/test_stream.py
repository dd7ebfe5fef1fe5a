"""`vmaf.stream`, and the stream in `vmaf.check`: gates, expectations, their messages and records."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pytest_vmaf import Clip, FakeScorer, GateViolation, MeasurementError, Result, SettingsError, Stream, Vmaf
from pytest_vmaf.bitstream.stream import Uneven
from pytest_vmaf.errors import ClipError
from pytest_vmaf.gates.expectations import check_expectations, parse_expectations
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report.schema import MEASUREMENT


@pytest.fixture(scope="module")
def closed(stream_encode: Callable[[str], Path]) -> Path:
    return stream_encode("x264-closed.mp4")


@pytest.fixture(scope="module")
def opened(stream_encode: Callable[[str], Path]) -> Path:
    return stream_encode("x264-open.mp4")


def test_passes(closed: Path) -> None:
    vmaf = Vmaf()
    stream = vmaf.stream(
        closed,
        codec="avc",
        profile="high",
        pix_fmt="yuv420p",
        frame_rate=24,
        closed_gop=True,
        colour_tags={"primaries": "bt709", "color_range": "tv"},
        max_bitrate=1e6,
        max_peak_bitrate=1e6,
        max_size=100_000,
        max_keyframe_distance=12,
        max_level="4.1",
        vbv_size=1e6,
        vbv_rate=1e6,
    )
    assert isinstance(stream, Stream)
    [record] = vmaf.records
    assert record["status"] == "passed"
    assert record["about"] == str(stream)
    assert record["stream"]["digest"] == stream.digest
    names = [gate["name"] for gate in record["gates"]]
    assert names[:6] == [
        *("max_bitrate", "max_peak_bitrate", "max_size", "max_keyframe_distance", "max_level", "max_vbv_underflow"),
    ]
    assert names[6:] == ["codec", "frame_rate", "closed_gop", "profile", "pix_fmt", "colour_tags"]
    conform({"subtest": None, **record}, MEASUREMENT, "record")


def test_violations(opened: Path) -> None:
    """Every violation says where in the stream it is."""
    vmaf = Vmaf()
    with pytest.raises(GateViolation) as caught:
        vmaf.stream(
            opened,
            codec="hevc",
            pix_fmt="yuv420p10le",
            frame_rate=25,
            closed_gop=True,
            colour_tags={"primaries": "bt709"},
            max_peak_bitrate=1000,
            max_keyframe_distance=10,
            vbv_size=30e3,
            vbv_rate=30e3,
        )
    message = str(caught.value)
    assert message.splitlines()[0].endswith("(8 of 8 gates failed)")
    for line in (
        r"max_peak_bitrate: peak bitrate [\d,]+ > 1,000 bit/s \(missed by [\d,]+ bit/s; set by the call\)",
        r"  worst window: 0:00\.\d+ to 0:01\.\d+, packets \d+ to \d+",
        r"max_keyframe_distance: key frame distance 12 > 10 frames \(missed by 2 frames; set by the call\)",
        r"  longest run without a key frame: 0\.500 s, frame 0 on, 0:00\.000 to 0:00\.500",
        r"  first underflow: packet \d+ at 0:0\d\.\d+; \d+ packets of 30 come too late",
        r"codec: codec is h264, not hevc \(set by the call\)",
        r"frame_rate: frame rate is 24, not 25",
        r"  first open GOP: key frame 12 \(0:00\.500\) in packet 9: 3 frames before it can need earlier ones",
        r"pix_fmt: pix_fmt is yuv420p, not yuv420p10le",
        r"colour_tags: colour tags are not as they must be: primaries unknown, not bt709",
    ):
        assert re.search(rf"^  {line}", message, re.MULTILINE), line
    assert isinstance(caught.value.result, Stream)
    [record] = vmaf.records
    assert record["status"] == "failed"
    [codec] = [gate for gate in record["gates"] if gate["name"] == "codec"]
    assert (codec["text"], codec["margin"]) == ("codec is h264, not hevc", -1)


def test_check(closed: Path, opened: Path) -> None:
    """The stream is in the result of `check`, and its violations beside those of scores."""
    vmaf = Vmaf(scorer=FakeScorer(vmaf=95, neg=93))
    result = vmaf.check(closed, opened, min_neg=90, max_keyframe_distance=12, stream={"codec": "h264"})
    assert result.stream is not None
    assert result.stream.codec == "h264"
    assert Result.from_json(result.to_json()) == result
    assert vmaf.check(closed, opened, min_neg=90).stream is None
    with pytest.raises(GateViolation) as caught:
        vmaf.check(closed, opened, min_neg=94, max_keyframe_distance=6, stream={"colour_tags": "same"})
    first, *lines = str(caught.value).splitlines()
    assert first.startswith(
        "NEG 93.000 < 94; key frame distance 12 > 6 frames; colour tags are not as the reference's: "
    )
    assert "matrix unknown, not bt709" in first
    assert first.endswith("(3 of 4 gates failed)")
    assert "    longest run without a key frame: 0.500 s, frame 0 on, 0:00.000 to 0:00.500" in lines
    assert [gate["passed"] for gate in vmaf.records[-1]["gates"]] == [False, False, True, False]
    assert vmaf.records[-1]["about"] == str(result.stream)


def test_real_check(reference: Path, encoded: Path) -> None:
    """The numbers of a scoring and of the packets are the same."""
    result = Vmaf().check(reference, encoded, max_peak_bitrate=1e7, stream={"window": 0.5, "closed_gop": True})
    assert result.stream is not None
    assert (result.stream.size, result.stream.bitrate) == (result.size, result.bitrate)
    assert len(result.neg.frames) == result.stream.frames


def test_colour_of_the_reference(closed: Path, opened: Path) -> None:
    Vmaf().stream(closed, reference=closed, colour_tags="same")
    with pytest.raises(GateViolation, match="colour tags are not as the reference's: matrix unknown, not bt709"):
        Vmaf().stream(opened, reference=closed, colour_tags="same")


@pytest.mark.parametrize(
    ("keywords", "why"),
    [
        ({"max_level": "unlimited"}, "max_level .* must be a finite number"),
        ({"max_level": 4.7}, r"max_level must be a level of H.264, not 4.7. Levels: 1, 1b, 1.1, .*, 6.2\."),
        ({"profile": "Main 10"}, r"profile \(call\) must be a profile of H.264, not 'Main 10'. Profiles: Baseline, "),
        ({"codec": "av1", "profile": "High 10"}, "must be a profile of AV1, .* Profiles: Main, High, Professional"),
        ({"codec": "x264"}, r"codec \(call\) must be one of h264, hevc, av1, vp9, vvc, not 'x264'"),
        ({"codek": "h264"}, "'codek' is not an argument of vmaf.stream.*Did you mean 'codec'"),
        ({"model": "vmaf_v0.6.1"}, "'model' is not an argument of vmaf.stream"),
        ({"frame_rate": "fast"}, "frame_rate .* must be a number of frames per second"),
        ({"colour_tags": {"primary": "x"}}, "must be a mapping of color_range, matrix, primaries, transfer; 'primary'"),
        ({"colour_tags": "same"}, "compares with a reference. Pass reference="),
        ({"bitstream": "same"}, "none is requested. Add baseline=True"),
        ({"bitstream": "other"}, "bitstream .* must be 'same'"),
        ({"closed_gop": 1}, "closed_gop .* must be True or False"),
        ({"vbv_size": 1000}, "needs both vbv_size= in bits and vbv_rate= in bit/s"),
        ({"vbv_size": 1, "vbv_rate": 1, "vbv_init": 2}, "vbv_init .* must be a share of the buffer"),
        ({"window": 0}, "window .* must be a number above 0"),
        ({"min_neg": 93}, r"min_neg is not a gate of vmaf.stream\(\)"),
        ({"max_peak_bitrate_p5": 93}, "peak_bitrate has no pools. Write max_peak_bitrate"),
        ({"baseline": True}, "requires the vmaf fixture"),
    ],
)
def test_settings(closed: Path, keywords: dict[str, object], why: str) -> None:
    vmaf = Vmaf()
    with pytest.raises(SettingsError, match=why):
        vmaf.stream(closed, **keywords)  # type: ignore[arg-type]
    assert vmaf.records[0]["status"] == "error"


@pytest.mark.parametrize(
    ("rate", "expected", "text"),
    [
        ("24000/1001", 23.976, "frame rate is 23.976"),
        ("24000/1001", "24000/1001", "frame rate is 23.976"),
        ("2997/125", 23.976, "frame rate is 23.976"),
        ("60000/1001", 59.94, "frame rate is 59.9401"),
        ("24000/1001", 24, "frame rate is 23.976, not 24"),
        ("2997/125", "24000/1001", "frame rate is 2997/125, not 24000/1001"),
    ],
)
def test_rounded_rates(closed: Path, rate: str, expected: float | str, text: str) -> None:
    """A number such as 23.976 stands for the NTSC rate, as in `Clip`, where a header states it exactly, too."""
    stream = replace(_read(closed), frame_rate=Fraction(rate))
    wanted = {each.name: each for each in parse_expectations({"frame_rate": expected}, "call")}
    [check] = check_expectations(stream, wanted, lambda: ({}, {}))
    assert (check.text, check.passed) == (text, "not" not in text)
    [uneven] = check_expectations(replace(stream, uneven=Uneven(3, 0.15, 0.025)), wanted, lambda: ({}, {}))
    assert not uneven.passed
    assert uneven.text == (f"{text} on average, but not even" if check.passed else text)


@pytest.mark.parametrize(
    ("own", "reference", "wanted", "passed"),
    [
        # x265, SVT-AV1 and VP9 always state the limited range, and x264 only beside other tags.
        ("tv", "unknown", "same", True),
        ("unknown", "tv", "same", True),
        ("pc", "unknown", "same", False),
        ("unknown", "pc", "same", False),
        ("unknown", "pc", {"color_range": "tv"}, False),
    ],
)
def test_range(closed: Path, own: str, reference: str, wanted: object, passed: bool) -> None:
    expected = {each.name: each for each in parse_expectations({"colour_tags": wanted}, "call")}
    ranges = ({"color_range": own}, {"color_range": reference, "matrix": "unknown"})
    [check] = check_expectations(_read(closed), expected, lambda: ranges)
    assert check.passed == passed


@functools.cache
def _read(path: Path) -> Stream:
    return Vmaf().stream(path)


@pytest.mark.slow
def test_not_measured(closed: Path, stream_encode: Callable[[str], Path], remux: Callable[..., Path]) -> None:
    """What the stream does not say is an error, and no gate passes by it."""
    vmaf, bare = Vmaf(), remux(stream_encode("svt.mp4"), "bare-too.obu")
    for gate in ("max_bitrate", "max_peak_bitrate"):
        with pytest.raises(MeasurementError, match="states neither times nor a frame rate"):
            vmaf.stream(bare, gates={gate: 1e9})
    with pytest.raises(MeasurementError, match="states neither times nor a frame rate"):
        vmaf.stream(bare, vbv_size=1e9, vbv_rate=1e9)
    with pytest.raises(MeasurementError, match="states neither times nor a frame rate"):
        vmaf.stream(bare, frame_rate=24)
    with pytest.raises(MeasurementError, match=r"has the frame rate that .* states, and not one of its own"):
        vmaf.stream(Clip(bare, frame_rate=24), frame_rate=24)
    vmaf.stream(Clip(bare, frame_rate=24), max_bitrate=1e9, max_peak_bitrate=1e9, vbv_size=1e9, vbv_rate=1e9)
    with pytest.raises(MeasurementError, match=r"is 1.250 s long, and the window is 2 s. Give a shorter window="):
        vmaf.stream(closed, max_peak_bitrate=1e9, window=2)
    with pytest.raises(MeasurementError, match="VP9 has none in its headers"):
        vmaf.stream(stream_encode("vp9.webm"), max_level=4)
    with pytest.raises(MeasurementError, match="max_vbv_underflow requires vbv_size="):
        vmaf.stream(closed, max_vbv_underflow=0)
    with pytest.raises(ClipError, match="has no video stream 7: video streams are counted from 0"):
        vmaf.stream(Clip(closed, stream=7))
    with pytest.raises(ClipError, match="Pass the whole encode to vmaf"):
        vmaf.stream(Clip(closed, start=3))


def test_other_methods(closed: Path) -> None:
    with pytest.raises(SettingsError, match=r"stream= requires vmaf\.check"):
        Vmaf().roi(closed, closed, stream={"codec": "h264"})
    with pytest.raises(SettingsError, match="describes a clip"):
        Vmaf().check(closed, closed, stream=1)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"not an expectation on a stream. Did you mean 'codec'"):
        Vmaf().check(closed, closed, stream={"codecs": "h264"})  # type: ignore[typeddict-unknown-key]
