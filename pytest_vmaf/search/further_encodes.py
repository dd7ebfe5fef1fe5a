"""Further trial encodes of a search: around the targets by VMAF and NEG, around bitrates, and of short scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan
from pytest_vmaf.search.coverage import next_crf
from pytest_vmaf.search.probe import Prober

#: Encodes per target that `cover_twin` usually makes.
USUAL_COVER = 1.5
#: Learned codecs have so few qualities: a curve of a search's two or three has no BD-rate.
SHORT_SCALE = 8


def cover_twin(request: BisectRequest, plan: SearchPlan, prober: Prober, targets: Sequence[float]) -> None:
    """Encode on until the other one of NEG and VMAF is known closely on both sides of each target, if it gets there."""
    other = replace(request.metric, name="vmaf" if request.metric.name == "neg" else "neg")
    steps = request.steps
    progress = plan.progress or (lambda done, expected: None)
    for number, target in enumerate(targets, 1):
        while True:
            points = [
                (steps.index(probe.crf), float(other.of(probe.result)), probe.encode.size)
                for probe in prober.probes.values()
            ]
            following = next_crf(points, target, 0, len(steps) - 1)
            if following is None:
                break
            prober(steps[following])
            progress(len(prober.probes), len(prober.probes) + USUAL_COVER * (len(targets) - number))
    progress(len(prober.probes), len(prober.probes))


def cover_rates(request: BisectRequest, plan: SearchPlan, prober: Prober, answers: Sequence[float]) -> None:
    """Encode on until neighbouring CRFs surround each bitrate of the plan, and beyond those of the answers.

    Where the window ends, fewer encodes are made.
    """
    for rate in plan.rates if prober.probes else ():
        _surround(request, prober, rate, near=1.0)
    if plan.beyond > 1 and answers:
        rates = [prober.probes[crf].bitrate for crf in answers]
        for rate in (min(rates) / plan.beyond, max(rates) * plan.beyond):
            _surround(request, prober, rate, near=math.inf)


def cover_scale(request: BisectRequest, prober: Prober) -> None:
    """Encode at every number of a short scale, as far as the window goes."""
    if len(request.encoder.scale.steps) <= SHORT_SCALE:
        for crf in request.steps:
            if crf not in prober.probes:
                prober(crf)


def _surround(request: BisectRequest, prober: Prober, rate: float, near: float) -> None:
    """Encode until two encodes surround a bitrate in bit/s whose sizes differ by no more than the ratio `near`."""
    steps = request.steps
    while True:
        # As a score that falls with the CRF.
        points = [
            (steps.index(probe.crf), math.log(probe.bitrate), probe.encode.size) for probe in prober.probes.values()
        ]
        following = next_crf(points, math.log(rate), 0, len(steps) - 1, near)
        if following is None:
            break
        prober(steps[following])
