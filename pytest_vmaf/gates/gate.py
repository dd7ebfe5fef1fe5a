"""Gate, a limit on a metric; reading gates, deciding which are in force, and judging a result by them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, TypeVar

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.metrics import (
    ABOVE,
    CHANGES,
    SEARCH_METRICS,
    SPEED_GATES,
    SPEED_METRICS,
    STREAM_METRICS,
    metrics,
)
from pytest_vmaf.gates.name_errors import unknown_metric, unknown_pool
from pytest_vmaf.gates.plugin_metrics import FindMetric, find_in, no_metric
from pytest_vmaf.gates.stream_numbers import result_number
from pytest_vmaf.scoring.features import feature_columns, is_elementary, metrics_of
from pytest_vmaf.scoring.pools import POOLS, is_pool
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.text import did_you_mean, printable

OFF_WORDS = ("off", "none", "false", "no")
ON_WORDS = ("on", "true", "yes")
#: Gates that require a score, and the highest one. A limit below 1 was meant as a share.
SCORE_GATE, TOP = re.compile(r"min_(vmaf|neg)(?!.*_stdev)"), 100
#: What to write for several gates, by the place that sets them.
SEVERAL = {"ini": " Write one gate per line.", "command line": " Repeat the option for each gate."}
#: The directions of tolerances, whose names begin like those of gates: max_drop.
DIRECTIONS = ("drop", "rise")


class Limited(Protocol):
    """What gates and tolerances share."""

    @property
    def name(self) -> str:
        """As it was written, for example "min_neg_p5"."""

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for two names of the same thing."""

    @property
    def limit(self) -> float | None:
        """None if it is switched off."""

    @property
    def origin(self) -> str:
        """Where it was set."""


AnyLimited = TypeVar("AnyLimited", bound=Limited)


