"""What programs and functions of the user start: processes that must not outlive this one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

#: Waits for the end of this process, and kills a process group. Not every shell's kill knows `-9 --`.
GUARD = 'read -r _; kill -s KILL -- "-$1"'

#: The guards by the process group that they watch.
_guards: dict[int, tuple[subprocess.Popen[bytes], int]] = {}
#: When the functions that run now began, in seconds since the system was booted.
_begun: list[float] = []


def start_guard(group: int) -> None:
    """Kill a process group once this process is gone, even if that was killed outright.

    The kernel kills the children of this process then (see `die_with_parent`), but not what they have started.
    """
    if os.name != "posix":
        return
    reader, writer = os.pipe()
    try:
        # In a session of its own, which survives what is sent to the group and the terminal of this process.
        guard = subprocess.Popen(
            ("/bin/sh", "-c", GUARD, "sh", str(group)),
            stdin=reader,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        os.close(writer)
        return
    finally:
        os.close(reader)
    _guards[group] = guard, writer


def end_guard(group: int) -> None:
    """End the guard of a process group. Afterwards the number of the group may be another's."""
    guard, writer = _guards.pop(group, (None, -1))
    if guard is not None:
        guard.kill()
        guard.wait()
        os.close(writer)


@contextlib.contextmanager
def noted_start() -> Iterator[None]:
    """While a function of the user runs: `kill_started` kills what it has started."""
    begun = time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else 0.0
    _begun.append(begun)
    try:
        yield
    finally:
        _begun.remove(begun)


def kill_started() -> None:
    """Kill what functions of the user have started, with all its descendants. On Linux alone."""
    # A copy, since other threads end meanwhile.
    begun = list(_begun)
    if not begun or sys.platform != "linux":
        return
    # The kernel counts in ticks.
    tick = 1 / os.sysconf("SC_CLK_TCK")
    oldest = min(begun) - tick
    parents: dict[int, list[tuple[int, float]]] = {}
    with contextlib.suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, ValueError, IndexError):
                # Behind the name, which may contain anything.
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
                parents.setdefault(int(fields[1]), []).append((int(name), int(fields[19]) * tick))
    descendants = [os.getpid()]
    for parent in descendants:
        descendants += [child for child, start in parents.get(parent, ()) if start >= oldest]
    for child in reversed(descendants[1:]):
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
