"""The command lines of vmaf-tune and vmaf-roi-score."""

from __future__ import annotations

import os
import re
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from cli.commands import Run, build_parser, searching
from pytest_vmaf.cli.coarse_to_fine import check_flags
from pytest_vmaf.cli.common import settings_layer
from pytest_vmaf.cli.main import main
from pytest_vmaf.cli.vmaf_tune import COMMANDS, REFUSALS, encode_folder, translate
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.search.row_files import read_rows

RAW = "--width 2 --height 2 --pix-fmt yuv420p --framerate 23.976 --duration 10"
TOOLS = "--ffmpeg-bin ffmpeg --vmaf-bin vmaf --vmaf-model vmaf_v0.6.1 --score-backend auto"
#: Command lines of vmaf-tune with every flag that has a meaning here, as its parser defines them.
LINES = (
    f"corpus --source a --source b {RAW} --encoder libx264 --preset medium --preset slow --crf 22 --crf 28 "
    f"--output c.jsonl --encode-dir d --keep-encodes {TOOLS} --sample-clip-seconds 0 --auto-hdr --neg",
    f"corpus --source a {RAW} --encoder libx264 --preset medium --crf 22 --output c.jsonl --force-sdr --two-pass",
    "compare --src a --encoders libx264,libx265 --target-vmaf 92 --format markdown --no-parallel",
    "benchmark --from-corpus c.jsonl --target-vmaf 92 --baseline-encoder libx264 --format csv --output b.csv",
    f"recommend --source a {RAW} --encoder libx264 --preset medium --output c.json --encode-dir d --keep-encodes "
    f"{TOOLS} --coarse-to-fine --target-vmaf 93 --json --neg",
    "recommend --from-corpus c.jsonl --target-bitrate 2000 --encoder libx264 --preset medium --json",
    f"tune-per-shot --src a {RAW} --target-vmaf 92 --encoder libx264 --preset medium --crf-min 18 --crf-max 40 "
    f"{TOOLS} --plan-out p.json --output o.json",
    "ladder --src a --encoder libx264 --resolutions 1920x1080,1280x720 --target-vmafs 95,90 --format hls "
    "--output m.m3u8",
    f"compare --src a {RAW} --target-vmaf 92 --encoders libx264,libx265 --format json --max-workers 2 --output c.json "
    f"--sample-clip-seconds 10 --preset medium --crf-min 18 --crf-max 40 {TOOLS}",
    "roi-score --reference a --distorted b --width 2 --height 2 --pix-fmt yuv420p --saliency-model s.onnx --weight 0.5 "
    "--threshold 0.3 --fade 0.1 --model vmaf_v0.6.1 --vmaf-bin vmaf --output o.json",
)


@pytest.fixture(scope="module")
def parser() -> ArgumentParser:
    return build_parser()[0]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split()[0])
def test_flags_with_a_meaning(line: str, parser: ArgumentParser) -> None:
    parser.parse_args(line.split())


def test_refusals(parser: ArgumentParser, capsys: pytest.CaptureFixture[str]) -> None:
    for refusal in REFUSALS:
        for command in refusal.commands:
            for words in ([refusal.flag], [refusal.flag, "8"], [f"{refusal.flag}=8"]):
                with pytest.raises(SystemExit) as ended:
                    parser.parse_args([command, "ref.y4m", *words])
                assert ended.value.code == 2
                error = capsys.readouterr().err
                assert f"{command}: error: {refusal.flag} of vmaf-tune has no counterpart. {refusal.advice}" in error


def test_commands_without_a_counterpart(capsys: pytest.CaptureFixture[str]) -> None:
    for command, advice in COMMANDS.items():
        with pytest.raises(SystemExit) as ended:
            main([command, "--src", "ref.y4m", "--target-vmaf", "93"])
        assert ended.value.code == 2
        assert f"There is no command {command!r}. {advice}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("recommend a --target 9 --score-backend cuda", "scores are measured on the CPU, not with 'cuda'"),
        ("recommend a --target 9 --duration=-1", "expected a number of seconds, got '-1'"),
        ("recommend a --target 9 --duration nan", "expected a number of seconds, got 'nan'"),
        ("recommend a --target 9 --sample-clip-seconds x", "expected a number of seconds, got 'x'"),
        ("recommend a --target 9 --crf-min 18.x", "expected a number, got '18.x'"),
    ],
)
def test_invalid_values(line: str, message: str, parser: ArgumentParser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(line.split())
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("recommend a --target 9 --crf 18-40 --crf-min 20", "--crf excludes --crf-min and --crf-max"),
        (
            "per-shot a --encoder b --target 9 --output out.MP4",
            "--output is the file of the answer, as text, but out.MP4",
        ),
        (
            "corpus --src a --encoder libx264 --crf 22 --two-pass --output c",
            "In mode 2pass, an encode has a bitrate and no",
        ),
        ("encode a b.mp4 --encoder libx264 --crf 22 --mode bitrate", "Use --bitrate, in kbit/s, in place of --crf."),
        (
            "bisect a --encoder libx264 --target 9 --crf-max 40 --two-pass",
            "Use --bitrate, in kbit/s, in place of --crf.",
        ),
        ("compare a --target 9 --no-parallel --max-workers 2", "--no-parallel excludes --processes."),
        ("recommend a --target 9 --keep-encodes", "--keep-encodes requires --encode-dir DIR"),
        ("sweep a --encoder libx264 --crf 20 --output c.jsonl --keep-encodes", "sweep keeps no encodes"),
    ],
)
def test_contradictions(line: str, message: str, parser: ArgumentParser) -> None:
    with pytest.raises(SettingsError, match=message):
        translate(parser.parse_args(line.split()))


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        ("--crf-min 18", "crf_range", (18, None)),
        ("--crf-max 40", "crf_range", (None, 40)),
        ("--crf-min 18 --crf-max 40", "crf_range", (18, 40)),
        ("--encode-dir d --keep-encodes", "keep", Path("d")),
        ("--encode-dir d", "keep", None),
        ("--encode-dir d --keep-encodes --keep k", "keep", Path("k")),
        ("--sample-clip-seconds 0", "sample_clip_seconds", None),
        ("--force-sdr", "allow", ["hdr"]),
        ("--ffmpeg-bin f", "ffmpeg", "f"),
        ("--two-pass --bitrate 100-400", "crf_range", (100, 400)),
        ("--max-workers 2", "workers", 2),
        ("--json", "format", "json"),
    ],
)
def test_translations(flags: str, name: str, value: object, parser: ArgumentParser) -> None:
    options = parser.parse_args(["recommend", "a", *flags.split()])
    translate(options)
    assert getattr(options, name) == value


