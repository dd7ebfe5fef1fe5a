"""The searching subcommands of pytest-vmaf: real runs in processes of their own, their outputs and their exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import Clip, Vmaf
from pytest_vmaf.cli.main import _parser, main

COMMANDS = ("compare", "ladder", "tune-per-shot", "recommend", "corpus")
#: On the small clip VMAF 80 is CRF 26 of x264, NEG 80 is 25; nothing reaches 99.99.
FAST = ("--preset", "veryfast")
MET, UNMET = "80", "80,99.99"
posix = pytest.mark.skipif(os.name != "posix", reason="needs shell scripts, signals and pseudo-terminals")


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Path:
    """192x108, half a second."""
    return footage("192x108", 12)


@pytest.fixture(scope="session")
def raw(clip: Path, make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as raw video, which says nothing about itself."""
    return make("-i", clip, "-f", "rawvideo", tmp_path_factory.mktemp("raw") / "reference.yuv")


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where this process and its children make their temporary files."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def counting(ffmpeg: str, tmp_path: Path) -> tuple[Path, Callable[[], int]]:
    """An ffmpeg that writes down how it is called, and how many encodes it was called for."""
    script, log = tmp_path / "ffmpeg", tmp_path / "calls"
    script.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(log))}\nexec {shlex.quote(ffmpeg)} "$@"\n')
    script.chmod(0o755)
    return script, lambda: log.read_text().count(" -crf ") if log.exists() else 0


@pytest.fixture
def poor(ffmpeg: str, tmp_path: Path) -> Path:
    """An ffmpeg that was built without libx264."""
    script, real = tmp_path / "poor", shlex.quote(ffmpeg)
    script.write_text(
        f'#!/bin/sh\ncase " $* " in *" -encoders "*) {real} "$@" | grep -v x264;; *) exec {real} "$@";; esac\n'
    )
    script.chmod(0o755)
    return script


