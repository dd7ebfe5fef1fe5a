"""The rows of a sweep, and the file of JSON Lines that holds them: written a row at a time, read back exactly."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from io import FileIO
from pathlib import Path
from typing import Any

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.scoring.score import POOLS
from pytest_vmaf.text import printable

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
#: Between these lie the scores of every VMAF model, once they are clipped to its own scale.
LOWEST, HIGHEST = 0, 110
POOLED = re.compile(f"_(?:{'|'.join(POOLS)})$")


@dataclass(frozen=True)
class Setup:
    """All that the rows of one rate-quality curve have in common. Rows whose setups are equal belong together.

    ``source`` is the name of the source's file, which may change; ``source_hash`` (BLAKE2b) is of its bytes and of what
    its Clip says about them. ``width``, ``height`` (pixels) and ``frame_rate`` (frames/s, as "30000/1001") are those of
    the scored frames. ``template`` is the encoder's own argument list with its {placeholders}, ``arguments`` are the
    user's. ``program_hash`` is of the executable that encodes, so that another build is another encoder; libraries that
    it loads and what a Python function does are not seen. ``allow`` is sorted, None in rows from before it was written
    down. ``scorer``, ``ffmpeg`` and ``pytest_vmaf`` hold their versions.
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
    allow: tuple[str, ...] | None
    scorer: str
    ffmpeg: str
    pytest_vmaf: str

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
        """Read what to_json wrote. Raises MeasurementError for anything else, NaN included, and for numbers that no
        encode can have together, as a bitrate that is not that of its size and duration.
        """
        try:
            data = json.loads(text)
            if type(data) is not dict or data.pop("schema", None) != SCHEMA:
                raise ValueError(f"it is no object with a schema of {SCHEMA}")
            data.setdefault("allow", None)
            setup = Setup(**{each.name: _value(each.name, each.type, data.pop(each.name)) for each in fields(Setup)})
            own = [each for each in fields(cls) if each.name not in ("setup", "scores")]
            values = {each.name: _value(each.name, each.type, data.pop(each.name)) for each in own}
            # What is left are the scores.
            row = cls(setup=setup, **values, scores={name: _value(name, "float", data[name]) for name in data})
            for name in ("vmaf", "neg", "gap"):
                row.scores[name]
            _check_numbers(row)
            _check_scores(row.scores)
        except KeyError as error:
            raise MeasurementError(f"This is no row of a sweep: {error} is missing.") from error
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise MeasurementError(f"This is no row of a sweep ({type(error).__name__}: {error}).") from error
        return row


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
                    hint = "\n  It is cut off; the sweep, run again, makes it anew." if _is_torn(line) else ""
                    raise MeasurementError(f"{where}: {error}{hint}") from error
    except OSError as error:
        raise MeasurementError(f"{name} cannot be read: {error.strerror or error}.") from error
    return tuple(rows)


@contextlib.contextmanager
def locked_file(path: Path) -> Iterator[FileIO]:
    """The file, open for appending, ending with a whole row, and not open for another sweep at the same time.

    Raises MeasurementError where that cannot be.
    """
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


def append_row(file: FileIO, row: Row, name: str) -> None:
    """Write a row to the end of the file, called ``name`` in messages, and to the disk; whole or not at all.

    Raises MeasurementError where it cannot be written.
    """
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


def _mend(file: FileIO) -> None:
    """Take back a last line that was not written to its end; end one that lacks nothing else."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LARGEST_LINE))
    last = file.readall().rpartition(b"\n")[2]
    file.seek(0)
    first = file.read(len(HEAD))
    # In a file that is no sweep's nothing is changed; reading says what is wrong with it.
    if not last or not all(part.startswith(HEAD[: len(part)]) for part in (first, last)):
        return
    if _is_torn(last):
        file.truncate(size - len(last))
        return
    # A whole line that is no row stays for reading too: somebody has edited it.
    with contextlib.suppress(MeasurementError):
        Row.from_json(last)
        file.write(b"\n")


def _is_torn(line: bytes) -> bool:
    """Whether a row's line was not written to its end: it begins as one does, and its object is not closed."""
    if line.endswith(b"\n") or not line.startswith(HEAD[: len(line)]):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return False


def _check_numbers(row: Row) -> None:
    """Raise ValueError for what no encode can be."""
    sizes = {name: getattr(row, name) for name in ("size", "frames", "duration", "bitrate")}
    for name, number in {**sizes, "width": row.setup.width, "height": row.setup.height}.items():
        if not number > 0:
            raise ValueError(f"{name} is not above 0")
    if row.seconds is not None and row.seconds < 0:
        raise ValueError("seconds is below 0")
    own = row.size * 8 / row.duration
    if not math.isclose(row.bitrate, own, rel_tol=1e-6):
        raise ValueError(
            f"bitrate is {row.bitrate:g} bit/s, but {row.size} bytes in {row.duration:g} s are {own:g}; "
            "was it edited? Remove the line, and sweep it again"
        )
    if row.setup.frame_rate is not None and not FRAME_RATE.fullmatch(row.setup.frame_rate):
        raise ValueError("frame_rate is no frame rate")


def _check_scores(scores: Mapping[str, float]) -> None:
    """Raise ValueError for scores beyond every model's scale, and for a pool outside its own frames."""
    for name, score in scores.items():
        metric = POOLED.sub("", name)
        low, high = scores.get(f"{metric}_min", -math.inf), scores.get(f"{metric}_max", math.inf)
        # The gap is unclipped, and so are features and a bootstrap model's intervals: their scale has no end.
        if metric in ("vmaf", "neg"):
            low, high = max(low, LOWEST), min(high, HIGHEST)
        # The harmonic mean is rounded several times.
        if not low - 1e-6 <= score <= high + 1e-6:
            raise ValueError(
                f"{name[:40]} is {score:g}, which cannot be: its frames go from {low:g} to {high:g}; "
                "was it edited? Remove the line, and sweep it again"
            )


def _require_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise MeasurementError(f"{printable(str(path))} is not a regular file; a sweep's file is one.")


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
