"""The files of numbered picture sequences."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from pytest_vmaf.media.clip import SEQUENCE, Clip


def numbered(clip: Clip) -> tuple[list[int], Callable[[int], str]]:
    """The numbers of a picture sequence's files, in order, and a function that gives the file name for a number."""
    match = SEQUENCE.search(clip.path.name)
    assert match is not None  # noqa: S101
    before, after = clip.path.name[: match.start()], clip.path.name[match.end() :]
    digits = int(match["digits"] or 0)
    form = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    folder = clip.path.absolute().parent
    names = os.listdir(folder) if folder.is_dir() else []
    matches = map(form.fullmatch, names)
    numbers = sorted(int(m[1]) for m in matches if m and m[1] == f"{int(m[1]):0{digits}d}")
    return numbers, lambda number: f"{before}{number:0{digits}d}{after}"
