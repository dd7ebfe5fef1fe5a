"""Features as libvmaf takes them and logs them: extractors, options and the names of columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pytest_vmaf.scoring.features import (
    every_column_of,
    extractor_of,
    fixed_options,
    logged_column,
    options_of,
)
from pytest_vmaf.scoring.logs import Log, read_log
from pytest_vmaf.scoring.scorer import ScoreRequest

CAMBI = "cambi"
Value = TypeVar("Value")


def feature_arguments(request: ScoreRequest) -> list[list[str]]:
    """For each feature libvmaf's name and the options, for example ["adm", "adm_enhn_gain_limit=1"]."""
    return [
        [extractor_of(feature), *(f"{name}={value}" for name, value in _all_options(feature, request).items())]
        for feature in request.features
    ]


def read_scores(path: Path, request: ScoreRequest) -> Log:
    """The log of a request with the columns that it needs. Columns of features have their plain names.

    Raises:
        LogError: If the file is not a complete log.
    """
    plain = logged_columns(request)
    wanted = [name for name in (*request.columns, *request.optional_columns) if name not in plain.values()]
    log = read_log(path, [*plain, *wanted])

    def named(table: Mapping[str, Value]) -> dict[str, Value]:
        # A column of a feature may also be one that a model needs by its name in the log.
        both = {name: value for name, value in table.items() if name not in plain or name in wanted}
        return {**both, **{plain[name]: value for name, value in table.items() if name in plain}}

    return replace(log, columns=named(log.columns), pooled_means=named(log.pooled_means))


def logged_columns(request: ScoreRequest) -> dict[str, str]:
    """The columns of a request's features by their names in libvmaf's log."""
    return {
        logged_column(column, feature, _all_options(feature, request)): column
        for feature in request.features
        for column in every_column_of(feature)
    }


def _all_options(feature: str, request: ScoreRequest) -> dict[str, str]:
    """The options of a feature. CAMBI knows of the encode what a model's own CAMBI knows, unless an option says it."""
    options = fixed_options(feature)
    if feature.partition("=")[0] == CAMBI:
        overrides = dict(each for model in request.models for each in model.overrides)
        options = {name.removeprefix("cambi."): overrides[name] for name in overrides if name.startswith("cambi.enc_")}
    named = (part.partition("=") for part in options_of(feature).split(":") if part)
    return options | {name: value for name, _, value in named}
