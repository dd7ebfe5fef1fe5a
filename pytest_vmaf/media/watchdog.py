"""Watchdog: notices that child processes neither compute nor print anything new."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.command import Command

#: A child that uses less processor time than this, in seconds, within its limit does not compute. ffmpeg with a hanging
#: thread still prints its progress.
BUSY = 0.05
#: The most seconds that count between two looks. This process itself may have been stopped meanwhile.
LONGEST_LOOK = 1.0
#: The lines of ffmpeg's -progress that change although nothing is done.
IDLE_LINES = ("elapsed=", "speed=", "bitrate=", "progress=", "fps=", "stream_")


class Watchdog:
    """Watches child processes that run together, if each of them has a limit.

    A slow encoder is silent for minutes, and computes. A process that hangs does neither.

    Args:
        commands: The processes.
    """

    def __init__(self, commands: Sequence[Command]) -> None:
        limits = [command.stall_limit for command in commands]
        self._commands = commands
        self._limit = None if None in limits else max(limit for limit in limits if limit is not None)
        self._idle, self._busy = 0.0, 0.0
        self._last_look = time.monotonic()
        self._lines: dict[str, str] = {}

    def notice(self, line: str = "") -> None:
        """Note that a child has printed something: a line, or bytes of its output."""
        name = line.partition("=")[0]
        if not line or (not line.startswith(IDLE_LINES) and self._lines.get(name) != line) or not _has_clock():
            self._idle = 0.0
        if line:
            self._lines[name] = line

    def look(self, pids: Sequence[int]) -> None:
        """Look at the children. This must be called more often than once in a second.

        Raises:
            ScorerError: If none of them has computed or printed anything for as long as the limit is.
        """
        now = time.monotonic()
        passed, self._last_look = min(now - self._last_look, LONGEST_LOOK), now
        if self._limit is None or not (_has_clock() or self._commands[-1].on_stdout):
            return
        busy = sum(map(_processor_seconds, pids))
        self._idle += passed
        if busy - self._busy >= BUSY:
            self._idle, self._busy = 0.0, busy
        if self._idle >= self._limit:
            raise ScorerError(
                f"The process made no progress for {self._limit:g} s, so it was killed: it neither computed nor "
                f"printed anything.\n  command: {self._commands[-1]}\n"
                "  Run it again. If the machine is overloaded, run fewer processes at once (pytest -n, workers=); if "
                "it happens every time, use another ffmpeg (--vmaf-ffmpeg)."
            )


@cache
def _has_clock() -> bool:
    """Whether the system tells how much processor time another process has used."""
    return sys.platform == "linux" and Path("/proc/self/stat").exists()


def _processor_seconds(pid: int) -> float:
    """The processor time of a process and of the children that it has waited for, in seconds; 0 if it has ended."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # Behind the name, which may contain anything, in ticks.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0
