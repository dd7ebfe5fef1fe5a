"""What is known already is not asked again: looks at clips, and scores, by what they were made of."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Generic

from pytest_vmaf.cache import UNREADABLE, Cache, fetch, forget, key_of, remembered, store
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.media.builds import build_of, machine
from pytest_vmaf.media.clip import Stream
from pytest_vmaf.media.fingerprint import Unchanged, digest
from pytest_vmaf.media.inspect import _content, _whole
from pytest_vmaf.scoring.scorer import (
    Capabilities,
    ModelRun,
    RepeatableScorer,
    ScoreLog,
    Scorer,
    ScoreRequest,
    Source,
    Tools,
    score_all,
    verify,
)
from pytest_vmaf.text import printable


def capabilities(scorer: Scorer, tools: Tools, cache: Cache | None) -> Any:
    """What the scorer says that it is; of the same programs only once."""
    builds = _builds(scorer, tools, cache)
    try:
        key = key_of("scorer", scorer=_named(scorer), builds=builds) if builds else None
    except OSError:
        key = None
    said: list[Any] = []

    def ask() -> Any:
        said.append(scorer.capabilities(tools))
        return said[0]

    # What is something else is for others to refuse.
    return remembered(cache, "look", key, ask, vars, _capabilities, lambda: isinstance(said[0], Capabilities))


def score(scorer: Scorer, requests: Sequence[ScoreRequest], cache: Cache | None) -> tuple[ScoreLog, ...]:
    """One log for each request: from the cache, and those that are not there all in one run. Raises as the scorer."""
    if cache is None:
        return score_all(scorer, requests)
    # Taken first: of a clip that is written to meanwhile nobody knows which state was scored.
    unchanged = [
        Unchanged(
            *(source.clip for source in _sources(request)),
            files=[model.path for model in request.models if model.path],
        )
        for request in requests
    ]
    keys = [score_key(scorer, request, cache) for request in requests]
    logs = {number: fetch_score(scorer, request, cache, keys[number]) for number, request in enumerate(requests)}
    missing = [number for number, log in logs.items() if log is None]
    if missing:
        made = score_all(scorer, [requests[number] for number in missing])
        for number, log in zip(missing, made, strict=True):
            logs[number] = log
            if keys[number] is not None and unchanged[number]():
                store_score(cache, keys[number], log)
    return tuple(log for log in logs.values() if log is not None)


def score_key(scorer: Scorer, request: ScoreRequest, cache: Cache | None) -> str | None:
    """The name of a scoring: all that its numbers depend on. None where that cannot be said, or nothing is kept."""
    builds = _builds(scorer, request.tools, cache)
    if not builds or any(map(_streams, _sources(request))):
        return None
    try:
        return key_of(
            "score",
            scorer=_named(scorer),
            builds=builds,
            machine=machine(),
            sources=[
                [_content(source.clip, cache), source.filters, source.window, source.start, source.frames]
                for source in _sources(request)
            ],
            picture=[request.width, request.height, request.pix_fmt],
            models=[_model(model) for model in request.models],
            features=request.features,
            columns=request.columns,
        )
    except OSError:
        # A clip or a model that is not there: who needs it says so.
        return None


def fetch_score(scorer: Scorer, request: ScoreRequest, cache: Cache | None, key: str | None) -> ScoreLog | None:
    """The log that is kept under a key, with the command that repeats it upon these very clips."""
    entry = fetch(cache, "score", key)
    if entry is None or not isinstance(scorer, RepeatableScorer):
        return None
    try:
        log = unpack_log(entry.data, entry.blob)
        verify(log, request, "the cache")
    except (*UNREADABLE, MeasurementError) as error:
        forget(cache, "score", key, f"{type(error).__name__}: {error}")
        return None
    return replace(log, command=scorer.command(request), cached=entry.made)


def store_score(cache: Cache | None, key: str | None, log: ScoreLog) -> None:
    """Keep a log under a key; one that is not whole is somebody else's to refuse, and nobody's to find again."""
    if not isinstance(log, ScoreLog):
        return
    columns = log.columns.values()
    if log.reference_frames == log.distorted_frames and all(map(math.isfinite, (x for c in columns for x in c))):
        store(cache, "score", key, *pack_log(log))


def pack_log(log: ScoreLog) -> tuple[dict[str, Any], bytes]:
    """A log as plain data, and its numbers as little-endian doubles, column by column."""
    numbers = array("d", [value for values in log.columns.values() for value in values])
    if array("H", [1]).tobytes() != b"\1\0":  # pragma: no cover  (big-endian machines)
        numbers.byteswap()
    return {
        "columns": {name: len(values) for name, values in log.columns.items()},
        "reference_frames": log.reference_frames,
        "distorted_frames": log.distorted_frames,
        "libvmaf": log.libvmaf,
        "pooled_means": dict(log.pooled_means),
    }, numbers.tobytes()


def unpack_log(data: Mapping[str, Any], blob: bytes) -> ScoreLog:
    """What :func:`pack_log` was given, to the last bit, without the command. Raises one of UNREADABLE."""
    numbers = array("d", blob)
    if array("H", [1]).tobytes() != b"\1\0":  # pragma: no cover  (big-endian machines)
        numbers.byteswap()
    columns, at = {}, 0
    for name, length in data["columns"].items():
        columns[name] = tuple(numbers[at : at + _whole(length)])
        at += length
    if at != len(numbers):
        raise ValueError(f"{len(numbers)} numbers for {at}")
    return ScoreLog(
        columns=columns,
        reference_frames=_whole(data["reference_frames"]),
        distorted_frames=_whole(data["distorted_frames"]),
        libvmaf=printable(str(data["libvmaf"])),
        command="",
        pooled_means={str(name): float(mean) for name, mean in data["pooled_means"].items()},
    )


def _sources(request: ScoreRequest) -> tuple[Source, Source]:
    return request.reference, request.distorted


def _streams(source: Source) -> bool:
    return isinstance(source.clip, Stream)


def _named(scorer: Scorer) -> list[str]:
    """A scorer's class, and the bytes of the modules that it and what it inherits from are defined in."""
    kinds = [
        kind
        for kind in type(scorer).__mro__
        if kind not in (object, Generic) and not getattr(kind, "_is_protocol", False)
    ]
    files = [getattr(sys.modules.get(kind.__module__), "__file__", None) for kind in kinds]
    known = [Path(file) for file in files if file]
    if len(known) < len(kinds):
        raise OSError("a class of no file")
    return [f"{type(scorer).__module__}.{type(scorer).__qualname__}", digest(known)]


def _builds(scorer: Scorer, tools: Tools, cache: Cache | None) -> list[str]:
    """The builds of the programs that a scorer runs; none where one of them is unknown."""
    if cache is None or not isinstance(scorer, RepeatableScorer):
        return []
    # Of one that has settings, or inherits what it depends on, nobody knows that this is all.
    if getattr(scorer, "__dict__", None) or "programs" not in vars(type(scorer)):
        return []
    builds = [build_of(program, cache) for program in scorer.programs(tools)]
    return [build for build in builds if build is not None] if None not in builds else []


def _model(model: ModelRun) -> dict[str, Any]:
    return {**asdict(model), "path": digest([model.path]) if model.path else None}


def _capabilities(data: Mapping[str, Any]) -> Capabilities:
    can = Capabilities(**data)
    if not all(type(value) is kind for value, kind in zip(vars(can).values(), (str, str, bool, bool), strict=True)):
        raise TypeError(f"{data!r:.80} are no capabilities")
    return can
