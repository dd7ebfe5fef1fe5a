"""`agree=` with a baseline: gains at equal bitrate that do not count, points of entries, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from search.builders import TwoMetrics, named_x264

from baselines.sessions import LOCATION, session, store, updating
from pytest_vmaf import BaselineError, Encoder, GateViolation, SettingsError
from pytest_vmaf.baselines.check import BaselineLocation
from pytest_vmaf.baselines.files import parse, read, text_of

OPTIONS: dict[str, Any] = {"targets": [50, 65], "baseline": "it", "agree": ["psnr_y", "cambi"]}
Run = Callable[..., Any]


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Path:
    """Twelve frames of 160x120 pixels."""
    return footage("160x120", 12)


@pytest.fixture
def place(tmp_path: Path) -> BaselineLocation:
    """Where the baselines of a test are."""
    return replace(LOCATION, file=tmp_path / "__vmaf__" / "test_x.json")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache that the tests share, so that each encode is made once."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def encoders(ffmpeg: str) -> dict[str, Encoder]:
    """Names of one encoder, whose scores `TwoMetrics` changes."""
    return {name: named_x264(ffmpeg, name) for name in ("plain", "other")}


@pytest.fixture(scope="session")
def stored_file(tmp_path_factory: pytest.TempPathFactory, clip: Path, cache: str, encoders: dict[str, Encoder]) -> Path:
    """A baseline file with an entry that has points of NEG, PSNR and CAMBI."""
    place = replace(LOCATION, file=tmp_path_factory.mktemp("stored") / "__vmaf__" / "test_x.json")
    first = session(updating(place), scorer=TwoMetrics(), cache_dir=cache)
    first.bisect(clip, encoder=encoders["plain"], **OPTIONS)
    store(first, place)
    return place.file


@pytest.fixture
def written(place: BaselineLocation, stored_file: Path) -> BaselineLocation:
    """The same place, with that entry in its file."""
    place.file.parent.mkdir()
    place.file.write_bytes(stored_file.read_bytes())
    return place


@pytest.fixture
def bisect(clip: Path, cache: str, encoders: dict[str, Encoder]) -> Run:
    """bisect(place, neg=1, others=-1): a search of an encoder with these changes of its scores."""

    def run(place: BaselineLocation, neg: float = 0.0, others: float = 0.0, **settings: Any) -> Any:
        vmaf = session(place, scorer=TwoMetrics(other=(neg, others)), cache_dir=cache)
        encoder = encoders["other" if neg or others else "plain"]
        vmaf.bisect(clip, **{"encoder": encoder, **OPTIONS, **settings})
        return vmaf

    return run


@pytest.mark.slow
def test_entry_has_the_answers_and_their_neighbours(bisect: Run, written: BaselineLocation) -> None:
    entry = read(written.file)["test_a"]["it"]
    assert list(entry["points"]) == ["NEG 50", "NEG 65"]
    [points] = entry["points"]["NEG 50"]
    assert set(points) == {"bitrate", "neg", "psnr_y", "cambi"}
    assert points["bitrate"] == sorted(points["bitrate"])
    assert points["neg"][0] < 50 <= points["neg"][1]
    again = bisect(written)
    assert [gate["name"] for gate in again.records[0]["gates"]].count("agree") == 2
    assert all(gate["passed"] for gate in again.records[0]["gates"])
    # What a warm search measures gives the same entry, so nothing has changed.
    assert store(again, written)["it"] == entry


def test_tuned_encoder_fails(bisect: Run, written: BaselineLocation) -> None:
    with pytest.raises(GateViolation) as caught:
        bisect(written, 2.0, -2.0, agree=["psnr_y"])
    first, *lines = str(caught.value).splitlines()
    assert "kbit/s, NEG gains 2.00 (50.00 to 52.00), but psnr_y loses 2.00 dB (25.00 to 23.00)" in first
    assert first.endswith("so the gain does not count (2 of 4 gates failed)")
    assert "  agree: a gain counts from 1 % of bitrate on, a loss from 3 %" in lines
    assert any("accept it: pytest test_x.py::test_a --vmaf-baseline-update=changed" in line for line in lines)


def test_report(bisect: Run, written: BaselineLocation, clip: Path, cache: str, encoders: dict[str, Encoder]) -> None:
    vmaf = session(written, scorer=TwoMetrics(other=(2.0, -2.0)), cache_dir=cache)
    with pytest.raises(GateViolation):
        vmaf.bisect(clip, encoder=encoders["other"], **{**OPTIONS, "agree": ["psnr_y"]})
    gates = [gate for gate in vmaf.records[0]["gates"] if gate["name"] == "agree"]
    assert [gate["passed"] for gate in gates] == [False, False]
    [maker] = vmaf._context.records.section_makers
    tables = [block for block in maker(0).to_record()["blocks"] if block["kind"] == "table"]
    assert [row[2] for row in tables[1]["rows"]] == ["NEG", "psnr_y", "NEG", "psnr_y"]
    assert [row[-1] for row in tables[1]["rows"]] == ["the gain does not count", "loses"] * 2


def test_honest_improvement_passes(bisect: Run, written: BaselineLocation) -> None:
    # So much better that the answers need fewer bits than the baseline, and the search goes on to its bitrates.
    better = bisect(written, 9.0, 4.5, agree=["psnr_y"])
    texts = [gate["text"] for gate in better.records[0]["gates"] if gate["name"] == "agree"]
    assert "NEG gains 9.00 (50.00 to 59.00); psnr_y gains 4.50 dB (25.00 to 29.50)" in texts[0]


def test_lower_is_better(bisect: Run, written: BaselineLocation) -> None:
    with pytest.raises(GateViolation, match=r"but cambi loses 2\.00 \(25\.00 to 27\.00\)"):
        bisect(written, 2.0, 2.0, agree=["cambi"])
    bisect(written, 2.0, -2.0, agree=["cambi"])


def test_extrapolation_is_refused(bisect: Run, written: BaselineLocation) -> None:
    with pytest.raises(BaselineError, match=r"agree cannot compare NEG 65: .* nothing is extrapolated") as caught:
        bisect(written, 9.0, 9.0, crf=(28, 45), agree=["psnr_y"])
    assert "Search a wider range (crf=)" in str(caught.value)
    # A tolerance that failed is the better reason.
    with pytest.raises(GateViolation, match=r"is \S+ % above the baseline's .*; agree cannot compare NEG 50: neg at"):
        bisect(written, -9.0, -9.0, crf=(10, 27), agree=["psnr_y"])


@pytest.mark.slow
@pytest.mark.parametrize("stored", [None, ["cambi"]])
def test_old_baseline_is_refused(bisect: Run, place: BaselineLocation, stored: list[str] | None) -> None:
    store(bisect(updating(place), agree=stored), place)
    lacking = r" of psnr_y\." if stored else r"\."
    with pytest.raises(BaselineError, match=rf"the baseline has no rate-quality points{lacking}") as caught:
        bisect(place, agree=["psnr_y"])
    assert "Renew it with an encoder that is known to be good: pytest test_x.py::test_a" in str(caught.value)
    renewed = store(bisect(updating(place, "changed"), agree=["psnr_y"]), place)
    assert "psnr_y" in renewed["it"]["points"]["NEG 50"][0]
    # Without agree, the points of a baseline are no condition.
    bisect(place, agree=None)


@pytest.mark.slow
def test_ratchet(bisect: Run, written: BaselineLocation, clip: Path, cache: str, encoders: dict[str, Encoder]) -> None:
    ratchet = updating(written, "improved")
    better = bisect(ratchet, 2.0, 2.0, agree=["psnr_y"])
    assert [item["better"] for item in better._context.baselines.measured] == [True]
    tuned = session(ratchet, scorer=TwoMetrics(other=(2.0, -2.0)), cache_dir=cache)
    with pytest.raises(GateViolation):
        tuned.bisect(clip, encoder=encoders["other"], **{**OPTIONS, "agree": ["psnr_y"]})
    assert [item["better"] for item in tuned._context.baselines.measured] == [False]


@pytest.mark.slow
def test_no_target_met(bisect: Run, place: BaselineLocation) -> None:
    store(bisect(updating(place), targets=[99.4], agree=["psnr_y"]), place)
    with pytest.raises(GateViolation, match="agree compared nothing for it: its baseline has no target that was met"):
        bisect(place, targets=[99.4], agree=["psnr_y"])


@pytest.mark.slow
def test_comparison(clip: Path, place: BaselineLocation, cache: str, encoders: dict[str, Encoder]) -> None:
    options = {"encoders": encoders, "targets": [50, 65], "speed": False, "agree": "psnr_y", "baseline": "it"}
    first = session(updating(place), scorer=TwoMetrics(), cache_dir=cache)
    first.compare(clip, **options)
    entry = store(first, place)["it"]
    assert sorted(entry["points"]) == ["other: NEG 50", "other: NEG 65", "plain: NEG 50", "plain: NEG 65"]
    session(place, scorer=TwoMetrics(), cache_dir=cache).compare(clip, **options)
    tuned = session(place, scorer=TwoMetrics(other=(2.0, -2.0)), cache_dir=cache)
    with pytest.raises(GateViolation, match=r"other: NEG 50: .*NEG gains 2\.00 .*, but psnr_y loses 2\.00 dB"):
        tuned.compare(clip, **options)


def wrong(**points: Any) -> dict[str, Any]:
    return {"NEG 50": [{"bitrate": [1.0, 2.0], "neg": [49.0, 50.0], **points}]}


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (wrong(bitrate=[2.0, 1.0]), "bitrates do not rise"),
        (wrong(bitrate=[0.0, 1.0]), "bitrates do not rise"),
        (wrong(bitrate=[]), "bitrates do not rise"),
        (wrong(psnr_y=[1.0]), "without a value for each bitrate"),
        (wrong(psnr_y=["x", 2.0]), "points"),
        ({"NEG 50": [{"neg": [1.0]}]}, "bitrates do not rise"),
        ({"NEG 50": []}, "has points of no source"),
        ({"NEG 50": [{}]}, "bitrates do not rise"),
        ([1], "points"),
    ],
)
def test_points_are_untrusted(points: Any, message: str) -> None:
    entry = {"kind": "bisect", "match": {}, "shown": {}, "values": {}, "points": points}
    with pytest.raises(ValueError, match=message):
        parse(text_of({"test_a": {"it": entry}}).encode())
    if isinstance(points, dict):
        entry = {**entry, "kind": "speed", "points": wrong()}
        with pytest.raises(ValueError, match="has points, which the kind speed does not have"):
            parse(text_of({"test_a": {"it": entry}}).encode())


def test_edited_number_of_sources(bisect: Run, written: BaselineLocation) -> None:
    tests = {name: dict(clips) for name, clips in read(written.file).items()}
    entry = tests["test_a"]["it"]
    tests["test_a"]["it"] = {**entry, "points": {where: points * 2 for where, points in entry["points"].items()}}
    written.file.write_text(text_of(tests))
    with pytest.raises(BaselineError, match="the baseline has points of 2 sources, not of 1"):
        bisect(written)


def test_infinite_points(written: BaselineLocation) -> None:
    text = written.file.read_text().replace('"neg": [\n', '"neg": [\n1e999,\n', 1)
    assert "1e999" in text
    with pytest.raises(ValueError, match=r"points|finite"):
        parse(text.encode())


def test_agree_needs_a_baseline(bisect: Run, place: BaselineLocation) -> None:
    with pytest.raises(SettingsError, match=r"agree compares vmaf\.bisect with its baseline"):
        bisect(place, baseline=None)
    with pytest.raises(SettingsError, match=r"agree must name metrics other than neg, the metric of the targets"):
        bisect(place, agree=["neg"])
