"""A trial of fractions: whether an ffmpeg passes them on to an encoder, by the bytes of tiny encodes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path

from pytest_vmaf.cache.entries import Cache, get_or_compute, key_of
from pytest_vmaf.encoding.crf_steps import FINEST, is_rounded, number_at, parts_taken, pass_fraction
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.errors import EncodeError
from pytest_vmaf.media.builds import build_of
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.text import printable

#: What is encoded: large enough for every encoder.
WIDTH, HEIGHT, FRAMES = 256, 144, 2
TIMEOUT = 60.0


def check_fractions(encoder: Encoder, ffmpeg: str, cache: Cache | None = None) -> None:
    """Check that a build of ffmpeg, or of the encoder in it, does not round the CRFs of an encoder.

    x264 and x265 are known to take any fraction, and are not tried.

    Args:
        encoder: The encoder.
        ffmpeg: Path of the ffmpeg.
        cache: Where the result for known builds is stored.

    Raises:
        EncodeError: If it rounds them. Where the trial itself fails, the first encode tells why.
    """
    if encoder.crf_step == 1 or not encoder.arguments or parts_taken(encoder.name, encoder.arguments) == FINEST:
        return
    stat = Path(ffmpeg).stat()
    build = build_of(ffmpeg, cache) if cache else None
    what = encoder.name, encoder.arguments, encoder.preset, encoder.crf_range, encoder.crf_step
    digests = get_or_compute(
        cache,
        "look",
        key_of("fractions", build=build, encoder=what) if build else None,
        partial(_digests, encoder, ffmpeg, stat.st_mtime_ns, stat.st_size),
        list,
        lambda stored: tuple(map(str, stored)),
    )
    if is_rounded(digests):
        low, *_, high = _crfs(encoder)
        raise EncodeError(
            f"{encoder.name} of {printable(ffmpeg)} rounds CRFs without a message: {len(digests)} test encodes from "
            f"CRF {low} to {high} have no more than {len(set(digests))} different contents, so crf_step must not be "
            f"{encoder.crf_step}.\n"
            "  Leave out crf_step, or use another ffmpeg: --vmaf-ffmpeg=PATH (ini: vmaf_ffmpeg)."
        )


def _crfs(encoder: Encoder) -> list[float]:
    """A whole CRF in the middle of the scale, the next one, and all between them."""
    parts = round(1 / encoder.crf_step)
    low, high = encoder.crf_range
    first = round((low + high) / 2) * parts
    return [number_at(place, parts) for place in range(first, first + parts + 1)]


@lru_cache(maxsize=16)
def _digests(encoder: Encoder, ffmpeg: str, mtime_ns: int, size: int) -> tuple[str, ...]:
    """The digests of the packets at these CRFs; nothing if one of them cannot be encoded."""
    if encoder.preset is None and any("{preset}" in word for word in encoder.arguments):
        return ()
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=25"
    values = {"preset": encoder.preset, "width": WIDTH, "height": HEIGHT, "frame_rate": 25, "frames": FRAMES}
    digests = []
    for crf in _crfs(encoder):
        own, _ = pass_fraction(encoder.name, encoder.arguments, (), crf)
        words = [_fill(word, {**values, "crf": crf, "pix_fmt": "yuv420p"}) for word in own]
        argv = [ffmpeg, "-nostdin", "-hide_banner", "-f", "lavfi", "-i", source, "-frames:v", str(FRAMES)]
        argv += ["-pix_fmt", "yuv420p", "-c:v", encoder.name, *words, "-f", "md5", "-"]
        lines: list[str] = []
        end = run(FfmpegCommand(tuple(argv), on_stdout=lines.append), TIMEOUT)
        if end.returncode != 0 or not lines:
            return ()
        digests.append(lines[-1])
    return tuple(digests)


def _fill(word: str, values: Mapping[str, object]) -> str:
    for name, value in values.items():
        word = word.replace(f"{{{name}}}", str(value))
    return word
