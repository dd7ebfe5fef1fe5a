"""The first screen of the page: title, builds, numbers of all tests, and the order of the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report.models import model_of
from pytest_vmaf.report.order import badness, swallowed, worst_first, would_fail
from pytest_vmaf.report.schema import DROP, IN_PERCENT, RISE, Record, RecordDict, is_scored
from pytest_vmaf.report.sentences import explain
from pytest_vmaf.report.verdict import verdict_sentences
from pytest_vmaf.report.wording import short_id
from pytest_vmaf.text import plural

#: Tests that did not pass and are shown in full before anything is clicked.
OPENED = 5
#: Failed tests in the box of the verdict.
NAMED = 3
#: Digits of a commit.
COMMIT = 10


class Number(NamedTuple):
    """One number of the first screen.

    Attributes:
        name: What it is.
        value: The number with its unit.
        change: A second number, what changed; "" for none.
        mark: "worse", "better" or "" for the change.
    """

    name: str
    value: str
    change: str = ""
    mark: str = ""


def title(document: Record) -> str:
    """The heading of the page: the title that all runs share, or a general one."""
    titles = {run.get("title") or "" for run in document["runs"]}
    return titles.pop() or "VMAF report" if len(titles) == 1 else "VMAF report"


def builds(document: Record) -> list[RecordDict]:
    """The builds of the runs, each once: `branch`, `commit` in short, `build` and a safe `url`."""
    records: list[RecordDict] = []
    for run in document["runs"]:
        branch, commit, build, url = (str(run.get(key) or "") for key in ("branch", "commit", "build", "url"))
        each = {"branch": branch, "commit": commit[:COMMIT], "full": commit}
        each |= {"build": build or ("CI run" if web_address(url) else ""), "url": web_address(url)}
        if any(each.values()) and each not in records:
            records.append(each)
    return records


def web_address(text: str) -> str:
    """An address of http or https without a password, as a link may have it; "" for anything else."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    harmless = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    return text if harmless and text.isprintable() and not set(text) & set(" \"'<>\\`{}") else ""


def row_link(block: Record, row: int) -> str:
    """A safe address that a row of a table links to; "" for none."""
    links = block.get("links") or ()
    return web_address(links[row]) if row < len(links) else ""


def as_text(document: Record) -> list[str]:
    """The box of the verdict as lines: how many tests passed, the worst of them, and what was not tested."""
    first, *rest = verdict_sentences(document)
    tests = in_order(document["tests"])
    bad = sum(map(is_bad, tests))
    lines = [first, *(f"  {short_id(test['id'])}: {explain(test)}" for test in tests[: min(bad, NAMED)])]
    lines += [f"  and {bad - NAMED} more"] if bad > NAMED else []
    others = [sentence for sentence in rest if not sentence.startswith("Worst: ")]
    return [*lines, *([" ".join(others)] if others else [])]


def in_order(tests: Sequence[Record]) -> list[Record]:
    """The tests as the page lists them: what failed, what was not measured, caught failures, and the rest."""
    return sorted(worst_first(tests), key=lambda test: (test["status"] != "failed", not is_bad(test)))


def file_of(test: Record) -> str:
    """The file of a test, as its id names it."""
    file, colons, _ = str(test["id"]).partition("::")
    return file if colons else str(test.get("file") or "")


def is_bad(test: Record) -> bool:
    """Whether a test failed, was not measured, caught a failure, or would fail without report-only mode."""
    return test["status"] in ("failed", "error") or bool(swallowed(test)) or would_fail(test)


def worst_measurement(test: Record) -> Record | None:
    """The measurement that stands for a test in the list: the worst. None for a test without any."""
    return min(test["measurements"], key=badness, default=None)


def scores(tests: Sequence[Record]) -> list[tuple[float, bool]]:
    """NEG of each test, and whether the test failed, be it as expected.

    Scores of another model than that of most tests are left out.
    """
    return [(record["neg"], is_bad(test) or test["status"] == "xfailed") for test, record in _comparable(tests)]


def numbers(tests: Sequence[Record]) -> list[Number]:
    """Numbers of all tests: the median NEG, what changed since the baseline, and how many were not measured."""
    neg = [record["neg"] for _, record in _comparable(tests)]
    rows = []
    if neg:
        models = {model_of(record) for test in tests if (record := _scored(test)) is not None}
        model = model_of(_comparable(tests)[0][1])
        of = plural(len(neg), "test") + (f" with {model}" if len(models) > 1 and model else "")
        change, mark = "", ""
        if drops := _changes(tests, f"{DROP}{label('neg')}"):
            drop = median(drops)
            change, mark = f"{-drop + 0.0:+.2f} since the baseline", _mark(drop)
        name = f"quality score (NEG), median of {of}" if len(neg) > 1 else "quality score (NEG)"
        rows.append(Number(name, f"{median(neg):.2f}", change, mark))
    if len(neg) > 1:
        rows.append(Number("lowest NEG", f"{min(neg):.2f}"))
    if rises := _changes(tests, f"{RISE}{label('bitrate')}{IN_PERCENT}"):
        rise = median(rises)
        rows.append(Number("bitrate, median", f"{rise:+.1f} %", "since the baseline", _mark(rise)))
    if count := sum(test["status"] == "error" for test in tests):
        rows.append(Number("not measured", plural(count, "test")))
    return rows


def _scored(test: Record) -> Record | None:
    """The measurement that stands for a test, if it has scores."""
    measurements = [each for each in test["measurements"] if each["status"] == "error" or is_scored(each)]
    record = min(measurements, key=badness, default=None)
    return record if record is not None and is_scored(record) else None


def _comparable(tests: Sequence[Record]) -> list[tuple[Record, Record]]:
    """The tests with scores of the model that most of them use, each with the measurement that stands for it."""
    scored = [(test, record) for test in tests if (record := _scored(test)) is not None]
    models = Counter(model_of(record) for _, record in scored)
    return [(test, record) for test, record in scored if model_of(record) == models.most_common(1)[0][0]]


def _changes(tests: Sequence[Record], metric: str) -> list[float]:
    gates = (gate for test in tests for each in test["measurements"] for gate in each["gates"])
    means = [gate for gate in gates if gate.get("metric") == metric and gate.get("pool") in ("mean", None)]
    return [gate["value"] for gate in means if gate.get("value") is not None]


def _mark(worse: float) -> str:
    return "worse" if worse > 0.005 else "better" if worse < -0.005 else ""
