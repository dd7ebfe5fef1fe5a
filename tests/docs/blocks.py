"""Code blocks of the documentation, and what each claims to do.

A block of a language in `RUNNABLE` says what it is by a comment in the line above its fence:

    <!-- runs -->               it runs without an error
    <!-- runs: OPTIONS -->      with these options of pytest
    <!-- fails: TEXT -->        it fails, and its output has this text
    <!-- file: NAME -->         it is the content of this file

or by a comment in its first line, which readers see: `# Not run here: REASON.` A text block under `<!-- output -->`
is a part of what the block before it prints. `.ci/run` runs README's two commands, which it finds by their comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

RUNNABLE = ("python", "sh", "ini", "toml", "yaml")
CLAIM = re.compile(r"<!-- (runs|fails|file|output|examples command|tests command)(?:: (.+?))? -->")
NOT_RUN = re.compile(r"# Not run here: .+\.")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        place: The page and the line, for messages.
        language: The language of the fence.
        code: The text in the fence.
        claim: "runs", "fails", "file", "output", one of README's two commands, or "" for a block that claims nothing.
        detail: What follows the claim.
    """

    place: str
    language: str
    code: str
    claim: str = ""
    detail: str = ""

    @property
    def is_honest(self) -> bool:
        """Whether the block says what it is, if its language could be run."""
        return bool(self.claim or self.language not in RUNNABLE or NOT_RUN.match(self.code))


def read_blocks(page: Path, root: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    claim, detail = "", ""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block" and (match := CLAIM.fullmatch(token.content.strip())):
            claim, detail = match[1], match[2] or ""
        elif token.type == "fence":
            line = token.map[0] + 1 if token.map else 0
            yield Block(f"{page.relative_to(root)}:{line}", token.info, token.content, claim, detail)
            claim, detail = "", ""
