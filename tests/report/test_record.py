"""Records of measurements in exact JSON types, and long commands."""

from __future__ import annotations

import enum
import json
import pathlib
from dataclasses import replace

import numpy as np
import pytest

from pytest_vmaf import FakeScorer, GateViolation, Vmaf
from pytest_vmaf.report.record import measurement_record, plain, sendable
from pytest_vmaf.scoring.score import Score


class Codec(enum.Enum):
    X264 = "libx264"


class Named(str):
    """A subclass, which execnet refuses."""


def exact(value: object) -> bool:
    if type(value) is dict:
        return all(type(key) is str and exact(each) for key, each in value.items())
    if type(value) in (list, tuple):
        return all(map(exact, value))
    return type(value) in (type(None), bool, int, float, str)


def test_json_types() -> None:
    vmaf = Vmaf(scorer=FakeScorer(features={"psnr_y": 40, "psnr_cb": 41, "psnr_cr": 42}), features=["psnr"])
    vmaf.score("a.mkv", "b.mkv", min_neg=90)
    with pytest.raises(GateViolation):
        vmaf.check("a.mkv", "b.mkv", min_psnr_y=50)
    assert exact(vmaf.records)
    assert json.loads(json.dumps(vmaf.records, allow_nan=False)) == vmaf.records
    assert [record["status"] for record in vmaf.records] == ["passed", "failed"]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.float64(1.5), 1.5),
        (np.int32(3), 3),
        (Codec.X264, "libx264"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (Named("x"), "x"),
        ({1: {2.5}}, {"1": [2.5]}),
        ((1, [True, None]), [1, [True, None]]),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_plain(value: object, wanted: object) -> None:
    assert plain(value) == wanted
    assert exact(plain(value))


def test_sendable() -> None:
    value = [("a", b"bytes"), {"b": (1, 2.5, None)}]
    assert sendable(value) == value
    assert type(sendable({"n": np.float32(2)})["n"]) is float


@pytest.mark.parametrize("length", [16_000, 16_001, 500_000])
def test_long_command(length: int) -> None:
    result = Vmaf(scorer=FakeScorer(neg=90)).score("a.mkv", "b.mkv")
    context = replace(result.context, provenance={**result.provenance, "command": "x" * length})
    score = Score(result.vmaf.unclipped.frames, result.vmaf.scale, context)
    command = measurement_record(replace(result, vmaf=score), ())["provenance"]["command"]
    if length == 16_000:
        assert command == "x" * length
    else:
        assert command == f"{'x' * 16_000} … ({length} characters; result.provenance['command'] has them all)"
