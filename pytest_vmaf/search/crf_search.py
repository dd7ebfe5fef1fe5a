"""Crossings: the largest CRF that reaches each target, on a noisy, nearly monotone integer curve. Pure.

Every crossing is measured on both sides: it reaches the target, and its neighbour one CRF coarser does not. All
targets share one set of probes, that is, measured CRFs. A search needs at least two probes for each target, less those
that serve two targets; every further probe is waste.

The next probe is the CRF that is most likely needed, plus a share of the information it gives about the crossings
(`beliefs`). That choice is greedy. Each target therefore has a fixed number of probes to waste, after which its
bracket is halved. The worst case is that of bisection plus a few probes, as in the ITP method (Oliveira and Takahashi,
*An Enhancement of the Bisection Method Average Performance Preserving Minmax Optimality*, ACM TOMS 47.1, 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_vmaf.search.curve_shapes import ANY, Shape

if TYPE_CHECKING:
    from pytest_vmaf.search.curve_model import Belief

Outcome = Literal["met", "met at the coarsest", "below at the finest", "above the ceiling", "not monotone"]

#: The number of wasted probes that one nat of information is worth, and the number a target may take beyond bisection.
NAT, SLACK = 0.6, 4
#: The probability of proving an answer from which a probe is measured and not glanced at. A glance costs 0.63 of a
#: measurement, and is spent in vain on a probe that does prove one.
LIKELY = 0.2
#: With several workers, the least worth of a probe that only fills a round.
FILLER = 0.7


@dataclass(frozen=True)
class Crossing:
    """Where a curve falls below a target.

    Attributes:
        target: The score to reach.
        crf: The largest CRF that reaches the target.
        outcome: What the crossing rests on:

            - "met": both sides were measured.
            - "met at the coarsest": the coarsest CRF reaches the target. It has no neighbour.
            - "below at the finest": the finest CRF scores below the target; `crf` is None.
            - "above the ceiling": no encode can reach the target, and none was made; `crf` is None.
            - "not monotone": the finer CRF of `reversed` scores lower than the coarser one, with the target between
              them; or the whole curve rises. `crf` is the coarsest crossing among the measured CRFs; there may be
              others.
        reversed: The two CRFs, finer first, that show that a curve is not monotone.
    """

    target: float
    crf: int | None
    outcome: Outcome
    reversed: tuple[int, int] | None = None


class Search(NamedTuple):
    """The result of `find_crossings`.

    Attributes:
        crossings: One for each target, in the targets' order.
        probes: (CRF, score) of every measurement, in the order they were made.
    """

    crossings: tuple[Crossing, ...]
    probes: tuple[tuple[int, float], ...]


def find_crossings(
    measure: Callable[[int], float],
    crf_range: tuple[int, int],
    targets: Sequence[float],
    *,
    glance: Callable[[int], float] | None = None,
    ceiling: float,
    asymptote: float | None = None,
    slope: float | None = None,
    shape: Shape = ANY,
    part: tuple[float, float] = (0.0, 1.0),
    uneven: int = 1,
    similar: Sequence[tuple[int, float]] = (),
    start: Mapping[float, int] | None = None,
    workers: int = 1,
    progress: Callable[[int, float], None] | None = None,
    interrupted: Callable[[], None] | None = None,
    uninterrupted: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Search:
    """Find for each target the largest CRF whose score reaches it, with few measurements.

    `bisect_request` checks the arguments, which come from users.

    Args:
        measure: Returns the score of the encode at a CRF. Higher CRFs are coarser and score lower, or nearly so. It is
            called at most once for each CRF.
        crf_range: The finest and the coarsest CRF, both included.
        targets: The scores to reach.
        glance: Returns the same as `measure`, and is called instead for CRFs that are unlikely to prove an answer.
        ceiling: The score that no encode exceeds, above 0: that of the reference compared with itself.
        asymptote: The score that the curve approaches; None for the ceiling.
        slope: The expected d logit(score / asymptote) / d CRF: about -0.13 for x264 and x265, -0.075 for SVT-AV1.
        shape: What is expected of the curve beside its slope.
        part: The positions of the finest and the coarsest CRF on the encoder's scale, from 0 to 1.
        uneven: How far apart two CRFs must be for their scores to be in order. In steps of less than one CRF, scores
            rise now and then from one to the next.
        similar: CRFs and scores of a curve that this one probably resembles.
        start: The answers of an earlier search, within the range. For an unchanged curve, the search only measures
            what proves them.
        workers: The number of measurements at once. With one, `measure` runs in the caller's thread. With several, it
            runs in threads, in rounds that are listed by CRF.
        progress: Called after every round with the number of measurements made, and the number expected in all.
        interrupted: Called when Ctrl-C ends the search, until no measurement is under way.
        uninterrupted: Makes Ctrl-C wait while measurements are started. One that it lost could not be stopped.

    Returns:
        The crossings, and every measurement.

    Raises:
        RuntimeError: If the system refuses a thread.
        Exception: Whatever `measure` raises.
    """
    finest, coarsest = crf_range
    goals, asymptote = tuple(map(float, targets)), asymptote or ceiling
    slope = -min(0.13, 5.5 / max(coarsest - finest, 1)) if slope is None else slope

    from pytest_vmaf.search.curve_model import beside, logit, priors

    beliefs = priors(coarsest - finest + 1, slope, shape, part)
    if telling := [(crf, score) for crf, score in sorted(similar) if _tells(crf, score, finest, ceiling)]:
        like = [(crf - finest, logit(score / asymptote)) for crf, score in telling]
        beliefs = beside(beliefs, like, like[len(like) // 2][0])
    levels = {goal: logit(goal / asymptote) for goal in goals if goal <= ceiling}
    aims = dict.fromkeys(levels, 0)
    glance = glance or measure
    probes: dict[int, float] = {}
    with ThreadPoolExecutor(workers, "probe") if workers > 1 else nullcontext() as pool:
        while True:
            brackets = {goal: _bracket(probes, goal, finest, coarsest) for goal in levels}
            sought = {goal: (low, high) for goal, (low, high) in brackets.items() if high - low > 1}
            if sought:
                chances, aim, remaining = _choose(beliefs, sought, levels, aims, finest, -slope, workers)
                if certain := _proof(start or {}, brackets):
                    chances = dict.fromkeys(certain[:workers], 1.0)
                elif certain := _flat_ends(probes, sought, ceiling, finest, coarsest):
                    chances = dict.fromkeys(certain[:workers], 0.0)
                else:
                    aims[aim] += 1
            else:
                chances = dict.fromkeys(_doubtful_ends(probes, brackets.values(), finest, coarsest), 0.0)
                remaining = len(chances)
            if progress and probes:
                progress(len(probes), len(probes) + remaining)
            if not chances:
                break
            calls = [(measure if chances[crf] >= LIKELY else glance, crf) for crf in sorted(chances)]
            futures: list[Future[float]] = []
            try:
                with uninterrupted():
                    futures += _start_round(pool, calls)
                scores = (call(crf) for call, crf in calls) if pool is None else (each.result() for each in futures)
                for (_, crf), score in zip(calls, scores, strict=True):
                    probes[crf] = score
                    if _tells(crf, score, finest, ceiling):
                        beliefs = [belief.after(crf - finest, logit(score / asymptote)) for belief in beliefs]
            except BaseException as error:
                for future in futures:
                    future.cancel()
                if interrupted is not None and isinstance(error, KeyboardInterrupt | SystemExit):
                    interrupted()
                    # A thread may have been about to start a program.
                    while wait(futures, timeout=0.2).not_done:
                        interrupted()
                raise
    return Search(
        tuple(_crossing(probes, goal, ceiling, finest, coarsest, uneven) for goal in goals), tuple(probes.items())
    )


def _start_round(
    pool: ThreadPoolExecutor | None, calls: Sequence[tuple[Callable[[int], float], int]]
) -> list[Future[float]]:
    if pool is None:
        return []
    try:
        return [pool.submit(call, crf) for call, crf in calls]
    except RuntimeError:
        # The system refused a thread. The threads that did start must not measure what waits for it.
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _tells(crf: int, score: float, finest: int, ceiling: float) -> bool:
    """Whether a score tells anything about others. x264's CRF 0 is lossless: far above the line through the others."""
    return score < ceiling or crf > finest


