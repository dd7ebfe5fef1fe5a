"""Lines of a history from the tests of a report."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.gates.tolerance import parse_tolerance
from pytest_vmaf.history.line import ABOUT, HistoryLine
from pytest_vmaf.report.models import model_of
from pytest_vmaf.report.numbers import Number, numbers_of
from pytest_vmaf.report.schema import DROP, IN_PERCENT, RISE, Record
from pytest_vmaf.report.wording import short_clip
from pytest_vmaf.scoring.signs import SIGNS

#: The end of the name of a search's encode: a CRF, or a bitrate such as 1500k.
FOUND = re.compile(r" (?:CRF (-?[\d.]+)|[\d.]+k)$")
#: The processors in what Python calls the platform.
MACHINE = re.compile(r"(?i)(x86_64|amd64|arm64|aarch64|i\d86|armv\d\w*|ppc64le|riscv64|s390x)")
MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}
#: The programs whose versions a line has, by their names in `provenance`.
TOOLS = ("libvmaf", "ffmpeg", "scorer", "scorer_version", "encoder")
#: Small values, such as SSIM, are stored with more decimals.
SMALL = 2.0


def history_lines(document: Record, *, commit: str = "", branch: str = "") -> list[HistoryLine]:
    """Make one line of each measurement of a report; of the answers of a search, one for each target.

    Args:
        document: A `schema.DOCUMENT`. Of each test the last attempt counts.
        commit: The commit of runs that do not name theirs.
        branch: The branch of such runs.
    """
    lines: list[HistoryLine] = []
    subjects: Counter[tuple[str, ...]] = Counter()
    for test in document["tests"]:
        run = document["runs"][test["run"]]
        for measurement in test["measurements"]:
            for subject, target, values in _subjects(measurement):
                # Several encodes of one name in different folders, in their order.
                subjects[key := (str(test["run"]), test["id"], test["worker"], subject, target)] += 1
                number = subjects[key]
                line = HistoryLine(
                    test["id"],
                    _utc(run["created"]),
                    values,
                    measurement["status"],
                    subject if number == 1 else f"{subject} ({number})",
                    target,
                    run["name"],
                    _platform(run["platform"]),
                    model_of(measurement),
                    run.get("commit") or commit,
                    run.get("branch") or branch,
                    run.get("build") or "",
                    run.get("url") or "",
                    _tools(measurement),
                    _tolerances(measurement),
                    _plugin_metrics(measurement),
                )
                lines.append(line)
    return lines


def _subjects(measurement: Record) -> Iterator[tuple[str, str, dict[str, float]]]:
    """What was measured, in words that the next run uses, too, what a search looked for, and the numbers."""
    name = short_clip(measurement["distorted"])
    name = f"{measurement['subtest']}: {name}" if measurement.get("subtest") else name
    values = _values(measurement)
    # The CRF or bitrate that a search finds may be another one in the next run.
    targets = [gate for gate in measurement["gates"] if gate["name"] == "target" and gate.get("metric")]
    found = FOUND.search(name)
    crf = {"crf": float(found[1])} if found and found[1] else {}
    for gate in targets:
        pool = "" if gate["pool"] == "mean" else f" {gate['pool']}"
        target = f"{label(gate['metric'])}{pool} {gate['limit']:g}"
        yield FOUND.sub("", name), target, {**values, **crf}
    if not targets:
        yield name, "", values


def _values(measurement: Record) -> dict[str, float]:
    values = {number.name: number.value for number in numbers_of(measurement).values()}
    provenance = measurement.get("provenance") or {}
    if provenance.get("size") and provenance.get("seconds"):
        values.setdefault("bitrate", 8 * provenance["size"] / provenance["seconds"])
    # Signs that only the default gates limit tell little of a good encode.
    gated = {gate.get("metric") for gate in measurement["gates"] if gate["origin"] != "default"}
    return {
        name: round(value, 6 if abs(value) <= SMALL else 4)
        for name, value in values.items()
        if math.isfinite(value) and (name not in SIGNS or name in gated)
    }


def _tolerances(measurement: Record) -> dict[str, float | str]:
    """The tolerances of the measurement's baseline by metric, with the margins of noisy encoders."""
    tolerances: dict[str, float | str] = {}
    for gate in measurement["gates"]:
        if str(gate.get("metric")).startswith((DROP, RISE)):
            try:
                limit = f"{gate['limit']:.6g}%" if gate["metric"].endswith(IN_PERCENT) else gate["limit"]
                tolerance = parse_tolerance(gate["name"], limit, gate["origin"])
            except SettingsError:
                # Of a metric that this process does not know.
                continue
            tolerances[Number(tolerance.metric, tolerance.pool, 0.0).name] = limit
    return tolerances


def _tools(measurement: Record) -> dict[str, str]:
    provenance = measurement.get("provenance") or {}
    tools = {name: str(provenance[name]) for name in TOOLS if provenance.get(name) not in (None, "", "none")}
    # The scorer may be the ffmpeg that is named already.
    return {name: text for name, text in tools.items() if name != "scorer_version" or text != tools.get("ffmpeg")}


def _plugin_metrics(measurement: Record) -> dict[str, dict[str, str | bool]]:
    metrics = (measurement.get("provenance") or {}).get("metrics") or {}
    return {name: {key: about[key] for key in ABOUT} for name, about in metrics.items()}


def _platform(text: str) -> str:
    """A platform without the versions of its system, for example "linux-x86_64"."""
    system = re.split(r"[^A-Za-z]", text, maxsplit=1)[0].lower()
    machine = MACHINE.search(text)
    name = machine[1].lower() if machine else ""
    return f"{system}-{MACHINES.get(name, name)}".rstrip("-")


def _utc(created: str) -> str:
    try:
        time = datetime.fromisoformat(created)
    except ValueError:
        # Anything may be in a report that others wrote.
        time = datetime.fromtimestamp(0, UTC)
    return time.astimezone(UTC).isoformat(timespec="seconds")
