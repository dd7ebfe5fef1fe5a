"""The table of metrics."""

from __future__ import annotations

import pytest
from scoring.builders import a_scale

from pytest_vmaf.gates.gate import frame_metrics, parse_gate
from pytest_vmaf.gates.metrics import (
    ABOVE,
    BASE_METRICS,
    BD_RATE,
    CHANGES,
    MAP_METRICS,
    PART_METRICS,
    ROI_METRICS,
    SEARCH_METRICS,
    SLOWDOWN,
    SPEED_METRICS,
    STREAM_METRICS,
    decimals,
    label,
    metrics,
)
from pytest_vmaf.gates.tolerance import parse_tolerance
from pytest_vmaf.scoring.features import feature_columns, higher_is_better
from pytest_vmaf.scoring.signs import SIGNS

STREAMS = set(STREAM_METRICS) - {"bitrate"}
SPECIAL = (*BASE_METRICS, ABOVE, *SIGNS, *PART_METRICS, *SEARCH_METRICS, *STREAMS, *SPEED_METRICS, *CHANGES)


def test_every_metric_is_there_once():
    assert len(set(SPECIAL)) == len(SPECIAL)
    assert not set(SPECIAL) & set(feature_columns())
    assert sorted(metrics()) == sorted((*SPECIAL, *feature_columns()))
    assert all(metric.name == name for name, metric in metrics().items())


def test_labels_are_unique():
    labels = [metric.label for metric in metrics().values()]
    assert len(set(labels)) == len(labels)
    assert label("a metric of another version") == "a metric of another version"


@pytest.mark.parametrize("name", BASE_METRICS)
def test_labels_are_those_of_scales(name):
    assert label(name) == a_scale(name).name


def test_directions_are_those_of_scores():
    lower = {ABOVE, *STREAM_METRICS, BD_RATE, SLOWDOWN, *CHANGES, *SIGNS}
    for name, metric in metrics().items():
        assert metric.higher_is_better == (name not in lower and higher_is_better(name)), name


def test_sources():
    sources = {name: metric.source for name, metric in metrics().items()}
    assert {sources[name] for name in (*BASE_METRICS, ABOVE)} == {"score"}
    assert {sources[name] for name in SIGNS} == {"sign"}
    assert {sources[name] for name in ROI_METRICS} == {"roi"}
    assert {sources[name] for name in MAP_METRICS} == {"map"}
    assert {sources[name] for name in feature_columns()} == {"feature"}
    assert {sources[name] for name in STREAM_METRICS} == {"stream"}
    assert {sources[name] for name in SPEED_METRICS} == {"speed"}
    assert sources["crf"] == "encode"
    assert sources[BD_RATE] == "comparison"


@pytest.mark.parametrize(
    ("name", "unit"), [("neg", ""), ("psnr_y", "dB"), ("psnr_hvs", "dB"), ("bitrate", "bit/s"), (BD_RATE, "%")]
)
def test_units(name, unit):
    assert metrics()[name].unit == unit


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("bitrate", 1e6, 0),
        ("crf", 28, 0),
        ("crf", 28.25, 2),
        ("crf", 23.3, 1),
        (ABOVE, 3, 0),
        ("float_ssim", 0.98, 4),
        ("psnr_y", 38, 2),
        ("gap", 0.4, 2),
        (SLOWDOWN, 1, 2),
    ],
)
def test_decimals(name, value, expected):
    assert decimals(name, value) == expected


def test_every_metric_can_be_limited():
    for name in frame_metrics():
        assert parse_gate(f"max_{name}", 1, "call").metric == name
    for name in {*frame_metrics(), *SEARCH_METRICS} - {*SIGNS}:
        assert parse_tolerance(f"max_{name}_drop", 1, "call").metric == name
