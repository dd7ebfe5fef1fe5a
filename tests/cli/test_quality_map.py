"""`pytest-vmaf quality-map`."""

from __future__ import annotations

import json
from pathlib import Path

from cli.commands import Run


def test_json(run: Run, reference: Path, encoded: Path) -> None:
    done = run("quality-map", reference, encoded, "--grid", "2x1", "--gate=min_neg_tile=99.9", "--format", "json")
    assert done.returncode == 1
    assert "min_neg_tile: " in done.stderr
    data = json.loads(done.stdout)
    assert [(tile["column"], tile["row"], tile["w"]) for tile in data["tiles"]] == [(0, 0, 160), (1, 0, 160)]
    assert data["whole"]["scores"]["neg"]["frames"]


def test_table(run: Run, reference: Path, encoded: Path) -> None:
    done = run("quality-map", reference, encoded, "--grid", "2x1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:5] == ["NEG", "column", "0", "column", "1"]
    assert "whole" in done.stdout


def test_invalid_grid(run: Run, reference: Path, encoded: Path) -> None:
    done = run("quality-map", reference, encoded, "--grid", "4")
    assert done.returncode == 2
    assert "must be COLUMNSxROWS, for example 4x4, not '4'" in done.stderr
