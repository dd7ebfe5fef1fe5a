"""Modes of encoders: a CRF, or a bitrate in one pass or two. RateControl: how ffmpeg's encoders get a bitrate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pytest_vmaf.encoding.scale import Scale, with_ends
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.text import did_you_mean

#: What the number of an encode is: a CRF (or another scale of constant quality), or kbit/s in one pass or in two.
Mode = Literal["crf", "bitrate", "2pass"]
MODES: tuple[Mode, ...] = ("crf", "bitrate", "2pass")
#: The smallest and the largest bitrate, in kbit/s.
RATES = (1, 1_000_000)
#: The series R40 of ISO 3: 40 preferred numbers a decade, 6 % apart. Searches try these bitrates.
R40 = (
    *(1.0, 1.06, 1.12, 1.18, 1.25, 1.32, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.12, 2.24, 2.36, 2.5, 2.65, 2.8, 3.0),
    *(3.15, 3.35, 3.55, 3.75, 4.0, 4.25, 4.5, 4.75, 5.0, 5.3, 5.6, 6.0, 6.3, 6.7, 7.1, 7.5, 8.0, 8.5, 9.0, 9.5),
)
#: Roughly how much logit(score / ceiling) changes from one number of the series to the next.
RATE_SLOPE = -0.065
#: A bitrate that usually suffices for a NEG near 90, in kbit/s, at so many samples of luma a second. It grows with
#: this power of them. A search tries bitrates within this factor of it.
USUAL_RATE, USUAL_SAMPLES, POWER, REACH = 3000.0, 1920 * 1080 * 25, 0.75, 40.0
#: Options that set another quality than the mode's bitrate, or the passes themselves; with a specifier, as in -crf:v.
OVERRIDES = ("-crf", "-qp", "-q", "-qscale", "-cq", "-global_quality", "-pass", "-passlogfile", "-stats", "-rc_stats")
#: The same in the parameters of x264, x265 and others.
PARAMETERS = re.compile(r"(?:^|:)\s*-{0,2}(crf|qp|qp[-_]constant|bitrate|tbr|rc|pass|passes|stats)\s*=")

#: What ffmpeg does not take literally in the value of a parameter, and how to write it.
SPECIAL, ESCAPE = re.compile(r"([^\w./-])", re.ASCII), r"\\\1"


@dataclass(frozen=True)
class RateControl:
    """How an encoder of ffmpeg gets a bitrate.

    Attributes:
        arguments: Output arguments of ffmpeg.
        statistics: The ends of the names of the files that its first pass writes. All but the first may be missing.
            Empty for an encoder whose two passes ffmpeg cannot run.
        shared: Whether the first pass writes the same bytes for every bitrate, so that one is enough for a search.
        parameters: The option that has the number of the pass and the name of its statistics, "" for ffmpeg's own.
    """

    arguments: str
    statistics: tuple[str, ...] = ("-0.log",)
    shared: bool = False
    parameters: str = ""


#: By name. The first passes of libaom and libvpx do not depend on the bitrate: they use a quantiser of their own.
RATE_CONTROLS = {
    "libx264": RateControl("-preset {preset} -b:v {bitrate}k", ("-0.log", "-0.log.mbtree")),
    "libx265": RateControl("-preset {preset} -b:v {bitrate}k", ("", ".cutree"), parameters="-x265-params"),
    "libsvtav1": RateControl("-preset {preset} -b:v {bitrate}k"),
    "libaom-av1": RateControl("-cpu-used {preset} -row-mt 1 -b:v {bitrate}k", shared=True),
    "libvpx-vp9": RateControl("-deadline good -cpu-used {preset} -row-mt 1 -b:v {bitrate}k", shared=True),
    "libvvenc": RateControl("-preset {preset} -b:v {bitrate}k"),
    "librav1e": RateControl("-speed {preset} -b:v {bitrate}k", ()),
}


@dataclass(frozen=True)
class RateScale(Scale):
    """Bitrates in kbit/s. An encode may have any whole number of them; searches try those of `steps`.

    Attributes:
        ends: The smallest and the largest bitrate.
    """

    ends: tuple[int, int] = RATES

    @property
    def is_grid(self) -> bool:
        """False: any whole number is one of the scale."""
        return False

    @property
    def range_words(self) -> str:
        """The numbers of the scale, in words."""
        return f"from {self.ends[0]} to {self.ends[1]} (kbit/s)"

    def has(self, number: float) -> bool:
        """Whether an encode can have this bitrate."""
        return self.ends[0] <= number <= self.ends[1]

    def read(self, name: str, value: object) -> float:
        """The bitrate that a user means. Raises SettingsError if it is not one of the scale."""
        number = number_or_none(value)
        if number is None or not self.has(number):
            raise SettingsError(f"{name} must be {self.wording}, not {value!r:.80}.")
        return number

    def window(self, value: object) -> Sequence[float]:
        """The bitrates that a search tries between two of the scale, both included; all for None.

        None as one of the two is the scale's own end.

        Raises:
            SettingsError: If these are not two bitrates of the scale, the smaller one first.
        """
        if value is None:
            return self.steps
        pair = tuple(map(number_or_none, with_ends(value, self.ends)))
        low, high = pair if len(pair) == 2 else (None, None)
        if low is None or high is None or not (self.has(low) and self.has(high) and low <= high):
            what = f"two whole numbers {self.range_words} for {self.name}"
            raise SettingsError(f"bitrate must be {what}, the smaller one first, not {value!r:.80}.")
        return rates_between(low, high)


def number_or_none(value: object) -> int | None:
    """A whole number as it is, None for anything else."""
    return value if type(value) is int else None


@lru_cache(maxsize=64)
def rates_between(low: int, high: int) -> tuple[int, ...]:
    """Both bitrates, and those of the series between them, the largest first."""
    series = {int(each * 10**power + 0.5) for power in range(7) for each in R40}
    return tuple(sorted({low, high, *(rate for rate in series if low < rate < high)}, reverse=True))


def usual_window(scale: Scale, source: Video) -> tuple[float, float] | None:
    """The window that a search tries for a source, if the user names none; None for the complete scale.

    Args:
        scale: The encoder's scale.
        source: What is encoded. Its size and frame rate tell which bitrates are usual.
    """
    if not isinstance(scale, RateScale) or scale.ends != RATES or not source.frame_rate:
        return None
    samples = source.width * source.height * float(source.frame_rate)
    usual = USUAL_RATE * (samples / USUAL_SAMPLES) ** POWER
    inside = [step for step in scale.steps if usual / REACH <= step <= usual * REACH]
    return (min(inside), max(inside)) if inside else None


def read_mode(mode: object) -> Mode:
    """A mode. Raises SettingsError if it is something else."""
    if mode not in MODES:
        hint = did_you_mean(mode, MODES) if isinstance(mode, str) else ""
        raise SettingsError(f"mode must be one of {', '.join(map(repr, MODES))}, not {mode!r:.80}.{hint}")
    return mode


def rate_control(name: str, mode: Mode) -> RateControl:
    """How an encoder of ffmpeg gets a bitrate.

    Args:
        name: The encoder's name.
        mode: "bitrate" or "2pass".

    Raises:
        SettingsError: If that is not known, or if ffmpeg cannot run its two passes.
    """
    control = RATE_CONTROLS.get(name)
    if control is not None and (mode == "bitrate" or control.statistics):
        return control
    able = ", ".join(each for each, known in RATE_CONTROLS.items() if mode == "bitrate" or known.statistics)
    if control is not None:
        raise SettingsError(
            f"{name} has no two passes here: ffmpeg writes no statistics for it. Use mode='bitrate', or one of {able}."
        )
    raise SettingsError(
        f"mode={mode!r} is known for {able}, not for {name}. For one pass, give the arguments: "
        f"Encoder({name!r}, mode='bitrate', arguments=('-b:v', '{{bitrate}}k')). For two passes, give a function that "
        f"runs both: Encoder({name!r}, mode='2pass', function=encode)."
    )


def at(mode: str, number: float) -> str:
    """The number of an encode in messages: "CRF 28" or "1500 kbit/s"."""
    return f"CRF {number}" if mode == "crf" else f"{number} kbit/s"


def label_at(mode: str, number: float) -> str:
    """The number in names of encodes: "CRF 28" or "1500k". Reports show what follows the last slash of a name."""
    return f"CRF {number}" if mode == "crf" else f"{number}k"


def keyword_of(mode: str) -> str:
    """The keyword of the number of an encode: "crf" or "bitrate"."""
    return "crf" if mode == "crf" else "bitrate"


def noun_of(mode: str) -> str:
    """What the number of an encode is, in a sentence: "CRF" or "bitrate"."""
    return "CRF" if mode == "crf" else "bitrate"


def unit_of(mode: str) -> str:
    """What the number of an encode is, as the title of a column."""
    return "CRF" if mode == "crf" else "requested kbit/s"


def file_part(mode: str, number: float) -> str:
    """The number of an encode in the name of its file: "crf28" or "1500k"."""
    return f"crf{number}" if mode == "crf" else f"{number}k"


def pass_arguments(name: str, arguments: Sequence[str], number: int, prefix: str) -> tuple[str, ...]:
    """Add what makes an encode the first or the second of two passes.

    Args:
        name: The encoder's name.
        arguments: Its output arguments.
        number: 1 or 2.
        prefix: How the names of the statistics begin.
    """
    option = RATE_CONTROLS[name].parameters
    if not option:
        return (*arguments, "-pass", str(number), "-passlogfile", prefix)
    own = f"pass={number}:stats={SPECIAL.sub(ESCAPE, prefix)}"
    # With or without a stream specifier, for example -x265-params:v. ffmpeg takes the last of several values.
    before = ("", *(word.partition(":")[0] for word in arguments[:-1]))
    if option not in before:
        return (*arguments, option, own)
    return tuple(f"{word}:{own}" if last == option else word for last, word in zip(before, arguments, strict=True))


def check_rate_arguments(name: str, arguments: Sequence[str]) -> None:
    """Raise SettingsError for arguments of the user that set another quality than a bitrate, or the passes."""
    for last, word in zip(("", *arguments), arguments, strict=False):
        parameter = PARAMETERS.search(word) if last.partition(":")[0].endswith(("-params", "-x264opts")) else None
        if parameter or word.partition(":")[0] in OVERRIDES:
            what = f"{parameter[1]}= in {last}" if parameter else word
            raise SettingsError(
                f"arguments must not contain {what}: {name} gets a bitrate, and its passes, from the mode of its "
                "encoder. Use mode='crf' for constant quality."
            )
