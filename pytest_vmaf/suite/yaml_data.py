"""YAML as plain data with the line of each key: no tags of Python's, no key twice, and a bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_vmaf.suite.toml_lines import KeyPath

#: Values of a document, each alias counted as what it stands for: a few lines of aliases stand for billions.
MOST_VALUES = 100_000
DEEPEST = 20
MERGE = "tag:yaml.org,2002:merge"


class YamlError(ValueError):
    """A document that is not read.

    Attributes:
        line: The line, from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_yaml(text: str) -> tuple[object, dict[KeyPath, int]]:
    """Read one document.

    Returns:
        The data, and line numbers from 1 by path.

    Raises:
        YamlError: If it is not a document of plain data.
        ImportError: If PyYAML is not installed.
        RecursionError: If it is nested too deeply.
    """
    import yaml

    try:
        # The loader in C has no guard against deep nesting.
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        reader = _Reader(loader)
        return (None if node is None else reader.read(node, ())), reader.lines
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"the character U+{error.character:04X} is not allowed", line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"{error.problem or error.context}", mark.line + 1 if mark else 1) from None


class _Reader:
    """Makes data of PyYAML's nodes.

    Attributes:
        lines: The line of each value by path.
    """

    # Any: PyYAML has no types.
    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._values = 0
        self.lines: dict[KeyPath, int] = {}

    def read(self, node: Any, path: KeyPath, depth: int = 0) -> object:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._values += 1
        if self._values > MOST_VALUES or depth > DEEPEST:
            most = f"{MOST_VALUES} values" if depth <= DEEPEST else f"{DEEPEST} levels"
            raise YamlError(f"there are more than {most}, with what the aliases stand for", line)
        if node.id == "sequence":
            return [self.read(each, (*path, index), depth + 1) for index, each in enumerate(node.value)]
        if node.id == "mapping":
            return self._mapping(node, path, depth)
        return self._scalar(node)

    def _mapping(self, node: Any, path: KeyPath, depth: int) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == MERGE:
                # Own keys come first, also where they are below.
                for each in value.value if value.id == "sequence" else [value]:
                    part = self.read(each, path, depth + 1)
                    if not isinstance(part, Mapping):
                        raise YamlError("<< must be followed by a mapping or a list of mappings", line)
                    merged = {**part, **merged}
                continue
            key = self._scalar(key_node) if key_node.id == "scalar" else None
            if not isinstance(key, str):
                written = key_node.value if key_node.id == "scalar" else "a list or a mapping"
                raise YamlError(f"a key must be a string, not {written!s:.80}; put it in quotes", line)
            if key in own:
                raise YamlError(f"the key {key!r:.80} appears twice", line)
            self.lines[(*path, key)] = line
            own[key] = self.read(value, (*path, key), depth + 1)
        return {**merged, **own}

    def _scalar(self, node: Any) -> object:
        try:
            value: object = self._loader.construct_object(node)
        except (ValueError, ArithmeticError, LookupError, AttributeError) as error:
            # PyYAML does not check what follows a tag such as !!timestamp.
            raise YamlError(f"{node.value!r:.80} cannot be read: {error}", node.start_mark.line + 1) from None
        return value
