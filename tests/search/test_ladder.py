"""Ladders of a small clip: rungs that encodes by hand confirm, key frames where players change, packages that play."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from encoding.builders import FAST
from hypothesis import given
from hypothesis import strategies as st
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer

from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.errors import EncodeError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.build_ladder import LadderRequest, build_ladder, parse_size, read_sizes
from pytest_vmaf.search.ladder import Ladder, convex_hull
from pytest_vmaf.streaming.codec_strings import codec_string
from pytest_vmaf.streaming.package import peak_bitrate

FULL, SMALL = (160, 120), (96, 72)
TARGETS = (50.0, 70.0, 85.0)
#: Ten frames of the clip.
SEGMENT = 0.4


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Clip:
    return Clip(footage("160x120", 24))


def a_request(clip: Clip, *targets: float, encoder: str | Encoder = "libx264", **settings: Any) -> LadderRequest:
    chosen = ENCODERS[encoder] if isinstance(encoder, str) else encoder
    if encoder == "libx264":
        settings.setdefault("preset", "ultrafast")
    own = {name: settings.pop(name) for name in ("resolutions", "segment", "progress") if name in settings}
    bisection = BisectRequest(MeasureRequest(clip, clip), chosen, targets or TARGETS, **settings)
    return LadderRequest(bisection, **{"resolutions": (FULL, SMALL), "segment": SEGMENT, **own})


def build(clip: Clip, *targets: float, **settings: Any) -> Ladder:
    return build_ladder(a_request(clip, *targets, **settings), FfmpegScorer())


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def ladder(clip: Clip, kept: Path) -> Ladder:
    return build(clip, keep=kept)


@pytest.fixture(scope="session")
def key_frames(ffmpeg: str) -> Callable[[Path], list[int]]:
    """The frames, in the order they are shown, with which decoding can begin."""

    def find(path: Path) -> list[int]:
        argv = [ffmpeg, "-nostdin", "-v", "error", "-i", path, "-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-"]
        lines = subprocess.check_output(argv, text=True).splitlines()
        rows = [line.split(",") for line in lines if line.startswith("0,")]
        shown = sorted(int(row[2]) for row in rows)
        # A row has flags where it is no plain key frame: stream, dts, pts, duration, size, checksum, flags.
        keys = [int(row[2]) for row in rows if not (len(row) > 6 and "F=" in row[6] and not int(row[6][3:], 16) & 1)]
        return sorted(shown.index(time) for time in keys)

    return find


# Rungs.


def test_each_target_has_the_cheapest_encode_of_any_resolution_that_meets_it(ladder: Ladder) -> None:
    assert ladder.met
    assert sorted(target for rung in ladder.rungs for target in rung.targets) == list(TARGETS)
    for rung in ladder.rungs:
        for target in rung.targets:
            meeting = [probe for found in ladder.bisections.values() for probe in found.probes if probe.score >= target]
            assert rung.probe.score >= target
            assert rung.bitrate == min(probe.bitrate for probe in meeting)


def test_large_targets_need_all_pixels_and_small_ones_do_not(ladder: Ladder) -> None:
    assert [(rung.width, rung.height) for rung in ladder.rungs] == [FULL, SMALL, SMALL]
    assert [rung.bitrate for rung in ladder.rungs] == sorted((rung.bitrate for rung in ladder.rungs), reverse=True)
    assert ladder.bisections[SMALL].ceiling < ladder.bisections[FULL].ceiling - 5
    assert ladder.bisections[SMALL][85].outcome == "above the ceiling"


def test_rungs_are_what_plain_ffmpeg_commands_give(
    ladder: Ladder, clip: Clip, make: Callable[..., Path], ffmpeg: str, tmp_path: Path
) -> None:
    for rung in ladder.rungs:
        scale = f"scale={rung.width}:{rung.height}:flags=bicubic+accurate_rnd+full_chroma_int"
        small = make("-i", clip.path, "-vf", scale, "-c:v", "ffv1", tmp_path / "small.mkv")
        keys = ("-g", 10, "-force_key_frames", "expr:not(mod(n,10))")
        encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", rung.probe.crf, *keys)
        encoded = make("-i", small, *encoder, tmp_path / "encoded.mp4")
        log = tmp_path / "log.json"
        up = "[0:v]scale=160:120:flags=bicubic,settb=AVTB,setpts=N[d];[1:v]settb=AVTB,setpts=N[r]"
        vmaf = f"[d][r]libvmaf=model=version=vmaf_v0.6.1neg:log_fmt=json:log_path={log}"
        argv = [ffmpeg, "-v", "error", "-i", encoded, "-i", clip.path, "-lavfi", f"{up};{vmaf}", "-f", "null", "-"]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
        pooled = json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"]
        assert rung.probe.score == pytest.approx(pooled, abs=1e-3)
        assert rung.probe.encode.path is not None
        assert frames_of(ffmpeg, rung.probe.encode.path) == frames_of(ffmpeg, encoded)


def frames_of(ffmpeg: str, path: Path) -> list[str]:
    """The packets of a clip, each as its size and a checksum."""
    argv = [ffmpeg, "-nostdin", "-v", "error", "-i", path, "-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-"]
    return [line for line in subprocess.check_output(argv, text=True).splitlines() if line.startswith("0,")]


def test_a_rung_says_its_codec_and_its_peak(ladder: Ladder, ffmpeg: str) -> None:
    for rung in ladder.rungs:
        assert rung.probe.encode.path is not None
        assert rung.codecs == codec_string(rung.probe.encode.path, ffmpeg)
        assert re.fullmatch(r"avc1\.42c0[0-9a-f]{2}", rung.codecs)
        assert rung.peak == pytest.approx(peak_bitrate(rung.probe.encode.path, ffmpeg, SEGMENT))
        assert rung.peak >= rung.bitrate


def test_the_hull_is_around_all_probes(ladder: Ladder) -> None:
    points = [(probe.bitrate, probe.score) for found in ladder.bisections.values() for probe in found.probes]
    assert ladder.hull == convex_hull(points)
    assert all(rung.on_hull == ((rung.bitrate, rung.probe.score) in ladder.hull) for rung in ladder.rungs)
    assert ladder.rungs[0].on_hull


def test_the_order_of_resolutions_changes_no_rung(ladder: Ladder, clip: Clip) -> None:
    other = build(clip, resolutions=(SMALL, FULL))
    shown = [[(r.name, r.targets, r.probe.score, r.peak) for r in each.rungs] for each in (ladder, other)]
    assert shown[0] == shown[1]
    assert other.hull == ladder.hull


def test_one_encode_may_answer_several_targets(clip: Clip) -> None:
    ladder = build(clip, 84.9, 85, resolutions=(FULL,), crf=(20, 34))
    assert [rung.targets for rung in ladder.rungs] == [(84.9, 85.0)]


# Targets that nobody meets.


def test_targets_that_nobody_meets_are_said_for_each_resolution(clip: Clip) -> None:
    ladder = build(clip, 60, 99.9, crf=(24, 40))
    assert not ladder.met
    assert [rung.targets for rung in ladder.rungs] == [(60.0,)]
    assert list(ladder.unmet) == [99.9]
    assert re.fullmatch(
        r"160x120: NEG 99\.9 of libx264 cannot be reached: the reference itself has .*; "
        r"96x72: NEG 99\.9 of libx264 cannot be reached: the reference itself has .*",
        ladder.unmet[99.9],
    )
    assert ladder.unmet[99.9] in str(ladder)


def test_a_ladder_without_rungs_is_a_ladder(clip: Clip) -> None:
    ladder = build(clip, 99.95)
    assert (ladder.rungs, ladder.hull, ladder.met) == ((), (), False)
    assert repr(ladder) == "<Ladder of libx264 ultrafast: no rung>"
    assert json.loads(ladder.to_json())["rungs"] == []
    with pytest.raises(SettingsError, match="There are no renditions"):
        ladder.to_hls()


# What is written.


def test_a_package_plays_at_every_rung(ladder: Ladder, ffmpeg: str, tmp_path: Path) -> None:
    for form, media in (("hls", "{}.m3u8"), ("dash", "{}.mp4")):
        manifest = ladder.package(tmp_path / form, form)  # type: ignore[arg-type]
        for rung in ladder.rungs:
            assert count_frames(Clip(manifest.parent / f"{rung.name}.mp4"), ffmpeg) == 24
            assert rung.codecs in manifest.read_text()
            assert (manifest.parent / media.format(rung.name)).is_file()


def test_playlists_list_every_rung_without_a_package(ladder: Ladder) -> None:
    hls = ladder.to_hls()
    assert re.findall(r"RESOLUTION=(\S+?),", hls) == ["96x72", "96x72", "160x120"]
    assert re.findall(r'CODECS="(.*)"', hls) == [rung.codecs for rung in reversed(ladder.rungs)]
    mpd = ElementTree.fromstring(ladder.to_dash())
    shown = [(each.get("width"), each.get("codecs")) for each in mpd.iter() if each.tag.endswith("}Representation")]
    assert shown == [(str(rung.width), rung.codecs) for rung in reversed(ladder.rungs)]
    assert mpd.get("mediaPresentationDuration") == "PT0.960000S"


def test_json_holds_all_that_was_measured(ladder: Ladder, clip: Clip) -> None:
    record = json.loads(ladder.to_json())
    assert record["display"] == [160, 120]
    assert record["reference"] == str(clip)
    assert record["models"]["neg_model"] == "vmaf_v0.6.1neg"
    assert [(rung["width"], rung["crf"], rung["targets"]) for rung in record["rungs"]] == [
        (rung.width, rung.probe.crf, list(rung.targets)) for rung in ladder.rungs
    ]
    assert {size: len(probes) for size, probes in record["probes"].items()} == {
        "160x120": len(ladder.bisections[FULL].probes),
        "96x72": len(ladder.bisections[SMALL].probes),
    }


def test_only_the_rungs_are_kept(ladder: Ladder, kept: Path) -> None:
    files = sorted(path for path in kept.rglob("*") if path.is_file())
    assert files == sorted(rung.probe.encode.path for rung in ladder.rungs)  # type: ignore[type-var]
    for found in ladder.bisections.values():
        assert all(probe.encode.path in (None, *files) for probe in found.probes)
        for answer in found.answers.values():
            for probe in filter(None, (answer.probe, answer.next_probe)):
                assert probe.encode.path is None or probe.encode.path.is_file()


def test_without_keep_no_file_stays_and_nothing_can_be_packaged(clip: Clip, temp: Path, tmp_path: Path) -> None:
    ladder = build(clip, 60, crf=(26, 40))
    assert list(temp.iterdir()) == []
    assert ladder.rungs[0].probe.encode.path is None
    assert all(probe.encode.path is None for found in ladder.bisections.values() for probe in found.probes)
    with pytest.raises(SettingsError, match="say keep=FOLDER to package them"):
        ladder.package(tmp_path / "package")


def test_a_resolution_without_a_rung_leaves_no_folder(clip: Clip, tmp_path: Path) -> None:
    build(clip, 60, crf=(26, 40), keep=tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["96x72"]


def test_a_sample_is_searched_and_its_frames_are_said(clip: Clip) -> None:
    ladder = build(clip, 60, crf=(26, 40), sample=0.4)
    assert {found.sample for found in ladder.bisections.values()} == {(7, 10)}
    assert ladder.rungs[0].probe.encode.frames == 10
    assert ladder.reference == f"{clip}, frames 7 to 16"
    assert ladder.rungs[0].probe.result.context.reference == ladder.reference


def test_a_failure_says_where_and_leaves_nothing(clip: Clip, make: Callable[..., Path], temp: Path) -> None:
    def breaks(source: Path, output: Path, crf: int) -> None:
        if source.parent.name == "96x72":
            raise RuntimeError("out of licences")
        make("-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, output)

    with pytest.raises(EncodeError, match=r"breaks raised RuntimeError at CRF \d+: out of licences") as caught:
        build(clip, 60, encoder=function_encoder(breaks), crf=(26, 40))
    assert caught.value.__notes__[-1] == "This was 96x72; 1 of 2 resolutions had been finished."
    assert caught.value.probes
    assert all(probe.encode.path is None for probe in caught.value.probes)
    assert list(temp.iterdir()) == []


def test_progress_rises_with_the_probes(clip: Clip) -> None:
    told: list[tuple[int, float]] = []
    ladder = build(clip, 60, crf=(26, 40), progress=lambda *numbers: told.append(numbers))
    done = [numbers[0] for numbers in told]
    assert done == sorted(done)
    assert told[-1] == (sum(len(found.probes) for found in ladder.bisections.values()),) * 2


# Key frames.


@pytest.fixture(scope="session")
def cuts(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Shots that begin at frames 17, 43 and 59."""
    shots = (("testsrc2", 17), ("mandelbrot", 26), ("smptebars", 16), ("testsrc", 21))
    parts = [f"{name}=s=160x120:r=25,trim=end_frame={n},format=yuv420p,setpts=N/25/TB" for name, n in shots]
    graph = ";".join(f"{part}[s{n}]" for n, part in enumerate(parts)) + ";[s0][s1][s2][s3]concat=n=4"
    path = tmp_path_factory.mktemp("cuts") / "cuts.mkv"
    return Clip(make("-filter_complex", f"{graph},noise=alls=6:allf=t:all_seed=7", "-c:v", "ffv1", path))


