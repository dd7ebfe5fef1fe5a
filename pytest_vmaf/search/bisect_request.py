"""What a bisection is asked for (`BisectRequest`), and how another search conducts one (`SearchPlan`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_vmaf.encoding.availability import check_available
from pytest_vmaf.encoding.encoder_fields import MOST_NUMBERS
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.fraction_trial import check_fractions
from pytest_vmaf.encoding.job import EncodeJob, check_arguments
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.inspect import FIRST_FRAMES, inspect
from pytest_vmaf.option_table import at_once
from pytest_vmaf.scoring.models import resolve_model
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.metric import Metric

NEG = Metric("neg")
#: Default VMAF and NEG share one scale, so a target is a score of either.
TWINS = ("vmaf", "neg")
MAX_REPEATS = 100


@dataclass(frozen=True)
class BisectRequest:
    """One source, one encoder and its targets, as a user passes them to `Vmaf.bisect`.

    Attributes:
        scoring: The reference (as both clips of the request), and how to score.
        encoder: The encoder.
        targets: The scores to reach.
        metric: What the targets are scores of.
        preset: The encoder's preset, None for its default.
        arguments: Further arguments of the encoder.
        pix_fmt: The pixel format to encode in, None for the source's.
        crf: The window to search, smaller number first; None for the encoder's whole range.
        sample: Seconds from the middle of the source to search instead of all of it.
        start: For each target, the CRF where the search begins.
        keep: The folder where the encodes of the answers are stored.
        workers: The number of trial encodes at once.
        repeats: How often the encodes of the answers are made in all, to measure the encoder's own noise.
    """

    scoring: MeasureRequest
    encoder: Encoder
    targets: tuple[float, ...]
    metric: Metric = NEG
    preset: str | None = None
    arguments: tuple[str, ...] = ()
    pix_fmt: str | None = None
    crf: tuple[float | None, float | None] | None = None
    sample: float | None = None
    start: Mapping[float, float] = field(default_factory=dict)
    keep: Path | None = None
    workers: int = 1
    repeats: int = 1

    @property
    def steps(self) -> Sequence[float]:
        """The CRFs to search, the finest first. Raises SettingsError for what is outside the encoder's scale."""
        return self.encoder.scale.window(self.crf)


@dataclass(frozen=True)
class SearchPlan:
    """How a comparison, a ladder or a search of shots conducts a bisection.

    Attributes:
        source: The clip to encode, None for the reference itself.
        name: The reference's name in messages, "" for its path.
        stem: The beginning of the encodes' file names, "" for the reference's own stem.
        cover: Go on until VMAF and NEG are both known around every target that is met, so that both curves can be
            compared. Only for targets of VMAF or NEG.
        curve: Go on until a scale of few numbers is measured completely, because a BD-rate needs four points.
        rates: Go on until the encodes surround each of these bitrates (bit/s), if the window gets there.
        beyond: Go on until there are encodes of so many times the bitrate of the answers, and of as small a share.
        points: Go on until so many encodes are measured completely, if the scale has them.
        similar: CRFs and scores of a finished search whose curve this one probably resembles.
        timed: Make the encode of the middle target once more, alone, and decode it, to measure both speeds.
        flat: Accept that all encodes are the same, for example for a black shot.
        progress: Called after each trial encode with the number made, and the number expected in all.
    """

    source: Clip | None = None
    name: str = ""
    stem: str = ""
    cover: bool = False
    curve: bool = False
    rates: tuple[float, ...] = ()
    beyond: float = 1.0
    points: int = 0
    similar: tuple[tuple[float, float], ...] = ()
    timed: bool = False
    flat: bool = False
    progress: Callable[[int, float], None] | None = None


def check_encoder(request: BisectRequest) -> tuple[str, str | None]:
    """Check the settings of the encoder before anything is encoded.

    Returns:
        The path of ffmpeg, and the preset to use.

    Raises:
        SettingsError: For a preset, argument or window that the encoder does not have.
        EncodeError: If the encoder is not available.
    """
    scoring, encoder = request.scoring, request.encoder
    ffmpeg = find_ffmpeg(scoring.ffmpeg, scoring.cache).path
    check_available(encoder, ffmpeg, scoring.cache)
    check_fractions(encoder, ffmpeg, scoring.cache)
    check_arguments(encoder, request.arguments, request.pix_fmt)
    preset = encoder.resolve_preset(request.preset)
    _ = request.steps
    return ffmpeg, preset


def make_job(request: BisectRequest, ffmpeg: str, preset: str | None, source: Clip) -> EncodeJob:
    """What encodes this source by this request. Raises ClipError if the source cannot be read."""
    scoring = request.scoring
    video = inspect(source, ffmpeg, FIRST_FRAMES, scoring.timeout, scoring.cache)
    return EncodeJob(
        request.encoder, video, ffmpeg, preset, request.arguments, request.pix_fmt, scoring.timeout, scoring.cache
    )


def check_targets(request: BisectRequest, scoring: MeasureRequest, ffmpeg: str) -> None:
    """Check workers, repeats, the window and targets; the model decides the highest score.

    Raises:
        SettingsError: For a target that no clip can have, for numbers of workers or repeats that make no sense, and for
            more CRFs than a search can weigh.
    """
    if type(request.repeats) is not int or not 1 <= request.repeats <= MAX_REPEATS:
        raise invalid("repeats", f"a whole number from 1 to {MAX_REPEATS}", request.repeats)
    try:
        at_once(request.workers)
    except ValueError as error:
        raise invalid("workers", str(error), request.workers) from None
    if len(steps := request.steps) > MOST_NUMBERS:
        low, high = min(steps), max(steps)
        raise SettingsError(
            f"A search takes at most {MOST_NUMBERS} CRFs, and from {low} to {high} there are {len(steps)} in steps of "
            f"{request.encoder.crf_step}. Search fewer of them: crf=(20, 30), or --crf 20-30."
        )
    if not request.targets:
        raise SettingsError("targets is empty. Give at least one, for example targets=[94, 96].")
    if len(set(request.targets)) < len(request.targets):
        raise SettingsError(f"Every target must be given once, not {', '.join(f'{t:g}' for t in request.targets)}.")
    video = inspect(scoring.reference, ffmpeg, 1, scoring.timeout, scoring.cache)
    models = resolve_model(
        scoring.model, generation=scoring.generation, phone=scoring.phone, width=video.width, height=video.height
    )
    low, top = lowest_target(request.metric), models.high if request.metric.name in TWINS else math.inf
    if request.metric.plugin is not None and request.metric.plugin.high is not None:
        top = request.metric.plugin.high
    bounds = f"between {low:g} and {top:g}" if math.isfinite(top) else "a finite number above 0"
    for target in request.targets:
        if not math.isfinite(target) or not low <= target <= top or not target:
            raise SettingsError(f"A target of {request.metric} must be {bounds}, not {target:g}.")


def lowest_target(metric: Metric) -> float:
    """The lowest target. A VMAF target below 1 is a share of 1 by mistake: the scale goes to 100."""
    return 1.0 if metric.name in TWINS else 0.0


def invalid(name: str, requirement: str, value: object) -> SettingsError:
    """The error for a setting with an invalid value."""
    return SettingsError(f"{name} must be {requirement}, not {value!r:.80}.")
