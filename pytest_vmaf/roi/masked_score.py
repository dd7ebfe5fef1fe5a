"""The masked score: the whole picture, and what a saliency mask lets through of it, in one run.

roi = (1 − weight) · full + weight · masked, as vmaf-roi-score has it. In the masked clip the distorted frame is kept
where the reference is salient, and the reference's own samples stand everywhere else.
"""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from pytest_vmaf.errors import MaskError, ScorerError, SettingsError
from pytest_vmaf.roi.cached import Masked, SaliencyCache, keep, place_of, restore
from pytest_vmaf.roi.frame_masks import Mask, MaskStats, masking_of
from pytest_vmaf.roi.masked_clip import masked_source, masked_stream
from pytest_vmaf.roi.network import Saliency, identify, load_saliency, shown_size
from pytest_vmaf.roi.part_scoring import Part, part_of, score_together
from pytest_vmaf.scoring.measure import conclude, context_of, scores_of
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Scale, Score
from pytest_vmaf.scoring.scorer import ScoreLog, Scorer, Source
from pytest_vmaf.text import printable

MASKED = "masked"
#: With less of the picture under a mask, the reference around it is nearly all that is scored.
LITTLE = 0.01
#: What stands for the network's name where the mask is one value.
SYNTHETIC = "synthetic"


@dataclass(frozen=True, repr=False, kw_only=True)
class RoiResult(Result):
    """The Result of the whole picture, with what is left under a saliency mask.

    ``vmaf_roi`` and ``neg_roi`` are (1 − weight) · full + weight · masked. ``coverage`` holds for each frame which
    share of the picture (0 to 1) the mask keeps. In the frames of ``empty`` nothing is salient, and the whole picture
    counts in the mask's place. ``above_100`` is the whole picture's: under a mask it would need a scoring of its own.
    """

    mask: Mask
    saliency: str
    coverage: tuple[float, ...]
    empty: tuple[int, ...]
    #: The saliency of each frame as a small grey picture, deflated: width, height, pictures. For the report.
    maps: tuple[int, int, tuple[bytes, ...]] = field(hash=False, repr=False, compare=False, default=(0, 0, ()))

    def __repr__(self) -> str:
        parts = f"full {self.vmaf_full:.2f}, masked {self.vmaf_masked:.2f}, weight {self.mask.weight:g}"
        return f"<RoiResult VMAF {self.vmaf_roi:.2f} ({parts}), NEG {self.neg_roi:.2f}, {self.context.distorted}>"

    @property
    def vmaf_full(self) -> Score:
        """The default score of the whole picture."""
        return self.vmaf

    @property
    def neg_full(self) -> Score:
        """NEG of the whole picture."""
        return self.neg

    @property
    def vmaf_masked(self) -> Score:
        """The default score of the masked clip."""
        return self["vmaf_masked"]

    @property
    def neg_masked(self) -> Score:
        """NEG of the masked clip."""
        return self["neg_masked"]

    @property
    def gap_masked(self) -> Score:
        """The gap between the two in the masked clip, unclipped."""
        return self["gap_masked"]

    @property
    def vmaf_roi(self) -> Score:
        """(1 − weight) · vmaf_full + weight · vmaf_masked."""
        return self["vmaf_roi"]

    @property
    def neg_roi(self) -> Score:
        """(1 − weight) · neg_full + weight · neg_masked."""
        return self["neg_roi"]

    @property
    def mask_coverage(self) -> Score:
        """Which share of the picture (0 to 1) the mask keeps, as the mean over frames."""
        return self["mask_coverage"]

    def map_of(self, frame: int) -> tuple[bytes, int, int] | None:
        """The saliency of a frame as 8-bit grey samples, with width and height; None where it was not kept."""
        width, height, pictures = self.maps
        return (zlib.decompress(pictures[frame]), width, height) if frame < len(pictures) else None


