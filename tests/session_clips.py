"""Clips that the embedded ffmpeg makes once per session, and inspects once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pytest_vmaf.media import inspect as inspection

#: Moving, textured footage that any ffmpeg can make: a fractal zoom, with noise that an encoder can lose.
SCENE = "mandelbrot=size={size}:rate={rate}:end_scale=0.002,noise=alls=6:allf=t:all_seed=7,format=yuv420p"


@pytest.fixture(scope="session", autouse=True)
def inspected_once() -> Iterator[None]:
    """Where there is no cache, inspect each file once while it does not change: most measurements begin with that."""
    videos: dict[object, object] = {}
    real = inspection.get_or_compute

    def get_or_compute(cache: object, kind: str, key: object, compute: partial[object], *others: object) -> object:
        clip = compute.args[0]
        # The file of frames in memory is removed with the last clip that refers to it.
        if cache is not None or clip._spool or not os.path.exists(clip.path):
            return real(cache, kind, key, compute, *others)  # type: ignore[arg-type]
        state = os.stat(clip.path)
        file = state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
        # What may describe a clip in place of an inspection is a keyword; the description is the same.
        subject = compute.func, compute.args, file
        if subject not in videos:
            videos[subject] = real(cache, kind, key, compute, *others)  # type: ignore[arg-type]
        return videos[subject]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspection, "get_or_compute", get_or_compute)
        yield


@pytest.fixture(scope="session")
def make(ffmpeg: str) -> Callable[..., Path]:
    """make("-i", x, "-c:v", "libx264", output): run ffmpeg and return the output's path."""

    def run(*arguments: object) -> Path:
        argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *map(os.fspath, map(str, arguments))]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
        return Path(str(arguments[-1]))

    return run


@pytest.fixture(scope="session")
def footage(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """footage(size="320x180", frames=24, rate=25): a lossless reference clip, made once per session."""
    clips: dict[tuple[str, int, object], Path] = {}
    folder = tmp_path_factory.mktemp("footage")

    def reference(size: str = "320x180", frames: int = 24, rate: object = 25) -> Path:
        key = (size, frames, rate)
        if key not in clips:
            path = folder / f"reference-{size}-{frames}-{str(rate).replace('/', '_')}.mkv"
            scene = SCENE.format(size=size, rate=rate)
            clips[key] = make("-f", "lavfi", "-i", scene, "-frames:v", frames, "-c:v", "ffv1", path)
        return clips[key]

    return reference


@pytest.fixture(scope="session")
def encode(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """encode(reference, crf=28, filters=None): an x264 encode of a clip in MP4, made once per session."""
    folder = tmp_path_factory.mktemp("encodes")
    encodes: dict[tuple[object, ...], Path] = {}

    def x264(source: Path, crf: int = 28, filters: str | None = None, *extra: str, name: str = "") -> Path:
        key = (source, crf, filters, extra, name)
        if key not in encodes:
            output = folder / (name or f"crf{crf}-{len(encodes)}.mp4")
            chain = ["-vf", filters] if filters else []
            make("-i", source, *chain, "-c:v", "libx264", "-preset", "veryfast", "-crf", crf, *extra, output)
            encodes[key] = output
        return encodes[key]

    return x264
