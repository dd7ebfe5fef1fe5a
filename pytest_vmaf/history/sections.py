"""A history as sections of a report: its steps, and a chart of each test and metric over commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

from pytest_vmaf.history.series import History, Series
from pytest_vmaf.history.steps import Step, find_steps
from pytest_vmaf.report.sections import Chart, DataTable, Line, Paragraph, Section
from pytest_vmaf.report.wording import cut, short_id
from pytest_vmaf.text import plural, printable

TITLE, STEPS = "History", "Steps"
#: Points of a line, names below a chart, and rows of the table of steps.
MOST_POINTS, MOST_NAMES, MOST_STEPS = 300, 8, 200
#: Other branches that are named.
MOST_BRANCHES = 5
#: Steps that are marked on a line, the newest ones.
MOST_MARKED = 50
COLUMNS = ("commit", "after", "date", "test", "metric", "before", "then", "change", "tolerance", "remark")
ONE_COMMIT = "A trend needs a second commit."


def all_steps(history: History) -> list[Step]:
    """The steps of all series: those of the newest commit first, then those beyond the tolerance, the worst first."""
    steps = [step for series in history.series for step in find_steps(series)]
    return sorted(steps, key=lambda step: (-step.at, not step.beyond, not step.is_worse, -step.weight))


def summary(history: History, steps: Sequence[Step]) -> str:
    """The history in a few sentences: its size, and its newest steps beyond the tolerance."""
    if not history.series:
        return "The history has no numbers."
    times = [each.time[:10] for each in history.revisions]
    days = " to ".join(dict.fromkeys((min(times), max(times))))
    tests = len({series.test for series in history.series})
    of = f" of {printable(history.branch)}" if history.branch else ""
    named = ", ".join(map(printable, history.others[:MOST_BRANCHES]))
    more = f" and {len(history.others) - MOST_BRANCHES} more" if len(history.others) > MOST_BRANCHES else ""
    others = f" Other branches are left out: {named}{more}." if history.others else ""
    size = f"{plural(tests, 'test')} over {plural(len(history.revisions), 'commit')}{of}"
    newest = next((f" The newest: {describe_step(step, history)}." for step in steps if step.beyond), "")
    return f"{size}, {days}: {_count(steps)}{newest}{others}"


def describe_step(step: Step, history: History) -> str:
    """A step in words, with its commit."""
    verb, name = "fell" if step.change < 0 else "rose", cut(step.series.name, 120, middle=True)
    levels = f"from {number(step.series, step.before)} to {number(step.series, step.after)}"
    return f"{step.series.label} of {name} {verb} {levels} at {history.revisions[step.at].name}"


def history_sections(history: History, steps: Sequence[Step], most: int, *, unfold_from: int = 0) -> list[Section]:
    """The table of steps, then a section for each test with a chart for each metric.

    Args:
        history: The history.
        steps: What `all_steps` returned.
        most: The most charts. Series with recent steps, and the first metric of each test, come before others.
        unfold_from: The first revision whose steps unfold a chart. Others are shown when they are clicked.
    """
    chosen = _most_important(history, steps, most)
    sections = [Section(STEPS, steps_blocks(history, steps))]
    ours: dict[int, list[Step]] = defaultdict(list)
    for step in sorted(steps, key=lambda step: step.index):
        ours[id(step.series)].append(step)
    for test, group in groupby((series for series in history.series if id(series) in chosen), lambda each: each.test):
        sections.append(
            Section(cut(short_id(test), 200), [_chart(each, history, ours[id(each)], unfold_from) for each in group])
        )
    if more := len(history.series) - len(chosen):
        note = f"{plural(more, 'line')} without recent steps left out, to keep the page small. Name tests or metrics."
        sections.append(Section("Further lines", [Paragraph(note)]))
    return sections


def history_section(history: History, steps: Sequence[Step], most: int) -> Section:
    """The same as one section of the report of a run, which unfolds what changed with it."""
    blocks = [
        block
        for section in history_sections(history, steps, most, unfold_from=len(history.revisions) - 1)
        for block in section.blocks
        if len(history.revisions) > 1 or not isinstance(block, Chart)
    ]
    lead = Paragraph(summary(history, steps) if len(history.revisions) > 1 else ONE_COMMIT)
    return Section(TITLE, [lead, *blocks])


def steps_blocks(history: History, steps: Sequence[Step]) -> list[Paragraph | DataTable]:
    """The table of steps, or that there is none."""
    if not steps:
        return [Paragraph("There is no step, and nothing changed beyond a tolerance.")]
    rows = [step_row(step, history) for step in steps[:MOST_STEPS]]
    links = [history.revisions[step.at].url for step in steps[:MOST_STEPS]]
    more = len(steps) - len(rows)
    caption = f"Steps, the newest first{f'; {more} older ones are left out' if more else ''}."
    return [DataTable(COLUMNS, rows, caption, links=links if any(links) else ())]


def step_row(step: Step, history: History) -> tuple[str, ...]:
    """A step as a row of the table, as `COLUMNS`."""
    revision, series = history.revisions[step.at], step.series
    tools = ", ".join(step.other_tools)
    remarks = ["worse" if step.is_worse else "better", *([] if step.beyond else ["within the tolerance"])]
    remarks += [f"noise {number(series, step.noise)}"] if step.noise else []
    remarks += [f"another {tools} measured it"] if tools else []
    return (
        *(revision.name, history.revisions[step.since].name, revision.time[:10]),
        *(cut(series.name, 120, middle=True), series.label),
        *(number(series, step.before), number(series, step.after), number(series, step.change, sign=True)),
        *(tolerance_text(series), ", ".join(remarks)),
    )


def number(series: Series, value: float, *, sign: bool = False) -> str:
    """A value of a series with its unit."""
    return f"{value:{'+' if sign else ''},.{series.digits}f} {series.about.unit}".rstrip()


def tolerance_text(series: Series) -> str:
    """The tolerance of a series, for example "0.5" or "2 %"."""
    return series.tolerance.replace("%", " %") if isinstance(series.tolerance, str) else f"{series.tolerance:g}"


def _count(steps: Sequence[Step]) -> str:
    beyond = [step for step in steps if step.beyond]
    worse = sum(step.is_worse for step in beyond)
    within = f", and {len(steps) - len(beyond)} within it" if len(steps) > len(beyond) else ""
    if not beyond:
        return f"no step beyond the tolerance{within}."
    return f"{plural(len(beyond), 'step')} beyond the tolerance, {worse} of them worse{within}."


def _most_important(history: History, steps: Iterable[Step], most: int) -> set[int]:
    """The series with charts, by their identity."""
    first = {(series.test, series.of): series for series in reversed(history.series)}
    ordered = [*(step.series for step in steps), *reversed(first.values()), *history.series]
    return {*list(dict.fromkeys(map(id, ordered)))[:most]}


def _chart(series: Series, history: History, steps: Sequence[Step], unfold_from: int) -> Chart:
    shown = steps[-MOST_MARKED:]
    indexes = thin(series.values, [near for step in shown for near in (step.index - 1, step.index)])
    points = [(float(series.at[index]), series.values[index]) for index in indexes]
    marked = [indexes.index(step.index) for step in shown]
    worse = [indexes.index(step.index) for step in shown if step.is_worse]
    latest, now = steps[-1] if steps else None, number(series, series.values[-1])
    # The last number of a noisy series is not its level.
    level = latest.after if latest and latest.noise else series.values[-1]
    limit = series.limit(level)
    since = f", {number(series, latest.change, sign=True)} at {history.revisions[latest.at].name}" if latest else ""
    return Chart(
        "commit",
        f"{series.label}{f' in {series.about.unit}' if series.about.unit else ''}",
        [Line(series.label, points, marked, "course", worse)],
        [(f"{sign}{tolerance_text(series)}", level + by) for sign, by in (("+", limit), ("-", -limit))]
        if limit
        else [],
        f"{series.label} of {cut(series.of or short_id(series.test), 120, middle=True)}: {now}{since}.",
        folded=not any(step.beyond and step.at >= unfold_from for step in steps),
        names=_places(history, series, indexes, marked),
    )


def _places(history: History, series: Series, indexes: Sequence[int], marked: Sequence[int]) -> list[tuple[float, str]]:
    """Names of a few places, and of those that the table of the chart lists."""
    listed = {0, len(indexes) - 1, *(near for index in marked for near in (index - 1, index))}
    count = len(series.at)
    spread = {series.at[count * part // MOST_NAMES] for part in range(MOST_NAMES)}
    places = sorted(spread | {series.at[indexes[index]] for index in listed})
    return [(float(at), history.revisions[at].name) for at in places]


def thin(values: Sequence[float], needed: Iterable[int] = ()) -> list[int]:
    """Choose the indexes of the points that a line needs, at most about `MOST_POINTS`.

    Points that equal both of their neighbours are left out. Of a longer line, each part has its lowest and its highest
    point.

    Args:
        values: The numbers.
        needed: Indexes to keep.
    """
    last = len(values) - 1
    kept = {0, last, *needed}
    changing = [at for at in range(1, last) if not values[at - 1] == values[at] == values[at + 1]]
    size = -(-2 * len(changing) // MOST_POINTS)
    if size <= 2:
        return sorted(kept | {*changing})
    for start in range(0, len(changing), size):
        part = changing[start : start + size]
        kept |= {min(part, key=values.__getitem__), max(part, key=values.__getitem__)}
    return sorted(kept)
