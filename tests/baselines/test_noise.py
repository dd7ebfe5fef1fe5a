"""Repeated encodes: means, deviations and the margin for noise."""

from __future__ import annotations

from typing import Any

import pytest
from scoring.builders import a_result

from pytest_vmaf import BaselineError
from pytest_vmaf.baselines.entry import frames_of, score_entry
from pytest_vmaf.baselines.judge import compare_entries
from pytest_vmaf.baselines.messages import verdict_text
from pytest_vmaf.baselines.noise import mean_entry, with_margins
from pytest_vmaf.gates.tolerance import parse_tolerance


def repeated(*means: float, model: str = "m") -> dict[str, Any]:
    results = [a_result(vmaf=(mean + 1,) * 2, neg=(mean,) * 2) for mean in means]
    return mean_entry([score_entry(result, {"model": model}, {}) for result in results])


def verdict(old: dict[str, Any], new: dict[str, Any], limit: float | str) -> Any:
    [one] = with_margins(compare_entries(old, new, [parse_tolerance("max_drop", limit, "call")]), old, new)
    return one


def test_mean_and_deviation() -> None:
    entry = repeated(90, 91, 92)
    assert entry["values"]["neg"]["mean"] == 91
    assert frames_of(entry)[0] == [91, 91]
    assert entry["noise"]["n"] == 3
    assert entry["noise"]["stdev"][""]["neg"]["mean"] == 1
    assert "noise" not in repeated(90)


def test_margin() -> None:
    old, near, far = repeated(90, 90.2), repeated(89.3, 89.5), repeated(89.1, 89.3)
    # 2 · sqrt(0.1414²/2 + 0.1414²/2)
    within = verdict(old, near, 0.5)
    assert within.margin == pytest.approx(0.2828, abs=1e-3)
    assert within.passed
    assert within.by_noise
    assert verdict_text(within).endswith("max_drop is 0.5, within the encoder's own noise of 0.283 beyond it")
    beyond = verdict(old, far, 0.5)
    assert not beyond.passed
    assert not verdict(old, repeated(90.1, 90.3), 0.5).by_noise
    # One side alone was repeated.
    assert verdict(repeated(90.1), near, 0.6).margin == pytest.approx(0.2, abs=1e-3)
    assert verdict(repeated(90.1), repeated(89.5), 0.5).margin == 0


def test_relative_margin() -> None:
    assert verdict(repeated(80, 80.2), repeated(80, 80.2), "1%").margin == pytest.approx(100 * 0.2828 / 80.1, abs=1e-3)


def test_too_noisy() -> None:
    noisy = repeated(88, 92)
    with pytest.raises(
        BaselineError, match=r"too noisy to decide: .* vary by 5\.66, more than max_drop=0\.5: NEG 90\.00"
    ):
        verdict(noisy, noisy, 0.5)


def test_incomparable_repeats() -> None:
    entries = [repeated(90), repeated(90, model="other")]
    with pytest.raises(BaselineError, match="not comparable: model m → other"):
        mean_entry(entries)
