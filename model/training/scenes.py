"""Rendered scenes with known salient objects: the only data that the saliency model is trained on.

A scene is a background with up to six objects in front, which differ from their surroundings to a varying degree, seen
through a camera. The ground truth is the objects' coverage. Everything follows from a random generator; no file is
read. Objects are near the centre and away from the border: the boundary prior of Zhu et al. 2014 (CVPR, "Saliency
optimization from robust background detection").
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scene_backgrounds import background
from scene_objects import MAKERS, Part
from scene_textures import NATURE, Array, Random, Shape, blur, fabric, grid, noise

#: Height and width of rendered scenes.
FRAME: Shape = (128, 224)


def render(rng: Random, shape: Shape = FRAME) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Render one scene: RGB [h,w,3], and the salient objects' coverage [h,w] from 0 to 255."""
    image = background(rng, shape)
    truth: Array = np.zeros(shape, np.float32)
    defocus = rng.choice([0.0, 0.0, 0.0, 0.6, 1.2, 3.0])
    image = blur(image, defocus)
    image = np.clip(image * rng.uniform(0.5, 1.05) + rng.uniform(0, 0.12), 0, 1)
    first = 0.03 + 0.7 * float(rng.beta(1.2, 2.2))
    count = int(rng.choice([0, 1, 2, 3, 6], p=[0.03, 0.55, 0.22, 0.12, 0.08]))
    maker = MAKERS[int(rng.integers(len(MAKERS)))]
    alike = rng.random() < 0.4
    for index in range(count):
        size = first / (1 if index == 0 and not alike else count) * float(rng.uniform(0.6, 1.2))
        image, coverage = place(rng, image, maker, size, 1.0 if count < 3 else 1.6)
        truth = np.maximum(truth, coverage)
        maker = maker if alike else MAKERS[int(rng.integers(len(MAKERS)))]
    if rng.random() < 0.08:  # an object out of focus close to the camera, cut off by the frame's border
        image, near = edge_thing(rng, image)
        truth = truth * (1 - near)
    return camera(rng, image, truth)


def place(
    rng: Random, image: Array, maker: Callable[[Random], list[tuple[Part, int]]], share: float, spread: float
) -> tuple[Array, Array]:
    """Draw an object that covers about `share` of the frame. Returns the new image and the object's coverage."""
    h, w = image.shape[:2]
    y, x = grid((h, w))
    parts = maker(rng)
    coarse = np.meshgrid(*[np.linspace(-2, 2, 41, dtype=np.float32)] * 2)
    area = 0.01 * np.count_nonzero(np.min([part(*coarse) for part, _ in parts], 0) < 0)
    half = min(np.sqrt(share * h * w / area), 0.9 * h)
    cx, cy = w * np.clip(rng.normal(0.5, 0.15 * spread), 0, 1), h * np.clip(rng.normal(0.52, 0.1 * spread), 0.05, 0.95)
    if rng.random() < 0.3:  # at the bottom, or cut off by it
        cy = h - half * rng.uniform(0.5, 1.0)
    angle, flip = rng.normal(0, 0.12), rng.choice([-1, 1]) * rng.uniform(0.75, 1.3)
    warp = rng.choice([0, 0.03, 0.08])
    c, s = np.cos(angle), np.sin(angle)
    lx = (c * (x - cx) + s * (y - cy)) / half * flip + warp * noise(rng, (h, w), 2)
    ly = (c * (y - cy) - s * (x - cx)) / half + warp * noise(rng, (h, w), 2)
    depths = [np.asarray(-half * part(lx, ly), np.float32) for part, _ in parts]  # pixels inside the part's outline
    covers = [np.clip(0.5 + depth / 1.2, 0, 1) for depth in depths]
    whole = np.max(covers, 0)
    ring = np.clip(blur(whole, h / 20) * 4, 0, 1) * (1 - whole) + 1e-4
    around = (image * ring[..., None]).sum((0, 1)) / ring.sum()
    fabrics = dress(rng, (h, w), around)
    light = 1 + rng.uniform(0, 0.4) * np.tanh(2 * (np.cos(turn := rng.uniform(0, 6.3)) * lx + np.sin(turn) * ly))
    round_off = rng.uniform(0, 0.45)
    shadow = np.roll(blur(whole, h / rng.uniform(10, 40)), (int(half * 0.15), int(rng.normal(0, 0.2) * half)), (0, 1))
    image = image * (1 - rng.uniform(0, 0.6) * shadow * (1 - whole))[..., None]
    for cover, depth, (_, index) in zip(covers, depths, parts, strict=True):
        rim = 1 - round_off * np.exp(-np.maximum(depth, 0) / (half * 0.12))
        image = image * (1 - cover[..., None]) + (fabrics[index] * (light * rim)[..., None]) * cover[..., None]
    return np.clip(image, 0, 1).astype(np.float32), whole


