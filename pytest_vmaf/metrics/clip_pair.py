"""ClipPair: two clips as they are scored; their pictures for metrics, read one pair at a time."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.errors import MetricError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.frame_layout import Frame
from pytest_vmaf.media.pixel_formats import PLANAR_YUV
from pytest_vmaf.media.read_frames import read_frames
from pytest_vmaf.metrics.colour import Colours, to_luma, to_rgb
from pytest_vmaf.text import plural

Pictures = NDArray[np.float32]


@dataclass(frozen=True)
class ClipPair:
    """Two clips, prepared by ffmpeg's filters as they are for the scorer.

    Attributes:
        reference: The reference.
        distorted: The distorted clip.
        chains: Their filter chains, which select the scored frames, too.
        turned: Whether the display matrix of each is applied.
        width: Width of the scored frames in pixels.
        height: Height of the scored frames in pixels.
        pix_fmt: Their planar YUV format.
        matrix: Their colour matrix, by ffmpeg's name.
        color_range: "tv" or "pc".
        frames: How many frames were scored.
        frame_rate: Frames per second, None if unknown.
        ffmpeg: The path of ffmpeg.
        threads: The threads that networks compute in.
        timeout: Time limit in seconds, or None.
    """

    reference: Clip
    distorted: Clip
    chains: tuple[str, str]
    turned: tuple[bool, bool]
    width: int
    height: int
    pix_fmt: str
    matrix: str
    color_range: str
    frames: int
    frame_rate: Fraction | None
    ffmpeg: str
    threads: int = 1
    timeout: float | None = None

    @property
    def depth(self) -> int:
        """The bits of a sample."""
        match = PLANAR_YUV.fullmatch(self.pix_fmt)
        return int(match["depth"] or 8) if match else 8


def read_pairs(
    pair: ClipPair, colour: str, size: tuple[int, int] | None, *, planar: bool
) -> Iterator[tuple[Pictures, Pictures]]:
    """Yield the pictures of both clips, new arrays each time. Close the iterator to end ffmpeg.

    Args:
        pair: The clips.
        colour: "rgb" or "luma".
        size: Width and height of the pictures, None for those that were scored.
        planar: Whether RGB is [3,H,W] and not [H,W,3].

    Raises:
        MetricError: If there are other frames than were scored.
        ScorerError: If ffmpeg cannot decode a clip.
    """
    clips = zip((pair.reference, pair.distorted), pair.chains, pair.turned, strict=True)
    colours = Colours(pair.matrix, pair.color_range, pair.depth)
    count = 0
    with contextlib.ExitStack() as stack:
        streams = []
        for clip, chain, turned in clips:
            filters, pix_fmt = _form(pair, colour, size, chain)
            frames = read_frames(
                clip,
                pair.ffmpeg,
                pix_fmt=pix_fmt,
                size=size or (pair.width, pair.height),
                filters=filters,
                timeout=pair.timeout,
                turned=turned,
            )
            streams.append(stack.enter_context(contextlib.closing(frames)))  # type: ignore[type-var]
        for reference, distorted in zip(*streams, strict=False):
            count += 1
            yield (
                _picture(reference, colours, colour, planar=planar),
                _picture(distorted, colours, colour, planar=planar),
            )
    if count != pair.frames:
        raise MetricError(
            f"{plural(pair.frames, 'pair')} of frames were scored, but {count} were decoded for metrics: "
            f"{pair.reference.name} against {pair.distorted.name}. Was a file written to meanwhile?"
        )


def _form(pair: ClipPair, colour: str, size: tuple[int, int] | None, chain: str) -> tuple[str, str]:
    """The filters of a clip and the pixel format that they end with."""
    resized = "" if size in (None, (pair.width, pair.height)) else f"{size[0]}:{size[1]}:" if size else ""
    depth = "" if pair.depth == 8 else f"{pair.depth}le"
    scale = f"scale={resized}flags=bicubic+accurate_rnd+full_chroma_int"
    if colour == "luma":
        steps, pix_fmt = [*([scale] if resized else []), "extractplanes=y"], f"gray{depth}"
    else:
        pix_fmt = re.sub("42[02]", "444", pair.pix_fmt)
        steps = [scale, f"format={pix_fmt}"]
    return ",".join([*([chain] if chain else []), *steps]), pix_fmt


def _picture(frame: Frame, colours: Colours, colour: str, *, planar: bool) -> Pictures:
    if not isinstance(frame, tuple):
        return to_luma(frame, colours)
    return to_rgb(frame, colours, planar=planar)
