"""Gates and tolerances on metrics of plugins: their names, their pools, and who knows them."""

from __future__ import annotations

import pytest

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import parse_assignment, parse_gate
from pytest_vmaf.gates.metrics import decimals, label, metric_of
from pytest_vmaf.gates.plugin_metrics import check_plugin_metric, is_plugin_name
from pytest_vmaf.gates.tolerance import parse_tolerance
from pytest_vmaf.metrics.spec import MetricSpec, read_spec


class Net:
    direction = "lower"

    def __init__(self, name: str, **attributes: object) -> None:
        self.name = name
        vars(self).update(attributes)

    def measure(self, reference: object, distorted: object) -> float:
        return 0.0


def find(name: str) -> MetricSpec | None:
    return read_spec(Net(name)) if name in ("lpips", "neg_x", "my_net") else None


@pytest.mark.parametrize(
    ("name", "metric", "pool"),
    [
        ("max_lpips", "lpips", "mean"),
        ("max_lpips_p95", "lpips", "p95"),
        ("max_my_net_worst_2s", "my_net", "worst_2s"),
        ("max_my_net_harmonic_mean", "my_net", "harmonic_mean"),
        ("max_neg_x", "neg_x", "mean"),
        ("max_neg_x_p5", "neg_x", "p5"),
        ("min_neg_p5", "neg", "p5"),
    ],
)
def test_gate(name: str, metric: str, pool: str) -> None:
    gate = parse_gate(name, 50, "call", find=find)
    assert (gate.metric, gate.pool) == (metric, pool)
    assert gate.plugin_metric == (None if metric == "neg" else metric)
    assert gate.feature is None


def test_limits_are_of_any_size() -> None:
    assert parse_assignment("max_neg_x=0.5", "ini", find).limit == 0.5
    assert parse_gate("max_my_net", 700, "call", find=find).limit == 700


def test_tolerance() -> None:
    tolerance = parse_tolerance("max_lpips_rise_p5", "2%", "call", find)
    assert (tolerance.metric, tolerance.direction, tolerance.pool) == ("lpips", "rise", "p5")
    assert tolerance.plugin_metric == "lpips"


def test_unknown() -> None:
    with pytest.raises(SettingsError, match=r"unknown metric.*those of plugins and of metrics="):
        parse_gate("max_lpipss", 1, "call", find=find)
    with pytest.raises(SettingsError, match="unknown metric"):
        parse_tolerance("max_lpipss_drop", 1, "call", find)
    for name in ("min_lpips_p200", "min_lpips_median_p5", "min_my_net_worst"):
        with pytest.raises(SettingsError, match="unknown pool"):
            parse_gate(name, 1, "call", find=find)


@pytest.mark.parametrize(
    "name",
    ["vmaf", "neg", "psnr_y", "psnr", "bitrate", "crf", "ssim", "xpsnr", "above_100", "roi", "roi_net", "vmaf_bagging"],
)
def test_own_names(name: str) -> None:
    with pytest.raises(SettingsError, match="is the name of a built-in metric"):
        check_plugin_metric(read_spec(Net(name)))


@pytest.mark.parametrize("name", ["net_p5", "net_min", "net_worst_1s", "net_drop", "drop", "min"])
def test_ambiguous_names(name: str) -> None:
    assert not is_plugin_name(name)
    with pytest.raises(SettingsError, match="must not end like a pool or a tolerance, as"):
        check_plugin_metric(read_spec(Net(name)))


def test_minimum_where_lower_is_better() -> None:
    with pytest.raises(SettingsError, match=r"a lower lpips is better, so a minimum passes .* Write max_lpips_p95\."):
        parse_gate("min_lpips_p95", 0.1, "call", find=find)


@pytest.mark.parametrize("name", ["", "Net", "my net", "net-2", "2net", "réseau", "n" * 49, None, 5])
def test_invalid_names(name: object) -> None:
    with pytest.raises(SettingsError, match="must be lowercase letters, digits and underscores"):
        read_spec(Net(name))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"direction": "up"}, 'must be "higher" or "lower"'),
        ({"direction": None}, "it has none"),
        ({"colour": "yuv"}, 'must be "rgb" or "luma"'),
        ({"frames": 0}, "from 1 to 4096"),
        ({"stride": 1.5}, "from 1 to 4096"),
        ({"range": (1, 0)}, "lower value first"),
        ({"range": 3}, "its lowest and its highest value"),
        ({"label": "a\nb"}, "printable characters"),
        ({"unit": 5}, "printable characters"),
        ({"version": 5}, "printable characters"),
        ({"measure_clip": len}, "has both"),
    ],
)
def test_invalid_attributes(attributes: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_spec(Net("net", **attributes))


def test_labels() -> None:
    check_plugin_metric(read_spec(Net("labelled", label="Labelled", unit="dB")))
    assert (label("labelled"), metric_of("labelled").unit, metric_of("labelled").source) == ("Labelled", "dB", "plugin")
    assert (label("never_met"), metric_of("never_met").unit) == ("never_met", "")
    assert decimals("labelled", 0.5) == 4
