"""Rotation of a pair: whether the pictures of one clip are turned or mirrored against those of the other."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from pytest_vmaf.media.alignment import FLOOR_DB
from pytest_vmaf.media.inspect import THUMBNAIL, Video
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    import numpy as np

#: How pictures may be turned, and the filters that turn them back.
TURNS = {
    "turned by 180°": "hflip,vflip",
    "mirrored left to right": "hflip",
    "mirrored upside down": "vflip",
    "turned by 90°": "transpose=cclock",
    "turned by 270°": "transpose=clock",
    "turned by 90° and mirrored": "transpose=cclock_flip",
    "turned by 270° and mirrored": "transpose=clock_flip",
}
#: How many frames are compared.
MOST_FRAMES = 240
#: Pictures are turned if turning them back raises the PSNR of the first frames by as many dB.
MARGIN_DB = 3.0


def rotation_problems(ref: Video, dis: Video, allow: Collection[str]) -> list[str]:
    """Why clips cannot be compared whose pictures are turned or mirrored against each other, in a sentence.

    ffmpeg applies a display matrix as players do. An encode of what they show, without a matrix, is as it should be.
    """
    if "rotation" in allow:
        return []
    stated = ref.rotation is not None or dis.rotation is not None
    matrices = f"{_matrix(ref, 'reference')}, {_matrix(dis, 'distorted clip')}"
    score_them = 'or score them as they are shown: allow=["rotation"] (--vmaf-allow=rotation).'
    if ref.rotation != dis.rotation and (_is_oblique(ref) or _is_oblique(dis)):
        return [
            f"rotation: {matrices}. Players cut off corners of pictures that are not turned by a right angle. "
            f"{_take_out(*((ref, 'reference') if _is_oblique(ref) else (dis, 'distorted clip')))}; {score_them}"
        ]
    turn = find_turn(ref.thumbnails, dis.thumbnails, 0.0 if stated else FLOOR_DB)
    if not turn:
        return []
    if not stated:
        exif = ", and no Exif orientation that this ffmpeg knows" if ref.is_picture else ""
        name = printable(shlex.quote(str(dis.clip.path)))
        return [
            f"rotation: the pictures are {turn} against each other, and neither clip has a display matrix{exif}. "
            "A step of the encode turns them. To score the distorted clip turned back, first run "
            f"ffmpeg -i {name} -vf {TURNS[turn]} -c:v ffv1 OUT.mkv; {score_them}"
        ]
    turned, what = (ref, "reference") if ref.rotation is not None else (dis, "distorted clip")
    return [
        f"rotation: {matrices}, and the pictures are {turn} against each other. Players apply the matrix, and so does "
        "ffmpeg. Encode what they show (ffmpeg without -noautorotate), or take the matrix from the "
        f"{what}. {_take_out(turned, what)}; {score_them}"
    ]


def _is_oblique(video: Video) -> bool:
    """Whether a display matrix turns the pictures by no right angle."""
    return video.rotation is not None and 1 < video.rotation % 90 < 89


def _take_out(video: Video, what: str) -> str:
    """The command that takes the display matrix out of a clip."""
    path = video.clip.path
    suffix = ".bmp" if video.is_picture else path.suffix
    names = [printable(shlex.quote(str(name))) for name in (path, f"{path.stem}-coded{suffix}")]
    if video.is_picture:
        return f"Without the matrix (Exif orientation), the {what} is: ffmpeg -noautorotate -i {names[0]} {names[1]}"
    return f"Without the matrix, the {what} is: ffmpeg -display_rotation 0 -i {names[0]} -c copy {names[1]}"


def rotation_notes(ref: Video, dis: Video) -> list[str]:
    """What a display matrix changes, in words, where only one clip has it."""
    if ref.rotation == dis.rotation:
        return []
    return [f"{_matrix(ref, 'reference')}, {_matrix(dis, 'distorted clip')}; pictures are scored as players show them"]


def find_turn(reference: bytes, distorted: bytes, floor: float = 0.0) -> str:
    """How the distorted clip's pictures are turned against the reference's, in words; "" if they are not.

    Args:
        reference: Pictures of 64x36 8-bit luma, one after the other, whatever the shape of the clip is.
        distorted: As `reference`.
        floor: The least PSNR of pictures that are turned back, in dB.
    """
    import numpy as np

    width, height = THUMBNAIL
    ref, dis = (
        np.frombuffer(data, np.uint8).reshape(-1, height, width).astype(np.float32) for data in (reference, distorted)
    )
    count = min(len(ref), len(dis), MOST_FRAMES)
    ref, dis = ref[:count], dis[:count]
    # A picture on its side has another shape, and is sampled at the same places.
    rows, columns = ((2 * np.arange(n) + 1) * m // (2 * n) for n, m in ((height, width), (width, height)))

    def upright(pictures: np.ndarray) -> np.ndarray:
        return pictures.transpose(0, 2, 1)[:, rows][:, :, columns]

    def psnr(pictures: np.ndarray) -> float:
        return float((10 * np.log10(255**2 / np.maximum(((ref - pictures) ** 2).mean(axis=(1, 2)), 0.25))).mean())

    turns: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
        lambda pictures: pictures[:, ::-1, ::-1],
        lambda pictures: pictures[:, :, ::-1],
        lambda pictures: pictures[:, ::-1],
        lambda pictures: upright(pictures)[:, ::-1],
        lambda pictures: upright(pictures)[:, :, ::-1],
        upright,
        lambda pictures: upright(pictures)[:, ::-1, ::-1],
    )
    quality = {name: psnr(turn(dis)) for name, turn in zip(TURNS, turns, strict=True)}
    second, best = sorted(quality, key=lambda name: quality[name])[-2:]
    if quality[best] - quality[second] < 1:
        # Patterns such as a checkerboard look the same after several turns, which then prove nothing.
        return ""
    return best if quality[best] > max(psnr(dis) + MARGIN_DB, floor) else ""


def _matrix(video: Video, what: str) -> str:
    if video.rotation is None:
        return f"the {what} has no display matrix"
    # 180° is printed as -180°, and also for pictures that are mirrored left to right.
    angle = abs(video.rotation) if abs(video.rotation) in (0, 180) else video.rotation
    return f"the {what} has a display matrix ({angle:g}°)"
