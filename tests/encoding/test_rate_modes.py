"""Encodes by bitrate, in one pass and in two: scales, arguments, statistics and their cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from encoding.builders import FAST, VIDEO, paper_job
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.encoding.cached import encode_key, encode_once, with_statistics
from pytest_vmaf.encoding.encode import make_encode
from pytest_vmaf.encoding.encoder_names import read_name, with_mode
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.encoding.first_passes import FirstPasses
from pytest_vmaf.encoding.job import EncodeJob, check_arguments
from pytest_vmaf.encoding.pass_statistics import Statistics, pack, read_statistics, unpack
from pytest_vmaf.encoding.rate_modes import RATE_CONTROLS, pass_arguments, rates_between, usual_window
from pytest_vmaf.errors import EncodeError, SettingsError
from pytest_vmaf.media.stopwatch import Spent

TWO_PASSES = [name for name, control in RATE_CONTROLS.items() if control.statistics]
Jobs = Callable[..., EncodeJob]


def two_passes(name: str = "libx264") -> Encoder:
    """A fast encoder in two passes."""
    preset = FAST[name][0]
    return Encoder(name, mode="2pass", preset=preset, presets=(preset,))


# The scale


def test_series() -> None:
    assert rates_between(1000, 1251) == (1251, 1250, 1180, 1120, 1060, 1000)
    assert rates_between(1, 12) == (12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
    assert len(rates_between(1, 1_000_000)) == 208


def test_scale() -> None:
    scale = Encoder("libx264", mode="bitrate").scale
    assert scale.read("crf", 1234) == 1234
    assert scale.has(1234)
    assert scale.window(None)[0] == 1_000_000
    assert scale.window((900, 1000)) == (1000, 950, 900)
    # None is the end of the scale.
    assert scale.window((900_000, None))[0] == 1_000_000
    assert scale.window((None, 2)) == (2, 1)
    assert not scale.is_grid


@pytest.mark.parametrize("value", [0, 1_000_001, 3.5, "500", True, None, float("nan")], ids=repr)
def test_scale_outside(value: object) -> None:
    with pytest.raises(
        SettingsError, match=r"crf must be a whole number from 1 to 1000000 \(kbit/s\) for libx264, not"
    ):
        Encoder("libx264", mode="bitrate").scale.read("crf", value)


@pytest.mark.parametrize("value", [(5, 1), (0, 5), (1,), 5, (1.0, 5), "1-5"], ids=repr)
def test_window_invalid(value: object) -> None:
    with pytest.raises(SettingsError, match="bitrate must be two whole numbers from 1 to 1000000"):
        Encoder("libx264", mode="bitrate").scale.window(value)


def test_window_of_source() -> None:
    scale = Encoder("libx265", mode="2pass").scale
    low, high = usual_window(scale, replace(VIDEO, width=1920, height=1080)) or (0, 0)
    assert (low, high) == (75, 118000)
    assert usual_window(scale, replace(VIDEO, frame_rate=None)) is None
    assert usual_window(Encoder("libx265", (300, 900), mode="2pass").scale, VIDEO) is None
    assert usual_window(ENCODERS["libx264"].scale, VIDEO) is None


# Encoders


def test_mode_alone() -> None:
    encoder = Encoder("libvpx-vp9", mode="2pass")
    assert encoder.arguments == ("-deadline", "good", "-cpu-used", "{preset}", "-row-mt", "1", "-b:v", "{bitrate}k")
    assert (encoder.preset, encoder.suffix, encoder.larger_is_finer) == ("4", ".webm", True)
    assert replace(encoder, preset="5").mode == "2pass"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "3pass"}, "mode must be one of 'crf', 'bitrate', '2pass', not '3pass'"),
        ({"mode": None}, "mode must be one of 'crf', 'bitrate', '2pass', not None"),
        ({"mode": "2pass", "command": ("enc", "{bitrate}")}, "a command runs one program"),
        ({"mode": "bitrate", "crf_range": (0, 50)}, "crf_range must be two whole numbers of kbit/s"),
        ({"mode": "bitrate", "arguments": ("-b:v", "9k")}, r"\{bitrate\} is missing"),
        ({"arguments": ("-b:v", "{bitrate}k")}, r"\{bitrate\} requires mode='bitrate'"),
    ],
    ids=repr,
)
def test_mode_invalid(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Encoder("libx264", **settings)


def test_mode_of_other_encoders() -> None:
    with pytest.raises(SettingsError, match=r"librav1e has no two passes here.*Use mode='bitrate', or one of libx264"):
        Encoder("librav1e", mode="2pass")
    with pytest.raises(SettingsError, match=r"mode='2pass' is known for libx264, .*, not for hevc_nvenc"):
        Encoder("hevc_nvenc", mode="2pass", arguments=("-b:v", "{bitrate}k"))
    assert Encoder("hevc_nvenc", mode="bitrate", arguments=("-b:v", "{bitrate}k")).larger_is_finer


def test_names() -> None:
    assert read_name("libx264") == ("libx264", None, None, None)
    assert read_name("libx264:slow") == ("libx264", "slow", None, None)
    assert read_name("libx264:2pass") == ("libx264", None, "2pass", None)
    assert read_name("libx264:slow:bitrate") == ("libx264", "slow", "bitrate", None)


def test_with_mode() -> None:
    slow = replace(ENCODERS["libx264"], preset="slow", presets=("slow",))
    assert with_mode(slow, "2pass") == Encoder("libx264", mode="2pass", preset="slow", presets=("slow",))
    assert with_mode(slow, None) is with_mode(slow, "crf") is slow
    assert with_mode(function_encoder(lambda source, output, rate: None), "2pass").larger_is_finer
    assert command_encoder("enc {bitrate} -o {output}").mode == "bitrate"
    with pytest.raises(SettingsError, match="libx264 has the mode '2pass', but mode is 'bitrate'"):
        with_mode(Encoder("libx264", mode="2pass"), "bitrate")
    with pytest.raises(SettingsError, match=r"functions and ffmpeg's encoders by name, not enc\. Write \{bitrate\}"):
        with_mode(command_encoder("enc {crf} -o {output}"), "2pass")


# Arguments


def test_one_pass() -> None:
    job = paper_job(Encoder("libx264", mode="bitrate"), preset="slow")
    assert job.ffmpeg_arguments(800) == ("-c:v", "libx264", "-preset", "slow", "-b:v", "800k")
    assert job.name == "libx264 slow bitrate"


def test_two_passes(job: Jobs, tmp_path: Path) -> None:
    assert pass_arguments("libx264", ("-b:v", "9k"), 2, "p")[2:] == ("-pass", "2", "-passlogfile", "p")
    text = r".*ffmpeg.* -pass 1 -passlogfile o-pass -f null - && .*ffmpeg.* -pass 2 -passlogfile o-pass -y o\.mp4"
    assert re.fullmatch(text, job(two_passes(), preset="veryfast").command(800, tmp_path / "o.mp4"))


def test_parameters_of_x265() -> None:
    own = (r"pass=1:stats=/t\:\ m/a\'p",)
    assert pass_arguments("libx265", (), 1, "/t: m/a'p") == ("-x265-params", *own)
    merged = pass_arguments("libx265", ("-x265-params", "aq-mode=1", "-g", "9"), 2, "p")
    assert merged == ("-x265-params", "aq-mode=1:pass=2:stats=p", "-g", "9")
    assert pass_arguments("libx265", ("-x265-params:v", "a=1"), 2, "p") == ("-x265-params:v", "a=1:pass=2:stats=p")


@pytest.mark.parametrize(
    "arguments",
    [
        *("-crf 20", "-qp:v 3", "-pass 1", "-x264-params aq=1:crf=3", "-x264opts pass=2", "-b:v 3M"),
        *("-x264-params:v crf=3", "-x264-params aq=1:_qp_=3", "-x265-params --crf=3"),
    ],
    ids=lambda text: text,
)
def test_arguments_of_another_mode(arguments: str) -> None:
    words = (word.replace("_", " ") for word in arguments.split())
    with pytest.raises(SettingsError, match="arguments must not contain "):
        check_arguments(Encoder("libx264", mode="bitrate"), tuple(words))


def test_arguments_that_limit_the_rate() -> None:
    check_arguments(Encoder("libx264", mode="2pass"), ("-maxrate", "3M", "-bufsize", "6M", "-x264-params", "aq=1"))


# Statistics


def test_pack(tmp_path: Path) -> None:
    for end in ("-0.log", "-0.log.mbtree"):
        (tmp_path / f"a{end}").write_bytes(end.encode())
    ends = RATE_CONTROLS["libx264"].statistics
    first = read_statistics(tmp_path / "a", ends, Spent(1.0, None))
    assert first is not None
    sizes, blob = pack(first)
    unpack(sizes, blob, tmp_path / "b", ends)
    second = read_statistics(tmp_path / "b", ends, Spent(2.0, 1.0))
    assert second is not None
    assert second.digest == first.digest
    for wrong in ({"../x": len(blob)}, {"-0.log": 3}, {"-0.log": -1, "-0.log.mbtree": len(blob) + 1}, {}):
        with pytest.raises(ValueError, match="not the sizes"):
            unpack(wrong, blob, tmp_path / "c", ends)
    assert read_statistics(tmp_path / "c", ends, Spent(0.0, 0.0)) is None
    first.remove()
    assert not (tmp_path / "a-0.log.mbtree").exists()


def test_statistics_missing(job: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RATE_CONTROLS, "libx264", replace(RATE_CONTROLS["libx264"], statistics=("-none.log",)))
    message = "libx264 veryfast 2pass wrote no statistics in the first pass at 300 kbit/s: this ffmpeg cannot"
    with pytest.raises(EncodeError, match=message):
        make_encode(job(two_passes(), preset="veryfast"), 300, tmp_path / "o.mp4")
    assert not list(tmp_path.iterdir())


def test_pass_fails(job: Jobs, tmp_path: Path) -> None:
    plain = job(two_passes(), preset="veryfast")
    none = Statistics(tmp_path / "none", (), "", Spent(0.0, 0.0))
    wrong = replace(plain, arguments=("-profile:v", "nix"))
    for number, failing in (("first", wrong), ("second", replace(plain, statistics=none))):
        with pytest.raises(EncodeError, match=f"libx264 veryfast 2pass failed in the {number} pass at 300 kbit/s"):
            make_encode(failing, 300, tmp_path / "o.mp4")
    assert not list(tmp_path.iterdir())


def test_bitrate_too_low(job: Jobs, tmp_path: Path) -> None:
    plain = job(two_passes(), preset="veryfast")
    with pytest.raises(EncodeError, match=r"libx264 needs \d+ kbit/s or more for this clip") as caught:
        make_encode(plain, 1, tmp_path / "a.mp4")
    least = int(re.search(r"bitrate=\((\d+), None\)", str(caught.value))[1])  # type: ignore[index]
    assert make_encode(plain, least, tmp_path / "b.mp4").size


def test_cached_by_statistics(job: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, path = Cache(tmp_path / "cache"), tmp_path / "o.mp4"
    cached = job(two_passes(), preset="veryfast", cache=cache)
    first = encode_once(cached, 300, path)
    assert first.mode == "2pass"
    assert {each.name for each in tmp_path.iterdir()} == {"cache", "o.mp4"}
    prepared = with_statistics(cached, 300, tmp_path / "pass")
    assert prepared.statistics is not None
    other = replace(prepared, statistics=replace(prepared.statistics, digest="another"))
    assert len({encode_key(each, 300, path) for each in (prepared, other, cached)}) == 3
    # Statistics that are too large to be stored do not stop the second pass from being known by their bytes.
    monkeypatch.setattr("pytest_vmaf.encoding.cached.MOST_STATISTICS", 0)
    large = with_statistics(replace(cached, attempt=1), 300, tmp_path / "large")
    assert large.statistics is not None
    assert large.statistics.digest == prepared.statistics.digest
    monkeypatch.setattr("pytest_vmaf.encoding.cached.run_first_pass", None)
    with pytest.raises(TypeError):
        with_statistics(replace(cached, attempt=1), 300, tmp_path / "again")
    monkeypatch.setattr("pytest_vmaf.encoding.cached.make_encode", None)
    again = encode_once(cached, 300, path)
    assert (again.checksum, again.size, again.seconds) == (first.checksum, first.size, first.seconds)
    assert (again.seconds or 0) > prepared.statistics.spent.wall


def test_shared_once(job: Jobs, tmp_path: Path) -> None:
    made: list[Path] = []
    encoder = two_passes("libvpx-vp9")
    plain = job(encoder, preset="5")
    passes = FirstPasses("stem")
    for rate in (80, 900):
        prepared = passes.prepare(plain, rate, tmp_path / f"{rate}.webm")
        assert prepared.statistics is not None
        made += prepared.statistics.files
        passes.finish(prepared)
    assert made == [tmp_path / "stem-0.pass-0.log"] * 2
    assert made[0].exists()


def test_shared_by_the_tasks_of_a_worker(job: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task has a folder, which ends with it. The statistics end with the worker's prober."""
    made = []

    def make(job: EncodeJob, crf: float, prefix: Path) -> EncodeJob:
        made.append(Path(f"{prefix}-0.log"))
        made[-1].write_bytes(b"statistics")
        return replace(job, statistics=Statistics(prefix, (made[-1],), "", Spent(0, 0)))

    monkeypatch.setattr("pytest_vmaf.encoding.first_passes.with_statistics", make)
    plain, passes = job(two_passes("libvpx-vp9"), preset="5"), FirstPasses("stem", lasting=True)
    for task in ("a", "b"):
        prepared = passes.prepare(plain, 80, tmp_path / task / "80.webm")
        assert prepared.statistics is not None
        assert prepared.statistics.files == (made[0],)
    assert len(made) == 1
    del passes
    assert not made[0].parent.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", TWO_PASSES)
