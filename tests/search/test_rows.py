"""Rows of a sweep as JSON, and files of rows."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.search.row_files import read_rows
from pytest_vmaf.search.rows import Row, Setup
from search.row_builders import a_row


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A file of three rows, as a sweep of a clip of 0.32 seconds writes it."""
    path = tmp_path / "sweep.jsonl"
    path.write_text("".join(f"{full_row(crf, neg).to_json()}\n" for crf, neg in ((24, 95.5), (36, 82.25), (48, 51.75))))
    return path


def full_row(crf: int, neg: float) -> Row:
    scores = {"gap": 2.5, "gap_max": 3.5}
    for metric, mean in (("vmaf", neg + 2.5), ("neg", neg), ("psnr_y", neg / 2)):
        scores |= {metric: mean, f"{metric}_min": mean - 4.5, f"{metric}_max": mean + 1.5}
        pools = (
            {} if metric == "psnr_y" else {"median": 0.25, "p1": -4.25, "p5": -3.5, "p10": -3.0, "harmonic_mean": -0.1}
        )
        scores |= {f"{metric}_{pool}": mean + offset for pool, offset in pools.items()}
    row = a_row(crf, neg, preset="ultrafast")
    return replace(row, frames=8, duration=0.32, bitrate=row.size * 8 / 0.32, seconds=0.5, scores=scores)


text = st.text(
    st.characters(exclude_categories=["Cs"]) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=20
)
number = st.floats(-1e15, 1e15)
rate = st.none() | st.fractions(min_value=1, max_value=1000, max_denominator=1001).map(str)
whole_above_0 = st.integers(1, 10**15)
setups = st.builds(
    Setup, text, text, whole_above_0, whole_above_0, rate, template=st.lists(text, max_size=3).map(tuple),
    arguments=st.lists(text, max_size=3).map(tuple), preset=st.none() | text,
    allow=st.none() | st.lists(text, max_size=3).map(tuple),
)  # fmt: skip


@st.composite
def scores(draw: st.DrawFn) -> dict[str, float]:
    """Means within their frames' bounds, and these within the scale where there is one."""
    values = {"gap": draw(number), "neg_ci_p95_lo": draw(number), "ciede2000": draw(number)}
    for metric, bounds in (("vmaf", st.floats(0, 110)), ("neg", st.floats(0, 110)), ("psnr_y", number)):
        low, mean, p5, high = sorted(draw(st.tuples(bounds, bounds, bounds, bounds)))
        values[metric] = mean
        more = {f"{metric}_min": low, f"{metric}_max": high, f"{metric}_p5": p5}
        values |= {name: more[name] for name in draw(st.sets(st.sampled_from(sorted(more))))}
    return values


rows = st.builds(
    Row, setups, st.integers(-63, 255), whole_above_0, whole_above_0, st.floats(1e-9, 1e9), st.none(),
    st.none() | st.floats(0, 1e9), text, text, scores=scores(),
).map(lambda row: replace(row, bitrate=row.size * 8 / row.duration))  # fmt: skip
rows = rows.filter(lambda row: row.bitrate <= 1e15)


