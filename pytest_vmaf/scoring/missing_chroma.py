"""Missing chroma: a note for models and features that read chroma, if a clip is grey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_vmaf.errors import PairError
from pytest_vmaf.media.pair import Pair
from pytest_vmaf.scoring.models import ModelPair

#: The libvmaf features that read chroma. PSNR has a column for each plane, so it needs no note.
CHROMA_FEATURES = ("ciede", "speed_chroma", "psnr_hvs")


def note_missing_chroma(pair: Pair, models: ModelPair, features: Sequence[str]) -> Pair:
    """The pair with a note, if something reads chroma that is not there.

    Raises:
        PairError: If a feature has no value for two grey clips.
    """
    grey = [
        name
        for video, name in ((pair.reference, "the reference"), (pair.distorted, "the distorted clip"))
        if video.format.kind == "grey"
    ]
    # v1 models have a feature for chroma; v0 models see luma alone.
    readers = [feature for feature in CHROMA_FEATURES if feature in features]
    if models.generation == "v1":
        readers.insert(0, models.neg_name)
    if not grey or not readers:
        return pair
    if len(grey) == 2 and "psnr_hvs" in readers:
        # The PSNR of identical chroma is infinite.
        raise PairError(
            f"psnr_hvs measures chroma, but {pair.reference.clip.name} and {pair.distorted.clip.name} are grey and "
            "have none. Leave it out, or use psnr_y."
        )
    reads, has = "reads" if len(readers) == 1 else "read", "has" if len(grey) == 1 else "have"
    note = f"{' and '.join(readers)} {reads} chroma, but {' and '.join(grey)} {has} none; neutral chroma is scored"
    return replace(pair, notes=(*pair.notes, note))
