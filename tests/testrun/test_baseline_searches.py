"""Baselines of searches: a bitrate for each target, a BD-rate; and a search that begins where the last one ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import BaselineError, Encoder, GateViolation, SettingsError, Vmaf
from pytest_vmaf.baselines.check import BaselineLocation
from pytest_vmaf.baselines.files import read, write
from pytest_vmaf.baselines.from_searches import rates_at_target

FAST: dict[str, Any] = {"preset": "ultrafast", "crf": (20, 45)}


@pytest.fixture(scope="session")
def short(footage: Callable[..., Path]) -> Path:
    """Eight frames of 192x128 pixels."""
    return footage("192x128", 8)


@pytest.fixture
def place(tmp_path: Path) -> BaselineLocation:
    """Where the baselines of a test are."""
    return BaselineLocation(tmp_path / "__vmaf__" / "test_x.json", "test_a", "pytest test_x.py::test_a", sends=True)


def kept(
    vmaf: Vmaf, place: BaselineLocation, change: Callable[[dict[str, Any]], None] = lambda entry: None
) -> dict[str, Any]:
    """Write what was measured, with a change, as the process with the terminal does."""
    [item] = vmaf.baselines.pop_entries()
    change(item["entry"])
    place.file.parent.mkdir(exist_ok=True)
    write(place.file, {place.test: {item["clip"]: item["entry"]}})
    return read(place.file)[place.test][item["clip"]]


def scaled(metric: str, factor: float) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for values in entry["values"].values():
            values[metric] *= factor

    return change


@pytest.mark.slow
def test_a_bitrate_is_held_at_each_target_and_the_next_search_begins_where_the_last_ended(
    short: Path, place: BaselineLocation
) -> None:
    targets = [60, 70, 80, 85]
    first = Vmaf(place=replace(place, modes=frozenset({"missing"})))
    cold = first.bisect(short, encoder="libx264", targets=targets, baseline=True, **FAST)
    entry = kept(first, place)
    assert set(entry["values"]) == {"NEG 60", "NEG 70", "NEG 80", "NEG 85"}
    for target in targets:
        answer = cold[target]
        assert answer.next_probe is not None
        assert answer.next_probe.bitrate < entry["values"][f"NEG {target}"]["bitrate"] <= answer.bitrate + 1
        assert entry["values"][f"NEG {target}"]["bitrate"] == pytest.approx(rates_at_target(cold, answer)[0], abs=1e-3)

    warm = Vmaf(place=place).bisect(short, encoder="libx264", targets=targets, baseline=True, **FAST)
    assert [warm[target].crf for target in targets] == [cold[target].crf for target in targets]
    # The crossings and their neighbours, and nothing else.
    needed = {crf for target in targets for crf in (cold[target].crf, cold[target].crf + 1)}
    assert {probe.crf for probe in warm.probes} == needed
    assert len(warm.probes) < len(cold.probes)


@pytest.mark.slow
def test_more_bitrate_fails_with_the_numbers_and_is_in_the_record(short: Path, place: BaselineLocation) -> None:
    first = Vmaf(place=replace(place, modes=frozenset({"missing"})))
    first.bisect(short, encoder="libx264", targets=[70], baseline=True, **FAST)
    kept(first, place, scaled("bitrate", 0.9))
    vmaf = Vmaf(place=place)
    with pytest.raises(GateViolation) as violation:
        vmaf.bisect(short, encoder="libx264", targets=[70], baseline=True, max_bitrate=10_000_000, **FAST)
    message = str(violation.value)
    assert "bit/s is 11.11 % above the baseline's" in message.partition("\n")[0]
    assert message.startswith("NEG 70: ")
    assert "max_bitrate_rise is 2 % (1 of 2 gates failed)" in message
    assert "accept it: pytest test_x.py::test_a --vmaf-update=changed" in message
    [record] = vmaf.records
    assert record["status"] == "failed"
    assert record["gates"][-1]["metric"] == "change of bitrate in % at NEG 70"

    Vmaf(place=place).bisect(short, encoder="libx264", targets=[70], baseline=True, max_bitrate_rise="12%", **FAST)
    with pytest.raises(BaselineError, match="not comparable: encoder libx264 ultrafast → libx264 superfast"):
        Vmaf(place=place).bisect(
            short, encoder="libx264", targets=[70], baseline=True, **{**FAST, "preset": "superfast"}
        )


@pytest.mark.slow
def test_a_target_that_was_met_and_is_not_fails_and_a_new_one_asks_for_an_update(
    short: Path, place: BaselineLocation
) -> None:
    first = Vmaf(place=replace(place, modes=frozenset({"missing"})))
    first.bisect(short, encoder="libx264", targets=[70, 85], baseline=True, **FAST)
    kept(first, place)
    narrow = {**FAST, "crf": (35, 45)}
    with pytest.raises(GateViolation, match="NEG 85 was met before and is not now"):
        Vmaf(place=place).bisect(short, encoder="libx264", targets=[70, 85], baseline=True, **narrow)
    with pytest.raises(GateViolation, match="NEG 60 is not in the baseline"):
        Vmaf(place=place).bisect(short, encoder="libx264", targets=[60, 70], baseline=True, **FAST)
    again = Vmaf(place=replace(place, modes=frozenset({"missing"})))
    again.bisect(short, encoder="libx264", targets=[85], baseline="never met", **narrow)
    kept(again, place)
    with pytest.raises(GateViolation, match="nothing to compare"):
        Vmaf(place=place).bisect(short, encoder="libx264", targets=[85], baseline="never met", **narrow)


@pytest.mark.slow
def test_a_bd_rate_is_held_against_the_first_encoder(short: Path, place: BaselineLocation) -> None:
    encoders = {"x264": {"encoder": "libx264", **FAST}, "denoised": {"encoder": "libx264", "arguments": "-g 1", **FAST}}
    asked = {"targets": [60, 70, 80, 85], "speed": False, "baseline": True}
    first = Vmaf(place=replace(place, modes=frozenset({"missing"})))
    found = first.compare(short, encoders=encoders, **asked)

    def lower(entry: dict[str, Any]) -> None:
        entry["values"]["denoised"]["bd_rate"] -= 1.5

    entry = kept(first, place, lower)
    assert entry["values"]["denoised"]["bd_rate"] == pytest.approx(
        found.bd_rate("denoised", anchor="x264") - 1.5, abs=1e-3
    )
    with pytest.raises(GateViolation, match=r"denoised: BD-rate \S+ % is 1.50 points above .*max_bd_rate_rise is 1"):
        Vmaf(place=place).compare(short, encoders=encoders, **asked)
    vmaf = Vmaf(place=place)
    vmaf.compare(short, encoders=encoders, max_bd_rate_rise=2, **asked)
    assert vmaf.records[0]["gates"][-1]["name"] == "max_bd_rate_rise"


def test_searches_refuse_baselines_that_they_cannot_hold(short: Path, place: BaselineLocation) -> None:
    vmaf = Vmaf(place=place)
    with pytest.raises(SettingsError, match="ladder of libx264 has no baseline"):
        vmaf.ladder(short, encoder="libx264", resolutions=["96x64"], targets=[60], baseline=True)
    with pytest.raises(SettingsError, match="max_drop holds nothing here: this measures no neg"):
        vmaf.bisect(short, encoder="libx264", targets=[60], baseline=True, max_drop=1)
    with pytest.raises(SettingsError, match="say baseline=True"):
        vmaf.bisect(short, encoder="libx264", targets=[60], max_bitrate_rise=1)
    with pytest.raises(SettingsError, match="baseline= belongs to tests"):
        Vmaf().bisect(short, encoder="libx264", targets=[60], baseline=True)


@pytest.mark.slow
def test_arguments_of_an_encoder_are_a_part_of_what_is_compared(short: Path, place: BaselineLocation) -> None:
    first = Vmaf(place=replace(place, modes=frozenset({"missing"})))
    first.bisect(short, encoder="libx264", targets=[70], baseline="it", **FAST)
    kept(first, place)
    with pytest.raises(BaselineError, match="encoder libx264 ultrafast → libx264 ultrafast -g 5"):
        Vmaf(place=place).bisect(short, encoder="libx264", targets=[70], baseline="it", arguments="-g 5", **FAST)


@pytest.mark.slow
def test_answers_are_encoded_again_and_their_spread_is_kept(
    short: Path, place: BaselineLocation, make: Callable[..., Path]
) -> None:
    runs: list[int] = []

    def unsteady(source: Path, output: Path, crf: int) -> None:
        runs.append(crf)
        noise = f"noise=alls=3:all_seed={len(runs)}"
        make("-i", source, "-vf", noise, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, output)

    encoder = Encoder("unsteady", (0, 51), function=unsteady, suffix=".mp4")
    asked: dict[str, Any] = {"encoder": encoder, "targets": [70], "crf": (28, 40), "repeats": 3, "baseline": "it"}
    first = Vmaf(place=replace(place, modes=frozenset({"missing"})))
    found = first.bisect(short, **asked)
    assert runs.count(found[70].crf) == 3
    assert len(runs) == len(found.probes) + 2
    entry = kept(first, place)
    assert entry["noise"]["n"] == 3
    assert 0 < entry["noise"]["stdev"]["NEG 70"]["bitrate"]["mean"] < 0.05 * entry["values"]["NEG 70"]["bitrate"]
    Vmaf(place=place).bisect(short, **asked, max_bitrate_rise="10%")
    with pytest.raises(BaselineError, match="nothing can be said"):
        Vmaf(place=place).bisect(short, **asked, max_bitrate_rise=1)


@pytest.mark.parametrize("repeats", [0, True, 1.5, 101])
def test_repeats_are_a_whole_number_and_of_a_bisection(short: Path, repeats: Any) -> None:
    with pytest.raises(SettingsError, match="repeats is"):
        Vmaf().bisect(short, encoder="libx264", targets=[70], repeats=repeats)
    with pytest.raises(SettingsError, match=r"repeats is a setting of vmaf\.bisect"):
        Vmaf().ladder(short, encoder="libx264", resolutions=["96x64"], targets=[60], repeats=2)
