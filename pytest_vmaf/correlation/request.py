"""`Request`: the checked arguments of `correlate`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pytest_vmaf.correlation.curve import MappingName
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import did_you_mean, short_repr

MAPPINGS: tuple[MappingName, ...] = ("cubic", "logistic")
BLOCKS: tuple[Literal["clip", "source"], ...] = ("clip", "source")
#: Resamples: fewer have no ends of 95 %, and more take minutes.
FEWEST_RESAMPLES, MOST_RESAMPLES = 100, 100_000
MOST_SEED = 2**63


@dataclass(frozen=True)
class Request:
    """The arguments of `correlate`."""

    metrics: tuple[str, ...] | None
    lower_is_better: tuple[str, ...]
    mapping: MappingName
    resample_by: Literal["clip", "source"] | None
    resamples: int
    seed: int
    allow_missing: bool

    @classmethod
    def of(
        cls,
        metrics: object,
        lower_is_better: object,
        mapping: object,
        resample_by: object,
        resamples: object,
        seed: object,
        allow_missing: object,
    ) -> Request:
        """Check the arguments.

        Raises:
            SettingsError: If one is invalid.
        """
        names = None if metrics is None else _names("metrics", metrics)
        if names == ():
            raise SettingsError("metrics must name at least one metric.")
        kind = next((each for each in MAPPINGS if each == mapping), None)
        if kind is None:
            hint = did_you_mean(str(mapping), MAPPINGS)
            raise SettingsError(f'mapping must be "cubic" or "logistic", not {short_repr(mapping)}.{hint}')
        block = next((each for each in BLOCKS if each == resample_by), None)
        if block is None and resample_by is not None:
            raise SettingsError(f'resample_by must be "clip" or "source", not {short_repr(resample_by)}.')
        if not isinstance(allow_missing, bool):
            raise SettingsError(f"allow_missing must be True or False, not {short_repr(allow_missing)}.")
        return cls(
            names,
            _names("lower_is_better", lower_is_better),
            kind,
            block,
            _whole("resamples", resamples, FEWEST_RESAMPLES, MOST_RESAMPLES),
            _whole("seed", seed, 0, MOST_SEED),
            allow_missing,
        )


def _names(what: str, value: object) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Iterable) or isinstance(names, bytes):
        raise SettingsError(f"{what} must be names of metrics, not {short_repr(value)}.")
    strings = tuple(names)
    for name in strings:
        if not isinstance(name, str) or not name:
            raise SettingsError(f"{what} must be names of metrics, not {short_repr(name)}.")
    return strings


def _whole(what: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(f"{what} must be a whole number from {low} to {high}, not {short_repr(value)}.")
    return value
