"""`Ladder`: a bitrate ladder, its rungs and the convex hull of its encodes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from pytest_vmaf.encoding.rate_modes import at, file_part
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.html_views import html_of
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe
from pytest_vmaf.streaming.manifests import Rendition, dash, hls
from pytest_vmaf.streaming.package import package

Size = tuple[int, int]


@dataclass(frozen=True, repr=False)
class Rung:
    """One rung of a ladder: the cheapest encode of any resolution that meets its targets.

    Attributes:
        targets: The targets this encode was chosen for, usually one.
        width: Width of the encode, in pixels.
        height: Height of the encode, in pixels.
        probe: The encode and its score, measured at the display resolution.
        codecs: The CODECS string of the stream (RFC 6381).
        peak: The highest bitrate of any segment, in bit/s.
        on_hull: Whether no mix of two other encodes is cheaper at the same quality.
        sample_aspect: Width by height of a pixel as it is displayed.
    """

    targets: tuple[float, ...]
    width: int
    height: int
    probe: Probe
    codecs: str
    peak: float
    on_hull: bool
    sample_aspect: Fraction = Fraction(1)

    @property
    def bitrate(self) -> float:
        """Mean bitrate of the video stream, in bit/s."""
        return self.probe.encode.bitrate

    @property
    def name(self) -> str:
        """A short name that is valid as a file name, for example "1280x720-crf28" or "1280x720-1500k"."""
        return f"{self.width}x{self.height}-{file_part(self.probe.encode.mode, self.probe.crf)}"

    def __repr__(self) -> str:
        return f"<{self.width}x{self.height}, {repr(self.probe)[1:]}"


@dataclass(frozen=True, repr=False)
class Ladder:
    """A bitrate ladder.

    Attributes:
        name: The encoder and its preset.
        reference: The name of the source.
        display: Width and height in pixels at which the source is displayed. All rungs are scaled to this size before
            they are scored.
        frame_rate: Frames per second.
        duration: Length of the rungs, in seconds.
        metric: The metric of the targets.
        rungs: The rungs, highest bitrate first.
        hull: The upper convex hull of all encodes, as points of bitrate (bit/s) and score, cheapest first.
        unmet: For each target that no resolution reaches, the reason.
        bisections: The search of each resolution (width and height in pixels).
        ffmpeg: The path of the ffmpeg that made it.
        segment: Length of a segment, in seconds.
    """

    name: str
    reference: str
    display: Size
    frame_rate: Fraction
    duration: float
    metric: Metric
    rungs: tuple[Rung, ...]
    hull: tuple[tuple[float, float], ...]
    unmet: Mapping[float, str]
    bisections: Mapping[Size, Bisection]
    ffmpeg: str
    segment: float

    @property
    def met(self) -> bool:
        """Whether there is a rung for every target."""
        return not self.unmet

    @property
    def renditions(self) -> tuple[Rendition, ...]:
        """The rungs as a playlist lists them. Their files exist only if the encodes are stored (`keep=`).

        Raises:
            SettingsError: If the encoder is a codec in Python, whose bitstreams players cannot read.
        """
        if any(not rung.codecs for rung in self.rungs):
            raise SettingsError(
                f"{self.name} is a codec in Python. Players cannot read its bitstreams from a playlist."
            )
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
                sample_aspect=rung.sample_aspect,
            )
            for rung in self.rungs
        )

    def to_hls(self) -> str:
        """Format the ladder as an HLS multivariant playlist (RFC 8216).

        Raises:
            SettingsError: If there is no rung.
        """
        return hls(self.renditions)

    def to_dash(self) -> str:
        """Format the ladder as a DASH manifest (MPD of ISO/IEC 23009-1, on-demand profile).

        Raises:
            SettingsError: If there is no rung.
        """
        return dash(self.renditions, self.duration)

    def to_json(self) -> str:
        """Format the ladder with all its measurements as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the ladder as plain data. Bitrates are in bit/s, sizes in bytes."""
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
            "models": _models(self.bisections),
            "probes": {
                f"{width}x{height}": [[probe.crf, probe.bitrate, probe.score] for probe in bisection.probes]
                for (width, height), bisection in self.bisections.items()
            },
        }

    def _repr_html_(self) -> str | None:
        """The search's section of the report, for notebooks."""
        return html_of(self)

    def to_rows(self) -> list[dict[str, Any]]:
        """One row per rung, for a table or a DataFrame."""
        rungs: list[dict[str, Any]] = self.to_dict()["rungs"]
        return rungs

    def package(self, folder: str | os.PathLike[str], form: Literal["hls", "dash"] = "hls") -> Path:
        """Write a playable package of the rungs.

        Segments are cut at the key frames nearest to every `segment` seconds. The bandwidths in the manifest are those
        of the segments, containers included.

        Args:
            folder: Where to write it.
            form: "hls" or "dash".

        Returns:
            The path of the manifest.

        Raises:
            SettingsError: If the encodes are not stored.
        """
        if any(rung.probe.encode.path is None for rung in self.rungs):
            raise SettingsError("The rungs' encodes are not stored. Use keep=FOLDER to package them.")
        return package(self.renditions, folder, self.ffmpeg, form, segment=self.segment)

    def __repr__(self) -> str:
        return f"<Ladder of {self.name}: {', '.join(rung.name for rung in self.rungs) or 'no rung'}>"

    def __str__(self) -> str:
        lines = [f"{self.name} on {self.reference}, displayed at {self.display[0]}x{self.display[1]}: {self.metric}"]
        for rung in self.rungs:
            targets = ", ".join(f"{target:g}" for target in rung.targets)
            number = at(rung.probe.encode.mode, rung.probe.crf)
            lines.append(
                f"  {rung.width}x{rung.height}  {number}  {rung.bitrate / 1000:9.1f} kbit/s  "
                f"{rung.probe.score:.3f} for {targets}{'' if rung.on_hull else ' (below the hull)'}"
            )
        return "\n".join([*lines, *(f"  {why}" for why in self.unmet.values())])


def convex_hull(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Find the encodes that no mix of other encodes improves on.

    This is Andrew's monotone chain (A. M. Andrew, Information Processing Letters 9(5), 1979), ended at the best point.

    Args:
        points: Bitrate and quality of each encode.

    Returns:
        The points of the upper convex hull, from the cheapest to the best.
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


def _models(bisections: Mapping[Size, Bisection]) -> dict[str, str]:
    probe = next((probe for bisection in bisections.values() for probe in bisection.points), None)
    provenance = probe.result.provenance if probe else {}
    return {name: str(provenance.get(name, "")) for name in ("model", "neg_model", "generation", "libvmaf", "ffmpeg")}
