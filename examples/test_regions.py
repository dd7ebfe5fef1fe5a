"""Quality where people look: regions, salient parts, and the worst tile."""

from __future__ import annotations

from pytest_vmaf import Region

#: x, y, width and height of the middle of the picture, where the character of this clip (1280x720) always is.
MIDDLE = (320, 120, 640, 480)


def test_the_middle_is_no_worse_than_the_whole(vmaf, source, encode):
    """A region has its own gates. All failed gates, also those of the whole picture, are in one message."""
    result = vmaf.check(source, encode(crf=23), regions={"middle": Region(*MIDDLE, min_neg=90, max_gap=4)})
    assert float(result.regions["middle"].neg) >= float(result.neg) - 3


def test_what_viewers_look_at_is_kept(vmaf, source, encode):
    """The salient parts alone, and blended half and half with the whole picture."""
    vmaf.roi(source, encode(crf=23), weight=0.5, min_roi=93, min_neg_roi=92, max_gap_masked=3)


def test_no_corner_is_given_up(vmaf, source, encode):
    """Rate control may starve a part of the picture without an effect on the mean. A map shows it."""
    quality = vmaf.quality_map(source, encode(crf=23), grid=(4, 4), min_neg_tile=85, max_gap_tile=5)
    assert float(quality.whole.neg) - float(quality.neg_tile) < 10
