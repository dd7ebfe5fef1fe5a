"""`Row`: one encode of a sweep and its scores, as a line of JSON. `Setup`: the settings that a curve's rows share."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pytest_vmaf.encoding.rate_modes import MODES, at
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.files import load_json
from pytest_vmaf.json_shapes import OneOf, Optional, Shape, Text, conform, require
from pytest_vmaf.scoring.pools import POOLS
from pytest_vmaf.text import printable

SCHEMA = 1
#: The scores of every VMAF model lie between these, once they are clipped to its own scale.
LOWEST, HIGHEST = 0, 110
POOLED = re.compile(f"_(?:{'|'.join(POOLS)})$")
FRAME_RATE = Text(re.compile(r"[1-9]\d{0,8}(/[1-9]\d{0,8})?"))
#: The fields of setups and rows that are not strings.
SHAPES: dict[str, Shape] = {
    "width": int, "height": int, "frame_rate": Optional(FRAME_RATE), "template": [str], "larger_is_finer": bool,
    "mode": OneOf(MODES),
    "preset": Optional(str), "arguments": [str], "pix_fmt": Optional(str), "scale": Optional(str), "align": bool,
    "allow": Optional([str]), "crf": int, "size": int, "frames": int, "duration": float, "bitrate": float,
    "seconds": Optional(float),
}  # fmt: skip
EDITED = "was it edited? Remove the line, and sweep it again"


@dataclass(frozen=True)
class Setup:
    """Everything that the rows of one rate-quality curve share. Rows with equal setups belong to one curve.

    Attributes:
        source: The name of the source's file. It may change: it does not count when setups are compared.
        source_hash: A BLAKE2b hash of the source's bytes and of its description as a `Clip`.
        width: Width of the scored frames, in pixels.
        height: Height of the scored frames, in pixels.
        frame_rate: Frames per second, for example "30000/1001". None if the source states none.
        encoder: The encoder's name.
        template: The encoder's own arguments with their {placeholders}.
        program_hash: A hash of the executable that encodes and of the files that its arguments name, so that another
            build counts as another encoder. It does not cover libraries or what a Python function does.
        larger_is_finer: Whether a larger CRF means a higher quality.
        preset: The encoder's preset, None if it has none.
        arguments: The further arguments of the sweep.
        pix_fmt: The pixel format of the encodes, None for the source's.
        model: The model behind the default scores.
        neg_model: The model behind the NEG scores.
        generation: The generation of both models, for example "v0".
        scale: The filter that scaled the encodes up, None for none.
        align: Whether frames that only one clip has at its start were skipped.
        allow: The allowances, sorted. None in rows of old versions, which did not store them.
        scorer: The scorer's name and version.
        ffmpeg: The version of ffmpeg.
        pytest_vmaf: The version of pytest-vmaf.
        mode: What the CRF is: "crf", or kbit/s in one pass ("bitrate") or in two ("2pass").
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
    mode: str = "crf"

    @property
    def name(self) -> str:
        """Source, encoder, preset, arguments and pixel format, safe to print."""
        mode = "" if self.mode == "crf" else self.mode
        settings = " ".join(filter(None, (self.encoder, self.preset, mode, *self.arguments, self.pix_fmt)))
        return printable(f"{self.source}, {settings}")


