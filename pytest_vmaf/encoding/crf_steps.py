"""Steps finer than a CRF: which of them an encoder takes, how ffmpeg passes them on, and their scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pytest_vmaf.encoding.codec import number_of
from pytest_vmaf.encoding.encoder_fields import MOST_NUMBERS
from pytest_vmaf.encoding.scale import Scale, with_ends
from pytest_vmaf.errors import SettingsError

#: A step is one CRF divided by a divisor of this number, so that every number has at most two decimals.
FINEST = 100
#: The options of ffmpeg that take any fraction: the encoder's name, and the option.
FRACTIONS = (("libx264", "-crf"), ("libx264rgb", "-crf"), ("libx265", "-crf"))
#: The options that ffmpeg declares as whole numbers. It rounds a fraction, and prints nothing.
WHOLE = ("-crf", "-qp", "-qp_i", "-qp_p", "-global_quality")
#: SVT-AV1 takes quarters, but not through the option of ffmpeg.
SVT, SVT_PARTS, SVT_PARAMETERS = "libsvtav1", 4, "-svtav1-params"
#: What a number may differ from one of the scale: the rounding of a computation such as 20 + 3 * 0.1.
ROUNDING = 1e-6


@dataclass(frozen=True)
class StepScale(Scale):
    """CRFs in steps of less than one.

    Attributes:
        parts: How many steps one CRF has.
    """

    parts: int = 1

    @property
    def wording(self) -> str:
        """What a number of this scale must be, in words."""
        return f"a number {self.range_words} for {self.name}"

    @property
    def range_words(self) -> str:
        """The numbers of the scale, in words."""
        return f"from {min(self.steps)} to {max(self.steps)} in steps of {1 / self.parts}"

    def number(self, value: object) -> float | None:
        """The number of the scale that a value stands for, None if there is none."""
        exact = number_of(value)
        near = None if exact is None else number_at(round(exact * self.parts), self.parts)
        if exact is None or near is None or abs(exact - near) > ROUNDING:
            return None
        return near if min(self.steps) <= near <= max(self.steps) else None

    def window(self, value: object) -> Sequence[float]:
        """The numbers between two of the scale, the finest first; all of them for None.

        None as one of the two is the scale's own end.

        Raises:
            SettingsError: If these are not two numbers of the scale, the smaller one first.
        """
        if value is None:
            return self.steps
        ends = tuple(map(self.number, with_ends(value, (min(self.steps), max(self.steps)))))
        low, high = ends if len(ends) == 2 else (None, None)
        if low is None or high is None or low > high:
            what = f"two numbers {self.range_words} for {self.name}"
            raise SettingsError(f"crf must be {what}, the smaller one first, not {value!r:.80}.")
        first, last = sorted(map(self.steps.index, (low, high)))
        return self.steps[first : last + 1]


def number_at(place: int, parts: int) -> float:
    """A number of so many parts of a CRF: a whole one as an integer, others as the float nearest to it."""
    return place // parts if place % parts == 0 else place / parts


@lru_cache(maxsize=64)
def step_scale(name: str, crf_range: tuple[float, float], step: float, *, larger_is_finer: bool) -> StepScale:
    """The scale of an encoder whose CRFs have a step of less than one."""
    parts = round(1 / step)
    first, last = (round(end * parts) for end in crf_range)
    steps = tuple(number_at(place, parts) for place in range(first, last + 1))
    return StepScale(name, steps[::-1] if larger_is_finer else steps, parts)


def read_step(name: str, step: object) -> float:
    """The step of an encoder's CRFs: 1, or a fraction that divides it.

    Raises:
        SettingsError: For anything else.
    """
    number = number_of(step)
    parts = round(1 / number) if number is not None and 1 / FINEST <= number <= 1 else 0
    if number is None or not parts or FINEST % parts or abs(number - 1 / parts) > ROUNDING:
        raise SettingsError(
            f"{name}: crf_step must be 1, or 1 divided by a whole number with at most two decimals, for example "
            f"0.5, 0.25 or 0.1, not {step!r:.80}."
        )
    return number_at(1, parts)


def read_stepped_range(name: str, crf_range: object, step: float) -> tuple[float, float]:
    """The smallest and the largest CRF of a scale in steps. Raises SettingsError if these are something else."""
    parts = round(1 / step)
    pair = tuple(map(number_of, crf_range)) if isinstance(crf_range, tuple | list) else ()
    low, high = pair if len(pair) == 2 else (None, None)
    if low is not None and high is not None and low < high and high - low <= MOST_NUMBERS:
        ends = number_at(round(low * parts), parts), number_at(round(high * parts), parts)
        if max(abs(ends[0] - low), abs(ends[1] - high)) <= ROUNDING:
            return ends
    raise SettingsError(
        f"{name}: crf_range must be two numbers in steps of {step}, the smaller one first, for example (17, 40), at "
        f"most {MOST_NUMBERS} apart, not {crf_range!r:.80}."
    )


def parts_taken(name: str, arguments: Sequence[str]) -> int | None:
    """Into how many parts an encoder of ffmpeg divides a CRF at most; None if that is not known.

    Args:
        name: The encoder's name.
        arguments: Its arguments with {crf}; none for an encoder that is not one of ffmpeg.
    """
    options = {*options_of(arguments)}
    if len(options) == 1 and (name, *options) in FRACTIONS:
        return FINEST
    if name == SVT and options == {"-crf"}:
        return SVT_PARTS
    return 1 if options and options <= {*WHOLE} else None


def options_of(arguments: Sequence[str]) -> list[str]:
    """The options of ffmpeg whose value is the CRF, without stream specifiers."""
    pairs = zip(("", *arguments), arguments, strict=False)
    return [option.partition(":")[0] for option, word in pairs if word == "{crf}"]


def check_step(name: str, arguments: Sequence[str], step: float, mode: str, qualities: object) -> None:
    """Check that an encoder can have a step of less than one CRF.

    Args:
        name: The encoder's name.
        arguments: Its arguments with {crf}, if it is one of ffmpeg.
        step: The step.
        mode: What the number of an encode is.
        qualities: Its list of qualities or its codec, which states them; something empty for others.

    Raises:
        SettingsError: If it has bitrates or qualities of its own, or would round the numbers without a message.
    """
    if mode != "crf":
        raise SettingsError(f"{name}: bitrates have no step. Leave out crf_step={step}, or mode={mode!r}.")
    if qualities:
        raise SettingsError(f"{name} has qualities of its own. Leave out crf_step={step}.")
    parts = parts_taken(name, arguments)
    if parts is None or parts % round(1 / step) == 0:
        return
    takes = f"{name} takes steps of {1 / parts}, and rounds other CRFs down without a message"
    if parts == 1:
        takes = (
            f"{name} takes whole numbers after {options_of(arguments)[0]}, and ffmpeg rounds others without a message"
        )
    use = "Leave it out." if parts == 1 else f"Use crf_step={1 / parts}."
    raise SettingsError(f"{takes}, so crf_step must not be {step}. {use}")


def is_rounded(encodes: Sequence[object]) -> bool:
    """Whether an encoder rounds fractions to whole CRFs.

    Args:
        encodes: What tells the encodes apart, from a whole CRF to the next one and at least one between them.
    """
    return len(encodes) > 2 and len(set(encodes)) <= 2


def fraction_hint(name: str, arguments: Sequence[str], number: float) -> str:
    """How to encode at a fraction, if the encoder takes it: the step to set. "" if it takes none."""
    parts = parts_taken(name, arguments) or FINEST
    for count in (2, 4, 5, 10, 20, 25, 50, FINEST):
        if parts % count == 0 and abs(number * count - round(number * count)) < ROUNDING:
            return f" For fractions, set crf_step={1 / count} (--crf-step {1 / count})."
    return f" It takes steps of {1 / parts}: set crf_step={1 / parts} (--crf-step {1 / parts})." if parts > 1 else ""


def pass_fraction(
    name: str, own: Sequence[str], arguments: Sequence[str], crf: float
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The arguments with which an encoder gets a fraction, where the option of ffmpeg would round it.

    Args:
        name: The encoder's name.
        own: Its own arguments with {crf}.
        arguments: The user's arguments.
        crf: The CRF.

    Returns:
        Both, changed only for SVT-AV1 and a fraction.
    """
    own, arguments = tuple(own), tuple(arguments)
    if name != SVT or isinstance(crf, int) or parts_taken(name, own) != SVT_PARTS:
        return own, arguments
    place = own.index("{crf}")
    own = (*own[: place - 1], *own[place + 1 :])
    parameter = f"crf={crf}"
    merged = [_with_parameter(words, parameter) for words in (own, arguments)]
    if merged == [own, arguments]:
        return (*own, SVT_PARAMETERS, parameter), arguments
    return merged[0], merged[1]


def _with_parameter(words: tuple[str, ...], parameter: str) -> tuple[str, ...]:
    """Words with a parameter added to those of SVT-AV1. ffmpeg takes the last of several values."""
    before = ("", *(word.partition(":")[0] for word in words[:-1]))
    return tuple(
        f"{parameter}:{word}" if last == SVT_PARAMETERS else word for last, word in zip(before, words, strict=False)
    )
