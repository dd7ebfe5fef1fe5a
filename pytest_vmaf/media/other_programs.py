"""OtherPrograms: how busy the rest of the machine is while something is timed."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_vmaf.media.stopwatch import Stopwatch

#: The kernel's count of what all processors did since the start of the system, in ticks (proc(5)).
STAT = Path("/proc/stat")


class OtherPrograms:
    """Counts what other programs than this process and its children take of the processors, from its creation on."""

    def __init__(self) -> None:
        self._watch, self._start = Stopwatch(own=True), _ticks()

    def share(self) -> float | None:
        """Their share of the time of all processors, from 0 to 1, beyond what was idle; None if it is not known.

        A machine with as much idle time has room for them. A virtual machine counts what its host takes (steal), too.
        """
        end, own = _ticks(), self._watch.read().cpu
        if end is None or self._start is None or own is None:
            return None
        busy, total = (after - before for after, before in zip(end, self._start, strict=True))
        if total <= 0:
            return None
        others, idle = busy - own * os.sysconf("SC_CLK_TCK"), total - busy
        return min(1.0, max(0.0, (others - idle) / total))


def _ticks() -> tuple[int, int] | None:
    """The busy ticks of all processors, and all ticks."""
    try:
        name, *fields = STAT.read_text(encoding="ascii").split("\n", 1)[0].split()
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, fields[:8])
    except (OSError, ValueError):
        return None
    busy = user + nice + system + irq + softirq + steal
    return (busy, busy + idle + iowait) if name == "cpu" else None
