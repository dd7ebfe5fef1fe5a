"""Determinism: whether an encoder writes the same each time, and if not, by how much its encodes differ."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from pytest_vmaf.encoding.packet_digests import PacketDifference
from pytest_vmaf.encoding.rate_modes import at
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.text import plural

#: The same bits; the same scores of each frame; neither.
DeterminismLevel = Literal["bitstream", "quality", "noisy"]
WORDS = {"bitstream": "deterministic", "quality": "deterministic in quality", "noisy": "noisy"}


@dataclass(frozen=True)
class RepeatedEncode:
    """One of several encodes of the same source with the same settings.

    Attributes:
        digest: The digest of its packets (SHA-256).
        size: Bytes of all packets.
        bitrate: The mean bitrate in bit/s.
        result: Its scores; None if all encodes are the same, bit for bit.
    """

    digest: str
    size: int
    bitrate: float
    result: Result | None = None


@dataclass(frozen=True)
class Spread:
    """The mean of a number over repeated encodes, and the standard error of that mean."""

    mean: float
    standard_error: float


@dataclass(frozen=True)
class FrameDifference:
    """The first frame whose score differs between encodes.

    Attributes:
        frame: Its index.
        moment: The frame with its time, for example "frame 7 (0:00.280)".
        scores: Its NEG in the first encode, and in the one that differs.
        count: How many frames differ in all, in any encode.
        frames: How many frames there are.
    """

    frame: int
    moment: str
    scores: tuple[float, float]
    count: int
    frames: int

    def __str__(self) -> str:
        first, other = self.scores
        return f"{self.moment}: NEG {first:.4f} and {other:.4f}; {self.count} of {plural(self.frames, 'frame')} differ"


@dataclass(frozen=True, repr=False)
class Determinism:
    """Repeated encodes of an encoder at one CRF, and what they have in common.

    Attributes:
        name: The encoder and its preset.
        crf: The CRF.
        reference: The path of the source.
        encodes: The encodes, in the order in which they were made.
        packet_difference: The first packet that is not that of the first encode; None if there is none.
        differs: The number of the first encode with such a packet, from 2 on; None if there is none.
        mode: What `crf` is: `"crf"`, or kbit/s in one pass (`"bitrate"`) or in two (`"2pass"`).
    """

    name: str
    crf: int
    reference: str
    encodes: tuple[RepeatedEncode, ...]
    packet_difference: PacketDifference | None = None
    differs: int | None = None
    mode: str = "crf"

    @property
    def level(self) -> DeterminismLevel:
        """`"bitstream"` if all packets are the same, `"quality"` if all frames have the same scores, or `"noisy"`."""
        if len({each.digest for each in self.encodes}) == 1:
            return "bitstream"
        return "noisy" if self.frame_difference else "quality"

    @property
    def neg(self) -> Spread | None:
        """Mean NEG with its standard error; None if all encodes are the same."""
        scores = [float(result.neg) for result in self._results]
        return spread(scores) if scores else None

    @property
    def bitrate(self) -> Spread:
        """Mean bitrate with its standard error, in bit/s."""
        return spread([each.bitrate for each in self.encodes])

    @property
    def frame_difference(self) -> FrameDifference | None:
        """The first frame whose NEG or VMAF is not the same in all encodes; None if there is none."""
        results = self._results
        if not results:
            return None
        columns = [[(a, b) for a, b in zip(*_frames(each), strict=True)] for each in results]
        differing = [n for n, values in enumerate(zip(*columns, strict=True)) if len(set(values)) > 1]
        if not differing:
            return None
        first = differing[0]
        other = next(column for column in columns if column[first] != columns[0][first])
        moment = results[0].context.time_code(first)
        return FrameDifference(first, moment, (columns[0][first][0], other[first][0]), len(differing), len(columns[0]))

    @property
    def _results(self) -> list[Result]:
        return [each.result for each in self.encodes if each.result is not None]

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        text = (
            f"{WORDS[self.level]}{' bit for bit' if self.level == 'bitstream' else ''} in {len(self.encodes)} encodes"
        )
        if self.level == "bitstream":
            return f"{text}, {self.bitrate.mean / 1000:.1f} kbit/s"
        bitrate, neg = self.bitrate, self.neg
        text += f", {bitrate.mean / 1000:.1f} ± {bitrate.standard_error / 1000:.2g} kbit/s"
        return text if neg is None else f"{text}, NEG {neg.mean:.3f} ± {neg.standard_error:.2g} (standard errors)"

    @property
    def difference(self) -> str:
        """What differs first, in words; "" if nothing does."""
        parts = []
        if self.packet_difference:
            parts.append(f"encode {self.differs} differs from the first in {self.packet_difference}")
        if self.frame_difference:
            parts.append(f"first frame with another score: {self.frame_difference}")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """The encodes and their verdict as plain data."""
        neg = self.neg
        return {
            "name": self.name,
            "crf": self.crf,
            "reference": self.reference,
            "level": self.level,
            "bitrate": vars(self.bitrate),
            "neg": neg and vars(neg),
            "packet_difference": self.packet_difference and vars(self.packet_difference),
            "frame_difference": self.frame_difference and vars(self.frame_difference),
            "encodes": [
                {
                    "digest": each.digest,
                    "size": each.size,
                    "bitrate": each.bitrate,
                    "neg": None if each.result is None else float(each.result.neg),
                    "vmaf": None if each.result is None else float(each.result.vmaf),
                }
                for each in self.encodes
            ],
        }

    def to_json(self) -> str:
        """The data of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        text = f"{self.name} at {at(self.mode, self.crf)} on {self.reference}: {self.sentence}"
        return f"{text}\n  {self.difference}" if self.difference else text

    def __repr__(self) -> str:
        return f"<Determinism of {self.name}, {at(self.mode, self.crf)}: {self.sentence}>"


def spread(values: Sequence[float]) -> Spread:
    """The mean of values and its standard error, stdev / sqrt(n)."""
    return Spread(fmean(values), stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0)


def _frames(result: Result) -> tuple[Sequence[float], Sequence[float]]:
    return result.neg.unclipped.frames, result.vmaf.unclipped.frames
