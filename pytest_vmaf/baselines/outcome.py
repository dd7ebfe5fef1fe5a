"""What holding a baseline came to, for the test's failure, its record and its report."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_vmaf.baselines.entry import Entry
from pytest_vmaf.baselines.judge import ToleranceVerdict


@dataclass(frozen=True)
class Outcome:
    """What holding an entry found: violations in ``failed``, what is told of them, and the same for the report."""

    verdicts: tuple[ToleranceVerdict, ...] = ()
    failed: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    old: Entry | None = None
    new: Entry | None = None
    name: str = ""
