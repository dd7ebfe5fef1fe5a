"""The stream of masked frames: its errors, and what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import Clip, MaskError, MeasurementError, PairError, ScoreLog, ScoreRequest, ScorerError, Vmaf
from pytest_vmaf.media.command import Command
from pytest_vmaf.media.process import run
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.roi import frame_masks as room
from pytest_vmaf.roi.masked_clip import PIPE_BYTES
from pytest_vmaf.roi.saliency_network import load_saliency
from roi.builders import MEAN, PLAIN, model, node

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="masked frames need named pipes")

FRAME_BYTES = 320 * 180 * 3 // 2
#: As many frames as no pipe and no queue on the way could hold.
LONG, SHORT = 24, 10


@pytest.fixture(params=["ffmpeg", pytest.param("vmaf", marks=pytest.mark.slow)])
def scorer(request: pytest.FixtureRequest, standin: str) -> dict[str, str]:
    """The settings of each scorer; a stand-in is the vmaf tool."""
    if request.param == "ffmpeg":
        return {}
    if not os.path.isdir("/dev/fd"):
        pytest.skip("the scorer needs /dev/fd; this system has none")
    return {"scorer": "vmaf", "vmaf_bin": standin}


@pytest.fixture(scope="session")
def long(footage: Callable[..., Path]) -> Path:
    return footage("320x180", LONG)


@pytest.fixture(scope="session")
def worse(long: Path, encode: Callable[..., Path]) -> Path:
    return encode(long, 38)


@pytest.fixture(scope="session")
def shorter(long: Path, encode: Callable[..., Path]) -> Path:
    return encode(long, 38, None, "-frames:v", str(SHORT))


def processes(word: str) -> list[str]:
    """The command lines of all processes that have this word in them; empty where there is no /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if word in line and int(process.parent.name) != os.getpid():
            found.append(line)
    return found


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files. Afterwards no file, process, thread or descriptor may be left."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    # ONNX Runtime's own descriptors are open from its first session on.
    load_saliency()
    threads, descriptors = threading.active_count(), sorted(os.listdir("/dev/fd"))
    yield folder
    assert list(folder.iterdir()) == []
    assert processes(str(folder)) == []
    assert threading.active_count() == threads
    assert sorted(os.listdir("/dev/fd")) == descriptors


def write(folder: Path, content: bytes) -> Path:
    path = folder / "network.onnx"
    path.write_bytes(content)
    return path


@pytest.mark.slow
def test_no_frames_on_disk(temp: Path, long: Path, worse: Path, scorer: dict[str, str]) -> None:
    sizes: dict[Path, int] = {}
    pipes: set[Path] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            # Files and folders come and go meanwhile.
            with contextlib.suppress(OSError):
                for path in temp.rglob("*"):
                    sizes[path] = max(sizes.get(path, 0), path.stat().st_size)
                    if path.is_fifo():
                        pipes.add(path)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        found = Vmaf(**scorer).roi(long, worse, synthetic_mask=0.35)
    finally:
        over.set()
        watcher.join()
    assert len(found.coverage) == LONG
    assert [pipe.name for pipe in pipes] == ["masked.yuv"]
    # Logs are the largest: of 24 frames less than one.
    assert max(sizes.values()) < FRAME_BYTES
    assert found.provenance["command"].startswith("pytest-vmaf roi-score")


#: The square root of what is below the middle of the scale is not a number.
ROOT = model(MEAN, node("Sqrt", "grey", "root"), node("Tanh", "root", "saliency_map"))
BRIGHT = "lutyuv=y='val/2+120':u=128:v=128"


