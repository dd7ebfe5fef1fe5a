"""Crossings on falling, other and measured curves: exactness and cost."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.media.child_signals import deferred
from pytest_vmaf.search import crf_search
from pytest_vmaf.search.crf_search import Crossing, Search, find_crossings
from pytest_vmaf.search.curve_shapes import asymptote, shape_of

TARGETS = (94.0, 96.0, 97.0, 98.0)
SLOPES = {"libx264": -0.13, "libx265": -0.13, "libsvtav1": -0.075}


def logistic(crf: float, middle: float = 35.0, slope: float = -0.13, ceiling: float = 99.5) -> float:
    return ceiling / (1 + math.exp(-slope * (crf - middle)))


def answers(scores: Sequence[float], finest: int, targets: Sequence[float]) -> list[int | None]:
    """The largest CRF that reaches each target, by looking at the whole curve."""
    reached = [[crf for crf, score in enumerate(scores, finest) if score >= target] for target in targets]
    return [max(crfs, default=None) for crfs in reached]


def least(scores: Sequence[float], finest: int, targets: Sequence[float]) -> int:
    """How many probes the answers need, had they been known before."""
    crossings = [finest - 1 if crf is None else crf for crf in answers(scores, finest, targets)]
    return len({near for crf in crossings for near in (crf, crf + 1)} & set(range(finest, finest + len(scores))))


class Curve:
    """A curve to measure that knows what was asked of it, and refuses to be asked twice or outside of its range."""

    def __init__(self, scores: Sequence[float], finest: int = 0) -> None:
        self.scores, self.finest, self.calls, self.threads = scores, finest, [], set()

    def __call__(self, crf: int) -> float:
        assert type(crf) is int
        assert 0 <= crf - self.finest < len(self.scores)
        assert crf not in self.calls
        self.calls.append(crf)
        self.threads.add(threading.get_ident())
        return self.scores[crf - self.finest]

    def search(self, targets: Sequence[float] = TARGETS, ceiling: float = 100.0, **more) -> Search:
        crfs = (self.finest, self.finest + len(self.scores) - 1)
        return find_crossings(self, crfs, targets, ceiling=ceiling, **more)


def assert_proved(result: Search, curve: Curve) -> None:
    """Every answer rests on measured scores, on both sides."""
    probes = dict(result.probes)
    last = curve.finest + len(curve.scores) - 1
    for crossing in result.crossings:
        if crossing.outcome == "above the ceiling":
            continue
        crf = curve.finest - 1 if crossing.crf is None else crossing.crf
        assert crf < curve.finest or probes[crf] >= crossing.target
        assert crf == last or probes[crf + 1] < crossing.target


falling = st.lists(st.floats(-5, 105), min_size=1, max_size=64).map(lambda scores: sorted(scores, reverse=True))
some_targets = st.lists(st.floats(1, 100), min_size=1, max_size=5, unique=True)


@settings(max_examples=50, deadline=None)
@given(
    falling,
    some_targets,
    st.integers(-10, 10),
    st.sampled_from([None, -0.02, -0.13, -1.0]),
    st.sampled_from([1, 1, 1, 2, 4]),
)
def test_falling_curve(scores, targets, finest, slope, workers) -> None:
    curve = Curve(scores, finest)
    search = curve.search(targets, slope=slope, workers=workers)
    assert [crossing.crf for crossing in search.crossings] == answers(scores, finest, targets)
    assert_proved(search, curve)
    assert all(crossing.outcome != "not monotone" for crossing in search.crossings)
    assert sorted(crf for crf, _ in search.probes) == sorted(curve.calls)
    # Not much more than bisection; rounds of several workers also measure what is only likely to be needed.
    if workers == 1:
        most = len(targets) * (math.ceil(math.log2(len(scores) + 1)) + 4) + 2
        assert len(curve.calls) <= min(len(scores), most)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), some_targets, st.integers(1, 3))
def test_any_curve_is_proved(scores, targets, workers) -> None:
    curve = Curve(scores)
    result = curve.search(targets, workers=workers)
    assert_proved(result, curve)
    for crossing in result.crossings:
        finer = [crf for crf, score in result.probes if score < crossing.target and crf < (crossing.crf or 0)]
        assert not finer or crossing.outcome == "not monotone"
        if crossing.outcome == "not monotone":
            fine, coarse = crossing.reversed
            assert fine < coarse
            assert scores[fine] < scores[coarse]
        else:
            assert crossing.reversed is None


@settings(max_examples=25, deadline=None)
@given(st.floats(15, 60), st.floats(0.05, 0.25), st.sampled_from([96.5, 97.5, 98.5, 99.5, 100]))
def test_logistic_curve_cost(middle, slope, ceiling) -> None:
    scores = [logistic(crf, middle, -slope, ceiling) for crf in range(52)]
    curve = Curve(scores)
    result = curve.search(ceiling=ceiling)
    assert_proved(result, curve)
    assert len(curve.calls) <= least(scores, 0, [t for t in TARGETS if t <= ceiling]) + 7


def unlike(kind: str, draw: random.Random) -> list[float]:
    """A curve unlike the measured ones: bent, of two slopes, uneven, clipped at the ceiling, or PSNR in dB."""
    middle, slope, bend = draw.uniform(30, 50), draw.uniform(0.06, 0.2), draw.uniform(0.3, 1)
    where, steeper = draw.uniform(5, 45), draw.uniform(0.3, 3)
    scores = []
    for crf in range(52):
        position = float(crf)
        if kind == "bent":
            position = 25.5 + 25.5 * ((crf / 25.5 - 1) + bend * (crf / 25.5 - 1) ** 3) / (1 + bend)
        elif kind == "two slopes":
            position += max(crf - where, 0) * (steeper - 1)
        elif kind == "uneven":
            position += draw.gauss(0, 0.7)
        score = logistic(position, middle, -slope)
        scores.append(min(score + 2, 99.5) if kind == "clipped" else score)
    return [52 - 0.45 * crf - slope * crf**1.2 for crf in range(52)] if kind == "PSNR" else scores


@pytest.mark.parametrize(
    ("kind", "targets", "ceiling", "waste"),
    [
        ("bent", TARGETS, 99.5, 2),
        ("two slopes", TARGETS, 99.5, 2),
        ("uneven", TARGETS, 99.5, 3),
        ("clipped", TARGETS, 99.5, 2.5),
        ("PSNR", (36, 39, 42, 45), 60, 4),
    ],
)
def test_unusual_curve_cost(kind, targets, ceiling, waste) -> None:
    draw = random.Random(kind)
    wasted = []
    for _ in range(20):
        curve = Curve(unlike(kind, draw))
        result = curve.search(targets, ceiling=ceiling)
        assert_proved(result, curve)
        crossings = [-1 if crossing.crf is None else crossing.crf for crossing in result.crossings]
        needed = {near for crf in crossings for near in (crf, crf + 1)} & set(range(52))
        wasted.append(len(result.probes) - len(needed))
    assert mean(wasted) <= waste


def test_outcomes() -> None:
    scores = [97 - 0.5 * crf for crf in range(11)]
    result = Curve(scores, 10).search([99.5, 98, 95.2, 92, 50], ceiling=99)
    assert result.crossings == (
        Crossing(99.5, None, "above the ceiling"),
        Crossing(98, None, "below at the finest"),
        Crossing(95.2, 13, "met"),
        Crossing(92, 20, "met at the coarsest"),
        Crossing(50, 20, "met at the coarsest"),
    )


def test_lossless_end_misleads_nothing() -> None:
    """x264's CRF 0 is lossless, and far above the line through the others."""
    scores = [99.5, *(logistic(crf) for crf in range(1, 52))]
    search = Curve(scores).search((97.5, 99.45), ceiling=99.5)
    assert [crossing.crf for crossing in search.crossings] == answers(scores, 0, (97.5, 99.45))
    assert len(search.probes) <= 6


