"""Rendition: one step of a bitrate ladder. HLS playlists and DASH manifests of ladders, as text."""

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

#: The length of a segment in seconds, as Apple's HLS authoring specification recommends.
SEGMENT = 6.0
#: The names of the manifests in a package.
MANIFEST = {"hls": "index.m3u8", "dash": "index.mpd"}
CODECS = re.compile(r"[A-Za-z0-9]{4}(\.[A-Za-z0-9+]+)*")
#: Bytes of a rendition's name. With its suffix, it must not exceed the 255 of file systems.
LONGEST_NAME = 200


@dataclass(frozen=True)
class Rendition:
    """One step of a bitrate ladder.

    Attributes:
        path: The encode.
        width: In pixels.
        height: In pixels.
        frame_rate: Frames per second.
        bitrate: The mean of the video stream, in bit/s.
        peak: The peak segment bit rate in bit/s, from `peak_bitrate`.
        codecs: The CODECS string, from `codec_string`.
        name: The name of its files in a package, without suffix.
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
    """The peak segment bit rate in bit/s (RFC 8216 4.3.4.2), at least the mean.

    It is the largest bit rate of any neighbouring segments that last 0.5 to 1.5 target durations together. A short
    segment at the end counts only with the one before it.
    """
    target, peak = _target_duration(segments), mean_of(segments)
    for first in range(len(segments)):
        size, duration = 0, 0.0
        for segment in segments[first:]:
            size, duration = size + segment.size, duration + segment.duration
            if duration > 1.5 * target:
                break
            if duration >= 0.5 * target:
                peak = max(peak, 8 * size / duration)
    return peak


def mean_of(segments: Sequence[Segment]) -> float:
    """The mean bit rate in bit/s."""
    return 8 * sum(segment.size for segment in segments) / sum(segment.duration for segment in segments)


def hls(renditions: Sequence[Rendition], *, independent: bool = True) -> str:
    """The multivariant playlist (RFC 8216 4.3.4), lowest bandwidth first. Rendition `x` is at `x.m3u8`.

    Args:
        renditions: The steps of the ladder.
        independent: Whether each segment can be decoded without another one.

    Raises:
        SettingsError: If there are no renditions, or one has an invalid name, CODECS string or number.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", *(["#EXT-X-INDEPENDENT-SEGMENTS"] if independent else [])]
    for each in sort_renditions(renditions):
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={math.ceil(each.peak)},AVERAGE-BANDWIDTH={math.ceil(each.bitrate)},"
            f'RESOLUTION={each.width}x{each.height},FRAME-RATE={float(each.frame_rate):.3f},CODECS="{each.codecs}"',
            _uri(f"{each.name}.m3u8"),
        ]
    return "\n".join([*lines, ""])


def hls_media(name: str, index: Index) -> str:
    """The media playlist (RFC 8216 4.3.3) of a packaged file, with its segments as byte ranges."""
    uri = _uri(name)
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{_target_duration(index.segments)}"]
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
    """A static MPD (ISO/IEC 23009-1, isoff-on-demand), lowest bandwidth first. Rendition `x` is at `x.mp4`.

    Args:
        renditions: The steps of the ladder.
        duration: Seconds of the presentation.
        indexes: The segment index of each packaged file, by the name of its rendition.
        independent: Whether each segment can be decoded without another one.

    Raises:
        SettingsError: As `hls`, and if the duration is not positive.
    """
    if not 0 < duration < math.inf:
        raise SettingsError(f"duration must be above 0 s, not {duration!r}.")
    indexes = indexes or {}
    times = {tuple(segment.duration for segment in index.segments) for index in indexes.values()}
    aligned = bool(indexes) and all(_equal_times(one, other) for one in times for other in times)
    longest = max((moment for one in times for moment in one), default=min(SEGMENT, duration))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"'
        f' type="static" mediaPresentationDuration="PT{duration:.6f}S" minBufferTime="PT{longest:.6f}S">',
        '  <Period id="0">',
        f'    <AdaptationSet contentType="video" mimeType="video/mp4" subsegmentAlignment="{str(aligned).lower()}"'
        f' subsegmentStartsWithSAP="{1 if independent else 3}">',
    ]
    for each in sort_renditions(renditions):
        lines += [
            f"      <Representation id={quoteattr(_uri(each.name))} codecs={quoteattr(each.codecs)}"
            f' bandwidth="{math.ceil(each.peak)}" width="{each.width}" height="{each.height}"'
            f' frameRate="{each.frame_rate}">',
            f"        <BaseURL>{_uri(f'{each.name}.mp4')}</BaseURL>",
        ]
        if (index := indexes.get(each.name)) is not None:
            lines += [
                f'        <SegmentBase indexRange="{index.begin}-{index.end - 1}">',
                f'          <Initialization range="0-{index.begin - 1}"/>',
                "        </SegmentBase>",
            ]
        lines.append("      </Representation>")
    return "\n".join([*lines, "    </AdaptationSet>", "  </Period>", "</MPD>", ""])


def sort_renditions(renditions: Sequence[Rendition]) -> list[Rendition]:
    """Check the renditions and sort them by bandwidth, lowest first.

    Raises:
        SettingsError: If there are none, or one has an invalid name, CODECS string or number.
    """
    if not renditions:
        raise SettingsError("A package must have at least one rendition.")
    # index is the name of the manifest.
    names: set[str] = set()
    for each in renditions:
        if (problem := _name_problem(each.name, names) or _value_problem(each)) is not None:
            raise SettingsError(f"The rendition {printable(each.name)!r}: {problem}.")
        names.add(each.name.casefold())
    return sorted(renditions, key=lambda each: (each.peak, each.bitrate, each.name))


def _name_problem(name: str, names: set[str]) -> str | None:
    if name in ("", ".", "..") or any(ord(c) < 32 or c in "/\\\x7f" for c in name):
        return "its name must be a file name, without slashes and control characters"
    try:
        length = len(os.fsencode(name))
    except UnicodeEncodeError:
        return "its name cannot be written on this system"
    if length > LONGEST_NAME:
        return f"its name must have at most {LONGEST_NAME} bytes, not {length}"
    if name.casefold() == "index":
        return "its name is that of the manifest"
    # Some file systems do not distinguish upper and lower case.
    return "its name is already in use" if name.casefold() in names else None


def _value_problem(rendition: Rendition) -> str | None:
    if CODECS.fullmatch(rendition.codecs) is None:
        return f"codecs must be a CODECS string, for example from codec_string(), not {rendition.codecs!r}"
    numbers = (rendition.width, rendition.height, rendition.frame_rate, rendition.bitrate, rendition.peak)
    positive = all(0 < number < math.inf for number in numbers)
    return None if positive else f"size, frame rate and bit rates must be above 0, not {numbers}"


def _target_duration(segments: Sequence[Segment]) -> int:
    """The target duration (RFC 8216 4.3.3.1): no segment, rounded to whole seconds, lasts longer."""
    return max(1, math.floor(max(segment.duration for segment in segments) + 0.5))


def _equal_times(one: Sequence[float], other: Sequence[float]) -> bool:
    # Containers round times, at worst to milliseconds.
    return len(one) == len(other) and all(abs(a - b) < 0.002 for a, b in zip(one, other, strict=True))


def _uri(name: str) -> str:
    """A file name as a relative reference (RFC 3986): all bytes but letters, digits and -._~ as %XX."""
    return quote(os.fsencode(name), safe="")
