"""Child processes: their output, their end, and that none is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media import child_signals
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import TAIL_LINES, run, run_together

posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def python(code: str, *arguments: object, **settings: object) -> Command:
    """A child that runs this code, in a Python that starts fast."""
    return Command((sys.executable, "-I", "-S", "-c", textwrap.dedent(code), *map(str, arguments)), **settings)  # type: ignore[arg-type]


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


#: A shell that ignores what Ctrl-C and `kill` send, and writes its process number to the file that is its argument.
SLEEPER = 'trap "" TERM INT; echo $$ > "$1.part"; mv "$1.part" "$1"; sleep 60'


def sleeper(pid: Path) -> Command:
    """A child that writes its process number to this file, and sleeps."""
    return Command(("sh", "-c", SLEEPER, "sh", str(pid)))


def test_exit_code_and_last_lines():
    end = run(python("import sys; [print(f'line {n}', file=sys.stderr) for n in range(100)]; sys.exit(3)"))
    assert end.returncode == 3
    assert end.tail == tuple(f"line {n}" for n in range(60, 100))
    assert end.how == "ended with exit code 3"
    text = end.explain(2)
    assert "line 98\n    line 99" in text
    assert "line 97" not in text
    assert str(end.command) in text


@posix
def test_killing_signal():
    end = run(python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))
    assert end.returncode == -signal.SIGSEGV
    assert end.how == "was killed by SIGSEGV"
    assert end.explain().endswith("  it was killed by SIGSEGV; it printed no message")


def test_lines_of_both_streams():
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


def test_binary_stderr():
    end = run(python(r"import sys; sys.stderr.buffer.write(b'\xff\xfe \x1b[2J \x00 end\r\n')"))
    assert end.tail[-1].endswith("end")
    assert "\x1b" not in end.tail[-1]
    assert "\x00" not in end.tail[-1]


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_endless_line(stream):
    longest = 0
    total = 0

    def heard(line: str) -> None:
        nonlocal longest, total
        longest, total = max(longest, len(line)), total + len(line)

    code = f"import sys\nfor _ in range(64): sys.{stream}.write('x' * 65536)"
    end = run(python(code, **{f"on_{stream}": heard}))
    assert end.returncode == 0
    assert total == 64 * 65536
    assert longest <= 65536
    assert sum(map(len, end.tail)) <= 40 * 65536


def test_child_has_no_stdin():
    assert run(python("import sys; sys.exit(len(sys.stdin.read()))")).returncode == 0


def test_missing_program(tmp_path):
    with pytest.raises(ScorerError, match=r"no-such-program cannot be started: No such file .*\n.*pytest-vmaf doctor"):
        run(Command((str(tmp_path / "no-such-program"), "-x")))


@posix
def test_program_without_permission(tmp_path):
    (tmp_path / "data").write_text("no program")
    with pytest.raises(ScorerError, match="data cannot be started: Permission denied"):
        run(Command((str(tmp_path / "data"),)))


def test_null_byte_in_argument():
    with pytest.raises(ScorerError, match="cannot be started: embedded null byte"):
        run(Command((sys.executable, "a\0b")))


@linux
def test_timeout_kills_child(tmp_path):
    pid = tmp_path / "pid"
    begin = time.monotonic()
    with pytest.raises(ScorerError, match=r"The time limit of 0\.5 s was exceeded.*\n.*-c.*\n.*--vmaf-timeout"):
        run(sleeper(pid), timeout=0.5)
    assert time.monotonic() - begin < 60
    assert gone(int(pid.read_text()))


@linux
def test_timeout_kills_grandchild(tmp_path):
    pid = tmp_path / "pid"
    script = f"sh -c '{SLEEPER}' sh \"$1\" & sleep 60"
    with pytest.raises(ScorerError, match="time limit"):
        run(Command(("sh", "-c", script, "sh", str(pid))), timeout=0.5)
    assert gone(int(pid.read_text()))


@linux
def test_one_failure_stops_the_other(tmp_path):
    pid = tmp_path / "pid"
    failing = """
        import os, sys, time
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        sys.exit(7)
    """
    begin = time.monotonic()
    ends = run_together([sleeper(pid), python(failing, pid)])
    assert time.monotonic() - begin < 10
    assert [end.returncode for end in ends] == [-signal.SIGKILL, 7]
    assert not alive(int(pid.read_text()))


@linux
def test_second_cannot_start(tmp_path):
    before = set(children())
    with pytest.raises(ScorerError, match="cannot be started"):
        run_together([sleeper(tmp_path / "pid"), Command((str(tmp_path / "none"),))])
    assert set(children()) == before


def test_both_are_waited_for(tmp_path):
    code = "import sys, time; time.sleep(float(sys.argv[1])); print(sys.argv[1], file=sys.stderr)"
    ends = run_together([python(code, 0.2), python(code, 0)])
    assert [(end.returncode, end.tail) for end in ends] == [(0, ("0.2",)), (0, ("0",))]


@posix
def test_pipe_between_children():
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
def test_failed_start_closes_pipes(tmp_path):
    read, write = os.pipe()
    none = str(tmp_path / "none")
    with pytest.raises(ScorerError, match="cannot be started"):
        run_together([Command((none,), pass_fds=(write,)), Command((none,), pass_fds=(read,))])
    for fd in (read, write):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


@posix
def test_pipe_to_stdin():
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
def test_failed_start_closes_input_and_output(tmp_path):
    read, write = os.pipe()
    file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    none = str(tmp_path / "none")
    with pytest.raises(ScorerError, match="cannot be started"):
        run_together([Command((none,), pass_fds=(write,)), Command((none,), stdin=read, stdout=file)])
    for fd in (read, write, file):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_may_fail_does_not_stop_the_other():
    code = "import sys, time; time.sleep(float(sys.argv[1])); sys.exit(int(sys.argv[2]))"
    ends = run_together([python(code, 0, 3, may_fail=True), python(code, 0.2, 0)])
    assert [end.returncode for end in ends] == [3, 0]


@posix
def test_may_fail_is_stopped():
    code = "import sys, time; time.sleep(float(sys.argv[1])); sys.exit(int(sys.argv[2]))"
    ends = run_together([python(code, 60, 0, may_fail=True), python(code, 0, 3)], timeout=30)
    assert [end.returncode for end in ends] == [-signal.SIGKILL, 3]


@posix
def test_reader_ends_early():
    read, write = os.pipe()
    code = "import os, sys\nwhile True: os.write(int(sys.argv[1]), bytes(65536))"
    writer = python(code, write, pass_fds=(write,), may_fail=True)
    wrote, ended = run_together([writer, python("import sys; sys.stdin.buffer.read(10)", stdin=read)], timeout=30)
    assert ended.returncode == 0
    assert wrote.returncode != 0
    assert "Broken pipe" in wrote.tail[-1]


#: What ffmpeg prints about an impossible crop on a busy machine: the reason is the 41st line from the end.
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
def test_signal_during_start(number: signal.Signals):
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
        # A program without its path is started after a fork (`start_that_dies_with_parent`).
        run(Command(("sleep", "3")))
    except KeyboardInterrupt:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            sys.exit("interrupted, and no child is left")
    sys.exit("lost")
    """
    argv = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    assert subprocess.run(argv, capture_output=True, text=True).stderr == "interrupted, and no child is left\n"


