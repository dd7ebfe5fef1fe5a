"""A small encoder regression suite: what we promise of our x264 settings, as gates."""

from __future__ import annotations

import pytest


@pytest.mark.vmaf(min_neg=92, min_neg_p5=87, max_gap=3)
def test_the_product_settings_keep_their_promise(vmaf, source, encode):
    """crf 23 medium: NEG 92 on average, 87 in the worst frames, and nothing gained by enhancement."""
    vmaf.check(source, encode(crf=23))


@pytest.mark.parametrize(("crf", "floor"), [(18, 95), (28, 87)])
def test_every_rung_reaches_its_floor(vmaf, source, encode, crf, floor):
    """The ladder's other rungs, gate by gate in one failure."""
    vmaf.check(source, encode(crf=crf), min_neg=floor, features=["psnr"], min_psnr_y=34)


def test_a_finer_crf_is_better_and_larger(vmaf, source, encode):
    """Scores are numbers: compare two encodes in a plain assert."""
    fine, coarse = encode(crf=18), encode(crf=28)
    assert vmaf.score(source, fine).neg > vmaf.score(source, coarse).neg
    assert fine.stat().st_size > coarse.stat().st_size
