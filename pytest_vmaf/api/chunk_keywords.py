"""The keywords of `vmaf.score` and `vmaf.check` as a typed dictionary."""

from __future__ import annotations

from concurrent.futures import Executor

from pytest_vmaf.api.keywords import CheckSettings as CheckSettings


class ScoreSettings(CheckSettings, total=False):
    """The settings and gates of `vmaf.score` and `vmaf.check`.

    Attributes:
        chunk: Score the clip in chunks of so many seconds (30, or `"30s"`). Scores are those of the whole clip, in
            every bit.
        executor: Where chunks are scored: any `concurrent.futures.Executor`. None is here, one after the other.
    """

    chunk: float | str | None
    executor: Executor | None
