"""Masked scores, saliency maps and shares from the cache."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pytest_vmaf import CacheWarning, Vmaf
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.media.clip_like import as_clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.roi import frame_masks as masking, tile_weights as salience
from pytest_vmaf.roi.cached import MaskedScoreCache
from pytest_vmaf.roi.frame_masks import Mask
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from roi.builders import MEAN, PLAIN, SIGMOID, halved, model


@pytest.fixture
def vmaf(tmp_path):
    return Vmaf(cache_dir=tmp_path / "cache")


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(PLAIN)
    return path


@pytest.fixture(scope="session")
def pairs(footage, encode):
    """A reference and two encodes of it."""
    reference = footage("192x128", 3)
    return reference, encode(reference, 28), encode(reference, 38)


def no(*arguments, **keywords):
    raise AssertionError("this was known already")


def said(result):
    data = json.loads(result.to_json())
    del data["context"]["provenance"]["cached"]
    return data, result.coverage, result.empty, result.maps


def test_cached_score_needs_no_process(vmaf, pairs, network, monkeypatch):
    first = vmaf.roi(*pairs[:2], saliency=network)
    assert first.provenance["cached"] == ""
    monkeypatch.setattr(subprocess, "Popen", no)
    monkeypatch.setattr("pytest_vmaf.roi.masked_score.load_saliency", no)
    second = vmaf.roi(*pairs[:2], saliency=network)
    assert second.provenance["cached"] != ""
    assert said(second) == said(first)


@pytest.mark.slow
def test_cached_maps_serve_other_encodes(vmaf, pairs, network, monkeypatch):
    vmaf.roi(*pairs[:2], saliency=network)
    fresh = Vmaf().roi(pairs[0], pairs[2], saliency=network)
    monkeypatch.setattr(masking, "infer", no)
    recalled = vmaf.roi(pairs[0], pairs[2], saliency=network)
    assert recalled.provenance["cached"] == ""
    assert said(recalled) == said(fresh)


def test_cached_full_score_is_not_masked(vmaf, pairs, network):
    vmaf.score(*pairs[:2])
    assert vmaf.roi(*pairs[:2], saliency=network).provenance["cached"] == ""


def test_key_depends_on_mask_and_network(pairs, tmp_path):
    request = MeasureRequest(*map(as_clip, pairs[:2]), cache=Cache(tmp_path))
    prepared = prepare(request, FfmpegScorer())
    path = tmp_path / "net.onnx"
    masks = [
        Mask(),
        Mask(saliency=path),
        Mask(saliency=path, weight=0.6),
        Mask(saliency=path, threshold=0.4),
        Mask(saliency=path, fade=0.2),
        Mask(saliency=path, bt601=True),
        Mask(saliency=path, stride=2),
        Mask(synthetic=0.7),
        Mask(synthetic=0.8),
    ]
    models = prepared.job.models, (prepared.models.neg,)
    keys = {
        MaskedScoreCache(prepared, mask, digest, runs)._key
        for mask in masks
        for digest in ("a", "b")
        for runs in models
    }
    # A network is its digest, not its path, and the bundled one looks at every second frame: the first and the last but
    # two are the same.
    assert len(keys) == 4 * (len(masks) - 1)
    assert None not in keys


@pytest.mark.slow
def test_cached_by_network_content(vmaf, pairs, network, tmp_path):
    vmaf.roi(*pairs[:2], saliency=network)
    copy = Path(tmp_path, "copy.onnx")
    copy.write_bytes(PLAIN)
    assert vmaf.roi(*pairs[:2], saliency=copy).provenance["cached"] != ""
    network.write_bytes(halved(1))
    assert vmaf.roi(*pairs[:2], saliency=network).provenance["cached"] == ""


def test_cache_damaged_entries(vmaf, pairs, network, tmp_path):
    first = vmaf.roi(*pairs[:2], saliency=network)
    for path in (tmp_path / "cache" / "mask").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-2])
    with pytest.warns(CacheWarning, match="is made again"):
        second = vmaf.roi(*pairs[:2], saliency=network)
    assert said(second) == said(first)


@pytest.mark.slow
def test_cached_tile_shares(vmaf, pairs, monkeypatch):
    first = vmaf.quality_map(*pairs[:2], grid=(1, 1), saliency=True)
    fresh = Vmaf().quality_map(pairs[0], pairs[2], grid=(1, 1), saliency=True)
    monkeypatch.setattr(salience, "infer", no)
    assert float(vmaf.quality_map(pairs[0], pairs[2], grid=(1, 1), saliency=True).neg_salient) == float(
        fresh.neg_salient
    )
    monkeypatch.setattr(subprocess, "Popen", no)
    again = vmaf.quality_map(*pairs[:2], grid=(1, 1), saliency=True)
    assert again.context.provenance["cached"] != ""
    assert again.neg_salient.frames == first.neg_salient.frames


def test_cached_regions_one_by_one(vmaf, pairs, monkeypatch):
    first = vmaf.score(*pairs[:2], regions={"left": (0, 0, 96, 128)})
    both = {"left": (0, 0, 96, 128), "right": (96, 0, 96, 128)}
    second = vmaf.score(*pairs[:2], regions=both)
    assert second.regions["left"].provenance["cached"] != ""
    assert second.regions["right"].provenance["cached"] == ""
    assert second.regions["left"].neg.frames == first.regions["left"].neg.frames
    monkeypatch.setattr(subprocess, "Popen", no)
    assert vmaf.score(*pairs[:2], regions=both).regions["right"].neg.frames == second.regions["right"].neg.frames


def test_cache_without_failed_network(vmaf, pairs, tmp_path):
    from pytest_vmaf import MaskError

    network = tmp_path / "net.onnx"
    network.write_bytes(model(MEAN, SIGMOID, metadata={"working_width": "x", "working_height": "1"}))
    for _ in range(2):
        with pytest.raises(MaskError):
            vmaf.roi(*pairs[:2], saliency=network)
    assert not [path for path in (tmp_path / "cache" / "mask").rglob("*") if path.is_file()]
