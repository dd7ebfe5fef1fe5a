"""Sentences of a report and its short texts: the verdict, gates in words, and names of tests, clips and frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from pytest_vmaf.gates.metrics import ABOVE, ENCODE_METRICS, STREAM_METRICS, decimals, label, metrics
from pytest_vmaf.report.order import badness, is_quiet, rank, smallest_margin, swallowed, worst_first
from pytest_vmaf.report.schema import DROP, IN_PERCENT, NO_BASELINE, RISE, STATUSES, Record
from pytest_vmaf.text import plural, printable, time_code

#: The symbol and the words of each status. A symbol can be read without colour.
WORDS = {
    "error": ("⚠", "error"),
    "failed": ("✘", "failed"),
    "xfailed": ("○", "failed as expected"),
    "skipped": ("–", "skipped"),
    "passed": ("✔", "passed"),
}
#: The longest reason of a failure in the verdict, in characters.
LONGEST_REASON = 200


def verdict(document: Record) -> str:
    """Summarise a document in a few sentences: how many tests passed, the worst of them, and what was not tested."""
    return " ".join(verdict_sentences(document))


def verdict_sentences(document: Record) -> list[str]:
    """The sentences of the verdict. The first is its headline, and a second with "Worst: " may follow."""
    tests = document["tests"]
    counts = {status: sum(test["status"] == status for test in tests) for status in STATUSES}
    bad = worst_first(test for test in tests if test["status"] in ("error", "failed"))
    caught = sorted((test for test in tests if swallowed(test)), key=lambda test: badness(swallowed(test)[0]))
    if not tests:
        sentences = ["Nothing was measured: no VMAF test ran, so no gate was checked."]
    elif bad:
        sentences = _failures(bad, counts, len(tests))
    elif counts["passed"] == 0:
        sentences = [f"0 of {plural(len(tests), 'test')} ran to completion and passed, so nothing was gated."]
    elif counts["passed"] < len(tests):
        sentences = _passes(f"{counts['passed']} of {plural(len(tests), 'test')} passed", tests, caught)
    else:
        everything = "The test" if len(tests) == 1 else f"All {len(tests)} tests"
        sentences = _passes(f"{everything} passed", tests, caught)
    if caught and (bad or not counts["passed"]):
        what = what_failed(caught).capitalize()
        sentences.append(f"{what} inside {plural(len(caught), 'test')} that caught the error.")
    return [*sentences, *_cautions(document, counts)]


def _passes(first: str, tests: Sequence[Record], caught: Sequence[Record]) -> list[str]:
    """The sentences about tests of which some passed and none failed."""
    if not caught:
        return [f"{first}.", _closest(tests)]
    of = "it" if len(tests) == 1 else f"{len(caught)} of them"
    worst = f"Worst: {short_id(caught[0]['id'])}, {_caught_reason(caught[0])}."
    return [f"{first}, but {what_failed(caught)} inside {of}.", worst]


def what_failed(caught: Iterable[Record]) -> str:
    """The worst that tests caught: "a gate failed" or "a measurement failed"."""
    gate = any(each["status"] == "failed" for test in caught for each in swallowed(test))
    return f"a {'gate' if gate else 'measurement'} failed"


def explain_caught(test: Record) -> str:
    """Why a test that did not fail is no proof: a gate or a measurement failed in it. "" if none did."""
    if not swallowed(test):
        return ""
    return f"{what_failed([test]).capitalize()} in this test, and the test caught the error: {_caught_reason(test)}."


def _caught_reason(test: Record) -> str:
    worst = swallowed(test)
    return _reason({"measurements": worst, "message": worst[0].get("error") or ""})


def _failures(bad: Sequence[Record], counts: Mapping[str, int], total: int) -> list[str]:
    parts = []
    if counts["failed"]:
        parts.append(f"{counts['failed']} of {plural(total, 'test')} failed")
    if counts["error"]:
        of = "" if counts["failed"] else f" of {plural(total, 'test')}"
        # A teardown, for example, may fail after a complete measurement.
        measured = any(
            test["measurements"] and all(each["status"] != "error" for each in test["measurements"])
            for test in bad
            if test["status"] == "error"
        )
        parts.append(f"{counts['error']}{of} {'ended with an error' if measured else 'could not be measured'}")
    worst = next((test for test in bad if test["status"] == "failed"), bad[0])
    reason = _reason(worst)
    return [f"{' and '.join(parts)}.", *([f"Worst: {short_id(worst['id'])}, {reason}."] if reason else [])]


def _reason(test: Record) -> str:
    """The shortest explanation of a failure: its worst gate, or else the first line of its message."""
    for each in sorted(test["measurements"], key=badness):
        gate = smallest_margin(each)
        if each["status"] == "failed" and gate is not None:
            worst = (worst["frame"] for worst in each.get("worst") or () if worst["metric"] == gate["metric"])
            frame = next(worst, None)
            return describe_failure(gate) + ("" if frame is None else f" (worst in {moment(each, frame)})")
    first = test["message"].strip().partition("\n")[0]
    return str(first.removeprefix("pytest_vmaf.").rstrip(".")[:LONGEST_REASON])


def _closest(tests: Sequence[Record]) -> str:
    margins = [
        (rank(gate), short_id(test["id"]), f"{margin(gate)} on {gate['name']}")
        for test in tests
        if test["status"] == "passed"
        for each in test["measurements"]
        for gate in each["gates"]
        if gate.get("margin") is not None and not is_quiet(gate)
    ]
    if not margins:
        return "None of the tests compared a score with a limit."
    _, name, text = min(margins)
    return f"Closest to its limit: {name}, {text}."


def _cautions(document: Record, counts: Mapping[str, int]) -> list[str]:
    """Sentences about everything that was not tested, or not measured for real."""
    sentences = [f"{counts['xfailed']} failed as expected."] if counts["xfailed"] else []
    if skipped := counts["skipped"]:
        sentences.append(f"{skipped} {'was ' if skipped == 1 else ''}skipped.")
    for run in document["runs"]:
        if count := run["not_collected"]:
            whose = "its" if count == 1 else "their"
            sentences.append(f"{plural(count, 'file')} could not be collected; {whose} tests were not gated.")
    for run in document["runs"]:
        if run["ended"] == "finished":
            continue
        of = f" of {run['name']}" if run["name"] else ""
        how = "ended by an internal error of pytest" if run["ended"] == "internal error" else "stopped before its end"
        why = f" ({run['why']})" if run["why"] else ""
        short = run["planned"] - run["ran"]
        why += f", {plural(short, 'test')} short" if short > 0 else ""
        sentences.append(f"The run{of} was {how}{why}; tests that did not run were not gated.")
    measurements = [each for test in document["tests"] for each in test["measurements"]]
    if any((each.get("provenance") or {}).get("fake") for each in measurements):
        sentences.append("FAKE: some numbers were invented by FakeScorer; nothing was measured for them.")
    return [*sentences, *([f"{floorless}."] if (floorless := without_minimum(measurements)) else [])]


def without_minimum(measurements: Sequence[Record]) -> str:
    """The warning that some calls of `vmaf.check` had no `min_` gate; "" if all had one.

    The default gates look for enhancement, and a ruined picture has none.
    """
    checks = [each for each in measurements if each.get("every_gate")]
    count = sum(not any(map(_is_floor, each["gates"])) for each in checks)
    return f"{count} of {plural(len(checks), 'check')} had no min_ gate, so no minimum was required" if count else ""


def _is_floor(gate: Record) -> bool:
    # The limit of a drop below a baseline requires a minimum, too.
    return gate.get("bound") == "min" or gate.get("metric", "").startswith(DROP)


def describe_failure(gate: Record) -> str:
    """A gate with its value and limit, for example "NEG p5 84.10 where at least 87 is required"."""
    if gate["metric"] == NO_BASELINE:
        return "the baseline is missing"
    if gate["metric"] == ABOVE:
        return f"{_frames_above(gate)}, where {gate['limit']:g} {'is' if gate['limit'] == 1 else 'are'} allowed"
    bound = "at least" if gate["bound"] == "min" else "at most"
    return f"{_name(gate)} {value(gate)} where {bound} {limit_text(gate)} is required"


def describe_value(gate: Record) -> str:
    """A gate's value and its distance from the limit, for example "NEG p5 84.10, margin -2.90"."""
    if gate["metric"] == NO_BASELINE:
        return "the baseline is missing"
    return _frames_above(gate) if gate["metric"] == ABOVE else f"{_name(gate)} {value(gate)}, margin {margin(gate)}"


