"""`pytest-vmaf speed` and `pytest-vmaf determinism`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from search.speed_builders import set_pace

from cli.commands import Run

ENCODE = ("--encoder", "libx264:ultrafast", "--crf", "30", "--no-cache")


def test_speed(run: Run, clip: Path) -> None:
    done = run("speed", clip, *ENCODE, "--rounds", "1", "--format", "json", "--no-decode")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["name"], data["frames"], data["decode"], data["against"]) == ("libx264 ultrafast", 12, None, None)
    assert data["encode"] > 0


def test_gates(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_pace(monkeypatch, lambda preset, _: 1.0 if preset == "fast" else 1.2)
    same = ("--against", "libx264:slow")
    passes = run("speed", clip, *ENCODE, *same, "--gate", "max_speed_drop=5%", "--gate", "min_encode_fps=10")
    assert passes.returncode == 0, passes.stderr
    assert "libx264 slow" in passes.stdout
    fails = run("speed", clip, *ENCODE, "--against", "libx264:fast", "--gate", "max_speed_drop=5%", "--format", "json")
    assert fails.returncode == 1
    assert "16.7 % (16.7 to 16.7) slower than libx264 fast; max_speed_drop is 5 %" in fails.stderr
    assert json.loads(fails.stdout)["slowdown"]["percent"] == pytest.approx(100 / 6)


def test_noise(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured is printed, although it decides nothing."""
    set_pace(monkeypatch, lambda _, number: 1.0 + 0.4 * (number % 3))
    done = run("speed", clip, *ENCODE, "--against", "libx264:fast", "--gate", "max_speed_drop=5%", "--rounds", "8")
    assert done.returncode == 3
    assert "error: too noisy to decide" in done.stderr
    assert done.stdout.startswith("Speed of libx264 ultrafast at CRF 30")


@pytest.mark.slow
def test_determinism(run: Run, clip: Path) -> None:
    done = run("determinism", clip, *ENCODE, "--runs", "2", "--expect", "bitstream")
    assert done.returncode == 0, done.stderr
    assert "deterministic bit for bit in 2 encodes" in done.stdout


def test_usage(run: Run, clip: Path) -> None:
    for arguments, message in (
        (("--gate", "max_speed_drop"), "is not a gate. Write NAME=LIMIT, for example max_speed_drop=5%."),
        (("--gate", "max_speed_drop=5%"), "compares the speed with that of another command"),
        (("--gate", "min_neg=90"), "min_neg is not a gate of a search"),
    ):
        done = run("speed", clip, *ENCODE, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
    done = run("check", clip, clip, "--gate", "min_encode_fps=3")
    assert "min_encode_fps requires the command speed" in done.stderr
