"""The report as a run leaves it, with pytester; each behaviour with its -n2 twin. Real clips where scores matter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.report import document as documents

Run = Callable[..., pytest.RunResult]

FAKE = """
import pytest
from pytest_vmaf import FakeScorer

def fake(vmaf, neg=93.0, **gates):
    return vmaf.check("ref.mkv", f"out-{neg:g}.mp4", scorer=FakeScorer(vmaf=neg + 2, neg=neg), **gates)
"""


@pytest.fixture(params=["alone", "xdist"])
def run(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> Run:
    """Run pytest with a report in both forms of data, alone or under -n2."""
    pytester.makepyfile(fake=FAKE)

    def under(*arguments: str, **kwargs: object) -> pytest.RunResult:
        workers = ["-n2"] if request.param == "xdist" else ["-p", "no:xdist"]
        options = ["--vmaf-json=r.json", "--vmaf-html=r.html", "-p", "no:cacheprovider"]
        return pytester.runpytest_subprocess(*options, *workers, *arguments, timeout=120)

    return under


def read(pytester: pytest.Pytester) -> dict[str, Any]:
    """The report as data, checked against its schema; the page must have been written too."""
    assert (pytester.path / "r.html").read_text().rstrip().endswith("</html>")
    assert not list(pytester.path.glob(".r.*"))
    return documents.read(pytester.path / "r.json")


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {test["id"].partition("::")[2]: test["status"] for test in document["tests"]}


def test_each_outcome_is_in_the_report(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from fake import fake

        def test_passed(vmaf): fake(vmaf, min_neg=90)
        def test_failed(vmaf): fake(vmaf, min_neg=95)
        def test_assert(vmaf): assert fake(vmaf).neg > 97
        def test_error(vmaf): vmaf.check("no.mkv", "no.mp4", min_neg=95)
        def test_skipped(vmaf): pytest.skip("no clip here")
        @pytest.mark.xfail(strict=True)
        def test_xfailed(vmaf): fake(vmaf, min_neg=95)
        @pytest.mark.xfail
        def test_xpassed(vmaf): fake(vmaf, min_neg=90)
        @pytest.mark.vmaf(min_neg=3)
        def test_nothing_measured(vmaf): pass
        @pytest.fixture
        def broken(vmaf): raise RuntimeError("no licence for the encoder")
        def test_setup(vmaf, broken): pass
        @pytest.fixture
        def untidy(): yield; raise RuntimeError("cannot clean up")
        def test_teardown(vmaf, untidy): fake(vmaf)
        def test_without_vmaf(): pass
        """
    )
    result = run()
    document = read(pytester)
    assert statuses(document) == {
        "test_passed": "passed",
        "test_failed": "failed",
        "test_assert": "failed",
        "test_error": "error",
        "test_skipped": "skipped",
        "test_xfailed": "xfailed",
        "test_xpassed": "passed",
        "test_nothing_measured": "failed",
        "test_setup": "error",
        "test_teardown": "error",
    }
    by_id = {test["id"].partition("::")[2]: test for test in document["tests"]}
    assert "NEG 93.000 < 95" in by_id["test_failed"]["message"]
    assert "no.mkv does not exist" in by_id["test_error"]["message"]
    assert "no clip here" in by_id["test_skipped"]["message"]
    assert "no licence for the encoder" in by_id["test_setup"]["message"]
    assert "cannot clean up" in by_id["test_teardown"]["message"]
    assert by_id["test_passed"]["file"] == "test_it.py"
    assert by_id["test_passed"]["line"] == 4
    [measurement] = by_id["test_passed"]["measurements"]
    assert measurement["neg"] == pytest.approx(93)
    [run_] = document["runs"]
    assert (run_["ended"], run_["exit"], run_["ran"]) == ("finished", 1, 11)
    result.stdout.fnmatch_lines(["vmaf: JSON: *r.json (* KB)", "vmaf: HTML report: *r.html (* KB)"])


def test_without_the_options_nothing_is_written(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=95)")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*vmaf: HTML*")
    assert not [path for path in pytester.path.iterdir() if path.suffix in (".html", ".json")]


