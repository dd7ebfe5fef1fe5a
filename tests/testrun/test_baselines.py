"""Baselines as users meet them, with pytester; each behaviour with its -n2 twin."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf.cli.main import main
from pytest_vmaf.report import document as documents

Run = Callable[..., pytest.RunResult]
ONE = """
    from clips import *

    def test_quality(vmaf):
        vmaf.check(REF, OUT, baseline=True)
"""


@pytest.fixture(params=["alone", "xdist"])
def run(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> Run:
    """Run pytest on what the pytester folder holds, in a process of its own, alone or under -n2."""

    def under(*arguments: str, **kwargs: object) -> pytest.RunResult:
        workers = ["-n2"] if request.param == "xdist" else ["-p", "no:xdist"]
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *workers, *arguments, timeout=120)

    return under


@pytest.fixture
def under_xdist(request: pytest.FixtureRequest) -> bool:
    """Whether ``run`` is."""
    return "xdist" in request.node.callspec.params.values()


@pytest.fixture
def alone(pytester: pytest.Pytester) -> Run:
    """As ``run``, without xdist: for what has nothing to do with processes."""
    return lambda *arguments: pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-p", "no:xdist", *arguments, timeout=120
    )


@pytest.fixture(scope="session")
def worse(reference: Path, encode: Callable[..., Path]) -> Path:
    """An encode of the reference that lost quality in all of its frames."""
    return encode(reference, 31)


@pytest.fixture(scope="session")
def better(reference: Path, encode: Callable[..., Path]) -> Path:
    """An encode of the reference that gained."""
    return encode(reference, 24)


@pytest.fixture
def clips(pytester: pytest.Pytester, reference: Path, encoded: Path) -> Callable[[Path], None]:
    """Clips of the tests inside, by the names REF and OUT; what it returns puts another encode in OUT's place."""
    pytester.makepyfile(clips=f"REF, OUT = {str(reference)!r}, 'out.mp4'\n")

    def put(clip: Path) -> None:
        shutil.copy(clip, pytester.path / "out.mp4")

    put(encoded)
    return put


def entries(pytester: pytest.Pytester, module: str = "test_it") -> dict[str, dict[str, dict[str, object]]]:
    """The entries by test and clip."""
    return json.loads((pytester.path / "__vmaf__" / f"{module}.json").read_text())["tests"]


def test_without_a_baseline_the_test_fails_with_the_command_and_writes_nothing(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it=ONE)
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*GateViolation: no baseline for out.mp4 (1 of 3 gates failed)",
            "*no baseline: there is no *__vmaf__*test_it.json*",
            "*write it: pytest *test_it.py::test_quality --vmaf-update=missing",
        ]
    )
    assert not (pytester.path / "__vmaf__").exists()


def test_update_writes_and_the_same_encode_passes_then_and_a_worse_one_fails_with_its_frames(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester, worse: Path
) -> None:
    pytester.makepyfile(test_it=ONE)
    result = run("--vmaf-update=missing")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vmaf: baseline: 1 added in __vmaf__/test_it.json"])
    text = (pytester.path / "__vmaf__" / "test_it.json").read_text()
    assert text.endswith("}\n")
    entry = entries(pytester)["test_quality"]["out.mp4"]
    assert [len(row.split()) for row in entry["frames"]["neg"]] == [24]
    assert str(pytester.path) not in text

    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["passed * test_quality (out.mp4)"])
    result.stdout.no_fnmatch_line("*no minimum was required*")

    clips(worse)
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*GateViolation: NEG * is * below the baseline's *; max_drop is 0.5; NEG p5 *; max_drop_p5 is 1 (2 of 4 *",
            "*max_drop: missed by * (set by the default)",
            "*NEG by frame: a uniform shift: 100 % of the frames are lower, median −*",
            "*NEG by frame: lost most: frame * (0:00:0*) * → *",
            "*if this is meant, accept it: pytest *test_it.py::test_quality --vmaf-update=changed",
        ]
    )
    assert (pytester.path / "__vmaf__" / "test_it.json").read_text() == text

    result = run("--vmaf-update=changed")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vmaf: baseline: 1 replaced in __vmaf__/test_it.json"])
    assert (pytester.path / "__vmaf__" / "test_it.json").read_text() != text
    run().assert_outcomes(passed=1)


