"""What the searching subcommands say: their JSON, their tables, comments in manifests, and the exit code."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pytest_vmaf.cli.common import PASSED, say, write, write_table
from pytest_vmaf.cli.common import VIOLATED as UNMET
from pytest_vmaf.errors import MeasurementError

Head = dict[str, Any]


@contextmanager
def error_in_output(options: argparse.Namespace, head: Head) -> Iterator[None]:
    """With --format json an error is written with all that was measured before it, which may have cost hours."""
    from pytest_vmaf.search.serialize import probe_record

    try:
        yield
    except MeasurementError as error:
        if options.format == "json":
            text = "\n".join([str(error), *getattr(error, "__notes__", ())])
            write(options.output, as_json(head, {"error": text, "probes": list(map(probe_record, error.probes))}))
        raise


def exit_code(unmet: Iterable[str]) -> int:
    """By the targets that were not met; each is said on standard error."""
    whys = list(unmet)
    for why in whys:
        say(UNMET, f"not met: {why.removesuffix('.')}.")
    return UNMET if whys else PASSED


def as_json(head: Head, record: dict[str, Any]) -> str:
    """The record with the head before all else, in whose words both say what they share."""
    return json.dumps({**head, **record, **head}, indent=2, allow_nan=False) + "\n"


def put(options: argparse.Namespace, head: Head, record: dict[str, Any], sections: list[dict[str, Any]]) -> None:
    """The record as JSON, or the sections of a report as text."""
    if options.format == "json":
        write(options.output, as_json(head, record))
        return
    from rich.text import Text

    from pytest_vmaf.report.terminal import section_table

    write_table(options.output, Text(f"{about(head)}\n"), *map(section_table, sections))


def about(head: Head) -> str:
    """A sentence about what the targets are numbers of."""
    from pytest_vmaf.search.probe import parse_metric

    model = f", the score of {head['target_model']}" if head["target_model"] else ""
    return f"Targets are {parse_metric(head['metric'])}{model}."


def noted(text: str, head: Head, targets: list[float]) -> str:
    """A manifest with a comment on what its rungs were chosen by, after the first line, which belongs to the form."""
    note = f"{about(head)} They are {', '.join(f'{target:g}' for target in targets)}."
    first, _, rest = text.partition("\n")
    # In XML a comment ends at two hyphens, whatever follows.
    shown = f"# {note}" if first.startswith("#") else f"<!-- {note.replace('--', '- -').replace('--', '- -')} -->"
    return f"{first}\n{shown}\n{rest}"
