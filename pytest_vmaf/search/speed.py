"""Speed: how fast an encoder encodes, and how fast its encodes are decoded, from one round or several."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from pytest_vmaf.cache.entries import get_or_compute, key_of
from pytest_vmaf.encoding.cached import encode_key
from pytest_vmaf.encoding.encode import Encode, decode_frames, make_timed_encode
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.rate_modes import at
from pytest_vmaf.encoding.scale import as_crf
from pytest_vmaf.media.stopwatch import Stopwatch
from pytest_vmaf.search.paired_ratio import (
    CONFIDENCE,
    WALL_CONFIDENCE,
    Interval,
    median_interval,
    slowdown,
    slowdown_range,
)
from pytest_vmaf.text import plural

#: What a change of speed is judged by: processor seconds, wall seconds, or instructions.
Clock = Literal["cpu", "wall", "instructions"]
CLOCKS: tuple[Clock, ...] = ("cpu", "wall", "instructions")
UNITS = {"cpu": "CPU seconds", "wall": "wall seconds", "instructions": "instructions"}


@dataclass(frozen=True)
class SpeedRound:
    """What one encode took, and decoding it.

    Attributes:
        wall: Wall seconds of the encoder.
        cpu: CPU seconds of the encoder, of all its threads and processes; None where the system does not tell them.
        decoding: Wall seconds of ffmpeg's decoder; None if the encode was not decoded.
        instructions: Instructions of the encoder; None if they were not counted.
    """

    wall: float
    cpu: float | None = None
    decoding: float | None = None
    instructions: int | None = None


@dataclass(frozen=True, repr=False)
class Speed:
    """The speed of an encoder at one CRF, measured while nothing else of this process runs.

    Attributes:
        crf: The CRF.
        frames: The frames of each encode.
        rounds: What each encode took, in the order in which they were made.
        name: The encoder and its preset.
        reference: The path of the source.
        clock: What `slowdown` is judged by.
        against: The speed of the command that was run in turn with this one, if there is one.
        notes: What disturbed the measurement, a sentence each.
        counter: What counted instructions, "" if nothing did.
        others: The share of the processors' time that other programs took meanwhile, beyond what was idle; None if
            the system does not tell it.
        mode: What `crf` is: `"crf"`, or kbit/s in one pass (`"bitrate"`) or in two (`"2pass"`).
    """

    crf: int
    frames: int
    rounds: tuple[SpeedRound, ...]
    name: str = ""
    reference: str = ""
    clock: Clock = "cpu"
    against: Speed | None = None
    notes: tuple[str, ...] = field(default=())
    counter: str = ""
    others: float | None = None
    mode: str = "crf"

    @property
    def encode(self) -> float:
        """Encoded frames per wall second, by the median. Not meaningful while instructions are counted."""
        return self.frames / median(each.wall for each in self.rounds)

    @property
    def decode(self) -> float | None:
        """Decoded frames per wall second, by the median; None if no encode was decoded."""
        times = self._amounts("decoding")
        return self.frames / median(times) if times else None

    @property
    def per_frame(self) -> float | None:
        """What a frame takes on the clock that is judged, by the median: seconds, or instructions."""
        amounts = self.amounts
        return median(amounts) / self.frames if amounts else None

    @property
    def amounts(self) -> list[float]:
        """What each round took on the clock that is judged; empty if that is not known."""
        return self._amounts(self.clock)

    @property
    def slowdown(self) -> Interval | None:
        """By how many percent the speed is below that of `against`; negative if it is above. None without `against`.

        The median over pairs of runs with its 99 % confidence interval (99.9 % of wall seconds), or the range of the
        counts of instructions.
        """
        ours, theirs = self.amounts, self.against._amounts(self.clock) if self.against else []
        # A coarse clock may count nothing for a short encode.
        if not (ours and theirs) or min(*ours, *theirs) <= 0:
            return None
        if self.clock == "instructions":
            return slowdown_range(ours, theirs)
        confidence = WALL_CONFIDENCE if self.clock == "wall" else CONFIDENCE
        return slowdown(ours, theirs, confidence)

    def interval(self, metric: str) -> Interval:
        """Frames per wall second of the encoder or the decoder, as the median with its 99 % confidence interval.

        Args:
            metric: `"encode_fps"` or `"decode_fps"`.
        """
        times = self._amounts("wall" if metric == "encode_fps" else "decoding")
        return median_interval([self.frames / time for time in times])

    def _amounts(self, name: str) -> list[float]:
        values = [getattr(each, name) for each in self.rounds]
        return [float(value) for value in values if value is not None]

    def to_dict(self) -> dict[str, Any]:
        """The speed as plain data, in frames per second and percent."""
        drop = self.slowdown
        timed = self.clock != "instructions"
        return {
            "name": self.name,
            "crf": self.crf,
            "reference": self.reference,
            "frames": self.frames,
            "clock": self.clock,
            "counter": self.counter,
            "others": self.others,
            "encode": self.encode if timed else None,
            "decode": self.decode,
            "per_frame": self.per_frame,
            "slowdown": drop and {"percent": drop.estimate, "interval": _finite(drop)},
            "rounds": [vars(each) for each in self.rounds],
            "against": self.against and self.against.to_dict(),
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The data of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @property
    def sentence(self) -> str:
        """The numbers in a sentence."""
        parts = []
        if self.clock == "instructions":
            parts.append(f"{self.per_frame or 0:,.0f} instructions a frame, counted by {self.counter}")
        else:
            parts.append(f"{self.encode:.1f} frames/s encoded")
            parts += [f"{self.decode:.1f} decoded"] if self.decode else []
        if (drop := self.slowdown) is not None and self.against is not None:
            parts.append(f"{change(drop)} than {self.against.name}, by {UNITS[self.clock]}")
        return f"{', '.join(parts)}, {plural(len(self.rounds), 'round')}"

    def __str__(self) -> str:
        notes = [f"\n  note: {note}" for note in self.notes]
        return f"{self.name} at {at(self.mode, self.crf)} on {self.reference}: {self.sentence}{''.join(notes)}"

    def __repr__(self) -> str:
        return f"<Speed of {self.name}, {at(self.mode, self.crf)}: {self.sentence}>"


def change(drop: Interval) -> str:
    """A slowdown in words, with its interval: "3.1 % slower (1.0 to 5.2)"."""
    word, sign = ("slower", 1) if drop.estimate >= 0 else ("faster", -1)
    spread = ""
    if (ends := _finite(drop)) is not None:
        low, high = sorted(sign * end for end in ends)
        spread = f" ({low:.1f} to {high:.1f})"
    return f"{abs(drop.estimate):.1f} %{spread} {word}"


def _finite(drop: Interval) -> list[float] | None:
    """Both ends of an interval; None for too few rounds."""
    return [drop.low, drop.high] if abs(drop.low) < float("inf") else None


def time_encode(job: EncodeJob, crf: float, path: Path, *, decode: bool = True) -> tuple[Encode, SpeedRound]:
    """Encode at this CRF to a file, and decode the encode. The file is removed.

    Raises:
        EncodeError: If the encoder fails.
        ClipError: If the encode cannot be decoded.
    """
    try:
        encode, spent = make_timed_encode(job, crf, path)
        decoding = None
        if decode:
            watch = Stopwatch()
            decode_frames(job, encode)
            decoding = watch.read().wall
    finally:
        path.unlink(missing_ok=True)
    return encode, SpeedRound(spent.wall, spent.cpu, decoding)


def cached_speed(job: EncodeJob, crf: float, folder: Path) -> Speed:
    """The speed of one encode, to be shown. With a cache, it is measured once on each machine: no gate may use it."""
    path = folder / f"timed{job.encoder.suffix}"
    encode = encode_key(job, crf, path)

    def measure() -> Speed:
        encode, one = time_encode(job, crf, path)
        return Speed(as_crf(crf), encode.frames, (one,), job.name, str(job.source.clip), mode=job.encoder.mode)

    return get_or_compute(
        job.cache,
        "look",
        key_of("speed", encode=encode, machine=platform.node(), version=2) if encode else None,
        measure,
        lambda speed: [speed.frames, *vars(speed.rounds[0]).values()],
        lambda data: Speed(
            as_crf(crf), int(data[0]), (_round(data[1:]),), job.name, str(job.source.clip), mode=job.encoder.mode
        ),
    )


def _round(data: Sequence[Any]) -> SpeedRound:
    wall, cpu, decoding, _ = data
    return SpeedRound(float(wall), None if cpu is None else float(cpu), float(decoding))
