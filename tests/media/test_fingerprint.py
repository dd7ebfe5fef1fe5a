"""What a clip is, by the bytes of its files."""

from __future__ import annotations

import shutil

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import content_of, digest, files_of


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
    said = [
        Clip(path, width=64, height=32),
        Clip(path, width=32, height=64),
        Clip(path, width=64, height=32, pix_fmt="yuv444p"),
        Clip(path, width=64, height=32, frame_rate=25),
    ]
    assert len({content_of(clip) for clip in said}) == 4


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
