"""Signs of the picture: metrics of what VMAF does not see, and displaced frames. No input or output.

`sign_meter.SignMeter` measures their columns from small frames. Here they become metrics, one value per frame:

- `colour_loss`: how far colour is from the reference's, in percent: 100 without colour.
- `level_shift`: how far luma is from the reference's everywhere, in code values of 8 bits.
- `contrast`: how much higher the contrast is than the reference's, in percent.
- `contrast_loss`: how much lower it is, in percent.
- `colour_shift`: how far chroma lies from its place, in percent of the width.
- `patch`: how far the worst part of the picture is from the reference's, in code values.
- `lag`: by how many frames the picture lags behind, because frames or fields are mixed.
- `colour_matrix`: how far luma has changed as it does where BT.601 is taken for BT.709, or the reverse: 1 if it has.
- `colour_lag`: 1 where chroma is that of another frame, else 0.
- `collapse`: how far NEG falls below the other frames of its shot, in points, where PSNR falls with it.
- `enhancement`: how much detail is stronger than the reference's, in thousandths: the detail that libvmaf's ADM credits
  without a gain limit less that with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from statistics import fmean, median
from typing import TYPE_CHECKING

from pytest_vmaf.errors import LogError, PairError
from pytest_vmaf.media.small_frames import HEIGHT, WIDTH
from pytest_vmaf.text import plural

if TYPE_CHECKING:
    from pytest_vmaf.scoring.models import ModelPair
    from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest

Frames = tuple[float, ...]

#: What a run measures for each frame: `level_shift`, `contrast`, `colour_loss`, `colour_shift`, `colour_matrix`,
#: `patch` and `lag` as above, but with their sign, and whatever NEG is. `colour_patch` is `patch` of chroma.
#: `error`: the squared luma difference of the small frames. `displacement`: by how many frames the reference's most
#: similar frame is later than the frame's own. `nearest_error`: the squared difference from that one, and
#: `nearest_move` its squared difference from the frame's own. `change`: the reference's squared difference from its
#: previous frame. `spread`: the variance of the reference's luma.
COLUMNS = (
    *("level_shift", "contrast", "colour_loss", "colour_shift", "colour_matrix", "colour_lag"),
    *("patch", "colour_patch", "lag"),
    *("error", "displacement", "nearest_error", "nearest_move", "change", "spread"),
)
#: The metrics, as gates and results name them.
SIGNS = (
    *("colour_loss", "colour_shift", "level_shift", "contrast", "contrast_loss", "patch", "lag"),
    *("colour_matrix", "colour_lag", "collapse", "enhancement"),
)
#: A frame collapses only if its luma PSNR is this much below that of its shot, in dB.
COLLAPSE_DB = 6.0
#: A shot begins where the picture changes by more than this, in squared code values.
CUT = 400.0
#: Frames are displaced if their squared difference from other frames of the reference is below this share of that from
#: their own, and of that between both frames of the reference, which must be more than this, in squared code values.
#: Of 913 honest and sharpened encodes, none has a run below 0.8, nor a longer one below 5.
DISPLACED_SHARE, DISPLACED_MOVE = 0.65, 2.0
#: They are nearer to the other frames than to their own by more than this share of what lies between both. A coarse
#: frame that was predicted from another one has something of it: up to 0.54 of 613 honest encodes, at least 0.9 of
#: displaced frames.
DISPLACED_PART = 0.7
#: A frame whose squared difference from every frame of the reference is so many times the usual one is no frame of it.
FOREIGN = 8.0
#: From so many frames on, chance is unlikely, and the share may be larger.
LONG_RUN, LONG_SHARE = 4, 0.9
#: A long run in a picture that moves slowly is displaced, too, if it is nearer to the other frames by so large a share
#: of their squared difference from its own frames, which must be so large a share of what coding leaves, and more than
#: `SLOW_MOVE`. A coarse encode that repeats the picture shows frames too late, so these need more. Frames that are too
#: early need less the more they are. Of 204 coarse and fine encodes, and 126 of fades, none has such a run.
LATE_GAIN, LATE_PART, EARLY_GAIN, EARLY_PART, SLOW_MOVE = 0.5, 0.2, 0.25, 0.1, 0.5
#: From this NEG on, detail that only the default model credits counts in full; from the other, changes of the whole
#: picture do.
FULL_DETAIL, FULL_TRUST = 70.0, 90.0
#: The reference fades out where the variance of its luma falls by more than this share from frame to frame: the
#: variance of natural shots falls by at most 0.02.
FADE = 0.04
#: Below this variance of its small luma, in squared code values, a frame is flat.
FLAT = 36.0
#: libvmaf's PSNR of luma and of both chroma planes, in dB.
PSNR = ("psnr_y", "psnr_cb", "psnr_cr")
#: A chroma plane whose PSNR is this much below luma's has lost as much colour, in percent. Honest natural encodes have
#: the better PSNR in chroma. Above `BEST_PSNR`, in dB, luma is as good as lossless.
LOSS_PER_DB, BEST_PSNR = 10 / 3, 50.0
#: The weight of a part's colour beside its luma: coarse coding changes colour more.
COLOUR_PATCH = 0.7
#: In pictures of fewer pixels, coding changes small frames more.
FULL_SIZE = 320 * 180
#: The luma variance, in squared code values, below which the contrast of a picture is noise, and counts for less.
CONTRAST_FLOOR = 64.0
#: What 8 bits leave of the squared difference of equal frames.
ROUNDING = 0.25


def check_columns(signs: Mapping[str, Frames], frames: int, names: str) -> None:
    """Raise LogError if a column is missing, or has not one value for each frame."""
    for column in COLUMNS:
        if len(signs.get(column, ())) != frames:
            count = len(signs.get(column, ()))
            raise LogError(f"The signs have {count} values of {column!r} for {plural(frames, 'frame')}: {names}.")


def sign_metrics(log: ScoreLog, models: ModelPair, pixels: int) -> dict[str, Frames]:
    """The metrics of a log with signs, one value per frame. `enhancement` only if the scorer logs the model's ADM.

    Args:
        log: The log.
        models: The models that were run.
        pixels: The number of pixels in a frame.
    """
    signs, neg = log.signs, log.columns[models.neg.column]
    steady = _steady(signs["spread"])
    size = min(1.0, pixels / FULL_SIZE) ** 0.25

    def trusted(values: Iterable[float], power: int, least: float = 0.5) -> Frames:
        return tuple(size * value * _trust(score, power, least) for value, score in zip(values, neg, strict=True))

    parts = map(max, signs["patch"], (COLOUR_PATCH * part for part in signs["colour_patch"]))
    metrics = {
        "colour_loss": _colour_loss(log, trusted(signs["colour_loss"], 2)),
        "colour_shift": trusted(signs["colour_shift"], 2),
        "level_shift": tuple(map(_level_shift, signs["level_shift"], signs["error"], neg)),
        "contrast": _without_flat(list(map(_unless_fading, signs["contrast"], steady)), signs["spread"]),
        "contrast_loss": _without_flat(
            trusted([max(0.0, -rise) for rise in signs["contrast"]], 3, least=0.0), signs["spread"]
        ),
        "patch": trusted(parts, 3),
        "lag": _without_flat(trusted(map(abs, signs["lag"]), 3), signs["spread"]),
        "colour_matrix": trusted(map(abs, signs["colour_matrix"]), 2),
        "colour_lag": trusted(signs["colour_lag"], 2),
        "collapse": _collapse(neg, log.columns.get("psnr_y"), signs["change"]),
    }
    if detail := enhancement_of(log, models):
        metrics["enhancement"] = _without_flat(list(map(_unless_fading, detail, steady)), signs["spread"])
    return metrics


def _without_flat(values: Sequence[float], spread: Frames) -> Frames:
    """The values, with their mean for nearly flat frames, which have no detail and must not dilute that of others."""
    detailed = [value for value, each in zip(values, spread, strict=True) if not is_flat(each)]
    usual = fmean(detailed) if detailed else 0.0
    return tuple(usual if is_flat(each) else value for value, each in zip(values, spread, strict=True))


def enhancement_of(log: ScoreLog, models: ModelPair) -> Frames:
    """The enhancement of each frame; empty if the scorer does not log the model's ADM."""
    if not models.detail_columns or not all(column in log.columns for column in models.detail_columns):
        return ()
    credited, limited = (log.columns[column] for column in models.detail_columns)
    return tuple(map(_enhancement, credited, limited, log.columns[models.neg.column]))


