"""Options of libvmaf's features: CAMBI is told of the encode what a model's own CAMBI is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_vmaf.scoring.logs import Log, read_log
from pytest_vmaf.scoring.scorer import ScoreRequest

CAMBI = "cambi"
#: How libvmaf abbreviates the options in the names of columns, in its order.
ABBREVIATIONS = {"enc_bitdepth": "encbd", "enc_height": "ench", "enc_width": "encw"}


def feature_options(feature: str, request: ScoreRequest) -> list[str]:
    """The options of a feature, for example "enc_bitdepth=8"."""
    return [f"{name}={value}" for name, value in _cambi_options(request).items()] if feature == CAMBI else []


def read_scores(path: Path, request: ScoreRequest) -> Log:
    """The log of a request with the columns that it needs. Columns of features have their plain names.

    Raises:
        LogError: If the file is not a complete log.
    """
    options = _cambi_options(request)
    logged = CAMBI + "".join(f"_{short}_{options[name]}" for name, short in ABBREVIATIONS.items() if name in options)
    log = read_log(path, [logged if name == CAMBI else name for name in (*request.columns, *request.optional_columns)])
    plain = {logged: CAMBI}
    return replace(
        log,
        columns={plain.get(name, name): values for name, values in log.columns.items()},
        pooled_means={plain.get(name, name): mean for name, mean in log.pooled_means.items()},
    )


def _cambi_options(request: ScoreRequest) -> dict[str, str]:
    overrides = (each for model in request.models for each in model.overrides)
    return {option.removeprefix("cambi."): value for option, value in overrides if option.startswith("cambi.enc_")}
