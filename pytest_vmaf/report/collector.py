"""What comes in from the tests, wherever they ran, becomes one document. Light: every run with a report loads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

#: All pictures and heat maps of one report together, in characters; the worst tests keep theirs.
MOST_PICTURES = 16_000_000
#: Characters that a value of a heat map takes, in page and data.
VALUE = 6
SMALL = ", to keep the report small."
LONGEST_MESSAGE = 4000
PHASES = ("setup", "call", "teardown")
#: The worst first. What is not finished is an error: nobody knows how it would have ended.
SEVERITY = ("error", "failed", "xfailed", "skipped", "passed")


@dataclass
class Attempt:
    """One run of one test, as its reports come in."""

    worker: str = ""
    statuses: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    duration: float = 0.0
    measurements: list[dict[str, Any]] = field(default_factory=list)
    sections: list[dict[str, Any]] = field(default_factory=list)
    baselines: list[dict[str, Any]] = field(default_factory=list)
    set_up: bool = False
    called: bool = False
    again: bool = False
    ended: bool = False
    crashed: bool = False

    @property
    def status(self) -> str:
        """The worst of what its reports said."""
        if not self.called:
            return "error"
        return min(self.statuses, key=SEVERITY.index, default="passed")

    def record(self) -> dict[str, Any]:
        """As `schema.ATTEMPT`."""
        messages = self.messages if self.called else [*self.messages, "The run ended while this test was running."]
        return {
            "status": self.status,
            "message": "\n".join(dict.fromkeys(messages))[:LONGEST_MESSAGE],
            "duration": round(self.duration, 3),
            "worker": self.worker,
            "measurements": self.measurements,
        }


@dataclass
class Test:
    """A test with all its attempts; the last one counts."""

    id: str
    location: tuple[str, int | None, str]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def last(self) -> Attempt:
        """The attempt that counts."""
        return self.attempts[-1]


class Collector:
    """Takes pytest's reports in the order they come, and gives the tests with measurements as records."""

    def __init__(self) -> None:
        # By node id; more than one only where several workers run the same test (xdist's --dist each).
        self._tests: dict[str, list[Test]] = {}
        self._pictures = 0
        #: How many pictures were dropped to keep the report small.
        self.pictures_left_out = 0

    def add(self, report: Any) -> None:
        """Take one report: of a phase, of a subtest, or of a test whose worker died."""
        sent = getattr(report, "vmaf", None)
        crashed = report.when not in PHASES
        if not isinstance(sent, dict) and not crashed and report.nodeid not in self._tests:
            return
        attempt = self._attempt(report, crashed)
        subtest = _subtest(report)
        attempt.duration += getattr(report, "duration", 0.0)
        attempt.again |= report.outcome == "rerun"
        attempt.set_up |= report.when == "setup"
        attempt.crashed |= crashed
        attempt.ended |= attempt.again or report.when == "teardown" or crashed
        # A setup that did not pass is the end; after a crash nothing comes any more.
        attempt.called |= subtest is None and (report.when == "call" or report.outcome != "passed")
        attempt.statuses.append(_status(report))
        if message := _message(report):
            attempt.messages.append(f"{subtest}: {message}" if subtest else message)
        if isinstance(sent, dict):
            # What was measured before the subtest began comes with its report, but is not its own.
            began = getattr(report, "start", 0.0)
            measurements = [
                {**each, "subtest": subtest} if subtest and each["started"] >= began else each
                for each in sent["measurements"]
            ]
            attempt.measurements += measurements
            attempt.sections += sent["sections"]
            attempt.baselines += sent.get("baselines", [])
            self._pictures += sum(map(_picture_size, measurements)) + sections_size(sent["sections"])
            self._hold_budget()

    def records(self) -> list[dict[str, Any]]:
        """Each test as `schema.TEST`, in the order they began."""
        records = []
        for tests in self._tests.values():
            for test in tests:
                file, line, _ = test.location
                records.append(
                    {
                        **test.last.record(),
                        "run": 0,
                        "id": test.id,
                        "file": file or None,
                        "line": line + 1 if line is not None else None,
                        "earlier": [attempt.record() for attempt in test.attempts[:-1]],
                        "sections": test.last.sections,
                    }
                )
        return records

    def baselines(self) -> list[tuple[str, str, list[dict[str, Any]]]]:
        """Each test's id, how its last attempt ended, and the entries of baselines that this one measured."""
        return [
            (test.id, test.last.status, test.last.baselines)
            for tests in self._tests.values()
            for test in tests
            if test.last.baselines
        ]

    def _attempt(self, report: Any, crashed: bool) -> Attempt:
        """The attempt this report belongs to. What comes after the end of one begins the next."""
        worker = getattr(report, "worker_id", "") or _worker_of(report)
        tests = self._tests.setdefault(report.nodeid, [])
        # Another worker takes over from one that died; else each runs the test for itself.
        ours = next(
            (test for test in tests if test.last.worker == worker or test.last.again or test.last.crashed), None
        )
        if ours is None:
            ours = Test(report.nodeid, report.location, [Attempt(worker)])
            tests.append(ours)
        elif (ours.last.ended and report.when != "teardown") or (ours.last.set_up and report.when == "setup"):
            # Not by the setup alone: where tests are run again, it comes after the test's subtests.
            for attempt in ours.attempts:
                self._drop_pictures(attempt)
            ours.attempts.append(Attempt(worker))
        return ours.last

    def _hold_budget(self) -> None:
        while self._pictures > MOST_PICTURES:
            lasts = [test.last for tests in self._tests.values() for test in tests]
            mildest = max((last for last in lasts if _size(last)), key=_mildness)
            # One at a time: a single test may have more than all of them may take.
            if sections_size(mildest.sections):
                saved, pictures = lighten(mildest.sections)
                self._pictures -= saved
                self.pictures_left_out += pictures
                continue
            measurement = [each for each in mildest.measurements if each.get("pictures")][-1]
            self._pictures -= _picture_size({"pictures": [measurement["pictures"].pop()]})
            measurement["left_out"] = f"Some of its pictures were left out{SMALL}"
            self.pictures_left_out += 1

    def _drop_pictures(self, attempt: Attempt) -> None:
        """Those of an earlier attempt, which has no sections in the report."""
        self._pictures -= sections_size(attempt.sections)
        attempt.sections = []
        for measurement in attempt.measurements:
            self._pictures -= _picture_size(measurement)
            measurement.pop("pictures", None)


