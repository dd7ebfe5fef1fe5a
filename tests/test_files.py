"""Files: atomic writes, whatever goes wrong half-way, and strict JSON."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_vmaf import files
from pytest_vmaf.files import load_json, write_atomically

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def broken(error: BaseException) -> Iterator[str]:
    yield "half a page, " * 10_000
    raise error


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_interrupted_write(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    with pytest.raises(type(error)):
        write_atomically(path, broken(error))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["r.html"]
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "new.html", broken(error))
    assert names(tmp_path) == ["r.html"]


def test_nobody_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    texts = []

    def chunks() -> Iterator[str]:
        for chunk in ("new ", "x" * 100_000):
            yield chunk
            texts.append(path.read_text())

    write_atomically(path, chunks())
    assert texts == ["old", "old"]
    assert path.read_text() == "new " + "x" * 100_000


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    content = bytes(range(256)) + b"\r\n"
    write_atomically(tmp_path / "icon.bin", content)
    assert (tmp_path / "icon.bin").read_bytes() == content
    write_atomically(tmp_path / "empty", [])
    assert (tmp_path / "empty").read_bytes() == b""


def test_text_is_utf_8(tmp_path: Path) -> None:
    write_atomically(tmp_path / "r.html", ["é\n", "映\r\n"])
    assert (tmp_path / "r.html").read_bytes() == "é\n映\r\n".encode()


def test_half_characters(tmp_path: Path) -> None:
    write_atomically(tmp_path / "r.html", ["a\udcff\ud800b"])
    assert (tmp_path / "r.html").read_bytes() == rb"a\udcff\ud800b"


@posix
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o000, 0o666)])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "r.html", ["new"])
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "r.html").stat().st_mode) == mode


def test_folders_are_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b c" / "r.html", ["new"])
    assert (tmp_path / "a" / "b c" / "r.html").read_text() == "new"


@posix
@pytest.mark.parametrize("there", [True, False])
def test_link_target_is_replaced(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "real" / "target.html", tmp_path / "link.html"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, ["new"])
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert names(tmp_path) == ["link.html", "real"]
    assert names(target.parent) == ["target.html"]


@posix
def test_hard_link_keeps_old_content(tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("old")
    os.link(tmp_path / "r.html", tmp_path / "kept.html")
    write_atomically(tmp_path / "r.html", ["new"])
    assert (tmp_path / "kept.html").read_text() == "old"


@posix
def test_write_to_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.append(pipe.read_text()))
    reader.start()
    write_atomically(pipe, ["through ", "the pipe"])
    reader.join(timeout=10)
    assert texts == ["through the pipe"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["pipe"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_oserror() -> None:
    with pytest.raises(OSError) as full:
        write_atomically(Path("/dev/full"), ["x" * 10])
    assert full.value.errno == errno.ENOSPC
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@posix
def test_a_device_takes_what_is_written() -> None:
    write_atomically(Path(os.devnull), ["x"])
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.parametrize("place", ["file/r.html", "folder"])
def test_impossible_file(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=place.partition("/")[0]):
        write_atomically(tmp_path / place, ["new"])
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"
    assert names(tmp_path / "folder") == []


@posix
@pytest.mark.parametrize("name", ["n" * 255, "映" * 85, "😀" * 63, ".hidden", "-rf", "a\nb", os.fsdecode(b"a\xff")])
def test_unusual_names(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, ["new"])
    assert (tmp_path / name).read_text() == "new"
    assert names(tmp_path) == [name]


def test_concurrent_writers(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    texts = [letter * 50_000 for letter in "abcd"]
    writers = [threading.Thread(target=write_atomically, args=(path, [text[:9], text[9:]])) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_text() in texts
    assert names(tmp_path) == ["r.html"]


def test_load_json() -> None:
    assert load_json('{"a": [1, 2.5, null, true, "é"]}') == {"a": [1, 2.5, None, True, "é"]}
    assert load_json('"é"'.encode()) == "é"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "the key 'c' appears twice"),
        ("[" * 100_000, "nested too deeply"),
        ("{", "Expecting"),
        (b"\xff", "utf-8"),
        (None, "it must be text, not NoneType"),
        ({}, "it must be text, not dict"),
    ],
)
def test_not_strict_json(text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_json(text)


@pytest.mark.parametrize("data", ["[{},{},[]]", b"[{},{},[]]"])
def test_bounded_json(monkeypatch: pytest.MonkeyPatch, data: str | bytes) -> None:
    monkeypatch.setattr(files, "MOST_OBJECTS", 4)
    monkeypatch.setattr(files, "MOST_VALUES", 2)
    assert load_json(data) == [{}, {}, []]
    monkeypatch.setattr(files, "MOST_VALUES", 1)
    with pytest.raises(ValueError, match="more than 4 objects and lists, or more than 1 values"):
        load_json(data)
    monkeypatch.setattr(files, "MOST_VALUES", 2)
    monkeypatch.setattr(files, "MOST_OBJECTS", 3)
    with pytest.raises(ValueError, match="more than 3 objects and lists"):
        load_json(data)