def _bracket(probes: Mapping[int, float], target: float, finest: int, coarsest: int) -> tuple[int, int]:
    """The coarsest CRF known to reach the target, and the next one known not to; beyond the ends if unknown."""
    low = max((crf for crf, score in probes.items() if score >= target), default=finest - 1)
    return low, min((crf for crf, score in probes.items() if crf > low and score < target), default=coarsest + 1)


def _proof(start: Mapping[float, int], brackets: Mapping[float, tuple[int, int]]) -> list[int]:
    """What would prove the earlier answers: their CRFs, then the neighbours. Nothing once one of them is wrong."""
    known = {target: start[target] for target in brackets if target in start}
    if any(not brackets[target][0] <= crf < brackets[target][1] for target, crf in known.items()):
        return []
    near = {crf + offset: brackets[target] for target, crf in known.items() for offset in (0, 1)}
    return [crf for crf, (low, high) in near.items() if low < crf < high]


def _choose(
    beliefs: Sequence[Belief],
    sought: Mapping[float, tuple[int, int]],
    levels: Mapping[float, float],
    aims: Mapping[float, int],
    finest: int,
    step: float,
    workers: int,
) -> tuple[dict[int, float], float, float]:
    """Choose the CRFs to measure next.

    The bracket of a target that was aimed at n times must be no wider than 2 ** (steps of a bisection + SLACK - n). The
    first CRF is therefore one that cannot leave it wider.

    Returns:
        The CRFs with the probability that each proves an answer, the target that the first of them is aimed at, and the
        number of CRFs that are likely needed in all.
    """
    import numpy as np

    from pytest_vmaf.search.curve_model import information, needed

    index = np.arange(len(beliefs[0].mean))
    steps = math.ceil(math.log2(len(index) + 1)) + SLACK
    brackets = {target: (levels[target], low - finest, high - finest) for target, (low, high) in sought.items()}
    wants = {target: needed(beliefs, *bracket) for target, bracket in brackets.items()}
    wanted = 1 - np.prod([1 - want for want in wants.values()], axis=0)
    allowed = {}
    for target, (_, low, high) in brackets.items():
        reach = max(2.0 ** (steps - aims[target] - 1), (high - low + 1) // 2)
        allowed[target] = (index > low) & (index < high) & (index >= high - reach) & (index <= low + reach)
    chosen: list[int] = []
    while len(chosen) < workers:
        worth = wanted + NAT * sum(information(beliefs, *bracket, step) for bracket in brackets.values())
        worth[~np.any(list(allowed.values()), axis=0)] = -math.inf
        worth[chosen] = -math.inf
        best = int(np.argmax(worth))
        if chosen and worth[best] < FILLER:
            break
        chosen.append(best)
        beliefs = [belief.after(best) for belief in beliefs]
    first = chosen[0]
    aim = max((target for target in wants if allowed[target][first]), key=lambda target: float(wants[target][first]))
    return {finest + at: float(wanted[at]) for at in chosen}, aim, float(wanted.sum())


def _flat_ends(
    probes: Mapping[int, float], sought: Mapping[float, tuple[int, int]], ceiling: float, finest: int, coarsest: int
) -> list[int]:
    """The ends that settle all targets when every probe scores the same, as with an encoder that ignores the CRF."""
    if len(probes) < 2 or len(set(probes.values())) > 1 or max(probes.values()) >= ceiling:
        return []
    return sorted({coarsest if high > coarsest else finest for _, high in sought.values()})


def _doubtful_ends(
    probes: Mapping[int, float], brackets: Iterable[tuple[int, int]], finest: int, coarsest: int
) -> list[int]:
    """The other end of the range, if an answer lies at one end and a probe shows that the curve may rise."""
    for low, high in brackets:
        if high == finest and coarsest not in probes and max(probes.values()) > probes[finest]:
            return [coarsest]
        if low == coarsest and finest not in probes and min(probes.values()) < probes[coarsest]:
            return [finest]
    return []


def _crossing(
    probes: Mapping[int, float], target: float, ceiling: float, finest: int, coarsest: int, uneven: int
) -> Crossing:
    """The crossing that the probes give for one target."""
    if target > ceiling:
        return Crossing(target, None, "above the ceiling")
    low, _ = _bracket(probes, target, finest, coarsest)
    answer = partial(Crossing, target, low if low in probes else None)
    finer = max((crf for crf, score in probes.items() if crf <= low - uneven and score < target), default=None)
    if finer is not None:
        return answer("not monotone", (finer, low))
    if low in (finest - 1, coarsest) and probes.get(finest, math.inf) < probes.get(coarsest, -math.inf):
        return answer("not monotone", (finest, coarsest))
    if low < finest:
        return answer("below at the finest")
    return answer("met at the coarsest" if low == coarsest else "met")
