"""Baselines of speeds: their noise, and the machine on which alone they compare. The clock is made up."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from search.speed_builders import a_speed, set_pace

from baselines.sessions import LOCATION, session, store, updating
from pytest_vmaf import BaselineError, GateViolation, SettingsError, Vmaf
from pytest_vmaf.baselines.check import BaselineLocation
from pytest_vmaf.baselines.from_speeds import entry_of_speed
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.search.speed import Speed, SpeedRound
from pytest_vmaf.settings import make_layer

FAST: dict[str, Any] = {"encoder": "libx264:fast", "crf": 30, "decode": False, "baseline": True}


@pytest.fixture
def place(tmp_path: Path) -> BaselineLocation:
    """Where the baselines of a test are."""
    return replace(LOCATION, file=tmp_path / "__vmaf__" / "test_x.json")


@pytest.fixture
def measure(clip: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Vmaf]:
    """measure(vmaf, 1.0, noise=0.01, **settings): time an encoder that takes so many seconds."""

    def run(vmaf: Vmaf, seconds: float, noise: float = 0.01, **settings: Any) -> Vmaf:
        generator = random.Random(4)
        set_pace(monkeypatch, lambda *_: seconds * (1 + generator.uniform(-noise, noise)))
        vmaf.speed(clip, **{**FAST, **settings})
        return vmaf

    return run


def test_later_run(place: BaselineLocation, measure: Callable[..., Vmaf]) -> None:
    first = session(updating(place))
    measure(first, 1.0)
    [entry] = store(first, place).values()
    match = entry["match"]
    assert (entry["kind"], match["clock"], match["CRF"], entry["noise"]["n"]) == ("speed", "cpu", "30", 16)
    assert entry["values"][""]["speed"] == pytest.approx(100, abs=1)
    later = measure(session(place), 1.02)
    [gate] = later.records[0]["gates"]
    assert (gate["name"], gate["origin"], gate["passed"]) == ("max_speed_drop", "default", True)
    with pytest.raises(GateViolation) as failure:
        measure(session(place), 1.2, min_encode_fps=10)
    first_line, *lines = str(failure.value).splitlines()
    assert "frames/s is 16." in first_line
    assert "below the baseline's" in first_line
    assert first_line.endswith("max_speed_drop is 5 % (1 of 2 gates failed)")
    assert any("if the change is intended, accept it" in line for line in lines)
    assert any(line.startswith("  passed: encoding speed 83.") for line in lines)
    # A larger tolerance of the call.
    measure(session(place), 1.2, max_speed_drop="30%")


def test_noise(place: BaselineLocation, measure: Callable[..., Vmaf]) -> None:
    first = session(updating(place))
    measure(first, 1.0, noise=0.3)
    store(first, place)
    with pytest.raises(BaselineError, match="too noisy to decide"):
        measure(session(place), 1.08, noise=0.3)


def test_other_machine(place: BaselineLocation, measure: Callable[..., Vmaf]) -> None:
    first = session(updating(place))
    measure(first, 1.0)
    store(first, place, lambda entry: entry["match"].update(machine="builder 7, Other CPU"))
    with pytest.raises(BaselineError, match="not comparable: machine builder 7, Other CPU → "):
        measure(session(place), 1.0)


def test_no_baseline(place: BaselineLocation, measure: Callable[..., Vmaf]) -> None:
    with pytest.raises(GateViolation, match=r"no baseline for reference-192x128-12-25.mkv: speed of libx264:fast"):
        measure(session(place), 1.0)
    with pytest.raises(SettingsError, match="has no baseline"):
        measure(session(place), 1.0, against="libx264:slow")


def test_tolerances_of_markers(place: BaselineLocation, clip: Path, encode: Callable[..., Path]) -> None:
    """A marker's `max_speed_drop` is meant for `vmaf.speed`, and does not hinder a check in the same test."""
    vmaf = session(place)
    vmaf._context.layers = (make_layer("marker", {"max_speed_drop": "5%"}),)
    vmaf.score(clip, encode(clip, 30))
    assert vmaf._context.baselines.unchecked(vmaf._context.layers) == ["max_speed_drop"]


def test_instructions(clip: Path) -> None:
    """They compare on every machine with the same processor; three rounds have a range in place of an interval."""
    rounds = tuple(SpeedRound(1.0, instructions=count) for count in (1_000_000, 1_010_000, 1_000_000))
    speed = Speed(30, 100, rounds, "enc", clock="instructions", counter="valgrind 3.19.0")
    entry = entry_of_speed(speed, "enc", Clip(clip))
    assert entry["match"]["clock"] == "instructions of valgrind 3.19.0"
    assert "," not in entry["match"]["machine"]
    assert entry["values"] == {"": {"speed": 100_000.0}}
    assert 0 < entry["noise"]["stdev"][""]["speed"]["mean"] < 1000
    timed = entry_of_speed(a_speed([1.0] * 8), "enc", Clip(clip))
    assert timed["noise"]["stdev"][""]["speed"]["mean"] == 0
