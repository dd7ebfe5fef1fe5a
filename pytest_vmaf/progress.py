"""Progress lines for long measurements: how much is done, how fast, and the time that remains."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TextIO, TypeAlias

if TYPE_CHECKING:
    import pytest

#: Called with the units done, and those in all (None if unknown).
Update: TypeAlias = Callable[[int, int | None], None]

#: Seconds before a line appears; most measurements of a test suite take less.
PATIENCE = 2.0
#: Seconds between two looks at the clock.
TICK = 1.0
#: The unit of searches, which estimate how many they need. No such total is shown, because it would move.
TRIALS = "trial encodes"
#: Set to one of these words, this variable switches progress lines off.
SWITCH, OFF = "PYTEST_VMAF_PROGRESS", ("0", "off", "no", "false")
#: The longest bar, and the shortest one that is drawn.
LONGEST_BAR, SHORTEST_BAR = 40, 8


class Progress(Protocol):
    """Opens a progress line for some work, and yields what updates it; None where nothing is drawn."""

    def __call__(self, label: str, unit: str = "frames") -> AbstractContextManager[Update | None]:
        """A line with a label that counts `unit`."""


def no_progress(label: str, unit: str = "frames") -> AbstractContextManager[None]:
    """Draw nothing."""
    return nullcontext(None)


def progress_under_pytest(config: pytest.Config) -> Progress:
    """Lines on the terminal that pytest writes to. None without a terminal, under CI, in workers, or with -q."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if (
        hasattr(config, "workerinput")
        or _is_off()
        or not getattr(reporter, "isatty", False)
        or config.get_verbosity() < 0
    ):
        return no_progress
    capture = config.pluginmanager.getplugin("capturemanager")
    pause = capture.global_and_fixture_disabled if capture else nullcontext

    @contextmanager
    def below_dots() -> Iterator[None]:
        with pause():
            stream.write("\n")
            yield

    stream = sys.__stderr__ or sys.stderr
    return lambda label, unit="frames": progress_line(label, stream, below_dots, unit, PATIENCE)


def progress_on(stream: TextIO) -> Progress:
    """Lines on a stream, if it is a terminal: of searches at once, of single measurements if they take long."""
    if _is_off() or not stream.isatty():
        return no_progress

    def start(label: str, unit: str = "frames") -> AbstractContextManager[Update]:
        return progress_line(label, stream, nullcontext, unit, PATIENCE if unit == "frames" else 0.0)

    return start


def progress_in_scripts(label: str, unit: str = "frames") -> AbstractContextManager[Update | None]:
    """Lines on standard error, if it is a terminal and no test of pytest is running."""
    if sys.stderr is None or "PYTEST_CURRENT_TEST" in os.environ:
        return nullcontext(None)
    return progress_on(sys.stderr)(label, unit)


def choose_progress(wanted: bool | Progress) -> Progress:
    """The lines of `Vmaf()`: those of scripts, none, or what was given."""
    if isinstance(wanted, bool):
        return progress_in_scripts if wanted else no_progress
    return wanted


def _is_off() -> bool:
    switch = os.environ.get(SWITCH, "").lower()
    return bool(os.environ.get("CI")) or os.environ.get("TERM") == "dumb" or switch in OFF


@contextmanager
def progress_line(
    label: str, stream: TextIO, pause: Callable[[], AbstractContextManager[object]], unit: str, patience: float
) -> Iterator[Update]:
    """A progress line, which is removed at the end.

    Args:
        label: What the work is about.
        stream: The terminal.
        pause: Opened while the line is drawn, to take pytest's capture off.
        unit: What is counted.
        patience: Seconds before it is drawn. If there are any, only `update` draws it.

    Yields:
        What to call with the units done, and those in all.
    """
    line = _Line(label, stream, unit)
    with ExitStack() as stack:

        def start() -> None:
            stack.enter_context(pause())
            stack.enter_context(line.drawn())

        def update(done: int, total: int | None) -> None:
            line.count(done, total)
            if line.is_drawn:
                line.draw()
            elif time.monotonic() - line.begin >= patience:
                start()

        if not patience:
            start()
        yield update


class _Line:
    """One line of a terminal that is drawn again and again."""

    def __init__(self, label: str, stream: TextIO, unit: str) -> None:
        self.label, self.stream, self.unit = label, stream, unit
        self.begin = time.monotonic()
        self.is_drawn = False
        self._done: int | None = None
        self._total: int | None = None
        self._share = 0.0
        # When the counting began, and with how many: work that resumes begins with what was done before.
        self._first = self.begin, 0
        self._last = self.begin
        self._lock = threading.Lock()

    def count(self, done: int, total: int | None) -> None:
        """Take note of the units done, and those in all."""
        self._last = time.monotonic()
        if self._done is None and self.unit != TRIALS:
            self._first = self._last, done
        self._done, self._total = done, total
        if total:
            # An estimate may grow, and a bar that goes back looks like an error.
            self._share = max(self._share, min(done / total, 1.0))

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Draw it now, whenever it changes, and every second, and remove it at the end."""
        self.is_drawn = True
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(TICK):
                self.draw()

        thread = threading.Thread(target=tick, name="progress", daemon=True)
        self.draw()
        try:
            thread.start()
        except RuntimeError:
            # The system refuses more threads. The line is drawn with every update all the same.
            ended.set()
        try:
            yield
        finally:
            ended.set()
            if thread.is_alive():
                thread.join()
            self._write("\r\x1b[K")

    def draw(self) -> None:
        """Draw it over what was drawn before."""
        columns = _columns(self.stream) - 1
        text = f" {self.text(time.monotonic())}"
        label = self.label if self.unit != "frames" else f"scoring {self.label}"
        room = columns - len(text) - 1
        label = label if len(label) <= room else f"{label[: max(room - 1, 0)]}…"
        size = min(LONGEST_BAR, room - len(label) - 2)
        full = round(self._share * size)
        bar = f" [{'=' * full}{' ' * (size - full)}]" if size >= SHORTEST_BAR else ":"
        self._write(f"\r{label}{bar}{text}"[: columns + 1] + "\x1b[K")

    def text(self, now: float) -> str:
        """The numbers of the line."""
        done, total, unit = self._done, self._total, self.unit
        if done is None:
            return f"first {unit[:-1]}, {_clock(now - self.begin)}" if unit != "frames" else "0 frames"
        rate = (done - self._first[1]) / max(self._last - self._first[0], 1e-3)
        remaining = None if total is None or rate <= 0 else (total - done) / rate - (now - self._last)
        if unit == TRIALS:
            count = f"{done} {unit if done != 1 else unit[:-1]}"
            return f"{count}, {_clock(now - self.begin)}" if remaining is None else f"{count}, {_about(remaining)}"
        numbers = f"{done}/{'?' if total is None else total} {unit}"
        speed = f", {rate:.1f}/s" if unit == "frames" else ""
        return f"{numbers}{speed}{'' if remaining is None else f', {_clock(max(remaining, 0.0))} left'}"

    def _write(self, text: str) -> None:
        with self._lock:
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                self.stream.write(text.encode("ascii", "replace").decode())
            self.stream.flush()


def _about(seconds: float) -> str:
    return f"about {_clock(seconds)} left" if seconds >= 1 else "nearly done"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _columns(stream: TextIO) -> int:
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        columns = 0
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isdecimal() and int(text) > 0 else columns or 80
