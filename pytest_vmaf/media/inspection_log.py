"""The log of an inspection: what ffmpeg prints about a file, one of its video streams, and the first frames."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from pytest_vmaf.text import printable

#: The input chain, the first frame and the colour line that ffmpeg prints at -loglevel info. The colour line is printed
#: in pieces between which another thread may print its own: a line with more than four words is not read.
CONFIG = re.compile(r"^\[Parsed_showinfo_\d+ @ [^]]*\] config in time_base: \S+, frame_rate: (\d+)/(\d+)$")
FRAME = re.compile(
    r"^\[Parsed_showinfo_\d+ @ [^]]*\] n: *\d+ pts: *\S+ pts_time:(?P<time>\S+) .*?fmt:(?P<fmt>\S+) .*?"
    r"sar:(?P<sar>\d+/\d+) s:(?P<w>\d+)x(?P<h>\d+) i:(?P<field>[PTB?])"
)
COLOUR = re.compile(
    r"^\[Parsed_showinfo_\d+ @ [^]]*\] color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)$"
)
STREAM = re.compile(
    r"^  Stream #0:\d+.*?: Video: (?P<codec>\w+)(?:.*?, (?P<size>\d+x\d+))?(?:.*(?P<default>\(default\)))?"
)
#: In the description of a stream.
AVERAGE = re.compile(r"^  Stream #0:\d+.*?: Video: .*, (\d{1,5}(?:\.\d{1,2})?) fps, ")
#: Of frames whose film grain is described and, because it is exported, not applied.
GRAIN = re.compile(
    r"^\[Parsed_showinfo_\d+ @ [^]]*\] +side data - film grain parameters(?:: type (\w+))?", re.IGNORECASE
)
GRAIN_NAMES = {"av1": "AV1", "h274": "H.274"}
#: The decoder of the stream that is read.
DECODER = re.compile(r"^  Stream #0:\d+ -> #0:0 \(\w+ \(([\w-]+)\)")
#: Of frames that have a display matrix, which is not applied yet.
ROTATION = re.compile(
    r"^\[Parsed_showinfo_\d+ @ [^]]*\] +side data - .*displaymatrix: rotation of (-?\d{1,3}(?:\.\d{1,6})?) degrees"
)
#: In the metadata of a stream, not of the file, which names the muxer.
ENCODER = re.compile(r"^ {6}encoder +: (.{1,100})", re.IGNORECASE)
#: Frames whose durations differ by more than this, in seconds and by their usual duration, have a variable rate.
#: Containers round time stamps to milliseconds.
JITTER = (0.0025, 0.1)
RESTARTED = re.compile(r"^\[[^]]*\] Reconfiguring filter graph because ")
DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d\.\d+)")
#: Lines by what they say; only the first line of each kind counts.
ANYWHERE = {
    "config": CONFIG,
    "frame": FRAME,
    "colour": COLOUR,
    "duration": DURATION,
    "grain": GRAIN,
    "decoder": DECODER,
}
IN_STREAM = {"encoder": ENCODER}


class InspectionLog:
    """Receives the lines of the log, at -loglevel info.

    Args:
        stream: Which video stream is read, counted from 0.

    Attributes:
        stream: As above.
        tracks: The video streams in words, without cover pictures.
        forms: Width, height and pixel format of each frame.
        interlaced: Whether a frame is interlaced.
        turns: The rotation of each frame's display matrix, None for a frame without one.
        restarted: Whether the filters started again, because the frames changed: they have counted from 0 twice.
    """

    def __init__(self, stream: int) -> None:
        self.stream, self.tracks, self.forms, self.interlaced = stream, list[str](), list[tuple[str, str, str]](), False
        self.turns, self.restarted = list[float | None](), False
        self._times: list[float] = []
        self._first: dict[str, re.Match[str]] = {}
        self._inside, self._listed = False, False

    def __call__(self, line: str) -> None:
        """Read a line."""
        if match := FRAME.match(line):
            self.interlaced |= match["field"] in "TB"
            self.forms.append((match["w"], match["h"], match["fmt"]))
            self.turns.append(None)
            if match["time"] != "NOPTS":
                self._times.append(float(match["time"]))
        elif self.turns and (match := ROTATION.match(line)):
            self.turns[-1] = float(match[1])
        elif not self._listed and line.startswith("  Stream #"):
            self._inside = False
            if (match := STREAM.match(line)) and "(attached pic)" not in line:
                self._inside = len(self.tracks) == self.stream
                if self._inside and (average := AVERAGE.match(line)):
                    self._first["average"] = average
                size = f"{match['size']} " if match["size"] else ""
                self.tracks.append(f"{size}{match['codec']}{', default' if match['default'] else ''}")
        elif RESTARTED.match(line):
            self.restarted = True
        elif line.startswith(("Stream mapping:", "Output #")):
            self._listed, self._inside = True, False
        forms = ANYWHERE | (IN_STREAM if self._inside else {})
        for kind, form in forms.items():
            # The first line of each kind; those of later frames repeat it.
            if kind not in self._first and (match := form.match(line)):
                self._first[kind] = match

    @property
    def listed_tracks(self) -> str:
        """The video streams in a line, with their numbers."""
        return "; ".join(f"{number}: {track}" for number, track in enumerate(self.tracks))

    @property
    def has_tags(self) -> bool:
        """Whether a line about the colours of a frame was read."""
        return "colour" in self._first

    @property
    def frame_rate(self) -> Fraction | None:
        """The frame rate that ffmpeg assumes, in frames/s."""
        config = self._first.get("config")
        return Fraction(int(config[1]), int(config[2])) or None if config and config[2] != "0" else None

    @property
    def has_variable_rate(self) -> bool:
        """Whether frames are shown for different times: the first ones, or by the average rate that the file states."""
        steps = sorted(b - a for a, b in pairwise(self._times))
        if steps and steps[-1] - steps[0] > max(JITTER[0], JITTER[1] * steps[len(steps) // 2]):
            return True
        if "average" not in self._first or self.frame_rate is None or not self.duration:
            return False
        average, rate = float(self._first["average"][1]), float(self.frame_rate)
        # Two frames too many or too few may be due to the rounded duration. Twice the rate is that of fields.
        is_field_rate = abs(rate - 2 * average) < 0.01 * rate
        return abs(average - rate) * self.duration > 2.5 and abs(average - rate) > 0.01 * rate and not is_field_rate

    @property
    def tags(self) -> tuple[str, str, str, str]:
        """Range, matrix, primaries and transfer of the first frame."""
        if (colour := self._first.get("colour")) is None:
            return ("unknown",) * 4
        first, second, third, fourth = (tag.removesuffix(",") for tag in colour.groups())
        return first, second, third, fourth

    @property
    def film_grain(self) -> str:
        """Whose film grain the frames have: "AV1", "H.274" or, which ffmpeg does not add, "VVC"; "" for none."""
        if (grain := self._first.get("grain")) is None:
            return ""
        is_vvc = any("vvc" in track for track in self.tracks[self.stream : self.stream + 1])
        return "VVC" if is_vvc else GRAIN_NAMES.get(grain[1], "unknown")

    @property
    def decoder(self) -> str:
        """ffmpeg's name of the decoder."""
        return self._first["decoder"][1] if "decoder" in self._first else ""

    @property
    def duration(self) -> float | None:
        """The duration that the file states, in seconds."""
        length = self._first.get("duration")
        return int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else None

    @property
    def encoder(self) -> str:
        """What the file names as the writer of the video stream, or ""."""
        return printable(self._first["encoder"][1].strip()) if "encoder" in self._first else ""

    @property
    def sample_aspect(self) -> Fraction | None:
        """Width by height of a pixel of the first frame, if it is stated."""
        frame = self._first.get("frame")
        return Fraction(frame["sar"]) or None if frame and not frame["sar"].endswith("/0") else None

    @property
    def rotation(self) -> float | None:
        """The rotation of the first frame's display matrix, if it has one."""
        return self.turns[0] if self.turns else None
