"""Manifests that the command line or the ini file names.

Every pytest run imports this module, so heavy modules are imported inside functions.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: The names under which a manifest is collected wherever pytest finds it, and the suffixes of others.
MANIFESTS = ("vmaf.toml", "vmaf.yaml", "vmaf.yml")
SUFFIXES = (".toml", ".yaml", ".yml")
NAMED = pytest.StashKey[frozenset[Path]]()


def add_named_manifests(config: pytest.Config) -> None:
    """Let pytest collect the manifests of `--vmaf-suite`, and those of the ini file unless it was given paths.

    Raises:
        pytest.UsageError: If one does not exist.
    """
    here = config.invocation_params.dir
    flags = [here / os.path.expanduser(name) for name in config.getoption("vmaf_suite")]
    ini = [*config.getini("vmaf_suite")]
    config.stash[NAMED] = frozenset(map(Path, map(os.path.abspath, (*flags, *ini))))
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        ini = []
    for path, where in [*((path, "--vmaf-suite") for path in flags), *((path, "vmaf_suite (ini)") for path in ini)]:
        if not path.is_file():
            what = "is a folder; name the file" if path.is_dir() else "does not exist"
            raise pytest.UsageError(f"pytest-vmaf: {where}: {path} {what}.")
        # A worker of xdist gets the paths of the controller.
        if (argument := os.path.abspath(path)) not in config.args:
            config.args.append(argument)


def may_be_manifest(path: Path, session: pytest.Session) -> bool:
    """Whether a file that pytest has found may be a manifest: by its name, by an option, or as pytest's argument."""
    if path.name in MANIFESTS:
        return True
    return is_named(session.config, path) or (path.suffix in SUFFIXES and session.isinitpath(path))


def is_named(config: pytest.Config, path: Path) -> bool:
    """Whether an option names a file as a manifest."""
    return path in config.stash.get(NAMED, ())
