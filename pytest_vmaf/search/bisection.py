"""Bisection: what one encoder needs for each target, with an Answer for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_vmaf.encoding.encode import TrialEncode
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.rate_modes import at, noun_of, unit_of
from pytest_vmaf.encoding.scale import as_crf
from pytest_vmaf.errors import GateViolation
from pytest_vmaf.html_views import html_of
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.search.crf_search import Outcome
from pytest_vmaf.search.determinism import Determinism, RepeatedEncode
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import ENHANCED, MADE_WITH, Probe, Trial
from pytest_vmaf.search.speed import Speed

# pytest shows the caller's line, not ours.
__tracebackhide__ = True
MET = ("met", "met at the coarsest")


@dataclass(frozen=True, repr=False)
class Answer:
    """The result of a search for one target.

    The properties `crf`, `score`, `next_score`, `bitrate`, `size`, `encode` and `result` raise `GateViolation` if the
    target was not met, so that no assertion about them can pass.

    Attributes:
        target: The score to reach.
        metric: What the target is a score of.
        outcome: How the search ended: "met"; "met at the coarsest" CRF, which has no coarser neighbour; "below at the
            finest" CRF; "above the ceiling", so that nothing was encoded; "not monotone", where no single CRF divides
            the scores.
        encoder: The encoder's name.
        ceiling: The score of the reference compared with itself.
        probe: The trial encode at the operating point: the coarsest CRF that reaches the target.
        next_probe: Its coarser neighbour, which does not reach the target; None at the end of the scale.
        evidence: (CRF, score) of the trial encodes that show why the target is not met.
        mode: What `crf` is: `"crf"`, or kbit/s in one pass (`"bitrate"`) or in two (`"2pass"`).
    """

    target: float
    metric: Metric
    outcome: Outcome
    encoder: str
    ceiling: float
    probe: Probe | None = None
    next_probe: Probe | None = None
    evidence: tuple[tuple[float, float], ...] = ()
    mode: str = "crf"

    @property
    def met(self) -> bool:
        """Whether an operating point is known exactly that reaches the target."""
        return self.outcome in MET

    @property
    def crf(self) -> int:
        """The operating point: the coarsest number on the encoder's scale whose score is at or above the target."""
        return self._reached.crf

    @property
    def score(self) -> float:
        """The metric's score at that CRF."""
        return self._reached.score

    @property
    def next_score(self) -> float | None:
        """The score one CRF coarser, below the target; None at the end of the scale."""
        _ = self._reached
        return None if self.next_probe is None else self.next_probe.score

    @property
    def bitrate(self) -> float:
        """The mean bitrate of the encode's video stream, in bit/s."""
        return self._reached.bitrate

    @property
    def size(self) -> int:
        """The size of the encode's video stream, in bytes."""
        return self._reached.encode.size

    @property
    def encode(self) -> TrialEncode:
        """The encode. Its path is None unless the search was given a folder to keep it in."""
        return self._reached.encode

    @property
    def clip(self) -> Clip:
        """The encode as a clip, for `vmaf.check(source, bisection[96])`. Needs `keep=`."""
        return self.encode.clip

    @property
    def result(self) -> Result:
        """The complete measurement of the encode: VMAF and NEG of every frame."""
        return self._reached.result

    @property
    def why(self) -> str:
        """The operating point, or the reason why there is none, as a sentence without its full stop."""
        what = f"{self.metric} {self.target:g} of {self.encoder}"
        if self.met and self.probe:
            after = self.next_probe and f"; {at(self.mode, self.next_probe.crf)}: {self.next_probe.score:.3f}"
            end = ", the coarsest" if self.outcome == "met at the coarsest" else ""
            scores = f"{self.probe.score:.3f}{after or ''}"
            return f"{what}: {at(self.mode, self.probe.crf)} ({scores}){end}, {self.probe.bitrate / 1000:.1f} kbit/s"
        scores = " and ".join(f"{at(self.mode, crf)} has {score:.3f}" for crf, score in self.evidence)
        if self.outcome == "above the ceiling":
            return f"{what} cannot be reached: the reference itself has {self.ceiling:.3f}"
        if self.outcome == "below at the finest":
            return f"{what} is not reached: {scores.replace(' has', ', the finest, has')}"
        return f"{what} has no single {noun_of(self.mode)}, because the scores do not fall: {scores}"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of a table: target, CRF, score, next score, kbit/s, bytes and outcome."""
        numbers = ["–"] * 5
        if self.met:
            after = "–" if self.next_score is None else f"{self.next_score:.3f}"
            numbers = [str(self.crf), f"{self.score:.3f}", after, f"{self.bitrate / 1000:.1f}", str(self.size)]
        return (f"{self.target:g}", *numbers, self.outcome)

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data; without numbers of an encode if the target is not met."""
        data: dict[str, Any] = {"target": self.target, "outcome": self.outcome, "met": self.met, "why": self.why}
        if self.met and self.probe:
            data |= {**self.probe.to_dict(), "next_score": self.next_score}
            del data["command"]
        return data

    @property
    def _reached(self) -> Probe:
        if self.probe is None or not self.met:
            raise GateViolation(self.why)
        return self.probe

    def __repr__(self) -> str:
        return f"<{self.why}>"


