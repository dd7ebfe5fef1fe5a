"""What a search found: an answer for each target, the probes, and how both are said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pytest_vmaf.encoding.encode import Encode
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.errors import GateViolation
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.search.probe import Metric, Probe

MET = ("met", "met at the coarsest")


@dataclass(frozen=True, repr=False)
class Answer:
    """What a search found for one target. ``probe`` is the crossing, ``next_probe`` its coarser neighbour.

    ``outcome`` says how it ended: "met", "met at the coarsest" (no coarser number to go to), "below at the finest",
    "above the ceiling" (no encode was spent), "not monotone". ``why`` is a sentence about it. Of a target that was not
    met, ``crf`` and the others raise GateViolation with that sentence: no assertion on them can hold.
    """

    target: float
    metric: Metric
    outcome: str
    why: str
    probe: Probe | None = None
    next_probe: Probe | None = None

    @property
    def met(self) -> bool:
        """Whether the target is reached, at a CRF that is known exactly."""
        return self.outcome in MET

    @property
    def crf(self) -> int:
        """The coarsest number on the encoder's scale whose score is still at or above the target."""
        __tracebackhide__ = True
        return self._reached.crf

    @property
    def score(self) -> float:
        """The metric at that CRF."""
        __tracebackhide__ = True
        return self._reached.score

    @property
    def clip(self) -> Clip:
        """The encode at that CRF as a clip, for `vmaf.check(source, bisection[96])`. Needs `keep=`."""
        __tracebackhide__ = True
        return self.encode.clip

    @property
    def next_score(self) -> float | None:
        """The metric one step coarser, below the target; None at the end of the scale."""
        __tracebackhide__ = True
        _ = self._reached
        return None if self.next_probe is None else self.next_probe.score

    @property
    def bitrate(self) -> float:
        """Mean bit/s of the video stream."""
        __tracebackhide__ = True
        return self._reached.encode.bitrate

    @property
    def size(self) -> int:
        """Bytes of the video stream."""
        __tracebackhide__ = True
        return self._reached.encode.size

    @property
    def encode(self) -> Encode:
        """The encode; its path is None unless it was asked to be kept."""
        __tracebackhide__ = True
        return self._reached.encode

    @property
    def result(self) -> Result:
        """The whole measurement: both models, per frame."""
        __tracebackhide__ = True
        return self._reached.result

    @property
    def _reached(self) -> Probe:
        __tracebackhide__ = True
        if self.probe is None or not self.met:
            raise GateViolation(self.why)
        return self.probe

    def __repr__(self) -> str:
        return f"<{self.why}>"


@dataclass(frozen=True)
class Speed:
    """Frames per second of an encoder and of ffmpeg's decoder for what it wrote, each alone on the machine."""

    crf: int
    encode: float
    decode: float


@dataclass(frozen=True, repr=False)
class Bisection:
    """What one encoder needs for each target. ``found[96]`` is the Answer for 96.

    ``ceiling`` is the metric of ``self_score``, the reference against itself (or the undistorted source against it,
    where that is another clip). ``probes`` are all encodes and their scores, in the order they were made; ``sample`` is
    the first frame and the number of frames where only a part of the clip was searched.
    """

    encoder: Encoder
    name: str
    reference: str
    arguments: tuple[str, ...]
    metric: Metric
    ceiling: float
    self_score: Result
    answers: Mapping[float, Answer]
    probes: tuple[Probe, ...]
    sample: tuple[int, int] | None = None
    speed: Speed | None = None
    #: Further probes of the answers' CRFs, where each was asked to be encoded several times.
    repeats: Mapping[int, tuple[Probe, ...]] = field(default_factory=dict)

    def __getitem__(self, target: float) -> Answer:
        if target not in self.answers:
            raise KeyError(f"{target!r} is none of the targets: {', '.join(f'{t:g}' for t in self.answers)}")
        return self.answers[target]

    def __iter__(self) -> Iterator[float]:
        """The targets, as of a mapping."""
        return iter(self.answers)

    def __contains__(self, target: object) -> bool:
        return target in self.answers

    @property
    def met(self) -> bool:
        """Whether every target is met."""
        return all(answer.met for answer in self.answers.values())

    def __repr__(self) -> str:
        return (
            f"<Bisection of {self.name}, {len(self.probes)} probes: {'; '.join(a.why for a in self.answers.values())}>"
        )

    def __str__(self) -> str:
        arguments = f" {' '.join(self.arguments)}" if self.arguments else ""
        frames = f", frames {self.sample[0]} to {sum(self.sample) - 1}" if self.sample else ""
        head = (
            f"{self.name}{arguments} on {self.reference}{frames}: {self.metric}, ceiling {self.ceiling:.2f}, "
            f"{len(self.probes)} encodes"
        )
        rows: list[tuple[str, ...]] = [("target", "CRF", str(self.metric), "next", "kbit/s", "bytes", "outcome")]
        for answer in self.answers.values():
            shown = [f"{answer.target:g}", *["–"] * 5, answer.outcome]
            if answer.met:
                following = "–" if answer.next_score is None else f"{answer.next_score:.3f}"
                shown[1:4] = [str(answer.crf), f"{answer.score:.3f}", following]
                shown[4:6] = [f"{answer.bitrate / 1000:.1f}", str(answer.size)]
            rows.append(tuple(shown))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        lines = ["  ".join([*(c.rjust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
        return "\n".join([head, *(f"  {line}" for line in lines)])
