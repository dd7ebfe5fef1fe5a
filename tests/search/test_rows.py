"""The rows of a sweep: to JSON and back to the last bit, and read from files of all kinds."""

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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer

from pytest_vmaf.encoding.encoders import ENCODERS
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.row_files import read_rows
from pytest_vmaf.search.rows import Row, Setup
from pytest_vmaf.search.sweep import SweepRequest, sweep


@pytest.fixture(scope="module")
def whole(footage: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a sweep of three encodes."""
    clip = Clip(footage("160x120", 8))
    path = tmp_path_factory.mktemp("whole") / "sweep.jsonl"
    grid = ((ENCODERS["libx264"], ("ultrafast",)),)
    sweep(SweepRequest((MeasureRequest(clip, clip),), grid, (24, 36, 48), path), FfmpegScorer())
    return path


text = st.text(
    st.characters(exclude_categories=["Cs"]) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=20
)
number = st.floats(allow_nan=False, allow_infinity=False)
rate = st.none() | st.fractions(min_value=1, max_value=1000, max_denominator=1001).map(str)
whole_above_0 = st.integers(1, (1 << 63) - 1)
setups = st.builds(
    Setup, text, text, whole_above_0, whole_above_0, rate, template=st.lists(text, max_size=3).map(tuple),
    arguments=st.lists(text, max_size=3).map(tuple), preset=st.none() | text,
    allow=st.none() | st.lists(text, max_size=3).map(tuple),
)  # fmt: skip


@st.composite
def scores(draw: st.DrawFn) -> dict[str, float]:
    """Means within their frames' bounds, and these within the scale where there is one."""
    found = {"gap": draw(number), "neg_ci_p95_lo": draw(number), "ciede2000": draw(number)}
    for metric, bounds in (("vmaf", st.floats(0, 110)), ("neg", st.floats(0, 110)), ("psnr_y", number)):
        low, mean, p5, high = sorted(draw(st.tuples(bounds, bounds, bounds, bounds)))
        found[metric] = mean
        more = {f"{metric}_min": low, f"{metric}_max": high, f"{metric}_p5": p5}
        found |= {name: more[name] for name in draw(st.sets(st.sampled_from(sorted(more))))}
    return found


rows = st.builds(
    Row, setups, st.integers(-63, 255), whole_above_0, whole_above_0, st.floats(1e-9, 1e9), st.none(),
    st.none() | st.floats(0, 1e9), scores=scores(),
).map(lambda row: replace(row, bitrate=row.size * 8 / row.duration))  # fmt: skip


@given(rows)
def test_a_row_comes_back_from_json_to_the_last_bit(row: Row) -> None:
    line = row.to_json()
    assert "\n" not in line
    assert Row.from_json(line) == row
    assert Row.from_json(line.encode()).setup.source == row.setup.source
    assert json.loads(line)["schema"] == 1


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(rows, st.data())
def test_a_row_with_one_value_changed_is_a_row_or_a_clear_error(row: Row, data: st.DataObject) -> None:
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
def test_bytes_that_are_no_rows_are_a_clear_error(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "noise.jsonl"
    path.write_bytes(noise)
    if noise:
        with pytest.raises(MeasurementError, match=r"noise\.jsonl, line 1: This is no row of a sweep"):
            read_rows(path)
    else:
        assert read_rows(path) == ()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda line: b"[" * 100_000, "RecursionError"),
        (lambda line: b'{"a":' * 100_000, "RecursionError"),
        (lambda line: b"", "line 2: This is no row"),
        (lambda line: b"[]", "no object with a schema of 1"),
        (lambda line: line.replace(b'"schema": 1', b'"schema": 2'), "no object with a schema of 1"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": "36"'), "'crf' should be int, and is str '36'"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": true'), "'crf' should be int, and is bool"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": 36.0'), "'crf' should be int, and is float"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": ' + b"9" * 5000), "ValueError"),
        (lambda line: line.replace(b'"crf": 36', b'"crf": ' + b"9" * 50), "'crf' should be int"),
        (lambda line: line.replace(b'"crf": 36, ', b""), "'crf' is missing"),
        (lambda line: line.replace(b'"neg": ', b'"neg": NaN, "x": '), "'neg' should be float, and is float nan"),
        (lambda line: line.replace(b'"neg": ', b'"neg": 1e999, "x": '), "'neg' should be float, and is float inf"),
        (lambda line: line.replace(b'"neg": ', b'"neg": 1' + b"0" * 400 + b', "x": '), "OverflowError"),
        (lambda line: line.replace(b'"neg": ', b'"other": '), "'neg' is missing"),
        (lambda line: line.replace(b'"neg": ', b'"neg": {"a": []}, "x": '), "'neg' should be float, and is dict"),
        (lambda line: line.replace(b'"size": ', b'"size": 0, "x": '), "size is not above 0"),
        (lambda line: line.replace(b'"bitrate": ', b'"bitrate": -1, "x": '), "bitrate is not above 0"),
        (lambda line: line.replace(b'"bitrate": ', b'"bitrate": 1, "x": '), "bitrate is 1 bit/s, but "),
        (lambda line: line.replace(b'"size": ', b'"size": 9, "x": '), "bit/s, but 9 bytes in 0.32 s are 225; was it"),
        (lambda line: line.replace(b'"duration": ', b'"duration": 9e9, "x": '), "was it edited? Remove the line"),
        (lambda line: line.replace(b'"duration": ', b'"duration": 5e-324, "x": '), "e-324 s are inf; was it"),
        (lambda line: line.replace(b'"duration": ', b'"duration": 0, "x": '), "duration is not above 0"),
        (lambda line: line.replace(b'"frames": ', b'"frames": 0, "x": '), "frames is not above 0"),
        (lambda line: re.sub(rb'"seconds": [^,]+', b'"seconds": -1', line), "seconds is below 0"),
        (lambda line: re.sub(rb'"seconds": [^,]+', b'"seconds": Infinity', line), "'seconds' should be float"),
        (lambda line: line.replace(b'"neg": ', b'"neg": 1e6, "x": '), "neg is 1e+06, which cannot be: its frames go"),
        (lambda line: line.replace(b'"neg": ', b'"neg": -1, "x": '), "neg is -1, which cannot be: its frames go"),
        (lambda line: line.replace(b'"neg": ', b'"neg": 99.9, "x": '), "neg is 99.9, which cannot be: its frames go"),
        (lambda line: line.replace(b'"vmaf": ', b'"vmaf": 111, "x": '), "vmaf is 111, which cannot be"),
        (lambda line: line.replace(b'"neg_p5": ', b'"neg_p5": 1e6, "x": '), "neg_p5 is 1e+06, which cannot be"),
        (lambda line: line.replace(b'"vmaf_harmonic_mean": ', b'"vmaf_harmonic_mean": 0, "x": '), "vmaf_harmonic_mean"),
        (lambda line: re.sub(rb'"(neg\w*)": [\d.]+', rb'"\1": 1e6', line), "neg is 1e+06, which cannot be: its frames"),
        (lambda line: line.replace(b'"psnr_y": ', b'"psnr_y": 1e6, "x": '), "psnr_y is 1e+06, which cannot be"),
        (lambda line: line.replace(b'"gap": ', b'"gap": 1e6, "x": '), "gap is 1e+06, which cannot be"),
        (lambda line: line.replace(b'"frame_rate": "25"', b'"frame_rate": "25/0"'), "frame_rate is no frame rate"),
        (lambda line: line.replace(b'"arguments": []', b'"arguments": [1]'), "'arguments' should be tuple"),
        (lambda line: line.replace(b'"source": "', b'"source": "\xff'), "UnicodeDecodeError"),
        (lambda line: line.replace(b'"source": "', b'"source": "' + b"x" * (1 << 20)), "longer than 1 MiB"),
    ],
)
def test_a_line_that_is_no_row_is_refused_with_its_number(
    whole: Path, tmp_path: Path, spoil: Callable[[bytes], bytes], message: str
) -> None:
    lines = whole.read_bytes().splitlines()
    spoilt = spoil(lines[1])
    assert spoilt != lines[1]
    path = tmp_path / "spoilt.jsonl"
    path.write_bytes(b"\n".join([lines[0], spoilt, lines[2]]) + b"\n")
    with pytest.raises(MeasurementError, match=r"spoilt\.jsonl, line 2: ") as caught:
        read_rows(path)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500