def run(*arguments: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    argv = [sys.executable, "-m", "pytest_vmaf", *map(str, arguments)]
    environment = {**os.environ, **(env or {})}
    return subprocess.run(argv, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120)


def strict(text: str) -> Any:
    """JSON as RFC 8259 has it: no NaN, no Infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def searching(command: str, clip: Path | str, targets: str = MET) -> list[object]:
    """The shortest run of a subcommand that searches."""
    given = {
        "compare": ["--encoders", "libx264", "--no-speed"],
        "ladder": ["--encoder", "libx264", "--resolutions", "192x108"],
        "tune-per-shot": ["--encoder", "libx264", "--no-fixed"],
        "recommend": [],
    }[command]
    return [command, "--src", clip, *given, *FAST, "--target-vmafs", targets]


SEARCHES = ("compare", "ladder", "tune-per-shot", "recommend")


def sweeping(clip: Path, output: Path, *more: object) -> list[object]:
    return ["corpus", "--src", clip, "--encoder", "libx264", *FAST, "--crf", "20-30:5", "--output", output, *more]


@pytest.fixture(scope="session")
def corpus(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of three rows, CRF 20, 25 and 30."""
    output = tmp_path_factory.mktemp("corpus") / "rows.jsonl"
    done = run(*sweeping(clip, output))
    assert done.returncode == 0, done.stderr
    return output


# What each writes, in every form.


def test_compare_writes_the_numbers_of_the_python_api(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    encoders = ["libx264:veryfast", "libx264:ultrafast"]
    asked = ["compare", "--src", clip, "--encoders", ",".join(encoders), "--target-vmafs", "70,80", "--neg"]
    done = run(*asked, "--no-speed", "--format=json", "--output", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    data = strict(output.read_text())
    assert data["schema"] == 1
    assert data["command"] == "compare"
    assert (data["neg"], data["metric"], data["target_model"]) == (True, "neg", "vmaf_v0.6.1neg")
    assert data["assumed"] == []
    found = Vmaf().compare(clip, encoders=encoders, targets=[70, 80], metric="neg", speed=False)
    for label in encoders:
        one = data["sources"][str(clip)][label]
        assert one["made_with"]["neg_model"] == "vmaf_v0.6.1neg"
        for answer in one["answers"]:
            wanted = found[label][answer["target"]]
            assert (answer["crf"], answer["score"], answer["bitrate"], answer["size"], answer["next_score"]) == (
                wanted.crf, wanted.score, wanted.bitrate, wanted.size, wanted.next_score,
            )  # fmt: skip
            assert answer["score"] == answer["neg"]
    assert data["bd_rate"]["libx264:ultrafast"].get("value") == pytest.approx(
        float(found.bd_rate("libx264:ultrafast", anchor="libx264:veryfast"))
    )


def test_ladder_writes_the_numbers_of_the_python_api(clip: Path) -> None:
    asked = ["ladder", "--src", clip, "--encoder", "libx264", *FAST, "--resolutions", "192x108,96x54"]
    done = run(*asked, "--target-vmafs", "80,40", "--format", "json")
    assert done.returncode == 0, done.stderr
    data = strict(done.stdout)
    assert (data["command"], data["neg"], data["metric"], data["met"]) == ("ladder", False, "vmaf", True)
    assert data["target_model"] == data["models"]["model"] == "vmaf_v0.6.1"
    ladder = Vmaf().ladder(
        clip, encoder="libx264", preset="veryfast", resolutions=["192x108", "96x54"], targets=[80, 40], metric="vmaf"
    )
    assert [(rung["width"], rung["crf"], rung["score"], rung["bitrate"]) for rung in data["rungs"]] == [
        (rung.width, rung.probe.crf, rung.probe.score, rung.bitrate) for rung in ladder.rungs
    ]


def test_tune_per_shot_writes_the_numbers_of_the_python_api_and_a_plan(clip: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    asked = [*searching("tune-per-shot", clip), "--sample-clip-seconds", "0.32", "--plan-out", plan]
    done = run(*asked, "--format", "json")
    assert done.returncode == 0, done.stderr
    data = strict(done.stdout)
    assert strict(plan.read_text()) == data
    assert data["target_model"] == "vmaf_v0.6.1"
    found = Vmaf().per_shot(
        clip, encoder="libx264", preset="veryfast", target=80, metric="vmaf", fixed=False, sample=0.32
    )
    assert data["score"] == found.score
    assert data["bitrate"] == found.bitrate
    assert [shot["crf"] for shot in data["shots"]] == [shot.crf for shot in found.shots]
    assert sum(shot["frames"] for shot in data["shots"]) == 8


def test_recommend_writes_the_numbers_of_the_python_api(clip: Path) -> None:
    done = run(*searching("recommend", clip), "--metric", "neg.p5", "--format", "json")
    assert done.returncode == 0, done.stderr
    data = strict(done.stdout)
    assert (data["command"], data["neg"], data["metric"]) == ("recommend", True, "neg.p5")
    found = Vmaf().bisect(clip, encoder="libx264", preset="veryfast", targets=80, metric="neg.p5")
    (answer,) = data["answers"]
    assert (answer["crf"], answer["score"]) == (found[80].crf, found[80].score)
    assert [probe["crf"] for probe in data["probes"]] == [probe.crf for probe in found.probes]


@pytest.mark.parametrize("command", SEARCHES)
def test_a_table_says_what_the_targets_are_numbers_of(command: str, clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    done = run(*searching(command, clip), "--neg", "--output", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    text = output.read_text()
    assert text.startswith("Targets are NEG, the score of vmaf_v0.6.1neg.\n")
    assert "libx264" in text
    # The NEG answer, not the default one.
    assert re.search(r"\b25\b.*81\.300", text)
    assert "\x1b" not in text


def test_hls_and_dash_can_be_read_and_name_the_model_in_a_comment(clip: Path, tmp_path: Path) -> None:
    asked = ["ladder", "--src", clip, "--encoder", "libx264", *FAST, "--resolutions", "192x108,96x54"]
    asked += ["--target-vmafs", "78,40", "--neg", "--crf-range", "24-32"]
    hls = run(*asked, "--format", "hls")
    assert hls.returncode == 0, hls.stderr
    lines = hls.stdout.splitlines()
    assert lines[:2] == ["#EXTM3U", "# Targets are NEG, the score of vmaf_v0.6.1neg. They are 78, 40."]
    assert [line for line in lines if not line.startswith("#")] == ["96x54-crf30.m3u8", "192x108-crf26.m3u8"]
    output = tmp_path / "out.mpd"
    dash = run(*asked, "--format", "dash", "--output", output)
    assert dash.returncode == 0, dash.stderr
    assert "<!-- Targets are NEG, the score of vmaf_v0.6.1neg. They are 78, 40. -->" in output.read_text()
    mpd = ET.parse(output).getroot()
    found = [each.get("width") for each in mpd.iter("{urn:mpeg:dash:schema:mpd:2011}Representation")]
    assert found == ["96", "192"]


@pytest.mark.parametrize(("form", "name"), [("hls", "index.m3u8"), ("dash", "index.mpd"), ("json", "index.m3u8")])
def test_a_package_plays_and_its_manifest_is_what_is_written(
    form: str, name: str, clip: Path, tmp_path: Path, ffmpeg: str
) -> None:
    package = tmp_path / "package"
    asked = ["ladder", "--src", clip, "--encoder", "libx264", *FAST, "--resolutions", "192x108,96x54"]
    asked += ["--target-vmafs", "80,40", "--neg", "--crf-range", "24-32"]
    done = run(*asked, "--package", package, "--format", form)
    assert done.returncode == 0, done.stderr
    manifest = package / name
    if form == "json":
        assert strict(done.stdout)["met"]
    else:
        assert done.stdout == manifest.read_text()
    assert "the score of vmaf_v0.6.1neg" in manifest.read_text()
    if name == "index.m3u8":
        argv = [ffmpeg, "-v", "error", "-allowed_extensions", "ALL", "-i", str(manifest)]
        argv += ["-map", "0:v", "-f", "framemd5", "-"]
        played = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert played.stderr == ""
        streams = [line.partition(",")[0] for line in played.stdout.splitlines() if not line.startswith("#")]
        assert [streams.count(stream) for stream in sorted(set(streams))] == [12, 12]


def test_a_ladder_without_a_rung_writes_no_manifest(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.m3u8"
    done = run(*searching("ladder", clip, "99.99"), "--format", "hls", "--output", output, "--package", tmp_path / "p")
    assert done.returncode == 1
    assert "there is no rung" in done.stderr
    assert not output.exists()


@posix
def test_output_may_be_a_device(clip: Path) -> None:
    done = run(*searching("recommend", clip), "--format", "json", "--output", "/dev/stdout")
    assert done.returncode == 0, done.stderr
    assert strict(done.stdout)["met"]


# NEG.


@pytest.mark.parametrize(
    ("flags", "metric", "model"),
    [
        ([], "vmaf", "vmaf_v0.6.1"),
        (["--vmaf-model", "vmaf_v0.6.1"], "vmaf", "vmaf_v0.6.1"),
        (["--neg"], "neg", "vmaf_v0.6.1neg"),
        (["--neg", "--vmaf-model", "vmaf_v0.6.1"], "neg", "vmaf_v0.6.1neg"),
        (["--vmaf-model", "vmaf_v0.6.1neg"], "neg", "vmaf_v0.6.1neg"),
        (["--neg", "--model", "vmaf_v0.6.1neg"], "neg", "vmaf_v0.6.1neg"),
        (["--neg", "--vmaf-model", "vmaf_4k_v0.6.1"], "neg", "vmaf_4k_v0.6.1neg"),
        (["--neg", "--metric", "neg.p5"], "neg.p5", "vmaf_v0.6.1neg"),
        (["--metric", "neg"], "neg", "vmaf_v0.6.1neg"),
        (["--vmaf-model", "vmaf_float_v0.6.1neg"], "neg", "vmaf_float_v0.6.1neg"),
        (["--neg", "--vmaf-model", "vmaf_float_4k_v0.6.1"], "neg", "vmaf_float_4k_v0.6.1 gain-limited"),
        (["--vmaf-model", "vmaf_float_4k_v0.6.1"], "vmaf", "vmaf_float_4k_v0.6.1"),
        (["--phone"], "vmaf", "vmaf_v0.6.1 (phone)"),
        (["--phone", "--model", "vmaf_v0.6.1neg"], "neg", "vmaf_v0.6.1neg (phone)"),
        (["--metric", "psnr_y"], "psnr_y", None),
    ],
)
def test_neg_is_routed_as_the_models_are(
    flags: list[str], metric: str, model: str | None, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = "30" if metric == "psnr_y" else "60"
    asked = ["recommend", "--src", str(clip), *FAST, "--crf-range", "29-30", "--target-vmaf", target]
    code = main([*asked, *flags, "--format", "json"])
    data = strict(capsys.readouterr().out)
    assert code == 0, data
    assert (data["metric"], data["target_model"]) == (metric, model)
    assert data["neg"] is metric.startswith("neg")
    if metric in ("neg", "vmaf"):
        assert [probe["score"] for probe in data["probes"]] == [probe[metric] for probe in data["probes"]]
        assert data["made_with"]["neg_model" if data["neg"] else "model"] == model


@pytest.mark.parametrize(
    ("flags", "metric", "model"),
    [
        # v1 was published with NEG built in: its own score is NEG, with --neg and without.
        (["--generation", "v1"], "neg", "vmaf_v1.0.16_3d0h"),
        (["--generation", "v1", "--neg"], "neg", "vmaf_v1.0.16_3d0h"),
        (["--vmaf-model", "vmaf_v1.0.16_3d0h"], "neg", "vmaf_v1.0.16_3d0h"),
        (["--generation", "v1", "--metric", "vmaf"], "vmaf", "vmaf_v1.0.16_3d0h credited"),
    ],
)
def test_where_neg_is_built_in_the_models_own_score_is_neg(
    flags: list[str], metric: str, model: str, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["recommend", "--src", str(reference), *FAST, "--crf-range", "29-30", "--target-vmaf", "10"]
    code = main([*asked, *flags, "--format", "json"])
    said = capsys.readouterr()
    data = strict(said.out)
    assert code == 0, data
    assert (data["metric"], data["target_model"]) == (metric, model)
    assert ("has NEG built in, so targets are NEG" in said.err) is not ("--neg" in flags or "--metric" in flags)
    best = data["answers"][0]
    assert best["score"] == best[metric]
    assert best["vmaf"] > best["neg"]


@posix
def test_a_2160p_source_takes_the_4k_models_twin(
    make: Callable[..., Path], poor: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make("-f", "lavfi", "-i", "color=s=3840x2160:r=24", "-frames:v", 1, "-c:v", "ffv1", tmp_path / "a.mkv")
    code = main([*map(str, searching("recommend", source)), "--neg", "--ffmpeg", str(poor), "--format", "json"])
    # Nothing can be encoded; the model is said all the same.
    assert code == 3
    assert strict(capsys.readouterr().out)["target_model"] == "vmaf_4k_v0.6.1neg"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--neg", "--metric", "vmaf"], "--neg and --metric vmaf contradict each other"),
        (["--neg", "--metric", "psnr_y"], "--neg and --metric psnr_y contradict each other"),
        (["--vmaf-model", "vmaf_v0.6.1neg", "--metric", "vmaf.p5"], "vmaf_v0.6.1neg has no vmaf.p5"),
    ],
)
@pytest.mark.parametrize("command", SEARCHES)
def test_contradictions_about_neg_are_wrong_usage(
    command: str, flags: list[str], said: str, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*map(str, searching(command, clip)), *flags]) == 2
    assert said in capsys.readouterr().err


# Exit codes.


@pytest.mark.parametrize("command", SEARCHES)
def test_a_target_above_the_ceiling_exits_1_and_is_said(command: str, clip: Path) -> None:
    done = run(*searching(command, clip, "99.99" if command == "tune-per-shot" else UNMET), "--format", "json")
    assert done.returncode == 1, done.stderr
    assert "not met: " in done.stderr
    assert "99.99" in done.stderr
    assert strict(done.stdout)["met"] is False


@pytest.mark.parametrize("command", SEARCHES)
def test_a_target_below_which_the_finest_crf_stays_exits_1(command: str, clip: Path) -> None:
    done = run(*searching(command, clip), "--crf-range", "30-32", "--format", "json")
    assert done.returncode == 1, done.stderr
    assert "is not reached: CRF 30, the finest, has " in done.stderr
    assert strict(done.stdout)["met"] is False


@posix
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--crf-range", "0-99"], "two whole numbers from 0 to 51"),
        (["--crf-range", "30-20"], "two whole numbers from 0 to 51"),
        (["--target-vmafs", "101"], "must be between 1 and 100, not 101"),
        (["--target-vmafs", "0"], "must be between 1 and 100, not 0"),
        (["--preset", "quick"], "libx264 has no preset 'quick'"),
        (["--workers", "0"], "workers must be a whole number of at least 1, not 0"),
        (["--sample-clip-seconds", "nan"], "sample must be a number of seconds above 0, not nan"),
        (["--encoder-args", "'"], "cannot be split"),
        (["--metric", "nge"], "Did you mean 'neg'"),
        (["--generation", "v2"], "must be one of v0, v1, not 'v2'"),
        (["--threads", "0"], "threads (command line) is 0"),
        (["--width", "192"], "both --width and --height"),
        (["--width", "192", "--height", "108"], "--width says what a file does not"),
        (["--framerate", "24"], "--frame-rate says what a file does not"),
        (["raw", "--width", "0", "--height", "0"], "width is 0"),
        (["raw", "--width", "192", "--height", "108", "--framerate", "fast"], "fast"),
        (["raw", "--width", "192", "--height", "108", "--pix-fmt", "rgb24"], "pix_fmt is 'rgb24'"),
        (["--output", "nowhere/out"], "--output: there is no folder"),
        (["--output", "."], "is a folder; name a file"),
        (["--output", "{clip}"], "is what is read"),
        (["--output", "/proc/out"], "--output: nothing can be written into '/proc'"),
        (["--keep", "/proc/kept"], "--keep: nothing can be written into '/proc'"),
        (["--keep", "{clip}"], "--keep: there is no folder"),
    ],
)
@pytest.mark.parametrize("command", SEARCHES)
def test_wrong_usage_exits_2_before_anything_is_encoded(
    command: str,
    flags: list[str],
    said: str,
    clip: Path,
    raw: Path,
    counting: tuple[Path, Callable[[], int]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "/proc" in " ".join(flags) and not Path("/proc/self").exists():
        pytest.skip("needs a folder that nobody can write into")
    ffmpeg, encodes = counting
    source, given = (raw, flags[1:]) if flags[0] == "raw" else (clip, flags)
    asked = [*searching(command, source), *(flag.format(clip=clip) for flag in given), "--ffmpeg", ffmpeg]
    assert main(list(map(str, asked))) == 2
    assert said in capsys.readouterr().err
    assert encodes() == 0


@posix
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["compare", "--encoders", "libx264,libx265:quick"], "libx265 has no preset 'quick'"),
        (["compare", "--encoders", "libx264,libx264"], "not 'libx264' twice"),
        (["compare", "--encoders", "libx264,libx246"], "There is no encoder 'libx246'"),
        (
            ["compare", "--encoders", "libx264,libsvtav1", "--crf-range", "0-51"],
            "for libsvtav1, the smaller one first, not (0, 51)",
        ),
        (["compare", "--encoders", "libx264", "--src", "{clip}"], "Every source must be given once"),
        (["ladder", "--encoder", "libx264", "--resolutions", "192x108,96"], "'96' is no resolution"),
        (["ladder", "--encoder", "libx264", "--resolutions", "384x216"], "384x216 is larger than the reference"),
        (["ladder", "--encoder", "libx264", "--resolutions", "96x54,96x54"], "given twice"),
        (["ladder", "--encoder", "libx264", "--resolutions", "96x54", "--segment", "0"], "segment is 0.0"),
        (["ladder", "--encoder", "libx264", "--resolutions", "96x54", "--package", "{clip}"], "there is no folder"),
        (["ladder", "--encoder", "libx246", "--resolutions", "96x54"], "There is no encoder 'libx246'"),
        (["tune-per-shot", "--encoder", "libx264", "--target-vmafs", "80,90"], "there is one target"),
        (["tune-per-shot", "--encoder", "./enc {input} {output}"], "{{crf}} is missing"),
        (["tune-per-shot", "--encoder", "libx264", "--plan-out", "nowhere/a"], "--plan-out: there is no folder"),
        (["tune-per-shot", "--encoder", "libx264", "--plan-out", "a", "--output", "a"], "are one file"),
        (["tune-per-shot", "--encoder", "libx264", "--threshold", "-1"], "threshold"),
        (["tune-per-shot", "--encoder", "libx264", "--shortest", "0"], "shortest"),
        (["recommend", "--encoder", "libx246"], "There is no encoder 'libx246'"),
        (["recommend", "--target-bitrate", "5"], "--target-bitrate chooses among the rows"),
        (["recommend", "--from-corpus", "{clip}"], "say one of both"),
    ],
)
def test_each_commands_own_wrong_usage_exits_2_before_anything_is_encoded(
    flags: list[str],
    said: str,
    clip: Path,
    counting: tuple[Path, Callable[[], int]],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ffmpeg, encodes = counting
    command, *more = [flag.format(clip=clip) if flag == "{clip}" else flag for flag in flags]
    targets = [] if "--target-vmafs" in more else ["--target-vmafs", "80"]
    assert main([command, "--src", str(clip), *targets, *more, "--ffmpeg", str(ffmpeg)]) == 2
    assert said.replace("{{", "{").replace("}}", "}") in capsys.readouterr().err
    assert encodes() == 0
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "--target-vmafs", "80"], "--src"),
        (["compare", "--src", "a", "--target-vmafs", ""], "empty entry"),
        (["compare", "--src", "a", "--target-vmafs", "80,,90"], "empty entry"),
        (["compare", "--src", "a", "--target-vmafs", "nan"], "is no list of numbers"),
        (["compare", "--src", "a", "--target-vmafs", "80,inf"], "is no list of numbers"),
        (["compare", "--src", "a", "--target-vmafs", "80;90"], "is no list of numbers"),
        (["compare", "--src", "a", "--encoders", "libx264,"], "empty entry"),
        (["compare", "--src", "a", "--crf-range", "18"], "is no range"),
        (["compare", "--src", "a", "--crf-range", "18-30:2"], "is no range"),
        (["compare", "--src", "a", "--format", "hls"], "invalid choice"),
        (["ladder", "--src", "a", "--encoder", "b"], "--resolutions"),
        (["ladder", "--src", "a", "--resolutions", "96x54"], "--encoder"),
        (["tune-per-shot", "--src", "a"], "--encoder"),
        (["recommend", "--target-bitrate", "much"], "invalid float"),
        (["corpus", "--src", "a", "--encoder", "b", "--output", "c"], "--crf"),
        (["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--crf", "30-20"], "is no list of CRFs"),
        (["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--crf", "20-30:0"], "is no list of CRFs"),
        (["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--crf", "0-99999999999"], "is no list of CRFs"),
        (["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--crf=-1"], "is no list of CRFs"),
        (["corpus", "--src", "a", "--encoder", "b", "--crf", "20"], "--output"),
    ],
)
def test_what_cannot_be_read_from_the_command_line_exits_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_search_without_targets_exits_2(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "--src", str(clip)]) == 2
    assert "--target-vmafs is missing" in capsys.readouterr().err
    assert main(["recommend"]) == 2


