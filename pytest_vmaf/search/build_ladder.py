"""A bitrate ladder: resolutions x targets, each rung an encode that was made, scaled up and scored."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.inspect import look
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect import bisect, cut_sample, sample_name
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.compare import overall
from pytest_vmaf.search.ladder import Ladder, Rung, convex_hull
from pytest_vmaf.search.probe import Probe
from pytest_vmaf.streaming.codec_strings import codec_string
from pytest_vmaf.streaming.package import peak_bitrate

SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
#: Seconds between key frames, so that a player can change the rung there.
SEGMENT = 2.0
#: Seconds of a segment where the encoder sets its key frames itself.
UNTOLD = 6.0
#: What makes ffmpeg's encoders begin anew every {frames} frames, whatever cuts lie between.
KEY_FRAMES = ("-g", "{frames}", "-force_key_frames", "expr:not(mod(n,{frames}))")
#: libaom would make the frame after each forced one a key frame too, librav1e counts on from each cut, libvvenc does
#: not listen to -g.
OWN_KEY_FRAMES = {
    "libaom-av1": ("-g", "{frames}", "-keyint_min", "{frames}"),
    "librav1e": ("-g", "{frames}", "-keyint_min", "{frames}"),
    "libvvenc": ("-vvenc-params", "poc0idr=1:intraperiod={frames}"),
}


@dataclass(frozen=True)
class LadderRequest:
    """One request for a bisection, made anew for each of ``resolutions`` (pixels, width and height).

    ``keep`` of that request is where the rungs' encodes are kept. ``segment`` is the distance of key frames in seconds,
    None to leave them to the encoder; only encoders in ffmpeg are told.
    """

    bisect: BisectRequest
    resolutions: tuple[tuple[int, int], ...]
    segment: float | None = SEGMENT
    progress: Callable[[int, float], None] | None = None


def parse_size(text: str) -> tuple[int, int]:
    """Read "1280x720". Raises SettingsError."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise SettingsError(f"{text!r:.80} is no resolution; write 1280x720.")
    return int(match[1]), int(match[2])


