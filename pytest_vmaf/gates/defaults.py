"""The gates that `check` applies unless they are set elsewhere.

`python -m benchmarks.signs` measures how often each refuses honest encodes, and how often it misses damage; the table
is in `docs/explanation/signs.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pytest_vmaf.gates.gate import Gate, parse_gate
from pytest_vmaf.gates.metrics import ABOVE
from pytest_vmaf.scoring.signs import SIGNS

#: By name. Means are more sensitive; maxima catch one frame among many.
DEFAULT_GATES: Mapping[str, float | bool] = {
    "max_colour_loss": 22.0,
    "max_colour_loss_max": 40.0,
    "max_colour_shift": 0.45,
    "max_colour_matrix": 0.5,
    "max_level_shift": 1.5,
    "max_level_shift_max": 4.0,
    "max_contrast": 1.5,
    "max_contrast_loss": 2.5,
    "max_patch": 8.0,
    "max_lag": 0.15,
    "max_colour_lag": 0.2,
    "max_collapse": 30.0,
    "max_enhancement": 12.5,
    ABOVE: True,
}


@lru_cache(maxsize=1)
def default_gates() -> tuple[Gate, ...]:
    """The default gates, parsed."""
    return tuple(parse_gate(name, limit, "default") for name, limit in DEFAULT_GATES.items())


def is_sign(gate: Gate) -> bool:
    """Whether a gate limits a sign of the picture, which not every scorer can measure."""
    return gate.metric in SIGNS