def _frames_above(gate: Record) -> str:
    return f"{plural(gate['value'], 'frame')} above 100 and the reference's own score"


def _name(gate: Record) -> str:
    pool = "" if gate["pool"] in ("mean", "count") else f" {gate['pool']}"
    return f"{label(gate['metric']).removesuffix(IN_PERCENT)}{pool}"


def margin(gate: Record) -> str:
    """How far a gate is from its limit. A gate that just failed does not look as if it had passed."""
    if gate["metric"] == NO_BASELINE:
        return "missing"
    digits = _decimals(gate)
    if not digits:
        return f"{gate['margin']:+,.0f}"
    text = f"{gate['margin']:+.{digits}f}"
    text = text if float(text) or not gate["margin"] else f"{gate['margin']:+.1g}"
    return f"{text} %" if gate["metric"].endswith(IN_PERCENT) else text


def value(gate: Record) -> str:
    """A gate's value with its unit, and with enough decimals to tell it from the limit."""
    metric = metrics().get(gate["metric"])
    unit = f" {metric.unit}" if metric and metric.unit else " %" if gate["metric"].endswith(IN_PERCENT) else ""
    first = _decimals(gate)
    if not first:
        return f"{gate['value']:,.0f}{unit}"
    for digits in (first, 4, 6):
        text = f"{gate['value']:.{digits}f}"
        if float(text) != gate["limit"] or not gate["margin"]:
            break
    return f"{text}{unit}"