@pytest.mark.slow
def test_an_improvement_passes_and_improved_tightens_the_baseline_and_loosens_none(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester, better: Path, encoded: Path
) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-update=missing").assert_outcomes(passed=1)
    before = entries(pytester)
    clips(better)
    run().assert_outcomes(passed=1)
    assert entries(pytester) == before
    result = run("--vmaf-update=improved")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vmaf: baseline: 1 replaced in *"])
    tightened = entries(pytester)
    assert tightened != before

    clips(encoded)
    result = run("--vmaf-update=improved")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["vmaf: 1 measured where the test did not pass, not written: *test_*"])
    assert entries(pytester) == tightened


@pytest.mark.slow
def test_two_workers_write_one_module_and_every_entry_is_there(
    run: Run, under_xdist: bool, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
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
    grouped = ["--dist=loadgroup"] if under_xdist else []
    result = run("--vmaf-update=missing", *grouped)
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["vmaf: baselines: 7 added in __vmaf__/test_it.json"])
    found = entries(pytester)
    assert set(found["TestGroup::test_marked"]) == {"out.mp4", "named"}
    assert len(found) == 6
    assert not any("@" in test for test in found)
    run(*grouped).assert_outcomes(passed=6)
    run().assert_outcomes(passed=6)


def test_the_command_for_an_odd_id_is_quoted_for_a_shell(
    alone: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from clips import *

        @pytest.mark.parametrize("how", ["a b$(touch x)"])
        def test_odd(vmaf, how):
            vmaf.score(REF, OUT, baseline=True)
        """
    )
    result = alone()
    result.stdout.fnmatch_lines(["*write it: pytest *'test_it.py::test_odd[[]a b$(touch x)[]]' --vmaf-update=missing"])


@pytest.mark.slow
def test_what_a_failing_test_measured_is_never_written(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from clips import *

        def test_gate(vmaf):
            vmaf.check(REF, OUT, baseline=True, min_neg=99)

        def test_later(vmaf):
            vmaf.check(REF, OUT, baseline=True)
            assert False

        @pytest.fixture
        def broken():
            yield
            raise ValueError

        def test_teardown(vmaf, broken):
            vmaf.check(REF, OUT, baseline=True)

        @pytest.mark.xfail
        def test_expected(vmaf):
            vmaf.check(REF, OUT, baseline=True)
            assert False
        """
    )
    result = run("--vmaf-update=all")
    result.stdout.fnmatch_lines(["vmaf: 4 measured where the test did not pass, not written: *"])
    assert not (pytester.path / "__vmaf__").exists()


def test_the_last_attempt_counts_where_tests_are_run_again(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester, worse: Path
) -> None:
    pytester.makepyfile(
        test_it=f"""
        from clips import *
        attempts = []

        def test_flaky(vmaf):
            attempts.append(1)
            clip = OUT if len(attempts) > 1 else {str(worse)!r}
            vmaf.check(REF, clip, baseline="it")
            assert len(attempts) > 1
        """
    )
    run("--reruns=2", "--vmaf-update=missing").stdout.fnmatch_lines(["*1 passed, 1 rerun*"])
    pytester.makepyfile(
        test_it="from clips import *\n\ndef test_flaky(vmaf):\n    vmaf.check(REF, OUT, baseline='it')\n"
    )
    result = run("--vmaf-update=changed")
    result.stdout.fnmatch_lines(["vmaf: no baseline was written: every one is as it was."])


