"""A small encoder regression suite: the quality of our x264 settings, as gates."""

from __future__ import annotations

import pytest


@pytest.mark.vmaf(min_neg=92, min_neg_p5=87, max_gap=3)
def test_the_product_settings_keep_their_promise(vmaf, source, encode):
    """CRF 23 with preset medium: NEG 92 on average, 87 in the worst frames, and no enhancement gain."""
    vmaf.check(source, encode(crf=23))


@pytest.mark.parametrize(("crf", "floor"), [(18, 95), (28, 85)])
def test_every_rung_reaches_its_floor(vmaf, source, encode, crf, floor):
    """The other rungs of the ladder. All failed gates are in one message."""
    vmaf.check(source, encode(crf=crf), min_neg=floor, features=["psnr"], min_psnr_y=34)


def test_a_finer_crf_is_better_and_larger(vmaf, source, encode):
    """Scores are numbers, so a plain assert compares two encodes."""
    fine, coarse = encode(crf=18), encode(crf=28)
    assert vmaf.score(source, fine).neg > vmaf.score(source, coarse).neg
    assert fine.stat().st_size > coarse.stat().st_size
