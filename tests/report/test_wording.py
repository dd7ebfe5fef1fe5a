"""The verdict of a report, its gates in words, short names, and worst-first orders."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.gates.expectations import Check
from pytest_vmaf.report import document as documents, order, schema, verdict, wording as view
from pytest_vmaf.report.record import check_gates
from pytest_vmaf.text import time_code
from report.builders import RUN, a_document, a_measurement, a_test, an_error


def real(record: dict[str, Any]) -> dict[str, Any]:
    """The record as if a real scorer had made it."""
    record["provenance"]["fake"] = False
    return record


def good(**gates: float) -> dict[str, Any]:
    return real(a_measurement(95.0, 93.0, **gates))


def bad(neg: float = 90.0) -> dict[str, Any]:
    return real(a_measurement(neg + 2, [neg + 1, neg - 1], min_neg=91))


def test_verdict_without_tests() -> None:
    assert verdict.verdict(a_document()) == "Nothing was measured: no VMAF test ran, so no gate was checked."


def test_verdict_one_passed() -> None:
    assert verdict.verdict(a_document(a_test("passed", good(min_neg=90.5), name="test_a[x]"))) == (
        "The test passed. Closest to its limit: test_a[x], +2.50 on min_neg."
    )


def test_verdict_all_passed() -> None:
    tests = [a_test("passed", good(min_neg=limit), name=f"test_{limit}") for limit in (80, 92.75, 90)]
    said = verdict.verdict(a_document(*tests))
    assert said == "All 3 tests passed. Closest to its limit: test_92.75, +0.25 on min_neg."


def test_verdict_without_gates() -> None:
    said = verdict.verdict(a_document(a_test("passed", good(max_gap=None))))
    assert "None of the tests compared a score with a limit." in said
    assert "1 of 1 check had no min_ gate, so no minimum was required." in said
    scored = {**good(max_gap=None), "every_gate": False}
    assert "no minimum" not in verdict.verdict(a_document(a_test("passed", scored)))


def test_verdict_one_failed() -> None:
    tests = [a_test("passed", good(min_neg=90), name="test_ok"), a_test("failed", bad(), name="test_bad")]
    assert verdict.verdict(a_document(*tests)) == (
        "1 of 2 tests failed. Worst: test_bad, NEG 90.00 where at least 91 is required (worst in frame 1 (0:00.040))."
    )


def test_verdict_several_failed() -> None:
    tests = [a_test("failed", bad(neg), name=f"test_{neg}") for neg in (90.5, 70.0, 89.0)]
    said = verdict.verdict(a_document(*tests))
    assert said.startswith("3 of 3 tests failed. Worst: test_70.0, NEG 70.00 ")


def test_verdict_caught_failures() -> None:
    caught = a_test("passed", good(min_neg=90), bad(30.0), name="test_caught")
    worst = " Worst: test_caught, NEG 30.00 where at least 91 is required (worst in frame 1 (0:00.040))."
    assert verdict.verdict(a_document(caught)) == f"The test passed, but a gate failed inside it.{worst}"
    tests = [a_test("passed", good(min_neg=90), name=f"test_{n}") for n in range(3)]
    said = verdict.verdict(a_document(*tests, caught))
    assert said == f"All 4 tests passed, but a gate failed inside 1 of them.{worst}"
    said = verdict.verdict(a_document(*tests, caught, a_test("skipped", bad(), name="test_s")))
    assert said == f"4 of 5 tests passed, but a gate failed inside 2 of them.{worst} 1 was skipped."
    said = verdict.verdict(a_document(caught, a_test("failed", bad(), name="test_f")))
    assert said.endswith("A gate failed inside 1 test that caught the error.")
    said = verdict.verdict(a_document(a_test("skipped", bad())))
    assert "so nothing was gated. A gate failed inside 1 test that caught the error." in said
    said = verdict.verdict(a_document(a_test("passed", an_error(), name="test_e")))
    assert said == "The test passed, but a measurement failed inside it. Worst: test_e, out/crf23.mp4 does not exist."
    # These were expected.
    assert "caught" not in verdict.verdict(a_document(*tests, a_test("xfailed", bad())))


def test_verdict_errors() -> None:
    message = "pytest_vmaf.ClipError: out/crf23.mp4 does not exist.\nsecond line"
    said = verdict.verdict(a_document(a_test("error", an_error(), message=message)))
    assert said == "1 of 1 test could not be measured. Worst: test_x, ClipError: out/crf23.mp4 does not exist."


def test_verdict_failures_and_errors() -> None:
    tests = [a_test("error", an_error(), name="test_e", message="gone"), a_test("failed", bad(), name="test_f")]
    said = verdict.verdict(a_document(*tests))
    assert said.startswith("1 of 2 tests failed and 1 could not be measured. Worst: test_f, NEG ")


def test_verdict_own_assertion() -> None:
    said = verdict.verdict(a_document(a_test("failed", good(min_neg=90), message="assert 93.0 > 97\n where ...")))
    assert said == "1 of 1 test failed. Worst: test_x, assert 93.0 > 97."
    assert verdict.verdict(a_document(a_test("failed"))) == "1 of 1 test failed."
    assert len(verdict.verdict(a_document(a_test("failed", message="x" * 9999)))) < 300


def test_verdict_all_skipped() -> None:
    tests = [a_test("skipped", name="test_a"), a_test("xfailed", bad(), name="test_b")]
    assert verdict.verdict(a_document(*tests)) == (
        "0 of 2 tests ran to completion and passed, so nothing was gated. 1 failed as expected. 1 was skipped."
    )
    skipped = verdict.verdict(a_document(a_test("skipped"), a_test("skipped", name="test_b")))
    assert skipped.endswith("2 skipped.")


def test_verdict_some_skipped() -> None:
    said = verdict.verdict(a_document(a_test("passed", good(min_neg=90)), a_test("skipped", name="test_b")))
    assert said.startswith("1 of 2 tests passed.")


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({"ended": "interrupted"}, "The run was stopped before its end; tests that did not run were not gated."),
        (
            {"ended": "interrupted", "why": "stopping after 1 failures", "name": "linux"},
            "The run of linux was stopped before its end (stopping after 1 failures); "
            "tests that did not run were not gated.",
        ),
        (
            {"ended": "internal error"},
            "The run was ended by an internal error of pytest; tests that did not run were not gated.",
        ),
    ],
)
def test_verdict_stopped_run(run: dict[str, str], said: str) -> None:
    assert verdict.verdict(a_document(a_test("passed", good(min_neg=90)), **run)).endswith(said)
    assert verdict.verdict(a_document(**run)).endswith(said)


def test_verdict_not_collected() -> None:
    said = verdict.verdict(a_document(a_test("passed", good(min_neg=90)), not_collected=1))
    assert said.endswith("1 file could not be collected; its tests were not gated.")
    short = verdict.verdict(a_document(a_test("passed", good(min_neg=90)), ended="interrupted", planned=7, ran=3))
    assert "stopped before its end, 4 tests short; tests that did not run" in short


def test_verdict_several_runs() -> None:
    shards = [a_document(name=name, ended=ended) for name, ended in (("a", "finished"), ("b", "interrupted"))]
    said = verdict.verdict(documents.merge([*shards, a_document(name="c", ended="internal error")]))
    assert "The run of b was stopped" in said
    assert "The run of c was ended by" in said
    assert "The run of a" not in said


def test_verdict_fake() -> None:
    fake = a_measurement(95.0, 93.0, min_neg=90)
    assert "FAKE: some numbers were invented" in verdict.verdict(a_document(a_test("passed", fake)))
    assert "FAKE" not in verdict.verdict(a_document(a_test("passed", good(min_neg=90)), a_test("error", an_error())))


def test_worst_first() -> None:
    tests = [
        a_test("error", name="e"),
        a_test("failed", bad(80.0), name="far off"),
        a_test("failed", bad(90.5), name="just missed"),
        a_test("failed", name="no measurement"),
        a_test("xfailed", bad(80.0), name="x"),
        a_test("passed", good(min_neg=92.5), name="close"),
        a_test("passed", good(min_neg=50), name="far above"),
    ]
    wanted = [test["id"] for test in tests]
    for shuffled in list(permutations(tests))[::211]:
        assert [test["id"] for test in order.worst_first(shuffled)] == wanted
    twins = [a_test("passed", name=name) for name in "ba"]
    assert [test["id"][-1] for test in order.worst_first(twins)] == ["a", "b"]


def test_smallest_margin() -> None:
    record = a_measurement([95.0, 101.0], [93.0, 94.0], min_neg=93.25, min_vmaf=99, max_gap=9, above_100=0)
    assert [gate["passed"] for gate in record["gates"]].count(False) == 2
    smallest = order.smallest_margin(record)
    assert smallest is not None
    assert smallest["name"] == "min_vmaf"
    # Frames are no points: a number of them stands behind every gate on a score.
    held = a_measurement(95.0, 93.0, min_neg=50)
    assert order.smallest_margin(held)["name"] == "min_neg"  # type: ignore[index]
    # What is as expected has no margin.
    [codec] = check_gates([Check("codec", "call", "codec is h264", passed=True)])
    held["gates"].insert(0, codec)
    assert order.smallest_margin(held)["name"] == "min_neg"  # type: ignore[index]
    assert order.is_quiet(codec)
    assert order.smallest_margin(a_measurement(95.0, 93.0, max_gap=None, above_100=None)) is None
    assert order.smallest_margin(an_error()) is None


def test_gate_in_words() -> None:
    record = a_measurement([95.0, 101.0], [93.0, 94.0], min_neg_p5=99, above_100=0, max_gap=2)
    said = {gate["name"]: (view.describe_failure(gate), view.describe_value(gate)) for gate in record["gates"]}
    assert said == {
        "min_neg_p5": ("NEG p5 93.05 where at least 99 is required", "NEG p5 93.05, margin -5.95"),
        "max_gap": ("gap 4.50 where at most 2 is required", "gap 4.50, margin -2.50"),
        "above_100": (
            "1 frame above 100 and the reference's own score, where 0 are allowed",
            "1 frame above 100 and the reference's own score",
        ),
    }


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0, "0:00.000"),
        (1.24, "0:01.240"),
        (59.9996, "1:00.000"),
        (61.5, "1:01.500"),
        (3599.9994, "59:59.999"),
        (3600, "1:00:00.000"),
        (36061.0015, "10:01:01.002"),
    ],
)
def test_time_code(seconds: float, wanted: str) -> None:
    assert time_code(seconds) == wanted


@settings(deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["24000/1001", "25", "30000/1001", "60", "1/9", "1000"]))
def test_moment(frame: int, rate: str) -> None:
    said = view.moment({"frame_rate": rate}, frame)
    assert said.startswith(f"frame {frame} (")
    whole, _, ms = said.rpartition("(")[2].rstrip(")").rpartition(".")
    seconds = sum(int(part) * 60**power for power, part in enumerate(reversed(whole.split(":"))))
    assert abs(seconds * 1000 + int(ms) - frame / Fraction(rate) * 1000) <= 1


@pytest.mark.parametrize("rate", [None, ""])
def test_moment_without_rate(rate: str | None) -> None:
    assert view.moment({"frame_rate": rate}, 31) == "frame 31"
    assert view.moment({}, 31) == "frame 31"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("out.mp4", "out.mp4"),
        ("/a/b c/out.mp4", "out.mp4"),
        (r"C:\clips\out.mp4", "out.mp4"),
        (r"\\server\share/mixed\out.mp4", "out.mp4"),
        ("clips/", "clips/"),
        ("raw/out.yuv (320x180, yuv420p)", "out.yuv (320x180, yuv420p)"),
        ("", ""),
    ],
)
def test_short_clip(path: str, wanted: str) -> None:
    assert view.short_clip(path) == wanted


def test_short_id() -> None:
    assert view.short_id("tests/test_a.py::TestX::test_y[a::b]") == "TestX::test_y[a::b]"
    assert view.short_id("no file") == "no file"


def test_statuses() -> None:
    assert tuple(view.WORDS) == schema.STATUSES
    assert RUN.keys() == schema.RUN.keys()
    assert len({shape for shape, _ in view.WORDS.values()}) == len(view.WORDS)


def test_just_failed() -> None:
    gate = {"name": "min_neg", "metric": "neg", "pool": "mean", "bound": "min", "limit": 92.0, "passed": False}
    gate |= {"value": 91.99912, "margin": -0.00088}
    assert view.margin(gate) == "-0.0009"
    assert view.describe_value(gate) == "NEG 91.9991, margin -0.0009"
