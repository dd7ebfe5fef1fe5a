"""Tables and lines for the terminal, at any width."""

from __future__ import annotations

import pytest

from pytest_vmaf import Chart, DataTable, FakeScorer, GateViolation, Line, Paragraph, Section, Vmaf
from pytest_vmaf.report import summary
from pytest_vmaf.report.terminal import explain_comparison, render, result_table, section_table
from pytest_vmaf.report.wording import margin_of


def test_explain_comparison() -> None:
    neg = Vmaf(scorer=FakeScorer(neg=[90, 94])).score("a.mkv", "b.mkv").neg
    assert explain_comparison(">=", neg, 93)[0] == "NEG 92.0000 >= 93   (left minus right: -1)"
    assert explain_comparison("<=", 93, neg.p5)[0] == "93 <= NEG p5 90.2000   (left minus right: +2.8)"
    lines = explain_comparison(">=", neg, neg.max)
    assert lines[0] == "NEG 92.0000 >= NEG max 94.0000   (left minus right: -2)"
    assert lines[1] == "worst frames: frame 0 (0:00:00.000) 90.00; frame 1 (0:00:00.040) 94.00"


def test_explain_other_comparison() -> None:
    neg = Vmaf(scorer=FakeScorer(neg=92)).score("a.mkv", "b.mkv").neg
    assert explain_comparison("==", neg, "93")[0] == "NEG 92.0000 == '93'"
    assert explain_comparison("is", neg, True)[0] == "NEG 92.0000 is True"


def test_names_with_markup() -> None:
    vmaf = Vmaf(scorer=FakeScorer())
    vmaf.score("[bold]a[/bold].mkv", "[link=x]b.mkv")
    text = render(result_table(vmaf.records[0]), 120, colour=False)
    assert "[bold]a[/bold].mkv" in text
    assert "[link=x]b.mkv" in text
    assert "\x1b" not in text


def test_section_table() -> None:
    section = Section(
        "libx264: NEG 80",
        [
            Paragraph("3 encodes."),
            DataTable(
                ("target", "CRF", "outcome"), [("80", 25, "met"), ("99.9", None, "above the ceiling")], "Answers"
            ),
            Chart("CRF", "NEG", [Line("NEG", [(25, 81.3)])], (), "NEG over CRF."),
            DataTable(("encoder", "kbit/s"), [("libx264", "141.4"), ("libsvtav1", "99.0")]),
        ],
    )
    text = render(section_table(section.to_record()), 80, colour=False)
    assert text.splitlines() == [
        "libx264: NEG 80",
        "3 encodes.",
        "",
        "Answers",
        "target  CRF  outcome",
        "    80   25  met",
        "  99.9       above the ceiling",
        "",
        "encoder    kbit/s",
        "libx264     141.4",
        "libsvtav1    99.0",
        "",
    ]


def test_narrow_section_table() -> None:
    name = "[red]./enc[/red]"
    section = Section(
        f"{name}: NEG 80",
        [Paragraph(f"{name} " * 9), DataTable((name, "outcome"), [(name, "not monotone " * 9)], name)],
    )
    text = render(section_table(section.to_record()), 60, colour=False)
    assert text.count(name) >= 4
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 60
    assert " ".join(text.split()).count("not monotone") == 9


TESTS = """
    import pytest
    from pytest_vmaf import FakeScorer

    @pytest.mark.parametrize("number", range({count}))
    def test_many(vmaf, number):
        vmaf.check("a.mkv", "[red]b.mkv", scorer=FakeScorer(neg=95 - number / 100), min_neg=80, max_gap=50)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
def test_long_summary(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "MOST_ROWS", 3)
    pytester.makepyfile(test_many=TESTS.format(count=3 + 5))
    result = pytester.runpytest("-p", "no:xdist")
    rows = [line for line in result.outlines if "([red]b.mkv)" in line]
    assert len(rows) == 3
    # Worst first.
    assert "test_many[7]" in rows[0]
    result.stdout.fnmatch_lines(["5 more with larger margins; -v shows all."])
    verbose = pytester.runpytest("-v", "-p", "no:xdist")
    assert len([line for line in verbose.outlines if "([red]b.mkv)" in line]) == 8


@pytest.mark.usefixtures("lean")
def test_quiet_summary(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_many=TESTS.format(count=1))
    assert "vmaf: measurements" in pytester.runpytest("-p", "no:xdist").stdout.str()
    assert "vmaf: measurements" not in pytester.runpytest("-qq", "-p", "no:xdist").stdout.str()


def test_margins_of_several_units() -> None:
    vmaf = Vmaf(scorer=FakeScorer(features={"float_ssim": 0.9, "psnr_y": 39.6, "psnr_cb": 40, "psnr_cr": 40}))
    with pytest.raises(GateViolation):
        vmaf.check("a.mkv", "b.mkv", min_float_ssim=0.99, min_psnr_y=40)
    assert margin_of(vmaf.records[0]) == "-0.0900 min_float_ssim"
    # The smallest margin is that of SSIM, although its number is in another unit.
    vmaf.score("a.mkv", "b.mkv", min_float_ssim=0.899, min_neg=85)
    assert margin_of(vmaf.records[1]) == "+0.0010 min_float_ssim"
