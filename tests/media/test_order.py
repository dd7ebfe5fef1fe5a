"""The order of a pair: which pairs look swapped."""

from __future__ import annotations

import warnings

import pytest

from pytest_vmaf import PairWarning


def test_swapped_pair(reference, encoded, score):
    with pytest.warns(PairWarning, match=r"the reference is lossy \(h264 by Lavc.* libx264\), and the .* \(ffv1\)"):
        swapped = score(encoded, reference)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score(encoded, reference, allow=("order",)).neg.unclipped.frames == swapped.neg.unclipped.frames
        score(reference, encoded)
        score(encoded, encoded)


@pytest.mark.slow
def test_larger_distorted_file(reference, encode, score):
    with pytest.warns(PairWarning, match=r"the file of the distorted clip is \d+\.\d times as large"):
        score(encode(reference, 45), encode(reference, 12))
    # An encode of an encode may be somewhat larger.
    score(encode(reference, 28), encode(reference, 24))


@pytest.mark.slow
def test_warning_is_shown_once(reference, encoded, pytester):
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("time", [1, 2])
        def test_swapped(vmaf, time):
            vmaf.score({str(encoded)!r}, {str(reference)!r})
        """
    )
    result = pytester.runpytest_inprocess("-W", "default")
    result.assert_outcomes(passed=2, warnings=2)
    assert result.stdout.str().count("The clips may be in the wrong order") == 1
