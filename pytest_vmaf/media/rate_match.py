"""Rate matching: which frame of the reference each frame of a clip at another rate shows, and filters for that."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_vmaf.errors import ClipError, PairError
from pytest_vmaf.media.alignment import FLOOR_DB
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.inspect import THUMBNAIL, Video
from pytest_vmaf.media.inspection_log import FRAME
from pytest_vmaf.media.part import refuse_outside
from pytest_vmaf.media.pixel_formats import WITHOUT_MATRIX
from pytest_vmaf.media.process import run
from pytest_vmaf.text import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: How far a frame may be from its time, in frames of the slower clip. ffmpeg's -r is two behind for its first frames.
REACH = 3
#: What a frame at this distance costs, in squared levels of luma: it decides where the picture does not move.
DISTANCE_COST = 1.0
#: What a step costs that is one frame longer or shorter than by the times of both clips, as a share of the squared
#: error of coding, which must not look like frames that are dropped and doubled.
JUMP_COST = 0.5
#: Where the rates differ by more than NTSC's, the frames that ffmpeg usually takes are preferred to the most similar
#: ones if these cost so little less: in jumps, and as a share.
JUMPS, SHARE, NTSC = 2, 0.01, 0.002
#: Patterns of dropped and doubled frames repeat after at most so many frames, if they repeat.
LONGEST_PERIOD = 64
#: Notes list so many frames.
MOST_LISTED = 5


@dataclass(frozen=True)
class RateMatch:
    """What makes the reference show the frames of the distorted clip.

    Attributes:
        filters: The filters of the reference; none if every frame shows the frame of its own number.
        frames: How many frames both clips then have.
        note: What was dropped and doubled, in words.
    """

    filters: tuple[str, ...]
    frames: int
    note: str


def match_rate(ref: Video, dis: Video, ffmpeg: str, timeout: float | None = None) -> RateMatch:
    """Find the frames that an encoder dropped or doubled when it changed the frame rate, by thumbnails of all frames.

    Takes 2.3 kB of memory for each frame of both clips.

    Raises:
        PairError: If the frames of the distorted clip are not among those of the reference.
        ClipError: If a clip cannot be decoded.
    """
    import numpy as np

    pictures, times = zip(*(_thumbnails(video.clip, ffmpeg, timeout) for video in (ref, dis)), strict=True)
    maps = usual_maps(times[0], times[1], float(dis.frame_rate or ref.frame_rate or 25))
    maps += [frame_map(pictures[0], pictures[1], times[0], times[1])]
    errors = [_errors(pictures[0], pictures[1], each) for each in maps]
    jump, expected = _jump_cost(errors[-1]), _expected_steps(*map(np.array, times))
    costs = [e.sum() + jump * ((np.diff(each) - expected[1:]) ** 2).sum() for each, e in zip(maps, errors, strict=True)]
    usual = min(range(len(maps) - 1), key=lambda i: costs[i])
    is_other_rate = abs(float(np.median(expected[1:] if len(expected) > 1 else expected)) - 1) > NTSC
    slack = JUMPS * jump + SHARE * errors[-1].sum() if is_other_rate else 0.0
    best = usual if costs[usual] <= costs[-1] + slack else -1
    indices, mse = maps[best], errors[best]
    if (psnr := float((10 * np.log10(255**2 / np.maximum(mse, 0.25))).mean())) < FLOOR_DB:
        raise PairError(
            f"match_rate: the frames of {dis.clip} are not those of {ref.clip}: near their time, even the most similar "
            f"ones have a PSNR of {psnr:.1f} dB as thumbnails. Do the clips start with the same frame?"
        )
    total = len(pictures[0])
    doubled = [frame for frame, count in Counter(indices).items() for _ in range(count - 1)]
    # What follows the last frame is a frame that was dropped, too.
    dropped = sorted(set(range(total)) - set(indices))
    rates = [f"{float(video.frame_rate):.6g} frames/s" if video.frame_rate else "no rate" for video in (ref, dis)]
    note = (
        f"match_rate: the distorted clip has {len(indices)} frames ({rates[1]}) for {total} of the reference "
        f"({rates[0]}): {plural(len(dropped), 'frame')} of the reference dropped{_listed(dropped)}, {len(doubled)} "
        f"doubled{_listed(doubled)}, as in the distorted clip by PSNR of thumbnails"
    )
    return RateMatch(filters_of(indices, total) if dropped or doubled else (), len(indices), note)


def _listed(frames: list[int]) -> str:
    """The numbers of a few frames, in brackets."""
    return f" ({', '.join(map(str, frames))})" if 0 < len(frames) <= MOST_LISTED else ""


def _errors(reference: NDArray[np.uint8], distorted: NDArray[np.uint8], indices: list[int]) -> NDArray[np.float64]:
    """The mean squared error of each distorted frame from the frame that it shows."""
    import numpy as np

    pairs = zip(indices, distorted, strict=True)
    return np.array([((reference[frame].astype(np.float32) - picture) ** 2).mean() for frame, picture in pairs])


def _jump_cost(errors: NDArray[np.float64]) -> float:
    """What a jump costs, by the squared error of each frame."""
    import numpy as np

    return max(1.0, JUMP_COST * float(np.median(errors)))


def _expected_steps(ref_at: NDArray[np.float64], dis_at: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how many frames of the reference each distorted frame is later than the one before it, by their times."""
    import numpy as np

    ref_at, dis_at = ref_at - ref_at[0], dis_at - dis_at[0]
    # The reference goes on as usual after its end.
    usual = float(np.median(np.diff(ref_at))) if len(ref_at) > 1 else 1.0
    past = np.maximum(0, dis_at - ref_at[-1]) / max(usual, 1e-6)
    steps: NDArray[np.float64] = np.diff(np.interp(dis_at, ref_at, np.arange(len(ref_at))) + past, prepend=0.0)
    return steps