@pytest.mark.slow
def test_a_renamed_test_asks_for_its_baseline_and_only_all_removes_the_old_one(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    two = ONE + "\n    def test_second(vmaf):\n        vmaf.check(REF, OUT, baseline=True)\n"
    pytester.makepyfile(test_it=two)
    run("--vmaf-update=missing").assert_outcomes(passed=2)
    pytester.makepyfile(test_it=two.replace("test_quality", "test_renamed"))
    run().assert_outcomes(passed=1, failed=1)

    result = run("--vmaf-update=all", "-k", "renamed")
    result.stdout.fnmatch_lines(["vmaf: baseline: 1 added in *", "vmaf: where not every test of a module ran, *"])
    assert set(entries(pytester)) == {"test_quality", "test_renamed", "test_second"}
    run("--vmaf-update=all", "test_it.py::test_renamed", "test_it.py::test_second")
    assert "test_quality" in entries(pytester)

    result = run("--vmaf-update=all")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["vmaf: baseline: 1 removed in *"])
    assert set(entries(pytester)) == {"test_renamed", "test_second"}


@pytest.mark.slow
def test_skipped_and_failed_tests_keep_their_entries_when_others_are_removed(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    names = ("kept", "skipped", "failed", "gone", "silent")
    module = "from clips import *\nimport pytest\n" + "".join(
        f"\ndef test_{name}(vmaf):\n    vmaf.score(REF, OUT, baseline=True)\n" for name in names
    )
    pytester.makepyfile(test_it=module)
    run("--vmaf-update=missing").assert_outcomes(passed=5)
    module = module.replace("def test_skipped", "@pytest.mark.skip\ndef test_skipped")
    module = module.replace("def test_failed(vmaf):", "def test_failed(vmaf):\n    assert False")
    module = module.replace("def test_gone(vmaf)", "def helper(vmaf)")
    module = module.replace("def test_silent(vmaf):", "def test_silent():\n    return")
    pytester.makepyfile(test_it=module)
    run("--vmaf-update=all", "-x").assert_outcomes(passed=1, skipped=1, failed=1)
    assert len(entries(pytester)) == 5
    result = run("--vmaf-update=all")
    result.stdout.fnmatch_lines(["vmaf: baselines: 2 removed in *"])
    assert set(entries(pytester)) == {"test_kept", "test_skipped", "test_failed"}


def test_a_candidate_holds_what_failing_tests_measured_and_accept_takes_it_over(
    run: Run,
    clips: Callable[[Path], None],
    pytester: pytest.Pytester,
    worse: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    folder = pytester.mkdir("sub")
    pytester.makepyfile(**{"sub/test_it": ONE})
    run("--vmaf-update=missing").assert_outcomes(passed=1)
    file = folder / "__vmaf__" / "test_it.json"
    before = file.read_bytes()
    clips(worse)
    result = run("--vmaf-candidate=kept")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["vmaf: candidate of 1 file; to take it over: pytest-vmaf baseline accept kept"])
    assert file.read_bytes() == before
    candidate = pytester.path / "kept"
    assert (candidate / "sub" / "__vmaf__" / "test_it.json").is_file()

    assert main(["baseline", "diff", str(pytester.path / "sub"), str(candidate / "sub")]) == 1
    assert re.search(
        r"test_it\.json::test_quality\s+out\.mp4\s+.*neg\s+73\.\d+\s+6\d\.\d+\s+-", capsys.readouterr().out
    )
    assert main(["baseline", "accept", str(candidate), "--into", str(pytester.path)]) == 0
    assert main(["baseline", "diff", str(pytester.path / "sub"), str(candidate / "sub")]) == 0
    assert main(["baseline", "show", str(pytester.path / "sub")]) == 0
    assert re.search(r"test_it::test_quality\s+out\.mp4\s+score\s+NEG 6\d\.\d\d", capsys.readouterr().out)
    run().assert_outcomes(passed=1)


@pytest.mark.parametrize("trap", ["link", "name", "content", "into", "folder"])
def test_accept_copies_nothing_of_a_candidate_that_is_none(
    tmp_path: Path, trap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = json.dumps({"schema": 1, "tests": {}})
    candidate, root = tmp_path / "candidate", tmp_path / "root"
    (candidate / "a" / "__vmaf__").mkdir(parents=True)
    (candidate / "a" / "__vmaf__" / "test_a.json").write_text(good)
    for name in ("a", "z"):
        (root / name).mkdir(parents=True)
        (root / name / f"test_{name}.py").touch()
    place = candidate / "z" / "__vmaf__"
    place.mkdir(parents=True)
    if trap == "link":
        (place / "test_z.json").symlink_to(candidate / "a" / "__vmaf__" / "test_a.json")
    elif trap == "folder":
        place.rmdir()
        place.symlink_to(candidate / "a" / "__vmaf__")
    elif trap == "name":
        (place / "conftest.py").write_text("raise SystemExit")
    elif trap == "content":
        (place / "test_z.json").write_text("{}")
    else:
        (place / "test_z.json").write_text(good)
        (root / "z" / "__vmaf__").symlink_to(tmp_path)
    assert main(["baseline", "accept", str(candidate), "--into", str(root)]) == 3
    assert "test_z.json" in (said := capsys.readouterr().err) or "conftest.py" in said or "__vmaf__" in said
    assert not list(root.rglob("test_a.json"))


def test_accept_refuses_a_place_without_the_test_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "candidate" / "tests" / "__vmaf__"
    place.mkdir(parents=True)
    (place / "test_a.json").write_text(json.dumps({"schema": 1, "tests": {}}))
    (tmp_path / "elsewhere").mkdir()
    argv = ["baseline", "accept", str(tmp_path / "candidate"), "--into", str(tmp_path / "elsewhere")]
    assert main(argv) == 3
    assert "--into=ROOT" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())


def test_candidates_of_shards_are_accepted_one_after_the_other(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester, encoded: Path, worse: Path
) -> None:
    two = "from clips import *\n\n" + "\n".join(
        f"def test_{name}(vmaf):\n    vmaf.score(REF, OUT, baseline=True)\n" for name in ("one", "two")
    )
    pytester.makepyfile(test_it=two)
    clips(encoded)
    run("--vmaf-update=missing").assert_outcomes(passed=2)
    clips(worse)
    for name in ("one", "two"):
        run(f"--vmaf-candidate=shard {name}", f"test_it.py::test_{name}").assert_outcomes(failed=1)
        assert main(["baseline", "accept", str(pytester.path / f"shard {name}"), "--into", str(pytester.path)]) == 0
    run().assert_outcomes(passed=2)


def test_a_folder_with_an_earlier_candidate_is_refused(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-candidate=kept").assert_outcomes(failed=1)
    again = run("--vmaf-candidate=kept")
    assert again.ret == pytest.ExitCode.USAGE_ERROR
    again.stderr.fnmatch_lines(["*--vmaf-candidate=kept holds baselines already*"])


def test_a_doctest_of_the_same_stem_removes_nothing(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-update=all").assert_outcomes(passed=1)
    pytester.maketxtfile(test_it=">>> 1 + 1\n2\n")
    result = run("--vmaf-update=all")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*removed*")
    assert set(entries(pytester)) == {"test_quality"}


def test_a_parametrisation_that_has_nothing_today_keeps_its_entries(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    body = """
        import pytest
        from clips import *

        @pytest.mark.parametrize("name", [{}])
        def test_each(vmaf, name):
            vmaf.score(REF, OUT, baseline=True)
        """
    pytester.makepyfile(test_it=body.format("'a', 'b'"))
    run("--vmaf-update=all").assert_outcomes(passed=2)
    pytester.makepyfile(test_it=body.format(""))
    run("--vmaf-update=all").assert_outcomes(skipped=1)
    assert set(entries(pytester)) == {"test_each[a]", "test_each[b]"}
    pytester.makepyfile(test_it=body.format("'a'"))
    result = run("--vmaf-update=all")
    result.stdout.fnmatch_lines(["vmaf: removed: test_each[[]b] / out.mp4"])
    assert set(entries(pytester)) == {"test_each[a]"}


def test_a_second_entry_for_one_clip_needs_a_name(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_it="""
        from clips import *

        def test_twice(vmaf):
            vmaf.score(REF, OUT, baseline=True)
            vmaf.score(REF, OUT, baseline=True)
        """
    )
    result = run("--vmaf-update=missing")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*has held a baseline for 'out.mp4' already*baseline='a name'*"])
    assert not list(pytester.path.rglob("__vmaf__"))


def test_the_command_has_the_options_that_made_the_result(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it=ONE)
    result = run("-k", "quality", "--vmaf-generation=v1", "--maxfail", "3", "-q", "test_it.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*pytest*--vmaf-generation=v1*test_it.py::test_quality --vmaf-update=missing*"])
    said = next(line for line in result.outlines if "--vmaf-update=missing" in line)
    assert not re.search(r" (-k|--maxfail|-q|-n2|3)( |$)", said)


def test_a_baseline_that_cannot_be_written_fails_the_run(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it=ONE)
    (pytester.path / "__vmaf__").write_text("a file where the folder belongs")
    result = run("--vmaf-update=missing")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["vmaf: baselines not written to *"])


def test_the_command_says_what_is_wrong_with_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "show", str(tmp_path / "none")]) == 2
    assert main(["baseline", "show", str(tmp_path)]) == 0
    assert "There is no baseline" in capsys.readouterr().err
    (tmp_path / "__vmaf__").mkdir()
    (tmp_path / "__vmaf__" / "test_a.json").write_text("{")
    assert main(["baseline", "diff", str(tmp_path), str(tmp_path)]) == 3
    assert main(["baseline", "accept", str(tmp_path / "none")]) == 2


