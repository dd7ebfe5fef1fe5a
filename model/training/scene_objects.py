"""Objects of rendered scenes: people, animals, vehicles and things, drawn from parts.

A part is a signed distance (negative inside) of local coordinates x and y, in which an object is about two units high.
Each part is listed with the number of its fabric. Later parts are in front of earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scene_textures import Array, Random

Part = Callable[[Array, Array], Array]


def ellipse(cx: float, cy: float, rx: float, ry: float) -> Part:
    """An axis-aligned ellipse."""
    return lambda x, y: (np.hypot((x - cx) / rx, (y - cy) / ry) - 1) * min(rx, ry)


def limb(ax: float, ay: float, bx: float, by: float, ra: float, rb: float) -> Part:
    """A capsule from a to b whose radius changes from ra to rb."""

    def distance(x: Array, y: Array) -> Array:
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        return np.asarray(np.hypot(x - ax - t * dx, y - ay - t * dy) - (ra + t * (rb - ra)), np.float32)

    return distance


def box(cx: float, cy: float, rx: float, ry: float, lean: float = 0.0) -> Part:
    """A box, narrower at its top for a positive lean."""
    return lambda x, y: np.maximum(abs(x - cx) - rx * (1 + lean * (y - cy) / ry), abs(y - cy) - ry)


def star(rng: Random, points: int, depth: float) -> Part:
    """A closed curve whose radius is a sum of a few harmonics."""
    waves = [(k, depth * rng.normal() / k, rng.uniform(0, 6.3)) for k in range(2, points)]
    aspect = rng.uniform(0.5, 1.5)

    def distance(x: Array, y: Array) -> Array:
        angle = np.arctan2(y, x / aspect)
        radius = 0.8 + sum((a * np.cos(k * angle + p) for k, a, p in waves), np.zeros_like(x))
        return np.asarray(np.hypot(x / aspect, y) - radius, np.float32)

    return distance


def person(rng: Random) -> list[tuple[Part, int]]:
    """Legs, torso, arms, head and hair, or the upper half only."""
    u = rng.uniform
    bust = rng.random() < 0.45
    shoulder, hip, head = u(0.2, 0.3), u(0.12, 0.2), u(0.12, 0.17)
    torso = limb(0, -0.45, 0, 0.1, shoulder, hip)
    parts = [(limb(s * hip / 2, 0.1, s * u(0, 0.35), 0.95, 0.1, 0.06), 1) for s in (-1, 1)]
    parts += [(torso, 0)]
    parts += [
        (limb(s * shoulder * 0.8, -0.5, s * u(0.15, 0.6), u(-0.6, 0.2), 0.08, 0.05), int(rng.integers(0, 3)))
        for s in (-1, 1)
    ]
    top = [(ellipse(0, -0.83, head * 0.85, head * 1.1), 3), (ellipse(0, -0.83, head * 0.75, head), 2)]
    if bust:
        s = u(1.6, 2.4)
        body = [(ellipse(0, 1.0, u(0.55, 0.95), u(0.75, 1.0)), 0), (limb(0, 0.2, 0, 0.5, 0.2, 0.25), 2)]
        face = [
            (ellipse(0, -0.35, head * s * 1.1, head * s * 1.45), 3),
            (ellipse(0, -0.22, head * s * 0.9, head * s * 1.2), 2),
        ]
        return body + face
    return parts + top


def animal(rng: Random) -> list[tuple[Part, int]]:
    """An animal from the side (legs, body, neck, head, tail), or a sitting one from the front (body, head, ears)."""
    u = rng.uniform
    if rng.random() < 0.4:
        r = u(0.3, 0.45)
        ears = [(limb(s * r * 0.6, -0.6, s * r * u(0.7, 1.2), -0.95, 0.14, 0.04), 0) for s in (-1, 1)]
        face = [(ellipse(s * r * 0.4, -0.5, 0.06, 0.06), 3) for s in (-1, 1)] + [(ellipse(0, -0.3, 0.12, 0.08), 1)]
        return [
            (ellipse(0, 0.4, u(0.4, 0.7), 0.65), 0),
            (ellipse(0, 0.5, 0.25, 0.4), 1),
            *ears,
            (ellipse(0, -0.45, r, r * 0.9), 0),
            *face,
        ]
    length, thick, leg = u(0.5, 1.0), u(0.22, 0.4), u(0.5, 0.9)
    parts: list[tuple[Part, int]] = [
        (limb(s * length * u(0.6, 0.95), 0, s * length * u(0.5, 1.1), leg, 0.12, 0.05), int(rng.integers(0, 2)))
        for s in (-1, -1, 1, 1)
    ]
    neck = (length * u(1, 1.3), -u(0.2, 0.7))
    parts += [
        (limb(-length, -0.1, -length * u(1.1, 1.6), u(-0.6, 0.4), 0.08, 0.03), 0),
        (limb(-length * 0.8, 0, length * 0.8, 0, thick, thick * u(0.8, 1.2)), 0),
    ]
    parts += [
        (limb(length * 0.8, 0, *neck, thick * 0.7, 0.15), 0),
        (ellipse(*neck, u(0.2, 0.32), u(0.15, 0.22)), int(rng.integers(0, 2))),
    ]
    return parts


def vehicle(rng: Random) -> list[tuple[Part, int]]:
    """Body, cabin with window, wheels."""
    u = rng.uniform
    length, cabin = u(0.9, 1.8), u(0.4, 0.9)
    wheels = [(ellipse(s * length * 0.6, 0.4, r := u(0.2, 0.3), r), 3) for s in (-1, 1)]
    top = [(box(u(-0.3, 0.3), -0.35, cabin, 0.35, u(0, 0.4)), 0), (box(u(-0.2, 0.2), -0.35, cabin * 0.7, 0.2, 0.2), 1)]
    return [*top, (box(0, 0.15, length, u(0.25, 0.35)), 0), *wheels]


def thing(rng: Random) -> list[tuple[Part, int]]:
    """A vessel, flower, tower, cluster or array of discs, ball, sign, frame of bars, rock, or blob with blobs on it."""
    u = rng.uniform
    pick = int(rng.integers(11))
    if pick == 0:
        return [
            (ellipse(0.6, 0, 0.35, 0.35), 0),
            (box(0, 0, 0.6, 0.7, -u(0, 0.4)), 0),
            (ellipse(0, -0.7, 0.6, 0.15), 1),
            (ellipse(0, 0.7, 1.1, 0.16), 2),
        ]
    if pick == 1:
        petals = int(rng.integers(5, 14))
        ring: list[tuple[Part, int]] = [(limb(0, 0.3, u(-0.2, 0.2), 1.6, 0.05, 0.04), 2)]
        ring += [
            (limb(0, 0, 0.6 * np.cos(a), 0.6 * np.sin(a), 0.1, 0.28), k % 2)
            for k, a in enumerate(np.linspace(0, 6.28, petals))
        ]
        return [*ring, (ellipse(0, 0, 0.25, 0.25), 3)]
    if pick == 2:
        floors = int(rng.integers(1, 5))
        return [
            (
                box(0, 1 - 2 * (k + 0.5) / floors, 0.5 - 0.35 * k / floors, 1.02 / floors, u(0, 0.4)),
                int(rng.integers(0, 3)),
            )
            for k in range(floors)
        ]
    if pick == 3:
        return [
            (ellipse(u(-0.8, 0.8), u(-0.6, 0.6), r := u(0.2, 0.45), r), int(rng.integers(4)))
            for _ in range(int(rng.integers(3, 8)))
        ]
    if pick == 4:
        return [(ellipse(0, 0, u(0.6, 1.2), 0.8), 0), (ellipse(u(-0.3, 0.3), u(-0.3, 0.3), 0.4, 0.3), 1)]
    if pick == 5:
        return [
            (box(0, 0, u(0.5, 1.2), u(0.5, 0.9), u(-0.2, 0.2)), 0),
            (box(0, 0, 0.4, u(0.1, 0.4)), 1),
            (box(0, 0.9, 0.05, 0.5), 2),
        ]
    if pick == 6:
        rows, columns = int(rng.integers(1, 5)), int(rng.integers(2, 7))
        r, index = u(0.25, 0.45), int(rng.integers(2))
        step = 2 / max(rows, columns / 1.6)
        cells = [(i - columns / 2 + 0.5, j - rows / 2 + 0.5) for i in range(columns) for j in range(rows)]
        return [
            (ellipse(i * step, j * step, r * step, r * step), int(i + j) % 2 * index)
            for i, j in [(round(a * 2) / 2, round(b * 2) / 2) for a, b in cells]
        ]
    if pick == 7:
        return [
            (limb(u(-1, 1), u(-1, 1), u(-1, 1), u(-1, 1), u(0.02, 0.12), u(0.02, 0.12)), int(rng.integers(3)))
            for _ in range(int(rng.integers(4, 10)))
        ]
    if pick == 8:
        return [
            (limb(u(-1.2, -0.5), u(0, 0.5), u(0.5, 1.2), u(0, 0.5), u(0.4, 0.8), u(0.3, 0.8)), int(rng.integers(2)))
            for _ in range(int(rng.integers(1, 4)))
        ]
    blobs = [(star(rng, int(rng.integers(3, 9)), u(0.05, 0.35)), 0)]
    return blobs + [
        (ellipse(u(-0.5, 0.5), u(-0.5, 0.5), u(0.1, 0.4), u(0.1, 0.4)), int(rng.integers(1, 4)))
        for _ in range(int(rng.integers(0, 5)))
    ]


#: The kinds of objects. Those that occur twice are twice as likely.
MAKERS = (person, person, animal, vehicle, thing, thing)
