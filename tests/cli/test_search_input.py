"""Input of the search commands: models, metrics, raw sources and usage errors."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import FAST, ONE, SEARCHES, Run, posix, searching, strict
from pytest_vmaf.cli.main import main
from pytest_vmaf.cli.search_input import target_model
from pytest_vmaf.media.clip import Clip


@pytest.mark.slow
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
def test_neg_and_models(
    flags: list[str], metric: str, model: str | None, clip: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["recommend", "--src", str(clip), *FAST, *ONE, "--target-vmaf", "1", "--cache-dir", str(cache_dir)]
    code = main([*asked, *flags, "--format", "json"])
    data = strict(capsys.readouterr().out)
    assert code == 0, data
    assert (data["metric"], data["target_model"]) == (metric, model)
    assert data["neg"] is metric.startswith("neg")
    if metric in ("neg", "vmaf"):
        assert [probe["score"] for probe in data["probes"]] == [probe[metric] for probe in data["probes"]]
        assert data["made_with"]["neg_model" if data["neg"] else "model"] == model


@pytest.mark.slow
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
def test_neg_built_in(
    flags: list[str], metric: str, model: str, reference: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["recommend", "--src", str(reference), *FAST, *ONE, "--target-vmaf", "1", "--cache-dir", str(cache_dir)]
    code = main([*asked, *flags, "--format", "json"])
    said = capsys.readouterr()
    data = strict(said.out)
    assert code == 0, data
    assert (data["metric"], data["target_model"]) == (metric, model)
    assert ("has NEG built in, so targets are NEG" in said.err) is not ("--neg" in flags or "--metric" in flags)
    best = data["answers"][0]
    assert best["score"] == best[metric]
    assert best["vmaf"] > best["neg"]


@pytest.mark.parametrize(("rate", "model"), [(25, "vmaf_v1.0.16_3d0h"), (50, "vmaf_v1.0.16_hfr_3d0h")])
def test_model_of_the_frame_rate(rate: int, model: str, footage: Callable[..., Path]) -> None:
    options = Namespace(model=None, generation="v1", phone=None, ffmpeg=None, timeout=None)
    assert target_model(options, "neg", [Clip(footage("320x180", 6, rate))]) == model


@pytest.mark.slow
@posix
def test_2160p_source(
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
        (["--vmaf-model", "vmaf_v0.6.1neg", "--metric", "vmaf.p5"], "vmaf_v0.6.1neg does not measure vmaf.p5"),
    ],
)
@pytest.mark.parametrize("command", SEARCHES)
def test_contradictions(
    command: str, flags: list[str], said: str, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*map(str, searching(command, clip)), *flags]) == 2
    assert said in capsys.readouterr().err


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
        (["--threads", "0"], "threads (command line) must be"),
        (["--width", "192"], "both --width and --height"),
        (["--width", "192", "--height", "108"], "--width is only for files"),
        (["--framerate", "24"], "--frame-rate is only for files"),
        (["raw", "--width", "0", "--height", "0"], "width"),
        (["raw", "--width", "192", "--height", "108", "--framerate", "fast"], "fast"),
        (["raw", "--width", "192", "--height", "108", "--pix-fmt", "rgb"], "pix_fmt of raw video must be one of"),
        (["--output", "nowhere/out"], "--output: there is no folder"),
        (["--output", "."], "must be a file, and '.' is a folder"),
        (["--output", "{clip}"], "is a video. Use --keep DIR"),
        (["--output", "/proc/out"], "--output: cannot write to the folder '/proc'"),
        (["--keep", "/proc/kept"], "--keep: cannot write to the folder '/proc'"),
        (["--keep", "{clip}"], "--keep: there is no folder"),
    ],
)
@pytest.mark.parametrize(
    "command", ["recommend", *(pytest.param(each, marks=pytest.mark.slow) for each in SEARCHES[:3])]
)
def test_usage(
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
        (
            ["ladder", "--encoder", "libx264", "--resolutions", "192x108,96"],
            "A resolution must be given like '1280x720' or (1280, 720), not '96'",
        ),
        (["ladder", "--encoder", "libx264", "--resolutions", "384x216"], "384x216 is larger than the reference"),
        (["ladder", "--encoder", "libx264", "--resolutions", "96x54,96x54"], "given twice"),
        (["ladder", "--encoder", "libx264", "--resolutions", "96x54", "--segment", "0"], "segment must be"),
        (["ladder", "--encoder", "libx264", "--resolutions", "96x54", "--package", "{clip}"], "there is no folder"),
        (["ladder", "--encoder", "libx246", "--resolutions", "96x54"], "There is no encoder 'libx246'"),
        (["tune-per-shot", "--encoder", "libx264", "--target-vmafs", "80,90"], "takes one target"),
        (["tune-per-shot", "--encoder", "./enc {input} {output}"], "{{crf}} is missing"),
        (["tune-per-shot", "--encoder", "libx264", "--plan-out", "nowhere/a"], "--plan-out: there is no folder"),
        (["tune-per-shot", "--encoder", "libx264", "--plan-out", "a", "--output", "a"], "is also the file of --output"),
        (["tune-per-shot", "--encoder", "libx264", "--threshold", "-1"], "threshold"),
        (["tune-per-shot", "--encoder", "libx264", "--shortest", "0"], "shortest"),
        (["recommend", "--encoder", "libx246"], "There is no encoder 'libx246'"),
        (["recommend", "--target-bitrate", "5"], "--target-bitrate chooses among the rows"),
        (["recommend", "--from-corpus", "{clip}"], "needs either --from-corpus"),
    ],
)
def test_usage_of_each_command(
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


def test_no_targets(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "--src", str(clip)]) == 2
    assert "--targets is missing" in capsys.readouterr().err
    assert main(["recommend"]) == 2


@pytest.mark.slow
def test_raw_source_without_a_frame_rate(run: Run, raw: Path) -> None:
    asked = [*searching("recommend", raw, "1", *ONE), "--width", "192", "--height", "108", "--format", "json"]
    done = run(*asked)
    assert done.returncode == 0, done.stderr
    assert "'reference.yuv' is read as 24 frames/s, which bitrates and CRFs depend on. Use --frame-rate" in done.stderr
    data = strict(done.stdout)
    assert data["assumed"] == [{"source": f"{raw} (192x108 yuv420p)", "frame_rate": "24"}]
    assert data["probes"][0]["duration"] == 0.5
    other = run(*asked, "--framerate", "48")
    assert "read as" not in other.stderr
    said = strict(other.stdout)
    assert said["assumed"] == []
    assert said["probes"][0]["duration"] == 0.25


@pytest.mark.parametrize("command", ["compare", "recommend"])
def test_raw_source_of_partial_frames(command: str, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*map(str, searching(command, raw))]) == 2
    assert (
        "not a whole number of frames of 3110400. Give its --width, --height and --pix-fmt" in capsys.readouterr().err
    )
