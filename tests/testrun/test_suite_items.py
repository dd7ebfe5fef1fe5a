"""Manifests in pytest: collection, selection, verdicts and reports."""

from __future__ import annotations

import hashlib
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

MANIFEST = """
    version = 1
    [gates]
    min_neg = 92

    [[clips]]
    name = "bunny"
    path = "ref.mkv"
    sha256 = "{sha256}"
    groups = ["natural", "short-clips"]

    [[clips]]
    name = "screen"
    path = "ref.mkv"
    sha256 = "unchecked"

    [[pairs]]
    name = "good"
    distorted = "good.mp4"

    clips = ["natural"]

    [[pairs]]
    name = "out"
    distorted = "out.mp4"
    clips = ["screen"]
    markers = ["nightly"]
    {more}
"""

#: The same in a folder of its own.
TWO = MANIFEST.replace('path = "', 'path = "../').replace('ted = "', 'ted = "../')

Write = Callable[..., Path]


@pytest.fixture
def write(pytester: pytest.Pytester, clips: Callable[[str], None]) -> Write:
    """write(more="", name="vmaf.toml"): a manifest of the clips with scores in place of pictures."""

    def put(more: str = "", name: str = "vmaf.toml", sha256: str = "", text: str = MANIFEST) -> Path:
        sha256 = sha256 or hashlib.sha256((pytester.path / "ref.mkv").read_bytes()).hexdigest()
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).format(sha256=sha256, more=more))
        return path

    return put


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    return {name: count for name, count in result.parseoutcomes().items() if name not in ("deselected", "warnings")}


def test_verdicts(write: Write, run: Run, clips: Callable[[str], None]) -> None:
    write()
    clips("91 90")
    result = run("--strict-markers", "-W", "error")
    assert outcomes(result) == {"passed": 1, "failed": 1}
    # The message of the fixture, and the line of the entry in place of lines of Python.
    result.stdout.fnmatch_lines(
        [
            "*_ out::screen _*",
            "NEG 90.000 < 92 (1 of *",
            "  min_neg: NEG 90.000 < 92 (*; set by the manifest)",
            "*- manifest -*",
            "vmaf.toml:23: out::screen",
            "FAILED vmaf.toml::out::screen - pytest_vmaf.GateViolation: NEG 90*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*suite_items*")


def test_collect_only(write: Write, run: Run) -> None:
    write()
    result = run("--collect-only", "-q")
    assert result.outlines[:2] == ["vmaf.toml::good::bunny", "vmaf.toml::out::screen"]


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (["-m", "short-clips and not nightly"], ["good::bunny"]),
        (["-k", "bunny"], ["good::bunny"]),
        (["-k", "out"], ["out::screen"]),
        (["vmaf.toml::out"], ["out::screen"]),
        (["vmaf.toml::good::bunny"], ["good::bunny"]),
    ],
)
def test_selection(write: Write, run: Run, arguments: list[str], chosen: list[str]) -> None:
    write()
    result = run("--collect-only", "-q", "--strict-markers", *arguments)
    assert [line.partition("::")[2] for line in result.outlines if line.startswith("vmaf.toml::")] == chosen


def test_last_failed(write: Write, pytester: pytest.Pytester, clips: Callable[[str], None]) -> None:
    write()
    clips("91 90")
    pytester.runpytest_inprocess("-p", "no:xdist")
    result = pytester.runpytest_inprocess("-p", "no:xdist", "--lf", "-v")
    assert outcomes(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["vmaf.toml::out::screen FAILED*"])


def test_hashes(write: Write, run: Run, pytester: pytest.Pytester, report: Callable[[], dict[str, Any]]) -> None:
    write(sha256="0" * 64)
    (pytester.path / "out.mp4").unlink()
    result = run("--vmaf-json=r.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*/ref.mkv is not the clip 'bunny' of vmaf.toml:6: its sha256 is another.",
            "  expected: 00000000*",
            "  actual:   *",
            "*/out.mp4 does not exist. It is the encode of 'out::screen'. pytest-vmaf downloads nothing*",
        ]
    )
    # They are errors in the summary and in the report, not failures of a gate.
    result.stdout.fnmatch_lines(["no score*bunny*", "ERROR vmaf.toml::good::bunny - *"])
    assert [(test["status"], test["line"]) for test in report()["tests"]] == [("error", 17), ("error", 23)]


