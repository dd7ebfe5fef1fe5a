"""Speed: frames per second of an encoder, and of the decoder of its encode."""

from __future__ import annotations

import math
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from pytest_vmaf.cache.entries import get_or_compute, key_of
from pytest_vmaf.encoding.cached import encode_key
from pytest_vmaf.encoding.encode import make_encode
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.media.inspect import count_frames


@dataclass(frozen=True)
class Speed:
    """The speed of one encode, measured while nothing else of the search runs.

    Attributes:
        crf: The CRF of that encode.
        encode: Frames per second of the encoder.
        decode: Frames per second of ffmpeg's decoder.
    """

    crf: int
    encode: float
    decode: float


def measure_speed(job: EncodeJob, crf: int, folder: Path) -> Speed:
    """Encode at this CRF once more, and decode the encode. With a cache, once on each machine."""
    path = folder / f"timed{job.encoder.suffix}"
    encode = encode_key(job, crf, path)
    return get_or_compute(
        job.cache,
        "look",
        key_of("speed", encode=encode, machine=platform.node()) if encode else None,
        lambda: _measure(job, crf, path),
        lambda speed: [speed.encode, speed.decode],
        lambda data: Speed(crf, float(data[0]), float(data[1])),
    )


def _measure(job: EncodeJob, crf: int, path: Path) -> Speed:
    try:
        encode = make_encode(job, crf, path)
        start = time.monotonic()
        count_frames(job.clip(path), job.ffmpeg, job.timeout)
        decoding = time.monotonic() - start
    finally:
        path.unlink(missing_ok=True)
    return Speed(crf, encode.frames / (encode.seconds or math.inf), encode.frames / decoding)
