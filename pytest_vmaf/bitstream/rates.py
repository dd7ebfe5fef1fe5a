"""Rates over time: the window with the most bits, and a decoder's buffer."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

#: How full the buffer is when decoding begins; x264 and x265 assume as much.
FULL = 0.9


class Window(NamedTuple):
    """Consecutive packets.

    Attributes:
        first: The index of the first packet.
        packets: How many they are.
        time: When the first one is decoded, in seconds from the first of the stream.
        bits: The bits of all of them.
    """

    first: int
    packets: int
    time: float
    bits: int


class Underflow(NamedTuple):
    """A decoder's buffer that lacks bits when a packet must be decoded.

    Attributes:
        packet: The index of the first packet that comes too late.
        time: When it must be decoded, in seconds from the first packet.
        packets: How many packets come too late.
        missing: The most bits that are missing at any of them; 0 if none is late.
    """

    packet: int
    time: float
    packets: int
    missing: float


def peak_window(times: Sequence[float], sizes: array[int], seconds: float, tick: float) -> Window:
    """The window with the most bits.

    A window begins with a packet, and contains those that are decoded less than `seconds` later.

    Args:
        times: When packets are decoded, in seconds, rising.
        sizes: Their bytes.
        seconds: The length of the window.
        tick: The unit of the times; half of it is rounding.
    """
    best, end, total = Window(0, 0, 0.0, -1), 0, 0
    for first, begin in enumerate(times):
        limit = begin + seconds - tick / 2
        while end < len(times) and times[end] < limit:
            total += sizes[end]
            end += 1
        if 8 * total > best.bits:
            best = Window(first, end - first, begin - times[0], 8 * total)
        total -= sizes[first] if end > first else 0
    return best


def play(times: Sequence[float], sizes: array[int], buffer: float, rate: float, full: float = FULL) -> Underflow:
    """Fill a buffer of `buffer` bits at `rate` bit/s, and take each packet out of it when it is decoded.

    A full buffer waits. The buffer is `full` of its size when the first packet is decoded, and what is missing for a
    late packet arrives before the next one fills it.
    """
    level, last = full * buffer, times[0] if times else 0.0
    first, late, missing = 0, 0, 0.0
    for number, time in enumerate(times):
        level = min(buffer, level + rate * (time - last)) - 8 * sizes[number]
        last = time
        # Less than a bit is rounding.
        if level <= -1:
            first = number if not late else first
            late, missing = late + 1, max(missing, -level)
    return Underflow(first, times[first] - times[0] if late else 0.0, late, missing)
