"""Probes: one encode and its score each, all of one source with one encoder."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_vmaf.encoding.cached import encode_key, keep_encode, restore
from pytest_vmaf.encoding.encode import Encode, EncodeJob, describe, encoded_clip, ffmpeg_arguments, make_encode, remove
from pytest_vmaf.errors import ClipError, EncodeError, SettingsError
from pytest_vmaf.gates.metrics import BASE_METRICS
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import stamp_of
from pytest_vmaf.media.process import stop_children
from pytest_vmaf.scoring.cached import score as scored
from pytest_vmaf.scoring.cached import score_key, store_score
from pytest_vmaf.scoring.measure import conclude
from pytest_vmaf.scoring.models import feature_columns, higher_is_better, resolve_feature
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import POOLS, Score
from pytest_vmaf.scoring.scorer import EncodeStep, EncodingScorer, ScoreLog, Scorer
from pytest_vmaf.text import did_you_mean

#: Beginnings of features that have no ceiling (infinite where nothing is lost), or tell nothing of the quality alone.
NO_TARGETS = ("psnr_hvs", "ciede", "float_moment")


@dataclass(frozen=True)
class Metric:
    """What a target is a number of: a metric and how its frames are pooled, written "neg", "neg.p5", "psnr_y.min"."""

    name: str
    pool: str = "mean"

    def __str__(self) -> str:
        shown = {"vmaf": "VMAF", "neg": "NEG"}.get(self.name, self.name)
        return shown if self.pool == "mean" else f"{shown} {self.pool}"

    @property
    def features(self) -> tuple[str, ...]:
        """The libvmaf features that must be measured for it."""
        return (resolve_feature(self.name),) if self.name in feature_columns() else ()

    def of(self, result: Result) -> Score:
        """This metric of a result."""
        return result[self.name].pooled(self.pool)


def parse_metric(text: str) -> Metric:
    """Read "neg", "neg.p5", … Raises SettingsError for unknown ones, and for those that are better when lower."""
    name, dot, pool = str(text).partition(".")
    names = (*BASE_METRICS, *feature_columns())
    known = tuple(metric for metric in names if higher_is_better(metric) and not metric.startswith(NO_TARGETS))
    if name not in known:
        raise SettingsError(
            f"metric is {text!r}.{did_you_mean(name, known)} A target is a number of a metric that "
            f"falls with the quality: {', '.join(known)}."
        )
    pools = [pool for pool in POOLS if pool != "stdev"]
    if dot and pool not in pools:
        raise SettingsError(f"metric is {text!r}; {name} is pooled by one of {', '.join(pools)}, as {name}.p5.")
    return Metric(name, pool or "mean")


@dataclass(frozen=True, repr=False)
class Probe:
    """One encode and its score during a search."""

    crf: int
    score: float
    result: Result
    encode: Encode

    @property
    def bitrate(self) -> float:
        """Mean bit/s of the encode."""
        return self.encode.bitrate

    def __repr__(self) -> str:
        return f"<{self.encode.name} CRF {self.crf}: {self.score:.3f}, {self.bitrate / 1000:.1f} kbit/s>"


class Prober:
    """Makes the probes of one search and keeps them, those of a search that fails later too.

    The first encode is written, looked at and compared with the reference as any clip is. The others cannot differ from
    it in what that looks at, so where the scorer can encode they are encoded and scored in one process. Encodes go to
    ``folder``; unless they are to be ``kept`` each is removed once it is scored.
    """

    def __init__(
        self,
        job: EncodeJob,
        scoring: MeasureRequest,
        scorer: Scorer,
        metric: Metric,
        folder: Path,
        *,
        stem: str = "",
        reference: str | None = None,
        kept: bool,
    ) -> None:
        self.job, self.metric, self.probes = job, metric, dict[int, Probe]()
        self._scoring, self._scorer = scoring, scorer
        self._folder, self._kept = folder, kept
        self._reference = reference
        # Searches that differ in nothing but their arguments must not overwrite what the others kept.
        part = reference if reference != str(scoring.reference) else None
        special = (job.arguments, job.pix_fmt, job.encoder.command, part)
        told = repr(special) if any(special) else ""
        own = hashlib.blake2b(told.encode(), digest_size=3).hexdigest() if told else None
        self._stem = _file_name(stem, job.encoder.name, job.preset, own)
        self._first: PreparedScoring | None = None
        self._broken_off = threading.Event()
        self._stamps = self._clips_stamps()

    def break_off(self) -> None:
        """End what other threads are at, and let them begin nothing more."""
        self._broken_off.set()
        stop_children()

    def __call__(self, crf: int) -> float:
        """Encode and score at this CRF. Raises EncodeError and all that measuring raises."""
        path = self._folder / f"{self._stem}-crf{crf}{self.job.encoder.suffix}"
        key = encode_key(self.job, crf, path)
        try:
            restored = restore(self.job, crf, path, key)
            together = None
            if restored is None and self._first is not None and self._can_encode(self._first):
                result, encode, together = self._together(self._first, crf, path)
            else:
                result, encode = self._apart(crf, path, restored)
            if self._clips_stamps() != self._stamps:
                raise EncodeError(
                    f"{self.job.source.clip.name} or its reference was written to during the search; the probes are "
                    "not of one clip. Does the encoder write to its input?"
                )
            if restored is None:
                keep_encode(self.job, encode, path, key)
            if together is not None:
                self._keep_score(*together)
        except BaseException:
            remove(path)
            raise
        if not self._kept:
            path.unlink(missing_ok=True)
            encode = replace(encode, path=None)
        score = float(self.metric.of(result))
        self.probes[crf] = Probe(crf, score, result, encode)
        return score

    def _apart(self, crf: int, path: Path, restored: Encode | None) -> tuple[Result, Encode]:
        encode = restored or make_encode(self.job, crf, path)
        written = stamp_of(Clip(path))
        if self._broken_off.is_set():
            raise EncodeError("The search was broken off.")
        request = replace(self._scoring, distorted=encoded_clip(self.job, path))
        try:
            if restored is not None and self._first is not None:
                prepared = self._as_first(self._first, path)
            else:
                prepared = prepare(request, self._scorer)
            [log] = scored(self._scorer, [prepared.job], prepared.cache)
        except ClipError as error:
            low, high = self.job.encoder.crf_range
            raise EncodeError(
                f"What {self._name(crf)} wrote cannot be decoded. If only this CRF is broken, search beside it: crf= "
                f"says the window, within ({low}, {high}).\n{error}"
            ) from None
        self._check_encode(prepared, encode, log)
        if stamp_of(Clip(path)) != written:
            raise EncodeError(f"{self._name(crf)} was still being written to when it was scored.")
        command = f"{encode.command} && {log.command.replace(f'file:{path.absolute()}', path.name)}"
        result = conclude(prepared, log, self._name(crf), command, self._reference)
        # What a bitstream filter makes of the packets does not come back through a loopback decoder.
        told = (*self.job.encoder.arguments, *self.job.arguments)
        if self.job.encoder.arguments and not any(part.startswith("-bsf") for part in told):
            self._first = prepared
        return result, encode

    def _can_encode(self, first: PreparedScoring) -> bool:
        return isinstance(self._scorer, EncodingScorer) and self._scorer.can_encode(first.job.tools)

    def _as_first(self, first: PreparedScoring, path: Path) -> PreparedScoring:
        """The scoring of another encode, which differs in its clip alone."""
        distorted = replace(first.job.distorted, clip=encoded_clip(self.job, path))
        return replace(first, job=replace(first.job, distorted=distorted))

    def _keep_score(self, prepared: PreparedScoring, log: ScoreLog) -> None:
        store_score(prepared.cache, score_key(self._scorer, prepared.job, prepared.cache), log)

    def _together(
        self, first: PreparedScoring, crf: int, path: Path
    ) -> tuple[Result, Encode, tuple[PreparedScoring, ScoreLog]]:
        assert isinstance(self._scorer, EncodingScorer)  # noqa: S101
        # Not as a clip of its own yet: there is no file to look at.
        distorted = replace(first.job.distorted, clip=Clip(path))
        prepared = replace(first, job=replace(first.job, distorted=distorted))
        step = EncodeStep(self.job.source.clip, ffmpeg_arguments(self.job, crf), path)
        log = self._scorer.encode_and_score(prepared.job, step)
        result = conclude(prepared, log, self._name(crf), reference=self._reference)
        encode = describe(self.job, crf, path, log.command, None)
        self._check_frames(encode, log)
        return result, encode, (self._as_first(first, path), log)

    def _check_encode(self, prepared: PreparedScoring, encode: Encode, log: ScoreLog) -> None:
        """Refuse what a comparison of any two clips allows, and a search does not: another size, a shifted start."""
        source, pair = self.job.source, prepared.pair
        if pair is None:
            return
        wrote = pair.distorted.width, pair.distorted.height
        # An encoder that makes its source smaller is scaled up, if that is asked for; a rung has the size that it says.
        if source.clip != self._scoring.reference and wrote != (source.width, source.height):
            raise EncodeError(
                f"{self._name(encode.crf)} wrote {wrote[0]}x{wrote[1]} of a source of {source.width}x{source.height}."
            )
        if pair.offset:
            raise EncodeError(f"{self._name(encode.crf)} starts {abs(pair.offset)} frames off its source.")
        self._check_frames(encode, log)

    def _check_frames(self, encode: Encode, log: ScoreLog) -> None:
        if encode.frames != log.distorted_frames:
            raise EncodeError(
                f"{self._name(encode.crf)}: {encode.frames} frames are in the file, and {log.distorted_frames} were "
                "scored; its bitrate would be that of others."
            )

    def _clips_stamps(self) -> tuple[object, ...]:
        return stamp_of(self.job.source.clip), stamp_of(self._scoring.reference)

    def _name(self, crf: int) -> str:
        source = self.job.source
        size = "" if source.clip == self._scoring.reference else f" {source.width}x{source.height}"
        return f"{self.job.name}{size} CRF {crf}"


def _file_name(*parts: str | None) -> str:
    text = "-".join(filter(None, parts))
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in text)
    # File systems count bytes.
    return plain.encode()[:120].decode(errors="ignore")
