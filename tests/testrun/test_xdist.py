"""What crosses processes under xdist: measurements, properties, sections, baselines, the cache, and dying workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Run = Callable[..., pytest.RunResult]
Report = Callable[[], dict[str, Any]]
Entries = Callable[[], dict[str, dict[str, dict[str, Any]]]]

JSON, HTML = "--vmaf-json=r.json", "--vmaf-html=r.html"


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {test["id"].partition("::")[2]: test for test in document["tests"]}


def negs(test: dict[str, Any]) -> list[float]:
    return [measurement["neg"] for measurement in test["measurements"]]


def test_measurements(run_xdist: Run, fake: None, report: Report, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_vmaf import Paragraph, Section

        def pytest_addoption(parser):
            parser.addoption("--sharpen", type=float)

        def pytest_vmaf_test_sections(item, measurements):
            return [Section(f"{len(measurements)} measured", [Paragraph(item.name)])]

        def pytest_vmaf_run_sections(config, document):
            return [Section("Farm", [Paragraph(f"{len(document['tests'])} tests")])]
        """
    )
    pytester.makepyfile(
        test_it="""
        import enum, pathlib
        import numpy as np
        import pytest
        from fake import fake

        class Codec(enum.Enum):
            X264 = "libx264"

        def test_passed(vmaf, record_property):
            result = fake(vmaf)
            record_property("neg", result.neg)
            record_property("numpy", np.float64(1.5))
            record_property("codec", Codec.X264)
            record_property("path", pathlib.Path("x"))
            record_property("many", [result.neg, {"p5": result.neg.p5}])

        def test_several(vmaf):
            for neg in (94, 95, 96): fake(vmaf, neg)

        def test_option(vmaf): fake(vmaf, 91)
        def test_assert(vmaf): assert fake(vmaf).neg > 97
        def test_error(vmaf): vmaf.check("no.mkv", "no.mp4")
        def test_skipped(vmaf): pytest.skip("no clip here")
        @pytest.mark.vmaf(min_neg=3)
        def test_nothing_measured(vmaf): pass
        @pytest.fixture
        def untidy(): yield; raise RuntimeError("cannot clean up")
        def test_teardown(vmaf, untidy): fake(vmaf)
        def test_without_vmaf(): pass
        def test_baseline(vmaf): fake(vmaf, baseline="it")

        @pytest.mark.parametrize("name", ["<script>", "caf\\udce9"], ids=ascii)
        def test_hostile(vmaf, name):
            fake(vmaf)
            assert False, f"</pre><script>{name!a}</script>\\x1b[2J"

        @pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="this pytest has no subtests")
        def test_subtests(vmaf, request):
            subtests = request.getfixturevalue("subtests")
            result = fake(vmaf, 96)
            for neg in (91.5, 95):
                with subtests.test("rung", limit=result.neg):
                    fake(vmaf, neg, min_neg=93)
        """
    )
    arguments = ("--vmaf-gate=min_neg=92", "--vmaf-generation=v1", "--sharpen", "1.0", "-k", "test", "--maxfail=99")
    result = run_xdist("-n1", JSON, HTML, "--junitxml=junit.xml", *arguments)
    document = report()
    tests = by_name(document)
    statuses = {name: test["status"] for name, test in tests.items() if "hostile" not in name}
    if not hasattr(pytest, "Subtests"):
        del statuses["test_subtests"]
    else:
        assert statuses.pop("test_subtests") == "failed"
        assert negs(tests["test_subtests"]) == [96, 91.5, 95]
        names = [measurement.get("subtest") for measurement in tests["test_subtests"]["measurements"]]
        assert names[0] is None
        assert all(name.startswith("rung limit=") for name in names[1:])
    assert statuses == {
        "test_passed": "passed",
        "test_several": "passed",
        "test_option": "failed",
        "test_assert": "failed",
        "test_error": "error",
        "test_skipped": "skipped",
        "test_nothing_measured": "failed",
        "test_teardown": "error",
        "test_baseline": "failed",
    }
    assert len([name for name in tests if "hostile" in name]) == 2
    assert "NEG 91.000 < 92" in tests["test_option"]["message"]
    assert negs(tests["test_several"]) == [94, 95, 96]
    assert document["runs"][0]["ran"] == len(tests) + 1
    assert tests["test_passed"]["sections"][0]["title"] == "1 measured"
    assert document["sections"][0]["title"] == "Farm"
    text = (pytester.path / "r.html").read_text()
    assert text.count("<script") == 1
    assert "\x1b" not in text
    # The command re-runs a test with the settings of the run, and without workers.
    command = "pytest test_it.py::test_baseline -p no:cacheprovider --vmaf-gate=min_neg=92 --vmaf-generation=v1"
    result.stdout.fnmatch_lines([f"*write it: {command} --sharpen 1.0 --vmaf-baseline-update=missing"])
    cases = {case.get("name"): case for case in ElementTree.parse(pytester.path / "junit.xml").iter("testcase")}
    properties = {each.get("name"): each.get("value") for each in cases["test_passed"].iter("property")}
    assert (properties["numpy"], properties["codec"], properties["path"]) == ("1.5", "libx264", "x")
    assert properties["vmaf.neg"] == "93.0000"


