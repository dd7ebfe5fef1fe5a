"""Names and contents are untrusted: any name is read as that file, and nothing is fetched from anywhere else."""

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
def expected(reference, encoded, score):
    """The frames of the plainly named clips."""
    return score(reference, encoded).neg.unclipped.frames


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name(name, tmp_path, reference, encoded, score, expected):
    folders = tmp_path / f"ref {name}", tmp_path / f"dis {name}"
    for folder, source in zip(folders, (reference, encoded), strict=True):
        folder.mkdir()
        shutil.copy(source, folder / name)
    result = score(folders[0] / name, folders[1] / name)
    assert result.neg.unclipped.frames == expected
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
    """Answers everything with a real clip, and remembers what was asked."""

    asked: list[str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD give the clip."""

    def do_GET(self):
        server = self.server
        assert isinstance(server, Server)
        server.asked.append(self.path)
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
        server.asked, server.body = [], encoded.read_bytes()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
    assert server.asked == []


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
def test_file_that_points_elsewhere(points_to, name, text, tmp_path, server, reference, encoded, score):
    shutil.copy(encoded, tmp_path / "clip.mp4")
    url = f"http://{server}/clip.mp4" if points_to == "http" else "clip.mp4"
    (tmp_path / name).write_text(text.format(url=url))
    for pair in ((reference, tmp_path / name), (tmp_path / name, encoded)):
        with pytest.raises(ClipError, match=rf"{name} (is a playlist, a script|cannot be decoded as video)"):
            score(*pair)


def test_playlists_as_a_sequence(tmp_path, server, reference, score):
    for number in (1, 2):
        (tmp_path / f"f{number}.png").write_text(HLS.format(url=f"http://{server}/clip.mp4"))
    with pytest.raises(ClipError, match=r"cannot be decoded|is a playlist"):
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
def test_name_like_a_url(form, tmp_path, server, reference, encoded, score, expected, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(encoded, "clip.mp4")
    name = form.format(server=server)
    with pytest.raises(ClipError, match=r"does not exist|is a URL, not a local file"):
        score(reference, name)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(encoded, path)
    assert score(reference, name).neg.unclipped.frames == expected