def usual_maps(ref_times: list[float], dis_times: list[float], rate: float) -> list[list[int]]:
    """Which frame of the reference each distorted frame shows if ffmpeg has changed the rate, or only the time stamps.

    Args:
        ref_times: When each frame is shown, in seconds.
        dis_times: As `ref_times`.
        rate: The frame rate of the distorted clip.
    """
    total, wanted = len(ref_times), len(dis_times)
    ticks = [(time - ref_times[0]) * rate for time in ref_times]
    maps = [list(range(total))]
    # The filter fps, with its ways of rounding: the last frame whose tick has come.
    for rounding in (lambda tick: math.floor(tick + 0.5 + 1e-6), lambda tick: math.floor(tick + 1e-6), math.ceil):
        at, indices = 0, []
        for tick in range(wanted):
            while at + 1 < total and rounding(ticks[at + 1] - 1e-9) <= tick:
                at += 1
            indices.append(at)
        maps.append(indices)
    maps.append(_resampled(ticks))
    return [(each + [total - 1] * (wanted - len(each)))[:wanted] for each in maps]


def _resampled(ticks: list[float]) -> list[int]:
    """The frames that ffmpeg's option -r takes (video_sync_process in its fftools)."""
    indices: list[int] = []
    for frame, tick in enumerate(ticks):
        early = tick - len(indices)
        late = early + (ticks[frame + 1] - tick if frame + 1 < len(ticks) else tick - ticks[frame - 1])
        if early < 0 < late:
            early = 0.0
        count = 0 if late < -1.1 else round(late) if late > 1.1 else 1
        earlier = round(early - 0.6) if count and early > 1.1 else 0
        indices += [frame - 1] * earlier + [frame] * (count - earlier)
    return indices


def frame_map(
    reference: NDArray[np.uint8], distorted: NDArray[np.uint8], ref_times: list[float], dis_times: list[float]
) -> list[int]:
    """Which frame of the reference each distorted frame shows: the most similar ones near its time, in their order.

    Args:
        reference: A row of luma for each frame.
        distorted: As `reference`.
        ref_times: When each frame is shown, in seconds.
        dis_times: As `ref_times`.
    """
    import numpy as np

    ref_at, dis_at = (np.array(times) - times[0] for times in (ref_times, dis_times))
    reach = REACH * max(float(np.median(np.diff(at))) if len(at) > 1 else 0.0 for at in (ref_at, dis_at)) + 1e-6
    # In a clip whose time stamps are longer or shorter, the last frames are candidates for what is past the end.
    begins = np.minimum(np.searchsorted(ref_at, dis_at - reach), max(0, len(ref_at) - 2 * REACH))
    ends = np.maximum(np.searchsorted(ref_at, dis_at + reach, side="right"), begins + 1)
    begins = np.minimum(begins, len(ref_at) - 1)
    expected = _expected_steps(ref_at, dis_at)
    errors = [
        ((reference[begin:end].astype(np.float32) - picture) ** 2).mean(axis=1)
        for begin, end, picture in zip(begins, ends, distorted, strict=True)
    ]
    jump = _jump_cost(np.array([error.min() for error in errors]))
    costs, first = np.zeros(1), 0
    origins: list[tuple[int, NDArray[np.intp]]] = []
    for frame, (begin, end, error) in enumerate(zip(begins, ends, errors, strict=True)):
        after, before = np.arange(begin, end)[:, None], np.arange(first, first + len(costs))[None]
        steps = after - before
        penalty = jump * (steps - expected[frame]) ** 2 if frame else np.zeros(steps.shape)
        ways = np.where((steps >= 0) | (frame == 0), costs[None] + penalty, np.inf)
        origins.append((int(begin), ways.argmin(axis=1) + first))
        distance = DISTANCE_COST * ((ref_at[begin:end] - dis_at[frame]) / reach) ** 2
        costs, first = ways.min(axis=1) + error + distance, int(begin)
    indices = [int(np.argmin(costs)) + first]
    for begin, origin in reversed(origins[1:]):
        indices.append(int(origin[indices[-1] - begin]))
    return indices[::-1]


