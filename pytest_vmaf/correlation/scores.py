"""Scores of clips by metrics: from a table, the rows of a sweep, or the report of a test run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from pytest_vmaf.correlation.tables import Table, listed, name_of, number_of
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.gates.metrics import metric_of, metrics as known_metrics, note_metric
from pytest_vmaf.search.rows import POOLED, Row, Setup
from pytest_vmaf.text import closest_match, did_you_mean, plural, printable

#: What identifies clips and groups.
IDENTITY = ("clip", "codec", "source", "encoder", "preset", "arguments", "crf", "pix_fmt")
#: Columns of opinions, and columns that only the rows of a sweep have.
OPINIONS = ("mos", "ci", "ci95", "std", "sd", "stdev", "n", "votes")
SWEPT = ("source_hash", "program_hash")
#: Who measures numbers that tell the quality of a picture.
OF_PICTURES = ("score", "sign", "feature", "roi", "map", "plugin")


@dataclass(frozen=True)
class Scored:
    """The scores of one clip.

    Attributes:
        codec: The codec, if it is known.
        source: The source, if it is known.
        scores: The scores by metric; None where the table has no value.
        where: The row.
    """

    codec: str | None
    source: str | None
    scores: Mapping[str, float | None]
    where: str


def read_scores(table: Table, wanted: Sequence[str] | None) -> tuple[tuple[str, ...], dict[str, Scored], list[str]]:
    """Read the scores of a table.

    Args:
        table: The table.
        wanted: The metrics, or None for all.

    Returns:
        The metrics in the order of the columns, the scores by clip, and notes about columns that were left out.

    Raises:
        SettingsError: If a metric is not in the table.
        MeasurementError: If the table has a clip twice, or cells that are not numbers.
    """
    rows = list(_report_rows(table)) if table.document is not None else list(_plain_rows(table))
    columns = list(dict.fromkeys(column for _, row in rows for column in row))
    notes: list[str] = []
    chosen = _chosen(columns, wanted, table.name) if wanted is not None else _metrics(rows, columns, table.name, notes)
    scored: dict[str, Scored] = {}
    for where, row in rows:
        clip = clip_name(row, where)
        values = {metric: number_of(row.get(metric), f"{where}: {printable(metric)}") for metric in chosen}
        codec = text_of(row.get("codec")) or text_of(row.get("encoder"))
        new = Scored(codec, text_of(row.get("source")), values, where)
        old = scored.setdefault(clip, new)
        if old is not new and not (table.document is not None and old.scores == new.scores):
            raise MeasurementError(f"{where}: the clip {printable(clip)!r} is also in {old.where}.")
    return chosen, scored, notes


def clip_name(row: Mapping[str, object], where: str) -> str:
    """The name of a row's clip; of an encode of a sweep the source, the encoder, its preset and arguments, and the CRF.

    Raises:
        MeasurementError: If the row has neither.
    """
    if "clip" in row:
        return name_of(row["clip"], f"{where}: clip")
    if "crf" not in row or not {"encoder", "codec"} & row.keys() or "source" not in row:
        near = closest_match("clip", [key for key in row if key not in IDENTITY])
        hint = f" Did you mean {printable(near)!r}?" if near else ""
        raise MeasurementError(f"{where}: there must be a column clip, or source, encoder and crf.{hint}")
    arguments = row.get("arguments") or ""
    more = " ".join(map(str, arguments)) if isinstance(arguments, list | tuple) else str(arguments)
    parts = (row["source"], row.get("encoder") or row.get("codec"), row.get("preset"), more, row.get("pix_fmt"))
    crf = number_of(row["crf"], f"{where}: crf")
    names = [text_of(part) for part in (*parts, "" if crf is None else f"{crf:g}")]
    return name_of(" ".join(name for name in names if name), f"{where}: source")


def lower_names(row: Mapping[str, object], known: Collection[str], other: Mapping[str, str]) -> dict[str, object]:
    """The row with the known names of its columns in lower case and without other names."""
    columns: dict[str, object] = {}
    for key, value in row.items():
        name = key.strip().lower()
        name = other.get(name, name)
        columns.setdefault(name if name in known else key, value)
    return columns


def is_lower_better(metric: str) -> bool:
    """Whether a lower value of a metric is better, as far as the table of metrics knows it."""
    name = POOLED.sub("", metric)
    known = metric_of(name.lower() if name.lower() in known_metrics() else name)
    return known.source in OF_PICTURES and not known.higher_is_better


def _plain_rows(table: Table) -> Iterator[tuple[str, dict[str, object]]]:
    for where, row in table.rows:
        yield where, lower_names(row, IDENTITY, {})


def _report_rows(table: Table) -> Iterator[tuple[str, dict[str, object]]]:
    """The measurements of a report (`--vmaf-json`)."""
    document = table.document or {}
    tests = document.get("tests")
    if document.get("kind") != "pytest-vmaf report" or not isinstance(tests, list):
        raise MeasurementError(f"{table.name} must be a list of rows, or a report that pytest --vmaf-json wrote.")
    has_scores = False
    for test in tests:
        for number, each in enumerate(_mappings(_mapping(test).get("measurements"))):
            # Errors have no scores.
            if each.get("neg") is None:
                continue
            has_scores = True
            _note_plugins(_mapping(_mapping(each.get("provenance")).get("metrics")))
            where = f"{table.name}, {_mapping(test).get('id')}, measurement {number + 1}"
            values = {name: each.get(name) for name in ("vmaf", "neg", "gap")}
            more = {**_mapping(each.get("signs")), **_mapping(each.get("features"))}
            yield where, {"clip": each.get("distorted"), "source": each.get("reference"), **values, **more}
    if not has_scores:
        raise MeasurementError(f"{table.name} is a report without scores.")


def _note_plugins(metrics: Mapping[str, object]) -> None:
    """Remember what the metrics of plugins state about themselves: label, unit and direction."""
    for name, each in metrics.items():
        stated = _mapping(each)
        label, unit = printable(text_of(stated.get("label"))), printable(text_of(stated.get("unit")))
        note_metric(name, label, unit, higher_is_better=stated.get("higher_is_better") is not False)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [_mapping(each) for each in value] if isinstance(value, list) else []


def text_of(value: object) -> str:
    """The text in a cell that may be empty; pandas has NaN for an empty one."""
    text = "" if value is None else str(value).strip()
    return "" if text == "nan" else text


@lru_cache(maxsize=1)
def _not_metrics() -> frozenset[str]:
    """Columns of our own tables that are not metrics unless they are named."""
    own = {each.name for kind in (Setup, Row) for each in fields(kind)}
    numbers = {
        name for name, each in known_metrics().items() if each.source not in OF_PICTURES or each.source == "sign"
    }
    return frozenset({*own, *numbers, *IDENTITY, "schema", "gap", "above_100", "frame_rate"})


def _metrics(
    rows: Sequence[tuple[str, Mapping[str, object]]], columns: Sequence[str], name: str, notes: list[str]
) -> tuple[str, ...]:
    """Every column of numbers, except those that describe an encode, and pools whose mean is a column too."""
    # A table may have both scores and opinions.
    opinions = OPINIONS if any(column.lower() == "mos" for column in columns) else ()
    own = [column for column in columns if column in _not_metrics() and column not in IDENTITY]
    candidates = [
        column for column in columns
        if column not in (*own, *IDENTITY) and column.lower() not in opinions
        and not (POOLED.search(column) and POOLED.sub("", column) in columns)
    ]  # fmt: skip
    if own and not set(SWEPT) <= set(columns):
        notes.append(f"{plural(len(own), 'column')} left out: {listed(own)}. Name a metric to use it (--metric).")
    texts = [column for column in candidates if not any(_is_number(row.get(column)) for _, row in rows)]
    if texts:
        notes.append(f"{plural(len(texts), 'column')} without numbers left out: {listed(texts)}.")
    metrics = tuple(column for column in candidates if column not in texts)
    if not metrics:
        raise MeasurementError(f"{name} must have a column of numbers for each metric. It has {listed(columns)}.")
    return metrics


def _chosen(columns: Sequence[str], wanted: Sequence[str], name: str) -> tuple[str, ...]:
    columns = [column for column in columns if column not in IDENTITY or column == "crf"]
    for metric in wanted:
        if metric not in columns:
            hint = did_you_mean(metric, columns)
            raise SettingsError(f"{name} has no metric {printable(metric)!r}.{hint} It has {listed(columns)}.")
    return tuple(dict.fromkeys(wanted))


def _is_number(value: object) -> bool:
    try:
        return number_of(value, "") is not None
    except MeasurementError as error:
        # Infinity and the like are reported as what they are.
        return "finite" in str(error)
