"""Probe: one trial encode and its score. `Prober` makes those of one search."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from pytest_vmaf.encoding.cached import encode_key, restore, store_encode
from pytest_vmaf.encoding.encode import Encode, TrialEncode, describe, make_encode, remove, with_pictures
from pytest_vmaf.encoding.first_passes import FirstPasses
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.rate_modes import at, file_part
from pytest_vmaf.encoding.scale import as_crf
from pytest_vmaf.errors import ClipError, EncodeError
from pytest_vmaf.gates.defaults import DEFAULT_GATES
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import stamp_of
from pytest_vmaf.media.process import stop_children
from pytest_vmaf.scoring.cached import score, score_key, store_score
from pytest_vmaf.scoring.measure import check_log, conclude
from pytest_vmaf.scoring.models import ModelPair
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import EncodeStep, EncodingScorer, ScoreLog, Scorer
from pytest_vmaf.scoring.scorer_calls import call, checked_log
from pytest_vmaf.scoring.signs import enhancement_of
from pytest_vmaf.scoring.xpsnr import for_scorer
from pytest_vmaf.scoring.xpsnr_run import with_xpsnr
from pytest_vmaf.search.metric import Metric

LOG = logging.getLogger("pytest_vmaf")
#: The first word of the note about an enhanced encode.
ENHANCED = "enhancement"
#: The part of a result's provenance that two runs must share to be comparable, and that repeats them.
MADE_WITH = ("pytest_vmaf", "model", "neg_model", "generation", "clip", "scorer", "scorer_version", "ffmpeg", "libvmaf")


def enhancement_notes(log: ScoreLog, models: ModelPair) -> list[str]:
    """A note if a trial encode is enhanced beyond what `check` accepts by default. Searches have no such gate."""
    frames, limit = enhancement_of(log, models), float(DEFAULT_GATES["max_enhancement"])
    if not frames or fmean(frames) <= limit:
        return []
    return [
        f"{ENHANCED} {fmean(frames):.1f} is above {limit:g}, the limit of check: the encoder, or a filter before it, "
        "sharpens"
    ]


@dataclass(frozen=True, repr=False)
class Probe:
    """One trial encode of a search.

    Attributes:
        crf: The CRF.
        score: The score by the metric of the search.
        result: The complete measurement.
        encode: What the encoder wrote.
    """

    crf: int
    score: float
    result: Result
    encode: TrialEncode

    @property
    def bitrate(self) -> float:
        """The mean bitrate of the video stream, in bit/s."""
        return self.encode.bitrate

    def to_dict(self) -> dict[str, Any]:
        """The trial encode and its scores as plain data; `command` repeats both."""
        result, encode = self.result, self.encode
        return {
            "crf": self.crf,
            "score": self.score,
            "vmaf": float(result.vmaf),
            "neg": float(result.neg),
            "gap": float(result.gap),
            "bitrate": encode.bitrate,
            "size": encode.size,
            "frames": encode.frames,
            "duration": encode.duration,
            "path": encode.path and str(encode.path),
            "command": result.provenance["command"],
        }

    def without_file(self) -> Probe:
        """The same trial encode, of which no file is left."""
        return replace(self, encode=self.encode.without_file())

    def __repr__(self) -> str:
        number = at(self.encode.mode, self.crf)
        return f"<{self.encode.name} {number}: {self.score:.3f}, {self.bitrate / 1000:.1f} kbit/s>"


@dataclass
class Prober:
    """Makes the trial encodes of one search, and holds them even if the search fails later.

    The first encode is written to a file and compared with the reference as any clip is. The others cannot differ from
    it in what that comparison checks, so they are encoded and scored in one process if the scorer can encode.

    Attributes:
        job: The source, the encoder and its settings.
        scoring: The reference, and how to score.
        scorer: What scores.
        metric: What the targets are scores of.
        folder: Where the encodes are written.
        stem: The beginning of their file names.
        reference: The reference's name in results.
        keep: Whether the encodes stay after they were scored.
        probes: By CRF, the trial encodes so far.
    """

    job: EncodeJob
    scoring: MeasureRequest
    scorer: Scorer
    metric: Metric
    folder: Path
    stem: str = ""
    reference: str | None = None
    keep: bool = False
    probes: dict[float, Probe] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        job, reference = self.job, self.reference
        # Searches that differ only in their arguments must not overwrite the encodes of each other.
        part = reference if reference != str(self.scoring.reference) else None
        frames = job.source.clip.trimming
        special = (job.arguments, job.pix_fmt, job.encoder.command, part, *([frames] if frames else []))
        own = hashlib.blake2b(repr(special).encode(), digest_size=3).hexdigest() if any(special) else None
        mode = job.encoder.mode if job.encoder.mode != "crf" else None
        self._stem = _file_name(self.stem, job.encoder.name, job.preset, mode, own)
        self._first: PreparedScoring | None = None
        self._passes = FirstPasses(self._stem)
        self._interrupted = threading.Event()
        self._stamps = self._clip_stamps()

    def interrupt(self) -> None:
        """Stop the programs that other threads run, and let these threads start no more."""
        self._interrupted.set()
        stop_children()

    def __call__(self, crf: float) -> float:
        """Encode at this CRF, and return the score. Raises EncodeError, and whatever scoring raises."""
        path = self.folder / f"{self._stem}-{file_part(self.job.encoder.mode, crf)}{self.job.encoder.suffix}"
        if self.job.has_two_passes:
            self._check_interrupted()
        job = self._passes.prepare(self.job, crf, path)
        key = encode_key(job, crf, path)
        try:
            restored = restore(job, crf, path, key)
            restored = restored and with_pictures(job, restored)
            first, log = self._first, None
            scorer = self.scorer if isinstance(self.scorer, EncodingScorer) else None
            if restored is None and first and scorer and call(scorer, "can_encode", first.job.tools):
                result, encode, log = self._encode_and_score(first, scorer, crf, path)
            else:
                result, encode = self._encode_then_score(job, crf, path, restored)
            if self._clip_stamps() != self._stamps:
                raise EncodeError(
                    f"{self.job.source.clip.name} or its reference was written to during the search, so the trial "
                    "encodes are not of one clip. Does the encoder write to its input?"
                )
            if restored is None:
                store_encode(job, encode, path, key)
            if first and log:
                scored = self._like_first(first, self.job.clip(path))
                store_score(scored.cache, score_key(self.scorer, scored.job, scored.cache), log)
        except BaseException:
            remove(path)
            raise
        finally:
            self._passes.finish(job)
        if not self.keep:
            path.unlink(missing_ok=True)
            if encode.pictures is not None:
                encode.pictures.discard()
        stored = encode if self.keep else encode.without_file()
        self.probes[crf] = Probe(as_crf(crf), float(self.metric.of(result)), result, stored)
        LOG.debug(
            "%s: %s %.3f, %.1f kbit/s", self._name(crf), self.metric, self.probes[crf].score, encode.bitrate / 1000
        )
        return self.probes[crf].score

    def _check_interrupted(self) -> None:
        if self._interrupted.is_set():
            raise EncodeError("The search was interrupted.")

    def _encode_then_score(
        self, job: EncodeJob, crf: float, path: Path, restored: Encode | None
    ) -> tuple[Result, Encode]:
        self._check_interrupted()
        encode = restored or make_encode(job, crf, path)
        written = stamp_of(Clip(path))
        self._check_interrupted()
        clip = encode.pictures or self.job.clip(path)
        try:
            if restored and self._first:
                prepared = self._like_first(self._first, clip)
            else:
                prepared = prepare(replace(self.scoring, distorted=clip), self.scorer)
            [log] = score(self.scorer, [prepared.job], prepared.cache)
        except ClipError as error:
            low, high = self.job.encoder.crf_range
            raise EncodeError(
                f"The encode of {self._name(crf)} cannot be decoded. If only this number fails, search a window "
                f"without it: crf= is a part of ({low}, {high}).\n{error}"
            ) from None
        self._check_encode(prepared, encode, log)
        if stamp_of(Clip(path)) != written:
            raise EncodeError(f"The encoder was still writing the encode of {self._name(crf)} while it was scored.")
        command = f"{encode.command} && {log.command.replace(f'file:{path.absolute()}', path.name)}"
        notes = enhancement_notes(log, prepared.models)
        result = conclude(prepared, log, self._name(crf), command, self.reference, notes)
        # A loopback decoder gets the packets before bitstream filters change them.
        arguments = (*self.job.encoder.arguments, *self.job.arguments)
        # Two passes are two processes.
        is_one = bool(job.encoder.arguments) and not job.has_two_passes
        if is_one and not any(argument.startswith("-bsf") for argument in arguments):
            self._first = prepared
        return result, encode

    def _encode_and_score(
        self, first: PreparedScoring, scorer: EncodingScorer, crf: float, path: Path
    ) -> tuple[Result, Encode, ScoreLog]:
        # `job.clip` reads the file, which does not exist yet.
        prepared = self._like_first(first, Clip(path, film_grain=self.job.source.clip.film_grain))
        step = EncodeStep(self.job.source.clip, self.job.ffmpeg_arguments(crf), path)
        log = checked_log(call(scorer, "encode_and_score", for_scorer(prepared.job), step), scorer)
        log = with_xpsnr(log, prepared.job)
        verified = check_log(prepared, log)
        encode = describe(self.job, crf, path, log.command, None)
        self._check_frames(encode, log)
        log = replace(verified, stream=(encode.size, encode.frames))
        notes = enhancement_notes(log, prepared.models)
        return conclude(prepared, log, self._name(crf), reference=self.reference, notes=notes), encode, log

    def _like_first(self, first: PreparedScoring, clip: Clip) -> PreparedScoring:
        """The scoring of another encode, which differs only in its clip."""
        return replace(first, job=replace(first.job, distorted=replace(first.job.distorted, clip=clip)))

    def _check_encode(self, prepared: PreparedScoring, encode: Encode, log: ScoreLog) -> None:
        """Refuse another size and a shifted start, which a comparison of two clips allows."""
        source, pair = self.job.source, prepared.pair
        if pair is None:
            return
        width, height = pair.distorted.width, pair.distorted.height
        # scale= scales up what an encoder made smaller. The rung of a ladder must have exactly its size.
        if source.clip != self.scoring.reference and (width, height) != (source.width, source.height):
            raise EncodeError(
                f"The encode of {self._name(encode.crf)} must have the size of its source, "
                f"{source.width}x{source.height}, not {width}x{height}."
            )
        if pair.offset:
            raise EncodeError(
                f"The encode of {self._name(encode.crf)} must start with its source, not {abs(pair.offset)} frames off."
            )
        self._check_frames(encode, log)

    def _check_frames(self, encode: Encode, log: ScoreLog) -> None:
        if encode.frames != log.distorted_frames:
            raise EncodeError(
                f"{self._name(encode.crf)}: the file has {encode.frames} frames, but {log.distorted_frames} were "
                "scored, so the bitrate would be that of other frames."
            )

    def _clip_stamps(self) -> tuple[object, ...]:
        return stamp_of(self.job.source.clip), stamp_of(self.scoring.reference)

    def _name(self, crf: float) -> str:
        source = self.job.source
        size = "" if source.clip == self.scoring.reference else f" {source.width}x{source.height}"
        return f"{self.job.name}{size} {self.job.label_at(crf)}"


def _file_name(*parts: str | None) -> str:
    text = "-".join(filter(None, parts))
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in text)
    # File systems limit the number of bytes.
    return plain.encode()[:120].decode(errors="ignore")
