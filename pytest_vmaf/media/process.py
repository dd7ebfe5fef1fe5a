"""Child processes: start them, read their output, and leave none behind."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.child_signals import ENDING, deferred, note_start, start_that_dies_with_parent
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.guard import end_guard, kill_started, start_guard
from pytest_vmaf.media.termination import ended_by_signals
from pytest_vmaf.media.watchdog import Watchdog
from pytest_vmaf.text import printable

TAIL_LINES = 40

#: The children of all threads, for `stop_children`.
_children: dict[subprocess.Popen[bytes], Command] = {}


def stop_children() -> None:
    """Kill every child of this process, whichever thread waits for it. That thread then finds it killed."""
    kill_started()
    for child in list(_children):
        _kill(child)


def stop(command: Command) -> None:
    """Kill the child that was started for a command, if it runs. The thread that waits for it finds it killed."""
    for child, its_command in list(_children.items()):
        if its_command is command:
            _kill(child)


def run(command: Command, timeout: float | None = None) -> Finished:
    """Run one child process to its end. Raises as `run_together`."""
    return run_together([command], timeout)[0]


def run_together(
    commands: Sequence[Command], timeout: float | None = None, is_waited_for: Callable[[], bool] = lambda: True
) -> list[Finished]:
    """Run child processes side by side until all have ended. If one fails, the others are stopped.

    Whatever happens here, Ctrl-C and SIGTERM included, no child is left behind.

    Args:
        commands: The processes.
        timeout: Seconds for all of them together.
        is_waited_for: Called twice a second. While it is false, nobody reads the output, so that processes may stand
            still. What it raises stops them.

    Raises:
        ScorerError: If a program cannot be started, the time limit is exceeded, no process makes progress, or the
            system refuses a thread.
    """
    with ended_by_signals():
        return _run_together(commands, timeout, is_waited_for)


def _run_together(
    commands: Sequence[Command], timeout: float | None, is_waited_for: Callable[[], bool]
) -> list[Finished]:
    watchdog = Watchdog(commands)
    ends: queue.Queue[int] = queue.Queue()
    tails: list[list[tuple[str, bool]]] = [[] for _ in commands]
    children: list[subprocess.Popen[bytes]] = []
    threads: list[threading.Thread] = []
    deadline = None if timeout is None else time.monotonic() + timeout
    started = 0

    def look() -> None:
        if not is_waited_for():
            watchdog.notice()
        watchdog.look([child.pid for child in children])

    try:
        for number, command in enumerate(commands):
            started += 1
            with deferred(signal.SIGINT, *ENDING):
                child = _start(command)
                children.append(child)
                _children[child] = command
                if command.starts_others:
                    start_guard(child.pid)
                _watch(number, command, child, tails[number], ends, threads, watchdog)
        for _ in commands:
            number = _next_end(ends, deadline, commands, timeout, look)
            if children[number].returncode != 0 and not commands[number].may_fail:
                for child in children:
                    _kill(child)
    finally:
        for child in children:
            _kill(child)
            _children.pop(child, None)
        for command in commands[started:]:
            command.close()
        for thread in threads:
            thread.join(timeout=5)
    return [
        Finished(command, child.returncode, tuple(line for line, _ in tail))
        for command, child, tail in zip(commands, children, tails, strict=True)
    ]


@contextlib.contextmanager
def thread_refusals() -> Iterator[None]:
    """Turn the interpreter's error for a thread that cannot be started into one that says what to do.

    Raises:
        ScorerError: If the system refused a thread.
    """
    try:
        yield
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        raise ScorerError(
            f"The system refused a thread ({error}): too many processes or threads are running.\n"
            "  Run fewer at once (pytest -n, workers=), or raise the limit (ulimit -u, or a container's limit of pids)."
        ) from error


def _start(command: Command) -> subprocess.Popen[bytes]:
    stdout = subprocess.DEVNULL if command.stdout is None else command.stdout
    if command.on_stdout is not None or command.stdout_bytes is not None:
        stdout = subprocess.PIPE
    argv, hook = start_that_dies_with_parent(command.argv)
    options: dict[str, Any] = {}
    if os.name == "posix":
        options = {"process_group": 0, "pass_fds": command.pass_fds, "preexec_fn": hook}
    else:  # pragma: no cover  (Windows)
        options["creationflags"] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    variables = {**os.environ, **dict(command.environment)}
    try:
        child = subprocess.Popen(
            argv,
            cwd=command.cwd,
            stdin=subprocess.DEVNULL if command.stdin is None else command.stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={name: value for name, value in variables.items() if value is not None},
            **options,
        )
        note_start(command.argv)
        return child
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ScorerError(
            f"{printable(command.argv[0])} cannot be started: {reason}.\n"
            "  `pytest-vmaf doctor` shows which tools are found, and where."
        ) from error
    finally:
        # The child has its own copy. The end of a pipe that stays open here would never reach its reader.
        command.close()


def _watch(
    number: int,
    command: Command,
    child: subprocess.Popen[bytes],
    tail: list[tuple[str, bool]],
    ends: queue.Queue[int],
    threads: list[threading.Thread],
    watchdog: Watchdog,
) -> None:
    """Start the threads that read a child's output and wait for its end, and add them to `threads`."""
    helpers: list[tuple[threading.Thread, IO[bytes] | None]] = []
    if child.stdout is not None:
        drained = (command, child.stdout, watchdog)
        drain = threading.Thread(target=_drain_stdout, args=drained, name="pytest-vmaf", daemon=True)
        helpers.append((drain, child.stdout))
    if os.name == "posix":
        # What the child leaves in the background would hold the pipes open, and outlive the work.
        group = threading.Thread(target=_end_group, args=(child.pid,), name="pytest-vmaf", daemon=True)
        helpers.append((group, None))
    arguments = (number, command, child, [thread for thread, _ in helpers], tail, ends, watchdog)
    reader = threading.Thread(target=_follow, args=arguments, name="pytest-vmaf", daemon=True)
    pending = [*helpers, (reader, child.stderr)]
    try:
        with thread_refusals():
            while pending:
                pending[0][0].start()
                threads.append(pending.pop(0)[0])
    finally:
        for _, stream in pending:
            # No thread will read it.
            if stream is not None:
                stream.close()


