"""What parts of the picture cost in units of a plain score of the same pair, the whole picture's score included."""

from __future__ import annotations

import numpy as np

from benchmarks.paired import Side, measure_rounds
from benchmarks.ratios.section import Figure, Section, Setup, table
from pytest_vmaf import Vmaf
from pytest_vmaf.roi.frame_masks import OWN_STRIDE
from pytest_vmaf.roi.saliency_network import infer, load_saliency, shown_size

PLAIN = "a plain score"
SIZE = (1280, 720)
REGIONS = {"a": (426, 180, 426, 360), "b": (66, 66, 215, 159), "c": (932, 466, 266, 200)}


def measure_regions(setup: Setup) -> Section:
    """Score 48 frames at 1280x720 with parts of the picture."""
    pair = setup.pair(*SIZE, 48)
    frames, vmaf = setup.count(48), Vmaf(cache=False, progress=False)
    clips = str(pair.reference), str(pair.encode)
    network = load_saliency()
    width, height = shown_size(network, *SIZE) or SIZE
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    sides = {
        "`roi`, the bundled network": Side(lambda: vmaf.roi(*clips)),
        "`roi`, NEG alone": Side(lambda: vmaf.roi(*clips, neg_only=True)),
        "`roi`, all pixels blended, no network": Side(
            lambda: vmaf.roi(*clips, synthetic_mask=0.5, threshold=0, fade=1)
        ),
        "saliency inference alone": Side(
            lambda: [infer(network, picture) for _ in range(-(-frames // OWN_STRIDE))],
        ),
        "three regions, a quarter of the picture": Side(lambda: vmaf.score(*clips, regions=REGIONS)),
        "map of 4x4 tiles": Side(lambda: vmaf.quality_map(*clips)),
        PLAIN: Side(lambda: vmaf.score(*clips)),
    }
    costs = measure_rounds(sides, setup.rounds)
    figures = [Figure(name, PLAIN, costs[name], costs[PLAIN]) for name in sides if name != PLAIN]
    text = f"{frames} frames at {SIZE[0]}x{SIZE[1]}, in a process that has scored before."
    return Section("Parts of the picture", (f"{text} Every side scores the whole picture too.", "", *table(figures)))
