"""`PerShot`: a clip encoded with a CRF for each shot, and the comparison with one CRF for the whole clip."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_vmaf.encoding.encode import TrialEncode
from pytest_vmaf.encoding.rate_modes import at, noun_of
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.html_views import html_of
from pytest_vmaf.media.shots import Shot
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.search.bdrate import rate_at
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe
from pytest_vmaf.search.rate_curve import curve
from pytest_vmaf.text import plural


@dataclass(frozen=True)
class ShotAnswer:
    """What one shot needs.

    Attributes:
        shot: The first frame of the shot and its number of frames.
        probe: The encode that became part of the joined one.
        met: Whether that encode reaches the target.
        why: A sentence about the CRF, or about the reason why the target is not met.
        probes: How many trial encodes the search of this shot made.
        score: The metric over the frames of this shot in the joined encode.
        fixed_score: The metric over the same frames in the encode with one CRF for the whole clip, None without one.
    """

    shot: Shot
    probe: Probe
    met: bool
    why: str
    probes: int
    score: float
    fixed_score: float | None = None

    @property
    def crf(self) -> int:
        """The CRF of this shot."""
        return self.probe.crf


@dataclass(frozen=True, repr=False)
class PerShot:
    """A clip encoded shot by shot.

    Attributes:
        name: The encoder and its preset.
        reference: The name of the source.
        target: The target score.
        metric: The metric of the target.
        shots: The shots in order.
        encode: The joined encode.
        result: The score of the joined encode.
        fixed: The search for the one CRF whose encode of the whole clip has at least the score of the joined encode.
            None if it was not requested.
    """

    name: str
    reference: str
    target: float
    metric: Metric
    shots: tuple[ShotAnswer, ...]
    encode: TrialEncode
    result: Result
    fixed: Bisection | None

    @property
    def score(self) -> float:
        """The metric of the joined encode."""
        return float(self.metric.of(self.result))

    @property
    def number(self) -> str:
        """What each shot has one of: "CRF" or "bitrate"."""
        return noun_of(self.encode.mode)

    @property
    def bitrate(self) -> float:
        """Mean bitrate of the joined encode, in bit/s."""
        return self.encode.bitrate

    @property
    def met(self) -> bool:
        """Whether every shot and the joined encode reach the target."""
        return self.score >= self.target and all(answer.met for answer in self.shots)

    @property
    def fixed_bitrate(self) -> float:
        """The bitrate (bit/s) at which one CRF for the whole clip has the score of the joined encode, interpolated.

        Raises:
            MeasurementError: If the comparison was not requested, or one CRF does not reach that score.
        """
        why = "it was not requested"
        if self.fixed is not None:
            why = "; ".join(answer.why for answer in self.fixed.answers.values())
            # Fewer than two points are not a curve.
            with suppress(MeasurementError):
                if rate := rate_at(curve(self.fixed.points, self.metric), self.score):
                    return rate
        raise MeasurementError(f"One CRF for the whole clip at {self.metric} {self.score:.3f} is not known: {why}.")

    @property
    def rate_change(self) -> float:
        """How much more bitrate the joined encode has than one CRF at equal score, in percent. Negative is less.

        Raises:
            MeasurementError: As `fixed_bitrate`.
        """
        return (self.bitrate / self.fixed_bitrate - 1) * 100

    @property
    def worst_shot(self) -> float:
        """The lowest score of any shot in the joined encode, pooled like the metric."""
        return min(answer.score for answer in self.shots)

    @property
    def fixed_worst_shot(self) -> float | None:
        """The lowest score of any shot in the encode with one CRF for the whole clip, None without one.

        That encode scores at least as high as the joined one as a whole. What a CRF for each shot gains is that no shot
        is much worse than the others.
        """
        scores = [answer.fixed_score for answer in self.shots if answer.fixed_score is not None]
        return min(scores, default=None)

    @property
    def probes(self) -> int:
        """How many trial encodes all searches made."""
        return sum(answer.probes for answer in self.shots) + (len(self.fixed.probes) if self.fixed else 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data. Bitrates are in bit/s, sizes in bytes."""
        return {
            "schema": 1,
            "encoder": self.name,
            "reference": self.reference,
            "metric": str(self.metric),
            "target": self.target,
            "met": self.met,
            "score": self.score,
            "vmaf": float(self.result.vmaf),
            "neg": float(self.result.neg),
            "bitrate": self.bitrate,
            "size": self.encode.size,
            "path": self.encode.path and str(self.encode.path),
            "worst_shot": self.worst_shot,
            "shots": [
                {
                    "start": answer.shot.start,
                    "frames": answer.shot.frames,
                    "crf": answer.crf,
                    "score": answer.score,
                    "fixed_score": answer.fixed_score,
                    "bitrate": answer.probe.bitrate,
                    "size": answer.probe.encode.size,
                    "met": answer.met,
                }
                for answer in self.shots
            ],
            "fixed": None if self.fixed is None else self._fixed_record(self.fixed),
            "models": {key: self.result.provenance[key] for key in ("model", "neg_model", "generation", "libvmaf")},
        }

    def to_json(self) -> str:
        """The data of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def _repr_html_(self) -> str | None:
        """The search's section of the report, for notebooks."""
        return html_of(self)

    def to_rows(self) -> list[dict[str, Any]]:
        """One row per shot, for a table or a DataFrame."""
        shots: list[dict[str, Any]] = self.to_dict()["shots"]
        return shots

    def _fixed_record(self, fixed: Bisection) -> dict[str, Any]:
        answer = next(iter(fixed.answers.values()))
        record: dict[str, Any] = {"crf": answer.crf if answer.met else None, "outcome": answer.outcome}
        record["worst_shot"] = self.fixed_worst_shot
        with suppress(MeasurementError):
            record |= {"bitrate": self.fixed_bitrate, "rate_change_percent": self.rate_change}
        return record

    def __repr__(self) -> str:
        score = f"{self.metric} {self.score:.3f}, {self.bitrate:.0f} bit/s"
        return f"<PerShot of {self.name}: {plural(len(self.shots), 'shot')}, {score}>"

    def __str__(self) -> str:
        lines = [
            f"{self.name} on {self.reference}: {plural(len(self.shots), 'shot')} at {self.metric} {self.target:g}, "
            f"joined {self.score:.3f} at {self.bitrate / 1000:.1f} kbit/s, {self.probes} encodes"
        ]
        for answer in self.shots:
            last = answer.shot.start + answer.shot.frames - 1
            note = "" if answer.met else f" ({answer.why})"
            number = at(answer.probe.encode.mode, answer.crf)
            lines.append(
                f"  frames {answer.shot.start} to {last}: {number}, {answer.score:.3f}, "
                f"{answer.probe.bitrate / 1000:.1f} kbit/s{note}"
            )
        return "\n".join([*lines, *(f"  {line}" for line in self.against_fixed)])

    @property
    def against_fixed(self) -> tuple[str, ...]:
        """Sentences about the worst shot, and about one CRF for the whole clip."""
        lines = [f"The worst shot has {self.metric} {self.worst_shot:.3f}."]
        if self.fixed is not None:
            if self.fixed_worst_shot is not None:
                lines = [f"{lines[0][:-1]}, and {self.fixed_worst_shot:.3f} with one {self.number}."]
            why = "; ".join(answer.why for answer in self.fixed.answers.values())
            change = ""
            with suppress(MeasurementError):
                change = f"; at equal score, a {self.number} for each shot takes {self.rate_change:+.2f} % bitrate"
            lines.append(f"One {self.number} for the whole clip: {why}{change}.")
        return tuple(lines)
