"""`pytest-vmaf recommend`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import Run, posix, run_process, searching, strict
from pytest_vmaf import Vmaf
from pytest_vmaf.cli.main import main


@pytest.mark.slow
def test_json(run: Run, clip: Path, tmp_path: Path) -> None:
    done = run(*searching("recommend", clip, "80"), "--cache-dir", tmp_path, "--metric", "neg.p5", "--format", "json")
    assert done.returncode == 0, done.stderr
    data = strict(done.stdout)
    assert (data["command"], data["neg"], data["metric"]) == ("recommend", True, "neg.p5")
    found = Vmaf(cache_dir=str(tmp_path)).bisect(
        clip, encoder="libx264", preset="veryfast", targets=80, metric="neg.p5"
    )
    (answer,) = data["answers"]
    assert (answer["crf"], answer["score"]) == (found[80].crf, found[80].score)
    assert [probe["crf"] for probe in data["probes"]] == [probe.crf for probe in found.probes]


@posix
@pytest.mark.slow
def test_output_to_a_device(corpus: Path) -> None:
    words = ("recommend", "--from-corpus", corpus, "--target-vmaf", "1", "--format", "json", "--output", "/dev/stdout")
    done = run_process(*words)
    assert done.returncode == 0, done.stderr
    assert strict(done.stdout)["met"]


def edited(text: str, number: int, **changes: float) -> str:
    """A corpus in which one row says what would meet any target."""
    lines = text.splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **changes})
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_rows_of_both_models(run: Run, corpus: Path) -> None:
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


@pytest.mark.slow
def test_target_bitrate(run: Run, corpus: Path, tmp_path: Path) -> None:
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
            "scored with that model. Its rows have vmaf_v0.6.1 /",
        ),
        (["--target-vmaf", "76", "--generation", "v1"], 2, "No row of"),
        (["--target-vmaf", "76", "--encoder", "libx265"], 2, "No row has the encoder 'libx265'"),
        (["--target-vmaf", "76,80"], 2, "takes one target"),
        (["--target-vmaf", "-1"], 2, "target must be a number above 0, not -1"),
        (["--target-bitrate", "-5"], 2, "--target-bitrate must be a number of kbit/s above 0, not -5"),
        (["--target-bitrate", "nan"], 2, "kbit/s above 0, not nan"),
        (["--target-bitrate", "0"], 2, "kbit/s above 0, not 0"),
        ([], 2, "Give target=93"),
        (["--target-vmaf", "76", "--neg", "--metric", "vmaf"], 2, "contradict"),
        (["--target-vmaf", "76", "--workers", "2"], 2, "--workers is only for searches"),
        (["--target-vmaf", "76", "--width", "192", "--height", "108"], 2, "--width is only for searches"),
        (["--target-vmaf", "76", "--feature", "psnr"], 2, "--feature is only for searches"),
        (["--target-vmaf", "76", "--output", "nowhere/a"], 2, "there is no folder"),
        (["--target-vmaf", "76", "--output", "{corpus}"], 2, "is also an input file"),
    ],
)
def test_corpus_exit_codes(
    flags: list[str], code: int, said: str, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [flag.format(corpus=corpus) for flag in flags]
    assert main(["recommend", "--from-corpus", str(corpus), *given]) == code
    assert said in capsys.readouterr().err


def test_rows_with_neg_built_in(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_rows_of_a_high_frame_rate(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = corpus.read_text().replace('"vmaf_v0.6.1"', '"vmaf_v1.0.16_hfr_3d0h credited"')
    text = text.replace('"vmaf_v0.6.1neg"', '"vmaf_v1.0.16_hfr_3d0h"').replace('"v0"', '"v1"')
    rows = tmp_path / "rows.jsonl"
    for rate, code in (("50", 0), ("25", 2)):
        rows.write_text(re.sub(r'"frame_rate": ?"25"', f'"frame_rate": "{rate}"', text))
        assert f'"frame_rate": "{rate}"' in rows.read_text()
        asked = ["recommend", "--from-corpus", str(rows), "--target-vmaf", "70", "--generation", "v1"]
        assert main(asked) == code
        assert ("No row of" in capsys.readouterr().err) is (code == 2)


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
def test_damaged_corpus(
    damage: Callable[[str], str] | None, said: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "rows.jsonl"
    if damage is not None:
        broken.write_text(damage(corpus.read_text()))
    assert main(["recommend", "--from-corpus", str(broken), "--target-vmaf", "80", "--format", "json"]) == 3
    shown = capsys.readouterr()
    assert said in shown.err
    assert said in strict(shown.out)["error"]
