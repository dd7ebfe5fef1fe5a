"""package: real ladders in HLS and DASH, played by ffmpeg, and nothing left behind where it fails."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from pytest_vmaf.errors import ClipError, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.streaming.codec_strings import codec_string
from pytest_vmaf.streaming.manifests import Rendition
from pytest_vmaf.streaming.package import package, peak_bitrate

FRAMES, RATE, GOP = 60, 25, 20
#: Whole GOPs of 0.8 s.
SEGMENT = 0.8
SIZES = ("160x90", "320x180", "480x270")
ENCODERS: dict[str, tuple[str, tuple[object, ...]]] = {
    "h264": ("mp4", ("-c:v", "libx264", "-preset", "veryfast", "-g", GOP, "-keyint_min", GOP, "-sc_threshold", 0)),
    "hevc": (
        "mkv",
        (
            *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params"),
            f"log-level=error:keyint={GOP}:min-keyint={GOP}:scenecut=0:open-gop=0:bframes=3",
        ),
    ),
    "hevc-open": (
        "mkv",
        (
            *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params"),
            f"log-level=error:keyint={GOP}:min-keyint={GOP}:scenecut=0:open-gop=1:bframes=3",
        ),
    ),
    "av1": ("mp4", ("-c:v", "libsvtav1", "-preset", 10, "-g", GOP)),
    "av1-aom": ("ivf", ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", 8, "-g", GOP)),
    "vp9": ("webm", ("-c:v", "libvpx-vp9", "-cpu-used", 8, "-deadline", "good", "-lag-in-frames", 16, "-g", GOP)),
    "vvc": ("mp4", ("-c:v", "libvvenc", "-preset", "faster", "-vvenc-params", "poc0idr=1", "-g", 32)),
}


@pytest.fixture(scope="module")
def rendition(
    make: Callable[..., Path], ffmpeg: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Rendition]:
    """rendition("h264", "320x180"): an encode as a step of a ladder, made once."""
    folder = tmp_path_factory.mktemp("ladder")
    made: dict[tuple[str, str], Rendition] = {}

    def encode(encoder: str, size: str = SIZES[0]) -> Rendition:
        if (encoder, size) not in made:
            suffix, arguments = ENCODERS[encoder]
            scene = f"mandelbrot=size={size}:rate={RATE}:end_scale=0.01,format=yuv420p"
            path = folder / f"{encoder}-{size}.{suffix}"
            make("-f", "lavfi", "-i", scene, "-frames:v", FRAMES, "-pix_fmt", "yuv420p", *arguments, path)
            peak = peak_bitrate(path, ffmpeg, SEGMENT)
            width, height = map(int, size.split("x"))
            made[encoder, size] = Rendition(
                path=path,
                width=width,
                height=height,
                frame_rate=Fraction(RATE),
                bitrate=8 * path.stat().st_size * RATE / FRAMES,
                peak=peak,
                codecs=codec_string(path, ffmpeg),
                name=f"{encoder}-{size}",
            )
        return made[encoder, size]

    return encode


@dataclass(frozen=True)
class Variant:
    """What a multivariant playlist and the media playlist under it say of one rendition."""

    attributes: dict[str, str]
    media: Path
    uri: str
    initialization: int
    segments: list[tuple[float, int, int]]


def variants(manifest: Path) -> list[Variant]:
    """An HLS package, read with nothing but regular expressions."""
    text = manifest.read_text("ascii")
    found = []
    for line, uri in re.findall(r"^#EXT-X-STREAM-INF:(.+)\n(.+)$", text, re.MULTILINE):
        media = manifest.parent / unquote(uri)
        below = media.read_text("ascii")
        mapped, size = re.search(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@0"', below).groups()
        listed = re.findall(r"#EXTINF:([\d.]+),\n#EXT-X-BYTERANGE:(\d+)@(\d+)\n(.+)\n", below)
        assert {each[3] for each in listed} == {mapped}
        segments = [(float(each[0]), int(each[1]), int(each[2])) for each in listed]
        attributes = {
            key: quoted or plain for key, quoted, plain in re.findall(r'([A-Z-]+)=(?:"([^"]*)"|([^,]+))', line)
        }
        found.append(Variant(attributes, media, mapped, int(size), segments))
    return found


@pytest.fixture
def played(make: Callable[..., Path], ffmpeg: str, tmp_path: Path) -> Callable[..., list[int]]:
    """played(manifest, 3): how many frames ffmpeg decodes of each of the manifest's streams."""

    def frames(manifest: Path, streams: int) -> list[int]:
        counts = []
        for stream in range(streams):
            reader = ("-protocol_whitelist", "file", "-allowed_extensions", "m3u8,mp4", "-xerror", "-i")
            reader = reader if manifest.suffix == ".m3u8" else ("-protocol_whitelist", "file", "-xerror", "-i")
            out = tmp_path / f"played-{stream}.mkv"
            make(*reader, manifest, "-map", f"0:v:{stream}", "-fps_mode", "passthrough", "-c:v", "ffv1", out)
            counts.append(count_frames(Clip(out), ffmpeg))
        return counts

    return frames