def test_noise_does_not_push_out_the_reason():
    lines = BUSY.splitlines()
    assert len(lines) > TAIL_LINES
    code = "import sys; print('before\\n' * 60 + sys.argv[1], end='', file=sys.stderr); sys.exit(1)"
    end = run(FfmpegCommand((sys.executable, "-c", code, BUSY)))
    assert len(end.tail) == TAIL_LINES
    # Nothing but noise is taken out.
    assert end.explain(3).splitlines()[-3:] == [f"    {lines[n]}" for n in range(3)]
    assert end.explain(4).splitlines()[-4] == "    before"


BEGINNING = """\
Input #0, matroska,webm, from 'file:/clips/small.mkv':
  Metadata:
    ENCODER         : Lavf63.1.102
  Duration: 00:00:00.20, start: 0.000000, bitrate: 35298 kb/s
  Stream #0:0: Video: ffv1, 1 reference frame, yuv420p(tv, progressive), 480x270, 50 fps, 50 tbr, 1k tbn
[out#0/mp4 @ 0x557a] Adding streams from explicit maps...
[vost#0:0/h264_nvenc @ 0x557a] Created video stream from input stream 0:0
Stream mapping:
  Stream #0:0 -> #0:0 (ffv1 (native) -> h264 (h264_nvenc))
[vist#0:0/ffv1 @ 0x5624] [dec:ffv1 @ 0x5624] Starting thread...
[graph -1 input from stream 0:0 @ 0x7f6c] w:480 h:270 pixfmt:yuv420p tb:1/1000 fr:50/1 sar:1/1 csp:unknown range:tv
[graph -1 input from stream 0:0 @ 0x7f6c] video frame properties congruent with link at pts_time: 0
[h264_nvenc @ 0x5624] Cannot load libcuda.so.1
[h264_nvenc @ 0x5624] Nvenc unloaded
Conversion failed!"""