@pytest.mark.parametrize("middle", [35, 38, 41])
def test_curve_of_a_clip_with_much_motion(middle: int) -> None:
    """Its frames score 105 against themselves, clipped to 100: the curve falls as one that approaches more."""
    scores = [min(logistic(crf, middle, ceiling=105), 99.8) for crf in range(52)]
    tops, goals = (asymptote(99.8, 105), None), (94, 96, 97, 98)
    moving, still = (Curve(scores).search(goals, ceiling=99.8, asymptote=top) for top in tops)
    assert moving.crossings == still.crossings
    assert len(moving.probes) <= min(8, len(still.probes))


@pytest.mark.parametrize(("shift", "most"), [(1, 4), (25, 9)])
def test_similar_curve(shift: int, most: int) -> None:
    """A curve that resembles another takes fewer probes, and one that does not has the same answers."""
    similar = [(crf, logistic(crf)) for crf in (15, 16, 21, 22)]
    curve = Curve([logistic(crf - shift) for crf in range(52)])
    result, alone = curve.search((88, 92), similar=similar), Curve(curve.scores).search((88, 92))
    assert result.crossings == alone.crossings
    assert len(result.probes) <= most


def test_unlikely_probes_are_glanced_at() -> None:
    scores = [logistic(crf) for crf in range(52)]
    curve, glanced = Curve(scores), list[int]()

    def glance(crf: int) -> float:
        glanced.append(crf)
        return curve(crf)

    result = curve.search((90,), glance=glance)
    assert result == Curve(scores).search((90,))
    assert glanced[0] == result.probes[0][0]
    assert not {result.crossings[0].crf, result.crossings[0].crf + 1} & set(glanced)
    again = Curve(scores)
    again.search((90,), glance=again.search, start={90: result.crossings[0].crf})
    assert len(again.calls) == 2


