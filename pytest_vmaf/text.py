"""pytest_vmaf.text."""

from __future__ import annotations

import difflib


def printable(text: str) -> str:
    """The text with undecodable bytes and control characters shown as escapes, safe to print anywhere."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def closest_match(name: str, names: tuple[str, ...]) -> str:
    """The likeliest of the names that somebody meant."""
    return (difflib.get_close_matches(name, names, n=1, cutoff=0.0) or [names[0]])[0]
