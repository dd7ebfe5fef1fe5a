"""The CRFs measured to cover a second metric, on synthetic and measured curves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.encoding.encoders import ENCODERS
from pytest_vmaf.search.bdrate import RateQuality, rate_at
from pytest_vmaf.search.coverage import NEAR, next_crf
from pytest_vmaf.search.crf_search import find_crossings

Points = list[tuple[int, float, int]]


def closed(points: Points, target: float, finest: int, coarsest: int, curve: Callable[[int], tuple[float, int]]) -> int:
    """Measure what is asked for until nothing is; how many that were."""
    made = 0
    while (crf := next_crf(points, target, finest, coarsest)) is not None:
        assert finest <= crf <= coarsest
        assert crf not in [known for known, _, _ in points]
        points.append((crf, *curve(crf)))
        made += 1
    return made


@settings(max_examples=25, deadline=None)
@given(
    falls=st.lists(st.floats(0, 5), min_size=1, max_size=80),
    shrinks=st.lists(st.floats(1, 1.4), min_size=80, max_size=80),
    start=st.sets(st.integers(0, 79), min_size=1, max_size=4),
    target=st.floats(1, 100),
    low=st.integers(-90, 90),
)
def test_targets_are_surrounded(
    falls: list[float], shrinks: list[float], start: set[int], target: float, low: int
) -> None:
    scores, sizes = [100.0], [10.0**9]
    for fall, shrink in zip(falls, shrinks, strict=False):
        scores.append(scores[-1] - fall)
        sizes.append(sizes[-1] / shrink)
    high = low + len(falls)

    def curve(crf: int) -> tuple[float, int]:
        return scores[crf - low], int(sizes[crf - low]) + 1

    points = [(crf, *curve(crf)) for crf in sorted({low + at % len(scores) for at in start})]
    closed(points, target, low, high, curve)
    reaching = max(((crf, size) for crf, score, size in points if score >= target), default=None)
    below = min(((crf, size) for crf, score, size in points if score < target), default=None)
    if reaching is None:
        assert below is not None
        assert below[0] == low
    elif below is None:
        assert reaching[0] == high
    else:
        assert below[0] - reaching[0] == 1 or reaching[1] <= below[1] * NEAR


def test_flat_curve() -> None:
    points: Points = [(20, 99.0, 1000), (21, 99.0, 1000)]
    assert closed(points, 90, 0, 51, lambda _: (99.0, 1000)) == 3
    assert max(points)[0] == 51


def test_rising_curve() -> None:
    points: Points = [(10, 95.0, 900), (20, 85.0, 500), (30, 92.0, 400), (34, 80.0, 200)]
    assert next_crf(points, 90, 0, 51) in (31, 32, 33)


def curves() -> list[dict[str, Any]]:
    """Every CRF of three encoders on five clips, measured."""
    root = Path(os.environ.get("PYTEST_VMAF_SHARED", Path(__file__).parents[3] / "shared"))
    file = root / "curves" / "curves.json"
    if not file.is_file():
        pytest.skip(f"{file} is not there; set PYTEST_VMAF_SHARED to the folder that holds curves/ to run this")
    loaded: list[dict[str, Any]] = json.loads(file.read_text())
    return loaded


def penalty(measured: dict[str, dict[int, float]], crfs: list[int], target: float) -> float | None:
    """What NEG asks beyond VMAF at this number, in percent, by these CRFs alone."""
    neg, vmaf = (
        rate_at(RateQuality(tuple((measured["size"][crf], measured[name][crf]) for crf in crfs)), target)
        for name in ("neg", "vmaf")
    )
    return None if neg is None or vmaf is None else (neg / vmaf - 1) * 100


@pytest.mark.parametrize("targets", [(94, 96, 97, 98), (85, 90, 93), (93,)])
def test_penalty_on_measured_curves(targets: tuple[float, ...]) -> None:
    off, extra = [], []
    for one in curves():
        measured = {name: dict(zip(one["crf"], one[name], strict=True)) for name in ("neg", "vmaf", "size")}
        ends = one["crf"][0], one["crf"][-1]
        found = find_crossings(
            measured["neg"].__getitem__, ends, targets, ceiling=one["ceiling"], slope=ENCODERS[one["encoder"]].slope
        )
        points = [(crf, measured["vmaf"][crf], measured["size"][crf]) for crf, _ in found.probes]
        met = [each.target for each in found.crossings if each.outcome.startswith("met")]
        extra.append(
            sum(closed(points, t, *ends, lambda c, m=measured: (m["vmaf"][c], m["size"][c])) for t in met)  # type: ignore[misc]
        )
        for target in met:
            exact = penalty(measured, one["crf"], target)
            assert exact is not None
            off.append(abs(penalty(measured, [crf for crf, _, _ in points], target) - exact))  # type: ignore[operator]
    assert fmean(off) < 0.5
    assert max(off) < 7
    assert fmean(extra) < len(targets) + 1
