"""The command that writes the page of benchmarks."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from benchmarks.ratios.section import Setup

ROOT = Path(__file__).parents[1]


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.ratios.section import Setup

    return Setup(tmp_path / "unused.mp4", tmp_path, 1)


def logistic(crf: int) -> float:
    return 99 / (1 + math.exp(0.12 * (crf - 50)))


def test_curves(setup: Setup) -> None:
    from benchmarks.ratios.curves import measure_curves, read_curves

    path = setup.folder / "own.json"
    curve = {"clip": "a", "encoder": "libx264", "ceiling": 99, "crf": [*range(52)], "neg": [*map(logistic, range(52))]}
    path.write_text(json.dumps([curve]))
    exact = [crf for crf in read_curves(path)[0].exact().values() if crf is not None]
    rows = {line.split(" | ")[0].strip("| "): line for line in measure_curves(replace(setup, curves=(path,))).lines}
    assert f"| {2 * len(exact)}.00 |" in rows["least number"]
    for way in ("least number", "`bisect`", "one bisection per target", "one bisection per target, no CRF twice"):
        assert rows[way].endswith("| 4 of 4 |")
    assert "ab-av1, thorough" in rows


@pytest.mark.parametrize("target", [60.0, 90.0, 97.03, 98.7, 1.0])
def test_ab_av1(setup: Setup, target: float) -> None:
    from benchmarks.ratios.ab_av1 import NoGoodCrf, crf_search

    exact = max((crf for crf in range(10, 52) if logistic(crf) > target), default=None)
    if exact is None:
        with pytest.raises(NoGoodCrf):
            crf_search(logistic, (10, 51), target, thorough=True)
    else:
        found = crf_search(logistic, (10, 51), target, thorough=True)
        assert found == exact or target < logistic(found) < target + 0.05


def test_absent_tools(setup: Setup) -> None:
    from benchmarks.ratios.curves import measure_curves
    from benchmarks.ratios.peers import measure_peers

    assert "Not measured: `--curves FILE` names no curves" in measure_curves(setup).lines[0]
    text = "\n".join(measure_peers(setup).lines)
    assert "Not measured: ffmpeg-quality-metrics" in text
    assert "Not measured: Netflix's `vmaf` tool" in text


def test_sections(setup: Setup) -> None:
    from benchmarks.__main__ import HEAD, with_sections

    page = setup.folder / "page.md"
    assert with_sections(page, {"One": "## One\n\n1\n"}) == f"{HEAD}\n## One\n\n1\n"
    page.write_text(with_sections(page, {"One": "## One\n\n1\n", "Two": "## Two\n\n2\n"}))
    assert with_sections(page, {"One": "## One\n\n3\n"}) == f"{HEAD}\n## One\n\n3\n\n## Two\n\n2\n"


@pytest.mark.slow
def test_command(footage: Callable[..., Path], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    argv = [sys.executable, "-m", "benchmarks", "scores", "--rounds", "1", "--frames", "1", "-o", str(page)]
    done = subprocess.run([*argv, "--source", str(footage())], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "| the first score of a process, 1 frame at 640x360 | raw ffmpeg | " in text
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text
