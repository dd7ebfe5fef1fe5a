"""The verdict of a report: how many tests passed, the worst of them, and what was not tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_vmaf.report.order import badness, is_quiet, rank, smallest_margin, swallowed, worst_first, would_fail
from pytest_vmaf.report.schema import DROP, STATUSES, Record
from pytest_vmaf.report.wording import describe_failure, margin, moment, short_id
from pytest_vmaf.text import plural

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
    return [*sentences, *_only_reported(document), *_cautions(document, counts)]


def _passes(first: str, tests: Sequence[Record], caught: Sequence[Record]) -> list[str]:
    """The sentences about tests of which some passed and none failed."""
    if lenient := [test for test in worst_first(tests) if would_fail(test)]:
        of = "it" if len(tests) == 1 else f"{len(lenient)} of them"
        also = f", and {what_failed(caught)} inside tests that caught the error" if caught else ""
        first = f"{first}, but report-only mode let {of} pass in spite of failed gates{also}."
        return [first, f"Worst: {short_id(lenient[0]['id'])}, {_only_reported_reason(lenient[0])}."]
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
    """What failed in a test that caught the error: a gate or a measurement. "" if nothing did."""
    if not swallowed(test):
        return ""
    return f"{what_failed([test]).capitalize()} in this test, and the test caught the error: {_caught_reason(test)}."


def explain_pass(test: Record) -> str:
    """Why a test passed although something failed: report-only mode, or an error that it caught. "" if nothing did."""
    if would_fail(test):
        return f"Report only: the test passed in spite of a failed gate: {_only_reported_reason(test)}."
    return explain_caught(test)


def only_reported(document: Record) -> str:
    """The sentence about report-only mode, for banners; "" where it was not on."""
    modes = list(dict.fromkeys(run["report_only"] for run in document["runs"] if run.get("report_only")))
    count = sum(bool(test.get("would_fail")) for test in document["tests"])
    if not modes and not count:
        return ""
    where = f" ({'; '.join(modes)})" if modes else " (vmaf marker)"
    have, them = ("has", "it") if count == 1 else ("have", "them")
    return f"REPORT ONLY{where}: {plural(count, 'test')} {have} failed gates that do not fail {them}."


def _only_reported(document: Record) -> list[str]:
    text = only_reported(document)
    return [text] if text else []


def _only_reported_reason(test: Record) -> str:
    failed = [{**each, "would_fail": False} for each in test["measurements"] if each.get("would_fail")]
    message = next(iter(test.get("would_fail") or ()), "")
    return _reason({"measurements": failed, "message": message})


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
        if each["status"] == "failed" and not each.get("would_fail") and gate is not None:
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
