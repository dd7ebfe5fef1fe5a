"""Windows and buffers, compared with sums that are written out."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from pytest_vmaf.bitstream.rates import peak_window, play

packets = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5_000)), min_size=1, max_size=40)


@given(packets, st.integers(1, 30))
def test_peak(steps: Sequence[tuple[int, int]], seconds: int) -> None:
    """No window that begins with a packet has more bits; gaps and equal times included."""
    times = [float(sum(step for step, _ in steps[: n + 1])) for n in range(len(steps))]
    sizes = array("q", (size for _, size in steps))
    sums = [
        sum(8 * size for time, size in zip(times[n:], sizes[n:], strict=True) if time < times[n] + seconds)
        for n in range(len(times))
    ]
    found = peak_window(times, sizes, float(seconds), 0.001)
    assert found.bits == max(sums) == sums[found.first]
    assert found.bits == 8 * sum(sizes[found.first : found.first + found.packets])
    assert found.time == times[found.first] - times[0]


def test_play() -> None:
    """1000 bits that fill at 800 bit/s, and 100 bytes a second: the buffer stays as it is, full or not."""
    times, sizes = [0.0, 1.0, 2.0, 3.0], array("q", [100, 100, 100, 100])
    assert play(times, sizes, 1000, 800, 0.8).packets == 0
    # A byte more in the third packet is missing there; the fourth packet takes what has come.
    sizes[2] = 101
    late = play(times, sizes, 1000, 800, 0.8)
    assert (late.packet, late.time, late.packets, late.missing) == (2, 2.0, 2, 8.0)
    # What does not fit into the buffer does not come.
    assert play([0.0, 100.0], array("q", [0, 126]), 1000, 800).missing == 8
    assert play([0.0, 100.0], array("q", [0, 125]), 1000, 800).packets == 0


@pytest.mark.parametrize(("full", "packets"), [(1.0, 0), (0.9, 1)])
def test_initial(full: float, packets: int) -> None:
    assert play([0.0], array("q", [120]), 1000, 1, full).packets == packets