def dress(rng: Random, shape: Shape, around: Array) -> list[Array]:
    """Four fabrics for an object. The first differs from the colour around it to a varying degree."""
    strength = rng.uniform(0, 0.9)
    wanted = rng.choice([0.12, 0.2, 0.35, 0.5])
    hues = NATURE if rng.random() < 0.25 else None
    main = fabric(rng, shape, hues, "", strength)
    for _ in range(6):
        if np.abs(main.mean((0, 1)) - around).max() > wanted:
            break
        main = fabric(rng, shape, hues, "", strength)
    if rng.random() < 0.3:  # more vivid than most surroundings
        grey = main.mean(2, keepdims=True)
        main = grey + rng.uniform(1.2, 2.2) * (main - grey)
    second = fabric(rng, shape, None, "", strength) if rng.random() < 0.6 else main * rng.uniform(0.5, 1.4)
    skin = np.array([1, 0.76, 0.62], np.float32) * rng.uniform(0.35, 0.95)
    third = np.broadcast_to(skin, main.shape) if rng.random() < 0.5 else fabric(rng, shape, None, "", 0.3)
    return [
        main,
        second,
        third * (1 + 0.05 * noise(rng, shape, 1.5))[..., None],
        main * 0.2 if rng.random() < 0.5 else second * 0.5,
    ]


def edge_thing(rng: Random, image: Array) -> tuple[Array, Array]:
    """Draw a blurred, mostly dark shape at a border, which is not salient."""
    h, w = image.shape[:2]
    y, x = grid((h, w))
    side = [x, w - x, h - y, y][int(rng.integers(4))]
    cover = blur((side + 6 * noise(rng, (h, w), 1.8) < rng.uniform(5, 35)).astype(np.float32), rng.uniform(1, 5))
    return image * (1 - cover[..., None]) + fabric(rng, (h, w), NATURE) * rng.uniform(0.1, 0.8) * cover[
        ..., None
    ], cover


def camera(rng: Random, image: Array, truth: Array) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Apply exposure, colour cast, vignette, softness, block coding, noise, flip and letterbox, and round to 8 bits."""
    h, w = truth.shape
    y, x = grid((h, w))
    image = blur(image, rng.choice([0, 0, 0.4, 0.6, 1.0]))
    image = np.clip(image * rng.normal(1, 0.06, 3), 0, 1) ** np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.5:
        low, high = np.percentile(image, [1, 99])
        image = np.clip((image - low) / (high - low + 0.05), 0, 1)
    image = image * (1 - rng.choice([0, 0.2, 0.6]) * ((x / w - 0.5) ** 2 + (y / h - 0.5) ** 2))[..., None]
    if rng.random() < 0.08:
        image = np.repeat(image @ np.array([[0.3], [0.59], [0.11]], np.float32), 3, 2)
    if rng.random() < 0.3:
        image = coded(image, rng.uniform(0.02, 0.12))
    image = image + rng.choice([0, 0.01, 0.03]) * rng.normal(size=image.shape)
    if rng.random() < 0.04:
        bar = int(rng.integers(4, h // 7))
        image[:bar] = image[h - bar :] = 0
        truth = truth * ((y >= bar) & (y < h - bar))
    if rng.random() < 0.5:
        image, truth = image[:, ::-1], truth[:, ::-1]
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8), np.rint(truth * 255).astype(np.uint8)


def coded(image: Array, step: float) -> Array:
    """Quantise 8x8 cosine coefficients as a block coder does, coarser for higher frequencies."""
    h, w = (side // 8 * 8 for side in image.shape[:2])
    k = np.arange(8)
    basis = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / 16) * np.where(k[:, None], 0.5, 0.5**1.5)
    blocks = image[:h, :w].reshape(h // 8, 8, w // 8, 8, 3)
    table = (step * (1 + 0.5 * (k[:, None] + k[None])))[None, :, None, :, None]
    coefficients = np.einsum("ui,yixjc,vj->yuxvc", basis, blocks, basis, optimize=True)
    decoded = np.einsum("ui,yuxvc,vj->yixjc", basis, np.rint(coefficients / table) * table, basis, optimize=True)
    image = image.copy()
    image[:h, :w] = decoded.reshape(h, w, 3)
    return image
