"""FakeScorer: invented numbers, for the unit tests of code that uses scores. It reads no clip and says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.scoring.scorer import Capabilities, ScoreLog, ScoreRequest, Tools

Frames = float | Sequence[float]


class FakeScorer:
    """Answers every request with the numbers it was made with; a result says ``provenance["fake"]``.

    ``vmaf``, ``neg`` and each of ``features`` (by column) are one number for all frames or one per frame, unclipped;
    ``self_score`` is what a reference scores against itself. ``frames`` is the number of frames where all are numbers.
    """

    def __init__(
        self,
        vmaf: Frames = 95.0,
        neg: Frames = 93.0,
        *,
        features: Mapping[str, Frames] | None = None,
        self_score: Frames = 100.0,
        frames: int = 24,
    ) -> None:
        self._columns = {"vmaf": vmaf, "neg": neg, **(features or {})}
        self._self_score = self_score
        given = [len(v) for v in (*self._columns.values(), self_score) if isinstance(v, Sequence)]
        self._frames = given[0] if given else frames
        if len({self._frames, *given}) > 1:
            raise ValueError(f"FakeScorer was given sequences of different lengths: {sorted(set(given))}")

    def capabilities(self, tools: Tools) -> Capabilities:
        """Says that no clip is read."""
        return Capabilities(name="fake", version="", bootstrap=True, reads_clips=False)

    def score(self, request: ScoreRequest) -> ScoreLog:
        """The numbers, as a log of a run that never was."""
        columns = dict(self._columns)
        missing = [column for column in request.columns if column not in columns]
        if missing:
            raise ScorerError(f"FakeScorer was not given {missing[0]!r}; pass features={{{missing[0]!r}: 40.0}} to it.")
        if request.reference == request.distorted:
            columns["vmaf"] = columns["neg"] = self._self_score
        return ScoreLog(
            columns={name: self._per_frame(columns[name]) for name in request.columns},
            reference_frames=self._frames,
            distorted_frames=self._frames,
            libvmaf="none",
            command="(FakeScorer)",
        )

    def _per_frame(self, value: Frames) -> tuple[float, ...]:
        return (float(value),) * self._frames if isinstance(value, int | float) else tuple(map(float, value))
