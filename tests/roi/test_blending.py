"""Blends, weights, colours and resampling, compared with a second implementation sample by sample."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from pytest_vmaf.errors import MaskError
from pytest_vmaf.roi.blending import (
    MATRICES,
    Layout,
    Planes,
    alpha_of,
    blend,
    coverage,
    layout_of,
    planes_of,
    rgb_of,
    weights_of,
)
from pytest_vmaf.roi.resample import nearest, pad, upsample

SUFFIXES = {8: "", 10: "10le", 12: "12le", 16: "16le"}
one = np.float32(1)

layouts = st.builds(
    Layout,
    st.integers(1, 23),
    st.integers(1, 23),
    st.sampled_from(["420", "422", "444"]),
    st.sampled_from([8, 9, 10, 12, 14, 16]),
)


def filled(layout: Layout, *values: int) -> Planes:
    """A frame with one value in each plane."""
    planes = planes_of(bytearray(layout.frame_bytes), layout)
    for plane, value in zip(planes, values, strict=True):
        plane[:] = value
    return planes


def noise(layout: Layout, rng: np.random.Generator) -> Planes:
    samples = layout.frame_bytes // layout.dtype.itemsize
    values = rng.integers(0, layout.maximum + 1, samples)
    # The ends of the scale are where a clip goes wrong.
    extremes = rng.random(samples)
    values[extremes < 0.2], values[extremes > 0.8] = 0, layout.maximum
    return planes_of(values.astype(layout.dtype).tobytes(), layout)


def mask_of(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    if kind == "noise":
        return rng.random(shape, np.float32)
    mask = np.full(shape, {"zeros": 0, "spot": 0, "half": 0.5, "ones": 1}[kind], np.float32)
    if kind == "spot":
        # At most 4 by 3, somewhere, with borders in it.
        mask[shape[0] // 3 :, shape[1] // 2 :][:4, :3] = 0.35
        mask[shape[0] // 3 :, shape[1] // 2 :][1:3, :2] = 0.9
    return mask


def blended(reference: Planes, distorted: Planes, alpha: NDArray[Any], layout: Layout) -> list[NDArray[Any]]:
    out = planes_of(bytearray(b"\xaa" * layout.frame_bytes), layout)
    blend(reference, distorted, weights_of(alpha, layout), out)
    return list(out)


def alpha_of_sample(mask: np.float32, threshold: float, fade: float) -> np.float32:
    if fade == 0:
        return one if mask >= np.float32(threshold) else np.float32(0)
    with np.errstate(over="ignore"):
        return min(max((mask - np.float32(threshold)) / np.float32(fade), np.float32(0)), one)


def blend_sample(ref: int, dis: int, alpha: np.float32, maximum: int) -> int:
    value = np.float32(ref) * (one - alpha) + np.float32(dis) * alpha
    return min(max(round(float(value)), 0), maximum)


def blended_by_sample(reference: Planes, distorted: Planes, alpha: NDArray[Any], layout: Layout) -> list[list[Any]]:
    planes = []
    for ref, dis in zip(reference, distorted, strict=True):
        (height, width), (tall, wide) = ref.shape, alpha.shape
        planes.append(
            [
                [
                    blend_sample(
                        int(ref[y, x]),
                        int(dis[y, x]),
                        alpha[min(y * tall // height, tall - 1), min(x * wide // width, wide - 1)],
                        layout.maximum,
                    )
                    for x in range(width)
                ]
                for y in range(height)
            ]
        )
    return planes


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("depth", SUFFIXES)
def test_blend_seed_example(depth: int, chroma: str) -> None:
    layout = layout_of(f"yuv{chroma}p{SUFFIXES[depth]}", 4, 4)
    up = 1 << (depth - 8)
    mask = np.float32([[0, 0, 1, 1]] * 4)
    y, u, v = blended(
        filled(layout, 10 * up, 20 * up, 30 * up),
        filled(layout, 110 * up, 120 * up, 130 * up),
        alpha_of(mask, 0.5, 0),
        layout,
    )
    assert (y == np.array([10, 10, 110, 110]) * up).all()
    row = [20, 20, 120, 120] if chroma == "444" else [20, 120]
    assert u.tolist() == [[value * up for value in row]] * (2 if chroma == "420" else 4)
    assert v.tolist() == [[(value + 10) * up for value in row]] * (2 if chroma == "420" else 4)


@pytest.mark.parametrize(("depth", "values"), [(8, (0, 255)), (10, (1, 1023)), (12, (4094, 1)), (16, (65535, 0))])
def test_halves_round_to_even(depth: int, values: tuple[int, int]) -> None:
    layout = layout_of(f"yuv444p{SUFFIXES[depth]}", 3, 2)
    ref, dis = values
    half = np.full((2, 3), 0.5, np.float32)
    y, _, _ = blended(filled(layout, ref, 0, 0), filled(layout, dis, 0, 0), half, layout)
    expected = round((ref + dis) / 2)
    assert (y == expected).all()
    assert (ref + dis) % 2 == 0 or expected % 2 == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 4), (3, 5), (5, 3), (17, 1), (1, 18)])
@pytest.mark.parametrize("chroma", ["420", "422", "444"])
def test_blend_odd_sizes(size: tuple[int, int], chroma: str) -> None:
    layout = layout_of(f"yuv{chroma}p", *size)
    rng = np.random.default_rng(3)
    reference, distorted = noise(layout, rng), noise(layout, rng)
    alpha = rng.random(size[::-1], np.float32)
    expected = blended_by_sample(reference, distorted, alpha, layout)
    assert [plane.tolist() for plane in blended(reference, distorted, alpha, layout)] == expected


@settings(max_examples=30, deadline=None)
@given(
    layouts,
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]) | st.floats(0, 1),
    st.sampled_from([0.0, 0.1, 1.0, 1e-44]) | st.floats(0, 2),
    st.sampled_from(["noise", "spot", "zeros", "ones", "half"]),
)
def test_blend_formula(layout: Layout, seed: int, threshold: float, fade: float, kind: str) -> None:
    rng = np.random.default_rng(seed)
    reference, distorted = noise(layout, rng), noise(layout, rng)
    mask = mask_of(kind, (layout.height, layout.width), rng)
    alpha = alpha_of(mask, threshold, fade)
    assert alpha.dtype == np.float32
    assert alpha.tolist() == [
        [float(alpha_of_sample(value, threshold, float(np.float32(fade)))) for value in row] for row in mask
    ]
    found = blended(reference, distorted, alpha, layout)
    assert [plane.tolist() for plane in found] == blended_by_sample(reference, distorted, alpha, layout)


def test_blend_all_bytes() -> None:
    layout = layout_of("yuv444p", 256, 256)
    rows, columns = np.indices((256, 256)).astype(np.uint8)
    reference, distorted = (rows,) * 3, (columns,) * 3
    for alpha, expected in ((0, rows), (1, columns)):
        for plane in blended(reference, distorted, np.full((256, 256), alpha, np.float32), layout):
            assert (plane == expected).all()


def test_blend_all_16_bit_values() -> None:
    layout = layout_of("yuv420p16le", 512, 256)
    rng = np.random.default_rng(11)
    every = rng.permutation(1 << 16).astype("<u2")
    pixels = np.concatenate([every, every[::-1], every]).tobytes()
    reference, distorted = planes_of(pixels, layout), noise(layout, rng)
    salient = np.zeros((256, 512), np.float32)
    salient[:, 256:] = 1
    for ref, dis, out in zip(reference, distorted, blended(reference, distorted, salient, layout), strict=True):
        middle = ref.shape[1] // 2
        assert (out[:, :middle] == ref[:, :middle]).all()
        assert (out[:, middle:] == dis[:, middle:]).all()


def test_blend_large_frame() -> None:
    layout = layout_of("yuv420p10le", 855, 479)
    rng = np.random.default_rng(5)
    reference, distorted = noise(layout, rng), noise(layout, rng)
    alpha = alpha_of(upsample(rng.random((9, 16), np.float32), 855, 479), 0.3, 0.1)
    chroma = alpha[np.arange(240) * 479 // 240][:, np.arange(428) * 855 // 428]
    found = blended(reference, distorted, alpha, layout)
    for ref, dis, weight, out in zip(reference, distorted, (alpha, chroma, chroma), found, strict=True):
        formula = ref.astype(np.float32) * (one - weight) + dis.astype(np.float32) * weight
        assert (out == np.clip(np.rint(formula), 0, 1023)).all()


@pytest.mark.parametrize("salient", [0, 0.25, 1])
def test_blend_clips_to_depth(salient: float) -> None:
    layout = layout_of("yuv420p10le", 6, 4)
    beyond = filled(layout, 5000, 1024, 65535)
    for plane in blended(beyond, beyond, np.full((4, 6), salient, np.float32), layout):
        assert (plane == 1023).all()


@pytest.mark.parametrize(
    ("pix_fmt", "width", "height", "chroma", "frame_bytes"),
    [
        ("yuv420p", 576, 324, (288, 162), 576 * 324 * 3 // 2),
        ("yuv420p10le", 3, 5, (2, 3), 2 * (15 + 12)),
        ("yuv422p12le", 3, 5, (2, 5), 2 * (15 + 20)),
        ("yuv444p16le", 3, 5, (3, 5), 2 * 45),
        ("yuvj420p", 1, 1, (1, 1), 3),
    ],
)
def test_layout_rounds_chroma_up(
    pix_fmt: str, width: int, height: int, chroma: tuple[int, int], frame_bytes: int
) -> None:
    layout = layout_of(pix_fmt, width, height)
    assert ((layout.chroma_width, layout.chroma_height), layout.frame_bytes) == (chroma, frame_bytes)
    assert [plane.shape[::-1] for plane in planes_of(bytes(frame_bytes), layout)] == [(width, height), chroma, chroma]


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p10be", "nv12", "p010le", "rgb24", "gbrp", "gray", "yuva420p", "yuv410p", ""]
)
def test_layout_refuses_format(pix_fmt: str) -> None:
    with pytest.raises(MaskError, match=f"'{pix_fmt}' cannot be masked"):
        layout_of(pix_fmt, 64, 64)


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-2, 4)])
def test_layout_refuses_empty_frame(size: tuple[int, int]) -> None:
    with pytest.raises(MaskError, match="must be at least 1 pixel"):
        layout_of("yuv420p", *size)


@pytest.mark.parametrize("size", [35, 37, 1])
def test_planes_refuse_size(size: int) -> None:
    with pytest.raises(MaskError, match=rf"6x4 pixels in 4:2:0 with 8 bits must have 36 bytes, not {size}\."):
        planes_of(bytes(size), layout_of("yuv420p", 6, 4))


def test_planes_are_views() -> None:
    layout = layout_of("yuv420p10le", 4, 2)
    for frame in (bytearray(24), np.zeros(12, "<u2"), memoryview(bytearray(24))):
        planes_of(frame, layout)[2][:] = 0x0201
        assert bytes(frame)[-4:] == b"\1\2\1\2"
    assert planes_of(bytes(range(24)), layout)[0][0].tolist() == [0x0100, 0x0302, 0x0504, 0x0706]


def test_alpha_without_fade() -> None:
    mask = np.float32([[0.3, np.nextafter(np.float32(0.3), one), np.nextafter(np.float32(0.3), -one)]])
    assert alpha_of(mask, 0.3, 0).tolist() == [[1, 1, 0]]
    assert alpha_of(mask, 0.3, 1e-300).tolist() == [[1, 1, 0]]


def test_coverage_is_mean_alpha() -> None:
    assert coverage(np.float32([[0, 1], [0.5, 0]])) == 0.375
    assert coverage(np.full((1080, 1920), 0.1, np.float32)) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_nearest_formula(height: int, width: int, new_height: int, new_width: int) -> None:
    plane = np.arange(height * width, dtype=np.float32).reshape(height, width)
    rows = [min(y * height // new_height, height - 1) for y in range(new_height)]
    columns = [min(x * width // new_width, width - 1) for x in range(new_width)]
    assert nearest(plane, new_width, new_height).tolist() == [[plane[y, x] for x in columns] for y in rows]


def naive_bilinear(mask: NDArray[Any], width: int, height: int) -> NDArray[np.float64]:
    def place(index: int, old: int, new: int) -> tuple[int, int, float]:
        centre = (index + 0.5) * old / new - 0.5
        low = int(np.floor(centre))
        return max(low, 0), min(low + 1, old - 1), centre - low

    out = np.empty((height, width))
    for y, x in product(range(height), range(width)):
        top, bottom, down = place(y, mask.shape[0], height)
        left, right, across = place(x, mask.shape[1], width)
        upper = mask[top, left] * (1 - across) + mask[top, right] * across
        lower = mask[bottom, left] * (1 - across) + mask[bottom, right] * across
        out[y, x] = upper * (1 - down) + lower * down
    return out


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_upsample_is_bilinear(h: int, w: int, height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((h, w), np.float32)
    found = upsample(mask, width, height)
    assert (found.dtype, found.shape) == (np.float32, (height, width))
    assert np.abs(found - naive_bilinear(mask.astype(np.float64), width, height)).max() < 1e-6


@pytest.mark.parametrize("value", [0.0, 0.3, 0.7, 1.0])
def test_upsample_constants(value: float) -> None:
    constant = np.full((7, 5), value, np.float32)
    # More samples than are computed at a time.
    assert (upsample(constant, 640, 360) == np.float32(value)).all()
    assert (upsample(constant, 64, 48) == np.float32(value)).all()
    mask = np.random.default_rng(1).random((7, 5), np.float32)
    assert (upsample(mask, 5, 7) == mask).all()


@pytest.mark.parametrize(
    ("size", "multiple", "padded"), [((324, 576), 8, (328, 576)), ((1, 1), 8, (8, 8)), ((9, 7), 1, (9, 7))]
)
def test_pad_repeats_edges(size: tuple[int, int], multiple: int, padded: tuple[int, int]) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = pad(picture, multiple)
    assert found.shape == (*padded, 3)
    assert (found[: size[0], : size[1]] == picture).all()
    assert (found[size[0] :] == found[size[0] - 1]).all()
    assert (found[:, size[1] :] == found[:, size[1] - 1 : size[1]]).all()
    assert pad(picture[:, :, 0], multiple).shape == padded


#: The bars of 100 % in limited range at 8 bits, as BT.709 and BT.601 define them.
BARS_709 = {
    (255, 255, 255): (235, 128, 128),
    (255, 255, 0): (219, 16, 138),
    (0, 255, 255): (188, 154, 16),
    (0, 255, 0): (173, 42, 26),
    (255, 0, 255): (78, 214, 230),
    (255, 0, 0): (63, 102, 240),
    (0, 0, 255): (32, 240, 118),
    (0, 0, 0): (16, 128, 128),
}
BARS_601 = {(255, 0, 0): (81, 90, 240), (0, 255, 0): (145, 54, 34), (0, 0, 255): (41, 240, 110)}


@pytest.mark.parametrize("depth", SUFFIXES)
@pytest.mark.parametrize(
    ("matrix", "rgb", "yuv"),
    [("bt709", *bar) for bar in BARS_709.items()] + [("bt601", *bar) for bar in BARS_601.items()],
)
def test_rgb_colour_bars(matrix: str, rgb: tuple[int, int, int], yuv: tuple[int, int, int], depth: int) -> None:
    layout = layout_of(f"yuv420p{SUFFIXES[depth]}", 6, 5)
    found = rgb_of(filled(layout, *(value << (depth - 8) for value in yuv)), layout, matrix, "tv")
    assert (found.dtype, found.shape) == (np.uint8, (5, 6, 3))
    # Bars in whole samples of 8 bits are up to a step off.
    assert np.abs(found.astype(int) - rgb).max() <= 2


@pytest.mark.parametrize("depth", SUFFIXES)
@pytest.mark.parametrize("matrix", MATRICES)
def test_rgb_full_range(matrix: str, depth: int) -> None:
    layout = layout_of(f"yuv422p{SUFFIXES[depth]}", 2, 2)
    grey = 1 << (depth - 1)
    assert (rgb_of(filled(layout, 0, grey, grey), layout, matrix, "pc") == 0).all()
    assert (rgb_of(filled(layout, layout.maximum, grey, grey), layout, matrix, "pc") == 255).all()
    assert (rgb_of(filled(layout, grey, grey, grey), layout, matrix, "pc") == 128).all()


@settings(max_examples=15, deadline=None)
@given(layouts, st.integers(0, 2**32 - 1))
def test_rgb_bt601_formula(layout: Layout, seed: int) -> None:
    y, u, v = noise(layout, np.random.default_rng(seed))
    found = rgb_of((y, u, v), layout, "bt601", "tv")
    scale = np.float32(2 ** (layout.depth - 8))
    k = [np.float32(c) for c in (1.164383, 1.596027, 0.391762, 0.812968, 2.017232)]
    for row, column in product(range(layout.height), range(layout.width)):
        at = (
            min(row * u.shape[0] // layout.height, u.shape[0] - 1),
            min(column * u.shape[1] // layout.width, u.shape[1] - 1),
        )
        c = np.float32(y[row, column]) - 16 * scale
        d, e = np.float32(u[at]) - 128 * scale, np.float32(v[at]) - 128 * scale
        channels = (
            (k[0] * c + k[1] * e) / scale,
            (k[0] * c - k[2] * d - k[3] * e) / scale,
            (k[0] * c + k[4] * d) / scale,
        )
        assert found[row, column].tolist() == [min(max(round(float(channel)), 0), 255) for channel in channels]


@pytest.mark.parametrize(
    ("depth", "yuv", "green"),
    [(8, (253, 169, 174), 223), (8, (179, 108, 138), 189), (10, (529, 53, 393), 204), (16, (45675, 2679, 34866), 229)],
)
def test_rgb_bt601_order_of_sum(depth: int, yuv: tuple[int, int, int], green: int) -> None:
    # Colours whose green lies so near a half that the order of the sum decides.
    layout = layout_of(f"yuv444p{SUFFIXES[depth]}", 1, 1)
    assert rgb_of(filled(layout, *yuv), layout, "bt601", "tv")[0, 0, 1] == green


def test_rgb_bt601_digits() -> None:
    layout = layout_of("yuv444p", 64, 64)
    planes = noise(layout, np.random.default_rng(9))
    y, u, v = (plane.astype(np.float64) for plane in planes)
    c, d, e = (y - 16) * 255 / 219, (u - 128) * 255 / 224, (v - 128) * 255 / 224
    green = c - 2 * 0.886 * 0.114 / 0.587 * d - 2 * 0.701 * 0.299 / 0.587 * e
    exact = np.clip(np.stack([c + 1.402 * e, green, c + 1.772 * d], axis=2), 0, 255)
    assert np.abs(rgb_of(planes, layout, "smpte170m", "tv") - exact).max() < 0.501


def test_rgb_unknown_matrix() -> None:
    for height, matrix in ((576, "bt601"), (577, "bt709")):
        layout = layout_of("yuv420p", 4, height)
        planes = noise(layout, np.random.default_rng(height))
        assert (rgb_of(planes, layout) == rgb_of(planes, layout, matrix, "tv")).all()
        assert (rgb_of(planes, layout) != rgb_of(planes, layout, "bt2020nc", "tv")).any()


@pytest.mark.parametrize(("matrix", "color_range"), [("gbr", "tv"), ("ictcp", "tv"), ("", "tv"), ("bt709", "jpeg")])
def test_rgb_refuses_colours(matrix: str, color_range: str) -> None:
    layout = layout_of("yuv420p", 2, 2)
    with pytest.raises(MaskError, match=f"colour matrix '{matrix}' in the range '{color_range}'"):
        rgb_of(filled(layout, 16, 128, 128), layout, matrix, color_range)
