"""Textures of rendered scenes: noise, patterns and colours, from a random generator only.

Sources: Field 1987 (J. Opt. Soc. Am. A 4) for spectra that fall with frequency; Lee, Mumford and Huang 2001 (Int. J.
Computer Vision 41) for occluding shapes with power-law sizes ("dead leaves").
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Shape = tuple[int, int]
Random = np.random.Generator


def noise(rng: Random, shape: Shape, slope: float, stretch: tuple[float, float] = (1.0, 1.0)) -> Array:
    """Noise of mean 0 and deviation 1 whose amplitude falls with frequency as 1/f^slope."""
    fy, fx = np.fft.fftfreq(shape[0])[:, None] * stretch[0], np.fft.rfftfreq(shape[1])[None] * stretch[1]
    distance = np.hypot(fy, fx)
    distance[0, 0] = np.inf
    parts = rng.standard_normal((2, *distance.shape), np.float32) / distance.astype(np.float32) ** np.float32(slope)
    spectrum = parts[0] + 1j * parts[1]
    field = np.fft.irfft2(spectrum, shape)
    return np.asarray(field / (field.std() + 1e-9), np.float32)


def blur(image: Array, sigma: float) -> Array:
    """A Gaussian over the first two axes, renormalised at the border."""
    if sigma <= 0:
        return image
    rows, columns = _gaussian(image.shape[0], round(sigma, 1)), _gaussian(image.shape[1], round(sigma, 1))
    across = np.matmul(columns, image.reshape(*image.shape[:2], -1))
    blurred: Array = np.matmul(rows, across.reshape(image.shape[0], -1)).reshape(image.shape)
    return blurred


@lru_cache(maxsize=256)
def _gaussian(side: int, sigma: float) -> Array:
    """The matrix that blurs `side` samples."""
    distance = np.arange(side, dtype=np.float32)
    weights = np.exp(-(((distance[:, None] - distance[None]) / max(sigma, 0.1)) ** 2) / 2)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def colours(rng: Random, count: int, hues: tuple[float, ...] | None = None) -> Array:
    """Matching colours, [count,3]: around one hue, mostly muted, spread in lightness."""
    hue = rng.choice(hues) if hues else rng.random()
    h = (hue + rng.normal(0, rng.choice([0.02, 0.06, 0.15]), count)) % 1
    s = np.clip(rng.beta(2, 3) + rng.normal(0, 0.1, count), 0, 1)
    v = np.clip(rng.beta(2, 1.8) + rng.normal(0, rng.choice([0.06, 0.15, 0.25]), count), 0.03, 1)
    k = (np.array([5.0, 3.0, 1.0]) + h[:, None] * 6) % 6
    rgb = v[:, None] * (1 - s[:, None] * np.clip(np.minimum(k, 4 - k), 0, 1))
    return np.asarray(rgb, np.float32)


#: Hues, from 0 to 1, of foliage, earth, sky and stone.
NATURE = (0.22, 0.27, 0.32, 0.1, 0.08, 0.58, 0.62)


def grid(shape: Shape) -> tuple[Array, Array]:
    """Pixel coordinates y, x."""
    y, x = np.arange(shape[0], dtype=np.float32), np.arange(shape[1], dtype=np.float32)
    return np.repeat(y[:, None], shape[1], 1), np.repeat(x[None], shape[0], 0)


def leaves(rng: Random, shape: Shape, small: float, large: float, count: int) -> tuple[NDArray[np.int32], Array]:
    """Dead leaves: which of `count` ellipses or boxes is on top at each pixel, and a value in [0,1] for each."""
    label = np.zeros(shape, np.int32)
    # Density of sizes falls as r^-3 between the smallest and the largest.
    u = rng.random(count)
    radii = 1 / np.sqrt(u / small**2 + (1 - u) / large**2)
    boxes = rng.random() < 0.3
    for index, r in enumerate(radii, 1):
        cy, cx, flat, angle = (
            rng.uniform(0, shape[0]),
            rng.uniform(0, shape[1]),
            rng.uniform(0.4, 1),
            rng.uniform(0, 3.2),
        )
        if boxes and rng.random() < 0.8:
            angle = 0.0
        y0, y1, x0, x1 = max(0, int(cy - r)), int(cy + r) + 2, max(0, int(cx - r)), int(cx + r) + 2
        view = label[y0:y1, x0:x1]
        y, x = np.arange(y0, y0 + view.shape[0])[:, None], np.arange(x0, x0 + view.shape[1])[None]
        c, s = np.cos(angle), np.sin(angle)
        a, b = (c * (x - cx) + s * (y - cy)) / r, (c * (y - cy) - s * (x - cx)) / (r * flat)
        view[np.maximum(abs(a), abs(b)) < 0.75 if boxes else a * a + b * b < 1] = index
    return label, rng.random(count + 1).astype(np.float32)


def field(rng: Random, shape: Shape, kind: str = "") -> Array:
    """A texture's pattern in [0,1]."""
    y, x = grid(shape)
    kind = kind or str(rng.choice(["cloud", "grain", "stripes", "bricks", "spots", "leaves", "flat", "grass"]))
    angle, period = rng.choice([0, 1.57, rng.uniform(0, 3.2)]), rng.uniform(4, 30)
    if kind == "stripes":
        phase = (np.cos(angle) * x + np.sin(angle) * y) / period + rng.choice([0, 0.1, 0.5]) * noise(rng, shape, 2)
        return np.asarray(0.5 + 0.5 * np.tanh(rng.uniform(0.5, 5) * np.sin(6.28 * phase)), np.float32)
    if kind == "bricks":
        row = np.floor(y / period)
        across = x / (period * rng.uniform(1, 2.5)) + 0.5 * (row % 2) * (rng.random() < 0.7)
        tone = rng.random(997)[(row * 31 + np.floor(across) * 7).astype(int) % 997]
        joint = np.minimum(y / period % 1, across % 1) < 0.12
        return np.asarray(np.where(joint, rng.random(), 0.3 + 0.4 * tone), np.float32)
    if kind == "leaves":
        label, value = leaves(rng, shape, rng.uniform(1.5, 3), rng.uniform(6, 14), 350)
        return value[label]
    if kind == "flat":
        return np.asarray(np.clip(0.5 + 0.15 * noise(rng, shape, 2.5), 0, 1), np.float32)
    if kind == "grass":
        pattern = noise(rng, shape, rng.uniform(0.6, 1.2), (rng.uniform(0.2, 0.5), 1.0))
    elif kind == "grain":
        pattern = noise(rng, shape, rng.uniform(0.2, 1.0))
    else:
        pattern = noise(rng, shape, rng.uniform(1.1, 2.0))
        if kind == "spots":
            pattern = 2.5 * np.tanh(4 * (pattern - rng.uniform(-0.5, 1)))
    return np.asarray(1 / (1 + np.exp(-1.3 * pattern)), np.float32)


def paint(rng: Random, pattern: Array, ramp: Array) -> Array:
    """Colour a pattern along a ramp of colours, with fine grain: [h,w,3]."""
    position = np.clip(pattern, 0, 0.999) * (len(ramp) - 1)
    low = position.astype(np.int32)
    share = (position - low)[..., None]
    grain = rng.choice([0.0, 0.02, 0.06]) * noise(rng, pattern.shape, rng.uniform(0, 1))[..., None]
    return np.asarray(ramp[low] * (1 - share) + ramp[np.minimum(low + 1, len(ramp) - 1)] * share + grain, np.float32)


def fabric(
    rng: Random, shape: Shape, hues: tuple[float, ...] | None = None, kind: str = "", strength: float = 1
) -> Array:
    """A texture of matching colours. A low strength leaves little of its pattern."""
    return paint(rng, 0.5 + strength * (field(rng, shape, kind) - 0.5), colours(rng, int(rng.integers(2, 5)), hues))