def test_target_above_the_ceiling() -> None:
    result = Curve([99.0] * 52).search([98.5, 99], ceiling=98)
    assert result.probes == ()
    assert [crossing.outcome for crossing in result.crossings] == ["above the ceiling"] * 2


def test_order_of_crossings_and_probes() -> None:
    curve = Curve([logistic(crf) for crf in range(52)])
    result = curve.search([96, 98, 94, 97])
    assert [crossing.target for crossing in result.crossings] == [96, 98, 94, 97]
    assert [crf for crf, _ in result.probes] == curve.calls


def test_rounds_are_sorted() -> None:
    calls: list[int] = [0]
    result = Curve([logistic(crf) for crf in range(52)]).search(workers=4, progress=lambda done, of: calls.append(done))
    for begin, end in pairwise(sorted(set(calls))):
        crfs = [crf for crf, _ in result.probes[begin:end]]
        assert crfs == sorted(crfs)
        assert len(crfs) <= 4


def test_search_is_deterministic() -> None:
    scores = [logistic(crf) for crf in range(52)]
    assert Curve(scores).search(workers=3) == Curve(scores).search(workers=3)


@pytest.mark.parametrize("score", [0.0, 90.0, 93.999, 94.1, 97.5, 97.999, 98.9])
def test_flat_curve_cost(score: float) -> None:
    curve = Curve([score] * 64)
    result = curve.search(ceiling=99)
    assert len(curve.calls) <= 4
    for crossing in result.crossings:
        assert crossing.outcome == ("met at the coarsest" if score >= crossing.target else "below at the finest")


@pytest.mark.parametrize(("first", "last"), [(20, 99), (80, 96.5), (20, 90), (95, 97.6)])
def test_rising_curve(first: float, last: float) -> None:
    scores = [first + (last - first) * crf / 51 for crf in range(52)]
    result = Curve(scores).search()
    for crossing in result.crossings:
        assert crossing.outcome == "not monotone"
        fine, coarse = crossing.reversed
        assert scores[fine] < scores[coarse]
    assert len(result.probes) <= 8


def test_reversal_across_a_target() -> None:
    scores = [97.0, 96.5, 95.9, 96.2, 95.5]
    result = find_crossings(scores.__getitem__, (0, 4), [96], ceiling=99, start={96: 1})
    assert result.crossings == (Crossing(96, 1, "met"),)  # nothing measured says otherwise
    result = find_crossings(scores.__getitem__, (0, 4), [96, 96.3, 95.95], ceiling=99, start={96: 3, 96.3: 1, 95.95: 3})
    assert result.crossings == (
        Crossing(96, 3, "not monotone", (2, 3)),
        Crossing(96.3, 1, "met"),
        Crossing(95.95, 3, "not monotone", (2, 3)),
    )