@pytest.mark.slow
def test_baselines(run: Run, run_xdist: Run, clips: object, entries: Entries, pytester: pytest.Pytester) -> None:
    """Two workers write into one file, each entry once, and the controller removes what is gone."""
    gone = "from clips import *\ndef test_gone(vmaf): vmaf.score(REF, OUT, baseline=True)"
    pytester.makepyfile(test_it=gone)
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    pytester.makepyfile(
        test_it="""
        import pytest
        from clips import *

        @pytest.mark.parametrize("how", ["a b", "q'uo\\"te", "[x]::y", "ü", "#2"])
        def test_odd(vmaf, how):
            vmaf.score(REF, OUT, baseline=True)

        class TestGroup:
            @pytest.mark.xdist_group("one")
            @pytest.mark.vmaf(baseline=True, max_vmaf_drop="1%")
            def test_marked(self, vmaf):
                vmaf.check(REF, OUT)
                vmaf.check(REF, OUT, baseline="named")
        """
    )
    result = run_xdist("--vmaf-baseline-update=all", "--dist=loadgroup")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["vmaf: baselines: 7 added, 1 removed in __vmaf__/test_it.json"])
    stored = entries()
    assert set(stored["TestGroup::test_marked"]) == {"out.mp4", "named"}
    assert len(stored) == 6
    assert not any("@" in test for test in stored)
    run().assert_outcomes(passed=6)


@pytest.mark.slow
def test_killed_worker(
    run: Run, run_xdist: Run, clips: object, fake: None, entries: Entries, report: Report, pytester: pytest.Pytester
) -> None:
    """It costs its own test and no other, no finished baseline, and no baseline is removed."""
    gone = "from clips import *\ndef test_gone(vmaf): vmaf.score(REF, OUT, baseline=True)"
    pytester.makepyfile(test_it=gone)
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    pytester.makepyfile(
        test_it="""
        import os, pytest, signal
        from clips import *
        from fake import fake

        @pytest.mark.parametrize("number", range(6))
        def test_it(vmaf, number):
            fake(vmaf, 90 + number, min_neg=80)
            if number == 3:
                os.kill(os.getpid(), signal.SIGKILL)

        def test_new(vmaf): vmaf.score(REF, OUT, baseline=True)
        """,
    )
    result = run_xdist("-n1", JSON, "--vmaf-baseline-update=all")
    result.assert_outcomes(passed=6, failed=1)
    tests = by_name(report())
    assert {name: test["status"] for name, test in tests.items()} == {
        **{f"test_it[{number}]": "passed" for number in (0, 1, 2, 4, 5)},
        "test_it[3]": "error",
        "test_new": "passed",
    }
    assert "crashed while running" in tests["test_it[3]"]["message"]
    assert negs(tests["test_it[5]"]) == [95]
    assert tests["test_it[3]"]["measurements"] == []
    assert set(entries()) == {"test_new", "test_gone"}


