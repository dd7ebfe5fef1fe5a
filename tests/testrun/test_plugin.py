"""The plugin as users meet it, with pytester; each behaviour with its -n2 twin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., pytest.RunResult]


@pytest.fixture(params=["alone", "xdist"])
def run(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> Run:
    """Run pytest on what the pytester folder holds, in a process of its own, alone or under -n2."""

    def under(*arguments: str, **kwargs: object) -> pytest.RunResult:
        workers = ["-n2"] if request.param == "xdist" else ["-p", "no:xdist"]
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *workers, *arguments, timeout=120)

    return under


@pytest.fixture
def clips(pytester: pytest.Pytester, reference: Path, encoded: Path, sharpened: Path) -> None:
    """The names REF, GOOD and SHARP for the tests inside."""
    pytester.makepyfile(clips=f"REF, GOOD, SHARP = {str(reference)!r}, {str(encoded)!r}, {str(sharpened)!r}\n")


def test_an_honest_encode_passes_and_is_listed(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_quality(vmaf):
            result = vmaf.check(REF, GOOD, min_neg=60)
            assert result.neg >= 60
            assert result.gap <= 3
            assert not result.above_100
        """
    )
    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*vmaf: measurements*", "passed *test_quality (*"])


def test_a_sharpened_encode_fails_on_gap_and_above_100_at_once(
    run: Run, clips: None, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_quality(vmaf):
            vmaf.check(REF, SHARP)
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*GateViolation: gap * > 3; * frames above 100 and the reference*, 0 allowed (2 of 2 gates violated)",
            "*max_gap: gap * (missed by *; set by the default)",
            "*worst frames: frame * (0:00:0*",
            "*models: vmaf_v0.6.1 / vmaf_v0.6.1neg; scorer: ffmpeg (libvmaf *",
            "FAILED *test_quality (*",
        ]
    )


def test_a_failing_plain_assert_says_which_frames_models_and_clips(
    run: Run, clips: None, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_mean(vmaf):
            assert vmaf.score(REF, GOOD).neg >= 99.5

        def test_pool(vmaf):
            assert 99.5 <= vmaf.score(REF, GOOD).neg.p5

        def test_above(vmaf):
            assert not vmaf.score(REF, SHARP).above_100
        """
    )
    result = run()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines_random(
        [
            "E*assert NEG * >= 99.5   (left minus right: -*)",
            "E*assert 99.5 <= NEG p5 *(left minus right: +*)",
            "E*worst frames: frame * (0:00:0*",
            "E*models: vmaf_v0.6.1 / vmaf_v0.6.1neg*",
            "E*assert not <* of 24 frames above 100 and above the reference's self-score; furthest frame *",
        ]
    )


def test_comparing_default_with_neg_is_refused(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_scales(vmaf):
            result = vmaf.score(REF, GOOD)
            assert result.neg <= result.vmaf
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*IncomparableScores: NEG (vmaf_v0.6.1neg) at 320x180 and VMAF*not on one scale*"])


def test_what_cannot_be_measured_is_an_error_not_a_failure(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_missing(vmaf):
            vmaf.check(REF, "missing.mp4")
        """
    )
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*ERROR at call of test_missing*", "*ClipError: missing.mp4 does not exist.*"])
    result.stdout.fnmatch_lines(["no score *test_missing (missing.mp4): missing.mp4 does not exist.", "*1 error in*"])
    result.stdout.no_fnmatch_line("*measure.py*")


