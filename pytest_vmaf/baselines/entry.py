"""Baseline entries: the stored numbers of one measurement, as plain JSON data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.gates.metrics import BASE_METRICS
from pytest_vmaf.scoring.pools import POOLS
from pytest_vmaf.scoring.result import Result

#: An entry as the file stores it; `files.ENTRY` is its shape.
Entry = dict[str, Any]
DIGITS, FRAME_DIGITS = 4, 2
#: Frames in one line of the file, so that a diff shows which lines changed; longer clips store means of equal spans.
IN_A_ROW, MOST_FRAMES = 25, 10_000


def score_entry(
    result: Result, match: Mapping[str, str], tools: Mapping[str, str], windows: Sequence[str] = ()
) -> Entry:
    """Build the entry of a measurement.

    Args:
        result: The measurement.
        match: What must be equal in two entries that are compared.
        tools: What measured; differences are reported, and two entries are compared all the same.
        windows: The windows of frames that tolerances compare, for example "worst_1s".

    Raises:
        MeasurementError: If a window is longer than the clip.
    """
    entry: Entry = {"kind": "score", "match": dict(match), "shown": dict(tools), **_numbers(result, windows)}
    if result.regions:
        entry["regions"] = {
            name: {"match": {"filters": result_filters(region)}, **_numbers(region, windows)}
            for name, region in result.regions.items()
        }
    return entry


def result_filters(result: Result) -> str:
    """The filter chains in front of a scoring as one text; a digest of long chains, such as those of tracks."""
    filters = result.provenance.get("filters", {})
    text = f"{filters.get('reference', '')} | {filters.get('distorted', '')}"
    if len(text) <= 400:
        return text
    import hashlib

    return f"blake2b {hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def _numbers(result: Result, windows: Sequence[str]) -> Entry:
    values = {}
    for name in (*BASE_METRICS, *result.features):
        pools = {**pools_of(result, name), **{window: result.pooled(name, window) for window in windows}}.items()
        if finite := {pool: round(value, DIGITS) + 0.0 for pool, value in pools if math.isfinite(value)}:
            values[name] = finite
    return {"values": values, "frames": frames_entry(result.neg.frames)}


def pools_of(result: Result, metric: str) -> dict[str, float]:
    """A metric's number in each pool in which it has one: a gap of -1 has no harmonic mean."""
    pools = {}
    for pool in POOLS:
        with suppress(MeasurementError):
            pools[pool] = result.pooled(metric, pool)
    return pools


def frames_entry(frames: Sequence[float]) -> Entry:
    """Frame scores as lines of text with two decimals each; the means of equal spans for a long clip."""
    span = math.ceil(len(frames) / MOST_FRAMES)
    means = [math.fsum(part) / len(part) for part in (frames[at : at + span] for at in range(0, len(frames), span))]
    texts = [f"{round(value, FRAME_DIGITS) + 0.0:.{FRAME_DIGITS}f}" for value in means]
    rows = [" ".join(texts[at : at + IN_A_ROW]) for at in range(0, len(texts), IN_A_ROW)]
    return {"span": span, "neg": rows}


def frames_of(entry: Mapping[str, Any]) -> tuple[list[float], int]:
    """The frame scores of an entry or of one of its regions, and how many frames each value stands for."""
    frames = entry.get("frames") or {"span": 1, "neg": []}
    return [float(text) for row in frames["neg"] for text in row.split()], frames["span"]


def paired_frames(old: Entry, new: Entry, where: str) -> tuple[list[float], list[float], int] | None:
    """The frame scores of two entries in one place, and their span; None if they do not pair up."""
    parts = [(entry.get("regions") or {}).get(where, {}) if where else entry for entry in (old, new)]
    (before, span), (after, new_span) = map(frames_of, parts)
    return (before, after, span) if span == new_span and len(before) == len(after) else None


def numbers_of(entry: Entry) -> dict[str, dict[tuple[str, str], float]]:
    """The numbers that can be compared, by place ("" for the whole picture), then by metric and pool."""
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


def start_of(entry: Entry) -> dict[float, float]:
    """Where a bisection may begin: the CRF of each target that the entry contains."""
    start = {}
    for where, values in entry["values"].items():
        with suppress(ValueError, KeyError):
            # A step of a grid has a fraction, and is equal to none of the others.
            start[float(where.rpartition(" ")[2])] = float(values["crf"])
    return start


def differs(old: Entry, new: Entry) -> bool:
    """Whether two entries differ in anything except the tools."""
    return {**old, "shown": 0} != {**new, "shown": 0}
