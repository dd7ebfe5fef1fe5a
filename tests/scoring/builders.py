"""Scores and results made by hand, and hypothesis strategies for them."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from pytest_vmaf.scoring.result import FramesAbove, Result
from pytest_vmaf.scoring.score import Context, Scale, Score

CONTEXT = Context("ref.y4m", "out.mp4", Fraction(25), {"model": "vmaf_v0.6.1", "scorer": "ffmpeg", "libvmaf": "3.2.1"})

#: Any value a scorer may log for one frame, before the clip.
frame_values = st.floats(-20, 140, allow_nan=False)
frame_tuples = st.lists(frame_values, min_size=1, max_size=30).map(tuple)


def a_scale(metric: str = "neg", model: str = "vmaf_v0.6.1neg", **changes: object) -> Scale:
    """The scale of a NEG score at 320x180, with changes."""
    bounds = {"low": 0.0, "high": 100.0} if metric in ("vmaf", "neg") else {"higher_is_better": metric != "gap"}
    fields = {"generation": "v0", "width": 320, "height": 180, **bounds, **changes}
    return Scale(metric, model, **fields)  # type: ignore[arg-type]


def a_score(
    *frames: float, metric: str = "neg", context: Context = CONTEXT, pool: str = "mean", **scale: object
) -> Score:
    """A score of these frames on the scale of :func:`a_scale`."""
    return Score(frames, a_scale(metric, **scale), context, pool)  # type: ignore[arg-type]


def a_result(
    vmaf: tuple[float, ...] = (95.0, 96.0),
    neg: tuple[float, ...] = (93.0, 94.0),
    *,
    above: tuple[tuple[int, float, float], ...] = (),
    context: Context = CONTEXT,
    **features: tuple[float, ...],
) -> Result:
    """A result of these frames; ``features`` are columns."""
    return Result(
        vmaf=a_score(*vmaf, metric="vmaf", model="vmaf_v0.6.1", context=context),
        neg=a_score(*neg, context=context),
        gap=a_score(*(a - b for a, b in zip(vmaf, neg, strict=True)), metric="gap", model="both", context=context),
        above_100=FramesAbove(above, len(vmaf), sum(frame > 100 for frame in vmaf), 100.0, context),
        features={name: a_score(*frames, metric=name, model="", context=context) for name, frames in features.items()},
    )
