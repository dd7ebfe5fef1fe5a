"""The HTML report: one self-contained file, or a page with its assets in a folder next to it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from pytest_vmaf.files import write_atomically
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report import (
    charts,
    heatmap,
    overview,
    section_charts,
    sentences,
    series,
    small_charts,
    verdict,
    wording,
)
from pytest_vmaf.report.document import is_complete
from pytest_vmaf.report.fit import fit_page
from pytest_vmaf.report.models import differ_in_model, model_of
from pytest_vmaf.report.order import outcomes
from pytest_vmaf.report.repeats import repeats_sections
from pytest_vmaf.report.schema import BLOCK, MEASUREMENT, STATUSES, Record
from pytest_vmaf.text import time_code

#: Assets of earlier reports are removed from the folder at this age in seconds. Younger ones may belong to a run that
#: is writing now.
STALE = 3600.0
#: Where a name may be broken into lines, if it is longer than this.
SHORT = 16
BREAK = re.compile(r"::|[/_\[-](?!$)")
State = Literal["good", "bad", "plain"]
ASSET = re.compile(r"(style|script|icon|frame)-[0-9a-f]{16}\.(css|js|svg|jpg)")


@dataclass(frozen=True)
class Form:
    """How style, script and pictures reach the page.

    Attributes:
        self_contained: Whether they are inside of the page.
        link: Turns the kind, the suffix and the content of an asset into its address.
    """

    self_contained: bool
    link: Callable[[str, str, bytes], str]


def write_html(path: Path, document: Record, *, assets: bool = False) -> None:
    """Write the report of a document atomically.

    Args:
        path: The page to write.
        document: A `schema.DOCUMENT`.
        assets: Put style, script and pictures into `<name>_assets/` next to the page, under names made of their
            content. Such a page needs no inline script or style and no data: address, which servers may forbid.

    Raises:
        OSError: If a file cannot be written.
    """
    path = path.resolve()
    if not assets:
        write_atomically(path, page(fit_page(document), Form(True, _data)))
        return
    folder = path.with_name(f"{path.stem}_assets")
    written: set[str] = set()

    def put(kind: str, suffix: str, content: bytes) -> str:
        name = f"{kind}-{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"
        if name not in written:
            # Even if it exists: its age tells that it is in use.
            write_atomically(folder / name, content)
            written.add(name)
        return f"{quote(os.fsencode(folder.name))}/{name}"

    write_atomically(path, page(document, Form(False, put)))
    _remove_stale(folder, written)


def page(document: Record, form: Form) -> Iterator[str]:
    """Render the page in chunks, so that thousands of tests never are in memory as one text."""
    ids = Counter((test["run"], test["id"]) for test in document["tests"])
    models = differ_in_model([each for test in document["tests"] for each in test["measurements"]])
    tests = [_complete(test, ids[test["run"], test["id"]] > 1) for test in overview.in_order(document["tests"])]
    style, script, state = _template("style.css"), _template("script.js"), state_of(document)
    counts = {status: sum(test["status"] == status for test in tests) for status in STATUSES}
    first, *rest = verdict.verdict_sentences(document)
    bad = sum(map(overview.is_bad, tests))
    context = {
        "heading": overview.title(document),
        "builds": overview.builds(document),
        "left_out": document["left_out"],
        "sections": [_complete_section(section) for section in (*document["sections"], *repeats_sections(document))],
        "runs": document["runs"],
        "tests": tests,
        "models": models,
        # The worst tests are named in a list of their own.
        "only_reported": verdict.only_reported(document),
        "verdict": [first, *(sentence for sentence in rest if not sentence.startswith(("Worst: ", "REPORT ONLY")))],
        "named": [(test, number) for number, test in enumerate(tests[: min(bad, overview.NAMED)], 1)],
        "more": max(0, bad - overview.NAMED),
        "open": min(bad, overview.OPENED),
        "state": state,
        "counts": counts,
        "outcomes": counts,
        "described": ", ".join(f"{number} {wording.WORDS[status][1]}" for status, number in counts.items() if number),
        "numbers": overview.numbers(tests),
        "scores": overview.scores(tests),
        "self_contained": form.self_contained,
        "style": style,
        "script": script,
        "policy": _policy(style, script) if form.self_contained else "",
        "asset": lambda kind, suffix, text: form.link(kind, suffix, text.encode()),
        "icon": _template(f"icon-{state}.svg"),
        "picture": lambda encoded: form.link("frame", "jpg", base64.b64decode(encoded)),
    }
    stream = _environment().get_template("report.html").stream(context)
    stream.enable_buffering(64)
    return iter(stream)


def sections_page(title: str, sentence: str, sections: Sequence[Record], state: State = "plain") -> str:
    """Render a self-contained page of sections, without tests.

    Args:
        title: The heading.
        sentence: What it comes to.
        sections: Each a `schema.SECTION`.
        state: The colour of the heading and of the icon. A page that judges nothing is plain.
    """
    style = _template("style.css")
    return (
        _environment()
        .get_template("sections.html")
        .render(
            title=title,
            sentence=sentence,
            sections=[_complete_section(section) for section in sections],
            state=state,
            style=style,
            policy=_policy(style, ""),
            icon=_data("icon", "svg", _template(f"icon-{state}.svg").encode()),
        )
    )


def _complete(test: Record, twin: bool) -> Record:
    """Add the keys that a test's measurements leave out, as None: templates refuse unknown keys.

    Args:
        test: The test.
        twin: Whether the document has another test of this id, run by another worker.
    """
    measurements = [{**dict.fromkeys(MEASUREMENT), **each} for each in test["measurements"]]
    sections = [_complete_section(section) for section in test["sections"]]
    # An answer comes before the encodes that led to it.
    answers_first = len(measurements) > 1 or not all(each["every_gate"] for each in measurements)
    added = {"measurements": measurements, "sections": sections, "twin": twin, "answers_first": answers_first}
    return {"file": None, "line": None, **test, **added, "command": f"pytest {shlex.quote(test['id'])}"}


def _complete_section(section: Record) -> Record:
    blocks = []
    for block in section["blocks"]:
        lines = [{"marked": None, "style": None, "worse": None, **line} for line in block.get("lines") or ()]
        # Empty texts instead of None, because a template prints what it gets.
        values = {key: value for key, value in block.items() if value is not None}
        blocks.append({**dict.fromkeys(BLOCK, ""), **values, "lines": lines})
    return {**section, "blocks": blocks}


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # All names and messages pass through here before they are escaped.
        finalize=lambda value: wording.clean(value) if type(value) is str else value,
    )
    modules = {"charts": charts, "heat": heatmap, "plots": section_charts, "series": series, "view": wording}
    modules |= {"overview": overview, "sentences": sentences, "small": small_charts, "verdicts": verdict}
    environment.globals.update(modules, words=wording.WORDS, label=label, opened=("error", "failed"), model_of=model_of)
    environment.filters.update(two=lambda value: f"{value:.2f}", percent=lambda share: f"{share * 100:.6g}%")
    environment.filters.update(score=wording.score, when=_duration, breaks=_breaks)
    return environment


def _breaks(name: str) -> Markup:
    """A name that a browser breaks into lines after a slash, a line or a bracket, and not inside a word."""
    if len(name) <= SHORT:
        return escape(wording.clean(name))
    return Markup("<wbr>").join(map(escape, BREAK.sub(r"\g<0>\0", wording.clean(name)).split("\0")))


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else time_code(seconds).rpartition(".")[0]


def state_of(document: Record) -> State:
    """The state of the heading and the icon. It is good only for a complete run in which nothing failed."""
    statuses = outcomes(document["tests"])
    good = "passed" in statuses and not statuses & {"error", "failed"} and is_complete(document)
    return "good" if good else "bad"


def _data(kind: str, suffix: str, content: bytes) -> str:
    media = {"svg": "image/svg+xml", "jpg": "image/jpeg"}[suffix]
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def _policy(style: str, script: str) -> str:
    """The content security policy: the page may use its own style, script and pictures, and request nothing."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest(style)}'; script-src 'sha256-{digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _template(name: str) -> str:
    return files("pytest_vmaf.templates").joinpath(name).read_text(encoding="utf-8").strip()


def _remove_stale(folder: Path, used: set[str]) -> None:
    for file in folder.iterdir():
        # Another run may remove the same files.
        with suppress(FileNotFoundError):
            ours = ASSET.fullmatch(file.name) and file.name not in used
            if ours and time.time() - file.stat().st_mtime > STALE:
                file.unlink()