def measure_roi(request: MeasureRequest, scorer: Scorer, mask: Mask) -> RoiResult:
    """Score the pair as it is and masked, with and without enhancement credit, in one run.

    Raises as :func:`~pytest_vmaf.scoring.measure.measure`; MaskError where there is no mask: a network that cannot be
    loaded or does not keep its contract, and a mask that keeps nothing of any frame.
    """
    label, digest = identify(mask.saliency) if mask.synthetic is None else (SYNTHETIC, "")
    with ThreadPoolExecutor(1) as pool:
        # While other programs look at the pair; what is kept of an earlier run needs none.
        early = mask.synthetic is None and request.cache is None
        loading = pool.submit(load_saliency, mask.saliency) if early else None
        prepared = prepare(request, scorer)
        network = loading.result() if loading else None
    job = prepared.job
    if not prepared.can.reads_clips:
        raise SettingsError(f"The scorer {prepared.can.name!r} reads no clip, and a mask is made of one.")
    place = place_of(prepared, mask, digest)
    made = restore(prepared, place)
    if made is None:
        if mask.synthetic is None:
            network = network or load_saliency(mask.saliency)
        made = _scored(prepared, mask, network)
        keep(prepared, place, made)
    logs, seen = {"": made.full, MASKED: made.masked}, made.seen
    masked = _under_mask(prepared, masked_source(job, Path(MASKED)))
    empty = tuple(seen.empty)
    if len(empty) == len(seen.coverage):
        raise MaskError(
            f"The mask keeps nothing of any of the {len(empty)} frames, so the masked clip is the reference itself; "
            f"the saliency is {seen.largest:.4g} at most, and the threshold {mask.threshold:g} ({label}).\n"
            "  Lower the threshold, or take another network."
        )
    notes = [_note(mask, label, seen.coverage), *_empty_note(empty)]
    logs[MASKED] = _without_empty(logs[MASKED], logs[""], empty)
    command = _command(request, mask, prepared.can.name)
    full = conclude(prepared, logs[""], command=command, notes=notes)
    log = replace(logs[MASKED], command=command)
    under = scores_of(masked, log, context_of(masked, log, f"{job.distorted.clip} [{MASKED}]", notes=notes))
    found = roi_result(full, under, mask, label, tuple(seen.coverage), empty)
    return replace(found, maps=(*seen.size, tuple(seen.maps)))


def _scored(prepared: PreparedScoring, mask: Mask, network: Saliency | None) -> Masked:
    job, seen = prepared.job, MaskStats()
    # The network that comes along is as quick as reading its answers again.
    looks = SaliencyCache(prepared, mask, network) if network is not None and mask.saliency is not None else None
    masking = masking_of(prepared, mask, network, seen, looks)
    small = shown_size(network, job.width, job.height) if network else None
    with masked_stream(prepared, masking, small) as (source, feed):
        logs = score_together({"": prepared, MASKED: _under_mask(prepared, source)})
    if feed.frames != logs[""].reference_frames:
        raise ScorerError(f"{feed.frames} frames were masked, of {logs[''].reference_frames}.")
    if looks is not None:
        looks.keep(len(seen.coverage))
    # What is known of one half is no hit of the whole.
    return Masked(replace(logs[""], cached=""), logs[MASKED], seen)


def _under_mask(prepared: PreparedScoring, source: Source) -> PreparedScoring:
    return part_of(prepared, Part(MASKED, prepared.job.width, prepared.job.height, distorted=source))


def blended(full: float, masked: float, weight: float) -> float:
    """(1 − weight) · full + weight · masked."""
    return (1.0 - weight) * full + weight * masked


def roi_result(
    full: Result,
    masked: Mapping[str, Score],
    mask: Mask,
    saliency: str,
    covered: tuple[float, ...],
    empty: tuple[int, ...],
) -> RoiResult:
    """The result of the whole picture with the masked clip's scores and their blends, frame by frame."""

    def blend(metric: str) -> Score:
        whole, part = full[metric], masked[metric]
        frames = tuple(blended(a, b, mask.weight) for a, b in zip(whole.frames, part.frames, strict=True))
        return Score(frames, replace(whole.scale, view="roi"), full.context)

    def shown(metric: str) -> Score:
        score = masked[metric]
        return Score(score.unclipped.frames, replace(score.scale, view=MASKED), score.context)

    parts = {
        "vmaf_roi": blend("vmaf"),
        "neg_roi": blend("neg"),
        **{f"{metric}_masked": shown(metric) for metric in ("vmaf", "neg", "gap")},
        "mask_coverage": Score(covered, _share_scale(full), full.context),
    }
    return RoiResult(
        vmaf=full.vmaf,
        neg=full.neg,
        gap=full.gap,
        above_100=full.above_100,
        features={**full.features, **parts},
        mask=mask,
        saliency=saliency,
        coverage=covered,
        empty=empty,
    )


