"""The command that re-runs one test: the options of the run that belong to the tests, and no others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_vmaf.testrun.rerun_command import CONFIGURATION, relevant_options

CONFTEST = """
import argparse

class Device(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, values)

def pytest_addoption(parser, pluginmanager):
    group = parser.getgroup("ours", "Our options")
    group.addoption("--sharpen", type=float, default=0.0)
    group.addoption("--sources", nargs="+")
    group.addoption("--grain", nargs="?", const="high")
    group.addoption("--device", action=Device)
    parser.addoption("--fast", action="store_true")
    parser.addoption("--two", action=argparse.BooleanOptionalAction)
    parser.addoption("--farm-token", action="append")
    parser.addini("farm", "where encodes are made")
"""
TEST = """
from fake import fake

def test_a(vmaf):
    fake(vmaf, baseline=True)
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--source clip.mp4 tests", "--source clip.mp4"),
        ("-c other.ini --rootdir sub tests", "-c other.ini --rootdir sub"),
        ("--rootdir=sub -o x=1 -oy=2 -p no:xdist -pours", "--rootdir=sub -o x=1 -oy=2 -p no:xdist -pours"),
        ("-k x -m slow -n2 --dist load -x -q -rA --maxfail=3 --tb short -vv tests a.py::test_a", ""),
        ("--sources a b --crf -3 tests", "--sources a b --crf -3"),
        ("--doctest-modules --doctest-glob *.md docs", "--doctest-modules --doctest-glob *.md"),
        ("--grain tests", "--grain tests"),
        ("--grain --fast tests", "--grain --fast"),
        ("--crf", "--crf"),
    ],
)
def test_relevant_options(arguments: str, expected: str) -> None:
    options = {"--source": 1, "--crf": 1, "--sources": "+", "--grain": "?", "--fast": 0, **CONFIGURATION}
    assert " ".join(relevant_options(arguments.split(), options)) == expected


def test_command(run: Callable[..., pytest.RunResult], fake: None, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=TEST)
    ours = ["--sharpen", "1.0", "--grain", "--device", "cpu", "--fast", "--no-two", "--farm-token=s3cret"]
    ours += ["--vmaf-generation=v1", "--vmaf-phone", "--no-vmaf-phone", "--vmaf-gate", "min_neg=10"]
    ours += ["--vmaf-baseline-platform=here"]
    others = ["-k", "test_a", "--vmaf-json=r.json", "--vmaf-pictures=1", "--maxfail", "3", "-q", "--tb=short"]
    others += ["--vmaf-no-cache", "--junitxml=j.xml", "test_it.py"]
    result = run(*ours, *others, "--sources", "a", "b")
    result.assert_outcomes(failed=1)
    command = "pytest test_it.py::test_a -p no:cacheprovider -p no:xdist --sharpen 1.0 --grain --device cpu --fast "
    command += "--no-two --farm-token=*** --vmaf-generation=v1 --vmaf-phone --no-vmaf-phone --vmaf-gate min_neg=10 "
    command += "--vmaf-baseline-platform=here --sources a b --vmaf-baseline-update=missing"
    assert f"E     write it: {command}" in result.outlines


def test_plugins(run: Callable[..., pytest.RunResult], fake: None, pytester: pytest.Pytester) -> None:
    """Options of a plugin of the tests stay; a plugin that cannot be asked costs only its options."""
    pytester.syspathinsert()
    pytester.makepyfile(
        ours="def pytest_addoption(parser): parser.addoption('--sharpen')",
        odd="def pytest_addoption(parser): parser.addoption('--odd'); parser.extra_info['a'] = 1",
        test_it=TEST,
    )
    result = run("-p", "ours", "-p", "odd", "--sharpen=2", "--odd=3")
    result.stdout.fnmatch_lines(["*write it: pytest *-p ours -p odd --sharpen=2* --vmaf-baseline-update=missing"])


def test_quoting(run: Callable[..., pytest.RunResult], fake: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from fake import fake

        @pytest.mark.parametrize("how", ["a b$(touch x)"])
        def test_odd(vmaf, how):
            fake(vmaf, baseline=True)
        """
    )
    run().stdout.fnmatch_lines(
        ["*write it: pytest 'test_it.py::test_odd[[]a b$(touch x)[]]' *--vmaf-baseline-update=missing"]
    )
