"""The order of a pair: signs that the reference and the distorted clip were swapped."""

from __future__ import annotations

import re

from pytest_vmaf.media.inspect import Video

#: ffmpeg's names of codecs that lose nothing, or next to nothing: what references are stored in.
LOSSLESS = re.compile(
    r"rawvideo|wrapped_avframe|ffv1|huffyuv|ffvhuff|utvideo|magicyuv|lagarith|v210|v410|r210|v408|png|apng|tiff|bmp|"
    r"dpx|exr|qoi|cllc|zlib|flashsv2?"
)
#: Codecs that encoders under test write.
LOSSY = re.compile(
    r"h26[1-4]|hevc|vvc|evc|av1|vp[6-9]f?|mpeg[124](?:video)?|msmpeg4v\d|theora|wmv\d|vc1|rv\d0|flv1|cavs"
)
#: A distorted clip whose file is so much larger than the reference's is hardly an encode of it.
LARGER = 1.25


def order_evidence(ref: Video, dis: Video) -> str:
    """The evidence of the streams for a wrong order, as a clause; "" if there is none."""
    ref_codec, dis_codec = codec_of(ref), codec_of(dis)
    # What a codec in Python decoded is an encode, though its frames are stored without loss.
    if LOSSY.fullmatch(ref_codec) is None or ref.clip.path == dis.clip.path or dis.clip.bitstream:
        return ""
    by = f" by {ref.encoder}" if ref.encoder else ""
    if LOSSLESS.fullmatch(dis_codec):
        what = f"the distorted clip is lossless ({dis_codec})"
    elif _size(dis) > LARGER * _size(ref) > 0:
        what = f"the file of the distorted clip is {_size(dis) / _size(ref):.1f} times as large"
    else:
        return ""
    return f"the reference is lossy ({ref_codec}{by}), and {what}"


def codec_of(video: Video) -> str:
    """ffmpeg's name of a clip's codec; "" if it is unknown."""
    if video.clip.is_raw:
        return "rawvideo"
    match = re.search(rf"(?:^|; ){video.stream}: (?:\d+x\d+ )?(\w+)", video.tracks)
    return match[1] if match else ""


def _size(video: Video) -> int:
    try:
        return video.clip.path.stat().st_size
    except OSError:
        return 0
