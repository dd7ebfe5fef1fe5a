"""EarlyRun: a scoring that begins before its clips are known, and shows their first frames itself.

Most pairs are scored alike: of one size, upright, with the usual range. So their scoring can begin at once. What it
prints of the first frames takes the place of an inspection of each clip, which would cost two more processes. All
checks of the pair are made of that, while the scoring goes on. Its scores count only if the scoring that follows from
the checks is exactly the one that runs; otherwise it is stopped, and everything is done one after the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeGuard, runtime_checkable

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.early_looks import EarlyLooks, can_look_early
from pytest_vmaf.media.fingerprint import Unchanged
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.process import thread_refusals
from pytest_vmaf.scoring.scorer import ScoreLog, Scorer, ScoreRequest
from pytest_vmaf.scoring.scorer_calls import is_our_own

#: How often a run that must end is stopped again, in seconds: it may only just begin.
STOP_AGAIN = 0.01
#: Whether the last pair of this process was scored as expected. Of a suite whose clips are all unusual, one is begun
#: in vain.
_usual = True


@runtime_checkable
class LookingScorer(Scorer, Protocol):
    """A scorer backend whose run can show the first frames of its clips."""

    def score_and_look(self, request: ScoreRequest, looks: EarlyLooks) -> ScoreLog:
        """As `score`. The lines and pictures of the run go to `looks`."""

    def stop(self, looks: EarlyLooks) -> None:
        """Stop the run with these looks, if it runs."""


def can_run_early(scorer: Scorer, reference: Clip, distorted: Clip) -> TypeGuard[LookingScorer]:
    """Whether a scoring of these clips can show their first frames."""
    # A scorer that only inherits this may score in a way of its own.
    own = "score_and_look" in vars(type(scorer)) and is_our_own(scorer)
    return own and reference != distorted and can_look_early(reference) and can_look_early(distorted)


class EarlyRun:
    """A scoring that begins with the first question about one of its clips.

    Args:
        scorer: The scorer.
        guess: What it will be asked for, if the pair is like most.
        progress: Called with the number of frames scored so far, and that of all frames if it is known.
        largest_side: The largest shorter side, in pixels, of pictures that are scored like this; None for any.
    """

    def __init__(
        self,
        scorer: LookingScorer,
        guess: ScoreRequest,
        progress: Callable[[int, int | None], None] | None,
        largest_side: int | None,
    ) -> None:
        self._largest_side = largest_side
        self._scorer, self._progress = scorer, progress
        self._total: int | None = None
        self._guess = replace(guess, progress=self._on_progress if progress else None)
        self._looks = EarlyLooks([guess.distorted.clip, guess.reference.clip])
        self._unchanged = Unchanged(guess.reference.clip, guess.distorted.clip)
        self._lock, self._thread, self._begun = (
            threading.Lock(),
            threading.Thread(target=self._run, name="pytest-vmaf", daemon=True),
            0.0,
        )
        self._outcome: ScoreLog | MeasurementError | None = None

    def look(self, clip: Clip) -> Video | None:
        """The description of a clip, once its first frames were decoded; None if an inspection is needed."""
        if not _usual:
            return None
        with self._lock, thread_refusals():
            if not self._begun:
                self._begun = time.monotonic()
                self._thread.start()
        if not self._looks.wait(self._is_usual):
            # Before libvmaf has scored much.
            self.stop()
            return None
        video = self._looks.video(clip)
        if video is not None and clip == self._guess.reference.clip:
            self._total = video.frames_expected
        return video

    def log_of(self, request: ScoreRequest) -> ScoreLog | None:
        """The log of a request, if it is the one that runs; None if it must be scored.

        Raises:
            MeasurementError: If the time limit was exceeded.
        """
        global _usual
        ours = replace(request, **{name: getattr(self._guess, name) for name in ("width", "height", "pix_fmt")})
        _usual = replace(ours, progress=self._guess.progress) == self._guess
        if not self._begun:
            return None
        if not _usual:
            self.stop()
            return None
        try:
            self._thread.join()
        finally:
            self.stop()
        if isinstance(self._outcome, MeasurementError):
            if request.timeout is not None and time.monotonic() - self._begun >= request.timeout:
                raise self._outcome
            # The plain run tells why, with a command that can be repeated.
            return None
        return self._outcome if self._unchanged() and not self._looks.has_grain else None

    def stop(self) -> None:
        """End the run, if it runs."""
        while self._thread.is_alive():
            self._scorer.stop(self._looks)
            self._thread.join(STOP_AGAIN)

    def _run(self) -> None:
        try:
            self._outcome = self._scorer.score_and_look(self._guess, self._looks)
        except MeasurementError as error:
            self._outcome = error
        except OSError:
            # A full disk, or a temporary folder that was removed: the plain run tells which.
            self._outcome = None
        finally:
            self._looks.end()

    def _is_usual(self, forms: Sequence[tuple[str, str, str]], ranges: Sequence[str]) -> bool:
        """Whether the guess may fit. It is checked in full later; this only saves time."""
        width, height, pix_fmt = forms[0]
        is_small = self._largest_side is None or min(int(width), int(height)) <= self._largest_side
        return is_small and len(set(forms)) == 1 and pix_fmt.startswith("yuv4") and "pc" not in ranges

    def _on_progress(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._total)