def digest(make: Callable[..., Path], path: Path, out: Path) -> list[str]:
    """The frames of a clip, each as a hash of what is decoded."""
    make("-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framehash", out)
    return [line.split(",")[-1] for line in out.read_text().splitlines() if not line.startswith("#")]


# What is written


def test_an_hls_ladder_plays_and_adds_up(rendition, ffmpeg, played, tmp_path):
    ladder = [rendition("h264", size) for size in reversed(SIZES)]
    manifest = package(ladder, tmp_path / "out", ffmpeg, "hls", segment=SEGMENT)
    assert manifest == tmp_path / "out" / "index.m3u8"
    assert manifest.read_text().startswith("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n")
    found = variants(manifest)
    assert [one.attributes["RESOLUTION"] for one in found] == list(SIZES)
    expected = {f"h264-{size}.{suffix}" for size in SIZES for suffix in ("mp4", "m3u8")} | {"index.m3u8"}
    assert {path.name for path in manifest.parent.iterdir()} == expected
    for one, size in zip(found, SIZES, strict=True):
        assert one.attributes["CODECS"] == rendition("h264", size).codecs
        assert one.attributes["FRAME-RATE"] == "25.000"
        # One behind the other, to the end of the file; between header and segments stands the index alone.
        data = (manifest.parent / one.uri).read_bytes()
        begins = [at for _, _, at in one.segments]
        assert data[one.initialization + 4 : one.initialization + 8] == b"sidx"
        assert one.initialization + int.from_bytes(data[one.initialization :][:4]) == begins[0]
        assert all(
            at + length == begin for (_, length, at), begin in zip(one.segments, [*begins[1:], len(data)], strict=True)
        )
        assert all(data[at + 4 : at + 8] == b"moof" for at in begins)
        assert [duration for duration, _, _ in one.segments] == [SEGMENT] * (FRAMES // GOP)
    assert played(manifest, len(SIZES)) == [FRAMES] * len(SIZES)


def test_the_bandwidths_are_those_of_the_segments(rendition, ffmpeg, tmp_path):
    ladder = [rendition("h264", size) for size in SIZES]
    for one, said in zip(variants(package(ladder, tmp_path, ffmpeg, "hls", segment=SEGMENT)), ladder, strict=True):
        rates = [8 * length / duration for duration, length, _ in one.segments]
        assert int(one.attributes["BANDWIDTH"]) == pytest.approx(max(rates), abs=1)
        assert int(one.attributes["AVERAGE-BANDWIDTH"]) == pytest.approx(sum(rates) / len(rates), abs=1)
        # The packets alone, without the container's 16 bytes a frame or less.
        overhead = max(rates) - said.peak
        assert 0 < overhead < 8 * (120 + 16 * GOP) / SEGMENT


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("form", ["hls", "dash"])
def test_every_codec_plays_frame_by_frame_as_it_was(encoder, form, rendition, ffmpeg, make, played, tmp_path):
    one = rendition(encoder)
    manifest = package([one], tmp_path / "out", ffmpeg, form, segment=SEGMENT)
    assert played(manifest, 1) == [FRAMES]
    packaged = manifest.parent / f"{one.name}.mp4"
    assert digest(make, packaged, tmp_path / "a") == digest(make, one.path, tmp_path / "b")
    assert codec_string(packaged, ffmpeg) == one.codecs
    # The sample entry says what the manifest says.
    assert one.codecs[:4].encode() + bytes(6) in packaged.read_bytes()[:4096]


def test_a_dash_ladder_plays_and_its_index_is_where_it_says(rendition, ffmpeg, played, tmp_path):
    ladder = [rendition("vp9", size) for size in SIZES]
    manifest = package(ladder, tmp_path / "out", ffmpeg, "dash", segment=SEGMENT)
    assert {path.name for path in manifest.parent.iterdir()} == {"index.mpd", *(f"vp9-{size}.mp4" for size in SIZES)}
    root = ElementTree.parse(manifest).getroot()
    space = {"d": "urn:mpeg:dash:schema:mpd:2011"}
    assert root.get("mediaPresentationDuration") == f"PT{FRAMES / RATE:.6f}S"
    assert root.find("d:Period/d:AdaptationSet", space).get("subsegmentAlignment") == "true"
    found = root.findall("d:Period/d:AdaptationSet/d:Representation", space)
    assert [f"{one.get('width')}x{one.get('height')}" for one in found] == list(SIZES)
    for one in found:
        data = (manifest.parent / one.findtext("d:BaseURL", None, space)).read_bytes()
        first, last = map(int, one.find("d:SegmentBase", space).get("indexRange").split("-"))
        header = one.find("d:SegmentBase/d:Initialization", space).get("range")
        assert header == f"0-{first - 1}"
        assert data[first + 4 : first + 8] == b"sidx"
        assert int.from_bytes(data[first : first + 4]) == last + 1 - first
        assert data[last + 5 : last + 9] == b"moof"
    assert played(manifest, len(SIZES)) == [FRAMES] * len(SIZES)


def test_segments_are_cut_at_the_first_key_frame_that_is_far_enough(rendition, ffmpeg, tmp_path):
    def durations(segment: float) -> list[float]:
        (one,) = variants(package([rendition("h264")], tmp_path, ffmpeg, "hls", segment=segment))
        return [duration for duration, _, _ in one.segments]

    assert durations(0.1) == [0.8, 0.8, 0.8]
    assert durations(0.81) == [0.8, 0.8, 0.8]  # within half a frame
    assert durations(0.9) == [1.6, 0.8]
    assert durations(6) == [2.4]


def test_an_open_gop_is_cut_by_what_is_shown_and_not_called_independent(rendition, ffmpeg, tmp_path):
    manifest = package([rendition("hevc-open")], tmp_path, ffmpeg, "hls", segment=SEGMENT)
    assert "INDEPENDENT" not in manifest.read_text()
    assert [duration for duration, _, _ in variants(manifest)[0].segments] == [SEGMENT] * (FRAMES // GOP)
    closed = package([rendition("hevc")], tmp_path, ffmpeg, "hls", segment=SEGMENT)
    assert "INDEPENDENT" in closed.read_text()


def test_a_package_is_the_same_every_time_and_replaces_an_earlier_one(rendition, ffmpeg, tmp_path):
    def written() -> dict[str, bytes]:
        package([rendition("h264")], tmp_path / "out", ffmpeg, "hls")
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    first = written()
    (tmp_path / "out" / "index.m3u8").write_text("stale")
    assert written() == first


@pytest.mark.parametrize("form", ["hls", "dash"])
@pytest.mark.parametrize("name", ["a b", "50%20", "a&b<c>", "\"'", "-y", "a:b", "%d.ts", "ä\u2028", "#1?x=2"])
def test_hostile_names_stay_names(name, form, rendition, ffmpeg, tmp_path):
    manifest = package([replace(rendition("h264"), name=name)], tmp_path, ffmpeg, form)
    assert (tmp_path / f"{name}.mp4").is_file()
    if form == "hls":
        (one,) = variants(manifest)
        assert (one.media.name, unquote(one.uri)) == (f"{name}.m3u8", f"{name}.mp4")
    else:
        (url,) = ElementTree.parse(manifest).getroot().iter("{urn:mpeg:dash:schema:mpd:2011}BaseURL")
        assert unquote(url.text) == f"{name}.mp4"


# The peak


def test_the_peak_is_that_of_the_packets_between_key_frames(rendition, ffmpeg, make, tmp_path):
    listed = make("-i", rendition("h264").path, "-c", "copy", "-f", "framehash", tmp_path / "packets").read_text()
    sizes = [int(line.split(",")[4]) for line in listed.splitlines() if not line.startswith("#")]
    runs = [sum(sizes[at : at + GOP]) for at in range(0, FRAMES, GOP)]
    assert peak_bitrate(rendition("h264").path, ffmpeg, SEGMENT) == pytest.approx(8 * max(runs) / SEGMENT)
    assert peak_bitrate(rendition("h264").path, ffmpeg) == pytest.approx(8 * sum(sizes) * RATE / FRAMES)


def test_the_peak_of_a_bare_stream_is_that_of_its_file(rendition, ffmpeg, make, tmp_path):
    bare = make("-i", rendition("h264").path, "-c", "copy", tmp_path / "a.264")
    # Parameter sets are repeated in the bare stream.
    assert peak_bitrate(bare, ffmpeg, SEGMENT) == pytest.approx(rendition("h264").peak, rel=0.03)


def test_the_peak_of_what_is_no_video_is_an_error(ffmpeg, tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(ClipError, match=r"The frames of .*a\.mp4 cannot be listed"):
        peak_bitrate(tmp_path / "a.mp4", ffmpeg)


# What fails, and leaves nothing


def refused(
    error: type[Exception], match: str, ladder: list[Rendition], folder: Path, ffmpeg: str, **more: object
) -> None:
    """Packaging fails with this message and leaves the folder as it was."""
    before = snapshot(folder)
    with pytest.raises(error, match=match):
        package(ladder, folder, ffmpeg, **{"form": "hls", **more})  # type: ignore[arg-type]
    assert snapshot(folder) == before


def snapshot(folder: Path) -> dict[str, bytes] | None:
    if not folder.is_dir():
        return None
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_no_renditions_a_wrong_form_and_no_segment_are_refused(rendition, ffmpeg, tmp_path):
    out = tmp_path / "out"
    refused(SettingsError, "no renditions", [], out, ffmpeg)
    refused(SettingsError, "form is 'mss'", [rendition("h264")], out, ffmpeg, form="mss")
    refused(SettingsError, "segment is 0", [rendition("h264")], out, ffmpeg, segment=0)
    refused(SettingsError, "no file should have", [replace(rendition("h264"), name="a\nb")], out, ffmpeg)


def test_a_wrong_codec_is_found_out(rendition, ffmpeg, tmp_path):
    wrong = replace(rendition("vp9"), codecs="vp09.00.41.08")
    message = r"vp9-160x90\.webm is vp09\.00\.1\d\.08, not vp09\.00\.41\.08 as its rendition 'vp9-160x90' says"
    refused(ClipError, message, [rendition("h264"), wrong], tmp_path / "a" / "b", ffmpeg)
    assert not (tmp_path / "a").exists()


def test_a_codec_that_no_manifest_is_written_for_is_refused(rendition, make, reference, ffmpeg, tmp_path):
    path = make("-i", reference, "-c:v", "mpeg4", "-frames:v", 9, tmp_path / "a.mp4")
    refused(ClipError, "coded as 'mp4v'", [replace(rendition("h264"), path=path)], tmp_path / "out", ffmpeg)
    path = make("-i", reference, "-c:v", "huffyuv", "-pix_fmt", "yuv422p", "-frames:v", 9, tmp_path / "a.mkv")
    message = "ffmpeg wrote no fragmented MP4 of it"
    refused(ClipError, message, [replace(rendition("h264"), path=path)], tmp_path / "out", ffmpeg)


def test_a_bare_stream_is_refused_with_what_to_do(rendition, make, ffmpeg, tmp_path):
    bare = make("-i", rendition("h264").path, "-c", "copy", tmp_path / "a.264")
    ladder = [replace(rendition("h264"), path=bare)]
    refused(ClipError, r"does not say when its frames are shown(.|\n)*\.mp4 or \.mkv", ladder, tmp_path / "out", ffmpeg)


def test_a_stream_that_begins_with_leading_frames_is_refused(rendition, make, ffmpeg, tmp_path):
    scene = "mandelbrot=size=160x90:rate=25,format=yuv420p10le"
    path = make(
        "-f", "lavfi", "-i", scene, "-frames:v", FRAMES, "-c:v", "libvvenc", "-preset", "faster", tmp_path / "a.mp4"
    )
    ladder = [replace(rendition("vvc"), path=path)]
    refused(ClipError, r"does not begin with a key frame(.|\n)*poc0idr=1", ladder, tmp_path / "out", ffmpeg)


def test_a_missing_or_damaged_encode_leaves_nothing(rendition, ffmpeg, tmp_path):
    good = rendition("h264")
    refused(ClipError, "does not exist", [good, replace(good, path=tmp_path / "x", name="x")], tmp_path / "out", ffmpeg)
    (tmp_path / "cut.mp4").write_bytes(good.path.read_bytes()[:3000])
    cut = replace(good, path=tmp_path / "cut.mp4", name="cut")
    refused(ClipError, r"cut\.mp4", [good, cut], tmp_path / "out", ffmpeg)


def test_an_earlier_package_outlives_a_failure(rendition, ffmpeg, tmp_path):
    good = rendition("h264")
    package([good], tmp_path, ffmpeg, "hls")
    refused(ClipError, "does not exist", [good, replace(good, path=tmp_path / "x", name="x")], tmp_path, ffmpeg)


def test_an_encode_is_not_overwritten_by_its_package(rendition, ffmpeg, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(rendition("h264").path.read_bytes())
    one = replace(rendition("h264"), path=path, name="a")
    refused(SettingsError, r"a\.mp4 would be overwritten; package into a folder of its own", [one], tmp_path, ffmpeg)


def test_the_time_limit_holds(rendition, ffmpeg, tmp_path):
    refused(ScorerError, "time limit", [rendition("h264")], tmp_path / "out", ffmpeg, timeout=1e-6)


def test_a_folder_that_cannot_be_made_is_an_error(rendition, ffmpeg, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(MeasurementError, match=r"No package can be written to .*file"):
            package([rendition("h264")], folder, ffmpeg, "hls")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_that_cannot_be_written_to_is_an_error(rendition, ffmpeg, tmp_path):
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere; run it as another than root")
        with pytest.raises(MeasurementError, match=r"No package can be written to .*Permission denied"):
            package([rendition("h264")], tmp_path / "out", ffmpeg, "hls")
        assert list(tmp_path.iterdir()) == []
    finally:
        tmp_path.chmod(0o700)


def test_a_place_that_a_folder_takes_undoes_what_was_moved(rendition, ffmpeg, tmp_path):
    (tmp_path / "index.m3u8").mkdir()
    refused(MeasurementError, "No package can be written to", [rendition("h264")], tmp_path, ffmpeg)


@pytest.fixture
def room() -> Iterator[Callable[[int], None]]:
    """room(bytes): no file that is written from now on gets larger, as on a full disk."""
    resource = pytest.importorskip("resource", reason="file sizes are limited on POSIX systems")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # This process gets an error then; ffmpeg is killed.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 100, 2000, 20_000])
@pytest.mark.parametrize("form", ["hls", "dash"])
def test_a_full_disk_leaves_nothing(form, size, rendition, ffmpeg, room, tmp_path):
    ladder = [rendition("h264", each) for each in SIZES]
    assert all(one.path.stat().st_size > 20_000 for one in ladder[1:])
    room(size)
    refused(MeasurementError, "fragmented MP4|No package can be written", ladder, tmp_path / "out", ffmpeg, form=form)


def test_an_interrupt_while_files_are_moved_undoes_it(rendition, ffmpeg, monkeypatch, tmp_path):
    moves: list[object] = []

    def interrupted(made: Path, place: Path, move: Callable[..., None] = os.replace) -> None:
        moves.append(place)
        if len(moves) == 2:
            raise KeyboardInterrupt
        move(made, place)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        package([rendition("h264")], tmp_path / "out", ffmpeg, "hls")
    assert len(moves) == 2
    assert list(tmp_path.iterdir()) == []
