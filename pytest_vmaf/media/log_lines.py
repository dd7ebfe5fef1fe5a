"""LogLines: what is of interest in the log of an ffmpeg that decodes."""

from __future__ import annotations

import re

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED
from pytest_vmaf.text import printable

#: The patterns of lines that ffmpeg prints at the end of a run.
STATISTICS = ("decoded", "muxed")


class LogLines:
    """The first line of a log for each of some patterns, and the last one for the statistics.

    An instance is the `on_stderr` of a command. It always records how many frames were decoded, with how many errors,
    and signs of damage.

    Statistics come at the end of a log, so a text from the clip's metadata that looks like them does not count.

    Args:
        patterns: Further patterns by name.
    """

    def __init__(self, **patterns: re.Pattern[str]) -> None:
        self._patterns = {"decoded": DECODED, "damaged": DAMAGED, **patterns}
        self._matches: dict[str, re.Match[str]] = {}

    def __call__(self, line: str) -> None:
        """Record a line of the log, without its end."""
        for name, pattern in self._patterns.items():
            if (name in STATISTICS or name not in self._matches) and (match := pattern.match(line)):
                self._matches[name] = match
                return

    def __contains__(self, name: str) -> bool:
        return name in self._matches

    def text(self, name: str, group: int = 0) -> str:
        """A group of the line, printable; the empty string if there was no such line."""
        return printable(self._matches[name][group]) if name in self._matches else ""

    @property
    def frames(self) -> int:
        """The number of decoded frames."""
        return int(self.text("decoded", 2) or 0)

    @property
    def errors(self) -> int:
        """The number of frames that could not be decoded."""
        return int(self.text("decoded", 3) or 0)

    def check_damage(self, clip: Clip) -> None:
        """Raise ClipError if ffmpeg reported that the clip is cut off or damaged; it may decode it all the same."""
        if "damaged" in self:
            raise ClipError(f"{clip} is cut off or damaged. ffmpeg reports: {self.text('damaged')}")
