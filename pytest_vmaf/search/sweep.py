"""Encode and score a grid of sources, encoders, presets and CRFs into a JSON Lines file.

Interrupting a sweep loses at most one row.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.job import check_arguments
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.executors.collect import collect
from pytest_vmaf.executors.failures import Failure, failure_error
from pytest_vmaf.executors.placement import Placement
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect_request import invalid
from pytest_vmaf.search.row_files import append_row, is_removed, locked_file, read_rows
from pytest_vmaf.search.rows import Row, Setup
from pytest_vmaf.search.step_check import check_rows
from pytest_vmaf.search.sweep_curves import SweepCell, SweepCurve, make_curves
from pytest_vmaf.text import printable

#: What the CRFs of a grid must be.
NUMBERS = "numbers, each given once, for example (20, 24, 28)"


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
        placement: Where the encodes are made and scored, None for here, one after the other.
    """

    scorings: tuple[MeasureRequest, ...]
    encoders: tuple[tuple[Encoder, tuple[str | None, ...]], ...]
    crfs: tuple[float, ...]
    output: Path
    arguments: tuple[str, ...] = ()
    pix_fmt: str | None = None
    progress: Callable[[int, int], None] | None = None
    placement: Placement | None = None


def sweep(request: SweepRequest, scorer: Scorer) -> tuple[Row, ...]:
    """Encode and score the grid.

    Each row is written and synced when it is made. Rows that the file already contains are not made again, and rows
    outside of the grid stay in the file. A last line that is cut off is made again.

    Without a placement, the grid is walked in its order, and the first error ends the sweep. With one, rows are written
    as they come, and errors are raised when the rest of the grid is there.

    Args:
        request: The grid and the file.
        scorer: What scores the encodes.

    Returns:
        The rows of the grid by source, encoder, preset and CRF.

    Raises:
        SettingsError: For an invalid grid, and for an encoder that cannot be sent to workers.
        MeasurementError: If the file contains anything but rows, is being written by another sweep or cannot be
            written, and if an encode fails or cannot be scored. The file then contains the rows that were made before,
            and the same sweep resumes after them.
    """
    _check(request)
    curves = make_curves(request.scorings, request.encoders, request.arguments, request.pix_fmt, scorer)
    grid = [(curve, crf) for curve in curves for crf in _crfs(request, curve.job.encoder)]
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
        # What cannot be sent to workers is an error of the call, with no rows to resume after.
        made = _rows_here(todo) if request.placement is None else _rows_elsewhere(*_place(todo, request.placement))
        try:
            with closing(made):
                for row in made:
                    append_row(file, row, name)
                    rows[row.setup, row.crf] = row
                    done += 1
                    update(done, len(grid))
        except (MeasurementError, SettingsError, OSError) as error:
            kept = 0 if is_removed(file) else done
            note = f"{kept} of {len(grid)} rows are in {name}. Run the same sweep again to resume."
            if isinstance(error, OSError):
                raise MeasurementError(f"The sweep had to stop: {printable(str(error))}.\n  {note}") from error
            error.add_note(note)
            raise
    for curve in curves:
        check_rows(curve.job.encoder, [rows[each] for each in rows if each[0] == curve.setup])
    return tuple(rows[curve.setup, crf] for curve, crf in grid)


def _crfs(request: SweepRequest, encoder: Encoder) -> list[float]:
    """The CRFs of the grid as numbers of an encoder's scale, without the rounding of a user's computation."""
    numbers = map(encoder.scale.number, sorted(request.crfs))
    return [number for number in numbers if number is not None]


def _rows_here(todo: Iterable[tuple[SweepCurve, float]]) -> Generator[Row, None, None]:
    with scratch_folder() as folder:
        for curve, cells in groupby(todo, key=lambda cell: cell[0]):
            prober = curve.prober(Path(folder))
            for _, crf in cells:
                yield curve.row(prober, crf)


def _place(todo: Sequence[tuple[SweepCurve, float]], placement: Placement) -> tuple[Executor, Sequence[SweepCell]]:
    """The executor and its tasks. Raises SettingsError for what cannot be sent."""
    parcels = {id(curve): curve.pack(placement) for curve in {id(curve): curve for curve, _ in todo}.values()}
    cells = [SweepCell(parcels[id(curve)], curve.setup.name, crf, curve.setup.mode) for curve, crf in todo]
    return placement.executor, cells


def _rows_elsewhere(executor: Executor, cells: Sequence[SweepCell]) -> Generator[Row, None, None]:
    """The rows as they come. At the end, raises what failed."""
    places = {id(cell): place for place, cell in enumerate(cells)}
    failures: list[Failure] = []
    with closing(collect(executor, cells)) as results:
        try:
            for each in results:
                yield from each.values
                if each.error is not None:
                    failures.append(Failure(each.task.name, each.error, places[id(each.task)]))
        except MeasurementError as error:
            if not failures:
                raise
            failures.append(Failure("the rest", error, len(cells)))
    if failures:
        raise failure_error(failures, len(cells), "encode")


def _check(request: SweepRequest) -> None:
    if request.output.suffix.lower() in (".csv", ".tsv", ".xlsx"):
        raise SettingsError(
            f"output must be a file of JSON Lines, for example corpus.jsonl, not {printable(request.output.name)}.\n"
            "  For a table, take the rows that the sweep returns: row.to_dict() has the columns."
        )
    for name in ("encoders", "crfs"):
        if not getattr(request, name):
            raise SettingsError(f"The grid of a sweep needs {name}; there are none.")
    if any(type(crf) is not int and not isinstance(crf, float) for crf in request.crfs):
        raise invalid("crfs", NUMBERS, request.crfs)
    for encoder, presets in request.encoders:
        scale = encoder.scale
        kinds = (int, float) if scale.is_grid else (int,)
        if outside := [crf for crf in sorted(request.crfs) if not isinstance(crf, kinds) or not scale.has(crf)]:
            fractions = not all(isinstance(crf, kinds) for crf in outside)
            hint = next(filter(None, map(scale.hint_for, outside)), "")
            raise SettingsError(
                f"crfs must be {'whole numbers ' if fractions else ''}{scale.range_words} for {encoder.name}, not "
                f"{', '.join(map(str, outside))}.{hint}"
            )
        if len(set(_crfs(request, encoder))) < len(request.crfs):
            raise invalid("crfs", NUMBERS, request.crfs)
        names = [encoder.resolve_preset(preset) for preset in presets]
        if not presets or len(set(names)) < len(names):
            requirement = f"at least one, each given once (None is {encoder.preset!r})"
            raise invalid(f"The presets of {encoder.name}", requirement, presets)
        check_arguments(encoder, request.arguments, request.pix_fmt)
