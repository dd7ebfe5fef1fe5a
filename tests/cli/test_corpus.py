"""`pytest-vmaf corpus`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import posix, sweeping
from pytest_vmaf.cli.main import main


@posix
@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--encoder", "libx246"], 2, "There is no encoder 'libx246'"),
        (["--encoder", "libx264"], 2, "twice"),
        (["--preset", "quick"], 2, "has no preset 'quick'"),
        (["--crf", "52"], 2, "crfs must be from 0 to 51 for libx264, not 52"),
        (["--crf", "20"], 2, "each given once"),
        (["--width", "192"], 2, "both --width and --height"),
        (["--output", "nowhere/rows"], 2, "there is no folder"),
        (["--output", "."], 2, "must be a file, and"),
        (["--output", "/proc/rows"], 2, "cannot write to the folder"),
        (["--output", "{clip}"], 2, "is also an input file"),
        (["--src", "missing.mkv"], 3, "missing.mkv does not exist"),
        (["--output", "{text}"], 3, "text.txt, line 1: "),
    ],
)
def test_invalid_grid(
    flags: list[str],
    code: int,
    said: str,
    clip: Path,
    counting: tuple[Path, Callable[[], int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ffmpeg, encodes = counting
    text = tmp_path / "text.txt"
    text.write_text("not a corpus\n")
    given = [flag.format(clip=clip, text=text) for flag in flags]
    asked = sweeping(clip, tmp_path / "rows.jsonl", "--ffmpeg", ffmpeg, *given)
    assert main(list(map(str, asked))) == code
    assert said in capsys.readouterr().err
    assert encodes() == 0
    assert text.read_text() == "not a corpus\n"
