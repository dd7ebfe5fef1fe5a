"""`pytest-vmaf tune-per-shot`."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.commands import Run, searching, strict
from pytest_vmaf import Vmaf


@pytest.mark.slow
def test_json_and_plan(run: Run, clip: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    asked = [
        *searching("tune-per-shot", clip, "80", "--crf-range", "24-34"),
        "--cache-dir",
        tmp_path / "cache",
        "--sample-clip-seconds",
        "0.32",
        "--plan-out",
        plan,
    ]
    done = run(*asked, "--format", "json")
    assert done.returncode == 0, done.stderr
    data = strict(done.stdout)
    assert strict(plan.read_text()) == data
    assert data["target_model"] == "vmaf_v0.6.1"
    found = Vmaf(cache_dir=str(tmp_path / "cache")).per_shot(
        clip, encoder="libx264", preset="veryfast", target=80, metric="vmaf", fixed=False, sample=0.32, crf=(24, 34)
    )
    assert data["score"] == found.score
    assert data["bitrate"] == found.bitrate
    assert [shot["crf"] for shot in data["shots"]] == [shot.crf for shot in found.shots]
    assert sum(shot["frames"] for shot in data["shots"]) == 8
