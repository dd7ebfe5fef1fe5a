"""The pytest-vmaf command, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf.cli.main import main

LOG = """<VMAF version="1.0"><params qualityWidth="8" qualityHeight="8"/><frames>
<frame frameNum="0" vmaf="97.0" vmaf_neg="95.5" integer_adm2="0.9" />
<frame frameNum="1" vmaf="{last}" vmaf_neg="95.0" integer_adm2="0.9" />
</frames></VMAF>"""


def command(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest_vmaf", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, cwd=cwd, timeout=120)


def test_score_passes_with_0_and_shows_a_table(reference: Path, encoded: Path) -> None:
    done = command("score", reference, encoded, "--gate", "min_neg=30", "--feature", "psnr")
    assert done.returncode == 0, done.stderr
    for word in ("NEG", "VMAF", "gap", "psnr_y", "min_neg=30 (command line)", "passed"):
        assert word in done.stdout


def test_score_exits_1_and_lists_violations(reference: Path, sharpened: Path) -> None:
    done = command("score", reference, sharpened, "--gate=min_neg=99")
    assert done.returncode == 1
    assert "(3 of 3 gates failed)" in done.stderr
    assert "FAILED" in done.stdout


def test_score_writes_json(reference: Path, encoded: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    done = command("score", reference, encoded, "--format=json", "--output", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    data = json.loads(output.read_text())
    assert data["status"] == "passed"
    assert data["provenance"]["neg_model"] == "vmaf_v0.6.1neg"
    assert data["gap"] == pytest.approx(data["vmaf"] - data["neg"])
    assert [gate["name"] for gate in data["gates"]] == ["max_gap", "above_100"]
    assert list(tmp_path.iterdir()) == [output]


def test_score_reads_raw_video_with_the_seeds_flags(
    reference: Path, encoded: Path, make: Callable[..., Path], tmp_path: Path
) -> None:
    raw = make("-i", reference, "-f", "rawvideo", tmp_path / "ref.yuv")
    wanted = json.loads(command("score", reference, encoded, "--format=json").stdout)
    geometry = ("--width", 320, "--height", 180, "--pix-fmt", "yuv420p", "--frame-rate", 25)
    found = json.loads(command("score", raw, encoded, *geometry, "--format=json").stdout)
    assert found["neg"] == wanted["neg"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--gate=min_nge=9",), 2, "Did you mean 'min_neg'"),
        (("--pix-fmt=yuv420p",), 2, "--pix-fmt says what a file does not"),
        (("--frame-rate=24",), 2, "--frame-rate says what a file does not"),
        (("--generation=v2",), 2, "generation (command line) is 'v2'; it is one of v0, v1"),
        (("--threads=zero",), 2, "invalid int value"),
        (("--model=vmaf_v9",), 3, "is not a known VMAF model"),
        (("--ffmpeg=/no/such/ffmpeg",), 3, "does not exist or cannot be run"),
    ],
)
def test_score_tells_usage_from_measurement(
    reference: Path, encoded: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = command("score", reference, encoded, *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_score_of_a_missing_clip_exits_3(reference: Path) -> None:
    done = command("score", reference, "missing.mp4")
    assert done.returncode == 3
    assert "missing.mp4 does not exist" in done.stderr


def test_the_reproducing_command_repeats_the_score(reference: Path, encoded: Path, tmp_path: Path) -> None:
    record = json.loads(command("score", reference, encoded, "--format=json").stdout)
    shell = record["provenance"]["command"]
    subprocess.run(["sh", "-c", shell], cwd=tmp_path, check=True, capture_output=True)
    log = (tmp_path / "vmaf.xml").read_text()
    assert 'name="neg" min=' in log
    assert f'mean="{record["neg"]:.6f}"' in log


def test_gap_of_an_honest_log_is_0(tmp_path: Path) -> None:
    log = tmp_path / "log.xml"
    log.write_text(LOG.format(last="96.0"))
    done = command("gap", log)
    assert done.returncode == 0, done.stderr
    assert "1.2500" in done.stdout


def test_gap_flags_a_large_gap_and_frames_above_100(tmp_path: Path) -> None:
    log = tmp_path / "log.xml"
    log.write_text(LOG.format(last="104.5"))
    done = command("gap", log, "--format=json")
    assert done.returncode == 1
    data = json.loads(done.stdout)
    assert data["above_100"] == [1]
    assert data["gap_per_frame"] == [1.5, 9.5]
    assert data["pooled"]["gap"]["mean"] == 5.5
    assert len(data["flags"]) == 2
    assert "flagged: the gap of 5.500 is above 3" in done.stderr


def test_gap_of_a_clipped_log_cannot_be_green(tmp_path: Path) -> None:
    log = tmp_path / "log.xml"
    log.write_text(LOG.format(last="100.000000"))
    done = command("gap", log, "--max-gap=9")
    assert done.returncode == 3
    assert "clipped at 100, which hides a part of the gap" in done.stderr
    assert command("gap", log, "--max-gap=2").returncode == 1


def test_gap_shows_names_of_columns_as_they_are(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    frames = [{"frameNum": 0, "metrics": {"vmaf[/x]": 97.0, "neg\x1b[2J": 95.0}}]
    log.write_text(json.dumps({"frames": frames}))
    done = command("gap", log)
    assert done.returncode == 0, done.stderr
    assert "vmaf[/x]" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        '<frame frameNum="0" vmaf="97" neg="95"/>',
        '<?xml version="1.0" encoding="foo"?><VMAF/>',
        '{"frames": [{"frameNum": 0, "metrics": {"vmaf": 1e308, "neg": 1e308}}]}',
        '{"frames": [{"frameNum": 0, "metrics": {"vmaf": 99, "vmaf": 95, "neg": 95}}]}',
        "Frame,vmaf,neg,vmaf,\n0,99,95,95,\n",
    ],
)
def test_gap_refuses_odd_logs_without_a_traceback(tmp_path: Path, text: str) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    done = command("gap", log)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["xml", "json", "csv"])
def test_gap_reads_what_ffmpeg_writes(
    form: str, reference: Path, encoded: Path, sharpened: Path, make: Callable[..., Path], ffmpeg: str, tmp_path: Path
) -> None:
    models = r"version=vmaf_v0.6.1\:name=vmaf\:disable_clip=true|version=vmaf_v0.6.1neg\:name=neg\:disable_clip=true"
    for distorted, code in ((encoded, 0), (sharpened, 1)):
        graph = f"[0:v][1:v]libvmaf=model='{models}':log_path=log.{form}:log_fmt={form}"
        argv = [ffmpeg, "-loglevel", "error", "-i", distorted, "-i", reference, "-lavfi", graph, "-f", "null", "-"]
        subprocess.run(argv, cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
        done = command("gap", tmp_path / f"log.{form}")
        assert done.returncode == code, done.stderr


@pytest.mark.parametrize("swapped", [False, True])
def test_gap_reads_two_logs_in_either_order(tmp_path: Path, swapped: bool) -> None:
    default, neg = tmp_path / "d.csv", tmp_path / "n.json"
    default.write_text("Frame,integer_adm2,vmaf,\n0,0.9,97.5,\n1,0.9,96.5,\n")
    frames = [{"frameNum": n, "metrics": {"vmaf_neg": 95.0}} for n in range(2)]
    neg.write_text(json.dumps({"version": "x", "frames": frames, "pooled_metrics": {}}))
    logs = (neg, default) if swapped else (default, neg)
    done = command("gap", *logs, "--format=json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["gap_per_frame"] == [2.5, 1.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a libvmaf log"),
        ("hello", "is not a libvmaf log"),
        ("<VMAF><frames>", "is not a complete libvmaf log"),
        ('{"frames": [', "is not a complete libvmaf log"),
        ('{"frames": 3}', "is not a complete libvmaf log"),
        ("Frame,vmaf,neg,\n0,97,95,\n2,97,95,\n", "frames are missing"),
        ("Frame,vmaf,neg,\n0,97,95,\n1,97,,\n", "must have a finite score"),
        ("Frame,vmaf,neg,\n0,97,,\n", "Which columns of"),
        ("Frame,vmaf,neg,\n0,97,nan,\n", "must have a finite score"),
        ("Frame,vmaf,\n0,97,\n", "Which columns of"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><VMAF>&x;</VMAF>', "libvmaf log"),
    ],
)
def test_gap_refuses_broken_logs_with_3(tmp_path: Path, text: str, message: str) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    done = command("gap", log)
    assert done.returncode == 3
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_gap_refuses_swapped_logs_and_one_log_twice(tmp_path: Path) -> None:
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("Frame,vmaf,\n0,97.5,\n1,96.5,\n")
    b.write_text("Frame,vmaf,\n0,95.5,\n1,94.5,\n")
    assert command("gap", a, b).returncode == 0
    swapped = command("gap", b, a)
    assert swapped.returncode == 3
    assert "Are the two swapped?" in swapped.stderr
    assert "Both logs have the same scores" in command("gap", a, a).stderr


def test_the_version_is_said() -> None:
    assert command("--version").stdout.startswith("pytest-vmaf ")


def test_gap_of_logs_of_different_lengths_is_refused(tmp_path: Path) -> None:
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("Frame,vmaf,\n0,97.5,\n1,96.5,\n")
    b.write_text("Frame,vmaf,\n0,97.5,\n")
    done = command("gap", a, b)
    assert done.returncode == 3
    assert "different lengths" in done.stderr


def test_doctor_names_ffmpeg_models_and_says_ready() -> None:
    done = command("doctor")
    assert done.returncode == 0, done.stdout
    for word in ("ffmpeg: ", "vmaf_v0.6.1neg", "vmaf tool:", "ready: the default scorer works."):
        assert word in done.stdout


def test_doctor_says_what_is_missing(tmp_path: Path) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text("#!/bin/sh\necho ffmpeg version 1.0\n")
    ffmpeg.chmod(0o755)
    done = command("doctor", "--ffmpeg", ffmpeg)
    assert done.returncode == 3
    assert "libvmaf: missing" in done.stdout
    assert "NOT ready" in done.stdout
    assert "imageio-ffmpeg" in done.stdout


def test_no_command_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_output_to_a_folder_that_is_not_there_is_an_error(reference: Path, encoded: Path, tmp_path: Path) -> None:
    done = command("score", reference, encoded, "--output", tmp_path / "no" / "such" / "file")
    assert done.returncode == 2
    assert "there is no folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a FIFO")
def test_output_writes_to_a_pipe_and_through_a_link_and_replaces_neither(
    reference: Path, encoded: Path, tmp_path: Path
) -> None:
    target, link, pipe = tmp_path / "target.json", tmp_path / "link.json", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    assert command("score", reference, encoded, "--format=json", "--output", link).returncode == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["status"] == "passed"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    assert command("score", reference, encoded, "--format=json", "--output", pipe).returncode == 0
    assert json.loads(reader.communicate(timeout=30)[0])["status"] == "passed"
    assert pipe.is_fifo()


def test_a_name_beyond_the_terminals_encoding_is_shown_as_an_escape(reference: Path, tmp_path: Path) -> None:
    clip = tmp_path / "é中.mkv"
    clip.symlink_to(reference)
    argv = [sys.executable, "-m", "pytest_vmaf", "score", str(clip), str(clip)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_raw_video_of_any_name_is_raw_where_its_geometry_is_given(
    reference: Path, encoded: Path, make: Callable[..., Path], tmp_path: Path
) -> None:
    raw = make("-i", reference, "-f", "rawvideo", tmp_path / "frames.bin")
    done = command("score", raw, encoded, "--width", 320, "--height", 180, "--frame-rate", 25)
    assert done.returncode == 0, done.stderr


def test_colours_that_the_environment_forces_on_ffmpeg_do_no_harm(reference: Path, encoded: Path) -> None:
    environment = {**os.environ, "AV_LOG_FORCE_COLOR": "1"}
    argv = [sys.executable, "-m", "pytest_vmaf", "score", str(reference), str(encoded)]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def shards(pytester: pytest.Pytester) -> list[Path]:
    """What two shards of a build matrix leave: one whose gates hold, one with a failure."""
    pytester.makepyfile(
        """
        import os
        from pytest_vmaf import FakeScorer

        def test_rung(vmaf):
            neg = float(os.environ["NEG"])
            vmaf.check("ref.mkv", "out|<b>.mp4", scorer=FakeScorer(vmaf=neg + 2, neg=neg), min_neg=93)
        """
    )
    files = []
    for name, neg in (("arm", "94.25"), ("x86", "91.5")):
        files.append(pytester.mkdir(name) / "vmaf.json")
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--vmaf-json={files[-1]}"]
        subprocess.run(argv, cwd=pytester.path, env={**os.environ, "NEG": neg}, stdout=subprocess.DEVNULL, check=False)
    return files


def test_report_merges_shards_into_every_form(shards: list[Path], tmp_path: Path) -> None:
    outputs = [tmp_path / f"all{suffix}" for suffix in (".html", ".md", ".json")]
    done = command("report", *shards, *(part for output in outputs for part in ("-o", output)))
    assert done.returncode == 1, done.stderr
    assert "1 of 2 tests failed. Worst: test_rung, NEG 91.50 where at least 93 is required" in done.stdout
    page = outputs[0].read_text()
    assert page.index("91.50") < page.index("94.25")
    for shard in ("arm", "x86"):
        assert f"<small>{shard}</small>" in page
    assert "out|&lt;b&gt;.mp4" in page
    assert "out|<b>" not in outputs[1].read_text()
    merged = json.loads(outputs[2].read_text())
    assert [run["name"] for run in merged["runs"]] == ["arm", "x86"]
    assert [(test["run"], test["status"]) for test in merged["tests"]] == [(0, "passed"), (1, "failed")]
    # What was merged can be merged again.
    again = command("report", outputs[2], shards[0], "-o", tmp_path / "again.json")
    assert again.returncode == 1
    names = [run["name"] for run in json.loads((tmp_path / "again.json").read_text())["runs"]]
    assert len(set(names)) == 3


def test_report_exits_0_only_where_everything_was_measured_and_held(
    shards: list[Path], tmp_path: Path, pytester: pytest.Pytester
) -> None:
    output = tmp_path / "r.html"
    assert command("report", shards[0], "-o", output).returncode == 0
    (pytester.path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    empty = tmp_path / "empty.json"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--vmaf-json={empty}", "test_nothing.py"]
    subprocess.run(argv, cwd=pytester.path, stdout=subprocess.DEVNULL, check=True)
    assert command("report", empty, "-o", output).returncode == 3
    # A shard that was stopped did not gate what it did not run.
    data = json.loads(shards[0].read_text())
    data["runs"][0]["ended"] = "interrupted"
    shards[0].write_text(json.dumps(data))
    assert command("report", shards[0], "-o", output).returncode == 3


def test_report_writes_the_form_with_assets(shards: list[Path], tmp_path: Path) -> None:
    assert command("report", shards[0], "--html-assets", "-o", tmp_path / "r.html").returncode == 0
    names = {path.suffix for path in (tmp_path / "r_assets").iterdir()}
    assert names == {".css", ".js", ".svg"}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"kind": "pytest-vmaf report", "schema": 99}', "[" * 100_000]
)
def test_report_refuses_what_is_no_report_and_leaves_the_old_one(tmp_path: Path, content: str) -> None:
    bad, output = tmp_path / "bad.json", tmp_path / "r.html"
    bad.write_text(content)
    output.write_text("the old one")
    done = command("report", bad, "-o", output)
    assert done.returncode == 3
    assert "bad.json is not a readable report" in done.stderr
    assert "Traceback" not in done.stderr
    assert output.read_text() == "the old one"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "r.pdf"], "a report ends in .html, .md or .json"),
        (["-o", "nowhere/r.html"], "there is no folder"),
        (["-o", "a.json"], "is one of the files to read"),
        ([], "required: -o"),
    ],
)
def test_report_refuses_wrong_usage(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "a.json").write_text("{}")
    done = command("report", "a.json", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
