"""YAML as plain data: what is read, and what is refused."""

from __future__ import annotations

import math
import sys

import pytest

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.suite.yaml_data import YamlError, read_yaml

from .conftest import Read

DOCUMENT = """\
version: 1
defaults: &defaults
  preset: slow
  crfs: [22, 28]
encodes:
  - name: x
    <<: *defaults
    preset: fast
  - {name: y, <<: [*defaults, {tune: film}]}
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 9)}]\n" for name in "bcdefghi"
)


def test_data_and_lines() -> None:
    data, lines = read_yaml(DOCUMENT)
    assert isinstance(data, dict)
    assert data["encodes"] == [
        {"preset": "fast", "crfs": [22, 28], "name": "x"},
        {"preset": "slow", "crfs": [22, 28], "tune": "film", "name": "y"},
    ]
    assert lines["encodes", 0, "name"] == 6
    assert lines["encodes", 0, "preset"] == 8
    assert lines["encodes", 1, "name"] == 9
    assert lines["encodes",] == 5


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: &a [*a]\n", 1, "there are more than 20 levels"),
        ("a: 1\na: 2\n", 2, "the key 'a' appears twice"),
        ("a: 1\n1: 2\n", 2, "a key must be a string, not 1; put it in quotes"),
        ("[a]: 1\n", 1, "a key must be a string, not a list or a mapping"),
        ("a: 1\nno: 2\n", 2, "a key must be a string, not no"),
        ("a:\n  <<: 3\n", 2, "<< must be followed by a mapping"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "could not determine a constructor"),
        ("a: 1\nb: *nothing\n", 2, "found undefined alias"),
        ("a: [1\nb: 2\n", 2, "expected ',' or ']'"),
        ("a: 1\n---\nb: 2\n", 2, "but found another document"),
        ("a: 1\nb: '\x01'\n", 2, "the character U+0001 is not allowed"),
        ("a: !!timestamp 1\n", 1, "'1' cannot be read"),
        ("a: 2001-02-31\n", 1, "'2001-02-31' cannot be read"),
    ],
)
def test_refused(text: str, line: int, message: str) -> None:
    with pytest.raises(YamlError) as error:
        read_yaml(text)
    assert message in str(error.value)
    assert error.value.line == line


def test_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    """An alias counts as what it stands for."""
    monkeypatch.setattr("pytest_vmaf.suite.yaml_data.MOST_VALUES", 1000)
    with pytest.raises(YamlError, match="there are more than 1000 values, with what the aliases stand for"):
        read_yaml(BOMB)


def test_deep_nesting(problems) -> None:
    assert problems("[" * 700, "vmaf.yaml") == ["vmaf.yaml: it is nested too deeply."]


def test_words_that_are_no_strings(problems) -> None:
    """YAML reads `on` and `1e3` in its own way; the messages say what was read."""
    text = "version: 1\nclips:\n- {name: on, path: a.y4m, sha256: unchecked}\n- {name: a, path: .nan}\n"
    assert problems(text, "vmaf.yaml") == [
        "vmaf.yaml:3: clips[1].name must be a string, not True.",
        "vmaf.yaml:4: clips[a].path must be a string, not nan.",
    ]
    data, _ = read_yaml("a: .inf")
    assert data == {"a": math.inf}


def test_top_that_is_no_mapping(problems) -> None:
    assert problems("- a\n- b\n", "vmaf.yaml") == [
        "vmaf.yaml:1: a manifest must be a mapping of keys to values, not a list."
    ]
    assert problems("", "vmaf.yaml") == ["vmaf.yaml:1: the manifest lacks version. Write version = 1 at its top."]


def test_without_pyyaml(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(
        SettingsError, match=r"vmaf.yaml is YAML, which needs PyYAML: pip install 'pytest-vmaf\[yaml\]'"
    ):
        read("version: 1", "vmaf.yaml")