@dataclass(frozen=True, repr=False)
class Bisection:
    """What one encoder needs on one source for each target. `bisection[96]` is the `Answer` for 96.

    Iterating yields the targets, and `96 in bisection` tests for one, as for a mapping.

    Attributes:
        encoder: The encoder.
        name: The encoder with its preset.
        reference: The path of the reference.
        arguments: Further arguments of the encoder.
        metric: What the targets are scores of.
        ceiling: The score of `self_score`, which no encode exceeds.
        self_score: The reference compared with itself; with another source than the reference, that source, unencoded.
        answers: The answer for each target, in the targets' order.
        probes: All trial encodes with their scores, in the order they were made.
        sample: The first frame and the number of frames, if only a part of the source was searched.
        speed: The speed of encoder and decoder, if it was measured.
        repeats: By CRF, further encodes of the operating points, if repeated encodes were requested.
    """

    encoder: Encoder
    name: str
    reference: str
    arguments: tuple[str, ...]
    metric: Metric
    ceiling: float
    self_score: Result
    answers: Mapping[float, Answer]
    probes: tuple[Trial, ...]
    sample: tuple[int, int] | None = None
    speed: Speed | None = None
    repeats: Mapping[float, tuple[Probe, ...]] = field(default_factory=dict)

    def __getitem__(self, target: float) -> Answer:
        if target not in self.answers:
            targets = ", ".join(f"{known:g}" for known in self.answers)
            raise KeyError(f"{target!r} is not a target of this search; targets are {targets}.")
        return self.answers[target]

    def __iter__(self) -> Iterator[float]:
        return iter(self.answers)

    def __contains__(self, target: object) -> bool:
        return target in self.answers

    @property
    def points(self) -> tuple[Probe, ...]:
        """The trial encodes that the answers rest on, measured completely, and those made around them for curves.

        They depend on the answers alone, not on the way of the search. BD-rates and hulls are made of them.
        """
        return tuple(probe for probe in self.probes if isinstance(probe, Probe))

    @property
    def determinism(self) -> tuple[Determinism, ...]:
        """What the repeated encodes of each operating point have in common; empty without repeats."""
        by_crf: dict[float, Probe] = {probe.crf: probe for probe in self.points}
        repeated = []
        for crf, others in self.repeats.items():
            encodes = [
                RepeatedEncode(each.encode.checksum or f"{number}", each.encode.size, each.bitrate, each.result)
                for number, each in enumerate((by_crf[crf], *others))
            ]
            mode = self.encoder.mode
            repeated.append(Determinism(self.name, as_crf(crf), self.reference, tuple(encodes), mode=mode))
        return tuple(repeated)

    @property
    def met(self) -> bool:
        """Whether every target is met."""
        return all(answer.met for answer in self.answers.values())

    def to_dict(self) -> dict[str, Any]:
        """The search as plain data: answers in the targets' order, trial encodes in the order they were made."""
        sample, speed = self.sample, self.speed
        provenance = self.points[0].result.provenance if self.points else {}
        return {
            "encoder": self.encoder.name,
            "name": self.name,
            "mode": self.encoder.mode,
            "arguments": list(self.arguments),
            "reference": self.reference,
            "metric": self.metric.text,
            "neg": self.metric.name == "neg",
            "ceiling": self.ceiling,
            "sample": sample and {"start": sample[0], "frames": sample[1]},
            "met": self.met,
            "answers": [answer.to_dict() for answer in self.answers.values()],
            "speed": speed and {"crf": speed.crf, "encode": speed.encode, "decode": speed.decode},
            "probes": [probe.to_dict() for probe in self.probes],
            "made_with": {name: provenance.get(name) for name in MADE_WITH} if provenance else {},
        }

    def to_json(self) -> str:
        """The data of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def _repr_html_(self) -> str | None:
        """The search's section of the report, for notebooks."""
        return html_of(self)

    def to_rows(self) -> list[dict[str, Any]]:
        """One row per trial encode, for a table or a DataFrame."""
        return [{"encoder": self.name, **probe.to_dict()} for probe in self.probes]

    def __repr__(self) -> str:
        reasons = "; ".join(answer.why for answer in self.answers.values())
        return f"<Bisection of {self.name}, {len(self.probes)} encodes: {reasons}>"

    def __str__(self) -> str:
        columns = ("target", unit_of(self.encoder.mode), str(self.metric), "next", "kbit/s", "bytes", "outcome")
        rows = [columns, *(answer.cells for answer in self.answers.values())]
        *widths, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = ["  ".join([*(c.rjust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
        head = (
            f"{' '.join([self.name, *self.arguments])} on {sample_name(self.reference, self.sample)}: {self.metric}, "
            f"ceiling {self.ceiling:.2f}, {len(self.probes)} encodes"
        )
        return "\n  ".join([head, *lines, *(f"note: {note}" for note in self.notes)])

    @property
    def notes(self) -> tuple[str, ...]:
        """Which operating points are enhanced beyond what `check` accepts by default, a sentence each."""
        return tuple(
            f"at {answer.target:g}, {note}"
            for answer in self.answers.values()
            if answer.met
            for note in answer.result.provenance["notes"]
            if note.startswith(ENHANCED)
        )


def sample_name(name: str, sample: tuple[int, int] | None) -> str:
    """The reference's name, with the range of frames if only a sample of it is scored."""
    return name if sample is None else f"{name}, frames {sample[0]} to {sum(sample) - 1}"
