"""pytest_vmaf.api.gate_selection."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import DEFAULT_GATES, Gate, effective, parse_gate
from pytest_vmaf.gates.metrics import MAP_METRICS, PART_METRICS, SEARCH_METRICS
from pytest_vmaf.settings import Layer

#: What a map holds of its worst tile.
MAP_HOLDS = ("vmaf", "neg", "gap")


#: Where a gate must come from to hold for `score` too; `check` adds the run's and the default ones.
OWN_ORIGINS = ("call", "marker")


def _gates(layers: Sequence[Layer], every_gate: bool, extra: Sequence[str]) -> tuple[Gate, ...]:
    """The gates that a measurement holds. Raises SettingsError for one of the call that it cannot hold."""
    for gate in effective(layer.gates for layer in layers if layer.origin == "call"):
        if gate.metric in PART_METRICS and gate.metric not in extra:
            where = "map" if gate.metric in MAP_METRICS else "roi"
            raise SettingsError(f"{gate.name} is a gate of vmaf.{where}, which measures {gate.metric}; this does not.")
        if not _holds(gate, extra) and gate.metric not in PART_METRICS:
            raise SettingsError(
                f"{gate.name} is no gate of vmaf.map, which holds {', '.join(MAP_HOLDS)} of every tile."
            )
    # What nothing else measures holds wherever it was set, as in `check`.
    chosen: list[Sequence[Gate]] = [
        [
            gate
            for gate in layer.gates
            if _holds(gate, extra) and (gate.metric in extra or every_gate or layer.origin in OWN_ORIGINS)
        ]
        for layer in layers
    ]
    if every_gate:
        chosen.append([parse_gate(name, limit, "default") for name, limit in DEFAULT_GATES.items()])
    return effective(chosen)


def _holds(gate: Gate, extra: Sequence[str]) -> bool:
    """Whether a measurement with these metrics of its own can hold a gate; a map has no features of the whole."""
    if gate.metric in PART_METRICS:
        return gate.metric in extra
    return gate.metric in MAP_HOLDS or "neg_tile" not in extra


def _measures(extra: Sequence[str], metric: str) -> bool:
    """Whether a measurement with these metrics of its own has this one, of all that a tolerance may name."""
    if metric in PART_METRICS:
        return metric in extra
    return metric not in SEARCH_METRICS and (metric in MAP_HOLDS or "neg_tile" not in extra)
