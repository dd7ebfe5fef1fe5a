"""Collect the test reports of all workers into the tests of one document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pytest_vmaf.report.order import swallowed, worst_of
from pytest_vmaf.report.schema import STATUSES, Record, RecordDict
from pytest_vmaf.report.verdict import explain_caught
from pytest_vmaf.report.wording import WOULD_FAIL

#: The most characters of all pictures and heat maps of a report. Beyond it, the mildest tests lose theirs first.
MOST_PICTURES = 16_000_000
#: The characters of one value of a heat map, in page and data.
VALUE = 6
SMALL = ", to keep the report small."
LONGEST_MESSAGE = 4000
PHASES = ("setup", "call", "teardown")


@dataclass
class Attempt:
    """One run of one test, built up from its reports."""

    worker: str = ""
    statuses: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    duration: float = 0.0
    measurements: list[RecordDict] = field(default_factory=list)
    sections: list[RecordDict] = field(default_factory=list)
    baselines: list[RecordDict] = field(default_factory=list)
    would_fail: list[str] = field(default_factory=list)
    set_up: bool = False
    called: bool = False
    again: bool = False
    ended: bool = False
    violated: bool = False

    @property
    def status(self) -> str:
        """The worst status of its reports. An attempt that did not finish is an error."""
        if not self.called:
            return "error"
        return min(self.statuses, key=STATUSES.index, default="passed")

    @property
    def verdict(self) -> str:
        """The status without report-only mode, or that of the worst measurement whose error the test caught."""
        if self.would_fail and self.status in ("passed", "skipped"):
            return "failed"
        caught = swallowed({"status": self.status, "measurements": self.measurements})
        return str(caught[0]["status"]) if caught else self.status

    def record(self) -> RecordDict:
        """The attempt as a `schema.ATTEMPT`."""
        messages = self.messages if self.called else [*self.messages, "The run ended while this test was running."]
        about: RecordDict = {"status": self.status, "measurements": self.measurements, "would_fail": self.would_fail}
        notes = filter(None, [explain_caught(about), *(f"{WOULD_FAIL}: {text}" for text in self.would_fail)])
        message = "\n".join(dict.fromkeys([*messages, *notes]))[:LONGEST_MESSAGE]
        about |= {"message": message, "duration": round(self.duration, 3), "worker": self.worker}
        return about if self.would_fail else {key: value for key, value in about.items() if key != "would_fail"}


@dataclass
class Test:
    """A test with all its attempts. The last one counts."""

    id: str
    location: tuple[str, int | None, str]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def last(self) -> Attempt:
        """The attempt that counts."""
        return self.attempts[-1]

    def record(self) -> RecordDict:
        """The test as a `schema.TEST`."""
        file, line, _ = self.location
        place = {"run": 0, "id": self.id, "file": file or None, "line": None if line is None else line + 1}
        earlier = [attempt.record() for attempt in self.attempts[:-1]]
        return {**self.last.record(), **place, "earlier": earlier, "sections": self.last.sections}


class Collector:
    """Collects pytest's reports, in the order they arrive, into the records of the tests with measurements.

    Attributes:
        pictures_left_out: How many pictures were dropped to keep the report small.
    """

    def __init__(self) -> None:
        # By node id. With xdist's --dist each, several workers run the same test.
        self._tests: dict[str, list[Test]] = {}
        self._pictures = 0
        self.pictures_left_out = 0

    def add(self, report: Any) -> None:
        """Add the report of a phase, of a subtest, or of a test whose worker crashed.

        Args:
            report: A `pytest.TestReport`, with the attributes that the worker side and xdist add.
        """
        sent = getattr(report, "vmaf", None)
        crashed = report.when not in PHASES
        if not isinstance(sent, dict) and not crashed and report.nodeid not in self._tests:
            return
        attempt = self._attempt(report, crashed)
        subtest = _subtest(report)
        attempt.duration += getattr(report, "duration", 0.0)
        # Another worker may run the next attempt.
        attempt.again |= report.outcome == "rerun" or crashed
        attempt.set_up |= report.when == "setup"
        attempt.ended |= attempt.again or report.when == "teardown"
        # After a failed setup or a crash there is no call.
        attempt.called |= subtest is None and (report.when == "call" or report.outcome != "passed")
        attempt.statuses.append(_status(report))
        attempt.violated |= getattr(report, "vmaf_violated", False)
        if message := _message(report):
            attempt.messages.append(f"{subtest}: {message}" if subtest else message)
        if isinstance(sent, dict):
            # The report of a subtest brings along what the test measured before the subtest began.
            began = getattr(report, "start", 0.0)
            measurements = [
                {**each, "subtest": subtest} if subtest and each["started"] >= began else each
                for each in sent["measurements"]
            ]
            attempt.measurements += measurements
            attempt.sections += sent["sections"]
            attempt.baselines += sent.get("baselines", [])
            attempt.would_fail += sent.get("would_fail", [])
            self._pictures += sum(map(picture_size, measurements)) + sections_size(sent["sections"])
            self._enforce_limit()

    def tests(self) -> Iterator[Test]:
        """The tests, in the order they began."""
        return chain.from_iterable(self._tests.values())

    def records(self) -> list[RecordDict]:
        """Each test as a `schema.TEST`, in the order they began."""
        return [test.record() for test in self.tests()]

    def baselines(self) -> list[tuple[str, str, list[RecordDict]]]:
        """For each test with baselines: its id, and the status and the new baselines of its last attempt.

        A test that caught the error of a gate has failed here: what it measured is no baseline.
        """
        return [(test.id, test.last.verdict, test.last.baselines) for test in self.tests() if test.last.baselines]

    def _attempt(self, report: Any, crashed: bool) -> Attempt:
        """Find the attempt that a report belongs to. A report after the end of an attempt begins the next one."""
        worker = getattr(report, "worker_id", "") or _worker_of(report)
        tests = self._tests.setdefault(report.nodeid, [])
        # Another worker takes over from one that crashed. Otherwise each runs the test for itself.
        same = (test for test in tests if test.last.worker == worker or test.last.again)
        if (ours := next(same, None)) is None:
            ours = Test(report.nodeid, report.location, [Attempt(worker)])
            tests.append(ours)
        elif (ours.last.ended and report.when != "teardown") or (ours.last.set_up and report.when == "setup"):
            # A setup alone does not tell: of a rerun it may arrive after the test's subtests.
            for attempt in ours.attempts:
                self._drop_pictures(attempt)
            ours.attempts.append(Attempt(worker))
        return ours.last

    def _enforce_limit(self) -> None:
        while self._pictures > MOST_PICTURES:
            pictured = (test.last for test in self.tests() if _size(test.last))
            mildest = max(pictured, key=lambda attempt: worst_of(attempt.measurements))
            # One at a time, because a single test may exceed the limit of all.
            if sections_size(mildest.sections):
                saved, pictures = lighten(mildest.sections)
                self._pictures -= saved
                self.pictures_left_out += pictures
                continue
            self._pictures -= drop_picture([each for each in mildest.measurements if picture_size(each)][-1])
            self.pictures_left_out += 1

    def _drop_pictures(self, attempt: Attempt) -> None:
        """Drop the pictures of an earlier attempt, and its sections, which the report does not show."""
        self._pictures -= sections_size(attempt.sections)
        attempt.sections = []
        for measurement in attempt.measurements:
            self._pictures -= picture_size(measurement)
            measurement.pop("pictures", None)
            measurement.pop("thumbnail", None)


def sections_size(sections: Iterable[Record]) -> int:
    """The characters of sections that can be left out: pictures, and the frames of heat maps except the worst."""
    return sum(_block_size(block) for section in sections for block in section["blocks"])


def lighten(sections: Iterable[RecordDict]) -> tuple[int, int]:
    """Remove the last picture of some sections, or else all frames of a heat map except the worst, and note it there.

    Args:
        sections: Sections with something to remove, that is, with a `sections_size`.

    Returns:
        How many characters and how many pictures were removed.
    """
    blocks = [block for section in sections for block in section["blocks"] if _block_size(block)]
    with_pictures = [block for block in blocks if _pictures_of(block)]
    block = (with_pictures or blocks)[-1]
    before = _block_size(block)
    if with_pictures:
        _pictures_of(block).pop()
        note = f"Some of its pictures were left out{SMALL}"
    else:
        heat, worst = block["heat"], sorted(block["heat"]["worst"])
        heat["frames"] = [heat["frames"][index] for index in worst]
        heat["worst"] = [worst.index(index) for index in heat["worst"]]
        note = f"All frames but the worst were left out{SMALL}"
    notes = block.get("left_out") or ""
    if note not in notes:
        block["left_out"] = f"{notes} {note}".strip()
    return before - _block_size(block), len(with_pictures[-1:])


def _pictures_of(block: Record) -> list[dict[str, str]]:
    return (block.get("shown") or block.get("heat") or {}).get("pictures") or []


def _block_size(block: Record) -> int:
    size = sum(len(picture["jpeg"]) for picture in _pictures_of(block))
    if heat := block.get("heat"):
        size += (len(heat["frames"]) - len(heat["worst"])) * heat["columns"] * heat["rows"] * VALUE
    return size


def _status(report: Any) -> str:
    if report.outcome in ("failed", "rerun"):
        # A gate that fails in a fixture is a failure. Anything else that ends a setup or teardown is an error.
        error = getattr(report, "vmaf_error", report.when != "call")
        return "error" if error else "failed"
    if report.outcome == "skipped":
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    return "passed"


def _message(report: Any) -> str:
    """The message of a report; "" for a plain pass."""
    longrepr = report.longrepr
    if report.outcome == "passed":
        return "The test was expected to fail, but passed." if hasattr(report, "wasxfail") else ""
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
    names = [context.msg or "", ", ".join(f"{name}={value}" for name, value in context.kwargs.items())]
    return " ".join(filter(None, names)) or "subtest"


def _worker_of(report: Any) -> str:
    gateway = getattr(getattr(report, "node", None), "gateway", None)
    return str(getattr(gateway, "id", ""))


def picture_size(measurement: Record) -> int:
    """The characters of a measurement's pictures, its thumbnail included."""
    pictures = [*(measurement.get("pictures") or ()), measurement.get("thumbnail") or {}]
    return sum(len(picture.get(name, "")) for picture in pictures for name in ("reference", "distorted", "difference"))


def drop_picture(measurement: RecordDict) -> int:
    """Remove the last picture of a measurement, or else its thumbnail. Returns the characters that it had."""
    before = picture_size(measurement)
    if measurement.get("pictures"):
        measurement["pictures"].pop()
    else:
        del measurement["thumbnail"]
    measurement["left_out"] = f"Some of its pictures were left out{SMALL}"
    return before - picture_size(measurement)


def _size(attempt: Attempt) -> int:
    return sum(map(picture_size, attempt.measurements)) + sections_size(attempt.sections)