def _follow(
    number: int,
    command: Command,
    child: subprocess.Popen[bytes],
    helpers: Sequence[threading.Thread],
    tail: list[tuple[str, bool]],
    ends: queue.Queue[int],
    watchdog: Watchdog,
) -> None:
    """Read the child's stderr, wait for its end and report it. Runs in a thread of its own."""

    def on_line(line: str) -> None:
        watchdog.notice()
        _add_to_tail(tail, printable(line), command)
        if command.on_stderr is not None:
            command.on_stderr(line)

    assert child.stderr is not None  # noqa: S101  (for the type checker: it was requested)
    try:
        _read_lines(child.stderr, on_line)
        for helper in helpers:
            # Before the child is waited for: afterwards its number, and with it its group, may be another's.
            helper.join()
        child.wait()
    finally:
        _kill(child)
        ends.put(number)


def _add_to_tail(tail: list[tuple[str, bool]], line: str, command: Command) -> None:
    """Append a line, and keep the last TAIL_LINES. Noise goes first: under load it would push out the reason."""
    tail.append((line, command.is_noise(line)))
    if len(tail) > TAIL_LINES:
        del tail[next((place for place, (_, is_noise) in enumerate(tail) if is_noise), 0)]


def _end_group(pid: int) -> None:
    """When a child has ended, kill what it has started. It is not waited for yet, so its number is still its own."""
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        end_guard(pid)


def _drain_stdout(command: Command, stream: IO[bytes], watchdog: Watchdog) -> None:
    def on_line(line: str) -> None:
        watchdog.notice(line)
        if command.on_stdout is not None:
            command.on_stdout(line)

    if command.stdout_bytes is None:
        _read_lines(stream, on_line)
        return
    with stream:
        while chunk := stream.read(1 << 16):
            watchdog.notice()
            command.stdout_bytes(chunk)


def _read_lines(stream: IO[bytes], on_line: Callable[[str], None]) -> None:
    # Closed too if the listener fails, or the child would wait for ever for a reader.
    with stream:
        # A line is cut at 64 KiB, so that a child which never ends its line cannot fill the memory.
        while line := stream.readline(1 << 16):
            on_line(line.decode("utf-8", "replace").rstrip("\r\n"))


def _next_end(
    ends: queue.Queue[int],
    deadline: float | None,
    commands: Sequence[Command],
    timeout: float | None,
    look: Callable[[], None],
) -> int:
    while True:
        look()
        # In slices, because on Windows a wait without a limit cannot be interrupted by Ctrl-C.
        wait = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
        if wait <= 0:
            raise ScorerError(
                f"The time limit of {timeout:g} s was exceeded, and the process was stopped.\n"
                f"  command: {commands[-1]}\n"
                "  Raise --vmaf-timeout, or use a shorter clip."
            )
        with contextlib.suppress(queue.Empty):
            return ends.get(timeout=wait)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a child and all it has started. Nothing happens to one that has ended and been waited for."""
    if child.returncode is None:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            end_guard(child.pid)
        else:  # pragma: no cover  (Windows)
            child.kill()
        child.wait()
