"""Every code block of README and docs that claims to run is run, page by page, each page in a folder of its own."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest
from metrics.builders import ssim

from docs.blocks import Block, read_blocks
from docs.commands import NAMES, SOCKET

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
#: Pages whose commands install packages. The tutorial has a test of its own.
TUTORIAL = ROOT / "docs" / "getting-started.md"
RUN = [page for page in PAGES if page != TUTORIAL and any(b.claim == "runs" for b in read_blocks(page, ROOT))]
#: A name that is looked up on PATH and the options that every run of pytest gets.
QUIET = ("-p", "no:cacheprovider", "-q", "-rN")
NUMBER = re.compile(r"\d+\.\d+")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_say_what_they_are(page: Path) -> None:
    assert [block.place for block in read_blocks(page, ROOT) if not block.is_honest] == []


@pytest.fixture(scope="session")
def clips(natural_clip: Path, make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clips that the pages name."""
    folder = tmp_path_factory.mktemp("docs")
    start = ("-ss", 1, "-i", natural_clip, "-frames:v")
    medium = ("-vf", "scale=640:360", "-pix_fmt", "yuv420p")
    # A part of the picture, because the pages score it most often.
    part = ("-vf", "scale=640:360,crop=320:192:160:80", "-pix_fmt", "yuv420p")
    reference = make(*start, 12, *part, folder / "ref.y4m")
    make("-i", reference, "-c:v", "libx264", "-crf", 20, folder / "out.mp4")
    # The number of threads changes what x264 writes, and the pages quote scores.
    make(*start, 16, *medium, "-an", "-c:v", "libx264", "-threads", 1, "-crf", 4, folder / "source.mp4")
    small = ("-vf", "scale=320:180", "-r", 25)
    make(*start, 12, *small, "-pix_fmt", "yuv420p10le", folder / "a.yuv")
    make("-f", "rawvideo", "-s", "320x180", "-r", 25, "-pix_fmt", "yuv420p10le", "-i", folder / "a.yuv",
         "-c:v", "libx265", "-x265-params", "log-level=error", "-crf", 14, folder / "a.mp4")  # fmt: skip
    (folder / "net_ssim.onnx").write_bytes(ssim())
    rows = [f"{frame},{40 + frame},20,160,160" for frame in range(12)]
    (folder / "ball.csv").write_text("\n".join(["frame,x,y,w,h", *rows]))
    return folder