def _share_scale(full: Result) -> Scale:
    whole = full.neg.scale
    return Scale("mask_coverage", "", "", whole.width, whole.height)


def _without_empty(masked: ScoreLog, full: ScoreLog, empty: tuple[int, ...]) -> ScoreLog:
    """The masked log with the whole picture's values where the mask is empty: there it scored the reference itself."""
    if not empty:
        return masked
    whole = frozenset(empty)
    columns = {
        name: tuple(full.columns[name][frame] if frame in whole else value for frame, value in enumerate(values))
        for name, values in masked.columns.items()
    }
    # The means that the tool gave are of other frames.
    return replace(masked, columns=columns, pooled_means={})


def _note(mask: Mask, label: str, covered: list[float]) -> str:
    colours = ", shown as limited BT.601" if mask.bt601 else ""
    strided = f", looked at in one of {mask.every} frames" if mask.every > 1 and mask.synthetic is None else ""
    little = ", so little that the masked score is near 100 whatever it shows" if fmean(covered) < LITTLE else ""
    return (
        f"roi: weight {mask.weight:g}, threshold {mask.threshold:g}, fade {mask.fade:g}, saliency {label}"
        f"{colours}{strided}; the mask keeps {100 * fmean(covered):.2f} % of the picture{little}"
    )


def _empty_note(empty: tuple[int, ...]) -> list[str]:
    if not empty:
        return []
    which = f"frame {empty[0]}" if len(empty) == 1 else f"{len(empty)} frames, the first is {empty[0]}"
    return [f"roi: the mask is empty in {which}; the whole picture counts there"]


def _command(request: MeasureRequest, mask: Mask, scorer: str) -> str:
    """The command that measures this again, with the scorer of a name."""
    # With "=", as a name may begin with "-".
    argv = ["pytest-vmaf", "roi-score", f"--reference={request.reference.path}"]
    argv += [f"--distorted={request.distorted.path}"]
    raw = next((clip for clip in (request.reference, request.distorted) if clip.is_raw), None)
    if raw is not None:
        argv += ["--width", f"{raw.width}", "--height", f"{raw.height}", "--pix-fmt", raw.pix_fmt or "yuv420p"]
    # Containers say it themselves.
    silent = (clip for clip in (request.reference, request.distorted) if clip.is_raw or clip.is_sequence)
    rate = next((clip.frame_rate for clip in silent if clip.frame_rate), None)
    argv += [] if rate is None else [f"--frame-rate={rate}"]
    argv += [] if mask.saliency is None else [f"--saliency-model={mask.saliency}"]
    argv += [] if mask.synthetic is None else ["--synthetic-mask", f"{mask.synthetic}"]
    argv += ["--weight", f"{mask.weight}", "--threshold", f"{mask.threshold}", "--fade", f"{mask.fade}"]
    argv += ["--bt601"] if mask.bt601 else []
    argv += [] if mask.stride is None else ["--stride", f"{mask.stride}"]
    argv += ["--model", request.model, "--generation", request.generation]
    argv += ["--phone"] if request.phone else []
    argv += [] if request.scale is None else ["--scale", request.scale]
    argv += ["--align"] if request.align else []
    argv += [part for name in request.allow for part in ("--allow", name)]
    argv += [] if scorer == "ffmpeg" else [f"--scorer={scorer}"]
    argv += [f"--vmaf-bin={request.vmaf_bin}"] if scorer == "vmaf" else []
    argv += [] if request.ffmpeg is None else [f"--ffmpeg={request.ffmpeg}"]
    return printable(shlex.join(argv))
