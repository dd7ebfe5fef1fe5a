"""Encoders at a target quality: exact CRFs and bitrates for NEG targets, and encoders at equal quality."""

from __future__ import annotations

#: Seconds from the middle of the clip. Leave `sample` out, for example in a nightly run, to encode the whole clip.
SAMPLE = 0.5


def test_x264_reaches_its_targets_at_these_crfs(vmaf, source):
    """One search for all targets. Each answer is the highest CRF that reaches its target; the next CRF does not."""
    bisection = vmaf.bisect(
        source,
        encoder="libx264",
        preset="fast",
        targets=[90, 94],
        sample=SAMPLE,
        max_bitrate={90: 2_800_000, 94: 4_400_000},
        min_crf={94: 19},
    )
    print(bisection)
    assert bisection[90].crf > bisection[94].crf
    assert bisection[94].result.gap <= 3


def test_the_candidate_needs_no_more_bitrate_than_the_release(vmaf, source):
    """Two builds or two settings at equal quality. The BD-rate is in percent of bitrate; less is negative."""
    comparison = vmaf.compare(
        source,
        # Your own build is a command: "./x264-new --crf {crf} --preset {preset} -o {output} -".
        encoders={"release": "libx264:veryfast", "candidate": {"encoder": "libx264", "preset": "fast"}},
        targets=[88, 94],
        sample=SAMPLE,
    )
    assert comparison.bd_rate("candidate", anchor="release") <= 1
    assert not comparison.lost_wins  # no win by default VMAF disappears under NEG
