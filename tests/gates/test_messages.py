"""The words of failed gates."""

from __future__ import annotations

import pytest

from pytest_vmaf import FakeScorer, GateViolation, Vmaf


@pytest.mark.parametrize(("gates", "explained"), [({"max_gap": 1}, True), ({"min_gap": 3}, False)])
def test_gap_on_either_side(gates: dict[str, float], explained: bool) -> None:
    with pytest.raises(GateViolation) as violation:
        Vmaf(scorer=FakeScorer(vmaf=95, neg=93)).check("a.mkv", "b.mkv", **gates)
    assert ("a filter before the encoder" in str(violation.value)) is explained
