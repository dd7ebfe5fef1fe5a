"""`correlate`: how well metrics agree with viewers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pytest_vmaf.correlation.correlation import ClipGroup, Correlation
from pytest_vmaf.correlation.curve import MappingName
from pytest_vmaf.correlation.differences import compare_metrics
from pytest_vmaf.correlation.join import join
from pytest_vmaf.correlation.measure import FEWEST_MAPPED
from pytest_vmaf.correlation.ratings import read_ratings
from pytest_vmaf.correlation.request import Request
from pytest_vmaf.correlation.scores import read_scores
from pytest_vmaf.correlation.study import Study, cautions, measure_group
from pytest_vmaf.correlation.tables import MOST_ROWS, TableLike, read_table
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.text import plural

KINDS: tuple[Literal["codec", "source"], ...] = ("codec", "source")


def correlate(
    scores: TableLike,
    mos: TableLike,
    *,
    metrics: Sequence[str] | str | None = None,
    lower_is_better: Sequence[str] | str = (),
    mapping: MappingName = "cubic",
    resample_by: Literal["clip", "source"] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    allow_missing: bool = False,
) -> Correlation:
    """Measure how well metrics agree with the opinion scores of viewers.

    PLCC, RMSE, RMSE* and the outlier ratio are those of ITU-T P.1401 after its mapping of the metric to opinion scores,
    a third-order polynomial that never falls as the metric gets better. SRCC and tau-b need no mapping. tau-b 95 ties
    scores that viewers cannot tell apart (Naderi and Möller, 2020), and has a ceiling: the tau-b 95 of the MOS
    itself. Per codec and per source, the mapping is fitted to the group's own clips, and `bias` tells by how much
    the mapping of all clips overrates it.

    Intervals are percentiles of bootstrap resamples, corrected for their bias. Differences between metrics are tested
    on the same clips: PLCC by Fisher's z for dependent correlations (Meng, Rosenthal and Rubin, 1992), which
    assumes that clips are independent; everything else by the standard error of a paired bootstrap and Student's t.
    Both have Holm's correction for the number of pairs.

    Args:
        scores: A file (CSV, TSV, JSON or JSON Lines), rows, columns or a DataFrame: `clip`, optionally `codec` and
            `source`, and a column for each metric. Also the file or the rows of a sweep, whose clips are named
            "source encoder preset crf", and the report that `--vmaf-json` writes.
        mos: The same with `clip` and `mos`, and for intervals `ci` (half the width of the 95 % confidence interval) or
            `std` and `n`. Or votes: a row for each with `clip`, `viewer` and `vote`; or a row for each clip with a
            column for each viewer.
        metrics: The metrics. Default: every column of numbers.
        lower_is_better: The metrics for which lower is better, in addition to those that pytest-vmaf knows, for example
            "lpips"; "mos" if a lower MOS is better.
        mapping: "cubic", or "logistic" for the logistic function of ITU-T J.149.
        resample_by: The unit that is drawn in a resample. Default: "source" if the clips have several, because clips of
            one source are alike, else "clip".
        resamples: How many resamples to draw.
        seed: Their seed. Equal seeds give equal intervals.
        allow_missing: Leave out clips that are not in both tables or lack a metric. The notes tell how many.

    Returns:
        The correlation: `correlation["neg"].srcc`, `correlation.of("neg", codec="av1").plcc`.

    Raises:
        SettingsError: For invalid arguments.
        MeasurementError: If a table cannot be read, a clip is missing or given twice, a value is not a finite number,
            or there are fewer than 5 clips.
    """
    request = Request.of(metrics, lower_is_better, mapping, resample_by, resamples, seed, allow_missing)
    table = read_table(scores, "scores")
    names, scored, notes = read_scores(table, request.metrics)
    ratings = read_ratings(read_table(mos, "mos"))
    clips, missing = join(scored, ratings, allow_missing=request.allow_missing)
    if not FEWEST_MAPPED <= len(clips) <= MOST_ROWS:
        raise MeasurementError(f"There must be between {FEWEST_MAPPED} and {MOST_ROWS} clips, not {len(clips)}.")
    study = Study.of(request, names, table.columns, clips)
    everything, values = measure_group(study, "all", "all", range(len(clips)))
    groups = {kind: _groups(study, kind, notes) for kind in KINDS}
    return Correlation(
        metrics=names,
        everything=everything,
        codecs=groups["codec"],
        sources=groups["source"],
        differences=compare_metrics(values, study.predictions(), len(clips), study.blocks),
        clips=study.clips,
        notes=(*notes, *missing, *cautions(study, everything)),
        mapping=request.mapping,
        block=study.block,
        resamples=request.resamples,
        seed=request.seed,
        mos_lower_is_better=study.mos_falls,
    )


def _groups(study: Study, kind: Literal["codec", "source"], notes: list[str]) -> tuple[ClipGroup, ...]:
    """The groups of each codec or source, if there are several."""
    names = [clip.codec if kind == "codec" else clip.source for clip in study.clips]
    different = sorted({name for name in names if name})
    if len(different) < 2:
        return ()
    if without := names.count(""):
        notes.append(f"{plural(without, 'clip')} without a {kind}: not in the results of any {kind}.")
    return tuple(
        measure_group(study, kind, name, [at for at, each in enumerate(names) if each == name])[0] for name in different
    )
