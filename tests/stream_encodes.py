"""Encodes of every codec whose packets and headers are read, made once per session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = ("-f", "lavfi", "-i", "testsrc2=size=128x96:rate=24,format=yuv420p", "-frames:v")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params")
X264_GOP = "keyint=12:min-keyint=12:scenecut=0:b-adapt=0:bframes=3"
X265_GOP = "log-level=error:keyint=12:min-keyint=12:scenecut=0:b-adapt=0:bframes=3"
VVENC = ("-c:v", "libvvenc", "-preset", "faster", "-vvenc-params")
BT709 = ("-vf", "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv")
#: By file name: the number of frames, and the encoder's settings.
ENCODES: dict[str, tuple[object, ...]] = {
    "x264-closed.mp4": (30, *BT709, "-c:v", "libx264", "-preset", "veryfast", "-x264-params", X264_GOP),
    "x264-open.mp4": (30, "-c:v", "libx264", "-preset", "veryfast", "-x264-params", f"{X264_GOP}:open-gop=1"),
    "x265-closed.mp4": (30, *X265, f"{X265_GOP}:open-gop=0", "-pix_fmt", "yuv420p10le"),
    "x265-open.mkv": (30, *X265, f"{X265_GOP}:open-gop=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"),
    "svt.mp4": (30, "-c:v", "libsvtav1", "-preset", "12", "-g", "12", "-svtav1-params", "level=40"),
    "vp9.webm": (30, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "12"),
    "vvc-closed.mp4": (36, *VVENC, "gopsize=16:intraperiod=16:refreshtype=idr:level=4.1:tier=high"),
    "vvc-open.mp4": (36, *VVENC, "gopsize=16:intraperiod=16:refreshtype=cra"),
}
X264 = ("-c:v", "libx264", "-preset", "veryfast")
#: Further kinds of groups: order counts that overflow between key frames, fields, gradual refreshes, leading frames
#: that need nothing, frames that are not shown, and intra frames that are no key frames.
KINDS: dict[str, tuple[object, ...]] = {
    "x264-long.mkv": (200, *X264, "-x264-params", "keyint=90:open-gop=1:bframes=5:b-pyramid=normal:b-adapt=0"),
    "x264-interlaced.mp4": (60, *X264, "-flags", "+ildct+ilme", "-x264-params", "keyint=20:tff=1"),
    "x264-refresh.mp4": (60, *X264, "-x264-params", "keyint=20:intra-refresh=1"),
    "x265-radl.mp4": (60, *X265, "log-level=error:keyint=20:radl=3:bframes=4:open-gop=0"),
    "vp9-hidden.webm": (
        60,
        "-c:v",
        "libvpx-vp9",
        "-cpu-used",
        "8",
        "-auto-alt-ref",
        "1",
        "-lag-in-frames",
        "16",
        "-g",
        20,
    ),
    "svt-intra.mp4": (60, "-c:v", "libsvtav1", "-preset", "12", "-g", "16", "-svtav1-params", "irefresh-type=1"),
}


@pytest.fixture(scope="session")
def stream_encode(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """stream_encode("x264-open.mp4"): one of `ENCODES`."""
    folder, done = tmp_path_factory.mktemp("streams"), dict[str, Path]()

    def encode(name: str) -> Path:
        if name not in done:
            frames, *settings = {**ENCODES, **KINDS}[name]
            done[name] = make(*SOURCE, frames, *settings, folder / name)
        return done[name]

    return encode


@pytest.fixture(scope="session")
def remux(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """remux(path, "x.ts"): the same packets in another container."""
    folder = tmp_path_factory.mktemp("remuxed")
    return lambda source, name, *arguments: make("-i", source, "-map", "0:v", "-c", "copy", *arguments, folder / name)
