"""The file of a manifest: its data, and where each key is in it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.plugin_metrics import FindMetric, no_metric
from pytest_vmaf.suite.toml_lines import KeyPath, toml_lines
from pytest_vmaf.text import printable

#: A larger file is not a manifest: 10,000 clips need less. In bytes.
LARGEST = 8 << 20
YAML_SUFFIXES = (".yaml", ".yml")
AT = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)")


@dataclass(frozen=True)
class Source:
    """A manifest as it is in its file.

    Attributes:
        path: The absolute path.
        name: The path for messages.
        data: The top table.
        lines: The line of each key and element, from 1.
        find_metric: Finds metrics of plugins.
    """

    path: Path
    name: str
    data: dict[str, object]
    lines: dict[KeyPath, int]
    find_metric: FindMetric = field(default=no_metric, compare=False, repr=False)

    def line_of(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest table around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_source(path: Path, name: str) -> Source:
    """Read the file.

    Args:
        path: The file; `.yaml` and `.yml` are YAML, everything else is TOML.
        name: Its path for messages.

    Raises:
        SettingsError: If it cannot be read. The message names file and line.
    """
    text = _text(path, name)
    try:
        if path.suffix.lower() in YAML_SUFFIXES:
            data, lines = _yaml(text, name)
        else:
            data, lines = _toml(text, name)
    except RecursionError:
        raise SettingsError(f"{name}: it is nested too deeply.") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise SettingsError(f"{name}:1: a manifest must be a mapping of keys to values, not a {type(data).__name__}.")
    return Source(path.absolute(), name, data, lines)


def _text(path: Path, name: str) -> str:
    try:
        if not path.is_file():
            raise SettingsError(f"{name} {'is not a file' if path.exists() else 'does not exist'}.")
        if path.stat().st_size > LARGEST:
            raise SettingsError(f"{name} is larger than {LARGEST >> 20} MiB. Split the manifest.")
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{name} cannot be read: {printable(error.strerror or str(error))}.") from None
    try:
        # Editors of Windows begin a file with a byte order mark.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"the byte 0x{data[error.start]:02x}"
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{name}:{line}: a manifest must be UTF-8, not {what}. Save it as UTF-8.") from None
    return text.replace("\r\n", "\n")


def _toml(text: str, name: str) -> tuple[object, dict[KeyPath, int]]:
    try:
        data = tomllib.loads(text)
    except ValueError as error:
        # Also raised for integers of thousands of digits.
        message = str(error)
        match = AT.search(message)
        line = int(match["line"]) if match and match["line"] else text.count("\n") + 1
        rows = text.split("\n")
        backslash = "\\" in rows[line - 1] if line <= len(rows) else False
        hint = " Write paths with / or in single quotes: in double quotes, \\ begins an escape." if backslash else ""
        text = printable(AT.sub("", message))
        raise SettingsError(f"{name}:{line}: this is not valid TOML: {text}.{hint}") from None
    return data, toml_lines(text)


def _yaml(text: str, name: str) -> tuple[object, dict[KeyPath, int]]:
    from pytest_vmaf.suite.yaml_data import YamlError, read_yaml

    try:
        return read_yaml(text)
    except ImportError:
        raise SettingsError(
            f"{name} is YAML, which needs PyYAML: pip install 'pytest-vmaf[yaml]'. Or write the manifest as vmaf.toml."
        ) from None
    except YamlError as error:
        raise SettingsError(f"{name}:{error.line}: this YAML is not read: {printable(str(error))}.") from None
