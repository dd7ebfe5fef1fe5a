"""What a report says in words, and in which order. Pure; shared by terminal, HTML and CI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from pytest_vmaf.gates.metrics import label
from pytest_vmaf.text import printable

#: A status as a word with a shape, so that it needs no colour.
WORDS = {
    "error": ("⚠", "error"),
    "failed": ("✘", "failed"),
    "xfailed": ("○", "failed as expected"),
    "skipped": ("–", "skipped"),
    "passed": ("✔", "passed"),
}
ORDER = tuple(WORDS)
#: What is counted, not measured.
ENCODED = ("bitrate", "crf")
WHOLE = (*ENCODED, "above_100")


def worst_first(tests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Tests in the order somebody wants to read them: errors, failures by how much, then the closest to a limit."""

    def key(test: Mapping[str, Any]) -> tuple[Any, ...]:
        worst = min(map(badness, test["measurements"]), default=(3,))
        return ORDER.index(test["status"]), worst, test["id"]

    return sorted(tests, key=key)


def smallest_margin(measurement: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The gate with the smallest margin, violated ones first; of NEG, VMAF and the gap before those in other units."""
    return min((gate for gate in measurement["gates"] if gate.get("margin") is not None), key=rank, default=None)


def rank(gate: Mapping[str, Any]) -> tuple[bool, int, float]:
    """Sorts gates: violated ones first, points of NEG, VMAF and gap before other units, then by margin."""
    unit = 0 if gate["metric"] in ("neg", "vmaf", "gap") else 2 if gate["metric"] == "above_100" else 1
    return gate["passed"], unit, gate["margin"]


def badness(measurement: Mapping[str, Any]) -> tuple[Any, ...]:
    """Sorts measurements: errors, then by how much a limit is missed, then by NEG."""
    gate, neg = smallest_margin(measurement), measurement.get("neg")
    status = ("error", "failed", "passed").index(measurement["status"])
    return status, rank(gate) if gate else (True, 3, 0.0), neg if neg is not None else 0.0


def margin(gate: Mapping[str, Any]) -> str:
    """How far a gate is from its limit. What missed it by a hair does not look as if it had met it."""
    if gate["metric"] in WHOLE:
        return f"{gate['margin']:+,.0f}"
    shown = f"{gate['margin']:+.{_digits(gate)}f}"
    return shown if float(shown) or not gate["margin"] else f"{gate['margin']:+.1g}"


def value(gate: Mapping[str, Any]) -> str:
    """What a gate was held against, with as many digits as tell it from the limit."""
    if gate["metric"] in WHOLE:
        return f"{gate['value']:,.0f}"
    for digits in (_digits(gate), 4, 6):
        shown = f"{gate['value']:.{digits}f}"
        if float(shown) != gate["limit"] or not gate["margin"]:
            break
    return shown


def limit(gate: Mapping[str, Any]) -> str:
    """A gate's limit, as it was written."""
    return f"{gate['limit']:,.0f}" if gate["metric"] in ENCODED else f"{gate['limit']:g}"


def _digits(gate: Mapping[str, Any]) -> int:
    return 4 if abs(gate["limit"]) <= 2 and gate["metric"] not in ("neg", "vmaf", "gap") else 2


def verdict(document: Mapping[str, Any]) -> str:
    """What happened, in a few sentences."""
    tests = document["tests"]
    counts = {status: sum(test["status"] == status for test in tests) for status in ORDER}
    said = []
    bad = worst_first(test for test in tests if test["status"] in ("error", "failed"))
    if not tests:
        said.append("Nothing was measured: no VMAF test ran, so no gate was held.")
    elif bad:
        parts = []
        if counts["failed"]:
            parts.append(f"{counts['failed']} of {_tests(len(tests))} failed")
        if counts["error"]:
            of = "" if counts["failed"] else f" of {_tests(len(tests))}"
            errors = [test for test in bad if test["status"] == "error"]
            # An error in a teardown, say, comes after a measurement that stands.
            whole = any(test["measurements"] and _all_scored(test) for test in errors)
            parts.append(f"{counts['error']}{of} {'ended with an error' if whole else 'could not be measured'}")
        said.append(f"{' and '.join(parts)}.")
        worst = next((test for test in bad if test["status"] == "failed"), bad[0])
        if reason := _reason(worst):
            said.append(f"Worst: {short_id(worst['id'])}, {reason}.")
    elif counts["passed"] == 0:
        said.append(f"Of {_tests(len(tests))} none ran to its end and passed; no gate was held.")
    else:
        everything = counts["passed"] == len(tests)
        all_of = "The test" if len(tests) == 1 else f"All {len(tests)} tests"
        said.append(f"{all_of} passed." if everything else f"{counts['passed']} of {_tests(len(tests))} passed.")
        if closest := _closest(tests):
            said.append(closest)
    said += _cautions(document, counts)
    return " ".join(said)


def _all_scored(test: Mapping[str, Any]) -> bool:
    return all(each["status"] != "error" for each in test["measurements"])


def _tests(count: int) -> str:
    return f"{count} test{'' if count == 1 else 's'}"


def _closest(tests: Sequence[Mapping[str, Any]]) -> str:
    held = [
        (rank(gate), short_id(test["id"]), f"{margin(gate)} on {gate['name']}")
        for test in tests
        if test["status"] == "passed"
        for each in test["measurements"]
        for gate in each["gates"]
        if gate.get("margin") is not None and gate["metric"] != "above_100"
    ]
    if not held:
        return "None of them held a score against a limit."
    _, name, said = min(held)
    return f"Closest to its limit: {name}, {said}."


def _cautions(document: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    """What keeps a reader from trusting too much."""
    said = []
    for status, words in (("xfailed", "failed as expected"), ("skipped", "skipped")):
        if count := counts[status]:
            said.append(f"{count} {'was ' if count == 1 and status == 'skipped' else ''}{words}.")
    for run in document["runs"]:
        if run["not_collected"]:
            files = f"{run['not_collected']} file{'s' if run['not_collected'] > 1 else ''}"
            said.append(f"{files} could not be collected; no test in them was gated.")
    stopped = [run for run in document["runs"] if run["ended"] != "finished"]
    for run in stopped:
        where = f" of {run['name']}" if run["name"] else ""
        how = "ended by an internal error of pytest" if run["ended"] == "internal error" else "stopped before its end"
        why = f" ({run['why']})" if run["why"] else ""
        left = run["planned"] - run["ran"]
        why += f", {_tests(left)} short" if left > 0 else ""
        said.append(f"The run{where} was {how}{why}; what did not run was not gated.")
    measurements = [each for test in document["tests"] for each in test["measurements"]]
    if any((each.get("provenance") or {}).get("fake") for each in measurements):
        said.append("FAKE: some numbers were invented by FakeScorer; nothing was measured for them.")
    checks = [each for each in measurements if each.get("every_gate")]
    floorless = sum(not any(gate.get("bound") == "min" for gate in each["gates"]) for each in checks)
    if floorless:
        said.append(f"{floorless} of {len(checks)} checks had no min_ gate, so no floor was held there.")
    return said


def _reason(test: Mapping[str, Any]) -> str:
    """Why a test is bad, as short as it gets."""
    for each in sorted(test["measurements"], key=badness):
        gate = smallest_margin(each)
        if each["status"] == "failed" and gate is not None:
            return f"{says(gate)}{_where(each, gate['metric'])}"
    first = test["message"].strip().partition("\n")[0]
    return str(first.removeprefix("pytest_vmaf.").rstrip(".")[:200])


def says(gate: Mapping[str, Any]) -> str:
    """A gate with the value held against it, as "NEG p5 84.10 where at least 87 is asked"."""
    pool = "" if gate["pool"] in ("mean", "count") else f" {gate['pool']}"
    bound = "at least" if gate["bound"] == "min" else "at most"
    if gate["metric"] == "above_100":
        count = f"{gate['value']:.0f} frame{'' if gate['value'] == 1 else 's'}"
        return f"{count} above 100 and the reference's own score, where {gate['limit']:g} are allowed"
    metric = label(gate["metric"])
    return f"{metric}{pool} {value(gate)} where {bound} {limit(gate)} is asked"


def found(gate: Mapping[str, Any]) -> str:
    """What was found at a gate, and how far from its limit: "NEG p5 84.10, margin -2.90"."""
    if gate["metric"] == "above_100":
        return f"{gate['value']:.0f} frame{'' if gate['value'] == 1 else 's'} above 100 and the reference's own score"
    pool = "" if gate["pool"] == "mean" else f" {gate['pool']}"
    return f"{label(gate['metric'])}{pool} {value(gate)}, margin {margin(gate)}"


def _where(measurement: Mapping[str, Any], metric: str) -> str:
    frame = next((worst["frame"] for worst in measurement.get("worst") or () if worst["metric"] == metric), None)
    return "" if frame is None else f" (worst in {moment(measurement, frame)})"


def score(value: float, metric: str) -> str:
    """A number of this metric: with four decimals where it is one of those between 0 and 1."""
    return f"{value:.4f}" if abs(value) <= 2 and metric not in ("neg", "vmaf", "gap") else f"{value:.2f}"


def moment(measurement: Mapping[str, Any], frame: int) -> str:
    """A frame with its time code, as "frame 31 (0:01.240)"; without one where the frame rate is unknown."""
    seconds = seconds_of(measurement, frame)
    return f"frame {frame}" if seconds is None else f"frame {frame} ({time_code(seconds)})"


def seconds_of(measurement: Mapping[str, Any], frame: float) -> float | None:
    """When a frame is shown, in seconds; None where the frame rate is unknown."""
    rate = measurement.get("frame_rate")
    return float(frame / Fraction(rate)) if rate and Fraction(rate) > 0 else None


def time_code(seconds: float) -> str:
    """Seconds as m:ss.mmm, from an hour on as h:mm:ss.mmm."""
    ms = round(seconds * 1000)
    hours, minutes = ms // 3_600_000, ms // 60_000 % 60
    rest = f"{ms // 1000 % 60:02d}.{ms % 1000:03d}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def clean(text: str) -> str:
    """The text without what HTML cannot hold or show: control characters, half characters of undecodable names."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def short_id(test_id: str) -> str:
    """A test id without its file."""
    return test_id.partition("::")[2] or test_id


def short_clip(path: str) -> str:
    """A clip's name without its folders; raw geometry stays."""
    return path.replace("\\", "/").rpartition("/")[2] or path


def headlines(records: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    """One line for each measurement: clip, numbers, smallest margin."""
    lines = []
    for record in records[:most]:
        clip = cut(short_clip(record["distorted"]), 100, middle=True)
        if record["status"] == "error":
            lines.append(f"{clip}: not measured: {first_line(record.get('error') or '', 300)}")
            continue
        numbers = ", ".join(
            f"{name} {decimal(record.get(key)) or '–'}"
            for name, key in (("NEG", "neg"), ("VMAF", "vmaf"), ("gap", "gap"))
        )
        above = f"{record.get('above_100') or 0} frames above 100"
        margin = margin_of(record)
        lines.append(f"{clip}: {numbers}, {above}; {f'smallest margin {margin}' if margin else 'no gate'}")
    if left := len(records[most:]):
        lines.append(f"{left} more")
    return lines


def margin_of(record: Mapping[str, Any]) -> str:
    """The smallest margin with its gate, as "-0.71 min_neg"; empty without one."""
    gate = smallest_margin(record)
    return f"{margin(gate)} {gate['name']}" if gate else ""


def decimal(value: float | None, digits: int = 2) -> str:
    """The number with its digits; empty for None."""
    return "" if value is None else f"{value:.{digits}f}"


def cut(text: object, most: int, *, middle: bool = False) -> str:
    """The text in one line of at most ``most`` characters; from the ``middle`` where its end tells it from others."""
    line = printable(str(text))
    if len(line) <= most:
        return line
    return f"{line[: most // 3]}…{line[-(most - most // 3 - 1) :]}" if middle else f"{line[: most - 1]}…"


def first_line(message: str, most: int) -> str:
    """The first line of a message, in at most ``most`` characters."""
    return cut(message.strip().partition("\n")[0].strip() or "It left no message.", most)
