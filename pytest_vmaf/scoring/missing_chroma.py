"""Missing chroma: a note for models and features that read chroma, if a clip is grey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_vmaf.media.pair import Pair
from pytest_vmaf.scoring.models import ModelPair

#: The libvmaf features that read chroma. PSNR has a column for each plane, so it needs no note.
CHROMA_FEATURES = ("ciede", "speed_chroma", "psnr_hvs")


def note_missing_chroma(pair: Pair, models: ModelPair, features: Sequence[str]) -> Pair:
    """The pair with a note, if something reads chroma that is not there."""
    grey = [
        name
        for video, name in ((pair.reference, "the reference"), (pair.distorted, "the distorted clip"))
        if video.format.kind == "grey"
    ]
    # v1 models have a feature for chroma; v0 models see luma alone.
    readers = [*([models.name] if models.generation == "v1" else []), *(f for f in CHROMA_FEATURES if f in features)]
    if not grey or not readers:
        return pair
    reads, has = "reads" if len(readers) == 1 else "read", "has" if len(grey) == 1 else "have"
    note = f"{' and '.join(readers)} {reads} chroma, but {' and '.join(grey)} {has} none; neutral chroma is scored"
    return replace(pair, notes=(*pair.notes, note))
