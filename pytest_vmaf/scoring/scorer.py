"""What a scorer backend is: it gets a request, runs libvmaf over two clips, and returns the log, whole."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from pytest_vmaf.errors import LogError, PairError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import Ffmpeg


@dataclass(frozen=True)
class ModelRun:
    """One model in one pass: a built-in ``version`` or a JSON file at ``path``, logged as ``column``.

    ``overrides`` are libvmaf's feature options ("adm.adm_enhn_gain_limit", "1"); ``transform`` is the phone mode. A
    scorer always runs it with ``disable_clip=true``: the clip to the model's range is applied afterwards, exactly.
    """

    column: str
    version: str | None = None
    path: Path | None = None
    overrides: tuple[tuple[str, str], ...] = ()
    transform: bool = False
    bootstrap: bool = False


@dataclass(frozen=True)
class Source:
    """A clip, and the ffmpeg filter chain that brings its frames into the form that is scored.

    The chain lets ``frames`` frames through from frame ``start`` on; all of them where ``frames`` is None. ``window``
    is the filter that cuts a part out of what the chain gives, "" for the whole picture.
    """

    clip: Clip
    filters: str
    start: int = 0
    frames: int | None = None
    window: str = ""

    @property
    def chain(self) -> str:
        """All that is done to a frame before it is scored."""
        return ",".join(part for part in (self.filters, self.window) if part)

    def scored(self, decoded: int) -> int:
        """How many of this many decoded frames are scored."""
        left = max(0, decoded - self.start)
        return left if self.frames is None else min(left, self.frames)


@dataclass(frozen=True)
class Tools:
    """The programs a scorer may run: the ffmpeg that was found, and the path or name of Netflix's ``vmaf``."""

    ffmpeg: Ffmpeg
    vmaf_bin: str = "vmaf"


@dataclass(frozen=True)
class ScoreRequest:
    """What to score: two sources of equal geometry, the models and libvmaf features of one pass, and with what.

    Both chains give frames of ``width`` x ``height`` pixels in ``pix_fmt``, planar YUV. ``features`` are libvmaf's
    feature names, ``columns`` every column the log must have. ``timeout`` is in seconds; ``progress`` is called with
    the number of frames scored so far.
    """

    reference: Source
    distorted: Source
    width: int
    height: int
    pix_fmt: str
    models: tuple[ModelRun, ...]
    features: tuple[str, ...]
    columns: tuple[str, ...]
    tools: Tools
    threads: int = 1
    timeout: float | None = None
    progress: Callable[[int], None] | None = None


@dataclass(frozen=True)
class ScoreLog:
    """What a scorer returns: one value per frame for every column, and how the run can be repeated.

    ``reference_frames`` and ``distorted_frames`` are the frames really decoded of each clip (and let through by its
    chain). ``pooled_means`` are the
    tool's own means, by column, where it gives them. ``command`` is a shell command that repeats the run.
    """

    columns: Mapping[str, tuple[float, ...]]
    reference_frames: int
    distorted_frames: int
    libvmaf: str
    command: str
    pooled_means: Mapping[str, float] = field(default_factory=dict)
    #: When it was made, where that is kept from an earlier run (ISO 8601, UTC).
    cached: str = ""


@dataclass(frozen=True)
class Capabilities:
    """What a scorer is and can do. One that does not ``read_clips`` invents its numbers and is shown as fake."""

    name: str
    version: str
    bootstrap: bool = False
    reads_clips: bool = True


@runtime_checkable
class Scorer(Protocol):
    """A scorer backend. Both methods may raise ScorerError with what is wrong and what to do about it."""

    def capabilities(self, tools: Tools) -> Capabilities:
        """What this scorer is, with these tools."""
        ...

    def score(self, request: ScoreRequest) -> ScoreLog:
        """Score every frame of both clips, paired by index."""
        ...


@dataclass(frozen=True)
class EncodeStep:
    """An encode that is made in the very run that scores it.

    ``source`` is what the encoder gets, ``arguments`` are ffmpeg's output arguments that choose and set the encoder,
    ``path`` is where the encode goes; it is the clip of the request's distorted source.
    """

    source: Clip
    arguments: tuple[str, ...]
    path: Path


@runtime_checkable
class EncodingScorer(Scorer, Protocol):
    """A scorer backend that can also encode: the source is decoded once, and no process waits for another."""

    def can_encode(self, tools: Tools) -> bool:
        """Whether it can, with these tools."""
        ...

    def encode_and_score(self, request: ScoreRequest, step: EncodeStep) -> ScoreLog:
        """Encode and score every frame; as ``score`` of the finished encode, bit by bit."""
        ...


