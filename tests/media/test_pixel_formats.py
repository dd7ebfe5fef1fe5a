"""Pixel formats: what ffmpeg's names say, compared with what ffmpeg says and writes."""

from __future__ import annotations

import re
import subprocess

import pytest

from pytest_vmaf.media.pixel_formats import pixel_format, raw_pixel_format

#: Odd, so that chroma planes are rounded up.
WIDTH, HEIGHT = 37, 19


@pytest.fixture(scope="module")
def listed(ffmpeg):
    """ffmpeg's own list: by name, flags, components, bits of a pixel and of each component."""
    text = subprocess.run([ffmpeg, "-hide_banner", "-pix_fmts"], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^([I.][O.][H.][P.][B.]) (\w+) +(\d) +(\d+) +([\d-]+)$", text, re.MULTILINE)
    return {name: (flags, int(components), bits) for flags, name, components, _, bits in rows if flags[2] != "H"}


def test_depth_and_alpha(listed):
    for name, (_, components, bits) in listed.items():
        form = pixel_format(name)
        depths = {int(bit) for bit in bits.split("-")}
        if len(depths) == 1 and max(depths) >= 8 and "32" not in bits:
            assert form.depth == max(depths), name
        if form.kind != "rgb":
            assert (form.kind == "grey") == (components < 3), name
            assert form.has_alpha == (components in (2, 4)), name


@pytest.mark.slow
def test_frame_bytes(listed, make, tmp_path):
    writable = [name for name, (flags, *_) in listed.items() if flags[1] == "O" and raw_pixel_format(name)]
    assert len(writable) > 150
    scene = ("-f", "lavfi", "-i", f"color=s=40x20,scale={WIDTH}:{HEIGHT},format=yuv444p")
    outputs = [
        part for name in writable for part in ("-frames:v", 1, "-pix_fmt", name, "-f", "rawvideo", tmp_path / name)
    ]
    make(*scene, *outputs)
    for name in writable:
        assert (tmp_path / name).stat().st_size == pixel_format(name).frame_bytes(WIDTH, HEIGHT), name


@pytest.mark.parametrize(
    ("name", "kind", "depth", "chroma"),
    [
        ("yuvj420p", "yuv", 8, "420"),
        ("p210le", "yuv", 10, "422"),
        ("uyyvyy411", "yuv", 8, "411"),
        ("nv20le", "yuv", 10, "422"),
        ("gray12le", "grey", 12, ""),
        ("grayf32le", "grey", 16, ""),
        ("monow", "grey", 8, ""),
        ("bayer_rggb16le", "rgb", 16, ""),
        ("gbrpf32le", "rgb", 16, ""),
        ("pal8", "rgb", 8, ""),
        ("a new one", "rgb", 8, ""),
    ],
)
def test_names(name, kind, depth, chroma):
    form = pixel_format(name)
    assert (form.kind, form.depth, form.chroma) == (kind, depth, chroma)


def test_names_of_raw_frames():
    assert raw_pixel_format("p010") == pixel_format("p010le")
    assert raw_pixel_format("gray10be") == pixel_format("gray10be")
    assert raw_pixel_format("pal8") is None
    assert raw_pixel_format("yuv420p8le") is None
