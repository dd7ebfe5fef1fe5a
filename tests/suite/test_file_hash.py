"""Hashes of clips."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.suite.file_hash import check_hash, hash_of, read_hash


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    (tmp_path / "a.y4m").write_bytes(b"pictures")
    return Clip(tmp_path / "a.y4m")


def test_right_hash(clip: Clip) -> None:
    for name in ("sha256", "md5", "blake2b"):
        digits = hashlib.new(name, b"pictures").hexdigest()
        assert hash_of(clip, name) == digits
        checksum, wrong = read_hash(f"{name}:{digits.upper()}")
        assert wrong == ""
        check_hash(clip, checksum, "a")
    check_hash(clip, "", "a")


def test_other_file(clip: Clip) -> None:
    with pytest.raises(ClipError) as error:
        check_hash(clip, f"sha256:{'0' * 64}", "the clip 'a' of vmaf.toml:3")
    assert str(error.value).splitlines() == [
        f"{clip.path} is not the clip 'a' of vmaf.toml:3: its sha256 is another.",
        f"  expected: {'0' * 64}",
        f"  actual:   {hashlib.sha256(b'pictures').hexdigest()}",
        "  Restore the file. If the clip was replaced on purpose, write the actual hash into the manifest.",
    ]


@pytest.mark.parametrize("expected", ["", f"sha256:{'0' * 64}"])
def test_missing_file(tmp_path: Path, expected: str) -> None:
    with pytest.raises(ClipError, match=r"b\.y4m does not exist\. It is the clip 'b'\. .* downloads nothing"):
        check_hash(Clip(tmp_path / "b.y4m"), expected, "the clip 'b'")
    with pytest.raises(ClipError):
        check_hash(Clip(tmp_path / "none_%d.png"), expected, "the clip 'b'")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"cannot be read: .* is not a regular file"):
        check_hash(Clip(tmp_path), f"sha256:{'0' * 64}", "the clip 'b'")


def test_sequence_is_its_files_in_order(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        (tmp_path / f"f_{number}.png").write_bytes(str(number).encode())
    assert hash_of(Clip(tmp_path / "f_%d.png")) == hashlib.sha256(b"1210").hexdigest()


def test_old_file_is_read_once(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in a process, and of a large file once in a cache."""
    monkeypatch.setattr("pytest_vmaf.media.fingerprint.SMALL", 0)
    monkeypatch.setattr("pytest_vmaf.media.fingerprint.FRESH", -1.0)
    monkeypatch.setattr("pytest_vmaf.media.fingerprint._known", {})
    cache = Cache(tmp_path / "cache", 10**6)
    first = hash_of(clip, "sha256", cache)
    for known in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr("hashlib.file_digest", lambda *_: pytest.fail("the file was read again"))
            if not known:
                patch.setattr("pytest_vmaf.media.fingerprint._known", {})
            assert hash_of(clip, "sha256", cache) == first
    # Another algorithm, and another file, have entries of their own.
    assert hash_of(clip, "md5", cache) == hashlib.md5(b"pictures").hexdigest()
    clip.path.write_bytes(b"others..")
    os.utime(clip.path, (time.time() + 5,) * 2)
    assert hash_of(clip, "sha256", cache) == hashlib.sha256(b"others..").hexdigest()
