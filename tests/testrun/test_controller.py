"""The reports of a run: outcomes, interruptions, errors, pictures, sections, and files that cannot be written."""

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

from pytest_vmaf.cli.main import main
from pytest_vmaf.report import document as documents

Run = Callable[..., pytest.RunResult]
Report = Callable[[], dict[str, Any]]

JSON, HTML = "--vmaf-json=r.json", "--vmaf-html=r.html"
A_TEST = "from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=90)"
SUBTESTS = pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="this pytest has no subtests; install pytest 9")


@pytest.fixture(autouse=True)
def _fake(fake: None) -> None:
    """Nothing is measured here but where clips are."""


def page(pytester: pytest.Pytester) -> str:
    text = (pytester.path / "r.html").read_text()
    assert text.rstrip().endswith("</html>")
    return text


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {test["id"].partition("::")[2]: test for test in document["tests"]}


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {name: test["status"] for name, test in by_name(document).items()}


def negs(test: dict[str, Any]) -> list[float]:
    return [measurement["neg"] for measurement in test["measurements"]]


def test_caught_failures(run: Run, report: Report, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from fake import fake

        def test_caught(vmaf):
            try:
                fake(vmaf, min_neg=99, baseline=True)
            except AssertionError:
                pass

        def test_skipped(vmaf):
            import pytest
            try:
                fake(vmaf, min_neg=99)
            except AssertionError:
                pytest.skip("it is too bad today")

        def test_passed(vmaf): fake(vmaf, min_neg=90)

        def test_meant(vmaf):
            from pytest_vmaf import FakeScorer
            assert vmaf.score("ref.mkv", "out.mp4", scorer=FakeScorer(vmaf=95, neg=93)).neg < 99
        """
    )
    result = run(JSON, "--vmaf-baseline-update=missing")
    assert not list(pytester.path.rglob("__vmaf__"))
    # The verdicts of tests are pytest's.
    assert result.ret == 0
    text = "A gate failed in this test, and the test caught the error: NEG 93.00 where at least 99 is required"
    remedy = "If that is meant, assert on vmaf.score() instead."
    lines = [f"vmaf: test_it.py::{name}: {text}*{remedy}" for name in ("test_caught", "test_skipped")]
    result.stdout.fnmatch_lines(lines, consecutive=True)
    tests = by_name(report())
    assert tests["test_caught"]["message"].startswith(text)
    assert text in tests["test_skipped"]["message"]
    assert tests["test_passed"]["message"] == tests["test_meant"]["message"] == ""
    assert main(["report", str(pytester.path / "r.json"), "-o", str(pytester.path / "r.md")]) == 1


def test_outcomes(run: Run, report: Report, pytester: pytest.Pytester) -> None:
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
    result = run(JSON, HTML)
    document = report()
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
    tests = by_name(document)
    assert "NEG 93.000 < 95" in tests["test_failed"]["message"]
    assert "no.mkv does not exist" in tests["test_error"]["message"]
    assert "no clip here" in tests["test_skipped"]["message"]
    assert "no licence for the encoder" in tests["test_setup"]["message"]
    assert "cannot clean up" in tests["test_teardown"]["message"]
    assert (tests["test_passed"]["file"], tests["test_passed"]["line"]) == ("test_it.py", 4)
    assert negs(tests["test_passed"]) == [pytest.approx(93)]
    [facts] = document["runs"]
    assert (facts["ended"], facts["exit"], facts["ran"]) == ("finished", 1, 11)
    # Once, not under each failure.
    assert result.stdout.str().count("r.html (") == 1
    assert "vmaf report" not in result.stdout.str()
    result.stdout.fnmatch_lines(["vmaf: JSON: *r.json (* KB)", "vmaf: HTML report: *r.html (* KB)"])
    page(pytester)


def test_no_report_without_options(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=95)")
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*vmaf: HTML*")
    assert not [path for path in pytester.path.iterdir() if path.suffix in (".html", ".json")]


def test_nothing_measured(run: Run, report: Report, pytester: pytest.Pytester) -> None:
    assert run(JSON).ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert report()["runs"][0]["exit"] == 5
    pytester.makepyfile(test_it="def test_a(): pass")
    run(JSON, HTML).assert_outcomes(passed=1)
    assert report()["tests"] == []
    assert "Nothing was measured" in page(pytester)


def test_collect_only(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_a(vmaf): pass")
    run(JSON, HTML, "--collect-only")
    assert not list(pytester.path.glob("r.*"))


def test_order_of_measurements(run: Run, report: Report, pytester: pytest.Pytester) -> None:
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
    run(JSON).assert_outcomes(passed=3)
    assert [negs(test) for test in report()["tests"]] == [[neg, neg + 0.5] for neg in (91, 92, 93)]


@SUBTESTS
def test_subtests(run: Run, report: Report, pytester: pytest.Pytester) -> None:
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
    run(JSON)
    [test] = report()["tests"]
    assert test["status"] == "failed"
    names = [measurement.get("subtest") for measurement in test["measurements"]]
    # What was measured before a subtest comes with its report, and is not its own.
    assert names == [None, "rung neg=91", "rung neg=95", None]
    assert negs(test) == [96, 91, 95, 97]
    assert "rung neg=91: " in test["message"]


def test_stopped_after_failures(run: Run, report: Report, pytester: pytest.Pytester) -> None:
    tests = "\n".join(f"def test_{n}(vmaf): fake(vmaf, {90 + n}, min_neg=91)" for n in range(8))
    pytester.makepyfile(test_it=f"from fake import fake\n{tests}")
    run(JSON, HTML, "-x")
    document = report()
    assert statuses(document) == {"test_0": "failed"}
    assert document["runs"][0]["ended"] == "interrupted"
    assert "stopping after 1 failures" in document["runs"][0]["why"]
    assert '<header class="bad">' in page(pytester)


def test_internal_error(run: Run, report: Report, pytester: pytest.Pytester) -> None:
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
    result = run(JSON)
    document = report()
    assert statuses(document)["test_a"] == "failed"
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    assert document["runs"][0]["ended"] == "internal error"
    result.stdout.fnmatch_lines(["vmaf: JSON: *"])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is a signal elsewhere; run on Linux or macOS")
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_ctrl_c(pytester: pytest.Pytester, report: Report, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
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
    argv = [sys.executable, "-m", "pytest", JSON, HTML, "-p", "no:cacheprovider"]
    # Each worker gets the tests in turn, so that 0 to 3 have ended when both wait.
    process = subprocess.Popen([*argv, *workers], cwd=pytester.path, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(pytester.path.glob("waits*"))) < max(1, 2 * len(workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    # As a terminal does: the controller and its workers alike.
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == pytest.ExitCode.INTERRUPTED
    document = report()
    assert document["runs"][0]["ended"] == "interrupted"
    status = statuses(document)
    assert {status[f"test_it[{number}]"] for number in range(4)} == {"passed"}
    assert status["test_it[4]"] == "error"
    assert "test_it[7]" not in status or workers
    assert "stopped before its end" in page(pytester)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_full_disk(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=A_TEST)
    result = run("--vmaf-json=/dev/full")
    assert result.ret == 0
    result.assert_outcomes(passed=1)
    text = "vmaf: the JSON could not be written to /dev/full: No space left on device. Test results are not affected."
    result.stdout.fnmatch_lines([text])
    result = run("--vmaf-html=/dev/full")
    result.stdout.fnmatch_lines([text.replace("JSON", "HTML report")])


def test_report_that_cannot_be_replaced(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=95)")
    (pytester.path / "file").write_text("in the way")
    result = run(HTML, "--vmaf-json=file/r.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["vmaf: the JSON could not be written to *file/r.json: *results are not affected."])
    page(pytester)
    assert (pytester.path / "file").read_text() == "in the way"


@pytest.mark.slow
def test_two_runs_write_to_one_place(pytester: pytest.Pytester, report: Report) -> None:
    pytester.makepyfile(test_it=A_TEST)
    argv = [sys.executable, "-m", "pytest", "-q", JSON, HTML, "--vmaf-html-assets", "-p", "no:cacheprovider"]
    processes = [
        subprocess.Popen(argv, cwd=pytester.path, stdout=subprocess.PIPE, text=True, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, outputs
    assert statuses(report()) == {"test_a": "passed"}
    text = page(pytester)
    for asset in (pytester.path / "r_assets").iterdir():
        assert asset.name in text or asset.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vmaf-html=."], "--vmaf-html must be the name of a file, and . is a folder"),
        (["--vmaf-html-assets"], "--vmaf-html-assets requires --vmaf-html=PATH"),
        (["--vmaf-html=a", "--vmaf-json=a"], "must be different files"),
        (["--vmaf-html=a", "--vmaf-pictures=11"], "--vmaf-pictures must be a number from 0 to 10, not 11"),
    ],
)
def test_invalid_options(run: Run, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])


def test_paths_relative_to_start(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from fake import fake

        def test_a(vmaf, tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)
            fake(vmaf)
        """
    )
    run("--vmaf-json=new/folder/r.json")
    assert (pytester.path / "new" / "folder" / "r.json").is_file()