@dataclass(frozen=True)
class Gate:
    """A limit on a metric.

    Attributes:
        name: The name as it was written, for example "min_neg_p5".
        bound: "min" or "max".
        metric: The metric, for example "neg"; "above_100" limits the number of such frames.
        pool: How frames are pooled: one of `POOLS`, a percentile ("p25") or a window ("worst_1s"), or "count" for
            above_100.
        limit: The limit in the metric's unit, which itself passes. None switches off a gate that was set elsewhere.
        origin: Where it was set: "call", "marker", "manifest", "command line", "ini" or "default".
        region: The name of the region it is for, "" for the whole picture.
    """

    name: str
    bound: str
    metric: str
    pool: str
    limit: float | None
    origin: str
    region: str = ""

    @property
    def feature(self) -> str | None:
        """The libvmaf feature that must be measured for this gate, or None."""
        return feature_columns().get(self.metric)

    @property
    def plugin_metric(self) -> str | None:
        """The name of the plugin's metric that must be measured for this gate, or None."""
        return None if self.metric in metrics() else self.metric

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the gate limits. min_neg and min_neg_mean have the same key."""
        return self.region, self.bound, self.metric, self.pool

    def __str__(self) -> str:
        limit = "off" if self.limit is None else f"{self.limit:g}"
        return f"{region_prefix(self.region)}{self.name}={limit} ({self.origin})"


@dataclass(frozen=True)
class Verdict:
    """The outcome of checking a gate.

    Attributes:
        gate: The gate.
        value: The measured value.
        margin: How far the value is on the right side of the limit; negative if the gate failed.
    """

    gate: Gate
    value: float
    margin: float

    @property
    def passed(self) -> bool:
        """Whether the gate passed."""
        return self.margin >= 0


def parse_gate(name: str, limit: object, origin: str, region: str = "", find: FindMetric = no_metric) -> Gate:
    """Read one gate.

    Args:
        name: `{min,max}_{metric}[_{pool}]` or `above_100`, which is also `max_above_100`.
        limit: A number, or off; for above_100 on, off or a number of frames.
        origin: Where it is set, for messages.
        region: The name of the region it is for.
        find: Finds metrics of plugins.

    Raises:
        SettingsError: If the name or the limit is invalid.
    """
    if name in (ABOVE, f"max_{ABOVE}"):
        return Gate(name, "max", ABOVE, "count", _frames_allowed(name, limit, origin), origin, region)
    bound, _, rest = name.partition("_")
    if bound not in ("min", "max") or not rest:
        raise SettingsError(
            f"{name!r} ({origin}) is not a gate.{did_you_mean(name, gate_names())} Gates are "
            "{min,max}_{metric}[_{pool}], for example min_neg, min_neg_p5, max_gap or min_psnr_y, and above_100."
        )
    # In the gates of a region of interest, "roi" alone is the default score's.
    rest = re.sub("^roi(?=_|$)", "vmaf_roi", rest)
    if rest in (*STREAM_METRICS, *SPEED_GATES):
        if rest == "level" and isinstance(limit, str):
            from pytest_vmaf.bitstream.header import LEVEL_NUMBERS

            limit = LEVEL_NUMBERS.get(limit, limit)
        return Gate(name, bound, rest, "mean", _limit(name, limit, origin), origin, region)
    names, directions = (*frame_metrics(), *STREAM_METRICS, *SPEED_GATES), DIRECTIONS if bound == "max" else ()
    metric = next((m for m in sorted(names, key=len, reverse=True) if f"{rest}_".startswith(f"{m}_")), None)
    is_own = metric is not None and (metric == rest or is_pool(rest.removeprefix(f"{metric}_")))
    if not is_own and (found := find_in(rest, find)):
        if not is_pool(found[1]):
            raise unknown_pool(name, found[1], origin)
        if bound == "min" and (spec := find(found[0])) and not spec.higher_is_better:
            raise SettingsError(
                f"{name!r} ({origin}): a lower {found[0]} is better, so a minimum passes however bad the picture is. "
                f"Write max_{rest}."
            )
        return Gate(name, bound, *found, _limit(name, limit, origin, points=False), origin, region)
    if metric is None:
        suffix = next((f"_{pool}" for pool in POOLS if rest.endswith(f"_{pool}")), "")
        plain = rest.removesuffix(suffix)
        hint = did_you_mean(plain, (*names, *directions), f"{bound}_{{}}{suffix}") or metrics_of(plain)
        raise unknown_metric(name, origin, hint, names)
    if metric in (*STREAM_METRICS, *SPEED_GATES):
        raise SettingsError(f"{name!r} ({origin}): {metric} has no pools. Write {bound}_{metric}.")
    pool = rest.removeprefix(f"{metric}_") if metric != rest else metrics()[metric].pool
    if not is_pool(pool):
        raise unknown_pool(name, pool, origin, directions)
    return Gate(name, bound, metric, pool, _limit(name, limit, origin), origin, region)


def parse_assignment(text: str, origin: str, find: FindMetric = no_metric) -> Gate:
    """Read `NAME=LIMIT`, the form of the command line and of ini files. Raises SettingsError."""
    name, equals, limit = (part.strip() for part in text.partition("="))
    if not equals:
        raise SettingsError(f"{text!r} ({origin}) is not a gate. Write NAME=LIMIT, for example min_neg=93.")
    return parse_gate(name, limit, origin, find=find)


def refuse_twice(limits: Iterable[AnyLimited], kind: Literal["gate", "tolerance"] = "gate") -> None:
    """Raise SettingsError if one origin sets the same gate or tolerance by two names."""
    first: dict[tuple[str, ...], AnyLimited] = {}
    for each in limits:
        other = first.setdefault(each.key, each)
        if other.name != each.name:
            region = region_prefix(getattr(each, "region", ""))
            names = f"{region}{other.name} and {each.name}"
            raise SettingsError(f"{names} ({each.origin}) are the same {kind}. Give only one of them.")


def effective(layers: Iterable[Iterable[AnyLimited]]) -> tuple[AnyLimited, ...]:
    """The gates or tolerances in force: each from the first layer that sets it, without those switched off."""
    chosen: dict[tuple[str, ...], AnyLimited] = {}
    for layer in layers:
        # Within a layer, the last one wins.
        for each in {each.key: each for each in layer}.values():
            chosen.setdefault(each.key, each)
    return tuple(each for each in chosen.values() if each.limit is not None)


def judge(result: Result, gates: Iterable[Gate]) -> tuple[Verdict, ...]:
    """Check each gate against a result. A value equal to its limit passes."""
    verdicts = []
    for gate in gates:
        if gate.limit is None:
            continue
        part = part_of(result, gate)
        if gate.metric == ABOVE:
            value = float(len(part.above_100))
        elif gate.metric in STREAM_METRICS:
            value = result_number(part, gate.name, gate.metric, gate.limit)
        else:
            value = part.pooled(gate.metric, gate.pool, gate.bound)
        verdicts.append(verdict_of(gate, value))
    return tuple(verdicts)


def verdict_of(gate: Gate, value: float) -> Verdict:
    """The verdict on a value."""
    limit = gate.limit or 0.0
    return Verdict(gate, value, value - limit if gate.bound == "min" else limit - value)


def part_of(result: Result, gate: Gate) -> Result:
    """The result that a gate is checked against: the whole picture's or its region's."""
    return result.regions[gate.region] if gate.region else result


def region_prefix(region: str) -> str:
    """The beginning of a message about a region: "face: ", or "" for the whole picture."""
    return f"{printable(region)}: " if region else ""


@lru_cache(maxsize=1)
def frame_metrics() -> tuple[str, ...]:
    """The metrics that have a value for every frame."""
    return tuple(
        name for name in metrics() if name not in (ABOVE, *SEARCH_METRICS, *STREAM_METRICS, *SPEED_METRICS, *CHANGES)
    )


def gate_names() -> list[str]:
    """The names of gates without their pools, except for those on elementary features."""
    names = (*(each for each in frame_metrics() if not is_elementary(each)), *STREAM_METRICS, *SPEED_GATES)
    return [ABOVE, *(f"{bound}_{metric}" for bound in ("min", "max") for metric in names)]


def is_off(limit: object) -> bool:
    """Whether a limit switches its gate or tolerance off."""
    return limit is None or limit is False or (isinstance(limit, str) and limit.lower() in OFF_WORDS)


def to_number(limit: object) -> float:
    """A limit as a number; NaN if it is not a finite one."""
    try:
        number = math.nan if isinstance(limit, bool) or not isinstance(limit, str | int | float) else float(limit)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _limit(name: str, limit: object, origin: str, *, points: bool = True) -> float | None:
    number = None if is_off(limit) else to_number(limit)
    if number is not None and math.isnan(number):
        several = isinstance(limit, str) and re.search("[,=]", limit)
        hint = SEVERAL.get(origin, "") if several else ""
        raise SettingsError(f"The limit of {name} ({origin}) must be a finite number or off, not {limit!r:.80}.{hint}")
    if number is not None and points and SCORE_GATE.match(name) and (number > TOP or 0 < number < 1):
        raise SettingsError(
            f"The limit of {name} ({origin}) must be a score from 0 to {TOP}, for example 93, not {limit!r:.80}."
        )
    return number


def _frames_allowed(name: str, limit: object, origin: str) -> float | None:
    if limit is True or (isinstance(limit, str) and limit.lower() in ON_WORDS):
        return 0.0
    frames = None if is_off(limit) else to_number(limit)
    if frames is not None and not (frames >= 0 and frames == int(frames)):
        raise SettingsError(f"{name} ({origin}) must be on, off or a number of frames, not {limit!r:.80}.")
    return frames
