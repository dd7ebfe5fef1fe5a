"""Manifests that the command line or the ini file names.

Every pytest run imports this module, so heavy modules are imported inside functions.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_vmaf.errors import SettingsError

#: The names under which a manifest is collected wherever pytest finds it, and the suffixes of others.
MANIFESTS = ("vmaf.toml", "vmaf.yaml", "vmaf.yml")
SUFFIXES = (".toml", ".yaml", ".yml")
#: Before version 9, pytest collects nothing else of a folder if a file in it is named, too.
OVERLAPPING = int(pytest.__version__.partition(".")[0]) < 9
#: The manifests that options name, each with whether this run must collect it; and those that pytest has found.
NAMED = pytest.StashKey[dict[Path, bool]]()
COLLECTED = pytest.StashKey[set[Path]]()


def add_named_manifests(config: pytest.Config) -> None:
    """Let pytest collect the manifests of `--vmaf-suite`, and those of the ini file unless it was given paths.

    Raises:
        pytest.UsageError: If one does not exist.
    """
    here = config.invocation_params.dir
    flags = [here / os.path.expanduser(name) for name in config.getoption("vmaf_suite")]
    by_paths = config.args_source is pytest.Config.ArgsSource.ARGS
    named = [(path, "vmaf_suite (ini)", not by_paths) for path in config.getini("vmaf_suite")]
    named += [(path, "--vmaf-suite", True) for path in flags]
    config.stash[COLLECTED] = set()
    config.stash[NAMED] = {Path(os.path.abspath(path)): required for path, _, required in named}
    for path, where, required in named:
        if required and not path.is_file():
            what = "is a folder; name the file" if path.is_dir() else "does not exist"
            raise pytest.UsageError(f"pytest-vmaf: {where}: {path} {what}.")
        # The path may be an argument, too, and a worker of xdist gets those of the controller. pytest 8 collects it
        # twice.
        argument = os.path.abspath(path)
        is_argument = argument in {os.path.abspath(here / each) for each in config.args}
        inside = OVERLAPPING and _is_inside(config, Path(argument))
        if required and not is_argument and not inside:
            config.args.append(argument)


def may_be_manifest(path: Path, session: pytest.Session) -> bool:
    """Whether a file that pytest has found may be a manifest: by its name, by an option, or as pytest's argument."""
    if is_named(session.config, path):
        session.config.stash[COLLECTED].add(path)
        return True
    return path.name in MANIFESTS or (path.suffix in SUFFIXES and session.isinitpath(path))


def is_named(config: pytest.Config, path: Path) -> bool:
    """Whether an option names a file as a manifest."""
    return path in config.stash[NAMED]


def refuse_ignored(config: pytest.Config) -> None:
    """Raise pytest.UsageError for a manifest of an option that pytest did not find, because it ignores its folder."""
    for path, required in config.stash[NAMED].items():
        if required and path not in config.stash[COLLECTED]:
            text = f"pytest-vmaf: pytest ignores the manifest {path} or its folder."
            # xdist would start a worker again that ends with a usage error.
            raise SettingsError(text) if hasattr(config, "workerinput") else pytest.UsageError(text)


def _is_inside(config: pytest.Config, path: Path) -> bool:
    """Whether the file is in a folder that is collected anyway, and finds it there."""
    here = config.invocation_params.dir
    folders = (here / argument.partition("::")[0] for argument in config.args)
    return any(folder.is_dir() and path.is_relative_to(os.path.abspath(folder)) for folder in folders)
