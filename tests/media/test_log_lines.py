"""What is read from the log of an ffmpeg that decodes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.log_lines import LogLines

DECODED = "  Input stream #0:0 (video): {0} packets read (90 bytes); {0} frames decoded; {1} decode errors; "


def test_last_statistics_count() -> None:
    log = LogLines(muxed=re.compile("muxed (.*)"))
    # The first could be a text from the clip's metadata.
    for line in (DECODED.format(24, 0), "muxed 24", DECODED.format(20, 4), "muxed 20"):
        log(line)
    assert (log.frames, log.errors, log.text("muxed", 1)) == (20, 4, "20")


def test_first_line_of_other_patterns_counts() -> None:
    log = LogLines(changed=re.compile("changed (.*)"))
    for line in ("changed one", "changed two", "[h264] File ended prematurely at 9", "[h264] slice CRC mismatch: 7"):
        log(line)
    assert log.text("changed", 1) == "one"
    with pytest.raises(ClipError, match=r"ffmpeg reports: .h264. File ended prematurely at 9"):
        log.check_damage(Clip(Path("a.mp4")))


def test_empty_log() -> None:
    log = LogLines()
    assert "decoded" not in log
    assert (log.frames, log.errors, log.text("decoded")) == (0, 0, "")
