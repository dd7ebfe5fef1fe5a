"""Geometry of a pair: the sizes and shapes of the pictures, and the size at which both are scored."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction

from pytest_vmaf.media.demux import states_shape
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.text import printable

SCALERS = ("bicubic", "bilinear", "lanczos", "spline", "neighbor", "area")
#: Encoders round the sides of scaled pictures to multiples of up to 16. A side may differ by half of that, and not by
#: more than this part of it; or by so little that nobody sees it.
ROUNDING, LARGEST_ROUNDING, INVISIBLE = 8, 0.025, 0.01

#: Thumbnails of less PSNR than this, in dB, may show different parts of a scene.
ALIKE_DB = 32.0
UP = 'Pass scale="bicubic" (--vmaf-scale) to scale the distorted clip up, like a player.'
AT_DISPLAY = 'Pass scale="bicubic" (--vmaf-scale) to score both at the size of the display, like a player.'

Size = tuple[int, int]


@dataclass(frozen=True)
class SizePlan:
    """The size at which a pair is scored.

    Attributes:
        size: Width and height in pixels.
        filters: The filters that scale the reference and the distorted clip; none for a clip that has the size.
        notes: What is scaled, in words.
    """

    size: Size
    filters: tuple[tuple[str, ...], tuple[str, ...]]
    notes: tuple[str, ...]


def display_size(video: Video) -> Size:
    """Width and height at which a player shows a video."""
    return shown_size(video.width, video.height, video.sample_aspect or Fraction(1))


def shown_size(width: int, height: int, sample_aspect: Fraction) -> Size:
    """Width and height at which a player shows pictures: the sample aspect ratio stretches or shrinks the width."""
    if abs(sample_aspect - 1) <= INVISIBLE:
        return width, height
    # Even, because chroma may have half as many samples.
    return max(2, 2 * round(width * sample_aspect / 2)), height


def size_problems(
    ref: Video, dis: Video, scale: str | None, allow: Collection[str], find_crop: Callable[[], str]
) -> list[str]:
    """Why pictures of these sizes and shapes cannot be compared, a sentence each.

    Args:
        ref: The reference.
        dis: The distorted clip.
        scale: The filter that scales, or None if nothing may be scaled.
        allow: With "display", pictures of different shapes are compared as they are stored.
        find_crop: Looks for a crop that makes the shapes equal, and returns what it found in words, or "".
    """
    sizes = f"the reference is {_size(ref)}, the distorted clip {_size(dis)}"
    same = _same_shape(ref, dis)
    differ = (ref.width, ref.height) != (dis.width, dis.height)
    # Without `scale`, nothing is scored anyway.
    if (
        same
        and differ
        and "display" not in allow
        and (scale is None or not _looks_alike(ref, dis))
        and (crop := find_crop())
    ):
        return [f"display: {sizes}, but the pictures show different parts of the scene. {crop}"]
    if not same and "display" not in allow:
        return [f"display: {sizes}, so the shapes of the pictures differ. {_reshape(ref, dis, find_crop)}"]
    if not differ:
        return []
    if dis.width <= ref.width and dis.height <= ref.height:
        if scale is None:
            how = AT_DISPLAY if same and _is_anamorphic(ref) else UP
            return [f"size: {sizes}. {how}"]
        return []
    display = display_size(ref)
    if same and _is_anamorphic(ref) and _fits(dis, display):
        if scale is None:
            return [f"size: {sizes}. {AT_DISPLAY}"]
        return []
    return [f"size: {sizes}. The reference is never scaled: use one at least as large as the distorted clip."]


def plan_size(ref: Video, dis: Video, scale: str | None) -> SizePlan:
    """Plan the scaling of a pair without problems: to the reference's size, or to that of its display.

    With a scaler, a reference whose samples are not square is scored as a player shows it.
    """
    size, notes = (ref.width, ref.height), []
    if scale is not None and _is_anamorphic(ref) and _same_shape(ref, dis):
        display = display_size(ref)
        # Widths may be rounded to other multiples than ours.
        near = dis.height == display[1] and abs(dis.width - display[0]) <= ROUNDING
        size = (dis.width, dis.height) if near else display
        stated = _ratio(ref.sample_aspect or Fraction(1))
        notes.append(f"scored at {_by(size)}, as shown: the reference states a sample aspect ratio of {stated}")
    filters = []
    for video, what in ((ref, "reference"), (dis, "distorted")):
        own = video.width, video.height
        filters.append((f"scale={size[0]}:{size[1]}:flags={scale}",) if own != size else ())
        if own != size:
            notes.append(f"{what} scaled from {_by(own)} to {_by(size)} ({scale})")
    for video, aspect, what in zip((ref, dis), _aspects(ref, dis), ("reference", "distorted clip"), strict=True):
        if aspect != (video.sample_aspect or 1):
            notes.append(f"the {what} cannot state a sample aspect ratio; {_ratio(aspect)} is assumed, as of the other")
    return SizePlan(size, (filters[0], filters[1]), tuple(notes))


def _reshape(ref: Video, dis: Video, find_crop: Callable[[], str]) -> str:
    """What to do about pictures of different shapes."""
    aspects = _aspects(ref, dis)
    if aspects[0] != aspects[1] and same_shape((ref.width, ref.height), (dis.width, dis.height)):
        shape = ref.width * aspects[0] / ref.height
        name = printable(shlex.quote(str(dis.clip.path)))
        return (
            "A player stretches one of them. If the distorted clip lost its sample aspect ratio, state it: "
            f"ffmpeg -i {name} -c copy -aspect {_ratio(shape)} OUT.mkv; or compare the clips as they are stored: "
            'allow=["display"] (--vmaf-allow=display).'
        )
    return find_crop() or (
        "Scaling would stretch one of them. If it was cropped, crop the other: Clip(path, crop=(x, y, w, h)); or "
        'compare them nevertheless: allow=["display"] (--vmaf-allow=display).'
    )


def same_shape(a: tuple[Fraction | int, int], b: tuple[Fraction | int, int]) -> bool:
    """Whether two sizes have the same shape, but for the rounding of sides."""
    # The smaller one was scaled.
    a, b = max(a, b), min(a, b)
    if a[0] != b[0] and a[1] != b[1]:
        for side, expected in ((b[1], b[0] * Fraction(a[1]) / a[0]), (b[0], b[1] * Fraction(a[0]) / a[1])):
            error = abs(side - expected)
            if error <= max(min(ROUNDING, side * LARGEST_ROUNDING), side * INVISIBLE):
                return True
    return a[0] * b[1] == a[1] * b[0]


def _same_shape(ref: Video, dis: Video) -> bool:
    (ref_aspect, dis_aspect), sizes = _aspects(ref, dis), ((ref.width, ref.height), (dis.width, dis.height))
    if sizes[0] == sizes[1]:
        # Two conventions for the same television picture differ by less.
        return abs(ref_aspect - dis_aspect) <= Fraction(LARGEST_ROUNDING) * ref_aspect
    if ref_aspect == dis_aspect:
        return same_shape(*sizes)
    shapes = ref.width * ref_aspect / ref.height, dis.width * dis_aspect / dis.height
    return abs(shapes[0] - shapes[1]) <= shapes[0] * Fraction(LARGEST_ROUNDING)


def _looks_alike(ref: Video, dis: Video) -> bool:
    """Whether thumbnails of the first frames are as similar as those of any but the coarsest encode are."""
    return thumbnail_psnr(ref.thumbnails, dis.thumbnails) > ALIKE_DB


def thumbnail_psnr(reference: bytes, distorted: bytes) -> float:
    """The mean PSNR of the thumbnails that both clips have, in dB."""
    import numpy as np

    count = min(len(reference), len(distorted))
    a, b = (np.frombuffer(data[:count], np.uint8).astype(np.float32) for data in (reference, distorted))
    return float(10 * np.log10(255**2 / max(0.25, float(((a - b) ** 2).mean()))))


def _aspects(ref: Video, dis: Video) -> tuple[Fraction, Fraction]:
    """The sample aspect ratios of both clips. Without one, players assume square samples.

    Formats that cannot state one are assumed to have that of the other clip, if the pictures are otherwise alike.
    """
    aspects = [video.sample_aspect for video in (ref, dis)]
    alike = same_shape((ref.width, ref.height), (dis.width, dis.height))
    for own, other, video in ((0, 1, ref), (1, 0, dis)):
        if aspects[own] in (None, 1) and alike and aspects[other] is not None and not states_shape(video.clip):
            aspects[own] = aspects[other]
    return aspects[0] or Fraction(1), aspects[1] or Fraction(1)


def _is_anamorphic(video: Video) -> bool:
    return display_size(video) != (video.width, video.height)


def _fits(video: Video, size: Size) -> bool:
    return video.width <= size[0] + ROUNDING and video.height <= size[1]


def _size(video: Video) -> str:
    """The size of a video, and how it is shown."""
    display = f", shown at {_by(display_size(video))}" if _is_anamorphic(video) else ""
    aspect = f" with a sample aspect ratio of {_ratio(video.sample_aspect)}" if display and video.sample_aspect else ""
    turned = " after its rotation" if video.rotation and abs(video.rotation) in (90, 270) else ""
    return f"{_by((video.width, video.height))}{turned}{aspect}{display}"


def _ratio(aspect: Fraction) -> str:
    return f"{aspect.numerator}:{aspect.denominator}"


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
