"""Apache Otava, which finds change points: CSV tables of times, commits and numbers, and their configuration."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_vmaf.exports.names import fit
from pytest_vmaf.exports.readings import Reading

#: The columns that are no numbers.
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


def otava_table(readings: Sequence[Reading], name: str = "vmaf") -> OtavaTable:
    """One table of all measurements, with a column for each metric of each.

    Otava reads no empty cells, so what was not measured at every commit is left out.
    """
    return _table(name, [(f"{each.name} {each.number.name}", each) for each in readings])


def otava_tables(readings: Iterable[Reading]) -> list[OtavaTable]:
    """A table of each measurement, with a row for each commit that measured it, and a column for each metric."""
    groups: dict[str, list[tuple[str, Reading]]] = {}
    for each in readings:
        groups.setdefault(each.name, []).append((each.number.name, each))
    names: dict[str, str] = {}
    for label in groups:
        name = fit(re.sub(r"[^\w.-]+", "-", label).strip("-.") or "vmaf", MOST_OF_NAME)
        while name.lower() in map(str.lower, names.values()):
            # Names may differ in signs that files do not have, or in their case.
            name += "-2"
        names[label] = name
    return [_table(names[label], cells) for label, cells in groups.items()]


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


def _table(name: str, cells: Sequence[tuple[str, Reading]]) -> OtavaTable:
    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    directions: dict[str, int] = {}
    times: dict[tuple[str, str], str] = {}
    for column, each in cells:
        line = each.line
        # Runs of one commit are one row: shards end at different times.
        time = times.setdefault((line.commit or line.time, line.branch), line.time)
        rows.setdefault((time, line.commit, line.branch), {})[column] = each.number.value
        directions[column] = 1 if each.number.higher_is_better else -1
    missing = {column: sum(column not in row for row in rows.values()) for column in directions}
    columns = [column for column in directions if not missing[column]]
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(("time", *ATTRIBUTES, *columns))
    for key, row in sorted(rows.items()):
        writer.writerow((*key, *(repr(row[column]) for column in columns)))
    gaps = {column: count for column, count in missing.items() if count}
    return OtavaTable(name, output.getvalue(), {column: directions[column] for column in columns}, gaps)
