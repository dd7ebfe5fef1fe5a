"""Colour of a pair: what the tags of both clips say, and the filters that make their samples comparable."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from pytest_vmaf.media.brightness import Brightness
from pytest_vmaf.media.colour_commands import (
    AS_STORED,
    convert_matrix,
    convert_range,
    retag,
    retag_doubtful,
    retag_grey,
)
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.pixel_formats import (
    FINER_CHROMA,
    MATRIX_OPTIONS,
    SCALER_MATRICES,
    WITHOUT_MATRIX,
    PixelFormat,
    pixel_format,
)

#: How a pair is scored: its samples as they are, full-range grey as limited range, or everything made from RGB.
Route = Literal["stored", "limited", "rgb"]

HDR_TRANSFERS = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
#: Names for the same curve or matrix (ITU-T H.273).
SAME_MATRIX = {"bt470bg", "smpte170m"}
SAME_TRANSFER = {"bt709", "smpte170m", "bt2020-10", "bt2020-12"}
#: Curves for which files made from RGB are tagged with one or the other, while nothing is converted.
LIKE_SRGB = SAME_TRANSFER | {"iec61966-2-1", "bt470m"}
#: Primaries and transfers of ordinary video: a clip without tags probably has one of them.
ORDINARY = {"unknown", "bt709", "smpte170m", "bt470bg", "iec61966-2-1", "bt470m", "bt2020-10", "bt2020-12", "gbr"}
#: Pictures of all codecs, and clips of RGB, are scored against the same samples of the reference.
TO_YUV = "scale=out_color_matrix={}:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int"
GREY_NOTES: dict[Route, str] = {
    "stored": " (luma as stored, neutral chroma)",
    "limited": " (full range to limited, neutral chroma)",
    "rgb": "",
}
#: The tags were compared. Made equal, they leave ffmpeg nothing to convert on its own.
UNTAGGED = "setparams=range=tv:color_primaries=unknown:color_trc=unknown:colorspace=unknown"


@dataclass(frozen=True)
class ColourPlan:
    """How the colours of two clips are made comparable.

    Attributes:
        pix_fmt: The planar format in which both are scored.
        matrix: Of the scored samples, by ffmpeg's name.
        color_range: Of the scored samples: "tv" or "pc".
        before: For the reference and the distorted clip, filters before any other that changes samples.
        after: Likewise, the last filters. They remove the colour tags.
        notes: What was assumed and what is converted, in words.
    """

    pix_fmt: str
    matrix: str
    color_range: str
    before: tuple[tuple[str, ...], tuple[str, ...]]
    after: tuple[tuple[str, ...], tuple[str, ...]]
    notes: tuple[str, ...]


def colour_problems(ref: Video, dis: Video, allow: Collection[str], offset: int = 0) -> list[str]:
    """Why the colours of two clips cannot be compared, a sentence each.

    Args:
        ref: The reference.
        dis: The distorted clip.
        allow: Properties that are refused by default, for example "hdr".
        offset: Frame 0 of the distorted clip shows this frame of the reference.
    """
    problems = []
    for video, what in ((ref, "reference"), (dis, "distorted clip")):
        if video.transfer in HDR_TRANSFERS and "hdr" not in allow:
            problems.append(
                f"transfer: the {what} is {HDR_TRANSFERS[video.transfer]} ({video.transfer}), and no VMAF model is "
                'trained on HDR. Pass allow=["hdr"] (--vmaf-allow=hdr) to score it nevertheless.'
            )
    brightness = Brightness.of(ref, dis, offset)
    route = _route(ref, dis, brightness)
    problems += _range_problems(ref, dis, route, brightness)
    kinds = {video.format.kind for video in (ref, dis)}
    # A tag is compared where it changes what the samples mean: grey has neither matrix nor primaries.
    compared = [("transfer", ref.transfer, dis.transfer)]
    if "grey" not in kinds:
        compared.append(("primaries", ref.primaries, dis.primaries))
    if kinds == {"yuv"} and route == "stored":
        compared.insert(0, ("matrix", ref.matrix, dis.matrix))
    for what, a, b in compared:
        if "unknown" not in (a, b) and not _same_colour(what, a, b, from_rgb=route == "rgb" or "grey" in kinds):
            problems.append(
                f"{what}: the reference is tagged {a}, the distorted clip {b}. Convert or re-tag one. "
                + retag(dis, what, a)
            )
    return problems


def _range_problems(ref: Video, dis: Video, route: Route, brightness: Brightness) -> list[str]:
    kinds = {video.format.kind for video in (ref, dis)}
    ranges = brightness.ranges(ref, dis)
    both_rgb = kinds == {"rgb"} and not (ref.is_picture and dis.is_picture)
    differ = ranges[0] != ranges[1] if route == "stored" else both_rgb and {"tv", "pc"} == _tags(ref, dis)
    problems = []
    if differ:
        problems.append(
            f"colour range: the reference is tagged {ref.color_range}, the distorted clip {dis.color_range} "
            "(tv is limited, pc is full, unknown counts as limited). Correct the wrong tag, or convert the clip. "
            + retag(dis, "range", ranges[0])
            + convert_range(dis, ranges[0])
        )
    elif _is_in_doubt(ref, dis, route) and (better := brightness.contradiction()):
        remedy = retag_doubtful(ref, dis) if route != "stored" else retag_grey(ref, dis, better)
        problems.append(
            f"colour range: by their tags (reference {ref.color_range}, distorted clip {dis.color_range}) the clips "
            f"differ in brightness and contrast as if the distorted clip had been {better}. Correct the wrong tag, "
            f"or convert the clip. {remedy}"
        )
    for video, what in ((ref, "reference"), (dis, "distorted clip")):
        if route != "stored" and video.format.kind == "yuv" and video.matrix not in SCALER_MATRICES:
            problems.append(
                f"matrix: the {what} is tagged {video.matrix}, which ffmpeg's scaler cannot convert, and the other "
                f"clip is RGB or a picture. {convert_matrix(video)}, or compare it with a clip of the same matrix."
            )
    return problems


def _is_in_doubt(ref: Video, dis: Video, route: Route) -> bool:
    """Whether the pictures may contradict the tags: what was RGB or grey went through conversions that ignore them."""
    tags = {video.color_range for video in (ref, dis) if video.format.kind == "grey"}
    # Grey without a tag has the range that fits.
    return route != "stored" or (bool(tags) and tags <= {"tv", "pc"})


def _tags(ref: Video, dis: Video) -> set[str]:
    return {ref.color_range, dis.color_range}


def _same_colour(what: str, a: str, b: str, *, from_rgb: bool) -> bool:
    same = {"matrix": SAME_MATRIX, "transfer": LIKE_SRGB if from_rgb else SAME_TRANSFER}.get(what, set())
    return a == b or {a, b} <= same


def _route(ref: Video, dis: Video, brightness: Brightness) -> Route:
    kinds = {video.format.kind for video in (ref, dis)}
    ranges = brightness.ranges(ref, dis)
    if "rgb" in kinds or (ref.is_picture and dis.is_picture and (kinds != {"grey"} or ranges[0] != ranges[1])):
        return "rgb"
    # Grey is full range by convention, and every converter makes limited range of it for video.
    grey_first = ref.format.kind == "grey"
    if kinds == {"grey", "yuv"} and ranges == (("pc", "tv") if grey_first else ("tv", "pc")):
        return "limited"
    return "stored"


def plan_colour(ref: Video, dis: Video, offset: int = 0, least_depth: int = 8) -> ColourPlan:
    """Plan the colour filters of a pair that has no problems. The arguments are those of `colour_problems`.

    Both clips are scored at the greater of both depths, so that no precision is lost, and at `least_depth` bits or
    more. The distorted clip's chroma decides, as in libvmaf's filter.
    """
    brightness = Brightness.of(ref, dis, offset)
    route, ranges = _route(ref, dis, brightness), brightness.ranges(ref, dis)
    needed = min(16, max(least_depth, ref.format.depth, dis.format.depth))
    depth = next(depth for depth in (8, 10, 12, 16) if depth >= needed)
    pix_fmt = _planar(_chroma(ref, dis, route), depth)
    matrix, notes = _target_matrix(ref, dis, route)
    before, after = [], []
    for tag, a, b in (("primaries", ref.primaries, dis.primaries), ("transfer", ref.transfer, dis.transfer)):
        if "unknown" in (a, b) and (special := {a, b} - ORDINARY):
            notes.append(f"only one clip has a tag for its {tag}; {special.pop()} is assumed for both")
    for video, color_range, what in ((ref, ranges[0], "reference"), (dis, ranges[1], "distorted")):
        notes += _assumptions(video, color_range, what, route)
        known = video.matrix in SCALER_MATRICES
        before.append(() if known else (WITHOUT_MATRIX,))
        filters = _filters(video, color_range, pix_fmt, route, matrix)
        if video.pix_fmt.replace("yuvj", "yuv") != pix_fmt:
            how = GREY_NOTES[route] if video.format.kind == "grey" else ""
            notes.append(f"{what} converted from {video.pix_fmt} to {pix_fmt}{how}")
        # The last step: before `format`, it would squeeze full range into limited.
        after.append((*filters, UNTAGGED))
    return ColourPlan(
        pix_fmt=pix_fmt,
        matrix=matrix,
        color_range=ranges[0] if route == "stored" else "tv",
        before=(before[0], before[1]),
        after=(after[0], after[1]),
        notes=tuple(notes),
    )


def _target_matrix(ref: Video, dis: Video, route: Route) -> tuple[str, list[str]]:
    """The matrix of the scored samples, and what is assumed about it."""
    kinds = [video.format.kind for video in (ref, dis)]
    if route == "rgb" and "grey" not in kinds:
        return "bt709", []
    # Luma depends on the matrix, so it must be that of the grey clip or of the YUV that it is compared with.
    tags = [
        video.matrix for video in (ref, dis) if video.format.kind != "rgb" and video.matrix not in ("unknown", "gbr")
    ]
    if route != "rgb":
        return next(iter(tags), "unknown"), []
    known = next((tag for tag in tags if tag in MATRIX_OPTIONS), None)
    assumed = "luma is made of RGB by the matrix BT.601, as that of grey usually is"
    return known or "smpte170m", [] if known else [assumed]


def _filters(video: Video, color_range: str, pix_fmt: str, route: Route, matrix: str) -> list[str]:
    form = video.format
    as_format = [f"format={pix_fmt}"] if video.pix_fmt != pix_fmt else []
    # Full-range grey through RGB is what ffmpeg's scaler takes any grey for.
    if form.kind != "grey" or (route == "rgb" and color_range == "pc"):
        return [TO_YUV.format(MATRIX_OPTIONS[matrix]), *as_format] if route == "rgb" else as_format
    own = _planar(pixel_format(pix_fmt).chroma, form.depth)
    filters = _grey_as_stored(form, own, color_range)
    if route == "limited":
        filters.append("scale=out_range=tv:flags=bicubic+accurate_rnd")
    return filters if own == pix_fmt and route == "stored" else [*filters, f"format={pix_fmt}"]


def _grey_as_stored(form: PixelFormat, pix_fmt: str, color_range: str) -> list[str]:
    """The filters that give grey neutral chroma in a format of the same depth, and leave its luma alone."""
    # Transparency, bits and floats become plain grey first.
    plain = [] if form.is_plain_grey else [f"format=gray{'' if form.depth == 8 else f'{form.depth}le'}"]
    return [*plain, AS_STORED, f"format={pix_fmt}", f"setparams=range={color_range}"]


def limited_grey_filters(video: Video) -> list[str]:
    """The filters that make YUV of grey with limited range, which ffmpeg would convert as full range; else none."""
    if video.format.kind != "grey" or video.color_range != "tv":
        return []
    return _grey_as_stored(video.format, _planar("420", video.format.depth), "tv")


def _chroma(ref: Video, dis: Video, route: Route) -> str:
    if route == "rgb":
        return "444"
    chroma = next((video.format.chroma for video in (dis, ref) if video.format.chroma), "420")
    return FINER_CHROMA.get(chroma, chroma)


def _planar(chroma: str, depth: int) -> str:
    return f"yuv{chroma}p{'' if depth == 8 else f'{depth}le'}"


def _assumptions(video: Video, color_range: str, what: str, route: Route) -> list[str]:
    """What was assumed because a clip has no tag, or one that ffmpeg does not follow."""
    form = video.format
    if form.kind == "grey" and video.color_range not in ("tv", "pc"):
        name = {"tv": "limited", "pc": "full"}[color_range]
        return [f"{what} is grey ({video.pix_fmt}) without a range tag; {name} range is assumed, which fits best"]
    if form.kind == "rgb" and video.color_range == "tv":
        return [f"{what} is RGB and tagged limited range (tv); ffmpeg reads all RGB as full range"]
    if form.kind == "yuv" and route == "rgb":
        assumed = ["matrix BT.601"] if video.matrix == "unknown" else []
        assumed += ["limited range"] if video.color_range not in ("tv", "pc") else []
        if assumed:
            return [f"{what} lacks colour tags; assumed for the conversion from and to RGB: {', '.join(assumed)}"]
    return []
