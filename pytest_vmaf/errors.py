"""Exceptions and warnings.

A failed gate raises `GateViolation`, which fails the test. Every other exception means that nothing could be measured.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any


class MeasurementError(Exception):
    """The quality could not be measured: an error of the test, not a failure. The message says why, and what to do.

    Attributes:
        probes: The trial encodes (`Trial`) that a search made before the error ended it.
    """

    # Any: these exceptions are below the modules that define what they carry.
    probes: tuple[Any, ...] = ()


class ClipError(MeasurementError):
    """A clip cannot be read, or differs from what was stated about it.

    Attributes:
        frame: Of frames in memory: the number of the frame that is wrong, or that raised the cause of this error.
    """

    frame: int | None = None


class PairError(MeasurementError):
    """Two clips cannot be compared frame by frame."""


class ModelError(MeasurementError):
    """A VMAF model is unknown, or does not fit the clip."""


class ScorerError(MeasurementError):
    """A scorer or its tool is missing, failed, timed out, or left an incomplete log.

    Attributes:
        exit_code: The exit code of a tool that failed (negative: the signal that killed it); 0 if there is none.
    """

    def __init__(self, message: str = "", exit_code: int = 0) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class LogError(ScorerError):
    """A scorer ended well, but its log does not contain a finite score for each frame."""


class EncodeError(MeasurementError):
    """An encoder is missing or failed, or did not write what it was given to encode."""


class MaskError(MeasurementError):
    """A saliency mask cannot be made: its network is missing or broken, or gives no mask."""


class MetricError(MeasurementError):
    """A metric of a plugin or of an ONNX file fails, or does not return valid numbers."""


class BaselineError(MeasurementError):
    """A baseline cannot be read, or was measured under different conditions, so that it cannot be compared."""


class NoiseError(MeasurementError):
    """A speed or a score varies too much from run to run to tell whether a gate passes."""


class SettingsError(ValueError):
    """An option, a marker argument or a gate is invalid. On the command line and in ini files it is a usage error."""


class IncomparableScores(TypeError):
    """Two scores are not on the same scale: their models, generations or geometries differ."""


class GateViolation(AssertionError):
    """A gate failed, or a target was not reached. The message lists all violations.

    Attributes:
        result: The `Result`, `Speed` or `Determinism` that was judged, if there is a single one.
    """

    result: Any = None


class CacheWarning(UserWarning):
    """An entry of the cache cannot be used, or nothing can be stored. The measurement is made again."""


class PairWarning(UserWarning):
    """Two clips may be in the wrong order. The message names the evidence, and how to say that the order is meant."""


def give_warning(message: str, category: type[Warning]) -> None:
    """Give a warning that names the user's line, and not a line of this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "pytest_vmaf":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


# They are printed and pickled under the name that users import.
for _public in list(globals().values()):
    if isinstance(_public, type) and issubclass(_public, Exception):
        _public.__module__ = "pytest_vmaf"
