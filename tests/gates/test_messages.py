"""The words of failed gates."""

from __future__ import annotations

import pytest

from pytest_vmaf import FakeScorer, GateViolation, Vmaf


def test_small_numbers() -> None:
    """A small value is told from its limit."""
    scorer = FakeScorer(features={"float_ssim": 0.00001})
    with pytest.raises(GateViolation, match=r"float_ssim 1e-05 < 2e-05"):
        Vmaf(scorer=scorer).check("a.mkv", "b.mkv", gates={"min_float_ssim": 2e-5})


@pytest.mark.parametrize(("gates", "explained"), [({"max_gap": 1}, True), ({"min_gap": 3}, False)])
def test_gap_on_either_side(gates: dict[str, float], explained: bool) -> None:
    with pytest.raises(GateViolation) as violation:
        Vmaf(scorer=FakeScorer(vmaf=95, neg=93)).check("a.mkv", "b.mkv", **gates)
    assert ("a filter before the encoder" in str(violation.value)) is explained
