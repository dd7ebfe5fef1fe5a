"""`SweepCurve`: the rows of one source, encoder and preset, and the encodes that they are made from."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from pytest_vmaf.encoding.availability import check_available
from pytest_vmaf.encoding.cached import named_files
from pytest_vmaf.encoding.codec import read_codec
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.fraction_trial import check_fractions
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.rate_modes import at
from pytest_vmaf.errors import ClipError, MeasurementError, SettingsError
from pytest_vmaf.executors.parcel import Named, Parcel
from pytest_vmaf.executors.placement import Placement, worker_threads
from pytest_vmaf.executors.source import check_source
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.fingerprint import Unchanged, content_of, digest
from pytest_vmaf.media.inspect import FIRST_FRAMES, inspect
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.cached import capabilities
from pytest_vmaf.scoring.pools import POOLS
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.scorer import Capabilities, Scorer, Tools
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe
from pytest_vmaf.search.prober import Prober
from pytest_vmaf.search.rows import HIGHEST, LOWEST, Row, Setup


@dataclass(frozen=True)
class SweepCurve:
    """The rows of one source, encoder and preset.

    Attributes:
        setup: What the rows share.
        job: What encodes.
        scoring: How to score.
        scorer: What scores.
        columns: The features that are measured.
        unchanged: Returns whether the source is still the file that was hashed. None in a worker, which hashes it.
        threads: The threads of libvmaf that the user gave; 0 for those of the worker.
        slots: How many tasks run at once where this runs; 0 if the executor does not tell.
    """

    setup: Setup
    job: EncodeJob
    scoring: MeasureRequest
    scorer: Scorer
    columns: tuple[str, ...]
    unchanged: Unchanged | None = None
    threads: int = 0
    slots: int = 0

    def prober(self, folder: Path | None) -> Prober:
        """What makes the encodes, in a folder. None is a new one for each, which is set before."""
        lasting = folder is None
        return Prober(self.job, self.scoring, self.scorer, Metric("neg"), folder or Path(), lasting=lasting)

    def row(self, prober: Prober, crf: float) -> Row:
        """Encode and score.

        Raises:
            ClipError: If the source was changed meanwhile.
            MeasurementError: If the encode fails, or cannot be scored.
        """
        probe = prober.complete(crf)
        if self.unchanged is not None and not self.unchanged():
            raise ClipError(f"{self.scoring.reference} was changed during the sweep; sweep it again.")
        # Removed from the prober, so that a long sweep does not hold the scores of all frames.
        del prober.probes[crf]
        return make_row(self.setup, probe)

    def pack(self, placement: Placement) -> Parcel[SweepCurve]:
        """The curve on its way to workers. Raises SettingsError if it cannot go."""
        placed = replace(self, unchanged=None, threads=placement.threads, slots=placement.slots)
        parts = [Named("encoder", self.job.encoder.name, self.job.encoder)]
        parts.append(Named("scorer", type(self.scorer).__name__, self.scorer))
        parts += [Named("metric", spec.name, spec) for spec in self.scoring.metrics]
        return placement.pack(placed, parts)

    @cached_property
    def bench(self) -> tuple[SweepCurve, Prober]:
        """In a worker: this curve with the programs of this machine, and what makes its encodes.

        Raises:
            MeasurementError: If the source or a program is not what the coordinator has.
        """
        scoring, cache = self.scoring, self.scoring.cache
        clip, ffmpeg = scoring.reference, find_ffmpeg(scoring.ffmpeg, scoring.cache)
        job = replace(self.job, ffmpeg=ffmpeg.path)
        unchanged = check_source(clip, self.setup.source_hash, cache)
        can = capabilities(self.scorer, Tools(ffmpeg, scoring.vmaf_bin), cache)
        here = replace(
            self.setup,
            program_hash=program_hash(job.encoder, job.preset, job.arguments, job.ffmpeg),
            scorer=_scorer_name(can),
            ffmpeg=ffmpeg.version,
            pytest_vmaf=version("pytest-vmaf"),
        )
        for each in fields(Setup):
            own, theirs = getattr(here, each.name), getattr(self.setup, each.name)
            if own != theirs:
                raise MeasurementError(
                    f"On {platform.node()}, {each.name} is {own!r}, but where the sweep was started it is {theirs!r}. "
                    "Install the same versions."
                )
        scoring = replace(scoring, threads=worker_threads(self.threads, self.slots))
        curve = replace(self, job=job, scoring=scoring, unchanged=unchanged)
        return curve, curve.prober(None)


@dataclass(frozen=True)
class SweepCell:
    """A task: one row of a curve.

    Attributes:
        curve: The curve.
        setup_name: The name of its setup.
        crf: The CRF.
        mode: What the CRF is, as in `Setup`.
    """

    curve: Parcel[SweepCurve]
    setup_name: str
    crf: float
    mode: str = "crf"

    @property
    def name(self) -> str:
        """Source, encoder, preset and CRF."""
        return f"{self.setup_name}, {at(self.mode, self.crf)}"

    def run(self) -> Row:
        """Make the row in a worker. Raises MeasurementError."""
        curve, prober = self.curve.open().bench
        with scratch_folder() as folder:
            prober.folder = Path(folder)
            return curve.row(prober, self.crf)


def make_curves(
    scorings: Sequence[MeasureRequest],
    encoders: Sequence[tuple[Encoder, tuple[str | None, ...]]],
    arguments: tuple[str, ...],
    pix_fmt: str | None,
    scorer: Scorer,
) -> list[SweepCurve]:
    """The curves of a grid, in its order.

    Args:
        scorings: A request for each source.
        encoders: Each encoder with its presets.
        arguments: Further arguments for every encode.
        pix_fmt: The pixel format of every encode, None for the source's.
        scorer: What scores.

    Raises:
        SettingsError: For a model or an encoder that does not fit, and for a curve that is there twice.
        MeasurementError: If a source cannot be read, or an encoder is missing.
    """
    curves: dict[Setup, SweepCurve] = {}
    for scoring in scorings:
        clip, cache = scoring.reference, scoring.cache
        prepared = prepare(scoring, scorer)
        ffmpeg, models = prepared.job.tools.ffmpeg.path, prepared.models
        if not LOWEST <= models.low < models.high <= HIGHEST:
            raise SettingsError(
                f"The model of a sweep must score within {LOWEST} to {HIGHEST}, but {models.name} scores from "
                f"{models.low:g} to {models.high:g}. Name another model."
            )
        video = inspect(clip, ffmpeg, FIRST_FRAMES, scoring.timeout, cache)
        # Before hashing, so that a change during the hashing is noticed.
        unchanged = Unchanged(clip)
        source_hash = content_of(clip, cache)
        for encoder, presets in encoders:
            check_available(encoder, ffmpeg, cache)
            check_fractions(encoder, ffmpeg, cache)
            for preset in map(encoder.resolve_preset, presets):
                settings = preset, arguments, pix_fmt, scoring.timeout, cache
                job = EncodeJob(encoder, video, ffmpeg, *settings)
                setup = _setup(job, scoring, prepared, source_hash)
                if setup in curves:
                    raise SettingsError(
                        f"The grid has {setup.name} twice: the sources {curves[setup].job.source.clip} and {clip} are "
                        "equal, or an encoder is named twice (functions need different names)."
                    )
                metrics = (each.name for each in prepared.metrics)
                curves[setup] = SweepCurve(setup, job, scoring, scorer, (*prepared.job.columns, *metrics), unchanged)
    return list(curves.values())


def _setup(job: EncodeJob, scoring: MeasureRequest, prepared: PreparedScoring, source_hash: str) -> Setup:
    encoder, models, frame_rate = job.encoder, prepared.models, job.source.frame_rate
    return Setup(
        source=scoring.reference.title,
        source_hash=source_hash,
        width=prepared.job.width,
        height=prepared.job.height,
        frame_rate=str(frame_rate) if frame_rate else None,
        encoder=encoder.name,
        template=encoder.arguments or encoder.command,
        program_hash=program_hash(encoder, job.preset, job.arguments, job.ffmpeg),
        larger_is_finer=encoder.larger_is_finer,
        mode=encoder.mode,
        preset=job.preset,
        arguments=job.arguments,
        pix_fmt=job.pix_fmt,
        model=models.name,
        neg_model=models.neg_name,
        generation=models.generation,
        scale=scoring.scale,
        align=scoring.align,
        allow=tuple(sorted(set(scoring.allow))),
        scorer=_scorer_name(prepared.can),
        ffmpeg=prepared.job.tools.ffmpeg.version,
        pytest_vmaf=version("pytest-vmaf"),
    )


def _scorer_name(can: Capabilities) -> str:
    return f"{can.name} {can.version}".strip()


def make_row(setup: Setup, probe: Probe) -> Row:
    """The row of a trial encode."""
    encode, result = probe.encode, probe.result
    pools = {"vmaf": [pool for pool in POOLS if pool != "stdev"], "gap": ["mean", "max"]}
    pools["neg"] = pools["vmaf"]
    scores = {}
    for metric in ("vmaf", "neg", "gap", *result.features):
        for pool in pools.get(metric, ("mean", "min", "max")):
            scores[metric if pool == "mean" else f"{metric}_{pool}"] = float(result[metric].pooled(pool))
    return Row(
        setup=setup,
        crf=probe.crf,
        size=encode.size,
        frames=encode.frames,
        duration=encode.duration,
        bitrate=encode.bitrate,
        seconds=encode.seconds,
        libvmaf=result.provenance["libvmaf"],
        command=result.provenance["command"],
        scores=scores,
    )


def program_hash(encoder: Encoder, preset: str | None, arguments: tuple[str, ...], ffmpeg: str) -> str:
    """The hash of the program and of the files that its arguments name, for example a script or a configuration."""
    if encoder.function is not None:
        return ""
    if encoder.codec is not None:
        facts = read_codec(encoder.codec)
        return digest(map(Path, encoder.files), facts.version) if facts.version or encoder.files else ""
    program = (shutil.which(encoder.command[0]) if encoder.command else ffmpeg) or ""
    words = [word.replace("{preset}", preset or "") for word in (*encoder.command[1:], *encoder.arguments)]
    files = [file for word in (*words, *arguments) for file in named_files(word)]
    return digest(Path(path) for path in dict.fromkeys((program, *files)) if os.path.isfile(path))
