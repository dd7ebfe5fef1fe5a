"""The protocol of scorer backends: requests, logs, capabilities; and the verification of logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import Ffmpeg


@dataclass(frozen=True)
class ModelRun:
    """One model in one run of libvmaf.

    A scorer always runs it with `disable_clip=true`: scores are clipped to the model's range afterwards, exactly.

    Attributes:
        column: The column of the log, "vmaf" or "neg".
        version: The name of a built-in model, or None.
        path: The model's JSON file, or None.
        overrides: libvmaf's feature options, for example ("adm.adm_enhn_gain_limit", "1").
        transform: Whether to apply the model's score transform, which is its phone mode.
        bootstrap: Whether the model also gives a confidence interval.
    """

    column: str
    version: str | None = None
    path: Path | None = None
    overrides: tuple[tuple[str, str], ...] = ()
    transform: bool = False
    bootstrap: bool = False


@dataclass(frozen=True)
class Source:
    """A clip, and the ffmpeg filters that prepare its frames for scoring.

    Attributes:
        clip: The clip.
        filters: The filter chain, which also selects the frames of an aligned pair.
        start: The first frame to score.
        frames: How many frames to score, or None for all.
        window: The filter that cuts a part out of the prepared picture, "" for the whole picture.
        matched: Whether the filters drop and double frames, so that there are `frames` of them in the end.
        turned: Whether the first frame has a display matrix, which is then applied to all.
        trim: The filter that selects the frames of a part, before all others; "" for a whole clip.
        lead_window: The `window` of a moving part of the picture if frames before `start` are scored too; "" for the
            same one.
    """

    clip: Clip
    filters: str
    start: int = 0
    frames: int | None = None
    window: str = ""
    matched: bool = False
    turned: bool = True
    trim: str = ""
    lead_window: str = ""

    @property
    def chain(self) -> str:
        """All filters that a frame goes through before it is scored."""
        return ",".join(part for part in (self.trim, self.filters, self.window) if part)

    def scored(self, decoded: int) -> int:
        """How many frames are scored when this many were decoded."""
        if self.matched and self.frames is not None:
            return self.frames if decoded else 0
        available = max(0, decoded - self.start)
        return available if self.frames is None else min(available, self.frames)


@dataclass(frozen=True)
class Tools:
    """The programs a scorer may run.

    Attributes:
        ffmpeg: The ffmpeg that was found.
        vmaf_bin: The name or path of Netflix's `vmaf`.
    """

    ffmpeg: Ffmpeg
    vmaf_bin: str = "vmaf"


@dataclass(frozen=True)
class ScoreRequest:
    """What to score, and with what: one run of libvmaf over two clips.

    Attributes:
        reference: The reference, prepared by its filters to `width` x `height` pixels in `pix_fmt`.
        distorted: The distorted clip, prepared to the same size and format.
        width: Width of the scored frames in pixels.
        height: Height of the scored frames in pixels.
        pix_fmt: ffmpeg's name of a planar YUV format.
        models: The models to run.
        features: libvmaf's names of further features.
        columns: Every column that the log must have.
        optional_columns: Columns that the log should have if the scorer can give them. Without them, some default
            gates of `check` cannot be checked.
        tools: The programs to use.
        threads: libvmaf's threads.
        timeout: Time limit in seconds, or None.
        progress: Called with the number of frames scored so far, or None.
        signs: Whether the log should also have `signs`. pytest-vmaf measures them itself where the scorer does not.
        lead: How many frames of both clips are scored before those of a part, and after them. Scorers get them as any
            others; their values are removed from the log.
        xpsnr_rate: The frame rate that stands for the reference's in the weights of XPSNR; 0 if none is measured.
            pytest-vmaf measures XPSNR itself where the scorer does not.
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
    optional_columns: tuple[str, ...] = ()
    signs: bool = False
    lead: tuple[int, int] = (0, 0)
    xpsnr_rate: int = 0

    @property
    def scored_part(self) -> tuple[int, int | None]:
        """Of the frames that a scorer gets, the first whose scores count, and how many these are; None for the rest."""
        before, after = self.lead
        return before, self.reference.frames - before - after if after and self.reference.frames else None


