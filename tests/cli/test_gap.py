"""`pytest-vmaf gap`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import Run
from pytest_vmaf.scoring import logs

SLOW = pytest.mark.slow
LOG = """<VMAF version="1.0"><params qualityWidth="8" qualityHeight="8"/><frames>
<frame frameNum="0" vmaf="97.0" vmaf_neg="95.5" integer_adm2="0.9" />
<frame frameNum="1" vmaf="{last}" vmaf_neg="95.0" integer_adm2="0.9" />
</frames></VMAF>"""
FRAME = '{"frameNum": %d, "metrics": {"vmaf": 97.0, "neg": 95.0}}'
XML_FRAME = '<frame frameNum="0" vmaf="97" neg="95"/>'


def test_honest_log(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.xml"
    log.write_text(LOG.format(last="96.0"))
    done = run("gap", log)
    assert done.returncode == 0, done.stderr
    assert "1.2500" in done.stdout
    assert "A log holds less than vmaf.check() measures" in done.stderr


def test_flags(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.xml"
    log.write_text(LOG.format(last="104.5"))
    done = run("gap", log, "--format=json")
    assert done.returncode == 1
    data = json.loads(done.stdout)
    assert data["above_100"] == [1]
    assert data["gap_per_frame"] == [1.5, 9.5]
    assert data["pooled"]["gap"]["mean"] == 5.5
    assert len(data["flags"]) == 2
    assert "flagged: the gap of 5.500 is above 3" in done.stderr


def test_clipped_log(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.xml"
    log.write_text(LOG.format(last="100.000000"))
    done = run("gap", log, "--max-gap=9")
    assert done.returncode == 3
    assert "clipped at 100, which hides a part of the gap" in done.stderr
    assert run("gap", log, "--max-gap=2").returncode == 1


def test_column_names(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    frames = [{"frameNum": 0, "metrics": {"vmaf[/x]": 97.0, "neg\x1b[2J": 95.0}}]
    log.write_text(json.dumps({"frames": frames}))
    done = run("gap", log)
    assert done.returncode == 0, done.stderr
    assert "vmaf[/x]" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("form", ["xml", pytest.param("json", marks=SLOW), pytest.param("csv", marks=SLOW)])
def test_logs_of_ffmpeg(
    run: Run,
    form: str,
    reference: Path,
    encoded: Path,
    sharpened: Path,
    make: Callable[..., Path],
    ffmpeg: str,
    tmp_path: Path,
) -> None:
    models = r"version=vmaf_v0.6.1\:name=vmaf\:disable_clip=true|version=vmaf_v0.6.1neg\:name=neg\:disable_clip=true"
    for distorted, code in ((encoded, 0), (sharpened, 1)):
        graph = f"[0:v][1:v]libvmaf=model='{models}':log_path=log.{form}:log_fmt={form}"
        argv = [ffmpeg, "-loglevel", "error", "-i", distorted, "-i", reference, "-lavfi", graph, "-f", "null", "-"]
        subprocess.run(argv, cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
        done = run("gap", tmp_path / f"log.{form}")
        assert done.returncode == code, done.stderr


@pytest.mark.parametrize("swapped", [False, True])
def test_two_logs(run: Run, tmp_path: Path, swapped: bool) -> None:
    default, neg = tmp_path / "d.csv", tmp_path / "n.json"
    default.write_text("Frame,integer_adm2,vmaf,\n0,0.9,97.5,\n1,0.9,96.5,\n")
    frames = [{"frameNum": n, "metrics": {"vmaf_neg": 95.0}} for n in range(2)]
    neg.write_text(json.dumps({"version": "x", "frames": frames, "pooled_metrics": {}}))
    logs = (neg, default) if swapped else (default, neg)
    done = run("gap", *logs, "--format=json")
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
        ("Frame,vmaf,neg,\n0,97,95,\n1,,,\n2,,,\n", "a finite score for each of 3 frames, not for 1 of them"),
        ("Frame,vmaf,neg,\n0,97,,\n1,,95,\n", "each of 2 frames, not for 1 of them"),
        ("Frame,vmaf,neg,\n0,97,95,\n1,97,95,\n1,97,95,\n", "frame 1 follows frame 1"),
        ("Frame,vmaf,neg,\n0,97,95,\n0,97,95,\n", "frame 0 follows frame 0"),
        ("Frame,vmaf,neg,\n0,97,95,\n1,inf,95,\n", "each of 2 frames, not inf in frame 1"),
        ('{{"frames": [{}, {}, {}]}}'.format(FRAME % 0, '{"frameNum": 1, "metrics": {}}', FRAME % 2), "of 3 frames"),
        ('{"frames": [%s, {"frameNum": 1, "metrics": {"vmaf": null, "neg": 95}}]}' % (FRAME % 0), "not nan in frame 1"),
        ('{"frames": [%s, {}]}' % (FRAME % 0), "its frames must be a list of objects with frameNum and metrics"),
        ('{"frames": [{"a": %s}]}' % (FRAME % 0), "its frames must be a list of objects"),
        (f'{{"frames": [{FRAME % 0}], "a": [{FRAME % 1}]}}', "its frames must be a list of objects"),
        (
            '{"frames": [%s], "pooled_metrics": {"neg": {"mean": 94.9}}}' % (FRAME % 0),
            "log's own mean of 'neg' is 94.9",
        ),
        (f'<VMAF><frames>{XML_FRAME}<frame frameNum="1"/></frames></VMAF>', "each of 2 frames, not for 1 of them"),
        (f'<VMAF><frames>{XML_FRAME}<frame frameNum="1" vmaf="9" neg="nan"/></frames></VMAF>', "not nan in frame 1"),
        (
            f'<VMAF><frames>{XML_FRAME}</frames><m><metric name="vmaf" mean="90"/></m></VMAF>',
            "the log's own mean of 'vmaf' is 90, but its frames' mean is 97.0",
        ),
        ("Frame,vmaf,neg,\n0,97,,\n", "Which columns of"),
        ("Frame,vmaf,neg,\n0,97,nan,\n", "must have a finite score"),
        ("Frame,vmaf,\n0,97,\n", "Which columns of"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><VMAF>&x;</VMAF>', "libvmaf log"),
    ],
)
def test_broken_logs(run: Run, tmp_path: Path, text: str, message: str) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    done = run("gap", log)
    assert done.returncode == 3
    assert message in done.stderr
    assert "Traceback" not in done.stderr


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
def test_odd_logs(run: Run, tmp_path: Path, text: str) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    done = run("gap", log)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "limits", "message"),
    [
        ("<VMAF>" + "<a>" * 1000, {"DEEPEST": 9}, "elements more than 9 deep"),
        ("<VMAF>" + "<a/>" * 1000, {"MOST_ELEMENTS": 99}, "or more than 99 beside frames"),
        (
            '<VMAF><a x="' + "> " * 1000,
            {"LONGEST": 999, "CHUNK": 99},
            "larger than a libvmaf log may be: it has an element or text of more than 999 bytes",
        ),
        (
            "<VMAF><!-- " + "> " * 1000,
            {"LONGEST": 999, "CHUNK": 99},
            "larger than a libvmaf log may be: it has an element or text of more than 999 bytes",
        ),
        (
            "<VMAF>" + "x" * 2000,
            {"LONGEST": 999, "CHUNK": 99},
            "larger than a libvmaf log may be: it has an element or text of more than 999 bytes",
        ),
        ('{"frames": [' + "{}," * 1000, {"MOST_OBJECTS": 999}, "more than 999 objects and lists"),
        ('{"frames": [' + "0," * 1000, {"MOST_VALUES": 999}, "or more than 999 values"),
        ('{"frames": [' + " " * 1000, {"LARGEST_JSON": 999}, "write it as XML (log_fmt=xml)"),
        ('{"frames": ' + "[" * 100_000, {}, "RecursionError"),
        ("Frame,vmaf,neg,\n0," + "9" * 1000 + "\n", {"LONGEST": 999}, "a line of more than 999 characters"),
        ("Frame,vmaf,neg,\n" + "".join(f"{n},9,9,\n" for n in range(9)), {"MOST_VALUES": 9}, "more than 9 values"),
    ],
)
def test_bounds(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, limits: dict[str, int], message: str
) -> None:
    for name, limit in limits.items():
        monkeypatch.setattr(logs, name, limit)
    log = tmp_path / "log"
    log.write_text(text)
    done = run("gap", log)
    assert done.returncode == 3
    assert message in done.stderr
    assert len(done.stderr) < 1000


def test_swapped_logs(run: Run, tmp_path: Path) -> None:
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("Frame,vmaf,\n0,97.5,\n1,96.5,\n")
    b.write_text("Frame,vmaf,\n0,95.5,\n1,94.5,\n")
    assert run("gap", a, b).returncode == 0
    swapped = run("gap", b, a)
    assert swapped.returncode == 3
    assert "Are the two swapped?" in swapped.stderr
    assert "Both logs have the same scores" in run("gap", a, a).stderr


def test_logs_of_different_lengths(run: Run, tmp_path: Path) -> None:
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("Frame,vmaf,\n0,97.5,\n1,96.5,\n")
    b.write_text("Frame,vmaf,\n0,97.5,\n")
    done = run("gap", a, b)
    assert done.returncode == 3
    assert "different lengths" in done.stderr
