"""Build the shell command that re-runs a single test with the options of this run."""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any, cast

import pytest

from pytest_vmaf.testrun.options import OUTPUTS, add_options

#: Options that mention secrets, with their values.
SECRETS = r"(?i)(--[\w-]*(?:token|secret|passw|password|credential|api-?key)[\w-]*[= ])('[^']*'|\S+)"
#: pytest's own options that decide what is configured, loaded and found, with the number of their values.
CONFIGURATION = {
    **dict.fromkeys(("-c", "--config-file", "--rootdir", "-o", "--override-ini", "-p"), 1),
    **dict.fromkeys(("--confcutdir", "--import-mode", "--doctest-glob"), 1),
    **dict.fromkeys(("--noconftest", "--doctest-modules"), 0),
}
#: What `options_of_tests` returned for this run.
OPTIONS = pytest.StashKey[Mapping[str, int | str]]()


def rerun_command(config: pytest.Config, path: str, test: str) -> str:
    """A shell command that re-runs one test.

    It keeps the options that decide how a test runs: what pytest loads, the settings of pytest-vmaf, and the options
    that conftest files and plugins of the tests add. Options that select tests or write reports are left out.

    Args:
        config: The config of this run.
        path: The test's file, relative to where pytest was started.
        test: The test's name in the file.
    """
    arguments = getattr(config, "workerinput", {}).get("mainargv", [])[1:] or config.invocation_params.args
    # The test comes first, because an option may take any number of values.
    return shell_command([f"{path}::{test}", *relevant_options(map(str, arguments), options_of_tests(config))])


def shell_command(arguments: Iterable[object]) -> str:
    """A pytest command, quoted for a shell, with the values of secrets masked."""
    return re.sub(SECRETS, r"\1***", shlex.join(["pytest", *map(str, arguments)]))


def relevant_options(arguments: Iterable[str], options: Mapping[str, int | str]) -> Iterator[str]:
    """The arguments that are one of the options, with their values.

    Args:
        arguments: The command line.
        options: The names of options, each with its `nargs`; 0 for a flag.
    """
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        name, equals, _ = argument.partition("=")
        if name in options:
            yield argument
            for _ in range(0 if equals else _value_count(options[name], rest)):
                yield rest.popleft()
        elif argument[:2] in options and not argument.startswith("--"):
            # A short option with its value, such as -pno:xdist.
            yield argument


def _value_count(nargs: int | str, rest: Sequence[str]) -> int:
    if isinstance(nargs, int):
        return min(nargs, len(rest))
    values = len(list(takewhile(lambda argument: not argument.startswith("-"), rest)))
    return min(values, 1) if nargs == "?" else values


def options_of_tests(config: pytest.Config) -> Mapping[str, int | str]:
    """The options that belong to the tests and not to one run of them, by name, with their `nargs`."""
    if OPTIONS not in config.stash:
        recorder = _Recorder()
        add_options(cast("pytest.Parser", recorder))
        for name in OUTPUTS:
            del recorder.options[name]
        installed = {id(plugin) for plugin, _ in config.pluginmanager.list_plugin_distinfo()}
        values = {"parser": recorder, "pluginmanager": config.pluginmanager}
        for hook in config.pluginmanager.hook.pytest_addoption.get_hookimpls():
            if _is_of_tests(hook.plugin, installed):
                # It may use the parser in a way that the recorder does not imitate.
                with suppress(Exception):
                    hook.function(*(values[name] for name in hook.argnames))
        config.stash[OPTIONS] = {**recorder.options, **CONFIGURATION}
    return config.stash[OPTIONS]


def _is_of_tests(plugin: object, installed: set[int]) -> bool:
    """Whether a plugin belongs to the tests: a conftest, a plugin that is not installed, or one with hooks of ours."""
    module = str(getattr(plugin, "__name__", type(plugin).__module__))
    builtin = module.startswith(("_pytest.", "pytest_vmaf."))
    ours = any(name.startswith("pytest_vmaf_") for name in dir(plugin))
    return not builtin and (ours or id(plugin) not in installed)


class _Recorder:
    """Imitates `pytest.Parser` and its groups, to learn which options a plugin adds."""

    def __init__(self) -> None:
        self.options: dict[str, int | str] = {}

    def getgroup(self, *_: object, **__: object) -> _Recorder:
        return self

    def addoption(self, *names: str, action: Any = "store", nargs: int | str | None = None, **_: object) -> None:
        number: int | str = 1 if nargs is None else nargs
        if getattr(action, "__name__", "") == "BooleanOptionalAction":
            names = (*names, *(f"--no-{name[2:]}" for name in names if name.startswith("--")))
            number = 0
        elif isinstance(action, str) and action not in ("store", "append", "extend"):
            number = 0
        self.options.update(dict.fromkeys(names, number))

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None
