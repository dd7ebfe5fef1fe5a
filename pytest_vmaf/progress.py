"""Progress bars for long measurements: how much is done, how fast, and the time that remains."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TextIO, TypeAlias

if TYPE_CHECKING:
    import pytest

#: Called with the units done, and those in all (None if unknown).
Update: TypeAlias = Callable[[int, int | None], None]

#: Seconds before a bar appears; most measurements of a test suite take less.
PATIENCE = 2.0


class Progress(Protocol):
    """Opens a bar for some work, and yields what updates it; None where nothing is drawn."""

    def __call__(self, label: str, unit: str = "frames") -> AbstractContextManager[Update | None]:
        """A bar with a label that counts `unit`."""


def no_progress(label: str, unit: str = "frames") -> AbstractContextManager[None]:
    """Draw no bar."""
    return nullcontext(None)


def progress_under_pytest(config: pytest.Config) -> Progress:
    """Bars on the terminal that pytest writes to. None without a terminal, under CI, in workers, or with -q."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if (
        hasattr(config, "workerinput")
        or os.environ.get("CI")
        or not getattr(reporter, "isatty", False)
        or config.get_verbosity() < 0
    ):
        return no_progress
    capture = config.pluginmanager.getplugin("capturemanager")
    pause = capture.global_and_fixture_disabled if capture else nullcontext
    return lambda label, unit="frames": bar(label, sys.__stderr__ or sys.stderr, pause, unit)


def progress_on(stream: TextIO) -> Progress:
    """Bars on a stream, if it is a terminal."""
    if os.environ.get("CI") or not stream.isatty():
        return no_progress
    return lambda label, unit="frames": bar(label, stream, nullcontext, unit)


@contextmanager
def bar(
    label: str, stream: TextIO, pause: Callable[[], AbstractContextManager[object]], unit: str = "frames"
) -> Iterator[Update]:
    """A bar that is drawn only if the work takes long.

    Args:
        label: What the work is about.
        stream: The terminal.
        pause: Opened while the bar is drawn, to take pytest's capture off.
        unit: What is counted.

    Yields:
        What to call with the units done, and those in all.
    """
    begin = time.monotonic()
    with ExitStack() as stack:
        draw: list[Callable[[int, int | None, float], None]] = []
        first: list[tuple[float, int]] = []

        def update(done: int, total: int | None) -> None:
            now = time.monotonic()
            if not first:
                # Work that resumes begins with what was done before.
                first.append((now, done))
            if not draw and now - begin >= PATIENCE:
                # Only now: pytest's capture is taken off, and rich imported, for a bar that is really drawn.
                stack.enter_context(pause())
                draw.append(_start(label, stream, stack, unit))
            rate = (done - first[0][1]) / max(now - first[0][0], 1e-3)
            for redraw in draw:
                redraw(done, total, rate)

        yield update


def _start(label: str, stream: TextIO, stack: ExitStack, unit: str) -> Callable[[int, int | None, float], None]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn(f"{unit}, {{task.fields[rate]:.1f}}/s," if unit == "frames" else f"{unit},"),
        TextColumn("{task.fields[remaining]} left"),
    )
    stream.write("\n")
    bars = stack.enter_context(Progress(*columns, console=Console(file=stream), transient=True, auto_refresh=False))
    description = f"{'scoring ' if unit == 'frames' else ''}{escape(label)}"
    task = bars.add_task(description, total=None, rate=0.0, remaining="")

    def update(done: int, total: int | None, rate: float) -> None:
        # Not rich's own estimate, which looks back half a minute: one trial encode may take longer than that.
        remaining = "-:--:--" if total is None or rate <= 0 else str(timedelta(seconds=round((total - done) / rate)))
        bars.update(task, completed=done, total=total, rate=rate, remaining=remaining, refresh=True)

    return update