def test_no_vmaf_test_at_all_is_said(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_a(): pass")
    run().assert_outcomes(passed=1)
    assert read(pytester)["tests"] == []
    assert "Nothing was measured" in (pytester.path / "r.html").read_text()


def test_no_test_at_all_still_leaves_a_report(run: Run, pytester: pytest.Pytester) -> None:
    result = run()
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert read(pytester)["runs"][0]["exit"] == 5


def test_collecting_only_writes_nothing(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_a(vmaf): pass")
    run("--collect-only")
    assert not list(pytester.path.glob("r.*"))


def test_parametrised_tests_and_several_measurements_keep_their_order(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from fake import fake

        @pytest.mark.parametrize("neg", [91, 92, 93])
        def test_it(vmaf, neg):
            fake(vmaf, neg, min_neg=90)
            fake(vmaf, neg + 0.5, min_neg=90)
        """
    )
    run().assert_outcomes(passed=3)
    found = {test["id"]: [m["neg"] for m in test["measurements"]] for test in read(pytester)["tests"]}
    assert found == {f"test_it.py::test_it[{neg}]": [neg, neg + 0.5] for neg in (91, 92, 93)}


def test_of_a_test_that_is_run_again_the_last_attempt_counts(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures", reason="pytest-rerunfailures is not installed; pip install '.[test]'")
    pytester.makepyfile(
        test_it="""
        import pathlib, pytest
        from fake import fake

        def count(name):
            path = pathlib.Path(name)
            path.write_text(path.read_text() + "x" if path.exists() else "x")
            return len(path.read_text())

        @pytest.mark.flaky(reruns=3)
        def test_heals(vmaf): fake(vmaf, 90 + count("a"), min_neg=93)

        @pytest.mark.flaky(reruns=1)
        def test_stays(vmaf): fake(vmaf, 80 + count("b"), min_neg=93)

        @pytest.fixture
        def shaky():
            if count("c") < 2: raise RuntimeError("not yet")

        @pytest.mark.flaky(reruns=2)
        def test_setup(vmaf, shaky): fake(vmaf, min_neg=93)
        """
    )
    run()
    tests = {test["id"].partition("::")[2]: test for test in read(pytester)["tests"]}
    assert {name: test["status"] for name, test in tests.items()} == {
        "test_heals": "passed",
        "test_stays": "failed",
        "test_setup": "passed",
    }
    heals = tests["test_heals"]
    assert [m["neg"] for m in heals["measurements"]] == [93]
    assert [[m["neg"] for m in attempt["measurements"]] for attempt in heals["earlier"]] == [[91], [92]]
    assert [attempt["status"] for attempt in heals["earlier"]] == ["failed", "failed"]
    assert [m["neg"] for m in tests["test_stays"]["measurements"]] == [82]
    assert [attempt["status"] for attempt in tests["test_setup"]["earlier"]] == ["error"]


def test_subtests_name_their_measurements(run: Run, pytester: pytest.Pytester) -> None:
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests; install pytest 9 to run this")
    pytester.makepyfile(
        test_it="""
        from fake import fake

        def test_it(vmaf, subtests):
            fake(vmaf, 96)
            for neg in (91, 95):
                with subtests.test("rung", neg=neg):
                    fake(vmaf, neg, min_neg=93)
            fake(vmaf, 97)
        """
    )
    run()
    [test] = read(pytester)["tests"]
    assert test["status"] == "failed"
    # pytest itself quotes the values once more when they come from a worker.
    names = [m.get("subtest") and m["subtest"].replace("'", "") for m in test["measurements"]]
    found = [(m["neg"], m["status"], name) for m, name in zip(test["measurements"], names, strict=True)]
    assert found == [
        # What was measured before a subtest comes with its report, and is not its own.
        (96, "passed", None),
        (91, "failed", "rung neg=91"),
        (95, "passed", "rung neg=95"),
        (97, "passed", None),
    ]
    assert "rung neg=91: " in test["message"].replace("'", "")


def test_dash_x_leaves_what_was_measured(run: Run, pytester: pytest.Pytester) -> None:
    tests = "\n".join(f"def test_{n}(vmaf): fake(vmaf, {90 + n}, min_neg=91)" for n in range(8))
    pytester.makepyfile(test_it=f"from fake import fake\n{tests}")
    run("-x")
    document = read(pytester)
    assert statuses(document)["test_0"] == "failed"
    assert document["runs"][0]["ended"] == "interrupted"
    assert "stopping after 1 failures" in document["runs"][0]["why"]
    assert "tests that did not run were not gated" in (pytester.path / "r.html").read_text()


def test_an_internal_error_leaves_what_was_measured(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_runtest_logreport(report):
            if report.when == "teardown" and report.nodeid.endswith("test_a"):
                raise RuntimeError("a broken plugin")
        """
    )
    pytester.makepyfile(
        test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, 91, min_neg=95)\ndef test_b(vmaf): fake(vmaf)"
    )
    result = run()
    document = read(pytester)
    assert statuses(document)["test_a"] == "failed"
    assert result.ret != 0
    if result.ret == pytest.ExitCode.INTERNAL_ERROR:
        assert document["runs"][0]["ended"] == "internal error"
        result.stdout.fnmatch_lines(["vmaf: HTML report: *"])


def test_a_killed_worker_costs_its_own_test_and_no_other(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        fake=FAKE,
        test_it="""
        import os, pytest, signal
        from fake import fake

        @pytest.mark.parametrize("number", range(6))
        def test_it(vmaf, number):
            fake(vmaf, 90 + number, min_neg=80)
            if number == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    result = pytester.runpytest_subprocess("--vmaf-json=r.json", "--vmaf-html=r.html", "-n2", timeout=120)
    document = read(pytester)
    found = {test["id"][-2]: test for test in document["tests"]}
    assert {number: test["status"] for number, test in found.items()} == {
        **dict.fromkeys("01245", "passed"),
        "3": "error",
    }
    assert "crashed while running" in found["3"]["message"]
    assert [m["neg"] for m in found["5"]["measurements"]] == [95]
    assert found["3"]["measurements"] == []
    result.assert_outcomes(passed=5, failed=1)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is a signal elsewhere; run on Linux or macOS")
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_ctrl_c_half_way_leaves_what_was_measured(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        fake=FAKE,
        test_it="""
        import pathlib, pytest, time
        from fake import fake

        @pytest.mark.parametrize("number", range(8))
        def test_it(vmaf, number):
            fake(vmaf, 90 + number, min_neg=80)
            if number >= 4:
                pathlib.Path(f"waits{number}").touch()
                time.sleep(60)
        """,
    )
    argv = [sys.executable, "-m", "pytest", "--vmaf-json=r.json", "--vmaf-html=r.html", "-p", "no:cacheprovider"]
    # Each worker gets the tests in turn, so that 0 to 3 have ended when both wait.
    process = subprocess.Popen([*argv, *workers], cwd=pytester.path, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(pytester.path.glob("waits*"))) < max(1, 2 * len(workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    # As a terminal does: the controller and its workers alike.
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == pytest.ExitCode.INTERRUPTED
    document = read(pytester)
    assert document["runs"][0]["ended"] == "interrupted"
    found = statuses(document)
    assert {found[f"test_it[{number}]"] for number in range(4)} == {"passed"}
    assert found["test_it[4]"] == "error"
    assert "test_it[7]" not in found or workers
    assert "stopped before its end" in (pytester.path / "r.html").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_a_full_disk_leaves_the_verdict_and_is_said(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=90)")
    for option, what in (("--vmaf-json", "JSON"), ("--vmaf-html", "HTML report")):
        result = run(f"{option}=/dev/full")
        assert result.ret == 0
        result.assert_outcomes(passed=1)
        said = f"vmaf: the {what} could not be written to /dev/full: No space left on device. The tests' results stand."
        result.stdout.fnmatch_lines([said])


def test_a_report_that_cannot_be_replaced_keeps_the_old_one(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=95)")
    (pytester.path / "file").write_text("in the way")
    result = run("--vmaf-json=file/r.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["vmaf: the JSON could not be written to *file/r.json: *results stand."])
    assert (pytester.path / "r.html").exists()
    assert (pytester.path / "file").read_text() == "in the way"


def test_two_runs_may_write_to_one_place_at_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(fake=FAKE, test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=90)")
    argv = [sys.executable, "-m", "pytest", "-q", "--vmaf-json=r.json", "--vmaf-html=r.html", "--vmaf-html-assets"]
    started = [
        subprocess.Popen([*argv, "-p", "no:cacheprovider"], cwd=pytester.path, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4, outputs
    assert statuses(read(pytester)) == {"test_a": "passed"}
    page = (pytester.path / "r.html").read_text()
    for asset in (pytester.path / "r_assets").iterdir():
        assert asset.name in page or asset.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vmaf-html=."], "--vmaf-html=. is a folder"),
        (["--vmaf-html-assets"], "--vmaf-html-assets needs --vmaf-html=PATH"),
        (["--vmaf-html=a", "--vmaf-json=a"], "name one and the same file"),
        (["--vmaf-html=a", "--vmaf-pictures=11"], "it is a number from 0 to 10"),
        (["--vmaf-html=a", "--vmaf-pictures=many"], "invalid int value"),
    ],
)
def test_wrong_options_are_usage_errors(pytester: pytest.Pytester, arguments: list[str], said: str) -> None:
    result = pytester.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{said.replace('[', '[[]')}*"])


def test_paths_are_those_from_where_pytest_was_started(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import os
        from fake import fake

        def test_a(vmaf, tmp_path):
            os.chdir(tmp_path)
            fake(vmaf)
        """
    )
    run("--vmaf-html=new/folder/r.html")
    assert (pytester.path / "new" / "folder" / "r.html").is_file()


def test_pictures_of_the_worst_frames_come_with_a_failed_test(
    run: Run, pytester: pytest.Pytester, reference: Path, encoded: Path, sharpened: Path
) -> None:
    pytester.makepyfile(
        test_it=f"""
        REF, GOOD, SHARP = {str(reference)!r}, {str(encoded)!r}, {str(sharpened)!r}

        def test_gate(vmaf): vmaf.check(REF, SHARP)
        def test_assert(vmaf): assert vmaf.score(REF, GOOD).neg > 99.9
        def test_passes(vmaf): vmaf.check(REF, GOOD)
        """
    )
    run().assert_outcomes(failed=2, passed=1)
    document = read(pytester)
    found = {t["id"].partition("::")[2]: t["measurements"][0].get("pictures") or [] for t in document["tests"]}
    assert len(found["test_gate"]) == 2
    assert {picture["metric"] for picture in found["test_gate"]} <= {"gap", "above_100", "neg"}
    assert [(p["width"], p["height"]) for p in found["test_assert"]] == [(320, 180)] * 2
    assert found["test_passes"] == []
    assert (pytester.path / "r.html").read_text().count("data:image/jpeg;base64,/9j/") == 12
    run("--vmaf-pictures=0").assert_outcomes(failed=2, passed=1)
    assert "image/jpeg" not in (pytester.path / "r.html").read_text()


def test_a_clip_that_its_test_removed_leaves_the_numbers(
    run: Run, pytester: pytest.Pytester, reference: Path, encoded: Path
) -> None:
    pytester.makepyfile(
        test_it=f"""
        import shutil

        def test_a(vmaf, tmp_path):
            copy = shutil.copy({str(encoded)!r}, tmp_path)
            neg = vmaf.score({str(reference)!r}, copy).neg
            (tmp_path / copy).unlink()
            assert neg > 99.9
        """
    )
    run().assert_outcomes(failed=1)
    [test] = read(pytester)["tests"]
    [measurement] = test["measurements"]
    assert not measurement.get("pictures")
    assert "written or removed after it was scored" in measurement["left_out"]


def test_a_clip_that_its_test_wrote_anew_is_not_shown_for_the_old_one(
    run: Run, pytester: pytest.Pytester, reference: Path, encoded: Path, sharpened: Path
) -> None:
    pytester.makepyfile(
        test_it=f"""
        import shutil
        import pytest
        from pytest_vmaf import GateViolation

        def test_a(vmaf, tmp_path):
            with pytest.raises(GateViolation):
                vmaf.check({str(reference)!r}, shutil.copy({str(sharpened)!r}, tmp_path / "out.mp4"))
            vmaf.check({str(reference)!r}, shutil.copy({str(encoded)!r}, tmp_path / "out.mp4"), min_neg=99)
        """
    )
    run().assert_outcomes(failed=1)
    first, second = read(pytester)["tests"][0]["measurements"]
    assert not first.get("pictures")
    assert "written or removed after it was scored" in first["left_out"]
    assert len(second["pictures"]) == 2


def test_plugins_add_sections_to_tests_and_to_the_run(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_vmaf import Chart, DataTable, Line, Paragraph, Section

        def pytest_vmaf_test_sections(item, measurements):
            points = [(1, 2), (3, 4)]
            chart = Chart("bitrate", "NEG", [Line("<b>x264</b>", points)], levels=[("target", 3)])
            return [Section("Bit <i>rate</i>", [DataTable(["clip"], [[m["distorted"]] for m in measurements]), chart])]

        def pytest_vmaf_run_sections(config, document):
            return [Section("Farm", [Paragraph(f"{len(document['tests'])} tests ran on the farm & elsewhere")])]
        """
    )
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, 92)")
    run().assert_outcomes(passed=1)
    document = read(pytester)
    assert document["tests"][0]["sections"][0]["blocks"][0]["rows"] == [["out-92.mp4"]]
    page = (pytester.path / "r.html").read_text()
    assert "Bit &lt;i&gt;rate&lt;/i&gt;" in page
    assert "1 tests ran on the farm &amp; elsewhere" in page
    assert "&lt;b&gt;x264&lt;/b&gt;" in page


def test_a_plugin_that_fails_costs_its_section_and_no_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        def pytest_vmaf_test_sections(item, measurements): raise RuntimeError("no <farm>")
        def pytest_vmaf_run_sections(config, document): return ["not a section"]
        """
    )
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf)")
    run().assert_outcomes(passed=1)
    document = read(pytester)
    assert "RuntimeError: no <farm>" in document["tests"][0]["sections"][0]["blocks"][0]["text"]
    assert "pytest_vmaf_run_sections" in document["sections"][0]["blocks"][0]["text"]


