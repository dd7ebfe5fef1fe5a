"""The gap between default VMAF and NEG in existing libvmaf logs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.scoring.logs import Log, read_log
from pytest_vmaf.scoring.pools import POOLS, pooled
from pytest_vmaf.text import plural, printable

#: A model's column, for example "vmaf", "neg" or "vmaf_v0.6.1neg", but no feature and no part of a bootstrap model.
MODEL_COLUMN = re.compile(r"(?!.*feature)(?:vmaf|neg).*(?<!_bagging)(?<!_stddev)(?<!_ci_p95_lo)(?<!_ci_p95_hi)", re.I)
#: If the mean NEG is above the mean default score by more points than this, the two are probably swapped.
SWAPPED = 0.1
#: Every score is below this, which also excludes infinity and NaN and keeps sums finite.
ABSURD = 1e6
#: libvmaf's own means have six decimals.
MEAN_TOLERANCE = 1e-4
#: The end of a column of one of a bootstrap model's many models.
BOOTSTRAP_MODEL = re.compile(r"_\d{4}")


@dataclass(frozen=True)
class GainReport:
    """Default and NEG scores of existing logs.

    Attributes:
        default_column: The default model's column.
        neg_column: The NEG variant's column.
        default: The default scores, one per frame, as logged.
        neg: The NEG scores, one per frame, as logged.
        libvmaf: libvmaf's version, "" if the log does not contain it.
    """

    default_column: str
    neg_column: str
    default: tuple[float, ...]
    neg: tuple[float, ...]
    libvmaf: str

    @property
    def gap(self) -> tuple[float, ...]:
        """Default minus NEG, frame by frame."""
        return tuple(a - b for a, b in zip(self.default, self.neg, strict=True))

    @property
    def above_100(self) -> tuple[int, ...]:
        """The frames whose default score is above 100. Without the clips there is no self-score to compare with."""
        return tuple(frame for frame, score in enumerate(self.default) if score > 100)

    @property
    def clipped(self) -> bool:
        """Whether a score was clipped to 100, so that the gap is too small."""
        return any(score == 100.0 for score in (*self.default, *self.neg))

    def pools(self) -> dict[str, dict[str, float]]:
        """Default, NEG and gap in every pool. The gap has no harmonic mean, nor have scores of −1 and below."""
        series = {"vmaf": self.default, "neg": self.neg, "gap": self.gap}
        positive = min(min(self.default), min(self.neg)) > -1
        pools = {name: [p for p in POOLS if p != "harmonic_mean" or (positive and name != "gap")] for name in series}
        return {name: {pool: pooled(frames, pool) for pool in pools[name]} for name, frames in series.items()}


def check_logs(
    first: Path, second: Path | None = None, *, default_column: str | None = None, neg_column: str | None = None
) -> GainReport:
    """Read one log with both models, or two logs with one model each.

    Args:
        first: The log of both models, or of the default model.
        second: The log of the NEG variant. If the names of the columns show that the logs are swapped, the order
            does not matter.
        default_column: The default model's column; by default it is recognised by its name.
        neg_column: The NEG variant's column; by default it is recognised by its name.

    Raises:
        ScorerError: If a log cannot be read or lacks a column, or if the logs do not belong together.
    """
    one = read_log(first)
    two = read_log(second) if second else one
    if second is None:
        default_column, neg_column = _two_columns(one, first, default_column, neg_column)
    else:
        a = default_column or _one_column(one, first)
        b = neg_column or _one_column(two, second)
        if default_column is None and neg_column is None and _is_neg(a) and not _is_neg(b):
            one, two, first, second, a, b = two, one, second, first, b, a
        default_column, neg_column = a, b
    default, neg = _column(one, default_column, first), _column(two, neg_column, second or first)
    if len(default) != len(neg):
        raise ScorerError(
            f"The logs have different lengths: {len(default)} frames of {default_column!r} and {len(neg)} of "
            f"{neg_column!r}. They must come from one measurement."
        )
    if second is not None and default == neg:
        raise ScorerError(
            "Both logs have the same scores. Give the log of the default model and that of the NEG model."
        )
    if math.fsum(default) / len(default) < math.fsum(neg) / len(neg) - SWAPPED:
        raise ScorerError(
            f"The NEG scores ({neg_column!r}) are higher than the default ones ({default_column!r}), but NEG "
            "leaves out what the default model adds. Are the two swapped?"
        )
    return GainReport(default_column, neg_column, default, neg, one.version)


def _model_columns(columns: Mapping[str, tuple[float, ...]]) -> list[str]:
    names = [name for name in columns if MODEL_COLUMN.fullmatch(name)]
    return [name for name in names if not BOOTSTRAP_MODEL.search(name[-5:])]


def _is_neg(column: str) -> bool:
    return "neg" in column.lower()


def _two_columns(log: Log, path: Path, default: str | None, neg: str | None) -> tuple[str, str]:
    models = _model_columns(log.columns)
    negs = [name for name in models if _is_neg(name) and name != default]
    defaults = [name for name in models if not _is_neg(name) and name != neg]
    neg = negs[0] if neg is None and len(negs) == 1 else neg
    default = defaults[0] if default is None and len(defaults) == 1 else default
    if default is None or neg is None:
        raise ScorerError(
            f"Which columns of {printable(str(path))} are the default and the NEG model? Its model columns: "
            f"{', '.join(models) or 'none'}.\n"
            "  Name them with --default-column and --neg-column, or give a second log with the NEG scores.\n"
            "  With ffmpeg, two models in one run need different names:\n"
            "  version=vmaf_v0.6.1\\:name=vmaf|version=vmaf_v0.6.1neg\\:name=neg"
        )
    return default, neg


def _one_column(log: Log, path: Path) -> str:
    models = _model_columns(log.columns)
    if len(models) == 1:
        return models[0]
    raise ScorerError(
        f"{printable(str(path))} must have one model column, not {len(models)} ({', '.join(models) or 'none'}).\n"
        "  Name the right ones with --default-column and --neg-column."
    )


def _column(log: Log, name: str, path: Path) -> tuple[float, ...]:
    if name not in log.columns:
        raise ScorerError(f"{printable(str(path))} has no column {name!r}; it has {', '.join(log.columns) or 'none'}.")
    frames = log.columns[name]
    bad = [frame for frame, score in enumerate(frames) if not abs(score) < ABSURD]
    if len(frames) != log.frames or bad:
        what = f"not {frames[bad[0]]:g} in frame {bad[0]}" if bad else f"not for {len(frames)} of them"
        raise ScorerError(
            f"{printable(str(path))}: {name!r} must have a finite score for each of {plural(log.frames, 'frame')}, "
            f"{what}.\n  Score the clips again: a model or a clip failed midway."
        )
    mean, logged = math.fsum(frames) / len(frames), log.pooled_means.get(name)
    if logged is not None and not abs(logged - mean) <= MEAN_TOLERANCE:
        raise ScorerError(
            f"{printable(str(path))}: the log's own mean of {name!r} is {logged:g}, but its frames' mean is "
            f"{mean:.6f}.\n  Frames are missing or were changed. Score the clips again."
        )
    return frames
