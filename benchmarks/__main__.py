"""Write one page of ratios: what pytest-vmaf costs in units of raw tools and of its peers.

    python -m benchmarks [PART ...] [--rounds 9] [-o PAGE]

The sides of a ratio run in turn, in one order and then in the other. A figure is the median over rounds, with
quartiles. With -o, the sections of these parts are written into the page, and its other sections stay.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.clips import bunny
from benchmarks.ratios.conditions import conditions
from benchmarks.ratios.curves import measure_curves
from benchmarks.ratios.peers import measure_peers
from benchmarks.ratios.regions import measure_regions
from benchmarks.ratios.runs import measure_runs
from benchmarks.ratios.scores import measure_scores
from benchmarks.ratios.section import Section, Setup
from benchmarks.ratios.trials import measure_trials

PARTS: Mapping[str, Callable[[Setup], Section]] = {
    "scores": measure_scores,
    "runs": measure_runs,
    "trials": measure_trials,
    "curves": measure_curves,
    "regions": measure_regions,
    "peers": measure_peers,
}
HEAD = """# Benchmarks

What pytest-vmaf costs, as ratios. `python -m benchmarks` in a checkout makes this page; `--help` lists its parts.

The sides of a ratio run in turn, in one order and then in the other, so that changes of the machine's speed cancel
out. A figure is the median over rounds, with the quartiles in brackets. CPU seconds include child processes. On a busy
machine, trust CPU more than time. References are y4m, which costs next to nothing to decode, and encodes are x264's.
"""


def main() -> None:
    options = read_options()
    source, curves = (options.source or bunny()).absolute(), tuple(path.absolute() for path in options.curves)
    # A command that is given by its path is run in other folders.
    peer, tool = (path and os.path.abspath(path) for path in map(shutil.which, (options.peer, options.vmaf_tool)))
    setup = Setup(source, Path(), options.rounds, options.frames, curves, peer, tool)
    sections = {}
    for part in options.parts or PARTS:
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            section = PARTS[part](replace(setup, folder=Path(folder)))
        text = "\n".join((f"## {section.title}", "", *section.lines, "", conditions(load, section.tools), ""))
        sections[section.title] = text
        print(text, flush=True)
        if options.output:
            options.output.write_text(with_sections(options.output, sections), encoding="utf-8")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)} (default: all)")
    parser.add_argument("-o", "--output", type=Path, metavar="PAGE", help="the page in Markdown")
    parser.add_argument("--rounds", type=int, default=9, help="default: 9")
    parser.add_argument("--frames", type=int, help="cut clips to so many frames, to try the command out")
    parser.add_argument("--source", type=Path, help="a clip of 720p and 132 frames (default: that of the examples)")
    parser.add_argument("--curves", type=Path, action="append", default=[], help="curves measured at every CRF (JSON)")
    parser.add_argument("--peer", default="ffmpeg-quality-metrics", help="ffmpeg-quality-metrics, if it is not on PATH")
    parser.add_argument("--vmaf-tool", default="vmaf", help="Netflix's vmaf, if it is not on PATH")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"{unknown[0]!r} is not a part; the parts are {', '.join(PARTS)}.")
    if options.rounds < 1 or (options.frames is not None and options.frames < 1):
        parser.error("--rounds and --frames must be at least 1.")
    for path in (*options.curves, *([options.source] if options.source else [])):
        if not path.is_file():
            parser.error(f"{path} must be a file, and there is none.")
    if options.output and not options.output.absolute().parent.is_dir():
        parser.error(f"-o {options.output} must be in a folder that exists.")
    return options


def with_sections(page: Path, sections: Mapping[str, str]) -> str:
    """The text of a page, with these sections in place of those with their titles, or after the others."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    others = {part.partition("\n")[0].strip(): f"## {part.strip()}\n" for part in re.split(r"(?m)^## ", text)[1:]}
    return "\n".join((HEAD, *({**others, **sections}).values()))


if __name__ == "__main__":
    main()
