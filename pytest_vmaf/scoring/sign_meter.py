"""SignMeter: what small frames of both clips show, frame by frame, as they come.

Coding changes the means of large blocks little, however coarse it is. A change of brightness, contrast or colour, or
another frame, changes them much.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pytest_vmaf.media.small_frames import HEIGHT, PAIR_BYTES, WIDTH
from pytest_vmaf.scoring.signs import COLUMNS, CONTRAST_FLOOR, DISPLACED_PART

#: How many frames of the reference, earlier and later, a frame is compared with.
REACH = 8
#: The frames of the reference that are in memory.
WINDOW = 2 * REACH + 1
#: The least strength of colour, in code values: below it, colour is noise, and its loss counts for less.
COLOUR_FLOOR = 2.0
#: The rows of a chroma plane; Cr follows Cb.
HALF = HEIGHT // 2
#: The blocks of a luma plane, and their pixels. Sums of so many products of 8-bit samples are exact in 32-bit floats.
BLOCKS, BLOCK = WIDTH * HEIGHT // 256, 256
#: The mean square of slopes of chroma, and of the change of luma from frame to frame, below which they are noise.
SLOPE_FLOOR, CHANGE_FLOOR = 0.5, 4.0
#: What Cb and Cr add to luma where BT.601 is taken for BT.709, from the matrices of ITU-R BT.601 and BT.709, and the
#: mean square of that below which it is noise.
MATRIX_CB, MATRIX_CR, MATRIX_FLOOR = -0.11555, -0.20794, 0.5
#: Chroma is another frame's if its squared difference from that, with what rounding leaves, is below this share of that
#: from its own, and of that between both, which must be more than this.
COLOUR_SHARE, COLOUR_MOVE, COLOUR_ROUNDING = 0.6, 0.2, 0.05


class SignMeter:
    """Measures the signs of a pair from a stream of small frames, in memory that does not grow with the clip.

    Attributes:
        columns: One value per frame, by the names of `signs.COLUMNS`.
    """

    def __init__(self, on_frame: Callable[[int], None] | None = None) -> None:
        self.columns: dict[str, array[float]] = {name: array("d") for name in COLUMNS}
        self._on_frame = on_frame
        self._bytes = bytearray()
        # The luma of the reference around the frame that is compared next (frame n is in row n % WINDOW), with its sum
        # of squares, and that of the distorted clip from it on, in blocks.
        self._reference = np.zeros((WINDOW, BLOCKS, BLOCK), np.float32)
        self._squares = np.zeros(WINDOW)
        self._distorted: deque[np.ndarray] = deque()
        # Their chroma, of half of the size.
        self._colour: deque[np.ndarray] = deque(maxlen=WINDOW)
        self._distorted_colour: deque[np.ndarray] = deque()
        self._compared = self._read = 0

    def feed(self, chunk: bytes) -> None:
        """Read some bytes of the stream, in which each reference frame is left of its distorted frame."""
        self._bytes += chunk
        while len(self._bytes) >= PAIR_BYTES:
            self._add(np.frombuffer(bytes(self._bytes[:PAIR_BYTES]), np.uint8).astype(np.float32))
            del self._bytes[:PAIR_BYTES]
            if self._on_frame is not None:
                self._on_frame(self._read)

    def finish(self) -> Mapping[str, tuple[float, ...]]:
        """The columns, when the stream has ended."""
        while self._distorted:
            self._compare()
        return {name: tuple(column) for name, column in self.columns.items()}

    def _add(self, pair: np.ndarray) -> None:
        luma = pair[: 2 * WIDTH * HEIGHT].reshape(HEIGHT, 2, WIDTH)
        chroma = pair[2 * WIDTH * HEIGHT :].reshape(HEIGHT, 2, WIDTH // 2) - 128
        reference, distorted = luma[:, 0], luma[:, 1]
        difference = distorted - reference
        self._append(spread=reference.var(), level_shift=difference.mean(), contrast=_contrast(reference, distorted))
        colour, distorted_colour = (chroma[:HALF, side] + 1j * chroma[HALF:, side] for side in (0, 1))
        self._append(
            colour_loss=_colour_loss(colour, distorted_colour),
            colour_shift=_colour_shift(colour, distorted_colour),
            colour_matrix=_colour_matrix(_halved(reference), _halved(distorted), colour),
            patch=_patch(_halved(_halved(difference))),
            colour_patch=_patch(_halved(distorted_colour - colour)),
        )
        row = self._read % WINDOW
        self._reference[row] = reference.reshape(BLOCKS, BLOCK)
        self._squares[row] = _product(self._reference[row], self._reference[row])
        self._distorted.append(distorted.reshape(BLOCKS, BLOCK))
        self._colour.append(_halved(chroma[:, 0]))
        self._distorted_colour.append(_halved(chroma[:, 1]))
        self._read += 1
        if len(self._distorted) > REACH:
            self._compare()

    def _compare(self) -> None:
        """Compare the oldest distorted frame with the frames of the reference around it."""
        distorted, own = self._distorted.popleft(), self._compared
        begin, end = max(0, own - REACH), min(self._read, own + REACH + 1)
        rows = [index % WINDOW for index in range(begin, end)]
        at = own - begin
        errors = self._differences(distorted)[rows]
        moves = self._differences(self._reference[own % WINDOW])[rows]
        best = int(errors.argmin())
        self._append(error=errors[at], nearest_error=errors[best], displacement=best - at, nearest_move=moves[best])
        self._append(change=moves[at - 1] if at else 0.0)
        neighbours = [self._reference[row] for row in rows[at - 1 : at + 2]]
        self._append(lag=_lag(neighbours, distorted) if 0 < at < len(rows) - 1 else 0.0)
        first = self._read - len(self._colour)
        colours = np.stack([self._colour[index - first] for index in range(begin, end)])
        self._append(colour_lag=_colour_lag(colours, self._distorted_colour.popleft(), at))
        self._compared += 1

    def _differences(self, luma: np.ndarray) -> np.ndarray:
        """The mean squared difference of each frame in memory from this one."""
        # Not `@`, which may start threads.
        products = np.einsum("ijk,jk->ij", self._reference, luma).sum(axis=1, dtype=np.float64)
        differences: np.ndarray = (self._squares - 2 * products + _product(luma, luma)) / luma.size
        return differences

    def _append(self, **values: float) -> None:
        for name, value in values.items():
            self.columns[name].append(value)


def _contrast(reference: np.ndarray, distorted: np.ndarray) -> float:
    """How much steeper than 1 the least-squares line of distorted on reference luma is, in percent."""
    centred = reference - reference.mean()
    variance = float((centred**2).mean())
    return 100 * (float((centred * distorted).mean()) - variance) / (variance + CONTRAST_FLOOR)


def _colour_loss(ours: np.ndarray, theirs: np.ndarray) -> float:
    """How far the distorted chroma is from the reference's, in percent, without the noise of coding.

    Cb and Cr are one complex number. The least-squares factor from reference to distorted chroma is 1 for an honest
    encode, 0 without colour; its angle is a turn of the hue. What is mirrored (Cb and Cr swapped) has none.
    """
    power = float((abs(ours) ** 2).mean())
    return 100 * abs(complex((theirs * ours.conj()).mean()) - power) / (power + COLOUR_FLOOR**2)


def _colour_shift(ours: np.ndarray, theirs: np.ndarray) -> float:
    """How far the distorted chroma lies from the reference's, in percent of the picture's width.

    A picture that is shifted a little differs by its slope times the shift, so least squares give both directions.
    """
    error = theirs - ours
    across, down = slopes = np.zeros((2, *ours.shape), ours.dtype)
    across[:, 1:-1] = (ours[:, :-2] - ours[:, 2:]) / 2
    down[1:-1] = (ours[:-2] - ours[2:]) / 2
    slopes = slopes.reshape(2, -1)
    squares = (slopes @ slopes.conj().T).real / error.size + SLOPE_FLOOR * np.eye(2)
    products = (slopes @ (error - error.mean()).conj().ravel()).real / error.size
    return 200 / WIDTH * float(np.hypot(*np.linalg.solve(squares, products)))


def _colour_matrix(ours: np.ndarray, theirs: np.ndarray, colour: np.ndarray) -> float:
    """How much of the change of luma is that of another matrix.

    1 for BT.601 taken for BT.709, about -1 for the reverse. Least squares on that change and on luma itself, since a
    change of contrast is none of the matrix.
    """
    change = MATRIX_CB * colour.real + MATRIX_CR * colour.imag
    causes = np.stack([change.ravel(), (ours - ours.mean()).ravel(), np.ones(ours.size, ours.dtype)])
    squares = causes @ causes.T / ours.size + np.diag([MATRIX_FLOOR, CONTRAST_FLOOR, 0.0])
    products = causes @ (theirs - ours).ravel() / ours.size
    return float(np.linalg.solve(squares, products)[0])


def _halved(plane: np.ndarray) -> np.ndarray:
    """The plane with half of its width and height."""
    # Exact, since samples are whole numbers, and five times as fast as `mean`.
    rows = plane[::2] + plane[1::2]
    half: np.ndarray = (rows[:, ::2] + rows[:, 1::2]) / 4
    return half


def _colour_lag(frames: np.ndarray, distorted: np.ndarray, own: int) -> float:
    """1 if the distorted chroma is that of another frame than its own, 0 if it is not."""
    errors = ((frames - distorted) ** 2).mean(axis=(1, 2))
    best = int(errors.argmin())
    move = float(((frames[best] - frames[own]) ** 2).mean())
    similar = errors[best] + COLOUR_ROUNDING < COLOUR_SHARE * min(errors[own], move)
    return float(move > COLOUR_MOVE and similar and errors[own] - errors[best] > DISPLACED_PART * move)


def _patch(means: np.ndarray) -> float:
    """The largest mean difference of a patch of two by two, that begins anywhere."""
    pairs = means[:-1] + means[1:]
    return float(abs(pairs[:, :-1] + pairs[:, 1:]).max()) / 4


def _lag(reference: Sequence[np.ndarray], distorted: np.ndarray) -> float:
    """By how many frames a frame lags behind the middle one of three frames of the reference, by least squares.

    The change from the frame before to the frame after is the measure: noise that coding takes away is not in it.
    """
    change = reference[2] - reference[0]
    error = _product(reference[1] - distorted, change) / 2 / change.size
    return float(error / (_product(change, change) / 4 / change.size + CHANGE_FLOOR))


def _product(a: np.ndarray, b: np.ndarray) -> float:
    """The sum of products of two planes in blocks."""
    total: np.float64 = np.einsum("ij,ij->i", a, b).sum(dtype=np.float64)
    return float(total)
