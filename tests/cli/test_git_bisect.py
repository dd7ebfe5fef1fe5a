"""`pytest-vmaf git-bisect`: how commands are judged, and a real `git bisect run`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.commands import Run, posix
from pytest_vmaf.cli.git_bisect import judge
from pytest_vmaf.report.run_outcome import FOLDER, RunOutcome, read_outcomes, write_outcome

PASSED, VIOLATED = RunOutcome(measured=2), RunOutcome(violated=("test_x: NEG 91 < 93",))
FAILED = RunOutcome(measured=1, failed=("1 file could not be collected",))


@pytest.mark.parametrize(
    ("status", "outcomes", "code", "said"),
    [
        (0, [PASSED], 0, "good (0): all gates pass (2 measurements)"),
        (0, [], 125, "nothing was measured"),
        (0, [RunOutcome()], 125, "nothing was measured"),
        (0, [PASSED, FAILED], 125, "1 file could not be collected"),
        (1, [], 125, "skip (125): the command ended with 1"),
        (1, [PASSED], 125, "and no gate fails"),
        (1, [PASSED, FAILED, VIOLATED], 1, "bad (1): a gate fails\n  test_x: NEG 91 < 93"),
        # `pytest || true`
        (0, [VIOLATED], 1, "bad"),
        (1, [RunOutcome(violated=tuple("abcdefgh"))], 1, "  e\n  3 more"),
        (-signal.SIGSEGV, [], 125, "was killed by signal 11"),
        (128 + signal.SIGKILL, [], 125, "ended with 137"),
        (-signal.SIGINT, [VIOLATED], 130, "stop (130): the command was interrupted"),
        (128 + signal.SIGTERM, [], 143, "stop (143)"),
        (2, [RunOutcome(interrupted=True, violated=("x",))], 130, "stop (130)"),
    ],
)
def test_judge(
    status: int, outcomes: list[RunOutcome], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(status, outcomes) == code
    assert said in capsys.readouterr().err


@posix
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 128, "usage: write the command after --"),
        (["--"], 128, "usage: write the command after --"),
        (["--", "no-such-program"], 128, "'no-such-program' could not be started: No such file or directory"),
        (["--", "./run-gates"], 125, "'./run-gates' could not be started"),
        (["--", "sh", "-c", "exit 1"], 125, "ended with 1"),
        (["--", "sh", "-c", "kill -INT $$"], 130, "interrupted"),
        (["sh", "-c", 'echo "{}" > "$PYTEST_VMAF_OUTCOMES/a.json"'], 125, "what a run wrote cannot be read"),
    ],
)
def test_commands(run: Run, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    done = run("git-bisect", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_files(tmp_path: Path) -> None:
    for outcome in (PASSED, RunOutcome(violated=("\x1b[31m" + "x" * 999,) * 99)):
        write_outcome(tmp_path, outcome)
    (tmp_path / "broken.json").write_text("[" * 100_000)
    outcomes = {len(each.violated): each for each in read_outcomes(tmp_path) if not each.failed}
    assert outcomes.keys() == {0, 50}
    assert outcomes[0] == PASSED
    assert all(text.startswith("\\x1b") and len(text) == 300 for text in outcomes[50].violated)


def test_command_outcomes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    log = tmp_path / "vmaf.log"
    scores = {"metrics": {"vmaf": 99.0, "vmaf_neg": 90.0}}
    frames = [{"frameNum": frame, **scores} for frame in range(3)]
    log.write_text(json.dumps({"version": "3", "frames": frames}))
    # A command that a test runs is a part of that test.
    assert run("gap", log).returncode == 1
    assert list(read_outcomes(tmp_path)) == []
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    codes = [run(*words).returncode for words in (("gap", log), ("gap", log, "--max-gap", 20), ("score", "a", "b"))]
    assert codes == [1, 0, 3]
    run("cache")
    # What an earlier run measured is not a verdict on this commit.
    run("report", tmp_path / "earlier.json", "-o", tmp_path / "page.md")
    outcomes = list(read_outcomes(tmp_path))
    assert sorted((each.measured, len(each.violated), len(each.failed)) for each in outcomes) == [
        (0, 0, 1),
        (0, 1, 0),
        (1, 0, 0),
    ]


TEST = """
from pytest_vmaf import FakeScorer
from build import NEG

def test_quality(vmaf):
    vmaf.check("ref.mkv", "out.mp4", scorer=FakeScorer(vmaf=NEG + 2, neg=NEG), min_neg=93)
"""
#: The commits after the first, each by the files that it changes. "bad" is the regression.
COMMITS = {
    "import": {"build.py": "raise RuntimeError('this build breaks')"},
    "good": {"build.py": "NEG = 95"},
    "bad": {"build.py": "NEG = 91"},
    "conftest": {"conftest.py": "import no_such_module"},
    "last": {"conftest.py": ""},
}


@posix
@pytest.mark.slow
def test_git(tmp_path: Path, lean_options: str) -> None:
    """git finds the regression, and neither of the commits whose tests cannot be collected; under xdist, too."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTEST_"))}
    environment |= {"PYTEST_ADDOPTS": f"{lean_options} -p no:cacheprovider -n1", "PYTHONDONTWRITEBYTECODE": "1"}

    def git(*words: str) -> str:
        argv = ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", *words]
        done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    git("init", "-q")
    (tmp_path / "test_quality.py").write_text(TEST)
    for name, contents in {"first": {"build.py": "NEG = 95"}, **COMMITS}.items():
        for file, text in contents.items():
            (tmp_path / file).write_text(f"{text}  # {name}\n")
        git("add", ".")
        git("commit", "-q", "-m", name)
    git("bisect", "start", "HEAD", "HEAD~5")
    python = [sys.executable, "-m"]
    git("bisect", "run", *python, "pytest_vmaf", "git-bisect", "--", *python, "pytest", "test_quality.py")
    assert git("show", "-s", "--format=%s", "bisect/bad").strip() == "bad"
