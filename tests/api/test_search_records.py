"""Vmaf.compare, .ladder, .per_shot and .sweep under pytest, alone and with -n2: what is found, recorded and refused."""

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

from pytest_vmaf import ClipError, EncodeError, MeasurementError, SettingsError, Vmaf
from pytest_vmaf.report import document as documents
from pytest_vmaf.search.row_files import read_rows

Run = Callable[..., pytest.RunResult]

FAST: dict[str, Any] = {"preset": "ultrafast", "crf": (24, 36)}


@pytest.fixture(scope="session")
def short(footage: Callable[..., Path]) -> Path:
    """Twelve small frames."""
    return footage("160x120", 12)


@pytest.fixture(scope="session")
def cut_clip(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of 16 frames."""
    shots = ("mandelbrot=s=160x120:r=25:end_scale=0.002", "testsrc2=s=160x120:r=25")
    parts = [f"{scene},trim=end_frame=16,format=yuv420p,setpts=N/25/TB[s{n}]" for n, scene in enumerate(shots)]
    graph = f"{';'.join(parts)};[s0][s1]concat=n=2"
    return make("-filter_complex", graph, "-c:v", "ffv1", tmp_path_factory.mktemp("cut") / "cut.mkv")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, short: Path, cut_clip: Path) -> Run:
    """Run pytest with a JSON and an HTML report, alone or under -n2; SOURCE, CUT and FAST are in the module `clips`."""
    pytester.makepyfile(clip_paths=f"SOURCE = {str(short)!r}\nCUT = {str(cut_clip)!r}\nFAST = {FAST!r}\n")
    temp = pytester.mkdir("temp")

    monkeypatch.setattr("tempfile.tempdir", str(temp))

    def under(*arguments: str) -> pytest.RunResult:
        options = ["--vmaf-json=r.json", "--vmaf-html=r.html", "-p", "no:cacheprovider", f"--basetemp={temp}/pytest"]
        result = pytester.runpytest(*options, "-p", "no:xdist", *arguments)
        assert [path.name for path in temp.iterdir() if path.name != "pytest"] == []
        return result

    return under


def entries(pytester: pytest.Pytester) -> dict[str, dict[str, Any]]:
    """Each test's entry in the report, which is checked against its schema."""
    document = documents.read(pytester.path / "r.json")
    return {test["id"].partition("::")[2]: test for test in document["tests"]}


def charts(test: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for section in test["sections"] for block in section["blocks"] if block["kind"] == "chart"]


# Under pytest.


@pytest.mark.slow
def test_compare_lost_win(run: Run, pytester: pytest.Pytester, short: Path) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import SOURCE

        def test_codec(vmaf):
            sharp = {"encoder": "libx264:ultrafast", "arguments": "-vf unsharp=5:5:0.4"}
            found = vmaf.compare(
                SOURCE, encoders={"plain": "libx264:ultrafast", "sharp": sharp}, targets=[80, 90], crf=(16, 34),
                speed=False,
            )
            assert found.bd_rate("sharp", anchor="plain", metric="vmaf") <= -4
            assert found.lost_wins == (("sharp", "plain"),)
            assert found.bd_rate("sharp", anchor="plain") <= 0

        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *assert <+* % (BD-rate, NEG 80 to 90, 1 source)> <= 0"])
    test = entries(pytester)["test_codec"]
    assert [section["title"] for section in test["sections"]] == [
        "Comparison of plain, sharp", "Agreement of metrics", f"Rate and quality: {short}",
    ]  # fmt: skip
    *_, chart = charts(test)
    assert [line["name"] for line in chart["lines"]] == ["plain", "sharp"]
    assert all(len(line["points"]) >= 4 and len(line["marked"]) == 2 for line in chart["lines"])
    # An encode for each target of each encoder, with the target as its gate.
    assert [[gate["limit"] for gate in each["gates"]] for each in test["measurements"]] == [[80], [90], [80], [90]]
    page = (pytester.path / "r.html").read_text()
    assert "Comparison of plain, sharp" in page
    assert "Wins by default VMAF that disappear under NEG: sharp over plain." in page
    assert page.count("<polyline") >= 2


@pytest.mark.slow
def test_ladder(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from clip_paths import SOURCE, FAST

        def test_ladder(vmaf, tmp_path):
            found = vmaf.ladder(SOURCE, encoder="libx264", resolutions=["160x120", (96, 72)], targets=[60, 80],
                                segment=0.2, keep=tmp_path / "kept", **FAST)
            assert [rung.width for rung in found.rungs] == [160, 96]
            assert "CODECS=" in found.to_hls()
            assert found.package(tmp_path / "dash", "dash").is_file()

        def test_unmet(vmaf):
            found = vmaf.ladder(SOURCE, encoder="libx264", resolutions=["96x72"], targets=[99], **FAST)
            assert not found.met
            assert found.met, found.unmet[99]
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *NEG 99 of libx264 cannot be reached: the reference itself has*"])
    tests = entries(pytester)
    assert [section["title"] for section in tests["test_ladder"]["sections"]] == ["Ladder of libx264 ultrafast"]
    (chart,) = charts(tests["test_ladder"])
    assert [line["name"] for line in chart["lines"]] == ["160x120", "96x72", "hull"]
    assert [len(line["marked"]) for line in chart["lines"]] == [1, 1, 0]
    assert tests["test_ladder"]["measurements"]
    assert tests["test_unmet"]["sections"]
    assert "Not met: 96x72: NEG 99 of libx264 cannot be reached" in (pytester.path / "r.html").read_text()


@pytest.mark.slow
def test_per_shot(run: Run, pytester: pytest.Pytester, cut_clip: Path) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import CUT, FAST

        def test_shots(vmaf):
            found = vmaf.per_shot(CUT, encoder="libx264", target=80, preset="ultrafast", crf=(20, 44))
            assert len(found.shots) == 2
            assert found.met
            assert found.worst_shot >= 79
            assert found.rate_change < 100
        """
    )
    result = run()
    result.assert_outcomes(passed=1)
    test = entries(pytester)["test_shots"]
    assert [section["title"] for section in test["sections"]] == [f"Shots of {cut_clip}"]
    scores, crfs = charts(test)
    assert [[x for x, _ in line["points"]] for line in scores["lines"]] == [[0, 0.64, 0.64, 1.28]] * 2
    assert len({y for _, y in crfs["lines"][0]["points"]}) == 2
    assert [each["frames"] for each in test["measurements"]] == [32]
    assert "The worst shot has NEG" in (pytester.path / "r.html").read_text()


@pytest.mark.slow
def test_sweep_resumes(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import SOURCE
        from pytest_vmaf import recommend

        def test_sweep(vmaf, pytestconfig):
            output = pytestconfig.rootpath / "rows.jsonl"
            rows = vmaf.sweep(SOURCE, encoders=["libx264"], presets=["ultrafast"], crfs=[28, 32], output=output)
            assert [row.crf for row in rows] == [28, 32]
            (found,) = recommend(rows, target=80)
            assert found.row.crf == 28
        """
    )
    run().assert_outcomes(passed=1)
    first = (pytester.path / "rows.jsonl").read_bytes()
    assert [row.crf for row in read_rows(pytester.path / "rows.jsonl")] == [28, 32]
    (pytester.path / "rows.jsonl").write_bytes(first.splitlines(keepends=True)[0])
    run().assert_outcomes(passed=1)
    again = (pytester.path / "rows.jsonl").read_bytes()
    assert again.splitlines()[0] == first.splitlines()[0]
    assert [row.crf for row in read_rows(pytester.path / "rows.jsonl")] == [28, 32]
    assert entries(pytester).keys() <= {"test_sweep"}


@pytest.mark.slow
def test_failing_encoder(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import SOURCE, CUT, FAST

        def broken(source, output, crf):
            raise RuntimeError("out of licences")

        def test_compare(vmaf):
            vmaf.compare(SOURCE, encoders={"good": "libx264:ultrafast", "bad": broken}, targets=1, crf=(30, 30))

        def test_ladder(vmaf):
            vmaf.ladder(SOURCE, encoder=broken, resolutions=["96x72"], targets=80)

        def test_shots(vmaf):
            vmaf.per_shot(CUT, encoder=broken, target=80)

        def test_sweep(vmaf, tmp_path):
            vmaf.sweep(SOURCE, encoders=[broken], crfs=[30], output=tmp_path / "rows.jsonl")
        """
    )
    result = run()
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(["*This was bad on *; 1 (good on *) of 2 searches had been finished."])
    tests = entries(pytester)
    assert set(tests) == {"test_compare", "test_ladder", "test_shots", "test_sweep"}
    for test in tests.values():
        (measurement,) = test["measurements"]
        assert measurement["status"] == "error"
        assert "broken raised RuntimeError at CRF" in measurement["error"]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_in_sweep(pytester: pytest.Pytester, short: Path) -> None:
    pytester.makepyfile(
        f"""
        def test_sweep(vmaf, pytestconfig):
            output = pytestconfig.rootpath / "rows.jsonl"
            vmaf.sweep({str(short)!r}, encoders=["libx264"], presets=["ultrafast"], crfs=range(10, 50), output=output)
        """
    )
    temp = pytester.mkdir("temp")
    output = pytester.path / "rows.jsonl"
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "--vmaf-json=r.json"]
    child = subprocess.Popen(
        argv, cwd=pytester.path, env={**os.environ, "TMPDIR": str(temp)}, stdout=subprocess.PIPE, text=True
    )
    try:
        while child.poll() is None and not (output.is_file() and output.read_bytes().count(b"\n") >= 2):
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 2, said
    rows = read_rows(output)
    assert [row.crf for row in rows] == list(range(10, 10 + len(rows)))
    assert 2 <= len(rows) < 40
    assert [path for path in temp.iterdir() if "pytest-vmaf" in path.name] == []
    assert json.loads((pytester.path / "r.json").read_text())["runs"][0]["ended"] == "interrupted"


# Without pytest: what is refused.

METHODS: dict[str, Callable[..., Any]] = {
    "compare": lambda vmaf, source, **more: vmaf.compare(source, **{"encoders": ["libx264"], "targets": [80], **more}),
    "ladder": lambda vmaf, source, **more: vmaf.ladder(
        source, **{"encoder": "libx264", "resolutions": ["96x72"], "targets": [80], **more}
    ),
    "per_shot": lambda vmaf, source, **more: vmaf.per_shot(source, **{"encoder": "libx264", "target": 80, **more}),
    "sweep": lambda vmaf, source, **more: vmaf.sweep(
        source, **{"encoders": ["libx264"], "crfs": [30], "output": "rows.jsonl", **more}
    ),
}
SEVERAL = ("compare", "sweep")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in and to have temporary files in."""
    (tmp_path / "temp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    return tmp_path


def refused(method: str, error: type[Exception], said: str, source: Any, **settings: Any) -> None:
    """The call raises, says this, and is recorded once as an error without numbers."""
    vmaf = Vmaf()
    with pytest.raises(error, match=said):
        METHODS[method](vmaf, source, **settings)
    (record,) = vmaf.records
    assert record["status"] == "error"
    assert vmaf.sections == []
    assert not Path("rows.jsonl").exists()
    assert list(Path("temp").iterdir()) == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("wrong", "nearest"), [("modell", "model"), ("presett", "preset"), ("argumens", "arguments"), ("pixfmt", "pix_fmt")]
)
def test_unknown_setting(method: str, wrong: str, nearest: str, short: Path, nowhere: Path) -> None:
    refused(
        method,
        SettingsError,
        f"'{wrong}' is not a setting of a search. Did you mean '{nearest}'",
        short,
        **{wrong: "x"},
    )


@pytest.mark.parametrize("method", METHODS)
def test_score_gate_in_search(method: str, short: Path, nowhere: Path) -> None:
    refused(method, SettingsError, "min_neg is not a gate of a search", short, min_neg=90)


@pytest.mark.parametrize("method", METHODS)
def test_missing_source(method: str, nowhere: Path) -> None:
    refused(method, ClipError, r"away\.mkv does not exist", "away.mkv")


@pytest.mark.parametrize("method", SEVERAL)
def test_last_source_checked_first(method: str, short: Path, nowhere: Path) -> None:
    called: list[int] = []

    def counting(source: Path, output: Path, crf: int) -> None:
        called.append(crf)

    refused(method, ClipError, r"away\.mkv does not exist", [short, "away.mkv"], encoders=[counting])
    assert called == []


@pytest.mark.parametrize("method", SEVERAL)
@pytest.mark.parametrize("sources", [[], (), 5, None, [5], [None]])
def test_invalid_sources(method: str, sources: Any, nowhere: Path) -> None:
    refused(
        method,
        SettingsError,
        "There must be at least one source|A clip must be a path, a Clip, an encode or frames in memory, not (5|None)",
        sources,
    )


@pytest.mark.parametrize("method", ["compare", "ladder", "per_shot"])
@pytest.mark.parametrize("target", [101, 0, -1, float("nan"), float("inf"), "80", True, None])
def test_invalid_target(method: str, target: Any, short: Path, nowhere: Path) -> None:
    given = {"target": target} if method == "per_shot" else {"targets": [target]}
    refused(method, SettingsError, r"target", short, **given)


@pytest.mark.parametrize("method", ["compare", "ladder"])
def test_invalid_targets(method: str, short: Path, nowhere: Path) -> None:
    refused(method, SettingsError, "targets must be a list of numbers, .*, not '80'", short, targets="80")
    refused(method, SettingsError, "Every target must be given once, not 80, 80", short, targets=[80, 80.0])
    refused(method, SettingsError, "targets is empty", short, targets=[])


@pytest.mark.parametrize(
    ("method", "settings", "said"),
    [
        ("compare", {"encoders": "libx264"}, "encoders must be a list, .*, not 'libx264'"),
        ("compare", {"encoders": []}, "encoders is empty"),
        ("compare", {"encoders": ["libx264", "libx264"]}, "Every label must be given once, not 'libx264' twice"),
        ("compare", {"encoders": ["libx264x"]}, "'libx264x'. Did you mean 'libx264'"),
        ("compare", {"encoders": ["libx264:fastr"]}, "no preset 'fastr'. Did you mean 'fast"),
        ("ladder", {"resolutions": "160x120"}, "resolutions must be a list such as .*, not '160x120'"),
        ("ladder", {"resolutions": ["320x240"]}, "320x240 is larger than the reference"),
        ("ladder", {"segment": "2"}, "segment must be a number of seconds .*, not '2'"),
        ("per_shot", {"shortest": "16"}, "shortest must be a whole number of frames .*, not '16'"),
        ("per_shot", {"threshold": -1}, "threshold must be .*, not -1"),
        ("sweep", {"encoders": "libx264"}, "encoders must be a list, .*, not 'libx264'"),
        ("sweep", {"encoders": 5}, "encoders must be a list, .*, not 5"),
        ("sweep", {"presets": "fast"}, "presets must be a list, .*, not 'fast'"),
        ("sweep", {"presets": ["fastest"]}, "has no preset 'fastest'"),
        ("sweep", {"crfs": "30"}, "crfs must be a list, .*, not '30'"),
        ("sweep", {"crfs": 30}, "crfs must be a list, .*, not 30"),
        ("sweep", {"crfs": [30.5]}, "whole numbers"),
        ("sweep", {"crfs": [99]}, "crfs must be from 0 to 51 for libx264, not 99"),
        ("sweep", {"workers": 2}, "'workers' is an option of a search"),
        ("sweep", {"output": 5}, "output must be a path, not 5"),
        ("sweep", {"pix_fmt": 5}, "pix_fmt must be .*, not 5"),
    ],
)
def test_invalid_settings(method: str, settings: dict[str, Any], said: str, short: Path, nowhere: Path) -> None:
    refused(method, SettingsError, said, short, **settings)


@pytest.mark.slow
def test_compare_error_has_probes(short: Path) -> None:
    def fails(source: Path, output: Path, crf: int) -> None:
        raise RuntimeError("out of licences")

    vmaf = Vmaf()
    with pytest.raises(EncodeError) as caught:
        vmaf.compare(short, encoders={"good": "libx264:ultrafast", "bad": fails}, targets=[1, 2], crf=(30, 30))
    assert isinstance(caught.value, MeasurementError)
    assert [probe.crf for probe in caught.value.probes] == [30]
    assert [record["status"] for record in vmaf.records] == ["error"]
