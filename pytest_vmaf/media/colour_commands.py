"""Commands that correct the colours of a clip: its tags, range or matrix."""

from __future__ import annotations

from pytest_vmaf.media.inspect import Video

#: ffmpeg's scaler takes grey for full range whatever its tag says. With full range on both sides, samples stay as is.
AS_STORED = "scale=in_range=full:out_range=full"
#: Matrices that ffmpeg's zscale converts, and the primaries and transfer that they usually have. It needs both.
ZSCALE_MATRICES = {
    "ycgco": ("bt709", "bt709"),
    "bt2020c": ("bt2020", "bt2020-10"),
    "chroma-derived-nc": ("bt709", "bt709"),
    "chroma-derived-c": ("bt709", "bt709"),
    "ictcp": ("bt2020", "smpte2084"),
}
#: The transfers of HDR. Only with one of them is a picture in ICtCp, and without them in BT.2020 of constant luminance.
HDR_CURVES = {"smpte2084", "arib-std-b67"}
#: How ffmpeg's setparams calls the tags.
SETPARAMS = {"matrix": "colorspace", "primaries": "color_primaries", "transfer": "color_trc", "range": "range"}
#: x264 keeps samples and tags.
LOSSLESS = "-c:v libx264 -qp 0 OUT.mkv"


def retag(video: Video, tag: str, value: str, what: str = "distorted clip") -> str:
    """How to give a clip, described as `what`, another tag without changing its samples, in a sentence."""
    # What x264 codes of grey is decoded as YUV.
    lossless = {"rgb": "-c:v libx264rgb -qp 0 OUT.mkv", "grey": "-c:v ffv1 OUT.mkv"}.get(video.format.kind, LOSSLESS)
    # The yuvj formats are full range whatever the tag says.
    plain = f"{AS_STORED},format={_without_j(video)}," if video.format.is_full_range and tag == "range" else ""
    filters = f"{plain}setparams={SETPARAMS[tag]}={value}"
    return f"If only the tag of the {what} is wrong: ffmpeg -i IN -vf {filters} {lossless}"


def retag_doubtful(ref: Video, dis: Video) -> str:
    """How to give the other range to the clip whose tag is probably wrong."""
    in_doubt = [(video, what) for video, what in ((dis, "distorted clip"), (ref, "reference"))]
    # RGB is full range. Of grey and YUV, full range is the rarer one.
    in_doubt = [each for each in in_doubt if each[0].format.kind != "rgb"] or in_doubt
    video, what = next((each for each in in_doubt if each[0].color_range == "pc"), in_doubt[0])
    return retag(video, "range", "tv" if video.color_range == "pc" else "pc", what)


def retag_grey(ref: Video, dis: Video, better: str) -> str:
    """How to correct the range of one of two clips with the same tag, of which one or both are grey.

    Args:
        ref: The reference.
        dis: The distorted clip.
        better: How the distorted clip differs, as `Brightness.contradiction` says.
    """
    is_squeezed, tag = better.startswith("squeezed"), "tv" if "pc" in (ref.color_range, dis.color_range) else "pc"
    # A wrong tag is that of the wider samples, if it is limited, or that of the narrower ones.
    clip = (dis, "distorted clip") if is_squeezed == (tag == "tv") else (ref, "reference")
    text = retag(clip[0], "range", tag, clip[1])
    if not is_squeezed or ref.format.kind != "grey":
        return text
    filters = f"{AS_STORED},format={_planar(ref)},setparams=range={ref.color_range}"
    return f"{text}. If both are right, ffmpeg took the reference for full range: encode it with -vf {filters}"


def convert_range(video: Video, color_range: str) -> str:
    """How to convert the distorted clip to another range, in a sentence; "" for RGB."""
    if video.format.kind == "rgb":
        return ""
    form, first = _without_j(video), ""
    if video.format.kind == "grey":
        # As YUV with neutral chroma, because the scaler takes grey for full range.
        form = _planar(video)
        first = f"{AS_STORED},format={form},setparams=range=tv," if color_range == "pc" else ""
    return f". To convert it: ffmpeg -i IN -vf {first}scale=out_range={color_range},format={form} {LOSSLESS}"


def convert_matrix(video: Video) -> str:
    """How to convert a clip whose matrix ffmpeg's scaler does not know."""
    primaries, transfer = ZSCALE_MATRICES.get(video.matrix, ("", ""))
    if video.transfer != "unknown":
        transfer = video.transfer
    if not primaries or {"ictcp": transfer not in HDR_CURVES, "bt2020c": transfer in HDR_CURVES}.get(video.matrix):
        return "Convert it to BT.709 with a program that knows this matrix"
    tags = [f"color_primaries={primaries}"] if video.primaries == "unknown" else []
    tags += [f"color_trc={transfer}"] if video.transfer == "unknown" else []
    assumed = f"setparams={':'.join(tags)}," if tags else ""
    return f"Convert it first (ffmpeg -i IN -vf {assumed}zscale=matrix=709 {LOSSLESS})"


def _without_j(video: Video) -> str:
    return video.pix_fmt.replace("yuvj", "yuv")


def _planar(video: Video) -> str:
    """YUV of the same depth, for grey."""
    return "yuv420p" if video.format.depth == 8 else f"yuv420p{video.format.depth}le"