@pytest.mark.parametrize("command", SEARCHES)
def test_a_missing_source_exits_3_and_json_says_so(command: str, tmp_path: Path) -> None:
    done = run(*searching(command, tmp_path / "missing.mkv"), "--format", "json")
    assert done.returncode == 3
    assert "missing.mkv does not exist" in done.stderr
    data = strict(done.stdout)
    assert "missing.mkv does not exist" in data["error"]
    assert (data["command"], data["probes"]) == (command, [])


@posix
@pytest.mark.parametrize("command", SEARCHES)
def test_what_an_encoder_said_before_it_failed_is_shown_and_finished_probes_are_kept(
    command: str, clip: Path, ffmpeg: str, tmp_path: Path
) -> None:
    encoder = tmp_path / "enc"
    encoder.write_text(
        f"#!/bin/sh\nif [ -e {tmp_path}/once ]; then echo the licence is over >&2; exit 9; fi\n: > {tmp_path}/once\n"
        f'exec {shlex.quote(ffmpeg)} -nostdin -v error -y -i "$1" -c:v libx264 -preset veryfast -crf "$3" "$2"\n'
    )
    encoder.chmod(0o755)
    asked = [part for part in searching(command, clip) if part not in FAST]
    if "libx264" in asked:
        asked[asked.index("libx264")] = f"{encoder} {{input}} {{output}} {{crf}}"
    else:
        asked += ["--encoder", f"{encoder} {{input}} {{output}} {{crf}}"]
    output = tmp_path / "out.json"
    done = run(*asked, "--format", "json", "--output", output)
    assert done.returncode == 3, done.stderr
    assert "the licence is over" in done.stderr
    assert "it ended with exit code 9" in done.stderr
    assert "Trial encodes finished before: CRF " in done.stderr
    assert "Traceback" not in done.stderr
    data = strict(output.read_text())
    assert "the licence is over" in data["error"]
    assert len(data["probes"]) == 1
    assert data["probes"][0]["score"] == data["probes"][0]["vmaf"]
    assert data["target_model"] == "vmaf_v0.6.1"