def displaced_runs(signs: Mapping[str, Frames]) -> list[tuple[int, int, int]]:
    """The runs of frames that show another frame of the reference: first, last, and by how many frames it is later."""
    columns = (signs[name] for name in ("displacement", "error", "nearest_error", "nearest_move", "level_shift"))
    # Another frame of the reference is as similar as coding leaves it; a black or damaged frame is similar to none.
    similar = FOREIGN * (ROUNDING + median(map(min, signs["error"], signs["nearest_error"])))
    runs, first = [], 0
    for by, group in groupby(zip(*columns, strict=True), key=itemgetter(0)):
        frames = list(group)
        last = first + len(frames) - 1
        # A fade that is coded coarsely is behind in brightness alone.
        errors = [max(0.0, error - shift * shift) for _, error, _, _, shift in frames]
        moves = [move for *_, move, _ in frames]
        own = sum(map(min, errors, moves))
        nearest = sum(error + ROUNDING for _, _, error, *_ in frames)
        share = DISPLACED_SHARE if len(frames) < LONG_RUN else LONG_SHARE
        is_other = sum(error - best for _, error, best, *_ in frames) > DISPLACED_PART * max(ROUNDING, sum(moves))
        is_moving = is_other and nearest < share * own and own > DISPLACED_MOVE * len(frames)
        gain, part = (max(EARLY_GAIN, 2 / len(frames)), EARLY_PART) if by > 0 else (LATE_GAIN, LATE_PART)
        nearer = sum(errors) - nearest + ROUNDING * len(frames)
        is_slow = nearer > gain * sum(moves) and sum(moves) > max(part * nearest, SLOW_MOVE * len(frames))
        if by and nearest < similar * len(frames) and (is_moving or (len(frames) >= LONG_RUN and is_slow)):
            runs.append((first, last, int(by)))
        first = last + 1
    return runs