@dataclass(frozen=True, repr=False)
class Row:
    """One encode and its scores: a line of a sweep's file.

    In JSON, the fields of the setup, the fields of the row and the scores are the keys of one object.

    Attributes:
        setup: The source, the encoder and how the encode was scored.
        crf: The CRF.
        size: Size of the video stream, in bytes.
        frames: Number of frames.
        duration: Length of the video stream, in seconds.
        bitrate: Mean bitrate of the video stream, in bit/s.
        seconds: How long encoding took. None if the encode was scored in the same process.
        libvmaf: The version of libvmaf.
        command: A shell command that repeats the measurement.
        scores: Scores by name: means such as "neg", and pools such as "neg_p5". There are all pools of "vmaf" and
            "neg", "_max" of "gap" (unclipped), and "_min" and "_max" of each feature, for example "psnr_y".
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
    def at(self) -> str:
        """The number of the encode in messages: "CRF 28" or "1500 kbit/s"."""
        return at(self.setup.mode, self.crf)

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

    def __repr__(self) -> str:
        return f"<Row {self.setup.name}, {self.at}: NEG {self.neg:.3f}, {self.bitrate / 1000:.1f} kbit/s>"

    def to_json(self) -> str:
        """Format the row as one line without its end. `from_json` returns an equal row, to the last bit."""
        own = {name: value for name, value in vars(self).items() if name not in ("setup", "scores")}
        return json.dumps({"schema": SCHEMA, **asdict(self.setup), **own, **self.scores}, allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data, with the keys of `to_json`."""
        data: dict[str, Any] = json.loads(self.to_json())
        return data

    @classmethod
    def from_json(cls, text: str | bytes) -> Row:
        """Read a row.

        Args:
            text: What `to_json` returned.

        Raises:
            MeasurementError: For anything else, NaN included, and for numbers that contradict each other, such as a
                bitrate that does not match size and duration.
        """
        try:
            data = load_json(text)
            if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
                raise ValueError(f"expected an object with schema {SCHEMA}")
            # Rows of old versions lack both.
            data.setdefault("allow", None)
            data.setdefault("mode", "crf")
            own = [each.name for each in fields(cls) if each.name not in ("setup", "scores")]
            setup = Setup(**{each.name: _pop(data, each.name) for each in fields(Setup)})
            values = {name: _pop(data, name) for name in own}
            # Only scores are left now.
            row = cls(setup=setup, **values, scores={name: _pop(data, name, float) for name in list(data)})
            for name in ("vmaf", "neg", "gap"):
                row.scores[name]
            _check_numbers(row)
            _check_scores(row.scores)
        except KeyError as error:
            raise MeasurementError(f"Not a sweep row: {error} is missing.") from error
        except (ValueError, ArithmeticError) as error:
            raise MeasurementError(f"Not a sweep row: {error}.") from error
        return row


def _pop(data: dict[str, object], name: str, shape: Shape = str) -> Any:
    """Take a value of the field's shape out of the data. Raises KeyError and ValueError."""
    shape, value = SHAPES.get(name, shape), data.pop(name)
    if name == "crf" and isinstance(value, float):
        # A step of a scale that is not one of whole numbers.
        shape = float
    conform(value, shape, name[:40])
    if isinstance(value, list):
        return tuple(value)
    # JSON does not tell 1.0 from 1.
    return float(value) if isinstance(value, int) and shape in (float, Optional(float)) else value


def _check_numbers(row: Row) -> None:
    """Raise ValueError for numbers that no encode has."""
    numbers = {name: getattr(row, name) for name in ("size", "frames", "duration", "bitrate")}
    for name, number in {**numbers, "width": row.setup.width, "height": row.setup.height}.items():
        require(number > 0, name, "above 0", number)
    require(row.seconds is None or row.seconds >= 0, "seconds", "at least 0", row.seconds)
    rate = row.size * 8 / row.duration
    if not math.isclose(row.bitrate, rate, rel_tol=1e-6):
        raise ValueError(
            f"bitrate is {row.bitrate:g} bit/s, but {row.size} bytes in {row.duration:g} s are {rate:g}; {EDITED}"
        )


def _check_scores(scores: Mapping[str, float]) -> None:
    """Raise ValueError for scores beyond the scale of every model, and for pools outside the range of their frames."""
    for name, score in scores.items():
        metric = POOLED.sub("", name)
        low, high = scores.get(f"{metric}_min", -math.inf), scores.get(f"{metric}_max", math.inf)
        # The gap, features and the intervals of a bootstrap model are unclipped.
        if metric in ("vmaf", "neg"):
            low, high = max(low, LOWEST), min(high, HIGHEST)
        # The harmonic mean is rounded several times.
        if not low - 1e-6 <= score <= high + 1e-6:
            raise ValueError(f"{name[:40]} must be between {low:g} and {high:g} by its frames, not {score:g}; {EDITED}")
