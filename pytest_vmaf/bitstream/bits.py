"""Bits: the fields of a header, one after the other. The bytes are untrusted."""

from __future__ import annotations

from pytest_vmaf.errors import ClipError

#: The longest header that is read, in bytes. Parameter sets with all their scaling lists, and the configurations of
#: containers, have less.
LONGEST_HEADER = 1 << 16
#: Zeros before the first one of a variable-length number; more do not fit into 32 bits.
MOST_ZEROS = 32


class HeaderError(ClipError):
    """A header is cut off, or has a value that the codec does not allow."""


class Bits:
    """Reads the bits of a header from the first one.

    Args:
        data: The bytes.
        what: The header's name, for messages.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._value, self._left, self._what = (
            int.from_bytes(data[:LONGEST_HEADER]),
            8 * len(data[:LONGEST_HEADER]),
            what,
        )

    def read(self, count: int) -> int:
        """Read an unsigned number of `count` bits. Raises HeaderError at the end."""
        self._left -= count
        if self._left < 0:
            raise HeaderError(f"the {self._what} is cut off")
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """Read one bit."""
        return self.read(1) == 1

    def unsigned(self) -> int:
        """Read an Exp-Golomb number, ue(v) (ITU-T H.264 9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > MOST_ZEROS:
                raise HeaderError(f"the {self._what} has a number of more than 32 bits")
        return (1 << zeros) - 1 + self.read(zeros)

    def at_most(self, most: int, name: str) -> int:
        """Read an Exp-Golomb number that must not be larger. Raises HeaderError."""
        if (number := self.unsigned()) > most:
            raise HeaderError(f"the {self._what} has {name} {number}, and at most {most} is allowed")
        return number

    def signed(self) -> int:
        """Read a signed Exp-Golomb number, se(v)."""
        number = self.unsigned()
        return (number + 1) // 2 if number & 1 else -(number // 2)

    def align(self) -> None:
        """Skip to the next byte."""
        self._left -= self._left % 8
