"""Cached scores: what is measured again, and what is not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cache.test_entries import plain
from hypothesis import given, settings, strategies as st

from pytest_vmaf import CacheWarning, ClipError, PairError
from pytest_vmaf.cache.entries import UNREADABLE
from pytest_vmaf.cache.folder import Cache, contents
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.clip_like import as_clip
from pytest_vmaf.media.inspect import _from_json
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring import self_scores as above
from pytest_vmaf.scoring.cached import _read_capabilities, pack_log, unpack_log
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.logs import read_log
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import ScoreLog

few = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def reference(footage):
    """A small lossless reference: 192x128, 12 frames at 25 frames/s."""
    return footage("192x128", 12)


@pytest.fixture(scope="module")
def encoded(encode, reference):
    """An honest encode of the reference."""
    return encode(reference, 28)


@pytest.fixture(scope="module")
def sharpened(encode, reference):
    """An encode whose default score was raised by a sharpening filter."""
    return encode(reference, 16, "unsharp=5:5:1.0")


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture
def score(cache):
    """score(reference, distorted, **settings): one measurement with the cache."""

    def run(reference, distorted, scorer=None, **settings):
        request = MeasureRequest(as_clip(reference), as_clip(distorted), cache=cache, **settings)
        return measure(request, scorer or FfmpegScorer())

    return run


@pytest.fixture
def no_process(monkeypatch):
    """no_process(): from now on a child process is an error."""

    def refuse(*arguments, **keywords):
        raise AssertionError(f"a process was started: {arguments}")

    return lambda: monkeypatch.setattr(subprocess, "Popen", refuse)


def data_of(result):
    data = json.loads(result.to_json())
    return {**data, "context": {**data["context"], "provenance": {**result.provenance, "cached": ""}}}


def test_hit(score, reference, sharpened, no_process, cache):
    # Sharpened, so that the reference is scored against itself too; as in a process that does not know it yet.
    above._self_scores.clear()
    first = score(reference, sharpened, features=("float_ssim",))
    assert first.above_100
    assert first.provenance["cached"] == ""
    assert contents(cache)["score"][0] == 2
    no_process()
    above._self_scores.clear()
    second = score(reference, sharpened, features=("float_ssim",))
    assert second.provenance["cached"].startswith("20")
    assert data_of(second) == data_of(first)
    assert second.vmaf.frames == first.vmaf.frames


def test_copy_under_another_name(score, reference, encoded, tmp_path, no_process):
    score(reference, encoded)
    copy = tmp_path / "another name.mp4"
    shutil.copy(encoded, copy)
    no_process()
    result = score(reference, copy)
    assert result.provenance["cached"]
    assert str(copy) in result.provenance["command"]
    assert str(encoded) not in result.provenance["command"]
    assert result.context.distorted == str(copy)


def test_command_of_a_hit(score, reference, encoded, tmp_path):
    score(reference, encoded)
    result = score(reference, encoded)
    assert result.provenance["cached"]
    subprocess.run(result.provenance["command"], shell=True, cwd=tmp_path, check=True, capture_output=True)
    logged = read_log(tmp_path / "vmaf.xml").columns.values()
    assert result.neg.unclipped.frames in logged
    assert result.vmaf.unclipped.frames in logged


@pytest.fixture
def raw(make, reference, encoded, tmp_path):
    """Reference and encode as raw video."""
    paths = []
    for name, source in (("a.yuv", reference), ("b.yuv", encoded)):
        paths.append(make("-i", source, "-f", "rawvideo", tmp_path / name))
    return [Clip(path, width=192, height=128, frame_rate=25) for path in paths]


@pytest.mark.parametrize("which", [0, 1])
def test_changed_byte(score, raw, which):
    before = score(*raw)
    with raw[which].path.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)[0]
        file.seek(1000)
        file.write(bytes([byte ^ 0x80]))
    after = score(*raw)
    assert after.provenance["cached"] == ""
    assert after.neg.frames[0] != before.neg.frames[0]


@pytest.mark.slow
def test_size_of_raw_video(score, raw):
    score(*raw)
    narrow = [Clip(clip.path, width=128, height=192, frame_rate=25) for clip in raw]
    assert score(*narrow).provenance["cached"] == ""


OTHERS = [{"model": "vmaf_4k_v0.6.1"}, {"generation": "v1"}, {"phone": True}, {"features": ("float_ssim",)}]


@pytest.mark.slow
def test_other_models_and_features(score, footage, encode):
    reference = footage("384x328", 2)
    distorted = encode(reference)
    score(reference, distorted)
    for other in OTHERS:
        assert score(reference, distorted, **other).provenance["cached"] == "", other
    assert score(reference, distorted, **other).provenance["cached"] != ""


def test_model_file_by_content(score, reference, encoded, tmp_path, golden_model):
    path = tmp_path / "model.json"
    shutil.copy(golden_model, path)
    score(reference, encoded, model=str(path))
    assert score(reference, encoded, model=str(path)).provenance["cached"]
    path.write_text(path.read_text() + "\n")
    assert not score(reference, encoded, model=str(path)).provenance["cached"]


@pytest.fixture
def golden_model():
    path = os.environ.get("PYTEST_VMAF_MODEL_JSON")
    if not path:
        pytest.skip("set PYTEST_VMAF_MODEL_JSON to libvmaf's vmaf_v0.6.1.json to run this")
    return Path(path)


@pytest.mark.slow
def test_other_filters(score, make, reference, tmp_path):
    small = make("-i", reference, "-vf", "scale=96:64", "-c:v", "ffv1", tmp_path / "small.mkv")
    score(reference, small, scale="bicubic")
    assert score(reference, small, scale="lanczos").provenance["cached"] == ""
    assert score(reference, small, scale="bicubic").provenance["cached"] != ""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a program that may be copied (Linux)")
@pytest.mark.slow
def test_another_ffmpeg(score, ffmpeg, reference, encoded, tmp_path):
    score(reference, encoded)
    copy = tmp_path / "ffmpeg"
    shutil.copy(ffmpeg, copy)
    assert score(reference, encoded, ffmpeg=str(copy)).provenance["cached"] != ""
    with copy.open("ab") as file:
        file.write(b"\0")
    assert score(reference, encoded, ffmpeg=str(copy)).provenance["cached"] == ""


@pytest.mark.skipif(os.name != "posix", reason="needs scripts that begin with #!")
def test_script_as_ffmpeg(score, ffmpeg, reference, encoded, tmp_path, cache):
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\nexec {ffmpeg} "$@"\n')
    script.chmod(0o755)
    assert score(reference, encoded, ffmpeg=str(script)).provenance["cached"] == ""
    assert contents(cache)["score"][0] == 0


class Changing(FfmpegScorer):
    """Writes to the encode after scoring it."""

    def programs(self, tools):
        return super().programs(tools)

    def score(self, request):
        log = super().score(request)
        path = request.distorted.clip.path
        path.write_bytes(path.read_bytes() + b"\0")
        return log


def test_clip_written_while_scoring(score, reference, encoded, tmp_path, cache):
    copy = tmp_path / "copy.mp4"
    shutil.copy(encoded, copy)
    score(reference, copy, Changing())
    assert contents(cache)["score"][0] == 0


class Plain:
    """A scorer that does not name its programs."""

    def __init__(self):
        self.requests = 0

    def capabilities(self, tools):
        return FfmpegScorer().capabilities(tools)

    def score(self, request):
        self.requests += 1
        features = dict.fromkeys(("psnr_y", "psnr_cb", "psnr_cr"), 40.0)
        return FakeScorer(features=features, frames=12).score(request)


def test_scorer_without_programs(score, reference, encoded):
    scorer = Plain()
    for _ in range(2):
        score(reference, encoded, scorer)
    assert scorer.requests == 2


class Inheriting(FfmpegScorer):
    """A scorer that changes what it inherits."""

    def score(self, request):
        log = super().score(request)
        columns = {name: tuple(value - 1 for value in values) for name, values in log.columns.items()}
        return replace(log, columns=columns, pooled_means={})


@pytest.mark.slow
def test_scorer_that_inherits_programs(score, reference, encoded, cache):
    score(reference, encoded)
    assert score(reference, encoded, Inheriting()).provenance["cached"] == ""
    assert contents(cache)["score"][0] == 1


@pytest.fixture
def pictures(make, reference, encoded, tmp_path):
    """Three pictures of the reference and of the encode, numbered."""
    for name, clip in (("r", reference), ("d", encoded)):
        make("-i", clip, "-frames:v", 3, "-start_number", 8, tmp_path / f"{name}_%d.png")
    return Clip(tmp_path / "r_%d.png"), Clip(tmp_path / "d_%d.png")


def test_order_of_pictures(score, pictures, tmp_path):
    before = score(*pictures)
    # The same files in the order of their names, which is another one by their numbers: 10 comes before 8 and 9.
    for number, name in ((8, "a"), (9, "b"), (10, "c")):
        (tmp_path / f"d_{number}.png").rename(tmp_path / name)
    for name, number in (("c", 8), ("a", 9), ("b", 10)):
        (tmp_path / name).rename(tmp_path / f"d_{number}.png")
    after = score(*pictures)
    assert after.provenance["cached"] == ""
    assert after.neg.frames != before.neg.frames


@pytest.mark.slow
def test_missing_picture(score, pictures, tmp_path):
    score(*pictures)
    (tmp_path / "d_10.png").rename(tmp_path / "d_10x.png")
    with pytest.raises(PairError, match="different lengths"):
        score(*pictures)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes")
def test_pipe(score, reference, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ClipError, match="is a named pipe"):
        score(reference, tmp_path / "pipe.mp4")


@pytest.mark.slow
def test_unequal_lengths(score, make, reference, tmp_path):
    short = make("-i", reference, "-frames:v", 8, "-c:v", "ffv1", tmp_path / "short.mkv")
    for _ in range(2):
        with pytest.raises(PairError, match="different lengths"):
            score(reference, short)


@pytest.mark.slow
def test_truncated_log(score, reference, encoded, cache):
    """With the right digest, as somebody would who knows how."""
    import hashlib

    before = score(reference, encoded)
    [path] = [path for path in (cache.folder / "score").rglob("*") if path.is_file()]
    _, said, blob = path.read_bytes().split(b"\n", 2)
    entry = json.loads(said)
    columns = entry["data"]["columns"]
    last = list(columns)[-1]
    blob, columns[last] = blob[:-8], columns[last] - 1
    text = json.dumps(entry).encode() + b"\n" + blob
    digest = hashlib.blake2b(text, digest_size=32).hexdigest().encode()
    path.write_bytes(b"pytest-vmaf-cache 1 " + digest + b"\n" + text)
    with pytest.warns(CacheWarning, match=path.name):
        after = score(reference, encoded)
    assert after.provenance["cached"] == ""
    assert data_of(after) == data_of(before)


@few
@given(
    columns=st.dictionaries(st.text(max_size=9), st.lists(st.floats(allow_nan=False), max_size=9), max_size=4),
    means=st.dictionaries(st.text(max_size=9), st.floats(-1e9, 1e9), max_size=3),
)
def test_log_round_trip(columns, means):
    columns = {name: tuple(values) for name, values in columns.items()}
    log = ScoreLog(columns, 3, 4, "libvmaf 3", "", means)
    data, blob = pack_log(log)
    assert unpack_log(json.loads(json.dumps(data)), blob) == log


@few
@given(data=plain, blob=st.binary(max_size=40))
def test_random_data(data, blob):
    for read in (lambda: unpack_log(data, blob), lambda: _from_json(Clip("a"), data), lambda: _read_capabilities(data)):
        with contextlib.suppress(UNREADABLE):
            read()
