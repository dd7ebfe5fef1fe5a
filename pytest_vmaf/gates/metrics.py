"""pytest_vmaf.gates.metrics."""

from __future__ import annotations

ABOVE = "above_100"


BASE_METRICS = ("vmaf", "neg", "gap")


#: What `vmaf.roi` and `vmaf.map` measure beside the whole picture's scores, by the names that results give them.
ROI_METRICS = ("vmaf_roi", "neg_roi", "vmaf_masked", "neg_masked", "gap_masked", "mask_coverage")


MAP_METRICS = ("neg_tile", "gap_tile", "neg_salient")


PART_METRICS = (*ROI_METRICS, *MAP_METRICS)


#: Metrics as people write them, where that is not their name.
SHOWN = {
    "vmaf": "VMAF",
    "neg": "NEG",
    "vmaf_roi": "VMAF roi",
    "neg_roi": "NEG roi",
    "vmaf_masked": "VMAF masked",
    "neg_masked": "NEG masked",
    "gap_masked": "gap masked",
    "mask_coverage": "mask coverage",
    "neg_tile": "NEG of the worst tile",
    "gap_tile": "gap of the worst tile",
    "neg_salient": "NEG of salient tiles",
}


#: What the gates of a search hold: numbers of an encode, not of its frames.
ENCODE_METRICS = ("bitrate", "crf")
