"""Lines of a history from reports."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report.builders import RUN, a_document, a_full_document, a_measurement, a_test, an_error

from history.builders import a_line
from pytest_vmaf.history.from_reports import history_lines
from pytest_vmaf.history.line import HistoryLine
from pytest_vmaf.history.series import make_history
from pytest_vmaf.history.steps import find_steps


def test_lines() -> None:
    columns = {"psnr_y": 40.5, "psnr_cb": 44.0, "psnr_cr": 45.0}
    measurement = a_measurement(95.0, [93.12345, 93.0], min_neg_p5=80, min_psnr_y=30, columns=columns)
    measurement["provenance"].update(libvmaf="3.2.0", size=125_000, seconds=2.0)
    [line] = history_lines(a_document(a_test("passed", measurement), platform="Linux-6.1.0-x86_64-with-glibc2.36"))
    assert (line.test, line.time) == ("tests/test_it.py::test_x", "2026-01-02T03:04:05+00:00")
    assert (line.commit, line.branch, line.build) == ("3f9c2e1aa0bb", "main", "GitHub run 7")
    assert (line.subject, line.platform, line.model) == ("crf23.mp4", "linux-x86_64", "vmaf_v0.6.1")
    expected = {"neg": 93.0617, "psnr_y": 40.5, "size": 125_000, "bitrate": 500_000, "above_100": 0}
    assert {name: line.values[name] for name in expected} == expected
    assert "neg_p5" in line.values
    assert line.tools["libvmaf"] == "3.2.0"
    assert HistoryLine.from_json(line.to_json()) == line


def test_several_measurements() -> None:
    """Equal names are told apart, and what was not measured has a line without numbers."""
    lines = history_lines(a_document(a_test("error", a_measurement(), a_measurement(neg=80.0), an_error())))
    assert [(line.subject, line.status) for line in lines] == [
        ("crf23.mp4", "passed"),
        ("crf23.mp4 (2)", "passed"),
        ("crf23.mp4 (3)", "error"),
    ]
    assert [bool(line.values) for line in lines] == [True, True, False]
    # The attempt that counts is the last one.
    assert len(history_lines(a_full_document())) == 4


def test_metric_of_plugin() -> None:
    """A reader without the plugin knows the metric's name and direction."""
    measurement = a_measurement()
    about = {"label": "LPIPS", "unit": "", "version": "1", "higher_is_better": False, "low": 0.0, "high": None}
    measurement["provenance"]["metrics"] = {"lpips_of_history": about}
    measurement["features"] = {"lpips_of_history": 0.1}
    [line] = history_lines(a_document(a_test("passed", measurement)))
    later = replace(HistoryLine.from_json(line.to_json()), commit="later", values={"lpips_of_history": 0.3})
    [series] = [each for each in make_history([line, later]).series if each.metric == "lpips_of_history"]
    assert (series.label, find_steps(series)[0].is_worse) == ("LPIPS", True)


def test_search() -> None:
    """The answer of a search is named by its target: the CRF may change."""
    gate = {"name": "target", "metric": "neg", "pool": "mean", "bound": "min", "limit": 92.0, "origin": "call"}
    gates = [{**gate, "value": 93.0, "margin": 1.0, "passed": True}]
    gates.append({**gates[0], "limit": 91.0, "pool": "p5", "value": 91.5})
    answer = {**a_measurement(), "distorted": "libx264:fast CRF 23", "gates": gates}
    lines = history_lines(a_document(a_test("passed", answer)))
    assert [(line.subject, line.target) for line in lines] == [
        ("libx264:fast", "NEG 92"),
        ("libx264:fast", "NEG p5 91"),
    ]
    assert [line.values["crf"] for line in lines] == [23, 23]
    lines = history_lines(a_document(a_test("passed", {**answer, "distorted": "libx264:2pass 812k"})))
    assert (lines[0].subject, "crf" in lines[0].values) == ("libx264:2pass", False)


def test_baseline() -> None:
    """Tolerances of a baseline come along, and its differences are no numbers of a clip."""
    drop = {"metric": "drop of NEG", "pool": "mean", "bound": "max", "value": 0.1, "margin": 0.2, "passed": True}
    rise = {**drop, "metric": "rise of bitrate in %", "name": "max_bitrate_rise", "limit": 2.0, "origin": "default"}
    unknown = {**drop, "metric": "drop of lpips", "name": "max_lpips_drop", "limit": 2.0, "origin": "call"}
    gates = [{**drop, "name": "max_drop_p5", "limit": 0.3, "origin": "call", "pool": "p5"}, rise, unknown]
    [line] = history_lines(a_document(a_test("passed", {**a_measurement(), "gates": gates})))
    assert line.tolerances == {"neg_p5": 0.3, "bitrate": "2%"}
    assert line.values.keys() == {"neg", "vmaf", "gap", "above_100"}


@pytest.mark.parametrize("created", ["", "yesterday", "2026-01-02T04:04:05+01:00"])
def test_old_report(created: str) -> None:
    """A report without a commit, and with any time."""
    old = {key: value for key, value in RUN.items() if key not in ("branch", "commit", "build", "url")}
    document = {**a_document(a_test("passed", a_measurement())), "runs": [{**old, "created": created}]}
    [line] = history_lines(document, commit="abc1", branch="old")
    assert (line.commit, line.branch, line.build) == ("abc1", "old", "")
    assert line.time == ("2026-01-02T03:04:05+00:00" if "+01" in created else "1970-01-01T00:00:00+00:00")
    assert a_line() != line
