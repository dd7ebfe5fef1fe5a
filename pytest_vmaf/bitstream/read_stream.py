"""Reading of a stream: packets, headers and groups of pictures, in two passes over the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from pytest_vmaf.bitstream.av1 import Av1Reader
from pytest_vmaf.bitstream.bits import HeaderError
from pytest_vmaf.bitstream.gops import GopReader, longest_gop
from pytest_vmaf.bitstream.h264 import H264Reader
from pytest_vmaf.bitstream.header import Header, Picture
from pytest_vmaf.bitstream.hevc import HevcReader
from pytest_vmaf.bitstream.packets import Packets, list_packets, read_payload
from pytest_vmaf.bitstream.rates import FULL, peak_window, play
from pytest_vmaf.bitstream.stream import CODEC_NAMES, Change, Stream
from pytest_vmaf.bitstream.timeline import Timeline, read_timeline
from pytest_vmaf.bitstream.vp9 import Vp9Reader
from pytest_vmaf.bitstream.vvc import VvcReader
from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip


class StreamReader(Protocol):
    """What reads the packets of a codec."""

    headers: list[Header]

    def read(self, packet: bytes) -> Picture:
        """Read the next packet."""


READERS: Mapping[str, Callable[[bytes], StreamReader]] = {
    "h264": H264Reader,
    "hevc": HevcReader,
    "av1": Av1Reader,
    "vp9": Vp9Reader,
    "vvc": VvcReader,
}


@dataclass(frozen=True)
class Buffer:
    """A decoder's buffer: its size in bits, the rate in bit/s at which it fills, and how full it is at first."""

    size: float
    rate: float
    full: float = FULL


def read_stream(
    clip: Clip,
    ffmpeg: str,
    *,
    window: float = 1.0,
    buffer: Buffer | None = None,
    rate: Fraction | None = None,
    timeout: float | None = None,
) -> Stream:
    """Read the packets and headers of an encode's video stream.

    Args:
        clip: The encode.
        ffmpeg: Path of the ffmpeg.
        window: Seconds over which the peak bitrate is measured.
        buffer: The buffer to simulate.
        rate: The frame rate that is expected. Rounded times that fit it are its.
        timeout: Time limit of each pass, in seconds.

    Raises:
        ClipError: If it has no stream, has another codec, is cut off or damaged, or if a header cannot be read.
        ScorerError: If the time limit is exceeded.
    """
    if clip.is_part:
        raise ClipError(
            f"{clip} is a part of a clip, and gates on streams are about the packets and headers of a whole encode. "
            f"Pass the whole encode to vmaf.stream({str(clip.path)!r}, …)."
        )
    packets, extradata = list_packets(clip, ffmpeg, timeout)
    if (make_reader := READERS.get(packets.codec)) is None:
        raise ClipError(f"The codec of {clip} must be {', '.join(CODEC_NAMES.values())}, not {packets.codec}.")
    gops, changes, number = GopReader(), list[tuple[int, Header, Header]](), 0
    try:
        reader = make_reader(extradata)
    except HeaderError as error:
        raise ClipError(f"The headers of {clip} are damaged: {error}.") from None

    def on_packet(data: bytes) -> None:
        nonlocal number
        known = len(reader.headers)
        try:
            picture = reader.read(data)
        except HeaderError as error:
            raise ClipError(f"Packet {number} of {clip} is damaged: {error}.") from None
        for place in range(max(1, known), len(reader.headers)):
            changes.append((number, reader.headers[place - 1], reader.headers[place]))
        gops.add(picture)
        number += 1

    read_payload(clip, packets, on_packet, ffmpeg, timeout)
    if not reader.headers:
        raise ClipError(f"{clip} contains no sequence header, so nothing can decode it.")
    if not gops.frames:
        raise ClipError(f"{clip} shows no frame.")
    timeline = read_timeline(clip, packets, gops.frames, reader.headers[0].frame_rate, rate)
    return _conclude(clip, packets, reader.headers[0], changes, gops, timeline, window, buffer)


def _conclude(
    clip: Clip,
    packets: Packets,
    header: Header,
    changes: Sequence[tuple[int, Header, Header]],
    gops: GopReader,
    timeline: Timeline,
    window: float,
    buffer: Buffer | None,
) -> Stream:
    times, tick = timeline.decoded, timeline.tick
    start = times[0] if times else 0.0
    peak = None
    if times and timeline.length + tick >= window:
        peak = peak_window(times, packets.sizes, window, tick)
    vbv = play(times, packets.sizes, buffer.size, buffer.rate, buffer.full) if buffer and times else None
    colour = header.colour or ("",) * 4
    return Stream(
        clip=str(clip),
        codec=packets.codec,
        profile=header.profile,
        level=header.level,
        tier=header.tier,
        width=header.width,
        height=header.height,
        pix_fmt=header.pix_fmt,
        color_range=colour[0],
        matrix=colour[1],
        primaries=colour[2],
        transfer=colour[3],
        frame_rate=timeline.rate,
        rate_source=timeline.source,
        packets=len(packets),
        frames=gops.frames,
        size=sum(packets.sizes),
        uneven=timeline.uneven,
        peak=peak,
        window=window,
        key_frames=tuple(gops.key_frames),
        longest_gop=longest_gop(gops.key_frames, gops.frames),
        open_gop=gops.open_gop,
        changes=tuple(
            Change(number, times[number] - start if times else None, *_difference(before, after))
            for number, before, after in changes
        ),
        vbv=vbv,
        digest=packets.digest,
        part_packets=packets.part_packets,
        part_digests=packets.part_digests,
    )


def _difference(before: Header, after: Header) -> tuple[str, dict[str, str]]:
    """What differs in two headers, in words and by name."""
    old, new = _fields(before), _fields(after)
    values = {name: value for name, value in new.items() if value != old[name]}
    return ", ".join(f"{name} {old[name]} → {value}" for name, value in values.items()), values


def _fields(header: Header) -> dict[str, str]:
    names = ("profile", "level", "tier", "width", "height", "pix_fmt", "frame_rate")
    colour = header.colour._asdict() if header.colour else {}
    return {**{name: str(getattr(header, name)) for name in names}, **colour}
