"""Prometheus' text format (version 0.0.4), for the node exporter's textfile collector or a Pushgateway."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from pytest_vmaf.exports.readings import Reading
from pytest_vmaf.history.line import HistoryLine

#: What names of metrics begin with.
PREFIX = "pytest_vmaf"
#: What names of metrics may not contain.
OTHER = re.compile(r"[^a-zA-Z0-9_]")


def prometheus_text(readings: Iterable[Reading], lines: Iterable[HistoryLine]) -> str:
    """Format readings as gauges, and what is known of their measurements.

    Both the textfile collector and the Pushgateway refuse samples with a time of their own, so the time of the run is a
    gauge, too. The commit is a label of one gauge alone: every other series would begin again with each commit.

    Args:
        readings: The numbers of one commit.
        lines: The lines of that commit, with those of measurements that failed.
    """
    families: dict[str, tuple[str, list[str]]] = {}
    owners: dict[str, str] = {}
    for each in readings:
        number = each.number
        # Names of two metrics may differ in what Prometheus does not allow.
        name = f"{PREFIX}_{OTHER.sub('_', number.name)}"
        while owners.setdefault(name, number.name) != number.name:
            name += "_"
        direction = "higher" if number.higher_is_better else "lower"
        about = f"{number.label} in {number.unit or 'points'}; {direction} is better."
        _, samples = families.setdefault(name, (about, []))
        samples.append(_sample(name, _labels(each.line), number.value))
    measurements = {line.labels: line for line in lines}.values()
    own: dict[str, tuple[str, list[str]]] = {
        f"{PREFIX}_measurement_passed": (
            "Whether the measurement was made and all its gates passed.",
            [_sample(f"{PREFIX}_measurement_passed", _labels(line), line.status == "passed") for line in measurements],
        ),
        f"{PREFIX}_measurement_time_seconds": (
            "When the run of the measurement ended, in seconds since 1970.",
            [
                _sample(
                    f"{PREFIX}_measurement_time_seconds", _labels(line), datetime.fromisoformat(line.time).timestamp()
                )
                for line in measurements
            ],
        ),
        f"{PREFIX}_commit_info": (
            "The commits that were measured last.",
            list(
                dict.fromkeys(
                    _sample(f"{PREFIX}_commit_info", {"commit": line.commit, "branch": line.branch}, 1)
                    for line in measurements
                    if line.commit or line.branch
                )
            ),
        ),
    }
    text = []
    for name, (about, samples) in {**families, **own}.items():
        if samples:
            text += [f"# HELP {name} {_escape(about)}", f"# TYPE {name} gauge", *samples]
    return "".join(f"{line}\n" for line in text)


def _labels(line: HistoryLine) -> dict[str, str]:
    return line.labels._asdict()


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    # A label without a text is the same as none.
    texts = [f'{label}="{_escape(text, quote=True)}"' for label, text in labels.items() if text]
    return f"{name}{{{','.join(texts)}}} {float(value)!r}"


def _escape(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text
