"""Series of a history: what belongs together, in which order, and with which tolerance."""

from __future__ import annotations

import pytest

from history.builders import a_line, a_series
from pytest_vmaf.history.series import main_branch, make_history, select


def test_order() -> None:
    """Commits are in the order of their first runs, or in that of a list."""
    lines = [a_line(number, 90.0 + number) for number in (2, 0, 1)]
    [series] = make_history(lines).series
    assert series.values == (90.0, 91.0, 92.0)
    names = [line.commit for line in lines]
    history = make_history(lines, order=[names[0], names[1][:12].replace("0", "f"), names[2]])
    assert [each.commit for each in history.revisions] == [names[0], names[2]]
    assert history.series[0].values == (92.0, 91.0)


def test_short_commits() -> None:
    lines = [a_line(number, commit=commit) for number, commit in enumerate(("aaaa1111bbbb", "cccc2222"))]
    history = make_history(lines, order=["cccc2222dddd", "aaaa1111"])
    assert [each.commit for each in history.revisions] == ["cccc2222", "aaaa1111bbbb"]


def test_several_runs() -> None:
    """Runs of one commit are one point; runs without a commit are points of their own."""
    lines = [a_line(0, 92.0), a_line(0, 93.0), a_line(1, 95.0, commit=""), a_line(2, 96.0, commit="")]
    history = make_history(lines)
    assert (history.series[0].values, history.series[0].runs) == ((92.5, 95.0, 96.0), (2, 1, 1))
    assert history.revisions[1].name == "2026-01-01 01:00"


def test_what_differs() -> None:
    """Another model, platform or shard is another series, and named only where it differs."""
    assert a_series([1, 2]).name == "test_x"
    lines = [a_line(0), a_line(1, model="vmaf_v1"), a_line(2, platform="linux-arm64"), a_line(3, target="NEG 94")]
    assert [each.name for each in make_history(lines).series] == [
        "test_x · NEG 94 · vmaf_v0.6.1",
        "test_x · linux-arm64 · vmaf_v0.6.1",
        "test_x · vmaf_v0.6.1",
        "test_x · vmaf_v1",
    ]


def test_names_of_clips() -> None:
    """The only clip of a test may have another name in each run; several are told apart."""
    lines = [a_line(number, subject=f"out-{number}.mp4") for number in range(2)]
    [series] = make_history(lines).series
    assert (series.name, len(series.values)) == ("test_x", 2)
    both = [*lines, *(a_line(number, subject="b.mp4") for number in range(2))]
    assert [each.name for each in make_history(both).series] == [
        "test_x · b.mp4",
        "test_x · out-0.mp4",
        "test_x · out-1.mp4",
    ]


def test_select() -> None:
    lines = [a_line(number, branch="main" if number < 3 else "fix") for number in range(5)]
    lines += [a_line(9, test="other.py::test_y")]
    assert main_branch(lines) == "main"
    assert main_branch([]) == ""
    assert main_branch([*(a_line(number, branch="") for number in range(20, 30)), *lines]) == "main"
    assert len(select(lines, tests=["test_x"])) == len(select(lines, tests=["test_it.py::*"])) == 5
    assert len(select(lines, branches=["fix", "ma*"])) == 6
    # The brackets of a parametrized test are no pattern.
    assert len(select([a_line(test="a.py::test_z[x-1]")], tests=["test_z[x-1]"])) == 1
    assert [line.time for line in select(lines, last=2)] == [lines[4].time, lines[5].time]


@pytest.mark.parametrize(
    ("metric", "value", "tolerance", "digits"),
    [
        ("neg", 93.0, 0.5, 2),
        ("neg_p5", 93.0, 1.0, 2),
        ("float_ssim", 0.99, 0.005, 4),
        ("psnr_y", 40.0, 0.5, 2),
        ("bitrate", 1e6, "2%", 0),
        ("crf", 23.0, 0.5, 0),
        ("encode_fps", 60.0, "5%", 2),
        ("unheard_of", 60.0, 0.5, 2),
    ],
)
def test_tolerance(metric: str, value: float, tolerance: float | str, digits: int) -> None:
    [series] = [each for each in make_history([a_line(values={metric: value})]).series if each.metric == metric]
    assert (series.tolerance, series.digits) == (tolerance, digits)


def test_metrics() -> None:
    lines = [a_line(values={"psnr_y": 40.0, "vmaf": 95.0, "neg_p5": 90.0})]
    assert [each.label for each in make_history(lines).series] == ["NEG", "VMAF", "NEG p5", "psnr_y"]
    assert [each.metric for each in make_history(lines, metrics=["neg*"]).series] == ["neg", "neg_p5"]
