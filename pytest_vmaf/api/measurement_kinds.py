"""The kinds of measurement: the whole picture, regions, a region of interest, a quality map."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import Gate, effective, parse_gate, refuse_twice
from pytest_vmaf.gates.metrics import (
    MAP_METRICS,
    NEG_ROI_METRICS,
    PART_METRICS,
    ROI_METRICS,
    SPEED_METRICS,
    STREAM_METRICS,
)
from pytest_vmaf.gates.plugin_metrics import FindMetric, no_metric
from pytest_vmaf.gates.tolerance import is_tolerance
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.signs import SIGNS

if TYPE_CHECKING:
    from pytest_vmaf.report.sections import Section
    from pytest_vmaf.roi.masked_score import RoiResult
    from pytest_vmaf.roi.quality_map import MapResult
    from pytest_vmaf.roi.regions import Region
    from pytest_vmaf.scoring.measure_chunks import Chunking
    from pytest_vmaf.scoring.scorer import Scorer

    Regions = Mapping[str, Region | Sequence[int] | str | os.PathLike[str]] | None

MeasuredResult = TypeVar("MeasuredResult", bound=Result)


@dataclass(frozen=True)
class Kind(Generic[MeasuredResult]):
    """One kind of measurement.

    Attributes:
        measure: Measures a request.
        metrics: The metrics that only this kind measures.
        gates: Gates that belong to it, such as those of regions.
        section: Makes its section of the report from the result, the clips and the number of pictures.
        public: What users get of a result.
        in_chunks: Measures a request in chunks; None if this kind cannot.
        neg_only: Measures its part of the picture with NEG alone, for calls whose gates need no more; None if every
            call gets the same scores.
    """

    measure: Callable[[MeasureRequest, Scorer], MeasuredResult]
    metrics: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    section: Callable[[MeasuredResult, tuple[Clip, Clip], int], Section] | None = None
    public: Callable[[MeasuredResult], object] = lambda result: result
    in_chunks: Callable[[MeasureRequest, Scorer, Chunking], MeasuredResult] | None = None
    neg_only: Callable[[MeasureRequest, Scorer], MeasuredResult] | None = None


def whole_picture(regions: Regions = None, *, find: FindMetric = no_metric) -> Kind[Result]:
    """Score the whole picture, and regions of it in the same pass. Raises SettingsError for invalid regions."""
    if regions is None:
        return Kind(measure, in_chunks=_measure_in_chunks)
    from pytest_vmaf.report.part_sections import regions_section
    from pytest_vmaf.roi.part_scoring import measure_regions
    from pytest_vmaf.roi.regions import box_at, read_regions, region_label

    by_name = read_regions(regions)

    def section(result: Result, clips: tuple[Clip, Clip], pictures: int) -> Section:
        sides = int(result.provenance["width"]), int(result.provenance["height"])
        start = result.provenance["starts"][0]
        labels = {name: region_label(region) for name, region in by_name.items()}
        return regions_section(
            result,
            labels,
            lambda frame: {name: box_at(region, start + frame, *sides) for name, region in by_name.items()},
            clips,
            pictures,
        )

    return Kind(partial(measure_regions, regions=by_name), gates=_region_gates(by_name, find), section=section)


def _measure_in_chunks(request: MeasureRequest, scorer: Scorer, chunking: Chunking) -> Result:
    from pytest_vmaf.scoring.measure_chunks import measure_in_chunks

    return measure_in_chunks(request, scorer, chunking)


def region_of_interest(
    weight: float,
    threshold: float,
    fade: float,
    saliency: str | os.PathLike[str] | None,
    synthetic_mask: float | None,
    bt601: bool,
    stride: int | None,
    neg_only: bool | None,
    *,
    find: FindMetric = no_metric,
) -> Kind[RoiResult]:
    """Score the whole picture and its salient part. Raises SettingsError if `neg_only` is not True, False or None."""
    if not isinstance(neg_only, bool | None):
        raise SettingsError(f"neg_only must be True, False or None, not {neg_only!r:.80}.")
    from pytest_vmaf.report.part_sections import roi_section
    from pytest_vmaf.roi.frame_masks import Mask, read_path
    from pytest_vmaf.roi.masked_score import measure_roi

    def measure_masked(request: MeasureRequest, scorer: Scorer, *, neg_only: bool = False) -> RoiResult:
        mask = Mask(weight, threshold, fade, read_path("saliency", saliency), synthetic_mask, bt601, stride)
        return measure_roi(request, scorer, mask, neg_only=neg_only)

    with_neg = partial(measure_masked, neg_only=True)
    if neg_only:
        return Kind(with_neg, NEG_ROI_METRICS, section=roi_section)
    return Kind(measure_masked, ROI_METRICS, section=roi_section, neg_only=None if neg_only is False else with_neg)


def tiles(
    grid: tuple[int, int], saliency: bool | str | os.PathLike[str] | None, *, find: FindMetric = no_metric
) -> Kind[MapResult]:
    """Score each tile of a grid."""
    from pytest_vmaf.report.part_sections import map_section
    from pytest_vmaf.roi.frame_masks import read_path
    from pytest_vmaf.roi.tile_scoring import measure_map

    def measure_tiles(request: MeasureRequest, scorer: Scorer) -> MapResult:
        network = None if isinstance(saliency, bool) else read_path("saliency", saliency)
        return measure_map(request, scorer, grid, saliency not in (False, None), network)

    return Kind(
        measure_tiles,
        MAP_METRICS,
        section=lambda result, clips, pictures: map_section(result.quality_map, clips, pictures),
        public=lambda result: result.quality_map,
    )


def _region_gates(regions: Mapping[str, Region], find: FindMetric) -> tuple[Gate, ...]:
    gates = []
    for region_name, region in regions.items():
        for name, limit in region.gates.items():
            if is_tolerance(name):
                raise SettingsError(
                    f"{name} is not a gate of a region: tolerances of the call apply to every region. Pass it there."
                )
            gate = parse_gate(name, limit, "call", region_name, find)
            if gate.metric in (*PART_METRICS, *SIGNS, *STREAM_METRICS, *SPEED_METRICS):
                raise SettingsError(f"{gate} is not a gate of a region. Regions have min_neg, max_gap and the like.")
            gates.append(gate)
    refuse_twice(gates)
    return effective([gates])
