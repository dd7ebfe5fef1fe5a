"""Whether an ffmpeg was built with an encoder."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pytest_vmaf.cache.entries import Cache, get_or_compute, key_of
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.errors import EncodeError
from pytest_vmaf.media.builds import build_of
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.text import printable


def check_available(encoder: Encoder, ffmpeg: str, cache: Cache | None = None) -> None:
    """Check that ffmpeg was built with an encoder; programs and functions are not checked.

    Args:
        encoder: The encoder.
        ffmpeg: Path of the ffmpeg.
        cache: Where the encoders of known builds of ffmpeg are stored.

    Raises:
        EncodeError: If it was not. The message names what would help.
    """
    if not encoder.arguments:
        return
    stat = Path(ffmpeg).stat()
    build = build_of(ffmpeg, cache) if cache else None
    available = get_or_compute(
        cache,
        "look",
        key_of("encoders", build=build) if build else None,
        lambda: _encoders_of(ffmpeg, stat.st_mtime_ns, stat.st_size),
        sorted,
        lambda names: frozenset(map(str, names)),
    )
    if encoder.name not in available:
        hint = f" It also needs {encoder.requires}." if encoder.requires else ""
        known = ", ".join(name for name in ENCODERS if name in available) or "none of the encoders known here"
        raise EncodeError(
            f"{printable(ffmpeg)} was built without the encoder {encoder.name}.{hint}\n"
            f"  It has {known}. Use another ffmpeg: --vmaf-ffmpeg=PATH (ini: vmaf_ffmpeg)."
        )


@lru_cache(maxsize=16)
def _encoders_of(path: str, mtime_ns: int, size: int) -> frozenset[str]:
    lines: list[str] = []
    run(FfmpegCommand((path, "-nostdin", "-hide_banner", "-encoders"), on_stdout=lines.append), 60)
    return frozenset(parts[1] for line in lines if len(parts := line.split(maxsplit=2)) > 1 and parts[0][0] == "V")
