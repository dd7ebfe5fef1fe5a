"""Model files and options, as libvmaf's tools take them."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from pytest_vmaf.scoring.scorer import ModelRun


def model_file_names(models: tuple[ModelRun, ...]) -> dict[ModelRun, str]:
    """A plain file name for each model file; "" for built-in models."""
    return {model: f"model{number}.json" if model.path else "" for number, model in enumerate(models)}


def copy_models(models: tuple[ModelRun, ...], folder: Path) -> dict[ModelRun, str]:
    """Copy model files to plain names in a folder, for tools that split their arguments at ":" and "="."""
    names = model_file_names(models)
    for model, name in names.items():
        if model.path:
            shutil.copyfile(model.path, folder / name)
    return names


def copy_commands(models: dict[ModelRun, str]) -> str:
    """The shell commands that copy model files to their plain names, each with a final "&&"."""
    return "".join(f"cp {shlex.quote(str(model.path))} {name} && " for model, name in models.items() if model.path)


def model_options(model: ModelRun, file: str) -> list[str]:
    """The options of a model for libvmaf: `file` is the plain name of its file.

    Only the literal "true" counts; "1" is silently ignored. Without a name, the second model is lost.
    """
    source = f"path={file}" if model.path else f"version={model.version}"
    transform = ["enable_transform=true"] if model.transform else []
    overrides = [f"{option}={value}" for option, value in model.overrides]
    return [source, f"name={model.column}", "disable_clip=true", *transform, *overrides]