@dataclass(frozen=True)
class ScoreLog:
    """What a scorer returns.

    Attributes:
        columns: One unclipped value per frame for every requested column.
        reference_frames: How many frames of the reference were decoded and passed its filters.
        distorted_frames: The same for the distorted clip.
        libvmaf: libvmaf's version.
        command: A shell command that repeats the run.
        pooled_means: The tool's own means by column, if it gives them. They must agree with the frames.
        cached: When the log was made (ISO 8601, UTC) if it comes from the cache, else "".
        signs: What `scoring.signs` measured beside the scores, by column, one value per frame.
        frame_problems: What is wrong with the times and fields of the frames, by the word that allows it.
        stream: The bytes of the distorted clip's video packets, and how many frames they were decoded to. Without
            bytes, the result has no bitrate and no size.
    """

    columns: Mapping[str, tuple[float, ...]]
    reference_frames: int
    distorted_frames: int
    libvmaf: str
    command: str
    pooled_means: Mapping[str, float] = field(default_factory=dict)
    cached: str = ""
    signs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    frame_problems: Mapping[str, str] = field(default_factory=dict)
    stream: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Capabilities:
    """What a scorer is and can do.

    Attributes:
        name: The scorer's name in results and reports.
        version: Its version.
        bootstrap: Whether it runs models with a confidence interval.
        reads_clips: Whether it reads the clips. Results of a scorer that does not are marked as fake.
    """

    name: str
    version: str
    bootstrap: bool = False
    reads_clips: bool = True


@runtime_checkable
class Scorer(Protocol):
    """A scorer backend. Both methods may raise `ScorerError`, which should say what is wrong and how to fix it."""

    def capabilities(self, tools: Tools) -> Capabilities:
        """What this scorer can do with these tools."""

    def score(self, request: ScoreRequest) -> ScoreLog:
        """Score every frame of both clips, paired by index."""


@dataclass(frozen=True)
class EncodeStep:
    """An encode to make in the same run that scores it.

    Attributes:
        source: The clip to encode.
        arguments: ffmpeg's output arguments that choose and set the encoder.
        path: The encode's file, which is the distorted clip of the request.
    """

    source: Clip
    arguments: tuple[str, ...]
    path: Path


@runtime_checkable
class EncodingScorer(Scorer, Protocol):
    """A scorer backend that can also encode, so that the source is decoded only once."""

    def can_encode(self, tools: Tools) -> bool:
        """Whether it can encode with these tools."""

    def encode_and_score(self, request: ScoreRequest, step: EncodeStep) -> ScoreLog:
        """Encode, and score every frame. The log must equal that of `score` for the finished encode, bit by bit."""


@runtime_checkable
class JoiningScorer(Scorer, Protocol):
    """A scorer backend that runs several requests for the same clips at once, so that each is decoded only once."""

    def score_together(self, requests: Sequence[ScoreRequest]) -> tuple[ScoreLog, ...]:
        """One log for each request. Each must equal that of `score`, bit by bit."""


@runtime_checkable
class RepeatableScorer(Scorer, Protocol):
    """A scorer backend whose logs may be cached: the same programs give the same log for the same clips.

    The scores of a scorer without these two methods are measured every time.
    """

    def programs(self, tools: Tools) -> Sequence[str]:
        """The programs that decide the numbers, as paths or names on PATH; an empty sequence disables the cache."""

    def command(self, request: ScoreRequest) -> str:
        """The shell command that repeats `score` for this request."""


def check_type(value: object, expected: type, scorer: str) -> None:
    """Raise ScorerError if a scorer returned a value of another type."""
    if not isinstance(value, expected):
        raise ScorerError(
            f"The scorer {scorer} must return {expected.__name__}, not {type(value).__name__}; see pytest_vmaf.Scorer."
        )
