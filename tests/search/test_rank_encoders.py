"""Encoders of a corpus, ranked at matched quality."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import MeasurementError, SettingsError, benchmark
from pytest_vmaf.report.benchmark_section import benchmark_section
from pytest_vmaf.search.rows import Row
from search.row_builders import a_row


def sweep(
    encoder: str, source: str = "a.mkv", share: float = 1.0, crfs: range = range(20, 41, 4), **more: Any
) -> list[Row]:
    """Rows on a curve that rises smoothly; `share` scales its bitrates."""
    setup = {"encoder": encoder, "source": source, "source_hash": f"hash {source}", "program_hash": encoder, **more}
    return [a_row(crf, 100 - 0.02 * (crf - 10) ** 2, share * 6400 * 2 ** (-crf / 6), **setup) for crf in crfs]


def test_ranking() -> None:
    rows = [row for source in ("a", "b", "c") for row in (*sweep("x", source), *sweep("y", source, 0.8))]
    result = benchmark(rows, targets=[90, 95])
    assert [each.name for each in result.encoders] == ["y medium", "x medium"]
    assert (result.anchor, result.sources, result.matches) == ("y medium", ("a", "b", "c"), 6)
    worse = result["x medium"]
    assert worse.ratio == pytest.approx(1.25)
    assert worse.interval == pytest.approx((1.25, 1.25))
    assert worse.bd_rate == pytest.approx(25)
    assert result.missing == ()
    assert worse.rates[0].crf == 32
    other = benchmark(rows, targets=[90, 95], anchor="x")
    assert other["y medium"].change == pytest.approx(-20)
    assert math.isclose(other["y medium"].ratio * worse.ratio, 1)
    assert json.loads(result.to_json())["encoders"][1]["change_percent"] == pytest.approx(25)
    assert [row["rank"] for row in result.to_rows()] == [1, 2]
    assert "x medium: +25.0 %" in str(result)


def test_what_is_missing() -> None:
    """What one encoder lacks is left out for both."""
    rows = [*sweep("x", "a"), *sweep("x", "b", 3), *sweep("y", "a", 0.5), *sweep("y", "c")]
    result = benchmark([*rows, *sweep("z", "d")], targets=90, encoders=["x", "y"])
    assert result.sources == ("a",)
    assert result["x medium"].ratio == pytest.approx(2)
    assert result.missing == (
        "x medium has no rows of c; left out for all.",
        "y medium has no rows of b; left out for all.",
    )
    short = sweep("y", "b", crfs=range(32, 41, 2))
    result = benchmark([*rows, *short], targets=[80, 95])
    assert {(rate.source, rate.target) for rate in result["x medium"].rates} == {("a", 95.0)}
    assert "y medium was not measured around NEG 95 on b (82 to 90.32); left out for all." in result.missing
    text = str(benchmark_section(result).to_record())
    assert "80" in text
    with pytest.raises(MeasurementError, match="share no source and target") as error:
        benchmark([*sweep("x", "a"), *sweep("y", "b")], targets=90)
    assert "x medium has a at 90." in str(error.value)


def test_encoders_without_a_curve() -> None:
    rows = [*sweep("x"), *sweep("y"), *[a_row(crf, 90.0, 100, encoder="z", program_hash="z") for crf in (20, 30)]]
    rows += sweep("low", crfs=range(36, 41))
    result = benchmark(rows, targets=95)
    assert {each.name for each in result.encoders} == {"x medium", "y medium"}
    assert set(result.unranked) == {"z medium", "low medium"}
    assert "2 rows with NEG make no curve" in result.unranked["z medium"]
    with pytest.raises(MeasurementError, match="The anchor low medium cannot be ranked"):
        benchmark(rows, targets=95, anchor="low")
    with pytest.raises(MeasurementError, match="No encoder can be ranked"):
        benchmark(rows, targets=99.999)


def test_other_metrics() -> None:
    rows = [*sweep("x"), *sweep("y", share=0.5)]
    # In these rows cambi is the same everywhere.
    with pytest.raises(MeasurementError, match="make no curve"):
        benchmark(rows, targets=1, metric="cambi")
    falling = [Row(**{**vars(row), "scores": {**row.scores, "cambi": row.crf / 10, "vmaf": row.neg}}) for row in rows]
    result = benchmark(falling, targets=[2.5, 3], metric="cambi")
    assert result["x medium"].ratio == pytest.approx(2)
    assert result["x medium"].rates[0].crf == 24
    assert benchmark(falling, targets=95, metric="vmaf")["x medium"].ratio == pytest.approx(2)
    with pytest.raises(SettingsError, match="No row has xpsnr_y"):
        benchmark(rows, targets=40, metric="xpsnr_y")
    with pytest.raises(MeasurementError, match="from 2 models"):
        benchmark([*rows, *sweep("z", neg_model="other")], targets=95)


def test_labels() -> None:
    rows = [*sweep("x", program_hash="build one"), *sweep("x", share=0.9, program_hash="build two")]
    assert [each.name for each in benchmark(rows, targets=95).encoders] == [
        "x medium (build build tw)",
        "x medium (build build on)",
    ]
    with pytest.raises(SettingsError, match="anchor must name one encoder"):
        benchmark(rows, targets=95, anchor="x:medium")
    hostile = benchmark([*sweep("x|\n<b>", "a|b")], targets=95)
    assert hostile.encoders[0].name == r"x|\n<b> medium"


def test_seconds() -> None:
    timed = [Row(**{**vars(row), "seconds": 4.0}) for row in sweep("x")]
    result = benchmark([*timed, *sweep("y")], targets=95)
    assert result["x medium"].fps is None
    assert result["x medium"].rates[0].fps == 50
    assert benchmark(timed, targets=[90, 95])["x medium"].fps == 50


@pytest.mark.parametrize("targets", [[], "95", [math.nan], [True], None, [None], math.inf])
def test_invalid_targets(targets: Any) -> None:
    with pytest.raises(SettingsError, match="targets must"):
        benchmark(sweep("x"), targets=targets)


def test_invalid_rows(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="no rows"):
        benchmark([], targets=95)
    for rows in (5, [{"crf": 1}]):
        with pytest.raises(SettingsError, match="rows must be"):
            benchmark(rows, targets=95)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"no encoder 'w'.*There are x medium"):
        benchmark(sweep("x"), targets=95, encoders="w")
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{row.to_json()}\n" for row in sweep("x")))
    assert benchmark(path, targets=95) == benchmark(sweep("x"), targets=95)
