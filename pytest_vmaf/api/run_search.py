"""One search, from the call to its records: read the settings, run, and record what went wrong."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from pytest_vmaf.api.context import Context
from pytest_vmaf.api.placements import read_placement
from pytest_vmaf.errors import ClipError, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.gates.expectations import FIELDS
from pytest_vmaf.gates.metrics import BD_RATE, ENCODE_METRICS, SPEED
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.clip_like import ClipLike, are_frames, as_clip, as_sources, clip_name, discard, own_cause
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.media.part import refuse_outside
from pytest_vmaf.media.seconds import with_usual_rate
from pytest_vmaf.media.timing import at_steady_rate
from pytest_vmaf.option_table import BY_NAME
from pytest_vmaf.report.record import error_record
from pytest_vmaf.scoring.pools import SHOT
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.metric import parse_metric
from pytest_vmaf.settings import Layer, make_layer
from pytest_vmaf.text import did_you_mean, printable

if TYPE_CHECKING:
    from pytest_vmaf.api.keywords import SearchOptions
    from pytest_vmaf.baselines.check import BaselineCheck
    from pytest_vmaf.executors.placement import Placement
    from pytest_vmaf.gates.plugin_metrics import FindMetric
    from pytest_vmaf.scoring.scorer import Scorer
    from pytest_vmaf.search.metric import Metric

#: One line for each search, and with DEBUG for each trial encode: what a log shows in place of a progress line.
LOG = logging.getLogger("pytest_vmaf")
# pytest shows the caller's line, not ours.
__tracebackhide__ = True
Found = TypeVar("Found")
#: The options of a search; every other keyword is a setting of its measurements, a baseline or a tolerance.
OPTIONS = (
    *("preset", "arguments", "pix_fmt", "mode", "crf_step", "metric", "crf", "bitrate"),
    *("sample", "start", "keep", "workers", "repeats"),
)
#: The options of a search that compares metrics.
AGREEMENT = ("agree", "max_disagreement")
#: Parameters of the methods, which a misspelled keyword may also mean.
PARAMETERS = (
    "encoder",
    "encoders",
    "targets",
    "target",
    "max_bitrate",
    "min_crf",
    "resolutions",
    "crfs",
    "output",
    "against",
    "rounds",
)


@dataclass(frozen=True)
class SearchInput:
    """What a search works with.

    Attributes:
        scorings: One request per source, which is both clips of the request.
        scorer: The scorer.
        options: The options of the search.
        baseline: The baseline to compare with, if any.
        agree: The metrics of `agree=`, which are measured.
        max_disagreement: The limit on the spread of BD-rates, if there is one.
        placement: Where the tasks of the search run, None for here.
    """

    scorings: tuple[MeasureRequest, ...]
    scorer: Scorer
    options: SearchOptions
    baseline: BaselineCheck | None
    agree: tuple[Metric, ...] = ()
    max_disagreement: float | None = None
    placement: Placement | None = None


def run_search(
    context: Context,
    sources: ClipLike | Sequence[ClipLike],
    title: str,
    settings: Mapping[str, object],
    search: Callable[[SearchInput], Found],
    *,
    baseline_kind: str = "",
    cuts: bool = False,
    tasks: bool = False,
) -> Found:
    """Run a search, and record its error if it fails.

    Args:
        context: What the Vmaf knows.
        sources: One source or several.
        title: The search's name in records, for example "bisect with libx264".
        settings: The keywords of the call.
        search: Runs the search and records its results.
        baseline_kind: The kind of its baselines, "" if it has none.
        cuts: Whether the search cuts or scales the source first, which gives it even time stamps.
        tasks: Whether the search runs on executors.

    Raises:
        GateViolation: If a gate fails.
        MeasurementError: If an encode fails or cannot be scored.
        SettingsError: If a setting is not valid.
    """
    started = time.time()
    records = context.records
    first = len(records.measurements)
    clips: Sequence[ClipLike] = ()
    made: list[Clip] = []
    try:
        clips = _listed(sources)
        answer = search(_read_input(context, clips, made, title, settings, baseline_kind, cuts, tasks))
        LOG.info("%s: %s, %.1f s", title, ", ".join(map(clip_name, clips)), time.time() - started)
        return answer
    except (MeasurementError, SettingsError, OSError) as caught:
        error: MeasurementError | SettingsError = (
            ScorerError(f"The system refused what the search needs: {printable(str(caught))}.")
            if isinstance(caught, OSError)
            else caught
        )
        records.add(error_record(", ".join(map(clip_name, made or clips)), title, error))
        discard(clips, made)
        # The user should see what their own function raised. The causes of our messages add nothing.
        raise error.with_traceback(None) from own_cause(error)
    finally:
        for record in records.measurements[first:]:
            record["started"] = started


def check_options(search: SearchInput, allowed: Sequence[str], reason: str) -> None:
    """Raise SettingsError for an option of a search where there is none."""
    for name in sorted(search.options.keys() - set(allowed)):
        raise SettingsError(f"{name!r} is an option of a search; {reason}.")


def encoder_label(encoder: object) -> str:
    """The name of an encoder in messages, whatever stands for it."""
    name = getattr(encoder, "name", None) or getattr(encoder, "__name__", None) or encoder
    if name is encoder and not isinstance(encoder, str | Sequence) and hasattr(encoder, "decode"):
        name = type(encoder).__name__
    return printable(f"{name:.80}" if isinstance(name, str) else f"{name!r:.80}")


def whole_numbers(update: Callable[[int, int | None], None] | None) -> Callable[[int, float], None] | None:
    """A progress bar's update for searches, which expect a fraction of a trial encode."""
    return None if update is None else lambda done, expected: update(done, max(done, round(expected)))


