"""Small projects for pytest in pytest, and the ways to run them: in this process, in one of its own, under xdist."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pytest_vmaf
from pytest_vmaf.report import document as documents

Run = Callable[..., pytest.RunResult]

#: `fake(vmaf, 93.0)` measures a NEG of 93 without a clip.
FAKE = """
from pytest_vmaf import FakeScorer

def fake(vmaf, neg=93.0, **settings):
    return vmaf.check("ref.mkv", f"out-{neg:g}.mp4", scorer=FakeScorer(vmaf=neg + 2, neg=neg), **settings)
"""

#: The default scorer reads the scores of a clip from its file: a line for each frame with VMAF and NEG, or one for all.
CONFTEST = """
from pytest_vmaf import FakeScorer

class TextScorer(FakeScorer):
    def score(self, request):
        rows = [[float(word) for word in line.split()] for line in request.distorted.clip.path.read_text().splitlines()]
        vmaf, neg = (column * (24 // len(rows)) for column in zip(*rows))
        features = dict.fromkeys(("psnr_y", "psnr_cb", "psnr_cr"), 40.0)
        return FakeScorer(vmaf=vmaf, neg=neg, features=features).score(request)

def pytest_vmaf_scorer(config, name):
    return TextScorer() if name == "ffmpeg" else None
"""


@pytest.fixture(autouse=True)
def no_build_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests may run on GitHub themselves, whose summary is not theirs."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def loaded() -> None:
    """Every module of the package. A run in this process unloads what it loads, and numpy can be loaded only once."""
    modules = [module.name for module in pkgutil.walk_packages(pytest_vmaf.__path__, "pytest_vmaf.")]
    others = ("numpy.ma", "jinja2", "rich.table", "rich.console", "pytest_vmaf.model", "pytest_vmaf.templates")
    for name in (*others, *modules):
        if not name.endswith("__main__"):
            importlib.import_module(name)


@pytest.fixture
def run(loaded: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """run(*arguments): pytest in this process, without workers."""
    # A file that is written twice in a second would else be taken from the bytecode of the first.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def run(*arguments: str, **options: bool) -> pytest.RunResult:
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", *arguments, **options)

    return run


@pytest.fixture
def run_apart(pytester: pytest.Pytester) -> Run:
    """run_apart(*arguments): pytest in a process of its own, without workers."""
    return lambda *arguments: pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-p", "no:xdist", *arguments, timeout=120
    )


@pytest.fixture
def run_xdist(pytester: pytest.Pytester) -> Run:
    """run_xdist(*arguments): pytest with two workers, or as many as -n says."""
    return lambda *arguments: pytester.runpytest_subprocess(
        "-p",
        "no:cacheprovider",
        *([] if any(a.startswith("-n") for a in arguments) else ["-n2"]),
        *arguments,
        timeout=120,
    )


@pytest.fixture
def fake(pytester: pytest.Pytester) -> None:
    """The module `fake` for the tests inside."""
    pytester.makepyfile(fake=FAKE)


@pytest.fixture
def clips(pytester: pytest.Pytester) -> Callable[[str], None]:
    """Clips with scores in place of pictures: REF, GOOD, SHARP, and OUT, whose scores put(...) replaces."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(clips="REF, GOOD, SHARP, OUT = 'ref.mkv', 'good.mp4', 'sharp.mp4', 'out.mp4'")
    (pytester.path / "ref.mkv").write_text("100 100")
    (pytester.path / "good.mp4").write_text("95 93\n94 91")
    (pytester.path / "sharp.mp4").write_text("104 96")

    def put(scores: str) -> None:
        (pytester.path / "out.mp4").write_text(scores)

    put("95 93")
    return put


@pytest.fixture
def real_clips(pytester: pytest.Pytester, clip: Path, encode: Callable[..., Path]) -> None:
    """Real clips by the names REF, GOOD and SHARP."""
    good, sharp = encode(clip, 30), encode(clip, 16, "unsharp=5:5:1.0")
    pytester.makepyfile(clips=f"REF, GOOD, SHARP = {str(clip)!r}, {str(good)!r}, {str(sharp)!r}\n")


@pytest.fixture
def report(pytester: pytest.Pytester) -> Callable[[], dict[str, Any]]:
    """report(): the report as data, r.json, checked against its schema."""

    def read() -> dict[str, Any]:
        assert not list(pytester.path.glob(".r.*"))
        return documents.read(pytester.path / "r.json")

    return read


@pytest.fixture
def entries(pytester: pytest.Pytester) -> Callable[[], dict[str, dict[str, dict[str, Any]]]]:
    """entries(): the baselines of the module test_it, by test and name."""
    return lambda: json.loads((pytester.path / "__vmaf__" / "test_it.json").read_text())["tests"]


@pytest.fixture
def run_as_job(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """run_as_job(*arguments): as `run`, but the run does not know that a test started it."""

    def run_outermost(*arguments: str) -> pytest.RunResult:
        monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
        return run(*arguments)

    return run_outermost
