"""Scores from earlier runs: cached by everything they depend on."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from pytest_vmaf.cache.entries import UNREADABLE, Cache, fetch, forget, get_or_compute, key_of, store
from pytest_vmaf.errors import LogError, MeasurementError, PairError, ScorerError
from pytest_vmaf.json_shapes import Each, Optional, conform
from pytest_vmaf.media.builds import build_of, machine
from pytest_vmaf.media.clip import Stream
from pytest_vmaf.media.fingerprint import Unchanged, decoding_content, digest
from pytest_vmaf.scoring.lead import refuse_missing, with_lead, without_lead
from pytest_vmaf.scoring.scorer import (
    Capabilities,
    JoiningScorer,
    ModelRun,
    RepeatableScorer,
    ScoreLog,
    Scorer,
    ScoreRequest,
    Source,
    Tools,
)
from pytest_vmaf.scoring.scorer_calls import (
    CAPABILITIES,
    call,
    checked_capabilities,
    checked_log,
    checked_logs,
    name_of,
)
from pytest_vmaf.scoring.verify_log import verify_log
from pytest_vmaf.scoring.xpsnr import for_scorer, needs_xpsnr, refuse_frames
from pytest_vmaf.scoring.xpsnr_run import with_xpsnr
from pytest_vmaf.text import plural, printable, short_repr

if TYPE_CHECKING:
    from pytest_vmaf.scoring.early_run import EarlyRun

#: The JSON part of a cached entry.
Data: TypeAlias = Mapping[str, Any]

#: Raised when scores of the built-in scorers change for another reason than their own modules, such as `ffmpeg_graph`.
SCORES_VERSION = 2
#: Raised when signs change, so that cached ones are measured anew.
SIGNS_VERSION = 7
#: Raised when XPSNR changes.
XPSNR_VERSION = 1
COUNTS = {"columns": Each(int), "signs": Each(int), "reference_frames": int, "distorted_frames": int}
LOG = {
    **COUNTS,
    "libvmaf": str,
    "pooled_means": Each(float),
    "frame_problems": Optional(Each(str)),
    "stream": (int, int),
}


def capabilities(scorer: Scorer, tools: Tools, cache: Cache | None) -> Capabilities:
    """A scorer's capabilities, cached by its programs.

    Raises:
        ScorerError: If the scorer returns something else.
    """
    try:
        identity = _identity(scorer, tools, cache)
    except OSError:
        identity = None
    key = key_of("scorer", **identity) if identity else None

    def ask() -> Capabilities:
        return checked_capabilities(call(scorer, "capabilities", tools), scorer)

    return get_or_compute(cache, "look", key, ask, asdict, _read_capabilities)


def score(
    scorer: Scorer, requests: Sequence[ScoreRequest], cache: Cache | None = None, early: EarlyRun | None = None
) -> tuple[ScoreLog, ...]:
    """One log for each request: from the cache if it is there; the others are scored, together if the scorer can.

    `early` may be a run for the only request.
    """
    if cache is None:
        return _run(scorer, requests, early)
    # Before scoring: a clip that is written to meanwhile may have been scored in either state.
    unchanged = [
        Unchanged(each.reference.clip, each.distorted.clip, files=[run.path for run in each.models if run.path])
        for each in requests
    ]
    keys = [score_key(scorer, request, cache) for request in requests]
    logs = {number: fetch_score(scorer, request, cache, keys[number]) for number, request in enumerate(requests)}
    missing = [number for number, log in logs.items() if log is None]
    for number, log in zip(missing, _run(scorer, [requests[number] for number in missing], early), strict=True):
        logs[number] = log
        if keys[number] is not None and unchanged[number]():
            store_score(cache, keys[number], log)
    return tuple(log for log in logs.values() if log is not None)


def score_key(scorer: Scorer, request: ScoreRequest, cache: Cache | None) -> str | None:
    """The cache key of a scoring, made of all that its numbers depend on; None if it must not be cached."""
    sources = request.reference, request.distorted
    try:
        identity = _identity(scorer, request.tools, cache)
        if identity is None or any(isinstance(source.clip, Stream) for source in sources):
            return None
        return key_of(
            "score",
            **identity,
            version=SCORES_VERSION,
            machine=machine(),
            sources=[_source(source, cache) for source in sources],
            picture=[request.width, request.height, request.pix_fmt],
            models=[_model(model) for model in request.models],
            features=request.features,
            columns=[*request.columns, *request.optional_columns],
            signs=SIGNS_VERSION if request.signs else 0,
            **({"lead": request.lead} if any(request.lead) else {}),
            **_xpsnr_key(request, cache),
        )
    except OSError:
        # A clip or a model is missing, which the scoring reports.
        return None


def fetch_score(scorer: Scorer, request: ScoreRequest, cache: Cache | None, key: str | None) -> ScoreLog | None:
    """The log stored under a key, with the command that repeats it for these clips; None if there is none."""
    entry = fetch(cache, "score", key)
    if entry is None or not isinstance(scorer, RepeatableScorer):
        return None
    try:
        log = unpack_log(entry.data, entry.blob)
        verify_log(log, request, "the cache")
    except (*UNREADABLE, MeasurementError) as error:
        forget(cache, "score", key, f"{type(error).__name__}: {error}")
        return None
    return replace(log, command=str(call(scorer, "command", with_lead(request))), cached=entry.created_at)


def store_score(cache: Cache | None, key: str | None, log: ScoreLog) -> None:
    """Store a complete log under a key. An incomplete one is left to `verify`, which refuses it."""
    same_length = isinstance(log, ScoreLog) and log.reference_frames == log.distorted_frames
    if same_length and all(map(math.isfinite, chain.from_iterable(log.columns.values()))):
        store(cache, "score", key, *pack_log(log))


def pack_log(log: ScoreLog) -> tuple[Data, bytes]:
    """A log as JSON data, and its values as little-endian doubles, column by column."""
    numbers = array("d", chain.from_iterable([*log.columns.values(), *log.signs.values()]))
    if sys.byteorder == "big":  # pragma: no cover
        numbers.byteswap()
    return {
        "columns": {name: len(values) for name, values in log.columns.items()},
        "signs": {name: len(values) for name, values in log.signs.items()},
        "reference_frames": log.reference_frames,
        "distorted_frames": log.distorted_frames,
        "libvmaf": log.libvmaf,
        "pooled_means": dict(log.pooled_means),
        "frame_problems": dict(log.frame_problems),
        "stream": list(log.stream),
    }, numbers.tobytes()


def unpack_log(data: Data, blob: bytes) -> ScoreLog:
    """The log that `pack_log` was given, to the last bit, without its command. Raises one of `UNREADABLE`."""
    conform(data, LOG, "log")
    numbers = array("d", blob)
    if sys.byteorder == "big":  # pragma: no cover
        numbers.byteswap()
    tables, start = {"columns": dict[str, tuple[float, ...]](), "signs": dict[str, tuple[float, ...]]()}, 0
    for kind, table in tables.items():
        for name, length in data[kind].items():
            table[name] = tuple(numbers[start : start + length])
            start += length
    if start != len(numbers) or min([*data["columns"].values(), *data["signs"].values()], default=0) < 0:
        raise ValueError(f"the log must have {start} numbers, not {len(numbers)}")
    problems = {word: printable(text) for word, text in (data.get("frame_problems") or {}).items()}
    texts = {"libvmaf": printable(data["libvmaf"]), "frame_problems": problems}
    size, frames = data["stream"]
    return ScoreLog(**{**data, **tables, **texts, "stream": (size, frames)}, command="")


def _run(scorer: Scorer, requests: Sequence[ScoreRequest], early: EarlyRun | None = None) -> tuple[ScoreLog, ...]:
    led = [with_lead(request) for request in requests]
    for request in requests:
        if needs_xpsnr(request):
            refuse_frames(request)
    asked = [for_scorer(request) for request in led]
    try:
        if len(requests) > 1 and isinstance(scorer, JoiningScorer):
            logs = checked_logs(call(scorer, "score_together", asked), scorer, len(led))
        else:
            begun = early.log_of if early else lambda request: None
            logs = tuple(checked_log(begun(each) or call(scorer, "score", each), scorer) for each in asked)
        logs = tuple(
            _with_signs(with_xpsnr(log, request), request, scorer) for log, request in zip(logs, led, strict=True)
        )
        for request, log in zip(led, logs, strict=True):
            if request.lead != (0, 0):
                verify_log(log, request, name_of(scorer))
    except PairError:
        if not any(request.lead[1] for request in requests):
            for request in requests:
                refuse_missing(request)
            raise
        # One of the clips ends with its part, so the frames that follow it in the other clip are left out.
        return _run(scorer, [replace(request, lead=(request.lead[0], 0)) for request in requests])
    logs = tuple(without_lead(log, request) for log, request in zip(logs, requests, strict=True))
    for request, log in zip(requests, logs, strict=True):
        refuse_missing(request, log)
    return logs


def _with_signs(log: ScoreLog, request: ScoreRequest, scorer: Scorer) -> ScoreLog:
    """The log with the signs that its request asks for, measured here if the scorer does not measure them.

    Raises:
        LogError: If the scorer reports fewer or more frames than the clips have.
    """
    if not request.signs or log.signs or log.reference_frames != log.distorted_frames:
        return log
    from pytest_vmaf.scoring.sign_run import measure_signs

    signs, problems = measure_signs(request)
    decoded = len(next(iter(signs.values())))
    if decoded != log.reference_frames:
        raise LogError(
            f"The scorer {name_of(scorer)} reports {plural(log.reference_frames, 'frame')}, but the clips have "
            f"{decoded}: {request.reference.clip.name} against {request.distorted.clip.name}. "
            "It must score every frame."
        )
    return replace(log, signs=signs, frame_problems=problems)


def _identity(scorer: Scorer, tools: Tools, cache: Cache | None) -> Data | None:
    """A scorer's class, the digest of the modules that define it and its bases, and the builds of its programs.

    None if nothing may be cached. Raises OSError if a module cannot be read.
    """
    if cache is None or not isinstance(scorer, RepeatableScorer):
        return None
    # A scorer with settings, or one that inherits `programs`, may depend on more than its programs.
    if getattr(scorer, "__dict__", None) or "programs" not in vars(type(scorer)):
        return None
    programs = call(scorer, "programs", tools)
    if not isinstance(programs, Sequence) or not all(isinstance(program, str) for program in programs):
        raise ScorerError(
            f"The scorer {name_of(scorer)}: programs must return names of programs, not {short_repr(programs)}."
        )
    builds = [build_of(program, cache) for program in programs]
    if not builds or None in builds:
        return None
    classes = [c for c in type(scorer).__mro__ if c not in (object, Generic) and not getattr(c, "_is_protocol", False)]
    modules = [getattr(sys.modules.get(each.__module__), "__file__", None) for each in classes]
    if None in modules:
        return None
    name = f"{type(scorer).__module__}.{type(scorer).__qualname__}"
    return {"scorer": [name, digest(Path(module) for module in modules if module)], "builds": builds}


def _xpsnr_key(request: ScoreRequest, cache: Cache | None) -> Data:
    """What XPSNR depends on beside the scores: the filter is in ffmpeg, whatever the scorer runs."""
    if not needs_xpsnr(request):
        return {}
    return {"xpsnr": [XPSNR_VERSION, request.xpsnr_rate, cache and build_of(request.tools.ffmpeg.path, cache)]}


def _source(source: Source, cache: Cache | None) -> list[object]:
    part = [source.trim, source.lead_window] if source.trim else []
    return [decoding_content(source.clip, cache), source.filters, source.window, source.start, source.frames, *part]


def _model(model: ModelRun) -> Data:
    return {**asdict(model), "path": digest([model.path]) if model.path else None}


def _read_capabilities(data: Data) -> Capabilities:
    conform(data, CAPABILITIES, "capabilities")
    return Capabilities(**data)
