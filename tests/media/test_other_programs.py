"""The share of the processors' time that other programs use, from the kernel's counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_vmaf.media import other_programs
from pytest_vmaf.media.other_programs import OtherPrograms
from pytest_vmaf.media.stopwatch import Spent, Stopwatch


def test_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1000 ticks, 900 were busy or stolen, and this process and its children used 200. The rest was idle."""
    stat = tmp_path / "stat"
    monkeypatch.setattr(other_programs, "STAT", stat)
    monkeypatch.setattr(Stopwatch, "read", lambda _: Spent(5.0, 200 / os.sysconf("SC_CLK_TCK")))
    stat.write_text("cpu  100 0 50 900 10 0 0 0 0 0\ncpu0 1 2 3\n")
    others = OtherPrograms()
    stat.write_text("cpu  700 100 150 960 50 40 10 50 0 0\ncpu0 1 2 3\n")
    assert others.share() == pytest.approx(0.6)
    stat.write_text("cpu  400 100 150 1300 10 40 10 50 0 0\ncpu0 1 2 3\n")
    assert others.share() == 0
    stat.write_text("cpu  100 0 50 900 10 0 0 0 0 0\n")
    assert others.share() is None
    stat.write_text("something else")
    assert others.share() is None
    assert OtherPrograms().share() is None


@pytest.mark.skipif(not other_programs.STAT.exists(), reason="needs Linux")
def test_this_machine() -> None:
    share = OtherPrograms().share()
    assert share is None or 0 <= share <= 1
