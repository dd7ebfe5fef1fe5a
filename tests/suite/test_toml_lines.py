"""Lines of keys, for every form in which TOML writes them."""

from __future__ import annotations

import tomllib

from pytest_vmaf.suite.toml_lines import toml_lines

DOCUMENT = '''\
# a comment with [brackets] and "quotes
version = 1
when = 1979-05-27 07:32:00  # with a space
"quoted key" = """
[not a table]
key = "no key" \\"""
"""
literal = \'\'\'
[[nor this]] = 3
\'\'\'
a.b . "c.d" = [ 1, # ]
  "]", [2, 3],
  { x = 1, "y" = [4,
    5] },
]
[gates]
min_neg = 80
[[clips]]
name = "a"
[clips.gates]
max_gap = 3
[[clips]]   # the second
groups = [
  "natural",

  "short",
]
[clips.settings.deep]
[[clips.parts]]
n = 1
[[clips.parts]]
n = 2
[ "x" . y ]
z = {}
empty = []'''
LINES = {
    ("version",): 2,
    ("when",): 3,
    ("quoted key",): 4,
    ("literal",): 8,
    ("a", "b", "c.d"): 11,
    ("a", "b", "c.d", 1): 12,
    ("a", "b", "c.d", 2, 1): 12,
    ("a", "b", "c.d", 3, "x"): 13,
    ("a", "b", "c.d", 3, "y", 1): 14,
    ("gates",): 16,
    ("gates", "min_neg"): 17,
    ("clips",): 18,
    ("clips", 0): 18,
    ("clips", 0, "name"): 19,
    ("clips", 0, "gates", "max_gap"): 21,
    ("clips", 1): 22,
    ("clips", 1, "groups", 0): 24,
    ("clips", 1, "groups", 1): 26,
    ("clips", 1, "settings", "deep"): 28,
    ("clips", 1, "parts", 1, "n"): 32,
    ("x", "y", "z"): 34,
    ("x", "y", "empty"): 35,
}


def paths_of(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every path in the data of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path}.union(*(paths_of(each, (*path, key)) for key, each in items)) - {()}


def test_lines() -> None:
    lines = toml_lines(DOCUMENT)
    assert {path: lines.get(path) for path in LINES} == LINES


def test_every_value_has_a_line() -> None:
    # Tables that only a longer header implies have none of their own.
    implied = {("a",), ("a", "b"), ("x",), ("clips", 1, "settings")}
    assert paths_of(tomllib.loads(DOCUMENT)) - implied - toml_lines(DOCUMENT).keys() == set()


def test_empty_documents() -> None:
    assert toml_lines("") == toml_lines("# nothing\n\n") == {}
