"""Timeline: when packets are decoded and frames shown, as far as the file states it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from pytest_vmaf.bitstream.packets import NO_TIME, Packets
from pytest_vmaf.bitstream.stream import Uneven
from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip

#: Usual frame rates. Times that are rounded to the container's ticks show which one is meant.
USUAL_RATES = (
    *map(Fraction, (24, 25, 30, 48, 50, 60, 100, 120, 12, 15)),
    *(Fraction(base * 1000, 1001) for base in (24, 30, 48, 60, 120)),
)
#: Seconds by which the spans of decoding and of showing may differ: frames are decoded earlier than they are shown.
LONGEST_DELAY = 5.0
#: A frame is shown evenly if it is off by no more than this share of a frame, or by a tick.
UNEVEN_SHARE = 0.1


class Timeline(NamedTuple):
    """The times of a stream.

    Attributes:
        rate: The average frame rate; None if it is unknown.
        source: Where it is from: "times", "header" or "user"; "" for none.
        decoded: When each packet is decoded, in seconds; empty if that is unknown.
        tick: How far these may be rounded, in seconds.
        uneven: The first frame that is not shown at an even rate.
    """

    rate: Fraction | None
    source: str
    decoded: Sequence[float]
    tick: float
    uneven: Uneven | None

    @property
    def length(self) -> float:
        """Seconds, the last packet decoded for as long as the others on average."""
        count = len(self.decoded)
        return (self.decoded[-1] - self.decoded[0]) * count / (count - 1) if count > 1 else 0.0


def read_timeline(
    clip: Clip, packets: Packets, frames: int, stated: Fraction | None, expected: Fraction | None
) -> Timeline:
    """Read the times of a stream.

    Args:
        clip: The clip, which may state a frame rate.
        packets: Its packets.
        frames: How many frames it shows.
        stated: The frame rate that the header states.
        expected: The frame rate that the user expects. Nothing but times can confirm it.

    Raises:
        ClipError: If the times of decoding and of showing contradict each other.
    """
    if not packets.has_times:
        rate = Fraction(clip.frame_rate) if clip.frame_rate else stated
        step = float(1 / rate) if rate else 0.0
        decoded = array("d", (number * step for number in range(len(packets) if rate else 0)))
        source = "user" if clip.frame_rate else "header" if stated else ""
        return Timeline(rate, source, decoded, step / 1000, None)
    tick = float(packets.tick)
    decoded = array("d", (dts * tick for dts in packets.dts))
    display = sorted(packets.pts)
    if display[0] == NO_TIME:
        # AVI has only times of decoding, one for each frame.
        display = sorted(packets.dts)
    decoding, showing = (float((times[-1] - times[0]) * packets.tick) for times in (packets.dts, display))
    if abs(decoding - showing) > max(LONGEST_DELAY, decoding / 10):
        raise ClipError(
            f"The times of {clip} contradict each other: its packets are decoded within {decoding:.3f} s, and shown "
            f"within {showing:.3f} s. Write the file again with times that agree."
        )
    if len(display) > frames > 0:
        # Packets without a frame of their own share the time of another.
        display = sorted(set(display))
    rate = Fraction(clip.frame_rate) if clip.frame_rate else _average(packets, display, frames, stated, expected)
    source = "user" if clip.frame_rate else "times" if rate else ""
    return Timeline(rate, source, decoded, tick, _uneven(display, tick, rate))


def _average(
    packets: Packets, display: Sequence[int], frames: int, stated: Fraction | None, expected: Fraction | None
) -> Fraction | None:
    span = (display[-1] - display[0]) * packets.tick
    if frames < 2 or not span:
        length = packets.durations[0] * packets.tick
        return stated or (1 / length if length > 0 else None)
    likely = [rate for rate in (expected, stated, *USUAL_RATES) if rate]
    near = (rate for rate in likely if abs(span - (frames - 1) / rate) <= packets.tick)
    return next(near, (frames - 1) / span)


def _uneven(display: Sequence[int], tick: float, rate: Fraction | None) -> Uneven | None:
    if not rate:
        return None
    step = float(1 / rate)
    allowed = max(1.001 * tick, UNEVEN_SHARE * step)
    for frame, ticks in enumerate(display):
        time = (ticks - display[0]) * tick
        if abs(late := time - frame * step) > allowed:
            return Uneven(frame, time, late)
    return None
