"""Table: typed access to one table of a manifest, with messages that name file, line and key."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.suite.source import Source
from pytest_vmaf.suite.toml_lines import KeyPath
from pytest_vmaf.text import did_you_mean, plural, printable, short_repr

#: Problems that are listed.
MOST_PROBLEMS = 20
#: Names are parts of test ids, and are selected with -k.
NAME = re.compile(r"[^\W_][\w.+-]{0,79}")
NAME_FORM = "letters, digits and . _ + -, beginning with a letter or a digit"


class Problem(Exception):
    """Something in a manifest that is wrong, at a line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class Problems:
    """Collects what is wrong, so that one run shows all of it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._problems: list[Problem] = []

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Note a problem of the body, and go on after it."""
        try:
            yield
        except Problem as problem:
            self._problems.append(problem)

    def give_up(self) -> None:
        """Raise SettingsError if anything is wrong."""
        if not self._problems:
            return
        texts = {(each.line, str(each)): f"{self._source.name}:{each.line}: {each}" for each in self._problems}
        lines = [texts[key] for key in sorted(texts)]
        if (more := len(lines) - MOST_PROBLEMS) > 0:
            lines[MOST_PROBLEMS:] = [f"{plural(more, 'more problem')} in {self._source.name}"]
        raise SettingsError("\n".join(lines))


@dataclass(frozen=True)
class Table:
    """One table of a manifest.

    Attributes:
        source: The file.
        path: Where it is in the file.
        label: What messages call it: "encodes[x265]"; "" for the top table.
        values: Its keys and values.
    """

    source: Source
    path: KeyPath
    label: str
    values: Mapping[str, object]

    @property
    def line(self) -> int:
        """The line on which the table begins."""
        return self.source.line_of(self.path)

    def problem(self, text: str, *key: str | int) -> Problem:
        """A problem with the table, or with the value of a key."""
        name = printable(".".join(filter(None, [self.label, *map(str, key[:1])])))
        return Problem(self.source.line_of((*self.path, *key)), f"{name} {text}".strip())

    def expected(self, key: str, what: str, *index: int) -> Problem:
        """The problem that a value, or an element of it, is something else."""
        value = self.values[key]
        for each in index:
            value = value[each] if isinstance(value, list) else value
        return self.problem(f"must be {what}, not {short_repr(value)}.", key, *index)

    def refuse_unknown(self, known: Collection[str], hints: Mapping[str, str] | None = None) -> None:
        """Raise Problem for a key that is not known."""
        for key in self.values:
            if key not in known:
                hint = (hints or {}).get(key) or did_you_mean(key, known) or f" Keys: {', '.join(known)}."
                raise Problem(
                    self.source.line_of((*self.path, key)),
                    f"{printable(self.label or 'the manifest')} has an unknown key {short_repr(key)}.{hint}",
                )

    def text(self, key: str) -> str | None:
        """A string that is not empty; None if the key is missing."""
        value = self.values.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.expected(key, "a string" if not isinstance(value, str) else "a string that is not empty")
        return value if isinstance(value, str) else None

    def name(self, key: str) -> str | None:
        """A name that can be a part of test ids."""
        value = self.text(key)
        if value is not None and not NAME.fullmatch(value):
            raise self.expected(key, NAME_FORM)
        return value

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.expected(key, "true or false")
        return value

    def words(self, key: str) -> tuple[str, ...] | None:
        """A list of different strings, at least one."""
        values = self._list(key, "names")
        for index, value in enumerate(values or ()):
            if not isinstance(value, str) or not value.strip():
                raise self.expected(key, "a list of names", index)
        return None if values is None else tuple(map(str, values))

    def whole_number(self, key: str, lowest: int) -> int | None:
        """A whole number."""
        value = self.values.get(key)
        if value is not None and (type(value) is not int or value < lowest):
            raise self.expected(key, f"a whole number of at least {lowest}")
        return value if isinstance(value, int) else None

    def number(self, key: str) -> float | None:
        """A finite number."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.expected(key, "a finite number")
        return value

    def whole_numbers(self, key: str, low: int, high: int, of: str = "") -> tuple[int, ...] | None:
        """A list of different whole numbers from `low` to `high`."""
        values = self._list(key, "whole numbers, for example [22, 28]")
        for index, value in enumerate(values or ()):
            if type(value) is not int:
                raise self.expected(key, "whole numbers", index)
            if not low <= value <= high:
                raise self.expected(key, f"from {low} to {high}{of}", index)
        return None if values is None else tuple(value for value in values if isinstance(value, int))

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """A list of different finite numbers."""
        values = self._list(key, "numbers, for example [93, 96]")
        for index, value in enumerate(values or ()):
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise self.expected(key, "finite numbers", index)
        return None if values is None else tuple(value for value in values if isinstance(value, int | float))

    def table(self, key: str) -> Table:
        """A table inside; an empty one if the key is missing."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.expected(key, "a table")
        label = ".".join(filter(None, [self.label, key]))
        return Table(self.source, (*self.path, key), label, value)

    def tables(self, key: str) -> list[Table]:
        """An array of tables; messages call each by its name, or by its number from 1."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            form = f"an array of tables: write [[{key}]] above each"
            if self.source.path.suffix.lower() != ".toml":
                form = "a list of mappings"
            raise self.expected(key, form)
        tables = []
        for index, each in enumerate(value):
            name = each.get("name")
            label = f"{key}[{name if isinstance(name, str) and NAME.fullmatch(name) else index + 1}]"
            tables.append(Table(self.source, (*self.path, key, index), label, each))
        return tables

    def _list(self, key: str, of: str) -> list[object] | None:
        value = self.values.get(key)
        if value is None and key not in self.values:
            return None
        if not isinstance(value, list):
            raise self.expected(key, f"a list of {of}")
        if not value:
            raise self.problem("must not be empty.", key)
        seen = set()
        for index, each in enumerate(value):
            if isinstance(each, str | int | float):
                if each in seen:
                    raise self.problem(f"has {short_repr(each)} twice.", key, index)
                seen.add(each)
        return value
