"""Directives that write reference tables from the code, so that they are never out of date.

`{settings}`, `{pytest-options}`, `{metrics}`, `{features}`, `{feature-options}`, `{default-gates}`,
`{default-tolerances}`, `{commands}`, `{refusals}` and `{report-schema}` have no arguments.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    heads = list(columns)
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in row)} |"
    yield ""


def code(text: object) -> str:
    """Text as inline code; nothing for an empty text."""
    return f"`{text}`" if str(text) else ""


def prose(text: str) -> str:
    """The help of an option as a sentence. Stars and angle brackets are not markup."""
    text = text.replace("*", r"\*").replace("<", r"\<").replace("%%", "%")
    return f"{text[:1].upper()}{text[1:]}"


def settings() -> Iterator[str]:
    """Every setting by its keyword, flag and ini name."""
    from pytest_vmaf.option_table import OPTIONS

    def row(option: Any) -> list[str]:
        # Where the flag switches off, the text of the ini value describes the setting.
        default = {True: "True", False: "False", (): "none", None: "none"}.get(option.default, option.default)
        return [
            code(option.name),
            code(option.flag),
            code(option.ini),
            code(default),
            prose(option.ini_help or option.help),
        ]

    yield from table(("Python", "command line", "ini", "default", "meaning"), map(row, OPTIONS))


class _Options:
    """Stands for pytest's parser and for a group of it, and collects what is added."""

    def __init__(self) -> None:
        self.flags: list[list[str]] = []
        self.inis: list[list[str]] = []

    def getgroup(self, *_: object, **__: object) -> _Options:
        return self

    def addoption(self, *flags: str, help: str = "", metavar: str = "", **_: object) -> None:
        self.flags.append([code(" ".join([*flags, metavar]).strip()), prose(help)])

    def addini(self, name: str, help: str, **_: object) -> None:
        self.inis.append([code(name), prose(help)])


def pytest_options() -> Iterator[str]:
    """The options of pytest that are not settings."""
    from pytest_vmaf.option_table import OPTIONS
    from pytest_vmaf.testrun.options import add_options

    options: Any = _Options()
    add_options(options)
    known = {code(option.ini) for option in OPTIONS} | {option.flag for option in OPTIONS}
    flags = [row for row in options.flags if row[0].strip("`").split()[0] not in known]
    yield from table(("option", "meaning"), flags)
    yield from table(("ini value", "meaning"), [row for row in options.inis if row[0] not in known])


#: The sentence about who measures a metric, by `Metric.source`.
SOURCES = {
    "score": "every measurement",
    "sign": "every measurement of clips",
    "stream": "every measurement of an encoded clip, and `vmaf.stream`",
    "feature": "on request, or by a gate that names it",
    "roi": "`vmaf.roi`",
    "map": "`vmaf.quality_map`",
    "encode": "a search",
    "comparison": "`vmaf.compare`",
    "speed": "`vmaf.speed`",
    "determinism": "`vmaf.determinism`",
}


def metrics() -> Iterator[str]:
    """The table of metrics."""
    from pytest_vmaf.gates.metrics import metrics as every
    from pytest_vmaf.scoring.features import is_elementary

    rows = [
        (code(each.name), each.label, each.unit, "higher" if each.higher_is_better else "lower", SOURCES[each.source])
        for each in every().values()
        if not is_elementary(each.name)
    ]
    yield from table(("metric", "label", "unit", "better is", "measured by"), rows)


def features() -> Iterator[str]:
    """The table of features: what is requested, what is measured, and what libvmaf calls it."""
    from pytest_vmaf.scoring.features import columns_of, extractor_of, fixed_options, optional_columns_of
    from pytest_vmaf.scoring.models import registry

    def row(name: str) -> list[str]:
        columns = ", ".join(map(code, columns_of(name)))
        if more := optional_columns_of(name):
            columns += f"; in some versions also {', '.join(map(code, more))}"
        options = ":".join(f"{option}={value}" for option, value in fixed_options(name).items())
        theirs = (
            "ffmpeg's filter `xpsnr`"
            if name == "xpsnr"
            else code("=".join(filter(None, (extractor_of(name), options))))
        )
        return [code(name), columns, theirs]

    yield from table(("feature", "metrics", "libvmaf's name"), map(row, registry()["features"]))


def feature_options() -> Iterator[str]:
    """The options of features that have some."""
    from pytest_vmaf.scoring.models import registry

    yield from table(
        ("feature", "option", "default", "from", "to"),
        [
            (
                code(name),
                code(option),
                f"{known['default']:g}" if known["default"] else "",
                f"{known['low']:g}",
                f"{known['high']:g}",
            )
            for name, feature in registry()["features"].items()
            for option, known in feature.get("options", {}).items()
        ],
    )


def default_gates() -> Iterator[str]:
    """The gates that `check` applies by itself."""
    from pytest_vmaf.gates.defaults import DEFAULT_GATES
    from pytest_vmaf.gates.gate import parse_gate
    from pytest_vmaf.gates.metrics import metrics as every

    def row(name: str, limit: float | bool) -> list[str]:
        metric = every()[parse_gate(name, limit, "default").metric]
        return [code(name if limit is True else f"{name}={limit:g}"), metric.label, metric.unit]

    yield from table(("gate", "metric", "unit"), [row(*item) for item in DEFAULT_GATES.items()])


