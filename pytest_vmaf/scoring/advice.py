"""Netflix's advice for VMAF v1: the model for high frame rates, 10 bit, and what CAMBI should know of the encode.

It is in `resource/doc/models_v1.md` of Netflix/vmaf. Only models that are chosen for a clip follow it: a model that is
named runs on the clip's own samples.
"""

from __future__ import annotations

import math
from dataclasses import replace

from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.pair import Pair
from pytest_vmaf.media.pixel_formats import pixel_format
from pytest_vmaf.scoring.models import HIGH_FRAME_RATE, ModelPair, has_advice

Size = tuple[int, int]
#: Bits a sample at which VMAF v1 should be applied.
DEPTH = 10
#: The smallest width and height of an encode that CAMBI accepts, and the least length of its longer side.
CAMBI_WIDTH, CAMBI_HEIGHT, CAMBI_SIDE = 180, 150, 216


def least_depth(model: str, generation: str) -> int:
    """The least depth at which a pair is scored by these settings."""
    return DEPTH if has_advice(model, generation) else 8


def advised(models: ModelPair, pair: Pair, part: Size | None = None) -> ModelPair:
    """The models with what CAMBI should know of the encode, where that differs from the scored picture.

    Args:
        models: The models for the pair.
        pair: The pair.
        part: Width and height of the part of the picture to score, None for the whole picture.
    """
    options = _cambi_options(pair, part or (pair.width, pair.height)) if models.follows_advice else ()
    names = [f"cambi.{name}" for name in ("enc_width", "enc_height", "enc_bitdepth")]
    default, neg = (
        replace(run, overrides=(*(each for each in run.overrides if each[0] not in names), *options))
        for run in (models.default, models.neg)
    )
    return replace(models, default=default, neg=neg)


def _cambi_options(pair: Pair, part: Size) -> tuple[tuple[str, str], ...]:
    encode = _encode_size(pair, part)
    numbers = {} if encode == part else {"enc_width": encode[0], "enc_height": encode[1]}
    if (depth := _depth(pair.distorted)) < DEPTH:
        numbers["enc_bitdepth"] = depth
    return tuple((f"cambi.{name}", str(number)) for name, number in numbers.items())


def _encode_size(pair: Pair, part: Size) -> Size:
    """The size that a part of the picture had in the encode, or the next larger that CAMBI accepts."""
    width = part[0] * pair.distorted.width / pair.width
    height = part[1] * pair.distorted.height / pair.height
    factor = max(1.0, CAMBI_WIDTH / width, CAMBI_HEIGHT / height, CAMBI_SIDE / max(width, height))
    width, height = (round(side) if factor == 1 else math.ceil(round(side * factor, 6)) for side in (width, height))
    # CAMBI takes nothing larger than the picture.
    return (width, height) if width <= part[0] and height <= part[1] else part


def _depth(video: Video) -> int:
    return max(8, video.format.depth)


def note_advice(pair: Pair, models: ModelPair) -> Pair:
    """The pair with a note of what was done to follow the advice."""
    if not models.follows_advice:
        return pair
    rate, done = pair.frame_rate, []
    if rate is None:
        done.append(f"no frame rate is stated, so the model for less than {HIGH_FRAME_RATE} frames/s is taken")
    elif rate >= HIGH_FRAME_RATE:
        done.append(f"the model for {HIGH_FRAME_RATE} frames/s and more is taken (these are {float(rate):.5g})")
    if min(pair.reference.format.depth, pair.distorted.format.depth) < DEPTH:
        done.append(f"scored in {pixel_format(pair.pix_fmt).depth} bit")
    options = {name.partition("_")[2]: value for name, value in models.neg.overrides if name.startswith("cambi.enc_")}
    known = [f"{options['width']}x{options['height']}"] if "width" in options else []
    known += [f"{options['bitdepth']} bit"] if "bitdepth" in options else []
    if known:
        done.append(f"CAMBI knows that the encode has {' and '.join(known)}")
    if not done:
        return pair
    advice = f"VMAF v1 as Netflix advises: {'; '.join(done)}; model={models.neg_name!r} scores the samples as they are"
    return replace(pair, notes=(*pair.notes, advice))
