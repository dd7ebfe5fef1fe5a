"""Baselines of searches: bitrates at targets, BD-rates, repeats, and the start of the next search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baselines.sessions import LOCATION, session, store, updating
from pytest_vmaf import BaselineError, Encoder, GateViolation, SettingsError, Vmaf
from pytest_vmaf.baselines.check import BaselineLocation
from pytest_vmaf.baselines.from_results import rates_at_target

FAST: dict[str, Any] = {"preset": "ultrafast", "crf": (20, 45)}


@pytest.fixture(scope="session")
def short(footage: Callable[..., Path]) -> Path:
    """Eight frames of 192x128 pixels."""
    return footage("192x128", 8)


@pytest.fixture
def place(tmp_path: Path) -> BaselineLocation:
    """Where the baselines of a test are."""
    return replace(LOCATION, file=tmp_path / "__vmaf__" / "test_x.json")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Setting of a cache that the tests share: what an encode scores is not their subject."""
    return {"cache_dir": str(tmp_path_factory.mktemp("cache"))}


def scaled(metric: str, factor: float) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for values in entry["values"].values():
            values[metric] *= factor

    return change


@pytest.mark.slow
def test_bisect_starts_at_last_answers(short: Path, place: BaselineLocation, cache: dict[str, str]) -> None:
    targets = [60, 70, 80, 85]
    first = session(updating(place), **cache)
    cold = first.bisect(short, encoder="libx264", targets=targets, baseline=True, **FAST)
    [entry] = store(first, place).values()
    assert set(entry["values"]) == {"NEG 60", "NEG 70", "NEG 80", "NEG 85"}
    for target in targets:
        answer = cold[target]
        assert answer.next_probe is not None
        assert answer.next_probe.bitrate < entry["values"][f"NEG {target}"]["bitrate"] <= answer.bitrate + 1
        assert entry["values"][f"NEG {target}"]["bitrate"] == pytest.approx(rates_at_target(cold, answer)[0], abs=1e-3)

    warm = session(place, **cache).bisect(short, encoder="libx264", targets=targets, baseline=True, **FAST)
    assert [warm[target].crf for target in targets] == [cold[target].crf for target in targets]
    # The crossings and their neighbours, and nothing else.
    needed = {crf for target in targets for crf in (cold[target].crf, cold[target].crf + 1)}
    assert {probe.crf for probe in warm.probes} == needed
    assert len(warm.probes) <= len(cold.probes)


@pytest.mark.slow
def test_bitrate_rise(short: Path, place: BaselineLocation, cache: dict[str, str]) -> None:
    first = session(updating(place), **cache)
    first.bisect(short, encoder="libx264", targets=[70], baseline=True, **FAST)
    store(first, place, scaled("bitrate", 0.9))
    vmaf = session(place, **cache)
    with pytest.raises(GateViolation) as violation:
        vmaf.bisect(short, encoder="libx264", targets=[70], baseline=True, max_bitrate=10_000_000, **FAST)
    message = str(violation.value)
    assert "bit/s is 11.11 % above the baseline's" in message.partition("\n")[0]
    assert message.startswith("NEG 70: ")
    assert "max_bitrate_rise is 2 % (1 of 2 gates failed)" in message
    assert "accept it: pytest test_x.py::test_a --vmaf-baseline-update=changed" in message
    [record] = vmaf.records
    assert record["status"] == "failed"
    assert record["gates"][-1]["metric"] == "rise of bitrate at NEG 70 in %"

    session(place, **cache).bisect(
        short, encoder="libx264", targets=[70], baseline=True, max_bitrate_rise="12%", **FAST
    )
    with pytest.raises(BaselineError, match="not comparable: encoder libx264 ultrafast → libx264 superfast"):
        session(place, **cache).bisect(
            short, encoder="libx264", targets=[70], baseline=True, **{**FAST, "preset": "superfast"}
        )


@pytest.mark.slow
def test_targets_come_and_go(short: Path, place: BaselineLocation, cache: dict[str, str]) -> None:
    first = session(updating(place), **cache)
    first.bisect(short, encoder="libx264", targets=[70, 85], baseline=True, **FAST)
    store(first, place)
    narrow = {**FAST, "crf": (35, 45)}
    with pytest.raises(GateViolation, match="NEG 85 was reached in the baseline and is not reached now"):
        session(place, **cache).bisect(short, encoder="libx264", targets=[70, 85], baseline=True, **narrow)
    with pytest.raises(GateViolation, match="NEG 60 is not in the baseline"):
        session(place, **cache).bisect(short, encoder="libx264", targets=[60, 70], baseline=True, **FAST)
    again = session(updating(place), **cache)
    again.bisect(short, encoder="libx264", targets=[85], baseline="never met", **narrow)
    store(again, place)
    with pytest.raises(GateViolation, match="nothing to compare"):
        session(place, **cache).bisect(short, encoder="libx264", targets=[85], baseline="never met", **narrow)


