"""Geometry of a pair: the sizes of the pictures, and what may be scaled."""

from __future__ import annotations

from pytest_vmaf.media.inspect import Video

SCALERS = ("bicubic", "bilinear", "lanczos", "spline", "neighbor", "area")


def size_problems(ref: Video, dis: Video, scale: str | None) -> list[str]:
    """Why pictures of these sizes cannot be compared, a sentence each."""
    sizes = f"the reference is {ref.width}x{ref.height}, the distorted clip {dis.width}x{dis.height}"
    if (ref.width, ref.height) == (dis.width, dis.height):
        return []
    if dis.width > ref.width or dis.height > ref.height:
        return [f"size: {sizes}. The reference is never scaled: use one at least as large as the distorted clip."]
    if scale is None:
        return [f'size: {sizes}. Pass scale="bicubic" (--vmaf-scale) to scale the distorted clip up, like a player.']
    return []
