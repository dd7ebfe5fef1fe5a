"""The report as GitHub-flavoured Markdown, for step summaries and comments. Names and messages in it are escaped."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.report import heatmap
from pytest_vmaf.report.order import badness, outcomes, swallowed, worst_first, would_fail
from pytest_vmaf.report.overview import builds
from pytest_vmaf.report.schema import STATUSES, Record
from pytest_vmaf.report.verdict import explain_pass, only_reported, verdict, what_failed
from pytest_vmaf.report.wording import (
    AGREEMENT,
    WORDS,
    WOULD_FAIL,
    cut,
    decimal,
    first_line,
    margin_of,
    short_clip,
    short_id,
)
from pytest_vmaf.text import plural

MOST_ROWS = 50
#: Builds that are named at the top.
MOST_BUILDS = 5
#: Tests per heat map or block of pictures that is named.
TESTS_PER_MAP = 5
#: GitHub refuses comments of more than 65536 characters, and the summary may become one.
MOST_CHARACTERS = 60_000
#: GitHub drops a step's whole summary beyond this many bytes.
MOST_BYTES = 1024 * 1024
#: Everything but letters, digits and what has no meaning in Markdown. A dot makes a link only after "www".
MARKUP = re.compile(r"[^\w ,.()%+-]|_|(?<=[wW])\.")


def markdown(document: Record) -> str:
    """Render a document: its verdict, a table of its tests, worst first, and the messages of failed tests.

    A text that would be longer than GitHub accepts gets fewer rows, or no table.
    """
    tests = worst_first(document["tests"])
    for most in (MOST_ROWS, MOST_ROWS // 2, MOST_ROWS // 5):
        parts = (
            _head(document),
            _table(document, tests, most),
            _reasons(tests, most),
            _agreement(document, tests, most),
            _maps(document, tests, most),
        )
        text = "\n".join(line for part in (*parts, _notes(document)) for line in part) + "\n"
        if len(text) <= MOST_CHARACTERS:
            return text
    return _short(document)


def markdown_sections(title: str, sentence: str, sections: Sequence[Record]) -> str:
    """Render sections: their paragraphs and tables, without charts and pictures."""
    lines = [f"## {_prose(title, 300)}", "", *([_prose(sentence, 2000), ""] if sentence else [])]
    for section in sections:
        blocks = [block for block in section["blocks"] if block["kind"] in ("text", "table")]
        lines += [f"### {_prose(section['title'], 300)}", ""] if blocks and section["title"] else []
        for block in blocks:
            if block["kind"] == "text":
                lines += [_prose(block["text"], 2000), ""]
                continue
            table = markdown_table(block["columns"], block["rows"])
            caption = block.get("caption") or ""
            if block.get("folded"):
                lines += _details(_prose(caption, 300), [*table, ""])
            else:
                lines += [*([_prose(caption, 500), ""] if caption else []), *table, ""]
    return "\n".join(lines) + "\n"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], most: int = 120) -> list[str]:
    """The lines of a table. Cells are escaped, and cut after `most` characters."""
    heads = " | ".join(_prose(name, most) for name in columns)
    lines = [f"| {heads} |", f"|{'---|' * len(columns)}"]
    return [*lines, *(f"| {' | '.join(_prose(cell, most) for cell in row)} |" for row in rows)]


def step_summary(path: Path, document: Record) -> None:
    """Append a document to `$GITHUB_STEP_SUMMARY`, without its table if that would not fit.

    Raises:
        OSError: If the file cannot be written, or if not even the short text fits.
    """
    size = path.stat().st_size if path.exists() else 0
    for text in (markdown(document), _short(document)):
        data = ("\n" * bool(size) + text).encode("utf-8", "backslashreplace")
        if size + len(data) <= MOST_BYTES:
            with path.open("ab") as file:
                file.write(data)
            return
    limit = f"GitHub drops the whole summary beyond {MOST_BYTES >> 10} KiB; write less to it, or use another step"
    raise OSError(errno.EFBIG, f"the summary of this step already has {size} bytes, and {limit}")


def _head(document: Record) -> list[str]:
    first, _, rest = verdict(document).partition(". ")
    worst = min(outcomes(document["tests"]), key=STATUSES.index, default="error")
    if worst not in ("failed", "error") and any(run["ended"] != "finished" for run in document["runs"]):
        worst = "error"
    heading = f"## {WORDS[worst][0]} VMAF: {_prose(first.removesuffix('.'), 300)}"
    banner = only_reported(document)
    lines = [heading, "", *_builds(document), *([f"**{_prose(banner, 500)}**", ""] if banner else [])]
    rest = rest.replace(banner, "").replace("  ", " ").strip()
    return [*lines, *([_prose(rest, 2000), ""] if rest else [])]


def _builds(document: Record) -> list[str]:
    """Branch, commit and CI job of the runs, in one line."""
    lines = []
    for each in builds(document)[:MOST_BUILDS]:
        commit = " @ ".join(_code(each[key], 100) for key in ("branch", "commit") if each[key])
        name, url = _prose(each["build"], 100), re.sub(r"[()\[\]]", lambda sign: f"%{ord(sign[0]):02X}", each["url"])
        lines.append(" · ".join(filter(None, (commit, f"[{name}]({url})" if url else name))))
    return [", ".join(lines), ""] if lines else []


def _short(document: Record) -> str:
    note = "The table was left out because GitHub does not accept a text of its length. The report contains it."
    return "\n".join([*_head(document), note]) + "\n"


def _table(document: Record, tests: Sequence[Record], most: int) -> list[str]:
    if not tests:
        return []
    lines = ["| | Test | Clip | NEG | VMAF | Gap | Smallest margin |", "|---|---|---|---:|---:|---:|---:|"]
    for test in tests[:most]:
        shape, word = WORDS[test["status"]]
        attempt = f" (attempt {len(test['earlier']) + 1})" if test["earlier"] else ""
        name = document["runs"][test["run"]]["name"] if len(document["runs"]) > 1 else ""
        caught = f", but {WORDS['failed'][0]} {what_failed([test])} in it" if swallowed(test) else ""
        caught = f", but {WORDS['failed'][0]} {WOULD_FAIL}" if would_fail(test) else caught
        cells = [f"{shape} {word}{attempt}{caught}", f"{_code(test['id'], 120)}{f' {_code(name, 40)}' if name else ''}"]
        if (worst := min(test["measurements"], key=badness, default=None)) is None:
            cells += ["–"] * 5
        else:
            count = len(test["measurements"])
            cells.append(f"{_code(short_clip(worst['distorted']), 60)}{f' (worst of {count})' if count > 1 else ''}")
            cells += [decimal(worst.get(key)) or "–" for key in ("neg", "vmaf", "gap")]
            cells.append(_code(margin_of(worst), 60))
        lines.append(f"| {' | '.join(cells)} |")
    if more := len(tests[most:]):
        lines += ["", f"{plural(more, 'more test')} with better results; the report contains all of them."]
    return [*lines, ""]


def _reasons(tests: Sequence[Record], most: int) -> list[str]:
    lines = [
        f"- {_code(short_id(test['id']), 120)}: {_code(first_line(explain_pass(test) or test['message'], 300), 300)}"
        for test in tests[:most]
        if test["status"] in ("failed", "error") or swallowed(test) or would_fail(test)
    ]
    return _details("Messages of the failed tests", [*lines, ""]) if lines else []


def _agreement(document: Record, tests: Sequence[Record], most: int) -> list[str]:
    """What each metric says about the encoders of comparisons: the verdicts, and the tables of BD-rates."""
    sections = [(short_id(test["id"]), section) for test in tests for section in test["sections"]]
    sections += [("", section) for section in document["sections"]]
    lines: list[str] = []
    for test, section in [each for each in sections if each[1]["title"] == AGREEMENT][: most // TESTS_PER_MAP]:
        of = f"{_code(test, 120)}: " if test else ""
        verdicts = [block["text"] for block in section["blocks"] if block["kind"] == "text"]
        lines += [*(f"- {of}{_prose(text, 300)}" for text in verdicts), ""]
        for block in section["blocks"]:
            if block["kind"] == "table":
                lines += [f"| {' | '.join(map(_escape, block['columns']))} |", "|---" * len(block["columns"]) + "|"]
                lines += [f"| {' | '.join(_escape(cut(cell, 60)) for cell in row)} |" for row in block["rows"][:most]]
                lines.append("")
    return _details(AGREEMENT, lines) if lines else []


def _details(summary: str, lines: Sequence[str]) -> list[str]:
    return [f"<details><summary>{summary}</summary>", "", *lines, "</details>", ""]


def _maps(document: Record, tests: Sequence[Record], most: int) -> list[str]:
    """Where in the picture quality was lost: the worst frame of each heat map as a table, and captions of pictures."""
    sections = [(short_id(test["id"]), section) for test in tests for section in test["sections"]]
    sections += [("", section) for section in document["sections"]]
    blocks = [
        (test, section["title"], block)
        for test, section in sections
        for block in section["blocks"]
        if block.get("heat") or block.get("shown")
    ]
    lines = []
    for test, title, block in blocks[: most // TESTS_PER_MAP]:
        of = f" of {_code(test, 120)}" if test else ""
        caption = f": {_prose(block['caption'], 300)}" if block.get("caption") else ""
        lines += [f"- Section {_prose(title, 300)}{of}{caption}", ""]
        if heat := block.get("heat"):
            lines += _map(heat)
    return _details("Where in the picture", lines) if lines else []


def _map(heat: Record) -> list[str]:
    index = heat["worst"][0]
    frame = f"{heatmap.name(heat['frames'][index])}: {heatmap.describe(heat, index)}"
    lines = [_prose(frame, 300), ""]
    if not heatmap.has_numbers(heat):
        return lines
    lines += [f"| row | {' | '.join(map(str, range(heat['columns'])))} |", f"|---{'|---:' * heat['columns']}|"]
    for row, tiles in enumerate(heatmap.tiles(heat, index)):
        lines.append(f"| {row} | {' | '.join(_escape(text) for _, _, text in tiles)} |")
    return [*lines, ""]


def _notes(document: Record) -> list[str]:
    # Not at the beginning of a line, where "1." and "-" have a meaning.
    notes = [f"- Note: {_prose(note, 300)}" for note in document["left_out"][:MOST_ROWS]]
    return [*notes, ""] if notes else []


def _escape(line: str) -> str:
    return MARKUP.sub(lambda match: f"&#{ord(match[0])};", line)


def _code(text: object, most: int) -> str:
    """A text for a table cell, as code: anywhere else GitHub looks for @mentions, #123 and :emoji:."""
    # GitHub takes an @ inside of a text for part of a mail address even here, so it stands alone.
    escaped = _escape(cut(text, most, middle=True)).replace("&#64;", "<span>&#64;</span>")
    return f"<code>{escaped}</code>" if escaped.strip() else "–"


def _prose(text: str, most: int) -> str:
    """A text for a paragraph. Zero-width spaces keep GitHub from turning parts of it into links."""
    spaced = re.sub(r"(&#(?:35|58|64);)(?=\S)", r"\1&#8203;", _escape(cut(text, most)))
    return re.sub(r"(?i)\b(gh-)(?=\d)", r"\1&#8203;", spaced)
