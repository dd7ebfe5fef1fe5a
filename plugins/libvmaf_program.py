"""The program that the scorer `pyav` runs: reads raw frames of two clips, and scores them with PyAV's libvmaf.

    libvmaf_program.py --av FOLDER --version
    libvmaf_program.py --av FOLDER --size 320x180 --pix-fmt yuv420p REFERENCE DISTORTED model=version=vmaf_v0.6.1 …

It is a process of its own, because libvmaf crashes on frames that are too small for a model. It imports nothing of
pytest-vmaf, and run by `python -I -S` nothing of an environment but PyAV.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from io import BufferedReader, FileIO
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import VideoFrame
    from av.filter.context import FilterContext

#: The exit code where PyAV has no libvmaf.
WITHOUT_LIBVMAF = 3
#: libvmaf 3.2's ADM is wrong with AVX2 in frames of up to 532 pixels, at many widths: 0.1 to 2 points of VMAF. Narrower
#: frames than these use neither AVX2, as the plain code is right, nor AVX-512, whose vectors are twice as long.
WITHOUT_AVX2, WITHOUT_AVX512 = 576, 1280
#: Flags of libvmaf: no function for a processor's vectors; all but AVX-512.
PLAIN, UP_TO_AVX2 = 0b0, 0b1111
TIME_BASE = Fraction(1, 25)


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--av", help="the folder that contains the package av")
    parser.add_argument("--version", action="store_true", help="print PyAV's version and exit")
    parser.add_argument("--size", help="WIDTHxHEIGHT")
    parser.add_argument("--pix-fmt")
    parser.add_argument("clips", nargs="*", help="reference and distorted clip, then options of the filter libvmaf")
    options = parser.parse_args()
    # Behind the standard library's folders: of those beside PyAV, no module takes the place of a standard one.
    sys.path += [options.av] if options.av else []
    import av
    from av.filter import filters_available

    if options.version:
        print(av.__version__)
    if "libvmaf" not in filters_available:
        print(f"PyAV {av.__version__} was built without libvmaf.", file=sys.stderr)
        return WITHOUT_LIBVMAF
    if options.version:
        return 0
    av.logging.restore_default_callback()
    reference, distorted, *settings = options.clips
    width, height = map(int, options.size.split("x"))
    clips = [_frames(_open(name), width, height, options.pix_fmt) for name in (distorted, reference)]
    try:
        _score(clips, (width, height, options.pix_fmt), dict(setting.split("=", 1) for setting in settings))
    except (OSError, EOFError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        # At once, with the pipes open until then: whoever writes to them would fail first otherwise.
        os._exit(1)
    return 0


def _score(clips: list[Iterator[VideoFrame]], form: tuple[int, int, str], settings: dict[str, str]) -> None:
    """Score the frames of the distorted clip and the reference, which is written to the filter's log.

    If one of them has more frames, they are only read, so that their writer counts them.
    """
    from av.filter import Graph

    width, height, pix_fmt = form
    graph = Graph()
    libvmaf, sink = graph.add("libvmaf", **settings), graph.add("buffersink")
    # After the filter is made, which enables all functions, and before its first frame, which chooses among them.
    if width < WITHOUT_AVX512:
        _choose_functions(PLAIN if width < WITHOUT_AVX2 else UP_TO_AVX2)
    sources = [graph.add_buffer(width=width, height=height, format=pix_fmt, time_base=TIME_BASE) for _ in clips]
    for pad, source in enumerate(sources):
        source.link_to(libvmaf, 0, pad)
    libvmaf.link_to(sink)
    graph.configure()
    for pair in zip_longest(*clips):
        # The filter would repeat the last frame of the shorter clip.
        if None not in pair:
            for source, frame in zip(sources, pair, strict=True):
                source.push(frame)
            _drain(sink)
    for source in sources:
        source.push(None)
    _drain(sink)


def _choose_functions(flags: int) -> None:
    """Disable some of libvmaf's optimisations for the CPU.

    Raises:
        OSError: If this libvmaf does not allow it.
    """
    from av.filter import graph

    # The symbols of a library include those of the libraries that it is linked to.
    try:
        ctypes.CDLL(graph.__file__).vmaf_set_cpu_flags_mask(ctypes.c_uint(flags))
    except AttributeError as error:
        raise OSError(f"AVX2 cannot be disabled in this libvmaf ({error}); install the wheel of av.") from error


def _frames(file: BufferedReader, width: int, height: int, pix_fmt: str) -> Iterator[VideoFrame]:
    """Read raw frames to the end of a file.

    Raises:
        EOFError: If it ends within a frame.
    """
    from av import VideoFrame

    number = 0
    while file.peek(1):
        frame = VideoFrame(width, height, pix_fmt)
        frame.pts, frame.time_base = number, TIME_BASE
        size = (frame.format.components[0].bits + 7) // 8
        for plane in frame.planes:
            samples, row = memoryview(plane), plane.width * size
            for start in range(0, plane.height * plane.line_size, plane.line_size):
                if file.readinto(samples[start : start + row]) < row:
                    raise EOFError(f"A clip ends within frame {number}.")
        number += 1
        yield frame


def _drain(sink: FilterContext) -> None:
    """Take the frames that the filter has scored."""
    import av

    while True:
        try:
            sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return


def _open(name: str) -> BufferedReader:
    return BufferedReader(FileIO(int(name) if name.isdigit() else name), 1 << 20)


if __name__ == "__main__":
    sys.exit(main())
