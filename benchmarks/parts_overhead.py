"""Benchmark: the cost of measuring parts of the picture, as ratios to a plain score of the same pair.

    python benchmarks/parts_overhead.py [--source CLIP] [--frames 120] [--runs 5]

The pair is scaled to 1080p. Without --source, the benchmark needs the footage of the examples:
pip install '.[examples]'.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from paired import compare
from score_overhead import bunny

from pytest_vmaf.media.ffmpeg import find_ffmpeg

CODE = "import sys; from pytest_vmaf import Vmaf; r, d = sys.argv[1:]; v = Vmaf(); "
REGIONS = "{'a': (640, 270, 640, 540), 'b': (100, 100, 321, 239), 'c': (1400, 700, 400, 300)}"
WAYS = {
    "roi, the bundled network": "v.roi(r, d)",
    "roi, the bundled network and a mask of nearly everything": "v.roi(r, d, threshold=0)",
    "roi, all pixels blended": "v.roi(r, d, synthetic_mask=0.5, threshold=0, fade=1)",
    "three regions (a quarter of the picture in total)": f"v.score(r, d, regions={REGIONS})",
    "map of 4x4 tiles": "v.quality_map(r, d)",
    "map of 8x8 tiles": "v.quality_map(r, d, grid=(8, 8))",
    "map of 4x4 tiles, weighted by saliency": "v.quality_map(r, d, saliency=True)",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    ffmpeg = find_ffmpeg().path
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = options.source or bunny()
        reference, encode = folder / "reference.y4m", folder / "encode.mp4"
        large = ["-vf", "scale=1920:1080:flags=bicubic,format=yuv420p", "-frames:v", str(options.frames)]
        quiet = [ffmpeg, "-loglevel", "error"]
        subprocess.run([*quiet, "-i", source.absolute(), "-an", *large, reference], check=True)
        subprocess.run([*quiet, "-i", reference, "-c:v", "libx264", "-crf", "28", encode], check=True)
        plain = [sys.executable, "-c", f"{CODE}v.score(r, d)", str(reference), str(encode)]
        for what, call in WAYS.items():
            print(f"\n{what}")
            argv = [sys.executable, "-c", CODE + call, str(reference), str(encode)]
            compare("parts", argv, "plain score", plain, folder, options.runs)


if __name__ == "__main__":
    main()