def _read_input(
    context: Context,
    clips: Sequence[ClipLike],
    made: list[Clip],
    title: str,
    settings: Mapping[str, object],
    baseline_kind: str,
    cuts: bool,
    tasks: bool,
) -> SearchInput:
    _check_names(settings)
    options = {name: value for name, value in settings.items() if name in OPTIONS and value is not None}
    named = {name: value for name, value in settings.items() if name not in (*OPTIONS, *AGREEMENT, "executor")}
    layer = make_layer("call", named, find=context.find_metric)
    find = partial(context.find_metric, nearer=layer)
    agree, max_disagreement = _agreement(settings, baseline_kind, find)
    own = "; max_bitrate and min_crf are" if baseline_kind == "bisect" else ""
    if layer.gates:
        raise SettingsError(
            f"{layer.gates[0].name} is not a gate of a search{own}. Pass the encode to vmaf.check(source, encode), or "
            "use assert on what is returned. keep=FOLDER stores the encodes of a search."
        )
    if options.get("repeats", 1) != 1 and baseline_kind != "bisect":
        raise SettingsError("repeats is an option of vmaf.bisect, for its baseline.")
    layers = (layer, *context.layers)
    for clip in clips:
        made.append(with_usual_rate(as_clip(clip, "source")))
    baseline = _baseline(context, layers, baseline_kind, made, title)
    if agree and baseline is None and baseline_kind == "bisect":
        raise SettingsError("agree compares vmaf.bisect with its baseline, and none is requested. Add baseline=True.")
    features = [feature for metric in agree for feature in metric.features]
    plugins = [metric.name for metric in agree if metric.plugin]
    if "metric" in options:
        options["metric"] = parse_metric(cast("str", options["metric"]), find)
    requests = [context.request(clip, clip, layers, features, plugins) for clip in made]
    for scoring, _ in requests:
        _refuse_missing_part(scoring)
    cuts = cuts or "sample" in options
    scorings = tuple(_at_steady_rate(scoring, cuts) for scoring, _ in requests)
    if shots := [metric for metric in agree if metric.pool == SHOT]:
        scorings = tuple(replace(each, shots_for=f"The metric {shots[0].text}") for each in scorings)
    chosen, scorer = cast("SearchOptions", options), requests[0][1]
    placement = read_placement(settings, layers, scorer, title, allowed=tasks)
    return SearchInput(scorings, scorer, chosen, baseline, agree, max_disagreement, placement)


