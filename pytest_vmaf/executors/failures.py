"""`Failure`: a task that failed while others went on, and the error that lists all of them in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.executors.task import TaskError

#: How many failures a message lists.
MOST_LISTED = 20
#: How much of each one's message it has, in characters.
LONGEST_LINE = 300


@dataclass(frozen=True)
class Failure:
    """A task that failed.

    Attributes:
        name: What it was, for example "ref.y4m, libx264 medium, CRF 20".
        error: Why it failed.
        place: Its place among all tasks. Tasks end in any order; failures are listed in that of the tasks.
    """

    name: str
    error: TaskError
    place: int = 0


def failure_error(failures: Sequence[Failure], total: int, noun: str) -> TaskError:
    """The error for tasks that failed: of one, its own with a note; of several, one that lists them.

    The list has a line of each; a note has the whole message of the first one, with its command and what it printed.

    Args:
        failures: What failed, at least one.
        total: The number of all tasks.
        noun: What a task makes, for example "encode".
    """
    nouns = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    if len(failures) == 1:
        error = failures[0].error
        error.add_note(f"This was {failures[0].name}. The other {nouns} were not affected.")
        return error
    kinds = {type(failure.error) for failure in failures}
    kind: type[TaskError] = kinds.pop() if len(kinds) == 1 else MeasurementError
    lines = [f"{len(failures)} of {total} {nouns} failed:"]
    in_order = sorted(failures, key=lambda failure: failure.place)
    for failure in in_order[:MOST_LISTED]:
        first, _, _ = str(failure.error).partition("\n")
        lines.append(f"  {failure.name}: {first[:LONGEST_LINE]}")
    if len(failures) > MOST_LISTED:
        lines.append(f"  … and {len(failures) - MOST_LISTED} more")
    listing = kind("\n".join(lines))
    whole = [str(in_order[0].error), *getattr(in_order[0].error, "__notes__", ())]
    if "\n" in "\n".join(whole):
        listing.add_note("\n  ".join([f"The first one in full, {in_order[0].name}:", *"\n".join(whole).splitlines()]))
    return listing
