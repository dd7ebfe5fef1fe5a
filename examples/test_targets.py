"""What our encoders need for a quality: exact CRFs and bitrates for NEG targets, and codecs against each other."""

from __future__ import annotations

#: Seconds from the clip's middle. A nightly run takes the whole clip: leave `sample` out.
SAMPLE = 1.0


def test_x264_reaches_its_targets_at_these_crfs(vmaf, source):
    """One search for all targets; each answer is the largest CRF that still reaches it, measured on both sides."""
    found = vmaf.bisect(
        source,
        encoder="libx264",
        preset="fast",
        targets=[90, 94],
        sample=SAMPLE,
        max_bitrate={90: 2_200_000, 94: 4_000_000},
        min_crf={94: 17},
    )
    print(found)
    assert found[90].crf > found[94].crf
    assert found[94].result.gap <= 3


def test_the_candidate_needs_no_more_bitrate_than_the_release(vmaf, source):
    """Two builds or two settings at equal quality: BD-rate in percent of bitrate, negative is less."""
    found = vmaf.compare(
        source,
        # A build of your own is a command: "./x264-new --crf {crf} --preset {preset} -o {output} -".
        encoders={"release": "libx264:veryfast", "candidate": {"encoder": "libx264", "preset": "fast"}},
        targets=[88, 91, 94],
        sample=SAMPLE,
    )
    assert found.bd_rate("candidate", anchor="release") <= 1
    assert not found.lost_wins  # of the wins by default VMAF, none is owed to enhancement
