"""Calls of scorers, which may be anybody's: what they raise and return becomes a ScorerError that names the scorer."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from numbers import Real
from pathlib import Path
from typing import Any

from pytest_vmaf.errors import MeasurementError, ScorerError, SettingsError
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.media.guard import noted_start
from pytest_vmaf.scoring.scorer import Capabilities, ScoreLog, Scorer, check_type
from pytest_vmaf.text import printable, short_repr

CAPABILITIES = {"name": str, "version": str, "bootstrap": bool, "reads_clips": bool}
TEXTS = ("libvmaf", "command", "cached")


def call(scorer: Scorer, method: str, *arguments: object) -> Any:
    """Call a method of a scorer.

    Raises:
        MeasurementError: If the scorer raises one.
        SettingsError: If the scorer raises one.
        ScorerError: For any other exception of the scorer, an AssertionError included, which would pass for a failed
            gate. Those of the scorers of pytest-vmaf itself stay.
    """
    if isinstance(scorer, type):
        raise ScorerError(f"The scorer must be an object, for example {scorer.__name__}(), not a class.")
    if not isinstance(scorer, Scorer):
        raise ScorerError(f"The scorer must have the methods of pytest_vmaf.Scorer, and {short_repr(scorer)} has not.")
    try:
        with noted_start():
            return getattr(scorer, method)(*arguments)
    except (MeasurementError, SettingsError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        if is_our_own(scorer):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}, line {frame.lineno}"
        what = printable(f"{type(error).__name__}: {error}"[:1000])
        raise ScorerError(f"The scorer {name_of(scorer)} failed in {method} ({where}): {what}") from error


def is_our_own(scorer: object) -> bool:
    """Whether a scorer is one of pytest-vmaf itself."""
    return type(scorer).__module__.startswith("pytest_vmaf.")


def name_of(scorer: object) -> str:
    """The name of a scorer's class."""
    return printable(type(scorer).__name__)


def checked_capabilities(answer: object, scorer: Scorer) -> Capabilities:
    """The capabilities that a scorer returned. Raises ScorerError if they are something else."""
    check_type(answer, Capabilities, name_of(scorer))
    assert isinstance(answer, Capabilities)  # noqa: S101  (for the type checker)
    try:
        conform(asdict(answer), CAPABILITIES, "Capabilities")
    except ValueError as error:
        raise ScorerError(f"The scorer {name_of(scorer)}: {error}.") from None
    return answer


def checked_logs(answer: object, scorer: Scorer, requests: int) -> tuple[ScoreLog, ...]:
    """The logs that a scorer returned for several requests. Raises ScorerError if they are something else."""
    if not isinstance(answer, tuple | list) or len(answer) != requests:
        raise _wrong(scorer, "score_together", f"a tuple of {requests} ScoreLogs", answer)
    return tuple(checked_log(log, scorer) for log in answer)


def checked_log(log: object, scorer: Scorer) -> ScoreLog:
    """The log that a scorer returned, with plain tuples of floats.

    Raises:
        ScorerError: If it is something else. Whether it is complete is not checked here, see `verify_log`.
    """
    check_type(log, ScoreLog, name_of(scorer))
    assert isinstance(log, ScoreLog)  # noqa: S101  (for the type checker)
    for field in ("reference_frames", "distorted_frames"):
        frames = getattr(log, field)
        if type(frames) is not int or frames < 0:
            raise _wrong(scorer, f"ScoreLog.{field}", "a number of frames (int)", frames)
    stream = tuple(log.stream) if isinstance(log.stream, tuple | list) else ()
    if len(stream) != 2 or not all(type(count) is int and count >= 0 for count in stream):
        raise _wrong(scorer, "ScoreLog.stream", "the bytes and frames of a stream (two ints)", log.stream)
    for field in TEXTS:
        if not isinstance(getattr(log, field), str):
            raise _wrong(scorer, f"ScoreLog.{field}", "a string", getattr(log, field))
    for field in ("columns", "signs", "pooled_means", "frame_problems"):
        table = getattr(log, field)
        if not isinstance(table, Mapping) or not all(isinstance(name, str) for name in table):
            raise _wrong(scorer, f"ScoreLog.{field}", "a mapping of column names", table)
    means = _frames(list(log.pooled_means.values()), scorer, "the values of ScoreLog.pooled_means")
    return replace(
        log,
        stream=(stream[0], stream[1]),
        columns=_table(log.columns, scorer, "columns"),
        signs=_table(log.signs, scorer, "signs"),
        pooled_means=dict(zip(log.pooled_means, means, strict=True)),
    )


def _table(table: Mapping[str, object], scorer: Scorer, field: str) -> dict[str, tuple[float, ...]]:
    return {name: _frames(values, scorer, f"ScoreLog.{field}[{name!r}]") for name, values in table.items()}


def _frames(values: object, scorer: Scorer, where: str) -> tuple[float, ...]:
    """A column as a tuple of floats; NaN and infinity are left to `verify_log`."""
    if type(values) is tuple and set(map(type, values)) <= {float}:
        return values
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        # Arrays of NumPy are no sequences, but have what it takes.
        values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise _wrong(scorer, where, "a tuple of floats, one for each frame", values)
    for value in values:
        if not isinstance(value, Real) or isinstance(value, bool):
            raise _wrong(scorer, where, "floats", value)
    return tuple(_float(value) for value in values)


def _float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _wrong(scorer: Scorer, where: str, expected: str, value: object) -> ScorerError:
    return ScorerError(
        f"The scorer {name_of(scorer)}: {where} must be {expected}, not {type(value).__name__} "
        f"{printable(short_repr(value))}; see pytest_vmaf.Scorer."
    )
