"""A history as data: its series and steps for JSON, and a row for each number."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vmaf.history.series import History, Series
from pytest_vmaf.history.steps import Step

SCHEMA = 1


def history_record(history: History, steps: Sequence[Step]) -> dict[str, object]:
    """The history as JSON. The numbers of a series are at the indexes `at` of `commits`."""
    return {
        "schema": SCHEMA,
        "command": "history show",
        "branch": history.branch,
        "commits": [
            {"commit": each.commit, "time": each.time, "branch": each.branch, "build": each.build, "url": each.url}
            for each in history.revisions
        ],
        "series": [
            {**_place(each), "at": each.at, "values": each.values, "runs": each.runs, "tolerance": each.tolerance}
            for each in history.series
        ],
        "steps": [
            {
                **_place(step.series),
                "commit": history.revisions[step.at].commit,
                "after": history.revisions[step.since].commit,
                "time": history.revisions[step.at].time,
                "before": step.before,
                "then": step.after,
                "worse": step.is_worse,
                "beyond_tolerance": step.beyond,
                "noise": step.noise,
                "other_tools": step.other_tools,
            }
            for step in steps
        ],
    }


def history_rows(history: History) -> list[dict[str, object]]:
    """One row for each number, by series and in the order of the commits."""
    return [
        {
            **{name: getattr(history.revisions[at], name) for name in ("commit", "time", "branch")},
            **_place(series),
            "value": value,
            "runs": runs,
        }
        for series in history.series
        for at, value, runs in zip(series.at, series.values, series.runs, strict=True)
    ]


def _place(series: Series) -> dict[str, object]:
    return {"test": series.test, "of": series.of, "metric": series.metric}
