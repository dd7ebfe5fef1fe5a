"""The output formats of commands that print tables: text for a terminal, JSON, Markdown and CSV."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli.common import write, write_json, write_table
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

#: The formats of every table, the default first.
TABLE_FORMATS = ("table", "json", "markdown", "csv")
#: Other names of formats.
ALIASES = {"text": "table", "md": "markdown"}


@dataclass(frozen=True)
class Views:
    """What a command measured, for each format.

    Attributes:
        title: The heading of the Markdown.
        record: The JSON.
        rows: The rows of the CSV, numbers in full precision.
        sections: Records of report sections: the tables of the Markdown, and those of the text if `text` is empty.
        sentence: A paragraph above the tables.
        text: What a terminal gets in place of sections.
    """

    title: str
    record: Mapping[str, object]
    rows: Sequence[Mapping[str, object]]
    sections: Sequence[Mapping[str, Any]]
    sentence: str = ""
    text: Sequence[RenderableType] = field(default=())


def add_file(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add `--output` to a command that has one format."""
    group = parser.add_argument_group("output")
    group.add_argument("--output", type=Path, help="write to this file instead of standard output")
    return group


def add_output(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add `--format` with the formats of tables and `more` of them, `--json` and `--output`."""
    group = add_file(parser)
    formats = (*TABLE_FORMATS, *more)
    text = f"default {formats[0]}"
    group.add_argument("--format", type=_format, choices=formats, default=formats[0], help=text)
    group.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")


def write_views(options: argparse.Namespace, views: Views) -> None:
    """Write what was measured in the format of `--format` to `--output`."""
    if options.format == "json":
        write_json(options.output, views.record)
    elif options.format == "csv":
        from pytest_vmaf.report.csv_table import csv_text

        write(options.output, csv_text(views.rows))
    elif options.format == "markdown":
        from pytest_vmaf.report.markdown import markdown_sections

        write(options.output, markdown_sections(views.title, views.sentence, views.sections))
    else:
        from rich.text import Text

        from pytest_vmaf.report.terminal import section_table

        lead = [Text(f"{views.sentence}\n")] if views.sentence else []
        write_table(options.output, *(views.text or (*lead, *map(section_table, views.sections))))


def table_section(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> dict[str, Any]:
    """The record of a section with one table."""
    from pytest_vmaf.report.sections import DataTable, Section

    cells = [[printable(str(cell)) for cell in row] for row in rows]
    return Section(title, [DataTable(columns, cells)]).to_record()


def _format(text: str) -> str:
    return ALIASES.get(text, text)
