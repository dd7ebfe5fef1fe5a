"""Stopwatch: the wall and processor seconds that a piece of work takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

try:
    import resource
except ImportError:  # pragma: no cover  (Windows)
    resource = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Spent:
    """What a piece of work took.

    Attributes:
        wall: Seconds on the clock of the wall.
        cpu: Seconds of processors, of all threads and processes together; None where the system does not tell them.
    """

    wall: float
    cpu: float | None

    def __add__(self, other: Spent) -> Spent:
        """What two pieces of work took, one after the other."""
        cpu = None if self.cpu is None or other.cpu is None else self.cpu + other.cpu
        return Spent(self.wall + other.wall, cpu)


class Stopwatch:
    """Runs from its creation on.

    Args:
        own: Whether the processor time of this process counts, too. That of its children always does, as soon as they
            have ended (getrusage(2)).
    """

    def __init__(self, *, own: bool = False) -> None:
        self._own = own
        self._cpu = self._processor_seconds()
        self._wall = time.perf_counter()

    def read(self) -> Spent:
        """What was spent since the start."""
        wall, cpu = time.perf_counter() - self._wall, self._processor_seconds()
        return Spent(wall, None if cpu is None or self._cpu is None else cpu - self._cpu)

    def _processor_seconds(self) -> float | None:
        if resource is None:  # pragma: no cover  (Windows)
            return None
        whose = (resource.RUSAGE_CHILDREN, *([resource.RUSAGE_SELF] if self._own else []))
        usages = [resource.getrusage(each) for each in whose]
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)
