"""Speeds of given numbers, and a clock that makes them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.encoding.encode import Encode
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.search import measure_speed as module
from pytest_vmaf.search.speed import Speed, SpeedRound


def a_speed(cpu: Sequence[float], base: Sequence[float] = (), **settings: Any) -> Speed:
    """A speed of 100 frames with these CPU seconds, which are half of the wall seconds."""
    rounds = [tuple(SpeedRound(2 * value, value, 0.5) for value in values) for values in (cpu, base)]
    against = Speed(30, 100, rounds[1], "old", "a.mkv") if base else None
    return Speed(30, 100, rounds[0], "new", "a.mkv", against=against, **settings)


#: Seconds of the n-th encode of all, by the preset of its job.
Pace = Callable[[str | None, int], float]


def set_pace(
    patch: pytest.MonkeyPatch, pace: Pace, frames: Callable[[str | None], int] = lambda _: 100
) -> list[str | None]:
    """Make encodes take what a function says. Returns the presets in the order in which they encode."""
    order: list[str | None] = []

    def time_encode(job: EncodeJob, crf: int, path: Path, *, decode: bool = True) -> tuple[Encode, SpeedRound]:
        seconds = pace(job.preset, len(order))
        order.append(job.preset)
        encode = Encode(job.name, crf, path, 1000, frames(job.preset), 4.0, seconds, "enc")
        return encode, SpeedRound(seconds, seconds, 0.5 if decode else None)

    patch.setattr(module, "time_encode", time_encode)
    patch.setattr(module, "count_frames", lambda *_: 100)
    patch.setattr(module.OtherPrograms, "share", lambda _: 0.05)
    return order


def against(job: EncodeJob, preset: str = "slow") -> EncodeJob:
    """The same job with another preset."""
    return replace(job, preset=preset)