@posix
@pytest.mark.parametrize("command", [*SEARCHES, "corpus"])
def test_an_encoder_that_ffmpeg_was_built_without_exits_3(
    command: str, clip: Path, ffmpeg: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poor = tmp_path / "ffmpeg"
    real = shlex.quote(ffmpeg)
    poor.write_text(
        f'#!/bin/sh\ncase " $* " in *" -encoders "*) {real} "$@" | grep -v x264;; *) exec {real} "$@";; esac\n'
    )
    poor.chmod(0o755)
    rows = tmp_path / "rows.jsonl"
    asked = sweeping(clip, rows) if command == "corpus" else searching(command, clip)
    assert main([*map(str, asked), "--vmaf-ffmpeg", str(poor)]) == 3
    said = capsys.readouterr().err
    assert "was built without the encoder libx264" in said
    assert "--vmaf-ffmpeg=PATH" in said


# Raw sources, and the seeds' own command lines.


def test_a_raw_source_without_a_frame_rate_is_taken_for_24_and_that_is_said(raw: Path) -> None:
    asked = [*searching("recommend", raw), "--width", "192", "--height", "108", "--format", "json"]
    done = run(*asked)
    assert done.returncode == 0, done.stderr
    assert "'reference.yuv' is taken for 24 frames/s, on which bitrates and CRFs depend; say --framerate" in done.stderr
    data = strict(done.stdout)
    assert data["assumed"] == [{"source": f"{raw} (192x108 yuv420p)", "frame_rate": "24"}]
    assert data["probes"][0]["duration"] == 0.5
    other = run(*asked, "--framerate", "48")
    assert "taken for" not in other.stderr
    said = strict(other.stdout)
    assert said["assumed"] == []
    assert said["probes"][0]["duration"] == 0.25


def test_a_raw_source_of_no_whole_frames_needs_its_size(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*map(str, searching("recommend", raw))]) == 2
    assert "which are no whole frames of 3110400; say its --width, --height and --pix-fmt" in capsys.readouterr().err


