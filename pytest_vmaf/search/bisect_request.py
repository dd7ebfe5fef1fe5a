"""What a bisection is asked (BisectRequest), and how another search conducts one (SearchPlan)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import look
from pytest_vmaf.scoring.models import resolve_model
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.probe import Metric

NEG = Metric("neg")
#: Default VMAF and NEG share one scale: a target is a number of either.
TWINS = ("vmaf", "neg")
MAX_REPEATS = 100


@dataclass(frozen=True)
class BisectRequest:
    """One source, one encoder and its targets, as a user writes them for :meth:`pytest_vmaf.Vmaf.bisect`.

    Attributes:
        scoring: The reference (as both clips of the request), and how to score.
        encoder: The encoder.
        targets: The scores to reach.
        metric: What the targets are scores of.
        preset: The encoder's preset, None for its default.
        arguments: Further arguments for the encoder.
        pix_fmt: The pixel format to encode in, None for the source's.
        crf: The window to search, None for the encoder's whole range.
        sample: Seconds from the middle of the source to search instead of all of it.
        start: For each target the CRF where the search begins.
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
    crf: tuple[int, int] | None = None
    sample: float | None = None
    start: Mapping[float, int] = field(default_factory=dict)
    keep: Path | None = None
    workers: int = 1
    repeats: int = 1


@dataclass(frozen=True)
class SearchPlan:
    """How a comparison, a ladder or a search of shots conducts a bisection.

    Attributes:
        source: The clip to encode, None for the reference itself.
        name: The reference's name in messages, "" for its path.
        stem: The beginning of the encodes' file names, "" for the reference's own stem.
        cover: Go on until VMAF and NEG are both known around every target that is met, so that both curves can be
            compared. Only for targets of VMAF or NEG.
        timed: Make the encode of the middle target once more, alone, and decode it, to measure both speeds.
        flat: Accept that all encodes are the same, as they are for a black shot.
        progress: Called after each trial encode with the number made, and the number expected in all.
    """

    source: Clip | None = None
    name: str = ""
    stem: str = ""
    cover: bool = False
    timed: bool = False
    flat: bool = False
    progress: Callable[[int, float], None] | None = None


def crf_window(request: BisectRequest) -> tuple[int, int]:
    """The numbers to search, the smaller one first. Raises SettingsError for what is not within the encoder's."""
    low, high = request.encoder.crf_range
    if request.crf is None:
        return low, high
    window = tuple(request.crf) if isinstance(request.crf, tuple | list) else ()
    whole = len(window) == 2 and all(type(number) is int for number in window)
    if not whole or not low <= window[0] <= window[1] <= high:
        raise SettingsError(
            f"crf is {request.crf!r}; for {request.encoder.name} it is two whole numbers from {low} to {high}, the "
            "smaller one first."
        )
    return window[0], window[1]


def checked_targets(request: BisectRequest, scoring: MeasureRequest, ffmpeg: str) -> tuple[float, ...]:
    targets = tuple(float(target) for target in request.targets)
    if type(request.repeats) is not int or not 1 <= request.repeats <= MAX_REPEATS:
        raise SettingsError(f"repeats is {request.repeats!r:.80}; it is a whole number from 1 to {MAX_REPEATS}.")
    if type(request.workers) is not int or request.workers < 1:
        raise SettingsError(f"workers is {request.workers!r}; it is a whole number from 1.")
    if not targets:
        raise SettingsError("targets is empty; say at least one, as targets=[94, 96].")
    if len(set(targets)) < len(targets):
        raise SettingsError(f"targets has one twice: {', '.join(f'{t:g}' for t in targets)}.")
    video = look(scoring.reference, ffmpeg, 1, scoring.timeout, scoring.cache)
    models = resolve_model(
        scoring.model, generation=scoring.generation, phone=scoring.phone, width=video.width, height=video.height
    )
    low, top = lowest_target(request.metric), models.high if request.metric.name in TWINS else math.inf
    for target in targets:
        if not math.isfinite(target) or not low <= target <= top or not target:
            raise SettingsError(
                f"The target {target:g} cannot be: {request.metric} is a number from {low:g}"
                f"{f' to {top:g}' if math.isfinite(top) else ' on'}."
            )
    return targets


def lowest_target(metric: Metric) -> float:
    """What a target is at least. Below 1 of VMAF's 100 there is no picture; somebody thinks of a share."""
    return 1.0 if metric.name in TWINS else 0.0
