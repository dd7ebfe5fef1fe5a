"""The plugin: gates, marker, options, messages, and what an unused plugin costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.every_python

Run = Callable[..., pytest.RunResult]

A_CHECK = "from clips import *\ndef test_a(vmaf): vmaf.check(REF, GOOD)"
A_SCORE = "from clips import *\ndef test_a(vmaf): vmaf.score(REF, GOOD)"


def test_real_clips(run: Run, real_clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_honest(vmaf):
            result = vmaf.check(REF, GOOD, min_neg=60)
            assert result.neg >= 60
            assert result.gap <= 3
            assert not result.above_100

        def test_sharpened(vmaf):
            vmaf.check(REF, SHARP)

        def test_mean(vmaf):
            assert vmaf.score(REF, GOOD).neg >= 99.5

        def test_pool(vmaf):
            assert 99.5 <= vmaf.score(REF, GOOD).neg.p5

        def test_above(vmaf):
            assert not vmaf.score(REF, SHARP).above_100

        def test_scales(vmaf):
            result = vmaf.score(REF, GOOD)
            assert result.neg <= result.vmaf
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=5)
    result.stdout.fnmatch_lines(
        [
            "*GateViolation: *; enhancement * > 12.5; * frames above 100 *, 0 allowed (3 of * gates failed)",
            "*max_enhancement: enhancement * (missed by *; set by the default)",
            "*worst frames: frame * (0:00*",
            "*models: vmaf_v0.6.1 / vmaf_v0.6.1neg; scorer: ffmpeg (libvmaf *",
            "E*assert NEG * >= 99.5   (left minus right: -*)",
            "E*assert 99.5 <= NEG p5 *(left minus right: +*)",
            "E*assert not <* of 12 frames above 100 and above the reference's self-score; furthest frame *",
            "*IncomparableScores: NEG (vmaf_v0.6.1neg) at 192x128 and VMAF*",
            "*vmaf: measurements*",
            "FAILED*test_sharpened (*",
            "passed *test_honest (*",
        ]
    )


def test_error_is_not_a_failure(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile('def test_missing(vmaf): vmaf.check("missing.mkv", "missing.mp4")')
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*ERROR at call of test_missing*",
            "*ClipError: missing.mkv does not exist.*",
            "no score  missing.mkv does not exist  test_missing (missing.mp4)",
            "*1 error in*",
        ]
    )
    result.stdout.no_fnmatch_line("*measure.py*")


def test_layers_of_gates(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmaf_gates = min_neg=99.1\n")
    pytester.makepyfile(
        """
        import pytest
        from clips import *

        def limit(measure, **gates):
            with pytest.raises(AssertionError) as error:
                measure(REF, GOOD, **gates)
            return str(error.value)

        def test_options(vmaf):
            assert "< 99.2 (missed" in limit(vmaf.check)
            vmaf.score(REF, GOOD)

        @pytest.mark.vmaf(min_neg=99.3)
        class TestMarked:
            def test_marker(self, vmaf):
                text = limit(vmaf.check)
                assert "< 99.3 (missed" in text
                assert "set by the marker" in text
                assert "< 99.3 (missed" in limit(vmaf.score)
                assert "< 99.4 (missed" in limit(vmaf.check, min_neg=99.4)
                vmaf.check(REF, GOOD, min_neg=10)

            @pytest.mark.vmaf(min_neg=10)
            def test_nearest(self, vmaf):
                vmaf.check(REF, GOOD)

        @pytest.mark.vmaf(min_neg=None, max_gap=False)
        def test_off(vmaf):
            vmaf.check(REF, GOOD)
        """
    )
    run("--vmaf-gate=min_neg=99.2").assert_outcomes(passed=4)


def test_mapping_of_gates(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    """Each gate of a marker's mapping counts on its own, as keywords do."""
    pytester.makepyfile(
        """
        import pytest
        from clips import *

        pytestmark = pytest.mark.vmaf(gates={"min_neg": 99.3, "min_neg_p5": 99.4}, min_neg_p10=99.5)

        def names(vmaf):
            with pytest.raises(AssertionError) as caught:
                vmaf.check(REF, GOOD)
            return [name for name in ("min_neg:", "min_neg_p5:", "min_neg_p10:") if name in str(caught.value)]

        def test_module(vmaf):
            assert names(vmaf) == ["min_neg:", "min_neg_p5:", "min_neg_p10:"]

        @pytest.mark.vmaf(gates={"min_neg": 1})
        def test_mapping(vmaf):
            assert names(vmaf) == ["min_neg_p5:", "min_neg_p10:"]

        @pytest.mark.vmaf(min_neg=1, gates={"min_neg_p10": 1})
        def test_both_forms(vmaf):
            assert names(vmaf) == ["min_neg_p5:"]

        @pytest.mark.vmaf(gates=None)
        def test_none(vmaf):
            assert len(names(vmaf)) == 3

        @pytest.mark.vmaf(min_neg=1, gates={"min_neg": 2})
        def test_twice(vmaf):
            pass

        @pytest.mark.vmaf(gates=3)
        def test_number(vmaf):
            pass
        """
    )
    result = run()
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines(["*min_neg (marker) is set twice*", "*gates (marker) must be a mapping*"])


