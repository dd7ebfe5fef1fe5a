"""Benchmark: the cost of scoring arrays, generators and planes, compared with raw files of the same samples.

    python -m benchmarks.frames_in_memory [--source CLIP] [--frames 48] [--pairs 5]

Both sides score the same frames in turn, without a cache and without signs. The files exist before, and the frames are
in memory before. Peak memory is that of a process that scores generators, minus that of one that only imports (Linux).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.clips import bunny
from benchmarks.paired import cpu
from pytest_vmaf import Clip, Vmaf, read_frames
from pytest_vmaf.media.ffmpeg import find_ffmpeg

Measure = Callable[[], float]
MEMORY = """
import sys
import numpy
from pytest_vmaf import Clip, Vmaf, read_frames
frames = int(sys.argv[3])
if frames:
    clips = (read_frames(Clip(path, frames=frames)) for path in sys.argv[1:3])
    Vmaf(cache=False, signs=False, progress=False).score(*map(iter, clips))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def main() -> None:
    """Print the medians of the ratios of wall and CPU seconds, and the peak memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    source = (options.source or bunny()).absolute()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encode = folder / "encode.mp4"
        argv = [find_ffmpeg().path, "-v", "error", "-i", str(source), "-an", "-c:v", "libx264", "-crf", "30", encode]
        subprocess.run(argv, check=True)
        clips = [Clip(path, frames=options.frames) for path in (source, encode)]
        rgb = [np.stack(list(read_frames(clip))) for clip in clips]
        height, width = rgb[0].shape[1:3]
        print(f"{len(rgb[0])} frames of {source.name}, {width}x{height}")
        raw = []
        for number, frames in enumerate(rgb):
            path = folder / f"{number}.rgb"
            path.write_bytes(frames.tobytes())
            raw.append(Clip(path, width=width, height=height, pix_fmt="rgb24"))
        vmaf = Vmaf(cache=False, signs=False, progress=False)
        by_file = run(lambda: float(vmaf.score(*raw).neg))
        compare("arrays / raw rgb24", run(lambda: float(vmaf.score(*rgb).neg)), by_file, options.pairs)
        compare("generators / raw rgb24", run(lambda: float(vmaf.score(*map(iter, rgb)).neg)), by_file, options.pairs)
        floats = [frames.astype(np.float32) / 255 for frames in rgb]
        wide = [Clip.from_frames(frames) for frames in floats]
        by_wide = run(lambda: float(vmaf.score(*wide).neg))
        compare("float32 / raw rgb48le", run(lambda: float(vmaf.score(*floats).neg)), by_wide, options.pairs)
        planes = [list(read_frames(clip, pix_fmt="yuv420p")) for clip in clips]
        y4m = []
        for number, frames in enumerate(planes):
            path = folder / f"{number}.yuv"
            path.write_bytes(b"".join(plane.tobytes() for frame in frames for plane in frame))
            y4m.append(Clip(path, width=width, height=height, pix_fmt="yuv420p"))

        def score_planes() -> float:
            return float(vmaf.score(*(Clip.from_frames(frames, pix_fmt="yuv420p") for frames in planes)).neg)

        compare("planes / raw yuv420p", run(score_planes), run(lambda: float(vmaf.score(*y4m).neg)), options.pairs)
        peaks = {count: memory(source, encode, count) for count in (0, 12, options.frames)}
        for count, peak in list(peaks.items())[1:]:
            print(f"peak memory of generators of {count} frames: {(peak - peaks[0]) / 1024:.0f} MiB above the imports")


def run(score: Measure) -> Callable[[], tuple[float, float, float]]:
    """A measurement as wall seconds, CPU seconds and score."""

    def timed() -> tuple[float, float, float]:
        before, start = cpu(), time.perf_counter()
        neg = score()
        return time.perf_counter() - start, cpu() - before, neg

    return timed


def compare(
    name: str, a: Callable[[], tuple[float, float, float]], b: Callable[[], tuple[float, float, float]], pairs: int
) -> None:
    """Print the medians of the ratios of both sides, after a pair that warms up. Their scores must be equal."""
    rows = [(a(), b()) for _ in range(pairs + 1)][1:]
    if any(x[2] != y[2] for x, y in rows):
        raise SystemExit(f"{name}: the scores differ.")
    wall, spent = (statistics.median(x[column] / y[column] for x, y in rows) for column in (0, 1))
    seconds = statistics.median(y[0] for _, y in rows)
    print(f"{name:24}  wall {wall:.3f}   CPU {spent:.3f}   ({seconds:.2f} s from files, {pairs} pairs, equal scores)")


def memory(source: Path, encode: Path, frames: int) -> int:
    """The peak memory of a process that scores generators of so many frames, in KiB."""
    argv = [sys.executable, "-c", MEMORY, str(source), str(encode), str(frames)]
    return int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