def test_broken_manifest(write: Write, run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): pass")
    write(more="crf = 3\n[clip]")
    result = run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "*ERROR collecting vmaf.toml*",
            "vmaf.toml:28: pairs[[]out[]] has an unknown key 'crf'. Write crfs = [[]28[]].",
            "vmaf.toml:29: the manifest has an unknown key 'clip'. Did you mean 'clips'?",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.slow
def test_file_of_another_program(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): pass")
    (pytester.path / "vmaf.toml").write_text('[package]\nversion = "3"\n')
    result = run("-W", "default")
    assert outcomes(result) == {"passed": 1}
    result.stdout.fnmatch_lines(["*PytestCollectionWarning: vmaf.toml is not a manifest of pytest-vmaf*"])
    # A file that is named as a manifest must be one.
    result = run("--vmaf-suite=vmaf.toml")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["vmaf.toml:1: the manifest lacks version.*"])


def test_empty_file(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "vmaf.toml").write_text("")
    assert run().ret == pytest.ExitCode.INTERRUPTED


def test_other_toml_files(run: Run, pytester: pytest.Pytester, write: Write) -> None:
    """Only a manifest is collected, and only if it is named."""
    write(name="nightly.toml")
    (pytester.path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert run("--collect-only").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert outcomes(run("nightly.toml")) == {"passed": 2}
    assert outcomes(run("nightly.toml::good::bunny")) == {"passed": 1}
    assert run("pyproject.toml").ret in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR)


@pytest.fixture
def two(write: Write, pytester: pytest.Pytester) -> None:
    """A manifest in a folder of its own, and a test in Python."""
    write(name="suites/nightly.toml", text=TWO)
    pytester.makepyfile("def test_other(): pass")


NIGHTLY = ["suites/nightly.toml::good::bunny", "suites/nightly.toml::out::screen"]


@pytest.mark.slow
@pytest.mark.usefixtures("two")
def test_other_named_suites(run: Run, pytester: pytest.Pytester) -> None:
    def ids(*arguments: str) -> list[str]:
        return [line for line in run("--collect-only", "-q", *arguments).outlines if "::" in line]

    other = ["test_other_named_suites.py::test_other"]
    assert ids() == other
    assert sorted(ids("--vmaf-suite=suites/nightly.toml")) == sorted([*other, *NIGHTLY])
    assert sorted(ids("--vmaf-suite=suites/nightly.toml", ".")) == sorted([*other, *NIGHTLY])
    assert ids("--vmaf-suite=suites/nightly.toml", "suites/nightly.toml") == NIGHTLY
    pytester.makeini("[pytest]\nvmaf_suite = suites/nightly.toml\n")
    assert sorted(ids()) == sorted([*other, *NIGHTLY])
    # Somebody who names tests wants those.
    assert ids(*other) == other
    result = run("--vmaf-suite=suites/nightly.toml", "--ignore=suites")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pytest-vmaf: pytest ignores the manifest *nightly.toml or its folder."])
    result = run("--vmaf-suite=none.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pytest-vmaf: --vmaf-suite: */none.toml does not exist."])


@pytest.mark.slow
def test_layers_of_settings(write: Write, run: Run) -> None:
    """The manifest is nearer than the command line, as a marker is."""
    write()
    assert outcomes(run("--vmaf-gate=min_neg=99")) == {"passed": 2}
    assert outcomes(run("--vmaf-gate=min_vmaf=99")) == {"failed": 2}
    write(more="[pairs.gates]\nmin_neg = 99")
    assert outcomes(run()) == {"passed": 1, "failed": 1}
    write(more="[pairs.settings]\nfeatures = ['nothing']")
    assert run().ret == pytest.ExitCode.INTERRUPTED


def test_report_only(write: Write, run: Run, clips: Callable[[str], None]) -> None:
    clips("91 90")
    write(more="report_only = true")
    result = run()
    assert outcomes(result) == {"passed": 1, "would fail": 1} or result.ret == 0
    result.stdout.fnmatch_lines(["would fail: vmaf.toml::out::screen: NEG 90.000 < 92*"])


