"""How often `max_speed_drop` is right: encoders that are 0, 5, 10 and 20 % slower, on this machine as busy as it is.

    python -m benchmarks.speed_verdicts [ROUNDS] [LIMIT] [FRAMES] [PERCENT ...]

Each encoder runs in turn with the same base, ROUNDS times (80 by default). Then every place of that record is taken as
the beginning of a measurement, whose verdict is that of `vmaf.speed(max_speed_drop=LIMIT)` (5 % by default): after 8,
12, … rounds, at most 40. The record is a ring, so that there are as many measurements as rounds. FRAMES (150 by
default) makes encodes longer, and PERCENT names other encoders than 0 5 10 20.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median, stdev

from pytest_vmaf import Encoder, NoiseError, Speed, Vmaf
from pytest_vmaf.gates.tolerance import parse_tolerance
from pytest_vmaf.media.command import Command
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.process import run
from pytest_vmaf.search.measure_speed import looks_of
from pytest_vmaf.search.speed import Clock
from pytest_vmaf.search.speed_verdicts import SpeedLimits, judge_speed, slowdown_gate

#: Encodes all frames, and then the first so many once more: real work of an encoder, and frames that do not change.
SCRIPT = (
    '"$1" -nostdin -v error -y -i "$2" -c:v libx264 -preset veryfast -crf "$3" "$4" && '
    '"$1" -nostdin -v error -y -i "$2" -frames:v "$5" -c:v libx264 -preset veryfast -crf "$3" -f null -'
)


def encoder(ffmpeg: str, more: int) -> Encoder:
    frames = str(1 + more)
    command = ("sh", "-c", SCRIPT, "sh", ffmpeg, "{input}", "{crf}", "{output}", frames)
    return Encoder(f"{more} frames more", command=command)


def verdicts(speed: Speed, limit: str, clock: Clock) -> tuple[Counter[str], float]:
    """The verdicts from every place of the record on, and the mean number of rounds that they took."""
    limits = SpeedLimits((slowdown_gate(parse_tolerance("max_speed_drop", limit, "call")),))
    looks, counts, taken = looks_of(None, clock, judged=True), Counter[str](), []
    assert speed.against is not None
    ours, theirs = (each.rounds * 2 for each in (speed, speed.against))
    for start in range(len(speed.rounds)):
        for rounds in looks:
            place = slice(start, start + rounds)
            base = replace(speed.against, rounds=theirs[place], clock=clock)
            part = replace(speed, rounds=ours[place], against=base, clock=clock)
            if limits.are_decided(part):
                break
        taken.append(rounds)
        try:
            counts["passed" if judge_speed(part, limits)[0].passed else "failed"] += 1
        except NoiseError:
            counts["refused"] += 1
    return counts, fmean(taken)


def estimates(times: Sequence[float], base: Sequence[float], rounds: int = 40) -> str:
    """The standard errors of three ways to compare two commands, in percent, by resampling so many pairs."""
    generator, pairs = random.Random(1), list(zip(times, base, strict=True))
    ways: dict[str, Callable[[list[tuple[float, float]]], float]] = {
        "median of ratios": lambda drawn: median(a / b for a, b in drawn),
        "ratio of medians": lambda drawn: median(a for a, _ in drawn) / median(b for _, b in drawn),
        "ratio of the fastest": lambda drawn: min(a for a, _ in drawn) / min(b for _, b in drawn),
    }
    errors = {name: stdev(way(generator.choices(pairs, k=rounds)) for _ in range(300)) for name, way in ways.items()}
    return ", ".join(f"{name} ± {100 * error:.1f} %" for name, error in errors.items())


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 80
    limit = sys.argv[2] if len(sys.argv) > 2 else "5%"
    total = int(sys.argv[3]) if len(sys.argv) > 3 else 150
    percents = [int(word) for word in sys.argv[4:]] or [0, 5, 10, 20]
    ffmpeg = find_ffmpeg().path
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.y4m")
        scene = "mandelbrot=size=320x180:rate=25:end_scale=0.002,noise=alls=6:allf=t:all_seed=7,format=yuv420p"
        run(Command((ffmpeg, "-nostdin", "-f", "lavfi", "-i", scene, "-frames:v", str(total), str(clip))))
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the start")
        for percent in percents:
            ours = encoder(ffmpeg, total * percent // 100)
            speed = Vmaf(progress=False).speed(
                clip, encoder=ours, crf=30, against=encoder(ffmpeg, 0), rounds=rounds, decode=False
            )
            assert speed.against is not None
            clocks: tuple[Clock, ...] = ("cpu", "wall")
            for clock in clocks:
                times, base = (replace(each, clock=clock).amounts for each in (speed, speed.against))
                ratios = [100 * (a / b - 1) for a, b in zip(times, base, strict=True)]
                counts, taken = verdicts(speed, limit, clock)
                rates = ", ".join(
                    f"{name} {100 * counts[name] / rounds:3.0f} %" for name in ("passed", "failed", "refused")
                )
                noise = f"time {median(ratios):+5.1f} % ± {stdev(ratios):4.1f}"
                print(f"             {estimates(times, base)}")
                print(f"+{percent:2} %  {clock:4}  {median(times):.2f} s  {noise}   {rates}   after {taken:.0f} rounds")
        print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
