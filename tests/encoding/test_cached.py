"""Cached encodes: what their keys depend on, and searches that restore them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_vmaf import CacheWarning
from pytest_vmaf.cache.folder import Cache, contents
from pytest_vmaf.encoding.cached import encode_key, encode_once, restore, store_encode
from pytest_vmaf.encoding.encode import make_encode
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.metric import parse_metric


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture
def search(clip, cache):
    """search(**settings): the same small search with the cache."""

    def run(scoring=None, **settings):
        scoring = MeasureRequest(Clip(clip), Clip(clip), cache=cache, **(scoring or {}))
        chosen = {"encoder": ENCODERS["libx264"], "preset": "ultrafast", "crf": (30, 33), "targets": (60.0,)}
        return bisect(BisectRequest(scoring=scoring, **{**chosen, **settings}), FfmpegScorer())

    return run


@pytest.fixture
def ran(monkeypatch):
    """The argument lists of the programs that were started."""
    argv_lists = []
    start = subprocess.Popen.__init__

    def note(self, argv, *arguments, **keywords):
        argv_lists.append([*argv])
        start(self, argv, *arguments, **keywords)

    monkeypatch.setattr(subprocess.Popen, "__init__", note)
    return argv_lists


def numbers_of(bisection):
    """The numbers of a search, without its commands, which differ where an encode and its score were one run."""
    return [
        (
            probe.crf,
            probe.score,
            probe.encode.size,
            probe.encode.duration,
            probe.result and probe.result.neg.frames,
        )
        for probe in bisection.probes
    ], {target: (answer.crf, answer.outcome, answer.bitrate) for target, answer in bisection.answers.items()}


@pytest.mark.slow
def test_search_again(search, ran):
    first = search()
    assert len(first.probes) >= 2
    ran.clear()
    second = search()
    assert ran == []
    assert numbers_of(second) == numbers_of(first)
    assert all(probe.result.provenance["cached"] for probe in second.probes if probe.result)


@pytest.mark.slow
def test_search_with_another_metric(search, ran):
    before = {probe.crf for probe in search().probes}
    ran.clear()
    bisection = search(targets=(0.85,), metric=parse_metric("float_ssim"), scoring={"features": ("float_ssim",)})
    encoded = {int(argv[argv.index("-crf") + 1]) for argv in ran if "-crf" in argv}
    probed = {probe.crf for probe in bisection.probes}
    assert probed & before
    assert encoded == probed - before


@pytest.mark.slow
def test_restored_to_requested_folder(search, tmp_path):
    first, second = (search(keep=tmp_path / name)[60.0].encode for name in ("one", "two"))
    assert second.path.parent == tmp_path / "two"
    assert second.path.read_bytes() == first.path.read_bytes()
    assert [path.name for path in second.path.parent.iterdir()] == [second.path.name]
    # The command of the restored encode makes it again.
    (tmp_path / "again").mkdir()
    subprocess.run(second.command, shell=True, cwd=tmp_path / "again", check=True, capture_output=True)
    assert (tmp_path / "again" / second.path.name).read_bytes() == first.path.read_bytes()


@pytest.mark.slow
def test_broken_entry(search, cache, ran):
    first = search()
    for path in (cache.folder / "encode").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(CacheWarning, match="is made again"):
        second = search()
    assert numbers_of(second) == numbers_of(first)


def test_key_of_settings(job, cache, tmp_path):
    path, first = tmp_path / "a.mp4", job("libx264", preset="ultrafast", cache=cache)
    jobs = [
        first,
        replace(first, preset="superfast"),
        replace(first, arguments=("-g", "5")),
        replace(first, pix_fmt="yuv444p"),
        replace(first, attempt=1),
        replace(first, attempt=2),
    ]
    keys = {encode_key(each, 30, path) for each in jobs}
    keys |= {encode_key(first, 31, path), encode_key(first, 30, tmp_path / "other.mkv")}
    assert len(keys) == len(jobs) + 2
    assert None not in keys
    assert encode_key(first, 30, tmp_path / "other.mp4") == encode_key(first, 30, path)


def test_key_of_machine(job, cache, tmp_path, monkeypatch):
    first = job("libx264", preset="ultrafast", cache=cache)
    before = encode_key(first, 30, tmp_path / "a.mp4")
    monkeypatch.setattr("pytest_vmaf.encoding.cached.cores", lambda: 99)
    more_cores = encode_key(first, 30, tmp_path / "a.mp4")
    monkeypatch.setattr("pytest_vmaf.encoding.cached.machine", lambda: ("x86_64", "Linux", "sse2"))
    assert len({before, more_cores, encode_key(first, 30, tmp_path / "a.mp4")}) == 3


ENCODE = 'ffmpeg -i "$1" -c:v libx264 -preset ultrafast -crf "$3" -f mp4 "$2"'


def test_key_of_script(program, job, cache, tmp_path):
    script = program(ENCODE)
    command = (str(script), "{input}", "{output}", "{crf}")
    path = tmp_path / "a.mp4"
    assert encode_key(job(command_encoder(command), cache=cache), 30, path) is None
    tool = tmp_path / "tool"
    tool.write_text("version 1")
    with_files = job(replace(command_encoder(command), files=(str(script), str(tool))), cache=cache)
    before = encode_key(with_files, 30, path)
    assert before is not None
    tool.write_text("version 2")
    assert encode_key(with_files, 30, path) not in (None, before)
    tool.unlink()
    assert encode_key(with_files, 30, path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs programs that are known (Linux)")
@pytest.mark.parametrize("launcher", [("env",), ("nice", "-n", "5"), (sys.executable, "enc.py"), ("sh", "-c")], ids=str)
def test_no_key_for_launcher(job, cache, tmp_path, launcher, ffmpeg):
    command = (*launcher, ffmpeg, "-i", "{input}", "-crf", "{crf}", "{output}")
    assert encode_key(job(command_encoder(command), cache=cache), 30, tmp_path / "a.mp4") is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs programs that are known (Linux)")
def test_store_and_restore(job, cache, tmp_path, ffmpeg):
    command = [
        ffmpeg,
        "-v",
        "error",
        "-i",
        "{input}",
        *["-c:v", "libx264", "-preset", "ultrafast", "-crf", "{crf}", "{output}"],
    ]
    encode_job = job(command_encoder(command), cache=cache)
    path, copy = tmp_path / "a.mp4", tmp_path / "b.mp4"
    key = encode_key(encode_job, 30, path)
    assert key is not None
    encode = make_encode(encode_job, 30, path)
    store_encode(encode_job, encode, path, key)
    restored = restore(encode_job, 30, copy, key)
    assert copy.read_bytes() == path.read_bytes()
    assert (restored.size, restored.frames, restored.duration, restored.seconds) == (
        encode.size,
        encode.frames,
        encode.duration,
        encode.seconds,
    )
    assert restored.command == encode.command.replace("a.mp4", "b.mp4")


def test_no_key_for_function(job, cache, tmp_path):
    def ours(source, output, crf):
        raise AssertionError

    assert (
        encode_key(job(replace(function_encoder(ours), files=(__file__,)), cache=cache), 30, tmp_path / "a.mp4") is None
    )


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
def test_key_of_files_in_arguments(job, cache, tmp_path, words):
    file = tmp_path / "a.cube"
    file.write_text("one")
    encode_job = job("libx264", preset="ultrafast", arguments=tuple(words.format(file).split()), cache=cache)
    before = encode_key(encode_job, 30, tmp_path / "a.mp4")
    file.write_text("two")
    assert encode_key(encode_job, 30, tmp_path / "a.mp4") not in (None, before)


def test_no_key_for_arguments(job, cache, tmp_path):
    """Second passes, folders, patterns and scripts: the arguments do not tell what is read."""
    first = job("libx264", preset="ultrafast", cache=cache)
    for words in (
        "-pass 2",
        "-x265-params pass=2:stats=a",
        "-passlogfile a",
        "-vf movie={}/ov%d.png",
        "--dir={}",
        "-/filter:v g.txt",
        "@args.txt",
        "-filter_script g",
        "-vf sendcmd=f=a",
    ):
        arguments = tuple(words.format(tmp_path).split())
        assert encode_key(replace(first, arguments=arguments), 30, tmp_path / "a.mp4") is None, words


def test_no_key_for_hardware(job, cache, tmp_path):
    encoder = Encoder("h264_nvenc", arguments=("-cq", "{crf}"))
    assert encode_key(job(encoder, cache=cache), 30, tmp_path / "a.mp4") is None


def test_encode_once_replaces_file(job, clip, cache, tmp_path):
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
        with pytest.raises(SettingsError, match="output must be a file other than the source, not"):
            encode_once(right, 30, source)
        assert encode_once(right, 30, output).path == output
    assert source.read_bytes() == Path(clip).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "out.mp4", "source.mkv"]


def test_no_key_without_cache(job, tmp_path):
    assert encode_key(job("libx264"), 30, tmp_path / "a.mp4") is None


def test_encoder_writes_to_its_input(program, clip, cache, tmp_path):
    import shutil

    from pytest_vmaf import EncodeError

    source = tmp_path / "source.mkv"
    shutil.copy(clip, source)
    script = program(ENCODE, 'printf x >> "$1"')
    encoder = replace(command_encoder((str(script), "{input}", "{output}", "{crf}")), files=(str(script),))
    scoring = MeasureRequest(Clip(source), Clip(source), cache=cache)
    with pytest.raises(EncodeError, match="was written to during the search"):
        bisect(BisectRequest(scoring=scoring, encoder=encoder, crf=(30, 40), targets=(60.0,)), FfmpegScorer())
    assert contents(cache)["encode"][0] == 0


@pytest.mark.parametrize("name", ["libx264", "libvpx-vp9"])
def test_key_beside_folders_with_common_names(name, job, cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preset = ENCODERS[name].preset
    first = job(name, preset=preset, pix_fmt="yuv420p", cache=cache)
    before = encode_key(first, 30, tmp_path / "a.mp4")
    for folder in ("c", "b", "v", name, preset, "preset", "crf", "30", "yuv420p", "good", "0", "1"):
        (tmp_path / folder).mkdir(exist_ok=True)
    assert encode_key(first, 30, tmp_path / "a.mp4") == before is not None
    (tmp_path / "logs").mkdir()
    assert encode_key(replace(first, arguments=("-vf", "movie=logs")), 30, tmp_path / "a.mp4") is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs programs that are known (Linux)")
@pytest.mark.parametrize("arguments", [("--cfg", "{}"), ("--cfg:{}",), ("-c:{}",)], ids=str)
@pytest.mark.parametrize("name", ["fast", "30", "settings"])
def test_key_of_files_with_common_names(name, arguments, job, ffmpeg, cache, tmp_path, monkeypatch):
    """A program may read a file that is named like its preset, a CRF or itself."""
    monkeypatch.chdir(tmp_path)
    arguments = [part.format(name) for part in arguments]
    command = (ffmpeg, "-i", "{input}", "-preset", "{preset}", "-crf", "{crf}", *arguments, "{output}")
    encoder = Encoder("fast", command=command, preset="fast", presets=("fast",))
    keys = set()
    for text in ("one", "two"):
        (tmp_path / name).write_text(text)
        keys.add(encode_key(job(encoder, preset="fast", cache=cache), 30, tmp_path / "a.mp4"))
    assert len(keys - {None}) == 2
