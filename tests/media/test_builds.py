"""Builds of programs: what makes two of them the same."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_vmaf.cache.folder import Cache, contents
from pytest_vmaf.media import builds, fingerprint
from pytest_vmaf.media.builds import build_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs ELF programs and their loader (Linux)")


@pytest.fixture
def copy(tmp_path):
    """A small program that loads the C library, under another name."""
    path = tmp_path / "ffmpeg"
    shutil.copy(Path(shutil.which("cat")).resolve(), path)
    return path


def test_build_of_copy_and_changed_byte(copy, tmp_path):
    before = build_of(str(copy))
    (tmp_path / "other").mkdir()
    assert before == build_of(shutil.copy(copy, tmp_path / "other"))
    with copy.open("ab") as file:
        file.write(b"\0")
    assert build_of(str(copy)) not in (None, before)


def test_build_of_embedded_ffmpeg(ffmpeg):
    assert build_of(ffmpeg) is not None


def test_build_with_another_library(copy, tmp_path, monkeypatch):
    before = build_of(str(copy))
    listing = subprocess.run(["ldd", copy], capture_output=True, text=True).stdout
    places = [words[2] for line in listing.splitlines() if len(words := line.split()) > 3]
    if not places:
        pytest.skip("this program loads no shared library")
    changed = tmp_path / "libraries" / Path(places[0]).name
    changed.parent.mkdir()
    shutil.copy(Path(places[0]).resolve(), changed)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(changed.parent))
    # The same bytes in another place are the same library.
    assert build_of(str(copy)) == before
    with changed.open("ab") as file:
        file.write(b"\0")
    assert build_of(str(copy)) not in (None, before)


def test_script_has_no_build(copy, tmp_path):
    script = tmp_path / "script"
    script.write_text(f'#!/bin/sh\nexec {copy} "$@"\n')
    script.chmod(0o755)
    assert build_of(str(script)) is None


def test_build_of_multi_call_program(copy, tmp_path):
    before = build_of(str(copy))
    copy.rename(tmp_path / "snap")
    copy.symlink_to("snap")
    assert build_of(str(copy)) is None
    copy.unlink()
    (tmp_path / "snap").rename(tmp_path / "ffmpeg-7.1")
    copy.symlink_to("ffmpeg-7.1")
    assert build_of(str(copy)) == before


def test_build_of_other_files(tmp_path):
    assert build_of("no-such-program") is None
    for beginning in (b"", b"\x7fELF", b"\x7fELF" + b"\xff" * 200):
        path = tmp_path / "broken"
        path.write_bytes(beginning)
        path.chmod(0o755)
        assert build_of(str(path)) is None


def forget_all():
    """Know as little as another process."""
    fingerprint._known.clear()
    builds._ask_loader.cache_clear()


def test_known_build_starts_no_process(copy, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    # A file that was just written is read again, because it may be written once more in the same tick of the clock.
    os.utime(copy, (1, 1))
    monkeypatch.setattr(fingerprint, "FRESH", 0.0)
    monkeypatch.setattr(fingerprint, "SMALL", 10_000)
    # The loader is found through the index, whose change would be noticed.
    for name in builds.LOADER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    forget_all()
    before = build_of(str(copy), cache)
    assert contents(cache)["file"][0] >= 1
    forget_all()
    digest = hashlib.file_digest

    def digest_of_small_file(file, kind):
        assert os.fstat(file.fileno()).st_size <= fingerprint.SMALL
        return digest(file, kind)

    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr("hashlib.file_digest", digest_of_small_file)
    assert build_of(str(copy), cache) == before


@pytest.mark.parametrize("data", [[], ["libc.so"], [1], {}])
def test_libraries_from_a_broken_entry(data):
    with pytest.raises(ValueError, match="are not libraries"):
        builds._paths(data)
