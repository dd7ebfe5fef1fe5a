"""The masked score: the scores of the whole picture and of its salient part, measured in one run and blended.

roi = (1 − weight) · full + weight · masked, as in vmaf-roi-score. The masked clip shows the distorted clip where the
reference is salient, and the reference everywhere else.
"""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from pytest_vmaf.errors import MaskError, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.gates.metrics import ROI_METRICS
from pytest_vmaf.media.process import thread_refusals
from pytest_vmaf.roi.cached import MaskedLogs, MaskedScoreCache, SaliencyCache
from pytest_vmaf.roi.frame_masks import Mask, MaskStats, frame_mask_of
from pytest_vmaf.roi.masked_clip import masked_source, masked_stream
from pytest_vmaf.roi.part_scoring import empty_note, fields_with, part_of, score_together, with_view
from pytest_vmaf.roi.saliency_network import Saliency, identify, load_saliency, shown_size
from pytest_vmaf.scoring.measure import conclude, context_of, scores_of
from pytest_vmaf.scoring.order_warning import warn_of_order
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Scale, Score
from pytest_vmaf.scoring.scorer import ModelRun, RepeatableScorer, ScoreLog, Scorer, Source
from pytest_vmaf.text import printable

MASKED = "masked"
#: If the mask keeps a smaller share of the picture, nearly everything that is scored is the reference.
LITTLE = 0.01
#: The network's name if the mask is synthetic.
SYNTHETIC = "synthetic"


@dataclass(frozen=True, repr=False, kw_only=True)
class RoiResult(Result):
    """The Result of the whole picture, with the scores of its salient part and the blends of both.

    A blended score is (1 − weight) · full + weight · masked in each frame, as in vmaf-roi-score. *Full* is the score of
    the whole picture. *Masked* is that of the masked clip, which shows the distorted clip where the reference is
    salient, and the reference everywhere else. Masks are blended at the bit depth of the scored clips.

    Gaps are never blended. `above_100` is that of the whole picture: under a mask it would need a scoring of its own.

    Where gates need NEG alone, the masked clip is scored with the NEG model alone. `vmaf_roi`, `vmaf_masked` and
    `gap_masked` then raise `MeasurementError`.

    Attributes:
        mask: The settings of the mask.
        saliency: The name of the saliency network, "synthetic" for a synthetic mask.
        coverage: For each frame the share of the picture that the mask keeps, 0 to 1: the mean weight of the distorted
            clip over luma samples.
        empty: The frames in which nothing is salient. There, the masked scores are those of the whole picture.
        maps: The saliency of each frame for the report: width, height and pictures [height,width] of 8-bit grey
            samples, deflated.
    """

    mask: Mask
    saliency: str
    coverage: tuple[float, ...]
    empty: tuple[int, ...]
    maps: tuple[int, int, tuple[bytes, ...]] = field(hash=False, repr=False, compare=False, default=(0, 0, ()))

    def __repr__(self) -> str:
        weight = f"weight {self.mask.weight:g}"
        if "vmaf_masked" not in self.features:
            parts = f"full {self.neg_full:.2f}, masked {self.neg_masked:.2f}, {weight}"
            return f"<RoiResult NEG {self.neg_roi:.2f} ({parts}), {self.context.distorted}>"
        parts = f"full {self.vmaf_full:.2f}, masked {self.vmaf_masked:.2f}, {weight}"
        return f"<RoiResult VMAF {self.vmaf_roi:.2f} ({parts}), NEG {self.neg_roi:.2f}, {self.context.distorted}>"

    def __getitem__(self, metric: str) -> Score:
        if metric in ROI_METRICS and metric not in self.features:
            raise MeasurementError(
                f"{metric} was not measured: the masked clip was scored with the NEG model alone, since the call gates "
                "NEG alone or passes neg_only=True.\n  Pass neg_only=False to vmaf.roi()."
            )
        return super().__getitem__(metric)

    @property
    def vmaf_full(self) -> Score:
        """VMAF of the whole picture."""
        return self.vmaf

    @property
    def neg_full(self) -> Score:
        """NEG of the whole picture."""
        return self.neg

    @property
    def vmaf_masked(self) -> Score:
        """VMAF of the masked clip."""
        return self["vmaf_masked"]

    @property
    def neg_masked(self) -> Score:
        """NEG of the masked clip."""
        return self["neg_masked"]

    @property
    def gap_masked(self) -> Score:
        """VMAF minus NEG of the masked clip, unclipped."""
        return self["gap_masked"]

    @property
    def vmaf_roi(self) -> Score:
        """The blended VMAF: (1 − weight) · vmaf_full + weight · vmaf_masked. Sharpening can raise it."""
        return self["vmaf_roi"]

    @property
    def neg_roi(self) -> Score:
        """The blended NEG: (1 − weight) · neg_full + weight · neg_masked."""
        return self["neg_roi"]

    @property
    def mask_coverage(self) -> Score:
        """The share of the picture (0 to 1) that the mask keeps, in each frame and as the mean over frames."""
        return self["mask_coverage"]

    def map_of(self, frame: int) -> tuple[bytes, int, int] | None:
        """The saliency of a frame as 8-bit grey samples in rows, with width and height; None if it was not stored."""
        width, height, pictures = self.maps
        return (zlib.decompress(pictures[frame]), width, height) if frame < len(pictures) else None


