"""The report section of repeated encodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_vmaf.encoding.rate_modes import at
from pytest_vmaf.report.sections import DataTable, Paragraph, Section

if TYPE_CHECKING:
    from pytest_vmaf.search.determinism import Determinism


def determinism_section(repeated: Determinism) -> Section:
    """The verdict in a sentence, and all encodes with the beginning of their digests."""
    rows = []
    for number, each in enumerate(repeated.encodes, 1):
        scores = ("–", "–") if each.result is None else (f"{each.result.neg:.4f}", f"{each.result.vmaf:.4f}")
        rows.append((number, each.digest[:16], each.size, f"{each.bitrate / 1000:.2f}", *scores))
    difference = repeated.difference
    return Section(
        f"Determinism of {repeated.name} at {at(repeated.mode, repeated.crf)}",
        [
            Paragraph(f"{repeated.reference}: {repeated.sentence}."),
            *([Paragraph(f"{difference[:1].upper()}{difference[1:]}.")] if difference else []),
            DataTable(("encode", "packets (SHA-256)", "bytes", "kbit/s", "NEG", "VMAF"), rows, "Encodes"),
        ],
    )
