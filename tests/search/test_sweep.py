"""Sweeps of a tiny clip: rows, resuming, changed setups, failures and invalid grids."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.encoding.encoders import ENCODERS, command_encoder, function_encoder
from pytest_vmaf.errors import ClipError, EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.recommend import recommend
from pytest_vmaf.search.row_files import append_row, locked_file, read_rows
from pytest_vmaf.search.rows import Row
from pytest_vmaf.search.sweep import SweepRequest, sweep
from pytest_vmaf.search.sweep_curves import program_hash

CRFS = (24, 36, 48)
GRID = ((ENCODERS["libx264"], ("ultrafast", "veryfast")), (ENCODERS["libsvtav1"], ("12",)))
#: The cheapest part of the grid.
ONE = ((ENCODERS["libx264"], ("ultrafast",)),)
#: The sweep of the tests in a process of its own. It says how many rows are done, and is killed while the encode after
#: so many of them is scored.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from pytest_vmaf.encoding.encoders import ENCODERS
from pytest_vmaf.search.sweep import SweepRequest, sweep
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.scoring.measure import MeasureRequest
_, source, output, kill_after, limit = sys.argv
if int(limit):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
clip = Clip(source)
grid = ((ENCODERS["libx264"], ("ultrafast", "veryfast")), (ENCODERS["libsvtav1"], ("12",)))
rows = []
def updates(done, total):
    rows.append(done)
    print(done, total, flush=True)
def scored(frames, total):
    if str(rows[-1]) == kill_after:
        os.kill(os.getpid(), signal.SIGKILL)
scoring = MeasureRequest(clip, clip, progress=scored)
try:
    sweep(SweepRequest((scoring,), grid, (24, 36, 48), Path(output), progress=updates), FfmpegScorer())
except MeasurementError as error:
    sys.exit("\\n".join([str(error), *error.__notes__]))
"""


@pytest.fixture(scope="module")
def clip(footage: Callable[..., Path]) -> Clip:
    return Clip(footage("160x120", 8))


