"""A codec in Python: its bitrate at a quality, and its BD-rate against x264."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dct_codec import DctCodec

from pytest_vmaf import Clip

#: The middle of the picture, and eight frames: NumPy is not fast.
MIDDLE = {"crop": (496, 256, 288, 192), "start": 12, "frames": 8}


@pytest.fixture
def middle(source: Clip) -> Clip:
    """The part of the source that is encoded here."""
    return replace(source, **MIDDLE)


def test_the_codec_reaches_its_target_at_this_bitrate(vmaf, middle):
    """The search tries the codec's own qualities. The bitrate is that of the bytes that `encode` returns."""
    bisection = vmaf.bisect(middle, encoder=DctCodec(), targets=[90], max_bitrate=800_000)
    assert bisection[90].crf >= 16  # the step of the quantiser


def test_the_codec_stays_this_near_to_x264(vmaf, middle):
    """Compare both at equal quality. A codec that is better than x264 has a BD-rate below 0 %."""
    encoders = {"x264": {"encoder": "libx264:fast", "crf": (20, 30)}, "dct": DctCodec()}
    comparison = vmaf.compare(middle, encoders=encoders, targets=[78, 90], speed=False)
    assert 0 < comparison.bd_rate("dct", anchor="x264") < 300
    assert not comparison.lost_wins


def test_an_encode_passes_the_gates(vmaf, middle, tmp_path):
    """The file contains the bitstream; `encode.clip` has the decoded frames. Default gates look for enhancement."""
    encode = vmaf.encode(middle, tmp_path / "encode.bin", encoder=DctCodec(), crf=16)
    vmaf.check(middle, encode, min_neg=89, min_neg_p5=86, max_bitrate=800_000)