def test_marker_gates_hold_for_check_and_for_score(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from clips import *

        @pytest.mark.vmaf(min_neg=99.5)
        def test_check(vmaf):
            vmaf.check(REF, GOOD)

        @pytest.mark.vmaf(min_neg=99.5)
        def test_score(vmaf):
            vmaf.score(REF, GOOD)

        @pytest.mark.vmaf(min_neg=99.5)
        def test_call_wins(vmaf):
            vmaf.check(REF, GOOD, min_neg=10)

        @pytest.mark.vmaf(min_neg=99.5)
        class TestNearest:
            @pytest.mark.vmaf(min_neg=10)
            def test_nearest_marker_wins(self, vmaf):
                vmaf.check(REF, GOOD)
        """
    )
    result = run()
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(["*min_neg: NEG * < 99.5 (missed by *; set by the marker)"])


@pytest.mark.parametrize("body", ["pass", "vmaf"])
def test_a_marked_test_that_measures_nothing_fails(run: Run, clips: None, pytester: pytest.Pytester, body: str) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.vmaf(min_neg=93)
        def test_forgot({"vmaf" if body == "vmaf" else ""}):
            {body}

        @pytest.mark.vmaf(min_neg=93)
        def test_skipped():
            pytest.skip("not today")
        """
    )
    result = run()
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*This test is marked vmaf but measured nothing*"])


def test_a_wrong_marker_names_the_nearest_gate(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.vmaf(min_nge=93)
        def test_a(vmaf): ...

        @pytest.mark.vmaf(93)
        def test_b(vmaf): ...

        @pytest.mark.vmaf(modle="x")
        def test_c(vmaf): ...
        """
    )
    result = run()
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines_random(
        [
            "*'min_nge' (marker) asks for an unknown metric; did you mean 'min_neg'?*",
            "*takes keywords only, as min_neg=93, not 93.",
            "*'modle' (marker) is neither an option nor a gate; did you mean 'model'?*",
        ]
    )


def test_precedence_is_call_marker_command_line_ini_default(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmaf_gates =\n    min_neg=99.1\n    max_gap=0.1\n")
    pytester.makepyfile(
        """
        import pytest
        from clips import *

        def origins(vmaf, **gates):
            with pytest.raises(AssertionError) as raised:
                vmaf.check(REF, GOOD, **gates)
            return str(raised.value)

        def test_ini(vmaf):
            text = origins(vmaf)
            assert "< 99.2" in text and "set by the command line" in text
            assert "> 0.1" in text and "set by the ini" in text

        @pytest.mark.vmaf(min_neg=99.3)
        def test_marker(vmaf):
            assert "< 99.3 (missed" in origins(vmaf)

        @pytest.mark.vmaf(min_neg=99.3)
        def test_call(vmaf):
            assert "< 99.4 (missed" in origins(vmaf, min_neg=99.4)

        @pytest.mark.vmaf(min_neg=None, max_gap=False)
        def test_off(vmaf):
            vmaf.check(REF, GOOD)
        """
    )
    run("--vmaf-gate=min_neg=99.2").assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("min_nge=93", "'min_nge' (command line) asks for an unknown metric; did you mean 'min_neg'?"),
        ("min_neg_p7=93", "asks for an unknown pool of neg; did you mean 'min_neg_p"),
        ("min_neg", "is not a gate; write NAME=LIMIT"),
        ("min_neg=nan", "The limit of min_neg (command line) is 'nan'; it is a finite number, or off."),
        ("above_100=-1", "above_100 (command line) is '-1'"),
    ],
)
def test_a_wrong_gate_is_a_usage_error(run: Run, pytester: pytest.Pytester, gate: str, message: str) -> None:
    pytester.makepyfile("def test_a(): ...")
    result = run(f"--vmaf-gate={gate}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


def test_a_wrong_ini_value_is_a_usage_error(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmaf_threads = 0\n")
    pytester.makepyfile("def test_a(): ...")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "threads (ini) is 0; it is a whole number from 1." in result.stderr.str()


@pytest.mark.parametrize("table", ["[tool.pytest.ini_options]", "[tool.pytest]"])
def test_settings_work_in_both_tables_of_pyproject(
    run: Run, clips: None, pytester: pytest.Pytester, table: str
) -> None:
    if table == "[tool.pytest]" and int(pytest.__version__.partition(".")[0]) < 9:
        pytest.skip("the native table needs pytest 9")
    native = table == "[tool.pytest]"
    gates = '["min_neg=99"]'
    timeout = "60.5" if native else '"60.5"'
    pytester.makepyprojecttoml(f"{table}\nvmaf_gates = {gates}\nvmaf_timeout = {timeout}\nvmaf_features = ['psnr']\n")
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


def test_a_gate_on_a_feature_measures_it(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_a(vmaf):
            vmaf.check(REF, GOOD, min_psnr_y=99)
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*psnr_y * < 99*"])


def test_scores_in_report_properties_do_not_break_xdist(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import enum, pathlib
        import numpy as np
        from clips import *

        class Codec(enum.Enum):
            X264 = "libx264"

        def test_a(vmaf, record_property, record_testsuite_property):
            result = vmaf.score(REF, GOOD)
            record_property("neg", result.neg)
            record_property("numpy", np.float64(1.5))
            record_property("codec", Codec.X264)
            record_property("path", pathlib.Path(REF))
            record_property("many", [result.neg, {"p5": result.neg.p5}])
        """
    )
    result = run("--junitxml=junit.xml")
    result.assert_outcomes(passed=1)
    text = (pytester.path / "junit.xml").read_text()
    for part in ('name="numpy" value="1.5"', 'name="codec" value="libx264"', 'name="neg" value="'):
        assert part in text


