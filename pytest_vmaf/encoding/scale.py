"""Scale: the numbers of an encoder's constant quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pytest_vmaf.encoding.codec import number_of
from pytest_vmaf.errors import SettingsError


@dataclass(frozen=True)
class Scale:
    """The numbers that an encoder can encode at: CRFs, or another scale.

    Attributes:
        name: The encoder's name, for messages.
        steps: The numbers, the finest first.
        hint: Called with a fraction that the scale lacks. Returns what to do, for messages.
    """

    name: str
    steps: Sequence[float]
    hint: Callable[[float], str] | None = field(default=None, compare=False, kw_only=True)

    @property
    def is_grid(self) -> bool:
        """Whether the scale has other numbers than a range of whole ones."""
        return not isinstance(self.steps, range)

    @property
    def wording(self) -> str:
        """What a number of this scale must be, in words."""
        kind = "one" if self.is_grid else "a whole number"
        return f"{kind} {self.range_words} for {self.name}"

    @property
    def range_words(self) -> str:
        """The numbers of the scale, in words."""
        if self.is_grid:
            return f"of {listed(sorted(self.steps))}"
        return f"from {min(self.steps)} to {max(self.steps)}"

    def number(self, value: object) -> float | None:
        """The number of the scale that a value stands for, None if there is none."""
        number = number_of(value)
        return self.steps[self.steps.index(number)] if number is not None and number in self.steps else None

    def has(self, number: float) -> bool:
        """Whether an encode can have this number."""
        return self.number(number) is not None

    def read(self, name: str, value: object) -> float:
        """The number of the scale that a user means.

        Raises:
            SettingsError: If there is no such number.
        """
        number = self.number(value)
        if number is not None and (self.is_grid or type(value) is int):
            return number
        raise SettingsError(f"{name} must be {self.wording}, not {value!r:.80}.{self.hint_for(value)}")

    def hint_for(self, value: object) -> str:
        """What to do about a fraction that the scale lacks, "" for another value."""
        number = number_of(value)
        inside = isinstance(number, float) and min(self.steps) < number < max(self.steps)
        return self.hint(number) if self.hint and number is not None and inside and number % 1 else ""

    def window(self, value: object) -> Sequence[float]:
        """The numbers between two of the scale, the finest first; all of them for None.

        None as one of the two is the scale's own end.

        Raises:
            SettingsError: If these are not two numbers of the scale, the smaller one first.
        """
        if value is None:
            return self.steps
        pair = with_ends(value, (min(self.steps), max(self.steps)))
        numbers = [self.number(each) for each in pair if self.is_grid or type(each) is int]
        found = [each for each in numbers if each is not None]
        if len(found) == 2 and found[0] <= found[1]:
            first, last = sorted(map(self.steps.index, found))
            return self.steps[first : last + 1]
        what = f"{'two' if self.is_grid else 'two whole numbers'} {self.range_words} for {self.name}"
        hint = next(filter(None, map(self.hint_for, pair)), "")
        raise SettingsError(f"crf must be {what}, the smaller one first, not {value!r:.80}.{hint}")


def with_ends(window: object, ends: tuple[float, float]) -> tuple[Any, ...]:
    """The two numbers of a window, with an end of the scale in place of None. Nothing if these are not two."""
    if not isinstance(window, tuple | list) or len(window) != 2:
        return ()
    return tuple(end if each is None else each for each, end in zip(window, ends, strict=True))


def as_crf(number: float) -> int:
    """A number of a scale as results have it.

    They are typed as whole numbers, which they are on nearly all scales, so that they can be used as such. That of a
    grid may have a fraction.
    """
    return cast("int", number)


def listed(numbers: Sequence[float]) -> str:
    """Numbers in a message: all of a few, the ends of many."""
    if len(numbers) <= 12:
        return ", ".join(map(str, numbers))
    return f"{', '.join(map(str, numbers[:4]))}, …, {numbers[-1]}"
