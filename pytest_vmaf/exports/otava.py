"""Apache Otava, which finds change points: CSV tables of times, commits and numbers, and their configuration."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_vmaf.exports.names import fit
from pytest_vmaf.exports.readings import Reading

#: The columns that are not numbers.
ATTRIBUTES = ("commit", "branch")
#: The longest name of a test, which is a file's name, too.
MOST_OF_NAME = 120


@dataclass(frozen=True)
class OtavaTable:
    """One table of Otava.

    Attributes:
        name: The name of the test in Otava, which is a file's name, too.
        text: The CSV.
        directions: For each column of numbers, 1 if higher is better, else -1.
        gaps: Columns that were left out, each with the number of rows in which it has no number.
    """

    name: str
    text: str
    directions: Mapping[str, int]
    gaps: Mapping[str, int]


def otava_table(readings: Iterable[Reading], name: str = "vmaf") -> OtavaTable:
    """One table of all measurements, with a column for each metric of each.

    Otava reads no empty cells, so what was not measured at every commit is left out.
    """
    table = _Rows()
    for each in readings:
        table.add(f"{each.name} {each.number.name}", each)
    return table.finish(name)


def otava_tables(readings: Iterable[Reading]) -> list[OtavaTable]:
    """A table of each measurement, with a row for each commit that measured it, and a column for each metric."""
    groups: dict[str, _Rows] = {}
    for each in readings:
        groups.setdefault(each.name, _Rows()).add(each.number.name, each)
    names: dict[str, str] = {}
    for label in groups:
        name = fit(re.sub(r"[^\w.-]+", "-", label).strip("-.") or "vmaf", MOST_OF_NAME)
        while name.lower() in map(str.lower, names.values()):
            # Names may differ in signs that files do not have, or in their case.
            name += "-2"
        names[label] = name
    return [table.finish(names[label]) for label, table in groups.items()]


def otava_config(tables: Iterable[OtavaTable], folder: str) -> str:
    """The tests of an `otava.yaml`.

    Args:
        tables: The tables.
        folder: Where their files are, as Otava finds it from where it is started.
    """
    lines = ["tests:"]
    for table in tables:
        lines += [
            f"  {json.dumps(table.name)}:",
            "    type: csv",
            f"    file: {json.dumps(f'{folder}/{table.name}.csv')}",
            "    time_column: time",
            f"    attributes: {json.dumps(ATTRIBUTES)}",
            "    metrics:",
        ]
        for column, direction in table.directions.items():
            lines += [f"      {json.dumps(column)}: {{direction: {direction}, column: {json.dumps(column)}}}"]
    return "".join(f"{line}\n" for line in lines)


class _Rows:
    """The rows of a table while they are collected."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, float]] = {}
        self.times: dict[tuple[str, str], str] = {}
        self.directions: dict[str, int] = {}

    def add(self, column: str, reading: Reading) -> None:
        """Add a number to the row of its commit."""
        line = reading.line
        # Runs of one commit are one row: shards end at different times.
        commit = (line.commit or line.time, line.branch)
        self.times.setdefault(commit, line.time)
        self.rows.setdefault(commit, {})[column] = reading.number.value
        if column not in self.directions:
            self.directions[column] = 1 if reading.number.higher_is_better else -1

    def finish(self, name: str) -> OtavaTable:
        """The table, its rows by time."""
        missing = {column: sum(column not in row for row in self.rows.values()) for column in self.directions}
        columns = [column for column in self.directions if not missing[column]]
        output = io.StringIO()
        writer = csv.writer(output, lineterminator="\n")
        writer.writerow(("time", *ATTRIBUTES, *columns))
        for (commit, branch), row in sorted(self.rows.items(), key=lambda item: (self.times[item[0]], item[0])):
            time = self.times[commit, branch]
            # A run that does not name its commit has its time in place of it.
            texts = (time, "" if commit == time else commit, branch)
            writer.writerow((*texts, *(repr(row[column]) for column in columns)))
        gaps = {column: count for column, count in missing.items() if count}
        return OtavaTable(name, output.getvalue(), {column: self.directions[column] for column in columns}, gaps)
