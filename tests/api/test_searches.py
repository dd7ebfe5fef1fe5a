"""Vmaf.bisect as users meet it, with pytester, each behaviour with its -n2 twin; and what it refuses without pytest."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from search.builders import CurveScorer, copying

from pytest_vmaf import (
    EncodeError,
    Encoder,
    FakeScorer,
    GateViolation,
    MeasurementError,
    ScorerError,
    SettingsError,
    Vmaf,
)
from pytest_vmaf.report import document as documents

Run = Callable[..., pytest.RunResult]

#: A bisection that ends soon: few frames, a fast preset, a narrow window.
BISECT = """
SOURCE = {source!r}

def bisect(vmaf, *targets, encoder="libx264", **settings):
    settings = {{"preset": "ultrafast", "crf": (36, 38), **settings}}
    return vmaf.bisect(SOURCE, encoder=encoder, targets=targets or [60], **settings)
"""


@pytest.fixture(scope="session")
def short(footage: Callable[..., Path]) -> Path:
    """Eight frames of 192x128 pixels."""
    return footage("192x128", 8)


@pytest.fixture
def run(pytester: pytest.Pytester, short: Path) -> Run:
    """Run pytest with a JSON report, alone or under -n2; the tests inside have `from short_search import bisect`."""
    pytester.makepyfile(short_search=BISECT.format(source=str(short)))

    def under(*arguments: str) -> pytest.RunResult:
        options = ["--vmaf-json=r.json", "-p", "no:cacheprovider"]
        return pytester.runpytest(*options, "-p", "no:xdist", *arguments)

    return under


def entries(pytester: pytest.Pytester) -> dict[str, dict[str, Any]]:
    """Each test's entry in the report, which is checked against its schema."""
    document = documents.read(pytester.path / "r.json")
    return {test["id"].partition("::")[2]: test for test in document["tests"]}


# Under pytest.