def test_a_raw_ladder_without_a_size_takes_its_largest_resolution(raw: Path) -> None:
    asked = ["ladder", "--src", raw, "--resolutions", "96x54,192x108", "--target-vmafs", "80", "--encoder", "libx264"]
    done = run(*asked, *FAST, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "is taken for 192x108 yuv420p and 24 frames/s" in done.stderr
    data = strict(done.stdout)
    assert data["display"] == [192, 108]
    assert data["assumed"][0]["width"] == 192


@pytest.mark.slow
def test_the_seeds_comparison_works_as_written(raw: Path, tmp_path: Path) -> None:
    line = """compare
        --src reference.yuv
        --width 192 --height 108
        --neg
        --target-vmafs 94,96,97,98
        --encoders libx264,libx265,libsvtav1
        --format json
        --output compare_neg.json"""
    # Four frames are enough for three encoders and four targets each.
    (tmp_path / "reference.yuv").write_bytes(raw.read_bytes()[: 4 * 192 * 108 * 3 // 2])
    done = run(*line.split(), cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    data = strict((tmp_path / "compare_neg.json").read_text())
    assert data["encoders"] == ["libx264", "libx265", "libsvtav1"]
    assert data["targets"] == [94, 96, 97, 98]
    assert data["neg"] is True
    assert done.returncode == (0 if data["met"] else 1)
    (by_label,) = data["sources"].values()
    for found in by_label.values():
        assert all(answer["score"] >= answer["target"] for answer in found["answers"] if answer["met"])
        assert found["made_with"]["neg_model"] == "vmaf_v0.6.1neg"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "scene"),
    [
        # Gray is searched in a few encodes; large frames make each a slow one.
        ("compare --src source.yuv --neg --target-vmafs 94,96,97,98", "color=gray"),
        (
            "ladder --src reference.yuv --resolutions 1920x1080,1280x720,854x480 --target-vmafs 95,90,85 "
            "--encoder libsvtav1 --neg --format hls",
            "testsrc2",
        ),
    ],
    ids=["compare", "ladder"],
)
def test_the_seeds_lines_without_a_size_work_as_written(
    line: str, scene: str, make: Callable[..., Path], tmp_path: Path
) -> None:
    source = tmp_path / ("source.yuv" if "source.yuv" in line else "reference.yuv")
    scene += f"{':' if '=' in scene else '='}s=1920x1080:r=24,format=yuv420p"
    make("-f", "lavfi", "-i", scene, "-frames:v", 1, "-f", "rawvideo", source)
    done = run(*line.split(), cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    assert "is taken for 1920x1080 yuv420p and 24 frames/s" in done.stderr
    assert "Targets are NEG, the score of vmaf_v0.6.1neg." in done.stdout
    assert ("#EXT-X-STREAM-INF:" in done.stdout) is line.startswith("ladder")


# Corpora and recommendations from them.


def edited(text: str, number: int, **changes: float) -> str:
    """A corpus in which one row says what would meet any target."""
    lines = text.splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **changes})
    return "\n".join(lines) + "\n"


def test_a_corpus_is_rows_with_both_models_and_recommend_reads_it(corpus: Path) -> None:
    rows = [strict(line) for line in corpus.read_text().splitlines()]
    assert [row["crf"] for row in rows] == [20, 25, 30]
    assert {(row["model"], row["neg_model"]) for row in rows} == {("vmaf_v0.6.1", "vmaf_v0.6.1neg")}
    # Between both scores of CRF 25, so that NEG asks for a finer one.
    target = (rows[1]["vmaf"] + rows[1]["neg"]) / 2
    for flags, metric, wanted in ((["--neg"], "neg", 0), ([], "vmaf", 1), (["--metric", "vmaf.min"], "vmaf.min", 0)):
        done = run("recommend", "--from-corpus", corpus, "--target-vmaf", target, *flags, "--format", "json")
        assert done.returncode == 0, done.stderr
        data = strict(done.stdout)
        assert (data["metric"], data["neg"], data["met"]) == (metric, metric == "neg", True)
        assert data["target_model"] == ("vmaf_v0.6.1neg" if metric == "neg" else "vmaf_v0.6.1")
        (found,) = data["recommendations"]
        assert (found["encoder"], found["preset"]) == ("libx264", "veryfast")
        assert found["row"] == rows[wanted]


def test_a_recommended_bitrate_is_in_kbit_per_second(corpus: Path, tmp_path: Path) -> None:
    rows = [strict(line) for line in corpus.read_text().splitlines()]
    kbps = rows[1]["bitrate"] / 1000 + 0.001
    output = tmp_path / "out.txt"
    done = run("recommend", "--from-corpus", corpus, "--target-bitrate", kbps, "--neg", "--output", output)
    assert done.returncode == 0, done.stderr
    text = output.read_text()
    assert text.startswith("Targets are NEG, the score of vmaf_v0.6.1neg.\n")
    assert "CRF 25" in text
    less = run("recommend", "--from-corpus", corpus, "--target-bitrate", kbps - 0.002, "--neg")
    assert "CRF 30" in less.stdout
    none = run("recommend", "--from-corpus", corpus, "--target-bitrate", "0.1", "--neg", "--format", "json")
    assert none.returncode == 1
    assert "not met: " in none.stderr
    assert strict(none.stdout)["met"] is False


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--target-vmaf", "99.9"], 1, "no row reaches"),
        (["--target-vmaf", "76", "--vmaf-model", "vmaf_v0.6.1neg"], 0, ""),
        (
            ["--target-vmaf", "76", "--vmaf-model", "vmaf_4k_v0.6.1"],
            2,
            "scored with that model; there is vmaf_v0.6.1 /",
        ),
        (["--target-vmaf", "76", "--generation", "v1"], 2, "No row of"),
        (["--target-vmaf", "76", "--encoder", "libx265"], 2, "No row has the encoder 'libx265'"),
        (["--target-vmaf", "76,80"], 2, "has one target"),
        (["--target-vmaf", "-1"], 2, "it is a number above 0"),
        (["--target-bitrate", "-5"], 2, "--target-bitrate is -5; it is a number of kbit/s above 0"),
        (["--target-bitrate", "nan"], 2, "--target-bitrate is nan"),
        (["--target-bitrate", "0"], 2, "--target-bitrate is 0"),
        ([], 2, "Say what to look for"),
        (["--target-vmaf", "76", "--neg", "--metric", "vmaf"], 2, "contradict"),
        (["--target-vmaf", "76", "--workers", "2"], 2, "--workers is of a search"),
        (["--target-vmaf", "76", "--width", "192", "--height", "108"], 2, "--width is of a search"),
        (["--target-vmaf", "76", "--feature", "psnr"], 2, "--feature is of a search"),
        (["--target-vmaf", "76", "--output", "nowhere/a"], 2, "there is no folder"),
        (["--target-vmaf", "76", "--output", "{corpus}"], 2, "is what is read"),
    ],
)
def test_recommending_from_a_corpus_exits_by_what_came_of_it(
    flags: list[str], code: int, said: str, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [flag.format(corpus=corpus) for flag in flags]
    assert main(["recommend", "--from-corpus", str(corpus), *given]) == code
    assert said in capsys.readouterr().err


def test_rows_of_models_with_neg_built_in_are_chosen_by_neg(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = corpus.read_text().replace('"vmaf_v0.6.1"', '"vmaf_v1.0.16_3d0h credited"')
    rows = tmp_path / "rows.jsonl"
    rows.write_text(text.replace('"vmaf_v0.6.1neg"', '"vmaf_v1.0.16_3d0h"').replace('"v0"', '"v1"'))
    for flags, metric, model in (
        ([], "neg", "vmaf_v1.0.16_3d0h"),
        (["--generation", "v1"], "neg", "vmaf_v1.0.16_3d0h"),
        (["--metric", "vmaf"], "vmaf", "vmaf_v1.0.16_3d0h credited"),
    ):
        asked = ["recommend", "--from-corpus", str(rows), "--target-vmaf", "70", "--format", "json", *flags]
        assert main(asked) == 0
        data = strict(capsys.readouterr().out)
        assert (data["metric"], data["neg"], data["target_model"]) == (metric, metric == "neg", model)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:-9], "rows.jsonl, line 3: "),
        (lambda text: text.replace('"crf": 25', '"crf": "25"'), "rows.jsonl, line 2: "),
        (lambda text: text.replace('"size"', '"sise"', 1), "rows.jsonl, line 1: "),
        (lambda text: edited(text, 1, neg=1e6, bitrate=1), "rows.jsonl, line 2: "),
        (lambda text: edited(text, 1, neg=1e6), "rows.jsonl, line 2: "),
        (lambda text: edited(text, 2, bitrate=1), "rows.jsonl, line 3: "),
        (lambda text: edited(text, 2, bitrate=1)[:-1], "rows.jsonl, line 3: "),
        (lambda text: "hello\n", "rows.jsonl, line 1: "),
        (lambda text: "", "There are no rows"),
        (None, "cannot be read"),
    ],
)
def test_a_damaged_corpus_exits_3_with_its_file_and_line(
    damage: Callable[[str], str] | None, said: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "rows.jsonl"
    if damage is not None:
        broken.write_text(damage(corpus.read_text()))
    assert main(["recommend", "--from-corpus", str(broken), "--target-vmaf", "80", "--format", "json"]) == 3
    shown = capsys.readouterr()
    assert said in shown.err
    assert said in strict(shown.out)["error"]


@posix
@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--encoder", "libx246"], 2, "There is no encoder 'libx246'"),
        (["--encoder", "libx264"], 2, "twice"),
        (["--preset", "quick"], 2, "has no preset 'quick'"),
        (["--crf", "52"], 2, "libx264 goes from 0 to 51"),
        (["--crf", "20"], 2, "each one once"),
        (["--width", "192"], 2, "both --width and --height"),
        (["--output", "nowhere/rows"], 2, "there is no folder"),
        (["--output", "."], 2, "is a folder"),
        (["--output", "/proc/rows"], 2, "nothing can be written"),
        (["--output", "{clip}"], 2, "is what is read"),
        (["--src", "missing.mkv"], 3, "missing.mkv does not exist"),
        (["--output", "{text}"], 3, "text.txt, line 1: "),
    ],
)
def test_a_sweep_that_cannot_be_is_said_before_anything_is_encoded(
    flags: list[str],
    code: int,
    said: str,
    clip: Path,
    counting: tuple[Path, Callable[[], int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ffmpeg, encodes = counting
    text = tmp_path / "text.txt"
    text.write_text("not a corpus\n")
    given = [flag.format(clip=clip, text=text) for flag in flags]
    asked = sweeping(clip, tmp_path / "rows.jsonl", "--ffmpeg", ffmpeg, *given)
    assert main(list(map(str, asked))) == code
    assert said in capsys.readouterr().err
    assert encodes() == 0
    assert text.read_text() == "not a corpus\n"


# Stopped, and shown.


HANGING = """#!/bin/sh
echo "$3" >> calls
if [ "$3" -ge 25 ] && [ -e hang ]; then echo $$ > pid; sleep 60; fi
exec {ffmpeg} -nostdin -v error -y -i "$1" -c:v libx264 -preset veryfast -crf "$3" "$2"
"""


def until(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_corpus_that_was_stopped_goes_on_and_leaves_nothing_behind(
    number: int, code: int, clip: Path, ffmpeg: str, tmp_path: Path, temp: Path
) -> None:
    encoder = tmp_path / "enc"
    encoder.write_text(HANGING.format(ffmpeg=shlex.quote(ffmpeg)))
    encoder.chmod(0o755)
    (tmp_path / "hang").touch()
    argv = ["corpus", "--src", clip, "--encoder", f"{encoder} {{input}} {{output}} {{crf}}"]
    argv += ["--crf", "20,25,30", "--out", "rows.jsonl"]
    command = [sys.executable, "-m", "pytest_vmaf", *map(str, argv)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"), process)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in said
    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert list(temp.iterdir()) == []
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 1
    (tmp_path / "hang").unlink()
    again = run(*argv, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "calls").read_text().split() == ["20", "25", "25", "30"]
    found = run("recommend", "--from-corpus", "rows.jsonl", "--target-vmaf", "80", "--neg", cwd=tmp_path)
    assert "CRF 25" in found.stdout


@posix
@pytest.mark.parametrize(
    ("number", "code", "workers"), [(signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 2)]
)
def test_a_search_that_is_stopped_leaves_no_process_and_no_file_behind(
    number: int, code: int, workers: int, clip: Path, ffmpeg: str, tmp_path: Path, temp: Path
) -> None:
    encoder = tmp_path / "enc"
    encoder.write_text(HANGING.format(ffmpeg=shlex.quote(ffmpeg)))
    encoder.chmod(0o755)
    (tmp_path / "hang").touch()
    argv = ["recommend", "--src", clip, "--encoder", f"{encoder} {{input}} {{output}} {{crf}}", "--target-vmaf", "80"]
    argv += ["--output", "out.json", "--format", "json", "--workers", workers]
    command = [sys.executable, "-m", "pytest_vmaf", *map(str, argv)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"), process)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in said
    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert list(temp.iterdir()) == []
    assert not (tmp_path / "out.json").exists()


def on_a_terminal(argv: list[str], env: dict[str, str]) -> str:
    """Run a command on a pseudo-terminal of its own and return all it wrote there."""
    import pty

    terminal, other_end = pty.openpty()
    with subprocess.Popen(argv, stdin=other_end, stdout=other_end, stderr=other_end, env=env, start_new_session=True):
        os.close(other_end)
        said = b""
        while chunk := read(terminal):
            said += chunk
    os.close(terminal)
    return said.decode("utf-8", "replace")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # Linux says so when the other end is closed.
        return b""


IMPATIENT = """
import sys
from pytest_vmaf.report import progress
from pytest_vmaf.cli.main import main
progress.PATIENCE = 0.0
sys.exit(main())
"""


@posix
@pytest.mark.parametrize(("command", "ci"), [*((each, False) for each in (*SEARCHES, "corpus")), ("recommend", True)])
def test_a_terminal_shows_how_many_are_done_and_expected_and_the_time_left(
    command: str, ci: bool, clip: Path, tmp_path: Path
) -> None:
    asked = sweeping(clip, tmp_path / "rows.jsonl") if command == "corpus" else searching(command, clip)
    env = {name: value for name, value in os.environ.items() if name != "CI"} | {"COLUMNS": "100", "TERM": "xterm"}
    argv = [sys.executable, "-c", IMPATIENT, *map(str, asked)]
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_a_terminal(argv, env | ({"CI": "1"} if ci else {})))
    unit = "encodes" if command == "corpus" else "probes"
    shown = re.findall(rf"(\d+)/ ?(\d+) {unit}, (?:-:--:--|\d:\d\d:\d\d) left", said)
    if ci:
        assert shown == []
        return
    done = [int(first) for first, _ in shown]
    assert done == sorted(done)
    assert len(set(done)) > 1
    assert all(int(first) <= int(second) for first, second in shown)
    assert re.search(rf"{unit}, \d:\d\d:\d\d left", said)


def test_nothing_is_shown_where_standard_error_is_no_terminal(clip: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "CI"}
    argv = [sys.executable, "-c", IMPATIENT, *map(str, searching("recommend", clip))]
    done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0
    assert done.stderr == ""


# The command line itself.


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_flag_and_the_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "exit codes: 0 all" in text
    assert "2 usage, 3 could not measure" in text
    assert ("1 some not" in text) is (command != "corpus")
    choices = next(action for action in _parser()._actions if action.choices).choices
    for action in choices[command]._actions:
        assert action.help, action.option_strings
        assert all(flag in text for flag in action.option_strings)
    assert "--neg" in text


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("recommend --source a", "src", Path("a")),
        ("recommend --src a --framerate 30", "frame_rate", "30"),
        ("recommend --src a --frame-rate 30", "frame_rate", "30"),
        ("recommend --src a --target-vmaf 93", "targets", [93.0]),
        ("recommend --src a --target-vmafs 93,95.5", "targets", [93.0, 95.5]),
        ("recommend --from-corpus a", "from_corpus", Path("a")),
        ("recommend --target-bitrate 2000", "target_bitrate", 2000.0),
        ("recommend --src a --sample-clip-seconds 10", "sample_clip_seconds", 10.0),
        ("tune-per-shot --src a --encoder b --plan-out c", "plan_out", Path("c")),
        ("corpus --source a --encoder b,c --crf 18-22:2,30 --out d", "output", Path("d")),
        ("corpus --source a --encoder b,c --crf 18-22:2,30 --out d", "crf", [[18, 20, 22, 30]]),
        ("corpus --src a --encoders b,c --encoders d --crf 1 --out e", "encoders", ["b", "c", "d"]),
        ("corpus --src a --src b --encoder c --crf 1 --out e", "src", [Path("a"), Path("b")]),
        ("compare --src a --vmaf-model vmaf_v0.6.1", "model", "vmaf_v0.6.1"),
        ("compare --src a --vmaf-timeout 5", "timeout", 5.0),
        ("compare --src a --crf-range 18-40", "crf_range", (18, 40)),
    ],
)
def test_the_seeds_names_of_flags_are_accepted(line: str, name: str, value: object) -> None:
    assert getattr(_parser().parse_args(line.split()), name) == value


def test_a_command_among_the_encoders_may_hold_commas() -> None:
    template = "./enc --filter a=1,b=2 --crf {crf} -i {input} -o {output}"
    options = _parser().parse_args(["compare", "--src", "a", "--encoders", "libx264,libx265", "--encoders", template])
    assert options.encoders == ["libx264", "libx265", template]


def test_the_version_is_said_without_importing_what_searches_need() -> None:
    code = (
        "import sys\nfrom pytest_vmaf.cli.main import main\ntry: main(['--version'])\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'jinja2', 'rich', 'onnxruntime', 'pytest', 'pytest_vmaf.api.vmaf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_clips_of_different_kinds_share_the_flags_for_raw_ones(
    clip: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["compare", "--src", str(clip), "--src", str(raw), "--width", "192", "--height", "108", "--framerate", "25"]
    code = main([*asked, "--encoders", "libx264:veryfast", "--no-speed", "--target-vmafs", "80", "--format", "json"])
    data = strict(capsys.readouterr().out)
    assert code == 0
    assert list(data["sources"]) == [str(clip), str(Clip(raw, width=192, height=108))]
    found = [source["libx264:veryfast"]["answers"][0] for source in data["sources"].values()]
    assert found[0]["crf"] == found[1]["crf"]
    assert found[0]["score"] == found[1]["score"]
