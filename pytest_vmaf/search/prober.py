"""Prober: makes the trial encodes of one search, and scores them."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_vmaf.encoding.cached import encode_key, restore, store_encode
from pytest_vmaf.encoding.encode import Encode, describe, make_encode, remove, with_pictures
from pytest_vmaf.encoding.first_passes import FirstPasses
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.rate_modes import file_part
from pytest_vmaf.encoding.scale import as_crf
from pytest_vmaf.errors import ClipError, EncodeError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import stamp_of
from pytest_vmaf.media.process import stop_children
from pytest_vmaf.scoring.cached import fetch_score, score, score_key, store_score
from pytest_vmaf.scoring.measure import check_log, conclude
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import EncodeStep, EncodingScorer, ScoreLog, Scorer
from pytest_vmaf.scoring.scorer_calls import call, checked_log, name_of
from pytest_vmaf.scoring.xpsnr import for_scorer
from pytest_vmaf.scoring.xpsnr_run import with_xpsnr
from pytest_vmaf.search.deciding_score import deciding_score, for_one_metric
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe, Trial, enhancement_notes

LOG = logging.getLogger("pytest_vmaf")


@dataclass
class Prober:
    """Makes the trial encodes of one search, and holds them even if the search fails later.

    The first encode is written to a file and compared with the reference as any clip is. The others cannot differ from
    it in what that comparison checks, so they are encoded and scored in one process if the scorer can encode.

    Of an encode that no answer may rest on, only the metric of the search is scored (`glance`). If an answer does rest
    on it, the encode is still at hand and is measured completely (`complete`).

    Attributes:
        job: The source, the encoder and its settings.
        scoring: The reference, and how to score.
        scorer: What scores.
        metric: What the targets are scores of.
        folder: Where the encodes are written.
        stem: The beginning of their file names.
        reference: The reference's name in results.
        keep: Whether the encodes stay after they were scored.
        lasting: Whether the folder changes, and a first pass that serves every bitrate must outlive it.
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
    lasting: bool = False
    probes: dict[float, Trial] = field(default_factory=dict, init=False)

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
        self._glanced: dict[float, Encode] = {}
        self._passes = FirstPasses(self._stem, lasting=self.lasting)
        self._interrupted = threading.Event()
        self._stamps = self._clip_stamps()

    def interrupt(self) -> None:
        """Stop the programs that other threads run, and let these threads start no more."""
        self._interrupted.set()
        stop_children()

    def __call__(self, crf: float) -> float:
        """Encode at this CRF, measure completely, and return the score. Raises EncodeError, and as scoring does."""
        return self._make(crf, whole=True)

    def glance(self, crf: float) -> float:
        """As a call, but only the metric of the search is scored if that saves anything."""
        # Decoded pictures take too much room to be at hand until the search ends.
        return self._make(crf, whole=self.job.encoder.codec is not None)

    def complete(self, crf: float) -> Probe:
        """The complete measurement of this CRF; it is encoded now if it was not before. Raises as a call.

        Raises:
            ScorerError: If the scorer gives the metric of the search another score than it did alone.
        """
        if crf not in self.probes:
            self(crf)
        known = self.probes[crf]
        if isinstance(known, Probe):
            return known
        encode = self._glanced.pop(crf)
        scored, _ = self._encode_then_score(self.job, crf, encode.path, encode)
        assert isinstance(scored, Result)  # noqa: S101  (for the type checker)
        self._check_unchanged()
        if (score := float(self.metric.of(scored))) != known.score:
            raise ScorerError(
                f"The scorer {name_of(self.scorer)} scores {self._name(crf)} with {self.metric} {known.score} alone, "
                f"and with {score} beside other models. A scorer with the methods of RepeatableScorer must repeat its "
                "numbers; without them, every trial encode is measured completely."
            )
        if not self.keep:
            encode.path.unlink(missing_ok=True)
        self.probes[crf] = probe = Probe(known.crf, score, scored, known.encode)
        return probe

    def _make(self, crf: float, *, whole: bool) -> float:
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
                scored, encode, log = self._encode_and_score(first, scorer, crf, path, whole=whole)
            else:
                scored, encode = self._encode_then_score(job, crf, path, restored, whole=whole)
            self._check_unchanged()
            if restored is None:
                store_encode(job, encode, path, key)
            if first and log:
                scoring = self._like_first(first, self.job.clip(path))
                if not isinstance(scored, Result):
                    scoring = for_one_metric(scoring, self.metric) or scoring
                store_score(scoring.cache, score_key(self.scorer, scoring.job, scoring.cache), log)
        except BaseException:
            remove(path)
            raise
        finally:
            self._passes.finish(job)
        if not isinstance(scored, Result):
            self._glanced[crf] = encode
        elif not self.keep:
            path.unlink(missing_ok=True)
            if encode.pictures is not None:
                encode.pictures.discard()
        stored = encode if self.keep else encode.without_file()
        if isinstance(scored, Result):
            self.probes[crf] = Probe(as_crf(crf), float(self.metric.of(scored)), scored, stored)
        else:
            self.probes[crf] = Trial(as_crf(crf), scored, None, stored)
        LOG.debug(
            "%s: %s %.3f, %.1f kbit/s", self._name(crf), self.metric, self.probes[crf].score, encode.bitrate / 1000
        )
        return self.probes[crf].score

    def _check_unchanged(self) -> None:
        if self._clip_stamps() != self._stamps:
            raise EncodeError(
                f"{self.job.source.clip.name} or its reference was written to during the search, so the trial "
                "encodes are not of one clip. Does the encoder write to its input?"
            )

    def _check_interrupted(self) -> None:
        if self._interrupted.is_set():
            raise EncodeError("The search was interrupted.")

    def _encode_then_score(
        self, job: EncodeJob, crf: float, path: Path, restored: Encode | None, *, whole: bool = True
    ) -> tuple[Result | float, Encode]:
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
            small = None if whole else self._for_one_metric(prepared)
            [log] = score(self.scorer, [(small or prepared).job], prepared.cache)
            decided = deciding_score(small, log, self.metric) if small else None
            if small and decided is None:
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
        scored: Result | float | None = decided
        if scored is None:
            command = f"{encode.command} && {log.command.replace(f'file:{path.absolute()}', path.name)}"
            notes = enhancement_notes(log, prepared.models)
            scored = conclude(prepared, log, self._name(crf), command, self.reference, notes)
        # A loopback decoder gets the packets before bitstream filters change them.
        arguments = (*self.job.encoder.arguments, *self.job.arguments)
        # Two passes are two processes.
        is_one = bool(job.encoder.arguments) and not job.has_two_passes
        if is_one and not any(argument.startswith("-bsf") for argument in arguments):
            self._first = prepared
        return scored, encode

    def _encode_and_score(
        self, first: PreparedScoring, scorer: EncodingScorer, crf: float, path: Path, *, whole: bool
    ) -> tuple[Result | float, Encode, ScoreLog | None]:
        # `job.clip` reads the file, which does not exist yet.
        prepared = self._like_first(first, Clip(path, film_grain=self.job.source.clip.film_grain))
        small = None if whole else for_one_metric(prepared, self.metric)
        step = EncodeStep(self.job.source.clip, self.job.ffmpeg_arguments(crf), path)
        request = (small or prepared).job
        log = with_xpsnr(checked_log(call(scorer, "encode_and_score", for_scorer(request), step), scorer), request)
        decided = deciding_score(small, log, self.metric) if small else None
        verified = log if small else check_log(prepared, log)
        command = self.job.command(crf, path) if small else log.command
        encode = describe(self.job, crf, path, command, None)
        self._check_frames(encode, log)
        if small and decided is None:
            return *self._encode_then_score(self.job, crf, path, encode), None
        log = replace(verified, stream=(encode.size, encode.frames))
        if decided is not None:
            return decided, encode, log
        notes = enhancement_notes(log, prepared.models)
        return conclude(prepared, log, self._name(crf), reference=self.reference, notes=notes), encode, log

    def _for_one_metric(self, prepared: PreparedScoring) -> PreparedScoring | None:
        """The reduced scoring, unless the log of the complete one is in the cache."""
        key = score_key(self.scorer, prepared.job, prepared.cache)
        known = fetch_score(self.scorer, prepared.job, prepared.cache, key)
        return for_one_metric(prepared, self.metric) if known is None else None

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