def test_beginning_of_a_log_is_noise():
    end = Finished(FfmpegCommand(()), 1, tuple(BEGINNING.splitlines()))
    assert end.explain().endswith("its last lines were:\n    [h264_nvenc @ 0x5624] Cannot load libcuda.so.1")


BANNER = """\
ffmpeg version n9.0.2-17 Copyright (c) 2000-2026 the FFmpeg developers
  built with gcc 16.2.0 (crosstool-NG 1.29.0.7_b1a94f6)
  configuration: --prefix=/ffbuild/prefix --enable-gpl --extra-libs='-lgomp -ldl'
  libavutil      61.  1.102 / 61.  1.102
  libswresample   7.  1.102 /  7.  1.102
Unrecognized option 'crff'."""


def test_banner_is_noise():
    end = Finished(FfmpegCommand(()), 8, tuple(BANNER.splitlines()))
    assert end.explain().endswith("its last lines were:\n    Unrecognized option 'crff'.")


@pytest.mark.parametrize(
    "line",
    [
        "Stream mapping: not supported here",
        "  Stream #0:0 refused [enc @ 0x5]",
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
def test_line_longer_than_noise_is_kept(line: str):
    end = Finished(FfmpegCommand(()), 1, (line, "Conversion failed!", "Exiting with exit code -22"))
    assert end.explain().endswith(f"its last lines were:\n    {line}")


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


def parent_of_a_sleeper(pid: Path, *, thread: bool = False, shell: str = "sh") -> subprocess.Popen[bytes]:
    """A process that runs a child as the scorers do, from its main thread or another."""
    code = "import sys, threading\nfrom pytest_vmaf.media.command import Command\n"
    code += "from pytest_vmaf.media.process import run\n"
    # The second start of a program with its path is by setpriv.
    code += f"run(Command(({shell!r}, '-c', 'true')))\n"
    code += f"work = lambda: run(Command({(shell, *sleeper(pid).argv[1:])!r}))\n"
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
@pytest.mark.parametrize("shell", ["sh", shutil.which("sh")], ids=["hook", "setpriv"])
@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "another thread"])
def test_killed_parent_leaves_no_child(tmp_path, thread, shell):
    parent = parent_of_a_sleeper(tmp_path / "pid", thread=thread, shell=shell)
    parent.kill()
    parent.communicate(timeout=10)
    assert gone(int((tmp_path / "pid").read_text()))


