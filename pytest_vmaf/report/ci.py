"""What others get to show: JUnit properties, GitHub's step summary and annotations, pytest-html, Allure.

Names and messages may hold anything, and each of these places reads a language of its own; here they become inert.
"""

# Without the __future__ import of this name: `annotations` is a function here.
import errno
import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pytest_vmaf.quality.process import printable
from pytest_vmaf.report.view import WORDS, short_clip, short_id, smallest_margin, verdict, worst_first

#: Measurements of one test that are listed; a test in a loop may have thousands.
MOST_MEASUREMENTS = 20
MOST_ROWS = 50
#: GitHub refuses comments of more than 65536 characters, and the summary may become one.
MOST_CHARACTERS = 60_000
#: GitHub drops a step's summary as a whole beyond this many bytes.
MOST_BYTES = 1024 * 1024
#: GitHub shows this many errors of one step.
MOST_ANNOTATIONS = 10
#: All but letters, digits and what means nothing in Markdown; a dot matters only where it makes a link of "www".
MARKUP = re.compile(r"[^\w ,.()%+-]|_|(?<=[wW])\.")


def junit_properties(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The headline numbers of one test's measurements as names and texts that XML can hold."""
    found = []
    for number, record in enumerate(records[:MOST_MEASUREMENTS], 1):
        prefix = f"vmaf.{number}." if len(records) > 1 else "vmaf."
        provenance = record.get("provenance") or {}
        models = [str(provenance[key]) for key in ("model", "neg_model") if provenance.get(key)]
        values = {
            "status": record["status"],
            "neg": _number(record.get("neg"), 4),
            "default": _number(record.get("vmaf"), 4),
            "gap": _number(record.get("gap"), 4),
            "above_100": _number(record.get("above_100"), 0),
            "margin": _margin(record),
            "reference": record["reference"],
            "distorted": record["distorted"],
            "model": " / ".join(models),
        }
        found += [(f"{prefix}{name}", _cut(value, 1000)) for name, value in values.items() if value]
    if left := len(records) - MOST_MEASUREMENTS:
        found += [("vmaf.left_out", f"{left} more measurements; --vmaf-json has them all")] if left > 0 else []
    return found


def markdown(document: Mapping[str, Any]) -> str:
    """The document as GitHub-flavoured Markdown: the verdict, a table with the worst first, and why tests failed."""
    tests = worst_first(document["tests"])
    head = _head(document)
    for most in (MOST_ROWS, MOST_ROWS // 2, MOST_ROWS // 5):
        text = "\n".join([*head, *_table(document, tests, most), *_reasons(tests, most), *_notes(document)]) + "\n"
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


def annotations(document: Mapping[str, Any], rootdir: Path) -> list[str]:
    """GitHub's workflow commands, one line each: an error at each failed test, the worst first, at most ten."""
    bad = [test for test in worst_first(document["tests"]) if test["status"] in ("failed", "error")]
    lines = []
    for test in bad[:MOST_ANNOTATIONS]:
        name = _cut(short_id(test["id"]), 150, middle=True)
        properties = {"title": f"VMAF: {name} {'failed' if test['status'] == 'failed' else 'was not measured'}"}
        if file := _in_workspace(test.get("file"), rootdir):
            line = {"line": str(test["line"])} if test.get("line") else {}
            properties = {"file": file, **line, **properties}
        measured = [each for each in test["measurements"] if each["status"] != "error"]
        said = [_first_line(test["message"], 500), *_headlines(sorted(measured, key=_badness), 3)]
        shown = ",".join(f"{key}={_property(printable(value))}" for key, value in properties.items())
        lines.append(f"::error {shown}::{_data(chr(10).join(said))}")
    if left := len(bad) - len(lines):
        many = f"{left} more VMAF test{' is' if left == 1 else 's are'} not shown as annotations"
        lines.append(f"::notice::{many}; the step summary and the report have them.")
    return lines


def to_pytest_html(config: Any, report: Any, records: Sequence[Mapping[str, Any]], html_path: Path | None) -> None:
    """Show the numbers and a link to the report in pytest-html's page, where that one is written."""
    page = config.getoption("htmlpath", None)
    if not (records and page and config.pluginmanager.hasplugin("html")) or not _has_asset_name(report.nodeid):
        return
    shown = "\n".join(_headlines(records, MOST_MEASUREMENTS))
    # As pytest_html.extras makes them. Not its text extra: that one is a link to a file whose name may be too long, and
    # in a self-contained page to a data URL, which browsers do not open.
    extras = [_extra("html", f"<pre>{escape(shown)}</pre>")]
    if html_path is not None:
        folder = (config.invocation_params.dir / Path(os.path.expandvars(page)).expanduser()).parent
        extras.append(_extra("url", _link(html_path, folder), "VMAF report"))
    report.extras = [*getattr(report, "extras", []), *extras]


def to_allure(config: Any, records: Sequence[Mapping[str, Any]]) -> None:
    """Attach the numbers to the test that runs, where allure-pytest writes results."""
    if not records or not config.pluginmanager.hasplugin("allure_listener"):
        return
    import allure

    shown = "\n".join(_headlines(records, MOST_MEASUREMENTS))
    allure.attach(shown, name="VMAF", attachment_type=allure.attachment_type.TEXT)


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
        worst = min(test["measurements"], key=_badness, default=None)
        cells = [f"{shape} {word}{again}", f"{_code(test['id'], 120)}{run}"]
        if worst is None:
            cells += ["–"] * 5
        else:
            count = len(test["measurements"])
            clip = f"{_code(short_clip(worst['distorted']), 60)}{f' (worst of {count})' if count > 1 else ''}"
            cells += [clip, *(_number(worst.get(key)) or "–" for key in ("neg", "vmaf", "gap"))]
            cells.append(_code(_margin(worst), 60) if _margin(worst) else "–")
        lines.append(f"| {' | '.join(cells)} |")
    if left := len(tests[most:]):
        lines += ["", f"{left} more test{'' if left == 1 else 's'} that did better; the report has them all."]
    return [*lines, ""]


def _reasons(tests: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    bad = [test for test in tests[:most] if test["status"] in ("failed", "error")]
    if not bad:
        return []
    lines = [f"- {_code(short_id(test['id']), 120)}: {_code(_first_line(test['message'], 300), 300)}" for test in bad]
    return ["<details><summary>What the failed tests said</summary>", "", *lines, "", "</details>", ""]


def _notes(document: Mapping[str, Any]) -> list[str]:
    notes = [f"- {_prose(note, 300)}" for note in document["left_out"][:MOST_ROWS]]
    return [*notes, ""] if notes else []


def _headlines(records: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    """One line for each measurement: clip, numbers, smallest margin."""
    lines = []
    for record in records[:most]:
        clip = _cut(short_clip(record["distorted"]), 100, middle=True)
        if record["status"] == "error":
            lines.append(f"{clip}: not measured: {_first_line(record.get('error') or '', 300)}")
            continue
        numbers = ", ".join(
            f"{name} {_number(record.get(key)) or '–'}"
            for name, key in (("NEG", "neg"), ("VMAF", "vmaf"), ("gap", "gap"))
        )
        above = f"{record.get('above_100') or 0} frames above 100"
        margin = _margin(record)
        lines.append(f"{clip}: {numbers}, {above}; {f'smallest margin {margin}' if margin else 'no gate'}")
    if left := len(records[most:]):
        lines.append(f"{left} more")
    return lines


def _badness(record: Mapping[str, Any]) -> tuple[int, float, float]:
    gate = smallest_margin(record)
    neg = record.get("neg")
    status = ("error", "failed", "passed").index(record["status"])
    return status, gate["margin"] if gate else float("inf"), neg if neg is not None else float("inf")


def _margin(record: Mapping[str, Any]) -> str:
    """The smallest margin with its gate, as "-0.71 min_neg"; empty without one."""
    gate = smallest_margin(record)
    if gate is None:
        return ""
    if gate.get("metric") == "above_100":
        return f"{gate['margin']:+.0f} {gate['name']}"
    shown = f"{gate['margin']:+.2f}"
    # What missed its limit by a hair must not look as if it had met it.
    return f"{shown if float(shown) else format(gate['margin'], '+.1g')} {gate['name']}"


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _cut(text: object, most: int, *, middle: bool = False) -> str:
    """The text in one line of at most ``most`` characters; from the ``middle`` where its end tells it from others."""
    line = printable(str(text))
    if len(line) <= most:
        return line
    return f"{line[: most // 3]}…{line[-(most - most // 3 - 1) :]}" if middle else f"{line[: most - 1]}…"


def _first_line(message: str, most: int) -> str:
    return _cut(message.strip().partition("\n")[0].strip() or "It left no message.", most)


def _inert(line: str) -> str:
    return MARKUP.sub(lambda match: f"&#{ord(match[0])};", line)


def _code(text: object, most: int) -> str:
    """The text as it is, for a table cell: GitHub looks for @mentions, #123 and :emoji: anywhere but in code."""
    # Alone, since an @ that stands in a text is taken for one of a mail address even here.
    inert = _inert(_cut(text, most, middle=True)).replace("&#64;", "<span>&#64;</span>")
    return f"<code>{inert}</code>" if inert.strip() else "–"


def _prose(text: str, most: int) -> str:
    """The text for a paragraph. A zero-width space keeps GitHub from taking parts of it for links."""
    spaced = re.sub(r"(&#(?:35|58|64);)(?=\S)", r"\1&#8203;", _inert(_cut(text, most)))
    return re.sub(r"(?i)\b(gh-)(?=\d)", r"\1&#8203;", spaced)


def _data(text: str) -> str:
    """The text as a workflow command's message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The text as the value of a workflow command's property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _in_workspace(file: str | None, rootdir: Path) -> str | None:
    """The file as GitHub names it, from the top of the repository; None outside of it."""
    if not file:
        return None
    top = Path(os.environ.get("GITHUB_WORKSPACE") or rootdir)
    try:
        # As they are named first: a folder in the workspace may be a link to somewhere else.
        for where, path in ((top, rootdir / file), (top.resolve(), (rootdir / file).resolve())):
            named = Path(os.path.normpath(path))
            if named.is_relative_to(os.path.normpath(where)):
                return named.relative_to(os.path.normpath(where)).as_posix()
    except (OSError, ValueError, RuntimeError):
        # A name that no system takes, or a circle of links: there is no such file to mark.
        return None
    return None


def _extra(kind: str, content: str, name: str | None = None) -> dict[str, str | None]:
    return {"name": name, "format_type": kind, "content": content, "mime_type": None, "extension": None}


def _has_asset_name(test_id: str) -> bool:
    """Whether pytest-html can make a file name of a test id with an extra: not of a backslash that escapes nothing."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            test_id.encode("utf-8").decode("unicode_escape")
    except (UnicodeError, Warning):
        return False
    return True


def _link(target: Path, folder: Path) -> str:
    """A URL from a page in ``folder`` to the file ``target``."""
    try:
        return quote(Path(os.path.relpath(target, folder)).as_posix().encode("utf-8", "surrogateescape"))
    except ValueError:
        # On another drive.
        return target.as_uri()
