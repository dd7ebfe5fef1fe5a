"""The enhancement-gain check on libvmaf logs that somebody else has made: default against NEG. Pure but for reading."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.scoring.logs import Log, read_log
from pytest_vmaf.scoring.score import POOLS, pooled
from pytest_vmaf.text import printable

#: A model's column: "vmaf", "vmaf_neg", "neg", "vmaf_v0.6.1neg"; not libvmaf's features nor a bootstrap's parts.
MODEL_COLUMN = re.compile(r"(?!.*feature)(?:vmaf|neg).*(?<!_bagging)(?<!_stddev)(?<!_ci_p95_lo)(?<!_ci_p95_hi)", re.I)
#: How far the mean NEG may be above the mean default score before the two are taken to be swapped, in points.
SWAPPED = 0.1
#: No score is this large; also keeps infinities and NaN out, and sums finite.
ABSURD = 1e6
BOOTSTRAP_MODEL = re.compile(r"_\d{4}")


@dataclass(frozen=True)
class GainReport:
    """What the logs say: default and NEG scores per frame as logged, and what follows from them."""

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
        """The frames whose default score is above 100. Without the clips no self-score can say who lifted them."""
        return tuple(frame for frame, score in enumerate(self.default) if score > 100)

    @property
    def clipped(self) -> bool:
        """Whether the log was clipped to 100 somewhere, so that its gap is too small."""
        return any(score == 100.0 for score in (*self.default, *self.neg))

    def pools(self) -> dict[str, dict[str, float]]:
        """Default, NEG and gap, each pooled in every way (the harmonic mean not for the gap)."""
        series = {"vmaf": self.default, "neg": self.neg, "gap": self.gap}
        return {
            # n / Σ 1/(s+1) − 1 is for scores, which are not −1 or less.
            name: {pool: pooled(frames, pool) for pool in POOLS if pool != "harmonic_mean" or self._positive(name)}
            for name, frames in series.items()
        }

    def _positive(self, name: str) -> bool:
        return name != "gap" and min(min(self.default), min(self.neg)) > -1


def check_logs(
    first: Path, second: Path | None = None, *, default_column: str | None = None, neg_column: str | None = None
) -> GainReport:
    """Read one log with both models, or two with one each (default first, unless the columns say otherwise).

    Raises ScorerError when a log cannot be read, has not the columns, or the two have different lengths.
    """
    one = read_log(first)
    two = read_log(second) if second else one
    if second is None:
        default_column, neg_column = _two_columns(one, first, default_column, neg_column)
    else:
        a = default_column or _one_column(one, first)
        b = neg_column or _one_column(two, second)
        if default_column is None and neg_column is None and _says_neg(a) and not _says_neg(b):
            one, two, first, second, a, b = two, one, second, first, b, a
        default_column, neg_column = a, b
    default, neg = _column(one, default_column, first), _column(two, neg_column, second or first)
    if len(default) != len(neg):
        raise ScorerError(
            f"The logs have different lengths: {len(default)} frames of {default_column!r} and {len(neg)} of "
            f"{neg_column!r}. They are not of one measurement."
        )
    if second is not None and default == neg:
        raise ScorerError("Both logs hold the same scores; give the default model's log and the NEG model's.")
    if math.fsum(default) / len(default) < math.fsum(neg) / len(neg) - SWAPPED:
        raise ScorerError(
            f"The NEG scores ({neg_column!r}) are higher than the default ones ({default_column!r}), which cannot be: "
            "NEG leaves out what the default model adds. Are the two swapped?"
        )
    return GainReport(default_column, neg_column, default, neg, one.version)


def _model_columns(columns: Mapping[str, tuple[float, ...]]) -> list[str]:
    names = [name for name in columns if MODEL_COLUMN.fullmatch(name)]
    return [name for name in names if not BOOTSTRAP_MODEL.search(name[-5:])]


def _says_neg(column: str) -> bool:
    return "neg" in column.lower()


def _two_columns(log: Log, path: Path, default: str | None, neg: str | None) -> tuple[str, str]:
    models = _model_columns(log.columns)
    negs = [name for name in models if _says_neg(name) and name != default]
    defaults = [name for name in models if not _says_neg(name) and name != neg]
    if neg is None and len(negs) == 1:
        neg = negs[0]
    if default is None and len(defaults) == 1:
        default = defaults[0]
    if default is None or neg is None:
        raise ScorerError(
            f"{printable(str(path))} does not say which columns are the default and the NEG model; its model columns "
            f"are {', '.join(models) or 'none'}.\n"
            "  Name them with --default-column and --neg-column, or give a second log with the NEG scores.\n"
            "  With ffmpeg, two models in one run need names of their own:\n"
            "  version=vmaf_v0.6.1\\:name=vmaf|version=vmaf_v0.6.1neg\\:name=neg"
        )
    return default, neg


def _one_column(log: Log, path: Path) -> str:
    models = _model_columns(log.columns)
    if len(models) == 1:
        return models[0]
    raise ScorerError(
        f"{printable(str(path))} has {len(models)} model columns ({', '.join(models) or 'none'}), not one.\n"
        "  Name the right ones with --default-column and --neg-column."
    )


def _column(log: Log, name: str, path: Path) -> tuple[float, ...]:
    if name not in log.columns:
        raise ScorerError(f"{printable(str(path))} has no column {name!r}; it has {', '.join(log.columns) or 'none'}.")
    frames = log.columns[name]
    length = max(len(column) for column in log.columns.values())
    if len(frames) != length or not all(abs(frame) < ABSURD for frame in frames):
        raise ScorerError(f"{printable(str(path))}: {name!r} has not a finite score for each of the {length} frames.")
    return frames
