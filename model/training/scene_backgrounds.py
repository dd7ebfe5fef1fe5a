"""Backgrounds of rendered scenes: open country, woods, interiors, clutter, bokeh and studios."""

from __future__ import annotations

import numpy as np
from scene_textures import NATURE, Array, Random, Shape, blur, colours, fabric, field, grid, leaves, noise, paint


def background(rng: Random, shape: Shape) -> Array:
    """Render a background without salient objects, [h,w,3]."""
    kinds = [country, country, wood, interior, clutter, bokeh, studio]
    return kinds[int(rng.integers(len(kinds)))](rng, shape)


def country(rng: Random, shape: Shape) -> Array:
    """Sky, a skyline of hills, trees or houses, and ground that gets coarser towards the viewer."""
    y, x = grid(shape)
    h, w = shape
    horizon = h * rng.uniform(-0.1, 0.75)
    sky = paint(rng, np.clip(y / h + 0.1 * noise(rng, shape, 2), 0, 1), colours(rng, 3, (0.55, 0.6, 0.62, 0.1)) ** 0.6)
    ground = fabric(rng, shape, NATURE, "", rng.uniform(0.1, 1))
    depth = np.clip((y - horizon) / h, 0.02, 1)  # perspective: sample the texture at x/depth, 1/depth
    v = (rng.uniform(10, 60) / depth).astype(int) % h
    u = ((x - w / 2) * rng.uniform(0.4, 1) / (depth + 0.3) + w).astype(int) % w
    image = np.where((y > horizon)[..., None], ground[v, u], sky)
    for _ in range(int(rng.integers(0, 4))):
        line = noise(rng, (2, w), rng.uniform(0.8, 2))[0] * rng.uniform(1, 8)
        if rng.random() < 0.4:
            line = np.repeat(line[:: int(rng.integers(8, 30))], 30)[:w]
            line = np.pad(line, (0, w - len(line)), "edge")
        top, foot = horizon - rng.uniform(-4, 40) + line, horizon + rng.uniform(0, 12)
        layer = fabric(rng, shape, NATURE, "", rng.uniform(0.1, 0.8)) * rng.uniform(0.4, 1)
        image = np.where(((y > top) & (y < foot))[..., None], layer, image)
    return np.asarray(image, np.float32)


def wood(rng: Random, shape: Shape) -> Array:
    """Unevenly lit foliage, with trunks and a path."""
    y, x = grid(shape)
    image = fabric(rng, shape, NATURE[:4], str(rng.choice(["leaves", "cloud", "grain", "grass"])))
    image = image * (0.75 + 0.3 * np.tanh(noise(rng, shape, 1.6)))[..., None]
    for _ in range(int(rng.integers(0, 5))):
        centre = rng.uniform(0, shape[1]) + rng.normal(0, 0.15) * y
        trunk = abs(x - centre) < rng.uniform(2, 14)
        image = np.where(trunk[..., None], fabric(rng, shape, (0.06, 0.1), "grass") * rng.uniform(0.2, 0.8), image)
    if rng.random() < 0.5:
        path = y > shape[0] * rng.uniform(0.6, 0.95) + 0.1 * x * rng.normal()
        image = np.where(path[..., None], fabric(rng, shape, NATURE, "", 0.4), image)
    return np.asarray(image, np.float32)


def interior(rng: Random, shape: Shape) -> Array:
    """A wall, a floor or a table, and rectangles (windows, pictures, furniture), mostly cut off by the frame."""
    y, x = grid(shape)
    h, w = shape
    image = fabric(
        rng, shape, None, str(rng.choice(["flat", "flat", "stripes", "bricks", "cloud"])), rng.uniform(0.1, 0.7)
    )
    floor = y > h * rng.uniform(0.5, 1.1) + rng.normal(0, 0.1) * (x - w / 2)
    image = np.where(floor[..., None], fabric(rng, shape, None, "", rng.uniform(0.1, 0.7)), image)
    for _ in range(int(rng.integers(1, 8))):
        cx, cy = (
            (rng.uniform(0, w), rng.uniform(0, h)) if rng.random() < 0.4 else (rng.choice([0, w]), rng.uniform(0, h))
        )
        inside = (
            np.maximum(abs(x - cx + rng.normal(0, 0.1) * y) / rng.uniform(6, 70), abs(y - cy) / rng.uniform(6, 60)) < 1
        )
        tone = 0.5 * image + 0.5 * fabric(rng, shape, None, "", 0.3) if rng.random() < 0.6 else colours(rng, 1)[0]
        image = np.where(inside[..., None], tone, image)
    light = 1 + 0.35 * np.tanh(rng.normal() * (x / w - 0.5) + rng.normal() * (y / h - 0.5))
    return np.asarray(image * light[..., None], np.float32)


def clutter(rng: Random, shape: Shape) -> Array:
    """Dead leaves of all sizes, each with its own colour around a common palette."""
    count = int(rng.integers(60, 700))
    label, _ = leaves(rng, shape, rng.uniform(2, 8), rng.uniform(20, 80), count)
    each = colours(rng, count + 1, NATURE)
    each = each * 0.7 + 0.3 * rng.random((count + 1, 3)) if rng.random() < 0.4 else each
    return np.asarray(each[label] * (0.8 + 0.4 * field(rng, shape, "grain"))[..., None], np.float32)


def bokeh(rng: Random, shape: Shape) -> Array:
    """A scene far out of focus, sometimes with discs of light."""
    image = blur(clutter(rng, shape), rng.uniform(4, 12))
    label, value = leaves(rng, shape, 3, 10, int(rng.integers(1, 40)))
    lights: Array = (rng.uniform(0, 0.5) * value[label] * (label > 0))[..., None] * colours(rng, 1)[0]
    return image + lights


def studio(rng: Random, shape: Shape) -> Array:
    """One plain or finely textured surface, lit from a side."""
    image = fabric(rng, shape, None, "", rng.uniform(0, 0.5))
    return image * (1 + 0.2 * np.tanh(noise(rng, shape, 2.5)))[..., None]
