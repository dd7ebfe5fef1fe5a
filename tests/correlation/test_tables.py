"""Tables of scores and opinions: their forms, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report.builders import a_document, a_measurement, a_test, an_error
from search.row_builders import a_row

from correlation.builders import Rows, a_study
from pytest_vmaf import MeasurementError, SettingsError, correlate
from pytest_vmaf.correlation.ratings import Rating, read_ratings
from pytest_vmaf.correlation.scores import read_scores
from pytest_vmaf.correlation.tables import TableLike, read_table

SCORES, OPINIONS = a_study(sources=2, qualities=3)
CSV = "\n".join(["clip,codec,vmaf", *(f"{row['clip']},{row['codec']},{row['vmaf']!r}" for row in SCORES)]) + "\n"


def scores_of(table: TableLike, metrics: list[str] | None = None) -> Any:
    return read_scores(read_table(table, "scores"), metrics)


def ratings_of(table: TableLike) -> dict[str, Rating]:
    return read_ratings(read_table(table, "mos"))


def means(**columns: list[Any]) -> Rows:
    """Rows of opinions of the clips a, b, …"""
    rows = zip(*columns.values(), strict=True)
    return [{"clip": "abcdefgh"[at], **dict(zip(columns, row, strict=True))} for at, row in enumerate(rows)]


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        f"\ufeff{CSV}".replace("\n", "\r\n"),
        CSV.replace("\n", "\r"),
        CSV.replace(",", "\t"),
        CSV.replace(",", ";").replace(".", ","),
        CSV.replace(",", ", ").replace("clip", "Clip"),
        f"\n{CSV}\n,,\n",
        json.dumps(SCORES),
        "\n".join(map(json.dumps, SCORES)),
        json.dumps(SCORES, indent=1),
    ],
    ids=["comma", "spreadsheet", "old", "tab", "decimal comma", "spaces", "empty lines", "JSON", "JSONL", "indented"],
)
def test_forms_of_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "scores").write_text(text, encoding="utf-8", newline="")
    _, scored, _ = scores_of(tmp_path / "scores", ["vmaf"])
    assert {clip: (each.codec, each.scores["vmaf"]) for clip, each in scored.items()} == {
        row["clip"]: (row["codec"], row["vmaf"]) for row in SCORES
    }


def test_utf_16(tmp_path: Path) -> None:
    (tmp_path / "scores").write_text(CSV, encoding="utf-16")
    assert len(scores_of(tmp_path / "scores")[1]) == len(SCORES)


def test_thousands_separator(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text('clip,speed\na,999\nb,"1,085"\n', encoding="utf-8")
    with pytest.raises(MeasurementError, match=r"line 3: '1,085' can mean 1085 or 1\.085\. Write one of them\."):
        read_table(tmp_path / "scores.csv", "scores")


def test_numbers_of_numpy() -> None:
    scores = {"clip": np.arange(6), "codec": np.array([np.nan] * 6), "neg": np.arange(6, dtype=np.float32)}
    opinions = {"clip": np.arange(6), "mos": np.arange(6) / 2, "source": [math.nan] * 6}
    found = correlate(scores, opinions, resamples=100)
    assert (found["neg"].srcc, found.codecs, found.block) == (1, (), "clip")


class Frame:
    """What pandas' DataFrame has of this."""

    columns = ("clip", "vmaf")

    def to_dict(self, orient: str) -> Rows:
        assert orient == "records"
        return SCORES


