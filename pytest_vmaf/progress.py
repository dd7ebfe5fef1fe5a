"""A progress bar for scorings that take long: frames, frames/s and the time that is left."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import pytest

    Update = Callable[[int, int | None], None]
    Progress = Callable[..., AbstractContextManager[Update | None]]

#: Seconds before a bar appears; most scorings of a test suite are over by then.
PATIENCE = 2.0


def no_progress(label: str, unit: str = "frames") -> AbstractContextManager[None]:
    """No bar."""
    return nullcontext(None)


def progress_under_pytest(config: pytest.Config) -> Progress:
    """A bar on the terminal that pytest writes to; none without a terminal, under CI, in workers, or with -q."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if (
        hasattr(config, "workerinput")
        or os.environ.get("CI")
        or not getattr(reporter, "isatty", False)
        or config.get_verbosity() < 0
    ):
        return no_progress
    capture = config.pluginmanager.getplugin("capturemanager")

    def pause() -> AbstractContextManager[object]:
        paused: AbstractContextManager[object] = capture.global_and_fixture_disabled() if capture else nullcontext()
        return paused

    return lambda label, unit="frames": bar(label, sys.__stderr__ or sys.stderr, pause, unit)


def progress_on(stream: TextIO) -> Progress:
    """A bar on a stream, if that is a terminal."""
    if os.environ.get("CI") or not stream.isatty():
        return no_progress
    return lambda label, unit="frames": bar(label, stream, nullcontext, unit)


@contextmanager
def bar(
    label: str, stream: TextIO, pause: Callable[[], AbstractContextManager[object]], unit: str = "frames"
) -> Iterator[Update]:
    """Yields what to call with (units done, units in all or None). Drawn only when the work takes long."""
    begun = time.monotonic()
    with ExitStack() as stack:
        draw: list[Callable[[int, int | None, float], None]] = []
        first: list[tuple[float, int]] = []

        def update(done: int, total: int | None) -> None:
            now = time.monotonic()
            if not first:
                # Work that goes on where it was stopped begins with what was done then.
                first.append((now, done))
            if not draw and now - begun >= PATIENCE:
                # Only now: pytest's capture is taken off, and rich imported, for a bar that is really seen.
                stack.enter_context(pause())
                draw.append(_start(label, stream, stack, unit))
            rate = (done - first[0][1]) / max(now - first[0][0], 1e-3)
            for show in draw:
                show(done, total, rate)

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
        TextColumn("{task.fields[left]} left"),
    )
    stream.write("\n")
    shown = stack.enter_context(Progress(*columns, console=Console(file=stream), transient=True, auto_refresh=False))
    task = shown.add_task(f"{'scoring ' if unit == 'frames' else ''}{escape(label)}", total=None, rate=0.0, left="")

    def update(done: int, total: int | None, rate: float) -> None:
        # Not rich's own estimate, which looks back half a minute: one probe may take longer than that.
        left = "-:--:--" if total is None or rate <= 0 else str(timedelta(seconds=round((total - done) / rate)))
        shown.update(task, completed=done, total=total, rate=rate, left=left, refresh=True)

    return update
