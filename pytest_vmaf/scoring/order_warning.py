"""The warning about a pair in the wrong order, from what streams and scores show."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from pytest_vmaf.errors import PairWarning, give_warning
from pytest_vmaf.media.order import order_evidence
from pytest_vmaf.scoring.prepare import PreparedScoring
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import ScoreLog
from pytest_vmaf.scoring.signs import CONTRAST_FLOOR, ROUNDING, Frames

#: A larger variance gain than this looks like a pair in the wrong order. Of pairs whose streams look like one, 3 of 246
#: decoded encodes of lossy references have it, and 277 of 337 swapped pairs (x264, x265, VP9, SVT-AV1, MPEG-2).
MOST_GAIN = 0.8
#: The same for the gap, for results without signs.
MOST_GAP = 2.7


def warn_of_order(prepared: PreparedScoring, log: ScoreLog, result: Result) -> None:
    """Give a `PairWarning` if the clips may be in the wrong order.

    What the streams show is not enough: a decoded encode of a lossy mezzanine is lossless, too.

    Args:
        prepared: The scoring.
        log: Its log.
        result: Its result for the whole picture.
    """
    pair = prepared.pair
    if pair is None or "order" in prepared.allow or not (evidence := order_evidence(pair.reference, pair.distorted)):
        return
    if variance_gain(log.signs) > MOST_GAIN if log.signs else result.gap > MOST_GAP:
        give_warning(
            f"The clips may be in the wrong order: {evidence}, with stronger detail. The reference comes first. "
            'If this order is meant, pass allow=["order"] (--vmaf-allow=order).\n'
            f"  reference: {pair.reference.clip}\n  distorted: {pair.distorted.clip}",
            PairWarning,
        )


def variance_gain(signs: Mapping[str, Frames]) -> float:
    """How much more luma varies in the distorted clip's small frames, as a multiple of their squared difference.

    Encoding takes variance away. In a swapped pair the gain has the opposite sign.
    """
    columns = (signs[name] for name in ("error", "contrast", "spread", "level_shift"))
    # From what `SignMeter` measures: the covariance of both is the variance plus this share of it.
    gains = [
        error - shift**2 + 2 * contrast / 100 * (spread + CONTRAST_FLOOR)
        for error, contrast, spread, shift in zip(*columns, strict=True)
    ]
    return fmean(gains) / (fmean(signs["error"]) + ROUNDING)