@pytest.mark.parametrize("name", FAST)
def test_every_software_encoder_begins_anew_at_each_segment_whatever_is_cut_between(
    name: str, cuts: Clip, tmp_path: Path, key_frames: Callable[[Path], list[int]]
) -> None:
    preset, crf = FAST[name]
    settings = {"encoder": name, "preset": preset, "crf": (crf, crf), "resolutions": (FULL,)}
    ladder = build(cuts, 1, segment=37 / 25, keep=tmp_path / "kept", **settings)
    path = ladder.rungs[0].probe.encode.path
    assert path is not None
    found = key_frames(path)
    assert {0, 37, 74} <= set(found)
    # More are the encoder's own, at the cuts; not doubled, as libaom doubles those that are forced.
    assert not {1, 38, 75} & set(found)
    manifest = ladder.package(tmp_path / "package")
    assert ladder.rungs[0].codecs in manifest.read_text()


def test_the_distance_of_key_frames_may_be_left_to_the_encoder(
    clip: Clip, tmp_path: Path, key_frames: Callable[[Path], list[int]]
) -> None:
    for segment, expected in ((None, [0]), (SEGMENT, [0, 10, 20])):
        keep = tmp_path / str(segment)
        ladder = build(clip, 50, crf=(30, 40), segment=segment, resolutions=(FULL,), keep=keep)
        assert key_frames(ladder.rungs[0].probe.encode.path) == expected  # type: ignore[arg-type]


