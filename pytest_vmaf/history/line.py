"""A line of a history file: one measurement of one run, with its commit and its numbers."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.gates.metrics import note_metric
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.text import printable, short_repr

SCHEMA = 1
#: The beginning of every line. A last line that begins like this and is not complete was cut off.
HEAD = b'{"schema": %d, "test": "' % SCHEMA
#: What a line states as text, next to its test; each may be missing.
TEXTS = ("subject", "target", "run", "platform", "model", "commit", "branch", "build", "url")
#: The outcome of a measurement.
STATUSES = ("passed", "failed", "error")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
#: A tolerance is a number in the metric's unit, or a percentage.
PERCENTAGE = re.compile(r"\d+(?:\.\d+)?%")
#: What a line says of the metric of a plugin.
ABOUT = {"label": str, "unit": str, "higher_is_better": bool}


class Labels(NamedTuple):
    """What tells measurements of one commit apart. `HistoryLine` documents the fields."""

    test: str
    subject: str
    target: str
    run: str
    platform: str
    model: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One measurement of one run.

    Attributes:
        test: The test's id.
        time: When the run ended, in UTC, for example "2026-11-30T18:07:03+00:00".
        values: The numbers by metric, those of other pools than the usual one as "neg_p5".
        status: "passed", "failed", or "error" for a measurement without numbers.
        subject: What was measured: the name of the clip without its folder, or of an encoder.
        target: What a search looked for, for example "NEG 94".
        run: The name of the run in a merged report, such as a shard of a build matrix.
        platform: Where it was measured, for example "linux-x86_64".
        model: The VMAF model.
        commit: The commit.
        branch: The branch.
        build: The name of the CI job.
        url: The page of the CI job. It may be anything.
        tools: The versions of what measured, by name.
        tolerances: Limits on the change of a metric that the measurement's baseline had: 0.5, or "2%".
        metrics: What metrics of plugins state about themselves, by name: `label`, `unit` and `higher_is_better`.
    """

    test: str
    time: str
    values: Mapping[str, float] = field(default_factory=dict)
    status: str = "passed"
    subject: str = ""
    target: str = ""
    run: str = ""
    platform: str = ""
    model: str = ""
    commit: str = ""
    branch: str = ""
    build: str = ""
    url: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)
    tolerances: Mapping[str, float | str] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, str | bool]] = field(default_factory=dict)

    @property
    def labels(self) -> Labels:
        """What tells this measurement from others of its commit."""
        return Labels(self.test, self.subject, self.target, self.run, self.platform, self.model)

    def to_json(self) -> str:
        """The line as JSON, without its line end. What is empty is left out."""
        texts = {name: getattr(self, name) for name in TEXTS}
        record = {"time": self.time, **texts, "status": self.status, "values": dict(self.values)}
        record |= {"tools": dict(self.tools), "tolerances": dict(self.tolerances)}
        record["metrics"] = {name: dict(about) for name, about in self.metrics.items()}
        full = {name: value for name, value in record.items() if value or name == "values"}
        return json.dumps({"schema": SCHEMA, "test": self.test, **full}, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> HistoryLine:
        """Read a line. Keys that this version does not know are ignored.

        Raises:
            MeasurementError: If it is not a line of a history.
        """
        try:
            record = json.loads(text)
            if not isinstance(record, dict) or record.get("schema") != SCHEMA:
                schema = record.get("schema") if isinstance(record, dict) else None
                raise ValueError(f"its schema must be {SCHEMA}, not {short_repr(schema)}")
            return _line(record)
        except KeyError as error:
            raise MeasurementError(f"Not a line of a history: it lacks {error}.") from None
        except (ValueError, OverflowError, RecursionError) as error:
            raise MeasurementError(f"Not a line of a history: {error}.") from None


def _line(record: Mapping[str, object]) -> HistoryLine:
    """Check a line that was read, and make it. Texts that many lines have are in memory once."""
    test, time, status = _text("test", record["test"]), _text("time", record["time"]), record.get("status", "passed")
    if not test or not TIME.fullmatch(time):
        raise ValueError(f"it must have a test and a time in UTC, not {test!r:.80} and {time!r:.80}")
    # Raises for a thirteenth month.
    datetime.fromisoformat(time)
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {short_repr(status)}")
    texts = {name: _text(name, record[name]) for name in TEXTS if name in record}
    values = _object("values", record["values"])
    for metric, value in values.items():
        # NaN and infinity are no JSON, but Python reads them.
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError(f"{metric!r:.80} must be a finite number, not {short_repr(value)}")
    tools, limits = (_shared(tuple(_object(name, record.get(name, {})).items())) for name in ("tools", "tolerances"))
    for metric, limit in limits.items():
        number = type(limit) in (int, float) and 0 <= limit < math.inf
        if not number and not (isinstance(limit, str) and PERCENTAGE.fullmatch(limit)):
            raise ValueError(f"the tolerance of {metric!r:.80} must be a number or percentage, not {short_repr(limit)}")
    for name, version in tools.items():
        _text(f"the version of {name!r:.80}", version)
    metrics = _object("metrics", record.get("metrics", {}))
    for name, about in metrics.items():
        conform(about, ABOUT, f"metrics.{name}")
        # Also for what else prints it in this process, which may lack the plugin.
        note_metric(
            name, printable(about["label"]), printable(about["unit"]), higher_is_better=about["higher_is_better"]
        )
    values = {sys.intern(metric): value for metric, value in values.items()}
    return HistoryLine(test, time, values, str(status), **texts, tools=tools, tolerances=limits, metrics=metrics)


def _text(name: str, value: object) -> str:
    if type(value) is not str:
        raise ValueError(f"{name} must be a string, not {short_repr(value)}")
    return sys.intern(value)


def _object(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, not {short_repr(value)}")
    return value


def _shared(items: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    try:
        return _remembered(items)
    except TypeError:
        # A list or an object, which is refused.
        return dict(items)


@lru_cache(maxsize=1000)
def _remembered(items: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    return dict(items)
