"""Sweeps: a grid of source, encoder, preset and CRF into JSON Lines, a row at a time, so that a kill costs only one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from pytest_vmaf.encoding.cached import named_files
from pytest_vmaf.encoding.encode import EncodeJob, check_arguments
from pytest_vmaf.encoding.encoders import Encoder, check_available
from pytest_vmaf.errors import ClipError, MeasurementError, SettingsError
from pytest_vmaf.media.fingerprint import Unchanged, content_of, digest
from pytest_vmaf.media.inspect import look
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from pytest_vmaf.scoring.score import POOLS
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.probe import Metric, Probe, Prober
from pytest_vmaf.search.rows import HIGHEST, LOWEST, Row, Setup, append_row, locked_file, read_rows
from pytest_vmaf.text import printable


@dataclass(frozen=True)
class SweepRequest:
    """The grid, and the JSON Lines file ``output`` it goes to; see :meth:`pytest_vmaf.Vmaf.sweep`.

    Each of ``scorings`` names one source, as reference and as distorted clip, and how to score. ``encoders`` come with
    their presets, where None is the encoder's own. ``arguments`` and ``pix_fmt`` go to all of them. ``progress`` is
    called with the rows there are, those found in the file included, and the rows of the grid.
    """

    scorings: tuple[MeasureRequest, ...]
    encoders: tuple[tuple[Encoder, tuple[str | None, ...]], ...]
    crfs: tuple[int, ...]
    output: Path
    arguments: tuple[str, ...] = ()
    pix_fmt: str | None = None
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class _Curve:
    """The rows that one Prober makes. ``unchanged`` tells whether the source is still the file that was hashed."""

    setup: Setup
    job: EncodeJob
    scoring: MeasureRequest
    columns: tuple[str, ...]
    unchanged: Unchanged


def sweep(request: SweepRequest, scorer: Scorer) -> tuple[Row, ...]:
    """Encode and score the whole grid; the rows by source, encoder, preset and CRF.

    Each row is in the file, synced, before the next is begun. Rows that the file has already are not made again, and
    other rows in it stay as they are; a last line that was cut off by a kill is made anew.

    Raises SettingsError for a grid that cannot be, and MeasurementError: for a file that holds anything but rows, that
    another sweep is writing, or that cannot be written, and all that encoding and scoring raise. Whatever is raised,
    the rows made before are in the file, and the same sweep goes on after them.
    """
    _check(request)
    curves = _curves(request, scorer)
    grid = [(curve, crf) for curve in curves for crf in sorted(request.crfs)]
    columns = {curve.setup: set(curve.columns) for curve in curves}
    name = printable(str(request.output))
    with locked_file(request.output) as file:
        # One that was made without a feature that is asked for now is made again.
        whole = (row for row in read_rows(request.output) if columns.get(row.setup, set()) <= row.scores.keys())
        rows = {(row.setup, row.crf): row for row in whole}
        todo = [(curve, crf) for curve, crf in grid if (curve.setup, crf) not in rows]
        done = len(grid) - len(todo)
        _tell(request, done, len(grid))
        try:
            with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
                for row in _made(todo, scorer, Path(folder)):
                    append_row(file, row, name)
                    rows[row.setup, row.crf] = row
                    done += 1
                    _tell(request, done, len(grid))
        except (MeasurementError, OSError) as error:
            note = f"{done} of {len(grid)} rows are in {name}; the same sweep, run again, goes on after them."
            if isinstance(error, OSError):
                raise MeasurementError(f"The sweep had to stop: {printable(str(error))}.\n  {note}") from error
            error.add_note(note)
            raise
    return tuple(rows[curve.setup, crf] for curve, crf in grid)


def _check(request: SweepRequest) -> None:
    for what, values in (("scorings", request.scorings), ("encoders", request.encoders), ("crfs", request.crfs)):
        if not values:
            raise SettingsError(f"A sweep's grid needs {what}; there are none.")
    if any(type(crf) is not int for crf in request.crfs) or len(set(request.crfs)) < len(request.crfs):
        raise SettingsError(f"crfs is {request.crfs!r}; they are whole numbers, each one once, as (20, 24, 28).")
    for scoring in request.scorings:
        if scoring.reference != scoring.distorted:
            raise SettingsError(
                f"A sweep encodes the reference itself: {scoring.reference} and {scoring.distorted} are two clips."
            )
    for encoder, presets in request.encoders:
        low, high = encoder.crf_range
        outside = [crf for crf in sorted(request.crfs) if not low <= crf <= high]
        if outside:
            raise SettingsError(
                f"crfs has {', '.join(map(str, outside))}, but {encoder.name} goes from {low} to {high}."
            )
        chosen = [encoder.chosen_preset(preset) for preset in presets]
        if not presets or len(set(chosen)) < len(chosen):
            raise SettingsError(
                f"The presets of {encoder.name} are {presets!r}; say at least one, each one once "
                f"(None is {encoder.preset!r})."
            )
        check_arguments(encoder, request.arguments)


def _curves(request: SweepRequest, scorer: Scorer) -> list[_Curve]:
    curves: dict[Setup, _Curve] = {}
    for scoring in request.scorings:
        clip = scoring.reference
        prepared = prepare(scoring, scorer)
        ffmpeg, can, models = prepared.job.tools.ffmpeg, prepared.can, prepared.models
        if not LOWEST <= models.low < models.high <= HIGHEST:
            raise SettingsError(
                f"{models.name} scores from {models.low:g} to {models.high:g}; the rows of a sweep hold scores from "
                f"{LOWEST} to {HIGHEST}. Name another model."
            )
        video = look(clip, ffmpeg.path, 2, scoring.timeout, scoring.cache)
        # In this order: a change while it is read is one too.
        unchanged = Unchanged(clip)
        source_hash = content_of(clip, scoring.cache)
        for encoder, presets in request.encoders:
            check_available(encoder, ffmpeg.path, scoring.cache)
            for preset in map(encoder.chosen_preset, presets):
                setup = Setup(
                    source=clip.path.name,
                    source_hash=source_hash,
                    width=prepared.job.width,
                    height=prepared.job.height,
                    frame_rate=str(video.frame_rate) if video.frame_rate else None,
                    encoder=encoder.name,
                    template=encoder.arguments or encoder.command,
                    program_hash=_program_hash(encoder, preset, request.arguments, ffmpeg.path),
                    larger_is_finer=encoder.larger_is_finer,
                    preset=preset,
                    arguments=request.arguments,
                    pix_fmt=request.pix_fmt,
                    model=models.name,
                    neg_model=models.neg_name,
                    generation=models.generation,
                    scale=scoring.scale,
                    align=scoring.align,
                    allow=tuple(sorted(set(scoring.allow))),
                    scorer=f"{can.name} {can.version}".strip(),
                    ffmpeg=ffmpeg.version,
                    pytest_vmaf=version("pytest-vmaf"),
                )
                if setup in curves:
                    raise SettingsError(
                        f"The grid has {setup.name} twice: the sources {curves[setup].job.source.clip} and {clip} hold "
                        "the same, or an encoder is named twice (of functions the name must tell)."
                    )
                job = EncodeJob(
                    encoder,
                    video,
                    ffmpeg.path,
                    preset,
                    request.arguments,
                    request.pix_fmt,
                    scoring.timeout,
                    scoring.cache,
                )
                curves[setup] = _Curve(setup, job, scoring, prepared.job.columns, unchanged)
    return list(curves.values())


def _made(todo: Iterable[tuple[_Curve, int]], scorer: Scorer, folder: Path) -> Iterator[Row]:
    for curve, cells in groupby(todo, key=lambda cell: cell[0]):
        prober = Prober(curve.job, curve.scoring, scorer, Metric("neg"), folder, kept=False)
        for _, crf in cells:
            prober(crf)
            if not curve.unchanged():
                raise ClipError(f"{curve.scoring.reference} was changed during the sweep; sweep it again.")
            # Taken out, so that a long sweep does not keep the scores of all frames.
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


def _tell(request: SweepRequest, done: int, total: int) -> None:
    if request.progress is not None:
        request.progress(done, total)


def _program_hash(encoder: Encoder, preset: str | None, arguments: tuple[str, ...], ffmpeg: str) -> str:
    """Of the ffmpeg or the program, and of the files that the arguments name, as a script or a configuration."""
    if encoder.function is not None:
        return ""
    program = (shutil.which(encoder.command[0]) if encoder.command else ffmpeg) or ""
    words = [word.replace("{preset}", preset or "") for word in (*encoder.command[1:], *encoder.arguments)]
    named = [file for word in (*words, *arguments) for file in named_files(word)]
    return digest(Path(path) for path in dict.fromkeys((program, *named)) if os.path.isfile(path))
