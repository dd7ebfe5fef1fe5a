"""A delta of two reports in words: a Markdown comment, a page, and data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from pytest_vmaf.gates.metrics import decimals, label
from pytest_vmaf.report import wording
from pytest_vmaf.report.delta import Change, Delta
from pytest_vmaf.report.delta_pairs import Pair
from pytest_vmaf.report.html import sections_page, state_of
from pytest_vmaf.report.markdown import MOST_CHARACTERS, markdown_sections
from pytest_vmaf.report.overview import builds, in_order, is_bad
from pytest_vmaf.report.schema import Record, RecordDict
from pytest_vmaf.report.sections import DataTable, Paragraph, Section
from pytest_vmaf.report.sentences import explain
from pytest_vmaf.report.verdict import verdict_sentences
from pytest_vmaf.text import plural

#: The first line of a comment, by which a script finds the comment that it wrote before.
MARKER = "<!-- pytest-vmaf -->"
KIND, SCHEMA = "pytest-vmaf delta", 1
#: The rows of each table of a comment, until the comment is short enough; and of each table of a page.
ROWS, MOST_ROWS = (25, 10, 3, 0), 1000
#: The characters of a name in a table.
LONGEST = 70
COLUMNS = ("Test", "Value", "Before", "After", "Difference", "Margin")
Kind = Literal["worse", "better", "new", "gone"]


def markdown(delta: Delta, document: Record, base: Record) -> str:
    """The delta as a comment on a pull request. It begins with `MARKER`, and says how much it leaves out.

    Args:
        delta: What changed.
        document: The new report.
        base: The report that it is compared with.
    """
    text = ""
    for most in ROWS:
        sections = [section.to_record() for section in sections_of(delta, document, most)]
        text = f"{MARKER}\n{markdown_sections(title(document), sentence(delta, document, base), sections)}"
        if len(text) <= MOST_CHARACTERS:
            break
    return text


def page(delta: Delta, document: Record, base: Record) -> str:
    """The delta as a page. The arguments are those of `markdown`."""
    sections = [section.to_record() for section in sections_of(delta, document, MOST_ROWS)]
    text = sentence(delta, document, base)
    return sections_page(title(document), text, sections, state_of(document))


def data(delta: Delta, document: Record, base: Record) -> RecordDict:
    """The delta as data, with all changes. The arguments are those of `markdown`."""
    kinds: tuple[Kind, ...] = ("worse", "better", "new", "gone")
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "verdict": title(document),
        "text": sentence(delta, document, base),
        "passed": state_of(document) == "good",
        "base": builds(base),
        "builds": builds(document),
        "unchanged": delta.unchanged,
        **{kind: [_change_data(change) for change in getattr(delta, kind)] for kind in kinds},
        "not_compared": [
            {"run": pair.run, "test": pair.test, "clip": pair.clip, "why": pair.obstacle} for pair in delta.incomparable
        ],
        "notes": list(delta.notes),
    }


def title(document: Record) -> str:
    """The heading: what became of the tests of the new report."""
    mark = wording.WORDS["passed" if state_of(document) == "good" else "failed"][0]
    return f"{mark} VMAF: {verdict_sentences(document)[0].removesuffix('.')}"


def sentence(delta: Delta, document: Record, base: Record) -> str:
    """How much changed, between which commits, and what of the new report was not tested."""
    counts = f"{plural(len(delta.worse), 'number')} worse, {len(delta.better)} better. "
    counts += f"{plural(len(delta.new), 'measurement')} new, {len(delta.gone)} gone, {delta.unchanged} unchanged"
    counts += f", {len(delta.incomparable)} not compared." if delta.incomparable else "."
    names = [_commit(each) for each in (document, base)]
    commits = f" {names[0] or 'This report'} compared with {names[1] or 'the base report'}." if any(names) else ""
    cautions = [each for each in verdict_sentences(document)[1:] if not each.startswith(("Worst: ", "Closest to "))]
    return " ".join([f"{counts}{commits}", *cautions])


def sections_of(delta: Delta, document: Record, most: int) -> list[Section]:
    """The tables of a delta, each with at most this many rows: failures, what was not compared, and changes."""
    changes = (("Worse", delta.worse), ("Gone", delta.gone), ("Better", delta.better), ("New", delta.new))
    bad = [test for test in in_order(document["tests"]) if is_bad(test)]
    changed = [change.test for _, group in changes for change in group]
    names = _names([*(test["id"] for test in bad), *(pair.test for pair in delta.incomparable), *changed])
    sections = []
    several = Counter(test["id"] for test in document["tests"])
    failures = [
        (
            _with_details(names[test["id"]], document["runs"][test["run"]]["name"] if several[test["id"]] > 1 else ""),
            wording.cut(explain(test), 2 * LONGEST),
        )
        for test in bad[:most]
    ]
    obstacles = [(_place(pair, names), wording.cut(pair.obstacle, 2 * LONGEST)) for pair in delta.incomparable[:most]]
    for name, count, lines in (
        ("Failed", len(bad), failures),
        ("Not compared", len(delta.incomparable), obstacles),
    ):
        sections += [_section(name, count, DataTable(("Test", "Why"), lines))] if count else []
    for name, group in changes:
        cells = [_row(change, names) for change in group[:most]]
        sections += [_section(name, len(group), DataTable(COLUMNS, cells))] if group else []
    if delta.notes:
        sections.append(Section("Tools that differ", [Paragraph("; ".join(delta.notes[: max(1, most)]))]))
    return sections


def _names(tests: Sequence[str]) -> dict[str, str]:
    """How each test is named: without its file, unless another file has a test of that name."""
    ids = dict.fromkeys(tests)
    counts = Counter(map(wording.short_id, ids))
    chosen = {name: name if counts[wording.short_id(name)] > 1 else wording.short_id(name) for name in ids}
    return {name: wording.cut(text, LONGEST, middle=True) for name, text in chosen.items()}


def _section(name: str, count: int, table: DataTable) -> Section:
    more = count - len(table.rows)
    rest = [Paragraph(f"{more} more {'is' if more == 1 else 'are'} left out here.")] if more else []
    return Section(f"{name} ({count})", [*([table] if table.rows else []), *rest])


def _row(change: Change, names: Mapping[str, str]) -> tuple[str, ...]:
    mark = f"{wording.WORDS['failed'][0]} " if change.fails else ""
    gate = change.gate
    margin = f"{wording.margin(gate)} {gate['name']}" if gate else "–"
    if gate and change.fails and change.is_verdict:
        margin = wording.describe_failure(gate)
    values = (_value(change, change.before), _value(change, change.after), _difference(change))
    return f"{mark}{_place(change, names)}", _name(change), *values, wording.cut(margin, LONGEST)


def _place(row: Change | Pair, names: Mapping[str, str]) -> str:
    return _with_details(names[row.test], row.clip, row.run)


def _with_details(name: str, *details: str) -> str:
    """A name, with what tells it from others of that name."""
    texts = [wording.cut(text, LONGEST, middle=True) for text in details if text]
    return f"{name} ({', '.join(texts)})" if texts else name


def _name(change: Change) -> str:
    pool = change.number.name.removeprefix(change.number.metric).lstrip("_")
    return f"{label(change.number.metric)} {pool}".rstrip()


def _value(change: Change, value: float | None) -> str:
    if value is None:
        return "–"
    if change.is_verdict:
        return "passed" if value else "failed"
    places = decimals(change.number.metric, value)
    return f"{value:,.{places}f} {change.number.unit}".rstrip()


def _difference(change: Change) -> str:
    difference, before = change.difference, change.before
    if difference is None or change.is_verdict:
        return "–"
    places = decimals(change.number.metric, before or 0.0, change.after or 0.0)
    text = f"{difference:+,.{places}f}"
    if not float(text.replace(",", "")):
        text = f"{difference:+.1g}"
    # Of a rate or a size, the share says more.
    return f"{text} ({difference / before:+.2%})" if before and not places else text


def _commit(document: Record) -> str:
    names = [" @ ".join(filter(None, (each["branch"], each["commit"]))) for each in builds(document)]
    return ", ".join(filter(None, names[:3]))


def _change_data(change: Change) -> RecordDict:
    gate = change.gate or {}
    return {
        "run": change.run,
        "test": change.test,
        "clip": change.clip,
        "metric": change.number.metric,
        "pool": change.number.pool,
        "unit": change.number.unit,
        "higher_is_better": change.number.higher_is_better,
        "before": change.before,
        "after": change.after,
        "difference": change.difference,
        "gate": gate.get("name"),
        "margin": gate.get("margin"),
        "passed": gate.get("passed"),
    }
