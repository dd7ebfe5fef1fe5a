"""Child processes that never outlive the work they were started for."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.text import printable

TAIL_LINES = 40
PR_SET_PDEATHSIG = 1
#: What ffmpeg's verbose log ends with after any failure; the reason stands before it. Whole lines, with what they begin
#: with, as "[vf#0:0 @ 0x55c38fcba8c0] ", so that a line of another program, or one that says more, is none of them.
CHATTER = re.compile(
    r"(?:\[[^\[\]@]* @ \w+\] )*"
    r"(?:Terminating thread with return code -?\d+ \([^()]*\)|Task finished with error code: -?\d+ \([^()]*\)|"
    r"(?:Encoder|Decoder|Filtering|Muxer) thread received EOF(?: packet)?|Decoder returned EOF, finishing|"
    r"EOF while reading input|All (?:consumers|streams) [\w ]+|"
    r"Could not open encoder before EOF|Cannot initialize a standalone decoder|"
    r"Nothing was written into output file, because [^@]*|"
    r"Statistics: \d+ bytes [^@]*|(?:In|Out)put file #\d+ \([^@]*\):|\s*(?:In|Out)put stream #\d+:\d+ [^@]*|"
    r"\s*Total: \d+ packets \(\d+ bytes\) (?:de)?muxed|video:\d+KiB [^@]* muxing overhead: [^@]*|frame= *\d[^@]*|"
    r"Conversion failed!|Exiting with exit code -?\d+|\s*)|"
    r"\[Parsed_showinfo_\d+ @ \w+\] [^@]*"
)


@dataclass(frozen=True)
class Command:
    """One child process: its argument list, and who gets what it prints.

    ``argv`` may hold surrogate-escaped file names. ``on_stderr`` and ``on_stdout`` get each line without its end;
    stdout is thrown away where nobody gets it. ``pass_fds`` stay open in the child and are closed here, as are
    ``stdin`` and ``stdout``, open file descriptors that it reads from and writes to. ``may_fail`` keeps the others
    running when this one fails. ``shown`` is what a message shows, where the whole list would bury what matters.
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
    shown: tuple[str, ...] = ()

    def __str__(self) -> str:
        return printable(shlex.join(self.shown or self.argv))


@dataclass(frozen=True)
class Finished:
    """How a child process ended: its exit code (negative: the signal that killed it) and its last lines of stderr."""

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

    def explain(self, lines: int = 12) -> str:
        """The command, how it ended and the last lines of its output."""
        telling = [line for line in self.tail if not CHATTER.fullmatch(line)]
        said = "\n".join(f"    {line}" for line in telling[-lines:]) or "    (nothing)"
        return f"  command: {self.command}\n  it {self.how}; its last lines were:\n{said}"


#: Children of all threads, for the one that has to stop the others.
_children: set[subprocess.Popen[bytes]] = set()


def stop_children() -> None:
    """End every child of this process, whatever thread waits for it; that thread then finds it killed."""
    for child in list(_children):
        _kill(child)


def run(command: Command, timeout: float | None = None) -> Finished:
    """Run one child process to its end. Raises as :func:`run_together`."""
    return run_together([command], timeout)[0]


def run_together(commands: Sequence[Command], timeout: float | None = None) -> list[Finished]:
    """Run child processes side by side until all have ended; if one fails, the others are stopped.

    ``timeout`` is in seconds for the whole. Whatever happens here, Ctrl-C included, no child is left behind.
    Raises ScorerError when a program cannot be started or the time is over.
    """
    ends: queue.Queue[int] = queue.Queue()
    tails: list[list[tuple[bool, str]]] = [[] for _ in commands]
    children: list[subprocess.Popen[bytes]] = []
    threads: list[threading.Thread] = []
    deadline = None if timeout is None else time.monotonic() + timeout
    started = 0
    try:
        for number, command in enumerate(commands):
            started += 1
            with _afterwards(signal.SIGINT), _afterwards(signal.SIGTERM):
                child = _start(command)
                children.append(child)
                _children.add(child)
                reader = threading.Thread(
                    target=_follow, args=(number, command, child, tails[number], ends), name="pytest-vmaf", daemon=True
                )
                reader.start()
                threads.append(reader)
        for _ in commands:
            number = _next_end(ends, deadline, commands, timeout)
            if children[number].returncode != 0 and not commands[number].may_fail:
                for child in children:
                    _kill(child)
    finally:
        for child in children:
            _kill(child)
            _children.discard(child)
        for command in commands[started:]:
            _close(command)
        for reader in threads:
            reader.join(timeout=5)
    return [
        Finished(command, child.returncode, tuple(line for _, line in tail))
        for command, child, tail in zip(commands, children, tails, strict=True)
    ]