@pytest.mark.slow
def test_a_platforms_file_is_looked_into_first_and_written_to(
    alone: Run, clips: Callable[[Path], None], pytester: pytest.Pytester, worse: Path
) -> None:
    pytester.makepyfile(test_it=ONE)
    alone("--vmaf-update=missing").assert_outcomes(passed=1)
    common = entries(pytester)
    ours = ["--vmaf-baseline-platform=here"]
    alone(*ours).assert_outcomes(passed=1)
    clips(worse)
    alone(*ours).assert_outcomes(failed=1)
    alone(*ours, "--vmaf-update=changed").stdout.fnmatch_lines(["vmaf: baseline: 1 added in *test_it.here.json"])
    alone(*ours).assert_outcomes(passed=1)
    alone().assert_outcomes(failed=1)
    assert entries(pytester) == common
    pytester.makeini("[pytest]\nvmaf_baseline_platform = here\n")
    alone().assert_outcomes(passed=1)
    result = alone("--vmaf-baseline-platform=../x")
    result.stderr.fnmatch_lines(["*--vmaf-baseline-platform=../x; it is a part of a file's name*"])


@pytest.mark.slow
def test_what_is_not_comparable_is_an_error_that_says_why(
    alone: Run, clips: Callable[[Path], None], pytester: pytest.Pytester, reference: Path, encode: Callable[..., Path]
) -> None:
    small = encode(reference, 28, "scale=160:90")
    shutil.copy(reference, pytester.path / "ref.mkv")
    module = f"""
        def test_it(vmaf):
            vmaf.check("ref.mkv", "out.mp4", baseline=True)

        def test_small(vmaf):
            vmaf.check("ref.mkv", {str(small)!r}, baseline="small", scale="bicubic", max_gap=None)
    """
    pytester.makepyfile(test_it=module)
    alone("--vmaf-update=missing").assert_outcomes(passed=2)

    pytester.makepyfile(
        test_it=module.replace("bicubic", "lanczos").replace("=True", "=True, model='vmaf_float_v0.6.1'")
    )
    result = alone()
    result.stdout.fnmatch_lines(
        [
            "*BaselineError: not comparable: model vmaf_v0.6.1 / vmaf_v0.6.1neg → vmaf_float_v0.6.1 / *",
            "*If the change is meant, accept the new one:",
            "*pytest *test_it.py::test_it --vmaf-update=changed",
            "*BaselineError: not comparable: distorted filters *bicubic* → *lanczos*",
            "*2 errors in*",
        ]
    )
    pytester.makepyfile(test_it=module)
    with (pytester.path / "ref.mkv").open("ab") as file:
        file.write(b"\0")
    result = alone("-k", "test_it")
    result.stdout.fnmatch_lines(["*BaselineError: not comparable: reference ????????* → ????????*"])
    alone("--vmaf-update=changed").assert_outcomes(passed=2)
    alone().assert_outcomes(passed=2)


