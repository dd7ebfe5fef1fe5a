"""`pytest-vmaf compare`."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.commands import ONE, Run, strict
from pytest_vmaf import Clip, Vmaf
from pytest_vmaf.cli.main import main


@pytest.mark.slow
def test_json(run: Run, clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    encoders = ["libx264:veryfast", "libx264:ultrafast"]
    asked = ["compare", "--src", clip, "--encoders", ",".join(encoders), "--target-vmafs", "70,80", "--neg"]
    asked += ["--crf-range", "22-36"]
    done = run(*asked, "--no-speed", "--format=json", "--output", output, "--cache-dir", tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    data = strict(output.read_text())
    assert data["schema"] == 1
    assert data["command"] == "compare"
    assert (data["neg"], data["metric"], data["target_model"]) == (True, "neg", "vmaf_v0.6.1neg")
    assert data["assumed"] == []
    found = Vmaf(cache_dir=str(tmp_path / "cache")).compare(
        clip, encoders=encoders, targets=[70, 80], metric="neg", speed=False, crf=(22, 36)
    )
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


@pytest.mark.slow
def test_agreement(run: Run, clip: Path) -> None:
    asked = ["compare", clip, "--encoders", "libx264:medium,libx264:ultrafast", "--targets", "70,80", "--no-speed"]
    asked += ["--crf", "20-36", "--agree", "psnr_y,float_ssim"]
    done = run(*asked, "--max-disagreement", 500)
    assert done.returncode == 0, done.stderr
    assert "Agreement of metrics" in done.stdout
    # Lines are broken by their length.
    text = " ".join(done.stdout.split())
    assert "NEG, psnr_y and float_ssim agree that libx264:ultrafast is worse than libx264:medium (+" in text
    done = run(*asked, "--max-disagreement", 0, "--format", "json")
    assert done.returncode == 1
    assert "points apart (" in done.stderr
    assert "max_disagreement is 0." in done.stderr
    assert strict(done.stdout)["agreement"]["libx264:ultrafast"]["judges"] == ["neg", "psnr_y", "float_ssim"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--agree", "psnr"], "agree: metric must be a measure of quality, not 'psnr'. Did you mean 'psnr_y'?"),
        (["--agree", "psnr_y,,"], "has an empty entry"),
        (["--max-disagreement", "-1"], "max_disagreement must be a number of percentage points from 0, not -1.0."),
        (
            ["--max-disagreement", "1", "--encoders", "libx264"],
            "max_disagreement compares encoders with the first one.",
        ),
        (["--max-disagreement", "nan"], "max_disagreement must be a number of percentage points from 0, not nan."),
    ],
)
def test_invalid_agreement(run: Run, clip: Path, flags: list[str], message: str) -> None:
    done = run("compare", clip, "--targets", "70", *flags)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.slow
def test_raw_and_other_sources(clip: Path, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["compare", "--src", str(clip), "--src", str(raw), "--width", "192", "--height", "108", "--framerate", "25"]
    code = main(
        [*asked, "--encoders", "libx264:veryfast", "--no-speed", "--target-vmafs", "1", *ONE, "--format", "json"]
    )
    data = strict(capsys.readouterr().out)
    assert code == 0
    assert list(data["sources"]) == [str(clip), str(Clip(raw, width=192, height=108))]
    found = [source["libx264:veryfast"]["answers"][0] for source in data["sources"].values()]
    assert found[0]["crf"] == found[1]["crf"]
    assert found[0]["score"] == found[1]["score"]


@pytest.mark.slow
def test_published_command(run: Run, tmp_path: Path) -> None:
    line = """compare
        --src reference.yuv
        --width 192 --height 108
        --neg
        --target-vmafs 94,96,97,98
        --encoders libx264,libx265,libsvtav1
        --format json
        --output compare_neg.json"""
    # Gray is searched in a few encodes.
    (tmp_path / "reference.yuv").write_bytes(bytes([128]) * (2 * 192 * 108 * 3 // 2))
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
def test_published_command_with_default_encoders(run: Run, tmp_path: Path) -> None:
    (tmp_path / "source.yuv").write_bytes(bytes([128]) * (192 * 108 * 3 // 2))
    line = "compare --src source.yuv --neg --target-vmafs 94,96,97,98"
    # As published, it takes frames of 1920x1080 (test_search_input.py), which would make each encode a slow one.
    done = run(*line.split(), "--width", 192, "--height", 108, cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    assert "is read as 24 frames/s" in done.stderr
    assert "Targets are NEG, the score of vmaf_v0.6.1neg." in done.stdout