def test_met_target(run: Run, pytester: pytest.Pytester, short: Path) -> None:
    pytester.makepyfile(
        test_it="""
        from short_search import bisect

        def test_target(vmaf):
            found = bisect(vmaf, 60, 99.9, max_bitrate={60: 130_000}, min_crf={60: 37})
            assert found[60].crf == 37
            assert found[60].score >= 60 > found[60].next_score
            assert found[60].bitrate <= 130_000
            assert found[60].result.gap < 3
            assert not found[99.9].met
        """
    )
    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*vmaf: measurements*", "FAILED * target *test_target (*", "passed *test_target (*"])
    test = entries(pytester)["test_target"]
    unmet, measurement = test["measurements"]
    # The test asked for nothing of it; it stands there all the same.
    assert unmet["status"] == "failed"
    assert [(gate["name"], gate["limit"], gate["passed"]) for gate in unmet["gates"]] == [("target", 99.9, False)]
    assert measurement["status"] == "passed"
    assert measurement["reference"] == str(short)
    assert measurement["distorted"] == "libx264 ultrafast CRF 37"
    assert [(gate["name"], gate["limit"], gate["passed"]) for gate in measurement["gates"]] == [
        ("target", 60, True),
        ("max_bitrate", 130_000, True),
        ("min_crf", 37, True),
    ]
    assert "-c:v libx264 -preset ultrafast -crf 37" in measurement["provenance"]["command"]
    [section] = test["sections"]
    assert section["title"] == "libx264 ultrafast: NEG 60, 99.9"


@pytest.mark.slow
def test_failures_explain_themselves(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from pytest_vmaf import Vmaf
        from short_search import bisect

        FOUND = bisect(Vmaf(), 60, 99.9)

        def test_crf():
            assert FOUND[60].crf >= 39

        def test_bitrate():
            assert FOUND[60].bitrate <= 100_000

        def test_met():
            assert FOUND.met

        def test_unmet():
            assert FOUND[99.9].crf >= 10

        def test_gate_on_bitrate(vmaf):
            bisect(vmaf, 60, 70, crf=(34, 38), max_bitrate=130_000)

        def test_gate_on_crf(vmaf):
            bisect(vmaf, 60, 70, crf=(34, 38), min_crf=38)

        def test_gate_on_unmet(vmaf):
            bisect(vmaf, 60, 99.9, max_bitrate=1e9)
        """
    )
    result = run()
    result.assert_outcomes(failed=7)
    answer = "<NEG 60 of libx264: CRF 37 (61.*; CRF 38: 57.*), * kbit/s>"
    result.stdout.fnmatch_lines_random(
        [
            "E*assert 37 >= 39",
            f"E*where 37 = {answer}.crf",
            "E*assert 115*.* <= 100000",
            f"E*where 115* = {answer}.bitrate",
            "E*where False = <Bisection of libx264 ultrafast, * encodes: *NEG 99.9 of libx264 cannot be reached*>.met",
            "E*GateViolation: NEG 99.9 of libx264 cannot be reached: the reference itself has 99.67*",
        ]
    )
    result.stdout.no_fnmatch_line("*bisect.py:*")
    result.stdout.fnmatch_lines_random(
        [
            "E*GateViolation: 160,* bit/s > 130,000 at NEG 70 (1 of 2 gates failed)",
            "E*libx264 ultrafast on *: NEG, ceiling 99.68, * encodes",
            "E*target  CRF *NEG *next *kbit/s *bytes  outcome",
            "E*GateViolation: CRF 37 < 38 at NEG 60; CRF 34 < 38 at NEG 70 (2 of 2 gates failed)",
            "E*GateViolation: NEG 99.9 of libx264 cannot be reached: the reference itself has 99.67* (1 of 2 *)",
        ]
    )
    tests = entries(pytester)
    assert [measurement["status"] for measurement in tests["test_gate_on_bitrate"]["measurements"]] == [
        "passed",
        "failed",
    ]
    assert [measurement["status"] for measurement in tests["test_gate_on_crf"]["measurements"]] == ["failed", "failed"]
    assert "NEG 99.9 of libx264 cannot be reached" in tests["test_gate_on_unmet"]["message"]
    assert all(len(test["sections"]) == 1 for test in tests.values())


@pytest.mark.slow
def test_errors(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pathlib
        import subprocess
        from short_search import bisect

        def test_name(vmaf):
            bisect(vmaf, encoder="libsvtav")

        def test_preset(vmaf):
            bisect(vmaf, preset="ultrafst")

        def test_missing(vmaf):
            bisect(vmaf, encoder="h264_videotoolbox", preset=None)

        def test_program(vmaf):
            bisect(vmaf, encoder="./no-such-enc {crf} {input} {output}", preset=None)

        def broken(source, output, crf):
            if crf < 38:
                raise RuntimeError("no licence for this")
            from pytest_vmaf.media.ffmpeg import find_ffmpeg
            argv = [find_ffmpeg().path, "-v", "error", "-i", source, "-c:v", "libx264", "-crf", str(crf), output]
            subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)

        def test_function(vmaf):
            bisect(vmaf, 60, encoder=broken, preset=None, start={60: 38})

        def test_source(vmaf):
            vmaf.bisect("missing.mkv", encoder="libx264", targets=[60])

        def test_keep(vmaf):
            pathlib.Path("file").write_text("")
            bisect(vmaf, keep="file")
        """
    )
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*7 errors in*"])
    result.stdout.fnmatch_lines_random(
        [
            "*ERROR at call of test_name*",
            "E*SettingsError: There is no encoder 'libsvtav'. Did you mean 'libsvtav1'? *",
            "E*SettingsError: libx264 has no preset 'ultrafst'. Did you mean 'ultrafast'? *",
            "E*EncodeError: *was built without the encoder h264_videotoolbox. It also needs macOS on Apple silicon.",
            "E*EncodeError: The encoder ./no-such-enc was not found in *",
            "E*EncodeError: The encoder broken raised RuntimeError at CRF *: no licence for this",
            "E*Trial encodes finished before: CRF 38: *",
            "E*ClipError: missing.mkv does not exist.",
            "E*ScorerError: The system refused what the search needs: *File exists*",
        ]
    )
    result.stdout.no_fnmatch_line("*bisect.py:*")
    tests = entries(pytester)
    assert {test["status"] for test in tests.values()} == {"error"}
    [record] = tests["test_function"]["measurements"]
    assert record["status"] == "error"
    assert record["distorted"] == "bisect with broken"
    assert "no licence for this" in record["error"]


@pytest.mark.slow
def test_marker_with_score_gates(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from short_search import bisect

        @pytest.mark.vmaf(features=["psnr"])
        def test_without_gates(vmaf):
            assert bisect(vmaf, crf=(37, 37))[60].result["psnr_y"] > 20

        @pytest.mark.vmaf(min_neg=50)
        def test_with_gates(vmaf):
            bisect(vmaf, crf=(37, 37))

        @pytest.mark.vmaf(min_neg=50)
        def test_with_gates_that_are_held(vmaf, tmp_path):
            found = bisect(vmaf, crf=(37, 37), keep=tmp_path)
            vmaf.check(found.reference, found[60].encode.path)

        @pytest.mark.vmaf(threads=1)
        def test_failing(vmaf):
            bisect(vmaf, crf=(37, 37), max_bitrate=1)
        """
    )
    result = run()
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        ["*This test has the vmaf marker but measured nothing, so none of its gates was checked.*"]
    )
    result.stdout.no_fnmatch_line("*test_failing*measured nothing*")
    statuses = {name: test["status"] for name, test in entries(pytester).items()}
    assert statuses == {
        "test_without_gates": "passed",
        "test_with_gates": "failed",
        "test_with_gates_that_are_held": "passed",
        "test_failing": "failed",
    }


@pytest.mark.slow
def test_encoders_by_name(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeconftest(
        """
        from pytest_vmaf import Encoder

        def pytest_vmaf_encoder(config, name):
            assert config is not None
            if name in ("ours", "libx264"):
                return Encoder("libx264", (37, 38), ("-preset", "ultrafast", "-crf", "{crf}"))
            return "libx264" if name == "garbage" else None
        """
    )
    site = pytester.mkdir("site")
    info = site / "farm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: farm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest_vmaf.encoders]\nfarm = farm_encoder\nbroken = no_such_module\n")
    (site / "farm_encoder.py").write_text(
        "import pluggy\n"
        "from pytest_vmaf import Encoder\n"
        "@pluggy.HookimplMarker('pytest')\n"
        "def pytest_vmaf_encoder(config, name):\n"
        "    row = Encoder('libx264', (37, 38), ('-preset', 'ultrafast', '-crf', '{crf}'))\n"
        "    return row if name == 'farm' else None\n"
    )
    monkeypatch.syspath_prepend(site)
    pytester.makepyfile(
        test_it="""
        import sys
        import pytest
        from short_search import bisect

        @pytest.mark.parametrize("name", ["ours", "libx264"])
        def test_conftest(vmaf, name):
            answer = bisect(vmaf, encoder=name, preset=None, crf=None)[60]
            assert answer.crf == 37
            assert answer.result["float_ssim"] > 0.5

        def test_package(vmaf):
            assert "farm_encoder" not in sys.modules
            assert bisect(vmaf, encoder="farm", preset=None, crf=None)[60].crf == 37

        def test_here(vmaf):
            assert bisect(vmaf, encoder="libsvtav1", preset=12, crf=(61, 61))[60].crf == 61

        def test_garbage(vmaf):
            bisect(vmaf, encoder="garbage", preset=None)

        def test_broken(vmaf):
            bisect(vmaf, encoder="broken", preset=None)
        """
    )
    # A gate of the run is for vmaf.check; a feature of the run is for every measurement.
    result = run("--vmaf-feature=float_ssim", "--vmaf-gate=min_neg=99")
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines_random(
        [
            "E*SettingsError: The hook pytest_vmaf_encoder must return an Encoder or a Codec for 'garbage', not *.",
            "E*EncodeError: The encoder 'broken' cannot be loaded: ModuleNotFoundError*no_such_module*",
        ]
    )


# Without pytest.


@pytest.fixture
def vmaf(short: Path) -> Callable[..., Any]:
    """vmaf(60, **settings): a Vmaf and what its bisection of the short clip gave or raised."""

    def bisect(*targets: float, encoder: Any = "libx264", **settings: Any) -> Any:
        mine = settings.pop("on", None) or Vmaf()
        return mine.bisect(short, encoder=encoder, targets=targets, **settings)

    return bisect


@pytest.fixture
def copy(short: Path, encode: Callable[..., Path]) -> Encoder:
    """An encoder that writes the same encode at every CRF."""
    return copying(encode(short, 30))


@pytest.mark.slow
def test_bisect_without_pytest(vmaf: Callable[..., Any]) -> None:
    mine = Vmaf()
    found = vmaf(60, on=mine, preset="ultrafast", crf=[36, 37], arguments="-tune 'film' -g 5")
    assert found.arguments == ("-tune", "film", "-g", "5")
    assert found.met
    [record] = mine.records
    assert (record["status"], record["gated"], record["every_gate"]) == ("passed", True, False)
    assert record["started"] > 0
    assert len(mine.sections) == len(mine._context.records.clips) == 1


@pytest.mark.slow
def test_targets_with_one_answer(vmaf: Callable[..., Any], copy: Encoder) -> None:
    mine = Vmaf(scorer=CurveScorer())
    found = vmaf(60, 60.5, on=mine, encoder=copy, crf=(24, 30), min_crf={60.5: 20})
    assert found[60].crf == found[60.5].crf
    [record] = mine.records
    assert [(gate["name"], gate["limit"]) for gate in record["gates"]] == [
        ("target", 60),
        ("target", 60.5),
        ("min_crf", 20),
    ]


@pytest.mark.slow
def test_start_from_earlier_search(vmaf: Callable[..., Any], copy: Encoder) -> None:
    def search(*targets: float, **settings: Any) -> Any:
        return vmaf(*targets, on=Vmaf(scorer=CurveScorer()), encoder=copy, **settings)

    found = search(60, 80, 99.9)
    again = search(60, 80, 99.9, start=found)
    assert [a.probe and a.probe.crf for a in again.answers.values()] == [
        a.probe and a.probe.crf for a in found.answers.values()
    ]
    assert len(again.probes) < len(found.probes)
    by_hand = search(60, start={60: found[60].crf, 77: 3})
    assert [probe.crf for probe in by_hand.probes] == [found[60].crf, found[60].crf + 1]


FINER = Encoder("x", arguments=("-crf", "{crf}"), larger_is_finer=True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"targets": []}, "targets is empty. Give at least one"),
        ({"targets": "94"}, "targets must be a list of numbers, for example .*, not '94'"),
        ({"targets": ["94"]}, r"targets must be a list of numbers, .*, not \['94'\]"),
        ({"targets": True}, "targets must be a list of numbers, .*, not True"),
        ({"targets": [True]}, r"targets must be a list of numbers, .*, not \[True\]"),
        ({"targets": None}, "targets must be a list of numbers, .*, not None"),
        ({"targets": [60, None]}, "targets must be a list of numbers"),
        ({"targets": 101}, "A target of NEG must be between 1 and 100, not 101"),
        ({"targets": [float("nan")]}, "A target of NEG must be between 1 and 100, not nan"),
        ({"targets": [60, 60.0]}, "Every target must be given once"),
        ({"metric": "gap"}, "metric must be .*, not 'gap'"),
        ({"metric": 5}, "metric must be .*, not 5"),
        (
            {"crf": (50, 20)},
            r"crf must be two whole numbers from 0 to 51 for libx264, the smaller one first, not \(50, 20\)",
        ),
        ({"crf": 20}, "crf must be two whole numbers .*, not 20"),
        ({"sample": -1}, "sample must be a number of seconds above 0, not -1"),
        ({"workers": 0}, "workers must be a whole number of at least 1, not 0"),
        ({"start": {60: "20"}}, r"start must be \{target: CRF\}, or the result of an earlier search, not \{60: '20'\}"),
        ({"start": {60: None}}, r"start must be .*, not \{60: None\}"),
        ({"start": {"60": 20}}, r"start must be .*, not \{'60': 20\}"),
        ({"start": [20]}, r"start must be .*, not \[20\]"),
        ({"start": 20}, "start must be .*, not 20"),
        ({"preset": "fastest"}, "libx264 has no preset 'fastest'. Did you mean 'faster'"),
        ({"preset": 5}, "libx264 has no preset '5'"),
        ({"arguments": "-g '48"}, "cannot be split: No closing quotation"),
        ({"arguments": 5}, "arguments must be a text or a list of words, not 5"),
        ({"arguments": "-crf 20"}, "arguments must not contain -crf"),
        ({"arguments": ["-preset", "slow"]}, "arguments must not contain -preset"),
        ({"encoder": "x264"}, "There is no encoder 'x264'. Did you mean 'libx264'"),
        ({"encoder": "./enc --fast"}, r"There is no encoder './enc --fast'.*\n.*A command must contain \{crf\}"),
        ({"encoder": "./enc -i {input}"}, r"enc: \{crf\} is missing"),
        ({"encoder": "./enc {crf} {inptu}"}, r"\{inptu\} is not a placeholder. Did you mean '\{input\}'"),
        ({"encoder": 5}, "encoder must be a name, a command template, an Encoder or a function, not 5"),
        ({"encoder": None}, "encoder must be a name, .*, not None"),
        ({"encoder": b"libx264"}, "encoder must be a name, .*, not b'libx264'"),
        ({"encoder": []}, "The encoder's command is empty"),
        ({"encoder": lambda source: None}, r"An encoder function must take \(source, output, crf\)"),
        ({"max_bitrate": "2M"}, "max_bitrate at 60 must be a finite number, not '2M'"),
        ({"max_bitrate": float("nan")}, "max_bitrate at 60 must be a finite number, not nan"),
        ({"max_bitrate": True}, "max_bitrate at 60 must be a finite number, not True"),
        ({"max_bitrate": {61: 5}}, "max_bitrate has a limit for 61, which is not a target"),
        ({"min_crf": {"60": 5}}, "min_crf has a limit for '60', which is not a target"),
        (
            {"min_neg": 90},
            r"min_neg is not a gate of a search; max_bitrate and min_crf are\. Pass the encode to vmaf\.check",
        ),
        ({"min_crf": 5, "encoder": FINER}, "min_crf: on the scale of x, larger is finer. Use max_bitrate"),
        ({"prest": "fast"}, "prest"),
        ({"pix_fmt": "yuv421p"}, "yuv421p"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_invalid_bisect_settings(settings: dict[str, Any], said: str, short: Path) -> None:
    mine = Vmaf()
    kind = EncodeError if "pix_fmt" in settings else SettingsError
    with pytest.raises(kind, match=said):
        mine.bisect(short, **{"encoder": "libx264", "targets": [60], **settings})
    [record] = mine.records
    assert record["status"] == "error"
    assert record["reference"] == str(short)
    assert record["distorted"].startswith("bisect with ")


def test_error_has_probes(vmaf: Callable[..., Any], short: Path, ffmpeg: str) -> None:
    def fragile(source: Path, output: Path, crf: int) -> None:
        import shutil

        if crf != 20:
            raise OSError("the farm is down")
        shutil.copy(short, output)

    with pytest.raises(EncodeError, match="fragile raised OSError at CRF 21: the farm is down") as caught:
        vmaf(90, encoder=fragile, start={90: 20})
    [probe] = caught.value.probes
    assert probe.crf == 20
    assert caught.value.__traceback__ is not None
    assert isinstance(caught.value, MeasurementError)


def test_system_error_of_search(vmaf: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(ScorerError, match=r"The system refused what the search needs: .*No such file or directory"):
        vmaf(60)


def test_violation_shows_table(vmaf: Callable[..., Any]) -> None:
    mine = Vmaf(scorer=FakeScorer(neg=93, frames=8))
    with pytest.raises(
        GateViolation, match=r"^\d+,\d{3} bit/s > 1,000 at NEG 93 \(1 of 1 gates failed\)\n  libx264 "
    ) as caught:
        vmaf(93, on=mine, preset="ultrafast", crf=(36, 40), max_bitrate=1000)
    assert "met at the coarsest" in str(caught.value)
    assert mine.records[0]["status"] == "failed"
    assert mine.records[0]["provenance"]["fake"]


@pytest.mark.slow
def test_progress_by_trial_encode(short: Path, copy: Encoder) -> None:
    shown: list[tuple[int, int | None]] = []
    asked: list[tuple[str, str]] = []

    from contextlib import contextmanager

    @contextmanager
    def progress(what: str, unit: str = "frames"):
        asked.append((what, unit))
        yield lambda done, expected: shown.append((done, expected))

    found = Vmaf(progress=progress, scorer=CurveScorer()).bisect(short, encoder=copy, targets=60)
    assert asked == [("bisecting copy", "trial encodes")]
    assert [done for done, _ in shown] == list(range(1, len(found.probes) + 1))
    assert all(type(expected) is int and expected >= done for done, expected in shown)


def test_log(short: Path, copy: Encoder, caplog: pytest.LogCaptureFixture) -> None:
    vmaf = Vmaf(scorer=CurveScorer())
    vmaf.bisect(short, encoder=copy, targets=60)
    assert not caplog.records
    with caplog.at_level("DEBUG", "pytest_vmaf"):
        found = vmaf.bisect(short, encoder=copy, targets=60)
    *trials, end = [(record.levelname, record.message) for record in caplog.records if record.name == "pytest_vmaf"]
    assert len(trials) == len(found.probes)
    assert trials[0][0] == "DEBUG"
    assert re.fullmatch(r"copy CRF \d+: NEG \d+\.\d{3}, \d+\.\d kbit/s", trials[0][1])
    assert end[0] == "INFO"
    assert re.fullmatch(rf"bisect with copy: {re.escape(str(short))}, \d+\.\d s", end[1])
