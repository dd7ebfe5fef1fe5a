"""The HTML report: one self-contained file, or a page with its assets in a folder beside it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from pytest_vmaf.files import write_whole
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report import charts, series
from pytest_vmaf.report import heatmap as heat
from pytest_vmaf.report import section_charts as plots
from pytest_vmaf.report import wording as view
from pytest_vmaf.report.document import is_complete
from pytest_vmaf.report.schema import BLOCK, MEASUREMENT
from pytest_vmaf.report.series import BINS

#: Assets of an earlier report in the same folder are removed when they are this old (s); younger ones may belong to a
#: run that is writing now.
STALE = 3600.0
ASSET = re.compile(r"(style|script|icon|frame)-[0-9a-f]{16}\.(css|js|svg|jpg)")


@dataclass(frozen=True)
class Form:
    """How style, script and pictures reach the page: ``link(kind, suffix, content)`` gives what stands in ``src``."""

    self_contained: bool
    link: Callable[[str, str, bytes], str]


def write_html(path: Path, document: Mapping[str, Any], *, assets: bool = False) -> None:
    """Write the report of a `schema.DOCUMENT`, atomically. Raises OSError.

    With ``assets`` the page has no inline script or style and no data: address, and shows everything under a policy
    that forbids them; what it needs lies in ``<name>_assets/`` beside it, under names made of their content.
    """
    path = path.resolve()
    if not assets:
        write_whole(path, page(document, Form(True, _data)))
        return
    folder = path.with_name(f"{path.stem}_assets")
    written: set[str] = set()

    def put(kind: str, suffix: str, content: bytes) -> str:
        name = f"{kind}-{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"
        if name not in written:
            # Anew even if it is there: its age says that it is in use.
            write_whole(folder / name, content)
            written.add(name)
        return f"{quote(os.fsencode(folder.name))}/{name}"

    write_whole(path, page(document, Form(False, put)))
    _remove_stale(folder, written)


def page(document: Mapping[str, Any], form: Form) -> Iterator[str]:
    """The page in chunks, so that thousands of tests need no memory for it as a whole."""
    twins = Counter((test["run"], test["id"]) for test in document["tests"])
    tests = [
        {**_filled(test), "twin": twins[test["run"], test["id"]] > 1} for test in view.worst_first(document["tests"])
    ]
    style, script = _template("style.css"), _template("script.js")
    context = {
        "left_out": document["left_out"],
        "sections": [_filled_section(section) for section in document["sections"]],
        "runs": document["runs"],
        "tests": tests,
        "verdict": view.verdict(document),
        "state": _state(document),
        "counts": {status: sum(test["status"] == status for test in tests) for status in view.ORDER},
        "overall": _overall(tests),
        "self_contained": form.self_contained,
        "style": style,
        "script": script,
        "policy": _policy(style, script) if form.self_contained else "",
        "style_link": "" if form.self_contained else form.link("style", "css", style.encode()),
        "script_link": "" if form.self_contained else form.link("script", "js", script.encode()),
        "icon_link": form.link("icon", "svg", _template(f"icon-{_state(document)}.svg").encode()),
        "picture": lambda encoded: form.link("frame", "jpg", base64.b64decode(encoded)),
    }
    stream = _environment().get_template("report.html").stream(context)
    stream.enable_buffering(64)
    return iter(stream)


def _filled(test: Mapping[str, Any]) -> Mapping[str, Any]:
    """The test with None where a measurement leaves a key out, so that a template names no key that is unknown."""
    measurements = [{**dict.fromkeys(MEASUREMENT), **each} for each in test["measurements"]]
    sections = [_filled_section(section) for section in test["sections"]]
    return {"file": None, "line": None, **test, "measurements": measurements, "sections": sections}


def _filled_section(section: Mapping[str, Any]) -> Mapping[str, Any]:
    blocks = []
    for block in section["blocks"]:
        lines = [{"marked": None, **line} for line in block.get("lines") or ()]
        # Empty, not None: a template prints what is there.
        given = {key: value for key, value in block.items() if value is not None}
        blocks.append({**dict.fromkeys(BLOCK, ""), **given, "lines": lines})
    return {**section, "blocks": blocks}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever comes from names and messages goes through here before it is escaped.
        finalize=lambda value: view.clean(value) if type(value) is str else value,
    )
    environment.globals.update(
        charts=charts,
        heat=heat,
        plots=plots,
        series=series,
        view=view,
        words=view.WORDS,
        label=label,
        opened=("error", "failed"),
    )
    environment.filters.update(two=lambda value: f"{value:.2f}", score=view.score, command=_command, when=_when)
    return environment


def _command(test: Mapping[str, Any]) -> str:
    return f"pytest {shlex.quote(test['id'])}"


def _when(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else view.time_code(seconds).rpartition(".")[0]


def _state(document: Mapping[str, Any]) -> str:
    """What the icon shows; anything but a whole run whose tests passed is bad."""
    statuses = {test["status"] for test in document["tests"]}
    good = "passed" in statuses and not statuses & {"error", "failed"} and is_complete(document)
    return "good" if good else "bad"


def _overall(tests: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How the mean scores of all measurements are distributed."""
    found = [each for test in tests for each in test["measurements"] if each["status"] != "error"]
    if len(found) < 2:
        return None
    low = min(min(each["neg"], each["vmaf"]) for each in found) // 5 * 5
    high = max(max(each["neg"], each["vmaf"]) for each in found) // 5 * 5 + 5
    bins: dict[str, Any] = {"low": low, "high": high, "count": len(found)}
    for name in ("vmaf", "neg"):
        counts = [0] * BINS
        for each in found:
            counts[min(BINS - 1, int((each[name] - low) / (high - low) * BINS))] += 1
        bins[name] = counts
    return bins


def _data(kind: str, suffix: str, content: bytes) -> str:
    media = {"svg": "image/svg+xml", "jpg": "image/jpeg"}[suffix]
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def _policy(style: str, script: str) -> str:
    """The page may use its own style, script and pictures, and ask nobody for anything."""

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
        # Another run may be removing the same ones.
        with suppress(FileNotFoundError):
            ours = ASSET.fullmatch(file.name) and file.name not in used
            if ours and time.time() - file.stat().st_mtime > STALE:
                file.unlink()
