"""What our encodes promise where people look: regions, salient parts, and no corner that is given up."""

from __future__ import annotations

from pytest_vmaf import Region

#: x, y, width and height of the middle of the picture, which this clip's character never leaves (1280x720).
MIDDLE = (320, 120, 640, 480)


def test_the_middle_is_no_worse_than_the_whole(vmaf, source, encode):
    """A region has gates of its own; all violations, its and the picture's, come in one failure."""
    result = vmaf.check(source, encode(crf=23), regions={"middle": Region(*MIDDLE, min_neg=90, max_gap=4)})
    assert float(result.regions["middle"].neg) >= float(result.neg) - 3


def test_what_viewers_look_at_is_kept(vmaf, source, encode):
    """The salient part alone, and blended half and half with the whole picture."""
    vmaf.roi(source, encode(crf=23), weight=0.5, min_roi=93, min_neg_roi=92, max_gap_masked=3)


def test_no_corner_is_given_up(vmaf, source, encode):
    """Rate control may starve a part of the picture without showing in the mean; a map shows it."""
    found = vmaf.map(source, encode(crf=23), grid=(4, 4), min_neg_tile=85, max_gap_tile=5)
    assert found.neg_mean - float(found.neg_tile) < 10
