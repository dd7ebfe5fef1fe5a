"""What a test does with its baselines, in one process: entries kept and held again, without pytest around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import BaselineError, FakeScorer, GateViolation, Region, SettingsError, Vmaf
from pytest_vmaf.baselines.check import BaselineLocation
from pytest_vmaf.baselines.files import read, write

Fixture = Callable[..., Vmaf]


@pytest.fixture
def place(tmp_path: Path) -> BaselineLocation:
    """Where the baselines of a test are."""
    return BaselineLocation(tmp_path / "__vmaf__" / "test_x.json", "test_a", "pytest test_x.py::test_a", sends=True)


def kept(vmaf: Vmaf, place: BaselineLocation) -> None:
    """Write what was measured, as the process with the terminal does."""
    place.file.parent.mkdir(exist_ok=True)
    write(place.file, {place.test: {item["clip"]: item["entry"] for item in vmaf.baselines.pop_entries()}})


def updating(place: BaselineLocation, *modes: str) -> BaselineLocation:
    return replace(place, modes=frozenset(modes))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_drop": 1}, r"max_drop=1 \(call\) is held against a baseline, and none is asked for; say baseline=True"),
        ({"baseline": True, "max_drpo": 1}, "max_drpo"),
        ({"baseline": True, "max_ngg_drop": 1}, "has an unknown metric. Did you mean 'max_neg_drop'"),
        ({"baseline": True, "max_drop_p6": 1}, "has an unknown pool. Pools: "),
        ({"baseline": True, "max_bitrate_rise_p5": 1}, "bitrate has no pools; say max_bitrate_rise"),
        ({"baseline": True, "max_drop": -1}, r"The limit of max_drop \(call\) must be a finite number from 0"),
        ({"baseline": True, "max_drop": "x%"}, "The limit of max_drop"),
        ({"baseline": True, "max_drop": True}, "The limit of max_drop"),
        ({"baseline": True, "max_bitrate_rise": 1}, "max_bitrate_rise holds nothing here: this measures no bitrate"),
        ({"baseline": True, "max_neg_roi_drop": 1}, "max_neg_roi_drop holds nothing here: this measures no neg_roi"),
        ({"baseline": True, "max_drop": 1, "max_neg_drop": 1}, "max_drop and max_neg_drop .* are the same tolerance"),
        ({"baseline": True, "max_drop": None, "max_drop_p5": "off"}, "baseline= would hold nothing; say e.g. max_drop"),
        ({"baseline": 3}, r"baseline \(call\) is 3; it is True, False, or a text that names the entry"),
        ({"baseline": " "}, r"baseline \(call\) is ' '"),
    ],
)
def test_a_tolerance_that_nothing_would_hold_is_refused(
    place: BaselineLocation, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Vmaf(place=place, scorer=FakeScorer()).check("a", "b", **settings)


def test_a_baseline_without_a_test_is_refused(reference: Path, encoded: Path) -> None:
    with pytest.raises(SettingsError, match="baseline= belongs to tests"):
        Vmaf().check(reference, encoded, baseline=True)
    with pytest.raises(SettingsError, match="self_score holds no gates"):
        Vmaf().self_score(reference, baseline=True)


def faked(place: BaselineLocation, neg: float | list[float] = 93.0, **more: Any) -> Vmaf:
    return Vmaf(place=place, scorer=FakeScorer(vmaf=95.0, neg=neg, **more), max_gap=None)


def test_equality_passes_and_a_hundredth_more_does_not(place: BaselineLocation) -> None:
    first = faked(updating(place, "missing"))
    first.check("a", "b.mp4", baseline=True)
    kept(first, place)
    faked(place, 92.5).check("a", "b.mp4", baseline=True)
    with pytest.raises(GateViolation) as violation:
        faked(place, 92.499).check("a", "b.mp4", baseline=True)
    assert str(violation.value).startswith(
        "NEG 92.50 is 0.501 below the baseline's 93.00; max_drop is 0.5 (1 of 3 gates failed)"
    )
    with pytest.raises(GateViolation, match=r"NEG 90.00 is 3.23 % below the baseline's 93.00; max_drop is 2 %"):
        faked(place, 90).check("a", "b.mp4", baseline=True, max_drop="2%")


def test_gates_and_baseline_are_one_failure_and_one_record(place: BaselineLocation) -> None:
    first = faked(updating(place, "missing"))
    first.check("a", "b.mp4", baseline=True)
    kept(first, place)
    vmaf = faked(place, [93.0] * 20 + [40.0] * 3 + [93.0])
    with pytest.raises(GateViolation, match=r"NEG 86.375 < 90; NEG 86.38 is 6.62 below .*\(3 of 4 gates failed\)") as e:
        vmaf.check("a", "b.mp4", baseline=True, min_neg=90)
    assert (
        "a few bad frames: frames 20–22 (0:00:00.800) make up 100 % of the loss; 12 % of the frames are lower"
        in str(e.value)
    )
    [record] = vmaf.records
    assert record["status"] == "failed"
    assert {gate["name"]: gate["passed"] for gate in record["gates"]} == {
        "min_neg": False,
        "max_drop": False,
        "max_drop_p5": False,
        "above_100": True,
    }


def test_a_feature_that_the_baseline_has_not_is_a_violation_that_says_so(place: BaselineLocation) -> None:
    first = faked(updating(place, "missing"), features={"cambi": 1.0})
    first.check("a", "b.mp4", baseline=True)
    kept(first, place)
    vmaf = faked(place, features={"cambi": 1.0})
    with pytest.raises(GateViolation, match="cambi cannot be compared: the baseline has none"):
        vmaf.check("a", "b.mp4", baseline=True, max_cambi_rise=1)


def test_every_region_is_held_and_one_that_is_new_asks_for_an_update(
    reference: Path, encoded: Path, encode: Callable[..., Path], place: BaselineLocation
) -> None:
    face = {"face": Region(16, 16, 128, 96)}
    first = Vmaf(place=updating(place, "missing"))
    first.check(reference, encoded, regions=face, baseline="it")
    kept(first, place)
    entry = read(place.file)["test_a"]["it"]
    assert set(entry["regions"]["face"]) == {"match", "values", "frames"}
    Vmaf(place=place).check(reference, encoded, regions=face, baseline="it")

    with pytest.raises(GateViolation, match=r"body is not in the baseline"):
        Vmaf(place=place).check(reference, encoded, regions={"body": (16, 16, 128, 96)}, baseline="it")
    moved = {"face": Region(18, 16, 128, 96)}
    with pytest.raises(BaselineError, match=r"not comparable: region face: filters .*crop.* → .*crop"):
        Vmaf(place=place).check(reference, encoded, regions=moved, baseline="it")
    worse = encode(reference, 31)
    vmaf = Vmaf(place=place)
    with pytest.raises(GateViolation, match=r"NEG \S+ is .*; face: NEG \S+ is \S+ below the baseline's"):
        vmaf.check(reference, worse, regions=face, baseline="it")
    assert [record["status"] for record in vmaf.records] == ["failed", "failed"]


@pytest.mark.slow
def test_roi_and_map_are_held_with_what_makes_them(
    reference: Path, encoded: Path, encode: Callable[..., Path], place: BaselineLocation
) -> None:
    def measure(vmaf: Vmaf, clip: Path, **roi: Any) -> None:
        vmaf.roi(reference, clip, baseline="roi", synthetic_mask=0.9, **{"weight": 0.5, **roi})
        vmaf.map(reference, clip, baseline="map", grid=(2, 2), max_gap_rise=2)

    first = Vmaf(place=updating(place, "missing"))
    measure(first, encoded)
    kept(first, place)
    measure(Vmaf(place=place), encoded)
    with pytest.raises(BaselineError, match=r"not comparable: mask weight 0.5, .* → weight 0.7"):
        measure(Vmaf(place=place), encoded, weight=0.7)
    worse = encode(reference, 31)
    with pytest.raises(GateViolation, match=r"NEG masked \S+ is \S+ below the baseline's .*max_neg_masked_drop is 0.5"):
        measure(Vmaf(place=place), worse)
    with pytest.raises(GateViolation, match=r"NEG of the worst tile \S+ is \S+ below the baseline's"):
        Vmaf(place=place).map(reference, worse, baseline="map", grid=(2, 2), max_neg_tile_drop=0.5, max_drop=None)


def test_a_result_that_was_measured_is_held_later_and_its_record_says_so(
    reference: Path, encoded: Path, encode: Callable[..., Path], place: BaselineLocation
) -> None:
    first = Vmaf(place=updating(place, "missing"))
    first.check_baseline(first.score(reference, encoded), baseline="it")
    kept(first, place)
    vmaf = Vmaf(place=place)
    vmaf.check_baseline(vmaf.score(reference, encoded), baseline="it")
    vmaf = Vmaf(place=place)
    vmaf.score(reference, encoded)
    result = vmaf.score(reference, encode(reference, 31))
    with pytest.raises(GateViolation, match=r"NEG \S+ is \S+ below .*; max_drop is 0.2") as violation:
        vmaf.check_baseline(result, baseline="it", max_drop=0.2)
    assert violation.value.result is result
    assert [record["status"] for record in vmaf.records] == ["passed", "failed"]


def test_what_another_session_measured_is_known_by_its_reference(
    reference: Path, encoded: Path, place: BaselineLocation
) -> None:
    result = Vmaf().score(reference, encoded)
    first = Vmaf(place=updating(place, "missing"))
    first.check_baseline(result)
    kept(first, place)
    assert set(read(place.file)["test_a"]) == {encoded.name}
    Vmaf(place=place).check_baseline(result)
    gone = replace(result, neg=result.neg)
    object.__setattr__(gone.vmaf.context, "reference", "gone.mkv")
    with pytest.raises(SettingsError, match=r"is of gone\.mkv, which is not there"):
        Vmaf(place=place).check_baseline(gone)


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (3, {}, "3 has no baseline; check_baseline takes a Result"),
        ([], {}, "has no baseline"),
        (3, {"min_neg": 3}, "min_neg is no tolerance"),
        (3, {"model": "auto"}, "model is no tolerance"),
    ],
)
def test_what_has_no_baseline_is_refused(
    place: BaselineLocation, given: object, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Vmaf(place=place).check_baseline(given, **settings)


def test_repeated_encodes_are_held_by_their_mean(
    reference: Path, encoded: Path, encode: Callable[..., Path], place: BaselineLocation
) -> None:
    other = encode(reference, 28, None, "-bf", "0")
    first = Vmaf(place=updating(place, "missing"))
    first.check_baseline([first.score(reference, clip) for clip in (encoded, other)], baseline="it", max_drop=5)
    kept(first, place)
    noise = read(place.file)["test_a"]["it"]["noise"]
    assert noise["n"] == 2
    spread = noise["stdev"][""]["neg"]["mean"]
    assert spread > 0
    vmaf = Vmaf(place=place)
    with pytest.raises(BaselineError, match="Repeat more often"):
        vmaf.check_baseline([vmaf.score(reference, encoded)], baseline="it", max_drop=spread / 4, max_drop_p5=None)


def test_a_tolerance_of_one_region_is_refused_with_where_it_belongs(place: BaselineLocation) -> None:
    region = {"face": Region(0, 0, 64, 64, max_drop=1)}
    with pytest.raises(SettingsError, match="max_drop is no gate of a region: the call's tolerances hold in each"):
        Vmaf(place=place).check("a", "b", regions=region, baseline=True)


def test_what_a_file_says_is_shown_without_its_control_characters(place: BaselineLocation) -> None:
    first = faked(updating(place, "missing"))
    first.check("a", "b.mp4", baseline=True)
    [item] = first.baselines.pop_entries()
    item["entry"]["match"] |= {"x\x1b[2J": "1", "model": "\x1b[31mred\nline"}
    place.file.parent.mkdir()
    write(place.file, {place.test: {item["clip"]: item["entry"]}})
    with pytest.raises(BaselineError, match="not comparable") as error:
        faked(place).check("a", "b.mp4", baseline=True)
    assert "\x1b" not in str(error.value)
    assert r"model \x1b[31mred\nline → " in str(error.value)
