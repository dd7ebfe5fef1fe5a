"""Cache: an entry is found again completely, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from pytest_vmaf import CacheWarning
from pytest_vmaf.cache.entries import fetch, get_or_compute, key_of, store
from pytest_vmaf.cache.folder import ABANDONED, KINDS, Cache, clear, contents

KEY = key_of("test", number=1)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", 1_000_000)


def files(cache):
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


def posix_only():
    return pytest.mark.skipif(os.name != "posix", reason="needs pipes and links of a POSIX system")


@given(data=plain, blob=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_what_is_stored_is_fetched(cache, data, blob):
    store(cache, "score", KEY, data, blob)
    entry = fetch(cache, "score", KEY)
    assert (entry.data, entry.blob) == (data, blob)
    assert entry.created_at.startswith("20")


def test_file_blob(cache, tmp_path):
    source, copy = tmp_path / "a", tmp_path / "b"
    source.write_bytes(os.urandom(123_456))
    store(cache, "encode", KEY, {"size": 1}, source)
    assert fetch(cache, "encode", KEY, into=copy).data == {"size": 1}
    assert copy.read_bytes() == source.read_bytes()


def test_missing_entry_and_no_cache(cache):
    assert fetch(cache, "score", KEY) is None
    assert fetch(None, "score", KEY) is None
    store(None, "score", KEY, 1)
    store(cache, "score", None, 1)
    assert not cache.folder.exists()


def test_keys():
    parts_of_keys = [{"a": 1}, {"a": "1"}, {"a": [1]}, {"b": 1}, {"a": 1, "b": 1}, {"a": None}]
    assert len({key_of("score", **parts) for parts in parts_of_keys} | {key_of("look", a=1)}) == 7
    assert key_of("score", a=1, b=2) == key_of("score", b=2, a=1)
    with pytest.raises(TypeError, match="is not plain data"):
        key_of("score", a=object())


@given(at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_corrupt_entry(cache, at, flip, data):
    store(cache, "score", KEY, {"frames": [1.5, 2.5]}, b"0123456789")
    [path] = files(cache)
    whole = bytearray(path.read_bytes())
    place = int(at * len(whole))
    if data.draw(st.booleans()):
        whole[place] ^= flip
    else:
        del whole[place:]
    path.write_bytes(whole)
    with pytest.warns(CacheWarning, match="was corrupt and is made again"):
        assert fetch(cache, "score", KEY) is None
    assert not path.exists()


def test_corrupt_encode_leaves_no_file(cache, tmp_path):
    store(cache, "encode", KEY, {}, b"x" * 100_000)
    [path] = files(cache)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(CacheWarning):
        assert fetch(cache, "encode", KEY, into=tmp_path / "copy") is None
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"pytest-vmaf-cache 2 " + b"0" * 64 + b"\n{}",
        b"[" * 100_000,
        b"pytest-vmaf-cache 1 " + b"0" * 64 + b"\n" + b"[" * 100_000,
    ],
)
def test_not_an_entry(cache, text):
    store(cache, "score", KEY, 1)
    [path] = files(cache)
    path.write_bytes(text)
    with pytest.warns(CacheWarning, match=path.name):
        assert fetch(cache, "score", KEY) is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "NaN",
        "7",
        '{"data": 1}',
        '{"made": 1, "data": 1}',
        '{"made": "x"}',
        '{"made": "2026-01-01", "data": 1, "data": 2}',
        '{"made": "2026-01-01", "data": 1, "more": 1}',
    ],
)
def test_tampered_entry_with_digest(cache, text):
    import hashlib

    store(cache, "score", KEY, 1)
    [path] = files(cache)
    digest = hashlib.blake2b(text.encode() + b"\n", digest_size=32).hexdigest()
    path.write_bytes(f"pytest-vmaf-cache 1 {digest}\n{text}\n".encode())
    with pytest.warns(CacheWarning):
        assert fetch(cache, "score", KEY) is None


@posix_only()
def test_special_files_are_not_read(cache, tmp_path):
    store(cache, "score", KEY, 1)
    [path] = files(cache)
    secret = tmp_path / "secret"
    secret.write_bytes(path.read_bytes())
    path.unlink()
    os.mkfifo(path)
    with pytest.warns(CacheWarning, match="not a regular file"):
        assert fetch(cache, "score", KEY) is None
    path.symlink_to(secret)
    with pytest.warns(CacheWarning, match="not a regular file"):
        assert fetch(cache, "score", KEY) is None
    assert secret.exists()
    with path.open("wb") as file:
        file.truncate(cache.size + 1)
    with pytest.warns(CacheWarning, match="more than the whole cache"):
        assert fetch(cache, "score", KEY) is None


@posix_only()
def test_linked_folders_are_left_alone(cache, tmp_path):
    store(cache, "score", KEY, 1)
    (cache.folder / "score").rename(tmp_path / "outside")
    (cache.folder / "score").symlink_to(tmp_path / "outside")
    assert contents(cache)["score"] == (0, 0)
    assert clear(cache) == 0
    assert [path.name for path in (tmp_path / "outside").rglob(KEY)] == [KEY]


@posix_only()
@pytest.mark.parametrize("link", ["score", f"score/{KEY[:2]}"])
def test_nothing_goes_through_links(cache, tmp_path, link):
    store(cache, "score", KEY, "stored before")
    outside = tmp_path / "outside"
    (cache.folder / link).rename(outside)
    (cache.folder / link).symlink_to(outside)
    before = sorted(outside.rglob("*"))
    assert fetch(cache, "score", KEY) is None
    with pytest.warns(CacheWarning, match=rf"cannot be written: .*{link} is a symbolic link\. Remove it, or name"):
        store(cache, "score", KEY, "new")
    (outside / "ab").mkdir()
    clear(cache)
    assert sorted(outside.rglob("*")) == sorted([*before, outside / "ab"])


@posix_only()
def test_cache_folder_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    cache = Cache(tmp_path / "cache")
    store(cache, "score", KEY, "stored")
    assert fetch(cache, "score", KEY).data == "stored"
    assert contents(cache)["score"][0] == 1
    assert clear(cache) > 0
    assert list((tmp_path / "disk").iterdir()) == []


def test_entries_are_readable_by_others(cache):
    before = os.umask(0o022)
    try:
        store(cache, "score", KEY, 1)
    finally:
        os.umask(before)
    [path] = files(cache)
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o644


def test_trim_least_recently_used(tmp_path):
    cache = Cache(tmp_path, 20_000)
    keys = [key_of("test", number=number) for number in range(30)]
    for number, key in enumerate(keys):
        store(cache, "score", key, number, bytes(1000))
        os.utime(next(tmp_path.rglob(key)), (number, number))
        fetch(cache, "score", keys[0])
    assert sum(path.stat().st_size for path in files(cache)) <= 20_000
    assert fetch(cache, "score", keys[0]).data == 0
    assert fetch(cache, "score", keys[1]) is None
    assert fetch(cache, "score", keys[-1]).data == 29


def test_large_entry_is_not_stored(cache):
    store(cache, "score", KEY, 1, bytes(300_000))
    assert fetch(cache, "score", KEY) is None


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(CacheWarning, match=r"cannot be written: Not a directory"):
        store(Cache(tmp_path / "file"), "score", KEY, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_warning_as_error_does_not_fail(tmp_path):
    # pytest runs these tests with warnings as errors.
    (tmp_path / "file").write_text("")
    store(Cache(tmp_path / "file"), "score", KEY, 1)


def test_abandoned_files_are_removed(tmp_path):
    cache = Cache(tmp_path / "cache", 100_000)
    store(cache, "score", KEY, 1)
    [path] = files(cache)
    old, new = path.parent / ".writing-old", path.parent / ".writing-new"
    for each in (old, new):
        each.write_bytes(b"half")
    os.utime(old, (time.time() - ABANDONED - 1,) * 2)
    # More than a hundredth of the whole: now it is looked through.
    store(cache, "score", key_of("test", number=2), 2, bytes(1500))
    assert not old.exists()
    assert new.exists()


def test_clear(cache):
    for kind in KINDS:
        store(cache, kind, KEY, 1)
    mine = cache.folder / "score" / KEY[:2] / "notes.txt"
    mine.write_text("mine")
    (cache.folder / "other").write_text("mine too")
    assert {kind: entries for kind, (entries, _) in contents(cache).items()} == dict.fromkeys(KINDS, 1)
    assert clear(cache) > 0
    assert files(cache) == sorted([mine, cache.folder / "other"])
    assert sum(entries for entries, _ in contents(cache).values()) == 0


#: Writes and reads ten entries, over and over. Prints how many were not what was written.
HAMMER = """
import sys
from pathlib import Path
from pytest_vmaf.cache.entries import Cache, fetch, key_of, store

cache, wrong = Cache(Path(sys.argv[1]), 10_000_000), 0
for number in range(60):
    content = (number + int(sys.argv[2])) % 10
    key, blob = key_of("test", number=content), bytes([content]) * 50_000
    entry = fetch(cache, "score", key)
    wrong += entry is not None and (entry.blob != blob or entry.data != content)
    store(cache, "score", key, content, blob)
print(wrong)
"""


@pytest.mark.slow
def test_concurrent_processes(tmp_path):
    argv = [sys.executable, "-c", HAMMER, str(tmp_path)]
    processes = [subprocess.Popen([*argv, begin], stdout=subprocess.PIPE, text=True) for begin in "037"]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["0\n"] * 3
    assert not list(tmp_path.rglob(".writing-*"))


def test_unreadable_data_is_computed_again(cache):
    key = key_of("test", what="remembered")
    store(cache, "look", key, "no number")
    with pytest.warns(CacheWarning, match="ValueError"):
        assert get_or_compute(cache, "look", key, lambda: 7, int, int) == 7
    assert get_or_compute(cache, "look", key, lambda: 8, int, int) == 7