@pytest.mark.slow
def test_pictures(run: Run, report: Report, real_clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import shutil
        import pytest
        from clips import *
        from pytest_vmaf import GateViolation

        def test_gate(vmaf): vmaf.check(REF, SHARP)
        def test_assert(vmaf): assert vmaf.score(REF, GOOD).neg > 99.9
        def test_passes(vmaf): vmaf.check(REF, GOOD)

        def test_removed(vmaf, tmp_path):
            copy = shutil.copy(GOOD, tmp_path)
            neg = vmaf.score(REF, copy).neg
            (tmp_path / copy).unlink()
            assert neg > 99.9

        def test_rewritten(vmaf, tmp_path):
            with pytest.raises(GateViolation):
                vmaf.check(REF, shutil.copy(SHARP, tmp_path / "out.mp4"))
            vmaf.check(REF, shutil.copy(GOOD, tmp_path / "out.mp4"), min_neg=99)
        """
    )
    cache = ("--vmaf-cache-dir=cache", JSON, HTML, "--vmaf-json-pictures")
    run(*cache).assert_outcomes(failed=4, passed=1)
    tests = by_name(report())
    pictures = {name: [each.get("pictures") or [] for each in test["measurements"]] for name, test in tests.items()}
    assert {picture["metric"] for picture in pictures["test_gate"][0]} <= {
        "contrast",
        "enhancement",
        "above_100",
        "neg",
    }
    assert [(p["width"], p["height"]) for p in pictures["test_assert"][0]] == [(192, 128)] * 2
    counts = {name: list(map(len, each)) for name, each in pictures.items()}
    assert counts == {
        "test_gate": [2],
        "test_assert": [2],
        "test_passes": [0],
        "test_removed": [0],
        "test_rewritten": [0, 2],
    }
    for name in ("test_removed", "test_rewritten"):
        assert "written or removed after it was scored" in tests[name]["measurements"][0]["left_out"]
    # Three pictures of each frame, and two thumbnails in each row and in the box of the verdict.
    assert page(pytester).count("data:image/jpeg;base64,/9j/") == 18 + 6 + 6
    run(*cache, "--vmaf-pictures=0").assert_outcomes(failed=4, passed=1)
    assert "image/jpeg" not in page(pytester)


def test_sections_of_plugins(run: Run, report: Report, pytester: pytest.Pytester) -> None:
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
    run(JSON, HTML).assert_outcomes(passed=1)
    assert report()["tests"][0]["sections"][0]["blocks"][0]["rows"] == [["out-92.mp4"]]
    text = page(pytester)
    assert "Bit &lt;i&gt;rate&lt;/i&gt;" in text
    assert "1 tests ran on the farm &amp; elsewhere" in text
    assert "&lt;b&gt;x264&lt;/b&gt;" in text


@pytest.mark.parametrize(
    "how", ["raise RuntimeError('no')", "pytest.skip('no')", "pytest.importorskip('numpyx')", "pytest.fail('no')"]
)
def test_section_hook_that_fails(run: Run, report: Report, pytester: pytest.Pytester, how: str) -> None:
    pytester.makeconftest(
        f"""
        import pytest
        def pytest_vmaf_test_sections(item, measurements): {how}
        def pytest_vmaf_run_sections(config, document): {how}
        """
    )
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf)\ndef test_b(vmaf): fake(vmaf)")
    result = run(JSON)
    result.assert_outcomes(passed=2)
    lines = [line for line in result.outlines if "could not be built" in line]
    assert [line.split()[4] for line in lines] == ["pytest_vmaf_run_sections", "pytest_vmaf_test_sections"]
    document = report()
    assert len(document["tests"]) == 2
    assert "no" in document["tests"][0]["sections"][0]["blocks"][0]["text"]
    assert "pytest_vmaf_run_sections" in document["sections"][0]["blocks"][0]["text"]


@SUBTESTS
def test_section_hook_gets_copies(run: Run, report: Report, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_vmaf import Paragraph, Section

        def pytest_vmaf_test_sections(item, measurements):
            measurements[0]["bitrate"] = 5
            return [Section(f"{len(measurements)} measured", [Paragraph("x")])]

        def pytest_vmaf_run_sections(config, document):
            document["tests"][0]["x"] = 5
            return ["not a section"]
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
    run(JSON)
    document = report()
    # Once for each test, not for each subtest.
    assert [section["title"] for section in document["tests"][0]["sections"]] == ["2 measured"]
    assert "pytest_vmaf_run_sections" in document["sections"][0]["blocks"][0]["text"]


def test_hostile_names(run: Run, report: Report, pytester: pytest.Pytester) -> None:
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
    run(JSON, HTML, "--tb=no").assert_outcomes(failed=5)
    text = page(pytester)
    assert text.count("<script") == 1
    assert "\x1b" not in text
    assert len(report()["tests"]) == 5


def test_limit_of_pictures() -> None:
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
    counts = [len(test["measurements"][0]["pictures"]) for test in collector.records()]
    # The worst ones keep theirs.
    assert counts == [*[0] * 15, *[2] * 5]
    assert collector.pictures_left_out == 30
    assert "left out" in collector.records()[0]["measurements"][0]["left_out"]
    json.dumps(collector.records())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes; run on Linux or macOS")
def test_disk_that_fills_up(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest, resource, sys

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish(session):
            # Python would leave half of a module's bytecode behind, for all later runs.
            sys.dont_write_bytecode = True
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        """
    )
    pytester.makepyfile(test_it=A_TEST)
    for name in ("r.html", "r.json"):
        (pytester.path / name).write_text("the old one")
    result = run_apart(JSON, HTML, "--vmaf-html-assets")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    for what in ("JSON", "HTML report"):
        result.stdout.fnmatch_lines([f"vmaf: the {what} could not be written to *: File too large. *not affected."])
    assert (pytester.path / "r.html").read_text() == (pytester.path / "r.json").read_text() == "the old one"
    assert not [path for path in pytester.path.rglob(".*") if path.is_file() and "r." in path.name]


