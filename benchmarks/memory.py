"""Benchmark: peak memory of a measurement in Python and in ffmpeg, for 1,000 and for 4,000 frames.

python -m benchmarks.memory [--frames 1000 4000] [--size 640x360]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from pytest_vmaf.media.ffmpeg import find_ffmpeg

SCORE = """
import resource, sys
from pytest_vmaf import Vmaf
result = Vmaf().score(*sys.argv[1:])
who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
print(len(result.neg.frames), *(resource.getrusage(each).ru_maxrss // 1024 for each in who))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--size", default="640x360")
    options = parser.parse_args()
    ffmpeg = find_ffmpeg().path
    with tempfile.TemporaryDirectory() as name:
        for frames in options.frames:
            reference, encode = Path(name, f"r{frames}.mp4"), Path(name, f"e{frames}.mp4")
            scene = f"testsrc2=size={options.size}:rate=25,noise=alls=6:allf=t"
            make = [ffmpeg, "-loglevel", "error", "-f", "lavfi", "-i", scene, "-frames:v", str(frames)]
            subprocess.run([*make, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", reference], check=True)
            x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "28"]
            subprocess.run([ffmpeg, "-loglevel", "error", "-i", reference, *x264, encode], check=True)
            done = subprocess.run([sys.executable, "-c", SCORE, reference, encode], check=True, capture_output=True)
            scored, ours, children = done.stdout.split()
            print(f"{int(scored):6} frames: Python {int(ours)} MB, ffmpeg {int(children)} MB")


if __name__ == "__main__":
    main()