def filters_of(indices: list[int], total: int) -> tuple[str, ...]:
    """The filters that turn so many frames into these, which are in order: drop, set the times, double."""
    firsts = {frame: index for index, frame in reversed(list(enumerate(indices)))}
    selected = [int(frame in firsts) for frame in range(total)]
    filters = [] if all(selected) else [f"select='{expression(selected, 'n')}'"]
    times = [firsts[frame] for frame in sorted(firsts)]
    if times == list(range(len(indices))):
        return (*filters, f"trim=end_frame={len(indices)}")
    filters += ["settb=1", f"setpts='{expression(times, 'N')}'", "fps=1"]
    # fps does not know how long the last frame is shown.
    return (*filters, "tpad=stop=-1:stop_mode=clone", f"trim=end_frame={len(indices)}")


def expression(values: list[int], name: str) -> str:
    """An expression of ffmpeg that gives these whole numbers for 0, 1, 2 …, as short as the pattern in them allows."""
    for period in range(1, min(LONGEST_PERIOD, len(values) // 3) + 1):
        steps = [b - a for a, b in zip(values, values[period:], strict=False)]
        # The pattern from here on; the frames at the end may differ from it.
        middle = steps[len(steps) // 2]
        first = next((i + 1 for i in range(len(steps) // 2, -1, -1) if steps[i] != middle), 0)
        last = next((i for i in range(len(steps) // 2, len(steps)) if steps[i] != middle), len(steps)) + period
        if last - first < max(2 * period, len(values) // 2) or max(first, len(values) - last) > LONGEST_PERIOD:
            continue
        inner = f"mod({name}-{first},{period})"
        body = _runs(values[first : first + period], inner)
        body = f"{middle}*floor(({name}-{first})/{period})+{body}" if middle else body
        if last < len(values):
            body = f"if(lt({name},{last}),{body},{_runs(values[last:], f'({name}-{last})')})"
        return f"if(lt({name},{first}),{_runs(values[:first], name)},{body})" if first else body
    return _runs(values, name)


def _runs(values: list[int], name: str) -> str:
    """Arithmetic runs of the values, in a balanced tree of conditions."""
    runs = [(0, values[0], 0)]
    for index, (before, value) in enumerate(pairwise(values), 1):
        start, first, slope = runs[-1]
        if index == start + 1:
            runs[-1] = (start, first, value - before)
        elif value - before != slope:
            runs.append((index, value, 0))

    def tree(part: list[tuple[int, int, int]]) -> str:
        if len(part) > 1:
            half = len(part) // 2
            return f"if(lt({name},{part[half][0]}),{tree(part[:half])},{tree(part[half:])})"
        start, first, slope = part[0]
        return f"({first}+{slope}*({name}-{start}))" if slope else str(first)

    return tree(runs)


def _thumbnails(clip: Clip, ffmpeg: str, timeout: float | None) -> tuple[NDArray[np.uint8], list[float]]:
    import numpy as np

    times: list[float] = []
    pictures = bytearray()

    def on_line(line: str) -> None:
        if match := FRAME.match(line):
            times.append(float("nan") if match["time"] == "NOPTS" else float(match["time"]))

    chain = [clip.trimming, "showinfo=checksum=0", WITHOUT_MATRIX, clip.cropping]
    chain += [f"scale={THUMBNAIL[0]}:{THUMBNAIL[1]}:flags=area", "format=gray"]
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", "-xerror", *input_arguments(clip)]
    argv += ["-map", video_stream(clip), "-fps_mode", "passthrough", "-vf", ",".join(filter(None, chain))]
    argv += ["-f", "rawvideo", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), on_stderr=on_line, stdout_bytes=pictures.extend), timeout)
    rows: NDArray[np.uint8] = np.frombuffer(bytes(pictures), np.uint8).reshape(-1, THUMBNAIL[0] * THUMBNAIL[1])
    if end.returncode != 0 or not len(rows) or len(rows) != len(times) or not np.isfinite(times).all():
        raise ClipError(f"{clip} cannot be decoded with a time stamp for each frame.\n{end.explain()}")
    refuse_outside(clip.name, clip.start, clip.frames, int(clip.start) + len(rows))
    return rows, times
