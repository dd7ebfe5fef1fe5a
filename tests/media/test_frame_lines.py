"""What ffmpeg prints of every frame, and what follows for a pair."""

from __future__ import annotations

import subprocess

import pytest

from pytest_vmaf.media.frame_lines import SHOWINFO, FrameLines
from pytest_vmaf.media.timing import field_problems, time_stamp_problems


@pytest.fixture(scope="module")
def frames_of(ffmpeg):
    """frames_of(reference, distorted): the lines of both in one run."""

    def read(*paths: object) -> FrameLines:
        inputs = [part for path in paths for part in ("-i", str(path))]
        chains = ";".join(f"[{number}:v]{SHOWINFO}[{number}]" for number in range(len(paths)))
        outputs = [part for number in range(len(paths)) for part in ("-map", f"[{number}]")]
        argv = [ffmpeg, "-nostdin", "-hide_banner", *inputs, "-filter_complex", chains, *outputs]
        argv += ["-fps_mode", "passthrough", "-f", "null", "-"]
        lines = FrameLines()
        end = subprocess.run(argv, capture_output=True, text=True)
        for line in end.stderr.splitlines():
            lines(line)
        return lines

    return read


def problems(lines: FrameLines) -> list[str]:
    """The problems of the pair whose filters are 0 and 1."""
    return [*time_stamp_problems(lines.times[0], lines.times[1]), *field_problems(lines.flags[0], lines.flags[1], ())]


def test_freeze(make, footage, frames_of, tmp_path):
    reference = footage("128x96", 24)
    encode = ("-c:v", "libx264", "-preset", "ultrafast", tmp_path / "distorted.mp4")
    chain = "setpts='(N+gte(N,12)*50)/25/TB'"
    lines = frames_of(reference, make("-i", reference, "-vf", chain, "-fps_mode", "passthrough", *encode))
    assert [len(lines.times[number]) for number in (0, 1)] == [24, 24]
    [problem] = problems(lines)
    assert "frame 11 is shown for 2.04 s in the distorted clip, and for 0.04 s in the reference" in problem


def test_fields_from_the_middle_on(make, footage, frames_of, tmp_path):
    reference = footage("128x96", 24)
    parts = []
    for name, chain, flags in (("a", "null", "0"), ("b", "setfield=tff", "+ildct+ilme")):
        codec = ("-c:v", "mpeg2video", "-flags", flags, "-q:v", 4, "-f", "mpeg2video")
        parts.append(
            make("-i", reference, "-vf", chain, "-frames:v", 12, *codec, tmp_path / f"{name}.m2v").read_bytes()
        )
    (tmp_path / "joined.m2v").write_bytes(b"".join(parts))
    [problem] = problems(frames_of(reference, tmp_path / "joined.m2v"))
    assert "12 of 24 frames of the distorted clip are interlaced, from frame 12 on" in problem


def test_sample_aspect_ratio_from_the_middle_on(make, footage, frames_of, tmp_path):
    # If the first frames state a ratio, ffmpeg gives it to all.
    reference = footage("128x96", 24)
    parts = []
    for ratio in (0, 2):
        codec = ("-c:v", "libx264", "-preset", "ultrafast", tmp_path / f"{ratio}.h264")
        parts.append(make("-i", reference, "-vf", f"setsar={ratio}", "-frames:v", 12, *codec).read_bytes())
    (tmp_path / "joined.h264").write_bytes(b"".join(parts))
    [problem] = problems(frames_of(reference, tmp_path / "joined.h264"))
    assert "changes from 1 to 2 in frame 12 of the distorted clip" in problem


@pytest.mark.parametrize("form", ["mkv", "mp4", "ts", "flv"])
def test_honest_encodes(form, make, footage, frames_of, tmp_path):
    reference = footage("128x96", 24)
    encode = ("-c:v", "libx264", "-preset", "veryfast", "-bf", 3, tmp_path / f"distorted.{form}")
    assert problems(frames_of(reference, make("-i", reference, *encode))) == []


def test_torn_line():
    lines = FrameLines()
    text = "[Parsed_showinfo_3 @ 0x1] n:{:4} pts: 512 pts_time:{} fmt:yuv420p cl:left sar:1/1 s:320x180 i:P iskey:1"
    for number in (0, 1, 3):
        assert lines(text.format(number, number / 25))
    assert not lines("[Parsed_showinfo_3 @ 0x1] color_range:tv")
    assert len(lines.times[3]) == 3
    assert time_stamp_problems([0, 0.04, 5], lines.times[3]) == []
