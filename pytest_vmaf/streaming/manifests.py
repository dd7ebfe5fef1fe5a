"""Rendition: one step of a bitrate ladder. HLS playlists and DASH manifests of ladders, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.geometry import shown_size
from pytest_vmaf.streaming.mp4 import Index, Segment

#: The length of a segment in seconds, as Apple's HLS authoring specification recommends.
SEGMENT = 6.0
#: The names of the manifests in a package.
MANIFEST = {"hls": "index.m3u8", "dash": "index.mpd"}


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
        name: The name of its files in a package, without suffix: letters, digits and hyphens, unlike any other's.
        sample_aspect: Width by height of a pixel as it is displayed.
    """

    path: Path
    width: int
    height: int
    frame_rate: Fraction
    bitrate: float
    peak: float
    codecs: str
    name: str
    sample_aspect: Fraction = Fraction(1)

    @property
    def resolution(self) -> str:
        """The size at which it is displayed, for example "1024x576"."""
        return "x".join(map(str, shown_size(self.width, self.height, self.sample_aspect)))


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
        SettingsError: If there are no renditions.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", *(["#EXT-X-INDEPENDENT-SEGMENTS"] if independent else [])]
    for each in sort_renditions(renditions):
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={math.ceil(each.peak)},AVERAGE-BANDWIDTH={math.ceil(each.bitrate)},"
            f'RESOLUTION={each.resolution},FRAME-RATE={float(each.frame_rate):.3f},CODECS="{each.codecs}"',
            f"{each.name}.m3u8",
        ]
    return "\n".join([*lines, ""])


def hls_media(uri: str, index: Index) -> str:
    """The media playlist (RFC 8216 4.3.3) of a packaged file, with its segments as byte ranges."""
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
        SettingsError: If there are no renditions.
    """
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
        aspect = each.sample_aspect
        sar = f' sar="{aspect.numerator}:{aspect.denominator}"' if aspect != 1 else ""
        lines += [
            f'      <Representation id="{each.name}" codecs="{each.codecs}"'
            f' bandwidth="{math.ceil(each.peak)}" width="{each.width}" height="{each.height}"'
            f' frameRate="{each.frame_rate}"{sar}>',
            f"        <BaseURL>{each.name}.mp4</BaseURL>",
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
    """Sort renditions by bandwidth, lowest first.

    Raises:
        SettingsError: If there are none.
    """
    if not renditions:
        raise SettingsError("A package must have at least one rendition.")
    return sorted(renditions, key=lambda each: (each.peak, each.bitrate, each.name))


def _target_duration(segments: Sequence[Segment]) -> int:
    """The target duration (RFC 8216 4.3.3.1): no segment, rounded to whole seconds, lasts longer."""
    return max(1, math.floor(max(segment.duration for segment in segments) + 0.5))


def _equal_times(one: Sequence[float], other: Sequence[float]) -> bool:
    # Containers round times, at worst to milliseconds.
    return len(one) == len(other) and all(abs(a - b) < 0.002 for a, b in zip(one, other, strict=True))