def test_a_broken_file_is_an_error_with_its_name_and_is_not_overwritten(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it=ONE)
    file = pytester.mkdir("__vmaf__") / "test_it.json"
    file.write_text("{}")
    result = run("--vmaf-update=all")
    result.stdout.fnmatch_lines(["*BaselineError: *test_it.json holds no baselines that can be read: *"])
    assert file.read_text() == "{}"


@pytest.mark.parametrize("how", ["kill", "interrupt", "interrupt under xdist"])
def test_a_run_that_is_stopped_leaves_the_old_file_whole(
    alone: Run, clips: Callable[[Path], None], pytester: pytest.Pytester, worse: Path, how: str
) -> None:
    pytester.makepyfile(test_it=ONE)
    alone("--vmaf-update=missing").assert_outcomes(passed=1)
    file = pytester.path / "__vmaf__" / "test_it.json"
    before = file.read_bytes()
    clips(worse)
    end = "os.kill(os.getpid(), 9)" if how == "kill" else "raise KeyboardInterrupt"
    pytester.makepyfile(test_it=f"{ONE}\n    def test_stop():\n        import os\n        {end}\n")
    workers = ["-p", "xdist", "-n1"] if "xdist" in how else ["-p", "no:xdist"]
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *workers, "--vmaf-update=all", timeout=120)
    assert result.ret == (-9 if how == "kill" else 2)
    if how != "kill":
        result.stdout.fnmatch_lines(["vmaf: the run was stopped, so no baseline was written."])
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["test_it.json"]


