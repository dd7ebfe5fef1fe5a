"""Command: the description of a child process. Finished: how it ended."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import signal
from collections.abc import Callable
from dataclasses import dataclass

from pytest_vmaf.media.spool import without_spools
from pytest_vmaf.text import printable

#: What the system says when nothing can be written any more.
DISK_FULL = os.strerror(errno.ENOSPC)


@dataclass(frozen=True)
class Command:
    """One child process: its argument list, and who receives its output.

    Attributes:
        argv: The program and its arguments. They may hold surrogate-escaped file names.
        cwd: The working directory, or None for that of this process.
        on_stderr: Called with each line of stderr, without the line end.
        on_stdout: Called with each line of stdout. Stdout is discarded if nobody receives it.
        stdout_bytes: Called with chunks of stdout as they come, instead of lines.
        pass_fds: File descriptors that stay open in the child and are closed in this process.
        stdin: A file descriptor that the child reads from; closed in this process.
        stdout: A file descriptor that the child writes to; closed in this process.
        may_fail: Whether the other processes keep running when this one fails.
        display_argv: What messages print in place of `argv`, where the full list would bury what matters.
        environment: Variables that are set for the child, or removed (None).
        noise: The form of stderr lines that never explain a failure. Messages leave them out.
        starts_others: Whether this is a program of the user, which may start others.
        stall_limit: Seconds after which the process is killed if it neither computes nor prints; None for no limit.
    """

    argv: tuple[str, ...]
    cwd: str | None = None
    on_stderr: Callable[[str], None] | None = None
    on_stdout: Callable[[str], None] | None = None
    stdout_bytes: Callable[[bytes], None] | None = None
    pass_fds: tuple[int, ...] = ()
    stdin: int | None = None
    stdout: int | None = None
    may_fail: bool = False
    display_argv: tuple[str, ...] = ()
    environment: tuple[tuple[str, str | None], ...] = ()
    noise: re.Pattern[str] | None = None
    starts_others: bool = False
    stall_limit: float | None = None

    def __str__(self) -> str:
        return without_spools(printable(shlex.join(self.display_argv or self.argv)))

    def is_noise(self, line: str) -> bool:
        """Whether a line of stderr never explains a failure."""
        return self.noise is not None and self.noise.fullmatch(line) is not None

    def close(self) -> None:
        """Close this process's copies of the file descriptors that are the child's."""
        for fd in (*self.pass_fds, self.stdin, self.stdout):
            if fd is not None:
                os.close(fd)


@dataclass(frozen=True)
class Finished:
    """How a child process ended.

    Attributes:
        command: What was run.
        returncode: The exit code; negative is the signal that killed the process.
        tail: The last lines of stderr.
    """

    command: Command
    returncode: int
    tail: tuple[str, ...]

    @property
    def how(self) -> str:
        """The end in words, for an error message."""
        if self.returncode < 0:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(-self.returncode).name}"
        return f"ended with exit code {self.returncode}"

    @property
    def disk_full(self) -> str:
        """ "The disk is full. " if the child reports that, else ""."""
        return "The disk is full. " if any(DISK_FULL in line for line in self.tail) else ""

    def explain(self, lines: int = 12, *, how: bool = True) -> str:
        """The command, how it ended (unless a message has that) and the last lines of its output."""
        telling = [line for line in self.tail if not self.command.is_noise(line)]
        text = without_spools("\n".join(f"    {line}" for line in telling[-lines:]))
        output = f"its last lines were:\n{text}" if text else "it printed no message"
        return f"  command: {self.command}\n  {f'it {self.how}; ' if how else ''}{output}"
