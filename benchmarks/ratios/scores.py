"""What a score costs in units of the raw ffmpeg command: later ones, the first one of a process, and longer clips."""

from __future__ import annotations

import sys

from benchmarks.paired import Side, command, measure_rounds
from benchmarks.ratios.raw import raw_score
from benchmarks.ratios.section import Figure, Section, Setup, table
from pytest_vmaf import Vmaf
from pytest_vmaf.text import plural

SCORE = "import sys; from pytest_vmaf import Vmaf; print(Vmaf().score(*sys.argv[1:]).neg)"
RAW, LATER, PLAIN = "raw ffmpeg", "a later score", "a later score, `signs=False`"


def measure_scores(setup: Setup) -> Section:
    """Score 48 frames at 640x360 and 132 frames at 1280x720."""
    figures: list[Figure] = []
    for width, height, frames in ((640, 360, 48), (1280, 720, 132)):
        pair = setup.pair(width, height, frames)
        clip = f"{plural(setup.count(frames), 'frame')} at {width}x{height}"
        vmaf, plain = (Vmaf(cache=False, progress=False, signs=signs) for signs in (True, False))
        clips = [str(pair.reference), str(pair.encode)]
        sides = {
            LATER: Side(lambda vmaf=vmaf, clips=clips: vmaf.score(*clips)),  # type: ignore[misc]
            PLAIN: Side(lambda vmaf=plain, clips=clips: vmaf.score(*clips)),  # type: ignore[misc]
            "the first score of a process": command([sys.executable, "-c", SCORE, *clips], setup.folder),
            RAW: raw_score(pair, setup.folder),
        }
        costs = measure_rounds(sides, setup.rounds)
        figures += [Figure(f"{name}, {clip}", RAW, costs[name], costs[RAW]) for name in sides if name != RAW]
        figures.append(Figure(f"{LATER}, {clip}", "the same, `signs=False`", costs[LATER], costs[PLAIN]))
    lines = (
        "The raw command is the one that the result itself names: both models and PSNR in one process, without a look",
        "at the clips before, and without signs of the picture. Its scores were compared with those of pytest-vmaf.",
        "",
        *table(figures),
    )
    return Section("Scores", lines)
