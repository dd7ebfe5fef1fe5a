"""The command that runs one test again as it ran now: with the options of this run, without those that chose tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

import pytest

from pytest_vmaf.testrun.options import MASKED

#: Options that choose tests, share them out, say how much is shown or where reports go: with a value, and without.
VALUED = (
    "-k",
    "-m",
    "-n",
    "-r",
    "-W",
    "--numprocesses",
    "--maxprocesses",
    "--dist",
    "--tx",
    "--maxfail",
    "--deselect",
    "--durations",
    "--durations-min",
    "--tb",
    "--color",
    "--capture",
    "--verbosity",
    "--show-capture",
    "--junit-xml",
    "--junitxml",
    "--html",
    "--basetemp",
    "--reruns",
    "--last-failed-no-failures",
    "--vmaf-html",
    "--vmaf-json",
    "--vmaf-pictures",
    "--vmaf-candidate",
    "--vmaf-update",
)
PLAIN = (
    *("-x", "-s", "-l", "--exitfirst", "--lf", "--last-failed", "--ff", "--failed-first", "--nf", "--new-first"),
    *("--sw", "--stepwise", "--stepwise-skip", "--cache-clear", "--showlocals", "--self-contained-html"),
    *("--vmaf-html-assets", "--vmaf-no-cache", "--verbose", "--quiet"),
)
SHORT = re.compile(r"-(?:[nkmrW].+|[vqxsl]+)")


def again(config: pytest.Config, path: str, test: str) -> str:
    """A shell command for the test of a file, whose ``path`` is seen from where pytest was started."""
    given = getattr(config, "workerinput", {}).get("mainargv", [])[1:] or config.invocation_params.args
    told = [*kept(map(str, given), config.args), f"{path}::{test}"]
    return re.sub(MASKED, r"\1***", shlex.join(["pytest", *told]))


def kept(arguments: Iterable[str], chosen: Iterable[str]) -> Iterator[str]:
    """The options that belong to any run, without the tests that were ``chosen``."""
    left = [str(each) for each in chosen]
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        # By their very words: a path that nobody chose tests by is the value of the option before it.
        if argument in left:
            continue
        if name in VALUED:
            if not equals:
                next(rest, "")
        elif argument not in PLAIN and not SHORT.fullmatch(argument):
            yield argument
