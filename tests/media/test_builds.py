"""Which build of a program this is."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_vmaf.cache import Cache, contents
from pytest_vmaf.media import builds as programs
from pytest_vmaf.media import fingerprint as content
from pytest_vmaf.media.builds import build_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs ELF programs and their loader (Linux)")


@pytest.fixture
def copy(ffmpeg, tmp_path):
    """A copy of the ffmpeg that scores."""
    path = tmp_path / "ffmpeg"
    shutil.copy(ffmpeg, path)
    return path


def test_build_of_copy_and_changed_byte(ffmpeg, copy):
    before = build_of(str(copy))
    assert before == build_of(ffmpeg)
    with copy.open("ab") as file:
        file.write(b"\0")
    assert build_of(str(copy)) not in (None, before)


def test_build_with_another_library(copy, tmp_path, monkeypatch):
    before = build_of(str(copy))
    loaded = subprocess.run(["ldd", copy], capture_output=True, text=True).stdout
    places = [words[2] for line in loaded.splitlines() if len(words := line.split()) > 3]
    if not places:
        pytest.skip("this ffmpeg loads no shared library; one of a distribution does")
    changed = tmp_path / "libraries" / Path(places[0]).name
    changed.parent.mkdir()
    shutil.copy(Path(places[0]).resolve(), changed)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(changed.parent))
    # The same bytes in another place are the same library.
    assert build_of(str(copy)) == before
    with changed.open("ab") as file:
        file.write(b"\0")
    assert build_of(str(copy)) not in (None, before)


def test_script_has_no_build(ffmpeg, tmp_path):
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\nexec {ffmpeg} "$@"\n')
    script.chmod(0o755)
    assert build_of(str(script)) is None


def test_build_of_multi_call_program(ffmpeg, tmp_path):
    shutil.copy(ffmpeg, tmp_path / "snap")
    (tmp_path / "ffmpeg").symlink_to("snap")
    assert build_of(str(tmp_path / "ffmpeg")) is None
    (tmp_path / "ffmpeg-7").symlink_to("snap")
    os.rename(tmp_path / "snap", tmp_path / "ffmpeg-7.1")
    (tmp_path / "ffmpeg").unlink()
    (tmp_path / "ffmpeg").symlink_to("ffmpeg-7.1")
    assert build_of(str(tmp_path / "ffmpeg")) == build_of(ffmpeg)


def test_what_is_no_program_has_no_build(tmp_path):
    assert build_of("no-such-program") is None
    for beginning in (b"", b"\x7fELF", b"\x7fELF" + b"\xff" * 200):
        path = tmp_path / "broken"
        path.write_bytes(beginning)
        path.chmod(0o755)
        assert build_of(str(path)) is None


def test_known_build_starts_no_process(copy, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    # A file that was just written is read again, as it may be written once more in the same tick of the clock.
    os.utime(copy, (1, 1))
    monkeypatch.setattr("pytest_vmaf.media.fingerprint.FRESH", 0.0)
    before = build_of(str(copy), cache)
    assert contents(cache)["file"][0] >= 1
    # As in another process.
    content._known.clear()
    programs._ask_loader.cache_clear()
    digest = hashlib.file_digest

    def of_small_files(file, kind):
        assert os.fstat(file.fileno()).st_size <= content.SMALL
        return digest(file, kind)

    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr("hashlib.file_digest", of_small_files)
    assert build_of(str(copy), cache) == before
