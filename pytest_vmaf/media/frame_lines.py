"""What ffmpeg's filter showinfo prints of every frame: its time stamp, its fields, its sample aspect ratio."""

from __future__ import annotations

import re
from collections import defaultdict
from fractions import Fraction
from functools import lru_cache

from pytest_vmaf.media.timing import FrameFlags, field_problems, hold_problems, time_stamp_problems

#: The filter, which computes nothing of the samples.
SHOWINFO = "showinfo=checksum=0"
#: Lines are printed in pieces between which another thread may print its own: the number of the frame shows what is
#: missing.
LINE = re.compile(
    r"^\[Parsed_showinfo_(?P<filter>\d+) @ [^]]*\] n: *(?P<n>\d+) pts: *\S+ pts_time:(?P<time>\S+) .*?"
    r"sar:(?P<sar>\d+/\d+) s:\d+x\d+ i:(?P<field>[PTB?])"
)


class FrameLines:
    """Receives the lines of a log in which several filters describe the frames of several clips.

    Attributes:
        times: By the number of the filter in its graph, when each frame is shown, in seconds; NaN if that is unknown.
        flags: By the number of the filter, the flags of each frame.
    """

    def __init__(self) -> None:
        self.times: dict[int, list[float]] = defaultdict(list)
        self.flags: dict[int, list[FrameFlags]] = defaultdict(list)

    def __call__(self, line: str) -> bool:
        """Read a line, and tell whether it described a frame."""
        if (match := LINE.match(line)) is None:
            return False
        times, flags = self.times[int(match["filter"])], self.flags[int(match["filter"])]
        if int(match["n"]) != len(times):
            # A line was torn. Without it, nothing can be said about the clip.
            times.append(float("nan"))
            return True
        times.append(float("nan") if match["time"] == "NOPTS" else float(match["time"]))
        flags.append(FrameFlags(match["field"] in "TB", _aspect(match["sar"])))
        return True

    def problems(self, first: int = 0, count: int | None = None) -> dict[str, str]:
        """What is wrong with a pair whose distorted clip goes through the first filter, by the word that allows it.

        Nothing if the filters of a single graph did not describe two clips of the same length.

        Args:
            first: The first frame that counts.
            count: How many frames count; None for all.
        """
        if len(self.times) != 2:
            return {}
        dis, ref = sorted(self.times)
        if len(self.flags[dis]) != len(self.flags[ref]) or len(self.flags[ref]) != len(self.times[ref]):
            return {}
        part = slice(first, None if count is None else first + count)
        times = self.times[ref][part], self.times[dis][part]
        flags = self.flags[ref][part], self.flags[dis][part]
        problems = {
            "time_stamps": time_stamp_problems(*times),
            "holds": hold_problems(*times),
            "interlaced": field_problems(*flags, ["display"]),
            "display": field_problems(*flags, ["interlaced"]),
        }
        return {word: "\n  - ".join(texts) for word, texts in problems.items() if texts}


@lru_cache(maxsize=32)
def _aspect(text: str) -> Fraction | None:
    """A sample aspect ratio, the same for nearly every frame; None if it is not stated."""
    return None if text.endswith("/0") or text.startswith("0/") else Fraction(text)
