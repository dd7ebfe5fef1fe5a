"""FakeScorer: a scorer that invents its numbers, for unit tests of code that uses scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.scoring.scorer import Capabilities, ScoreLog, ScoreRequest, Tools
from pytest_vmaf.text import short_repr

#: One unclipped value for all frames, or one per frame.
Frames = float | Sequence[float]


class FakeScorer:
    """Answers every request with the same numbers and reads no clip. Results have `provenance["fake"]`."""

    def __init__(
        self,
        vmaf: Frames = 95.0,
        neg: Frames = 93.0,
        *,
        features: Mapping[str, Frames] | None = None,
        self_score: Frames = 100.0,
        frames: int = 24,
    ) -> None:
        """Choose the numbers.

        Args:
            vmaf: Unclipped default scores: one number for all frames, or one per frame.
            neg: Unclipped NEG scores.
            features: Values of libvmaf's columns, for example `{"psnr_y": 40.0}`.
            self_score: What a reference scores against itself.
            frames: The number of frames, if no sequence gives it.

        Raises:
            ValueError: If a value is of another type, or the sequences have different lengths.
        """
        if not isinstance(features, Mapping | None):
            raise ValueError(f"FakeScorer: features must be a mapping of columns to values, not {short_repr(features)}")
        if type(frames) is not int or frames < 1:
            raise ValueError(f"FakeScorer: frames must be a whole number of at least 1, not {short_repr(frames)}")
        for name, values in {"vmaf": vmaf, "neg": neg, "self_score": self_score, **(features or {})}.items():
            if not _is_frames(values):
                raise ValueError(f"FakeScorer: {name} must be a number or a sequence of them, not {short_repr(values)}")
        self._columns = {"vmaf": vmaf, "neg": neg, **(features or {})}
        self._self_score = self_score
        lengths = [len(v) for v in (*self._columns.values(), self_score) if isinstance(v, Sequence)]
        self._frames = lengths[0] if lengths else frames
        if len({self._frames, *lengths}) > 1:
            raise ValueError(f"FakeScorer's sequences must have one length, not {sorted(set(lengths))}")

    def capabilities(self, tools: Tools) -> Capabilities:
        """A scorer that reads no clips."""
        return Capabilities(name="fake", version="", bootstrap=True, reads_clips=False)

    def score(self, request: ScoreRequest) -> ScoreLog:
        """A log of the chosen numbers.

        Raises:
            ScorerError: If a requested column has no numbers.
        """
        columns = dict(self._columns)
        missing = [column for column in request.columns if column not in columns]
        if missing:
            raise ScorerError(f"FakeScorer has no {missing[0]!r}. Pass features={{{missing[0]!r}: 40.0}} to it.")
        if request.reference == request.distorted:
            columns["vmaf"] = columns["neg"] = self._self_score
        return ScoreLog(
            columns={
                name: self._per_frame(columns[name])
                for name in (*request.columns, *request.optional_columns)
                if name in columns
            },
            reference_frames=self._frames,
            distorted_frames=self._frames,
            libvmaf="none",
            command="(FakeScorer)",
        )

    def _per_frame(self, value: Frames) -> tuple[float, ...]:
        return (float(value),) * self._frames if isinstance(value, int | float) else tuple(map(float, value))


def _is_frames(values: object) -> bool:
    numbers = values if isinstance(values, Sequence) and not isinstance(values, str | bytes) else [values]
    return bool(numbers) and all(isinstance(each, int | float) and not isinstance(each, bool) for each in numbers)
