"""Calls that Python itself would refuse with a bare TypeError."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from pytest_vmaf import SettingsError, Vmaf
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report.schema import MEASUREMENT


@pytest.mark.parametrize(
    ("method", "arguments", "keywords", "message"),
    [
        ("bisect", ["a"], {"encoder": "libx264", "target": 80}, "there is no 'target'; write targets=[80]."),
        ("bisect", ["a"], {"encoders": ["libx264"], "targets": 80}, "there is no 'encoders'; write encoder='libx264'."),
        ("bisect", ["a"], {"codec": "x265", "target": 80}, "there is no 'codec'; write encoder='x265'; there is no"),
        ("bisect", ["a"], {"encoder": "libx264"}, "targets= is missing."),
        ("bisect", ["a", "libx264", [80]], {}, "only source can be passed without a name; write encoder='libx264', t"),
        ("bisect", [], {"src": "a", "encoder": "libx264", "targets": [80]}, "there is no 'src'; write source='a'."),
        ("compare", ["a"], {"encoder": "libx264"}, "there is no 'encoder'; write encoders=['libx264']."),
        ("compare", [], {"source": "a", "encoders": ["x"]}, "there is no 'source'; write sources=['a']."),
        ("ladder", ["a"], {"encoder": "x", "resolution": "64x64", "target": 9}, "write resolutions=['64x64']; there"),
        ("per_shot", ["a"], {"encoder": "libx264", "targets": [80]}, "there is no 'targets'; write target=80."),
        ("sweep", ["a"], {"encoders": ["x"], "crf": 23, "out": "o"}, "write crfs=[23]; there is no 'out'; write outp"),
        ("encode", ["a", "o.mp4"], {"encoder": "libx264", "qp": 23}, "there is no 'qp'; write crf=23."),
        ("check", ["a"], {}, "distorted= is missing."),
        ("check", ["a"], {"dist": "b"}, "there is no 'dist'; write distorted='b'."),
        ("score", ["a", "b", "c"], {}, "only reference and distorted can be passed without a name; write regions='c'."),
        ("map", ["a"], {}, "vmaf.quality_map(): distorted= is missing."),
        ("score", ["a", "b"], {"reference": "c"}, "multiple values for argument 'reference'."),
    ],
)
def test_sentence(method: str, arguments: list[Any], keywords: dict[str, Any], message: str) -> None:
    vmaf = Vmaf()
    with pytest.raises(SettingsError) as error:
        getattr(vmaf, method)(*arguments, **keywords)
    assert message in str(error.value)
    assert [record["error"] for record in vmaf.records] == [str(error.value)]
    conform(vmaf.records[0], MEASUREMENT)


def test_signatures_stay() -> None:
    assert list(inspect.signature(Vmaf.bisect).parameters)[:4] == ["self", "source", "encoder", "targets"]
    assert Vmaf.map is Vmaf.quality_map
