"""Comparison of two baseline entries: what makes them incomparable, a verdict for each tolerance, the outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_vmaf.baselines.entry import Entry, numbers_of
from pytest_vmaf.errors import BaselineError
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.gates.tolerance import Tolerance
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.search.equal_rate import EqualRateVerdict

Numbers = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class ToleranceVerdict:
    """One tolerance, checked in one place of an entry.

    Attributes:
        tolerance: The tolerance.
        where: A region, a target or an encoder; "" for the whole picture.
        old: The baseline's number, None if it has none.
        new: The new number, None if there is none.
        worse: How much worse the new number is, in the tolerance's unit; infinity for a target that is not reached now.
        margin: How much of that repeated encodes explain as noise.
        why: Why the two cannot be compared, "" if they can.
    """

    tolerance: Tolerance
    where: str
    old: float | None
    new: float | None
    worse: float = 0.0
    margin: float = 0.0
    why: str = ""

    @property
    def passed(self) -> bool:
        """Whether the number got worse by no more than the tolerance and the margin."""
        return not self.why and self.worse <= (self.tolerance.limit or 0.0) + self.margin

    @property
    def by_noise(self) -> bool:
        """Whether it passed only because repeated encodes differ by as much among themselves."""
        return self.passed and self.worse > (self.tolerance.limit or 0.0)


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
        equal_rates: What `agree=` found at the baseline's bitrates.
        packets: Whether the packets are the baseline's, in words, and whether that passed; None if it was not checked.
    """

    verdicts: tuple[ToleranceVerdict, ...] = ()
    failed: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    old: Entry | None = None
    new: Entry | None = None
    name: str = ""
    packets: tuple[str, bool] | None = None
    equal_rates: tuple[EqualRateVerdict, ...] = ()


def refuse_incomparable(old: Entry, new: Entry, update: Callable[[], str]) -> None:
    """Raise if two entries were not measured under the same conditions.

    Args:
        old: The baseline.
        new: The new measurement.
        update: Makes the command that accepts the new values, for the message.

    Raises:
        BaselineError: With everything that differs.
    """
    if differences := _differences(_conditions(old), _conditions(new)):
        raise BaselineError(
            f"not comparable: {'; '.join(differences)}\n"
            "  The baseline was measured under different conditions. If the change is intended, accept the new values:"
            f"\n  {update()}"
        )


def tool_differences(old: Entry, new: Entry) -> list[str]:
    """What differs in the tools that measured, as texts; two such entries are compared all the same."""
    return _differences(old["shown"], new["shown"])


def compare_entries(old: Entry, new: Entry, tolerances: Iterable[Tolerance]) -> list[ToleranceVerdict]:
    """Check every tolerance in every place of the two entries."""
    before, after = numbers_of(old), numbers_of(new)
    verdicts = (
        _verdict(each, where, before.get(where), after.get(where), may_miss=old["kind"] == "bisect")
        for each in tolerances
        for where in dict.fromkeys((*after, *before))
    )
    return [verdict for verdict in verdicts if verdict is not None]


def is_better(old: Entry, new: Entry, verdicts: Sequence[ToleranceVerdict]) -> bool:
    """Whether some compared number got better and none got worse, so that the baseline may be tightened."""
    gained = numbers_of(new).keys() == numbers_of(old).keys() and any(each.worse < -each.margin for each in verdicts)
    return gained and all(not each.why and each.worse <= 0 for each in verdicts)


def _verdict(
    tolerance: Tolerance, where: str, before: Numbers | None, after: Numbers | None, *, may_miss: bool
) -> ToleranceVerdict | None:
    """The verdict in one place, None if no number is expected there, such as for a target that no search reached."""
    key, place = (tolerance.metric, tolerance.pool), f"{printable(where)} " if where else ""
    a, b = (before or {}).get(key), (after or {}).get(key)
    if a is not None and b is not None:
        return ToleranceVerdict(tolerance, where, a, b, tolerance.worse(a, b))
    worse = 0.0
    if after is None:
        why = f"{place}is in the baseline but was not measured" if a is not None else ""
    elif before is None:
        why = f"{place}is not in the baseline"
    elif may_miss:
        worse = math.inf
        why = f"{place}was reached in the baseline and is not reached now" if a is not None else ""
    elif a is None and b is None and tolerance.origin == "default":
        why = ""
    else:
        pool = "" if tolerance.pool == "mean" else f" {tolerance.pool}"
        side = "baseline" if a is None else "new measurement"
        why = f"{place}{label(tolerance.metric)}{pool} cannot be compared: the {side} does not contain it"
    return ToleranceVerdict(tolerance, where, a, b, worse, why=why) if why else None


def _conditions(entry: Entry) -> dict[str, str]:
    conditions = {"kind": entry["kind"], **entry["match"]}
    for name, region in (entry.get("regions") or {}).items():
        conditions |= {f"region {name}: {key}": value for key, value in region["match"].items()}
    return conditions


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    # A region or a plugin's metric that is only in one of the two fails by its numbers.
    parts = tuple(name for name in old.keys() ^ new.keys() if name.startswith(("region ", "metric ")))
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name) and name not in parts]
    return [f"{printable(name)} {_value(old, name)} → {_value(new, name)}" for name in names]


def _value(texts: Mapping[str, str], name: str) -> str:
    return printable(texts[name]) if name in texts else "nothing"
