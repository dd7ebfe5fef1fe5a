"""HLS and DASH packages: ladders that ffmpeg plays, and no files left after a failure."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_vmaf.errors import ClipError, MeasurementError, SettingsError
from pytest_vmaf.streaming.codec_strings import codec_string
from pytest_vmaf.streaming.manifests import Rendition
from pytest_vmaf.streaming.package import package, peak_bitrate

FRAMES, RATE, GOP = 30, 20, 10
#: One GOP.
SEGMENT = 0.5
SIZES = ("96x54", "128x72")
H265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params")
CLOSED = f"log-level=error:keyint={GOP}:min-keyint={GOP}:scenecut=0:open-gop=0:bframes=3"
ENCODERS: dict[str, tuple[str, tuple[object, ...]]] = {
    "h264": ("mp4", ("-c:v", "libx264", "-preset", "veryfast", "-g", GOP, "-keyint_min", GOP, "-sc_threshold", 0)),
    "hevc": ("mkv", (*H265, CLOSED)),
    "hevc-open": ("mkv", (*H265, CLOSED.replace("open-gop=0", "open-gop=1"))),
    "av1": ("mp4", ("-c:v", "libsvtav1", "-preset", 10, "-g", GOP)),
    "av1-aom": ("ivf", ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", 8, "-g", GOP)),
    "vp9": ("webm", ("-c:v", "libvpx-vp9", "-cpu-used", 8, "-deadline", "good", "-lag-in-frames", 16, "-g", GOP)),
    "vvc": ("mp4", ("-c:v", "libvvenc", "-preset", "faster", "-vvenc-params", "poc0idr=1", "-g", 16)),
}
SCENE = "testsrc2=size={size}:rate=20,noise=alls=9:allf=t:all_seed=7,format=yuv420p"


@pytest.fixture(scope="module")
def rendition(
    make: Callable[..., Path], ffmpeg: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Rendition]:
    """rendition("h264", "128x72"): an encode as a step of a ladder, made once."""
    folder = tmp_path_factory.mktemp("ladder")
    renditions: dict[tuple[str, str], Rendition] = {}

    def encode(encoder: str, size: str = SIZES[0]) -> Rendition:
        if (encoder, size) not in renditions:
            suffix, arguments = ENCODERS[encoder]
            path = folder / f"{encoder}-{size}.{suffix}"
            make("-f", "lavfi", "-i", SCENE.format(size=size), "-frames:v", FRAMES, *arguments, path)
            width, height = map(int, size.split("x"))
            renditions[encoder, size] = Rendition(
                path=path,
                width=width,
                height=height,
                frame_rate=Fraction(RATE),
                bitrate=8 * path.stat().st_size * RATE / FRAMES,
                peak=peak_bitrate(path, ffmpeg, SEGMENT),
                codecs=codec_string(path, ffmpeg),
                name=f"{encoder}-{size}",
            )
        return renditions[encoder, size]

    return encode


@dataclass(frozen=True)
class Variant:
    """One rendition as a multivariant playlist and its media playlist describe it."""

    attributes: dict[str, str]
    media: Path
    uri: str
    initialization: int
    segments: list[tuple[float, int, int]]


def variants(manifest: Path) -> list[Variant]:
    """The renditions of an HLS package, read with regular expressions."""
    text = manifest.read_text("ascii")
    renditions = []
    for line, uri in re.findall(r"^#EXT-X-STREAM-INF:(.+)\n(.+)$", text, re.MULTILINE):
        media = manifest.parent / uri
        below = media.read_text("ascii")
        mapped, size = re.search(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@0"', below).groups()
        lines = re.findall(r"#EXTINF:([\d.]+),\n#EXT-X-BYTERANGE:(\d+)@(\d+)\n(.+)\n", below)
        assert {each[3] for each in lines} == {mapped}
        segments = [(float(each[0]), int(each[1]), int(each[2])) for each in lines]
        attributes = {
            key: quoted or plain for key, quoted, plain in re.findall(r'([A-Z-]+)=(?:"([^"]*)"|([^,]+))', line)
        }
        renditions.append(Variant(attributes, media, mapped, int(size), segments))
    return renditions


@pytest.fixture
def frames_of(make: Callable[..., Path], tmp_path: Path) -> Callable[..., list[list[str]]]:
    """frames_of(clip or manifest): the frames of each stream, each as a hash of what ffmpeg decodes."""

    def frames(path: Path) -> list[list[str]]:
        reader = ("-protocol_whitelist", "file", "-xerror") if path.suffix in (".m3u8", ".mpd") else ()
        reader += ("-allowed_extensions", "m3u8,mp4") if path.suffix == ".m3u8" else ()
        out = tmp_path / "frames"
        make(*reader, "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framehash", out)
        rows = [line.split(",") for line in out.read_text().splitlines() if not line.startswith("#")]
        return [[row[-1] for row in rows if row[0] == stream] for stream in sorted({row[0] for row in rows})]

    return frames


# Packages


def test_hls_ladder(rendition, ffmpeg, frames_of, tmp_path):
    ladder = [rendition("h264", size) for size in reversed(SIZES)]
    manifest = package(ladder, tmp_path / "out", ffmpeg, "hls", segment=SEGMENT)
    assert manifest == tmp_path / "out" / "index.m3u8"
    assert manifest.read_text().startswith("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n")
    ours = variants(manifest)
    assert [each.attributes["RESOLUTION"] for each in ours] == list(SIZES)
    expected = {f"h264-{size}.{suffix}" for size in SIZES for suffix in ("mp4", "m3u8")} | {"index.m3u8"}
    assert {path.name for path in manifest.parent.iterdir()} == expected
    for each, source in zip(ours, reversed(ladder), strict=True):
        assert each.attributes["CODECS"] == source.codecs
        assert each.attributes["FRAME-RATE"] == "20.000"
        # One after the other, to the end of the file; between header and segments there is only the index.
        data = (manifest.parent / each.uri).read_bytes()
        begins = [at for _, _, at in each.segments]
        assert data[each.initialization + 4 : each.initialization + 8] == b"sidx"
        assert each.initialization + int.from_bytes(data[each.initialization :][:4]) == begins[0]
        assert [at + length for _, length, at in each.segments] == [*begins[1:], len(data)]
        assert all(data[at + 4 : at + 8] == b"moof" for at in begins)
        assert [duration for duration, _, _ in each.segments] == [SEGMENT] * (FRAMES // GOP)
        # Bandwidths are those of the segments. The packets alone lack the container's 16 bytes a frame or less.
        rates = [8 * length / duration for duration, length, _ in each.segments]
        assert int(each.attributes["BANDWIDTH"]) == pytest.approx(max(rates), abs=1)
        assert int(each.attributes["AVERAGE-BANDWIDTH"]) == pytest.approx(sum(rates) / len(rates), abs=1)
        assert 0 < max(rates) - source.peak < 8 * (120 + 16 * GOP) / SEGMENT
    assert [len(frames) for frames in frames_of(manifest)] == [FRAMES] * len(SIZES)


def test_dash_ladder(rendition, ffmpeg, frames_of, tmp_path):
    ladder = [rendition("h264", size) for size in SIZES]
    manifest = package(ladder, tmp_path / "out", ffmpeg, "dash", segment=SEGMENT)
    assert {path.name for path in manifest.parent.iterdir()} == {"index.mpd", *(f"h264-{size}.mp4" for size in SIZES)}
    root = ElementTree.parse(manifest).getroot()
    space = {"d": "urn:mpeg:dash:schema:mpd:2011"}
    assert root.get("mediaPresentationDuration") == f"PT{FRAMES / RATE:.6f}S"
    assert root.find("d:Period/d:AdaptationSet", space).get("subsegmentAlignment") == "true"
    elements = root.findall("d:Period/d:AdaptationSet/d:Representation", space)
    assert [f"{each.get('width')}x{each.get('height')}" for each in elements] == list(SIZES)
    for each in elements:
        data = (manifest.parent / each.findtext("d:BaseURL", None, space)).read_bytes()
        first, last = map(int, each.find("d:SegmentBase", space).get("indexRange").split("-"))
        header = each.find("d:SegmentBase/d:Initialization", space).get("range")
        assert header == f"0-{first - 1}"
        assert data[first + 4 : first + 8] == b"sidx"
        assert int.from_bytes(data[first : first + 4]) == last + 1 - first
        assert data[last + 5 : last + 9] == b"moof"
    assert frames_of(manifest) == [frames_of(source.path)[0] for source in ladder]


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_codecs(encoder, rendition, ffmpeg, frames_of, tmp_path):
    source = rendition(encoder)
    expected = frames_of(source.path)
    assert [len(frames) for frames in expected] == [FRAMES]
    for form in ("hls", "dash"):
        manifest = package([source], tmp_path / form, ffmpeg, form, segment=SEGMENT)
        assert frames_of(manifest) == expected
        packaged = manifest.parent / f"{source.name}.mp4"
        # The sample entry agrees with the manifest.
        assert source.codecs[:4].encode() + bytes(6) in packaged.read_bytes()[:4096]
    assert codec_string(packaged, ffmpeg) == source.codecs


def test_segment_length(rendition, ffmpeg, tmp_path):
    def durations(segment: float) -> list[float]:
        (variant,) = variants(package([rendition("h264")], tmp_path, ffmpeg, "hls", segment=segment))
        return [duration for duration, _, _ in variant.segments]

    assert durations(0.51) == [0.5, 0.5, 0.5]  # within half a frame
    assert durations(0.6) == [1.0, 0.5]
    assert durations(6) == [1.5]


def test_open_gop(rendition, ffmpeg, tmp_path):
    manifest = package([rendition("hevc-open")], tmp_path, ffmpeg, "hls", segment=SEGMENT)
    assert "INDEPENDENT" not in manifest.read_text()
    assert [duration for duration, _, _ in variants(manifest)[0].segments] == [SEGMENT] * (FRAMES // GOP)
    closed = package([rendition("hevc")], tmp_path, ffmpeg, "hls", segment=SEGMENT)
    assert "INDEPENDENT" in closed.read_text()
    # The sample entry is hvc1, as Apple's players require.
    assert b"hvc1" + bytes(6) in closed.with_name("hevc-96x54.mp4").read_bytes()[:4096]


def test_package_again(rendition, ffmpeg, tmp_path):
    def write() -> dict[str, bytes]:
        package([rendition("h264")], tmp_path / "out", ffmpeg, "hls")
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    first = write()
    (tmp_path / "out" / "index.m3u8").write_text("stale")
    assert write() == first


# Peak


def test_peak(rendition, ffmpeg, make, tmp_path):
    path = rendition("h264").path
    lines = make("-i", path, "-c", "copy", "-f", "framehash", tmp_path / "packets").read_text().splitlines()
    sizes = [int(line.split(",")[4]) for line in lines if not line.startswith("#")]
    runs = [sum(sizes[at : at + GOP]) for at in range(0, FRAMES, GOP)]
    assert peak_bitrate(path, ffmpeg, SEGMENT) == pytest.approx(8 * max(runs) / SEGMENT)
    assert peak_bitrate(path, ffmpeg) == pytest.approx(8 * sum(sizes) * RATE / FRAMES)


def test_peak_of_bare_stream(rendition, ffmpeg, make, tmp_path):
    bare = make("-i", rendition("h264").path, "-c", "copy", tmp_path / "a.264")
    # Parameter sets are repeated in the bare stream.
    assert peak_bitrate(bare, ffmpeg, SEGMENT) == pytest.approx(rendition("h264").peak, rel=0.03)


def test_peak_unreadable(ffmpeg, tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(ClipError, match=r"The frames of .*a\.mp4 cannot be listed"):
        peak_bitrate(tmp_path / "a.mp4", ffmpeg)


# Failures leave nothing


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


def test_options_invalid(rendition, ffmpeg, tmp_path):
    out = tmp_path / "out"
    refused(SettingsError, "at least one rendition", [], out, ffmpeg)
    refused(SettingsError, "form must be 'hls' or 'dash', not 'mss'", [rendition("h264")], out, ffmpeg, form="mss")


def test_another_codec(rendition, ffmpeg, tmp_path):
    wrong = replace(rendition("h264", SIZES[1]), codecs="avc1.640001")
    message = r"codecs of the rendition 'h264-128x72' must be avc1\.6400\w\w, as .*h264-128x72\.mp4 is, not avc1"
    refused(ClipError, message, [rendition("h264"), wrong], tmp_path / "a" / "b", ffmpeg)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("a.mp4", ("-c:v", "mpeg4"), "not 'mp4v'"),
        ("a.mkv", ("-c:v", "huffyuv", "-pix_fmt", "yuv422p"), "ffmpeg could not write a fragmented MP4"),
        ("a.264", ("-c:v", "libx264"), r"does not state when its frames are displayed(.|\n)*\.mp4 or \.mkv"),
        pytest.param(
            *("a.mp4", ("-c:v", "libvvenc", "-preset", "faster", "-pix_fmt", "yuv420p10le")),
            r"does not begin with a key frame(.|\n)*poc0idr=1",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_not_packageable(file, options, message, rendition, make, ffmpeg, tmp_path):
    frames = FRAMES if "libvvenc" in options else 6
    path = make("-f", "lavfi", "-i", SCENE.format(size="96x54"), "-frames:v", frames, *options, tmp_path / file)
    refused(ClipError, message, [replace(rendition("h264"), path=path)], tmp_path / "out", ffmpeg)


def test_encode_missing_or_damaged(rendition, ffmpeg, tmp_path):
    good, out = rendition("h264"), tmp_path / "out"
    missing = replace(good, path=tmp_path / "x", name="x")
    (tmp_path / "cut.mp4").write_bytes(good.path.read_bytes()[:3000])
    cut = replace(good, path=tmp_path / "cut.mp4", name="cut")
    refused(ClipError, "does not exist", [good, missing], out, ffmpeg)
    refused(ClipError, r"cut\.mp4", [good, cut], out, ffmpeg)
    # An earlier package stays.
    package([good], out, ffmpeg, "hls")
    refused(ClipError, "does not exist", [good, missing], out, ffmpeg)


def test_encode_not_overwritten(rendition, ffmpeg, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(rendition("h264").path.read_bytes())
    source = replace(rendition("h264"), path=path, name="a")
    refused(SettingsError, r"a\.mp4 would be overwritten\. Package into another folder", [source], tmp_path, ffmpeg)


def test_folder_is_a_file(rendition, ffmpeg, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(MeasurementError, match=r"The package cannot be written to .*file"):
            package([rendition("h264")], folder, ffmpeg, "hls")
    assert (tmp_path / "file").read_text() == "in the way"


def test_folder_not_writable(rendition, ffmpeg, tmp_path):
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere; run it as another user than root")
        with pytest.raises(MeasurementError, match=r"The package cannot be written to .*Permission denied"):
            package([rendition("h264")], tmp_path / "out", ffmpeg, "hls")
        assert list(tmp_path.iterdir()) == []
    finally:
        tmp_path.chmod(0o700)


def test_manifest_is_a_folder(rendition, ffmpeg, tmp_path):
    (tmp_path / "index.m3u8").mkdir()
    refused(MeasurementError, "The package cannot be written to", [rendition("h264")], tmp_path, ffmpeg)


#: Packages in a process whose files cannot grow beyond a limit, as on a full disk. Python then gets an error; ffmpeg is
#: killed. Prints one line for each attempt: the exception, its message, and whether a file is left.
FULL_DISK = """
import pickle, resource, signal, sys
from pathlib import Path
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.streaming.package import package
ladder, folder, ffmpeg = pickle.loads(Path(sys.argv[1]).read_bytes())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for size, form in ((0, "hls"), (2000, "dash"), (20_000, "hls")):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        package(ladder, folder, ffmpeg, form)
    except MeasurementError as error:
        message = str(error).partition("\\n")[0]
    else:
        message = "no error"
    sys.stdout.write(f"{message} {folder.exists()}\\n")
"""


def test_full_disk(rendition, ffmpeg, tmp_path):
    pytest.importorskip("resource", reason="file sizes are limited on POSIX systems")
    ladder = [rendition("h264", size) for size in SIZES]
    assert ladder[1].path.stat().st_size > 20_000
    (tmp_path / "in").write_bytes(pickle.dumps((ladder, tmp_path / "out", ffmpeg)))
    argv = [sys.executable, "-c", FULL_DISK, tmp_path / "in"]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert re.search("(fragmented MP4|The package cannot be written to).* False$", line)


def test_interrupt(rendition, ffmpeg, monkeypatch, tmp_path):
    moves: list[object] = []

    def interrupted(source: Path, target: Path, move: Callable[..., None] = os.replace) -> None:
        moves.append(target)
        if len(moves) == 2:
            raise KeyboardInterrupt
        move(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        package([rendition("h264")], tmp_path / "out", ffmpeg, "hls")
    assert len(moves) == 2
    assert list(tmp_path.iterdir()) == []
