"""The outcome of a comparison with a baseline."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_vmaf.baselines.entry import Entry
from pytest_vmaf.baselines.judge import ToleranceVerdict


@dataclass(frozen=True)
class Outcome:
    """The outcome of a comparison, for the test's failure, its record and its report.

    Attributes:
        verdicts: One verdict for each tolerance and place; none if the new entry replaces the baseline.
        failed: The failures, one sentence each; empty if the comparison passed.
        lines: Details of the failures, and how to accept the new values.
        also: The tolerances that passed, one sentence each.
        old: The baseline, None if there is none.
        new: The entry of the new measurement.
        name: The name of the baseline, "" if none was requested.
    """

    verdicts: tuple[ToleranceVerdict, ...] = ()
    failed: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    old: Entry | None = None
    new: Entry | None = None
    name: str = ""
