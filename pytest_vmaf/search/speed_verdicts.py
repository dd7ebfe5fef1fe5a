"""Verdicts on a speed: passed, failed, or too noisy to decide."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_vmaf.errors import NoiseError
from pytest_vmaf.gates.gate import Gate, Verdict
from pytest_vmaf.gates.messages import BaselineComparison
from pytest_vmaf.gates.metrics import SLOWDOWN, metrics
from pytest_vmaf.gates.tolerance import Tolerance
from pytest_vmaf.search.measure_speed import BUSY, MOST_ROUNDS, refuse_untimeable
from pytest_vmaf.search.paired_ratio import Interval
from pytest_vmaf.search.speed import UNITS, Speed, change
from pytest_vmaf.text import plural


@dataclass(frozen=True)
class SpeedLimits:
    """What is required of a speed.

    Attributes:
        gates: Gates on frames per second, and on the slowdown against another command.
    """

    gates: tuple[Gate, ...]

    def are_decided(self, speed: Speed) -> bool:
        """Whether every verdict is clear, or a gate has failed clearly."""
        outcomes = [outcome(interval_of(speed, gate), gate) for gate in self.gates]
        return None not in outcomes or False in outcomes


def slowdown_gate(tolerance: Tolerance) -> Gate:
    """`max_speed_drop` as a gate on the slowdown against another command."""
    return Gate(tolerance.name, "max", SLOWDOWN, "mean", tolerance.limit, tolerance.origin)


def interval_of(speed: Speed, gate: Gate) -> Interval:
    """The number that a gate limits, with its interval."""
    if gate.metric == SLOWDOWN:
        return speed.slowdown or Interval(math.nan, -math.inf, math.inf)
    return speed.interval(gate.metric)


def outcome(interval: Interval, gate: Gate) -> bool | None:
    """Whether a gate passed: only if all of the interval is on the right side, and failed likewise; None in between."""
    limit = gate.limit or 0.0
    passed, failed = interval.low >= limit, interval.high < limit
    if gate.bound == "max":
        passed, failed = interval.high <= limit, interval.low > limit
    return True if passed else False if failed else None


def judge_speed(speed: Speed, limits: SpeedLimits) -> list[Verdict]:
    """Check every gate. Where one has failed, those that are too noisy to decide are left out.

    Raises:
        NoiseError: If a verdict is not clear, and no gate failed.
        MeasurementError: If encodes are too short to be timed, or their work is done elsewhere.
    """
    refuse_untimeable(speed, [gate.metric for gate in limits.gates])
    verdicts, unclear = [], []
    for gate in limits.gates:
        interval = interval_of(speed, gate)
        passed = outcome(interval, gate)
        if passed is None or (not passed and _is_disturbed(speed, gate)):
            unclear.append((gate, interval))
            continue
        far = interval.estimate - (gate.limit or 0.0)
        verdicts.append(Verdict(gate, interval.estimate, far if gate.bound == "min" else -far))
    if unclear and all(verdict.passed for verdict in verdicts):
        raise NoiseError("\n".join(_unclear(speed, gate, interval) for gate, interval in unclear))
    return verdicts


def value_text(speed: Speed, gate: Gate) -> str:
    """The number that a gate limits in words, with its interval: "encoding speed 41.7 frames/s (39.8 to 43.1)"."""
    interval = interval_of(speed, gate)
    if gate.metric == SLOWDOWN and speed.against is not None:
        return f"{change(interval)} than {speed.against.name}"
    metric = metrics()[gate.metric]
    return f"{metric.label} {interval.estimate:.1f} {metric.unit} ({interval.low:.1f} to {interval.high:.1f})"


def violation_text(speed: Speed, verdicts: Iterable[Verdict], baseline: BaselineComparison | None = None) -> str:
    """The message of a violation: what failed, numbers first, then how it was measured.

    Args:
        speed: The speed.
        verdicts: The verdicts of its gates.
        baseline: The comparison with its baseline, if there is one.
    """
    verdicts = list(verdicts)
    failed = [verdict for verdict in verdicts if not verdict.passed]
    parts = [f"{value_text(speed, each.gate)}; {_limit(each.gate)}" for each in failed]
    also = [f"{value_text(speed, each.gate)}; {_limit(each.gate)}" for each in verdicts if each.passed]
    details: Sequence[str] = ()
    if baseline is not None:
        parts, also, details = [*parts, *baseline.failed], [*also, *baseline.also], baseline.lines
    lines = [f"{'; '.join(parts)} ({len(parts)} of {len(parts) + len(also)} gates failed)", *details]
    lines += [f"passed: {each}" for each in also]
    lines += [f"source: {speed.reference}", *how_lines(speed)]
    return "\n  ".join(lines)


def how_lines(speed: Speed) -> list[str]:
    """How a speed was measured."""
    how = f"{plural(len(speed.rounds), 'round')}{f' in turn, judged by {UNITS[speed.clock]}' if speed.against else ''}"
    return [f"{how}{f' ({speed.counter})' if speed.counter else ''}", *(f"note: {note}" for note in speed.notes)]


def _limit(gate: Gate) -> str:
    return f"{gate.name} is {gate.limit:g}{' %' if gate.metric == SLOWDOWN else ''}"


def _is_disturbed(speed: Speed, gate: Gate) -> bool:
    """Whether frames per second may be too few only because other programs ran. Pairs of encodes share that."""
    return gate.metric != SLOWDOWN and gate.bound == "min" and (speed.others or 0.0) > BUSY


def _unclear(speed: Speed, gate: Gate, interval: Interval) -> str:
    if _is_disturbed(speed, gate) and outcome(interval, gate) is False:
        return (
            f"too busy to decide: {value_text(speed, gate)}; {_limit(gate)}, but other programs took "
            f"{100 * (speed.others or 0.0):.0f} % of the processors meanwhile.\n  Run nothing else meanwhile (pytest "
            "without -n), or compare with another command: against= and max_speed_drop."
        )
    unit = "%" if gate.metric == SLOWDOWN else metrics()[gate.metric].unit
    limit, rounds = gate.limit or 0.0, len(speed.rounds)
    is_noise = gate.metric != SLOWDOWN or interval.noise > limit
    what = "too noisy to decide" if is_noise else "too near to the limit to decide"
    lines = [
        f"{what}: {value_text(speed, gate)}; {_limit(gate)}, and the noise of {rounds} rounds is "
        f"±{interval.noise:.3g} {unit}."
    ]
    advice = []
    # The width of the interval falls with the root of the number of rounds.
    distance = abs(interval.estimate - limit)
    needed = rounds * (interval.noise / distance) ** 2 if distance else math.inf
    if rounds < needed * 1.2 <= MOST_ROUNDS:
        advice.append(f"about {math.ceil(needed * 1.2 / 10) * 10} rounds would tell (rounds=)")
    if speed.clock == "wall" and gate.metric == SLOWDOWN:
        advice.append('clock="cpu" is disturbed less by other programs')
    if speed.clock == "cpu" and gate.metric == SLOWDOWN:
        advice.append('clock="instructions" is not disturbed by other programs')
    advice.append("run nothing else meanwhile (pytest without -n)")
    return "\n  ".join([*lines, f"To decide: {'; '.join(advice)}.", *how_lines(speed)])