def sections_size(sections: Iterable[dict[str, Any]]) -> int:
    """How many characters of sections can be left out: their pictures, and frames of heat maps but the worst."""
    return sum(_block_size(block) for section in sections for block in section["blocks"])


def lighten(sections: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Leave out one picture of these sections, the last, or else a heat map's frames but the worst, and say so there.

    How many characters that saves, and how many pictures it costs. Some must be left to leave out.
    """
    blocks = [block for section in sections for block in section["blocks"] if _block_size(block)]
    pictured = [block for block in blocks if _pictures_of(block)]
    block = (pictured or blocks)[-1]
    before = _block_size(block)
    if pictured:
        _pictures_of(block).pop()
        words = f"Some of its pictures were left out{SMALL}"
    else:
        heat, kept = block["heat"], sorted(block["heat"]["worst"])
        heat["frames"] = [heat["frames"][index] for index in kept]
        heat["worst"] = [kept.index(index) for index in heat["worst"]]
        words = f"All frames but the worst were left out{SMALL}"
    said = block.get("left_out") or ""
    if words not in said:
        block["left_out"] = f"{said} {words}".strip()
    return before - _block_size(block), len(pictured[-1:])


def _pictures_of(block: dict[str, Any]) -> list[dict[str, str]]:
    return (block.get("shown") or block.get("heat") or {}).get("pictures") or []


def _block_size(block: dict[str, Any]) -> int:
    size = sum(len(picture["jpeg"]) for picture in _pictures_of(block))
    if heat := block.get("heat"):
        size += (len(heat["frames"]) - len(heat["worst"])) * heat["columns"] * heat["rows"] * VALUE
    return size


def _status(report: Any) -> str:
    if report.outcome in ("failed", "rerun"):
        # A gate that a fixture holds is a gate; whatever else ends a setup or teardown is an error.
        error = getattr(report, "vmaf_error", report.when != "call")
        return "error" if error else "failed"
    if report.outcome == "skipped":
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    return "passed"


def _message(report: Any) -> str:
    """Why a report is not a plain pass, in its own words."""
    longrepr = report.longrepr
    if report.outcome == "passed":
        return "It was expected to fail, and passed." if hasattr(report, "wasxfail") else ""
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message)
    if isinstance(longrepr, tuple):
        return str(longrepr[-1])
    return str(longrepr or "")


def _subtest(report: Any) -> str | None:
    context = getattr(report, "context", None)
    if context is None or not hasattr(context, "kwargs"):
        return None
    said = [context.msg or "", ", ".join(f"{name}={value}" for name, value in context.kwargs.items())]
    return " ".join(filter(None, said)) or "subtest"


def _worker_of(report: Any) -> str:
    gateway = getattr(getattr(report, "node", None), "gateway", None)
    return str(getattr(gateway, "id", ""))


def _picture_size(measurement: dict[str, Any]) -> int:
    pictures = measurement.get("pictures") or ()
    return sum(len(picture[name]) for picture in pictures for name in ("reference", "distorted", "difference"))


def _size(attempt: Attempt) -> int:
    return sum(map(_picture_size, attempt.measurements)) + sections_size(attempt.sections)


def _mildness(attempt: Attempt) -> Any:
    from pytest_vmaf.report.wording import badness

    return min((badness(each) for each in attempt.measurements), default=(3,))