@contextlib.contextmanager
def _afterwards(number: signal.Signals) -> Iterator[None]:
    """Let a signal's handler run when a child is started and known to be there, not while it is.

    Python drops what a handler raises in a hook around a fork (os.register_at_fork, as logging does): Ctrl-C would be
    lost. Handlers run in the main thread alone, so that others have nothing to hold back.
    """
    handler = signal.getsignal(number) if threading.current_thread() is threading.main_thread() else None
    # One that is ignored, or that ends the process at once, is so in the child too.
    if not callable(handler):
        yield
        return
    held: list[int] = []
    signal.signal(number, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(number, handler)
        if held:
            signal.raise_signal(number)


def _start(command: Command) -> subprocess.Popen[bytes]:
    stdout = subprocess.DEVNULL if command.stdout is None else command.stdout
    if command.on_stdout is not None or command.stdout_bytes is not None:
        stdout = subprocess.PIPE
    options: dict[str, Any] = {}
    if os.name == "posix":
        options["process_group"] = 0
        options["pass_fds"] = command.pass_fds
        if sys.platform == "linux":
            options["preexec_fn"] = _die_with_parent
    else:  # pragma: no cover  (Windows)
        options["creationflags"] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    try:
        child = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            stdin=subprocess.DEVNULL if command.stdin is None else command.stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=_environment(),
            **options,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ScorerError(
            f"{printable(command.argv[0])} cannot be started: {reason}.\n"
            "  `pytest-vmaf doctor` shows which tools are found, and where."
        ) from error
    finally:
        # The child has its own copy; a reader would wait for ever for the end of a pipe that this process holds open.
        _close(command)
    return child


def _close(command: Command) -> None:
    for fd in (*command.pass_fds, command.stdin, command.stdout):
        if fd is not None:
            os.close(fd)


def _environment() -> dict[str, str]:
    # ffmpeg must not colour the lines that are read here.
    kept = {name: value for name, value in os.environ.items() if name != "AV_LOG_FORCE_COLOR"}
    return {**kept, "AV_LOG_FORCE_NOCOLOR": "1"}


def _follow(
    number: int, command: Command, child: subprocess.Popen[bytes], tail: list[tuple[bool, str]], ends: queue.Queue[int]
) -> None:
    """Drain what the child prints, wait for its end and say so. Runs in a thread of its own."""

    def heard(line: str) -> None:
        _remember(tail, printable(line))
        if command.on_stderr is not None:
            command.on_stderr(line)

    assert child.stderr is not None  # noqa: S101  (for the type checker: it was asked for)
    try:
        other = ending = None
        if child.stdout is not None:
            other = threading.Thread(target=_drain_stdout, args=(command, child.stdout), daemon=True)
            other.start()
        if os.name == "posix":
            # What it leaves in the background would hold the pipes open, and outlive the work.
            ending = threading.Thread(target=_end_group, args=(child.pid,), daemon=True)
            ending.start()
        _lines(child.stderr, heard)
        if other is not None:
            other.join()
        if ending is not None:
            # Before it is waited for: afterwards its number, and with it its group, is nobody's.
            ending.join()
        child.wait()
    finally:
        _kill(child)
        ends.put(number)


def _remember(tail: list[tuple[bool, str]], line: str) -> None:
    """Keep the last lines. Of more than TAIL_LINES, chatter goes first: under load there is enough to push out the
    reason.
    """
    tail.append((CHATTER.fullmatch(line) is not None, line))
    if len(tail) > TAIL_LINES:
        del tail[next((place for place, (chatter, _) in enumerate(tail) if chatter), 0)]


def _end_group(pid: int) -> None:
    """When a child has ended, end what it has started. It is not waited for yet, so its number cannot be another's."""
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _drain_stdout(command: Command, stream: IO[bytes]) -> None:
    if command.stdout_bytes is not None:
        with stream:
            while chunk := stream.read(1 << 16):
                command.stdout_bytes(chunk)
    elif command.on_stdout is not None:
        _lines(stream, command.on_stdout)


def _lines(stream: IO[bytes], heard: Callable[[str], None]) -> None:
    # Closed too when the listener fails, or the child would wait for ever for somebody to read.
    with stream:
        # A line is cut at 64 KiB, so that a child which never ends its line cannot fill the memory.
        while line := stream.readline(1 << 16):
            heard(line.decode("utf-8", "replace").rstrip("\r\n"))


def _next_end(
    ends: queue.Queue[int], deadline: float | None, commands: Sequence[Command], timeout: float | None
) -> int:
    while True:
        # In slices, because on Windows a wait without end cannot be interrupted by Ctrl-C.
        left = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
        if left <= 0:
            raise ScorerError(
                f"The time limit of {timeout:g} s was over before the work was done; it was stopped.\n"
                f"  command: {commands[-1]}\n"
                "  Raise --vmaf-timeout, or score a shorter clip."
            )
        with contextlib.suppress(queue.Empty):
            return ends.get(timeout=left)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End a child and all it has started. Nothing happens to one that has ended and been waited for."""
    if child.returncode is None:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        else:  # pragma: no cover  (Windows)
            child.kill()
        child.wait()


def _load_prctl() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, AttributeError):
        prctl: Callable[..., int] = ctypes.CDLL(None).prctl
        return prctl
    return None


_prctl = _load_prctl()


def _die_with_parent() -> None:
    """Runs in the child before exec: the kernel kills it when the thread that started it is gone (prctl(2)).

    A worker that is killed outright has no chance to stop its scorer; on other systems the scorer then runs to its end.
    """
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
