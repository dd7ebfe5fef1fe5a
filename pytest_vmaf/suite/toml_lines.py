"""The line of each key of a TOML document, which tomllib does not tell."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator

#: Keys and indexes that lead to a value: ("clips", 0, "path").
KeyPath = tuple[str | int, ...]

BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
SPACE = re.compile(r"[ \t]*")
PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
KEY = re.compile(rf"{PART}(?:[ \t]*\.[ \t]*{PART})*")
BARE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
STRING = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"""(?:"{0,2})'
    r"|'''[\s\S]*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
)
#: A number, a date, true or false.
WORD = re.compile(r"[^\s,\[\]{}#]+")


def toml_lines(text: str) -> dict[KeyPath, int]:
    r"""Find the line of each key, table and element of an array.

    Args:
        text: A document that tomllib has read, with `\n` as line ends.

    Returns:
        Line numbers from 1 by path.

    Raises:
        RecursionError: If arrays are nested too deeply.
    """
    return _Scanner(text).scan()


class _Scanner:
    """Reads a valid document once. It need not understand values, only where they end."""

    def __init__(self, text: str) -> None:
        self._text, self._place = text, 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[KeyPath, int] = {}
        #: How many tables each array of tables has so far.
        self._counts: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(BLANK)
        while self._place < len(self._text):
            if self._text[self._place] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(BLANK)
        return self._lines

    def _header(self) -> KeyPath:
        line, several = self._line, self._text.startswith("[[", self._place)
        self._place += 1 + several
        self._skip(SPACE)
        *parents, last = self._keys()
        self._skip(SPACE)
        self._place += 1 + several
        path: KeyPath = ()
        for key in parents:
            path = self._latest((*path, key))
        path = (*path, last)
        if several:
            self._lines.setdefault(path, line)
            self._counts[path] = self._counts.get(path, 0) + 1
        path = self._latest(path)
        self._lines[path] = line
        return path

    def _latest(self, path: KeyPath) -> KeyPath:
        """The path of a table, or of the latest one of an array of tables."""
        return (*path, self._counts[path] - 1) if path in self._counts else path

    def _pair(self, table: KeyPath) -> None:
        line, path = self._line, table
        for key in self._keys():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._skip(SPACE)
        self._place += 1
        self._skip(SPACE)
        self._value(path)

    def _keys(self) -> Iterator[str]:
        text = self._skip(KEY)
        if BARE.fullmatch(text):
            yield from text.split(".")
            return
        value: object = tomllib.loads(f"{text}=0")
        while isinstance(value, dict):
            [(key, value)] = value.items()
            yield key

    def _value(self, path: KeyPath) -> None:
        match self._text[self._place]:
            case "[":
                self._array(path)
            case "{":
                self._inline(path)
            case '"' | "'":
                self._skip(STRING)
            case _:
                # A date and its time may have a space between them.
                while self._skip(WORD):
                    self._skip(SPACE)

    def _array(self, path: KeyPath) -> None:
        self._place += 1
        index = 0
        self._skip(BLANK)
        while self._text[self._place] != "]":
            self._lines[(*path, index)] = self._line
            self._value((*path, index))
            index += 1
            self._skip(BLANK)
            if self._text[self._place] == ",":
                self._place += 1
                self._skip(BLANK)
        self._place += 1

    def _inline(self, path: KeyPath) -> None:
        self._place += 1
        self._skip(BLANK)
        while self._text[self._place] != "}":
            self._pair(path)
            self._skip(BLANK)
            if self._text[self._place] == ",":
                self._place += 1
                self._skip(BLANK)
        self._place += 1

    def _skip(self, form: re.Pattern[str]) -> str:
        match = form.match(self._text, self._place)
        if match is None:
            return ""
        self._place = match.end()
        return match[0]

    @property
    def _line(self) -> int:
        return bisect_right(self._starts, self._place)
