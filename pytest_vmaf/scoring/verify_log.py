"""The check of a scorer's log: every requested column, every frame of both clips, finite values."""

from __future__ import annotations

import math

from pytest_vmaf.errors import LogError, PairError, ScorerError
from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest, check_type
from pytest_vmaf.scoring.signs import check_columns

#: Unclipped scores are between these. The most absurd pictures (noise or sharpening on a flat reference) reach 280 and
#: -32.
LOWEST_SCORE, HIGHEST_SCORE = -200.0, 500.0
#: No feature has larger values.
LARGEST = 1e12


def verify_log(log: ScoreLog, request: ScoreRequest, scorer: str) -> None:
    """Check that a log has a finite value in each requested column for each frame of both clips.

    ffmpeg and libvmaf end with exit code 0 after a failed feature, a lost model, an unwritable log or a shorter clip.

    Raises:
        PairError: If the clips have different lengths.
        ScorerError: If no frame was decoded, or the scorer returned something other than a log.
        LogError: If a value is missing or not finite, or a mean disagrees with its frames.
    """
    check_type(log, ScoreLog, scorer)
    ref, dis = log.reference_frames, log.distorted_frames
    names = f"{request.reference.clip.name} against {request.distorted.clip.name}, scorer {scorer}"
    if ref != dis:
        longer = "reference" if ref > dis else "distorted clip"
        raise PairError(
            f"The clips have different lengths: {ref} frames in the reference, {dis} in the distorted clip "
            f"({abs(ref - dis)} more in the {longer}). Frames are compared by index, so clips must have the same "
            f"length.\n  {names}.\n"
            "  Did the encoder drop or repeat frames, or is one file cut off?"
        )
    if ref == 0:
        raise ScorerError(f"No frame was decoded: {names}.\n  command: {log.command}")
    if request.signs:
        check_columns(log.signs, ref, names)
    scores = {run.column for run in request.models}
    for column in (*request.columns, *request.optional_columns):
        values = log.columns.get(column)
        if values is None and column in request.optional_columns:
            continue
        if values is None:
            raise LogError(
                f"The log has no column {column!r}; it has {', '.join(sorted(log.columns)) or 'none'}. {names}.\n"
                f"  A model or feature failed without an error.\n  command: {log.command}"
            )
        if len(values) != ref:
            raise LogError(
                f"The log has {len(values)} values of {column!r} for {ref} frames: {names}.\n"
                "  Does the size or pixel format change within a clip? That restarts the scoring.\n"
                f"  command: {log.command}"
            )
        _check_finite(column, values, names)
        _check_plausible(column, values, names, is_score=column in scores)
        mean, logged = math.fsum(values) / ref, log.pooled_means.get(column)
        if logged is not None and not abs(logged - mean) <= 1e-4:
            raise LogError(
                f"The log's own mean of {column!r} is {logged}, but its frames' mean is {mean:.6f}: {names}."
            )


def _check_plausible(column: str, values: tuple[float, ...], names: str, *, is_score: bool) -> None:
    low, high = (LOWEST_SCORE, HIGHEST_SCORE) if is_score else (-LARGEST, LARGEST)
    bad = next((frame for frame, value in enumerate(values) if not low <= value <= high), None)
    if bad is not None:
        raise LogError(
            f"{column} is {values[bad]:g} in frame {bad}, and must be between {low:g} and {high:g}: {names}.\n"
            "  The scorer or its model is broken."
        )


def _check_finite(column: str, values: tuple[float, ...], names: str) -> None:
    bad = [frame for frame, value in enumerate(values) if not math.isfinite(value)]
    if not bad:
        return
    where = f"frame {bad[0]}" if len(bad) == 1 else f"{len(bad)} frames, first in frame {bad[0]}"
    if all(values[frame] == math.inf for frame in bad):
        raise LogError(
            f"{column} is infinite in {where}, because both clips are identical there, so it has no mean: {names}.\n"
            "  Leave it out, or use psnr_y, which libvmaf limits."
        )
    raise LogError(f"{column} is not a number in {where}: {names}.")