def test_reversal_between_targets() -> None:
    scores = [logistic(crf) + 0.02 * (crf % 2) for crf in range(52)]
    curve = Curve(scores)
    assert all(crossing.outcome == "met" for crossing in curve.search([50, 52]).crossings)


def crfs(search: Search) -> dict[float, int]:
    """The start of another search: the answers of this one."""
    return {crossing.target: crossing.crf for crossing in search.crossings if crossing.crf is not None}


def test_start_from_the_answers() -> None:
    scores = [logistic(crf) for crf in range(52)]
    first = Curve(scores).search([60, 94, 96, 97, 99.4], ceiling=99.5)
    again = Curve(scores).search([60, 94, 96, 97, 99.4], ceiling=99.5, start=crfs(first))
    assert again.crossings == first.crossings
    assert len(again.probes) == least(scores, 0, [60, 94, 96, 97, 99.4])


@settings(max_examples=25, deadline=None)
@given(falling, some_targets, st.lists(st.integers(0, 100), min_size=5, max_size=5))
def test_wrong_start(scores, targets, starts) -> None:
    result = Curve(scores).search(
        targets, start={target: min(crf, len(scores) - 1) for target, crf in zip(targets, starts, strict=False)}
    )
    assert [crossing.crf for crossing in result.crossings] == answers(scores, 0, targets)


def test_threads() -> None:
    scores = [logistic(crf) for crf in range(52)]
    alone, several = Curve(scores), Curve(scores)
    assert [c.crf for c in alone.search().crossings] == [c.crf for c in several.search(workers=3).crossings]
    assert alone.threads == {threading.get_ident()}
    assert threading.get_ident() not in several.threads


def test_workers_measure_at_once() -> None:
    together = threading.Barrier(2, timeout=30)
    rounds: list[int] = []

    def measure(crf: int) -> float:
        if len(rounds) < 2:
            rounds.append(crf)
            together.wait()  # breaks, and fails the search, unless two are under way
        return logistic(crf)

    result = find_crossings(measure, (0, 51), TARGETS, ceiling=99.5, workers=2)
    assert [c.outcome for c in result.crossings] == ["met"] * 4


@pytest.mark.parametrize("workers", [1, 3])
def test_measure_raises(workers: int) -> None:
    calls = []

    def measure(crf: int) -> float:
        calls.append(crf)
        raise LookupError(f"no encoder for {crf}")

    with pytest.raises(LookupError, match="no encoder for"):
        find_crossings(measure, (0, 51), TARGETS, ceiling=99, workers=workers)
    assert len(calls) <= workers
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("probe")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupted_until_all_have_ended(error: type[BaseException]) -> None:
    round_, stopped = threading.Barrier(2, timeout=10), threading.Event()
    crfs, calls = list[int](), list[int]()

    def measure(crf: int) -> float:
        crfs.append(crf)
        round_.wait()
        if crf == min(crfs):
            raise error
        assert stopped.wait(10)
        return logistic(crf)

    def interrupted() -> None:
        calls.append(len(calls))
        # The first time, the thread had no program to stop yet.
        if len(calls) == 2:
            stopped.set()

    with pytest.raises(error):
        find_crossings(measure, (0, 51), TARGETS, ceiling=99.5, workers=2, interrupted=interrupted)
    assert len(calls) >= 2
    assert stopped.is_set()