@pytest.fixture(scope="session")
def page_options(lean_options: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Options for every run of pytest: one cache for all pages, which often score or encode the same clips."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    # A fork has imported the package before pytest could rewrite its asserts.
    lean_options += " -W ignore::pytest.PytestAssertRewriteWarning"
    return f"{lean_options} --vmaf-cache-dir={shlex.quote(str(folder / 'docs-cache'))}"


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `pytest` and `pytest-vmaf` that need not import anything."""
    folder = tmp_path_factory.mktemp("commands")
    program = Path(__file__).with_name("commands.py")
    for name in NAMES:
        words = shlex.join([sys.executable, "-I", "-S", str(program), name])
        (folder / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (folder / name).chmod(0o755)
    argv = [sys.executable, str(program), "serve", str(folder / "socket")]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True) as server:
        while not (folder / "socket").exists() and server.poll() is None:
            time.sleep(0.05)
        yield folder
        os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture
def page_folder(
    clips: Path, commands: Path, page_options: str, ffmpeg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the clips as current folder, with this Python's commands and ffmpeg on PATH."""
    folder = tmp_path / "page"
    shutil.copytree(clips, folder)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ffmpeg").symlink_to(ffmpeg)
    monkeypatch.chdir(folder)
    folders = [str(commands), str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    monkeypatch.setenv(SOCKET, str(commands / "socket"))
    monkeypatch.setenv("PYTEST_ADDOPTS", page_options)
    for name in ("GITHUB_ACTIONS", "CI"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_page(page: Path, page_folder: Path) -> None:
    output = ""
    for index, blocks in enumerate(steps(page)):
        block = blocks[0]
        if block.claim == "file":
            (page_folder / block.detail).write_text(block.code, encoding="utf-8")
        elif block.claim == "output":
            check_output(block, output)
        elif is_passing_test(block):
            output = run_tests(blocks, page_folder, index)
        else:
            output = run_block(block, page_folder, index)


def steps(page: Path) -> Iterator[list[Block]]:
    """The blocks of a page that claim something, one by one; tests that pass together, for one run of pytest."""
    claims = [block for block in read_blocks(page, ROOT) if block.claim in ("file", "output", "runs", "fails")]
    for passes, group in groupby(claims, lambda block: is_passing_test(block) and not block.detail):
        blocks = list(group)
        yield from [blocks] if passes else [[block] for block in blocks]


def is_passing_test(block: Block) -> bool:
    """Whether a block is Python that must pass."""
    return (block.claim, block.language) == ("runs", "python")


def run_tests(blocks: list[Block], folder: Path, index: int) -> str:
    """Run blocks that pass, as test modules of one run of pytest."""
    names = [f"test_block_{index}_{number}.py" for number in range(len(blocks))]
    for name, block in zip(names, blocks, strict=True):
        (folder / name).write_text(as_test(block.code), encoding="utf-8")
    output, status = run_command(["pytest", *names, *blocks[0].detail.split()], folder)
    assert status == 0, f"{', '.join(block.place for block in blocks)}\n{output}"
    return output


def run_block(block: Block, folder: Path, index: int) -> str:
    """Run a command, or a test that fails, and check that it passes or fails as it claims."""
    command, test = ["bash", "-ec", block.code], folder / f"test_block_{index}.py"
    if block.language == "python":
        test.write_text(as_test(block.code), encoding="utf-8")
        command = ["pytest", test.name]
    output, status = run_command(command, folder)
    assert (status == 0) == (block.claim == "runs"), f"{block.place}\n{output}"
    assert block.claim == "runs" or block.detail in output, f"{block.place}\n{output}"
    # Later commands of the page run every test in the folder.
    test.unlink(missing_ok=True)
    return output


def run_command(command: list[str], folder: Path) -> tuple[str, int]:
    """The output and the exit code of a command."""
    run = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    return run.stdout + run.stderr, run.returncode


def as_test(code: str) -> str:
    """A block as a test module: lines without a test of their own become the body of one."""
    if re.search(r"^def test_", code, re.MULTILINE):
        return code
    return f"def test_lines(vmaf, tmp_path):\n{textwrap.indent(code, '    ')}"


def check_output(block: Block, output: str) -> None:
    """Check that the lines of a block are in an output, in order. `…` stands for any text."""
    lines = iter(output.splitlines())
    for line in block.code.splitlines():
        assert any(resembles(line, each) for each in lines), f"{block.place}: {line!r} is not in\n{output}"


def resembles(line: str, printed: str) -> bool:
    """Whether a printed line is the line of a page, but for the second decimal of its numbers."""
    pattern = fnmatch.translate(squeeze(line).replace("[", "[[]").replace("…", "*"))
    if not re.match(pattern, squeeze(printed)):
        return False
    if "…" in line:
        return True
    pairs = zip(NUMBER.findall(line), NUMBER.findall(printed), strict=True)
    return all(abs(float(ours) - float(theirs)) <= 0.1 for ours, theirs in pairs)


def squeeze(line: str) -> str:
    """A line without its numbers' digits, and with single spaces."""
    return " ".join(re.sub(r"\d+", "0", line).split())


def test_resembles() -> None:
    assert resembles("NEG 92.81 < 93", "NEG 92.84 < 93")
    assert not resembles("NEG 92.81 < 93", "NEG 90.84 < 93")
    assert resembles("E  reference: …/a.mp4", "E  reference: /x/a.mp4")
