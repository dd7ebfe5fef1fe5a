"""The keywords for the agreement of metrics, as typed dictionaries (see `keywords`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class AgreeOptions(TypedDict, total=False):
    """The option of searches with a baseline.

    Attributes:
        agree: Independent metrics, for example `["psnr_y", "float_ms_ssim"]`, which are measured too. Against a
            baseline, a gain in the metric of the targets counts only where none of them falls at equal bitrate.
    """

    agree: str | Sequence[str] | None


class AgreementOptions(AgreeOptions, total=False):
    """The options of `vmaf.compare`.

    Attributes:
        max_disagreement: Gate: the largest minus the smallest BD-rate of the metric of the targets and those of
            `agree`, in percentage points. Without `agree`, all independent full-reference metrics that were measured
            count.
    """

    max_disagreement: float | None