@pytest.mark.slow
def test_bd_rate(short: Path, place: BaselineLocation, cache: dict[str, str]) -> None:
    encoders = {"x264": {"encoder": "libx264", **FAST}, "denoised": {"encoder": "libx264", "arguments": "-g 1", **FAST}}
    options = {"targets": [60, 70, 80, 85], "speed": False, "baseline": True}
    first = session(updating(place), **cache)
    result = first.compare(short, encoders=encoders, **options)

    def lower(entry: dict[str, Any]) -> None:
        entry["values"]["denoised"]["bd_rate"] -= 1.5

    [entry] = store(first, place, lower).values()
    assert entry["values"]["denoised"]["bd_rate"] == pytest.approx(
        result.bd_rate("denoised", anchor="x264") - 1.5, abs=1e-3
    )
    with pytest.raises(GateViolation, match=r"denoised: BD-rate \S+ % is 1.50 points above .*max_bd_rate_rise is 1"):
        session(place, **cache).compare(short, encoders=encoders, **options)
    vmaf = session(place, **cache)
    vmaf.compare(short, encoders=encoders, max_bd_rate_rise=2, **options)
    assert vmaf.records[0]["gates"][-1]["name"] == "max_bd_rate_rise"


def test_invalid_settings(short: Path, place: BaselineLocation) -> None:
    vmaf = session(place)
    with pytest.raises(SettingsError, match="ladder"):
        vmaf.ladder(short, encoder="libx264", resolutions=["96x64"], targets=[60], baseline=True)
    with pytest.raises(SettingsError, match="max_drop cannot be checked here: this measurement has no neg"):
        vmaf.bisect(short, encoder="libx264", targets=[60], baseline=True, max_drop=1)
    with pytest.raises(SettingsError, match="Add baseline=True"):
        vmaf.bisect(short, encoder="libx264", targets=[60], max_bitrate_rise=1)
    with pytest.raises(SettingsError, match="baseline= requires the vmaf fixture"):
        Vmaf().bisect(short, encoder="libx264", targets=[60], baseline=True)


@pytest.mark.slow
def test_encoder_arguments(short: Path, place: BaselineLocation, cache: dict[str, str]) -> None:
    first = session(updating(place), **cache)
    first.bisect(short, encoder="libx264", targets=[70], baseline="it", **FAST)
    store(first, place)
    with pytest.raises(BaselineError, match="encoder libx264 ultrafast → libx264 ultrafast -g 5"):
        session(place, **cache).bisect(short, encoder="libx264", targets=[70], baseline="it", arguments="-g 5", **FAST)


@pytest.mark.slow
def test_repeats(short: Path, place: BaselineLocation, cache: dict[str, str], make: Callable[..., Path]) -> None:
    runs: list[int] = []

    def unsteady(source: Path, output: Path, crf: int) -> None:
        runs.append(crf)
        noise = f"noise=alls=3:all_seed={len(runs)}"
        make("-i", source, "-vf", noise, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, output)

    encoder = Encoder("unsteady", (0, 51), function=unsteady, suffix=".mp4")
    options: dict[str, Any] = {"encoder": encoder, "targets": [70], "crf": (28, 40), "repeats": 3, "baseline": "it"}
    first = session(updating(place), **cache)
    result = first.bisect(short, **options)
    assert runs.count(result[70].crf) == 3
    assert len(runs) == len(result.probes) + 2
    [entry] = store(first, place).values()
    assert entry["noise"]["n"] == 3
    assert 0 < entry["noise"]["stdev"]["NEG 70"]["bitrate"]["mean"] < 0.05 * entry["values"]["NEG 70"]["bitrate"]
    session(place, **cache).bisect(short, **options, max_bitrate_rise="10%")
    with pytest.raises(BaselineError, match="too noisy to decide"):
        session(place, **cache).bisect(short, **options, max_bitrate_rise=1)


@pytest.mark.parametrize("repeats", [0, True, 1.5, 101])
def test_invalid_repeats(short: Path, repeats: Any) -> None:
    with pytest.raises(SettingsError, match="repeats"):
        Vmaf().bisect(short, encoder="libx264", targets=[70], repeats=repeats)
    with pytest.raises(SettingsError, match="repeats"):
        Vmaf().ladder(short, encoder="libx264", resolutions=["96x64"], targets=[60], repeats=2)
