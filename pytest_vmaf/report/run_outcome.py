"""What a run came to, as a file that `pytest-vmaf git-bisect` reads: pytest and the command write it, and nothing else.

Exit codes and texts do not tell: pytest exits with 1 for a failed gate and for a missing clip alike.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from pytest_vmaf.files import load_json, read_bounded, write_atomically
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report.wording import cut

#: The variable that names the folder for the files. Without it, nothing is written.
FOLDER = "PYTEST_VMAF_OUTCOMES"
#: The most violations and errors that one file names, and the characters of each.
MOST, LONGEST = 50, 300
LARGEST_BYTES = 1 << 20
SHAPE = {"measured": int, "violated": [str], "failed": [str], "interrupted": bool}


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to.

    Attributes:
        measured: How many tests (with a measurement) and commands passed.
        violated: The tests or commands with a failed gate, each with its message.
        failed: What was not measured, each with its reason.
        interrupted: Whether the user ended the run, for example with Ctrl-C.
    """

    measured: int = 0
    violated: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    interrupted: bool = False


def outcome_folder() -> Path | None:
    """The folder to write to; None where nobody reads it, and in a run that a test started."""
    folder = os.environ.get(FOLDER)
    return Path(folder) if folder and "PYTEST_CURRENT_TEST" not in os.environ else None


def write_outcome(folder: Path, outcome: RunOutcome) -> None:
    """Write the outcome of a run into a new file. Several runs of one command have a file each.

    Raises:
        OSError: If it cannot be written.
    """
    texts = {name: [cut(text, LONGEST) for text in getattr(outcome, name)[:MOST]] for name in ("violated", "failed")}
    write_atomically(folder / f"{uuid4().hex}.json", [json.dumps({**asdict(outcome), **texts})])


def read_outcomes(folder: Path) -> Iterator[RunOutcome]:
    """The outcomes of all runs in a folder. A file that cannot be read counts as a run that failed."""
    for path in sorted(folder.glob("*.json")):
        try:
            record = load_json(read_bounded(path, "the outcome of a run", LARGEST_BYTES, ValueError))
            conform(record, SHAPE)
            assert isinstance(record, dict)  # noqa: S101  (for the type checker)
            texts = {name: tuple(record[name]) for name in ("violated", "failed")}
            yield RunOutcome(record["measured"], interrupted=record["interrupted"], **texts)
        except ValueError as error:
            yield RunOutcome(failed=(f"what a run wrote cannot be read: {error}",))