def limit_text(gate: Record) -> str:
    """A gate's limit as the user wrote it, large numbers with separators."""
    if gate["metric"] in (*ENCODE_METRICS, *STREAM_METRICS):
        return f"{gate['limit']:,.0f}"
    return f"{gate['limit']:g}{' %' if gate['metric'].endswith(IN_PERCENT) else ''}"


def _decimals(gate: Record) -> int:
    # Drops and rises are small numbers of any unit.
    if gate["metric"].startswith((DROP, RISE)) and "ssim" not in gate["metric"]:
        return 2
    return decimals(gate["metric"], gate["limit"])


def score(value: float, metric: str) -> str:
    """A score of one frame or a pool, with the decimals of its metric."""
    return f"{value:.{max(2, decimals(metric, value))}f}"


def moment(measurement: Record, frame: int) -> str:
    """A frame with its time code, for example "frame 31 (0:01.240)". Without the time if the frame rate is unknown."""
    seconds = seconds_of(measurement, frame)
    return f"frame {frame}" if seconds is None else f"frame {frame} ({time_code(seconds)})"


def seconds_of(measurement: Record, frame: float) -> float | None:
    """The time of a frame in seconds. None if the frame rate is unknown."""
    rate = measurement.get("frame_rate")
    return float(frame / Fraction(rate)) if rate and Fraction(rate) > 0 else None


def clean(text: str) -> str:
    """Escape what HTML cannot contain or show: control characters, and surrogates of undecodable names."""
    return text if text.isprintable() else "".join(c if c in "\n\t" else printable(c) for c in text)


def short_id(test_id: str) -> str:
    """A test id without its file."""
    return test_id.partition("::")[2] or test_id


def short_clip(path: str) -> str:
    """A clip's name without its folders. The geometry of raw video stays."""
    return path.replace("\\", "/").rpartition("/")[2] or path


def headlines(records: Sequence[Record], most: int) -> list[str]:
    """One line for each measurement, up to `most`: clip, scores and smallest margin. Then how many more there are."""
    lines = []
    for record in records[:most]:
        clip = cut(short_clip(record["distorted"]), 100, middle=True)
        if record["status"] == "error":
            lines.append(f"{clip}: not measured: {first_line(record.get('error') or '', 300)}")
            continue
        numbers = ", ".join(f"{label(key)} {decimal(record.get(key)) or '–'}" for key in ("neg", "vmaf", "gap"))
        above = f"{plural(record.get('above_100') or 0, 'frame')} above 100"
        margin = margin_of(record)
        lines.append(f"{clip}: {numbers}, {above}; {f'smallest margin {margin}' if margin else 'no gate'}")
    if more := len(records[most:]):
        lines.append(f"{more} more")
    return lines


def margin_of(record: Record) -> str:
    """The smallest margin with its gate, for example "-0.71 min_neg"; "" if no gate was checked."""
    gate = smallest_margin(record)
    return f"{margin(gate)} {gate['name']}" if gate else ""


def decimal(value: float | None, digits: int = 2) -> str:
    """A number with this many decimals; "" for None."""
    return "" if value is None else f"{value:.{digits}f}"


def cut(text: object, most: int, *, middle: bool = False) -> str:
    """Shorten a text to one line of at most `most` characters, at its end or in its `middle`."""
    line = printable(str(text))
    if len(line) <= most:
        return line
    return f"{line[: most // 3]}…{line[-(most - most // 3 - 1) :]}" if middle else f"{line[: most - 1]}…"


def first_line(message: str, most: int) -> str:
    """The first line of a message, in at most `most` characters."""
    return cut(message.strip().partition("\n")[0].strip() or "No message.", most)
