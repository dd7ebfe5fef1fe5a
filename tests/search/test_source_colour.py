"""Searches on sources in full range, and encodes with film grain."""

from __future__ import annotations

import pytest

from pytest_vmaf import Vmaf
from pytest_vmaf.media.clip import Clip

SLOW = pytest.mark.slow


@SLOW
def test_full_range_through_libvvenc(make, footage, tmp_path):
    chain = ("-vf", "scale=out_range=pc", "-pix_fmt", "yuvj420p", "-frames:v", 4)
    source = make("-i", footage("192x128", 12), *chain, "-c:v", "mjpeg", "-q:v", 2, tmp_path / "full.avi")
    search = Vmaf(cache=None).bisect(source, encoder="libvvenc", targets=[80], crf=(36, 40))
    assert len(search.probes) >= 2
    assert {probe.result.provenance["color_range"] for probe in search.probes if probe.result} == {"pc"}


@SLOW
def test_film_grain_of_trial_encodes(footage, score, tmp_path):
    source = Clip(footage("192x128", 12), film_grain=False)
    options = {"encoder": "libsvtav1", "preset": "10", "arguments": "-svtav1-params film-grain=30", "crf": (30, 36)}
    search = Vmaf(cache=None).bisect(source, targets=[10], keep=tmp_path, **options)
    note = "distorted is scored without its film grain (AV1)"
    # The first is scored from its file, the others by a loopback decoder.
    assert len(search.probes) > 1
    assert all(note in probe.result.provenance["notes"] for probe in search.probes if probe.result)
    stored = [probe for probe in search.probes if probe.encode.path is not None]
    assert stored
    for probe in stored:
        expected = score(source, Clip(probe.encode.path, film_grain=False))
        assert probe.result.neg.unclipped.frames == expected.neg.unclipped.frames
        assert expected.neg != score(source, probe.encode.path).neg
