"""Child processes: none outlives its work, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.command import Command
from pytest_vmaf.media.process import TAIL_LINES, run, run_together
from pytest_vmaf.text import printable

posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def python(code: str, *arguments: object, **settings: object) -> Command:
    """A child that runs this code."""
    return Command((sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)), **settings)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and was not waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid: int, within: float = 5.0) -> bool:
    """Whether a process ends in time."""
    return soon(lambda: not alive(pid), within)


def soon(happens, within: float = 10.0) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if happens():
            return True
        time.sleep(0.02)
    return bool(happens())


SLEEPER = """
    import os, pathlib, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pathlib.Path(sys.argv[1] + ".part").write_text(str(os.getpid()))
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    time.sleep(60)
"""


def test_gives_the_exit_code_and_the_last_lines():
    end = run(python("import sys; [print(f'line {n}', file=sys.stderr) for n in range(100)]; sys.exit(3)"))
    assert end.returncode == 3
    assert end.tail == tuple(f"line {n}" for n in range(60, 100))
    assert end.how == "ended with exit code 3"
    text = end.explain(2)
    assert "line 98\n    line 99" in text
    assert "line 97" not in text
    assert str(end.command) in text


@posix
def test_names_the_signal_that_killed_a_child():
    end = run(python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))
    assert end.returncode == -signal.SIGSEGV
    assert end.how == "was killed by SIGSEGV"
    assert "(nothing)" in end.explain()


def test_every_line_is_heard_from_both_streams():
    out: list[str] = []
    err: list[str] = []
    code = "import sys\nfor n in range(5000): print('o', n); print('e', n, file=sys.stderr)"
    run(python(code, on_stdout=out.append, on_stderr=err.append))
    assert out == [f"o {n}" for n in range(5000)]
    assert err == [f"e {n}" for n in range(5000)]


def test_bytes_come_as_they_are():
    got = bytearray()
    run(python("import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000)", stdout_bytes=got.extend))
    assert bytes(got) == bytes(range(256)) * 1000


def test_output_that_is_not_text_does_no_harm():
    end = run(python(r"import sys; sys.stderr.buffer.write(b'\xff\xfe \x1b[2J \x00 end\r\n')"))
    assert end.tail[-1].endswith("end")
    assert "\x1b" not in end.tail[-1]
    assert "\x00" not in end.tail[-1]


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_endless_output_without_a_line_end_does_not_fill_the_memory(stream):
    longest = 0
    total = 0

    def heard(line: str) -> None:
        nonlocal longest, total
        longest, total = max(longest, len(line)), total + len(line)

    code = f"import sys\nfor _ in range(1024): sys.{stream}.write('x' * 65536)"
    end = run(python(code, **{f"on_{stream}": heard}))
    assert end.returncode == 0
    assert total == 1024 * 65536
    assert longest <= 65536
    assert sum(map(len, end.tail)) <= 40 * 65536


def test_a_child_cannot_read_from_the_terminal():
    assert run(python("import sys; sys.exit(len(sys.stdin.read()))")).returncode == 0


def test_a_program_that_does_not_exist_is_named_with_what_to_do(tmp_path):
    with pytest.raises(ScorerError, match=r"no-such-program cannot be started: No such file .*\n.*pytest-vmaf doctor"):
        run(Command((str(tmp_path / "no-such-program"), "-x")))


@posix
def test_a_program_that_cannot_be_run_is_named(tmp_path):
    (tmp_path / "data").write_text("no program")
    with pytest.raises(ScorerError, match="data cannot be started: Permission denied"):
        run(Command((str(tmp_path / "data"),)))


def test_an_argument_with_a_null_byte_is_a_scorer_error():
    with pytest.raises(ScorerError, match="cannot be started: embedded null byte"):
        run(Command((sys.executable, "a\0b")))


@linux
def test_a_child_that_ignores_sigterm_is_gone_after_a_timeout(tmp_path):
    pid = tmp_path / "pid"
    begin = time.monotonic()
    with pytest.raises(ScorerError, match=r"The time limit of 1\.5 s was exceeded.*\n.*-c.*\n.*--vmaf-timeout"):
        run(python(SLEEPER, pid), timeout=1.5)
    assert time.monotonic() - begin < 60
    assert gone(int(pid.read_text()))


@linux
def test_what_a_child_has_started_is_gone_after_a_timeout(tmp_path):
    pid = tmp_path / "pid"
    code = f"""
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", {textwrap.dedent(SLEEPER)!r}, sys.argv[1]])
        time.sleep(60)
    """
    with pytest.raises(ScorerError, match="time limit"):
        run(python(code, pid), timeout=1.5)
    assert gone(int(pid.read_text()))


@linux
def test_when_one_of_two_fails_the_other_is_stopped(tmp_path):
    pid = tmp_path / "pid"
    failing = """
        import os, sys, time
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        sys.exit(7)
    """
    begin = time.monotonic()
    ends = run_together([python(SLEEPER, pid), python(failing, pid)])
    assert time.monotonic() - begin < 10
    assert [end.returncode for end in ends] == [-signal.SIGKILL, 7]
    assert not alive(int(pid.read_text()))


@linux
def test_when_the_second_cannot_be_started_the_first_is_stopped(tmp_path):
    before = set(children())
    with pytest.raises(ScorerError, match="cannot be started"):
        run_together([python(SLEEPER, tmp_path / "pid"), Command((str(tmp_path / "none"),))])
    assert set(children()) == before


def test_both_of_two_that_succeed_are_waited_for(tmp_path):
    code = "import sys, time; time.sleep(float(sys.argv[1])); print(sys.argv[1], file=sys.stderr)"
    ends = run_together([python(code, 0.4), python(code, 0)])
    assert [(end.returncode, end.tail) for end in ends] == [(0, ("0.4",)), (0, ("0",))]


@posix
def test_a_pipe_between_two_children_ends_when_the_first_does():
    read, write = os.pipe()
    got: list[str] = []
    writer = python("import os, sys; os.write(int(sys.argv[1]), b'frames')", write, pass_fds=(write,))
    code = "import os, sys; print(os.fdopen(int(sys.argv[1]), 'rb').read().decode())"
    run_together([writer, python(code, read, pass_fds=(read,), on_stdout=got.append)], timeout=20)
    assert got == ["frames"]
    for fd in (read, write):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


@posix
def test_pipes_are_closed_when_nothing_could_be_started(tmp_path):
    read, write = os.pipe()
    none = str(tmp_path / "none")
    with pytest.raises(ScorerError, match="cannot be started"):
        run_together([Command((none,), pass_fds=(write,)), Command((none,), pass_fds=(read,))])
    for fd in (read, write):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


@posix
def test_a_pipe_to_standard_input_joins_two_children():
    read, write = os.pipe()
    got = bytearray()
    writer = python("import os, sys; os.write(int(sys.argv[1]), bytes(range(256)))", write, pass_fds=(write,))
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    ends = run_together([writer, python(code, stdin=read, stdout_bytes=got.extend)], timeout=20)
    assert [end.returncode for end in ends] == [0, 0]
    assert bytes(got) == bytes(range(256))
    for fd in (read, write):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


@posix
def test_standard_output_may_go_to_a_file(tmp_path):
    file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    end = run(
        python("import sys; sys.stdout.buffer.write(bytes(range(256))); print('said', file=sys.stderr)", stdout=file)
    )
    assert (end.returncode, end.tail) == (0, ("said",))
    assert (tmp_path / "out").read_bytes() == bytes(range(256))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


@posix
def test_input_and_output_are_closed_when_the_program_cannot_be_started(tmp_path):
    read, write = os.pipe()
    file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    none = str(tmp_path / "none")
    with pytest.raises(ScorerError, match="cannot be started"):
        run_together([Command((none,), pass_fds=(write,)), Command((none,), stdin=read, stdout=file)])
    for fd in (read, write, file):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_one_that_may_fail_does_not_stop_the_other():
    code = "import sys, time; time.sleep(float(sys.argv[1])); sys.exit(int(sys.argv[2]))"
    ends = run_together([python(code, 0, 3, may_fail=True), python(code, 0.5, 0)])
    assert [end.returncode for end in ends] == [3, 0]


@posix
def test_one_that_may_fail_is_stopped_when_the_other_fails():
    code = "import sys, time; time.sleep(float(sys.argv[1])); sys.exit(int(sys.argv[2]))"
    ends = run_together([python(code, 60, 0, may_fail=True), python(code, 0, 3)], timeout=30)
    assert [end.returncode for end in ends] == [-signal.SIGKILL, 3]


@posix
def test_a_reader_that_ends_early_ends_the_writer_too():
    read, write = os.pipe()
    code = "import os, sys\nwhile True: os.write(int(sys.argv[1]), bytes(65536))"
    writer = python(code, write, pass_fds=(write,), may_fail=True)
    wrote, ended = run_together([writer, python("import sys; sys.stdin.buffer.read(10)", stdin=read)], timeout=30)
    assert ended.returncode == 0
    assert wrote.returncode != 0
    assert "Broken pipe" in wrote.tail[-1]


def test_what_follows_from_a_failure_does_not_bury_its_reason():
    chatter = [
        "[vost#0:0 @ 0x5] Task finished with error code: -22 (Invalid argument)",
        "[vost#2:0 @ 0x5] [enc:wrapped_avframe @ 0x5] Could not open encoder before EOF",
        "[ @ 0x5] Cannot initialize a standalone decoder",
        "[out#0/mp4 @ 0x5] Nothing was written into output file, because one of its streams received no packets.",
    ]
    code = "import sys; print('\\n'.join(['the reason', *sys.argv[1:]]), file=sys.stderr); sys.exit(1)"
    said = run(python(code, *chatter)).explain(1)
    assert said.endswith("its last lines were:\n    the reason")


#: What ffmpeg says of a crop that cannot be, on a busy machine: the reason is the 41st line from the end.
BUSY = """\
[Parsed_crop_0 @ 0x55c3] Invalid too big or non positive size for width '998' or height '10'
[Parsed_crop_0 @ 0x55c3] Failed to configure input pad on Parsed_crop_0
[vf#0:0 @ 0x55c3] Error reinitializing filters!
[vf#0:0 @ 0x55c3] Task finished with error code: -22 (Invalid argument)
[vf#0:0 @ 0x55c3] Terminating thread with return code -22 (Invalid argument)
[vost#0:0/libx264 @ 0x55c3] [enc:libx264 @ 0x55c3] Encoder thread received EOF
[vost#0:0/libx264 @ 0x55c3] [enc:libx264 @ 0x55c3] Could not open encoder before EOF
[vost#0:0/libx264 @ 0x55c3] Task finished with error code: -22 (Invalid argument)
[vost#0:0/libx264 @ 0x55c3] Terminating thread with return code -22 (Invalid argument)
[in#0/matroska,webm @ 0x55c3] EOF while reading input
[in#0/matroska,webm @ 0x55c3] Terminating thread with return code 0 (success)
[ @ 0x55c3] Decoder thread received EOF packet
[ @ 0x55c3] Cannot initialize a standalone decoder
[ @ 0x55c3] Task finished with error code: -541478725 (End of file)
[ @ 0x55c3] Terminating thread with return code 0 (success)
[vist#0:0/ffv1 @ 0x55c3] [dec:ffv1 @ 0x55c3] Decoder thread received EOF packet
[vist#0:0/ffv1 @ 0x55c3] [dec:ffv1 @ 0x55c3] Decoder returned EOF, finishing
[fc#0 @ 0x55c3] Filtering thread received EOF
[vost#2:0/wrapped_avframe @ 0x55c3] [enc:wrapped_avframe @ 0x55c3] Encoder thread received EOF
[vost#2:0/wrapped_avframe @ 0x55c3] [enc:wrapped_avframe @ 0x55c3] Could not open encoder before EOF
[vost#2:0/wrapped_avframe @ 0x55c3] Task finished with error code: -22 (Invalid argument)
[vost#1:0/wrapped_avframe @ 0x55c3] [enc:wrapped_avframe @ 0x55c3] Encoder thread received EOF
[vost#1:0/wrapped_avframe @ 0x55c3] [enc:wrapped_avframe @ 0x55c3] Could not open encoder before EOF
[vost#1:0/wrapped_avframe @ 0x55c3] Task finished with error code: -22 (Invalid argument)
[fc#0 @ 0x55c3] Terminating thread with return code 0 (success)
[vost#2:0/wrapped_avframe @ 0x55c3] Terminating thread with return code -22 (Invalid argument)
[vost#1:0/wrapped_avframe @ 0x55c3] Terminating thread with return code -22 (Invalid argument)
[vist#0:0/ffv1 @ 0x55c3] [dec:ffv1 @ 0x55c3] Terminating thread with return code 0 (success)
[out#0/mp4 @ 0x55c3] Nothing was written into output file, because at least one of its streams received no packets.
[out#1/null @ 0x55c3] Nothing was written into output file, because at least one of its streams received no packets.
[out#2/null @ 0x55c3] Nothing was written into output file, because at least one of its streams received no packets.
frame=    0 fps=0.0 q=0.0 Lq=0.0 q=0.0 size=       0KiB time=N/A bitrate=N/A speed=N/A elapsed=0:00:00.06
[AVIOContext @ 0x55c3] Statistics: 188 bytes written, 0 seeks, 1 writeouts
[AVIOContext @ 0x55c3] Statistics: 0 bytes written, 0 seeks, 0 writeouts
[in#0/matroska,webm @ 0x55c3] Input file #0 (file:source.mkv):
[in#0/matroska,webm @ 0x55c3]   Input stream #0:0 (video): 12 packets read (2573 bytes); 12 frames decoded; 0 errors;
[in#0/matroska,webm @ 0x55c3]   Total: 12 packets (257314 bytes) demuxed
[AVIOContext @ 0x55c3] Statistics: 258021 bytes read, 0 seeks
Conversion failed!

Exiting with exit code -22
"""


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="forks")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_arrives_while_a_child_is_started_is_not_lost(number: signal.Signals):
    program = f"""
    import os, signal, sys
    from pytest_vmaf.media.command import Command
    from pytest_vmaf.media.process import run

    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal({int(number)}, interrupt)
    # Python drops what a handler raises in here.
    os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), {int(number)}))
    try:
        run(Command((sys.executable, "-c", "import time; time.sleep(3)")))
    except KeyboardInterrupt:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            sys.exit("interrupted, and no child is left")
    sys.exit("lost")
    """
    argv = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    assert subprocess.run(argv, capture_output=True, text=True).stderr == "interrupted, and no child is left\n"


def test_chatter_cannot_push_out_the_reason():
    lines = BUSY.splitlines()
    assert len(lines) > TAIL_LINES
    code = "import sys; print('before\\n' * 60 + sys.argv[1], end='', file=sys.stderr); sys.exit(1)"
    end = run(python(code, BUSY))
    assert len(end.tail) == TAIL_LINES
    # Nothing but the chatter is taken out.
    assert end.explain(3).splitlines()[-3:] == [f"    {lines[n]}" for n in range(3)]
    assert end.explain(4).splitlines()[-4] == "    before"


@pytest.mark.parametrize(
    "line",
    [
        "[Parsed_crop_0 @ 0x5] Invalid too big or non positive size[vf#0:0 @ 0x5] Terminating thread with code 0",
        "[vf#0:0 @ 0x5] Terminating thread with return code -22 (Invalid argument)[Parsed_crop_0 @ 0x5] Invalid size",
        "[vf#0:0 @ 0x5] Task finished with error code: -28 (No space left on device)[mp4 @ 0x5] Disk full",
        "[Parsed_showinfo_0 @ 0x5] n:   1 pts:     40[Parsed_crop_0 @ 0x5] Invalid size",
        "frame=    0 fps=0.0 q=0.0 speed=N/A    [Parsed_crop_0 @ 0x5] Invalid size",
        "Conversion failed! The licence server does not answer.",
        "[out#0/mp4 @ 0x5] Error muxing a packet",
        "muxing failed",
        "Statistics: none",
        "All streams: refused",
        "my encoder received EOF on its licence",
    ],
)
def test_a_line_that_says_more_than_chatter_is_shown(line: str):
    code = "import sys; print(sys.argv[1] + '\\nExiting with exit code -22', file=sys.stderr); sys.exit(1)"
    assert run(python(code, line)).explain().endswith(f"its last lines were:\n    {line}")


def children() -> list[int]:
    """The processes this one has started and not waited for."""
    mine = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == mine:
                found.append(int(entry.name))
    return found


def parent_of_a_sleeper(pid: Path, *, thread: bool = False) -> subprocess.Popen[bytes]:
    """A process that runs a child as the scorers do, from its main thread or another."""
    call = f"run(Command((sys.executable, '-c', {textwrap.dedent(SLEEPER)!r}, {str(pid)!r})))"
    code = f"import sys, threading\nfrom pytest_vmaf.media.command import Command\nfrom pytest_vmaf.media.process import run\nwork = lambda: {call}\n"
    code += "t = threading.Thread(target=work); t.start(); t.join()" if thread else "work()"
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert soon(pid.exists)
    return parent


@linux
def test_ctrl_c_leaves_no_child(tmp_path):
    parent = parent_of_a_sleeper(tmp_path / "pid")
    parent.send_signal(signal.SIGINT)
    _, said = parent.communicate(timeout=10)
    assert b"KeyboardInterrupt" in said
    assert gone(int((tmp_path / "pid").read_text()))


@linux
@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "another thread"])
def test_a_parent_that_is_killed_leaves_no_child(tmp_path, thread):
    parent = parent_of_a_sleeper(tmp_path / "pid", thread=thread)
    parent.kill()
    parent.communicate(timeout=10)
    assert gone(int((tmp_path / "pid").read_text()))


@linux
@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_a_listener_that_fails_does_not_hang_or_leave_a_child(stream, tmp_path, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda args: None)

    def heard(line: str) -> None:
        raise RuntimeError("the listener failed")

    pid = tmp_path / "pid"
    code = f"""
        import os, sys
        open(sys.argv[1], "w").write(str(os.getpid()))
        for _ in range(100_000):
            print("hello", file=sys.{stream})
    """
    end = run(python(code, pid, **{f"on_{stream}": heard}), timeout=20)
    assert end.returncode != 0
    assert gone(int(pid.read_text()))


def test_no_thread_is_left():
    before = threading.active_count()
    run_together([python("pass"), python("print('x')", on_stdout=lambda line: None)])
    assert threading.active_count() == before


@given(st.text())
def test_printable_text_has_no_control_characters_and_can_be_encoded(text):
    shown = printable(text)
    assert shown.isprintable()
    shown.encode("utf-8")


def test_printable_shows_undecodable_bytes_and_line_breaks_as_escapes():
    assert printable("a\udcffb\n\x1b[2J\u202e") == r"a\udcffb\n\x1b[2J\u202e"
    assert printable("Größe 1 ✓ 'x'") == "Größe 1 ✓ 'x'"


def test_a_command_is_shown_as_a_shell_takes_it():
    assert str(Command(("ffmpeg", "-i", "file:/a b'c.mkv"))) == """ffmpeg -i 'file:/a b'"'"'c.mkv'"""


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's; runs on Linux and macOS")
@pytest.mark.parametrize("left", ["sleep 60 &", "sleep 60 >/dev/null 2>&1 </dev/null &"])
def test_what_a_program_leaves_in_the_background_ends_with_it(left: str, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begun = run(Command(("sh", "-c", f"{left} echo $! > {pid}")), timeout=20)
    assert begun.returncode == 0
    for _ in range(100):
        # Killed, and waited for by whoever adopts it.
        if not Path(f"/proc/{pid.read_text().strip()}").exists():
            break
        time.sleep(0.05)
    else:
        state = Path(f"/proc/{pid.read_text().strip()}/stat").read_text().rpartition(")")[2].split()[0]
        assert state == "Z"
