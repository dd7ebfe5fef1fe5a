"""Baseline entries: what is kept of a measurement, and how a new one is held against it. Plain data, pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import POOLS

#: An entry as it stands in the file: exact JSON.
Entry = dict[str, Any]
DIGITS, FRAME_DIGITS = 4, 2
#: Frames in one line of the file, so that a diff shows the lines that changed; above so many frames means of spans.
IN_A_ROW, MOST_FRAMES = 25, 10_000


def score_entry(result: Result, match: Mapping[str, str], shown: Mapping[str, str]) -> Entry:
    """The entry of a measurement; ``match`` must be equal for two to be compared, ``shown`` is only told."""
    entry: Entry = {"kind": "score", "match": dict(match), "shown": dict(shown), **_numbers(result)}
    if result.regions:
        entry["regions"] = {
            name: {"match": {"filters": result_filters(region)}, **_numbers(region)}
            for name, region in result.regions.items()
        }
    return entry


def result_filters(result: Result) -> str:
    """The filter chains in front of a scoring, in one text; long ones (of tracks) by their digest."""
    filters = result.provenance.get("filters", {})
    text = f"{filters.get('reference', '')} | {filters.get('distorted', '')}"
    if len(text) <= 400:
        return text
    import hashlib

    return f"blake2b {hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def _numbers(result: Result) -> Entry:
    names = ("vmaf", "neg", "gap", *result.features)
    values = {name: pools for name in names if (pools := _pools(result, name))}
    return {"values": values, "frames": frames_entry(result.neg.frames)}


def _pools(result: Result, name: str) -> dict[str, float]:
    pools = {}
    for pool in POOLS:
        try:
            value = round(result.pooled(name, pool), DIGITS)
        except MeasurementError:
            # A gap of -1 has no harmonic mean.
            continue
        if math.isfinite(value):
            pools[pool] = value + 0.0
    return pools


def frames_entry(frames: Sequence[float]) -> Entry:
    """Frames as lines of text with two decimals each; of a long clip the means of equal spans."""
    span = math.ceil(len(frames) / MOST_FRAMES)
    means = [math.fsum(part) / len(part) for part in (frames[at : at + span] for at in range(0, len(frames), span))]
    texts = [f"{round(value, FRAME_DIGITS) + 0.0:.{FRAME_DIGITS}f}" for value in means]
    rows = [" ".join(texts[at : at + IN_A_ROW]) for at in range(0, len(texts), IN_A_ROW)]
    return {"span": span, "neg": rows}


def frames_of(entry: Mapping[str, Any]) -> tuple[list[float], int]:
    """The frames of an entry, or of one of its regions, and how many frames each value stands for."""
    frames = entry.get("frames") or {"span": 1, "neg": []}
    return [float(text) for row in frames["neg"] for text in row.split()], frames["span"]


def numbers_of(entry: Entry) -> dict[str, dict[tuple[str, str], float]]:
    """What can be compared, by place ("" is the whole picture) and by metric and pool."""
    if entry["kind"] != "score":
        return {
            where: {(metric, "mean"): value for metric, value in values.items()}
            for where, values in entry["values"].items()
        }
    parts = {"": entry, **(entry.get("regions") or {})}
    return {
        where: {(metric, pool): value for metric, pools in part["values"].items() for pool, value in pools.items()}
        for where, part in parts.items()
    }


def differs(old: Entry, new: Entry) -> bool:
    """Whether two entries differ in anything but the tools."""
    return {**old, "shown": 0} != {**new, "shown": 0}
