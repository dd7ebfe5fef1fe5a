"""Rotation of a pair: whether the pictures of one clip are turned or mirrored against those of the other."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from pytest_vmaf.media.inspect import THUMBNAIL, Video
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    import numpy as np

#: Pictures are turned if turning them back raises the PSNR of the first frames by as many dB.
MARGIN_DB = 3.0


def rotation_problems(ref: Video, dis: Video, allow: Collection[str]) -> list[str]:
    """Why clips with a display matrix cannot be compared: their pictures are turned against each other.

    ffmpeg applies the matrix as players do. An encode of what they show, without a matrix, is as it should be.
    """
    if "rotation" in allow or not _is_suspect(ref, dis):
        return []
    turn = find_turn(ref.thumbnails, dis.thumbnails)
    if not turn:
        return []
    if ref.rotation is None and dis.rotation is None:
        return [
            f"rotation: the pictures are {turn} against each other, so one has an Exif orientation that the other "
            "lacks. Take it from the one that has it: ffmpeg -noautorotate -i IN OUT.bmp; or score them as they are "
            'shown: allow=["rotation"] (--vmaf-allow=rotation).'
        ]
    turned, what = (ref, "reference") if ref.rotation is not None else (dis, "distorted clip")
    path = turned.clip.path
    names = [printable(shlex.quote(str(name))) for name in (path, f"{path.stem}-coded{path.suffix}")]
    return [
        f"rotation: {_matrix(ref, 'reference')}, {_matrix(dis, 'distorted clip')}, and the pictures are {turn} against "
        "each other. Players apply the matrix, and so does ffmpeg. Encode what they show (ffmpeg without "
        f"-noautorotate), or take the matrix from the {what}: "
        f"ffmpeg -display_rotation 0 -i {names[0]} -c copy {names[1]}; or score them as they are shown: "
        'allow=["rotation"] (--vmaf-allow=rotation).'
    ]


def rotation_notes(ref: Video, dis: Video) -> list[str]:
    """What a display matrix changes, in words, where only one clip has it."""
    if ref.rotation == dis.rotation:
        return []
    return [f"{_matrix(ref, 'reference')}, {_matrix(dis, 'distorted clip')}; pictures are scored as players show them"]


def find_turn(reference: bytes, distorted: bytes) -> str:
    """How the distorted clip's pictures are turned against the reference's, in words; "" if they are not.

    Args:
        reference: Pictures of 64x36 8-bit luma, one after the other, whatever the shape of the clip is.
        distorted: As `reference`.
    """
    import numpy as np

    width, height = THUMBNAIL
    ref, dis = (
        np.frombuffer(data, np.uint8).reshape(-1, height, width).astype(np.float32) for data in (reference, distorted)
    )
    count = min(len(ref), len(dis))
    ref, dis = ref[:count], dis[:count]
    # A picture on its side has another shape, and is sampled at the same places.
    rows, columns = np.arange(height) * width // height, np.arange(width) * height // width

    def upright(pictures: np.ndarray) -> np.ndarray:
        return pictures.transpose(0, 2, 1)[:, rows][:, :, columns]

    def psnr(pictures: np.ndarray) -> float:
        return float((10 * np.log10(255**2 / np.maximum(((ref - pictures) ** 2).mean(axis=(1, 2)), 0.25))).mean())

    turns: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "turned by 180°": lambda pictures: pictures[:, ::-1, ::-1],
        "mirrored left to right": lambda pictures: pictures[:, :, ::-1],
        "mirrored upside down": lambda pictures: pictures[:, ::-1],
        "turned by 90°": lambda pictures: upright(pictures)[:, ::-1],
        "turned by 270°": lambda pictures: upright(pictures)[:, :, ::-1],
        "turned by 90° and mirrored": upright,
        "turned by 270° and mirrored": lambda pictures: upright(pictures)[:, ::-1, ::-1],
    }
    quality = {name: psnr(turn(dis)) for name, turn in turns.items()}
    best = max(quality, key=lambda name: quality[name])
    return best if quality[best] > psnr(dis) + MARGIN_DB else ""


def _is_suspect(ref: Video, dis: Video) -> bool:
    """Whether a rotation is stated, or may be without a word: in the Exif data of pictures."""
    return ref.rotation is not None or dis.rotation is not None or (ref.is_picture and dis.is_picture)


def _matrix(video: Video, what: str) -> str:
    if video.rotation is None:
        return f"the {what} has no display matrix"
    # 180° is printed as -180°, and also for pictures that are mirrored left to right.
    angle = abs(video.rotation) if abs(video.rotation) in (0, 180) else video.rotation
    return f"the {what} has a display matrix ({angle:g}°)"
