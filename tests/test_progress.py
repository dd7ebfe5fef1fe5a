"""Progress bars: on terminals, for long measurements, and nowhere else."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
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
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "50/100 frames" in text
    assert "left" in text


class Clock:
    """Stands in for the time module: a minute goes by between two looks."""

    def __init__(self, step: float = 60.0) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


def bars_for(unit: str, updates: list[tuple[int, int | None]], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the bar says after each update, a minute apart, of (done, expected)."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(progress, "time", Clock())
    stream = Terminal()
    with progress.progress_on(stream)("bisecting libx264", unit=unit) as update:
        assert update is not None
        for done, total in updates:
            update(done, total)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "scoring" not in text
    assert "/s" not in text
    return re.findall(rf"(\d+/ *[\d?]+ {unit}, +\S+ left)", text)


def test_search_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer apart than the half minute that rich looks back for its own estimate.
    bars = bars_for("probes", [(1, 5), (2, 5), (3, 6), (6, 6)], monkeypatch)
    assert list(dict.fromkeys(bars)) == [
        "1/5 probes, -:--:-- left",
        "2/5 probes, 0:03:00 left",
        "3/6 probes, 0:03:00 left",
        "6/6 probes, 0:00:00 left",
    ]


def test_resumed_work_counts_its_own_units(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = bars_for("encodes", [(500, 600), (501, 600), (550, 600)], monkeypatch)
    assert list(dict.fromkeys(bars)) == [
        "500/600 encodes, -:--:-- left",
        "501/600 encodes, 1:39:00 left",
        "550/600 encodes, 0:02:00 left",
    ]


def test_bar_without_total(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(bars_for("probes", [(1, None), (2, None)], monkeypatch)) == {
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


class Config:
    """Stands in for pytest's configuration."""

    def __init__(self, isatty: bool = True, verbosity: int = 0) -> None:
        self.pluginmanager, self.isatty, self.verbosity = self, isatty, verbosity

    def getplugin(self, name: str) -> Config | None:
        return self if name == "terminalreporter" else None

    def get_verbosity(self) -> int:
        return self.verbosity


def test_no_bar_under_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_bar(config: Config) -> bool:
        return progress.progress_under_pytest(config) is progress.no_progress  # type: ignore[arg-type]

    monkeypatch.delenv("CI", raising=False)
    assert not without_bar(Config())
    assert without_bar(Config(isatty=False))
    assert without_bar(Config(verbosity=-1))
    worker = Config()
    worker.workerinput = {}  # type: ignore[attr-defined]
    assert without_bar(worker)
    monkeypatch.setenv("CI", "true")
    assert without_bar(Config())


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.slow
def test_bar_under_pytest(
    pytester: pytest.Pytester, footage: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    clip = str(footage("64x64", 3))
    pytester.makeconftest("import pytest_vmaf.progress as p\np.PATIENCE = 0.0\n")
    pytester.makepyfile(
        test_bar=f"""
        def test_a(vmaf):
            print("captured")
            vmaf.score({clip!r}, {clip!r})
        """
    )
    text = on_a_terminal([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "test_bar.py"])
    assert "1 passed" in text
    assert "scoring " in text
    assert "captured" not in text


def on_a_terminal(argv: list[str]) -> str:
    """Run a command on a pseudo-terminal of its own and return all it wrote there."""
    import pty

    terminal, other_end = pty.openpty()
    with subprocess.Popen(argv, stdin=other_end, stdout=other_end, stderr=other_end, start_new_session=True):
        os.close(other_end)
        text = b""
        while chunk := read(terminal):
            text += chunk
    os.close(terminal)
    return text.decode("utf-8", "replace")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # Linux says so when the other end is closed.
        return b""
