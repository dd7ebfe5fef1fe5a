"""Packets of a video stream: times, sizes and digests in compact arrays, and the bytes of each in turn."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, is_picture, video_stream
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run, run_together
from pytest_vmaf.text import plural, printable

#: A line of ffmpeg's framehash: dts, pts, duration, size, digest, and the sizes and digests of side data.
PACKET = re.compile(r"0, *(-?\d+), *(-?\d+), *(-?\d+), *(\d+), ([0-9a-f]{64})(?:, S=\d+(.*))?$")
#: In such a line, the sizes of side data. A reference clock has at most so many bytes, a decoder configuration more.
SIDE, CLOCK = re.compile(r", *(\d+), [0-9a-f]{64}"), 24
HEADS = {
    "tick": re.compile(r"#tb 0: (\d+)/(\d+)$"),
    "codec": re.compile(r"#codec_id 0: (\w+)$"),
    "extradata": re.compile(r"#extradata 0, *(\d+), ([0-9a-f]{64})$"),
}
LISTING = ("-f", "framehash", "-hash", "sha256", "pipe:1")
INPUT = re.compile(r"^Input #0, ([\w,]+), from ")
NO_TIME = -(1 << 63)
#: With -debug_ts, the time of a packet as the file has it.
DEMUXED = re.compile(r"demuxer -> ist_index:\d+:\d+ type:video pkt_pts:(-?\d+) ")
#: Formats without time stamps. ffmpeg makes some up by a frame rate of 25 that nothing in the file states.
BARE = ("h264", "hevc", "vvc", "obu", "av1", "evc", "m4v", "mpegvideo", "h261", "h263", "vc1", "dirac", "cavsvideo")
#: What ffmpeg prints about a file that is cut off or damaged, although it goes on and ends well.
DAMAGE = re.compile(
    r"(File ended prematurely|partial file|[Cc]orrupt (?:decoded|input|packet)|Packet corrupt|"
    r"Invalid NAL unit size|missing picture in access unit|Error during demuxing|Truncated packet)"
)
GUESS = re.compile(r"Invalid DTS: .*, replacing by guess")
BACKWARDS = re.compile(r"Non-monotonic DTS; previous: (-?\d+), current: (-?\d+)")
#: The digests of parts of a stream, so that a change can be found. A short stream has one for each packet.
MOST_PARTS, PART_DIGITS = 256, 8
UNCOMPRESSED = ("rawvideo", "wrapped_avframe", "v210", "v410", "r210", "v408")


@dataclass
class Packets:
    """The packets of a stream in the order in which they are stored.

    Attributes:
        codec: ffmpeg's name of the codec.
        tick: Seconds of a tick.
        has_times: Whether the file states times.
        dts: When each is decoded, in ticks.
        pts: When each is shown, in ticks, or `NO_TIME`.
        durations: How long each is shown, in ticks.
        sizes: In bytes.
        extradata: The size of the decoder configuration, in bytes.
        digest: The digest of all packets and of the decoder configuration.
        part_digests: The digests of parts of `part_packets` packets each.
        first_side_data: The index of the first packet to which the container adds more than a clock, or None.
    """

    codec: str = ""
    tick: Fraction = Fraction(0)
    has_times: bool = True
    dts: array[int] = field(default_factory=lambda: array("q"))
    pts: array[int] = field(default_factory=lambda: array("q"))
    durations: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    extradata: int = 0
    digest: str = ""
    part_packets: int = 1
    part_digests: tuple[str, ...] = ()
    first_side_data: int | None = None

    def __len__(self) -> int:
        return len(self.sizes)


class PacketLog:
    """Receives the lines of framehash."""

    def __init__(self) -> None:
        self.packets = Packets()
        self._whole = hashlib.sha256()
        self._digests = bytearray()

    def __call__(self, line: str) -> None:
        """Read a line."""
        if match := PACKET.match(line):
            packets = self.packets
            packets.dts.append(int(match[1]))
            packets.pts.append(int(match[2]))
            packets.durations.append(int(match[3]))
            packets.sizes.append(int(match[4]))
            if (
                match[6]
                and packets.first_side_data is None
                and max(map(int, SIDE.findall(match[6])), default=0) > CLOCK
            ):
                packets.first_side_data = len(packets) - 1
            digest = bytes.fromhex(match[5])
            self._whole.update(digest)
            self._digests += digest[:PART_DIGITS]
            return
        for name, form in HEADS.items():
            if match := form.match(line):
                if name == "tick":
                    self.packets.tick = Fraction(int(match[1]), int(match[2]))
                elif name == "codec":
                    self.packets.codec = match[1]
                else:
                    self.packets.extradata = int(match[1])
                    self._whole.update(bytes.fromhex(match[2]))

    def finish(self) -> Packets:
        """The packets with their digests."""
        packets = self.packets
        packets.digest = self._whole.hexdigest()
        packets.part_packets = max(1, -(-len(packets) // MOST_PARTS))
        step = packets.part_packets * PART_DIGITS
        parts = (self._digests[at : at + step] for at in range(0, len(self._digests), step))
        packets.part_digests = tuple(hashlib.sha256(part).hexdigest()[:PART_DIGITS] for part in parts)
        return packets


class Messages:
    """Receives what ffmpeg prints about the input.

    Attributes:
        form: ffmpeg's name of the format.
        damage: The first line about damage, "" if there is none.
        backwards: The first line about times that do not rise.
        guesses: Whether ffmpeg replaced times of display that are before those of decoding.
    """

    def __init__(self) -> None:
        self.form, self.damage, self.guesses = "", "", False
        self.backwards: re.Match[str] | None = None

    def __call__(self, line: str) -> None:
        """Read a line."""
        if match := INPUT.match(line):
            self.form = self.form or match[1]
        elif match := BACKWARDS.search(line):
            self.backwards = self.backwards or match
        elif GUESS.search(line):
            self.guesses = True
        elif DAMAGE.search(line):
            self.damage = self.damage or line


def list_packets(clip: Clip, ffmpeg: str, timeout: float | None = None) -> tuple[Packets, bytes]:
    """List the packets of a clip's video stream, and read its decoder configuration.

    Args:
        clip: The clip.
        ffmpeg: Path of the ffmpeg.
        timeout: Time limit in seconds.

    Raises:
        ClipError: If there are none, if the file is raw video, a picture, cut off or damaged, or if its time stamps run
            backwards.
    """
    if clip.is_raw or is_picture(clip):
        if clip.bitstream:
            raise ClipError(
                f"{clip} has no stream: it comes from a codec in Python, whose bitstream has no packets or headers. "
                "Of the gates on streams, vmaf.check() can only check bitrate and size."
            )
        raise ClipError(f"{clip} has no stream: raw video and pictures have no packets. Give the encode itself.")
    log, messages, first = PacketLog(), Messages(), bytearray()
    listing = [*_arguments(clip, ffmpeg), *LISTING]
    # The filter puts the configuration before the packet, unless the packet begins with it.
    beginning = [*_arguments(clip, ffmpeg), "-frames:v", "1", "-bsf:v", "dump_extra=freq=all", "-f", "data", "pipe:1"]
    ends = run_together(
        [
            FfmpegCommand(tuple(listing), on_stdout=log, on_stderr=messages, may_fail=True),
            FfmpegCommand(tuple(beginning), stdout_bytes=first.extend, may_fail=True),
        ],
        timeout,
    )
    packets, form = log.finish(), messages.form
    if messages.damage:
        raise ClipError(f"{clip} is cut off or damaged. ffmpeg reports: {printable(messages.damage)}")
    if ends[0].returncode != 0 and any("matches no streams" in line for line in ends[0].tail):
        number = f" {clip.stream}: video streams are counted from 0" if clip.stream else ""
        raise ClipError(f"{clip} has no video stream{number}.")
    if ends[0].returncode != 0 or not packets:
        raise ClipError(f"The packets of {clip} cannot be listed.\n{ends[0].explain()}")
    if packets.codec in UNCOMPRESSED:
        raise ClipError(f"{clip} has no stream: it is uncompressed video ({packets.codec}). Give the encode itself.")
    reorders = packets.codec in ("h264", "hevc", "vvc")
    if (messages.backwards or messages.guesses) and form.startswith("matroska") and reorders:
        _read_display_times(clip, packets, ffmpeg, timeout)
    elif messages.backwards:
        raise ClipError(_describe_backwards(clip, messages.backwards, packets))
    elif messages.guesses:
        raise ClipError(
            f"The times of {clip} contradict each other: a frame is shown before it is decoded. Write the file again "
            "with times that agree."
        )
    if form.startswith(("mov", "flv")) and reorders and packets.first_side_data is not None:
        # These formats add only another configuration, or how a packet is encrypted. Other codecs repeat theirs.
        raise ClipError(
            f"{clip} changes its decoder configuration at packet {packets.first_side_data} outside of the packets, or "
            "is encrypted. Copy it into a transport stream, whose packets contain the configuration: "
            "ffmpeg -i IN.mp4 -c copy OUT.ts"
        )
    packets.has_times = form not in BARE
    size = len(first) - packets.sizes[0]
    return packets, bytes(first[: size if size > 0 else packets.extradata])


def _read_display_times(clip: Clip, packets: Packets, ffmpeg: str, timeout: float | None) -> None:
    """Read when a Matroska file shows its frames. It stores no decoding times; ffmpeg guesses them.

    Packets are taken to be decoded at the rate at which frames are shown.

    Raises:
        ClipError: If a packet has none.
    """
    times = array("q")

    def on_line(line: str) -> None:
        if match := DEMUXED.search(line):
            times.append(int(match[1]))

    argv = [*_arguments(clip, ffmpeg)[:1], "-debug_ts", *_arguments(clip, ffmpeg)[1:], "-f", "null", "-"]
    end = run(FfmpegCommand(tuple(argv), on_stderr=on_line, may_fail=True), timeout)
    if end.returncode != 0 or len(times) != len(packets):
        raise ClipError(f"The times of {plural(len(packets), 'packet')} of {clip} cannot be read.\n{end.explain()}")
    packets.pts, packets.dts = times, array("q", sorted(times))


def read_payload(
    clip: Clip, packets: Packets, on_packet: Callable[[bytes], None], ffmpeg: str, timeout: float | None = None
) -> None:
    """Pass the bytes of each packet on, in order.

    Raises:
        ClipError: If they cannot be read, or the file was written to since its packets were listed.
    """
    buffer, sizes, progress, total = bytearray(), iter(packets.sizes), [0, 0], sum(packets.sizes)
    wanted = next(sizes, None)
    problems: list[Exception] = []

    def on_chunk(chunk: bytes) -> None:
        nonlocal wanted
        progress[0] += len(chunk)
        if problems:
            return
        buffer.extend(chunk)
        at = 0
        while wanted is not None and len(buffer) - at >= wanted:
            try:
                on_packet(bytes(buffer[at : at + wanted]))
            except Exception as error:
                # This is another thread, and would end silently.
                problems.append(error)
                break
            at += wanted
            progress[1] += 1
            wanted = next(sizes, None)
        del buffer[:at]

    argv = [*_arguments(clip, ffmpeg), "-f", "data", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), stdout_bytes=on_chunk), timeout)
    if problems:
        raise problems[0]
    if end.returncode != 0 or progress != [total, len(packets)]:
        raise ClipError(
            f"The packets of {clip} cannot be read: {plural(len(packets), 'packet')} with {total} bytes were listed, "
            f"and then {progress[1]} with {progress[0]} bytes were read. Was the file written to?\n{end.explain()}"
        )


def _arguments(clip: Clip, ffmpeg: str) -> list[str]:
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-nostats", "-loglevel", "info", *input_arguments(clip)]
    # Packets of a few bytes are not written one by one.
    return [*argv, "-map", video_stream(clip), "-c", "copy", "-copyinkf", "-flush_packets", "0"]


def _describe_backwards(clip: Clip, message: re.Match[str], packets: Packets) -> str:
    before, after = (float(int(number) * packets.tick) for number in message.groups())
    place = next((n for n, dts in enumerate(packets.dts) if dts == int(message[1])), 0)
    return (
        f"The time stamps of {clip} run backwards: packet {place + 1} is decoded at {after:.3f} s, and the packet "
        f"before it at {before:.3f} s. Write the file again with rising time stamps."
    )