def test_hostile_ids_and_messages_arrive_as_text(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from fake import fake

        NAMES = ["<script>alert(1)</script>", "a\\x1b[2Jb", "\\u202egnp.exe", "x" * 3000, "caf\\udce9"]

        @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name) if "caf" in name else name)
        def test_a(vmaf, name):
            fake(vmaf)
            assert False, f"</pre><script>{ascii(name)}</script>"
        """
    )
    run("--tb=no").assert_outcomes(failed=5)
    page = (pytester.path / "r.html").read_text()
    assert page.count("<script") == 1
    assert "\x1b" not in page
    assert len(read(pytester)["tests"]) == 5


def test_the_failure_says_where_the_report_lies(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=95)")
    run().stdout.fnmatch_lines(["*vmaf report*", f"{pytester.path}*r.html"])


def test_the_same_test_on_every_worker_is_told_apart(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(fake=FAKE, test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf)")
    pytester.runpytest_subprocess("--vmaf-json=r.json", "--vmaf-html=r.html", "-n2", "--dist=each")
    found = sorted((test["id"], test["worker"]) for test in read(pytester)["tests"])
    assert found == [("test_it.py::test_a", "gw0"), ("test_it.py::test_a", "gw1")]
    assert "<small>gw1</small>" in (pytester.path / "r.html").read_text()


def test_the_pictures_of_all_tests_together_are_bounded() -> None:
    from pytest_vmaf.report import collector as collect

    def report(number: int, when: str) -> Any:
        gate = {"margin": -float(number), "passed": False, "metric": "neg"}
        pictures = [dict.fromkeys(("reference", "distorted", "difference"), "x" * 500_000) for _ in range(2)]
        measured = {"status": "failed", "gates": [gate], "neg": 90.0, "pictures": pictures}
        sent = {"measurements": [measured] if when == "call" else [], "sections": []}
        return type(
            "Report",
            (),
            {
                "nodeid": f"t::{number}",
                "when": when,
                "outcome": "failed" if when == "call" else "passed",
                "vmaf": sent,
                "location": ("t.py", 0, "t"),
                "longrepr": "no",
                "duration": 0.0,
            },
        )()

    collector = collect.Collector()
    for number in range(20):
        for when in ("setup", "call", "teardown"):
            collector.add(report(number, when))
    kept = [len(t["measurements"][0]["pictures"]) for t in collector.records()]
    # The worst ones keep theirs.
    assert kept == [*[0] * 15, *[2] * 5]
    assert collector.pictures_left_out == 30
    assert "left out" in collector.records()[0]["measurements"][0]["left_out"]
    json.dumps(collector.records())


def test_subtests_of_a_test_that_is_run_again_stay_with_their_attempt(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures", reason="pytest-rerunfailures is not installed; pip install '.[test]'")
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests; install pytest 9 to run this")
    pytester.makepyfile(
        test_it="""
        import pathlib
        from fake import fake

        def test_it(vmaf, subtests):
            path = pathlib.Path("again")
            for neg in (91, 95):
                with subtests.test(neg=neg):
                    fake(vmaf, neg)
            fake(vmaf, 96)
            first = not path.exists()
            path.touch()
            assert not first
        """
    )
    run("--reruns=1")
    [test] = read(pytester)["tests"]
    assert test["status"] == "passed"
    assert [m["neg"] for m in test["measurements"]] == [91, 95, 96]
    assert [[m["neg"] for m in attempt["measurements"]] for attempt in test["earlier"]] == [[91, 95, 96]]


def test_junit_has_the_last_attempts_numbers_and_the_users_own(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures", reason="pytest-rerunfailures is not installed; pip install '.[test]'")
    pytester.makepyfile(
        test_it="""
        import pathlib
        from fake import fake

        def test_it(vmaf, record_property):
            record_property("vmaf.commit", "abc")
            if not pathlib.Path("again").exists():
                pathlib.Path("again").touch()
                fake(vmaf, 80, min_neg=90)
        """
    )
    run("--reruns=1", "--junitxml=junit.xml")
    # pytest writes one testcase for each attempt.
    first, last = (pytester.path / "junit.xml").read_text().split("<testcase")[1:]
    assert 'name="vmaf.neg" value="80.0000"' in first
    assert "vmaf.commit" in last
    assert "vmaf.neg" not in last


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes; run on Linux or macOS")
def test_a_disk_that_fills_half_way_keeps_the_old_report_whole(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest, resource

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish(session):
            if not hasattr(session.config, "workerinput"):
                resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        """
    )
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=90)")
    for name in ("r.html", "r.json"):
        (pytester.path / name).write_text("the old one")
    result = run("--vmaf-html-assets")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    for what in ("JSON", "HTML report"):
        result.stdout.fnmatch_lines([f"vmaf: the {what} could not be written to *: File too large. *results stand."])
    assert (pytester.path / "r.html").read_text() == (pytester.path / "r.json").read_text() == "the old one"
    assert not [path for path in pytester.path.rglob(".*") if path.is_file() and "r." in path.name]