@linux
@pytest.mark.parametrize("tool", ["exit 1", "exec sleep 60", None], ids=["of BusyBox", "that hangs", "missing"])
def test_setpriv_that_cannot(tmp_path, monkeypatch, tool):
    if tool is not None:
        (tmp_path / "setpriv").write_text(f"#!/bin/sh\n{tool}\n")
        (tmp_path / "setpriv").chmod(0o755)
    program = shutil.which("true")
    run(Command((program,)))
    monkeypatch.setenv("PATH", str(tmp_path) if tool is None else os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    monkeypatch.setattr(child_signals, "TRIAL_SECONDS", 0.2)
    child_signals.find_setpriv.cache_clear()
    try:
        assert child_signals.start_that_dies_with_parent((program,)) == ((program,), child_signals.die_with_parent)
        assert run(Command((program,))).returncode == 0
    finally:
        child_signals.find_setpriv.cache_clear()


@linux
def test_second_start_is_by_setpriv():
    program = shutil.which("true")
    run(Command((program,)))
    argv, hook = child_signals.start_that_dies_with_parent((program, "-x"))
    assert (Path(argv[0]).name, argv[-2:], hook) == ("setpriv", (program, "-x"), None)


@linux
def test_program_that_the_system_cannot_start(tmp_path):
    """setpriv would give it to a shell, which runs what it can read."""
    program, witness = tmp_path / "encoder", tmp_path / "witness"
    good, bad = f"#!/bin/sh\n: > {witness}\n", f"\x7fELF\n: > {witness}\n"
    for content in (bad, good, bad):
        program.write_text(content)
        program.chmod(0o755)
        if content is good:
            assert run(Command((str(program),))).returncode == 0
            witness.unlink()
        else:
            with pytest.raises(ScorerError, match="encoder cannot be started: Exec format error"):
                run(Command((str(program),)))
            assert not witness.exists()


@linux
def test_killed_parent_leaves_no_grandchild(tmp_path):
    pid = tmp_path / "pid"
    script = f"(sh -c '{SLEEPER}' sh {pid} & sleep 60); true"
    code = "from pytest_vmaf.media.command import Command\nfrom pytest_vmaf.media.process import run\n"
    code += f"run(Command(('sh', '-c', {script!r}), starts_others=True))"
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert soon(pid.exists)
    parent.kill()
    parent.communicate(timeout=10)
    assert gone(int(pid.read_text()))


@linux
def test_guards_end():
    run(Command(("true",), starts_others=True))
    with pytest.raises(ScorerError, match="time limit"):
        run(Command(("sleep", "60"), starts_others=True), timeout=0.1)
    assert not children()


@linux
@pytest.mark.slow
def test_sigterm_ends_what_a_function_started(tmp_path):
    pid = tmp_path / "pid"
    code = f"""
        import subprocess
        from pytest_vmaf.media.guard import noted_start
        from pytest_vmaf.media.termination import ended_by_signals

        with ended_by_signals(), noted_start():
            subprocess.run(["sh", "-c", "(sh -c '{SLEEPER}' sh {pid}; true) & wait"])
    """.replace(SLEEPER, SLEEPER.replace('"', '\\"'))
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.DEVNULL)
    assert soon(pid.exists)
    parent.terminate()
    assert parent.wait(timeout=10) == 143
    assert gone(int(pid.read_text()))


@linux
@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_failing_listener(stream, tmp_path, monkeypatch):
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