@pytest.mark.parametrize(
    "table",
    [
        {name: [row[name] for row in SCORES] for name in SCORES[0]},
        {name: np.array([row[name] for row in SCORES]) for name in SCORES[0]},
        (row for row in SCORES),
        Frame(),
    ],
    ids=["columns", "arrays", "generator", "frame"],
)
def test_forms_of_objects(table: Any) -> None:
    metrics, scored, notes = scores_of(table)
    assert (metrics, notes) == (("neg", "vmaf", "psnr_y", "lpips"), [])
    assert scored["s1_neural_2"].scores["psnr_y"] == SCORES[-1]["psnr_y"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("clip,vmaf\n", "has no rows"),
        ("clip,vmaf,vmaf\na,1,2\n", "two columns with the name 'vmaf'"),
        ("clip,vmaf\na,1,2\n", "line 2 must have 2 columns, not 3"),
        ("clip,vmaf\na,1\nb\n", "line 3 must have 2 columns, not 1"),
        ("clip,vmaf\na,1\na,2\n", "line 3: the clip 'a' is also in "),
        ("clip,vmaf\n,1\n", "line 2: clip must be a name, not ''"),
        ("clp,vmaf\na,1\n", "there must be a column clip, or source, encoder and crf. Did you mean 'clp'?"),
        ("clip,vmaf\na,1\nb,high\n", "line 3: vmaf must be a number, not 'high'"),
        ("clip,vmaf\na,-inf\n", "line 2: vmaf must be a finite number up to 1e+15, not '-inf'"),
        ("clip,vmaf\na,1e99\n", "a finite number up to 1e+15, not '1e99'"),
        ("clip,vmaf\na,1_0\nb,1\n", "line 2: vmaf must be a number, not '1_0'"),
        ("clip,codec\na,x\n", "must have a column of numbers for each metric"),
        ('[{"clip": "a", "vmaf": NaN}]', "is not JSON: NaN is not a JSON number"),
        ('{"clip": "a"}\n{"clip"', "line 2 is not JSON"),
        ("[1, 2]", "must be a list of objects"),
        ('{"kind": "x"}', "must be a list of rows, or a report that pytest --vmaf-json wrote"),
        ('{"kind": "pytest-vmaf report", "tests": []}', "is a report without scores"),
    ],
)
def test_refused_files(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(MeasurementError) as refused:
        scores_of(tmp_path / "scores.csv")
    assert said in str(refused.value)
    assert str(tmp_path / "scores.csv") in str(refused.value)


def test_refused_places(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    for path, said in ((tmp_path, "not a folder"), (tmp_path / "none", "No such"), (tmp_path / "binary", "UTF-8")):
        with pytest.raises(MeasurementError, match=said):
            scores_of(path)


@pytest.mark.parametrize("table", [None, 5, b"clip,vmaf", [1, 2], {"clip": "abc"}, {"clip": ["a"], "vmaf": [1, 2]}])
def test_refused_objects(table: Any) -> None:
    with pytest.raises(SettingsError, match="scores"):
        scores_of(table)


def test_columns_that_are_not_metrics() -> None:
    rows = [{**row, "bitrate": 1e6, "crf": 20, "preset": "fast", "title": "x", "neg_p5": 1.0} for row in SCORES]
    metrics, scored, notes = scores_of([{**row, "mos": 3, "ci": 0.2} for row in rows])
    assert metrics == ("neg", "vmaf", "psnr_y", "lpips")
    assert notes == [
        "1 column left out: bitrate. Name a metric to use it (--metric).",
        "1 column without numbers left out: title.",
    ]
    assert scores_of(rows, ["neg_p5", "bitrate", "crf"])[0] == ("neg_p5", "bitrate", "crf")
    assert scored["s0_avc_0"].source == "s0"
    for name, said in (("nge", "Did you mean 'neg'?"), ("codec", "no metric 'codec'")):
        with pytest.raises(SettingsError) as refused:
            scores_of(rows, [name])
        assert said in str(refused.value)


def test_rows_of_a_sweep(tmp_path: Path) -> None:
    rows = [a_row(crf, 100 - crf / 2) for crf in range(18, 42, 3)]
    (tmp_path / "rows.jsonl").write_text("".join(f"{row.to_json()}\n" for row in rows))
    for table in (rows, tmp_path / "rows.jsonl"):
        metrics, scored, notes = scores_of(table)
        assert {"neg", "vmaf"} <= set(metrics)
        assert not {"gap", "crf", "bitrate", "neg_p5", "frames"} & set(metrics)
        assert notes == []
        first = rows[0].setup
        clip, each = next(iter(scored.items()))
        assert clip.startswith(f"{first.source} {first.encoder}")
        assert clip.endswith(" 18")
        assert (each.codec, each.source, each.scores["neg"]) == (first.encoder, first.source, 91)
    # Opinions may name encodes by the same columns.
    setup = rows[0].setup
    own = {"source": setup.source, "encoder": setup.encoder, "preset": setup.preset or ""}
    own |= {"arguments": list(setup.arguments), "pix_fmt": setup.pix_fmt}
    opinions = [{**own, "crf": str(row.crf), "mos": 5 - row.crf / 10} for row in rows]
    assert correlate(rows, opinions, metrics="neg", resamples=100)["neg"].srcc == 1


def test_report_of_a_run(tmp_path: Path) -> None:
    measured = [a_measurement(95 + at, 90 + at) for at in range(3)]
    for at, each in enumerate(measured):
        each |= {"reference": "/ci/src.y4m", "distorted": f"/ci/out/{at}.mp4", "features": {"net": 0.5 - at / 10}}
        stated = {"label": "Net", "unit": "", "version": "", "higher_is_better": False, "low": None, "high": None}
        each["provenance"]["metrics"] = {"net": stated}
    # The same measurement in two tests is one clip.
    tests = [a_test("passed", *measured, name="a"), a_test("error", measured[0], an_error(), name="b")]
    (tmp_path / "r.json").write_text(json.dumps(a_document(*tests)))
    metrics, scored, _ = scores_of(tmp_path / "r.json")
    assert {"vmaf", "neg", "net"} <= set(metrics)
    assert not {"gap", "collapse"} & set(metrics)
    assert list(scored) == [f"/ci/out/{at}.mp4" for at in range(3)]
    tests[1]["measurements"][0] = {**measured[0], "neg": 3.0}
    (tmp_path / "r.json").write_text(json.dumps(a_document(*tests)))
    with pytest.raises(MeasurementError, match=r"the clip '/ci/out/0.mp4' is also in"):
        scores_of(tmp_path / "r.json")


def test_direction_that_a_report_states(tmp_path: Path) -> None:
    measured = [a_measurement(95, 90 + at) for at in range(6)]
    stated = {"label": "Net", "unit": "", "version": "", "higher_is_better": False, "low": None, "high": None}
    for at, each in enumerate(measured):
        each |= {"distorted": f"{at}.mp4", "features": {"stated_net": 0.9 - at / 10}}
        each["provenance"]["metrics"] = {"stated_net": stated}
    (tmp_path / "r.json").write_text(json.dumps(a_document(a_test("passed", *measured))))
    mos = [{"clip": f"{at}.mp4", "mos": 1 + at / 2} for at in range(6)]
    found = correlate(tmp_path / "r.json", mos, metrics=["stated_net", "neg"], resamples=100)
    assert found["stated_net"].lower_is_better
    assert (found["stated_net"].srcc, found["neg"].srcc) == (1, 1)


def test_intervals_of_ratings() -> None:
    assert ratings_of(means(mos=[3], ci=[0.25])) == {"a": Rating(3, 0.25)}
    [by_spread] = ratings_of(means(mos=[3], std=[0.8], n=[16])).values()
    assert by_spread.interval == pytest.approx(2.13145 * 0.8 / 4, rel=1e-5)
    # An interval that is given counts.
    assert ratings_of(means(mos=[3], ci95=[0.1], sd=[0.8], n=[16]))["a"].interval == 0.1
    assert ratings_of(means(mos=["3,5"]))["a"] == Rating(3.5, None)


def test_votes() -> None:
    votes = [{"clip": clip, "viewer": f"v{at}", "vote": vote} for clip in "ab" for at, vote in enumerate((3, 4, 5))]
    half = 4.302653 * 1 / math.sqrt(3)
    wide = [{"clip": clip, "v1": 3, "v2": 4, "v3": 5, "v4": ""} for clip in "ab"]
    alone = [{"clip": vote["clip"], "rating": vote["vote"]} for vote in votes]
    for table in (votes, wide, alone):
        ratings = ratings_of(table)
        assert list(ratings) == ["a", "b"]
        assert ratings["a"].mos == 4
        assert ratings["a"].interval == pytest.approx(half, rel=1e-6)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (means(mos=[3, 3], ci=[0.1, ""]), "1 clip of 2 must have an interval like the others: b"),
        (means(mos=[3], ci=[-0.1]), "ci must be half the width of an interval and at least 0, not -0.1"),
        (means(mos=[3], std=[0.7]), "must have both std and n, or ci"),
        (means(mos=[3], n=[7]), "must have both std and n, or ci"),
        (means(mos=[3], std=[0.7], n=[1]), "n must be a whole number of votes, at least 2, not 1"),
        (means(mos=[3], std=[0.7], n=[2.5]), "n must be a whole number of votes, at least 2, not 2.5"),
        (means(mos=[3], std=[-1], n=[9]), "std must be at least 0, not -1"),
        (means(mos=["good"]), "mos[0]: mos must be a number, not 'good'"),
        (means(mos=[True]), "mos must be a number, not True"),
        (
            means(mso=[3]),
            "must have a column mos, or vote, or one for each viewer. It has clip, mso. Did you mean 'mso'?",
        ),
        ([*means(mos=[3]), *means(mos=[4])], "the clip 'a' is also in mos[0]"),
        (means(vote=[3], viewer=["x"]) * 2, "viewer 'x' also voted on 'a' in mos[0]"),
        (means(vote=[""], viewer=["x"]), "the vote is missing"),
        (means(vote=[3]), "'a' must have at least 2 votes for an interval, not 1"),
        (means(v1=[3, 3], v2=[4, ""]), "'b' must have at least 2 votes for an interval, not 1"),
        (means(v1=[3], v2=[4]) * 2, "the clip 'a' is in more than one row"),
        ([{"clip": "a", "vote": 3, "codec": c} for c in "xy"], "has another codec or source in its other rows"),
    ],
)
def test_refused_ratings(rows: Rows, said: str) -> None:
    with pytest.raises(MeasurementError) as refused:
        ratings_of(rows)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("ours", "theirs", "note"),
    [
        ("/x/{}.mp4", "{}", "without their folders and suffixes"),
        ("C:\\x\\{}.mp4", "/y/{}.mp4", "without their folders."),
        ("{}.v2", "{}.v2", ""),
        (" {} ", "{}", ""),
    ],
)
def test_names_of_clips(ours: str, theirs: str, note: str) -> None:
    scores = [{**row, "clip": ours.format(row["clip"])} for row in SCORES]
    opinions = [{**row, "clip": theirs.format(row["clip"])} for row in OPINIONS]
    found = correlate(scores, opinions, metrics="neg", resamples=100)
    assert found.everything.clips == len(SCORES)
    assert [each for each in found.notes if "names of clips" in each] == (
        [f"The names of clips are compared {note.removesuffix('.')}."] if note else []
    )


