"""Hashes of clips: what a manifest may write, and the check against the file."""

from __future__ import annotations

import hashlib

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import file_hash, files_of
from pytest_vmaf.text import printable

#: The word of a clip that is made anew for each run.
UNCHECKED = "unchecked"
#: The algorithms of one length.
ALGORITHMS = tuple(sorted(name for name in hashlib.algorithms_guaranteed if not name.startswith("shake")))


def read_hash(text: str) -> tuple[str, str]:
    """Read `ALGORITHM:HEX` into the hash and what is wrong with it, one of which is ""."""
    algorithm, _, digits = text.partition(":")
    if algorithm not in ALGORITHMS:
        return "", f"must be ALGORITHM:DIGITS with one of {', '.join(ALGORITHMS)}"
    length = 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size
    digits = digits.strip().lower()
    if len(digits) != length or set(digits) - set("0123456789abcdef"):
        return "", f"must be {length} hexadecimal digits"
    return f"{algorithm}:{digits}", ""


def hash_of(clip: Clip, algorithm: str = "sha256", cache: Cache | None = None) -> str:
    """The hash of a clip's file in hexadecimal; of a picture sequence, that of its files one after the other.

    Raises:
        OSError: If a file cannot be read.
    """
    return file_hash(files_of(clip), algorithm, cache)


def check_hash(clip: Clip, expected: str, name: str, cache: Cache | None = None) -> None:
    """Check that a clip is there and has its hash.

    Args:
        clip: The clip.
        expected: The hash with its algorithm, "" for any.
        name: What the message calls it: "the clip 'bunny' of vmaf.toml:12".
        cache: Where hashes of large files are stored.

    Raises:
        ClipError: If the file is missing, or another one.
    """
    algorithm, _, digits = expected.partition(":")
    try:
        files = files_of(clip)
        missing = not files or not all(path.exists() for path in files)
        actual = hash_of(clip, algorithm, cache) if expected and not missing else ""
    except OSError as error:
        why = printable(error.strerror or str(error))
        raise ClipError(f"{clip.name} ({name}) cannot be read: {why}.") from None
    if missing:
        raise ClipError(f"{clip.name} does not exist. It is {name}. pytest-vmaf downloads nothing: put the file there.")
    if actual != digits:
        raise ClipError(
            f"{clip.name} is not {name}: its {algorithm} is another.\n"
            f"  expected: {digits}\n  actual:   {actual}\n"
            "  Restore the file. If the clip was replaced on purpose, write the actual hash into the manifest."
        )