def test_gates_in_fixtures(run: Run, report: Report, pytester: pytest.Pytester) -> None:
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
    run(JSON, HTML)
    document = report()
    assert statuses(document) == {"test_setup": "failed", "test_teardown": "passed", "test_both": "error"}
    assert {name: negs(test) for name, test in by_name(document).items()} == {
        "test_setup": [94],
        "test_teardown": [95],
        "test_both": [96],
    }
    assert "1 of 3 tests failed and 1 ended with an error." in page(pytester)
    assert "NEG 94.00 is 5.00 below the minimum of 99" in page(pytester)


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ({"test_bad": "import nothing_like_it"}, ["--continue-on-collection-errors"], "1 file could not be collected"),
        ({"test_z": "import pytest\ndef test_z(): pytest.exit('enough', 7)\ndef test_y(): pass"}, [], "1 test short"),
    ],
    ids=["collection", "exit"],
)
def test_incomplete_run(
    run: Run, report: Report, pytester: pytest.Pytester, files: dict[str, str], arguments: list[str], message: str
) -> None:
    pytester.makepyfile(test_it=A_TEST, **files)
    run(JSON, HTML, *arguments)
    text = page(pytester)
    assert '<header class="bad">' in text
    assert message in text
    assert not documents.is_complete(report())
    assert main(["report", str(pytester.path / "r.json"), "-o", str(pytester.path / "m.html")]) == 3


def test_secrets(run: Run, report: Report, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--farm-token')")
    pytester.makepyfile(test_it=A_TEST)
    run(JSON, HTML, "--farm-token=abc123", "--farm-token", "abc123 4")
    assert "--farm-token=***" in report()["runs"][0]["command"]
    assert "abc123" not in page(pytester) + (pytester.path / "r.json").read_text()


def test_nested_run_leaves_github_alone(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=95)")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    run().stdout.no_fnmatch_line("::error*")
    assert not (pytester.path / "summary.md").exists()
