"""Measurements from a request to a Result: provenance, self-scores, verification, and what is cleaned up."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pytest_vmaf.api.vmaf import Vmaf
from pytest_vmaf.encoding.packets import read_packets
from pytest_vmaf.errors import ClipError, MeasurementError, PairError, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring import self_scores as module
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.logs import read_log
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import Capabilities, ScoreLog, ScoreRequest, Tools

posix = pytest.mark.skipif(os.name != "posix", reason="signals and shells are POSIX")


@dataclass
class Counting(FfmpegScorer):
    """The real scorer, which remembers its requests."""

    requests: list[ScoreRequest] = field(default_factory=list)

    def score(self, request: ScoreRequest) -> ScoreLog:
        self.requests.append(request)
        return super().score(request)


def test_one_run(reference, encoded):
    scorer = Counting()
    result = measure(MeasureRequest(Clip(reference), Clip(encoded)), scorer)
    assert len(scorer.requests) == 1
    assert [run.column for run in scorer.requests[0].models] == ["vmaf", "neg"]
    assert len(result.vmaf.frames) == len(result.neg.frames) == len(result.gap.frames) == 12
    assert float(result.vmaf) > float(result.neg)
    assert (result.vmaf.scale.model, result.neg.scale.model) == ("vmaf_v0.6.1", "vmaf_v0.6.1neg")


def test_provenance(reference, encoded, ffmpeg, score):
    result = score(reference, encoded, threads=2)
    how = result.provenance
    assert how["model"] == "vmaf_v0.6.1"
    assert how["neg_model"] == "vmaf_v0.6.1neg"
    assert how["generation"] == "v0"
    assert how["clip"].startswith("0 to 100")
    assert (how["scorer"], how["fake"], how["threads"], how["frames"]) == ("ffmpeg", False, 2, 12)
    packets = read_packets(Clip(encoded), ffmpeg)
    assert result.size == sum(packet.size for packet in packets)
    assert result.bitrate == pytest.approx(8 * result.size / 0.48)
    assert how["ffmpeg_path"] == ffmpeg
    assert how["ffmpeg"] in subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout
    assert how["libvmaf"]
    assert (how["width"], how["height"], how["notes"]) == (192, 108, [])
    assert how["pytest_vmaf"]
    assert (result.context.reference, result.context.distorted) == (str(reference), str(encoded))
    assert result.frame_times[:2] == (0.0, 0.04)
    assert json.loads(json.dumps(dict(how))) == how


@posix
def test_uncompressed_has_no_bitrate(make, reference, score, tmp_path):
    raw = make("-i", reference, tmp_path / "raw.y4m")
    result = score(reference, raw)
    for what in ("size", "bitrate"):
        with pytest.raises(MeasurementError, match=r"has no (size|bitrate): raw video, pictures"):
            getattr(result, what)
    with pytest.raises(MeasurementError, match="has no size"):
        Vmaf().check(reference, raw, max_bitrate=1)


def test_command_repeats_the_numbers(footage, encode, score, tmp_path):
    reference = footage("216x160", 4)
    result = score(reference, encode(reference), features=("psnr",), generation="v1")
    subprocess.run(["/bin/sh", "-c", result.provenance["command"]], cwd=tmp_path, check=True, capture_output=True)
    (log,) = (path for path in tmp_path.iterdir() if path.suffix == ".xml")
    columns = read_log(log).columns
    assert columns["vmaf"] == result.vmaf.unclipped.frames
    assert columns["neg"] == result.neg.unclipped.frames
    assert columns["psnr_y"] == result["psnr_y"].frames


@posix
def test_command_is_quoted(reference, encoded, score, tmp_path):
    name = "a'b $(touch pwned) `touch pwned` ; touch pwned #.mp4"
    shutil.copy(encoded, tmp_path / name)
    result = score(reference, tmp_path / name)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    subprocess.run(["/bin/sh", "-c", result.provenance["command"]], cwd=folder, check=True, capture_output=True)
    assert not list(tmp_path.rglob("pwned"))
    assert any(name in word for word in shlex.split(result.provenance["command"]))


def test_real_result_as_json(enhanced):
    result = enhanced
    back = Result.from_json(result.to_json())
    for name in ("vmaf", "neg", "gap", "psnr_y", "float_ssim"):
        assert back[name].unclipped.frames == result[name].unclipped.frames
        assert back[name].scale == result[name].scale
    assert back.above_100.frames == result.above_100.frames
    assert back.provenance == result.provenance


def test_features_by_column_or_name(reference, encoded):
    scorer = Counting()
    result = measure(MeasureRequest(Clip(reference), Clip(encoded), features=("psnr_cb", "psnr", "psnr_y")), scorer)
    assert scorer.requests[0].features == ("psnr",)
    assert set(result.features) == {"psnr_y", "psnr_cb", "psnr_cr"}


def test_unknown_feature(reference):
    with pytest.raises(SettingsError, match=r"'ssim' is not a libvmaf feature\. Did you mean 'float_ssim'"):
        measure(MeasureRequest(Clip("none"), Clip("none"), features=("ssim",)), Counting())


def test_missing_clip(reference, score):
    for pair in ((reference, "none.mkv"), ("none.mkv", reference)):
        with pytest.raises(ClipError, match=r"none\.mkv does not exist"):
            score(*pair)


def test_progress(reference, score):
    updates: list[tuple[int, int | None]] = []
    score(reference, reference, progress=lambda done, total: updates.append((done, total)))
    assert updates[-1] == (12, 12)
    assert [done for done, _ in updates] == sorted(done for done, _ in updates)


@pytest.mark.slow
def test_model_by_the_references_size(make, reference, tmp_path):
    clip = make(
        "-f",
        "lavfi",
        "-i",
        "color=size=3840x2160",
        "-frames:v",
        1,
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "ffv1",
        tmp_path / "4k.mkv",
    )
    prepared = prepare(MeasureRequest(Clip(clip), Clip(reference), scale="bicubic"), FfmpegScorer())
    assert prepared.models.label == "vmaf_4k_v0.6.1 / vmaf_4k_v0.6.1neg"


# The self-score


def test_self_score_is_measured_once(footage, encode, tmp_path):
    reference = footage("320x180", 4)
    own = shutil.copy(reference, tmp_path / "own.mkv")
    scorer = Counting()
    for crf in (4, 1):
        measure(MeasureRequest(Clip(own), Clip(encode(reference, crf))), scorer)
    assert [request.distorted == request.reference for request in scorer.requests] == [False, True, False]


@pytest.mark.slow
def test_self_score_of_a_changed_file(footage, encode, tmp_path):
    own = tmp_path / "own.mkv"
    scorer = Counting()
    for frames in (4, 3):
        reference = footage("320x180", frames)
        shutil.copy(reference, own)
        measure(MeasureRequest(Clip(own), Clip(encode(reference, 1))), scorer)
    assert [request.distorted == request.reference for request in scorer.requests] == [False, True, False, True]


def test_no_self_score_below_100(reference, encode):
    scorer = Counting()
    result = measure(MeasureRequest(Clip(reference), Clip(encode(reference, 40))), scorer)
    assert result.above_100.past_limit == 0
    assert len(scorer.requests) == 1


def test_self_scores_are_bounded(monkeypatch, reference):
    monkeypatch.setattr(module, "MOST_REFERENCES", 2)
    monkeypatch.setattr(module, "_self_scores", {})
    prepared = prepare(MeasureRequest(Clip(reference), Clip(reference)), FfmpegScorer())
    for number in range(4):
        module.remember(replace(prepared, stamp=(number,)), (100.0,))
    assert 0 < len(module._self_scores) <= 2


# Logs that are wrong


class Lying(FfmpegScorer):
    """A scorer with a spoilt log."""

    def __init__(self, **changes):
        self.changes = changes

    def capabilities(self, tools: Tools) -> Capabilities:
        return Capabilities("lying", "1")

    def score(self, request: ScoreRequest) -> ScoreLog:
        psnr = dict.fromkeys(("psnr_y", "psnr_cb", "psnr_cr"), 40.0)
        log = replace(FakeScorer(frames=12, features=psnr).score(request), pooled_means={"neg": 93.0})
        return ScoreLog(**{**vars(log), **{key: change(getattr(log, key)) for key, change in self.changes.items()}})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"columns": lambda c: {"vmaf": c["vmaf"]}}, "no column 'neg'; it has vmaf.*scorer lying"),
        ({"columns": lambda c: {**c, "neg": c["neg"][:-1]}}, "11 values of 'neg' for 12 frames"),
        ({"columns": lambda c: {**c, "neg": (float("nan"), *c["neg"][1:])}}, "neg is not a number in frame 0"),
        ({"distorted_frames": lambda n: n - 1}, "12 frames in the reference, 11 in the distorted clip"),
        ({"pooled_means": lambda m: {**m, "neg": m["neg"] + 1}}, "The log's own mean of 'neg' is"),
    ],
)
def test_logs_are_verified(changes, says, reference, encoded):
    with pytest.raises(MeasurementError, match=says):
        measure(MeasureRequest(Clip(reference), Clip(encoded)), Lying(**changes))


# Temporary files and processes


@pytest.fixture(scope="session")
def long(make, encoded, tmp_path_factory):
    """A clip that takes seconds to score."""
    output = tmp_path_factory.mktemp("long") / "long.mkv"
    return make("-stream_loop", 799, "-i", encoded, "-c", "copy", output)


def test_no_temporary_file_after_success(temp, reference, sharpened, score):
    score(reference, sharpened)
    assert list(temp.iterdir()) == []


def test_no_temporary_file_after_failure(temp, make, reference, tmp_path, score):
    short = make("-i", reference, "-c:v", "ffv1", "-frames:v", 9, tmp_path / "short.mkv")
    with pytest.raises(PairError, match="different lengths"):
        score(reference, short)
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(reference.read_bytes()[:-10_000])
    with pytest.raises(MeasurementError, match=r"different lengths|damaged|could not decode"):
        score(reference, damaged)
    assert list(temp.iterdir()) == []


def test_no_temporary_file_after_timeout(temp, long, score):
    begin = time.monotonic()
    with pytest.raises(ScorerError, match=r"The time limit of 0\.3 s was exceeded.*\n.*\n.*--vmaf-timeout"):
        score(long, long, timeout=0.3)
    assert time.monotonic() - begin < 60
    assert list(temp.iterdir()) == []


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            children.append(int(stat.parent.name))
    return children


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_no_scorer_after_a_signal(end, temp, long):
    code = (
        "import sys\nfrom pytest_vmaf.media.clip import Clip\nfrom pytest_vmaf.plugins.ffmpeg import FfmpegScorer\n"
        "from pytest_vmaf.scoring.measure import MeasureRequest, measure\n"
        "measure(MeasureRequest(Clip(sys.argv[1]), Clip(sys.argv[1])), FfmpegScorer())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(long)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    limit = time.monotonic() + 20
    while not (list(temp.glob("pytest-vmaf-*")) and children_of(parent.pid)):
        assert time.monotonic() < limit
        assert parent.poll() is None
        time.sleep(0.02)
    time.sleep(0.1)
    scorers = children_of(parent.pid)
    assert scorers
    parent.send_signal(end)
    _, stderr = parent.communicate(timeout=10)
    while any(
        Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in scorers
    ):
        assert time.monotonic() < limit
        time.sleep(0.02)
    if end == signal.SIGINT:
        assert b"KeyboardInterrupt" in stderr
        assert list(temp.iterdir()) == []
