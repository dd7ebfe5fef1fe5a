"""pytest_vmaf.api.run_measurement."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import Gate, effective, parse_gate, refuse_twice
from pytest_vmaf.gates.metrics import PART_METRICS
from pytest_vmaf.gates.tolerance import is_tolerance
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result

if TYPE_CHECKING:
    from pytest_vmaf.report.sections import Section
    from pytest_vmaf.scoring.scorer import Scorer


Measured = TypeVar("Measured", bound=Result)


#: What a map holds of its worst tile, and how a region's own record stands beside the picture's.
NO_CHECK = {"gated": False, "every_gate": False}


def _with_regions(regions: Any) -> tuple[Callable[[MeasureRequest, Scorer], Any], Any, tuple[Gate, ...]]:
    """How to measure these regions too and to show them, and the gates that they bring along. Raises SettingsError."""
    from pytest_vmaf.roi.part_scoring import measure_regions
    from pytest_vmaf.roi.regions import box_at, read_regions, shown

    found = read_regions(regions)
    for name in (gate for region in found.values() for gate in region.gates if is_tolerance(gate)):
        raise SettingsError(
            f"{name} is no gate of a region: the call's tolerances hold in each of them. Give it there."
        )
    given = [
        parse_gate(gate, limit, "call", name) for name, region in found.items() for gate, limit in region.gates.items()
    ]
    for gate in given:
        if gate.metric in PART_METRICS:
            raise SettingsError(f"{gate} is no gate of a region, which has min_neg, max_gap and the like.")
    refuse_twice(given)

    def section(result: Result, clips: tuple[Clip, Clip], pictures: int) -> Section:
        from pytest_vmaf.report.part_sections import regions_section

        how = result.provenance
        sides = int(how["width"]), int(how["height"])
        start = how["starts"][0]
        where = {name: shown(region) for name, region in found.items()}
        return regions_section(
            result,
            where,
            lambda frame: {name: box_at(region, start + frame, *sides) for name, region in found.items()},
            clips,
            pictures,
        )

    return partial(measure_regions, regions=found), section, effective([given])


def _with_progress(request: MeasureRequest, shown: Callable[[int, int | None], None] | None) -> MeasureRequest:
    from dataclasses import replace

    return replace(request, progress=shown) if shown else request


def _cores() -> int:
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
