"""Baseline entries of streams: the digest of their packets, and where two of them differ."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from pytest_vmaf.baselines.entry import DIGITS, Entry
from pytest_vmaf.bitstream.stream import Stream
from pytest_vmaf.text import time_code

#: Short digests in one line of the file.
PER_LINE = 8


def entry_of_stream(stream: Stream) -> Entry:
    """Build the entry of a stream: its bitrate if it states one, and its digest."""
    values = {"bitrate": round(stream.bitrate, DIGITS)} if stream.frame_rate else {}
    return {
        "kind": "stream",
        "match": {"codec": stream.codec},
        "shown": {"system": f"{platform.system()} {platform.machine()}"},
        "values": {"": values},
        "bitstream": bitstream_entry(stream),
    }


def bitstream_entry(stream: Stream) -> dict[str, Any]:
    """The digest of a stream, and short ones of its parts, in lines."""
    parts = stream.part_digests
    lines = [" ".join(parts[at : at + PER_LINE]) for at in range(0, len(parts), PER_LINE)]
    return {"digest": stream.digest, "packets": stream.packets, "span": stream.part_packets, "parts": lines}


def bitstream_difference(old: Entry, new: Entry, rate: Fraction | None) -> tuple[str, list[str]]:
    """Compare the digests of two entries.

    Args:
        old: The baseline.
        new: The new measurement, which has a digest.
        rate: The frame rate, for times.

    Returns:
        The failure in words, "" if the packets are the same; and where the first difference is.
    """
    before, after = old.get("bitstream"), new["bitstream"]
    if not before:
        return "the baseline contains no digest of the packets", []
    if before["digest"] == after["digest"]:
        return "", []
    place = _first_difference(before, after)
    counts = f"{before['packets']} packets in the baseline, {after['packets']} now"
    if place is None:
        return "bitstream is not the baseline's", [
            f"the decoder configuration differs, all packets are equal; {counts}"
        ]
    first, last = place
    times = f" (about {time_code(first / rate)})" if rate else ""
    packets = f"packet {first}" if first == last else f"packets {first} to {last}"
    return "bitstream is not the baseline's", [f"first difference: {packets}{times}; {counts}"]


def _first_difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[int, int] | None:
    """The first and the last packet of the first part that differs."""
    old, new = (_parts(each["parts"]) for each in (before, after))
    if before["span"] != after["span"]:
        return 0, max(before["packets"], after["packets"]) - 1
    span = before["span"]
    most = max(len(old), len(new))
    number = next((n for n in range(most) if old[n : n + 1] != new[n : n + 1]), None)
    if number is None:
        return None
    return number * span, min((number + 1) * span, max(before["packets"], after["packets"])) - 1


def _parts(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in line.split()]
