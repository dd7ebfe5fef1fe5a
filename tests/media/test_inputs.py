"""What users pass for a clip: the message names the command that makes it readable, and that command works."""

from __future__ import annotations

import gzip
import http.server
import lzma
import os
import re
import shlex
import shutil
import subprocess
import threading
from functools import partial
from pathlib import Path

import pytest

from pytest_vmaf import Vmaf
from pytest_vmaf.errors import ClipError, MeasurementError, PairError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.inspect import count_frames, inspect
from pytest_vmaf.media.pair import check_pair
from pytest_vmaf.media.tracks import default_track

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 20)
slow = pytest.mark.slow


def quick(first, *others):
    """Parameters of which only the first is quick."""
    return [first, *(pytest.param(*(each if isinstance(each, tuple) else (each,)), marks=slow) for each in others)]


@pytest.fixture(scope="module")
def clip(make, footage, tmp_path_factory):
    """An encode of 6 frames."""
    return make("-i", footage("192x128", 6), *X264, tmp_path_factory.mktemp("inputs") / "clip.mp4")


@pytest.fixture
def shell(ffmpeg, tmp_path, monkeypatch):
    """shell(command, input=None): run a command that a message names, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(command, data=None):
        line = command.replace("ffmpeg ", f"{shlex.quote(ffmpeg)} -v error -y ", 1)
        subprocess.run(line, shell=True, check=True, input=data, stdin=None if data else subprocess.DEVNULL)

    return run


def refusal(path):
    """The message about a path that is not a clip."""
    with pytest.raises(ClipError) as raised:
        input_arguments(Clip(path))
    return str(raised.value)


def command_in(message):
    return message.partition("\n  ")[2].partition("\n")[0]


@pytest.mark.parametrize("kind", ["hls", "dash"])
def test_manifest(kind, footage, make, ffmpeg, shell):
    name = {"hls": "package/film.m3u8", "dash": "package/film.mpd"}[kind]
    Path("package").mkdir()
    make("-i", footage("192x128", 24), *X264, "-g", 8, "-f", kind, name)
    message = refusal(name)
    assert f"{name} is {'an HLS playlist' if kind == 'hls' else 'a DASH manifest'}, which names other files." in message
    shell(command_in(message))
    assert count_frames(Clip("film.mkv"), ffmpeg) == 24


@pytest.mark.parametrize("header", quick("", "# parts\n", "ffconcat version 1.0\n"))
def test_concat_script(header, clip, ffmpeg, shell):
    Path("list.txt").write_text(f"{header}file '{clip}'\nfile '{clip}'\n")
    message = refusal("list.txt")
    assert "is a concat script, which names other files" in message
    shell(command_in(message))
    assert count_frames(Clip("list.mkv"), ffmpeg) == 12


@pytest.mark.parametrize("tool", quick("gzip", "xz", "zstd", "bzip2", "zip"))
def test_compressed(tool, footage, make, ffmpeg, shell):
    y4m = make("-i", footage("192x128", 6), "a.y4m").absolute()
    if tool == "gzip":
        Path("a.y4m.gz").write_bytes(gzip.compress(y4m.read_bytes()))
    elif tool == "xz":
        Path("a.y4m.xz").write_bytes(lzma.compress(y4m.read_bytes()))
    elif shutil.which(tool) is None:
        pytest.skip(f"install {tool} to run this")
    else:
        subprocess.run([tool, *({"zip": ["-q", "a.y4m.zip"], "zstd": ["-q"]}.get(tool, [])), "a.y4m"], check=True)
    packed = next(path for path in map(str, Path().iterdir()) if path not in ("a.y4m",) and "a.y4m." in path)
    y4m.unlink(missing_ok=True)
    message = refusal(packed)
    assert re.search(r"is compressed with \w+\. Expand it first:\n", message)
    shell(command_in(message))
    assert count_frames(Clip("a.y4m"), ffmpeg) == 6


@pytest.mark.parametrize(
    "name", ["-", "pipe", *(pytest.param(name, marks=slow) for name in ("/dev/stdin", "/dev/fd/0"))]
)
def test_streams(name, footage, make, ffmpeg, shell):
    if name == "pipe":
        os.mkfifo(name)
    message = refusal(name)
    assert ("is a named pipe" if name == "pipe" else "is standard input") in message
    data = make("-i", footage("192x128", 2), "in.y4m").read_bytes()
    command = command_in(message)
    if name == "pipe":
        writer = threading.Thread(target=Path("pipe").write_bytes, args=(data,))
        writer.start()
        shell(command)
        writer.join()
    else:
        shell(command, data)
    assert count_frames(Clip("clip.y4m"), ffmpeg) == 2


@pytest.mark.parametrize(
    ("names", "pattern"),
    quick(
        (["frame_0001.png", "frame_0002.png", "frame_0003.png"], "frame_%04d.png"),
        ([f"f{number}.png" for number in range(8, 12)], "f%d.png"),
        ([f"a1b{number:02}.png" for number in range(3)], "a1b%02d.png"),
    ),
)
def test_folder_and_glob_of_a_sequence(names, pattern, make, footage, ffmpeg, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    picture = make("-i", footage("192x128", 6), "-frames:v", 1, tmp_path / "one.png")
    for name in names:
        shutil.copy(picture, folder / name)
    for path in (folder, folder / "*.png"):
        message = refusal(path)
        assert f"The sequence of its {len(names)} pictures is" in message
        sequence = eval(command_in(message))
        assert sequence.path.name == pattern
        assert count_frames(sequence, ffmpeg) == len(names)
    [first, *_] = names
    message = refusal(folder / pattern.replace("%04d", "####").replace("%02d", "##").replace("%d", "#"))
    assert "The number of a picture sequence is written like" in message
    # One picture of a sequence beside a video is a mistake, beside another picture it may be meant.
    with pytest.raises(PairError, match="length: the distorted clip is one picture, the other clip has more"):
        pair(ffmpeg, footage("192x128", 6), folder / first)
    sequence_note = f"distorted is one picture of {len(names)}; Clip({str(folder / pattern)!r}) is all of them"
    assert sequence_note in pair(ffmpeg, picture, folder / first).notes


def pair(ffmpeg, reference, distorted, **settings):
    clips = [clip if isinstance(clip, Clip) else Clip(clip) for clip in (reference, distorted)]
    return check_pair(*clips, ffmpeg, **{"scale": None, "align": False, "allow": (), **settings})


@slow
def test_folder_without_numbers(make, footage, ffmpeg, shell, tmp_path):
    Path("pictures with blanks").mkdir()
    for name in ("intro.png", "outro.png"):
        make("-i", footage("192x128", 6), "-frames:v", 1, Path("pictures with blanks") / name)
    message = refusal("pictures with blanks")
    assert "Its pictures are not numbered one by one" in message
    shell(command_in(message))
    assert count_frames(Clip("pictures.mkv"), ffmpeg) == 2
    Path("empty").mkdir()
    assert refusal("empty") == "empty is a folder. It has no files."
    assert refusal("none*.png") == "none*.png matches no file."
    shutil.copy(Path("pictures.mkv"), "empty/a.mkv")
    assert refusal("empty") == "empty is a folder. Name one of its files, for example empty/a.mkv"


def test_url(clip, ffmpeg, shell):
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=clip.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        message = refusal(f"http://127.0.0.1:{server.server_port}/clip.mp4?a=b&c")
        assert f"http://127.0.0.1:{server.server_port}/clip.mp4?a=b&c is a URL, not a local file." in message
        shell(command_in(message))
        server.shutdown()
    assert count_frames(Clip("clip.mkv"), ffmpeg) == 6
    assert refusal(f"file://{clip}") == f"file://{clip} is a URL. Pass the path: {clip}"
    assert refusal("s3://bucket/a.mp4") == "s3://bucket/a.mp4 is a URL, not a local file. Download it first."


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("<!DOCTYPE html><html>", "is a web page, not a video"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS, not the video"),
    ],
)
def test_what_a_download_left(head, words, tmp_path):
    (tmp_path / "a.mp4").write_text(head)
    assert words in refusal(tmp_path / "a.mp4")


def test_unfinished_mp4(clip, ffmpeg, tmp_path):
    path = tmp_path / "clip.mp4.part"
    path.write_bytes(clip.read_bytes()[:3000])
    with pytest.raises(ClipError, match=r"clip\.mp4\.part lacks its index \(moov\), so its recording or its download"):
        inspect(Clip(path), ffmpeg, 1)


def test_missing_file(tmp_path):
    (tmp_path / "reference.mp4").touch()
    assert refusal(tmp_path / "Reference.mp4").endswith("Reference.mp4 does not exist. Did you mean 'reference.mp4'?")
    # Another suffix makes a name near, the same suffix does not.
    assert refusal(tmp_path / "reference.mkv").endswith("reference.mkv does not exist. Did you mean 'reference.mp4'?")
    assert refusal(tmp_path / "nope.mp4").endswith("nope.mp4 does not exist.")
    (tmp_path / "link.mp4").symlink_to("gone.mp4")
    assert refusal(tmp_path / "link.mp4").endswith("link.mp4 is a link to gone.mp4, which does not exist.")


@pytest.mark.parametrize("path", [None, 5, 1.5, ["a.mp4"], {"a": 1}])
def test_path_of_another_type(path):
    with pytest.raises(ClipError, match="A clip must be a path, a Clip, an encode or frames in memory, not"):
        Clip(path)


def test_path_with_a_lone_surrogate():
    with pytest.raises(ClipError, match=r"'a\\ud800\.mp4' contains a character that no file name can have"):
        Clip("a\ud800.mp4")


# y4m


@pytest.fixture(scope="module")
def frames(make, footage, tmp_path_factory):
    """The header and the three frames of a y4m file."""
    path = make("-i", footage("192x128", 6), "-frames:v", 3, tmp_path_factory.mktemp("y4m") / "a.y4m")
    header, *parts = path.read_bytes().split(b"FRAME\n")
    return header, parts


@pytest.mark.parametrize(
    "headers",
    [
        (b"FRAME Ip\n", b"FRAME Ip\n", b"FRAME Ip\n"),
        (b"FRAME\n", b"FRAME Ip\n", b"FRAME\n"),
        (b"FRAME Ip\n", b"FRAME\n", b"FRAME Ip XA=1 \n"),
    ],
)
def test_y4m_with_frame_parameters(headers, frames, ffmpeg, tmp_path):
    header, parts = frames
    path = tmp_path / "a.y4m"
    whole = header + b"".join(head + part for head, part in zip(headers, parts, strict=True))
    path.write_bytes(whole)
    assert count_frames(Clip(path), ffmpeg) == 3
    for cut in (1, len(parts[0]), len(parts[0]) + len(headers[2]) - 1):
        path = tmp_path / f"cut{cut}.y4m"
        path.write_bytes(whole[:-cut])
        assert refusal(path) == f"{path} is cut off: its last frame is incomplete."


def test_y4m_that_goes_on_with_something_else(frames, tmp_path):
    header, parts = frames
    path = tmp_path / "a.y4m"
    path.write_bytes(header + b"FRAME\n" + parts[0] + b"x" * 1000)
    assert refusal(path) == f"{path} is damaged: frame 1 has no frame header."


@pytest.mark.parametrize("pix_fmt", quick("gray", "gray10le", "yuv411p", "yuva444p", "yuv422p10le", "yuv444p12le"))
def test_y4m_formats(pix_fmt, make, ffmpeg, tmp_path):
    scene = f"testsrc2=size=35x27,format={pix_fmt}"
    path = make("-f", "lavfi", "-i", scene, "-frames:v", 2, "-strict", "-1", tmp_path / "a.y4m")
    assert input_arguments(Clip(path))
    path.write_bytes(path.read_bytes()[:-3])
    assert "is cut off" in refusal(path)


# Streams of a file


@pytest.fixture(scope="module")
def tracks(make, clip, tmp_path_factory):
    """tracks("mov"): a thumbnail track before the video, which is the default."""
    folder = tmp_path_factory.mktemp("tracks")
    thumbnail = make("-i", clip, "-vf", "scale=48:32", *X264, folder / "thumbnail.mp4")

    def file(suffix, *flags):
        path = folder / f"{''.join(flags)}thumb.{suffix}"
        flags = flags or ("-disposition:v:0", "0", "-disposition:v:1", "default")
        maps = ("-i", thumbnail, "-i", clip, "-map", "0:v", "-map", "1:v", "-c", "copy")
        return path if path.exists() else make(*maps, *flags, path)

    return file


@pytest.mark.parametrize("suffix", ["mov", "mkv", pytest.param("mp4", marks=slow)])
def test_default_track(suffix, tracks, clip, ffmpeg):
    path = tracks(suffix)
    assert default_track(path) == 1
    video = inspect(Clip(path), ffmpeg, 1)
    assert (video.width, video.height, video.stream, video.streams) == (192, 128, 1, 2)
    assert video.tracks == "0: 48x32 h264; 1: 192x128 h264, default"
    [note] = pair(ffmpeg, path, clip).notes
    assert note == (
        "reference has 2 video streams (0: 48x32 h264; 1: 192x128 h264, default); stream 1, which players show, is "
        "scored; Clip(path, stream=0) selects another"
    )


@pytest.mark.slow
def test_streams_that_are_named(tracks, clip, ffmpeg, score):
    path = tracks("mov")
    first = inspect(Clip(path, stream=0), ffmpeg, 1)
    assert (first.width, first.stream) == (48, 0)
    with pytest.raises(PairError) as raised:
        pair(ffmpeg, Clip(path, stream=0), clip)
    assert f"0 was read, not Clip({str(path)!r}, stream=1)" in str(raised.value)
    named = score(Clip(path, stream=1), clip)
    assert named.neg.unclipped.frames == score(clip, clip).neg.unclipped.frames
    assert named.context.reference == f"{path} (stream 1)"
    with pytest.raises(
        ClipError, match=r"has no video stream 2\. Its video streams are 0: 48x32 h264; 1: 192x128 h264"
    ):
        inspect(Clip(path, stream=2), ffmpeg, 1)


@pytest.mark.parametrize("stream", [-1, True, "1", 1.0, 1000])
def test_invalid_stream(stream):
    with pytest.raises(ClipError, match=r"a\.mkv: stream must be the number of a video stream, from 0 on, not"):
        Clip("a.mkv", stream=stream)


def test_cover_is_not_a_stream(make, clip, ffmpeg, tmp_path):
    cover = make("-i", clip, "-frames:v", 1, tmp_path / "cover.png")
    maps = ("-map", "0:v", "-map", "1:v", "-c", "copy", "-disposition:v:0", "attached_pic")
    path = make("-i", cover, "-i", clip, *maps, tmp_path / "cover.mp4")
    video = inspect(Clip(path), ffmpeg, 1)
    assert (video.streams, video.stream, video.width) == (1, 0, 192)
    assert video_stream(Clip(path), 3) == "3:V:0"


@pytest.mark.parametrize("head", [b"\x1aE\xdf\xa3", b"\0\0\0\x08ftyp", b"\0\0\0\0moov", b"\xff" * 40, b""])
@pytest.mark.parametrize("tail", [b"", b"\x18S\x80g\xff", b"\0" * 64, b"\x18S\x80g\x01" + b"\xff" * 30])
def test_tracks_of_damaged_files(head, tail, tmp_path):
    (tmp_path / "a").write_bytes(head + tail)
    assert default_track(tmp_path / "a") == 0


# Files that change or have gaps


@pytest.fixture(scope="module")
def changing(make, footage, tmp_path_factory):
    """changing(frames): an H.264 stream whose size changes from 192x128 to 96x64 after so many frames."""
    folder = tmp_path_factory.mktemp("changing")

    def file(frames):
        parts = [
            make("-i", footage("192x128", 24), "-frames:v", frames, *X264, folder / f"a{frames}.h264"),
            make("-i", footage("192x128", 24), "-vf", "scale=96:64", "-frames:v", 4, *X264, folder / "b.h264"),
        ]
        path = folder / f"{frames}.h264"
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        return path

    return file


@pytest.mark.parametrize("frames", quick(20, 8))
def test_size_that_changes(frames, changing, footage, score, shell, ffmpeg):
    path, reference = changing(frames), footage("192x128", 24)
    for clips in ((reference, path), (path, reference))[: 1 if frames == 20 else 2]:
        with pytest.raises((ClipError, ScorerError)) as raised:
            score(*clips, scale="bicubic")
        assert f"The size of {path} changes at frame {frames}, from 192x128 to 96x64" in str(raised.value)
    shell(re.search(r"ffmpeg -i .*", str(raised.value))[0])
    assert count_frames(Clip(f"{frames}.mkv"), ffmpeg) == frames + 4


@slow
def test_tags_that_change(footage, make, score, shell, tmp_path):
    tag, words = "colorspace=bt470bg", "from bt709 to bt470bg"
    reference, parts = footage("192x128", 24), []
    for number, chain in enumerate(("trim=end_frame=20", f"trim=start_frame=20,setparams={tag}")):
        tags = f"setparams=range=tv:colorspace=bt709,{chain}"
        parts.append(make("-i", reference, "-vf", tags, *X264, tmp_path / f"part{number}.h264"))
    path = tmp_path / "joined.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(ScorerError, match=f"The colour tags of .* change at frame 20, {words}") as raised:
        score(reference, path)
    shell(re.search(r"ffmpeg -i .* joined.mkv", str(raised.value))[0])
    assert float(score(reference, tmp_path / "joined.mkv").neg) > 60


@slow
def test_display_matrix_that_ends(footage, make, score, shell, ffmpeg, tmp_path):
    """As H.264 states it for one picture."""
    reference = footage("192x128", 24)
    coded = make("-i", reference, *X264, tmp_path / "coded.mp4")
    matrix = "h264_metadata=display_orientation=insert:rotate=180"
    path = make("-i", coded, "-c", "copy", "-bsf:v", matrix, tmp_path / "sei.mp4")
    with pytest.raises(ClipError, match=r"^A display matrix ends at frame 1 of .*sei\.mp4, which turns") as raised:
        score(reference, path)
    shell(re.search(r"ffmpeg -noautorotate .* sei.mkv", str(raised.value))[0])
    assert score(reference, tmp_path / "sei.mkv").neg.frames == score(reference, coded).neg.frames


@slow
@pytest.mark.parametrize("at", [6, 20])
def test_display_matrix_that_begins(at, footage, make, score, tmp_path):
    """Within the frames that are inspected, and after them."""
    reference = footage("192x128", 24)
    parts = []
    matrix = ("-bsf:v", "h264_metadata=display_orientation=insert:rotate=180")
    for number, (window, options) in enumerate(((f"end_frame={at}", ()), (f"start_frame={at}", matrix))):
        coded = make("-i", reference, "-vf", f"trim={window}", *X264, tmp_path / f"{number}.h264")
        parts.append(make("-i", coded, "-c", "copy", *options, tmp_path / f"part{number}.h264"))
    path = tmp_path / "joined.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(MeasurementError, match=f"^A display matrix begins at frame {at} of .*joined.h264"):
        score(reference, path, signs=True)


@pytest.fixture(scope="module")
def transport_streams(make, footage, tmp_path_factory):
    """A transport stream joined from two, and one that lacks a packet."""
    folder = tmp_path_factory.mktemp("ts")
    parts = [
        make("-i", footage("192x128", 24), "-frames:v", 12, "-c:v", "libx264", "-crf", crf, folder / f"{crf}.ts")
        for crf in (20, 30)
    ]
    joined, lossy = folder / "joined.ts", folder / "lossy.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    data = parts[0].read_bytes()
    lossy.write_bytes(data[: 188 * 60] + data[188 * 61 :])
    return joined, lossy


def test_joined_transport_stream(transport_streams, ffmpeg, shell):
    with pytest.raises(ClipError) as raised:
        count_frames(Clip(transport_streams[0]), ffmpeg)
    assert "was joined from several transport streams" in str(raised.value)
    shell(command_in(str(raised.value)))
    assert count_frames(Clip("joined.mkv"), ffmpeg) == 24


@pytest.mark.parametrize("before", [4, pytest.param(0, marks=slow)])
def test_joined_transport_stream_of_longer_packets(before, transport_streams, ffmpeg, tmp_path):
    """With a time code of 4 bytes before each packet, or 16 bytes of checksums after it."""
    data = transport_streams[0].read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    path = tmp_path / "joined.m2ts"
    path.write_bytes(b"".join(bytes(before) + packet + bytes(0 if before else 16) for packet in packets))
    with pytest.raises(ClipError, match="was joined from several transport streams"):
        count_frames(Clip(path), ffmpeg)


@slow
def test_searches_of_a_joined_transport_stream(transport_streams, make, tmp_path):
    """Joined after more than the first look decodes."""
    long = make("-f", "lavfi", "-i", "testsrc2=s=192x128:r=25:d=6", "-c:v", "libx264", "-b:v", "3M", tmp_path / "a.ts")
    path = tmp_path / "long.ts"
    path.write_bytes(long.read_bytes() + transport_streams[0].read_bytes())
    words = r"long\.ts was joined from several transport streams(.|\n)*-c copy long\.mkv"
    vmaf, output = Vmaf(), tmp_path / "out.mp4"
    with pytest.raises(MeasurementError, match=words):
        vmaf.encode(path, encoder="libx264", crf=30, output=output)
    with pytest.raises(MeasurementError, match=words):
        vmaf.encode(path, encoder="sh -c 'cat > $0; true {crf}' {output}", crf=30, output=output)
    with pytest.raises(MeasurementError, match=words):
        vmaf.per_shot(path, encoder="libx264", target=60)


def test_lossy_transport_stream(transport_streams, ffmpeg, shell):
    with pytest.raises(ClipError) as raised:
        inspect(Clip(transport_streams[1]), ffmpeg, 16)
    assert "has lost packets" in str(raised.value)
    shell(command_in(str(raised.value)))
    assert count_frames(Clip("lossy.mkv"), ffmpeg) == 12


@pytest.mark.slow
def test_damage_after_the_first_look(make, footage, score, shell):
    """The clip that is damaged is named, with what makes the rest of it readable."""
    whole = make("-i", footage("192x128", 24), "-c:v", "libx264", "-crf", 20, "-threads", 1, "whole.h264")
    data = Path(whole).read_bytes()
    Path("cut.h264").write_bytes(data[:-300])
    for pair in ((whole, "cut.h264"), ("cut.h264", whole)):
        with pytest.raises(ScorerError, match=r"^cut\.h264 is cut off or damaged \(") as raised:
            score(*pair)
    shell(command_in(str(raised.value)))
    assert Path("cut.mkv").exists()


def test_sound(make, tmp_path):
    paths = [make("-f", "lavfi", "-i", "sine=duration=0.1", tmp_path / f"a.{kind}") for kind in ("wav", "flac")]
    for name, head in (("a.mp3", b"ID3\4"), ("a.aac", b"\xff\xf1\x50")):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(head + bytes(400))
    for path in paths:
        assert refusal(path) == f"{path} is a sound file, not a video."
