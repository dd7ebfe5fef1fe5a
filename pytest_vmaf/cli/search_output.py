"""Output of the search commands: JSON, tables, manifest comments and exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli.common import PASSED, VIOLATED as UNMET, print_message, write, write_json
from pytest_vmaf.cli.executors import chosen_executor
from pytest_vmaf.cli.formats import Views, write_views
from pytest_vmaf.cli.search_input import Head, SearchInput, target_model
from pytest_vmaf.errors import MeasurementError

if TYPE_CHECKING:
    from pytest_vmaf.search.bisection import Bisection


@contextmanager
def searching(options: argparse.Namespace, search: SearchInput) -> Iterator[None]:
    """The context of a search: names the model of its targets, runs its executor, and reports errors in the output."""
    with error_in_output(options, search.head):
        search.head.target_model = target_model(options, search.head.metric, search.clips)
        with chosen_executor(options) as executor:
            if executor is not None:
                search.settings["executor"] = executor
            yield


@contextmanager
def error_in_output(options: argparse.Namespace, head: Head) -> Iterator[None]:
    """With `--format json`, write an error with everything measured before it, which may have cost hours."""
    try:
        yield
    except MeasurementError as error:
        if options.format == "json":
            text = "\n".join([str(error), *getattr(error, "__notes__", ())])
            write_json(
                options.output, with_head(head, {"error": text, "probes": [probe.to_dict() for probe in error.probes]})
            )
        raise


def exit_code(unmet: Iterable[str]) -> int:
    """The exit code for targets that were not met, each with its reason, which is printed."""
    code = PASSED
    for why in unmet:
        code = print_message(f"not met: {why.removesuffix('.')}.", UNMET)
    return code


def with_head(head: Head, record: Mapping[str, object]) -> dict[str, object]:
    """Merge `head` into the record. Keys in `head` come first and win."""
    first = head.to_dict()
    return {**first, **record, **first}


def write_search(
    options: argparse.Namespace,
    head: Head,
    record: Mapping[str, object],
    rows: Sequence[Mapping[str, object]],
    sections: Sequence[Mapping[str, Any]] = (),
    lines: Sequence[str] = (),
) -> None:
    """Write a search in the format of `--format`, its tables below a sentence about the targets.

    Args:
        options: The options of the command.
        head: What the search was for.
        record: The search as JSON.
        rows: The search as CSV.
        sections: The sections of the report.
        lines: Sentences to print in place of sections.
    """
    sentence = describe_targets(head)
    if options.format == "table" and not sections:
        write(options.output, "".join(f"{line}\n" for line in (sentence, *lines)))
        return
    paragraphs = [{"kind": "text", "text": line} for line in lines]
    sections = sections or [{"title": "", "blocks": paragraphs}]
    write_views(options, Views(head.command, with_head(head, record), rows, sections, sentence))


def answer_rows(bisection: Bisection) -> list[dict[str, object]]:
    """One row per target, with the columns of a comparison's rows."""
    head = {"source": bisection.reference, "encoder": bisection.name}
    return [{**head, **answer.to_dict()} for answer in bisection.answers.values()]


def describe_targets(head: Head) -> str:
    """A sentence about the metric and the model of the targets."""
    from pytest_vmaf.search.metric import metric_label

    model = f", the score of {head.target_model}" if head.target_model else ""
    return f"Targets are {metric_label(head.metric)}{model}."


def add_comment(manifest: str, search: SearchInput) -> str:
    """Add a comment about the targets below the first line of a manifest, which is part of its format."""
    text = f"{describe_targets(search.head)} They are {', '.join(f'{target:g}' for target in search.targets)}."
    first, _, rest = manifest.partition("\n")
    # Two hyphens end a comment in XML, whatever follows.
    comment = f"# {text}" if first.startswith("#") else f"<!-- {text.replace('--', '- -').replace('--', '- -')} -->"
    return f"{first}\n{comment}\n{rest}"
