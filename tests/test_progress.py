"""A bar on a terminal, for long scorings, and nowhere else."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_vmaf import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_scoring_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    stream = Terminal()
    with progress.progress_on(stream)("[b]a.mp4") as update:
        assert update is not None
        update(10, 100)
        update(50, 100)
    assert "scoring [b]a.mp4" in stream.getvalue()
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "50/100 frames" in said
    assert "left" in said


class Clock:
    """Stands in for the time module: a minute goes by between two looks."""

    def __init__(self, step: float = 60.0) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


def shown_for(unit: str, updates: list[tuple[int, int | None]], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the bar says after each update, a minute apart, of (done, expected)."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(progress, "time", Clock())
    stream = Terminal()
    with progress.progress_on(stream)("bisecting libx264", unit=unit) as update:
        assert update is not None
        for done, total in updates:
            update(done, total)
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "scoring" not in said
    assert "/s" not in said
    return re.findall(rf"(\d+/ *[\d?]+ {unit}, +\S+ left)", said)


def test_search_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer apart than the half minute that rich looks back for its own estimate.
    shown = shown_for("probes", [(1, 5), (2, 5), (3, 6), (6, 6)], monkeypatch)
    assert list(dict.fromkeys(shown)) == [
        "1/5 probes, -:--:-- left",
        "2/5 probes, 0:03:00 left",
        "3/6 probes, 0:03:00 left",
        "6/6 probes, 0:00:00 left",
    ]


def test_resumed_work_counts_its_own_units(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = shown_for("encodes", [(500, 600), (501, 600), (550, 600)], monkeypatch)
    assert list(dict.fromkeys(shown)) == [
        "500/600 encodes, -:--:-- left",
        "501/600 encodes, 1:39:00 left",
        "550/600 encodes, 0:02:00 left",
    ]


def test_bar_without_total(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(shown_for("probes", [(1, None), (2, None)], monkeypatch)) == {
        "1/? probes, -:--:-- left",
        "2/? probes, -:--:-- left",
    }


def test_a_short_scoring_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    stream = Terminal()
    with progress.progress_on(stream)("a.mp4") as update:
        assert update is not None
        update(10, None)
    assert stream.getvalue() == ""


def test_no_bar_without_terminal_or_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert progress.progress_on(io.StringIO()) is progress.no_progress
    monkeypatch.setenv("CI", "true")
    assert progress.progress_on(Terminal()) is progress.no_progress


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("ci", [False, True])
def test_bar_under_pytest(
    ci: bool, pytester: pytest.Pytester, reference: Path, encoded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", "true")
    pytester.makeconftest("import pytest_vmaf.progress as p\np.PATIENCE = 0.0\n")
    pytester.makepyfile(
        test_bar=f"""
        def test_a(vmaf):
            print("captured")
            vmaf.check({str(reference)!r}, {str(encoded)!r})
        """
    )
    said = on_a_terminal([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "test_bar.py"])
    assert "1 passed" in said
    assert ("scoring " in said) is not ci
    assert "captured" not in said


def on_a_terminal(argv: list[str]) -> str:
    """Run a command on a pseudo-terminal of its own and return all it wrote there."""
    import pty

    terminal, other_end = pty.openpty()
    with subprocess.Popen(argv, stdin=other_end, stdout=other_end, stderr=other_end, start_new_session=True):
        os.close(other_end)
        said = b""
        while chunk := read(terminal):
            said += chunk
    os.close(terminal)
    return said.decode("utf-8", "replace")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # Linux says so when the other end is closed.
        return b""
