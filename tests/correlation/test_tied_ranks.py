"""Ranks of opinion scores with ties: the published cases, and what they imply."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.correlation.coefficients import Variable, tau_b
from pytest_vmaf.correlation.tied_ranks import tied_ranks

#: The test cases that Naderi and Möller publish with their package (github.com/babaknaderi/MOS-transformation, MIT):
#: scores, halves of their intervals, and ranks. "a" to "f" are those of figure 3 of their paper.
PUBLISHED = {
    "basic": ([1.1, 4, 5, 2, 3, 1.2, 4], [0.1] * 7, [1.5, 5.5, 7, 3, 4, 1.5, 5.5]),
    "a": ([4, 2], [0.5, 0.5], [2, 1]),
    "b": ([4, 3], [0.6, 0.6], [2, 1]),
    "c": ([4, 3.5], [0.6, 0.2], [1.5, 1.5]),
    "d": ([4, 3.8, 3.3], [0.6, 0.6, 0.2], [2.5, 2.5, 1]),
    "e": ([4, 3.5, 3.3], [0.6, 0.3, 0.2], [3, 1.5, 1.5]),
    "f": ([4, 3.5, 3.3], [0.8, 0.4, 0.3], [2, 2, 2]),
    "final": (
        [
            *(4.49272507194938, 4.26577212950124, 4.10033767612383, 3.93832658710171, 3.93935656976414),
            *(3.91288674666551, 3.91261926134431, 3.84816451136751, 3.71592312027156, 3.74955202733778),
        ],
        [0.0879, 0.0984, 0.1058, 0.095, 0.1016, 0.1027, 0.1095, 0.1165, 0.0973, 0.1236],
        [10, 9, 8, 5, 5, 5, 5, 5, 1.5, 1.5],
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_case(name: str) -> None:
    mos, intervals, ranks = PUBLISHED[name]
    assert tied_ranks(mos, intervals).tolist() == ranks


scores = st.lists(st.tuples(st.integers(100, 500), st.integers(0, 80)), min_size=1, max_size=25)


@given(scores, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_order_and_scale(pairs: list[tuple[int, int]], random: Random) -> None:
    mos, intervals = np.array(pairs, dtype=float).T / 100
    ranks = tied_ranks(mos, intervals)
    assert ranks.sum() == pytest.approx(len(pairs) * (len(pairs) + 1) / 2)
    order = list(range(len(pairs)))
    random.shuffle(order)
    assert tied_ranks(mos[order], intervals[order]).tolist() == ranks[order].tolist()
    # Another scale ties the same clips.
    assert tied_ranks(mos / 4, intervals / 4).tolist() == ranks.tolist()
    assert tied_ranks(mos * 16, intervals * 16).tolist() == ranks.tolist()
    # Higher scores never have lower ranks.
    assert all(ranks[a] <= ranks[b] for a in order for b in order if mos[a] < mos[b])


def test_without_width_only_equal_scores_tie() -> None:
    assert tied_ranks([3, 1, 2, 2], [0, 0, 0, 0]).tolist() == [4, 1, 2.5, 2.5]


def test_edge_of_an_interval_ties() -> None:
    # 3.3 + 0.3 is 3.5999999999999996.
    assert tied_ranks([3.6, 3.3], [0.0, 0.3]).tolist() == [1.5, 1.5]


def test_ceiling() -> None:
    mos, intervals, _ = PUBLISHED["final"]
    scores = np.array(mos)
    one = np.ones((1, len(scores)))
    [ceiling] = tau_b(one, Variable.of(one, scores), Variable.of(one, tied_ranks(mos, intervals)))
    # 45 pairs, of which 10 and 1 are tied.
    assert ceiling == pytest.approx(34 / (45 * 34) ** 0.5)
