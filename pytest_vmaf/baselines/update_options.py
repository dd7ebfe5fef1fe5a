"""Baseline options of the command line. Every pytest run imports this module, so it imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class UpdateOptions(NamedTuple):
    """What happens to baselines at the end of a run.

    Attributes:
        modes: The modes of `--vmaf-baseline-update`.
        candidate: The folder of `--vmaf-baseline-candidate`.
        platform: The name of `--vmaf-baseline-platform`, "" for the common files.
    """

    modes: frozenset[str] = frozenset()
    candidate: Path | None = None
    platform: str = ""
