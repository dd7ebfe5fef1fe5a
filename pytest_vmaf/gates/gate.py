"""Gates: thresholds with their place of origin, and how a violation is worded. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.metrics import ABOVE, BASE_METRICS, PART_METRICS
from pytest_vmaf.scoring.models import feature_columns, resolve_feature
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import POOLS
from pytest_vmaf.text import closest_match, did_you_mean, printable

OFF_WORDS = ("off", "none", "false", "no")
#: The gates that `check` applies when nothing else is said. FACTS: honest encodes have gaps of 0.8 to 2.7.
DEFAULT_GATES: Mapping[str, float | bool] = {"max_gap": 3.0, ABOVE: True}


@dataclass(frozen=True)
class Gate:
    """One threshold: ``bound`` "min" or "max" of a metric's pool, or the number of frames above 100 ("max").

    ``limit`` None switches the gate off (a nearer origin takes back what a farther one asked). ``origin`` says who set
    it: "call", "marker", "command line", "ini" or "default". ``region`` names the region it is for, "" for the whole.
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
        """The libvmaf feature that must be measured for this gate, if it is not VMAF itself."""
        return resolve_feature(self.metric) if self.metric in feature_columns() else None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is held against: min_neg and min_neg_mean are one gate."""
        return self.region, self.bound, self.metric, self.pool

    def __str__(self) -> str:
        of = f"{printable(self.region)}: " if self.region else ""
        return f"{of}{self.name}={'off' if self.limit is None else f'{self.limit:g}'} ({self.origin})"


@dataclass(frozen=True)
class Verdict:
    """A gate held against a result: the measured ``value``, and the ``margin`` to the limit (negative: violated)."""

    gate: Gate
    value: float
    margin: float

    @property
    def passed(self) -> bool:
        """Whether the gate held."""
        return self.margin >= 0


def parse_gate(name: str, limit: object, origin: str, region: str = "") -> Gate:
    """Read ``{min,max}_{metric}[_{pool}]`` with its limit, or ``above_100`` with on, off or a number of frames.

    Raises SettingsError that names the nearest metric or pool for an unknown one.
    """
    if name == ABOVE:
        return Gate(name, "max", ABOVE, "count", _frames_allowed(limit, origin), origin, region)
    bound, _, rest = name.partition("_")
    if bound not in ("min", "max") or not rest:
        raise SettingsError(
            f"{name!r} ({origin}) is not a gate.{did_you_mean(name, _examples())} Gates are "
            "{min,max}_{metric}[_{pool}] as min_neg, min_neg_p5, max_gap, min_psnr_y, and above_100."
        )
    metric, pool = _metric_and_pool(rest, name, origin)
    return Gate(name, bound, metric, pool, _limit(name, limit, origin), origin, region)


def parse_assignment(text: str, origin: str) -> Gate:
    """Read ``NAME=LIMIT`` as on the command line and in ini files. Raises SettingsError."""
    name, equals, limit = (part.strip() for part in text.partition("="))
    if not equals:
        raise SettingsError(f"{text!r} ({origin}) is not a gate; write NAME=LIMIT, as min_neg=93.")
    return parse_gate(name, limit, origin)


def refuse_twice(gates: Iterable[Gate]) -> None:
    """Raises SettingsError for two gates of one place that are one gate by two names."""
    seen: dict[tuple[str, ...], Gate] = {}
    for gate in gates:
        first = seen.setdefault(gate.key, gate)
        if first.name != gate.name:
            of = f"{printable(gate.region)}: " if gate.region else ""
            raise SettingsError(f"{of}{first.name} and {gate.name} ({gate.origin}) are one gate; give it once.")


def effective(layers: Iterable[Iterable[Gate]]) -> tuple[Gate, ...]:
    """The gates in force: each name from the first layer that sets it, without those switched off."""
    chosen: dict[tuple[str, ...], Gate] = {}
    for layer in layers:
        for gate in {gate.key: gate for gate in layer}.values():
            chosen.setdefault(gate.key, gate)
    return tuple(gate for gate in chosen.values() if gate.limit is not None)


def judge(result: Result, gates: Iterable[Gate]) -> tuple[Verdict, ...]:
    """Hold each gate against the result. Equality passes."""
    verdicts = []
    for gate in gates:
        if gate.limit is None:
            continue
        value = _value(result, gate)
        margin = value - gate.limit if gate.bound == "min" else gate.limit - value
        verdicts.append(Verdict(gate, value, margin))
    return tuple(verdicts)


def _of(result: Result, gate: Gate) -> Result:
    return result.regions[gate.region] if gate.region else result


def _value(result: Result, gate: Gate) -> float:
    result = _of(result, gate)
    return float(len(result.above_100)) if gate.metric == ABOVE else result.pooled(gate.metric, gate.pool, gate.bound)


def _metric_and_pool(rest: str, name: str, origin: str) -> tuple[str, str]:
    metrics = (*BASE_METRICS, *PART_METRICS, *feature_columns())
    # In the gates of a region of interest, "roi" alone is the default score's.
    rest = re.sub("^roi(?=_|$)", "vmaf_roi", rest)
    if rest in metrics:
        return rest, "mean"
    for pool in POOLS:
        if rest.endswith(f"_{pool}") and rest.removesuffix(f"_{pool}") in metrics:
            return rest.removesuffix(f"_{pool}"), pool
    metric = next((m for m in sorted(metrics, key=len, reverse=True) if rest.startswith(f"{m}_")), None)
    bound = name.partition("_")[0]
    if metric is not None:
        pool = closest_match(rest.removeprefix(f"{metric}_"), POOLS) or "p5"
        raise SettingsError(
            f"{name!r} ({origin}) asks for an unknown pool of {metric}; did you mean {f'{bound}_{metric}_{pool}'!r}? "
            f"There are {', '.join(POOLS)}."
        )
    near = closest_match(rest, (*metrics, *(f"{m}_{pool}" for m in metrics for pool in POOLS)))
    raise SettingsError(
        f"{name!r} ({origin}) asks for an unknown metric; did you mean {f'{bound}_{near}'!r}? There are "
        f"{', '.join(metric for metric in metrics if not metric.startswith('float_moment'))}."
    )


def _limit(name: str, limit: object, origin: str) -> float | None:
    if limit is None or limit is False or (isinstance(limit, str) and limit.lower() in OFF_WORDS):
        return None
    try:
        if isinstance(limit, bool) or not isinstance(limit, str | int | float):
            raise ValueError
        value = float(limit)
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        hint = " Write one gate a line." if "," in str(limit) else ""
        raise SettingsError(f"The limit of {name} ({origin}) is {limit!r}; it is a finite number, or off.{hint}")
    return value


def _frames_allowed(limit: object, origin: str) -> float | None:
    words = {"on": 0.0, "true": 0.0, "yes": 0.0, **dict.fromkeys(OFF_WORDS)}
    if limit is None or limit is False:
        return None
    if limit is True:
        return 0.0
    if isinstance(limit, str) and limit.lower() in words:
        return words[limit.lower()]
    value = _limit(ABOVE, limit, origin)
    if value is None or value < 0 or value != int(value):
        raise SettingsError(f"above_100 ({origin}) is {limit!r}; it is on, off, or how many frames are allowed.")
    return value


def _examples() -> tuple[str, ...]:
    metrics = (*BASE_METRICS, *PART_METRICS, *feature_columns())
    return (ABOVE, *(f"{bound}_{metric}" for bound in ("min", "max") for metric in metrics))