@runtime_checkable
class JoiningScorer(Scorer, Protocol):
    """A scorer backend that runs several requests upon the same clips at once: each clip is decoded once for all."""

    def score_together(self, requests: Sequence[ScoreRequest]) -> tuple[ScoreLog, ...]:
        """One log for each request; each as ``score`` gives it, bit by bit."""
        ...


@runtime_checkable
class RepeatableScorer(Scorer, Protocol):
    """A scorer backend whose logs may be kept and used again: the same programs give the same log of the same clips.

    Without these two methods every score is measured anew.
    """

    def programs(self, tools: Tools) -> Sequence[str]:
        """The programs whose builds decide the numbers, as paths or names on PATH; none: nothing may be kept."""
        ...

    def command(self, request: ScoreRequest) -> str:
        """The shell command that repeats ``score`` of this request."""
        ...


def score_all(scorer: Scorer, requests: Sequence[ScoreRequest]) -> tuple[ScoreLog, ...]:
    """One log for each request: in one run where the scorer can, else one after the other."""
    if len(requests) > 1 and isinstance(scorer, JoiningScorer):
        return scorer.score_together(requests)
    return tuple(scorer.score(request) for request in requests)


def model_names(models: tuple[ModelRun, ...]) -> dict[ModelRun, str]:
    """The plain names of model files; "" for models that are built in."""
    return {model: f"model{number}.json" if model.path else "" for number, model in enumerate(models)}


def copy_models(models: tuple[ModelRun, ...], folder: Path) -> dict[ModelRun, str]:
    """Copy model files to plain names in this folder, for tools that split their arguments at ":" and "="."""
    names = model_names(models)
    for model, name in names.items():
        if model.path:
            shutil.copyfile(model.path, folder / name)
    return names


def verify(log: ScoreLog, request: ScoreRequest, scorer: str) -> None:
    """Refuse a log that does not hold a finite number for each asked column of each frame of both clips.

    ffmpeg and libvmaf exit with 0 after a failed feature, a lost model, an unwritable log and unequal lengths.
    """
    ref, dis = log.reference_frames, log.distorted_frames
    names = f"{request.reference.clip.name} against {request.distorted.clip.name}, scorer {scorer}"
    if ref != dis:
        longer = "reference" if ref > dis else "distorted clip"
        raise PairError(
            f"The clips have different lengths: {ref} frames decoded of the reference, {dis} of the distorted clip "
            f"({abs(ref - dis)} more in the {longer}). Frames are paired by index, so nothing can be said.\n"
            f"  {names}.\n"
            "  Did the encoder drop or repeat frames, or is one file cut off?"
        )
    if ref == 0:
        raise ScorerError(f"No frame was decoded: {names}.\n  command: {log.command}")
    for column in request.columns:
        values = log.columns.get(column)
        if values is None:
            raise LogError(
                f"The log has no column {column!r}; it has {', '.join(sorted(log.columns)) or 'none'}. {names}.\n"
                f"  A model or feature failed without saying so.\n  command: {log.command}"
            )
        if len(values) != ref:
            raise LogError(
                f"The log has {len(values)} values of {column!r} for {ref} frames: {names}.\n"
                "  Does the size or pixel format change within a clip? That restarts the scoring.\n"
                f"  command: {log.command}"
            )
        _refuse_not_finite(column, values, names)
        mean = log.pooled_means.get(column)
        if mean is not None and not abs(mean - math.fsum(values) / ref) <= 1e-4:
            raise LogError(
                f"The log's own mean of {column!r} is {mean}, its frames' mean {math.fsum(values) / ref:.6f}: {names}."
            )


def _refuse_not_finite(column: str, values: tuple[float, ...], names: str) -> None:
    bad = [frame for frame, value in enumerate(values) if not math.isfinite(value)]
    if not bad:
        return
    where = f"frame {bad[0]}" if len(bad) == 1 else f"{len(bad)} frames, the first is {bad[0]}"
    if all(values[frame] == math.inf for frame in bad):
        raise LogError(
            f"{column} is infinite in {where}, where both clips are identical; no mean can be built: {names}.\n"
            "  Leave it out, or use psnr_y, which libvmaf caps."
        )
    raise LogError(f"{column} is not a number in {where}: {names}.")
