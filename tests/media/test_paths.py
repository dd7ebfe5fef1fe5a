"""Untrusted names and contents: any name is that file, and nothing is read from elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import inspect

NAMES = [
    "with space.mkv",
    "single'quote.mkv",
    'double"quote.mkv',
    'it\'s "both".mkv',
    "colon:in:it.mkv",
    "C:\\windows\\like.mkv",
    "comma,in,it.mkv",
    "[0:v].mkv",
    "semi;colon.mkv",
    "a=b|c.mkv",
    "%d.mkv",
    "100%.mkv",
    "%%03d%n.mkv",
    "back\\slash.mkv",
    "-leading.mkv",
    "-i",
    "$(touch x) `touch y` $HOME & ~.mkv",
    "*?.mkv",
    "#hash{brace}<less>.mkv",
    "größe ✓ 日本語.mkv",
    "concat:a|b.mkv",
    "data:,x.mkv",
    "pipe:0",
    "http:",
    "trailing space ",
    "no suffix",
    ".hidden",
]


@pytest.fixture(scope="module")
def reference(footage):
    """A tiny lossless reference."""
    return footage("64x64", 3)


@pytest.fixture(scope="module")
def encoded(encode, reference):
    """An encode of the reference."""
    return encode(reference, 28)


@pytest.fixture(scope="module")
def expected(reference, encoded, score):
    """The frames of the plainly named clips."""
    return score(reference, encoded).neg.unclipped.frames


@pytest.fixture(scope="module")
def pictures(encoded, ffmpeg):
    """The thumbnails of the plainly named encode."""
    return inspect(Clip(encoded), ffmpeg, 3).thumbnails


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name(name, tmp_path, encoded, ffmpeg, pictures):
    shutil.copy(encoded, tmp_path / name)
    assert inspect(Clip(tmp_path / name), ffmpeg, 3).thumbnails == pictures
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ['it\'s %d: "a,b" [0:v];x=y|z \\n.mkv', "-i", "$(touch x) `touch y` $HOME & ~.mkv"])
def test_score_any_file_name(name, tmp_path, reference, encoded, score, expected):
    folders = tmp_path / f"ref {name}", tmp_path / f"dis {name}"
    for folder, source in zip(folders, (reference, encoded), strict=True):
        folder.mkdir()
        shutil.copy(source, folder / name)
    assert score(folders[0] / name, folders[1] / name).neg.unclipped.frames == expected
    assert sorted(path.name for folder in folders for path in folder.iterdir()) == [name, name]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems want names to be Unicode")
def test_name_not_unicode(tmp_path, reference, encoded, score, expected):
    name = os.fsencode(tmp_path) + b"/caf\xe9 \xff.mkv"
    shutil.copy(encoded, name)
    result = score(reference, Clip(name))
    assert result.neg.unclipped.frames == expected
    assert r"caf\udce9 \udcff.mkv" in result.context.distorted
    result.provenance["command"].encode("utf-8")


def test_relative_paths(tmp_path, reference, encoded, score, expected, monkeypatch):
    for name, source in (("-r.mkv", reference), ("d:0.mkv", encoded)):
        shutil.copy(source, tmp_path / name)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert score("../-r.mkv", Path("..", "d:0.mkv")).neg.unclipped.frames == expected
    monkeypatch.chdir(tmp_path)
    assert score("-r.mkv", "d:0.mkv").neg.unclipped.frames == expected


def test_links_are_followed(tmp_path, reference, encoded, score, expected):
    (tmp_path / "link").symlink_to(encoded)
    assert score(reference, tmp_path / "link").neg.unclipped.frames == expected


@pytest.mark.parametrize("name", ["a\nb.mkv", "a\rb.mkv", "a\x1b[2J.mkv", "a\0b.mkv", "\x7f"])
def test_control_characters_in_name(name, score, reference):
    with pytest.raises(ClipError, match="control character"):
        score(reference, name)


class Server(ThreadingHTTPServer):
    """Answers everything with a real clip, and records the requests."""

    requests: list[str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD give the clip."""

    def do_GET(self):
        server = self.server
        assert isinstance(server, Server)
        server.requests.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def server(encoded):
    """A web server on this machine; the test fails if anybody asks it for anything."""
    with Server(("127.0.0.1", 0), Handler) as server:
        server.requests, server.body = [], encoded.read_bytes()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
    assert server.requests == []


HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{url}'\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="0" bandwidth="1"><BaseURL>{url}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>\n"
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"


@pytest.mark.parametrize("points_to", ["http", "file"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", HLS),
        ("list.mp4", HLS),
        ("list.txt", CONCAT),
        ("list.ffconcat", CONCAT),
        ("list.mkv", CONCAT),
        ("list.mpd", DASH),
        ("list.sdp", SDP),
        ("graph.txt", "movie={url}\n"),
        ("graph.lavfi", "testsrc2=size=320x180\n"),
        ("list.png", CONCAT),
        ("page.html", '<video src="{url}">\n'),
    ],
)
def test_file_that_points_elsewhere(points_to, name, text, tmp_path, server, encoded, ffmpeg):
    shutil.copy(encoded, tmp_path / "clip.mp4")
    url = f"http://{server}/clip.mp4" if points_to == "http" else "clip.mp4"
    (tmp_path / name).write_text(text.format(url=url))
    kinds = "is an? (playlist|HLS|DASH|concat|web page)"
    with pytest.raises(ClipError, match=rf"{name} ({kinds}|cannot be decoded as video)"):
        inspect(Clip(tmp_path / name), ffmpeg, 3)


def test_score_playlists(tmp_path, server, reference, encoded, score):
    (tmp_path / "list.m3u8").write_text(HLS.format(url=f"http://{server}/clip.mp4"))
    for pair in ((reference, tmp_path / "list.m3u8"), (tmp_path / "list.m3u8", encoded)):
        with pytest.raises(ClipError, match=r"list\.m3u8 is an HLS playlist"):
            score(*pair)


def test_playlists_as_a_sequence(tmp_path, server, reference, score):
    for number in (1, 2):
        (tmp_path / f"f{number}.png").write_text(HLS.format(url=f"http://{server}/clip.mp4"))
    with pytest.raises(ClipError, match=r"cannot be decoded|is an HLS playlist"):
        score(reference, tmp_path / "f%d.png")


@pytest.mark.parametrize(
    "form",
    [
        "http://{server}/clip.mp4",
        "tcp://{server}",
        "async:http://{server}/clip.mp4",
        "concat:http://{server}/clip.mp4",
        "file:http://{server}/clip.mp4",
        "cache:http://{server}/a",
        "crypto:http://{server}/a",
        "subfile,,start,0,end,0,,:http://{server}/a",
        "lavfi:movie=clip.mp4",
        "pipe:0",
        "file:clip.mp4",
        "-",
    ],
)
def test_name_like_a_url(form, tmp_path, server, encoded, ffmpeg, pictures, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(encoded, "clip.mp4")
    name = form.format(server=server)
    with pytest.raises(ClipError, match=r"does not exist|is a URL|is standard input"):
        inspect(Clip(name), ffmpeg, 3)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(encoded, path)
    assert inspect(Clip(name), ffmpeg, 3).thumbnails == pictures