def test_without_a_distance_an_encoder_still_gets_what_joining_needs(clip: Clip, tmp_path: Path) -> None:
    settings = {"encoder": "libvvenc", "preset": "faster", "crf": (40, 40), "resolutions": (FULL,)}
    ladder = build(clip, 1, segment=None, keep=tmp_path / "kept", **settings)
    assert ladder.package(tmp_path / "package").is_file()


# What cannot be.


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"resolutions": ()}, "resolutions is empty"),
        ({"resolutions": (FULL, FULL)}, "The resolution 160x120 is given twice"),
        ({"resolutions": ((320, 240),)}, r"320x240 is larger than the reference \(160x120\)"),
        ({"resolutions": ((96, 240),)}, "96x240 is larger than the reference"),
        ({"resolutions": ((95, 72),)}, "95x72 has an odd side"),
        ({"segment": 0}, "segment is 0; it is a number of seconds above 0 and at most 60"),
        ({"segment": "2"}, "segment is '2'; it is a number of seconds"),
        ({"segment": float("nan")}, "segment is nan"),
        ({"segment": True}, "segment is True"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], said: str, clip: Clip, temp: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        build(clip, **settings)
    assert list(temp.iterdir()) == []


def test_a_source_without_a_frame_rate_is_refused(clip: Clip, make: Callable[..., Path], tmp_path: Path) -> None:
    raw = make("-i", clip.path, "-f", "rawvideo", tmp_path / "clip.yuv")
    source = Clip(raw, width=160, height=120)
    with pytest.raises(SettingsError, match=r"states no frame rate; say Clip\(\.\.\., frame_rate=24\)"):
        build(source)
    rated = build(replace(source, frame_rate=Fraction(25)), 60, crf=(26, 40))
    assert rated.frame_rate == 25
    assert rated.met


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ("1280x720", r"resolutions is '1280x720'; it is a list"),
        (5, "resolutions is 5; it is a list"),
        (["1280"], "'1280' is no resolution; write 1280x720"),
        (["1280 x 720p"], "is no resolution"),
        ([(1280,)], r"\(1280,\) is no resolution; write '1280x720' or \(1280, 720\)"),
        ([(1280, "720")], "is no resolution"),
        ([(-2, 4)], "is no resolution"),
        ([(True, 4)], "is no resolution"),
        ([None], "None is no resolution"),
    ],
)
def test_what_is_no_resolution_is_refused(sizes: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_sizes(sizes)


def test_resolutions_are_read_as_they_are_written() -> None:
    assert read_sizes([" 1280x720 ", (640, 360), [320, 180]]) == ((1280, 720), (640, 360), (320, 180))
    assert parse_size("99999x10") == (99999, 10)


# The hull.

points = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=40)


