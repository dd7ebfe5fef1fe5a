"""Building a bitrate ladder: a search for each resolution, and the cheapest encode for each target."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.executors.placement import Placement
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.geometry import display_size, shown_size
from pytest_vmaf.media.inspect import Video, inspect
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan, invalid
from pytest_vmaf.search.bisection import Bisection, sample_name
from pytest_vmaf.search.ladder import Ladder, Rung, Size, convex_hull
from pytest_vmaf.search.probe import Probe, Trial
from pytest_vmaf.search.sample import cut_sample
from pytest_vmaf.search.search_tasks import Search, overall, run_searches
from pytest_vmaf.streaming.codec_strings import codec_string
from pytest_vmaf.streaming.package import peak_bitrate

TrialT = TypeVar("TrialT", bound=Trial)

SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
#: Seconds between key frames, at which a player can change the rung.
SEGMENT = 2.0
#: Length of a segment in seconds if the encoder chooses its key frames itself.
AUTOMATIC_SEGMENT = 6.0
#: Makes ffmpeg's encoders write a key frame every {frames} frames, whatever scene cuts lie between.
KEY_FRAMES = ("-g", "{frames}", "-force_key_frames", "expr:not(mod(n,{frames}))")
#: libaom would make the frame after each forced one a key frame, too. librav1e counts from each scene cut. libvvenc
#: ignores -g.
OWN_KEY_FRAMES = {
    "libaom-av1": ("-g", "{frames}", "-keyint_min", "{frames}"),
    "librav1e": ("-g", "{frames}", "-keyint_min", "{frames}"),
    "libvvenc": ("-vvenc-params", "poc0idr=1:intraperiod={frames}"),
}


@dataclass(frozen=True)
class LadderRequest:
    """What a ladder is built of.

    Attributes:
        bisect: The search, which is repeated for each resolution. Its `keep` is where the rungs' encodes are stored.
        resolutions: Width and height of each resolution, in pixels.
        segment: Seconds between key frames, or None to leave them to the encoder. Only encoders in ffmpeg follow it.
        progress: Called after each trial encode with the number made and the number expected in all.
        placement: Where the searches run, None for here. The workers must see the temporary folder of this process.
    """

    bisect: BisectRequest
    resolutions: tuple[Size, ...]
    segment: float | None = SEGMENT
    progress: Callable[[int, float], None] | None = None
    placement: Placement | None = None


def read_sizes(sizes: Sequence[str | Size]) -> tuple[Size, ...]:
    """Read a list of resolutions, each like "1280x720" or (1280, 720).

    Raises:
        SettingsError: If one of them is not a resolution.
    """
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise invalid("resolutions", "a list such as ['1280x720', '640x360']", sizes)
    pairs = []
    for size in sizes:
        if isinstance(size, str):
            match = SIZE.fullmatch(size.strip())
            pair = tuple(map(int, match.groups())) if match else ()
        else:
            pair = tuple(size) if isinstance(size, Iterable) else ()
        if len(pair) != 2 or not all(type(side) is int and side > 0 for side in pair):
            raise SettingsError(f"A resolution must be given like '1280x720' or (1280, 720), not {size!r:.80}.")
        pairs.append((pair[0], pair[1]))
    return tuple(pairs)


def build_ladder(request: LadderRequest, scorer: Scorer) -> Ladder:
    """Search every resolution for all targets, and choose the cheapest encode that meets each target.

    A smaller encode is scaled up to the reference and scored with the reference's own model. The ceiling of its search
    is the score of the scaled reference without any encoder.

    Args:
        request: What to build.
        scorer: What scores the encodes.

    Raises:
        SettingsError: For settings that make no sense.
        EncodeError: If the encoder fails, or ignores the CRF.
        MeasurementError: If an encode cannot be scored. `error.probes` holds the trial encodes already made.
    """
    base, scoring = request.bisect, request.bisect.scoring
    ffmpeg = find_ffmpeg(scoring.ffmpeg, scoring.cache).path
    video = inspect(scoring.reference, ffmpeg, 1, scoring.timeout, scoring.cache)
    display = display_size(video)
    _check_sizes(request.resolutions, display, (video.width, video.height))
    if video.frame_rate is None:
        raise SettingsError(f"{scoring.reference.name} states no frame rate. Use Clip(..., frame_rate=24).")
    arguments = (*base.encoder.concat_arguments, *_key_frames(request, video.frame_rate), *base.arguments)
    segment = request.segment or AUTOMATIC_SEGMENT
    with scratch_folder() as name:
        folder = Path(name)
        reference, window = cut_sample(scoring, base.sample, ffmpeg, folder)
        label = sample_name(str(scoring.reference), window)
        common = replace(
            base,
            scoring=replace(scoring, reference=reference, distorted=reference),
            sample=None,
            arguments=arguments,
            keep=base.keep or folder / "encodes",
        )
        plan = SearchPlan(name=label, stem=scoring.reference.stem)
        bisections = _search(replace(request, bisect=common), scorer, plan, video, folder, stored=bool(base.keep))
        bisections = {size: replace(each, reference=label, sample=window) for size, each in bisections.items()}
        hull = convex_hull([(probe.bitrate, probe.score) for each in bisections.values() for probe in each.points])
        shape = Fraction(video.width, video.height) * (video.sample_aspect or 1)
        rungs = _choose_rungs(bisections, hull, shape, ffmpeg, segment, scoring.timeout)
        stored = {rung.probe.encode.path for rung in rungs} if base.keep else set()
        bisections = {size: _remove_files(each, stored) for size, each in bisections.items()}
        if base.keep is None:
            rungs = [replace(rung, probe=rung.probe.without_file()) for rung in rungs]
    first = next(iter(bisections.values()))
    reached = {target for rung in rungs for target in rung.targets}
    return Ladder(
        name=first.name,
        reference=label,
        display=display,
        frame_rate=video.frame_rate,
        duration=max((rung.probe.encode.duration for rung in rungs), default=0.0),
        metric=base.metric,
        rungs=tuple(rungs),
        hull=hull,
        unmet={
            target: "; ".join(f"{size[0]}x{size[1]}: {each[target].why}" for size, each in bisections.items())
            for target in first.answers
            if target not in reached
        },
        bisections=bisections,
        ffmpeg=ffmpeg,
        segment=segment,
    )


def _search(
    request: LadderRequest, scorer: Scorer, plan: SearchPlan, video: Video, folder: Path, *, stored: bool
) -> dict[Size, Bisection]:
    """Search each resolution. If the encodes are not stored, an error names no file."""
    base, scoring = request.bisect, request.bisect.scoring
    ffmpeg = find_ffmpeg(scoring.ffmpeg, scoring.cache).path
    native = video.width, video.height
    searches: dict[Size, Search] = {}
    for size in request.resolutions:
        name = f"{size[0]}x{size[1]}"
        # Samples that are not square are scaled to the display even at the source's own size.
        scale = scoring.scale if size == native == display_size(video) else scoring.scale or "bicubic"
        one = replace(base, scoring=replace(scoring, scale=scale), keep=base.keep and base.keep / name)
        searches[size] = Search(name, one, plan)

    def scaled(size: Size) -> Search:
        """The search with its source, which is made now."""
        search = searches[size]
        if size == native:
            return search
        (folder / search.name).mkdir()
        where = scoring.reference, [(0, None)], folder / search.name, ffmpeg
        [source] = cut(*where, size=size, timeout=scoring.timeout, cache=scoring.cache)
        return replace(search, plan=replace(plan, source=source))

    finished: dict[Size, Bisection] = {}
    try:
        if request.placement is not None:
            placed = run_searches([*map(scaled, searches)], scorer, request.placement, request.progress)
            return dict(zip(searches, placed, strict=True))
        for number, size in enumerate(searches):
            encodes = sum(len(each.probes) for each in finished.values())
            progress = overall(request.progress, encodes, number, len(searches))
            search = scaled(size)
            try:
                finished[size] = bisect(search.request, scorer, replace(search.plan, progress=progress))
            except MeasurementError as error:
                error.probes = (*(probe for each in finished.values() for probe in each.probes), *error.probes)
                error.add_note(f"This was {search.name}; {number} of {len(searches)} resolutions had been finished.")
                raise
    except MeasurementError as error:
        if not stored:
            error.probes = tuple(probe.without_file() for probe in error.probes)
        raise
    return finished


def _choose_rungs(
    bisections: Mapping[Size, Bisection],
    hull: Sequence[tuple[float, float]],
    shape: Fraction,
    ffmpeg: str,
    segment: float,
    timeout: float | None,
) -> list[Rung]:
    """The cheapest encode for each target, highest bitrate first. `shape` is that of the display: width by height."""
    chosen: dict[tuple[Size, float], tuple[Probe, list[float]]] = {}
    for target in next(iter(bisections.values())).answers:
        answers = [(size, each[target]) for size, each in bisections.items()]
        met = [(size, answer.probe) for size, answer in answers if answer.met and answer.probe]
        if met:
            size, probe = min(met, key=lambda each: (each[1].bitrate, each[0]))
            chosen.setdefault((size, probe.crf), (probe, []))[1].append(target)
    rungs = []
    for ((width, height), _), (probe, targets) in chosen.items():
        path = probe.encode.clip.path
        # The bitstream of a codec in Python has neither: no player reads it.
        codecs, peak = "", probe.bitrate
        if probe.encode.pictures is None:
            codecs = codec_string(path, ffmpeg, timeout)
            # The peak of a single segment is the mean, but for rounding.
            peak = max(peak_bitrate(path, ffmpeg, segment, timeout), probe.bitrate)
        on_hull = (probe.bitrate, probe.score) in hull
        # The shape stays when a rung is scaled; less is the rounding of its sides.
        aspect = shape * height / width
        aspect = aspect if shown_size(width, height, aspect) != (width, height) else Fraction(1)
        rungs.append(Rung(tuple(targets), width, height, probe, codecs, peak, on_hull, aspect))
    return sorted(rungs, key=lambda rung: -rung.bitrate)


def _check_sizes(resolutions: Sequence[Size], display: Size, native: Size) -> None:
    if not resolutions:
        raise SettingsError("resolutions is empty. Give at least one, for example 1280x720.")
    for size in resolutions:
        name = f"{size[0]}x{size[1]}"
        if resolutions.count(size) > 1:
            raise SettingsError(f"The resolution {name} is given twice.")
        if any(side > max(limits) for side, limits in zip(size, zip(display, native, strict=True), strict=True)):
            raise SettingsError(
                f"{name} is larger than the reference ({display[0]}x{display[1]}), at whose size rungs are displayed."
            )
        if size[0] % 2 or size[1] % 2:
            raise SettingsError(f"Both sides of a resolution must be even, not {name}.")


def _key_frames(request: LadderRequest, rate: Fraction) -> tuple[str, ...]:
    """The encoder's arguments for key frames. Raises SettingsError for an invalid distance."""
    segment, encoder = request.segment, request.bisect.encoder
    if segment is None:
        return ()
    if isinstance(segment, bool) or not isinstance(segment, int | float) or not 0 < segment <= 60:
        raise invalid("segment", "a number of seconds above 0 and at most 60", segment)
    if not encoder.arguments:
        return ()
    frames = str(max(1, round(segment * rate)))
    return tuple(word.replace("{frames}", frames) for word in OWN_KEY_FRAMES.get(encoder.name, KEY_FRAMES))


def _remove_files(bisection: Bisection, stored: Collection[Path | None]) -> Bisection:
    """Remove all encodes but the stored ones."""

    def remove(probe: TrialT) -> TrialT:
        path = probe.encode.path
        if path is None or path in stored:
            return probe
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()
        return probe.without_file()

    answers = {
        target: replace(
            answer,
            probe=answer.probe and remove(answer.probe),
            next_probe=answer.next_probe and remove(answer.next_probe),
        )
        for target, answer in bisection.answers.items()
    }
    return replace(bisection, answers=answers, probes=tuple(map(remove, bisection.probes)))
