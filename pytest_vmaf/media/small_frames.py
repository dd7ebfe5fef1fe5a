"""Small frames: the filters that make them of two clips, side by side, for measurements beside the scores."""

from __future__ import annotations

#: The size of a small frame, in pixels.
WIDTH, HEIGHT = 128, 72
#: The filter that makes a small frame, in 8-bit 4:2:0.
SMALL = f"scale={WIDTH}:{HEIGHT}:flags=area,format=yuv420p"
#: The filter that puts the small frames of both clips side by side, and the label of its output.
BESIDE = "[small-reference][small-distorted]hstack[signs]"
#: The output options that write them to standard output.
OUTPUT = ("-map", "[signs]", "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1")
#: The bytes of a pair.
PAIR_BYTES = 2 * WIDTH * HEIGHT * 3 // 2