def test_passes(name: str, job: Jobs, footage: Callable[..., Path], tmp_path: Path) -> None:
    # With more threads, SVT-AV1 writes something else each time that it gets a bitrate.
    arguments = ("-svtav1-params", "lp=1") if name == "libsvtav1" else ()
    # The first pass of SVT-AV1 crashes now and then if the picture has 128x96.
    source = footage("192x128", 8)
    plain = job(two_passes(name), source, preset=FAST[name][0], arguments=arguments)
    prefixes = {rate: tmp_path / f"it's {rate}: a" for rate in (150, 600)}
    prepared = {rate: with_statistics(plain, rate, prefix) for rate, prefix in prefixes.items()}
    digests = {each.statistics and each.statistics.digest for each in prepared.values()}
    # Reused for other bitrates only where the bytes are the same.
    assert len(digests) == 1 or not RATE_CONTROLS[name].shared
    encodes = [make_encode(each, rate, tmp_path / f"{rate}{each.encoder.suffix}") for rate, each in prepared.items()]
    assert encodes[0].bitrate * 1.5 < encodes[1].bitrate
    if name != "libvvenc":
        # It takes as long as all others together.
        assert encodes[0].checksum == make_encode(plain, 150, tmp_path / f"again{plain.encoder.suffix}").checksum
