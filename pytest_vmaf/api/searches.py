"""The searches and encodes behind `Vmaf`: each reads its request, runs it, and records the results."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_vmaf.api.context import Context
from pytest_vmaf.api.placements import with_encoders
from pytest_vmaf.api.run_search import SearchInput, check_options, encoder_label, run_search, whole_numbers
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip_like import ClipLike, are_several
from pytest_vmaf.progress import TRIALS

if TYPE_CHECKING:
    from pytest_vmaf.api.bisect_keywords import BisectOptions
    from pytest_vmaf.api.keywords import (
        CompareSettings,
        EncoderLike,
        EncoderOptions,
        EncodeSettings,
        SearchSettings,
        SweepSettings,
    )
    from pytest_vmaf.encoding.encode import Encode
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.comparison import Comparison
    from pytest_vmaf.search.ladder import Ladder
    from pytest_vmaf.search.per_shot import PerShot
    from pytest_vmaf.search.rows import Row

# pytest shows the caller's line, not ours.
__tracebackhide__ = True
#: The options of a search that an encode at one CRF has, too.
ENCODER_OPTIONS = ("preset", "arguments", "pix_fmt", "mode", "bitrate", "crf_step")
#: Those that all encodes of a sweep have.
SWEEP_OPTIONS = ("arguments", "pix_fmt", "mode", "crf_step", "sample")


def encode(
    context: Context,
    source: ClipLike,
    output: str | os.PathLike[str],
    encoder: EncoderLike,
    crf: float | None,
    attempt: int,
    settings: EncodeSettings,
) -> Encode:
    """As `Vmaf.encode`."""
    from pytest_vmaf.encoding.cached import encode_once
    from pytest_vmaf.search.requests import bisect_request, encode_job, number_of, read_path, with_one_number

    def run(search: SearchInput) -> Encode:
        check_options(search, ENCODER_OPTIONS, "an encode has one CRF")
        chosen = context.extensions.encoder(encoder)
        request = bisect_request(search.scorings[0], chosen, 1, **with_one_number(search.options, chosen, crf))
        number = number_of(request)
        job, path = encode_job(request, number), read_path("output", output)
        if job.encoder.arguments and not path.suffix and "-f" not in (*job.encoder.arguments, *job.arguments):
            raise SettingsError(
                f"output must end with a suffix such as .mp4, which names the container, not {path.name!r}."
            )
        # As the number of the scale, and not for example as one of NumPy.
        return encode_once(replace(job, attempt=attempt), job.encoder.scale.read("crf", number), path)

    return run_search(context, source, f"encode with {encoder_label(encoder)}", settings, run)


def bisect(
    context: Context,
    source: ClipLike | Sequence[ClipLike],
    encoder: EncoderLike,
    targets: float | Sequence[float],
    settings: BisectOptions,
) -> Bisection | tuple[Bisection, ...]:
    """As `Vmaf.bisect`."""
    from pytest_vmaf.api.baseline_agreement import BaselineAgreement
    from pytest_vmaf.api.search_records import record_answers
    from pytest_vmaf.baselines.entry import start_of
    from pytest_vmaf.baselines.from_results import entry_of_bisection
    from pytest_vmaf.report.search_sections import bisect_section
    from pytest_vmaf.search.bisect_request import SearchPlan
    from pytest_vmaf.search.compare import keep_folder, source_names
    from pytest_vmaf.search.requests import bisect_request, read_limits
    from pytest_vmaf.search.search_tasks import Search, run_searches

    others = {name: value for name, value in settings.items() if name not in ("max_bitrate", "min_crf")}
    several = are_several(source)

    def run(search: SearchInput) -> tuple[Bisection, ...]:
        options, baseline = search.options.copy(), search.baseline
        if baseline and several:
            raise SettingsError("A baseline of vmaf.bisect is of one source. Call it for each source.")
        if baseline and baseline.entry and baseline.entry["kind"] == "bisect":
            # The answers of an encoder that did not change are where they were.
            options.setdefault("start", start_of(baseline.entry))
        request = bisect_request(search.scorings[0], context.extensions.encoder(encoder), targets, **options)
        limits = read_limits(request, settings.get("max_bitrate"), settings.get("min_crf"))
        agreement = BaselineAgreement(search, request)
        plan = SearchPlan(rates=agreement.rates("", 0))
        folders = [keep_folder(request.keep, place, len(search.scorings)) for place in range(len(search.scorings))]
        plans = [
            Search(name, replace(request, scoring=scoring, keep=keep), plan)
            for name, scoring, keep in zip(source_names(search.scorings), search.scorings, folders, strict=True)
        ]
        placement = with_encoders(search.placement, [request.encoder])
        with context.progress(f"bisecting {request.encoder.name}", unit=TRIALS) as update:
            bisections = run_searches(plans, search.scorer, placement, whole_numbers(update))
        for bisection, each in zip(bisections, plans, strict=True):
            context.records.add_sections([bisect_section(bisection)])
            context.baselines.remember(bisection, [each.request.scoring.reference], len(context.records.measurements))
        reference = search.scorings[0].reference
        outcome = (
            agreement.compare(entry_of_bisection(bisections[0], reference), {"": bisections}) if baseline else None
        )
        record_answers(context, bisections, limits, outcome)
        return tuple(bisections)

    title = f"bisect with {encoder_label(encoder)}"
    bisections = run_search(context, source, title, others, run, baseline_kind="bisect", tasks=True)
    return bisections if several else bisections[0]


def compare(
    context: Context,
    sources: ClipLike | Sequence[ClipLike],
    encoders: Sequence[EncoderLike] | Mapping[str, EncoderLike | EncoderOptions],
    targets: float | Sequence[float],
    speed: bool,
    settings: CompareSettings,
) -> Comparison:
    """As `Vmaf.compare`."""
    from pytest_vmaf.api.baseline_agreement import BaselineAgreement
    from pytest_vmaf.api.search_records import record_answers
    from pytest_vmaf.baselines.from_results import entry_of_comparison
    from pytest_vmaf.encoding.encoders import ENCODERS
    from pytest_vmaf.report.search_sections import compare_sections
    from pytest_vmaf.search.compare import CompareRequest, compare as run_comparison
    from pytest_vmaf.search.disagreement_gate import BEYOND, judge_disagreement, require_judges
    from pytest_vmaf.search.requests import bisect_request, contenders

    def run(search: SearchInput) -> Comparison:
        base = bisect_request(search.scorings[0], ENCODERS["libx264"], targets)
        requests = contenders(context.extensions.encoder, encoders, base, **search.options)
        first = next(iter(requests.values()))
        judges = [metric.text for metric in search.agree]
        require_judges(search.max_disagreement, len(requests), first.metric.text, judges)
        agreement = BaselineAgreement(search, first)
        beyond = BEYOND if search.agree or search.max_disagreement is not None else 1.0
        with context.progress(f"comparing {', '.join(requests)}", unit=TRIALS) as update:
            placement = with_encoders(search.placement, [each.encoder for each in requests.values()])
            request = CompareRequest(
                search.scorings,
                requests,
                speed,
                whole_numbers(update),
                search.agree,
                beyond,
                agreement.rates,
                placement,
            )
            comparison = run_comparison(request, search.scorer)
        context.records.add_sections(compare_sections(comparison))
        clips = [scoring.reference for scoring in search.scorings]
        context.baselines.remember(comparison, clips, len(context.records.measurements))
        outcome = None
        if search.baseline:
            by_label = {label: [each[label] for each in comparison.bisections.values()] for label in comparison.labels}
            outcome = agreement.compare(entry_of_comparison(comparison, clips), by_label)
        disagreement = judge_disagreement(comparison.agreements, search.max_disagreement)
        record_answers(context, comparison.searches, (), outcome, disagreement)
        return comparison

    return run_search(context, sources, "compare", settings, run, baseline_kind="compare", tasks=True)


def ladder(
    context: Context,
    source: ClipLike,
    encoder: EncoderLike,
    resolutions: Sequence[str | tuple[int, int]],
    targets: float | Sequence[float],
    segment: float | None,
    settings: SearchSettings,
) -> Ladder:
    """As `Vmaf.ladder`."""
    from pytest_vmaf.api.search_records import record_ladder
    from pytest_vmaf.report.search_sections import ladder_section
    from pytest_vmaf.search.build_ladder import LadderRequest, build_ladder, read_sizes
    from pytest_vmaf.search.requests import bisect_request

    def run(search: SearchInput) -> Ladder:
        base = bisect_request(search.scorings[0], context.extensions.encoder(encoder), targets, **search.options)
        sizes = read_sizes(resolutions)
        with context.progress(f"ladder of {base.encoder.name}", unit=TRIALS) as update:
            placement = with_encoders(search.placement, [base.encoder])
            request = LadderRequest(base, sizes, segment, whole_numbers(update), placement)
            rungs = build_ladder(request, search.scorer)
        context.records.add_sections([ladder_section(rungs)])
        record_ladder(context, rungs)
        return rungs

    return run_search(context, source, f"ladder of {encoder_label(encoder)}", settings, run, cuts=True, tasks=True)


def per_shot(
    context: Context,
    source: ClipLike,
    encoder: EncoderLike,
    target: float,
    threshold: float | None,
    shortest: int | None,
    fixed: bool,
    settings: SearchSettings,
) -> PerShot:
    """As `Vmaf.per_shot`."""
    from pytest_vmaf.api.search_records import record_result
    from pytest_vmaf.report.search_sections import per_shot_section
    from pytest_vmaf.search.requests import bisect_request
    from pytest_vmaf.search.tune_per_shot import PerShotRequest, tune_per_shot
    from pytest_vmaf.search.verdicts import judge_score

    def run(search: SearchInput) -> PerShot:
        base = bisect_request(search.scorings[0], context.extensions.encoder(encoder), target, **search.options)
        with context.progress(f"shots with {base.encoder.name}", unit=TRIALS) as update:
            placement = with_encoders(search.placement, [base.encoder])
            request = PerShotRequest(base, threshold, shortest, fixed, whole_numbers(update), placement)
            shots = tune_per_shot(request, search.scorer)
        context.records.add_sections([per_shot_section(shots)])
        record_result(context, shots.result, [judge_score(base.metric, base.targets[0], shots.score)])
        return shots

    return run_search(context, source, f"shots with {encoder_label(encoder)}", settings, run, cuts=True, tasks=True)


def sweep(
    context: Context,
    sources: ClipLike | Sequence[ClipLike],
    encoders: Sequence[EncoderLike],
    crfs: Iterable[float] | None,
    output: str | os.PathLike[str],
    presets: Sequence[str | int | None],
    settings: SweepSettings,
) -> tuple[Row, ...]:
    """As `Vmaf.sweep`."""
    from pytest_vmaf.encoding.encoder_names import with_common_step
    from pytest_vmaf.search.requests import in_mode, read_list, read_path, read_pix_fmt, read_words
    from pytest_vmaf.search.sample import middle
    from pytest_vmaf.search.sweep import SweepRequest, sweep as run_sweep

    rest = {name: value for name, value in settings.items() if name != "bitrates"}
    bitrates = settings.get("bitrates")

    def run(search: SearchInput) -> tuple[Row, ...]:
        check_options(search, SWEEP_OPTIONS, "a sweep makes every encode of its grid")
        numbers = (
            read_list("crfs", crfs, "range(20, 40, 4)")
            if bitrates is None
            else read_list("bitrates", bitrates, "[500, 1000]")
        )
        sample = search.options.get("sample")
        scorings = search.scorings if sample is None else tuple(middle(each, sample) for each in search.scorings)
        names = tuple(
            None if preset is None else str(preset) for preset in read_list("presets", presets, "['fast', 'slow']")
        )
        mode, step = search.options.get("mode"), search.options.get("crf_step")
        chosen = map(context.extensions.encoder, read_list("encoders", encoders, "['libx264', 'libsvtav1']"))
        # A mode and a step in an encoder's name precede those of all.
        pairs = [
            in_mode(
                with_common_step(each, step),
                mode if each.mode == "crf" else None,
                crfs,
                bitrates,
                plural="s",
            )
            for each in chosen
        ]
        request = SweepRequest(
            scorings=scorings,
            encoders=tuple((each, names) for each, _ in pairs),
            crfs=tuple(numbers),
            output=read_path("output", output),
            arguments=read_words(search.options.get("arguments", ())),
            pix_fmt=read_pix_fmt(search.options.get("pix_fmt")),
        )
        placement = with_encoders(search.placement, [encoder for encoder, _ in request.encoders])
        with context.progress("sweeping", unit="encodes") as update:
            return run_sweep(replace(request, progress=update, placement=placement), search.scorer)

    return run_search(context, sources, "sweep", rest, run, tasks=True)