def test_scores_as_subtest_parameters_do_not_break_xdist(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    if int(pytest.__version__.partition(".")[0]) < 9:
        pytest.skip("subtests are part of pytest from 9 on")
    pytester.makepyfile(
        """
        from clips import *

        def test_a(vmaf, subtests):
            result = vmaf.score(REF, GOOD)
            with subtests.test("neg", limit=99):
                assert result.neg >= 99
            with subtests.test("gap"):
                assert result.gap <= 3
        """
    )
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*assert NEG * >= 99*"])
    rows = [line for line in result.outlines if " test_a (" in line]
    assert len(rows) == 1


def test_an_unused_plugin_prints_nothing_and_imports_nothing_heavy(run: Run, pytester: pytest.Pytester) -> None:
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
    result = run("-p", "no:html")
    result.assert_outcomes(passed=1)
    # pytest itself lists the plugins that are installed; nothing else may name this one.
    assert not [line for line in result.outlines if "vmaf" in line and not line.startswith("plugins:")]


def test_the_header_says_what_was_asked(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): ...")
    result = run("--vmaf-gate=min_neg=93", "--vmaf-generation=v1")
    result.stdout.fnmatch_lines(["vmaf: pytest-vmaf *, generation=v1 (command line), min_neg=93 (command line)"])
    run("-v").stdout.fnmatch_lines(["vmaf: pytest-vmaf *"])


def test_the_plugin_can_be_switched_off(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): ...")
    run("-p", "no:vmaf").assert_outcomes(passed=1)


def test_the_marker_is_registered(pytester: pytest.Pytester) -> None:
    pytester.runpytest("--markers").stdout.fnmatch_lines(["@pytest.mark.vmaf(*"])


def test_a_command_line_gate_that_score_does_not_see_is_said(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_a(vmaf):
            vmaf.score(REF, GOOD)
        """
    )
    result = run("--vmaf-gate=min_neg=99")
    result.stdout.fnmatch_lines(
        ["1 of 1 measurements used vmaf.score or a search, which do not check min_neg=99 (command line)*"]
    )


def test_ini_gates_that_no_measurement_met_are_said(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmaf_gates = min_neg=99\n")
    pytester.makepyfile(
        test_note="""
        from clips import *

        def test_score(vmaf):
            vmaf.score(REF, GOOD)

        def test_check(vmaf):
            vmaf.check(REF, GOOD, min_neg=10)
        """
    )
    run("-k", "score").stdout.fnmatch_lines(
        ["1 of 1 measurements used vmaf.score or a search, which min_neg=99 (ini) does not*"]
    )
    run().stdout.no_fnmatch_line("*do not check*")


def test_a_swallowed_error_does_not_count_as_a_measurement(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_vmaf import MeasurementError

        @pytest.mark.vmaf(min_neg=93)
        def test_careless(vmaf):
            try:
                vmaf.check("missing.mkv", "missing.mp4")
            except MeasurementError:
                pass
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*This test is marked vmaf but measured nothing*"])


def test_a_gate_can_be_switched_off_on_the_command_line(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_off="""
        from clips import *

        def test_a(vmaf):
            vmaf.check(REF, SHARP)
        """
    )
    result = run("--vmaf-gate=max_gap=off", "--vmaf-gate=above_100=off")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vmaf: *, max_gap=off (command line), above_100=off (command line)"])


def test_the_scorer_that_has_the_plugins_own_name_is_found(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_tool="""
        from clips import *

        def test_a(vmaf):
            vmaf.score(REF, GOOD)
        """
    )
    result = run("--vmaf-scorer=vmaf", "--vmaf-bin=no-such-vmaf")
    result.stdout.fnmatch_lines(["*ScorerError: Netflix's vmaf tool 'no-such-vmaf' does not exist*"])


def test_a_check_without_a_floor_is_said(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_floor="""
        from clips import *

        def test_a(vmaf):
            vmaf.check(REF, GOOD)

        def test_b(vmaf):
            vmaf.check(REF, GOOD, min_neg=10)
        """
    )
    run().stdout.fnmatch_lines(["1 of 2 checks had no min_ gate, so no minimum was required; add one, for example min_neg=90."])


def test_a_flag_of_the_ini_file_can_be_taken_back(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmaf_phone = true\n")
    pytester.makepyfile(
        test_phone="""
        from clips import *

        def test_a(vmaf):
            assert vmaf.score(REF, GOOD).provenance["phone"] is False
        """
    )
    run("--no-vmaf-phone").assert_outcomes(passed=1)
    run().assert_outcomes(failed=1)


def test_one_gate_in_two_spellings_is_refused(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_twice="""
        import pytest
        from clips import *

        @pytest.mark.vmaf(min_neg=1, min_neg_mean=99.9)
        def test_marker(vmaf):
            vmaf.check(REF, GOOD)

        def test_call(vmaf):
            vmaf.check(REF, GOOD, min_vmaf=1, min_vmaf_mean=99.9)
        """
    )
    result = run()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*min_neg and min_neg_mean (marker) are one gate; give it once."])


def test_the_last_of_a_repeated_option_wins(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_last="""
        from clips import *

        def test_a(vmaf):
            vmaf.check(REF, GOOD)
        """
    )
    run("--vmaf-gate=min_neg=10", "--vmaf-gate=min_neg=99.9").assert_outcomes(failed=1)


def test_a_self_score_alone_does_not_satisfy_the_marker(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_self="""
        import pytest
        from clips import *

        @pytest.mark.vmaf(min_neg=99.9)
        def test_a(vmaf):
            vmaf.self_score(REF)
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*marked vmaf but measured nothing*"])


def test_names_that_no_terminal_can_show_do_not_end_the_run(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        r"""
        from clips import *

        def test_surrogate(vmaf):
            vmaf.check(REF, "x\udcff.mp4")

        def test_escape(vmaf):
            vmaf.check(REF, "\x1b[2Jevil.mp4")

        def test_good(vmaf):
            vmaf.check(REF, GOOD)
        """
    )
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*2 error*"])
    assert "\x1b[2J" not in result.stdout.str()


def test_a_command_line_gate_held_against_nothing_is_said(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): ...")
    result = run("--vmaf-gate=min_neg=50")
    result.stdout.fnmatch_lines(["vmaf: nothing was measured, so min_neg=50 (command line) was held against nothing."])


def test_a_self_score_is_not_counted_as_ungated(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_both="""
        from clips import *

        def test_a(vmaf):
            vmaf.self_score(REF)
            vmaf.check(REF, GOOD)
        """
    )
    run("--vmaf-gate=min_neg=10").stdout.no_fnmatch_line("*do not check*")


def test_an_error_without_words_does_not_break_the_summary(run: Run, pytester: pytest.Pytester) -> None:
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


def test_tools_are_found_from_where_pytest_was_started(
    run: Run, clips: None, pytester: pytest.Pytester, ffmpeg: str
) -> None:
    pytester.mkdir("bin")
    (pytester.path / "bin" / "ffmpeg").symlink_to(ffmpeg)
    pytester.makepyfile(
        test_tool="""
        from clips import *

        def test_a(vmaf, monkeypatch, tmp_path):
            monkeypatch.chdir(tmp_path)
            assert vmaf.score(REF, GOOD).provenance["ffmpeg_path"].endswith("bin/ffmpeg")
        """
    )
    run("--vmaf-ffmpeg=bin/ffmpeg").assert_outcomes(passed=1)
    pytester.makeini("[pytest]\nvmaf_ffmpeg = bin/ffmpeg\n")
    run().assert_outcomes(passed=1)


def test_other_plugins_properties_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pathlib

        def pytest_runtest_logreport(report):
            if report.when == "call":
                assert isinstance(dict(report.user_properties)["path"], pathlib.Path)
        """
    )
    pytester.makepyfile("import pathlib\ndef test_a(record_property): record_property('path', pathlib.Path('x'))")
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)


def test_threads_are_divided_among_workers(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        from clips import *
        from pytest_vmaf.api.vmaf import _cores

        def test_a(vmaf):
            workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
            assert workers in (1, 2)
            assert vmaf.score(REF, GOOD).provenance["threads"] == max(1, _cores() // workers)
            assert vmaf.score(REF, GOOD, threads=3).provenance["threads"] == 3
        """
    )
    run().assert_outcomes(passed=1)


def test_only_the_last_attempt_of_a_rerun_is_listed(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures", reason="pytest-rerunfailures is not installed")
    pytester.makepyfile(
        """
        from clips import *
        import pathlib

        def test_flaky(vmaf):
            flag = pathlib.Path("flag")
            bad = not flag.exists()
            flag.touch()
            vmaf.check(REF, GOOD, min_neg=99 if bad else 10)
        """
    )
    result = run("--reruns=1")
    assert result.ret == 0
    rows = [line for line in result.outlines if " test_flaky (" in line]
    assert len(rows) == 1
    assert rows[0].startswith("passed")


def test_every_parameter_has_its_row(run: Run, clips: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from clips import *

        @pytest.mark.parametrize("limit", [10, 99])
        def test_p(vmaf, limit):
            vmaf.check(REF, GOOD, min_neg=limit)
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=1)
    # The worst comes first.
    result.stdout.fnmatch_lines(["FAILED *test_p?99? (*", "passed *test_p?10? (*"])


def test_a_worker_that_dies_leaves_no_scorer_behind(clips: None, pytester: pytest.Pytester, footage: object) -> None:
    long = footage(size="640x360", frames=200)  # type: ignore[operator]
    pytester.makepyfile(
        f"""
        import os, signal, threading
        from clips import *

        def test_ends(vmaf):
            vmaf.check(REF, GOOD)

        def test_dies(vmaf):
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGKILL)).start()
            vmaf.score({str(long)!r}, {str(long)!r})
        """
    )
    result = pytester.runpytest_subprocess("-n1", "-p", "no:cacheprovider", timeout=60)
    result.stdout.fnmatch_lines(["*worker*crashed*"])
    result.stdout.fnmatch_lines(["passed *test_ends (*"])
    running = [entry for entry in Path("/proc").glob("[0-9]*/cmdline") if str(long).encode() in _read(entry)]
    assert not running


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
