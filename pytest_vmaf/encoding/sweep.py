"""Sweeps: a grid of source, encoder, preset and CRF into JSON Lines, a row at a time, so that a kill costs only one."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from io import FileIO
from itertools import groupby
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.encode import Job, check_arguments
from pytest_vmaf.encoding.encoders import Encoder, check_available
from pytest_vmaf.encoding.probe import Metric, Probe, Prober
from pytest_vmaf.quality.clip import SEQUENCE, Clip
from pytest_vmaf.quality.errors import ClipError, MeasurementError, SettingsError
from pytest_vmaf.quality.ffmpeg import inspect
from pytest_vmaf.quality.measure import MeasureRequest, prepare
from pytest_vmaf.quality.process import printable
from pytest_vmaf.quality.score import POOLS
from pytest_vmaf.quality.scorer import Scorer

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows)
    fcntl = None  # type: ignore[assignment]

SCHEMA = 1
#: How a row's line begins; a last line that does so and is no row was cut off while it was written.
HEAD = b'{"schema": %d, "source": "' % SCHEMA
#: In bytes. A row takes some 3 KiB, most of it scores and its command.
LARGEST_LINE, LARGEST_FILE = 1 << 20, 1 << 28
FRAME_RATE = re.compile(r"[1-9]\d{0,8}(/[1-9]\d{0,8})?")


@dataclass(frozen=True)
class Setup:
    """All that the rows of one rate-quality curve have in common. Rows whose setups are equal belong together.

    ``source`` is the name of the source's file, which may change; ``source_hash`` (BLAKE2b) is of its bytes and of what
    its Clip says about them. ``width``, ``height`` (pixels) and ``frame_rate`` (frames/s, as "30000/1001") are those of
    the scored frames. ``template`` is the encoder's own argument list with its {placeholders}, ``arguments`` are the
    user's. ``program_hash`` is of the executable that encodes, so that another build is another encoder; libraries that
    it loads and what a Python function does are not seen. ``scorer`` and ``ffmpeg`` hold their versions.
    """

    source: str = field(compare=False)
    source_hash: str
    width: int
    height: int
    frame_rate: str | None
    encoder: str
    template: tuple[str, ...]
    program_hash: str
    larger_is_finer: bool
    preset: str | None
    arguments: tuple[str, ...]
    pix_fmt: str | None
    model: str
    neg_model: str
    generation: str
    scale: str | None
    align: bool
    scorer: str
    ffmpeg: str

    @property
    def name(self) -> str:
        """Source, encoder and preset as people write them, safe to print."""
        settings = " ".join(filter(None, (self.encoder, self.preset, *self.arguments, self.pix_fmt)))
        return printable(f"{self.source}, {settings}")


@dataclass(frozen=True)
class Row:
    """One encode and its scores: a line of a sweep's file.

    ``size`` in bytes, ``frames``, ``duration`` in seconds and ``bitrate`` in bit/s are those of the video stream.
    ``scores`` are means, "neg", and pools, "neg_p5": all of them for "vmaf" and "neg", "_max" for "gap" (unclipped),
    "_min" and "_max" for each feature, as "psnr_y". ``seconds`` is what the encoding took, None where it was scored in
    the same process. ``command`` repeats the measurement.

    In JSON the fields of the setup, of the row and the scores stand side by side in one object, with ``"schema": 1``.
    """

    setup: Setup
    crf: int
    size: int
    frames: int
    duration: float
    bitrate: float
    seconds: float | None
    libvmaf: str
    pytest_vmaf: str
    command: str
    scores: Mapping[str, float] = field(hash=False)

    @property
    def neg(self) -> float:
        """Mean VMAF-NEG."""
        return self.scores["neg"]

    @property
    def vmaf(self) -> float:
        """Mean VMAF."""
        return self.scores["vmaf"]

    @property
    def gap(self) -> float:
        """Mean of VMAF minus NEG, unclipped."""
        return self.scores["gap"]

    def to_json(self) -> str:
        """One line, without its end; :meth:`from_json` gives an equal row back, to the last bit."""
        own = {name: value for name, value in vars(self).items() if name not in ("setup", "scores")}
        return json.dumps({"schema": SCHEMA, **asdict(self.setup), **own, **self.scores}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Row:
        """Read what to_json wrote. Raises MeasurementError for anything else, NaN included."""
        try:
            data = json.loads(text)
            if type(data) is not dict or data.pop("schema", None) != SCHEMA:
                raise ValueError(f"it is no object with a schema of {SCHEMA}")
            setup = Setup(**{each.name: _value(each.name, each.type, data.pop(each.name)) for each in fields(Setup)})
            own = [each for each in fields(cls) if each.name not in ("setup", "scores")]
            values = {each.name: _value(each.name, each.type, data.pop(each.name)) for each in own}
            # What is left are the scores.
            row = cls(setup=setup, **values, scores={name: _value(name, "float", data[name]) for name in data})
            for name in ("vmaf", "neg", "gap"):
                row.scores[name]
            for name, number in (*values.items(), ("width", setup.width), ("height", setup.height)):
                if name in ("size", "frames", "duration", "bitrate", "width", "height") and not number > 0:
                    raise ValueError(f"{name} is not above 0")
            if setup.frame_rate is not None and not FRAME_RATE.fullmatch(setup.frame_rate):
                raise ValueError("frame_rate is no frame rate")
        except KeyError as error:
            raise MeasurementError(f"This is no row of a sweep: {error} is missing.") from error
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise MeasurementError(f"This is no row of a sweep ({type(error).__name__}: {error}).") from error
        return row


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
    """The rows that one Prober makes. ``stamp`` tells whether the source is still the file that was hashed."""

    setup: Setup
    job: Job
    scoring: MeasureRequest
    columns: tuple[str, ...]
    stamp: tuple[tuple[int, int], ...]


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
    with _locked(request.output) as file:
        # One that was made without a feature that is asked for now is made again.
        whole = (row for row in read_rows(request.output) if columns.get(row.setup, set()) <= row.scores.keys())
        rows = {(row.setup, row.crf): row for row in whole}
        todo = [(curve, crf) for curve, crf in grid if (curve.setup, crf) not in rows]
        done = len(grid) - len(todo)
        _tell(request, done, len(grid))
        try:
            with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
                for row in _made(todo, scorer, Path(folder)):
                    _append(file, row, name)
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


def read_rows(path: Path) -> tuple[Row, ...]:
    """The rows of a sweep's file, in its order. A row whose line is cut off is an error here as any other.

    Raises MeasurementError, with the file's name and the line, for what is no row, and for files over 256 MiB.
    """
    name = printable(str(path))
    rows: list[Row] = []
    try:
        _require_file(path)
        if path.stat().st_size > LARGEST_FILE:
            raise MeasurementError(f"{name} has more than {LARGEST_FILE >> 20} MiB, too much to read; split it.")
        with path.open("rb") as file:
            while line := file.readline(LARGEST_LINE + 1):
                where = f"{name}, line {len(rows) + 1}"
                if len(line) > LARGEST_LINE:
                    raise MeasurementError(f"{where}: longer than {LARGEST_LINE >> 20} MiB, which no row is.")
                try:
                    rows.append(Row.from_json(line))
                except MeasurementError as error:
                    torn = not line.endswith(b"\n") and line.startswith(HEAD[: len(line)])
                    hint = "\n  It is cut off; the sweep, run again, makes it anew." if torn else ""
                    raise MeasurementError(f"{where}: {error}{hint}") from error
    except OSError as error:
        raise MeasurementError(f"{name} cannot be read: {error.strerror or error}.") from error
    return tuple(rows)


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
        video = inspect(clip, ffmpeg.path, 2, scoring.timeout)
        stamp, source_hash = _stamp(clip), _source_hash(clip)
        for encoder, presets in request.encoders:
            check_available(encoder, ffmpeg.path)
            for preset in map(encoder.chosen_preset, presets):
                setup = Setup(
                    source=clip.path.name,
                    source_hash=source_hash,
                    width=prepared.job.width,
                    height=prepared.job.height,
                    frame_rate=str(video.frame_rate) if video.frame_rate else None,
                    encoder=encoder.name,
                    template=encoder.arguments or encoder.command,
                    program_hash=_program_hash(encoder, request.arguments, ffmpeg.path),
                    larger_is_finer=encoder.larger_is_finer,
                    preset=preset,
                    arguments=request.arguments,
                    pix_fmt=request.pix_fmt,
                    model=models.name,
                    neg_model=models.neg_name,
                    generation=models.generation,
                    scale=scoring.scale,
                    align=scoring.align,
                    scorer=f"{can.name} {can.version}".strip(),
                    ffmpeg=ffmpeg.version,
                )
                if setup in curves:
                    raise SettingsError(
                        f"The grid has {setup.name} twice: the sources {curves[setup].job.source.clip} and {clip} hold "
                        "the same, or an encoder is named twice (of functions the name must tell)."
                    )
                job = Job(encoder, video, ffmpeg.path, preset, request.arguments, request.pix_fmt, scoring.timeout)
                curves[setup] = _Curve(setup, job, scoring, prepared.job.columns, stamp)
    return list(curves.values())


def _made(todo: Iterable[tuple[_Curve, int]], scorer: Scorer, folder: Path) -> Iterator[Row]:
    for curve, cells in groupby(todo, key=lambda cell: cell[0]):
        prober = Prober(curve.job, curve.scoring, scorer, Metric("neg"), folder, kept=False)
        for _, crf in cells:
            prober(crf)
            if _stamp(curve.scoring.reference) != curve.stamp:
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
        pytest_vmaf=result.provenance["pytest_vmaf"],
        command=result.provenance["command"],
        scores=scores,
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[FileIO]:
    """The file, open for appending, ending with a whole row, and not open for another sweep at the same time."""
    name = printable(str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _require_file(path)
        # Without a buffer, which would try again to write what did not fit when it is closed.
        file = FileIO(path, "a+b")
    except OSError as error:
        raise MeasurementError(f"{name} cannot be written: {error.strerror or error}.") from error
    with file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MeasurementError(
                f"Another sweep is writing {name}; wait for its end, or name another file."
            ) from None
        except OSError:
            # A file system without locks.
            pass
        try:
            _mend(file)
        except OSError as error:
            raise MeasurementError(f"{name} cannot be written: {error.strerror or error}.") from error
        yield file


def _mend(file: FileIO) -> None:
    """Take back a last line that was not written to its end; end one that lacks nothing else."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LARGEST_LINE))
    last = file.readall().rpartition(b"\n")[2]
    file.seek(0)
    first = file.read(len(HEAD))
    # In a file that is no sweep's nothing is changed; reading says what is wrong with it.
    if last and all(part.startswith(HEAD[: len(part)]) for part in (first, last[: len(HEAD)])):
        try:
            Row.from_json(last)
            file.write(b"\n")
        except MeasurementError:
            file.truncate(size - len(last))


