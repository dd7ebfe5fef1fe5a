"""EarlyLooks: what a scoring run shows of the first frames of its clips, so that no other run need read them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_vmaf.media.clip import Clip, Stream
from pytest_vmaf.media.command import Command
from pytest_vmaf.media.demux import is_picture, video_stream
from pytest_vmaf.media.first_frames import small_grey
from pytest_vmaf.media.frame_lines import SHOWINFO
from pytest_vmaf.media.frame_rate import SUSPECT_RATE
from pytest_vmaf.media.inspect import FIRST_FRAMES, THUMBNAIL, Video, describe
from pytest_vmaf.media.inspection_log import InspectionLog

#: Where ffmpeg's descriptions of the inputs begin.
INPUT = re.compile(r"^Input #([01]), ")
#: A line of a filter that describes frames, and the number of the frame that it begins to describe.
SHOWN = re.compile(r"^\[Parsed_showinfo_(\d+) @ [^]]*\] (?:n: *(\d+) )?")
#: Of frames with film grain. Decoders leave it out of this run, so its scores are not those of the clips.
GRAIN = "film grain param"
#: How often the thumbnails are looked for, in seconds.
POLL = 0.005


def can_look_early(clip: Clip) -> bool:
    """Whether a scoring run can describe a clip as an inspection does. A part, for example, is described otherwise."""
    plain = not (isinstance(clip, Stream) or clip.is_sequence or clip.is_part or clip.crop or clip.in_memory)
    # A name with a line break could pass for lines of the log.
    return plain and clip.film_grain and str(clip.path).isprintable() and clip.path.is_file() and not is_picture(clip)


class EarlyLooks:
    """Receives the lines of a run that scores two clips, and the small pictures that it makes of their first frames.

    Nothing is guessed: where a line is missing, or a clip is not as most are, there is no description, and an
    inspection must tell.

    Args:
        clips: The inputs of the run, in their order.

    Attributes:
        command: The command that runs, once it is known.
        has_grain: Whether a frame, however late, has film grain.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._clips = clips
        self._logs = [InspectionLog(int(video_stream(clip).rpartition(":")[2])) for clip in clips]
        self._complete, self._thumbnails = [True] * len(clips), [b""] * len(clips)
        self._input, self._folder = 0, Path()
        self.command: Command | None = None
        self.has_grain = False
        self._ended, self._is_whole = threading.Event(), False

    def with_looks(self, argv: Sequence[str], folder: Path) -> list[str]:
        """The arguments of the run with the filters and outputs that make the pictures, in a folder of its own."""
        self._folder = folder
        graph = argv.index("-filter_complex") + 1
        begin, *chains = argv[graph].split(f"{SHOWINFO},")
        if len(chains) != len(self._clips):
            raise ValueError(f"{argv[graph]!r} does not describe the frames of {len(self._clips)} clips")
        described = begin
        for number, chain in enumerate(chains):
            described += (
                f"{SHOWINFO},split=2[early{number}][rest{number}];[early{number}]trim=end_frame={FIRST_FRAMES},"
            )
            described += f"{small_grey(THUMBNAIL)}[look{number}];[rest{number}]{chain}"
        inputs = list[str]()
        for argument in argv[:graph]:
            # Film grain is only described if it is exported, and then not applied; so a clip that has it is told apart.
            inputs += ["-export_side_data", "film_grain", argument] if argument == "-i" else [argument]
        outputs = list[str]()
        for number in range(len(self._clips)):
            outputs += ["-map", f"[look{number}]", "-fps_mode", "passthrough", "-flush_packets", "1"]
            outputs += ["-f", "rawvideo", self._file(number).name]
        return [*inputs, described, *argv[graph + 1 :], *outputs]

    def read_line(self, line: str) -> None:
        """Read a line of the run's log."""
        self.has_grain |= GRAIN in line.lower()
        if match := SHOWN.match(line):
            # The filters are numbered in the order of the graph, which is that of the inputs.
            number = 0 if match[1] == "0" else 1
            log = self._logs[number]
            if match[2] is not None:
                self._complete[number] &= int(match[2]) == len(log.forms) or len(log.forms) == FIRST_FRAMES
                if int(match[2]) >= FIRST_FRAMES:
                    return
            log(line)
        elif match := INPUT.match(line):
            self._input = int(match[1])
        elif line.startswith("  Stream #"):
            self._logs[self._input](line.replace(f"  Stream #{self._input}:", "  Stream #0:", 1))
        elif line.startswith(("Stream mapping:", "Output #")) or "Reconfiguring filter graph" in line:
            for log in self._logs:
                log(line)
        else:
            self._logs[self._input](line)

    def finish(self) -> None:
        """Note that the run has ended well, before its folder is removed. Clips may have fewer frames."""
        for number in range(len(self._clips)):
            if not self._read(number):
                self._thumbnails[number] = self._file(number).read_bytes()
        self._is_whole = True

    def end(self) -> None:
        """Note that nothing follows, however the run has ended."""
        self._ended.set()

    def wait(self, is_usual: Callable[[Sequence[tuple[str, str, str]], Sequence[str]], bool]) -> bool:
        """Wait until the first frames of all clips are described, or the run has ended.

        Args:
            is_usual: Called with width, height and pixel format, and with the range, of the first frame of each clip.

        Returns:
            False, and at once, if the first frames are unusual.
        """
        while not self._ended.wait(POLL):
            logs = self._logs
            if all(log.forms and log.has_tags for log in logs):
                if not is_usual([log.forms[0] for log in logs], [log.tags[0] for log in logs]):
                    return False
                if all(self._read(number) for number in range(len(self._clips))):
                    break
        return True

    def video(self, clip: Clip) -> Video | None:
        """The description of a clip, as an inspection would make it; None if that is needed."""
        number = self._clips.index(clip)
        log, thumbnails = self._logs[number], self._thumbnails[number]
        frames = len(log.forms)
        is_whole = self._complete[number] and frames > 0 and len(thumbnails) == frames * THUMBNAIL[0] * THUMBNAIL[1]
        has_track = log.stream < len(log.tracks) and log.has_tags and not log.restarted
        if not is_whole or not has_track or (frames < FIRST_FRAMES and not self._is_whole):
            return None
        rate = None if clip.frame_rate or clip.is_raw else log.frame_rate
        is_variable = rate is not None and (log.has_variable_rate or rate >= SUSPECT_RATE)
        is_turned, changes = any(turn is not None for turn in log.turns), len(set(log.forms)) > 1
        return None if is_variable or is_turned or changes or log.film_grain else describe(clip, log, thumbnails)

    def _file(self, number: int) -> Path:
        return self._folder / f"look{number}.gray"

    def _read(self, number: int) -> bool:
        """Read the pictures of a clip, and tell whether all frames that are wanted are described."""
        if not self._thumbnails[number] and len(self._logs[number].forms) == FIRST_FRAMES:
            size = FIRST_FRAMES * THUMBNAIL[0] * THUMBNAIL[1]
            try:
                if self._file(number).stat().st_size == size:
                    self._thumbnails[number] = self._file(number).read_bytes()
            except OSError:
                return False
        return bool(self._thumbnails[number])
