"""Encode and score clips at every CRF, for the part `curves` of `python -m benchmarks`.

    python -m benchmarks.measure_curves CLIP ... -o curves.json [--encoders libx264,libx265,libsvtav1] [--frames 24]

Curves that the file has already are not measured again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.clips import cut
from benchmarks.ratios.raw import encode_and_score
from pytest_vmaf import Vmaf
from pytest_vmaf.encoding.encoders import ENCODERS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--encoders", default="libx264,libx265,libsvtav1")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", default="320x180")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    curves = json.loads(options.output.read_text()) if options.output.exists() else []
    for clip in options.clips:
        for name in options.encoders.split(","):
            if any((each["clip"], each["encoder"]) == (clip.stem, name) for each in curves):
                continue
            with tempfile.TemporaryDirectory() as folder:
                source = cut(clip, Path(folder), (width, height), options.frames)
                finest, coarsest = map(int, ENCODERS[name].crf_range)
                crfs = list(range(finest, coarsest + 1))
                neg = [encode_and_score(source, ENCODERS[name], Path(folder), crf) for crf in crfs]
                itself = Vmaf(cache=False, progress=False).self_score(source).neg
            tops = {"ceiling": float(itself), "unclipped": float(itself.unclipped)}
            curves.append({"clip": clip.stem, "encoder": name, **tops, "crf": crfs, "neg": neg})
            options.output.write_text(json.dumps(curves))
            print(clip.stem, name, flush=True)


if __name__ == "__main__":
    main()
