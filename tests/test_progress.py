"""Progress lines: on terminals, for long measurements, and nowhere else."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf import Vmaf, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Stands in for the time module."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    for name in ("CI", "PYTEST_CURRENT_TEST", progress.SWITCH):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def lines(stream: io.StringIO) -> list[str]:
    """What was drawn, one after the other."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    return [line for line in text.split("\r") if line]


def test_scoring_line(clock: Clock) -> None:
    stream = Terminal()
    with progress.progress_on(stream)("[b]a.mp4") as update:
        assert update is not None
        for clock.now, done in ((1, 10), (3, 50), (4, 70)):
            update(done, 100)
    assert lines(stream) == [
        f"scoring [b]a.mp4 [{'=' * 12}{' ' * 12}] 50/100 frames, 20.0/s, 0:00:02 left",
        f"scoring [b]a.mp4 [{'=' * 17}{' ' * 7}] 70/100 frames, 20.0/s, 0:00:02 left",
    ]
    # The line is removed.
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_short_scoring_shows_nothing(clock: Clock) -> None:
    stream = Terminal()
    with progress.progress_on(stream)("a.mp4") as update:
        assert update is not None
        clock.now = 1.9
        update(10, None)
    assert stream.getvalue() == ""


def test_searches_show_no_total(clock: Clock) -> None:
    stream = Terminal()
    with progress.progress_on(stream)("bisecting libx264", unit=progress.TRIALS) as update:
        assert update is not None
        # From the first second on.
        assert lines(stream) == [f"bisecting libx264 [{' ' * 31}] first trial encode, 0:00:00"]
        # The estimate grows, and is wrong at the end.
        for clock.now, done, total in ((60, 1, 5), (120, 2, 8), (180, 3, 5), (240, 5, 5), (300, 6, 6)):
            update(done, total)
    drawn = lines(stream)[1:]
    assert [line.partition("] ")[2] for line in drawn] == [
        "1 trial encode, about 0:04:00 left",
        "2 trial encodes, about 0:06:00 left",
        "3 trial encodes, about 0:02:00 left",
        "5 trial encodes, nearly done",
        "6 trial encodes, nearly done",
    ]
    sizes = [line.count("=") for line in drawn]
    assert sizes == sorted(sizes)


def test_line_counts_down(clock: Clock) -> None:
    line = progress._Line("bisecting libx264", Terminal(), progress.TRIALS)
    assert line.text(12) == "first trial encode, 0:00:12"
    clock.now = 60.0
    line.count(1, 3)
    assert line.text(60) == "1 trial encode, about 0:02:00 left"
    assert line.text(90) == "1 trial encode, about 0:01:30 left"
    assert line.text(300) == "1 trial encode, nearly done"


def test_clock_ticks(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TICK", 0.01)
    stream, seen = Terminal(), threading.Event()
    write = stream.write
    monkeypatch.setattr(stream, "write", lambda text: ("0:00:07" in text and seen.set()) or write(text))
    with progress.progress_on(stream)("sweeping", unit="encodes"):
        clock.now = 7.0
        assert seen.wait(10)
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_resumed_work_counts_its_own_units(clock: Clock) -> None:
    stream = Terminal()
    with progress.progress_on(stream)("sweeping", unit="encodes") as update:
        assert update is not None
        for clock.now, done in ((0, 500), (60, 501), (120, 550)):
            update(done, 600)
    assert [line.partition("] ")[2] for line in lines(stream)[1:]] == [
        "500/600 encodes",
        "501/600 encodes, 1:39:00 left",
        "550/600 encodes, 0:02:00 left",
    ]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120])
def test_width(clock: Clock, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    label = "comparing libx264:veryfast, libx264:fast, libx264:ultrafast, libsvtav1:10"
    with progress.progress_on(stream)(label, unit=progress.TRIALS) as update:
        assert update is not None
        clock.now = 60.0
        update(3, 12)
    assert all(len(line) <= columns for line in lines(stream))
    if columns >= 60:
        assert lines(stream)[-1].endswith(" 3 trial encodes, about 0:03:00 left")


def test_no_line_without_terminal_or_if_off(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress.progress_on(Terminal()) is not progress.no_progress
    assert progress.progress_on(io.StringIO()) is progress.no_progress
    for name, value in (("CI", "true"), ("TERM", "dumb"), (progress.SWITCH, "off"), (progress.SWITCH, "0")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert progress.progress_on(Terminal()) is progress.no_progress


def test_scripts(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with progress.progress_in_scripts("bisecting libx264", progress.TRIALS) as update:
        assert update is not None
    assert "bisecting libx264" in stream.getvalue()
    # Inside a test, the fixture has lines and `Vmaf()` has none.
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "test_a")
    with progress.progress_in_scripts("bisecting libx264", progress.TRIALS) as update:
        assert update is None
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr("sys.stderr", None)
    with progress.progress_in_scripts("bisecting libx264", progress.TRIALS) as update:
        assert update is None


def test_vmaf_has_lines_in_scripts() -> None:
    assert Vmaf()._context.progress is progress.progress_in_scripts
    assert Vmaf(progress=False)._context.progress is progress.no_progress
    assert Vmaf(progress=progress.no_progress)._context.progress is progress.no_progress


SCRIPT = """
import sys
from pathlib import Path
from pytest_vmaf import Encoder, FakeScorer, Vmaf

def encode(source, output, crf):
    output.write_bytes(Path(source).read_bytes())

clip, rows = sys.argv[1:]
vmaf = Vmaf(scorer=FakeScorer(), cache=False)
encoder = Encoder("copy", function=encode, suffix=".mkv")
for search in (
    lambda: vmaf.bisect(clip, encoder=encoder, targets=20, crf=(10, 10)),
    lambda: vmaf.sweep(clip, encoders=[encoder], crfs=[20], output=rows),
):
    try:
        search()
    except Exception as error:
        print(type(error).__name__)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_script_on_a_terminal(footage: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    argv = [sys.executable, "-c", SCRIPT, str(footage("64x64", 3)), str(tmp_path / "rows.jsonl")]
    text = on_a_terminal(argv)
    assert "bisecting copy" in text
    assert "first trial encode, 0:00:00" in text
    assert "sweeping" in text
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""


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

    for name in ("CI", progress.SWITCH):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert not without_bar(Config())
    assert without_bar(Config(isatty=False))
    assert without_bar(Config(verbosity=-1))
    worker = Config()
    worker.workerinput = {}  # type: ignore[attr-defined]
    assert without_bar(worker)
    monkeypatch.setenv(progress.SWITCH, "off")
    assert without_bar(Config())
    monkeypatch.delenv(progress.SWITCH)
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
