"""The report as GitHub-flavoured Markdown, for step summaries and comments. Names and messages are inert here."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_vmaf.report import heatmap as heat
from pytest_vmaf.report.wording import (
    WORDS,
    badness,
    cut,
    decimal,
    first_line,
    margin_of,
    short_clip,
    short_id,
    verdict,
    worst_first,
)

MOST_ROWS = 50
#: For so many tests one heat map or picture is named.
MAPS = 5
#: GitHub refuses comments of more than 65536 characters, and the summary may become one.
MOST_CHARACTERS = 60_000
#: GitHub drops a step's summary as a whole beyond this many bytes.
MOST_BYTES = 1024 * 1024
#: All but letters, digits and what means nothing in Markdown; a dot matters only where it makes a link of "www".
MARKUP = re.compile(r"[^\w ,.()%+-]|_|(?<=[wW])\.")


def markdown(document: Mapping[str, Any]) -> str:
    """The document as GitHub-flavoured Markdown: the verdict, a table with the worst first, and why tests failed."""
    tests = worst_first(document["tests"])
    head = _head(document)
    for most in (MOST_ROWS, MOST_ROWS // 2, MOST_ROWS // 5):
        parts = [
            *head,
            *_table(document, tests, most),
            *_reasons(tests, most),
            *_maps(document, tests, most),
            *_notes(document),
        ]
        text = "\n".join(parts) + "\n"
        if len(text) <= MOST_CHARACTERS:
            return text
    return _short(document)


def step_summary(path: Path, document: Mapping[str, Any]) -> None:
    """Append the Markdown to ``$GITHUB_STEP_SUMMARY``, shorter if it would not fit. Raises OSError if nothing fits."""
    size = path.stat().st_size if path.exists() else 0
    for text in (markdown(document), _short(document)):
        data = ("\n" * bool(size) + text).encode("utf-8", "backslashreplace")
        if size + len(data) <= MOST_BYTES:
            with path.open("ab") as file:
                file.write(data)
            return
    limit = f"GitHub drops it as a whole beyond {MOST_BYTES >> 10} KiB"
    raise OSError(
        errno.EFBIG, f"the step has {size} bytes of summary already, and {limit}; write less there, or in another step"
    )


def _head(document: Mapping[str, Any]) -> list[str]:
    first, _, rest = verdict(document).partition(". ")
    tests = document["tests"]
    worst = min((test["status"] for test in tests), key=list(WORDS).index, default="error")
    if worst not in ("failed", "error") and any(run["ended"] != "finished" for run in document["runs"]):
        worst = "error"
    heading = f"## {WORDS[worst][0]} VMAF: {_prose(first.removesuffix('.'), 300)}"
    return [heading, "", *([_prose(rest, 2000), ""] if rest else [])]


def _short(document: Mapping[str, Any]) -> str:
    left = "The table was left out: it would be longer than GitHub takes. The report has it."
    return "\n".join([*_head(document), left]) + "\n"


def _table(document: Mapping[str, Any], tests: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    if not tests:
        return []
    lines = ["| | Test | Clip | NEG | VMAF | Gap | Smallest margin |", "|---|---|---|---:|---:|---:|---:|"]
    for test in tests[:most]:
        shape, word = WORDS[test["status"]]
        again = f" (attempt {len(test['earlier']) + 1})" if test["earlier"] else ""
        name = document["runs"][test["run"]]["name"] if len(document["runs"]) > 1 else ""
        run = f" {_code(name, 40)}" if name else ""
        worst = min(test["measurements"], key=badness, default=None)
        cells = [f"{shape} {word}{again}", f"{_code(test['id'], 120)}{run}"]
        if worst is None:
            cells += ["–"] * 5
        else:
            count = len(test["measurements"])
            clip = f"{_code(short_clip(worst['distorted']), 60)}{f' (worst of {count})' if count > 1 else ''}"
            cells += [clip, *(decimal(worst.get(key)) or "–" for key in ("neg", "vmaf", "gap"))]
            cells.append(_code(margin_of(worst), 60) if margin_of(worst) else "–")
        lines.append(f"| {' | '.join(cells)} |")
    if left := len(tests[most:]):
        lines += ["", f"{left} more test{'' if left == 1 else 's'} that did better; the report has them all."]
    return [*lines, ""]


def _reasons(tests: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    bad = [test for test in tests[:most] if test["status"] in ("failed", "error")]
    if not bad:
        return []
    lines = [f"- {_code(short_id(test['id']), 120)}: {_code(first_line(test['message'], 300), 300)}" for test in bad]
    return ["<details><summary>What the failed tests said</summary>", "", *lines, "", "</details>", ""]


def _maps(document: Mapping[str, Any], tests: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    """Where in the picture quality was lost: the worst frame of each heat map as a table, captions of pictures."""
    found = [(short_id(test["id"]), section) for test in tests for section in test["sections"]]
    found += [("", section) for section in document["sections"]]
    blocks = [(test, section["title"], block) for test, section in found for block in section["blocks"]]
    blocks = [each for each in blocks if each[2].get("heat") or each[2].get("shown")]
    lines = []
    for test, title, block in blocks[: most // MAPS]:
        of = f" of {_code(test, 120)}" if test else ""
        said = f": {_prose(block['caption'], 300)}" if block.get("caption") else ""
        lines += [f"- Section {_prose(title, 300)}{of}{said}", ""]
        if found_heat := block.get("heat"):
            lines += _map(found_heat)
    return ["<details><summary>Where in the picture</summary>", "", *lines, "</details>", ""] if lines else []


def _map(found: Mapping[str, Any]) -> list[str]:
    index = found["worst"][0]
    lines = [_prose(f"{heat.name(found['frames'][index])}: {heat.said(found, index)}", 300), ""]
    if not heat.numbered(found):
        return lines
    lines += [f"| row | {' | '.join(map(str, range(found['columns'])))} |", f"|---{'|---:' * found['columns']}|"]
    rows = enumerate(heat.numbers(found, index))
    return [*lines, *(f"| {row} | {' | '.join(map(_inert, values))} |" for row, values in rows), ""]


def _notes(document: Mapping[str, Any]) -> list[str]:
    # Not at the very beginning of its line, where "1." and "-" would mean something.
    notes = [f"- Note: {_prose(note, 300)}" for note in document["left_out"][:MOST_ROWS]]
    return [*notes, ""] if notes else []


def _inert(line: str) -> str:
    return MARKUP.sub(lambda match: f"&#{ord(match[0])};", line)


def _code(text: object, most: int) -> str:
    """The text as it is, for a table cell: GitHub looks for @mentions, #123 and :emoji: anywhere but in code."""
    # Alone, since an @ that stands in a text is taken for one of a mail address even here.
    inert = _inert(cut(text, most, middle=True)).replace("&#64;", "<span>&#64;</span>")
    return f"<code>{inert}</code>" if inert.strip() else "–"


def _prose(text: str, most: int) -> str:
    """The text for a paragraph. A zero-width space keeps GitHub from taking parts of it for links."""
    spaced = re.sub(r"(&#(?:35|58|64);)(?=\S)", r"\1&#8203;", _inert(cut(text, most)))
    return re.sub(r"(?i)\b(gh-)(?=\d)", r"\1&#8203;", spaced)
