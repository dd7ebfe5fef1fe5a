"""The report section of a benchmark: its ranking as a table, and what was left out."""

from __future__ import annotations

from statistics import geometric_mean
from typing import TYPE_CHECKING

from pytest_vmaf.report.sections import DataTable, Paragraph, Section
from pytest_vmaf.text import plural

if TYPE_CHECKING:
    from pytest_vmaf.search.benchmark import Benchmark, RankedEncoder

#: The most notes.
NOTES = 20


def benchmark_section(benchmark: Benchmark) -> Section:
    """The encoders, the best first, and what is missing."""
    metric = str(benchmark.metric)
    columns = ["rank", "encoder", "bitrate", "95 % interval", f"BD-rate, {metric}"]
    columns += [f"kbit/s at {target:g}" for target in benchmark.targets] + ["encoded frames/s"]
    rows = [[rank, *_cells(benchmark, each)] for rank, each in enumerate(benchmark.encoders, 1)]
    notes = [*(f"{name} is not ranked: {why}." for name, why in benchmark.unranked.items()), *benchmark.missing]
    more = [f"{len(notes) - NOTES} more notes are in the JSON."] if len(notes) > NOTES else []
    caption = f"Bitrate against {benchmark.anchor} for the same {metric}. Less bitrate is negative."
    blocks: list[Paragraph | DataTable] = [Paragraph(f"{benchmark.sentence}."), DataTable(columns, rows, caption)]
    blocks += map(Paragraph, [*notes[:NOTES], *more])
    return Section("Encoders at equal quality", blocks)


def _cells(benchmark: Benchmark, encoder: RankedEncoder) -> list[str]:
    low, high = ((end - 1) * 100 for end in encoder.interval or (1, 1))
    delta = encoder.bd_rate
    fewer = ""
    if delta and len(delta.per_source) < len(benchmark.sources):
        fewer = f" ({plural(len(delta.per_source), 'source')})"
    anchor = encoder.name == benchmark.anchor
    bitrates = []
    for target in benchmark.targets:
        own = [rate.bitrate for rate in encoder.rates if rate.target == target]
        bitrates.append(f"{geometric_mean(own) / 1000:.1f}" if own else "–")
    return [
        encoder.name,
        "anchor" if anchor else f"{encoder.change:+.1f} %",
        f"{low:+.1f} to {high:+.1f} %" if encoder.interval else "–",
        "anchor" if anchor else "–" if delta is None else f"{delta:+.1f} %{fewer}",
        *bitrates,
        "–" if encoder.fps is None else f"{encoder.fps:.1f}",
    ]
