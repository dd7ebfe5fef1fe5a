"""The table of measurements at the end of a pytest run, fitted to the width of the terminal."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len

from pytest_vmaf.gates.metrics import PART_METRICS, SPEED_GATES, STREAM_METRICS
from pytest_vmaf.report.models import differ_in_model, model_of
from pytest_vmaf.report.order import badness, is_quiet, smallest_margin
from pytest_vmaf.report.repeats import repeats_lines
from pytest_vmaf.report.schema import Record
from pytest_vmaf.report.verdict import without_minimum
from pytest_vmaf.report.wording import decimal, margin, short_clip, short_id
from pytest_vmaf.text import never_checked, plural, printable, sentences_of

if TYPE_CHECKING:
    import pytest

    from pytest_vmaf.gates.gate import Gate

#: Rows without -v.
MOST_ROWS = 25
#: The word of each status of a measurement, and that of one that failed in report-only mode.
WORDS = {"passed": "passed", "failed": "FAILED", "error": "no score"}
WOULD_FAIL = "WOULD FAIL"
#: The colour of each word.
COLOURS = {"passed": "green", "FAILED": "red", "no score": "red", WOULD_FAIL: "yellow"}
#: In this order. Those of `LEFT` are aligned to the left.
COLUMNS = ("NEG", "VMAF", "gap", ">100", "margin", "gate", "model")
LEFT = ("gate", "model")
#: The columns that a narrow terminal lacks, the first one first.
DISPENSABLE = ("VMAF", ">100", "gap")
NAMES = "test (distorted clip)"
#: Characters that names get before columns are left out, and before names get lines of their own.
ENOUGH, TOO_FEW = 32, 18
#: The longest reason of an error in a row. All of it is in pytest's own report of the error.
LONGEST_REASON = 60
#: A region's name and geometry after the name of its clip.
GEOMETRY = re.compile(r"(?<= )\[(\S.*) \d+x\d+(?:\+\d+\+\d+|, moving)\]$")
#: The folders of a path in a sentence.
FOLDERS = re.compile(r"(?<![^\s'\"(])(?:[\w.~-]*/){2,}(?=[^\s/])")


class Row(NamedTuple):
    """One measurement.

    Attributes:
        status: As in its record.
        word: The status for the terminal.
        cells: Texts of the columns.
        test: The test's id.
        clip: The name of the distorted clip.
        reason: Why nothing was scored.
    """

    status: str
    word: str
    cells: Mapping[str, str]
    test: str
    clip: str
    reason: str


class Names(NamedTuple):
    """How tests are named, alike in all rows.

    Attributes:
        form: Turns an id into a name, with or without its file.
        same: Names without a file that tests of several files share.
        repeated: Tests with several measurements, which only their clips tell apart.
    """

    form: Callable[[str], str]
    same: frozenset[str]
    repeated: frozenset[str]


def write_summary(
    reporter: pytest.TerminalReporter, config: pytest.Config, rows: Sequence[Record], gates: Sequence[Gate]
) -> None:
    """Write the table of all measurements, worst first, and warnings about gates that were not checked.

    As pytest does it, lines are cut to the terminal, but not under CI or with -vv.

    Args:
        reporter: Where to write.
        config: Its verbosity decides how many rows there are. With -qq nothing is written.
        rows: Records of measurements, each with its `test`.
        gates: The gates of the command line and the ini file.
    """
    if config.get_verbosity() < -1:
        return
    reporter.write_sep("=", "vmaf: measurements")
    ordered = sorted(rows, key=lambda row: (badness(row), row["test"]))
    most = len(ordered) if config.get_verbosity() > 0 else MOST_ROWS
    whole = config.get_verbosity() > 1 or any(map(os.environ.get, ("CI", "BUILD_NUMBER")))
    lines = table(ordered[:most], None if whole else config.get_terminal_writer().fullwidth)
    for word, rest in lines:
        colour = COLOURS.get(word.strip())
        reporter.write(word, **({colour: True} if colour else {}))
        reporter.write_line(rest)
    if len(ordered) > most:
        reporter.write_line(f"{len(ordered) - most} more with larger margins; -v shows all.")
    if repeated := repeats_lines(rows):
        reporter.write_sep("-", "vmaf: repeated encodes")
        reporter.write_line("\n".join(repeated))
    if cached := sum(bool(row.get("provenance", {}).get("cached")) for row in rows):
        reporter.write_line(f"{cached} of {len(rows)} from the cache; --vmaf-no-cache measures everything again.")
    if any(row.get("provenance", {}).get("fake") for row in rows):
        reporter.write_line("FAKE: some of these numbers were invented by FakeScorer; nothing was measured.", red=True)
    for warning in _warnings(rows, gates):
        reporter.write_line(warning, yellow=True)


def _warnings(rows: Sequence[Record], gates: Sequence[Gate]) -> Iterable[str]:
    """Warnings about missing `min_` gates, and gates of the run that some measurements did not check."""
    if floorless := without_minimum(rows):
        yield f"{floorless}; add one, for example min_neg=90."
    # A gate of the command line is meant for this run. One of the ini file may be meant for other tests.
    checked = {
        (gate["bound"], gate["metric"], gate["pool"]) for row in rows for gate in row["gates"] if "value" in gate
    }
    for methods, metrics in (("neither vmaf.roi nor vmaf.quality_map", PART_METRICS), ("no vmaf.speed", SPEED_GATES)):
        own = [gate for gate in gates if gate.metric in metrics and gate.origin == "command line"]
        if missing := [str(gate) for gate in own if gate.key[1:] not in checked]:
            what = "it" if len(missing) == 1 else "them"
            yield f"{never_checked(missing)}: {methods} measured {what}."
    partly = [row for row in rows if row.get("gated") and not row["every_gate"]]
    scores = [gate for gate in gates if gate.metric not in (*PART_METRICS, *SPEED_GATES, *STREAM_METRICS)]
    yield from _unchecked(scores, partly, len(rows), "vmaf.check, which alone checks")
    # vmaf.stream checks those on streams, too.
    streams = [gate for gate in gates if gate.metric in STREAM_METRICS]
    scored = [row for row in partly if not row.get("stream") or row.get("neg") is not None]
    yield from _unchecked(streams, scored, len(rows), "vmaf.check or stream, which alone check")


def _unchecked(gates: Sequence[Gate], rows: Sequence[Record], total: int, methods: str) -> Iterable[str]:
    """The warning that these of all measurements did not check gates of the run."""
    names = [str(gate) for gate in gates if gate.origin == "command line" or len(rows) == total]
    if names and rows:
        count = f"{len(rows)} of {plural(total, 'measurement')}"
        yield f"{count} {'was' if len(rows) == 1 else 'were'} not made by {methods} {', '.join(names)}."


def table(records: Sequence[Record], width: int | None) -> list[tuple[str, str]]:
    """The lines of the table: the first word of each with blanks up to the next column, and the rest.

    A row is one line. Only if names would get too little room, each has a line below its row. Of the numbers of an
    error, the reason takes the place.

    Args:
        records: Records of measurements, each with its `test`.
        width: The width of the terminal, None for any.
    """
    models = differ_in_model(records)
    rows = [_row(record, models) for record in records]
    columns = [name for name in COLUMNS if any(row.cells.get(name, "–") not in ("–", "0") for row in rows)]
    first = max(cell_len(word) for word in ("gates", *(row.word for row in rows))) + 2
    longest = max(cell_len(f"{short_id(row.test)} ({row.clip})") for row in rows)
    widths = _widths(columns, rows)
    for name in DISPENSABLE:
        if width is not None and name in widths and width - first - _total(widths) < min(longest, ENOUGH):
            del widths[name]
    block = _total(widths)
    room = None if width is None else width - first - block
    if room is not None and room < min(longest, TOO_FEW):
        return _in_pairs(rows, widths, first, width or 0)
    if reasons := [cell_len(row.reason) + 2 for row in rows if row.reason]:
        spare = LONGEST_REASON if room is None else room - min(longest, ENOUGH) + block
        block = max(block, min(max(reasons), spare, LONGEST_REASON + 2))
        room = None if width is None else width - first - block
    head = _cells(dict(zip(COLUMNS, COLUMNS, strict=True)), widths)
    lines = [("gates".ljust(first), head.ljust(block) + (NAMES if room is None or len(NAMES) <= room else "test"))]
    names = _names(rows, room)
    for row in rows:
        cells = _cut(row.reason, block - 2) if row.reason else _cells(row.cells, widths)
        lines.append((_pad(row.word, first), _pad(cells, block) + _name(row, names, room)))
    return lines


def _in_pairs(rows: Sequence[Row], widths: Mapping[str, int], first: int, width: int) -> list[tuple[str, str]]:
    """Two lines for each measurement: its numbers, and its name below them."""
    names = _names(rows, width - 2)
    lines = [
        ("gates".ljust(first), _cells(dict(zip(COLUMNS, COLUMNS, strict=True)), widths).rstrip()),
        ("", f"  {NAMES}"),
    ]
    for row in rows:
        cells = _cut(row.reason, width - first) if row.reason else _cells(row.cells, widths).rstrip()
        lines += [(_pad(row.word, first), cells), ("", f"  {_name(row, names, width - 2)}")]
    return lines


def _row(record: Record, models: bool) -> Row:
    word = WOULD_FAIL if record.get("would_fail") else WORDS[record["status"]]
    test, clip = printable(record["test"]), GEOMETRY.sub(r"[\1]", short_clip(record["distorted"]))
    if record["status"] == "error":
        return Row("error", word, {}, test, clip, _first_sentence(record["error"]))
    cells = {**dict.fromkeys(COLUMNS, "–"), ">100": f"{record.get('above_100', '–')}"}
    cells |= {name: decimal(record.get(name.lower())) or "–" for name in ("NEG", "VMAF", "gap")}
    gate = smallest_margin(record)
    if gate is not None and not (is_quiet(gate) and record.get("every_gate")):
        cells |= {"margin": margin(gate), "gate": str(gate["name"])}
    elif gate is not None:
        cells["gate"] = "no min_ gate"
    if models:
        cells["model"] = model_of(record).removeprefix("vmaf_") or "–"
    return Row(record["status"], word if record["gates"] else "none", cells, test, clip, "")


def _first_sentence(message: str) -> str:
    return sentences_of(printable(" ".join(message.split())))[0].rstrip(".") or "No message"


def _names(rows: Sequence[Row], room: int | None) -> Names:
    """Choose the names: with their files if the measurements are of several, and most such names fit."""
    files: dict[str, set[str]] = {}
    for row in rows:
        files.setdefault(short_id(row.test), set()).add(row.test.partition("::")[0])
    same = frozenset(name for name, where in files.items() if len(where) > 1)
    repeated = frozenset(test for test, count in Counter(row.test for row in rows).items() if count > 1)
    if len({row.test.partition("::")[0] for row in rows}) > 1:
        for form in (str, _with_file):
            if room is None or 4 * sum(cell_len(f"{form(row.test)} ({row.clip})") <= room for row in rows) > 3 * len(
                rows
            ):
                return Names(form, same, repeated)
    return Names(short_id, same, repeated)


def _with_file(test: str) -> str:
    return test.partition("::")[0].rpartition("/")[2] + f"::{short_id(test)}"


def _name(row: Row, names: Names, room: int | None) -> str:
    """The test with its clip, as complete as the room allows."""
    clip = f" ({row.clip})"
    name = names.form(row.test)
    if room is None:
        return name + clip
    least = short_id(row.test)
    if least in names.same:
        least = _with_file(row.test)
        name = name if "::" in name else least
    if row.test in names.repeated:
        # A test with a file is cut before the clip is.
        clip = _fit(clip, max(room // 2, room - cell_len(least)))
        forms = [name + clip, least + clip, _fit(least, room - cell_len(clip)) + clip]
    else:
        forms = [name + clip, name, least + clip, least]
    return next((form for form in forms if cell_len(form) <= room), _fit(forms[-1], room))


def _widths(columns: Iterable[str], rows: Sequence[Row]) -> dict[str, int]:
    return {
        name: max(cell_len(each) for each in (name, *(row.cells.get(name, "") for row in rows))) for name in columns
    }


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + 2 * len(widths)


def _cells(cells: Mapping[str, str], widths: Mapping[str, int]) -> str:
    return "".join(_pad(cells[name], width, left=name in LEFT) + "  " for name, width in widths.items())


def _pad(text: str, width: int, *, left: bool = True) -> str:
    blanks = " " * (width - cell_len(text))
    return text + blanks if left else blanks + text


def _fit(text: str, most: int) -> str:
    """Cut a name in its middle, nearer to its beginning: what tells names apart is often at their end."""
    keep = len(text)
    while cell_len(text) > most and keep > 1:
        keep = min(keep - 1, most)
        start = keep // 3
        cut = f"{text[:start]}…{text[len(text) - (keep - start - 1) :]}"
        if cell_len(cut) <= most:
            return cut
    return text


def _cut(text: str, most: int) -> str:
    """Cut a sentence after a word. Folders of paths go first."""
    if cell_len(text) > most:
        text = FOLDERS.sub("…/", text)
    words = text.split(" ")
    if cell_len(text) <= most:
        return text
    while len(words) > 1 and cell_len(" ".join(words)) > most - 2:
        words.pop()
    return f"{_fit(' '.join(words), most - 2)} …"