def measure_roi(request: MeasureRequest, scorer: Scorer, mask: Mask, *, neg_only: bool = False) -> RoiResult:
    """Score the pair as it is and under a mask, by the default model and its NEG variant, in one run.

    Args:
        request: The clips and settings.
        scorer: The scorer backend.
        mask: The settings of the mask.
        neg_only: Whether to score the masked clip with the NEG model alone.

    Raises:
        MaskError: If the network cannot be loaded or breaks its contract, or the mask keeps nothing of any frame.
        MeasurementError: As in `pytest_vmaf.scoring.measure.measure`.
    """
    label, digest = identify(mask.saliency) if mask.synthetic is None else (SYNTHETIC, "")
    prepared, network = _prepare(request, scorer, mask)
    if not prepared.can.reads_clips:
        raise SettingsError(f"A mask needs a scorer that reads clips; {prepared.can.name!r} does not.")
    # Other scorers may give other numbers with one model than with two.
    neg_only = neg_only and isinstance(scorer, RepeatableScorer)
    runs = (prepared.models.neg,) if neg_only else prepared.job.models
    caches = [MaskedScoreCache(prepared, mask, digest, models) for models in dict.fromkeys((runs, prepared.job.models))]
    logs = next((logs for cache in caches if (logs := cache.fetch())), None)
    if logs is None:
        if mask.synthetic is None:
            network = network or load_saliency(mask.saliency)
        logs = _score(prepared, mask, network, runs)
        caches[0].store(logs)
    stats = logs.stats
    if len(stats.empty) == len(stats.coverage):
        raise MaskError(
            f"The mask keeps nothing of any of the {len(stats.empty)} frames: the largest saliency is "
            f"{stats.largest:.4g}, and the threshold {mask.threshold:g} ({label}).\n"
            "  Lower the threshold, or use another network."
        )
    note = "roi: the mask is empty in {}; the whole picture counts there"
    notes = [_note(mask, label, stats.coverage), *empty_note(stats.empty, note)]
    command = _command(request, mask, prepared.can.name)
    full = conclude(prepared, logs.full, command=command, notes=notes)
    warn_of_order(prepared, logs.full, full)
    masked = _under_mask(prepared, masked_source(prepared.job, Path(MASKED)), runs)
    # A complete log of the cache has more columns.
    columns = {name: logs.masked.columns[name] for name in masked.job.columns}
    logs = replace(logs, masked=replace(logs.masked, columns=columns))
    log = replace(_fill_empty(logs, frozenset(stats.empty)), command=command)
    context = context_of(masked, log, f"{prepared.job.distorted.clip} [{MASKED}]", notes=notes)
    return roi_result(full, scores_of(masked, log, context), mask, label, stats)


def _prepare(request: MeasureRequest, scorer: Scorer, mask: Mask) -> tuple[PreparedScoring, Saliency | None]:
    """Prepare the scoring and load the network meanwhile, unless the cache may make it unnecessary."""
    early = mask.synthetic is None and request.cache is None
    with thread_refusals(), ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load_saliency, mask.saliency) if early else None
        prepared = prepare(request, scorer)
        return prepared, loading.result() if loading else None


def _score(prepared: PreparedScoring, mask: Mask, network: Saliency | None, runs: tuple[ModelRun, ...]) -> MaskedLogs:
    job, stats = prepared.job, MaskStats()
    # The bundled network computes its maps as fast as the cache reads them.
    recall = SaliencyCache(prepared, mask, network) if network is not None and mask.saliency is not None else None
    frame_mask = frame_mask_of(prepared, mask, network, stats, recall)
    small = shown_size(network, job.width, job.height) if network else None
    # A scoring with frames around it may need a second run, and a stream is read once.
    logs = score_together({"": prepared}) if any(job.lead) else {}
    with masked_stream(prepared, frame_mask, small) as (source, feed):
        logs |= score_together({**({} if logs else {"": prepared}), MASKED: _under_mask(prepared, source, runs)})
    if feed.frames != logs[""].reference_frames:
        raise ScorerError(f"Only {feed.frames} of {logs[''].reference_frames} frames were masked.")
    if recall is not None:
        recall.store(len(stats.coverage))
    # Even if the full score is from the cache, this measurement is not.
    return MaskedLogs(replace(logs[""], cached=""), logs[MASKED], stats)


