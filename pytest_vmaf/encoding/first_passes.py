"""FirstPasses: the statistics of one search's first passes."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from pytest_vmaf.encoding.cached import with_statistics
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.pass_statistics import Statistics
from pytest_vmaf.encoding.rate_modes import rate_control
from pytest_vmaf.media.scratch import folder_of


class FirstPasses:
    """Runs the first passes of one search. One that serves every bitrate is run once.

    Args:
        stem: How the names of the statistics begin that serve every bitrate.
        lasting: Whether these outlive the folders of the encodes, of which a worker has one for each task.
    """

    def __init__(self, stem: str, *, lasting: bool = False) -> None:
        self._stem, self._turn, self._lasting = stem, threading.Lock(), lasting
        self._folder: Path | None = None
        # By attempt: an encode that is repeated has a first pass of its own.
        self._shared: dict[int, Statistics | None] = {}

    def prepare(self, job: EncodeJob, crf: float, path: Path) -> EncodeJob:
        """The job with the statistics for a bitrate; a job of one pass as it is. Raises as `with_statistics`.

        Args:
            job: The job.
            crf: The bitrate in kbit/s.
            path: The file of the encode, beside which the statistics are written.
        """
        if not job.has_two_passes:
            return job
        if not rate_control(job.encoder.name, job.encoder.mode).shared:
            return with_statistics(job, crf, path.with_suffix(".pass"))
        with self._turn:
            known = self._shared.get(job.attempt)
            # The cleaners of temporary folders remove what is old.
            if known is None or not known.files[0].exists():
                if self._lasting and (self._folder is None or not self._folder.exists()):
                    self._folder = Path(folder_of(self))
                prefix = (self._folder or path.parent) / f"{self._stem}-{job.attempt}.pass"
                known = self._shared[job.attempt] = with_statistics(job, crf, prefix).statistics
        return replace(job, statistics=known)

    def finish(self, job: EncodeJob) -> None:
        """Remove the statistics of a job, unless they serve every bitrate."""
        if job.statistics is not None and job.statistics not in self._shared.values():
            job.statistics.remove()