def _append(file: FileIO, row: Row, name: str) -> None:
    begin = file.seek(0, os.SEEK_END)
    try:
        line = memoryview(f"{row.to_json()}\n".encode())
        while line:
            line = line[file.write(line) :]
        os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            file.truncate(begin)
        raise MeasurementError(
            f"The row of {row.setup.name}, CRF {row.crf} cannot be written to {name}: {error.strerror or error}."
        ) from error


def _tell(request: SweepRequest, done: int, total: int) -> None:
    if request.progress is not None:
        request.progress(done, total)


def _require_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise MeasurementError(f"{printable(str(path))} is not a regular file; a sweep's file is one.")


def _files(clip: Clip) -> list[Path]:
    if not clip.is_sequence:
        return [clip.path]
    before, after = (glob.escape(part) for part in SEQUENCE.sub("\0", clip.path.name).split("\0"))
    return sorted(clip.path.parent.glob(f"{before}*{after}"))


def _stamp(clip: Clip) -> tuple[tuple[int, int], ...]:
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in map(os.stat, _files(clip)))


def _source_hash(clip: Clip) -> str:
    said = repr((clip.width, clip.height, clip.pix_fmt, clip.frame_rate))
    return _hash(_files(clip), said)


def _program_hash(encoder: Encoder, arguments: tuple[str, ...], ffmpeg: str) -> str:
    """Of the ffmpeg or the program, and of the files that the arguments name, as a script or a configuration."""
    if encoder.function is not None:
        return ""
    program = (shutil.which(encoder.command[0]) if encoder.command else ffmpeg) or ""
    files = [path for path in (program, *encoder.command[1:], *arguments) if os.path.isfile(path)]
    stats = [os.stat(path) for path in files]
    return _hash_files(tuple((Path(p), s.st_mtime_ns, s.st_size) for p, s in zip(files, stats, strict=True)))


@lru_cache(maxsize=16)
def _hash_files(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Remembered while the files stay the same; an ffmpeg has a hundred megabytes."""
    return _hash([path for path, _, _ in files], "")


def _hash(files: Iterable[Path], said: str) -> str:
    whole = hashlib.blake2b(said.encode(), digest_size=16)
    for path in files:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, hashlib.blake2b).digest())
    return whole.hexdigest()


def _value(name: str, kind: Any, value: Any) -> Any:
    """A value from JSON as the field's annotation wants it, exactly. Raises ValueError."""
    if kind.endswith(" | None"):
        if value is None:
            return None
        kind = kind.removesuffix(" | None")
    if kind == "tuple[str, ...]" and type(value) is list and all(type(part) is str for part in value):
        return tuple(value)
    if kind == "float" and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    whole = kind == "int" and type(value) is int and abs(value) < 1 << 63
    if whole or (kind == "str" and type(value) is str) or (kind == "bool" and type(value) is bool):
        return value
    raise ValueError(f"{name[:40]!r} should be {kind}, and is {type(value).__name__} {repr(value)[:40]}")
