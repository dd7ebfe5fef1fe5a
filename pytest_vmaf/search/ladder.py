"""A ladder's rungs, the hull they lie on, and how they are written down."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.probe import Metric, Probe
from pytest_vmaf.streaming.manifests import Rendition, dash, hls
from pytest_vmaf.streaming.package import package


@dataclass(frozen=True, repr=False)
class Rung:
    """One rung: the cheapest encode of any resolution that meets ``targets`` (often one) at display resolution.

    ``on_hull`` says whether no mix of two other encodes would be cheaper for its quality. ``peak`` is the greatest
    bit/s of any segment, ``codecs`` the CODECS string (RFC 6381) of its stream.
    """

    targets: tuple[float, ...]
    width: int
    height: int
    probe: Probe
    codecs: str
    peak: float
    on_hull: bool

    @property
    def bitrate(self) -> float:
        """Mean bit/s of the video stream."""
        return self.probe.encode.bitrate

    @property
    def name(self) -> str:
        """Short and fit for a file's name."""
        return f"{self.width}x{self.height}-crf{self.probe.crf}"

    def __repr__(self) -> str:
        return f"<{self.width}x{self.height}, {repr(self.probe)[1:]}"


@dataclass(frozen=True, repr=False)
class Ladder:
    """A bitrate ladder. ``rungs`` from the highest bitrate to the lowest, ``found`` each resolution's Bisection.

    ``hull`` are the (bitrate in bit/s, score) points of all probes on their upper convex hull, from the cheapest on.
    ``unmet`` maps targets that no resolution reaches to the reason.
    """

    name: str
    reference: str
    display: tuple[int, int]
    frame_rate: Fraction
    duration: float
    metric: Metric
    rungs: tuple[Rung, ...]
    hull: tuple[tuple[float, float], ...]
    unmet: Mapping[float, str]
    found: Mapping[tuple[int, int], Bisection]
    ffmpeg: str
    segment: float

    @property
    def met(self) -> bool:
        """Whether there is a rung for every target."""
        return not self.unmet

    @property
    def renditions(self) -> tuple[Rendition, ...]:
        """The rungs as a playlist lists them; their files are there only where they were kept."""
        return tuple(
            Rendition(
                path=rung.probe.encode.path or Path(f"{rung.name}.mp4"),
                width=rung.width,
                height=rung.height,
                frame_rate=self.frame_rate,
                bitrate=rung.bitrate,
                peak=rung.peak,
                codecs=rung.codecs,
                name=rung.name,
            )
            for rung in self.rungs
        )

    def to_hls(self) -> str:
        """The multivariant playlist (RFC 8216)."""
        return hls(self.renditions)

    def to_dash(self) -> str:
        """The MPD (ISO/IEC 23009-1, on-demand)."""
        return dash(self.renditions, self.duration)

    def to_json(self) -> str:
        """The ladder as JSON, with all that was measured for it."""
        return json.dumps(self.to_record(), indent=2, allow_nan=False)

    def to_record(self) -> dict[str, Any]:
        """The ladder as plain data."""
        return {
            "schema": 1,
            "encoder": self.name,
            "reference": self.reference,
            "display": list(self.display),
            "frame_rate": str(self.frame_rate),
            "metric": str(self.metric),
            "rungs": [
                {
                    "targets": list(rung.targets),
                    "width": rung.width,
                    "height": rung.height,
                    "crf": rung.probe.crf,
                    "score": rung.probe.score,
                    "vmaf": float(rung.probe.result.vmaf),
                    "neg": float(rung.probe.result.neg),
                    "bitrate": rung.bitrate,
                    "peak": rung.peak,
                    "size": rung.probe.encode.size,
                    "codecs": rung.codecs,
                    "on_hull": rung.on_hull,
                    "path": rung.probe.encode.path and str(rung.probe.encode.path),
                }
                for rung in self.rungs
            ],
            "unmet": {f"{target:g}": why for target, why in self.unmet.items()},
            "hull": [list(point) for point in self.hull],
            "models": _models(self.found),
            "probes": {
                f"{width}x{height}": [[probe.crf, probe.bitrate, probe.score] for probe in found.probes]
                for (width, height), found in self.found.items()
            },
        }

    def package(self, folder: str | os.PathLike[str], form: Literal["hls", "dash"] = "hls") -> Path:
        """Write a playable HLS or DASH package of the rungs into ``folder``, and return its manifest.

        Segments are cut at the key frames next to every ``segment`` seconds; bandwidths in the manifest are those of
        the segments, containers included. Raises SettingsError where the encodes were not kept.
        """
        if any(rung.probe.encode.path is None for rung in self.rungs):
            raise SettingsError("The rungs' encodes were not kept; say keep=FOLDER to package them.")
        return package(self.renditions, folder, self.ffmpeg, form, segment=self.segment)

    def __repr__(self) -> str:
        return f"<Ladder of {self.name}: {', '.join(rung.name for rung in self.rungs) or 'no rung'}>"

    def __str__(self) -> str:
        lines = [f"{self.name} on {self.reference}, shown at {self.display[0]}x{self.display[1]}: {self.metric}"]
        for rung in self.rungs:
            targets = ", ".join(f"{target:g}" for target in rung.targets)
            lines.append(
                f"  {rung.width}x{rung.height}  CRF {rung.probe.crf}  {rung.bitrate / 1000:9.1f} kbit/s  "
                f"{rung.probe.score:.3f} for {targets}{'' if rung.on_hull else ' (below the hull)'}"
            )
        return "\n".join([*lines, *(f"  {why}" for why in self.unmet.values())])


def convex_hull(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The upper convex hull of (bitrate, quality), from the cheapest to the best: what no mix of others betters.

    Andrew's monotone chain (A. M. Andrew, Information Processing Letters 9(5), 1979), ended at the best point.
    """
    hull: list[tuple[float, float]] = []
    for point in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if hull and point[1] <= max(quality for _, quality in hull):
            continue
        while len(hull) > 1 and _turn(hull[-2], hull[-1], point) >= 0:
            hull.pop()
        hull.append(point)
    return tuple(hull)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _models(found: Mapping[tuple[int, int], Bisection]) -> dict[str, str]:
    probe = next((probe for each in found.values() for probe in each.probes), None)
    provenance = probe.result.provenance if probe else {}
    return {name: str(provenance.get(name, "")) for name in ("model", "neg_model", "generation", "libvmaf", "ffmpeg")}