@pytest.mark.slow
def test_tolerances_come_from_the_nearest_place(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester, worse: Path
) -> None:
    module = """
        import pytest
        from clips import *

        def test_here(vmaf):
            vmaf.check(REF, OUT, baseline=True, max_drop=50, max_drop_p5=50)

        @pytest.mark.vmaf(baseline=True, max_drop=50)
        def test_marked(vmaf):
            vmaf.check(REF, OUT)

        def test_default(vmaf):
            vmaf.check(REF, OUT, baseline=True)

        @pytest.mark.vmaf(baseline=True)
        def test_taken_back(vmaf):
            vmaf.check(REF, OUT, baseline=False)
    """
    pytester.makepyfile(test_it=module)
    run("--vmaf-update=missing")
    clips(worse)
    result = run("--vmaf-gate", "max_drop_p5=50", "--vmaf-gate", "max_vmaf_drop=1%")
    result.assert_outcomes(failed=3, passed=1)
    text = result.stdout.str()
    assert re.search(r"GateViolation: VMAF \S+ is \S+ % below the baseline's \S+; max_vmaf_drop is 1 % \(1 of 5", text)
    assert "max_vmaf_drop: missed by" in text
    assert "(set by the command line)" in text
    pytester.makeini("[pytest]\nvmaf_gates =\n  max_drop_p5=50\n  max_drop = 50\n")
    run().assert_outcomes(passed=4)