@pytest.fixture(scope="session")
def dark(long: Path, make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A clip whose fifth picture is dark, and an encode of it."""
    folder = tmp_path_factory.mktemp("dark")
    chain = f"{BRIGHT},lutyuv=y='val*0.2':enable='eq(n,4)'"
    reference = make("-i", long, "-vf", chain, "-c:v", "ffv1", folder / "dark.mkv")
    options = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "35")
    return reference, make("-i", reference, *options, folder / "dark.mp4")


@pytest.mark.slow
def test_network_fails_in_fifth_picture(temp: Path, dark: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"network\.onnx has values that are not finite, for 320x180 pixels"):
        Vmaf().roi(*dark, saliency=write(tmp_path, ROOT), threshold=0, fade=0)


@pytest.mark.slow
def test_network_fails_in_no_other_picture(temp: Path, long: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    bright = make("-i", long, "-frames:v", 6, "-vf", BRIGHT, "-c:v", "ffv1", tmp_path / "bright.mkv")
    assert len(Vmaf().roi(bright, bright, saliency=write(tmp_path, ROOT), threshold=0, fade=0).coverage) == 6


@pytest.mark.slow
@pytest.mark.parametrize("error", [MemoryError("no room\x1b[2J"), BrokenPipeError("of its own")])
def test_mask_failure_is_the_error(
    temp: Path, long: Path, worse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    calls = []

    def broken(network: Any, rgb: Any) -> Any:
        calls.append(rgb)
        if len(calls) == 4:
            raise error
        return real(network, rgb)

    real = room.infer
    monkeypatch.setattr(room, "infer", broken)
    with pytest.raises(MeasurementError) as caught:
        Vmaf().roi(long, worse, saliency=write(tmp_path, PLAIN))
    if not isinstance(error, BrokenPipeError):
        assert str(caught.value).startswith(f"The masked frames could not be made: {type(error).__name__}: ")
        assert str(caught.value).isprintable()
    assert len(calls) == 4


@pytest.mark.slow
def test_clips_of_different_lengths(
    temp: Path, long: Path, worse: Path, shorter: Path, tmp_path: Path, scorer: dict[str, str]
) -> None:
    for clips, counts in (((long, shorter), (LONG, SHORT)), ((shorter, long), (SHORT, LONG))):
        words = "different lengths: {} frames in the reference, {} in the distorted clip".format(*counts)
        with pytest.raises(PairError, match=words):
            Vmaf(**scorer).roi(*clips, synthetic_mask=0.35)


@pytest.mark.slow
def test_damaged_clip(
    temp: Path, footage: Callable[..., Path], encode: Callable[..., Path], tmp_path: Path, scorer: dict[str, str]
) -> None:
    long = footage("160x90", 48)
    worse = encode(long, 30)
    data = bytearray(worse.read_bytes())
    # Later than the frames that are inspected first.
    place = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat")) * 9 // 10
    data[place : place + 400] = b"\x55" * 400
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    # One side for each scorer: the streams of both sides are the same code.
    clips = (long, damaged) if scorer else (damaged, worse)
    with pytest.raises(ScorerError, match=r"damaged|could not decode") as caught:
        Vmaf(**scorer).roi(*clips, synthetic_mask=0.35)
    assert "damaged" in str(caught.value)
    # Not the other decoder, which was stopped because this one failed.
    assert "SIGKILL" not in str(caught.value)


@pytest.mark.slow
def test_timeout(temp: Path, long: Path, worse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(network: Any, rgb: Any) -> Any:
        time.sleep(0.2)
        return real(network, rgb)

    real = room.infer
    monkeypatch.setattr(room, "infer", slow)
    with pytest.raises(ScorerError, match=r"The time limit of 2 s was exceeded"):
        Vmaf(timeout=2).roi(long, worse, saliency=write(tmp_path, PLAIN))


class Breaking(FfmpegScorer):
    """A scorer that does something else than to score."""

    def __init__(self, act: Callable[[Path], object]) -> None:
        self.act = act

    def score_together(self, requests: Sequence[ScoreRequest]) -> tuple[ScoreLog, ...]:
        self.act(requests[1].distorted.clip.path)
        return super().score_together(requests[:1]) * 2


def not_opened(pipe: Path) -> None:
    raise ScorerError("broken before the pipe was opened")


def one_frame_read(pipe: Path) -> None:
    with pipe.open("rb") as file:
        assert len(file.read(FRAME_BYTES)) == FRAME_BYTES
        raise ScorerError("broken after a frame")


def interrupted(pipe: Path) -> None:
    with pipe.open("rb") as file:
        file.read(1)
        raise KeyboardInterrupt


def killed(pipe: Path) -> None:
    end = run(Command((sys.executable, "-c", f"open({str(pipe)!r}, 'rb').read(9); import os; os.kill(os.getpid(), 9)")))
    raise ScorerError(f"it {end.how}")


def timed_out(pipe: Path) -> None:
    run(Command((sys.executable, "-c", "import time; time.sleep(600)")), 0.2)


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (not_opened, ScorerError, "^broken before the pipe was opened$"),
        (interrupted, KeyboardInterrupt, "^$"),
        pytest.param(killed, ScorerError, "^it was killed by SIGKILL$", marks=pytest.mark.slow),
        pytest.param(timed_out, ScorerError, "time limit of 0.2 s", marks=pytest.mark.slow),
    ],
)
def test_scorer_that_fails(
    temp: Path, long: Path, worse: Path, act: Callable[[Path], object], error: type[BaseException], words: str
) -> None:
    with pytest.raises(error, match=words):
        Vmaf(scorer=Breaking(act)).roi(long, worse, synthetic_mask=0.35)


def read_a_frame(pipe: Path) -> None:
    with pipe.open("rb") as file:
        file.read(FRAME_BYTES)


@pytest.mark.slow
@pytest.mark.parametrize("act", [read_a_frame, lambda pipe: None])
def test_scorer_that_stops_reading(temp: Path, long: Path, worse: Path, act: Callable[[Path], object]) -> None:
    with pytest.raises(ScorerError, match=rf"could not be made: BrokenPipeError|Only \d+ of {LONG} frames were masked"):
        Vmaf(scorer=Breaking(act)).roi(long, worse, synthetic_mask=0.35)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="the scorer needs /dev/fd; this system has none")
@pytest.mark.slow
def test_tool_that_skips_the_masked_clip(temp: Path, long: Path, worse: Path, tmp_path: Path, standin: str) -> None:
    """Frames that a decoder could not deliver are counted again, which those of a pipe cannot be."""
    lines = [
        "#!/bin/sh",
        'case "$1" in --version) echo 0.0.0 >&2; exit 0;; esac',
        f'if [ -e "{tmp_path}/again" ]; then cat $2 > "{tmp_path}/again"; exit 0; fi',
        f'touch "{tmp_path}/again"',
        f'exec "{standin}" "$@"',
    ]
    tool = tmp_path / "vmaf"
    tool.write_text("\n".join([*lines, ""]))
    tool.chmod(0o755)
    with pytest.raises(ScorerError, match="could not decode the distorted clip"):
        Vmaf(scorer="vmaf", vmaf_bin=str(tool), timeout=60).roi(long, worse, synthetic_mask=0.35)
    assert (tmp_path / "again").stat().st_size == LONG * FRAME_BYTES


@pytest.mark.slow
def test_log_without_masked_clip(temp: Path, long: Path, worse: Path) -> None:
    class Lacking(FfmpegScorer):
        def score_together(self, requests: Sequence[ScoreRequest]) -> Any:
            logs = super().score_together(requests)
            bare = {name: values for name, values in logs[1].columns.items() if name != "neg"}
            return logs[0], ScoreLog(bare, LONG, LONG, "", "")

    with pytest.raises(ScorerError, match=r"^masked: The log has no column 'neg'"):
        Vmaf(scorer=Lacking()).roi(long, worse, synthetic_mask=0.35)


def test_clip_that_vanishes(temp: Path, long: Path, worse: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(worse.read_bytes())

    class Removing(FfmpegScorer):
        def capabilities(self, tools: Any) -> Any:
            return super().capabilities(tools)

        def score_together(self, requests: Sequence[ScoreRequest]) -> Any:
            gone.unlink()
            return super().score_together(requests)

    with pytest.raises(MeasurementError, match=r"gone\.mp4"):
        Vmaf(scorer=Removing()).roi(long, gone, synthetic_mask=0.35)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.slow
def test_interrupt_ends_everything(tmp_path: Path, make: Callable[..., Path], long: Path, worse: Path) -> None:
    # Over and over, so that scoring takes seconds.
    reference, distorted = (
        make("-stream_loop", 19, "-i", clip, "-c", "copy", tmp_path / clip.name) for clip in (long, worse)
    )
    folder = tmp_path / "temp"
    folder.mkdir()
    argv = [sys.executable, "-m", "pytest_vmaf", "roi-score", f"--reference={reference}", f"--distorted={distorted}"]
    child = subprocess.Popen(
        [*argv, f"--saliency-model={write(tmp_path, PLAIN)}", "--threads=1"],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        # The scorer has the pipe in its command line.
        while not processes(f"{folder}/"):
            assert child.poll() is None, child.communicate()
            time.sleep(0.005)
        time.sleep(0.1)
        child.terminate()
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert (child.returncode, out) == (143, b"")
    assert b"Traceback" not in err
    assert processes(f"{folder}/") == []
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_home_and_temp_stay_empty(tmp_path: Path, footage: Callable[..., Path], encode: Callable[..., Path]) -> None:
    """ONNX Runtime's wheels gather what they see of their users, and send it, unless they are told not to."""
    reference = footage("192x108", 3)
    folders = {name: tmp_path / name for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME")}
    for folder in folders.values():
        folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    argv = [sys.executable, "-m", "pytest_vmaf", "roi-score", f"--reference={reference}", "--threshold=0"]
    argv += [f"--distorted={encode(reference, 40)}", f"--saliency-model={write(tmp_path, PLAIN)}"]
    done = subprocess.run(argv, env={**kept, **{name: str(path) for name, path in folders.items()}}, check=False)
    assert done.returncode == 0
    assert {name: [path.name for path in folder.rglob("*")] for name, folder in folders.items()} == {
        name: [] for name in folders
    }


@pytest.mark.slow
def test_failed_run_leaves_next_intact(temp: Path, long: Path, worse: Path) -> None:
    wanted = Vmaf().roi(long, worse, synthetic_mask=0.35)
    with pytest.raises(ScorerError, match=r"^broken after a frame$"):
        Vmaf(scorer=Breaking(one_frame_read)).roi(long, worse, synthetic_mask=0.35)
    assert Vmaf().roi(long, worse, synthetic_mask=0.35) == wanted


@pytest.mark.slow
def test_concurrent_scores(temp: Path, long: Path, worse: Path, shorter: Path, tmp_path: Path) -> None:
    network = write(tmp_path, PLAIN)

    def score(number: int) -> object:
        try:
            return Vmaf(threads=1).roi(long, shorter if number == 2 else worse, saliency=network, threshold=0.4)
        except PairError as error:
            return str(error)

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(score, range(3)))
    assert results[0] == results[1] == score(0)
    assert "different lengths" in str(results[2])


def test_no_named_pipes(long: Path, worse: Path, monkeypatch: pytest.MonkeyPatch, temp: Path) -> None:
    monkeypatch.delattr(os, "mkfifo")
    with pytest.raises(MaskError, match="a named pipe, which this system does not have"):
        Vmaf().roi(long, worse, synthetic_mask=0.5)


@pytest.mark.slow
def test_large_frames_in_small_pipes(temp: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    """Frames larger than any pipe, with the small ones of the network's working size beside them."""
    sides = {"working_width": "640", "working_height": "368"}
    network = write(tmp_path, model(MEAN, node("Sigmoid", "grey", "saliency_map"), metadata=sides))
    scene = "testsrc2=size=1280x720:rate=25,format=yuv420p"
    assert PIPE_BYTES < 1280 * 720 * 3 // 2
    reference = make("-f", "lavfi", "-i", scene, "-frames:v", 4, "-c:v", "ffv1", tmp_path / "large.mkv")
    distorted = make("-i", reference, "-c:v", "libx264", "-preset", "ultrafast", "-crf", 45, tmp_path / "large.mp4")
    found = Vmaf(timeout=300).roi(Clip(reference), Clip(distorted), saliency=network)
    assert len(found.coverage) == 4
    assert found.vmaf_masked != found.vmaf_full


@pytest.mark.parametrize("target", ["_worker", "_feed", "_decode", "_follow"])
def test_no_more_threads(temp: Path, long: Path, worse: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """The thread that loads the network, streams, decodes, or reads what programs print cannot be started."""
    start = threading.Thread.start

    def scarce(thread: threading.Thread) -> None:
        # Only while masked frames are made: other programs have inspected the pair before.
        feeding = any(path.name.startswith("pytest-vmaf-") for path in temp.iterdir())
        if thread._target.__name__ == target and (feeding or target == "_worker"):  # type: ignore[attr-defined]
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    mask = {} if target == "_worker" else {"synthetic_mask": 0.35}
    with pytest.raises(MeasurementError, match=r"refused a thread \(can't start new thread\)"):
        Vmaf().roi(long, worse, **mask)
