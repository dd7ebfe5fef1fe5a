"""Baselines as users meet them: missing, written, compared, updated, pruned, and accepted from a candidate."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.cli.main import main

Run = Callable[..., pytest.RunResult]
Put = Callable[[str], None]
Entries = Callable[[], dict[str, dict[str, dict[str, Any]]]]

ONE = """
    from clips import *

    def test_quality(vmaf):
        vmaf.check(REF, OUT, baseline=True)
"""
WORSE, BETTER = "93 91", "97 95"


def module(*names: str) -> str:
    body = "\n".join(f"def test_{name}(vmaf):\n    vmaf.score(REF, OUT, baseline=True)\n" for name in names)
    return f"import pytest\nfrom clips import *\n\n{body}"


def test_missing(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*GateViolation: no baseline for out.mp4 (1 of 2 gates failed)",
            "*no baseline: *__vmaf__*test_it.json does not exist",
            "*write it: pytest *test_it.py::test_quality *--vmaf-baseline-update=missing",
        ]
    )
    assert not (pytester.path / "__vmaf__").exists()


@pytest.mark.slow
def test_written_and_compared(run: Run, clips: Put, entries: Entries, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    result = run("--vmaf-baseline-update=missing")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vmaf: baseline: 1 added in __vmaf__/test_it.json"])
    file = pytester.path / "__vmaf__" / "test_it.json"
    text = file.read_text()
    assert text.endswith("}\n")
    assert [len(row.split()) for row in entries()["test_quality"]["out.mp4"]["frames"]["neg"]] == [24]
    assert str(pytester.path) not in text

    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["passed * test_quality (out.mp4)"])
    result.stdout.no_fnmatch_line("*had no min_ gate*")

    clips(WORSE)
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*GateViolation: NEG 91.00 is 2.00 below the baseline's 93.00; max_drop is 0.5; NEG p5 *; "
            "max_drop_p5 is 1 (2 of 3 *",
            "*max_drop: missed by 1.5 (set by the default)",
            "*NEG by frame: a uniform shift: 100 % of the frames are lower, median −2.00",
            "*NEG by frame: lost most: frame 0 * 93.00 → 91.00*",
            "*if the change is intended, accept it: pytest *test_it.py::test_quality *--vmaf-baseline-update=changed",
        ]
    )
    assert file.read_text() == text

    result = run("--vmaf-baseline-update=changed")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vmaf: baseline: 1 replaced in __vmaf__/test_it.json"])
    assert file.read_text() != text
    result = run("--vmaf-baseline-update=changed")
    result.stdout.fnmatch_lines(["vmaf: no baseline was written: nothing has changed."])
    run().assert_outcomes(passed=1)


@pytest.mark.slow
def test_short_names_of_options(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-update=missing").stdout.fnmatch_lines(["vmaf: baseline: 1 added in __vmaf__/test_it.json"])
    run("--vmaf-candidate=new").stdout.fnmatch_lines(["vmaf: candidate of 1 file;*"])


def test_improved(run: Run, clips: Put, entries: Entries, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    before = entries()
    clips(BETTER)
    run().assert_outcomes(passed=1)
    assert entries() == before
    result = run("--vmaf-baseline-update=improved")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vmaf: baseline: 1 replaced in *"])
    tightened = entries()
    assert tightened != before

    clips("95 93")
    result = run("--vmaf-baseline-update=improved")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["vmaf: 1 baseline not written, because the test did not pass: *test_*"])
    assert entries() == tightened
    # Within the tolerance it passes, and loosens nothing.
    clips("96.8 94.8")
    result = run("--vmaf-baseline-update=improved")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["vmaf: no baseline was written: --vmaf-baseline-update=improved applies to none."])
    assert entries() == tightened


def test_failed_tests_write_nothing(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
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
    result = run("--vmaf-baseline-update=all")
    result.stdout.fnmatch_lines(["vmaf: 4 baselines not written, because the tests did not pass: *"])
    assert not (pytester.path / "__vmaf__").exists()


@pytest.mark.slow
def test_renamed_test(run: Run, clips: Put, entries: Entries, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=module("quality", "second"))
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=2)
    pytester.makepyfile(test_it=module("renamed", "second"))
    run().assert_outcomes(passed=1, failed=1)

    result = run("--vmaf-baseline-update=all", "-k", "renamed")
    result.stdout.fnmatch_lines(
        ["vmaf: baseline: 1 added in *", "vmaf: unused baselines were kept in modules whose tests did not all run."]
    )
    assert set(entries()) == {"test_quality", "test_renamed", "test_second"}
    run("--vmaf-baseline-update=all", "test_it.py::test_renamed", "test_it.py::test_second")
    assert "test_quality" in entries()

    result = run("--vmaf-baseline-update=all")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["vmaf: baseline: 1 removed in *", "vmaf: removed: test_quality / out.mp4"])
    assert set(entries()) == {"test_renamed", "test_second"}


def test_pruning_spares_tests_that_did_not_pass(
    run: Run, clips: Put, entries: Entries, pytester: pytest.Pytester
) -> None:
    text = module("passes", "skipped", "failed", "gone", "silent")
    pytester.makepyfile(test_it=text)
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=5)
    text = text.replace("def test_skipped", "@pytest.mark.skip\ndef test_skipped")
    text = text.replace("def test_failed(vmaf):", "def test_failed(vmaf):\n    assert False")
    text = text.replace("def test_gone(vmaf)", "def helper(vmaf)")
    text = text.replace("def test_silent(vmaf):", "def test_silent():\n    return")
    pytester.makepyfile(test_it=text)
    run("--vmaf-baseline-update=all", "-x").assert_outcomes(passed=1, skipped=1, failed=1)
    assert len(entries()) == 5
    result = run("--vmaf-baseline-update=all")
    result.stdout.fnmatch_lines(["vmaf: baselines: 2 removed in *"])
    assert set(entries()) == {"test_passes", "test_skipped", "test_failed"}


def test_pruning_with_doctest_of_same_stem(run: Run, clips: Put, entries: Entries, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-baseline-update=all").assert_outcomes(passed=1)
    pytester.maketxtfile(test_it=">>> 1 + 1\n2\n")
    result = run("--vmaf-baseline-update=all")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*removed*")
    assert set(entries()) == {"test_quality"}


def test_pruning_of_parametrised_tests(run: Run, clips: Put, entries: Entries, pytester: pytest.Pytester) -> None:
    body = """
        import pytest
        from clips import *

        @pytest.mark.parametrize("name", [{}])
        def test_each(vmaf, name):
            vmaf.score(REF, OUT, baseline=True)
        """
    pytester.makepyfile(test_it=body.format("'a', 'b'"))
    run("--vmaf-baseline-update=all").assert_outcomes(passed=2)
    pytester.makepyfile(test_it=body.format(""))
    run("--vmaf-baseline-update=all").assert_outcomes(skipped=1)
    assert set(entries()) == {"test_each[a]", "test_each[b]"}
    pytester.makepyfile(test_it=body.format("'a'"))
    result = run("--vmaf-baseline-update=all")
    result.stdout.fnmatch_lines(["vmaf: removed: test_each[[]b] / out.mp4"])
    assert set(entries()) == {"test_each[a]"}


def test_candidate(
    run: Run,
    clips: Put,
    pytester: pytest.Pytester,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    folder = pytester.mkdir("sub")
    pytester.makepyfile(**{"sub/test_it": ONE})
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    file = folder / "__vmaf__" / "test_it.json"
    before = file.read_bytes()
    clips(WORSE)
    result = run("--vmaf-baseline-candidate=new")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["vmaf: candidate of 1 file; accept it with: pytest-vmaf baseline accept new"])
    assert file.read_bytes() == before
    candidate = pytester.path / "new"
    assert (candidate / "sub" / "__vmaf__" / "test_it.json").is_file()

    again = run("--vmaf-baseline-candidate=new")
    assert again.ret == pytest.ExitCode.USAGE_ERROR
    again.stderr.fnmatch_lines(["*--vmaf-baseline-candidate=new already contains baselines*"])

    capsys.readouterr()
    assert main(["baseline", "diff", str(folder), str(candidate / "sub")]) == 1
    difference = r"test_it\.json::test_quality\s+out\.mp4\s+.*neg\s+93\.\d+\s+91\.\d+\s+-"
    assert re.search(difference, capsys.readouterr().out)
    # The candidate is inside the folder of the tests, and is compared with the rest of it.
    assert main(["baseline", "diff", str(pytester.path), str(candidate)]) == 1
    assert re.search(difference, capsys.readouterr().out)
    assert main(["baseline", "diff", str(candidate), str(pytester.path)]) == 1
    assert "only in" not in capsys.readouterr().out
    assert main(["baseline", "show", str(pytester.path)]) == 0
    shown = capsys.readouterr()
    assert "test_it::test_quality" in shown.out
    assert "new/sub" not in shown.out
    assert "1 file without a test module left out, for example candidates" in shown.err
    assert main(["baseline", "show", str(candidate)]) == 0
    assert "test_it::test_quality" in capsys.readouterr().out
    assert main(["baseline", "accept", str(candidate), "--into", str(pytester.path)]) == 0
    assert main(["baseline", "diff", str(folder), str(candidate / "sub")]) == 0
    assert main(["baseline", "show", str(folder)]) == 0
    assert re.search(r"test_it::test_quality\s+out\.mp4\s+score\s+NEG 91\.00", capsys.readouterr().out)
    run().assert_outcomes(passed=1)


def test_candidates_of_shards(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=module("one", "two"))
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=2)
    clips(WORSE)
    for name in ("one", "two"):
        run(f"--vmaf-baseline-candidate=shard {name}", f"test_it.py::test_{name}").assert_outcomes(failed=1)
        assert main(["baseline", "accept", str(pytester.path / f"shard {name}"), "--into", str(pytester.path)]) == 0
    run().assert_outcomes(passed=2)


@pytest.mark.parametrize("trap", ["link", "name", "content", "into", "folder"])
def test_accept_refuses(tmp_path: Path, trap: str, capsys: pytest.CaptureFixture[str]) -> None:
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
    message = capsys.readouterr().err
    assert any(name in message for name in ("test_z.json", "conftest.py", "__vmaf__"))
    assert not list(root.rglob("test_a.json"))


def test_accept_without_test_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "candidate" / "tests" / "__vmaf__"
    place.mkdir(parents=True)
    (place / "test_a.json").write_text(json.dumps({"schema": 1, "tests": {}}))
    (tmp_path / "elsewhere").mkdir()
    argv = ["baseline", "accept", str(tmp_path / "candidate"), "--into", str(tmp_path / "elsewhere")]
    assert main(argv) == 3
    assert "--into=ROOT" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())


def test_command_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "show", str(tmp_path / "none")]) == 2
    assert main(["baseline", "show", str(tmp_path)]) == 0
    assert "There is no baseline" in capsys.readouterr().err
    (tmp_path / "__vmaf__").mkdir()
    (tmp_path / "__vmaf__" / "test_a.json").write_text("{")
    assert main(["baseline", "diff", str(tmp_path), str(tmp_path)]) == 3
    assert main(["baseline", "accept", str(tmp_path / "none")]) == 2


def test_score_command_has_no_baselines(reference: Path, encoded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(reference), str(encoded), "--gate", "max_drop=1"]) == 2
    assert "max_drop compares with a baseline" in capsys.readouterr().err


def test_same_name_twice(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clips import *

        def test_twice(vmaf):
            vmaf.score(REF, OUT, baseline=True)
            vmaf.score(REF, OUT, baseline=True)
        """
    )
    result = run("--vmaf-baseline-update=missing")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*This test already uses the baseline 'out.mp4'. Give each*baseline=\"name\".*"])
    assert not list(pytester.path.rglob("__vmaf__"))


