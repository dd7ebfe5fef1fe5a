"""github-action-benchmark: lists of numbers for its tools `customBiggerIsBetter` and `customSmallerIsBetter`."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pytest_vmaf.exports.readings import Reading


def github_action_json(readings: Iterable[Reading], *, bigger: bool) -> str:
    """Format the readings of which bigger is better, or those of which smaller is; an empty list if there are none."""
    entries = []
    for each in readings:
        if each.number.higher_is_better != bigger:
            continue
        line, number = each.line, each.number
        entry: dict[str, object] = {"name": f"{each.name} {number.name}", "unit": number.unit or "points"}
        entry["value"] = number.value
        if each.runs_differ:
            entry["range"] = f"± {(each.high - each.low) / 2:.6f}"
        # The action shows it with the number.
        facts = {"model": line.model, "platform": line.platform, **line.tools}
        if extra := "\n".join(f"{name}: {value}" for name, value in facts.items() if value):
            entry["extra"] = extra
        entries.append(entry)
    return json.dumps(entries, indent=2, allow_nan=False) + "\n"
