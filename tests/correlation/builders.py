"""Clips that viewers rated, made of a formula."""

from __future__ import annotations

import math
from random import Random
from typing import Any

Rows = list[dict[str, Any]]
CODECS = ("avc", "hevc", "neural")


def a_study(sources: int = 6, qualities: int = 5, seed: int = 3) -> tuple[Rows, Rows]:
    """Scores and opinions: NEG is better than PSNR, VMAF overrates the neural codec, and LPIPS falls."""
    random = Random(seed)
    scores, opinions = [], []
    for source in range(sources):
        for codec in CODECS:
            for quality in range(qualities):
                mos = 1.3 + 3.3 * quality / (qualities - 1) + random.gauss(0, 0.15)
                vmaf = 100 / (1 + math.exp(2.5 - mos)) + random.gauss(0, 2)
                clip = f"s{source}_{codec}_{quality}"
                row = {"clip": clip, "codec": codec, "source": f"s{source}", "neg": vmaf}
                row |= {"vmaf": vmaf + 8 * (codec == "neural") + random.gauss(0, 1)}
                row |= {"psnr_y": 25 + 4 * mos + random.gauss(0, 4), "lpips": 0.6 - mos / 10 + random.gauss(0, 0.03)}
                scores.append(row)
                opinions.append({"clip": clip, "mos": round(mos, 3), "std": 0.7, "n": 24})
    return scores, opinions
