"""NTSC frame rates, such as 24000/1001, for which rounded numbers stand."""

from __future__ import annotations

from fractions import Fraction


def ntsc_rate(rate: Fraction) -> Fraction:
    """The rate that is meant: 23.976, 29.97 and 59.94 stand for NTSC rates. Others are what they are."""
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return ntsc if rate.denominator not in (1, 1001) and abs(ntsc - rate) < Fraction(1, 200) else rate