def test_gates_that_fixtures_hold_count_with_their_numbers(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from fake import fake

        @pytest.fixture
        def before(vmaf): fake(vmaf, 94, min_neg=99)

        @pytest.fixture
        def after(vmaf):
            yield
            fake(vmaf, 95, min_neg=93)

        @pytest.fixture
        def untidy():
            yield
            raise OSError("busy")

        def test_setup(before): pass
        def test_teardown(after): pass
        def test_both(vmaf, untidy): fake(vmaf, 96, min_neg=93)
        """
    )
    run()
    document = read(pytester)
    assert statuses(document) == {"test_setup": "failed", "test_teardown": "passed", "test_both": "error"}
    found = {t["id"].partition("::")[2]: [m["neg"] for m in t["measurements"]] for t in document["tests"]}
    assert found == {"test_setup": [94], "test_teardown": [95], "test_both": [96]}
    page = (pytester.path / "r.html").read_text()
    assert "1 of 3 tests failed and 1 ended with an error. Worst: test_setup, NEG 94.00" in page


@pytest.mark.parametrize("how", ["pytest.skip('no')", "pytest.importorskip('numpyx')", "pytest.fail('no')"])
def test_an_outcome_in_a_section_hook_ends_nothing(run: Run, pytester: pytest.Pytester, how: str) -> None:
    pytester.makeconftest(
        f"""
        import pytest
        def pytest_vmaf_test_sections(item, measurements): {how}
        def pytest_vmaf_run_sections(config, document): {how}
        """
    )
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf)\ndef test_b(vmaf): fake(vmaf)")
    run().assert_outcomes(passed=2)
    assert len(read(pytester)["tests"]) == 2


def test_what_a_hook_writes_into_its_copy_stays_there(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_vmaf import Paragraph, Section

        def pytest_vmaf_test_sections(item, measurements):
            measurements[0]["bitrate"] = 5
            return [Section(f"{len(measurements)} measured", [Paragraph("x")])]

        def pytest_vmaf_run_sections(config, document): document["tests"][0]["x"] = 5
        """
    )
    pytester.makepyfile(
        test_it="""
        from fake import fake

        def test_a(vmaf, subtests):
            for neg in (91, 92):
                with subtests.test(neg=neg):
                    fake(vmaf, neg)
        """
    )
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests; install pytest 9 to run this")
    run()
    # Once a test, not once a subtest.
    assert [section["title"] for section in read(pytester)["tests"][0]["sections"]] == ["2 measured"]


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        ({"test_bad": "import nothing_like_it"}, ["--continue-on-collection-errors"], "1 file could not be collected"),
        ({"test_z": "import pytest\ndef test_z(): pytest.exit('enough', 7)\ndef test_y(): pass"}, [], "1 test short"),
    ],
    ids=["collection", "exit"],
)
def test_a_run_that_is_not_whole_is_not_shown_as_good(
    pytester: pytest.Pytester, files: dict[str, str], arguments: list[str], said: str
) -> None:
    pytester.makepyfile(fake=FAKE, test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=90)", **files)
    pytester.runpytest_subprocess("--vmaf-json=r.json", "--vmaf-html=r.html", *arguments)
    page = (pytester.path / "r.html").read_text()
    assert '<header class="bad">' in page
    assert said in page
    assert not documents.is_complete(read(pytester))
    argv = [sys.executable, "-m", "pytest_vmaf", "report", "r.json", "-o", "m.html"]
    assert subprocess.run(argv, cwd=pytester.path, stdout=subprocess.DEVNULL).returncode == 3


