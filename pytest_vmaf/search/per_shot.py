"""What shot-by-shot encoding found: an answer a shot, the joined encode, and one CRF beside it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_vmaf.encoding.encode import Encode
from pytest_vmaf.encoding.shots import Shot
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.search.bdrate import rate_at
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.comparison import curve
from pytest_vmaf.search.probe import Metric, Probe


@dataclass(frozen=True)
class ShotAnswer:
    """What one shot needs. ``probe`` is the encode that went into the joined one; ``met`` says if it has the target.

    ``score`` is the metric over the shot's frames in the joined encode, ``fixed_score`` that in the encode of the one
    CRF for the whole clip, None where there is none. ``probes`` is how many encodes its search took.
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
        """The shot's CRF."""
        return self.probe.crf


@dataclass(frozen=True, repr=False)
class PerShot:
    """A clip encoded shot by shot. ``result`` and ``encode`` are those of the joined encode as a whole.

    ``fixed`` is the search of the one CRF for the whole clip that has at least the joined encode's score.
    """

    name: str
    reference: str
    target: float
    metric: Metric
    shots: tuple[ShotAnswer, ...]
    encode: Encode
    result: Result
    fixed: Bisection | None

    @property
    def score(self) -> float:
        """The metric of the joined encode."""
        return float(self.metric.of(self.result))

    @property
    def bitrate(self) -> float:
        """Mean bit/s of the joined encode."""
        return self.encode.bitrate

    @property
    def met(self) -> bool:
        """Whether each shot and the joined encode have the target."""
        return self.score >= self.target and all(answer.met for answer in self.shots)

    @property
    def fixed_bitrate(self) -> float:
        """What one CRF for the whole clip spends for the joined encode's score, in bit/s, interpolated.

        Raises MeasurementError where it was not asked for or does not get there.
        """
        why = "it was not asked for"
        if self.fixed is not None:
            why = "; ".join(answer.why for answer in self.fixed.answers.values())
            # Fewer than two points are no curve.
            with suppress(MeasurementError):
                if rate := rate_at(curve(self.fixed.probes, self.metric), self.score):
                    return rate
        raise MeasurementError(f"One CRF for the whole clip at {self.metric} {self.score:.3f} is not known: {why}.")

    @property
    def rate_change(self) -> float:
        """How much more bitrate the joined encode has than one CRF at equal score, in percent; less is negative."""
        return (self.bitrate / self.fixed_bitrate - 1) * 100

    @property
    def worst_shot(self) -> float:
        """The lowest score of any shot in the joined encode, its frames pooled as the metric says."""
        return min(answer.score for answer in self.shots)

    @property
    def fixed_worst_shot(self) -> float | None:
        """The lowest score of any shot in the encode with one CRF that scores no less; None where there is none.

        What the shots' own CRFs buy at equal score of the whole is that no shot is much worse than the others.
        """
        scores = [answer.fixed_score for answer in self.shots if answer.fixed_score is not None]
        return min(scores, default=None)

    @property
    def probes(self) -> int:
        """How many encodes the searches took."""
        return sum(answer.probes for answer in self.shots) + (len(self.fixed.probes) if self.fixed else 0)

    def to_record(self) -> dict[str, Any]:
        """As plain data."""
        fixed: dict[str, Any] | None = None
        if self.fixed is not None:
            answer = next(iter(self.fixed.answers.values()))
            fixed = {"crf": answer.crf if answer.met else None, "outcome": answer.outcome}
            fixed["worst_shot"] = self.fixed_worst_shot
            with suppress(MeasurementError):
                fixed |= {"bitrate": self.fixed_bitrate, "rate_change_percent": self.rate_change}
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
            "fixed": fixed,
            "models": {key: self.result.provenance[key] for key in ("model", "neg_model", "generation", "libvmaf")},
        }

    def __repr__(self) -> str:
        scored = f"{self.metric} {self.score:.3f}, {self.bitrate:.0f} bit/s"
        return f"<PerShot of {self.name}: {len(self.shots)} shots, {scored}>"

    def __str__(self) -> str:
        lines = [
            f"{self.name} on {self.reference}: {len(self.shots)} shots at {self.metric} {self.target:g}, joined "
            f"{self.score:.3f} at {self.bitrate / 1000:.1f} kbit/s, {self.probes} encodes"
        ]
        for answer in self.shots:
            last = answer.shot.start + answer.shot.frames - 1
            note = "" if answer.met else f" ({answer.why})"
            lines.append(
                f"  frames {answer.shot.start} to {last}: CRF {answer.crf}, {answer.score:.3f}, "
                f"{answer.probe.bitrate / 1000:.1f} kbit/s{note}"
            )
        return "\n".join([*lines, *(f"  {line}" for line in self.against_fixed)])

    @property
    def against_fixed(self) -> tuple[str, ...]:
        """The worst shot, and what one CRF for the whole clip would give and take, in sentences."""
        lines = [f"The worst shot has {self.metric} {self.worst_shot:.3f}."]
        if self.fixed is not None:
            if self.fixed_worst_shot is not None:
                lines = [f"{lines[0][:-1]}, and {self.fixed_worst_shot:.3f} with one CRF."]
            why = "; ".join(answer.why for answer in self.fixed.answers.values())
            said = f"One CRF for the whole clip: {why}"
            with suppress(MeasurementError):
                said += f"; at equal score the shots' own spend {self.rate_change:+.2f} % bitrate beside it"
            lines.append(f"{said}.")
        return tuple(lines)