def test_names_that_would_be_equal() -> None:
    # Without their folders, two clips have one name.
    scores = [{**row, "clip": f"{folder}/{row['clip']}", "neg": row["neg"]} for folder in "ab" for row in SCORES]
    with pytest.raises(MeasurementError, match="No clip has both"):
        correlate(scores, OPINIONS)
    opinions = [{**row, "clip": f"{folder}/{row['clip']}"} for folder in "ab" for row in OPINIONS]
    assert correlate(scores, opinions, metrics="neg", resamples=100).everything.clips == 2 * len(SCORES)


def test_missing_values() -> None:
    scores = [{**SCORES[0], "vmaf": math.nan}, *SCORES[1:], {**SCORES[0], "clip": "extra"}]
    opinions = [{**OPINIONS[1], "mos": ""}, OPINIONS[0], *OPINIONS[2:]]
    with pytest.raises(MeasurementError) as refused:
        correlate(scores, opinions)
    assert str(refused.value).splitlines()[1:3] == [
        "  2 clips without a MOS: s0_avc_1, extra.",
        "  1 clip without a value of every metric: s0_avc_0 (vmaf).",
    ]
    found = correlate(scores, opinions, allow_missing=True, resamples=100)
    assert found.everything.clips == len(SCORES) - 2
    assert "Left out: 2 clips without a MOS: s0_avc_1, extra." in found.notes
    # A metric that is not asked for may lack values.
    assert correlate(scores[:-1], OPINIONS, metrics="neg", resamples=100).everything.clips == len(SCORES)
    with pytest.raises(MeasurementError, match="between 5 and 10000 clips, not 4"):
        correlate(SCORES[:4], OPINIONS[:4])


def test_codecs_that_contradict() -> None:
    with pytest.raises(MeasurementError, match="the codec 'avc' by its scores and 'vp9' by its MOS"):
        correlate(SCORES, [{**row, "codec": "vp9"} for row in OPINIONS])
