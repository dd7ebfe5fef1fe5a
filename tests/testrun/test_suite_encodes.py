"""Tests of a manifest that encode for real."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

MANIFEST = """
version = 1
[gates]
min_neg = 50
{gates}
[[clips]]
name = "a"
path = "a.mkv"
sha256 = "{sha256}"
[[encodes]]
name = "fast"
encoder = "libx264:ultrafast"
{what}
"""


@pytest.fixture
def write(pytester: pytest.Pytester, clip: Path) -> Callable[..., None]:
    """write(what, gates=""): a manifest of one entry for a real clip."""
    data = clip.read_bytes()
    (pytester.path / "a.mkv").write_bytes(data)

    def put(what: str, gates: str = "") -> None:
        text = MANIFEST.format(what=what, gates=gates, sha256=hashlib.sha256(data).hexdigest())
        (pytester.path / "vmaf.toml").write_text(text)

    return put


def test_crf(write: Callable[..., None], run: Run, report: Callable[[], dict[str, Any]]) -> None:
    """As vmaf.check(source, vmaf.encode(...)) does it: with every gate, and the default ones."""
    write('crfs = [26]\narguments = "-threads 1"\n[encodes.stream]\ncodec = "h264"')
    assert run("--vmaf-json=r.json").parseoutcomes() == {"passed": 1}
    (test,) = report()["tests"]
    (record,) = test["measurements"]
    assert (test["id"], record["every_gate"]) == ("vmaf.toml::fast::a-26", True)
    assert record["distorted"].endswith("a-26.mp4")
    assert {"min_neg", "max_enhancement"} <= {gate["name"] for gate in record["gates"]}


@pytest.mark.slow
@pytest.mark.parametrize("sample", ["", "sample = 0.2"])
def test_targets(sample: str, write: Callable[..., None], run: Run, report: Callable[[], dict[str, Any]]) -> None:
    """The answers of a bisection are checked with the gates of the manifest."""
    write(f"targets = [60, 70]\n{sample}", "max_gap = -5")
    result = run("--vmaf-json=r.json")
    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(["gap * > -5 *", "vmaf.toml:10: fast::a-60-70"])
    (test,) = report()["tests"]
    # The answers of the search, and the first encode that was checked.
    *answers, checked = test["measurements"]
    assert [record["every_gate"] for record in test["measurements"]] == [False, False, True]
    # Of a search in a sample, the complete encode is checked.
    assert [record["frames"] for record in answers] == [5 if sample else 12] * 2
    assert checked["frames"] == 12


@pytest.mark.parametrize("flag", [pytest.param("", marks=pytest.mark.slow), "--vmaf-report-only"])
def test_target_that_is_not_reached(write: Callable[..., None], run: Run, flag: str) -> None:
    write("targets = [99.9]")
    result = run(*filter(None, [flag]))
    assert result.ret == (pytest.ExitCode.OK if flag else pytest.ExitCode.TESTS_FAILED)
    beginning = "would fail: vmaf.toml::fast::a-99.9: " if flag else ""
    result.stdout.fnmatch_lines([f"{beginning}NEG 99.9 of libx264 cannot be reached: *"])


@pytest.mark.slow
def test_many_clips_under_xdist(
    make: Callable[..., Path],
    pytester: pytest.Pytester,
    run_xdist: Run,
    report: Callable[[], dict[str, Any]],
) -> None:
    """Several clips at two CRFs: the controller's report has all tests, whichever worker ran them."""
    scene = "mandelbrot=size=96x64:rate=25:end_scale=0.002,noise=alls=4:allf=t:all_seed=7,format=yuv420p"
    text = "version = 1\n"
    for number in range(4):
        path = make("-f", "lavfi", "-ss", number * 0.2, "-i", scene, "-frames:v", 4, pytester.path / f"c{number}.y4m")
        digits = hashlib.sha256(path.read_bytes()).hexdigest()
        text += f'[[clips]]\npath = "{path.name}"\nsha256 = "{digits}"\ngroups = ["g{number % 2}"]\n'
    text += '[[encodes]]\nname = "x264"\nencoder = "libx264:ultrafast"\ncrfs = [16, 28]\n'
    (pytester.path / "vmaf.toml").write_text(text)
    assert run_xdist("--vmaf-json=r.json", "-m", "g1").parseoutcomes()["passed"] == 4
    tests = report()["tests"]
    assert sorted(test["id"] for test in tests) == [
        f"vmaf.toml::x264::c{number}-{crf}" for number in (1, 3) for crf in (16, 28)
    ]
    assert {test["worker"] for test in tests} == {"gw0", "gw1"}
