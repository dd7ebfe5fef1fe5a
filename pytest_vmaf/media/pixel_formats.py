"""Pixel formats by ffmpeg's names: kind, depth, chroma, and the bytes of a raw frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

#: The matrices that ffmpeg's scaler knows. It refuses frames with any other tag, even if it only changes their size or
#: depth, for which it needs no matrix.
SCALER_MATRICES = {"unknown", "gbr", "bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"}
#: Those that make luma of RGB, by the names of the scaler's options. For a clip without a tag it is BT.601.
MATRIX_OPTIONS = {
    **{name: name for name in ("bt709", "fcc", "smpte170m", "smpte240m")},
    "bt470bg": "bt470",
    "bt2020nc": "bt2020",
}
#: The filter that takes the tag away.
WITHOUT_MATRIX = "setparams=colorspace=unknown"
#: Planar little-endian YUV: what libvmaf reads, and what masks are made for.
PLANAR_YUV = re.compile(r"yuvj?(?P<chroma>420|422|444)p(?:(?P<depth>9|10|12|14|16)le)?")
#: By how many bits each side of a plane is shifted to get that of a chroma plane.
CHROMA_SHIFT = {"410": (2, 2), "411": (2, 0), "420": (1, 1), "422": (1, 0), "440": (0, 1), "444": (0, 0)}
#: The chroma format of libvmaf that loses nothing of another one.
FINER_CHROMA = {"410": "420", "411": "422", "440": "444"}

YUV = re.compile(
    r"yuv(?P<full>j)?(?P<alpha>a)?(?P<chroma>410|411|420|422|440|444)p(?:(?P<depth>9|10|12|14|16)(?:msb)?(?P<end>[lb]e))?"
)
SEMIPLANAR = re.compile(r"nv(?P<nv>12|21|16|24|42|20[lb]e)|p(?P<chroma>[024])(?P<depth>10|12|16)[lb]e")
SEMIPLANAR_CHROMA = {"12": "420", "21": "420", "16": "422", "20": "422", "24": "444", "42": "444"}
GREY = re.compile(
    r"gray(?P<depth>9|10|12|14|16|32|f16|f32)?(?:[lb]e)?|ya(?P<with_alpha>8|16|f16|f32)(?:[lb]e)?|mono[wb]"
)
#: Packed YUV: chroma, depth, the bytes of a group of pixels in a row, and the pixels in a group.
PACKED = {
    **dict.fromkeys(("yuyv422", "uyvy422", "yvyu422"), ("422", 8, 4, 2)),
    "uyyvyy411": ("411", 8, 6, 4),
    # A codec of its own in ffmpeg, but raw frames all the same.
    "v210": ("422", 10, 128, 48),
    **dict.fromkeys(("vuya", "vuyx", "ayuv", "uyva"), ("444", 8, 4, 1)),
    "vyu444": ("444", 8, 3, 1),
    **{f"y2{depth}{end}": ("422", depth, 8, 2) for depth in (10, 12, 16) for end in ("le", "be")},
    **{f"{name}{end}": ("444", 10, 4, 1) for name in ("xv30", "v30x") for end in ("le", "be")},
    **{f"xv36{end}": ("444", 12, 8, 1) for end in ("le", "be")},
    **{f"{name}{end}": ("444", 16, 8, 1) for name in ("xv48", "ayuv64") for end in ("le", "be")},
}
#: RGB in one plane: the pattern of names, the depth, and the bytes of a pixel.
RGB = (
    (re.compile(r"(?:rgb|bgr)24"), 8, 3),
    (re.compile(r"rgba|bgra|argb|abgr|0rgb|rgb0|0bgr|bgr0"), 8, 4),
    (re.compile(r"x2(?:rgb|bgr)10[lb]e"), 10, 4),
    (re.compile(r"(?:rgb|bgr)48[lb]e|rgbf16[lb]e"), 16, 6),
    (re.compile(r"xyz12[lb]e"), 12, 6),
    (re.compile(r"(?:rgba|bgra)64[lb]e|rgbaf16[lb]e"), 16, 8),
    (re.compile(r"rgbf32[lb]e"), 16, 12),
    (re.compile(r"rgbaf32[lb]e"), 16, 16),
    (re.compile(r"(?:rgb|bgr)(?:444|555|565)[lb]e"), 8, 2),
    (re.compile(r"(?:rgb|bgr)(?:8|4_byte)|bayer_\w{4}8"), 8, 1),
    (re.compile(r"bayer_\w{4}16[lb]e"), 16, 2),
)
PLANAR_RGB = re.compile(r"gbr(?P<alpha>a)?p(?P<depth>9|10|12|14|16|f16|f32)?(?:msb)?(?:[lb]e)?")
WITH_ALPHA = re.compile(r"yuva|rgba|bgra|argb|abgr|gbrap|ya\d|yaf|vuya|ayuv|uyva|pal8")


@dataclass(frozen=True)
class PixelFormat:
    """What a name of ffmpeg's says about the samples.

    Attributes:
        name: The name.
        kind: "yuv", "grey" (luma without chroma) or "rgb" (also palettes, Bayer patterns and XYZ).
        depth: The bits of a sample; 16 for floats.
        chroma: The chroma format of YUV, for example "420"; "" for the others.
        row: In a plane with all samples: the bytes of a group of pixels, and the pixels in a group.
        planes: The planes of the full size; chroma planes of YUV are counted apart. 0 if raw frames have no layout.
        packed: Whether chroma is in the same plane as luma.
    """

    name: str
    kind: Literal["yuv", "grey", "rgb"]
    depth: int
    chroma: str = ""
    row: tuple[int, int] = (1, 1)
    planes: int = 1
    packed: bool = True

    @property
    def has_alpha(self) -> bool:
        """Whether there is transparency."""
        return WITH_ALPHA.match(self.name) is not None

    @property
    def is_full_range(self) -> bool:
        """Whether the name itself says that the range is full."""
        return self.name.startswith("yuvj")

    @property
    def planar(self) -> str:
        """For raw YUV in which chroma samples alternate in a plane, the format with the same samples in planes."""
        if self.kind != "yuv" or YUV.fullmatch(self.name) or self.name == "v210":
            return ""
        return f"yuv{FINER_CHROMA.get(self.chroma, self.chroma)}p{'' if self.depth == 8 else f'{self.depth}le'}"

    @property
    def is_plain_grey(self) -> bool:
        """Whether the samples are grey levels of their depth and nothing else."""
        return re.fullmatch(r"gray(?:\d+le)?", self.name) is not None

    def frame_bytes(self, width: int, height: int) -> int:
        """The size of a raw frame in bytes. Sides of chroma planes are rounded up, as in ffmpeg and libvmaf."""
        group, pixels = self.row
        size = -(-width // pixels) * group * height * self.planes
        if self.packed:
            return size
        across, down = CHROMA_SHIFT[self.chroma]
        return size + 2 * -(-width >> across) * -(-height >> down) * group


@lru_cache(maxsize=256)
def pixel_format(name: str) -> PixelFormat:
    """Read a name. One that is not known counts as RGB of 8 bits, which cannot be raw."""
    if match := YUV.fullmatch(name):
        depth = int(match["depth"] or 8)
        planes = 2 if match["alpha"] else 1
        return PixelFormat(name, "yuv", depth, match["chroma"], (2 if depth > 8 else 1, 1), planes, packed=False)
    if match := SEMIPLANAR.fullmatch(name):
        nv = (match["nv"] or "")[:2]
        depth = int(match["depth"] or (10 if nv == "20" else 8))
        chroma = SEMIPLANAR_CHROMA[nv] if nv else {"0": "420", "2": "422", "4": "444"}[match["chroma"]]
        return PixelFormat(name, "yuv", depth, chroma, (2 if depth > 8 else 1, 1), packed=False)
    if name in PACKED:
        chroma, depth, *row = PACKED[name]
        return PixelFormat(name, "yuv", depth, chroma, (row[0], row[1]))
    if match := GREY.fullmatch(name):
        text = match["depth"] or match["with_alpha"] or "8"
        bits = int(text.strip("f"))
        group = (1, 8) if name.startswith("mono") else ((bits + 7) // 8 * (2 if match["with_alpha"] else 1), 1)
        return PixelFormat(name, "grey", 16 if "f" in text else min(bits, 16), row=group)
    if match := PLANAR_RGB.fullmatch(name):
        text = match["depth"] or "8"
        bits = int(text.strip("f"))
        planes = 4 if match["alpha"] else 3
        return PixelFormat(name, "rgb", 16 if "f" in text else bits, row=((bits + 7) // 8, 1), planes=planes)
    for form, depth, size in RGB:
        if form.fullmatch(name):
            return PixelFormat(name, "rgb", depth, row=(size, 1))
    return PixelFormat(name, "rgb", 8, planes=0)


def raw_pixel_format(name: str) -> PixelFormat | None:
    """The format of raw frames that a user names, with or without the little-endian suffix; None if there is none."""
    formats = (pixel_format(each) for each in (name, f"{name}le"))
    return next((form for form in formats if form.planes and _has_order(form)), None)


def _has_order(form: PixelFormat) -> bool:
    # ffmpeg's names of samples with more than a byte end in their byte order.
    wide = form.depth > 8 and not form.name.startswith("gray8")
    if form.name == "v210":
        return True
    return form.name.endswith(("le", "be")) == (wide or form.name[-5:-2] in ("444", "555", "565"))
