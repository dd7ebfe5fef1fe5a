"""How many encodes a search takes for four targets, on curves that were measured at every CRF."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.paired import spread
from benchmarks.ratios.ab_av1 import NoGoodCrf, crf_search
from benchmarks.ratios.section import Section, Setup
from pytest_vmaf.encoding.encoders import ENCODERS
from pytest_vmaf.search.crf_search import find_crossings
from pytest_vmaf.search.curve_shapes import asymptote, shape_of

TARGETS = (94.0, 96.0, 97.0, 98.0)
#: The CRF of each target, None for one that no CRF reaches.
Answers = dict[float, int | None]
Score = Callable[[int], float]


@dataclass(frozen=True)
class Curve:
    """The mean NEG of an encoder's encodes of a clip, from the finest CRF on, and that of the clip with itself.

    `unclipped` is that of the clip with itself before it is clipped to 100; files from before it was measured lack it.
    """

    clip: str
    encoder: str
    finest: int
    scores: tuple[float, ...]
    ceiling: float
    unclipped: float

    @property
    def crf_range(self) -> tuple[int, int]:
        """The finest and the coarsest CRF."""
        return self.finest, self.finest + len(self.scores) - 1

    def exact(self) -> Answers:
        """The coarsest CRF that reaches each target."""
        reached = {target: [crf for crf, score in self.points() if score >= target] for target in TARGETS}
        return {target: max(crfs, default=None) for target, crfs in reached.items()}

    def points(self) -> list[tuple[int, float]]:
        """The CRFs and their scores."""
        return list(enumerate(self.scores, self.finest))


class Encodes:
    """Scores of a curve, which counts the CRFs that it was asked for."""

    def __init__(self, curve: Curve) -> None:
        self.curve, self.made = curve, set[int]()

    def __call__(self, crf: int) -> float:
        self.made.add(crf)
        return self.curve.scores[crf - self.curve.finest]


def measure_curves(setup: Setup) -> Section:
    """Search every curve in several ways, and count encodes and exact answers."""
    if not setup.curves:
        how = "`python -m benchmarks.measure_curves` makes such a file"
        return Section("Encodes of a search", (f"Not measured: `--curves FILE` names no curves; {how}.",))
    lines: list[str] = []
    for path in setup.curves:
        curves = read_curves(path)
        clips = ", ".join(dict.fromkeys(curve.clip for curve in curves))
        lines += [f"`{path.name}`: {len(curves)} curves of the clips {clips}; every CRF was encoded and scored.", ""]
        lines += [
            "| search | encoder | encodes, mean | quartiles | most | exact answers |",
            "|---|---|---|---|---|---|",
        ]
        for name in dict.fromkeys(curve.encoder for curve in curves):
            own = [curve for curve in curves if curve.encoder == name]
            lines += [_row(way, name, search, own) for way, search in WAYS.items()]
        lines.append("")
    text = (
        "Four targets of mean NEG, 94, 96, 97 and 98. The least number is what proves the answers: each CRF and its",
        "coarser neighbour. ab-av1's search is its `crf-search` with `--crf-increment 1` over the encoder's complete",
        "range, once for each target, with its cache: no CRF is encoded twice. Its tolerance lets it stop early.",
        "",
    )
    return Section("Encodes of a search", (*text, *lines[:-1]))


def read_curves(path: Path) -> list[Curve]:
    """Read curves from a JSON file. Raises SystemExit if it is not one."""
    try:
        curves = [
            Curve(
                each["clip"],
                each["encoder"],
                each["crf"][0],
                tuple(map(float, each["neg"])),
                each["ceiling"],
                each.get("unclipped", each["ceiling"]),
            )
            for each in json.loads(path.read_text())
        ]
        if not all(ENCODERS[curve.encoder] and len(curve.scores) > 1 for curve in curves):
            raise ValueError("a curve must have several CRFs")
    except (ValueError, LookupError, TypeError) as error:
        raise SystemExit(
            f"{path.name} is not a file of curves ({type(error).__name__}: {error}).\n"
            "  It must be as `python -m benchmarks.measure_curves` writes it."
        ) from None
    return curves


def _row(way: str, name: str, search: Callable[[Curve, Encodes], tuple[Answers, int]], curves: Sequence[Curve]) -> str:
    counts, right = [], 0
    for curve in curves:
        answers, count = search(curve, Encodes(curve))
        counts.append(count)
        right += sum(answers[target] == crf for target, crf in curve.exact().items())
    quartiles = spread(counts)
    cells = [way, name, f"{fmean(counts):.2f}", f"{quartiles.low:g} to {quartiles.high:g}", str(max(counts))]
    return f"| {' | '.join([*cells, f'{right} of {len(TARGETS) * len(curves)}'])} |"


def _least(curve: Curve, score: Encodes) -> tuple[Answers, int]:
    exact = curve.exact()
    finest, coarsest = curve.crf_range
    crfs = {crf for answer in exact.values() for crf in ((finest,) if answer is None else (answer, answer + 1))}
    return exact, len([crf for crf in crfs if crf <= coarsest])


def _ours(curve: Curve, score: Encodes) -> tuple[Answers, int]:
    encoder = ENCODERS[curve.encoder]
    slope = encoder.slope and -abs(encoder.slope)
    # As `bisect` calls it for a whole range.
    shape = shape_of(encoder.name, encoder.scale.steps)
    expected = {"asymptote": asymptote(curve.ceiling, curve.unclipped), "slope": slope, "shape": shape}
    search = find_crossings(score, curve.crf_range, TARGETS, ceiling=curve.ceiling, **expected)
    return {each.target: each.crf for each in search.crossings}, len(score.made)


def bisect_each(score: Score, crf_range: tuple[int, int], targets: Sequence[float]) -> tuple[Answers, int]:
    """Bisect the complete range for each target, and reuse nothing. Returns the answers and the number of encodes."""
    answers: Answers = {}
    encodes = 0
    for target in targets:
        low, high = crf_range[0] - 1, crf_range[1] + 1
        while high - low > 1:
            middle, encodes = (low + high) // 2, encodes + 1
            low, high = (middle, high) if score(middle) >= target else (low, middle)
        answers[target] = low if low >= crf_range[0] else None
    return answers, encodes


def _one_by_one(curve: Curve, score: Encodes) -> tuple[Answers, int]:
    return bisect_each(score, curve.crf_range, TARGETS)


def _shared(curve: Curve, score: Encodes) -> tuple[Answers, int]:
    return _one_by_one(curve, score)[0], len(score.made)


def _ab_av1(curve: Curve, score: Encodes, *, thorough: bool) -> tuple[Answers, int]:
    answers: Answers = {}
    for target in TARGETS:
        try:
            answers[target] = crf_search(score, curve.crf_range, target, thorough=thorough)
        except NoGoodCrf:
            answers[target] = None
    return answers, len(score.made)


WAYS: Mapping[str, Callable[[Curve, Encodes], tuple[Answers, int]]] = {
    "least number": _least,
    "`bisect`": _ours,
    "one bisection per target": _one_by_one,
    "one bisection per target, no CRF twice": _shared,
    "ab-av1, thorough": lambda curve, score: _ab_av1(curve, score, thorough=True),
    "ab-av1, default tolerance": lambda curve, score: _ab_av1(curve, score, thorough=False),
}
