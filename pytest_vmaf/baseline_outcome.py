"""What holding a baseline came to, for the test's failure, its record and its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_vmaf.quality.baseline import NAMES, Entry, Held
from pytest_vmaf.quality.process import printable

if TYPE_CHECKING:
    from pytest_vmaf.report.parts import Making
    from pytest_vmaf.report.section import Section


@dataclass(frozen=True)
class Outcome:
    """What holding an entry found: violations in ``failed``, what is told of them, and the same for the report."""

    held: tuple[Held, ...] = ()
    failed: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    old: Entry | None = None
    new: Entry | None = None
    name: str = ""

    @property
    def making(self) -> Making | None:
        """What makes the section of a report; None where no baseline was asked for."""
        if not self.name:
            return None

        def section(_: int) -> Section:
            from pytest_vmaf.report.baselines import baseline_section

            return baseline_section(self.name, self.held, self.failed, self.old, self.new)

        return section

    def gates(self, where: str | None) -> list[dict[str, Any]]:
        """The tolerances of one place, or of all, as gates of a record; what could not be compared has no number."""
        if self.failed and self.old is None and not where:
            # So that what failed is not taken for a gate that held.
            missing = {"name": "baseline", "metric": "entries of the baseline", "pool": "mean", "origin": "call"}
            return [{**missing, "bound": "min", "limit": 1.0, "value": 0.0, "margin": -1.0, "passed": False}]
        return [_gate(each, where is None) for each in self.held if where in (None, each.where) and not each.why]


def _gate(held: Held, named: bool) -> dict[str, Any]:
    """As a gate upon the change: what may drop by 0.5 has a change of at least -0.5."""
    tolerance = held.tolerance
    drop = tolerance.direction == "drop"
    sign = -1 if drop else 1
    limit = (tolerance.limit or 0.0) + held.margin
    metric = f"change of {NAMES.get(tolerance.metric, tolerance.metric)}{' in %' if tolerance.relative else ''}"
    # An infinite share, of what was 0 before, is no number of a report.
    worse = max(-1e12, min(1e12, held.worse))
    return {
        "name": tolerance.name,
        "metric": f"{metric} at {printable(held.where)}" if named and held.where else metric,
        "pool": tolerance.pool,
        "bound": "min" if drop else "max",
        "limit": sign * limit + 0.0,
        "origin": tolerance.origin,
        "value": sign * worse + 0.0,
        "margin": limit - worse,
        "passed": held.passed,
    }
