"""What the tests of encoders run them with."""

from __future__ import annotations

#: Of every software encoder a fast preset, and a number in the middle of its scale.
FAST = {
    "libx264": ("veryfast", 30),
    "libx265": ("ultrafast", 30),
    "libsvtav1": ("12", 40),
    "libaom-av1": ("8", 40),
    "libvpx-vp9": ("5", 40),
    "libvvenc": ("faster", 32),
    "librav1e": ("10", 120),
}
