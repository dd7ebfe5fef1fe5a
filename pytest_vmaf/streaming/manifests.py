"""What a player reads first of a bitrate ladder: HLS playlists and a DASH manifest, as text."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.streaming.mp4 import Index, Segment
from pytest_vmaf.text import printable

#: Seconds of a segment: what Apple's HLS authoring specification recommends.
SEGMENT = 6.0
#: The names of the manifests in a package.
MANIFEST = {"hls": "index.m3u8", "dash": "index.mpd"}
CODECS = re.compile(r"[A-Za-z0-9]{4}(\.[A-Za-z0-9+]+)*")
#: Bytes of a rendition's name; file systems end at 255, with its suffix.
LONGEST_NAME = 200


@dataclass(frozen=True)
class Rendition:
    """One step of a ladder: a finished encode, what it is, and the name it gets in a package.

    ``bitrate`` is the mean of the video stream in bit/s, ``peak`` the most of any segment as
    :func:`~pytest_vmaf.streaming.package.peak_bitrate` finds it, ``codecs`` what
    :func:`~pytest_vmaf.streaming.codec_strings.codec_string` reads.
    """

    path: Path
    width: int
    height: int
    frame_rate: Fraction
    bitrate: float
    peak: float
    codecs: str
    name: str


def peak_of(segments: Sequence[Segment]) -> float:
    """The peak segment bit rate of these segments in bit/s; at least their mean."""
    target, peak = _target(segments), mean_of(segments)
    for first in range(len(segments)):
        size, duration = 0, 0.0
        for segment in segments[first:]:
            size, duration = size + segment.size, duration + segment.duration
            if duration > 1.5 * target:
                break
            if duration >= 0.5 * target:
                peak = max(peak, 8 * size / duration)
    return peak


def hls(renditions: Sequence[Rendition], *, independent: bool = True) -> str:
    """The multivariant playlist (RFC 8216 4.3.4), lowest bandwidth first; rendition ``x`` is at ``x.m3u8``.

    ``independent`` says that no segment needs another one to be decoded. Raises SettingsError for no renditions, names
    or codecs that cannot stand in a playlist, and impossible numbers.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", *(["#EXT-X-INDEPENDENT-SEGMENTS"] if independent else [])]
    for one in ordered(renditions):
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={math.ceil(one.peak)},AVERAGE-BANDWIDTH={math.ceil(one.bitrate)},"
            f"RESOLUTION={one.width}x{one.height},FRAME-RATE={float(one.frame_rate):.3f},"
            f'CODECS="{one.codecs}"'
        )
        lines.append(_uri(f"{one.name}.m3u8"))
    return "\n".join([*lines, ""])


