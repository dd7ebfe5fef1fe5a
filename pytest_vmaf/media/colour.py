"""Colour of a pair: range, matrix, transfer and primaries, and whether it is scored through RGB."""

from __future__ import annotations

from collections.abc import Collection

from pytest_vmaf.media.inspect import Video

HDR_TRANSFERS = {"smpte2084": "PQ", "arib-std-b67": "HLG"}


def colour_problems(ref: Video, dis: Video, allow: Collection[str]) -> list[str]:
    """Why the colours of two clips cannot be compared, a sentence each."""
    problems = []
    for video, what in ((ref, "reference"), (dis, "distorted clip")):
        if video.transfer in HDR_TRANSFERS and "hdr" not in allow:
            problems.append(
                f"transfer: the {what} is {HDR_TRANSFERS[video.transfer]} ({video.transfer}), and no VMAF model is "
                'trained on HDR. Pass allow=["hdr"] (--vmaf-allow=hdr) to score it nevertheless.'
            )
    if goes_through_rgb(ref, dis):
        return problems
    ranges = [video.color_range if video.color_range == "pc" else "tv" for video in (ref, dis)]
    if ranges[0] != ranges[1]:
        problems.append(
            f"colour range: the reference is tagged {ref.color_range}, the distorted clip {dis.color_range} "
            "(tv is limited, pc is full, unknown counts as limited). Correct the wrong tag, or convert the clip."
        )
    for what, a, b in (
        ("matrix", ref.matrix, dis.matrix),
        ("transfer", ref.transfer, dis.transfer),
        ("primaries", ref.primaries, dis.primaries),
    ):
        if "unknown" not in (a, b) and not _same_colour(what, a, b):
            problems.append(f"{what}: the reference is tagged {a}, the distorted clip {b}. Convert or re-tag one.")
    return problems


def _same_colour(what: str, a: str, b: str) -> bool:
    # Names for the same curve or matrix (ITU-T H.273).
    same = {
        "matrix": ({"bt470bg", "smpte170m"},),
        "transfer": ({"bt709", "smpte170m", "bt2020-10", "bt2020-12"},),
        "primaries": (),
    }[what]
    return a == b or any({a, b} <= names for names in same)


def goes_through_rgb(ref: Video, dis: Video) -> bool:
    """Whether the clips are scored as made from RGB samples."""
    return ref.is_rgb or dis.is_rgb or (ref.is_picture and dis.is_picture)
