"""Metrics of plugins in runs of pytest: the hook, every place that names them, workers, and reports elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from metrics.builders import absolute, network

from pytest_vmaf.gates import metrics as table
from pytest_vmaf.report.document import read

Run = Callable[..., pytest.RunResult]

CONFTEST = """
from pytest_vmaf import FakeScorer

class Net:
    direction, label, unit, version = "lower", "LPIPS <b>", "x", "1"
    def __init__(self, name):
        self.name = name
    def measure(self, reference, distorted):
        raise AssertionError("no clip is read")

def pytest_vmaf_metric(config, name):
    assert config is not None
    if name in ("lpips", "other"):
        return Net(name)

def pytest_vmaf_scorer(config, name):
    psnr = dict.fromkeys(("psnr_y", "psnr_cb", "psnr_cr"), 40.0)
    return FakeScorer(features={"lpips": [0.1, 0.2, 0.3], "net": 0.5, "other": 1.0}) if name == "ffmpeg" else None
"""
TEST = """
import pytest

def test_call(vmaf):
    result = vmaf.check("a.mkv", "b.mkv", metrics=["other"], gates={"max_lpips": 0.25})
    assert result["lpips"].max == 0.3 and result["other"] == 1
    assert not result["lpips"].scale.higher_is_better

@pytest.mark.vmaf(max_lpips_p95=0.4, metrics=["other"])
def test_marker(vmaf):
    assert {"lpips", "other"} <= vmaf.score("a.mkv", "b.mkv").features.keys()
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TEST)
    Path("net.onnx").write_bytes(network(*absolute(), direction="higher"))
    return pytester.path


def test_places(run: Run, project: Path) -> None:
    gates = "    min_net=0.4\n    max_lpips=0.19\n"
    Path("pytest.ini").write_text(f"[pytest]\nvmaf_metrics = net.onnx\nvmaf_gates =\n{gates}")
    result = run("--vmaf-json=r.json")
    result.assert_outcomes(passed=2)
    record = json.loads(Path("r.json").read_text())["tests"][0]["measurements"][0]
    assert record["provenance"]["metrics"]["lpips"] == {
        "label": "LPIPS <b>",
        "unit": "x",
        "version": "1",
        "higher_is_better": False,
        "low": None,
        "high": None,
    }
    # The gate of the call wins, and a gate of the ini file asks for the network that the ini file lists.
    origins = {gate["name"]: gate["origin"] for gate in record["gates"] if gate["origin"] != "default"}
    assert origins == {"max_lpips": "call", "min_net": "ini"}
    failed = run("--vmaf-metric=other", "--vmaf-gate=max_other=0.5")
    failed.assert_outcomes(passed=1, failed=1)
    failed.stdout.fnmatch_lines(["*LPIPS <b> 1.000 > 0.5*"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--vmaf-gate=max_lpipz=1",), "'max_lpipz' (command line) has an unknown metric."),
        (("--vmaf-metric=lost.onnx",), "The metric network *lost.onnx does not exist"),
        (("--vmaf-metric=Bad-Name",), "must be lowercase letters, digits and underscores"),
    ],
)
def test_usage(run: Run, project: Path, arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{words}*"])


def test_unknown_name(run: Run, project: Path) -> None:
    project.joinpath("test_other.py").write_text("def test_other(vmaf):\n    vmaf.score('a.mkv', 'b.mkv')\n")
    result = run("test_other.py", "--vmaf-metric=lipps")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*There is no metric 'lipps'*pytest_vmaf_metric*"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ImportError('no torch')", "*hook pytest_vmaf_metric failed for 'mine': ImportError: no torch*"),
        (
            "return type('Net', (), {'name': 'other', 'direction': 'lower', 'measure': max})()",
            "*metric 'mine' or None*",
        ),
        ("return 5", "*must have a method measure or measure_clip, and int has neither*"),
        ("return type('Net', (), {'name': name, 'measure': max})()", "*direction of the metric 'mine' must be*"),
    ],
)
def test_bad_hook(run: Run, pytester: pytest.Pytester, body: str, words: str) -> None:
    pytester.makeconftest(f"def pytest_vmaf_metric(config, name):\n    {body}\n")
    pytester.makepyfile("def test_it(vmaf):\n    vmaf.score('a.mkv', 'b.mkv', metrics=['mine'])\n")
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([words])
    usage = run("--vmaf-gate=min_mine=3")
    assert usage.ret == pytest.ExitCode.USAGE_ERROR
    usage.stderr.fnmatch_lines([words])


@pytest.mark.slow
def test_workers(pytester: pytest.Pytester, project: Path) -> None:
    arguments = ("-n1", "--vmaf-json=r.json", "--vmaf-html=r.html", "--vmaf-gate=max_lpips_max=0.2")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(passed=1, failed=1)
    page = Path("r.html").read_text()
    assert "LPIPS &lt;b&gt; max 0.3000 x" in page
    assert "LPIPS <b>" not in page


def test_report_without_plugin(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("--vmaf-json=r.json")
    monkeypatch.setattr(table, "_of_plugins", {})
    assert table.label("lpips") == "lpips"
    read(Path("r.json"))
    assert (table.label("lpips"), table.metric_of("lpips").unit) == ("LPIPS <b>", "x")
    assert not table.metric_of("lpips").higher_is_better


@pytest.mark.slow
def test_manifest(run: Run, project: Path) -> None:
    for name in ("a.mkv", "b.mkv"):
        Path(name).touch()
    manifest = """
version = 1
settings.metrics = ["net.onnx"]
[[clips]]
name = "a"
path = "a.mkv"
sha256 = "unchecked"
[[pairs]]
name = "pair"
distorted = "b.mkv"
gates = {{ {gate} = 0.6, max_lpips = 0.5 }}
"""
    Path("vmaf.toml").write_text(manifest.format(gate="min_net"))
    result = run("vmaf.toml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*net 0.500 < 0.6*"])
    Path("vmaf.toml").write_text(manifest.format(gate="min_net_p200"))
    run("vmaf.toml").stdout.fnmatch_lines(["*'min_net_p200' (manifest) has an unknown pool*"])
