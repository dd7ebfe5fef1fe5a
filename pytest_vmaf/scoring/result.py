"""Result and FramesAbove: the outcome of one measurement as immutable values, and its JSON. No input or output."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.files import load_json
from pytest_vmaf.html_views import html_of
from pytest_vmaf.json_shapes import Each, Optional, conform
from pytest_vmaf.scoring.features import feature_columns
from pytest_vmaf.scoring.score import Context, Provenance, Scale, Score
from pytest_vmaf.scoring.signs import SIGNS
from pytest_vmaf.text import no_attribute

if TYPE_CHECKING:
    from pytest_vmaf.bitstream.stream import Stream

SCHEMA = 1
#: A result as JSON data, of the shape below.
ResultData: TypeAlias = dict[str, Any]
CONTEXT = {
    **dict.fromkeys(("reference", "distorted"), str),
    "frame_rate": Optional(str),
    "provenance": Each(Any),
    "shots": Optional([(int, int)]),
    "first": Optional(int),
}
SCALE = {
    **dict.fromkeys(("metric", "model", "generation", "view"), str),
    **dict.fromkeys(("width", "height"), int),
    **dict.fromkeys(("low", "high"), Optional(float)),
    "higher_is_better": bool,
}
ABOVE = {"frames": [(int, float, float)], "total": int, "past_limit": int, "limit": float}
REGION = {"context": CONTEXT, "scores": Each({"scale": SCALE, "frames": [float]}), "above_100": ABOVE}
RESULT = {"schema": int, **REGION, "regions": Optional(Each(REGION)), "stream": Optional(Any)}


@dataclass(frozen=True)
class FramesAbove:
    """The frames that enhancement lifted above the model's range.

    A frame counts if its unclipped default score is above the range and above the reference's score against itself.
    Honest encodes have frames above 100, too, but none above the self-score. The object is true if
    there are any such frames, and iterating gives their indices.

    Attributes:
        frames: For each such frame its index, unclipped score and unclipped self-score.
        total: How many frames were scored.
        past_limit: How many frames are above `limit`, whatever their self-score.
        limit: The top of the model's range, usually 100.
        context: The clips, frame rate and provenance.
    """

    frames: tuple[tuple[int, float, float], ...]
    total: int
    past_limit: int
    limit: float
    context: Context = field(repr=False)

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[int]:
        return (index for index, _, _ in self.frames)

    def worst(self, n: int = 1) -> tuple[tuple[int, float, float], ...]:
        """The `n` frames that are furthest above their self-score, furthest first."""
        return tuple(sorted(self.frames, key=lambda f: (f[2] - f[1], f[0]))[:n])

    def __repr__(self) -> str:
        if not self.frames:
            return f"<no frame of {self.total} above {self.limit:g} and its self-score>"
        index, score, self_score = self.worst()[0]
        return (
            f"<{len(self)} of {self.total} frames above {self.limit:g} and above the reference's self-score; furthest "
            f"{self.context.time_code(index)}: {score:.2f}, self-score {self_score:.2f}>"
        )


@dataclass(frozen=True, repr=False)
class Result:
    """The outcome of one measurement.

    Attributes:
        vmaf: The default model's score, in points, usually from 0 to 100. Enhancement raises it.
        neg: The NEG variant's score in the same unit. It leaves out what enhancement adds.
        gap: Default minus NEG, frame by frame and unclipped, in points: how much of the score is enhancement.
        above_100: The frames that enhancement lifted above the range.
        features: Further scores by libvmaf's columns, for example `psnr_y` in dB, and by metrics of plugins.
            `result["psnr_y"]` is a shorthand.
        regions: Results of the requested regions by their names.
        signs: Signs of the picture that VMAF does not see: `colour_loss`, `level_shift`, `contrast`, `collapse` and
            `enhancement`; `result["contrast"]` is a shorthand. Empty where they were not measured.
        stream: The packets and headers of the distorted clip's stream, if a gate or an expectation needed them.
    """

    vmaf: Score
    neg: Score
    gap: Score
    above_100: FramesAbove
    features: Mapping[str, Score] = field(hash=False)
    regions: Mapping[str, Result] = field(hash=False, default_factory=dict)
    signs: Mapping[str, Score] = field(hash=False, default_factory=dict)
    stream: Stream | None = None

    def __repr__(self) -> str:
        scores = f"NEG {self.neg:.2f}, VMAF {self.vmaf:.2f}, gap {self.gap:.2f}"
        return f"<Result {scores}, {len(self.vmaf.frames)} frames of {self.context.distorted}>"

    @property
    def context(self) -> Context:
        """The clips, frame rate and provenance."""
        return self.vmaf.context

    @property
    def provenance(self) -> Provenance:
        """How the result was measured, as plain JSON data.

        Models (`model`, `neg_model`, `generation`, `phone`, `clip`), scorer (`scorer`, `scorer_version`, `fake`,
        `libvmaf`, `ffmpeg`, `ffmpeg_path`, `threads`), picture (`frames`, `width`, `height`, `pix_fmt`, `matrix`,
        `color_range`, `filters`, `starts`, `encoder`), `notes`, the `command` that repeats the measurement, and
        `cached`: when it was made if it comes from the cache.
        """
        return self.context.provenance

    @property
    def size(self) -> int:
        """The bytes of the distorted clip's video packets, without the container. Raises as `bitrate`."""
        return int(self._of_stream("size"))

    @property
    def bitrate(self) -> float:
        """The mean bitrate of the distorted clip's video stream in bit/s: its packets by its frames and frame rate.

        Raises:
            MeasurementError: If the distorted clip is uncompressed or a picture, or its packets were not counted.
        """
        return 8 * self.size / self._of_stream("seconds")

    def _of_stream(self, name: str) -> float:
        if name not in self.provenance:
            raise MeasurementError(
                f"{self.context.distorted} has no {'size' if name == 'size' else 'bitrate'}: raw video, pictures, "
                "parts of a picture and parts of a clip have none, nor do results of a scorer that counts no packets "
                "(ScoreLog.stream)."
            )
        return float(self.provenance[name])

    @property
    def frame_times(self) -> tuple[float, ...]:
        """When each frame is shown, in seconds from the first. Raises MeasurementError without a frame rate."""
        rate = self.context.frame_rate
        if rate is None:
            raise MeasurementError(f"{self.context.reference} has no frame rate; give Clip(..., frame_rate=...).")
        return tuple(float(index / rate) for index in range(len(self.vmaf.frames)))

    @property
    def scores(self) -> Mapping[str, Score]:
        """All scores by metric: `vmaf`, `neg`, `gap`, the features and the signs."""
        return {"vmaf": self.vmaf, "neg": self.neg, "gap": self.gap, **self.features, **self.signs}

    if not TYPE_CHECKING:  # Type checkers must know which attributes there are.

        def __getattr__(self, name: str) -> NoReturn:
            is_metric = "neg" in self.__dict__ and name in self.scores
            raise no_attribute(self, name, f"result[{name!r}]" if is_metric else "")

    def __getitem__(self, metric: str) -> Score:
        if metric not in self.scores:
            names = ", ".join(self.scores)
            raise KeyError(f"{metric!r} was not measured, only {names}. Request it with features= or metrics=.")
        return self.scores[metric]

    def judged(self, metric: str, pool: str = "mean", bound: str = "") -> Score:
        """The score that a gate is checked against.

        Args:
            metric: The gate's metric.
            pool: The gate's pool, one of `POOLS`.
            bound: "min" or "max". A quality map's worst tile depends on it; here it does not matter.

        Raises:
            MeasurementError: If this version of libvmaf does not measure the metric.
        """
        if metric not in self.scores and metric in feature_columns():
            raise MeasurementError(
                f"{metric} was not measured: libvmaf {self.provenance.get('libvmaf', '')} does not give it "
                f"({feature_columns()[metric]})."
            )
        return self[metric]

    def pooled(self, metric: str, pool: str = "mean", bound: str = "") -> float:
        """A metric's frames in one number, "stdev" included. The arguments are those of `judged`."""
        score = self.judged(metric, pool, bound)
        return score.stdev if pool == "stdev" else float(score.pooled(pool))

    def to_dict(self) -> ResultData:
        """The data of `to_json`: all frames of all scores, with their scales, clips and provenance."""
        data: ResultData = json.loads(self.to_json())
        return data

    def to_rows(self) -> list[dict[str, float | None]]:
        """One row per frame, for a table or a DataFrame: its number, its time in seconds, and each score, clipped."""
        rate = self.context.frame_rate
        times = [rate and float(frame / rate) for frame in range(len(self.vmaf.frames))]
        columns = {"frame": range(len(times)), "time": times, **{name: s.frames for name, s in self.scores.items()}}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _repr_html_(self) -> str | None:
        """The scores and their chart, for notebooks."""
        return html_of(self)

    def to_json(self) -> str:
        """The complete result as JSON, from which `from_json` restores an equal one, to the last bit."""
        return json.dumps({"schema": SCHEMA, **self._data()}, allow_nan=False)

    def _data(self) -> ResultData:
        context = {**asdict(self.context), "frame_rate": self.context.frame_rate and str(self.context.frame_rate)}
        context = {name: value for name, value in context.items() if value or name not in ("shots", "first")}
        scores = {
            name: {"scale": asdict(score.scale), "frames": score.unclipped.frames}
            for name, score in self.scores.items()
        }
        above = {k: v for k, v in vars(self.above_100).items() if k != "context"}
        regions = {name: region._data() for name, region in self.regions.items()}
        data = {"context": context, "scores": scores, "above_100": above, **({"regions": regions} if regions else {})}
        return {**data, **({"stream": self.stream.to_dict()} if self.stream else {})}

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read the JSON of `to_json`. Of the results of `vmaf.roi` it restores what every Result has.

        Raises:
            MeasurementError: If the text is not a result, for example if a number in it is not finite.
        """
        try:
            data = load_json(text)
            if isinstance(data, dict) and data.get("schema", SCHEMA) != SCHEMA:
                raise ValueError(f"schema must be {SCHEMA}, not {data['schema']!r:.80}")
            conform(data, RESULT, "result")
            result = cast(ResultData, data)
            return replace(_result_of(result), stream=_stream_of(result.get("stream")))
        except (ValueError, LookupError, TypeError, ArithmeticError) as error:
            raise MeasurementError(f"This is not a result in JSON ({type(error).__name__}: {error}).") from error


def _result_of(data: ResultData) -> Result:
    rate = data["context"]["frame_rate"]
    shots = tuple((first, count) for first, count in data["context"].get("shots") or ())
    context = Context(**{**data["context"], "frame_rate": Fraction(rate) if rate else None, "shots": shots})
    scores = {
        name: Score(tuple(map(float, score["frames"])), Scale(**score["scale"]), context)
        for name, score in data["scores"].items()
    }
    above = data["above_100"]
    lifted = tuple((index, float(score), float(self_score)) for index, score, self_score in above["frames"])
    return Result(
        vmaf=scores.pop("vmaf"),
        neg=scores.pop("neg"),
        gap=scores.pop("gap"),
        above_100=FramesAbove(**{**above, "frames": lifted}, context=context),
        signs={name: scores.pop(name) for name in SIGNS if name in scores},
        features=scores,
        regions={name: _result_of(region) for name, region in (data.get("regions") or {}).items()},
    )


def _stream_of(data: object) -> Stream | None:
    """The stream in the data of a result, None if it has none. Raises ValueError if it is not a stream."""
    if data is None:
        return None
    from pytest_vmaf.bitstream.stream import Stream

    return Stream.from_dict(cast(dict[str, Any], data))
