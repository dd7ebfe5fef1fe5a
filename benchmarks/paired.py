"""Costs of commands and calls that run in turn, in rounds AB BA, so that changes of the machine's speed cancel out."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

Argv = Sequence[str]


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds, those of child processes included."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Side:
    """What is measured, and what is done before each time without being measured."""

    run: Callable[[], object]
    prepare: Callable[[], object] = nothing


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    middle: float
    low: float
    high: float


def measure_rounds(sides: Mapping[str, Side], rounds: int) -> dict[str, list[Cost]]:
    """Run every side once in each round, in turn in one order and in the other, after a round that warms up."""
    names = list(sides)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names if number % 2 else names[::-1]:
            sides[name].prepare()
            cost = measure(sides[name].run)
            if number:
                costs[name].append(cost)
    return costs


def measure(call: Callable[[], object]) -> Cost:
    """The cost of a call, with the child processes that it waits for."""
    before, begun = cpu(), time.perf_counter()
    call()
    return Cost(time.perf_counter() - begun, cpu() - before)


def cpu() -> float:
    """CPU seconds of this process and of its children so far."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def command(argv: Argv, cwd: Path, prepare: Callable[[], object] = nothing) -> Side:
    """A side that runs a command and discards its output."""
    # Installed packages run with their compiled files.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run() -> None:
        null = subprocess.DEVNULL
        done = subprocess.run(argv, cwd=cwd, env=env, stdin=null, stdout=null, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise SystemExit(f"{argv[0]} failed:\n{done.stderr.decode(errors='replace')[-2000:]}")

    return Side(run, prepare)


def spread(values: Sequence[float]) -> Spread:
    """The median and the quartiles of values; of one value, that value."""
    low, _, high = quantiles(values, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return Spread(median(values), low, high)


def compare(name_a: str, a: Argv, name_b: str, b: Argv, cwd: Path, runs: int) -> None:
    """Print the medians of two commands, and of their ratio and difference in each round."""
    costs = measure_rounds({name_a: command(a, cwd), name_b: command(b, cwd)}, runs)
    for what in ("wall", "cpu"):
        in_a, in_b = ([getattr(cost, what) for cost in costs[name]] for name in (name_a, name_b))
        ratio = median(x / y for x, y in zip(in_a, in_b, strict=True))
        extra = median(x - y for x, y in zip(in_a, in_b, strict=True))
        print(
            f"{what:4}  {name_a} {median(in_a):.3f} s   {name_b} {median(in_b):.3f} s   "
            f"ratio {ratio:.3f}   difference {extra * 1000:+.1f} ms   ({runs} rounds)"
        )