def test_command_text():
    assert str(Command(("ffmpeg", "-i", "file:/a b'c.mkv"))) == """ffmpeg -i 'file:/a b'"'"'c.mkv'"""


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's; runs on Linux and macOS")
@pytest.mark.parametrize("left", ["sleep 60 &", "sleep 60 >/dev/null 2>&1 </dev/null &"])
def test_background_processes_end(left: str, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begun = run(Command(("sh", "-c", f"{left} echo $! > {pid}")), timeout=20)
    assert begun.returncode == 0
    assert gone(int(pid.read_text()))


@linux
@pytest.mark.parametrize("allowed", range(6))
def test_refused_thread(allowed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each of the two children needs three threads.
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if len(started) == allowed:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    read, write = os.pipe()
    before, threads, descriptors = set(children()), threading.active_count(), os.listdir("/dev/fd")
    commands = [
        Command(("sh", "-c", "sleep 60"), stdout_bytes=lambda chunk: None, pass_fds=(write,)),
        Command(("sh", "-c", "sleep 60"), stdout_bytes=lambda chunk: None, stdin=read),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ScorerError, match=r"The system refused a thread .*\n.*ulimit -u"):
            run_together(commands)
    assert set(children()) == before
    assert soon(lambda: threading.active_count() == threads)
    assert len(os.listdir("/dev/fd")) == len(descriptors) - 2


@linux
@pytest.mark.slow
def test_refused_thread_by_the_system() -> None:
    program = """
    import os, resource
    from pytest_vmaf.errors import ScorerError
    from pytest_vmaf.media.command import Command
    from pytest_vmaf.media.process import run
    os.setuid(12345)
    resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
    try:
        run(Command(("sleep", "60")))
    except ScorerError as error:
        print(str(error).splitlines()[0])
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        print("no child is left")
    """
    if os.geteuid() != 0:
        pytest.skip("needs root, to become a user without other processes")
    end = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert end.stdout.startswith("The system refused a thread (can't start new thread)"), end.stderr
    assert end.stdout.endswith("no child is left\n")


# The watchdog


HANGS = "trap '' TERM; while :; do sleep 5; done"
#: What ffmpeg prints with -progress while a thread of it hangs.
REPEATS = "while :; do echo frame=7; echo speed=$((n += 1))x; echo progress=continue; sleep 0.2; done"


@linux
@pytest.mark.parametrize("script", [HANGS, REPEATS])
def test_hanging_process(script: str) -> None:
    begun = time.monotonic()
    command = FfmpegCommand(("sh", "-c", script), on_stdout=lambda line: None, stall_limit=0.7)
    with pytest.raises(ScorerError, match=r"made no progress for 0\.7 s, so it was killed.*\n  command: sh -c"):
        run(command)
    assert time.monotonic() - begun < 10
    assert not children()


@linux
def test_silent_process_that_computes() -> None:
    code = "import time; end = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass"
    assert run(FfmpegCommand((sys.executable, "-c", code), stall_limit=0.6)).returncode == 0


@posix
@pytest.mark.parametrize("script", ["echo $n >&2", "echo frame=$n"])
def test_process_that_waits_and_prints(script: str) -> None:
    loop = f"n=0; while [ $n -lt 5 ]; do n=$((n + 1)); {script}; sleep 0.2; done"
    assert run(FfmpegCommand(("sh", "-c", loop), on_stdout=lambda line: None, stall_limit=0.6)).returncode == 0


@posix
def test_only_watched_processes_are_ended() -> None:
    # Whoever waits for a program that has no limit is not to blame.
    waiting = FfmpegCommand(("sleep", "0.9"), stall_limit=0.4)
    assert [end.returncode for end in run_together([waiting, Command(("sleep", "0.9"))])] == [0, 0]


@posix
def test_every_ffmpeg_is_watched() -> None:
    assert FfmpegCommand(("ffmpeg",)).stall_limit == 60


def test_sigterm_is_handled_meanwhile() -> None:
    handlers: list[object] = []
    argv = (sys.executable, "-c", "print()")
    previous = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        run(Command(argv, on_stdout=lambda line: handlers.append(signal.getsignal(signal.SIGTERM))))
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert len(handlers) == 1
    assert signal.SIG_DFL not in handlers