@settings(max_examples=25)
@given(rows)
def test_json_round_trip(row: Row) -> None:
    line = row.to_json()
    assert "\n" not in line
    assert Row.from_json(line) == row
    assert Row.from_json(line.encode()).setup.source == row.setup.source
    assert json.loads(line)["schema"] == 1


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@settings(max_examples=25)
@given(rows, st.data())
def test_one_value_changed(row: Row, data: st.DataObject) -> None:
    fields = json.loads(row.to_json())
    name = data.draw(st.sampled_from(sorted(fields)))
    fields[name] = data.draw(anything)
    with contextlib.suppress(MeasurementError):
        again = Row.from_json(json.dumps(fields))
        assert type(again.crf) is int
        assert again.bitrate == pytest.approx(again.size * 8 / again.duration)
        assert all(0 <= again.scores[name] <= 110.000001 for name in ("vmaf", "neg"))
        assert all(type(score) is float and math.isfinite(score) for score in again.scores.values())
        hash(again.setup)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_is_a_clear_error(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "noise.jsonl"
    path.write_bytes(noise)
    if noise:
        with pytest.raises(MeasurementError, match=r"noise\.jsonl, line 1: Not a sweep row: "):
            read_rows(path)
    else:
        assert read_rows(path) == ()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda line: b"[" * 100_000, "nested too deeply"),
        (lambda line: b'{"a":' * 100_000, "nested too deeply"),
        (lambda line: b"", "line 2: Not a sweep row"),
        (lambda line: b"[]", "expected an object with schema 1"),
        (lambda line: line.replace(b'"schema": 1', b'"schema": 2'), "expected an object with schema 1"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": "36"'), "crf must be an integer, not '36'"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": true'), "crf must be an integer, not True"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": 1e999'), "crf must be a finite number, not inf"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": ' + b"9" * 5000), "Exceeds the limit"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": ' + b"9" * 50), "crf must be an integer"),
        (lambda line: line.replace(b'"crf": 36, ', b""), "'crf' is missing"),
        (lambda line: line.replace(b'"neg": ', b'"neg": NaN, "x": '), "NaN is not a JSON number"),
        (lambda line: line.replace(b'"neg": ', b'"neg": 1e999, "x": '), "neg must be a finite number, not inf"),
        (
            lambda line: line.replace(b'"neg": ', b'"neg": 1' + b"0" * 400 + b', "x": '),
            "a finite number, not 1000",
        ),
        (lambda line: line.replace(b'"neg": ', b'"other": '), "'neg' is missing"),
        (lambda line: line.replace(b'"neg": ', b'"neg": {"a": []}, "x": '), "neg must be a finite number, not {"),
        (lambda line: line.replace(b'"size": ', b'"size": 0, "x": '), "size must be above 0, not 0"),
        (lambda line: line.replace(b'"bitrate": ', b'"bitrate": -1, "x": '), "bitrate must be above 0, not -1"),
        (lambda line: line.replace(b'"bitrate": ', b'"bitrate": 1, "x": '), "bitrate is 1 bit/s, but "),
        (lambda line: line.replace(b'"size": ', b'"size": 9, "x": '), "bit/s, but 9 bytes in 0.32 s are 225; was it"),
        (lambda line: line.replace(b'"duration": ', b'"duration": 9e9, "x": '), "was it edited? Remove the line"),
        (lambda line: line.replace(b'"duration": ', b'"duration": 5e-324, "x": '), "e-324 s are inf; was it"),
        (lambda line: line.replace(b'"duration": ', b'"duration": 0, "x": '), "duration must be above 0, not 0"),
        (lambda line: line.replace(b'"frames": ', b'"frames": 0, "x": '), "frames must be above 0, not 0"),
        (lambda line: re.sub(rb'"seconds": [^,]+', b'"seconds": -1', line), "seconds must be at least 0, not -1"),
        (lambda line: re.sub(rb'"seconds": [^,]+', b'"seconds": Infinity', line), "Infinity is not a JSON number"),
        (
            lambda line: line.replace(b'"neg": ', b'"neg": 1e6, "x": '),
            "neg must be between 77.75 and 83.75",
        ),
        (lambda line: line.replace(b'"neg": ', b'"neg": -1, "x": '), "by its frames, not -1"),
        (
            lambda line: line.replace(b'"neg": ', b'"neg": 99.9, "x": '),
            "by its frames, not 99.9; was it",
        ),
        (
            lambda line: line.replace(b'"vmaf": ', b'"vmaf": 111, "x": '),
            "by its frames, not 111; was it",
        ),
        (lambda line: line.replace(b'"neg_p5": ', b'"neg_p5": 1e6, "x": '), "neg_p5 must be between"),
        (lambda line: line.replace(b'"vmaf_harmonic_mean": ', b'"vmaf_harmonic_mean": 0, "x": '), "vmaf_harmonic_mean"),
        (
            lambda line: re.sub(rb'"(neg\w*)": [\d.]+', rb'"\1": 1e6', line),
            "neg must be between 1e+06 and 110",
        ),
        (lambda line: line.replace(b'"psnr_y": ', b'"psnr_y": 1e6, "x": '), "psnr_y must be between"),
        (lambda line: line.replace(b'"gap": ', b'"gap": 1e6, "x": '), "gap must be between -inf and 3.5"),
        (
            lambda line: line.replace(b'"frame_rate": "25"', b'"frame_rate": "25/0"'),
            "frame_rate must be a string",
        ),
        (lambda line: line.replace(b'"arguments": []', b'"arguments": [1]'), "arguments[0] must be a string"),
        (lambda line: line.replace(b'"source": "', b'"source": "\xff'), "invalid start byte"),
        (lambda line: line.replace(b'"source": "', b'"source": "' + b"x" * (1 << 20)), "longer than 1 MiB"),
    ],
)
def test_spoilt_line(whole: Path, tmp_path: Path, spoil: Callable[[bytes], bytes], message: str) -> None:
    lines = whole.read_bytes().splitlines()
    spoilt = spoil(lines[1])
    assert spoilt != lines[1]
    path = tmp_path / "spoilt.jsonl"
    path.write_bytes(b"\n".join([lines[0], spoilt, lines[2]]) + b"\n")
    with pytest.raises(MeasurementError, match=r"spoilt\.jsonl, line 2: ") as caught:
        read_rows(path)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500


def test_unclipped_scores(whole: Path) -> None:
    row = read_rows(whole)[1]
    for beyond in ({"gap": -4.0, "gap_max": 140.0}, {"neg_ci_p95_hi": 130.0}, {"psnr_hvs": 200.0}):
        strange = replace(row, scores={**row.scores, **beyond})
        assert Row.from_json(strange.to_json()) == strange
    for bound in (0.0, 110.0):
        flat = replace(row, scores={**row.scores, **{name: bound for name in row.scores if name.startswith("neg")}})
        assert Row.from_json(flat.to_json()) == flat


def test_row_without_allow(whole: Path) -> None:
    line = whole.read_text().splitlines()[1]
    assert '"allow": [], ' in line
    old = Row.from_json(line.replace('"allow": [], ', ""))
    assert old.setup.allow is None
    assert old.setup != Row.from_json(line).setup
    assert replace(old, setup=replace(old.setup, allow=())) == Row.from_json(line)


def test_endless_line_and_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless.jsonl"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(MeasurementError, match=r"line 1: .* longer than 1 MiB"):
            read_rows(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    os.truncate(path, (1 << 30) + 1)
    with pytest.raises(MeasurementError, match="must not be larger than 1 GiB"):
        read_rows(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"away\.jsonl cannot be read: No such file"):
        read_rows(tmp_path / "away.jsonl")
    with pytest.raises(MeasurementError, match="must be a regular file"):
        read_rows(tmp_path)


def test_setup_name_is_printable(whole: Path) -> None:
    row = read_rows(whole)[0]
    strange = replace(row, setup=replace(row.setup, source="\x1b[2J\n.mkv"))
    assert strange.setup.name == "\\x1b[2J\\n.mkv, libx264 ultrafast"


def test_row_in_words() -> None:
    assert repr(a_row(24, 95.5, 400)) == "<Row clip.mkv, libx264 medium, CRF 24: NEG 95.500, 400.0 kbit/s>"