def hls_media(name: str, index: Index) -> str:
    """The media playlist (RFC 8216 4.3.3) of one packaged file: its segments as byte ranges."""
    uri = _uri(name)
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{_target(index.segments)}"]
    lines += ["#EXT-X-PLAYLIST-TYPE:VOD", f'#EXT-X-MAP:URI="{uri}",BYTERANGE="{index.begin}@0"']
    at = index.end
    for segment in index.segments:
        lines += [f"#EXTINF:{segment.duration:.6f},", f"#EXT-X-BYTERANGE:{segment.size}@{at}", uri]
        at += segment.size
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def dash(
    renditions: Sequence[Rendition],
    duration: float,
    *,
    indexes: Mapping[str, Index] | None = None,
    independent: bool = True,
) -> str:
    """A static MPD (ISO/IEC 23009-1, isoff-on-demand), lowest bandwidth first; rendition ``x`` is at ``x.mp4``.

    ``duration`` in seconds; ``indexes`` says by name where the segment index of a packaged file is. ``independent`` as
    in :func:`hls`. Raises SettingsError as :func:`hls`.
    """
    if not 0 < duration < math.inf:
        raise SettingsError(f"duration is {duration!r}; a presentation lasts more than 0 s.")
    indexes = indexes or {}
    times = {tuple(segment.duration for segment in index.segments) for index in indexes.values()}
    aligned = bool(indexes) and all(_same(one, other) for one in times for other in times)
    longest = max((moment for one in times for moment in one), default=min(SEGMENT, duration))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"'
        f' type="static" mediaPresentationDuration="PT{duration:.6f}S" minBufferTime="PT{longest:.6f}S">',
        '  <Period id="0">',
        f'    <AdaptationSet contentType="video" mimeType="video/mp4" subsegmentAlignment="{str(aligned).lower()}"'
        f' subsegmentStartsWithSAP="{1 if independent else 3}">',
    ]
    for one in ordered(renditions):
        lines += [
            f"      <Representation id={quoteattr(_uri(one.name))} codecs={quoteattr(one.codecs)}"
            f' bandwidth="{math.ceil(one.peak)}" width="{one.width}" height="{one.height}"'
            f' frameRate="{one.frame_rate}">',
            f"        <BaseURL>{_uri(f'{one.name}.mp4')}</BaseURL>",
        ]
        if (index := indexes.get(one.name)) is not None:
            lines += [
                f'        <SegmentBase indexRange="{index.begin}-{index.end - 1}">',
                f'          <Initialization range="0-{index.begin - 1}"/>',
                "        </SegmentBase>",
            ]
        lines.append("      </Representation>")
    return "\n".join([*lines, "    </AdaptationSet>", "  </Period>", "</MPD>", ""])


def mean_of(segments: Sequence[Segment]) -> float:
    """The mean bit rate of these segments in bit/s."""
    return 8 * sum(segment.size for segment in segments) / sum(segment.duration for segment in segments)


def _target(segments: Sequence[Segment]) -> int:
    """The target duration (RFC 8216 4.3.3.1): no segment, rounded to whole seconds, lasts longer."""
    return max(1, math.floor(max(segment.duration for segment in segments) + 0.5))


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    # Containers round their times, to milliseconds at the worst.
    return len(one) == len(other) and all(abs(a - b) < 0.002 for a, b in zip(one, other, strict=True))


def _uri(name: str) -> str:
    """A file's name as a relative reference (RFC 3986): everything but letters, digits and -._~ as %XX of its bytes."""
    return quote(os.fsencode(name), safe="")


def ordered(renditions: Sequence[Rendition]) -> list[Rendition]:
    """The renditions by their bandwidth, lowest first, checked. Raises SettingsError as :func:`hls`."""
    if not renditions:
        raise SettingsError("There are no renditions; a package has at least one.")
    names: set[str] = set()
    for one in renditions:
        shown = f"The rendition {printable(one.name)!r}"
        if one.name in ("", ".", "..") or any(ord(c) < 32 or c in "/\\\x7f" for c in one.name):
            raise SettingsError(f"{shown} has a name that no file should have: empty, or with a slash or line break.")
        try:
            length = len(os.fsencode(one.name))
        except UnicodeEncodeError:
            raise SettingsError(f"{shown} has a name that this system cannot write.") from None
        if length > LONGEST_NAME:
            raise SettingsError(f"{shown} has a name of {length} bytes; {LONGEST_NAME} are the most.")
        # Some file systems take A and a for one name, and index is the manifest's.
        if one.name.casefold() in names | {"index"}:
            raise SettingsError(f"{shown} has a name that is taken already; index is the manifest's.")
        names.add(one.name.casefold())
        if CODECS.fullmatch(one.codecs) is None:
            raise SettingsError(
                f"{shown} has codecs={one.codecs!r}, which is no CODECS string; codec_string() reads it."
            )
        numbers = (one.width, one.height, one.frame_rate, one.bitrate, one.peak)
        if not all(0 < number < math.inf for number in numbers):
            raise SettingsError(f"{shown} has a size, frame rate or bit rate that is not above 0: {numbers}.")
    return sorted(renditions, key=lambda one: (one.peak, one.bitrate, one.name))
