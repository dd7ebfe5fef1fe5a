"""False alarms and misses of the default gates, and the limits that other contents would choose.

Encodes parts of natural clips, honestly and with damage, scores each encode, and prints how many of each kind the
default gates refuse, by size. Then each limit is chosen again without one content at a time, and judged on that one.

    python -m benchmarks.signs FOLDER [--frames 12] [--rows rows.jsonl]

FOLDER holds the clips; the content of a clip is the part of its name before the first "_" or "-". Rows that exist are
not made again.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pytest_vmaf import MeasurementError, Vmaf
from pytest_vmaf.gates.defaults import DEFAULT_GATES
from pytest_vmaf.gates.metrics import ABOVE, metrics
from pytest_vmaf.media.ffmpeg import find_ffmpeg

SIZES = ("640:-2", "320:-2")
HONEST = {
    "libx264 -crf": (16, 24, 32, 42, 50),
    "libx264 -tune grain -crf": (30,),
    "libx264 -preset ultrafast -crf": (38,),
    "libx265 -x265-params log-level=error -crf": (20, 32, 46),
    "libsvtav1 -preset 8 -crf": (24, 40, 62),
    "libvpx-vp9 -deadline good -cpu-used 4 -b:v 0 -crf": (30, 58),
    "libvvenc -preset faster -qp": (36,),
    "mpeg4 -q:v": (4, 14),
}
FILTERS = {
    "sharpened": ("unsharp=5:5:0.3", "unsharp=5:5:0.5", "unsharp=5:5:1.0", "cas=0.6", "cas=0.9"),
    "contrast": ("eq=contrast=1.05", "eq=contrast=1.1", "eq=contrast=0.9"),
    "colour": (
        *("swapuv", "hue=s=0", "hue=h=40", "hue=h=180", "eq=saturation=1.5", "chromashift=cbh=3:crh=3"),
        "chromashift=cbh=8:crh=8",
    ),
    "parts": (
        "drawbox=iw*3/4:ih/10:iw/8:ih/9:c=white@0.6:t=fill",
        "drawbox=iw/3:ih/3:iw/8:ih/8:c=gray:t=fill:enable='eq(n,5)'",
    ),
    "time": ("tmix=2", "phase=t"),
    "level": ("eq=brightness=0.09", "eq=brightness=-0.09", "eq=gamma=1.1"),
}
#: The encodes behind each filter.
AFTER_FILTERS = {"libx264 -crf": (18, 30), "libsvtav1 -preset 8 -crf": (38,)}


def main() -> None:
    """Make the rows that are missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--rows", type=Path, default=Path("signs.jsonl"))
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
    done = {(row["clip"], row["size"], row["filter"], row["encoder"]) for row in rows}
    with options.rows.open("a") as file:
        for clip in sorted(path for path in options.folder.iterdir() if path.suffix in (".mp4", ".mkv", ".y4m")):
            for row in measure(clip, options.frames, done):
                rows.append(row)
                file.write(json.dumps(row) + "\n")
                file.flush()
    print_rates(rows)
    print_limits(rows)


def measure(clip: Path, frames: int, done: set[tuple[str, str, str, str]]) -> Iterator[dict[str, object]]:
    """One row for each encode of a clip that is not done yet."""
    ffmpeg, vmaf = find_ffmpeg().path, Vmaf(cache=False, threads=2)
    encodes = [("honest", "", f"{name} {quality}") for name, qualities in HONEST.items() for quality in qualities]
    for kind, filters in FILTERS.items():
        encodes += [
            (kind, chain, f"{name} {quality}")
            for chain in filters
            for name, qualities in AFTER_FILTERS.items()
            for quality in qualities
        ]
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            source = Path(folder, f"{size[:3]}.mkv")
            chain = f"scale={size}:flags=bicubic:out_range=tv,format=yuv420p,setpts=N/25/TB"
            cut = ["-vf", chain, "-frames:v", str(frames), "-r", "25", "-c:v", "ffv1", str(source)]
            subprocess.run([ffmpeg, "-v", "error", "-y", "-i", str(clip), *cut], check=True)
            for kind, filters_, encoder in encodes:
                if (clip.name, size, filters_, encoder) in done:
                    continue
                output = Path(folder, "encode.mkv")
                how = [*(["-vf", filters_] if filters_ else []), "-c:v", *encoder.split(), str(output)]
                subprocess.run([ffmpeg, "-v", "error", "-y", "-i", str(source), *how], check=True)
                row = {"clip": clip.name, "size": size, "kind": kind, "filter": filters_, "encoder": encoder}
                try:
                    result = vmaf.score(source, output)
                except MeasurementError as error:
                    yield {**row, "error": str(error).partition("\n")[0]}
                    continue
                values = {name: result.pooled(*pooled(name)) for name in DEFAULT_GATES if name != ABOVE}
                yield {**row, "values": values, ABOVE: len(result.above_100), "neg": float(result.neg)}


def pooled(gate: str) -> tuple[str, str]:
    """The metric and the pool of a gate's name."""
    metric = gate.removeprefix("max_")
    return (metric, metrics()[metric].pool) if metric in metrics() else (metric.removesuffix("_max"), "max")


def refused(row: dict) -> bool:
    """Whether the default gates refuse an encode."""
    if "error" in row or row[ABOVE]:
        return True
    return any(value > DEFAULT_GATES[gate] for gate, value in row["values"].items())


def print_rates(rows: list[dict]) -> None:
    """How many encodes of each kind are refused, by size."""
    print(f"{'kind':<12}" + "".join(f"{size:>16}" for size in SIZES))
    for kind in ("honest", *FILTERS):
        counts = []
        for size in SIZES:
            these = [refused(row) for row in rows if row["kind"] == kind and row["size"] == size]
            counts.append(f"{sum(these)} of {len(these)}")
        print(f"{kind:<12}" + "".join(f"{count:>16}" for count in counts))


def print_limits(rows: list[dict], share: float = 0.01) -> None:
    """For each gate, the limit that `share` of honest encodes exceed, chosen without one content and judged on it."""
    print(f"\n{'gate':<22}{'default':>9}{'limits':>18}{'honest refused':>16}")
    honest = [row for row in rows if row["kind"] == "honest" and "values" in row]
    contents = [re.split("[_-]", Path(row["clip"]).stem)[0] for row in honest]
    for gate in (name for name in DEFAULT_GATES if name != ABOVE):
        limits, refusals = [], 0
        for content in sorted(set(contents)):
            others = [row["values"][gate] for row, other in zip(honest, contents, strict=True) if other != content]
            own = [row["values"][gate] for row, other in zip(honest, contents, strict=True) if other == content]
            limits.append(float(np.quantile(others, 1 - share, method="higher")))
            refusals += sum(value > limits[-1] for value in own)
        spread = f"{min(limits):.2f} to {max(limits):.2f}"
        print(f"{gate:<22}{DEFAULT_GATES[gate]:>9g}{spread:>18}{refusals:>8} of {len(honest)}")


if __name__ == "__main__":
    main()
