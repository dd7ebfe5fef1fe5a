"""Errors for names of gates and tolerances whose metric or pool is unknown."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.scoring.features import is_elementary
from pytest_vmaf.scoring.pools import OTHER_POOLS, POOLS
from pytest_vmaf.text import did_you_mean


def unknown_metric(name: str, origin: str, hint: str, names: Sequence[str]) -> SettingsError:
    """The error for a gate or tolerance whose metric is not one of the names."""
    if "bd_rate" in name:
        hint = " For a BD-rate, assert on comparison.bd_rate(…), or pass baseline=True and max_bd_rate_rise=."
    if "disagree" in name:
        hint = " max_disagreement= is a keyword of vmaf.compare, and compares BD-rates."
    listed = ", ".join(each for each in names if not each.startswith("float_moment") and not is_elementary(each))
    return SettingsError(
        f"{name!r} ({origin}) has an unknown metric.{hint} Metrics: {listed}, and those of plugins and of metrics=."
    )


def unknown_pool(name: str, pool: str, origin: str, others: Sequence[str] = ()) -> SettingsError:
    """The error for a gate or tolerance that ends in an unknown pool; suggests `others`, too."""
    hint = did_you_mean(pool, (*POOLS, "worst_1s", "worst_shot", *others), f"{name.removesuffix(pool)}{{}}")
    return SettingsError(f"{name!r} ({origin}) has an unknown pool.{hint} Pools: {', '.join(POOLS)}, {OTHER_POOLS}.")