def test_what_is_not_clipped_may_be_beyond_the_scale(whole: Path) -> None:
    row = read_rows(whole)[1]
    for beyond in ({"gap": -4.0, "gap_max": 140.0}, {"neg_ci_p95_hi": 130.0}, {"psnr_hvs": 200.0}):
        strange = replace(row, scores={**row.scores, **beyond})
        assert Row.from_json(strange.to_json()) == strange
    for bound in (0.0, 110.0):
        flat = replace(row, scores={**row.scores, **{name: bound for name in row.scores if name.startswith("neg")}})
        assert Row.from_json(flat.to_json()) == flat


def test_a_row_from_before_allowances_were_written_down_is_read_as_one_of_another_setup(whole: Path) -> None:
    line = whole.read_text().splitlines()[1]
    assert '"allow": [], ' in line
    old = Row.from_json(line.replace('"allow": [], ', ""))
    assert old.setup.allow is None
    assert old.setup != Row.from_json(line).setup
    assert replace(old, setup=replace(old.setup, allow=())) == Row.from_json(line)


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless.jsonl"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(MeasurementError, match="line 1: longer than 1 MiB"):
            read_rows(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    os.truncate(path, (1 << 28) + 1)
    with pytest.raises(MeasurementError, match="more than 256 MiB"):
        read_rows(path)


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"away\.jsonl cannot be read: No such file"):
        read_rows(tmp_path / "away.jsonl")
    with pytest.raises(MeasurementError, match="is not a regular file"):
        read_rows(tmp_path)


def test_a_name_cannot_write_to_the_terminal(whole: Path) -> None:
    row = read_rows(whole)[0]
    strange = replace(row, setup=replace(row.setup, source="\x1b[2J\n.mkv"))
    assert strange.setup.name == "\\x1b[2J\\n.mkv, libx264 ultrafast"
