"""Which gates a measurement checks."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import DEFAULT_GATES, Gate, effective, parse_gate
from pytest_vmaf.gates.metrics import MAP_METRICS, PART_METRICS, SEARCH_METRICS
from pytest_vmaf.settings import Layer

#: What a map measures of each tile.
TILE_METRICS = ("vmaf", "neg", "gap")
#: `score` checks the gates of these layers; `check` adds the command line, the ini file and the defaults.
OWN_ORIGINS = ("call", "marker")


def select_gates(layers: Sequence[Layer], metrics: Sequence[str], *, every_gate: bool) -> tuple[Gate, ...]:
    """The gates that a measurement checks.

    Args:
        layers: Settings and gates, the nearest layer first.
        metrics: The metrics that only this kind of measurement has.
        every_gate: Whether to check the gates of all layers and the default ones, as `check` does.

    Raises:
        SettingsError: If a gate of the call cannot be checked by this measurement.
    """
    for gate in effective(layer.gates for layer in layers if layer.origin == "call"):
        if supports(gate.metric, metrics):
            continue
        if gate.metric in PART_METRICS:
            method = "map" if gate.metric in MAP_METRICS else "roi"
            raise SettingsError(f"{gate.name} requires vmaf.{method}(): no other method measures {gate.metric}.")
        raise SettingsError(
            f"{gate.name} is not a gate of vmaf.map(), which measures only vmaf, neg and gap of each tile."
        )
    # What only this kind measures is checked wherever the gate was set, as in `check`.
    chosen: list[Sequence[Gate]] = [
        [
            gate
            for gate in layer.gates
            if supports(gate.metric, metrics) and (gate.metric in metrics or every_gate or layer.origin in OWN_ORIGINS)
        ]
        for layer in layers
    ]
    if every_gate:
        chosen.append([parse_gate(name, limit, "default") for name, limit in DEFAULT_GATES.items()])
    return effective(chosen)


def supports(metric: str, metrics: Sequence[str]) -> bool:
    """Whether a measurement that alone has these `metrics` measures this one. Tiles have no features."""
    if metric in PART_METRICS:
        return metric in metrics
    return metric not in SEARCH_METRICS and (metric in TILE_METRICS or "neg_tile" not in metrics)