def test_markers_of_pytest(write: Write, run: Run, clips: Callable[[str], None]) -> None:
    clips("91 90")
    write(more='markers = ["xfail"]', text=MANIFEST.replace('markers = ["nightly"]', ""))
    assert outcomes(run()) == {"passed": 1, "xfailed": 1}


def test_fixtures_of_conftest(write: Write, run: Run, pytester: pytest.Pytester) -> None:
    """Fixtures of every scope that apply to all tests apply to these."""
    write()
    conftest = pytester.path / "conftest.py"
    scopes = ("session", "package", "module", "class", "function")
    fixtures = [
        f"@pytest.fixture(autouse=True, scope='{each}')\ndef f_{each}(): print('in {each}')\n" for each in scopes
    ]
    conftest.write_text("\n".join(["import pytest", conftest.read_text(), *fixtures]))
    result = run("-rP", "-k", "good")
    assert outcomes(result) == {"passed": 1}
    result.stdout.fnmatch_lines([f"in {each}" for each in scopes])


@pytest.mark.slow
def test_baselines(write: Write, run: Run, clips: Callable[[str], None], pytester: pytest.Pytester) -> None:
    write(more="baseline = true")
    result = run("-k", "out")
    assert outcomes(result) == {"failed": 1}
    (command,) = {line.partition("write it: ")[2] for line in result.outlines if "write it: " in line}
    # The command that the message prints.
    _, *arguments = shlex.split(command)
    assert arguments[0] == "vmaf.toml::out::screen"
    assert outcomes(run(*arguments)) == {"passed": 1}
    assert (pytester.path / "__vmaf__" / "vmaf.json").is_file()
    # An entry above the other changes no name.
    write(
        more='baseline = true\n[[pairs]]\nname = "again"\ndistorted = "good.mp4"\nclips = ["bunny"]\nbaseline = false'
    )
    assert outcomes(run()) == {"passed": 3}
    clips("94 92")
    result = run()
    assert outcomes(result) == {"passed": 2, "failed": 1}
    result.stdout.fnmatch_lines(["NEG 92.00 is 1.00 below*"])
    assert outcomes(run("--vmaf-baseline-update=all")) == {"passed": 3}


def test_manifests_with_one_baseline_file(write: Write, run: Run, pytester: pytest.Pytester) -> None:
    write(more="baseline = true")
    (pytester.path / "vmaf.yaml").write_text("[package]")
    result = run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["vmaf.toml: vmaf.yaml and vmaf.toml would share their baselines. Rename one of them."])


def test_rerun_command(two: None, run: Run, write: Write) -> None:
    """The command of a message runs the one test, also of a manifest that only an option names."""
    write(name="suites/nightly.toml", text=TWO, more="baseline = true")
    result = run("--vmaf-suite=suites/nightly.toml", "--vmaf-gate=min_vmaf=91", "--vmaf-html=r.html", "-k", "out")
    (command,) = {line.partition("write it: ")[2] for line in result.outlines if "write it: " in line}
    _, *arguments = shlex.split(command)
    assert (arguments[0], arguments[-2]) == ("suites/nightly.toml::out::screen", "--vmaf-gate=min_vmaf=91")
    assert outcomes(run(*arguments)) == {"passed": 1}
    # The command of the HTML report is the test's id.
    assert outcomes(run("suites/nightly.toml::out::screen")) == {"passed": 1}


@pytest.mark.slow
def test_xdist(
    write: Write, run_xdist: Run, clips: Callable[[str], None], report: Callable[[], dict[str, Any]]
) -> None:
    clips("91 90")
    write()
    result = run_xdist("--vmaf-json=r.json", "--strict-markers")
    assert outcomes(result) == {"passed": 1, "failed": 1}
    tests = {test["id"]: test["status"] for test in report()["tests"]}
    assert tests == {"vmaf.toml::good::bunny": "passed", "vmaf.toml::out::screen": "failed"}


@pytest.mark.slow
def test_nothing_is_imported_without_a_manifest(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\ndef test_it(): assert not [name for name in sys.modules if 'pytest_vmaf.suite' in name]"
    )
    (pytester.path / "pyproject.toml").write_text("")
    assert outcomes(run_apart()) == {"passed": 1}


def test_internal_errors_have_a_traceback(write: Write, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    monkeypatch.setattr("pytest_vmaf.testrun.suite_items.run_test", lambda *_: 1 / 0)
    result = run()
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])
