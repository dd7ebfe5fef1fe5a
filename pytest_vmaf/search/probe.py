"""Trial: one trial encode of a search. Probe: one that an answer rests on, which is measured completely."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Self

from pytest_vmaf.encoding.encode import TrialEncode
from pytest_vmaf.encoding.rate_modes import at
from pytest_vmaf.gates.defaults import DEFAULT_GATES
from pytest_vmaf.scoring.models import ModelPair
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import ScoreLog
from pytest_vmaf.scoring.signs import enhancement_of

#: The first word of the note about an enhanced encode.
ENHANCED = "enhancement"
#: The part of a result's provenance that two runs must share to be comparable, and that repeats them.
MADE_WITH = ("pytest_vmaf", "model", "neg_model", "generation", "clip", "scorer", "scorer_version", "ffmpeg", "libvmaf")


def enhancement_notes(log: ScoreLog, models: ModelPair) -> list[str]:
    """A note if a trial encode is enhanced beyond what `check` accepts by default. Searches have no such gate."""
    frames, limit = enhancement_of(log, models), float(DEFAULT_GATES["max_enhancement"])
    if not frames or fmean(frames) <= limit:
        return []
    return [
        f"{ENHANCED} {fmean(frames):.1f} is above {limit:g}, the limit of check: the encoder, or a filter before it, "
        "sharpens"
    ]


@dataclass(frozen=True, repr=False)
class Trial:
    """One trial encode of a search.

    Attributes:
        crf: The CRF.
        score: The score by the metric of the search.
        result: The complete measurement. None for encodes that no answer rests on: only their score counts.
        encode: What the encoder wrote.
    """

    crf: int
    score: float
    result: Result | None
    encode: TrialEncode

    @property
    def bitrate(self) -> float:
        """The mean bitrate of the video stream, in bit/s."""
        return self.encode.bitrate

    def to_dict(self) -> dict[str, Any]:
        """The trial encode and its scores as plain data; `command` repeats both. VMAF and NEG are None if unknown."""
        result, encode = self.result, self.encode
        return {
            "crf": self.crf,
            "score": self.score,
            "vmaf": result and float(result.vmaf),
            "neg": result and float(result.neg),
            "gap": result and float(result.gap),
            "bitrate": encode.bitrate,
            "size": encode.size,
            "frames": encode.frames,
            "duration": encode.duration,
            "path": encode.path and str(encode.path),
            "command": result.provenance["command"] if result else encode.command,
        }

    def without_file(self) -> Self:
        """The same trial encode, of which no file is left."""
        return replace(self, encode=self.encode.without_file())

    def without_result(self) -> Trial:
        """The same trial encode with its score alone."""
        return Trial(self.crf, self.score, None, self.encode)

    def __repr__(self) -> str:
        number = at(self.encode.mode, self.crf)
        return f"<{self.encode.name} {number}: {self.score:.3f}, {self.bitrate / 1000:.1f} kbit/s>"


@dataclass(frozen=True, repr=False)
class Probe(Trial):
    """A trial encode that an answer rests on: it was measured completely. The attributes are those of `Trial`."""

    result: Result