@pytest.mark.slow
def test_no_workers_remain(run_xdist: Run, fake: None, report: Report, pytester: pytest.Pytester) -> None:
    tests = "\n".join(f"def test_{n}(vmaf): fake(vmaf)" for n in range(6))
    crash = "def test_crash(): import os; os._exit(3)"
    pytester.makepyfile(test_it=f"from fake import fake\n{crash}\n{tests}")
    run_xdist(JSON, "-n1", "--max-worker-restart=0")
    [facts] = report()["runs"]
    assert facts["ended"] == "interrupted"
    assert (facts["planned"], facts["ran"]) == (7, 1)
    # The test that died was none of this plugin's.
    assert report()["tests"] == []


@pytest.mark.slow
def test_cache(run: Run, run_xdist: Run, real_clips: None, report: Report, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clips import *

        def test_good(vmaf): vmaf.check(REF, GOOD, min_neg=10)

        def test_sharp(vmaf): vmaf.score(REF, SHARP, max_gap=50, above_100=False)
        """
    )

    def measurements() -> list[dict[str, Any]]:
        rows = [each for _, test in sorted(by_name(report()).items()) for each in test["measurements"]]
        for row in rows:
            row["started"], row["provenance"]["threads"] = 0, 0
        return rows

    def cached(rows: list[dict[str, Any]]) -> list[bool]:
        return [bool(row["provenance"].pop("cached")) for row in rows]

    options = (JSON, "--vmaf-cache-dir=cache", "--vmaf-threads=1")
    run_xdist("-n1", *options).assert_outcomes(passed=2)
    first = measurements()
    assert cached(first) == [False, False]
    run(*options).assert_outcomes(passed=2)
    second = measurements()
    assert cached(second) == [True, True]
    assert second == first


@pytest.mark.slow
def test_each_worker_runs_all(run_xdist: Run, fake: None, report: Report, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf)")
    run_xdist(JSON, HTML, "--dist=each")
    tests = sorted((test["id"], test["worker"]) for test in report()["tests"])
    assert tests == [("test_it.py::test_a", "gw0"), ("test_it.py::test_a", "gw1")]
    assert "<small>gw1</small>" in (pytester.path / "r.html").read_text()


@pytest.mark.slow
def test_interrupted_worker(run: Run, run_xdist: Run, clips: Callable[[str], None], pytester: pytest.Pytester) -> None:
    text = "from clips import *\ndef test_a(vmaf): vmaf.check(REF, OUT, baseline=True)\n"
    pytester.makepyfile(test_it=text)
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    file = pytester.path / "__vmaf__" / "test_it.json"
    before = file.read_bytes()
    clips("93 91")
    pytester.makepyfile(test_it=f"{text}\ndef test_stop(): raise KeyboardInterrupt\n")
    result = run_xdist("-n1", "--vmaf-baseline-update=all")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["vmaf: the run was stopped, so no baseline was written."])
    assert file.read_bytes() == before


@pytest.mark.slow
def test_internal_error(run_xdist: Run, fake: None, report: Report, pytester: pytest.Pytester) -> None:
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
    assert run_xdist("-n1", JSON).ret != 0
    assert by_name(report())["test_a"]["status"] == "failed"


@pytest.mark.slow
def test_no_scorer_remains(
    run_xdist: Run, real_clips: None, pytester: pytest.Pytester, make: Callable[..., Path]
) -> None:
    scene = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25")
    long = make(*scene, "-frames:v", 300, "-c:v", "libx264", "-preset", "ultrafast", pytester.path / "long.mp4")
    pytester.makepyfile(
        f"""
        import os, signal, threading
        from clips import *

        def test_ends(vmaf):
            vmaf.check(REF, GOOD)

        def test_dies(vmaf):
            threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGKILL)).start()
            vmaf.score({str(long)!r}, {str(long)!r})
        """
    )
    result = run_xdist("-n1")
    result.stdout.fnmatch_lines(["*worker*crashed*", "passed *test_ends (*"])

    def command_line(process: Path) -> bytes:
        try:
            return process.read_bytes()
        except OSError:
            return b""

    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(long).encode() in command_line(path)]