def _agreement(settings: Mapping[str, object], kind: str, find: FindMetric) -> tuple[tuple[Metric, ...], float | None]:
    """Read the options that compare metrics. Raises SettingsError for invalid ones, and where a search has none."""
    chosen = [name for name in AGREEMENT if settings.get(name) is not None]
    if not chosen:
        return (), None
    from pytest_vmaf.search.agreement import read_agree
    from pytest_vmaf.search.disagreement_gate import read_max_disagreement

    if kind not in ("bisect", "compare"):
        raise SettingsError(f"{chosen[0]} is an option of vmaf.compare. vmaf.bisect takes agree, with a baseline.")
    if kind == "bisect" and "max_disagreement" in chosen:
        raise SettingsError("max_disagreement is a gate of vmaf.compare, which has BD-rates. vmaf.bisect has none.")
    return read_agree(settings.get("agree"), find), read_max_disagreement(settings.get("max_disagreement"))


def _refuse_missing_part(scoring: MeasureRequest) -> None:
    """Raise ClipError for a part that the source lacks, before anything is encoded."""
    source = scoring.reference
    if source.frames is not None:
        ffmpeg = find_ffmpeg(scoring.ffmpeg, scoring.cache).path
        count = count_frames(source, ffmpeg, scoring.timeout, scoring.cache)
        refuse_outside(source.name, source.start, source.frames, count)


def _at_steady_rate(scoring: MeasureRequest, cuts: bool) -> MeasureRequest:
    """The request for a source at its average frame rate, where its own would mislead encoders or get lost."""
    # The search finds what is wrong with a source.
    with contextlib.suppress(MeasurementError):
        ffmpeg = find_ffmpeg(scoring.ffmpeg, scoring.cache).path
        clip = at_steady_rate(scoring.reference, ffmpeg, scoring.timeout, scoring.cache, clocks_alone=not cuts)
        return replace(scoring, reference=clip, distorted=clip)
    return scoring


def _baseline(
    context: Context, layers: Sequence[Layer], kind: str, clips: Sequence[Clip], title: str
) -> BaselineCheck | None:
    if not kind:
        if layers[0].baseline or layers[0].tolerances:
            raise SettingsError(
                f"{title} has no baseline. vmaf.bisect, vmaf.compare, vmaf.speed and every score have one."
            )
        return None
    metrics = {"bisect": ENCODE_METRICS, "compare": (BD_RATE,), "speed": (SPEED,)}[kind]
    names = ", ".join(clip.title for clip in clips)
    return context.baselines.prepare_check(layers, kind, metrics.__contains__, f"{names}: {title}")


def _listed(sources: object) -> Sequence[ClipLike]:
    """One source or several, as a list. Raises SettingsError."""
    many = as_sources(sources)
    for source in many:
        if not isinstance(source, str | os.PathLike | Clip) and not (hasattr(source, "clip") or are_frames(source)):
            try:
                as_clip(cast("ClipLike", source))
            except ClipError as error:
                raise SettingsError(str(error)) from None
    if not many:
        raise SettingsError("There must be at least one source.")
    return cast("Sequence[ClipLike]", many)


def _check_names(settings: Iterable[str]) -> None:
    """Raise SettingsError for a keyword that neither a search nor its measurements have."""
    known = (*OPTIONS, *AGREEMENT, "executor", *BY_NAME, "baseline", "gates")
    for name in settings:
        if name in ("max_bitrate", "min_crf"):
            raise SettingsError(f"{name} is a gate of vmaf.bisect. Here, use assert on what is returned.")
        if name == "stream" or (name in FIELDS and name not in known):
            raise SettingsError(
                f"{name} is about one encode. Pass the encode to vmaf.check(source, encode, stream={{…}}) or "
                "vmaf.stream. keep=FOLDER stores the encodes of a search."
            )
        if name not in known and not name.startswith(("min_", "max_")):
            raise SettingsError(f"{name!r} is not a setting of a search.{did_you_mean(name, (*known, *PARAMETERS))}")