def test_vmaf_bin(parser: ArgumentParser) -> None:
    for flags, scorer in (("--vmaf-bin v", "vmaf"), ("--vmaf-bin v --scorer ffmpeg", "ffmpeg"), ("", None)):
        layer = settings_layer(parser.parse_args(["bisect", "a", "--encoder", "b", *flags.split()]))
        assert layer.options.get("scorer") == scorer


def test_encode_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    before = tempfile.tempdir
    with encode_folder(Namespace(encode_dir=tmp_path / "a" / "b")):
        assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(tmp_path / "a" / "b")
        with tempfile.NamedTemporaryFile() as file:
            assert Path(file.name).parent == tmp_path / "a" / "b"
    assert tempfile.tempdir == before
    assert "TMPDIR" not in os.environ
    (tmp_path / "file").touch()
    with (
        pytest.raises(SettingsError, match="--encode-dir: there is no folder"),
        encode_folder(Namespace(encode_dir=tmp_path / "file")),
    ):
        pass


@pytest.mark.slow  # encodes
def test_search(clip: Path, run: Run, tmp_path: Path, ffmpeg: str) -> None:
    # libx264's scale ends at 51.
    ends = ("--crf-min", 51, "--json", "--ffmpeg-bin", ffmpeg)
    folder = ("--encode-dir", tmp_path / "encodes", "--keep-encodes")
    done = run(*searching("compare", clip, "1", *ends, *folder, "--duration", 10, "--score-backend", "cpu"))
    assert done.returncode == 0, done.stderr
    assert '"crf": 51' in done.stdout
    assert "is 0.48 seconds long, not --duration 10. Bitrates are computed from its frames." in done.stderr
    assert [path.suffix for path in (tmp_path / "encodes").rglob("*crf51*")] == [".mp4"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--crf 20 --coarse-to-fine", "--crf and --coarse-to-fine exclude each other"),
        ("--suite s.toml --coarse-to-fine", "--suite and --coarse-to-fine exclude each other"),
        ("--crf 20 --target-vmaf 93", "A target of a sweep requires --coarse-to-fine"),
        ("--coarse-to-fine --two-pass", "--coarse-to-fine is for CRFs."),
        ("--coarse-to-fine --target 90,93", "--coarse-to-fine takes one target, not 2"),
        ("--coarse-to-fine --target 90 --target-vmaf 93", "exclude each other"),
        ("--coarse-to-fine --coarse-step 0", "--coarse-step must be a whole number from 1, not 0."),
        ("--coarse-to-fine --fine-radius=-1", "--fine-radius must be a whole number from 0, not -1."),
    ],
)
def test_invalid_coarse_to_fine(flags: str, message: str, parser: ArgumentParser) -> None:
    options = parser.parse_args(["sweep", "a", "--encoder", "libx264", "--output", "c.jsonl", *flags.split()])
    with pytest.raises(SettingsError, match=re.escape(message)):
        check_flags(options)


@pytest.mark.slow  # five encodes
def test_coarse_to_fine(clip: Path, run: Run, tmp_path: Path, cache_dir: Path) -> None:
    line = ["corpus", "--source", clip, "--encoder", "libx264", "--preset", "ultrafast", "--cache-dir", cache_dir]
    near = ("--coarse-step", 20, "--fine-radius", 1, "--sample-clip-seconds", 0.2)
    rows = tmp_path / "rows.jsonl"
    for target, crfs in ((("--target-vmaf", 1), [10, 30, 50]), (("--target-vmaf", 60), [10, 29, 30, 31, 50])):
        done = run(*line, "--coarse-to-fine", *near, *target, "--output", rows)
        assert done.returncode == 0, done.stderr
        made = read_rows(rows)
        assert sorted(row.crf for row in made) == crfs
        assert {row.frames for row in made} == {5}
