"""Repeated encodes in all outputs: their data in records, and one table of all encoders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_vmaf.report.schema import Record, RecordDict
from pytest_vmaf.report.wording import cut, short_clip
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.search.determinism import Determinism

COLUMNS = ("encoder", "clip", "CRF", "encodes", "result", "NEG ± s.e.", "kbit/s ± s.e.")
TITLE = "Repeated encodes"
CAPTION = "Whether encoders write the same each time, and the standard errors of those that do not"
WORDS = {"bitstream": "deterministic (bit for bit)", "quality": "deterministic in quality", "noisy": "noisy"}


def repeats_data(repeated: Determinism) -> RecordDict:
    """Repeated encodes as `schema.REPEATS`."""
    neg = repeated.neg
    return {
        "encoder": printable(repeated.name),
        "crf": repeated.crf,
        **({} if repeated.mode == "crf" else {"mode": repeated.mode}),
        "encodes": len(repeated.encodes),
        "verdict": repeated.level,
        "neg": neg and vars(neg),
        "bitrate": vars(repeated.bitrate),
    }


def repeats_rows(measurements: Iterable[Record]) -> list[tuple[str, ...]]:
    """The rows of the table of these measurements, by encoder; as `COLUMNS`."""
    rows = []
    for each in measurements:
        if (data := each.get("repeats")) is not None:
            neg = "–" if data.get("neg") is None else f"{data['neg']['mean']:.3f} ± {data['neg']['standard_error']:.2g}"
            rate, error = (data["bitrate"][name] / 1000 for name in ("mean", "standard_error"))
            crf = str(data["crf"]) if data.get("mode") is None else f"{data['crf']} kbit/s"
            numbers = (crf, str(data["encodes"]), WORDS[data["verdict"]])
            rows.append((data["encoder"], short_clip(each["reference"]), *numbers, neg, f"{rate:.1f} ± {error:.2g}"))
    # Two tests may share a search.
    return sorted(set(rows))


def repeats_sections(document: Record) -> list[RecordDict]:
    """A section with the table; none without repeated encodes."""
    from pytest_vmaf.report.sections import DataTable, Section

    rows = repeats_rows(each for test in document["tests"] for each in test["measurements"])
    return [Section(TITLE, [DataTable(COLUMNS, rows, CAPTION)]).to_record()] if rows else []


def repeats_lines(measurements: Sequence[Record]) -> list[str]:
    """The table as lines for a terminal; none without repeated encodes."""
    rows = [COLUMNS, *(tuple(cut(cell, 40, middle=True) for cell in row) for row in repeats_rows(measurements))]
    if len(rows) == 1:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
