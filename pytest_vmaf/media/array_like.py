"""Arrays of any library: what they are for type checkers, and how they are recognised. NumPy is not imported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The attributes by which an array is recognised.
ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__dlpack__")


class HasArray(Protocol):
    """An array of a library that NumPy can read."""

    def __array__(self) -> NDArray[Any]:
        """The array as one of NumPy."""


class HasDlpack(Protocol):
    """An array of a library that has DLPack."""

    def __dlpack__(self) -> object:
        """The array as a capsule."""


#: One array, of a frame or of all frames.
ArrayLike = HasArray | HasDlpack
#: Frames in memory: one array, or an iterable of frames or of their planes (Y, U, V).
Frames = ArrayLike | Iterable[ArrayLike] | Iterable[Sequence[ArrayLike]]


def is_array(value: object) -> bool:
    """Whether an object is an array of some library."""
    return any(hasattr(value, name) for name in ARRAY_PROTOCOLS) and not isinstance(value, type)