def refuse_displaced(log: ScoreLog, job: ScoreRequest) -> None:
    """Raise PairError if frames of the distorted clip show other frames of the reference than their own.

    Pictures that are smaller than small frames are not averaged, so their noise would look like that.
    """
    runs = displaced_runs(log.signs)
    if not runs or job.width * job.height < WIDTH * HEIGHT:
        return
    frames = sum(last - first + 1 for first, last, _ in runs)
    verb = "shows" if frames == 1 else "show"
    listed = "; ".join(_describe_run(*run) for run in runs[:3])
    more = f"; and {len(runs) - 3} more runs" if len(runs) > 3 else ""
    raise PairError(
        f"displaced: {plural(frames, 'frame')} of {log.distorted_frames} {verb} another frame of the reference "
        f"than {'its' if frames == 1 else 'their'} own: {listed}{more}.\n"
        f"  reference: {job.reference.clip}\n  distorted: {job.distorted.clip}\n"
        "  Frames were dropped, repeated, swapped or frozen on the way. Find the step that does it (a change of frame\n"
        '  rate, a player, a capture), or pass allow=["displaced"] (--vmaf-allow=displaced) to score it nevertheless.'
    )


def _describe_run(first: int, last: int, by: int) -> str:
    subject = f"frame {first} shows" if first == last else f"frames {first} to {last} show"
    return f"{subject} the reference {plural(abs(by), 'frame')} {'later' if by > 0 else 'earlier'}"


def _colour_loss(log: ScoreLog, losses: Frames) -> Frames:
    """The larger of two losses: that of the whole picture's colour, and that by the PSNR of the worse chroma plane."""
    if all(column in log.columns for column in PSNR):
        planes = zip(*(log.columns[column] for column in PSNR), strict=True)
        below = [min(luma, BEST_PSNR) - min(cb, cr) for luma, cb, cr in planes]
        losses = tuple(max(loss, LOSS_PER_DB * db) for loss, db in zip(losses, below, strict=True))
    return losses


def is_flat(spread: float) -> bool:
    """Whether a frame of the reference is so flat (black, a fade, a title card) that its detail means nothing."""
    return spread < FLAT


def _steady(spread: Frames) -> list[float]:
    """How much an increase counts in each frame: not at all where the reference fades out, in full where it does not.

    Coarse frames that are predicted from the brighter one before lag behind a fade, so their contrast is higher.
    """
    falls = [0.0, *((before - now) / max(now, 1.0) for before, now in pairwise(spread))]
    return [_clamp(2 - fall / FADE, 0.0) for fall in falls]


def _unless_fading(value: float, steady: float) -> float:
    return value * steady if value > 0 else value


def _enhancement(credited: float, limited: float, neg: float) -> float:
    """The detail that only the default model credits. Coarse coding makes some of it, the more the lower NEG is."""
    return 1000 * (credited - limited) * _clamp(neg / FULL_DETAIL, 0.0)


def _clamp(value: float, low: float) -> float:
    return min(1.0, max(low, value))


def _level_shift(shift: float, error: float, neg: float) -> float:
    """A shift of the mean, as far as it is the same everywhere: times the share of the squared difference it explains.

    Coarse coding moves the mean of dark and flat parts too, but not by the same amount everywhere. What is left of that
    counts less where NEG is low.
    """
    return abs(shift) * min(1.0, shift * shift / max(error, ROUNDING)) * _trust(neg)


def _trust(neg: float, power: int = 2, least: float = 0.5) -> float:
    """How much a change counts: in full for a fine encode, a quarter (an eighth for a power of 3) for a coarse one."""
    return _clamp(neg / FULL_TRUST, least) ** power


def _collapse(neg: Frames, psnr: Frames | None, change: Frames) -> Frames:
    """How far each frame's NEG is below the median of its shot; 0 where PSNR does not fall with it."""
    if psnr is None:
        return (0.0,) * len(neg)
    drops: list[float] = []
    for first, end in _shots(change):
        usual, usual_db = median(neg[first:end]), median(psnr[first:end])
        drops += [
            max(0.0, usual - score) if usual_db - db > COLLAPSE_DB else 0.0
            for score, db in zip(neg[first:end], psnr[first:end], strict=True)
        ]
    return tuple(drops)


def _shots(change: Sequence[float]) -> list[tuple[int, int]]:
    # Fast motion changes every frame much.
    cut = max(CUT, 5 * median(change))
    starts = [0, *(frame for frame, value in enumerate(change) if frame and value > cut), len(change)]
    return list(pairwise(starts))
