"""Encodes of earlier searches are used again; what may be another encode is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer

from pytest_vmaf import CacheWarning
from pytest_vmaf.cache import Cache, contents
from pytest_vmaf.encoding.cached import encode_key, encode_once, store_encode, restore
from pytest_vmaf.encoding.encode import make_encode
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.probe import parse_metric


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture
def search(clip, cache):
    """search(**settings): the same small search with the cache."""

    def run(scoring=None, **settings):
        scoring = MeasureRequest(Clip(clip), Clip(clip), cache=cache, **(scoring or {}))
        chosen = {"encoder": ENCODERS["libx264"], "preset": "ultrafast", "crf": (30, 40), "targets": (60.0,)}
        return bisect(BisectRequest(scoring=scoring, **{**chosen, **settings}), FfmpegScorer())

    return run


@pytest.fixture
def ran(monkeypatch):
    """The argument lists of the programs that were started."""
    started = []
    start = subprocess.Popen.__init__

    def note(self, argv, *arguments, **keywords):
        started.append([*argv])
        start(self, argv, *arguments, **keywords)

    monkeypatch.setattr(subprocess.Popen, "__init__", note)
    return started


def found_in(found):
    """All that a search says, without the commands, which differ where an encode and its score were one run."""
    return [
        (
            probe.crf,
            probe.score,
            probe.encode.size,
            probe.encode.duration,
            probe.result.neg.frames,
        )
        for probe in found.probes
    ], {target: (answer.crf, answer.outcome, answer.bitrate) for target, answer in found.answers.items()}


def test_the_same_search_again_starts_no_process_and_says_the_same(search, ran):
    first = search()
    assert len(first.probes) > 2
    ran.clear()
    second = search()
    assert ran == []
    assert found_in(second) == found_in(first)
    assert all(probe.result.provenance["cached"] for probe in second.probes)


def test_another_metric_scores_and_does_not_encode(search, ran):
    before = {probe.crf for probe in search().probes}
    ran.clear()
    found = search(targets=(0.85,), metric=parse_metric("float_ssim"), scoring={"features": ("float_ssim",)})
    made = {int(argv[argv.index("-crf") + 1]) for argv in ran if "-crf" in argv}
    probed = {probe.crf for probe in found.probes}
    assert probed & before
    assert made == probed - before


def test_kept_encodes_lie_where_they_were_asked_for(search, tmp_path):
    first = search(keep=tmp_path / "one")
    second = search(keep=tmp_path / "two")
    made, restored = (found[60.0].encode.path for found in (first, second))
    assert restored.parent == tmp_path / "two"
    assert restored.read_bytes() == made.read_bytes()
    assert [path.name for path in restored.parent.iterdir()] == [restored.name]


def test_the_command_of_a_restored_encode_makes_it(search, tmp_path):
    search()
    encode = search(keep=tmp_path / "kept")[60.0].encode
    folder = tmp_path / "again"
    folder.mkdir()
    subprocess.run(encode.command, shell=True, cwd=folder, check=True, capture_output=True)
    assert (folder / encode.path.name).read_bytes() == encode.path.read_bytes()


def test_a_broken_entry_is_made_anew_and_said(search, cache, ran):
    first = search()
    for path in (cache.folder / "encode").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(CacheWarning, match="is made again"):
        second = search()
    assert found_in(second) == found_in(first)


@pytest.mark.parametrize(
    "changed",
    [
        {"preset": "superfast"},
        {"arguments": ("-g", "5")},
        {"pix_fmt": "yuv444p"},
    ],
    ids=str,
)
def test_other_settings_are_other_encodes(job, cache, tmp_path, changed):
    path = tmp_path / "a.mp4"
    before = encode_key(job("libx264", preset="ultrafast", cache=cache), 30, path)
    after = encode_key(job("libx264", **{"preset": "ultrafast", "cache": cache, **changed}), 30, path)
    assert None not in (before, after)
    assert before != after
    assert encode_key(job("libx264", preset="ultrafast", cache=cache), 31, path) != before
    assert encode_key(job("libx264", preset="ultrafast", cache=cache), 30, tmp_path / "other.mp4") == before
    assert encode_key(job("libx264", preset="ultrafast", cache=cache), 30, tmp_path / "other.mkv") != before


def test_a_file_that_an_argument_names_is_a_part_of_the_encode(job, cache, tmp_path):
    options = tmp_path / "quants.txt"
    options.write_text("one")
    named = job("libx264", preset="ultrafast", arguments=("-x264-params", f"cqmfile={options}"), cache=cache)
    before = encode_key(named, 30, tmp_path / "a.mp4")
    options.write_text("two")
    assert encode_key(named, 30, tmp_path / "a.mp4") not in (None, before)


def test_another_number_of_cores_is_another_encode(job, cache, tmp_path, monkeypatch):
    before = encode_key(job("libx264", preset="ultrafast", cache=cache), 30, tmp_path / "a.mp4")
    monkeypatch.setattr("pytest_vmaf.encoding.cached.cores", lambda: 99)
    assert encode_key(job("libx264", preset="ultrafast", cache=cache), 30, tmp_path / "a.mp4") != before


@pytest.mark.parametrize("words", ["-pass 2", "-x265-params pass=2:stats=a", "-passlogfile a"])
def test_what_reads_an_earlier_pass_is_not_kept(job, cache, tmp_path, words):
    assert (
        encode_key(
            job("libx264", preset="ultrafast", arguments=tuple(words.split()), cache=cache), 30, tmp_path / "a.mp4"
        )
        is None
    )


ENCODE = 'ffmpeg -i "$1" -c:v libx264 -preset ultrafast -crf "$3" -f mp4 "$2"'


def test_a_script_is_kept_only_where_its_files_are_named(program, job, cache, tmp_path):
    script = program(ENCODE)
    command = (str(script), "{input}", "{output}", "{crf}")
    path = tmp_path / "a.mp4"
    assert encode_key(job(command_encoder(command), cache=cache), 30, path) is None
    tool = tmp_path / "tool"
    tool.write_text("version 1")
    named = job(command_encoder(command, files=(str(script), str(tool))), cache=cache)
    before = encode_key(named, 30, path)
    assert before is not None
    tool.write_text("version 2")
    assert encode_key(named, 30, path) not in (None, before)
    tool.unlink()
    assert encode_key(named, 30, path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs programs that are known (Linux)")
@pytest.mark.parametrize("launcher", [("env",), ("nice", "-n", "5"), (sys.executable, "enc.py"), ("sh", "-c")], ids=str)
def test_what_starts_other_programs_is_not_kept(job, cache, tmp_path, launcher, ffmpeg):
    command = (*launcher, ffmpeg, "-i", "{input}", "-crf", "{crf}", "{output}")
    assert encode_key(job(command_encoder(command), cache=cache), 30, tmp_path / "a.mp4") is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs programs that are known (Linux)")
def test_a_program_that_is_known_is_kept_and_restored(job, cache, tmp_path, ffmpeg):
    command = (
        ffmpeg,
        "-v",
        "error",
        "-i",
        "{input}",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-crf",
        "{crf}",
        "{output}",
    )
    made = job(command_encoder(command), cache=cache)
    path, copy = tmp_path / "a.mp4", tmp_path / "b.mp4"
    key = encode_key(made, 30, path)
    assert key is not None
    encode = make_encode(made, 30, path)
    store_encode(made, encode, path, key)
    restored = restore(made, 30, copy, key)
    assert copy.read_bytes() == path.read_bytes()
    assert (restored.size, restored.frames, restored.duration, restored.seconds) == (
        encode.size,
        encode.frames,
        encode.duration,
        encode.seconds,
    )
    assert restored.command == encode.command.replace("a.mp4", "b.mp4")


def test_a_function_is_never_kept(job, cache, tmp_path):
    def ours(source, output, crf):
        raise AssertionError

    assert encode_key(job(function_encoder(ours, files=(__file__,)), cache=cache), 30, tmp_path / "a.mp4") is None


@pytest.mark.parametrize(
    "words",
    [
        "-vf lut3d=file='{}'",
        "-vf movie={}[o];[in][o]overlay",
        "-c{}",
        "--cfg={}",
        "-x264-params qpfile={}:me=hex",
    ],
)
def test_files_that_arguments_name_are_found_however_they_are_written(job, cache, tmp_path, words):
    named = tmp_path / "a.cube"
    named.write_text("one")
    told = job("libx264", preset="ultrafast", arguments=tuple(words.format(named).split()), cache=cache)
    before = encode_key(told, 30, tmp_path / "a.mp4")
    named.write_text("two")
    assert encode_key(told, 30, tmp_path / "a.mp4") not in (None, before)


@pytest.mark.parametrize(
    "words", ["-vf movie={}/ov%d.png", "--dir={}", "-/filter:v g.txt", "@args.txt", "-filter_script g"]
)
def test_what_names_more_than_a_file_is_not_kept(job, cache, tmp_path, words):
    told = job("libx264", preset="ultrafast", arguments=tuple(words.format(tmp_path).split()), cache=cache)
    assert encode_key(told, 30, tmp_path / "a.mp4") is None


def test_an_encoder_of_hardware_is_not_kept(job, cache, tmp_path):
    encoder = Encoder("h264_nvenc", arguments=("-cq", "{crf}"))
    assert encode_key(job(encoder, cache=cache), 30, tmp_path / "a.mp4") is None


def test_another_processor_is_another_encode(job, cache, tmp_path, monkeypatch):
    before = encode_key(job("libx264", preset="ultrafast", cache=cache), 30, tmp_path / "a.mp4")
    monkeypatch.setattr("pytest_vmaf.encoding.cached.machine", lambda: ("x86_64", "Linux", "sse2"))
    assert encode_key(job("libx264", preset="ultrafast", cache=cache), 30, tmp_path / "a.mp4") != before


def test_an_encode_replaces_its_output_whole_or_not_at_all(job, clip, cache, tmp_path):
    import shutil

    from pytest_vmaf import EncodeError, SettingsError

    output, source = tmp_path / "out.mp4", tmp_path / "source.mkv"
    output.write_text("what was there before")
    shutil.copy(clip, source)
    broken = job("libx264", source, preset="ultrafast", arguments=("-no-such-option", "1"), cache=cache)
    with pytest.raises(EncodeError):
        encode_once(broken, 30, output)
    assert output.read_text() == "what was there before"
    right = job("libx264", source, preset="ultrafast", cache=cache)
    for _ in range(2):
        with pytest.raises(SettingsError, match="which is the source"):
            encode_once(right, 30, source)
        assert encode_once(right, 30, output).path == output
    assert source.read_bytes() == Path(clip).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "out.mp4", "source.mkv"]


def test_attempts_are_apart(job, cache, tmp_path):
    from dataclasses import replace

    one = job("libx264", preset="ultrafast", cache=cache)
    keys = {encode_key(replace(one, attempt=attempt), 30, tmp_path / "a.mp4") for attempt in range(3)}
    assert len(keys) == 3


def test_without_a_cache_there_is_no_key(job, tmp_path):
    assert encode_key(job("libx264"), 30, tmp_path / "a.mp4") is None


def test_an_encoder_that_writes_to_its_input_leaves_nothing_in_the_cache(program, clip, cache, tmp_path):
    import shutil

    from pytest_vmaf import EncodeError

    source = tmp_path / "source.mkv"
    shutil.copy(clip, source)
    script = program(ENCODE, 'printf x >> "$1"')
    encoder = command_encoder((str(script), "{input}", "{output}", "{crf}"), files=(str(script),))
    scoring = MeasureRequest(Clip(source), Clip(source), cache=cache)
    with pytest.raises(EncodeError, match="was written to during the search"):
        bisect(BisectRequest(scoring=scoring, encoder=encoder, crf=(30, 40), targets=(60.0,)), FfmpegScorer())
    assert contents(cache)["encode"][0] == 0
