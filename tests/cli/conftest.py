"""Clips, a corpus and programs for the tests of the command, and the command in this process."""

from __future__ import annotations

import contextlib
import io
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.commands import MEASURING, Done, Run, build_parser, sweeping
from pytest_vmaf.cli import main


@pytest.fixture(scope="session", autouse=True)
def parser_built_once() -> Iterator[None]:
    """Commands in this process share one parser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[main.__module__], "build_parser", build_parser)
        yield


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests share encodes and scores where these are not their subject."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cache_dir: Path) -> Iterator[Run]:
    """run("score", reference, distorted, cwd=folder): the command in this process, by default with the shared cache."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object, cwd: Path | None = None) -> Done:
        if cwd is not None:
            monkeypatch.chdir(cwd)
        if arguments and arguments[0] in MEASURING and "--cache-dir" not in arguments:
            arguments = (*arguments, "--cache-dir", cache_dir)
        capsys.readouterr()
        try:
            code: object = main(list(map(str, arguments)))
        except SystemExit as ended:
            code = ended.code
        assert isinstance(code, int)
        return Done(code, *capsys.readouterr())

    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Path:
    """192x108, half a second."""
    return footage("192x108", 12)


@pytest.fixture(scope="session")
def raw(clip: Path, make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clip as raw video, which describes nothing."""
    return make("-i", clip, "-f", "rawvideo", tmp_path_factory.mktemp("raw") / "reference.yuv")


@pytest.fixture(scope="session")
def corpus(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of three rows, CRF 20, 25 and 30."""
    output = tmp_path_factory.mktemp("corpus") / "rows.jsonl"
    with contextlib.redirect_stderr(io.StringIO()):
        assert main(list(map(str, sweeping(clip, output)))) == 0
    return output


@pytest.fixture(scope="session")
def logging_ffmpeg(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An ffmpeg that logs its calls, and the log. One for all tests: a new program is inspected first."""
    folder = tmp_path_factory.mktemp("counting")
    script, log = folder / "ffmpeg", folder / "calls"
    script.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(log))}\nexec {shlex.quote(ffmpeg)} "$@"\n')
    script.chmod(0o755)
    return script, log


@pytest.fixture
def counting(logging_ffmpeg: tuple[Path, Path]) -> tuple[Path, Callable[[], int]]:
    """An ffmpeg that logs its calls, and a function that counts the encodes among them in this test."""
    script, log = logging_ffmpeg

    def encodes() -> int:
        return log.read_text().count(" -crf ") if log.exists() else 0

    before = encodes()
    return script, lambda: encodes() - before


@pytest.fixture
def poor(ffmpeg: str, tmp_path: Path) -> Path:
    """An ffmpeg that was built without libx264."""
    script, real = tmp_path / "poor", shlex.quote(ffmpeg)
    script.write_text(
        f'#!/bin/sh\ncase " $* " in *" -encoders "*) {real} "$@" | grep -v x264;; *) exec {real} "$@";; esac\n'
    )
    script.chmod(0o755)
    return script
