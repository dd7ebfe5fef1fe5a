"""Which gates a measurement checks."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vmaf.errors import ScorerError, SettingsError
from pytest_vmaf.gates.defaults import default_gates, is_sign
from pytest_vmaf.gates.gate import Gate, effective
from pytest_vmaf.gates.metrics import (
    MAP_METRICS,
    NEG_ROI_METRICS,
    PART_METRICS,
    SEARCH_METRICS,
    SPEED_METRICS,
    STREAM_METRICS,
)
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.signs import SIGNS
from pytest_vmaf.settings import OWN_ORIGINS, Layer, resolve

ROI_WITH_BOTH = "vmaf.roi() without neg_only=True"
#: What a map measures of each tile.
TILE_METRICS = ("vmaf", "neg", "gap")


def select_gates(layers: Sequence[Layer], metrics: Sequence[str], *, every_gate: bool) -> tuple[Gate, ...]:
    """The gates that a measurement checks.

    Args:
        layers: Settings and gates, the nearest layer first.
        metrics: The metrics that only this kind of measurement has.
        every_gate: Whether to check the gates of all layers and the default ones, as `check` does.

    Raises:
        SettingsError: If a gate of the call cannot be checked by this measurement.
    """
    with_signs = bool(resolve(layers).values["signs"])
    for gate in effective(layer.gates for layer in layers if layer.origin == "call"):
        if is_sign(gate) and not with_signs:
            raise SettingsError(f"{gate.name} requires signs of the picture, which signs=False switches off.")
        if not supports(gate.metric, metrics):
            raise SettingsError(_unsupported(gate))
    # `score` checks the gates of the call and of the test, `check` those of all layers and the default ones.
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
        chosen.append(default_gates())
    return tuple(gate for gate in effective(chosen) if with_signs or not is_sign(gate))


def measured_gates(gates: Sequence[Gate], result: Result) -> tuple[Gate, ...]:
    """The gates whose metric was measured. Default gates on signs do not apply to a scorer that reads no clips.

    Raises:
        ScorerError: If a scorer did not measure what a gate needs.
    """
    missing = [gate for gate in gates if is_sign(gate) and gate.metric not in result.signs]
    for gate in missing:
        if result.provenance["fake"] and gate.origin == "default":
            continue
        raise ScorerError(
            f"The scorer {result.provenance['scorer']} does not measure what {gate.name} ({gate.origin}) needs. Switch "
            f"the gate off ({gate.name}=None, or --vmaf-gate={gate.name}=off), or use --vmaf-scorer=ffmpeg."
        )
    return tuple(gate for gate in gates if gate not in missing)


def needs_neg_only(gates: Sequence[Gate], metrics: Sequence[str]) -> bool:
    """Whether the call itself gates NEG of the part that has these `metrics`, and no gate needs the default model.

    What a project gates does not decide: a call without gates of its own has every score, for asserts on its result.
    """
    parts = [gate for gate in gates if gate.metric in metrics]
    own = any(gate.origin == "call" and gate.metric in ("neg_roi", "neg_masked") for gate in parts)
    return own and all(gate.metric in NEG_ROI_METRICS for gate in parts)


def supports(metric: str, metrics: Sequence[str]) -> bool:
    """Whether a measurement that alone has these `metrics` measures this one. Tiles have no features."""
    if metric in PART_METRICS:
        return metric in metrics
    if metric in SIGNS or metric in STREAM_METRICS:
        return not metrics
    return metric not in (*SEARCH_METRICS, *SPEED_METRICS) and (metric in TILE_METRICS or "neg_tile" not in metrics)


def has_baseline(metric: str, metrics: Sequence[str]) -> bool:
    """Whether the baseline of such a measurement has this metric."""
    return metric not in STREAM_METRICS and supports(metric, metrics)


def _unsupported(gate: Gate) -> str:
    if gate.metric in SPEED_METRICS:
        return f"{gate.name} requires vmaf.speed(): no other method measures speed."
    if gate.metric in STREAM_METRICS:
        return f"{gate.name} requires vmaf.check(), vmaf.score() or vmaf.stream(), which read streams."
    if is_sign(gate):
        return f"{gate.name} requires vmaf.check() or vmaf.score(), which measure signs of the whole picture."
    if gate.metric in PART_METRICS:
        method = "quality_map" if gate.metric in MAP_METRICS else "roi"
        how = f"vmaf.{method}()" if method == "quality_map" or gate.metric in NEG_ROI_METRICS else ROI_WITH_BOTH
        return f"{gate.name} requires {how}: no other method measures {gate.metric}."
    return f"{gate.name} is not a gate of vmaf.quality_map(), which measures only vmaf, neg and gap of each tile."
