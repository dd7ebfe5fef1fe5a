"""Records of measurements in exact JSON types, and long commands."""

from __future__ import annotations

import enum
import json
import pathlib
from dataclasses import replace

import numpy as np
import pytest

from pytest_vmaf import FakeScorer, GateViolation, Vmaf
from pytest_vmaf.baselines.judge import Outcome, ToleranceVerdict
from pytest_vmaf.gates.tolerance import parse_tolerance
from pytest_vmaf.report.record import measurement_record, outcome_gates, plain, sendable
from pytest_vmaf.report.wording import describe_failure, margin, margin_of
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


@pytest.mark.parametrize(
    ("name", "limit", "old", "new", "words"),
    [
        ("max_drop", 0.5, 93.0, 90.0, "drop of NEG 3.00 where at most 0.5 is required"),
        ("max_drop_p5", 0.5, 90.0, 90.25, "drop of NEG p5 -0.25 where at most 0.5 is required"),
        ("max_gap_rise", 1, 1.0, 1.5, "rise of gap 0.50 where at most 1 is required"),
        ("max_bitrate_rise", "2%", 1e6, 1.1e6, "rise of bitrate 10.00 % where at most 2 % is required"),
    ],
)
def test_tolerance(name: str, limit: object, old: float, new: float, words: str) -> None:
    tolerance = parse_tolerance(name, limit, "call")
    worse = tolerance.worse(old, new)
    [gate] = outcome_gates(Outcome((ToleranceVerdict(tolerance, "", old, new, worse),)), "")
    assert (gate["limit"], gate["value"], gate["bound"]) == (tolerance.limit, worse, "max")
    assert gate["margin"] == gate["limit"] - gate["value"]
    assert describe_failure(gate) == words
    assert margin(gate).endswith(" %") is isinstance(limit, str)


def test_missing_baseline() -> None:
    [gate] = outcome_gates(Outcome(failed=("there is none",)), "")
    assert margin_of({"gates": [gate]}) == "missing baseline"
    assert describe_failure(gate) == "the baseline is missing"


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
