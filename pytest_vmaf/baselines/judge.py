"""pytest_vmaf.baselines.judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_vmaf.baselines.entry import DIGITS, Entry, numbers_of
from pytest_vmaf.errors import BaselineError
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.gates.tolerance import Tolerance
from pytest_vmaf.text import printable


@dataclass(frozen=True)
class ToleranceVerdict:
    """A tolerance held against an entry. ``where`` names a region, a target or an encoder, "" for the whole picture.

    ``worse`` is how much worse it got in the tolerance's unit, ``margin`` what of that repeated encodes say is noise.
    ``why`` is set where there is nothing to compare: no number says how much worse that is.
    """

    tolerance: Tolerance
    where: str
    old: float | None
    new: float | None
    worse: float
    margin: float = 0.0
    why: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is within the tolerance, and what repeated encodes say is noise."""
        return not self.why and self.worse <= (self.tolerance.limit or 0.0) + self.margin

    @property
    def by_noise(self) -> bool:
        """Whether it passed only because encodes of this encoder differ by as much among themselves."""
        return self.passed and self.worse > (self.tolerance.limit or 0.0)


def refuse_incomparable(old: Entry, new: Entry, update: str) -> None:
    """Raise BaselineError that says what differs where two entries are not of one thing; ``update`` accepts it."""
    said = [f"{name} {a} → {b}" for name, a, b in _differences(_matches(old), _matches(new))]
    if said:
        raise BaselineError(
            f"not comparable: {'; '.join(said)}\n"
            "  A number of another measurement says nothing of this one. If the change is meant, accept the new one:\n"
            f"  {update}"
        )


def _matches(entry: Entry) -> dict[str, str]:
    found = {"kind": entry["kind"], **entry["match"]}
    for name, region in (entry.get("regions") or {}).items():
        found |= {f"region {name}: {key}": value for key, value in region["match"].items()}
    return found


def tool_differences(old: Entry, new: Entry) -> list[str]:
    """What differs in the tools, which makes two entries no less comparable."""
    return [f"{name} {a} → {b}" for name, a, b in _differences(old["shown"], new["shown"])]


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    for name in dict.fromkeys((*old, *new)):
        a, b = old.get(name), new.get(name)
        # A region that comes or goes is told by its numbers.
        if a != b and not (name.startswith("region ") and None in (a, b)):
            yield printable(name), "nothing" if a is None else printable(a), "nothing" if b is None else printable(b)


def hold(old: Entry, new: Entry, tolerances: Iterable[Tolerance]) -> list[ToleranceVerdict]:
    """Hold every tolerance at every place of the new entry. Equality passes."""
    before, now = numbers_of(old), numbers_of(new)
    held = []
    for tolerance in tolerances:
        key = tolerance.metric, tolerance.pool
        for where, numbers in now.items():
            a, b = before.get(where, {}).get(key), numbers.get(key)
            if a is not None and b is not None:
                worse = tolerance.worse(a, b)
                held.append(ToleranceVerdict(tolerance, where, a, b, worse))
            elif why := _why(old, before, where, tolerance, a, b):
                held.append(ToleranceVerdict(tolerance, where, a, b, 0.0, why=why))
        for where in before:
            if where not in now and key in before[where]:
                why = f"{printable(where)} is in the baseline, and was not measured now"
                held.append(ToleranceVerdict(tolerance, where, before[where][key], None, 0.0, why=why))
    return held


def _why(
    old: Entry,
    before: Mapping[str, Mapping[tuple[str, str], float]],
    where: str,
    tolerance: Tolerance,
    a: float | None,
    b: float | None,
) -> str:
    """Why there is nothing to compare, where that is no good; a search may have met a target neither time."""
    what = f"{printable(where)} " if where else ""
    if old["kind"] == "bisect" and where in before:
        return f"{what}was met before and is not now" if a is not None else ""
    if where not in before:
        return f"{what}is not in the baseline"
    pool = "" if tolerance.pool == "mean" else f" {tolerance.pool}"
    if a is None and b is None and tolerance.origin == "default":
        return ""
    since = "the baseline has none" if a is None else "it is not there now"
    return f"{what}{label(tolerance.metric)}{pool} cannot be compared: {since}"


def is_better(old: Entry, new: Entry, held: Sequence[ToleranceVerdict]) -> bool:
    """Whether nothing that is compared got worse and something got better: then a baseline may be tightened."""
    gained = {*numbers_of(new)} == {*numbers_of(old)} and any(each.worse < -each.margin for each in held)
    return gained and all(not each.why and each.worse <= 0 for each in held)


def says(held: ToleranceVerdict) -> str:
    """A tolerance that did not hold in words, numbers first."""
    tolerance = held.tolerance
    if held.why or held.old is None or held.new is None:
        return held.why
    metric = tolerance.metric
    unit = {"bitrate": " bit/s", "bd_rate": " %"}.get(metric, "")
    digits = 0 if metric in ("bitrate", "crf") else 2 if abs(held.old) > 2 or metric in ("neg", "vmaf", "gap") else 4
    limit = tolerance.limit or 0.0
    apart = 2 if tolerance.relative else digits
    # What missed it by a hair does not look as if it had met it.
    while apart < DIGITS and round(abs(held.worse), apart) == limit != abs(held.worse):
        apart += 1
    relative = " %" if tolerance.relative else " points" if metric == "bd_rate" else ""
    far = f"{abs(held.worse):,.{apart}f}{relative}"
    name = "" if metric == "bitrate" else f"{label(metric)} "
    pool = "" if tolerance.pool == "mean" else f"{tolerance.pool} "
    where = f"{printable(held.where)}: " if held.where else ""
    noise = f", within the encoder's own noise of {held.margin:.3g} beyond it" if held.by_noise else ""
    higher = (held.worse > 0) == (tolerance.direction == "rise")
    value, base = (f"{number:,.{digits}f}".replace("-", "−") for number in (held.new, held.old))
    if not held.worse:
        compared = f"is the baseline's; {tolerance.name} is {tolerance.shown}"
    else:
        side = "above" if higher else "below"
        compared = f"is {far} {side} the baseline's {base}{unit}; {tolerance.name} is {tolerance.shown}"
    return f"{where}{name}{pool}{value}{unit} {compared}{noise}"
