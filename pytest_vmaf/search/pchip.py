"""PCHIP: monotone piecewise cubics through rising points, and their exact integrals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def pchip(x: Sequence[float], y: Sequence[float], at: float) -> float:
    """The value of the monotone piecewise cubic through rising points, at a place between them."""
    import numpy as np

    xs, ys, slopes = np.asarray(x), np.asarray(y), _slopes(x, y)
    i = min(int(np.searchsorted(xs, at, side="right")), len(xs) - 1) - 1
    h = xs[i + 1] - xs[i]
    s = (at - xs[i]) / h
    return float(
        (1 + 2 * s) * (1 - s) ** 2 * ys[i]
        + s * (1 - s) ** 2 * h * slopes[i]
        + s**2 * (3 - 2 * s) * ys[i + 1]
        + s**2 * (s - 1) * h * slopes[i + 1]
    )


def pchip_integral(x: Sequence[float], y: Sequence[float], low: float, high: float) -> float:
    """The exact integral of `pchip` from low to high, both between the points."""
    import numpy as np

    xs, ys, slopes = np.asarray(x), np.asarray(y), _slopes(x, y)
    h = np.diff(xs)

    def up_to(end: float) -> float:
        s = np.clip((end - xs[:-1]) / h, 0, 1)
        rise = s**3 - s**4 / 2  # the antiderivative of s²(3 - 2s)
        pieces = h * (
            (s - rise) * ys[:-1]
            + (s**2 / 2 - 2 * s**3 / 3 + s**4 / 4) * h * slopes[:-1]
            + rise * ys[1:]
            + (s**4 / 4 - s**3 / 3) * h * slopes[1:]
        )
        return float(pieces.sum())

    return up_to(high) - up_to(low)


def _slopes(x: Sequence[float], y: Sequence[float]) -> NDArray[np.float64]:
    """The derivatives of the PCHIP at its points. Both x and y rise strictly, so every slope is above 0.

    Between the ends, it is the weighted harmonic mean of F. N. Fritsch and J. Butland (SIAM J. Sci. Stat. Comput. 5,
    1984, 300-304), monotone in the sense of F. N. Fritsch and R. E. Carlson (SIAM J. Numer. Anal. 17, 1980, 238-246).
    At the ends, it is the three-point formula of C. Moler, "Numerical Computing with MATLAB", 2004, section 3.6, as in
    MATLAB and SciPy.
    """
    import numpy as np

    h = np.diff(x)
    m = np.diff(y) / h
    slopes = np.full(len(x), m[0])
    if len(m) > 1:
        w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
        slopes[1:-1] = (w1 + w2) / (w1 / m[:-1] + w2 / m[1:])
        for end, (h0, h1), (m0, m1) in ((0, h[:2], m[:2]), (-1, h[:-3:-1], m[:-3:-1])):
            slopes[end] = max(((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1), 0)
    return slopes
