"""Parser, exit codes and start-up of the command."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys

import pytest

from cli.commands import SEARCHES, Run, build_parser, run_process


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("pytest-vmaf ")


def test_no_command(run: Run) -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "positional arguments:" in done.stderr
    assert "compare encoders at equal quality (BD-rate)" in done.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [("scoer", "Did you mean 'score'?"), ("shot-per", "'per-shot'?"), ("zzz", "Choose from ")],
)
def test_unknown_command(run: Run, name: str, hint: str) -> None:
    done = run(name)
    assert done.returncode == 2
    assert f"There is no command {name!r}. " in done.stderr
    assert hint in done.stderr


def test_sigterm_is_handled(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_default(options: argparse.Namespace) -> int:
        return int(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)

    monkeypatch.setattr("pytest_vmaf.cli.doctor.run", is_default)
    # The fixture restores it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert run("doctor").returncode == 0


@pytest.mark.slow
def test_name_beyond_the_encoding() -> None:
    done = run_process("score", "é中.mkv", "é中.mkv", PYTHONIOENCODING="ascii")
    assert done.returncode == 3, done.stderr
    assert "\\u4e2d.mkv does not exist" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["--version", "--help", "compare --help"])
def test_imports(words: str) -> None:
    code = (
        f"import sys\nfrom pytest_vmaf.cli.main import main\ntry: main({words.split()})\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'jinja2', 'rich', 'onnxruntime', 'pytest', 'pytest_vmaf.api.vmaf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


COMMANDS = list(build_parser()[1])


@pytest.mark.parametrize("command", [*COMMANDS, "baseline show", "baseline diff", "baseline accept", "cache info"])
def test_help(run: Run, command: str) -> None:
    done = run(*command.split(), "--help")
    text = " ".join(done.stdout.split())
    assert done.returncode == 0
    assert "exit codes: 0 " in text
    if command in SEARCHES:
        assert "1 some not, 2 usage, 3 could not measure" in text
    choices = next(action for action in build_parser()[0]._actions if action.choices).choices
    name, _, action_name = command.partition(" ")
    parser = choices[name]
    if action_name:
        parser = next(action for action in parser._actions if action.choices).choices[action_name]
    for action in parser._actions:
        assert action.help or action.choices, action.dest
        shown = [flag for flag in action.option_strings if action.help != argparse.SUPPRESS]
        assert all(flag in text for flag in shown)
    # Of two flags for one setting, the help shows the short one.
    assert ("--model" in text) is (
        command not in ("gap", "report", "doctor", "stream", "suite", "correlate", "benchmark", "export", "git-bisect")
        and not command.startswith(("base", "cache", "hist"))
    )
    assert "--vmaf-model" not in text