def _under_mask(prepared: PreparedScoring, source: Source, runs: tuple[ModelRun, ...]) -> PreparedScoring:
    """The scoring of the masked clip instead of the distorted one, by these models and without features."""
    part = part_of(prepared, MASKED, (prepared.job.width, prepared.job.height), "")
    runs = tuple(run for run in part.job.models if run.column in {each.column for each in runs})
    columns = tuple(run.column for run in runs)
    # The stream has no frames before those of the part.
    job = replace(part.job, distorted=source, models=runs, features=(), columns=columns, lead=(0, 0))
    return replace(part, job=job)


def blended(full: float, masked: float, weight: float) -> float:
    """The blended score: (1 − weight) · full + weight · masked."""
    return (1.0 - weight) * full + weight * masked


def roi_result(full: Result, masked: Mapping[str, Score], mask: Mask, saliency: str, stats: MaskStats) -> RoiResult:
    """The result of the whole picture with the scores of the masked clip and their blends, frame by frame."""

    def blend(metric: str) -> Score:
        whole, part = full[metric], masked[metric]
        frames = tuple(blended(a, b, mask.weight) for a, b in zip(whole.frames, part.frames, strict=True))
        return Score(frames, replace(whole.scale, view="roi"), full.context)

    coverage, scale = tuple(stats.coverage), full.neg.scale
    parts = {
        **{f"{metric}_roi": blend(metric) for metric in ("vmaf", "neg") if metric in masked},
        **{f"{metric}_masked": with_view(score, MASKED) for metric, score in masked.items()},
        "mask_coverage": Score(coverage, Scale("mask_coverage", "", "", scale.width, scale.height), full.context),
    }
    return RoiResult(
        **fields_with(full, parts),
        mask=mask,
        saliency=saliency,
        coverage=coverage,
        empty=tuple(stats.empty),
        maps=(*stats.size, tuple(stats.maps)),
    )


def _fill_empty(logs: MaskedLogs, empty: frozenset[int]) -> ScoreLog:
    """The masked log, with the whole picture's values where the mask is empty and the reference itself was scored."""
    if not empty:
        return logs.masked
    columns = {
        name: tuple(logs.full.columns[name][frame] if frame in empty else value for frame, value in enumerate(values))
        for name, values in logs.masked.columns.items()
    }
    # The scorer's pooled means are no longer those of these frames.
    return replace(logs.masked, columns=columns, pooled_means={})


def _note(mask: Mask, label: str, coverage: Sequence[float]) -> str:
    colours = ", shown as limited BT.601" if mask.bt601 else ""
    stride = f", run on one of {mask.every} frames" if mask.every > 1 and mask.synthetic is None else ""
    little = ", so little that the masked score is near 100 for any clip" if fmean(coverage) < LITTLE else ""
    return (
        f"roi: weight {mask.weight:g}, threshold {mask.threshold:g}, fade {mask.fade:g}, saliency {label}"
        f"{colours}{stride}; the mask keeps {100 * fmean(coverage):.2f} % of the picture{little}"
    )


def _command(request: MeasureRequest, mask: Mask, scorer: str) -> str:
    """The command that repeats this measurement, with the scorer of this name."""
    clips = (request.reference, request.distorted)
    raw = next((clip for clip in clips if clip.is_raw), None)
    # Containers store their own frame rate.
    rate = next((clip.frame_rate for clip in clips if clip.frame_rate and (clip.is_raw or clip.is_sequence)), None)
    argv = ["pytest-vmaf", "roi-score", *_flags(reference=request.reference.path, distorted=request.distorted.path)]
    argv += _flags(width=raw.width, height=raw.height, pix_fmt=raw.pix_fmt or "yuv420p") if raw else []
    argv += _flags(frame_rate=rate, saliency_model=mask.saliency, synthetic_mask=mask.synthetic)
    argv += _flags(weight=mask.weight, threshold=mask.threshold, fade=mask.fade, bt601=mask.bt601, stride=mask.stride)
    argv += _flags(model=request.model, generation=request.generation, phone=request.phone, scale=request.scale)
    argv += _flags(align=request.align, match_rate=request.match_rate)
    for name, clip in zip(("reference", "distorted"), clips, strict=True):
        argv += _flags(**{f"{name}_start": clip.start or None, f"{name}_frames": clip.frames})
    argv += [f"--allow={name}" for name in request.allow]
    argv += [] if scorer == "ffmpeg" else _flags(scorer=scorer)
    argv += _flags(vmaf_bin=request.vmaf_bin) if scorer == "vmaf" else []
    return printable(shlex.join([*argv, *_flags(ffmpeg=request.ffmpeg)]))


def _flags(**values: object) -> list[str]:
    """Flags without those that are None or False. Values follow "=", as a file name may begin with "-"."""
    return [
        f"--{name.replace('_', '-')}" if value is True else f"--{name.replace('_', '-')}={value}"
        for name, value in values.items()
        if value is not None and value is not False
    ]
