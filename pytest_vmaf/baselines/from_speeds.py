"""Baseline entries of speeds, which only compare on the machine where they were measured."""

from __future__ import annotations

import math
import platform

from pytest_vmaf.baselines.entry import DIGITS, Entry
from pytest_vmaf.baselines.from_results import processor
from pytest_vmaf.errors import BaselineError
from pytest_vmaf.gates.metrics import SPEED
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import content_of
from pytest_vmaf.search.paired_ratio import median_interval
from pytest_vmaf.search.speed import Speed
from pytest_vmaf.text import printable

#: The ends of an interval of 99 % are so many standard errors from its middle, if the median is normally distributed.
ERRORS = 2.576
#: Instructions are counted in billions, so that speeds have a readable size.
BILLION = 1e9


def entry_of_speed(speed: Speed, command: str, source: Clip) -> Entry:
    """Build the entry of a speed: frames per second of its clock, or per billion instructions, and their noise.

    Args:
        speed: The speed.
        command: The encoder with its arguments.
        source: The source, which the entry knows by its bytes.

    Raises:
        BaselineError: If the source cannot be read.
    """
    unit = BILLION if speed.clock == "instructions" else 1.0
    rates = [unit * speed.frames / amount for amount in speed.amounts]
    interval = median_interval(rates)
    # Instructions hardly vary, and have too few rounds for an interval.
    noise = interval.noise if math.isfinite(interval.noise) else (max(rates) - min(rates)) / 2
    deviation = noise / ERRORS * math.sqrt(len(rates))
    try:
        reference = content_of(source)
    except OSError as error:
        raise BaselineError(
            f"The baseline needs the bytes of {source}, which cannot be read: {printable(str(error))}."
        ) from None
    machine = processor() if speed.counter else f"{printable(platform.node())}, {processor()}"
    return {
        "kind": "speed",
        "match": {
            "machine": machine,
            "encoder": command,
            "CRF": str(speed.crf),
            "clock": f"{speed.clock}{f' of {speed.counter}' if speed.counter else ''}",
            "reference": reference,
        },
        "shown": {"system": f"{platform.system()} {platform.machine()}"},
        "values": {"": {SPEED: round(interval.estimate, DIGITS)}},
        "noise": {"n": len(rates), "stdev": {"": {SPEED: {"mean": round(deviation, 2 * DIGITS)}}}},
    }
