"""Read `chunk=` and `executor=` of `vmaf.score` and `vmaf.check` into a `Chunking`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.part import SECONDS

if TYPE_CHECKING:
    from pytest_vmaf.api.measurement_kinds import Kind, MeasuredResult
    from pytest_vmaf.scoring.prepare import MeasureRequest
    from pytest_vmaf.scoring.scorer import Scorer
    from pytest_vmaf.settings import Layer

#: The keywords.
CHUNK_KEYWORDS = ("chunk", "executor")
#: More seconds than any clip has.
LONGEST = 1e12


def without_chunking(settings: Mapping[str, object]) -> dict[str, object]:
    """The keywords of a call without those of chunks."""
    return {name: value for name, value in settings.items() if name not in CHUNK_KEYWORDS}


def read_seconds(settings: Mapping[str, object], kind: Kind[MeasuredResult], *, gated: bool) -> float | None:
    """The length of a chunk in seconds; None if the whole clip is scored at once.

    Raises:
        SettingsError: If it is not a number above 0, if this kind of measurement has no chunks, or if there is an
            executor without chunks.
    """
    chunk, executor = (settings.get(name) for name in CHUNK_KEYWORDS)
    if chunk is None:
        if executor is not None:
            raise SettingsError(
                "executor= needs chunk= here: an executor scores a clip in chunks, for example chunk=30 (seconds)."
            )
        return None
    if kind.in_chunks is None or not gated:
        raise SettingsError(
            "chunk= is an option of vmaf.score() and vmaf.check(), without regions: only the whole picture of two "
            "clips is scored in chunks."
        )
    seconds = _seconds(chunk)
    if seconds is None:
        raise SettingsError(f'chunk must be a number of seconds above 0, such as 30 or "30s", not {chunk!r:.80}.')
    return seconds


def _seconds(value: object) -> float | None:
    """A length as a number or a text such as "30s"; None for anything else."""
    if isinstance(value, str) and (match := SECONDS.fullmatch(value)):
        value = float(match[1])
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST:
        return None
    return float(value)


def choose_measure(
    settings: Mapping[str, object],
    kind: Kind[MeasuredResult],
    seconds: float | None,
    layers: Sequence[Layer],
    scorer: Scorer,
) -> Callable[[MeasureRequest, Scorer], MeasuredResult]:
    """What measures: the kind at once, or in chunks. Raises SettingsError for an invalid executor."""
    if seconds is None or kind.in_chunks is None:
        return kind.measure
    from pytest_vmaf.api.placements import read_placement
    from pytest_vmaf.scoring.measure_chunks import Chunking

    placement = read_placement(settings, layers, scorer, "vmaf.score", allowed=True)
    in_chunks, chunking = kind.in_chunks, Chunking(seconds, placement)
    return lambda request, scorer: in_chunks(request, scorer, chunking)