def test_a_run_that_runs_out_of_workers_is_not_shown_as_good(pytester: pytest.Pytester) -> None:
    tests = "\n".join(f"def test_{n}(vmaf): fake(vmaf)" for n in range(6))
    crash = "def test_crash(): import os; os._exit(3)"
    pytester.makepyfile(fake=FAKE, test_it=f"from fake import fake\n{crash}\n{tests}")
    pytester.runpytest_subprocess("--vmaf-json=r.json", "--vmaf-html=r.html", "-n1", "--max-worker-restart=0")
    [ended] = read(pytester)["runs"]
    assert ended["ended"] == "interrupted"
    assert (ended["planned"], ended["ran"]) == (7, 1)
    # What died was no test of this plugin.
    assert read(pytester)["tests"] == []


def test_a_secret_on_the_command_line_stays_out_of_the_report(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--farm-token')")
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf)")
    run("--farm-token=abc123", "--farm-token", "abc123 4")
    assert "--farm-token=***" in read(pytester)["runs"][0]["command"]
    assert "abc123" not in (pytester.path / "r.html").read_text() + (pytester.path / "r.json").read_text()


def test_a_pytest_that_a_test_starts_keeps_out_of_githubs_summary(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(fake=FAKE, test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=95)")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.stdout.no_fnmatch_line("::error*")
    assert not (pytester.path / "summary.md").exists()
