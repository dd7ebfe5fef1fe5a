"""Bitrate ladders of a small clip: rungs, hull, key frames, stored files and packages."""

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
from hypothesis import given, strategies as st

from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.errors import EncodeError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.build_ladder import LadderRequest, build_ladder, read_sizes
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


#: A search of one encode a resolution.
ONE: dict[str, Any] = {"crf": (30, 30)}
#: The same, where the scores do not matter.
FAKED: dict[str, Any] = {**ONE, "scorer": FakeScorer(self_score=99.5)}


def build(clip: Clip, *targets: float, scorer: Scorer | None = None, **settings: Any) -> Ladder:
    return build_ladder(a_request(clip, *targets, **settings), scorer or FfmpegScorer())


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def updates() -> list[tuple[int, float]]:
    """The progress of `ladder`."""
    return []


@pytest.fixture(scope="session")
def ladder(clip: Clip, store: Path, updates: list[tuple[int, float]]) -> Ladder:
    return build(clip, keep=store, progress=lambda *numbers: updates.append(numbers))


@pytest.fixture(scope="session")
def pair(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Ladder:
    """A rung of each resolution, at CRF 30."""
    return build(clip, 1, 70, **ONE, keep=tmp_path_factory.mktemp("pair"))


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


@pytest.mark.slow
def test_cheapest_encode_for_each_target(ladder: Ladder) -> None:
    assert ladder.met
    assert sorted(target for rung in ladder.rungs for target in rung.targets) == list(TARGETS)
    for rung in ladder.rungs:
        for target in rung.targets:
            meeting = [probe for each in ladder.bisections.values() for probe in each.probes if probe.score >= target]
            assert rung.probe.score >= target
            assert rung.bitrate == min(probe.bitrate for probe in meeting)


@pytest.mark.slow
def test_resolutions_of_the_rungs(ladder: Ladder) -> None:
    assert [(rung.width, rung.height) for rung in ladder.rungs] == [FULL, SMALL, SMALL]
    assert [rung.bitrate for rung in ladder.rungs] == sorted((rung.bitrate for rung in ladder.rungs), reverse=True)
    assert ladder.bisections[SMALL].ceiling < ladder.bisections[FULL].ceiling - 5
    assert ladder.bisections[SMALL][85].outcome == "above the ceiling"


@pytest.mark.slow
def test_rungs_as_encoded_by_hand(
    pair: Ladder, clip: Clip, make: Callable[..., Path], ffmpeg: str, tmp_path: Path
) -> None:
    assert [(rung.width, rung.height) for rung in pair.rungs] == [FULL, SMALL]
    for rung in pair.rungs:
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


@pytest.mark.slow
def test_codec_and_peak(ladder: Ladder, ffmpeg: str) -> None:
    for rung in ladder.rungs:
        assert rung.probe.encode.path is not None
        assert rung.codecs == codec_string(rung.probe.encode.path, ffmpeg)
        assert re.fullmatch(r"avc1\.42c0[0-9a-f]{2}", rung.codecs)
        assert rung.peak == pytest.approx(peak_bitrate(rung.probe.encode.path, ffmpeg, SEGMENT))
        assert rung.peak >= rung.bitrate


@pytest.mark.slow
def test_hull_of_answers_and_their_neighbours(ladder: Ladder) -> None:
    points = [(probe.bitrate, probe.score) for bisection in ladder.bisections.values() for probe in bisection.points]
    assert ladder.hull == convex_hull(points)
    assert all(rung.on_hull == ((rung.bitrate, rung.probe.score) in ladder.hull) for rung in ladder.rungs)
    assert ladder.rungs[0].on_hull


@pytest.mark.slow
def test_order_of_resolutions(pair: Ladder, clip: Clip, tmp_path: Path) -> None:
    other = build(clip, 1, 70, **ONE, resolutions=(SMALL, FULL), keep=tmp_path)
    shown = [[(r.name, r.targets, r.probe.score, r.peak) for r in each.rungs] for each in (pair, other)]
    assert shown[0] == shown[1]
    assert other.hull == pair.hull


# Targets that nobody meets.


@pytest.mark.slow
def test_unmet_names_each_resolution(clip: Clip, temp: Path, tmp_path: Path) -> None:
    ladder = build(clip, 1, 1.5, 99.9, **FAKED)
    assert not ladder.met
    # One encode may meet several targets.
    assert [rung.targets for rung in ladder.rungs] == [(1.0, 1.5)]
    assert list(ladder.unmet) == [99.9]
    assert re.fullmatch(
        r"160x120: NEG 99\.9 of libx264 cannot be reached: .*; 96x72: NEG 99\.9 of libx264 cannot be reached: .*",
        ladder.unmet[99.9],
    )
    assert ladder.unmet[99.9] in str(ladder)
    # Without keep= no file stays.
    assert list(temp.iterdir()) == []
    assert ladder.rungs[0].probe.encode.path is None
    assert all(probe.encode.path is None for each in ladder.bisections.values() for probe in each.probes)
    with pytest.raises(SettingsError, match="Use keep=FOLDER to package them"):
        ladder.package(tmp_path / "package")


@pytest.mark.slow
def test_ladder_without_rungs(clip: Clip) -> None:
    ladder = build(clip, 99.95, **FAKED)
    assert (ladder.rungs, ladder.hull, ladder.met) == ((), (), False)
    assert repr(ladder) == "<Ladder of libx264 ultrafast: no rung>"
    assert json.loads(ladder.to_json())["rungs"] == []
    with pytest.raises(SettingsError, match="must have at least one rendition"):
        ladder.to_hls()


# What is written.


@pytest.mark.slow
def test_package_plays(pair: Ladder, ffmpeg: str, tmp_path: Path) -> None:
    for form, media in (("hls", "{}.m3u8"), ("dash", "{}.mp4")):
        manifest = pair.package(tmp_path / form, form)  # type: ignore[arg-type]
        for rung in pair.rungs:
            assert count_frames(Clip(manifest.parent / f"{rung.name}.mp4"), ffmpeg) == 24
            assert rung.codecs in manifest.read_text()
            assert (manifest.parent / media.format(rung.name)).is_file()


@pytest.mark.slow
def test_playlists_without_a_package(ladder: Ladder) -> None:
    hls = ladder.to_hls()
    assert re.findall(r"RESOLUTION=(\S+?),", hls) == ["96x72", "96x72", "160x120"]
    assert re.findall(r'CODECS="(.*)"', hls) == [rung.codecs for rung in reversed(ladder.rungs)]
    mpd = ElementTree.fromstring(ladder.to_dash())
    shown = [(each.get("width"), each.get("codecs")) for each in mpd.iter() if each.tag.endswith("}Representation")]
    assert shown == [(str(rung.width), rung.codecs) for rung in reversed(ladder.rungs)]
    assert mpd.get("mediaPresentationDuration") == "PT0.960000S"


@pytest.mark.slow
def test_to_json(ladder: Ladder, clip: Clip) -> None:
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


@pytest.mark.slow
def test_only_rungs_are_stored(ladder: Ladder, store: Path) -> None:
    files = sorted(path for path in store.rglob("*") if path.is_file())
    assert files == sorted(rung.probe.encode.path for rung in ladder.rungs)  # type: ignore[type-var]
    for bisection in ladder.bisections.values():
        assert all(probe.encode.path in (None, *files) for probe in bisection.probes)
        for answer in bisection.answers.values():
            for probe in filter(None, (answer.probe, answer.next_probe)):
                assert probe.encode.path is None or probe.encode.path.is_file()


@pytest.mark.slow
def test_sample(clip: Clip, tmp_path: Path) -> None:
    ladder = build(clip, 1, **FAKED, sample=0.4, keep=tmp_path / "kept")
    assert {each.sample for each in ladder.bisections.values()} == {(7, 10)}
    assert ladder.rungs[0].probe.encode.frames == 10
    assert ladder.reference == f"{clip}, frames 7 to 16"
    assert ladder.rungs[0].probe.result.context.reference == ladder.reference
    # A resolution without a rung leaves no folder.
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["96x72"]


@pytest.mark.slow
def test_failure_names_the_resolution(clip: Clip, make: Callable[..., Path], temp: Path) -> None:
    def breaks(source: Path, output: Path, crf: int) -> None:
        if source.parent.name == "96x72":
            raise RuntimeError("out of licences")
        make("-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, output)

    with pytest.raises(EncodeError, match=r"breaks raised RuntimeError at CRF \d+: out of licences") as caught:
        build(clip, 1, encoder=function_encoder(breaks), **FAKED)
    assert caught.value.__notes__[-1] == "This was 96x72; 1 of 2 resolutions had been finished."
    assert caught.value.probes
    assert all(probe.encode.path is None for probe in caught.value.probes)
    assert list(temp.iterdir()) == []


@pytest.mark.slow
def test_progress(ladder: Ladder, updates: list[tuple[int, float]]) -> None:
    done = [numbers[0] for numbers in updates]
    assert done == sorted(done)
    assert updates[-1] == (sum(len(each.probes) for each in ladder.bisections.values()),) * 2


# Key frames.


@pytest.fixture(scope="session")
def cuts(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Shots that begin at frames 17, 43 and 59."""
    shots = (("testsrc2", 17), ("mandelbrot", 26), ("smptebars", 16), ("testsrc", 21))
    parts = [f"{name}=s=160x120:r=25,trim=end_frame={n},format=yuv420p,setpts=N/25/TB" for name, n in shots]
    graph = ";".join(f"{part}[s{n}]" for n, part in enumerate(parts)) + ";[s0][s1][s2][s3]concat=n=4"
    path = tmp_path_factory.mktemp("cuts") / "cuts.mkv"
    return Clip(make("-filter_complex", f"{graph},noise=alls=6:allf=t:all_seed=7", "-c:v", "ffv1", path))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "libx264" else pytest.mark.slow) for name in FAST]
)
def test_key_frames_at_segments(name: str, cuts: Clip, tmp_path: Path, key_frames: Callable[[Path], list[int]]) -> None:
    preset, crf = FAST[name]
    settings = {**FAKED, "encoder": name, "preset": preset, "crf": (crf, crf), "resolutions": (FULL,)}
    ladder = build(cuts, 1, segment=37 / 25, keep=tmp_path / "kept", **settings)
    path = ladder.rungs[0].probe.encode.path
    assert path is not None
    bisection = key_frames(path)
    assert {0, 37, 74} <= set(bisection)
    # More are the encoder's own, at the cuts; not doubled, as libaom doubles those that are forced.
    assert not {1, 38, 75} & set(bisection)
    manifest = ladder.package(tmp_path / "package")
    assert ladder.rungs[0].codecs in manifest.read_text()


@pytest.mark.slow
def test_key_frames_left_to_the_encoder(
    clip: Clip, make: Callable[..., Path], tmp_path: Path, key_frames: Callable[[Path], list[int]]
) -> None:
    raw = Clip(make("-i", clip.path, "-f", "rawvideo", tmp_path / "clip.yuv"), width=160, height=120)
    with pytest.raises(SettingsError, match=r"states no frame rate\. Use Clip\(\.\.\., frame_rate=24\)"):
        build(raw)
    source = replace(raw, frame_rate=Fraction(25))
    ladder = build(source, 1, **FAKED, segment=None, resolutions=(FULL,), keep=tmp_path / "kept")
    assert ladder.frame_rate == 25
    assert key_frames(ladder.rungs[0].probe.encode.path) == [0]  # type: ignore[arg-type]


@pytest.mark.slow
def test_joining_arguments_without_segments(clip: Clip, tmp_path: Path) -> None:
    settings = {**FAKED, "encoder": "libvvenc", "preset": "faster", "resolutions": (FULL,)}
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
        ({"resolutions": ((95, 72),)}, "Both sides of a resolution must be even, not 95x72"),
        ({"segment": 0}, "segment must be a number of seconds above 0 and at most 60, not 0"),
        ({"segment": "2"}, "segment must be .*, not '2'"),
        ({"segment": float("nan")}, "segment must be .*, not nan"),
        ({"segment": True}, "segment must be .*, not True"),
    ],
)
def test_invalid_settings(settings: dict[str, Any], said: str, clip: Clip, temp: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        build(clip, **settings)
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ("1280x720", r"resolutions must be a list such as .*, not '1280x720'"),
        (5, "resolutions must be a list .*, not 5"),
        (["1280"], r"A resolution must be given like '1280x720' or \(1280, 720\), not '1280'"),
        (["1280 x 720p"], "A resolution must be given like"),
        ([(1280,)], r"A resolution must be given like '1280x720' or \(1280, 720\), not \(1280,\)"),
        ([(1280, "720")], "A resolution must be given like"),
        ([(-2, 4)], "A resolution must be given like"),
        ([(True, 4)], "A resolution must be given like"),
        ([None], "must be given like .*, not None"),
    ],
)
def test_invalid_resolutions(sizes: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_sizes(sizes)


def test_read_sizes() -> None:
    assert read_sizes([" 1280x720 ", (640, 360), [320, 180]]) == ((1280, 720), (640, 360), (320, 180))
    assert read_sizes(["99999x10"]) == ((99999, 10),)


# The hull.

points = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=40)


def height(hull: tuple[tuple[float, float], ...], rate: float) -> float:
    """The best quality for this rate, of a mix of the hull's encodes."""
    if rate >= hull[-1][0]:
        return hull[-1][1]
    (x0, y0), (x1, y1) = next(pair for pair in pairwise(hull) if pair[0][0] <= rate <= pair[1][0])
    return y0 + (y1 - y0) * (rate - x0) / (x1 - x0)


@given(points)
def test_hull_is_above_all_encodes(given_points: list[tuple[float, float]]) -> None:
    hull = convex_hull(given_points)
    assert set(hull) <= set(given_points)
    assert bool(hull) == bool(given_points)
    for rate, quality in given_points:
        assert quality <= height(hull, rate) + 1e-9 if rate >= hull[0][0] else False


@given(points)
def test_hull_is_concave(given_points: list[tuple[float, float]]) -> None:
    hull = convex_hull(given_points)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(hull))
    slopes = [Fraction(int(b[1] - a[1]), int(b[0] - a[0])) for a, b in pairwise(hull)]
    assert all(a > b for a, b in pairwise(slopes))


@given(points, st.randoms())
def test_hull_is_idempotent(given_points: list[tuple[float, float]], random: Any) -> None:
    hull = convex_hull(given_points)
    assert convex_hull(hull) == hull
    random.shuffle(given_points)
    assert convex_hull(given_points) == hull
    assert convex_hull([*given_points, *given_points]) == hull


@pytest.mark.slow
def test_anamorphic_source(make: Callable[..., Path], clip: Clip, tmp_path: Path) -> None:
    """Rungs are scored at the size of the display, which also limits them."""
    lossless = ("-c:v", "libx264", "-qp", 0)
    source = make("-i", clip.path, "-vf", "scale=90:72,setsar=64/45", *lossless, "-frames:v", 6, tmp_path / "dv.mp4")
    sizes = ((128, 72), (64, 36), (90, 72))
    anamorphic = build(Clip(source), 1.0, resolutions=sizes, keep=tmp_path / "kept", **ONE)
    assert anamorphic.display == (128, 72)
    scales = {
        (each.probes[0].result.neg.scale.width, each.probes[0].result.neg.scale.height)
        for each in anamorphic.bisections.values()
    }
    assert scales == {(128, 72)}
    resolutions = {"128x72": "128x72", "64x36": "64x36", "90x72": "128x72"}
    for rendition in anamorphic.renditions:
        assert rendition.resolution == resolutions[f"{rendition.width}x{rendition.height}"]
    with pytest.raises(SettingsError, match=r"130x72 is larger than the reference \(128x72\)"):
        build(Clip(source), 1.0, resolutions=((130, 72),), **FAKED)