def test_interrupted_while_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when a measurement has begun and nobody knows it yet."""

    class Pool(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **keywords: Any) -> Future[Any]:
            future = super().submit(*arguments, **keywords)
            signal.raise_signal(signal.SIGINT)
            return future

    monkeypatch.setattr(crf_search, "ThreadPoolExecutor", Pool)
    stopped, calls = threading.Event(), list[int]()

    def measure(crf: int) -> float:
        stopped.wait(5)
        return logistic(crf)

    def interrupted() -> None:
        calls.append(len(calls))
        # The first time, the threads had no programs to stop yet.
        if len(calls) == 2:
            stopped.set()

    with pytest.raises(KeyboardInterrupt):
        find_crossings(
            *(measure, (0, 51), TARGETS), ceiling=99.5, workers=2, interrupted=interrupted,
            uninterrupted=partial(deferred, signal.SIGINT),
        )  # fmt: skip
    assert stopped.is_set()


def test_refused_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started, measured = threading.Thread.start, list[threading.Thread](), list[int]()

    def refuse(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    def measure(crf: int) -> float:
        measured.append(crf)
        time.sleep(0.2)
        return logistic(crf)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        find_crossings(measure, (0, 51), TARGETS, ceiling=99.5, workers=4)
    # Not what was waiting for the thread that was refused.
    assert len(measured) == 1
    assert not started[0].is_alive()


@pytest.mark.parametrize("workers", [1, 4])
def test_progress(workers: int) -> None:
    calls: list[tuple[int, float]] = []
    curve = Curve([logistic(crf) for crf in range(52)])
    result = curve.search(workers=workers, progress=lambda done, of: calls.append((done, of)))
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert all(of >= done for done, of in calls)
    assert calls[-1] == (len(result.probes), len(result.probes))
    assert workers > 1 or len(calls) == len(result.probes)


@pytest.fixture(scope="module")
def curves() -> list[dict]:
    """15 measured curves: 5 clips by x264, x265 and SVT-AV1, every CRF."""
    root = Path(os.environ.get("PYTEST_VMAF_SHARED", Path(__file__).parents[3] / "shared"))
    file = root / "curves" / "curves.json"
    if not file.is_file():
        pytest.skip(f"{file} is not there; set PYTEST_VMAF_SHARED to the folder that holds curves/ to run this")
    return json.loads(file.read_text())


def cost(curves: list[dict], encoders: Sequence[str], run: Callable[[Curve, dict], Search]) -> float:
    """The mean number of probes over some encoders' curves; every answer exact."""
    costs = []
    for known in curves:
        if known["encoder"] in encoders:
            curve = Curve(known["neg"], known["crf"][0])
            result = run(curve, known)
            expected = answers(curve.scores, curve.finest, TARGETS)
            wanted = [crf if t <= known["ceiling"] else None for crf, t in zip(expected, TARGETS, strict=True)]
            assert [c.crf for c in result.crossings] == wanted, f"{known['clip']} {known['encoder']}"
            assert_proved(result, curve)
            costs.append(len(result.probes))
    return mean(costs)


@pytest.mark.parametrize(("encoders", "budget"), [(("libx264", "libx265"), 8.2), (("libsvtav1",), 10.6)])
def test_measured_curve_cost(curves, encoders, budget) -> None:
    def run(curve: Curve, known: dict) -> Search:
        shape = shape_of(known["encoder"], known["crf"])
        return curve.search(ceiling=known["ceiling"], slope=SLOPES[known["encoder"]], shape=shape)

    assert cost(curves, encoders, run) <= budget


@pytest.mark.parametrize(("encoders", "budget"), [(("libx264", "libx265"), 6.9), (("libsvtav1",), 7.0)])
def test_measured_curve_start_cost(curves, encoders, budget) -> None:
    def run(curve: Curve, known: dict) -> Search:
        more = {"ceiling": known["ceiling"], "slope": SLOPES[known["encoder"]]}
        return curve.search(**more, start=crfs(Curve(curve.scores, curve.finest).search(**more)))

    assert cost(curves, encoders, run) <= budget


@pytest.mark.parametrize("metric", ["vmaf", "neg_min"])
@pytest.mark.parametrize("targets", [(70,), (90, 95), (80, 88, 92, 95, 97)])
def test_measured_curve_of_other_scores(curves, metric, targets) -> None:
    for known in curves:
        curve = Curve(known[metric], known["crf"][0])
        result = curve.search(targets, ceiling=known["ceiling"], slope=SLOPES[known["encoder"]])
        assert_proved(result, curve)
        assert len(result.probes) <= 25
