"""Branch and commit of a checkout, read from its `.git`.

git itself is not run: a folder that somebody else owns may configure commands for it. A repository whose references git
stores in another format (reftable) tells nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

from pytest_vmaf.report.schema import RecordDict

#: The largest files that are read, in bytes: one reference, and `packed-refs` with all of them.
LARGEST, LARGEST_PACKED = 4096, 1 << 24
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
#: The full name of a branch or another reference. Without dots at the start of a part, it stays inside the folder.
REFERENCE = re.compile(r"refs(?:/[^./\s\\][^/\s\\]*)+")
#: References that each working tree has for itself.
OWN = ("refs/bisect/", "refs/worktree/", "refs/rewritten/")


def read_checkout(folder: Path) -> RecordDict:
    """Find the checkout that contains a folder, and read what it has checked out.

    Returns:
        `branch` and `commit`; only those that are known. Without a branch, the HEAD is detached.
    """
    try:
        folder = folder.resolve()
        git = next((each / ".git" for each in (folder, *folder.parents) if (each / ".git").exists()), None)
        return _read_head(_own_folder(git)) if git is not None else {}
    except (OSError, ValueError):
        # Without access, and for names that the system refuses.
        return {}


def _own_folder(git: Path) -> Path:
    """The folder with the HEAD. In a submodule and in a further working tree, `.git` is a file that names it."""
    if git.is_dir():
        return git
    return git.parent / _text(git).removeprefix("gitdir:").strip()


def _read_head(own: Path) -> RecordDict:
    head = _text(own / "HEAD").strip()
    if COMMIT.fullmatch(head):
        return {"commit": head}
    name = head.removeprefix("ref:").strip()
    if name == head or not REFERENCE.fullmatch(name):
        return {}
    branch = {"branch": name.removeprefix("refs/heads/")} if name.startswith("refs/heads/") else {}
    commit = _commit_of(own, name)
    return {**branch, "commit": commit} if commit else branch


def _commit_of(own: Path, name: str) -> str:
    """The commit of a reference, which is a file of its own or a line of `packed-refs`; "" before the first commit."""
    named = _text(own / "commondir").strip()
    common = own / named if named and not name.startswith(OWN) else own
    text = _text(common / name).strip()
    if COMMIT.fullmatch(text):
        return text
    for line in _text(common / "packed-refs", LARGEST_PACKED).splitlines():
        commit, _, of = line.partition(" ")
        if of == name and COMMIT.fullmatch(commit):
            return commit
    return ""


def _text(path: Path, most: int = LARGEST) -> str:
    """The text of a small regular file; "" if there is none."""
    if not path.is_file() or path.stat().st_size > most:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
