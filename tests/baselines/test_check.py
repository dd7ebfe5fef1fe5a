"""Baselines during a test: requested, found, compared and passed on, without pytest around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baselines.sessions import LOCATION, session, store, updating
from pytest_vmaf import BaselineError, FakeScorer, GateViolation, MeasurementError, Region, SettingsError, Vmaf
from pytest_vmaf.baselines.check import BaselineLocation
from pytest_vmaf.baselines.files import read, write


@pytest.fixture
def place(tmp_path: Path) -> BaselineLocation:
    """Where the baselines of a test are."""
    return replace(LOCATION, file=tmp_path / "__vmaf__" / "test_x.json")


def faked(place: BaselineLocation, neg: float | list[float] = 93.0, **more: Any) -> Vmaf:
    return session(place, scorer=FakeScorer(vmaf=95.0, neg=neg, **more), max_gap=None)


def first_run(place: BaselineLocation, measure: Callable[[Vmaf], object], neg: float = 93.0, **more: Any) -> None:
    """Write the baselines of a run."""
    vmaf = faked(updating(place), neg, **more)
    measure(vmaf)
    store(vmaf, place)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_drop": 1}, r"max_drop=1 \(call\) requires a baseline, but none is requested. Add baseline=True"),
        ({"baseline": True, "max_drpo": 1}, "max_drpo"),
        ({"baseline": True, "max_ngg_drop": 1}, "max_neg_drop"),
        ({"baseline": True, "max_drop_p6": 1}, "max_drop_p6"),
        ({"baseline": True, "max_bitrate_rise_p5": 1}, "max_bitrate_rise"),
        ({"baseline": True, "max_drop": -1}, r"max_drop \(call\).*-1"),
        ({"baseline": True, "max_drop": "x%"}, "max_drop"),
        ({"baseline": True, "max_drop": True}, "max_drop"),
        (
            {"baseline": True, "max_bitrate_rise": 1},
            "max_bitrate_rise cannot be checked here: .* has no bitrate. .* max_bitrate=",
        ),
        ({"baseline": True, "max_neg_roi_drop": 1}, "max_neg_roi_drop cannot be checked here: .* has no neg_roi"),
        ({"baseline": True, "max_drop": 1, "max_neg_drop": 1}, "max_drop and max_neg_drop"),
        ({"baseline": True, "max_drop": None, "max_drop_p5": "off"}, "no tolerance to check. Set one, .* max_drop=0.5"),
        ({"baseline": 3}, r"baseline \(call\).* 3"),
        ({"baseline": " "}, r"baseline \(call\).*' '"),
    ],
)
def test_invalid_settings(place: BaselineLocation, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        faked(place).check("a", "b", **settings)


def test_without_a_test() -> None:
    with pytest.raises(SettingsError, match="baseline= requires the vmaf fixture: baselines are stored next to the"):
        Vmaf(scorer=FakeScorer()).check("a", "b", baseline=True)
    with pytest.raises(SettingsError, match="self_score"):
        Vmaf(scorer=FakeScorer()).self_score("a", baseline=True)


def test_limits(place: BaselineLocation) -> None:
    """Equality passes, and a thousandth more does not."""
    first_run(place, lambda vmaf: vmaf.check("a", "b.mp4", baseline=True))
    faked(place, 92.5).check("a", "b.mp4", baseline=True)
    with pytest.raises(GateViolation) as violation:
        faked(place, 92.499).check("a", "b.mp4", baseline=True)
    assert str(violation.value).startswith("NEG 92.50 is 0.501 below the baseline's 93.00; max_drop is 0.5 (1 of 3 ")
    with pytest.raises(GateViolation, match=r"NEG 90.00 is 3.23 % below the baseline's 93.00; max_drop is 2 %"):
        faked(place, 90).check("a", "b.mp4", baseline=True, max_drop="2%")


def test_gates_and_baseline_in_one_failure(place: BaselineLocation) -> None:
    first_run(place, lambda vmaf: vmaf.check("a", "b.mp4", baseline=True))
    vmaf = faked(place, [93.0] * 20 + [40.0] * 3 + [93.0])
    with pytest.raises(GateViolation, match=r"NEG 86.375 < 90; NEG 86.38 is 6.62 below .*\(3 of 4 gates") as violation:
        vmaf.check("a", "b.mp4", baseline=True, min_neg=90)
    line = "a few bad frames: frames 20–22 (0:00:00.800) make up 100 % of the loss; 12 % of the frames are lower"
    assert line in str(violation.value)
    [record] = vmaf.records
    assert record["status"] == "failed"
    assert {gate["name"]: gate["passed"] for gate in record["gates"]} == {
        "min_neg": False,
        "max_drop": False,
        "max_drop_p5": False,
        "above_100": True,
    }


def test_metric_missing_in_baseline(place: BaselineLocation) -> None:
    features = {"cambi": 1.0}
    first_run(place, lambda vmaf: vmaf.check("a", "b.mp4", baseline=True), features=features)
    vmaf = faked(place, features=features)
    with pytest.raises(GateViolation, match="cambi cannot be compared: the baseline does not contain it"):
        vmaf.check("a", "b.mp4", baseline=True, max_cambi_rise=1)


def test_nothing_to_compare(place: BaselineLocation) -> None:
    first_run(place, lambda vmaf: vmaf.check("a", "b.mp4", baseline=True))
    [(file, tests)] = [(place.file, read(place.file))]
    entry = {**tests["test_a"]["b.mp4"], "values": {"vmaf": {"mean": 95.0}}}
    write(file, {"test_a": {"b.mp4": entry}})
    with pytest.raises(GateViolation, match="NEG cannot be compared: the baseline does not contain it"):
        faked(place).check("a", "b.mp4", baseline=True, max_drop_p5=None)


def test_regions(place: BaselineLocation) -> None:
    face = {"face": Region(16, 16, 128, 96)}
    first_run(place, lambda vmaf: vmaf.check("a", "b.mp4", regions=face, baseline="it"))
    assert set(read(place.file)["test_a"]["it"]["regions"]["face"]) == {"match", "values", "frames"}
    faked(place).check("a", "b.mp4", regions=face, baseline="it")
    with pytest.raises(GateViolation, match="body is not in the baseline"):
        faked(place).check("a", "b.mp4", regions={"body": (16, 16, 128, 96)}, baseline="it")
    with pytest.raises(GateViolation, match="face is in the baseline but was not measured"):
        faked(place).check("a", "b.mp4", baseline="it")
    moved = {"face": Region(18, 16, 128, 96)}
    with pytest.raises(BaselineError, match=r"not comparable: region face: filters .*crop.* → .*crop"):
        faked(place).check("a", "b.mp4", regions=moved, baseline="it")
    vmaf = faked(place, 90)
    with pytest.raises(GateViolation, match=r"NEG 90.00 is .*; face: NEG 90.00 is 3.00 below the baseline's"):
        vmaf.check("a", "b.mp4", regions=face, baseline="it")
    assert [record["status"] for record in vmaf.records] == ["failed", "failed"]


def test_worst_window(place: BaselineLocation) -> None:
    settings = {"baseline": "it", "max_drop": 5, "max_drop_p5": None, "max_drop_worst_2f": 1}
    first_run(place, lambda vmaf: vmaf.check("a", "b.mp4", **settings), neg=[90.0, 80.0, 82.0, 90.0])
    assert read(place.file)["test_a"]["it"]["values"]["neg"]["worst_2f"] == 81.0
    faked(place, [90.0, 82.0, 80.0, 90.0]).check("a", "b.mp4", **settings)
    with pytest.raises(GateViolation, match=r"NEG worst_2f 79.00 is 2.00 below the baseline's 81.00; .*worst_2f is 1"):
        faked(place, [90.0, 78.0, 80.0, 90.0]).check("a", "b.mp4", **settings)
    with pytest.raises(GateViolation, match=r"worst_3f cannot be compared: the baseline does not contain it"):
        (vmaf := faked(place, [90.0, 82.0, 80.0, 90.0])).check("a", "b.mp4", **settings, max_drop_worst_3f=1)
    [gate] = [each for each in vmaf.records[-1]["gates"] if not each["passed"]]
    assert (gate["name"], gate["text"]) == (
        "max_drop_worst_3f",
        "NEG worst_3f cannot be compared: the baseline does not contain it",
    )
    with pytest.raises(MeasurementError, match="worst_9f is longer than the clip of 4 frames"):
        faked(place, [90.0, 82.0, 80.0, 90.0]).check("a", "b.mp4", **settings, max_drop_worst_9f=1)


@pytest.mark.slow
def test_roi_and_map(clip: Path, encode: Callable[..., Path], place: BaselineLocation, tmp_path: Path) -> None:
    reference, encoded, cache = clip, encode(clip, 28), str(tmp_path / "cache")

    def measure(vmaf: Vmaf, clip: Path, **roi: Any) -> None:
        vmaf.roi(reference, clip, baseline="roi", synthetic_mask=0.9, **{"weight": 0.5, **roi})
        vmaf.map(reference, clip, baseline="map", grid=(2, 1), max_gap_rise=2)

    first = session(updating(place), cache_dir=cache)
    measure(first, encoded)
    store(first, place)
    measure(session(place, cache_dir=cache), encoded)
    with pytest.raises(BaselineError, match=r"not comparable: mask weight 0.5, .* → weight 0.7"):
        measure(session(place, cache_dir=cache), encoded, weight=0.7)
    worse = encode(reference, 33)
    with pytest.raises(GateViolation, match=r"NEG masked \S+ is \S+ below the baseline's .*max_neg_masked_drop is 0.5"):
        measure(session(place, cache_dir=cache), worse)
    with pytest.raises(GateViolation, match=r"NEG of the worst tile \S+ is \S+ below the baseline's"):
        session(place, cache_dir=cache).map(
            reference, worse, baseline="map", grid=(2, 1), max_neg_tile_drop=0.5, max_drop=None
        )


def test_reference_bytes(clip: Path, encode: Callable[..., Path], place: BaselineLocation, tmp_path: Path) -> None:
    encoded = encode(clip, 30)
    copy = tmp_path / "ref.mkv"
    copy.write_bytes(clip.read_bytes())
    first = session(updating(place))
    first.check(copy, encoded, baseline="it")
    store(first, place)
    session(place).check(clip, encoded, baseline="it")
    with copy.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BaselineError, match=r"not comparable: reference [0-9a-f]{8}.* → [0-9a-f]{8}"):
        session(place).check(copy, encoded, baseline="it")


def test_check_baseline_of_result(place: BaselineLocation) -> None:
    first_run(place, lambda vmaf: vmaf.check_baseline(vmaf.score("a", "b.mp4"), baseline="it"))
    vmaf = faked(place)
    vmaf.check_baseline(vmaf.score("a", "b.mp4"), baseline="it")
    vmaf = faked(place, 90)
    vmaf.score("a", "other.mp4")
    result = vmaf.score("a", "b.mp4")
    with pytest.raises(GateViolation, match=r"NEG 90.00 is 3.00 below .*; max_drop is 0.2") as violation:
        vmaf.check_baseline(result, baseline="it", max_drop=0.2)
    assert violation.value.result is result
    assert [record["status"] for record in vmaf.records] == ["passed", "failed"]


def test_check_baseline_of_other_session(place: BaselineLocation, tmp_path: Path) -> None:
    reference = tmp_path / "ref.mkv"
    reference.touch()
    result = Vmaf(scorer=FakeScorer()).score(reference, "out.mp4")
    first = session(updating(place))
    first.check_baseline(result)
    store(first, place)
    assert set(read(place.file)["test_a"]) == {"out.mp4"}
    session(place).check_baseline(result)
    reference.unlink()
    with pytest.raises(SettingsError, match=r"ref\.mkv"):
        session(place).check_baseline(result)


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (3, {}, "check_baseline"),
        ([], {}, "check_baseline"),
        (3, {"min_neg": 3}, "min_neg is not a tolerance"),
        (3, {"model": "auto"}, "model is not a tolerance"),
    ],
)
def test_check_baseline_of_anything_else(
    place: BaselineLocation, given: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        session(place).check_baseline(given, **settings)


def test_check_baseline_of_repeats(place: BaselineLocation) -> None:
    first = faked(updating(place))
    results = [first.score("a", "b.mp4", scorer=FakeScorer(neg=neg)) for neg in (93.0, 93.4)]
    first.check_baseline(results, baseline="it")
    store(first, place)
    noise = read(place.file)["test_a"]["it"]["noise"]
    assert noise["n"] == 2
    assert noise["stdev"][""]["neg"]["mean"] == pytest.approx(0.2828, abs=1e-3)
    vmaf = faked(place, 93.2)
    with pytest.raises(BaselineError, match="Encode more often"):
        vmaf.check_baseline([vmaf.score("a", "b.mp4")], baseline="it", max_drop=0.1, max_drop_p5=None)


def test_tolerance_of_one_region(place: BaselineLocation) -> None:
    region = {"face": Region(0, 0, 64, 64, max_drop=1)}
    with pytest.raises(SettingsError, match="max_drop"):
        faked(place).check("a", "b", regions=region, baseline=True)


def test_control_characters_in_file(place: BaselineLocation) -> None:
    first = faked(updating(place))
    first.check("a", "b.mp4", baseline=True)
    [item] = first._context.baselines.pop_entries()
    item["entry"]["match"] |= {"x\x1b[2J": "1", "model": "\x1b[31mred\nline"}
    place.file.parent.mkdir()
    write(place.file, {place.test: {item["clip"]: item["entry"]}})
    with pytest.raises(BaselineError, match="not comparable") as error:
        faked(place).check("a", "b.mp4", baseline=True)
    assert "\x1b" not in str(error.value)
    assert r"model \x1b[31mred\nline → " in str(error.value)
