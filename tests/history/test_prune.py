"""Removing lines from a history, and merging several."""

from __future__ import annotations

import pytest

from history.builders import a_line
from pytest_vmaf.history.prune import Pruning, merge_lines, prune

LINES = [a_line(number, 93.0 if number < 5 else 94.0, branch="fix" if number % 2 else "main") for number in range(10)]


@pytest.mark.parametrize(
    ("pruning", "kept"),
    [
        (Pruning(keep=2), [6, 7, 8, 9]),
        (Pruning(keep=2, branches=["fix"]), [0, 2, 4, 6, 7, 8, 9]),
        (Pruning(branches=["f*"]), [0, 2, 4, 6, 8]),
        (Pruning(tests=["test_y"]), [*range(10)]),
        (Pruning(tests=["test_?"]), []),
        (Pruning(keep=0), []),
        (Pruning(before="2026-01-02"), []),
        (Pruning(before="2026-01-01", keep=5), [*range(10)]),
        (Pruning(unchanged=True), [0, 1, 3, 4, 5, 6, 8, 9]),
    ],
)
def test_prune(pruning: Pruning, kept: list[int]) -> None:
    assert not pruning.is_empty
    assert [LINES.index(line) for line in prune(LINES, pruning)] == kept


def test_nothing_to_prune() -> None:
    assert Pruning().is_empty
    assert prune([], Pruning(keep=1)) == []


def test_merge() -> None:
    """Equal lines are one, and the order is that of their times."""
    assert merge_lines([LINES[5:], LINES[:7], []]) == LINES