def test_last_repeated_option_wins(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(A_CHECK)
    run("--vmaf-gate=min_neg=10", "--vmaf-gate=min_neg=99.9").assert_outcomes(failed=1)


def test_gate_switched_off(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("from clips import *\ndef test_a(vmaf): vmaf.check(REF, SHARP)")
    result = run("--vmaf-gate=max_gap=off", "--vmaf-gate=above_100=off")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vmaf: *, max_gap=off (command line), above_100=off (command line)"])


def test_marker_without_measurement(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from clips import *
        from pytest_vmaf import MeasurementError

        pytestmark = pytest.mark.vmaf(min_neg=93)

        def test_no_fixture(): pass

        def test_no_call(vmaf): vmaf

        def test_skipped(): pytest.skip("not today")

        def test_swallowed(vmaf):
            try:
                vmaf.check("missing.mkv", "missing.mp4")
            except MeasurementError:
                pass

        def test_self_score(vmaf): vmaf.self_score(REF)
        """
    )
    result = run()
    result.assert_outcomes(failed=4, skipped=1)
    message = "This test has the vmaf marker but measured nothing, so none of its gates was checked."
    assert sum(line.startswith(message) for line in result.outlines) == 4


def test_invalid_marker(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from clips import *

        @pytest.mark.vmaf(min_nge=93)
        def test_a(vmaf): ...

        @pytest.mark.vmaf(93)
        def test_b(vmaf): ...

        @pytest.mark.vmaf(modle="x")
        def test_c(vmaf): ...

        @pytest.mark.vmaf(min_neg=1, min_neg_mean=99.9)
        def test_d(vmaf): ...
        """
    )
    result = run()
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(
        [
            "*The vmaf marker of this test is invalid: *min_nge*min_neg*",
            "*The vmaf marker accepts only keywords, for example min_neg=93, not 93.",
            "*The vmaf marker of this test is invalid: *modle*model*",
            "*min_neg and min_neg_mean*",
        ]
    )


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("min_nge=93", "'min_nge' (command line)"),
        ("min_neg=nan", "min_neg (command line)"),
        ("above_100=-1", "above_100 (command line)"),
    ],
)
def test_invalid_gate(run: Run, gate: str, message: str) -> None:
    result = run(f"--vmaf-gate={gate}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


@pytest.mark.parametrize(("value", "message"), [(0, "a whole number of at least 1"), (10**9, "at most ")])
def test_invalid_ini_value(run: Run, pytester: pytest.Pytester, value: int, message: str) -> None:
    pytester.makeini(f"[pytest]\nvmaf_threads = {value}\n")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"threads (ini) must be {message}" in result.stderr.str()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("vmaf_gate", " Did you mean 'vmaf_gates'?"),
        ("vmaf_modle", " Did you mean 'vmaf_model'?"),
        ("vmaf-gates", " Did you mean 'vmaf_gates'?"),
        pytest.param("VMAF_gates", "", marks=pytest.mark.slow),
    ],
)
def test_misspelled_ini_option(run: Run, pytester: pytest.Pytester, name: str, hint: str) -> None:
    pytester.makeini(f"[pytest]\n{name} = min_neg=70\nother_option = 1\n")
    result = run("--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{name} (ini) is not an option.{hint}" in result.stderr.str()


@pytest.mark.parametrize("option", ["-ovmaf_gate=min_neg=70", "--override-ini=vmaf_gate=min_neg=70"])
def test_misspelled_ini_override(run: Run, option: str) -> None:
    result = run("--collect-only", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "vmaf_gate (ini) is not an option." in result.stderr.str()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vmaf_threads = x", "vmaf_threads (ini) must be a whole number: "),
        ("vmaf_timeout = soon", "vmaf_timeout (ini) must be a number: "),
        ("vmaf_phone = 2", "vmaf_phone (ini) must be true or false: "),
    ],
)
def test_ini_value_of_another_type(run: Run, pytester: pytest.Pytester, line: str, expected: str) -> None:
    pytester.makeini(f"[pytest]\n{line}\n")
    result = run("--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"pytest-vmaf: {expected}" in result.stderr.str()


def test_misspelled_toml_option(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\nvmaf_gate = ['min_neg=99']\n[tool.other]\nvmaf_other = 1\n")
    result = run("--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "vmaf_gate (ini) is not an option." in result.stderr.str()


def test_ini_option_of_another_plugin(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmaf_farm = here\n")
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('vmaf_farm', 'a farm')")
    assert run("--collect-only").ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize(
    ("model", "message"),
    [("vmaf_v0.6", "is not a known VMAF model"), ("gone.json", "gone.json cannot be read")],
)
@pytest.mark.parametrize("place", ["command line", "ini"])
def test_unknown_model(run: Run, pytester: pytest.Pytester, place: str, model: str, message: str) -> None:
    pytester.makepyfile("def test_a(): pass")
    if place == "ini":
        pytester.makeini(f"[pytest]\nvmaf_model = {model}\n")
    result = run(*([f"--vmaf-model={model}"] if place == "command line" else []))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"model ({place}): " in result.stderr.str()
    assert message in result.stderr.str()


@pytest.mark.parametrize("table", ["[tool.pytest.ini_options]", "[tool.pytest]"])
def test_pyproject(run: Run, clips: object, pytester: pytest.Pytester, table: str) -> None:
    native = table == "[tool.pytest]"
    if native and int(pytest.__version__.partition(".")[0]) < 9:
        pytest.skip("the native table needs pytest 9")
    timeout = "60.5" if native else '"60.5"'
    pytester.makepyprojecttoml(
        f"{table}\nvmaf_gates = ['min_neg=99']\nvmaf_timeout = {timeout}\nvmaf_features = ['psnr']\n"
    )
    pytester.makepyfile(
        """
        from clips import *

        def test_a(vmaf):
            assert vmaf.score(REF, GOOD)["psnr_y"] > 20
            vmaf.check(REF, GOOD)
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*set by the ini*"])


def test_flag_of_ini_taken_back(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmaf_phone = true\n")
    pytester.makepyfile(f"{A_SCORE}.provenance['phone'] is False or 1 / 0")
    run("--no-vmaf-phone").assert_outcomes(passed=1)
    run().assert_outcomes(failed=1)


def test_gate_on_feature(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("from clips import *\ndef test_a(vmaf): vmaf.check(REF, GOOD, min_psnr_y=99)")
    run().stdout.fnmatch_lines(["*psnr_y * < 99*"])


def test_subtests(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests; install pytest 9 to run this")
    pytester.makepyfile(
        """
        from clips import *

        def test_a(vmaf, subtests):
            result = vmaf.score(REF, GOOD)
            with subtests.test("neg", limit=99):
                assert result.neg >= 99
        """
    )
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*assert NEG * >= 99*"])
    assert len([line for line in result.outlines if " test_a (" in line]) == 1


def test_unused_plugin(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_a():
            heavy = {"numpy", "onnxruntime", "jinja2", "rich", "imageio_ffmpeg", "pytest_vmaf.scoring.score"}
            assert not heavy & set(sys.modules)
            assert not [name for name in sys.modules if name.startswith("pytest_vmaf.report")]
        """
    )
    # pytest-html brings jinja2 of its own accord.
    result = run_apart("-p", "no:html")
    result.assert_outcomes(passed=1)
    # pytest itself lists the installed plugins; nothing else may name this one.
    assert not [line for line in result.outlines if "vmaf" in line and not line.startswith("plugins:")]


def test_header(run: Run) -> None:
    result = run("--vmaf-gate=min_neg=93", "--vmaf-generation=v1", "--vmaf-feature=psnr", "--vmaf-feature=cambi")
    head = "vmaf: pytest-vmaf *, generation=v1 (command line), features=psnr,cambi (command line), min_neg=93 (command*"
    result.stdout.fnmatch_lines_random([head.replace("generation=v1 (command line), features", "*features")])
    result.stdout.fnmatch_lines_random(["vmaf: pytest-vmaf *generation=v1 (command line)*"])
    run("-v").stdout.fnmatch_lines(["vmaf: pytest-vmaf *"])


def test_plugin_switched_off(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): ...")
    run_apart("-p", "no:vmaf").assert_outcomes(passed=1)


def test_help(run: Run) -> None:
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.vmaf(*"])
    text = " ".join(run("--help").stdout.str().split())
    assert text.partition("vmaf_cache (bool): ")[2].startswith("use the cache of scores and encodes (default: true)")
    assert text.partition("--vmaf-no-cache ")[2].startswith("disable the cache")


def test_gate_that_score_does_not_check(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmaf_gates = min_neg=99\n")
    pytester.makepyfile(
        test_note="""
        from clips import *

        def test_score(vmaf):
            vmaf.score(REF, GOOD)

        def test_check(vmaf):
            vmaf.self_score(REF)
            vmaf.check(REF, GOOD, min_neg=10)
        """
    )
    note = "1 of {} measurement* was not made by vmaf.check, which alone checks min_neg=99 ({})*"
    run("-k", "score").stdout.fnmatch_lines([note.format(1, "ini")])
    run("--vmaf-gate=min_neg=99").stdout.fnmatch_lines([note.format(3, "command line")])
    for arguments in ([], ["-k", "check", "--vmaf-gate=min_neg=99"]):
        run(*arguments).stdout.no_fnmatch_line("*not made by vmaf.check*")


def test_check_without_minimum(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_a(vmaf): vmaf.check(REF, GOOD)

        def test_b(vmaf): vmaf.check(REF, GOOD, min_neg=10)
        """
    )
    run().stdout.fnmatch_lines(["1 of 2 checks had no min_ gate*min_neg=90*"])


def test_nothing_measured(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): ...")
    result = run("--vmaf-gate=min_neg=50")
    result.stdout.fnmatch_lines(["vmaf: nothing was measured, so min_neg=50 (command line) was never checked."])


def test_scorer_named_as_the_plugin(run: Run, real_clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(A_SCORE)
    result = run("--vmaf-scorer=vmaf", "--vmaf-bin=no-such-vmaf")
    result.stdout.fnmatch_lines(["*ScorerError: *no-such-vmaf*"])


def test_unprintable_names(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        r"""
        from clips import *

        def test_surrogate(vmaf): vmaf.check("x\udcff.mp4", GOOD, scorer="vmaf")

        def test_escape(vmaf): vmaf.check("\x1b[2Jevil.mp4", GOOD, scorer="vmaf")

        def test_good(vmaf): vmaf.check(REF, GOOD)
        """
    )
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*1 passed, 2 errors*"])
    assert "\x1b[2J" not in result.stdout.str()


def test_error_without_text(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_vmaf import FakeScorer, ScorerError

        class Mute(FakeScorer):
            def score(self, request):
                raise ScorerError()

        def pytest_vmaf_scorer(config, name):
            return Mute() if name == "mute" else None
        """
    )
    pytester.makepyfile("def test_a(vmaf): vmaf.score('a', 'b', scorer='mute')")
    result = run()
    result.assert_outcomes(failed=0, errors=1)
    result.stdout.fnmatch_lines(["no score *test_a (b)*"])


@pytest.mark.slow
def test_tools_relative_to_start(run: Run, real_clips: None, pytester: pytest.Pytester, ffmpeg: str) -> None:
    pytester.mkdir("bin")
    (pytester.path / "bin" / "ffmpeg").symlink_to(ffmpeg)
    pytester.makepyfile(
        """
        from clips import *

        def test_a(vmaf, monkeypatch, tmp_path):
            monkeypatch.chdir(tmp_path)
            assert vmaf.score(REF, GOOD).provenance["ffmpeg_path"].endswith("bin/ffmpeg")
        """
    )
    run("--vmaf-ffmpeg=bin/ffmpeg").assert_outcomes(passed=1)
    pytester.makeini("[pytest]\nvmaf_ffmpeg = bin/ffmpeg\n")
    run().assert_outcomes(passed=1)


def test_other_properties_are_kept(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pathlib

        def pytest_runtest_logreport(report):
            if report.when == "call":
                assert isinstance(dict(report.user_properties)["path"], pathlib.Path)
        """
    )
    pytester.makepyfile("import pathlib\ndef test_a(record_property): record_property('path', pathlib.Path('x'))")
    run().assert_outcomes(passed=1)


def test_threads_per_worker(
    run: Run, clips: object, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        """
        import os
        from clips import *
        from pytest_vmaf.executors.cores import cores

        def test_a(vmaf):
            workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
            assert vmaf.score(REF, GOOD).provenance["threads"] == max(1, cores() // workers)
            assert vmaf.score(REF, GOOD, threads=3).provenance["threads"] == 3
        """
    )
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    run().assert_outcomes(passed=1)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    run().assert_outcomes(passed=1)


def test_rows_of_parameters(run: Run, clips: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from clips import *

        @pytest.mark.parametrize("limit", [10, 99])
        def test_p(vmaf, limit): vmaf.check(REF, GOOD, min_neg=limit)
        """
    )
    # The worst comes first.
    run().stdout.fnmatch_lines(["FAILED *test_p?99? (*", "passed *test_p?10? (*"])


@pytest.mark.parametrize("where", ["marker", "ini", "command line"])
def test_part(run: Run, fake: None, pytester: pytest.Pytester, where: str) -> None:
    if where == "ini":
        pytester.makeini("[pytest]\nvmaf_part = 100,48\n")
    mark = "@pytest.mark.vmaf(part=(100, 48))\n" if where == "marker" else ""
    pytester.makepyfile(
        f"import pytest\nfrom fake import fake\n{mark}def test_a(vmaf):\n"
        "    fake(vmaf)\n    assert vmaf.records[0]['reference'].endswith('(frames 100 to 147)')\n"
    )
    run(*(["--vmaf-part=100,48"] if where == "command line" else [])).assert_outcomes(passed=1)