@pytest.fixture(scope="module")
def whole(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a sweep that nothing interrupted."""
    path = tmp_path_factory.mktemp("whole") / "sweep.jsonl"
    sweep(a_request(clip, path), FfmpegScorer())
    return path


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go in this test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def a_request(clip: Clip, output: Path, **changes: Any) -> SweepRequest:
    return replace(SweepRequest((MeasureRequest(clip, clip),), GRID, CRFS, output), **changes)


def content(path: Path) -> list[Row]:
    """The rows but for what depends on where in a sweep they were made: the first of a sweep takes two processes."""
    return [replace(row, seconds=None, command="") for row in read_rows(path)]


def run_program(clip: Clip, output: Path, kill_after: int | None = None, limit: int = 0) -> tuple[str, list[str]]:
    """Sweep in a process of its own, killed in the row after this many; what it said is wrong, and its progress."""
    argv = [sys.executable, "-c", PROGRAM, str(clip.path), str(output), str(kill_after), str(limit)]
    # Who is killed outright leaves his temporary files.
    end = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(output.parent)})
    assert (end.returncode == -signal.SIGKILL) == (kill_after is not None)
    return end.stderr, end.stdout.splitlines()


@pytest.mark.slow
def test_order_of_the_grid(clip: Clip, whole: Path) -> None:
    rows = read_rows(whole)
    assert [(row.setup.encoder, row.setup.preset, row.crf) for row in rows] == [
        (encoder.name, preset, crf) for encoder, presets in GRID for preset in presets for crf in CRFS
    ]
    assert all(row.setup.source == clip.path.name and row.frames == 8 for row in rows)
    assert all(row.bitrate == row.size * 8 / row.duration for row in rows)


@pytest.mark.slow
def test_row_as_measured_by_hand(clip: Clip, whole: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    row = read_rows(whole)[1]
    options = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "36")
    by_hand = make("-i", clip.path, "-fps_mode", "passthrough", *options, tmp_path / "out.mp4")
    result = measure(MeasureRequest(clip, Clip(by_hand)), FfmpegScorer())
    assert (row.neg, row.vmaf, row.gap) == (float(result.neg), float(result.vmaf), float(result.gap))
    assert row.scores["neg_p5"] == float(result.neg.p5)
    assert row.scores["vmaf_min"] == float(result.vmaf.min)
    assert row.scores["psnr_y"] == float(result["psnr_y"])
    assert (row.setup.model, row.setup.neg_model) == ("vmaf_v0.6.1", "vmaf_v0.6.1neg")
    assert (row.setup.width, row.setup.height, row.setup.frame_rate) == (160, 120, "25")
    assert row.duration == pytest.approx(8 / 25)
    assert row.size < by_hand.stat().st_size


@pytest.mark.slow
def test_killed_again_and_again(clip: Clip, whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "killed.jsonl"
    for done in (0, 7):
        run_program(clip, output, kill_after=done)
        assert content(output) == content(whole)[:done]
    _, updates = run_program(clip, output)
    assert updates == ["7 9", "8 9", "9 9"]
    assert content(output) == content(whole)


@pytest.mark.slow
def test_complete_file_makes_nothing(clip: Clip, whole: Path, tmp_path: Path) -> None:
    output = Path(shutil.copy(whole, tmp_path))
    updates: list[tuple[int, int]] = []
    rows = sweep(a_request(clip, output, progress=lambda *numbers: updates.append(numbers)), FfmpegScorer())
    assert rows == read_rows(whole)
    assert output.read_bytes() == whole.read_bytes()
    assert updates == [(9, 9)]


@pytest.mark.parametrize("length", [1, 27, 300])
def test_torn_last_line(clip: Clip, whole: Path, tmp_path: Path, length: int) -> None:
    output = tmp_path / "torn.jsonl"
    lines = whole.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join(lines[:-1]) + lines[-1][:length])
    with pytest.raises(MeasurementError, match=r"torn\.jsonl, line 9: .*\n.*cut off\. Run the sweep again"):
        read_rows(output)
    with locked_file(output):
        assert output.read_bytes() == b"".join(lines[:-1])
    if length == 27:
        sweep(a_request(clip, output), FfmpegScorer())
        assert content(output) == content(whole)


def test_last_line_without_its_end(clip: Clip, whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "unended.jsonl"
    output.write_bytes(whole.read_bytes()[:-1])
    assert read_rows(output) == read_rows(whole)
    sweep(a_request(clip, output), FfmpegScorer())
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    "notes", [b"what I must not lose", b'{"a": 1}', b"first\nsecond", b"first\n{", b"\n", b'{"schema": 2, "x']
)
def test_foreign_file_is_left_alone(clip: Clip, tmp_path: Path, notes: bytes) -> None:
    output = tmp_path / "notes.txt"
    output.write_bytes(notes)
    with pytest.raises(MeasurementError, match=r"notes\.txt, line 1: Not a sweep row"):
        sweep(a_request(clip, output), FfmpegScorer())
    assert output.read_bytes() == notes


def test_rows_of_other_grids(clip: Clip, whole: Path, tmp_path: Path) -> None:
    output = Path(shutil.copy(whole, tmp_path))
    rows = sweep(a_request(clip, output, encoders=ONE, crfs=(40, 24), arguments=("-bf", "1")), FfmpegScorer())
    assert [row.crf for row in rows] == [24, 40]
    assert read_rows(output) == (*read_rows(whole), *rows)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["model", "pix_fmt", "source", "feature"])
def test_changed_setup_is_made_again(
    clip: Clip, whole: Path, tmp_path: Path, footage: Callable[..., Path], change: str
) -> None:
    output = Path(shutil.copy(whole, tmp_path))
    own = Clip(Path(shutil.copy(footage("160x120", 7) if change == "source" else clip.path, tmp_path / clip.path.name)))
    scoring = MeasureRequest(own, own)
    if change == "model":
        scoring = replace(scoring, model="vmaf_4k_v0.6.1")
    if change == "feature":
        scoring = replace(scoring, features=("float_ssim",))
    request = a_request(own, output, scorings=(scoring,), encoders=ONE, crfs=(36,))
    rows = sweep(replace(request, pix_fmt="yuv420p10le" if change == "pix_fmt" else None), FfmpegScorer())
    assert read_rows(output) == (*read_rows(whole), *rows)
    assert len(rows) == 1


def test_moved_source(clip: Clip, whole: Path, tmp_path: Path) -> None:
    output = Path(shutil.copy(whole, tmp_path))
    moved = Clip(Path(shutil.copy(clip.path, tmp_path / "moved.mkv")))
    assert sweep(a_request(moved, output), FfmpegScorer()) == read_rows(whole)
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_another_build_of_a_program(clip: Clip, ffmpeg: str, tmp_path: Path) -> None:
    script, output = tmp_path / "encoder.py", tmp_path / "sweep.jsonl"
    encoder = replace(command_encoder([sys.executable, str(script), "{crf}", "{input}", "{output}"]), name="own")
    crfs = []
    for preset in ("ultrafast", "veryfast"):
        argv = f"[{ffmpeg!r}, '-v', 'error', '-i', i, '-c:v', 'libx264', '-preset', {preset!r}, '-crf', crf, o]"
        script.write_text(f"import subprocess, sys\n_, crf, i, o = sys.argv\nsys.exit(subprocess.call({argv}))\n")
        for _ in range(2):
            sweep(a_request(clip, output, encoders=((encoder, (None,)),), crfs=(36,)), FfmpegScorer())
            crfs.append(len(read_rows(output)))
    assert crfs == [1, 1, 2, 2]
    assert len(recommend(read_rows(output), max_bitrate=1e9)) == 2


@pytest.mark.parametrize(
    ("place", "word"),
    [
        *(("template", word) for word in ("{}/a.cfg", "--cfg={}/a.cfg", "cfg={}/a.cfg:x=1", "--cfg={}/{{preset}}.cfg")),
        *(("arguments", word) for word in ("{}/a.cfg", "--cfg={}/a.cfg", "cfg={}/a.cfg:x=1")),
    ],
)
def test_another_configuration_of_a_program(tmp_path: Path, ffmpeg: str, place: str, word: str) -> None:
    config = tmp_path / "a.cfg"
    words = (word.format(tmp_path),)
    encoder = command_encoder(["enc", "{crf}", "{input}", "{output}", *(words if place == "template" else ())])
    hashes = []
    for text in ("fast", "fast", "slow"):
        config.write_text(text)
        hashes.append(program_hash(encoder, "a", () if place == "template" else words, ffmpeg))
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.slow
def test_rows_of_other_versions(clip: Clip, whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "old.jsonl"
    line = whole.read_text().splitlines(keepends=True)[1]
    assert '"allow": [], ' in line
    assert '"pytest_vmaf": "' in line
    old = [line.replace('"allow": [], ', ""), line.replace('"pytest_vmaf": "', '"pytest_vmaf": "0.0.')]
    output.write_text("".join(old))
    request = a_request(clip, output, encoders=ONE, crfs=(36,))
    rows = sweep(request, FfmpegScorer())
    assert output.read_text().startswith("".join(old))
    assert len(read_rows(output)) == 3
    assert sweep(request, FfmpegScorer()) == rows
    assert len(read_rows(output)) == 3


def test_edited_row(clip: Clip, whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "edited.jsonl"
    lines = whole.read_bytes().splitlines(keepends=True)
    # The last line, and without its end: as one that was cut off would be.
    output.write_bytes(b"".join(lines[:2]) + lines[2].replace(b'"neg": ', b'"neg": 1e6, "x": ')[:-1])
    before = output.read_bytes()
    with pytest.raises(
        MeasurementError, match=r"edited\.jsonl, line 3: .*neg must be between .*, not 1e\+06"
    ) as caught:
        sweep(a_request(clip, output), FfmpegScorer())
    assert "cut off" not in str(caught.value)
    assert output.read_bytes() == before


def test_model_with_another_scale(clip: Clip, tmp_path: Path) -> None:
    model = {"feature_names": ["VMAF_integer_feature_adm2_score"], "score_clip": [0, 200]}
    (tmp_path / "wide.json").write_text(json.dumps({"model_dict": model}))
    scoring = MeasureRequest(clip, clip, model=str(tmp_path / "wide.json"))
    with pytest.raises(SettingsError, match=r"must score within 0 to 110, but .* scores from 0 to 200"):
        sweep(a_request(clip, tmp_path / "sweep.jsonl", scorings=(scoring,)), FfmpegScorer())


def test_table_as_output(clip: Clip, tmp_path: Path) -> None:
    output = tmp_path / "corpus.csv"
    with pytest.raises(SettingsError, match=r"a file of JSON Lines, .*, not corpus\.csv\.\n.* row\.to_dict\(\)"):
        sweep(a_request(clip, output), FfmpegScorer())
    assert not output.exists()


@pytest.mark.slow
def test_sequence_of_pictures(make: Callable[..., Path], clip: Clip, tmp_path: Path) -> None:
    pattern, output = tmp_path / "[a]_%03d.png", tmp_path / "sweep.jsonl"
    make("-i", clip.path, "-pix_fmt", "rgb24", pattern)
    pictures = Clip(pattern, frame_rate=25)
    request = a_request(pictures, output, encoders=GRID[1:], crfs=(36,), pix_fmt="yuv420p")
    first = sweep(request, FfmpegScorer())
    assert sweep(request, FfmpegScorer()) == first
    shutil.copy(tmp_path / "[a]_001.png", tmp_path / "[a]_008.png")
    second = sweep(request, FfmpegScorer())
    assert read_rows(output) == (*first, *second)


def test_source_changes_during_the_sweep(clip: Clip, tmp_path: Path) -> None:
    own = Clip(Path(shutil.copy(clip.path, tmp_path / "own.mkv")))
    output = tmp_path / "sweep.jsonl"

    def touch(done: int, total: int) -> None:
        os.utime(own.path, (done, done))

    with pytest.raises(ClipError, match=r"own\.mkv was changed during the sweep") as caught:
        sweep(a_request(own, output, progress=touch), FfmpegScorer())
    assert caught.value.__notes__ == [f"0 of 9 rows are in {output}. Run the same sweep again to resume."]
    assert read_rows(output) == ()


@pytest.mark.slow
def test_failing_encoder(clip: Clip, tmp_path: Path, scratch: Path, make: Callable[..., Path]) -> None:
    output, broken = tmp_path / "sweep.jsonl", [36]

    def own(source: Path, path: Path, crf: int) -> None:
        if crf in broken:
            raise RuntimeError("out of licences")
        make("-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, path)

    request = a_request(clip, output, encoders=((function_encoder(own), (None,)),))
    with pytest.raises(EncodeError, match="own raised RuntimeError at CRF 36: out of licences") as caught:
        sweep(request, FfmpegScorer())
    assert caught.value.__notes__ == [f"1 of 3 rows are in {output}. Run the same sweep again to resume."]
    assert [row.crf for row in read_rows(output)] == [24]
    broken.clear()
    before = output.read_bytes()
    assert [row.crf for row in sweep(request, FfmpegScorer())] == list(CRFS)
    assert output.read_bytes().startswith(before)
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits the size of files as POSIX does")
def test_disk_full_for_a_row(clip: Clip, whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "full.jsonl"
    # Rows of another source, so many that this file is the largest by far; room is left for two rows and a half.
    strange = replace(read_rows(whole)[0], command="x" * 2000)
    others = [replace(strange, setup=replace(strange.setup, source_hash="0"), crf=crf).to_json() for crf in range(200)]
    output.write_text("\n".join(others) + "\n")
    begin, row = output.stat().st_size, len(whole.read_bytes()) // 9
    said, updates = run_program(clip, output, limit=begin + row * 5 // 2)
    assert "CRF 48 cannot be written to" in said
    assert "File too large" in said
    assert "2 of 9 rows are in" in said
    assert updates == ["0 9", "1 9", "2 9"]
    assert content(output)[200:] == content(whole)[:2]
    sweep(a_request(clip, output), FfmpegScorer())
    assert content(output)[200:] == content(whole)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits the size of files as POSIX does")
def test_disk_full_for_an_encode(clip: Clip, tmp_path: Path) -> None:
    output = tmp_path / "full.jsonl"
    said, _ = run_program(clip, output, limit=1000)
    assert "libx264 ultrafast failed at CRF 24" in said
    assert "0 of 9 rows are in" in said
    assert read_rows(output) == ()


def test_row_that_cannot_be_written_leaves_no_part(whole: Path, tmp_path: Path) -> None:
    class Full(FileIO):
        """Has room for two writes of 100 bytes."""

        writes = 0

        def write(self, data: Any) -> int:
            self.writes += 1
            if self.writes > 2:
                raise OSError(28, "No space left on device")
            return super().write(bytes(data)[:100])

    row = read_rows(whole)[0]
    output = Path(shutil.copy(whole, tmp_path))
    with Full(output, "a+b") as file, pytest.raises(MeasurementError, match=r"CRF 24 cannot be written to x"):
        append_row(file, row, "x")
    assert output.read_bytes() == whole.read_bytes()


def test_no_temporary_folder(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "away"))
    # The pair is looked at before anything needs a temporary folder.
    with pytest.raises(MeasurementError, match=r"The sweep had to stop: .*away") as caught:
        sweep(a_request(clip, tmp_path / "sweep.jsonl"), FfmpegScorer())
    assert "0 of 9 rows" in str(caught.value)


def test_second_sweep_into_the_file(clip: Clip, whole: Path, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    output = Path(shutil.copy(whole, tmp_path))
    refused: list[str] = []

    def second(done: int, total: int) -> None:
        with pytest.raises(MeasurementError, match=r"Another sweep is writing .*sweep\.jsonl") as caught:
            sweep(a_request(clip, output), FfmpegScorer())
        refused.append(str(caught.value))

    sweep(a_request(clip, output, progress=second), FfmpegScorer())
    assert len(refused) == 1
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("place", ["folder", "device", "below a file"])
def test_output_is_not_a_file(clip: Clip, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    output = {"folder": tmp_path, "device": Path(os.devnull), "below a file": tmp_path / "file" / "x.jsonl"}[place]
    with pytest.raises(MeasurementError, match=r"must be a regular file|cannot be written"):
        sweep(a_request(clip, output), FfmpegScorer())


TWICE = ENCODERS["libx264"], ("ultrafast", "medium", None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crfs": (0, 24, 60, 64)}, "crfs must be from 0 to 51 for libx264, not 60, 64"),
        ({"crfs": (24, 24)}, "each given once"),
        ({"crfs": (24.0,)}, "whole numbers"),
        ({"crfs": ()}, "needs crfs; there are none"),
        ({"encoders": ()}, "needs encoders"),
        ({"encoders": ((ENCODERS["libx264"], ("fastest",)),)}, "has no preset 'fastest'"),
        ({"encoders": ((ENCODERS["libx264"], ()),)}, "must be at least one, each given once"),
        ({"encoders": (TWICE,)}, r"each given once \(None is 'medium'\)"),
        ({"encoders": (*GRID, GRID[0])}, "has .*, libx264 ultrafast twice"),
        ({"arguments": ("-crf", "20")}, "arguments must not contain -crf"),
    ],
)
def test_invalid_grid(clip: Clip, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    output = tmp_path / "sweep.jsonl"
    with pytest.raises(SettingsError, match=message):
        sweep(a_request(clip, output, **changes), FfmpegScorer())
    assert not output.exists()


def test_source_under_two_names(clip: Clip, tmp_path: Path) -> None:
    copy = Clip(Path(shutil.copy(clip.path, tmp_path / "copy.mkv")))
    scorings = (MeasureRequest(clip, clip), MeasureRequest(copy, copy))
    with pytest.raises(SettingsError, match=r"copy\.mkv are equal"):
        sweep(a_request(clip, tmp_path / "sweep.jsonl", scorings=scorings), FfmpegScorer())


@pytest.mark.slow
def test_several_sources(clip: Clip, footage: Callable[..., Path], tmp_path: Path) -> None:
    other = Clip(footage("160x120", 7))
    scorings = (MeasureRequest(clip, clip), MeasureRequest(other, other))
    request = a_request(clip, tmp_path / "sweep.jsonl", scorings=scorings, encoders=GRID[1:], crfs=(50,))
    rows = sweep(request, FfmpegScorer())
    assert [(row.setup.source, row.frames) for row in rows] == [(clip.path.name, 8), (other.path.name, 7)]


def test_endless_line_and_memory(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "endless.jsonl"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(MeasurementError, match=r"line 1: .* longer than 1 MiB"):
            sweep(a_request(clip, path), FfmpegScorer())
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert path.stat().st_size == 100 << 20
