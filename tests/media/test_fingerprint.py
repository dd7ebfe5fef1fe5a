"""Fingerprints: the content of clips, and whether a file changed."""

from __future__ import annotations

import os
import shutil

import pytest

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import FileState, Unchanged, content_of, digest, files_of, stamp_of, stamps_of


def test_content_of_copy_and_changed_byte(reference, tmp_path):
    copy = tmp_path / "other name.y4m"
    shutil.copyfile(reference, copy)
    assert content_of(Clip(copy)) == content_of(Clip(reference))
    with copy.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    assert content_of(Clip(copy)) != content_of(Clip(reference))


def test_content_of_raw_video(tmp_path):
    path = tmp_path / "a.yuv"
    path.write_bytes(bytes(64 * 32 * 3))
    clips = [
        Clip(path, width=64, height=32),
        Clip(path, width=32, height=64),
        Clip(path, width=64, height=32, pix_fmt="yuv444p"),
        Clip(path, width=64, height=32, frame_rate=25),
        Clip(path, width=64, height=32, crop=(0, 0, 32, 32)),
        Clip(path, width=64, height=32, film_grain=False),
    ]
    assert len({content_of(clip) for clip in clips}) == len(clips)


def test_sequence_order(make, reference, tmp_path):
    make("-i", reference, "-frames:v", 3, tmp_path / "p%02d.png")
    clip = Clip(tmp_path / "p%02d.png")
    assert [path.name for path in files_of(clip)] == ["p01.png", "p02.png", "p03.png"]
    before = content_of(clip)
    (tmp_path / "p01.png").rename(tmp_path / "swap")
    (tmp_path / "p02.png").rename(tmp_path / "p01.png")
    (tmp_path / "swap").rename(tmp_path / "p02.png")
    assert content_of(clip) != before


def test_digest_separates_files(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    paths[0].write_bytes(b"12")
    paths[1].write_bytes(b"3")
    before = digest(paths)
    paths[0].write_bytes(b"1")
    paths[1].write_bytes(b"23")
    assert digest(paths) != before


def test_unchanged(tmp_path):
    path, other = tmp_path / "a.y4m", tmp_path / "model.json"
    path.write_bytes(b"12")
    other.write_bytes(b"{}")
    unchanged, both = Unchanged(Clip(path)), Unchanged(Clip(path), files=[other])
    assert unchanged()
    assert both()
    other.write_bytes(b"{} ")
    assert unchanged()
    assert not both()
    path.unlink()
    assert not unchanged()
    assert not Unchanged(Clip(path))()


def test_same_size_and_time_is_a_change(tmp_path):
    path = tmp_path / "a.y4m"
    path.write_bytes(b"12")
    os.utime(path, (1, 1))
    unchanged, state = Unchanged(Clip(path)), stamp_of(Clip(path))
    path.write_bytes(b"21")
    os.utime(path, (1, 1))
    assert stamp_of(Clip(path)) != state
    assert not unchanged()
    # These compare size and time alone: a new link to the file changes nothing that is measured.
    assert stamps_of(Clip(path)) == ((2, 10**9),)


def test_stamp_of_missing_file(tmp_path):
    assert stamp_of(Clip(tmp_path / "none.mkv")) is None
    assert stamps_of(Clip(tmp_path / "p%02d.png"), Clip(tmp_path / "none.mkv")) == (None, None)
    with pytest.raises(OSError, match="No such file"):
        FileState.of(tmp_path / "none.mkv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        digest([tmp_path / "pipe"])
