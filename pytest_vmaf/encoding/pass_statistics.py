"""Statistics: what the first of two passes wrote, known by its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_vmaf.media.stopwatch import Spent


@dataclass(frozen=True)
class Statistics:
    """What a first pass wrote.

    Attributes:
        prefix: How the names of its files begin; one that `-passlogfile` takes.
        files: The files.
        digest: A BLAKE2b hash of their bytes.
        spent: What the pass took.
    """

    prefix: Path
    files: tuple[Path, ...]
    digest: str
    spent: Spent

    def remove(self) -> None:
        """Remove the files."""
        for file in self.files:
            file.unlink(missing_ok=True)


def read_statistics(prefix: Path, ends: Sequence[str], spent: Spent) -> Statistics | None:
    """The statistics with this prefix; None if the first file is missing or empty.

    Args:
        prefix: How their names begin.
        ends: How their names end.
        spent: What the pass took.
    """
    named = [Path(f"{prefix}{end}") for end in ends]
    if not named[0].is_file() or not named[0].stat().st_size:
        return None
    total = hashlib.blake2b(digest_size=32)
    files = [file for file in named if file.is_file()]
    for file in files:
        size = file.stat().st_size
        total.update(f"{file.name.removeprefix(prefix.name)}\0{size}\0".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                total.update(chunk)
    return Statistics(prefix, tuple(files), total.hexdigest(), spent)


def pack(statistics: Statistics) -> tuple[dict[str, int], bytes]:
    """The sizes of the files by the ends of their names, and their bytes one after the other."""
    blobs = {file.name.removeprefix(statistics.prefix.name): file.read_bytes() for file in statistics.files}
    return {end: len(blob) for end, blob in blobs.items()}, b"".join(blobs.values())


def unpack(sizes: Mapping[str, int], data: bytes, prefix: Path, ends: Sequence[str]) -> None:
    """Write the files that `pack` read.

    Args:
        sizes: The sizes of the files by the ends of their names.
        data: Their bytes.
        prefix: How the names of the files begin.
        ends: How they may end.

    Raises:
        ValueError: If these are not the sizes of such files.
    """
    if not set(sizes) <= set(ends) or min(sizes.values(), default=-1) < 0 or sum(sizes.values()) != len(data):
        raise ValueError("not the sizes of a pass's statistics")
    start = 0
    for end, size in sizes.items():
        Path(f"{prefix}{end}").write_bytes(data[start : start + size])
        start += size
