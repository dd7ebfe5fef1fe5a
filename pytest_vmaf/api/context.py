"""What one Vmaf knows: settings, extensions, progress, baselines, and the records of its measurements."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_vmaf.api.extensions import Extensions
from pytest_vmaf.baselines.check import Baselines
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import GateViolation
from pytest_vmaf.executors.cores import cores
from pytest_vmaf.gates.gate import Gate, effective
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.fingerprint import Stamps
from pytest_vmaf.media.seconds import in_frames, in_seconds, with_rate_of
from pytest_vmaf.progress import Progress, no_progress
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.settings import TEST_ORIGINS, Layer, listed_metric, resolve

if TYPE_CHECKING:
    from pytest_vmaf.metrics.spec import MetricSpec
    from pytest_vmaf.report.sections import Section, SectionMaker
    from pytest_vmaf.scoring.scorer import Scorer

# pytest shows the caller's line, not ours.
__tracebackhide__ = True
#: One measurement, section or run as plain data; `report.schema` documents the shapes.
Record = dict[str, Any]


@dataclass
class Records:
    """What was measured, in order.

    Attributes:
        measurements: One plain record per measurement.
        clips: The clips of each measurement, with stamps that tell whether their files changed; None without pictures.
        sections: Sections of the report that searches add.
        section_makers: Make further sections, called only if a report is written, since pictures take time.
        checked: The keys of the gates and of the expectations on streams that some measurement checked or switched off.
        would_fail: The messages of violations that report-only mode let pass.
        for_report: Whether a report may show the clips. Otherwise frames in memory are not kept for it.
    """

    measurements: list[Record] = field(default_factory=list)
    clips: list[tuple[Clip, Clip, Stamps] | None] = field(default_factory=list)
    sections: list[Record] = field(default_factory=list)
    section_makers: list[SectionMaker] = field(default_factory=list)
    checked: set[tuple[str, ...]] = field(default_factory=set)
    would_fail: list[str] = field(default_factory=list)
    for_report: bool = True

    def add(self, record: Record, clips: tuple[Clip, Clip, Stamps] | None = None) -> None:
        """Append a measurement."""
        self.measurements.append(record)
        self.clips.append(clips if clips and self._keeps(clips[:2]) else None)

    def add_maker(self, maker: SectionMaker, clips: tuple[Clip, Clip]) -> None:
        """Append the maker of a section that shows clips."""
        if self._keeps(clips):
            self.section_makers.append(maker)

    def _keeps(self, clips: tuple[Clip, Clip]) -> bool:
        return self.for_report or not any(clip.in_memory for clip in clips)

    def add_sections(self, sections: Sequence[Section]) -> None:
        """Append sections."""
        self.sections += [section.to_record() for section in sections]


@dataclass
class Context:
    """What one Vmaf knows.

    Attributes:
        layers: Settings and gates, the nearest layer first.
        extensions: Scorers and encoders by name.
        progress: Draws progress bars.
        baselines: The baselines of the test.
        records: What was measured.
        report_only: Whether violations of gates and tolerances are only reported.
    """

    layers: tuple[Layer, ...]
    extensions: Extensions
    progress: Progress = no_progress
    baselines: Baselines = field(default_factory=lambda: Baselines(None))
    records: Records = field(default_factory=Records)
    report_only: bool = False

    def violate(self, violation: GateViolation, records: Iterable[int]) -> None:
        """Raise a violation or, in report-only mode, note it and mark the records that failed.

        Every violation of a gate or a tolerance goes through here. Errors do not.

        Args:
            violation: What failed.
            records: The indexes of the measurements that it is about.
        """
        if not self.report_only:
            raise violation
        self.records.would_fail.append(str(violation))
        for index in records:
            if self.records.measurements[index]["status"] == "failed":
                self.records.measurements[index]["would_fail"] = True

    def request(
        self,
        reference: Clip,
        distorted: Clip,
        layers: Sequence[Layer],
        features: Sequence[str] = (),
        metrics: Sequence[str] = (),
        *,
        signs: bool = False,
        encoded: bool = False,
    ) -> tuple[MeasureRequest, Scorer]:
        """The request for a measurement with the settings of these layers, and its scorer.

        Args:
            reference: The reference.
            distorted: The distorted clip.
            layers: Settings, the nearest layer first.
            features: The libvmaf features that gates and tolerances need.
            metrics: The metrics of plugins that they need, by name.
            signs: Whether to measure signs of the picture, unless a setting switches them off.
            encoded: Whether the distorted clip is an encode that was made from the part which the settings name.

        Raises:
            SettingsError: If the scorer or a metric is unknown.
        """
        values = dict(resolve(layers).values)
        folder, size = values.pop("cache_dir"), values.pop("cache_size")
        values["cache"] = Cache(Path(folder), size) if values["cache"] and folder else None
        scorer = values.pop("scorer")
        values["signs"] = values["signs"] and signs
        if isinstance(scorer, str):
            scorer = self.extensions.scorer(scorer)
        values["features"] = (*values["features"], *features)
        values["metrics"] = self._metrics(layers, (*values["metrics"], *metrics))
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        values["threads"] = values["threads"] or max(1, cores() // workers)
        part = values.pop("part")
        reference = _in_part(reference, part)
        distorted = distorted if encoded else _in_part(distorted, part)
        if in_seconds(reference) or in_seconds(distorted):
            ffmpeg = find_ffmpeg(values["ffmpeg"], values["cache"]).path
            how = ffmpeg, values["timeout"], values["cache"]
            reference, distorted = (
                with_rate_of(reference, distorted, *how),
                with_rate_of(distorted, reference, *how),
            )
            reference, distorted = (
                in_frames(clip, ffmpeg, values["timeout"], values["cache"]) for clip in (reference, distorted)
            )
        return MeasureRequest(reference=reference, distorted=distorted, **values), scorer

    def find_metric(self, name: str, nearer: Layer | None = None) -> MetricSpec | None:
        """Find a metric that a setting of a layer lists, or that a plugin has; None if there is none of this name."""
        return find_listed((*([nearer] if nearer else []), *self.layers), name) or self.extensions.find_metric(name)

    def _metrics(self, layers: Sequence[Layer], requested: Sequence[object]) -> tuple[MetricSpec, ...]:
        """The metrics that are requested, of which some by their names alone. Each is measured once."""
        chosen: dict[str, MetricSpec] = {}
        for each in requested:
            name = str(each)
            if name not in chosen:
                # Its name may be in one layer, and the metric itself in another.
                listed = each if not isinstance(each, str) else find_listed(layers, name)
                chosen[name] = cast("MetricSpec", listed) if listed else self.extensions.metric(name)
        return tuple(chosen.values())


def find_listed(layers: Sequence[Layer], name: str) -> MetricSpec | None:
    """The metric of this name in the setting `metrics` of the nearest layer that has it."""
    specs = (listed_metric(layer.options.get("metrics"), name) for layer in layers)
    return next((spec for spec in specs if spec), None)


def _in_part(clip: Clip, part: tuple[int | float, int | float] | None) -> Clip:
    """The clip in the part that a setting names, unless it has one of its own."""
    return replace(clip, start=part[0], frames=part[1]) if part and not clip.is_part else clip


def unchecked_gates(context: Context) -> tuple[Gate, ...]:
    """The gates of the marker that no measurement checked."""
    marked = (gate for layer in context.layers if layer.origin in TEST_ORIGINS for gate in effective([layer.gates]))
    return tuple(gate for gate in marked if gate.key not in context.records.checked)


def unchecked_expectations(context: Context) -> list[str]:
    """What the marker expects of streams and no measurement checked, by name."""
    marked = (each for layer in context.layers if layer.origin in TEST_ORIGINS for each in layer.stream)
    return [f"stream {each.name}" for each in marked if stream_key(each.name) not in context.records.checked]


def stream_key(name: str) -> tuple[str, str]:
    """The key of an expectation on streams in `Records.checked`."""
    return "stream", name


def unchecked_tolerances(context: Context) -> list[str]:
    """What the marker says about baselines that no measurement was compared with, by name."""
    return context.baselines.unchecked([layer for layer in context.layers if layer.origin in TEST_ORIGINS])