def height(hull: tuple[tuple[float, float], ...], rate: float) -> float:
    """The best quality for this rate, of a mix of the hull's encodes."""
    if rate >= hull[-1][0]:
        return hull[-1][1]
    (x0, y0), (x1, y1) = next(pair for pair in pairwise(hull) if pair[0][0] <= rate <= pair[1][0])
    return y0 + (y1 - y0) * (rate - x0) / (x1 - x0)


@given(points)
def test_no_encode_lies_above_the_hull_which_is_made_of_encodes(given_points: list[tuple[float, float]]) -> None:
    hull = convex_hull(given_points)
    assert set(hull) <= set(given_points)
    assert bool(hull) == bool(given_points)
    for rate, quality in given_points:
        assert quality <= height(hull, rate) + 1e-9 if rate >= hull[0][0] else False


@given(points)
def test_the_hull_rises_ever_less_steeply(given_points: list[tuple[float, float]]) -> None:
    hull = convex_hull(given_points)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(hull))
    slopes = [Fraction(int(b[1] - a[1]), int(b[0] - a[0])) for a, b in pairwise(hull)]
    assert all(a > b for a, b in pairwise(slopes))


@given(points, st.randoms())
def test_the_hull_of_the_hull_is_the_hull_in_any_order(given_points: list[tuple[float, float]], random: Any) -> None:
    hull = convex_hull(given_points)
    assert convex_hull(hull) == hull
    random.shuffle(given_points)
    assert convex_hull(given_points) == hull
    assert convex_hull([*given_points, *given_points]) == hull
