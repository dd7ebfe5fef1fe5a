"""Searches and sweeps in steps of less than one CRF: answers, windows, records, and encoders that round."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import Vmaf
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.errors import EncodeError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect_request import SearchPlan
from pytest_vmaf.search.crf_search import find_crossings
from pytest_vmaf.search.rate_curve import spaced_points
from pytest_vmaf.search.recommend import recommend
from pytest_vmaf.search.requests import bisect_request, contenders
from pytest_vmaf.search.row_files import read_rows
from pytest_vmaf.search.rows import Row
from pytest_vmaf.search.sweep import SweepRequest, sweep
from search.builders import CurveScorer, line, search
from search.row_builders import a_row


def test_answers(short: Path, copy: Encoder) -> None:
    """NEG falls by 1.5 for each CRF, so that 70 is at CRF 20, and 70.5 at 19.667."""
    bisection = search(short, replace(copy, crf_step=0.25), 70, 70.5, 94)
    assert [answer.crf for answer in bisection.answers.values()] == [20, 19.5, 4]
    assert bisection[70.5].next_probe is not None
    assert (bisection[70.5].next_probe.crf, bisection[70.5].next_score) == (19.75, line(19.75))
    assert bisection[70.5].why.startswith("NEG 70.5 of copy: CRF 19.5 (70.750; CRF 19.75: 70.375), ")
    record = json.loads(bisection.to_json())
    assert [json.dumps(answer["crf"]) for answer in record["answers"]] == ["20", "19.5", "4"]
    # Whole numbers are in the same form as those of a search without a step.
    assert bisection[70.5].result.context.distorted == "copy CRF 19.5"
    assert bisection[70].result.context.distorted == "copy CRF 20"


def test_tenths(short: Path, copy: Encoder) -> None:
    bisection = search(short, replace(copy, crf_step=0.1), 65.05, crf=(20, 30 - 0.3))
    assert str(bisection[65.05].crf) == "23.3"
    assert all(len(f"{probe.crf}") <= 4 for probe in bisection.probes)
    assert max(probe.crf for probe in bisection.probes) <= 29.7


def test_start_and_larger_is_finer(short: Path, copy: Encoder) -> None:
    encoder = replace(copy, larger_is_finer=True, crf_step=0.5)
    rising: Callable[[float], float] = lambda crf: line(51 - crf)  # noqa: E731
    first = search(short, encoder, 70, 80.5, curve=rising)
    assert [first[target].crf for target in (70, 80.5)] == [31, 38]
    # 37 is beside the last answer, to see whether the encoder rounds.
    again = search(short, encoder, 70, 80.5, curve=rising, start={70: 31.0, 80.5: 38})
    assert {probe.crf for probe in again.probes} == {30.5, 31, 37, 37.5, 38}


@pytest.mark.parametrize(("uneven", "outcome"), [(1, "not monotone"), (2, "met")])
def test_uneven(uneven: int, outcome: str) -> None:
    """A dip within one CRF refuses no answer that its neighbour proves."""
    scores = [90.0 - place for place in range(20)]
    scores[9] = 79
    start = {80: 10, 82: 8}
    found = find_crossings(scores.__getitem__, (0, 19), tuple(start), ceiling=99, start=start, uneven=uneven).crossings
    assert (found[0].crf, found[0].outcome) == (10, outcome)


def test_window(short: Path, copy: Encoder) -> None:
    encoder = replace(copy, crf_step=0.01)
    with pytest.raises(SettingsError, match=r"at most 1000 CRFs, and from 0 to 51 there are 5101 .* crf=\(20, 30\)"):
        search(short, encoder, 70)
    assert search(short, encoder, 65.05, crf=(20, 25))[65.05].crf == 23.3


def test_rounds(short: Path, encode: Callable[..., Path]) -> None:
    """A function that rounds: the encodes at 20 and 20.25 are the same."""
    files = {crf: encode(short, crf) for crf in (20, 40)}

    def rounded(source: Path, output: Path, crf: float) -> None:
        output.write_bytes(files[20 if crf < 21 else 40].read_bytes())

    encoder = replace(function_encoder(rounded), crf_step=0.25)
    steps: Callable[[float], float] = lambda crf: line(int(crf))  # noqa: E731
    with pytest.raises(EncodeError, match=r"rounded rounds CRFs without a message.*0\.25: of 3 encodes, .*CRF 20\.75"):
        search(short, encoder, 70, curve=steps)
    # It is honest in whole numbers.
    assert search(short, replace(encoder, crf_step=1), 70, curve=steps)[70].crf == 20
    # A window may leave out the whole number.
    with pytest.raises(EncodeError, match="rounds CRFs"):
        search(short, encoder, 70, curve=steps, crf=(10.25, 20.5))


def test_contenders() -> None:
    base: Any = bisect_request(None, ENCODERS["libx264"], 1)  # type: ignore[arg-type]
    find = Vmaf()._context.extensions.encoder
    requests = contenders(find, ["libx264:slow:crf_step=0.1", "libx265", "libsvtav1"], base, crf_step=0.25)
    assert [each.encoder.crf_step for each in requests.values()] == [0.1, 0.25, 0.25]
    assert requests["libx264:slow:crf_step=0.1"].preset == "slow"
    [own] = contenders(find, {"a": {"encoder": "libx264", "crf_step": 0.5}}, base, crf_step=0.25).values()
    assert own.encoder.crf_step == 0.5
    with pytest.raises(
        SettingsError, match=r"libaom-av1 takes whole .* not be 0\.25\. .*\n.*write .* libx264:crf_step="
    ):
        contenders(find, ["libx264", "libaom-av1"], base, crf_step=0.25)
    mixed = contenders(find, ["libx264:crf_step=0.25", "libaom-av1"], base)
    assert [each.encoder.crf_step for each in mixed.values()] == [0.25, 1]
    with pytest.raises(SettingsError, match="bitrates have no step"):
        contenders(find, ["libx264:2pass"], base, crf_step=0.25)


def test_points_of_bd_rates(short: Path, copy: Encoder) -> None:
    """BD-rates in steps are those in whole CRFs, whose points are around the answers."""
    plan = SearchPlan(points=4)
    whole, quarters = (
        search(short, replace(copy, crf_step=step), 70.5, 80.2, plan=plan, crf=(5, 45)) for step in (1, 0.25)
    )
    crfs = [sorted(point.crf for point in spaced_points(each)) for each in (whole, quarters)]
    assert crfs[0] == crfs[1]
    assert {13, 14, 19, 20} == {*crfs[0]}
    assert {13, 14, 19, 19.75} < {point.crf for point in quarters.points}
    # A window without whole CRFs, or with too few of them.
    narrow = search(short, replace(copy, crf_step=0.25), 70.5, plan=plan, crf=(19.25, 20.25))
    assert len(spaced_points(narrow)) == 4


def test_rows() -> None:
    row = replace(a_row(28, 90), crf=28.25)
    assert Row.from_json(row.to_json()) == row
    assert '"crf": 28.25' in row.to_json()
    assert "CRF 28.25" in repr(row)
    best = recommend([a_row(28, 91), row, a_row(29, 89)], target=90)[0]
    assert best.row is not None
    assert best.row.crf == 28.25


def test_sweep(short: Path, tmp_path: Path, copy: Encoder) -> None:
    scoring = MeasureRequest(Clip(short), Clip(short))
    whole = SweepRequest((scoring,), ((copy, (None,)),), (20, 21), tmp_path / "rows.jsonl")
    scorer = CurveScorer()
    sweep(whole, scorer)
    # Fractions complete the file; the rows that it has are not made again.
    finer = replace(whole, encoders=((replace(copy, crf_step=0.1), (None,)),), crfs=(20.0, 20 + 0.1 * 3, 21))
    rows = sweep(finer, scorer)
    assert [str(row.crf) for row in rows] == ["20", "20.3", "21"]
    assert [str(row.crf) for row in read_rows(finer.output)] == ["20", "21", "20.3"]
    assert len({row.setup for row in rows}) == 1
    assert sweep(replace(finer, progress=lambda done, total: None), scorer) == rows
    with pytest.raises(SettingsError, match=r"whole numbers from 0 to 51 for copy, not 20\.3\. .* crf_step=0\.1"):
        sweep(replace(whole, crfs=(20, 20.3)), scorer)
    with pytest.raises(SettingsError, match=r"crfs must be from 0 to 51 in steps of 0\.1 for copy, not 20\.25"):
        sweep(replace(finer, crfs=(20, 20.25)), scorer)
    with pytest.raises(SettingsError, match="each given once"):
        sweep(replace(finer, crfs=(20.3, 20 + 0.1 * 3)), scorer)


def test_sweep_rounds(short: Path, tmp_path: Path, copy: Encoder) -> None:
    scoring = MeasureRequest(Clip(short), Clip(short))
    grid = ((replace(copy, crf_step=0.5), (None,)),)
    request = SweepRequest((scoring,), grid, (20, 20.5), tmp_path / "rows.jsonl")
    steps: Callable[[float], float] = lambda crf: line(int(crf))  # noqa: E731
    # One of both may be a coincidence.
    assert len(sweep(request, CurveScorer(steps))) == 2
    with pytest.raises(
        EncodeError, match=r"copy rounds CRFs .*0\.5: rows from CRF 20 to 21 of .* are the same\.\n.*Remove"
    ):
        sweep(replace(request, crfs=(20, 20.5, 21)), CurveScorer(steps))


@pytest.mark.slow
def test_real_encoder(short: Path) -> None:
    """The answer of SVT-AV1 in quarters, beside every encode around it."""
    encoder = Encoder("libsvtav1", crf_step=0.25)
    bisection = search(short, encoder, 80, scorer=FfmpegScorer(), preset="12", crf=(30, 60))
    answer = bisection[80]
    assert answer.next_probe is not None
    assert answer.next_probe.crf - answer.crf == 0.25
    assert answer.score >= 80 > answer.next_probe.score
    assert len({probe.encode.checksum for probe in bisection.probes}) == len(bisection.probes)