def read_sizes(sizes: Sequence[str | tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Resolutions as a list of "1280x720" or (1280, 720). Raises SettingsError."""
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise SettingsError(f"resolutions is {sizes!r:.80}; it is a list, as ['1280x720', '640x360'].")
    read = []
    for size in sizes:
        pair = parse_size(size) if isinstance(size, str) else tuple(size) if isinstance(size, Iterable) else ()
        if len(pair) != 2 or not all(type(side) is int and side > 0 for side in pair):
            raise SettingsError(f"{size!r:.80} is no resolution; write '1280x720' or (1280, 720).")
        read.append((pair[0], pair[1]))
    return tuple(read)


def build_ladder(request: LadderRequest, scorer: Scorer) -> Ladder:
    """Search every resolution for all targets, and take the cheapest encode that meets each.

    A rung that is smaller than the reference is scaled up to it and scored with the reference's own model; the ceiling
    of its search is what it would score without any encoder. Raises as :func:`pytest_vmaf.search.bisect.bisect`.
    """
    base = request.bisect
    timeout = base.scoring.timeout
    ffmpeg = find_ffmpeg(base.scoring.ffmpeg, base.scoring.cache).path
    video = look(base.scoring.reference, ffmpeg, 1, timeout, base.scoring.cache)
    display = video.width, video.height
    _check(request.resolutions, display)
    if video.frame_rate is None:
        raise SettingsError(f"{base.scoring.reference.name} states no frame rate; say Clip(..., frame_rate=24).")
    arguments = (*base.encoder.joining, *_key_frames(request, video.frame_rate), *base.arguments)
    found: dict[tuple[int, int], Bisection] = {}
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pytest-vmaf-")))
        keep = base.keep or temporary / "kept"
        reference, window = cut_sample(base.scoring, base.sample, ffmpeg, temporary)
        shown_as = sample_name(str(base.scoring.reference), window)
        for size in request.resolutions:
            source, scale = None, base.scoring.scale
            if size != display:
                folder = temporary / f"{size[0]}x{size[1]}"
                folder.mkdir()
                [source] = cut(
                    reference, [(0, None)], folder, ffmpeg, size=size, timeout=timeout, cache=base.scoring.cache
                )
                scale = scale or "bicubic"
            made = sum(len(each.probes) for each in found.values())
            shown = overall(request.progress, made, len(found), len(request.resolutions))
            one = replace(
                base,
                scoring=replace(base.scoring, reference=reference, distorted=reference, scale=scale),
                sample=None,
                arguments=arguments,
                keep=keep / f"{size[0]}x{size[1]}",
            )
            plan = SearchPlan(source, shown_as, base.scoring.reference.path.stem, progress=shown)
            try:
                answered = bisect(one, scorer, plan)
                found[size] = replace(answered, reference=shown_as, sample=window)
            except MeasurementError as error:
                error.probes = (*(p for each in found.values() for p in each.probes), *error.probes)
                if base.keep is None:
                    error.probes = tuple(map(_without_file, error.probes))
                done = f"{len(found)} of {len(request.resolutions)} resolutions"
                error.add_note(f"This was {size[0]}x{size[1]}; {done} had been finished.")
                raise
        hull = convex_hull([(probe.bitrate, probe.score) for each in found.values() for probe in each.probes])
        segment = request.segment or UNTOLD
        rungs = _rungs(found, hull, ffmpeg, segment, timeout)
        wanted = {rung.probe.encode.path for rung in rungs} if base.keep else set()
        found = {size: _only_with(wanted, each) for size, each in found.items()}
        if base.keep is None:
            rungs = [replace(rung, probe=_without_file(rung.probe)) for rung in rungs]
    first = next(iter(found.values()))
    duration = max((rung.probe.encode.duration for rung in rungs), default=0.0)
    reached = {target for rung in rungs for target in rung.targets}
    return Ladder(
        name=first.name,
        reference=shown_as,
        display=display,
        frame_rate=video.frame_rate,
        duration=duration,
        metric=base.metric,
        rungs=tuple(rungs),
        hull=hull,
        unmet={
            target: "; ".join(f"{size[0]}x{size[1]}: {each[target].why}" for size, each in found.items())
            for target in first.answers
            if target not in reached
        },
        found=found,
        ffmpeg=ffmpeg,
        segment=segment,
    )


def _rungs(
    found: Mapping[tuple[int, int], Bisection],
    hull: Sequence[tuple[float, float]],
    ffmpeg: str,
    segment: float,
    timeout: float | None,
) -> list[Rung]:
    cheapest: dict[tuple[int, int, int], list[float]] = {}
    probes: dict[tuple[int, int, int], Probe] = {}
    for target in next(iter(found.values())).answers:
        met = [(each[target].bitrate, size) for size, each in found.items() if each[target].met]
        if met:
            _, size = min(met)
            probe = found[size][target].probe
            assert probe is not None  # noqa: S101
            cheapest.setdefault((*size, probe.crf), []).append(target)
            probes[(*size, probe.crf)] = probe
    rungs = []
    for (width, height, crf), targets in cheapest.items():
        probe = probes[width, height, crf]
        path = probe.encode.path
        assert path is not None  # noqa: S101
        rungs.append(
            Rung(
                targets=tuple(targets),
                width=width,
                height=height,
                probe=probe,
                codecs=codec_string(path, ffmpeg, timeout),
                # Of one segment it is the mean, but for rounding.
                peak=max(peak_bitrate(path, ffmpeg, segment, timeout), probe.bitrate),
                on_hull=(probe.bitrate, probe.score) in hull,
            )
        )
    return sorted(rungs, key=lambda rung: -rung.bitrate)


def _check(resolutions: Sequence[tuple[int, int]], display: tuple[int, int]) -> None:
    if not resolutions:
        raise SettingsError("resolutions is empty; say at least one, as 1280x720.")
    for size in resolutions:
        shown = f"{size[0]}x{size[1]}"
        if resolutions.count(size) > 1:
            raise SettingsError(f"The resolution {shown} is given twice.")
        if size[0] > display[0] or size[1] > display[1]:
            raise SettingsError(
                f"{shown} is larger than the reference ({display[0]}x{display[1]}), which is the display."
            )
        if size[0] % 2 or size[1] % 2:
            raise SettingsError(f"{shown} has an odd side; encoders take even ones.")


def _key_frames(request: LadderRequest, rate: Fraction) -> tuple[str, ...]:
    segment, encoder = request.segment, request.bisect.encoder
    if segment is None:
        return ()
    if isinstance(segment, bool) or not isinstance(segment, int | float) or not 0 < segment <= 60:
        raise SettingsError(f"segment is {segment!r:.80}; it is a number of seconds above 0 and at most 60.")
    if not encoder.arguments:
        return ()
    frames = str(max(1, round(segment * rate)))
    return tuple(word.replace("{frames}", frames) for word in OWN_KEY_FRAMES.get(encoder.name, KEY_FRAMES))


def _only_with(wanted: Collection[Path | None], found: Bisection) -> Bisection:
    """The bisection with only these files; the others are removed."""

    def left(probe: Probe) -> Probe:
        path = probe.encode.path
        if path is None or path in wanted:
            return probe
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()
        return _without_file(probe)

    answers = {
        target: replace(answer, probe=answer.probe and left(answer.probe), next_probe=following and left(following))
        for target, answer in found.answers.items()
        for following in [answer.next_probe]
    }
    return replace(found, answers=answers, probes=tuple(map(left, found.probes)))


def _without_file(probe: Probe) -> Probe:
    return replace(probe, encode=replace(probe.encode, path=None))
