"""What a clip or a program is, by the bytes of its files: the same under another name, and another after any change."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable
from pathlib import Path

from pytest_vmaf.quality.clip import SEQUENCE, Clip


def files_of(clip: Clip) -> list[Path]:
    """The file of a clip, or those of a picture sequence in their order."""
    if not clip.is_sequence:
        return [clip.path]
    before, after = (glob.escape(part) for part in SEQUENCE.sub("\0", clip.path.name).split("\0"))
    return sorted(clip.path.parent.glob(f"{before}*{after}"))


def content_of(clip: Clip) -> str:
    """BLAKE2b of the clip's files and of what is said of them (raw geometry, frame rate). Raises OSError."""
    said = repr((clip.width, clip.height, clip.pix_fmt, clip.frame_rate))
    return digest(files_of(clip), said)


def digest(files: Iterable[Path], said: str = "") -> str:
    """BLAKE2b, 128 bits in hexadecimal, of a text and the bytes of files, each a whole of its own. Raises OSError."""
    whole = hashlib.blake2b(said.encode(), digest_size=16)
    for path in files:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, hashlib.blake2b).digest())
    return whole.hexdigest()