def default_tolerances() -> Iterator[str]:
    """The tolerances that apply to a baseline by themselves."""
    from pytest_vmaf.gates.tolerance import DEFAULTS

    rows = [
        (code(kind), ", ".join(code(f"{name}={limit}") for name, limit in each.items()))
        for kind, each in DEFAULTS.items()
    ]
    yield from table(("baseline of", "tolerances"), rows)


def commands() -> Iterator[str]:
    """Every subcommand with its usage and its flags."""
    from pytest_vmaf.cli.main import build_parser

    parser, _ = build_parser()
    for name, command in _subcommands(parser):
        yield from (f"### {name}", "", prose(command.description or ""), "")
        for group in command._action_groups:
            actions = [each for each in group._group_actions if each.help not in (argparse.SUPPRESS, None)]
            rows = [
                (_spelling(each), prose(each.help or "")) for each in actions if "--help" not in each.option_strings
            ]
            if rows:
                title = (group.title or "").capitalize()
                yield from (f"**{title}**", "", *table(("argument", "meaning"), rows))
        if command.epilog:
            yield from (f"{prose(command.epilog)}.", "")


def refusals() -> Iterator[str]:
    """The flags of vmaf-tune that commands refuse. Flags with the same advice share a row."""
    from pytest_vmaf.cli.vmaf_tune import REFUSALS

    flags: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for each in REFUSALS:
        flags.setdefault((each.advice, each.commands), []).append(code(each.flag))
    rows = [(", ".join(names), ", ".join(map(code, to)), _with_code(advice)) for (advice, to), names in flags.items()]
    yield from table(("flag", "commands", "advice"), rows)


def _with_code(advice: str) -> str:
    """An advice with its flags as code, in which two hyphens stay two."""
    return re.sub(
        r"--[a-z][\w-]*(?: (?:hdr|[A-Z]+\b|\d[\w:-]*|\w+[\d.]+\w*(?<!\.)))?", lambda flag: code(flag[0]), advice
    )


def _subcommands(parser: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            seen: set[int] = set()
            for name, command in action.choices.items():
                if id(command) not in seen:
                    seen.add(id(command))
                    yield f"{before}{name}", command
                    yield from _subcommands(command, f"{before}{name} ")


def _spelling(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    takes = action.nargs != 0 and action.option_strings
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    return code(f"{names} {value}" if takes else names)


def report_schema() -> Iterator[str]:
    """The shapes of the report as data."""
    from pytest_vmaf.report import schema

    shapes = {name: shape for name, shape in vars(schema).items() if name.isupper() and isinstance(shape, dict)}
    names = {id(shape): name for name, shape in shapes.items() if name != "REPORT_SCHEMA"}
    # The document first, and each shape before its parts.
    for name in reversed([name for name in shapes if name != "REPORT_SCHEMA"]):
        yield from (f"## {name.capitalize()}", "")
        rows = [
            (code(key), "" if _optional(each) else "yes", _shape(each, names)) for key, each in shapes[name].items()
        ]
        yield from table(("key", "always there", "value"), rows)


def _optional(shape: object) -> bool:
    from pytest_vmaf.json_shapes import Optional

    return isinstance(shape, Optional)


def _shape(shape: object, names: dict[int, str]) -> str:
    from pytest_vmaf.json_shapes import Each, Fitting, OneOf, Optional, Text

    if id(shape) in names:
        return f"[{names[id(shape)].capitalize()}](#{names[id(shape)].lower()})"
    match shape:
        case Optional() | Fitting():
            return _shape(shape.shape, names)
        case OneOf():
            return "one of " + ", ".join(code(word) for word in shape.words)
        case Text():
            return "a string"
        case Each():
            return f"an object with values: {_shape(shape.shape, names)}"
        case list():
            return f"a list, each {_shape(shape[0], names)}"
        case tuple():
            return f"a list of {', '.join(_shape(each, names) for each in shape)}"
        case dict():
            return "an object with " + ", ".join(f"{code(key)} ({_shape(each, names)})" for key, each in shape.items())
        case type():
            return {str: "a string", int: "an integer", float: "a number", bool: "true or false"}[shape]
    return "anything"


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "settings": settings,
    "pytest-options": pytest_options,
    "metrics": metrics,
    "features": features,
    "feature-options": feature_options,
    "default-gates": default_gates,
    "default-tolerances": default_tolerances,
    "commands": commands,
    "refusals": refusals,
    "report-schema": report_schema,
}


class ReferenceTable(SphinxDirective):
    """One of `TABLES`."""

    def run(self) -> list[nodes.Node]:
        """The nodes of the table."""
        lines = TABLES[self.name]()
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    for name in TABLES:
        app.add_directive(name, ReferenceTable)
    return {"parallel_read_safe": True}
