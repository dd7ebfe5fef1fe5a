"""Points: the trial encodes that answers rest on, and further ones around targets, bitrates and on short scales.

All points are measured completely, and which encodes are points depends on the answers alone. So curves and BD-rates
are the same whatever way the search took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pytest_vmaf.search.bdrate import LEAST_POINTS
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan
from pytest_vmaf.search.bisection import MET
from pytest_vmaf.search.coverage import next_crf
from pytest_vmaf.search.crf_search import Crossing
from pytest_vmaf.search.probe import Probe
from pytest_vmaf.search.prober import Prober

#: Encodes per target that covering the twin usually makes.
USUAL_COVER = 1.5
#: Learned codecs have so few qualities: a curve of a search's two or three has no BD-rate.
SHORT_SCALE = 8
#: The distance of points that are only made because a curve needs more of them, as a share of the scale.
STRIDE = 1 / 12


@dataclass
class Points:
    """The points of one search.

    Attributes:
        request: The request.
        plan: How the search is conducted.
        prober: What makes the encodes.
        probes: By place on the scale, the points so far.
    """

    request: BisectRequest
    plan: SearchPlan
    prober: Prober
    probes: dict[int, Probe] = field(default_factory=dict)

    def prove(self, crossings: Sequence[Crossing]) -> None:
        """Measure what the answers rest on completely: each with its neighbour, or what shows why there is none."""
        last = len(self.request.steps) - 1
        for crossing in crossings:
            places = [] if crossing.crf is None else [crossing.crf, min(crossing.crf + 1, last)]
            if crossing.outcome == "below at the finest":
                places = [0]
            for place in (*places, *(crossing.reversed or ())):
                self.add(place)

    def add(self, place: int) -> None:
        """Measure a place on the scale completely; it is encoded if it was not before."""
        self.probes[place] = self.prober.complete(self.request.steps[place])

    def cover(self, crossings: Sequence[Crossing]) -> None:
        """Encode what the plan asks for beyond the answers."""
        met = [crossing for crossing in crossings if crossing.outcome in MET]
        if not self.probes:
            return
        if self.plan.points:
            self._cover_whole([crossing.crf for crossing in met if crossing.crf is not None])
        if self.plan.cover:
            self._cover_twin([crossing.target for crossing in met])
        self._cover_rates([crossing.crf for crossing in met if crossing.crf is not None])
        if self.plan.curve:
            self._cover_scale()
        self._cover_least()

    def _cover_twin(self, targets: Sequence[float]) -> None:
        """Encode on until the other one of NEG and VMAF is known closely on both sides of each target."""
        metric, prober = self.request.metric, self.prober
        other = replace(metric, name="vmaf" if metric.name == "neg" else "neg")
        progress = self.plan.progress or (lambda done, expected: None)
        for number, target in enumerate(targets, 1):
            while True:
                points = [
                    (place, float(other.of(probe.result)), probe.encode.size) for place, probe in self.probes.items()
                ]
                if (following := next_crf(points, target, 0, len(self.request.steps) - 1)) is None:
                    break
                self.add(self._whole_near(following))
                progress(len(prober.probes), len(prober.probes) + USUAL_COVER * (len(targets) - number))
        progress(len(prober.probes), len(prober.probes))

    def _cover_rates(self, answers: Sequence[int]) -> None:
        """Encode on until neighbouring CRFs surround each bitrate of the plan, and beyond those of the answers.

        Where the window ends, fewer encodes are made.
        """
        for rate in self.plan.rates:
            self._surround(rate, near=1.0)
        if self.plan.beyond > 1 and answers:
            rates = [self.probes[place].bitrate for place in answers]
            for rate in (min(rates) / self.plan.beyond, max(rates) * self.plan.beyond):
                self._surround(rate, near=math.inf)

    def _cover_scale(self) -> None:
        """Encode at every number of a short scale, as far as the window goes."""
        if len(self.request.encoder.scale.steps) <= SHORT_SCALE:
            for place in range(len(self.request.steps)):
                self.add(place)

    def _cover_whole(self, answers: Sequence[int]) -> None:
        """In steps of less than one CRF, encode at the whole CRFs around each answer, from which BD-rates are made."""
        for place in answers if self.request.encoder.crf_step != 1 else ():
            for inside in (range(place, -1, -1), range(place + 1, len(self.request.steps))):
                if (whole := next((each for each in inside if each in self._whole), None)) is not None:
                    self.add(whole)

    def _cover_least(self) -> None:
        """Encode on, outwards in turn, until there are as many points as the plan asks for, or no room is left."""
        whole = self._whole
        last, stride = len(whole) - 1, max(1, round(len(whole) * STRIDE))
        while len(known := [each for each, place in enumerate(whole) if place in self.probes]) < min(
            self.plan.points, last + 1
        ):
            low, high = min(known, default=last // 2), max(known, default=last // 2)
            inside = [each for each in range(low, high + 1) if each not in known]
            if known and high < last and (low == 0 or len(known) % 2):
                self.add(whole[min(high + stride, last)])
            elif known and low > 0:
                self.add(whole[max(low - stride, 0)])
            else:
                self.add(whole[inside[len(inside) // 2]])

    @property
    def _whole(self) -> Sequence[int]:
        """The places of whole CRFs; all places if there are too few of them for a curve, or other numbers."""
        steps = self.request.steps
        whole = [place for place, crf in enumerate(steps) if crf % 1 == 0]
        return whole if self.request.encoder.crf_step != 1 and len(whole) >= LEAST_POINTS else range(len(steps))

    def _whole_near(self, place: int) -> int:
        """The whole CRF nearest to a place, or the place if that is known already."""
        near = min(self._whole, key=lambda each: abs(each - place))
        return place if near in self.probes else near

    def _surround(self, rate: float, near: float) -> None:
        """Encode until two encodes surround a bitrate in bit/s whose sizes differ by no more than the ratio `near`."""
        while True:
            # As a score that falls with the CRF.
            points = [(place, math.log(probe.bitrate), probe.encode.size) for place, probe in self.probes.items()]
            following = next_crf(points, math.log(rate), 0, len(self.request.steps) - 1, near)
            if following is None:
                break
            self.add(following if near == 1 else self._whole_near(following))
