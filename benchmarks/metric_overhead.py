"""Benchmark: CPU seconds per frame that a metric of a plugin adds to a score, compared with the plain score.

    python -m benchmarks.metric_overhead [--source CLIP] [--runs 5]

All sides score the same encode in turn, without a cache. CPU seconds are those of ffmpeg and of Python together. The
metrics compute next to nothing, so the benchmark measures decoding and the conversion of pictures. `ssim.onnx` is SSIM
as a network.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.clips import bunny
from benchmarks.paired import cpu
from pytest_vmaf import NetworkMetric, Vmaf
from pytest_vmaf.media.ffmpeg import find_ffmpeg

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from metrics.builders import ssim

Pictures = NDArray[np.float32]


class First:
    """A metric that reads one sample of each picture."""

    direction = "lower"

    def __init__(self, name: str, colour: str = "rgb", frames: int = 1) -> None:
        self.name, self.colour, self.frames = name, colour, frames

    def measure(self, reference: Pictures, distorted: Pictures) -> float:
        return float(abs(reference.flat[0] - distorted.flat[0]))


def main() -> None:
    """Print the median of each side, its ratio to the plain score, and what it adds to each frame."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    source = (options.source or bunny()).absolute()
    with tempfile.TemporaryDirectory() as folder:
        encode, network = Path(folder, "encode.mp4"), Path(folder, "ssim.onnx")
        argv = [find_ffmpeg().path, "-v", "error", "-i", str(source), "-an", "-c:v", "libx264", "-crf", "24"]
        subprocess.run([*argv, str(encode)], check=True)
        network.write_bytes(ssim())
        sides: dict[str, list[object]] = {
            "plain": [],
            "luma": [First("first_luma", "luma")],
            "rgb": [First("first_rgb")],
            "rgb, two metrics": [First("first_rgb"), First("second_rgb")],
            "rgb, windows of 8": [First("first_window", frames=8)],
            "ssim.onnx": [NetworkMetric(network)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(options.runs + 1):
            for name, metrics in sides.items():
                before = cpu()
                result = Vmaf(cache=False, signs=False).score(source, encode, metrics=metrics)  # type: ignore[arg-type]
                if number:
                    # The first run only warms up.
                    seconds[name].append(cpu() - before)
    frames, scored = len(result.neg.frames), result.neg.scale
    print(f"{frames} frames of {scored.width}x{scored.height}")
    for name, own in seconds.items():
        added = statistics.median(a - b for a, b in zip(own, seconds["plain"], strict=True)) / frames
        ratio = statistics.median(a / b for a, b in zip(own, seconds["plain"], strict=True))
        print(f"{name:18} {statistics.median(own):6.2f} s   ratio {ratio:.2f}   {1000 * added:+.1f} ms per frame")


if __name__ == "__main__":
    main()