def test_file_that_cannot_be_written(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    (pytester.path / "__vmaf__").write_text("a file where the folder belongs")
    result = run("--vmaf-baseline-update=missing")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["vmaf: baselines not written to *"])


def test_broken_file(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    file = pytester.mkdir("__vmaf__") / "test_it.json"
    file.write_text("{}")
    result = run("--vmaf-baseline-update=all")
    result.stdout.fnmatch_lines(["*BaselineError: *test_it.json is not a readable baseline file: *"])
    assert file.read_text() == "{}"


@pytest.mark.slow
def test_platform(run: Run, clips: Put, entries: Entries, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    common = entries()
    ours = "--vmaf-baseline-platform=here"
    run(ours).assert_outcomes(passed=1)
    clips(WORSE)
    run(ours).assert_outcomes(failed=1)
    run(ours, "--vmaf-baseline-update=changed").stdout.fnmatch_lines(["vmaf: baseline: 1 added in *test_it.here.json"])
    run(ours).assert_outcomes(passed=1)
    run().assert_outcomes(failed=1)
    assert entries() == common
    pytester.makeini("[pytest]\nvmaf_baseline_platform = here\n")
    run().assert_outcomes(passed=1)


def test_not_comparable(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
    text = """
        def test_it(vmaf):
            vmaf.check("ref.mkv", "out.mp4", baseline=True)
    """
    pytester.makepyfile(test_it=text)
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    pytester.makepyfile(test_it=text.replace("=True", "=True, model='vmaf_float_v0.6.1'"))
    run().stdout.fnmatch_lines(
        [
            "*BaselineError: not comparable: model vmaf_v0.6.1 / vmaf_v0.6.1neg → vmaf_float_v0.6.1 / *",
            "*The baseline was measured under different conditions. If the change is intended, accept *",
            "*pytest *test_it.py::test_it *--vmaf-baseline-update=changed",
            "*1 error in*",
        ]
    )
    run("--vmaf-baseline-update=changed").assert_outcomes(passed=1)
    run().assert_outcomes(passed=1)


@pytest.mark.parametrize("how", [pytest.param("kill", marks=pytest.mark.slow), "interrupt"])
def test_stopped_run(run: Run, run_apart: Run, clips: Put, pytester: pytest.Pytester, how: str) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    file = pytester.path / "__vmaf__" / "test_it.json"
    before = file.read_bytes()
    clips(WORSE)
    end = "os.kill(os.getpid(), 9)" if how == "kill" else "raise KeyboardInterrupt"
    pytester.makepyfile(test_it=f"{ONE}\n    def test_stop():\n        import os\n        {end}\n")
    if how == "kill":
        assert run_apart("--vmaf-baseline-update=all").ret == -9
    else:
        result = run("--vmaf-baseline-update=all", no_reraise_ctrlc=True)
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines(["vmaf: the run was stopped, so no baseline was written."])
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["test_it.json"]


def test_tolerances_of_layers(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
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
    )
    run("--vmaf-baseline-update=missing")
    clips(WORSE)
    result = run("--vmaf-gate", "max_drop_p5=50", "--vmaf-gate", "max_vmaf_drop=1%")
    result.assert_outcomes(failed=3, passed=1)
    text = result.stdout.str()
    assert re.search(r"GateViolation: VMAF \S+ is \S+ % below the baseline's \S+; max_vmaf_drop is 1 % \(1 of 4", text)
    assert "max_vmaf_drop: missed by" in text
    assert "(set by the command line)" in text
    pytester.makeini("[pytest]\nvmaf_gates =\n  max_drop_p5=50\n  max_drop = 50\n")
    run().assert_outcomes(passed=4)


def test_section_of_the_report(
    run: Run, clips: Put, report: Callable[[], dict[str, Any]], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it=ONE)
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    clips(WORSE)
    run("--vmaf-json=r.json", "--vmaf-html=r.html").assert_outcomes(failed=1)
    [test] = report()["tests"]
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


def test_marker_that_nothing_checked(run: Run, clips: Put, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from clips import *

        @pytest.mark.vmaf(baseline=True)
        def test_sides(vmaf):
            vmaf.self_score(REF)
            vmaf._context.records.add({"gated": True, **vmaf.records[0], "gated": True})

        @pytest.mark.vmaf(baseline=True, max_neg_roi_drop=1)
        def test_part(vmaf):
            vmaf.check(REF, OUT)
        """
    )
    result = run("--vmaf-baseline-update=missing")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(
        ["*baseline=True (marker) was never checked*", "*max_neg_roi_drop (marker) was never checked*"]
    )
    result = run("-k", "sides", "--vmaf-gate", "max_cambi_rise=1")
    message = "vmaf: max_cambi_rise=1 (command line) was never checked: no measurement is compared with a baseline *"
    result.stdout.fnmatch_lines([message])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "--vmaf-baseline-update=mising",
            "*--vmaf-baseline-update must be one or more of missing, changed, improved, all, not 'mising'.",
        ),
        ("--vmaf-baseline-update=", "*--vmaf-baseline-update must be one or more of*"),
        ("--vmaf-baseline-candidate=", "*--vmaf-baseline-candidate must be the name of a folder, not ''."),
        (
            "--vmaf-baseline-candidate=clips.py",
            "*--vmaf-baseline-candidate must be a folder, and clips.py is not a folder.",
        ),
        ("--vmaf-baseline-platform=../x", "*--vmaf-baseline-platform must consist of letters*, not '../x'."),
        ("--vmaf-gate=max_drop=x", "*max_drop (command line)*'x'*"),
    ],
)
def test_invalid_options(run: Run, clips: Put, option: str, message: str) -> None:
    result = run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
