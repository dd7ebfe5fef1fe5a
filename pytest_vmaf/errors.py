"""What can go wrong before there is a score. A gate that is violated is a failure; these are errors."""

from __future__ import annotations

from typing import Any


class MeasurementError(Exception):
    """The quality could not be measured; the message says why and what to do. A test error, not a failure.

    ``probes`` holds what a search had measured before the error ended it.
    """

    probes: tuple[Any, ...] = ()


class ClipError(MeasurementError):
    """A clip cannot be read, or is not what it was said to be."""


class PairError(MeasurementError):
    """Two clips cannot be compared frame by frame."""


class ModelError(MeasurementError):
    """A VMAF model is unknown, or does not fit the clip."""


class ScorerError(MeasurementError):
    """A scorer or its tool is missing, failed, timed out, or left an incomplete log.

    ``exit_code`` is the tool's own where it failed (negative: the signal that killed it), 0 where it did not say.
    """

    exit_code: int = 0


class LogError(ScorerError):
    """A scorer ended well, but its log does not hold a finite score for each frame."""


class EncodeError(MeasurementError):
    """An encoder is missing or failed, or did not write what it was given to encode."""


class MaskError(MeasurementError):
    """A saliency mask cannot be made: its network is missing, broken, or gives no mask."""


class BaselineError(MeasurementError):
    """A baseline cannot be read, or is of another measurement: nothing can be said about a change."""


class SettingsError(ValueError):
    """An option, marker argument or gate is not what it should be; from command line and ini file a usage error."""


class IncomparableScores(TypeError):
    """Two scores do not lie on one scale: their models, generations or geometries differ."""


class GateViolation(AssertionError):
    """What was measured does not hold a gate, or a target is not reached. The message lists every violation at once.

    ``result`` is the Result that was judged, where it is a single one.
    """

    result: Any = None


class CacheWarning(UserWarning):
    """What was kept of an earlier measurement cannot be used, or nothing can be kept; it is measured again."""


# Shown and pickled under the name they are imported by.
for _public in (
    MeasurementError,
    ClipError,
    PairError,
    ModelError,
    ScorerError,
    LogError,
    EncodeError,
    MaskError,
    BaselineError,
    SettingsError,
    IncomparableScores,
    GateViolation,
    CacheWarning,
):
    _public.__module__ = "pytest_vmaf"
