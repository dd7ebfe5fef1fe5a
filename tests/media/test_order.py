"""The order of a pair: which pairs look swapped."""

from __future__ import annotations

import subprocess
import warnings
from functools import partial

import pytest

from pytest_vmaf import PairWarning, Vmaf
from pytest_vmaf.cli import main


def test_swapped_pair(reference, encoded, score):
    with pytest.warns(PairWarning, match=r"the reference is lossy \(h264 by Lavc.* libx264\), and the .* \(ffv1\)"):
        swapped = score(encoded, reference)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score(encoded, reference, allow=("order",)).neg.unclipped.frames == swapped.neg.unclipped.frames
        score(reference, encoded)
        score(encoded, encoded)


@pytest.mark.slow
def test_decoded_encode_of_lossy_reference(reference, encode, ffmpeg, tmp_path, score):
    mezzanine, decoded = encode(reference, 8), tmp_path / "decoded.y4m"
    subprocess.run([ffmpeg, "-v", "error", "-i", encode(reference, 33), decoded], check=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score(mezzanine, decoded)


def test_warning_names_the_line_of_the_user(reference, encoded):
    with pytest.warns(PairWarning) as given:
        Vmaf(threads=1).score(encoded, reference, regions={"left": (0, 0, 128, 128)})
    assert [warning.filename for warning in given] == [__file__]


@pytest.mark.slow
def test_parts_of_swapped_pair(reference, encode):
    swapped = encode(reference, 40), reference
    for measure in (Vmaf().quality_map, partial(Vmaf().roi, synthetic_mask=0.5)):
        with pytest.warns(PairWarning, match="with stronger detail"):
            measure(*swapped)


def test_command_prints_no_line_of_code(reference, encoded, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["score", str(encoded), str(reference)]) == 0
    assert capsys.readouterr().err.startswith("pytest-vmaf: warning: The clips may be in the wrong order")


@pytest.mark.slow
def test_larger_distorted_file(reference, encode, score):
    with pytest.warns(PairWarning, match=r"the file of the distorted clip is \d+\.\d times as large"):
        score(encode(reference, 45), encode(reference, 12))
    # An encode of an encode may be larger.
    coarse = encode(reference, 45)
    assert encode(coarse, 6).stat().st_size > 2 * coarse.stat().st_size
    score(coarse, encode(coarse, 6))


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