def test_the_report_shows_what_was_held_and_both_encodes_frame_by_frame(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester, worse: Path
) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-update=missing").assert_outcomes(passed=1)
    clips(worse)
    run("--vmaf-json=r.json", "--vmaf-html=r.html").assert_outcomes(failed=1)
    [test] = documents.read(pytester.path / "r.json")["tests"]
    [section] = test["sections"]
    assert section["title"] == "Baseline out.mp4"
    table, scores, change = section["blocks"]
    assert [row[1] for row in table["rows"]] == ["NEG", "NEG p5"]
    assert {row[-1] for row in table["rows"]} == {"FAILED"}
    assert [line["name"] for line in scores["lines"]] == ["baseline", "now"]
    assert len(change["lines"][0]["points"]) == 24
    assert all(value < 0 for _, value in change["lines"][0]["points"])
    assert "baselines" not in test
    assert "Baseline out.mp4" in (pytester.path / "r.html").read_text()


def test_a_marker_whose_baseline_nothing_held_fails(
    run: Run, clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from clips import *

        @pytest.mark.vmaf(baseline=True)
        def test_sides(vmaf):
            vmaf.self_score(REF)
            vmaf.ladder(REF, encoder="libx264", resolutions=["160x90"], targets=[30], preset="ultrafast", crf=(30, 32))

        @pytest.mark.vmaf(baseline=True, max_neg_roi_drop=1)
        def test_part(vmaf):
            vmaf.check(REF, OUT)
        """
    )
    result = run("--vmaf-update=missing")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "*baseline=True (marker) was held against nothing*",
            "*max_neg_roi_drop (marker) was held against nothing*",
        ]
    )
    result = run("-k", "sides", "--vmaf-gate", "max_cambi_rise=1")
    said = "vmaf: max_cambi_rise=1 (command line) was held against nothing: no baseline (baseline=True) has that."
    result.stdout.fnmatch_lines([said])


def test_a_worker_that_dies_takes_no_finished_baseline_along_and_none_is_removed(
    clips: Callable[[Path], None], pytester: pytest.Pytester
) -> None:
    arguments = ("-p", "no:cacheprovider", "-n2")
    pytester.makepyfile(test_it=ONE + "\n    def test_gone(vmaf):\n        vmaf.check(REF, OUT, baseline=True)\n")
    pytester.runpytest_subprocess(*arguments, "--vmaf-update=missing").assert_outcomes(passed=2)
    module = (
        ONE.replace("test_quality", "test_new") + "\n    def test_dies():\n        import os\n        os._exit(1)\n"
    )
    pytester.makepyfile(test_it=module)
    result = pytester.runpytest_subprocess(*arguments, "--vmaf-update=all", timeout=120)
    result.assert_outcomes(passed=1, failed=1)
    assert set(entries(pytester)) == {"test_new", "test_quality", "test_gone"}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--vmaf-update=mising", "*--vmaf-update=mising; it is one or several of missing, changed, improved, all."),
        ("--vmaf-update=", "*--vmaf-update=; it is one or several of*"),
        ("--vmaf-candidate=", "*--vmaf-candidate needs the name of a folder."),
        ("--vmaf-candidate=clips.py", "*--vmaf-candidate=clips.py is no folder."),
        ("--vmaf-gate=max_drop=x", "*The limit of max_drop (command line) is 'x'*"),
    ],
)
def test_wrong_options_are_refused_before_any_test_runs(
    alone: Run, clips: Callable[[Path], None], option: str, message: str
) -> None:
    result = alone(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_the_command_score_has_no_baselines(reference: Path, encoded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(reference), str(encoded), "--gate", "max_drop=1"]) == 2
    assert "max_drop is held against a baseline, and those belong to tests" in capsys.readouterr().err
