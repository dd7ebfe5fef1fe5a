"""Encode and score a grid of sources, encoders, presets and CRFs into a JSON Lines file.

Interrupting a sweep loses at most one row.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from pytest_vmaf.encoding.availability import check_available
from pytest_vmaf.encoding.cached import named_files
from pytest_vmaf.encoding.codec import read_codec
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.job import EncodeJob, check_arguments
from pytest_vmaf.errors import ClipError, MeasurementError, SettingsError
from pytest_vmaf.media.fingerprint import Unchanged, content_of, digest
from pytest_vmaf.media.inspect import FIRST_FRAMES, inspect
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.pools import POOLS
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect_request import invalid
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe, Prober
from pytest_vmaf.search.row_files import append_row, locked_file, read_rows
from pytest_vmaf.search.rows import HIGHEST, LOWEST, Row, Setup
from pytest_vmaf.text import printable


@dataclass(frozen=True)
class SweepRequest:
    """The grid of a sweep and its file.

    Attributes:
        scorings: A request for each source, at least one, which is both the reference and the distorted clip.
        encoders: Each encoder with its presets. None is the encoder's default preset.
        crfs: The CRFs.
        output: The JSON Lines file.
        arguments: Further arguments for every encode.
        pix_fmt: The pixel format of every encode, None for the source's.
        progress: Called after each row with the number of rows in the file and the number of rows in the grid.
    """

    scorings: tuple[MeasureRequest, ...]
    encoders: tuple[tuple[Encoder, tuple[str | None, ...]], ...]
    crfs: tuple[float, ...]
    output: Path
    arguments: tuple[str, ...] = ()
    pix_fmt: str | None = None
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class _Curve:
    """The rows that one `Prober` makes.

    Attributes:
        setup: What they share.
        job: What encodes.
        scoring: How to score.
        columns: The features that are measured.
        unchanged: Returns whether the source is still the file that was hashed.
    """

    setup: Setup
    job: EncodeJob
    scoring: MeasureRequest
    columns: tuple[str, ...]
    unchanged: Unchanged


def sweep(request: SweepRequest, scorer: Scorer) -> tuple[Row, ...]:
    """Encode and score the grid.

    Each row is written and synced before the next one is begun. Rows that the file already contains are not made again,
    and rows outside of the grid stay in the file. A last line that is cut off is made again.

    Args:
        request: The grid and the file.
        scorer: What scores the encodes.

    Returns:
        The rows of the grid by source, encoder, preset and CRF.

    Raises:
        SettingsError: For an invalid grid.
        MeasurementError: If the file contains anything but rows, is being written by another sweep or cannot be
            written, and if an encode fails or cannot be scored. The file then contains the rows that were made before,
            and the same sweep resumes after them.
    """
    _check(request)
    curves = _curves(request, scorer)
    grid = [(curve, crf) for curve in curves for crf in sorted(request.crfs)]
    columns = {curve.setup: set(curve.columns) for curve in curves}
    name = printable(str(request.output))
    update = request.progress or (lambda done, total: None)
    with locked_file(request.output) as file:
        # A row that lacks a requested feature is made again.
        complete = (row for row in read_rows(request.output) if columns.get(row.setup, set()) <= row.scores.keys())
        rows: dict[tuple[Setup, float], Row] = {(row.setup, row.crf): row for row in complete}
        todo = [(curve, crf) for curve, crf in grid if (curve.setup, crf) not in rows]
        done = len(grid) - len(todo)
        update(done, len(grid))
        try:
            with scratch_folder() as folder:
                for row in _encode_rows(todo, scorer, Path(folder)):
                    append_row(file, row, name)
                    rows[row.setup, row.crf] = row
                    done += 1
                    update(done, len(grid))
        except (MeasurementError, OSError) as error:
            note = f"{done} of {len(grid)} rows are in {name}. Run the same sweep again to resume."
            if isinstance(error, OSError):
                raise MeasurementError(f"The sweep had to stop: {printable(str(error))}.\n  {note}") from error
            error.add_note(note)
            raise
    return tuple(rows[curve.setup, crf] for curve, crf in grid)


def _check(request: SweepRequest) -> None:
    if request.output.suffix.lower() in (".csv", ".tsv", ".xlsx"):
        raise SettingsError(
            f"output must be a file of JSON Lines, for example corpus.jsonl, not {printable(request.output.name)}.\n"
            "  For a table, take the rows that the sweep returns: row.to_dict() has the columns."
        )
    for name in ("encoders", "crfs"):
        if not getattr(request, name):
            raise SettingsError(f"The grid of a sweep needs {name}; there are none.")
    whole = not any(encoder.scale.is_grid for encoder, _ in request.encoders)
    kinds = (int,) if whole else (int, float)
    if any(type(crf) not in kinds for crf in request.crfs) or len(set(request.crfs)) < len(request.crfs):
        raise invalid("crfs", "whole numbers, each given once, for example (20, 24, 28)", request.crfs)
    for encoder, presets in request.encoders:
        scale = encoder.scale
        if outside := [str(crf) for crf in sorted(request.crfs) if crf not in scale.steps]:
            raise SettingsError(f"crfs must be {scale.range_words} for {encoder.name}, not {', '.join(outside)}.")
        names = [encoder.resolve_preset(preset) for preset in presets]
        if not presets or len(set(names)) < len(names):
            requirement = f"at least one, each given once (None is {encoder.preset!r})"
            raise invalid(f"The presets of {encoder.name}", requirement, presets)
        check_arguments(encoder, request.arguments, request.pix_fmt)


def _curves(request: SweepRequest, scorer: Scorer) -> list[_Curve]:
    curves: dict[Setup, _Curve] = {}
    for scoring in request.scorings:
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
        for encoder, presets in request.encoders:
            check_available(encoder, ffmpeg, cache)
            for preset in map(encoder.resolve_preset, presets):
                settings = preset, request.arguments, request.pix_fmt, scoring.timeout, cache
                job = EncodeJob(encoder, video, ffmpeg, *settings)
                setup = _setup(job, scoring, prepared, source_hash)
                if setup in curves:
                    raise SettingsError(
                        f"The grid has {setup.name} twice: the sources {curves[setup].job.source.clip} and {clip} are "
                        "equal, or an encoder is named twice (functions need different names)."
                    )
                metrics = (each.name for each in prepared.metrics)
                curves[setup] = _Curve(setup, job, scoring, (*prepared.job.columns, *metrics), unchanged)
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
        program_hash=_program_hash(encoder, job.preset, job.arguments, job.ffmpeg),
        larger_is_finer=encoder.larger_is_finer,
        preset=job.preset,
        arguments=job.arguments,
        pix_fmt=job.pix_fmt,
        model=models.name,
        neg_model=models.neg_name,
        generation=models.generation,
        scale=scoring.scale,
        align=scoring.align,
        allow=tuple(sorted(set(scoring.allow))),
        scorer=f"{prepared.can.name} {prepared.can.version}".strip(),
        ffmpeg=prepared.job.tools.ffmpeg.version,
        pytest_vmaf=version("pytest-vmaf"),
    )


def _encode_rows(todo: Iterable[tuple[_Curve, float]], scorer: Scorer, folder: Path) -> Iterator[Row]:
    for curve, cells in groupby(todo, key=lambda cell: cell[0]):
        prober = Prober(curve.job, curve.scoring, scorer, Metric("neg"), folder)
        for _, crf in cells:
            prober(crf)
            if not curve.unchanged():
                raise ClipError(f"{curve.scoring.reference} was changed during the sweep; sweep it again.")
            # Removed from the prober, so that a long sweep does not hold the scores of all frames.
            yield _row(curve.setup, prober.probes.pop(crf))


def _row(setup: Setup, probe: Probe) -> Row:
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


def _program_hash(encoder: Encoder, preset: str | None, arguments: tuple[str, ...], ffmpeg: str) -> str:
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
