"""Flags of the search commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.commands import build_parser
from pytest_vmaf.cli.main import main
from pytest_vmaf.cli.search_flags import mode_of


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "--src", "a", "--target-vmafs", ""], "empty entry"),
        (["compare", "--src", "a", "--target-vmafs", "80,,90"], "empty entry"),
        (["compare", "--src", "a", "--target-vmafs", "nan"], "expected a list of numbers such as 94,96"),
        (["compare", "--src", "a", "--target-vmafs", "80,inf"], "expected a list of numbers such as 94,96"),
        (["compare", "--src", "a", "--target-vmafs", "80;90"], "expected a list of numbers such as 94,96"),
        (["compare", "--src", "a", "--encoders", "libx264,"], "empty entry"),
        (["compare", "--src", "a", "--crf-range", "18"], "expected a range such as 18-40"),
        (["compare", "--src", "a", "--crf-range", "18-30:2"], "expected a range such as 18-40"),
        (["compare", "--src", "a", "--format", "hls"], "invalid choice"),
        (["ladder", "--src", "a", "--encoder", "b"], "--resolutions"),
        (["ladder", "--src", "a", "--resolutions", "96x54"], "--encoder"),
        (["tune-per-shot", "--src", "a"], "--encoder"),
        (["recommend", "--target-bitrate", "much"], "invalid float"),
        (
            ["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--crf", "30-20"],
            "expected a list of CRFs such as",
        ),
        (
            ["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--crf", "20-30:0"],
            "expected a list of CRFs such as",
        ),
        (
            ["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--crf", "20-30:0.0001"],
            "expected a list of CRFs such as",
        ),
        (
            ["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--crf", "0-99999999999"],
            "expected a list of CRFs such as",
        ),
        (
            ["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--bitrate", "1-99999"],
            "expected a list of CRFs",
        ),
        (["encode", "a", "b", "--encoder", "c"], "one of the arguments --crf --bitrate is required"),
        (["encode", "a", "b", "--encoder", "c", "--crf", "1", "--bitrate", "1"], "not allowed with argument"),
        (["bisect", "a", "--encoder", "c", "--crf", "1-9", "--bitrate", "1-9"], "not allowed with argument"),
        (["corpus", "--src", "a", "--encoder", "b", "--output", "c", "--crf=-1"], "expected a list of CRFs such as"),
        (["corpus", "--src", "a", "--encoder", "b", "--crf", "20"], "--output"),
    ],
)
def test_invalid_values(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_sweep_without_crf(capsys: pytest.CaptureFixture[str]) -> None:
    # A manifest may state them instead.
    assert main(["corpus", "--src", "a", "--encoder", "b", "--output", "c"]) == 2
    assert "--crf is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("recommend --source a", "src", [Path("a")]),
        ("recommend --src a --framerate 30", "frame_rate", "30"),
        ("recommend --src a --frame-rate 30", "frame_rate", "30"),
        ("recommend a --targets 93", "neg_targets", [93.0]),
        ("bisect a --encoder b --crf 18-40 --targets 93", "crf_range", (18, 40)),
        ("bisect a --encoder b --bitrate 500-4000 --targets 93", "crf_range", (500, 4000)),
        ("bisect a --encoder b --bitrate 500-4000 --targets 93", "by_bitrate", True),
        ("bisect a --encoder b --bitrate 500-4000 --two-pass --targets 93", "mode", "2pass"),
        ("bisect a --encoder b --two-pass --bitrate 500-4000 --targets 93", "mode", "2pass"),
        ("encode a b --encoder c --bitrate 1500", "crf", 1500),
        ("encode a b --encoder c --crf 23.25 --crf-step 0.25", "crf_step", 0.25),
        ("bisect a --encoder b --crf 18.5-40 --crf-step 0.25 --targets 93", "crf_range", (18.5, 40)),
        ("sweep a --encoder b --crf 23-23.4:0.1,30 --output e", "crf", [23, 23.1, 23.2, 23.3, 23.4, 30]),
        ("sweep a --encoder b --crf 23.5,24 --output e", "crf", [23.5, 24]),
        ("sweep a --encoder b --bitrate 500,1000-3000:1000 --bitrate 9 --output e", "crf", [500, 1000, 2000, 3000, 9]),
        ("bisect a --encoder b --sample 10 --arguments=-tune --targets 93", "sample_clip_seconds", 10.0),
        ("bisect a --encoder b --arguments=-tune --targets 93", "encoder_args", "-tune"),
        ("per-shot a --encoder b --target 93", "source", [Path("a")]),
        ("sweep a b --encoder c --crf 1 --output e", "source", [Path("a"), Path("b")]),
        ("recommend --src a --target-vmaf 93", "targets", [93.0]),
        ("recommend --src a --target-vmafs 93,95.5", "targets", [93.0, 95.5]),
        ("recommend --from-corpus a", "from_corpus", Path("a")),
        ("recommend --target-bitrate 2000", "target_bitrate", 2000.0),
        ("recommend --src a --sample-clip-seconds 10", "sample_clip_seconds", 10.0),
        ("tune-per-shot --src a --encoder b --plan-out c", "plan_out", Path("c")),
        ("corpus --source a --encoder b,c --crf 18-22:2,30 --out d", "output", Path("d")),
        ("corpus --source a --encoder b,c --crf 18-22:2,30 --out d", "crf", [18, 20, 22, 30]),
        ("corpus --src a --encoders b,c --encoders d --crf 1 --out e", "encoders", ["b", "c", "d"]),
        ("corpus --src a --src b --encoder c --crf 1 --out e", "src", [Path("a"), Path("b")]),
        ("compare --src a --vmaf-model vmaf_v0.6.1", "model", "vmaf_v0.6.1"),
        ("compare --src a --vmaf-timeout 5", "timeout", 5.0),
        ("compare --src a --crf-range 18-40", "crf_range", (18, 40)),
    ],
)
def test_published_flags(line: str, name: str, value: object) -> None:
    assert getattr(build_parser()[0].parse_args(line.split()), name) == value


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compare --target-vmafs 80", "The clip to encode is missing."),
        ("tune-per-shot a --src b --encoder c --target 80", "tune-per-shot takes one clip to encode, not 2."),
        (
            "bisect a --encoder b --targets 80 --target-vmafs 80",
            "--targets (NEG) and --target-vmafs (default VMAF) exclude",
        ),
        ("per-shot a --encoder c --targets 80,90", "per-shot takes one target, not 2."),
        ("roi a", "roi takes two clips, the original and the encoded one, not 1."),
    ],
)
def test_invalid_sources_and_targets(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert message in capsys.readouterr().err


def test_unknown_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bisect", "a", "--encoder", "b", "--targets", "80", "--colour", "blue"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --colour blue" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("score a b --modle x", "Did you mean '--model'?"),
        ("score a b --max-bitrate=3", "Gates are written as --gate max_bitrate=3."),
        ("check a b --min-neg 93", "Gates are written as --gate min_neg=LIMIT."),
        ("recommend a --encoders x --targets 80", "Did you mean '--encoder'?"),
        ("bisect a --encoder b --targets 80 --widht 3", "Did you mean '--width'?"),
    ],
)
def test_hint_for_an_unknown_flag(line: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(line.split())
    error = capsys.readouterr().err
    assert error.rstrip().endswith(hint)
    assert error.startswith(f"usage: pytest-vmaf {line.split()[0]} ")


def test_command_with_commas() -> None:
    template = "./enc --filter a=1,b=2 --crf {crf} -i {input} -o {output}"
    options = build_parser()[0].parse_args(
        ["compare", "--src", "a", "--encoders", "libx264,libx265", "--encoders", template]
    )
    assert options.encoders == ["libx264", "libx265", template]


def test_mode() -> None:
    def mode(*flags: str) -> str | None:
        return mode_of(build_parser()[0].parse_args(["encode", "a", "b", *flags]))

    assert mode("--encoder", "libx264", "--crf", "30") is None
    assert mode("--encoder", "libx264", "--bitrate", "300") == "bitrate"
    assert mode("--encoder", "libx264:slow:2pass", "--bitrate", "300") is None
    assert mode("--encoder", "libx264", "--bitrate", "300", "--two-pass") == "2pass"
    with pytest.raises(SystemExit):
        mode("--encoder", "libx264", "--bitrate", "300", "--two-pass", "--mode", "bitrate")
