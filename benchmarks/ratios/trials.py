"""What a search costs: its trial encodes in units of raw commands, and of one bisection for each target."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.clips import cut
from benchmarks.paired import Side, measure_rounds
from benchmarks.ratios.curves import TARGETS, bisect_each
from benchmarks.ratios.raw import encode_and_score
from benchmarks.ratios.section import Figure, Section, Setup, table
from pytest_vmaf import Bisection, Vmaf
from pytest_vmaf.encoding.encoders import ENCODERS

NAMES = ("libx264", "libx265", "libsvtav1")


def measure_trials(setup: Setup) -> Section:
    """Search four targets for three encoders on 24 frames at 320x180, in three ways with the same answers."""
    source = cut(setup.source, setup.folder, (320, 180), setup.count(24))
    figures: list[Figure] = []
    lines: list[str] = []
    for name in NAMES:
        line, *pair = _measure_encoder(name, source, setup)
        lines.append(line)
        figures += pair
    targets = ", ".join(f"{target:g}" for target in TARGETS)
    head = f"Four targets ({targets}) of mean NEG, {setup.count(24)} frames at 320x180. All ways find the same CRFs:"
    return Section("Trial encodes", (head, "", *lines, "", *table(figures)))


def _measure_encoder(name: str, source: Path, setup: Setup) -> tuple[str, Figure, Figure]:
    """What one encoder needs, in words, and its figures. Raises SystemExit if the answers differ."""
    encoder = ENCODERS[name]
    finest, coarsest = map(int, encoder.crf_range)

    def search() -> Bisection:
        return Vmaf(cache=False, progress=False).bisect(source, encoder=name, targets=list(TARGETS))

    score = partial(encode_and_score, source, encoder, setup.folder)
    bisection = search()
    ours = {target: answer.crf if answer.met else None for target, answer in bisection.answers.items()}
    theirs, encodes = bisect_each(score, (finest, coarsest), TARGETS)
    if ours != theirs:
        raise SystemExit(f"{name}: the CRFs differ: {ours} in one search, {theirs} one by one")
    crfs = [int(probe.crf) for probe in bisection.probes]
    sides = {
        "ours": Side(search),
        "same": Side(lambda: [score(crf) for crf in crfs]),
        "each": Side(lambda: bisect_each(score, (finest, coarsest), TARGETS)),
    }
    # Dozens of encodes: their noise averages out within a round.
    costs = measure_rounds(sides, max(1, setup.rounds // 3))
    what = f"`bisect`, {name}"
    return (
        f"- {name}: {len(crfs)} encodes, CRF {', '.join(map(str, ours.values()))}; one bisection per target {encodes}.",
        Figure(what, "the same encodes by raw ffmpeg, NEG alone", costs["ours"], costs["same"]),
        Figure(what, "raw ffmpeg, one bisection per target", costs["ours"], costs["each"]),
    )
