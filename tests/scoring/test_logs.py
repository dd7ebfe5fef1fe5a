"""libvmaf's logs in XML, JSON and CSV, and the verification of what a scorer returns."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from pytest_vmaf.errors import MeasurementError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import Ffmpeg
from pytest_vmaf.scoring.logs import read_log
from pytest_vmaf.scoring.scorer import ModelRun, ScoreLog, ScoreRequest, Source, Tools
from pytest_vmaf.scoring.verify_log import verify_log

FORMS = ("xml", "json", "csv")
column_names = st.from_regex(r"[a-z][a-z0-9_]{0,11}", fullmatch=True).filter(lambda name: name not in ("frame",))
tables = st.integers(1, 12).flatmap(
    lambda n: st.dictionaries(
        column_names,
        st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 6) + 0.0), min_size=n, max_size=n),
        min_size=1,
        max_size=4,
    )
)
per_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)


def written(form: str, columns: dict[str, list[float]]) -> str:
    """The columns as libvmaf 3.2 writes them."""
    rows = list(zip(*columns.values(), strict=True))
    means = {name: math.fsum(values) / len(values) for name, values in columns.items()}
    if form == "csv":
        lines = [f"{number}," + "".join(f"{value:.6f}," for value in row) for number, row in enumerate(rows)]
        return "\n".join(["Frame," + "".join(f"{name}," for name in columns), *lines]) + "\n"
    if form == "json":
        frames = [
            {"frameNum": number, "metrics": dict(zip(columns, row, strict=True))} for number, row in enumerate(rows)
        ]
        pooled = {name: {"mean": mean} for name, mean in means.items()}
        return json.dumps({"version": "3.2.1", "fps": 10.5, "frames": frames, "pooled_metrics": pooled}, indent=1)
    named = [" ".join(f'{k}="{v:.6f}"' for k, v in zip(columns, row, strict=True)) for row in rows]
    frames = "\n".join(f'    <frame frameNum="{number}" {values} />' for number, values in enumerate(named))
    pooled = "\n".join(f'    <metric name={quoteattr(name)} mean="{mean!r}" />' for name, mean in means.items())
    return (
        f'<VMAF version="3.2.1">\n  <params qualityWidth="320" qualityHeight="180" />\n  <fyi fps="10.50" />\n'
        f"  <frames>\n{frames}\n  </frames>\n  <pooled_metrics>\n{pooled}\n  </pooled_metrics>\n"
        "  <aggregate_metrics />\n</VMAF>\n"
    )


@pytest.mark.parametrize("form", FORMS)
@per_file
@given(columns=tables)
def test_every_value_is_read(form, columns, tmp_path):
    path = tmp_path / "log"
    path.write_text(written(form, columns))
    log = read_log(path)
    assert log.columns == {name: tuple(values) for name, values in columns.items()}
    if form == "csv":
        assert (log.version, log.pooled_means) == ("", {})
    else:
        assert log.version == "3.2.1"
        assert log.pooled_means == {name: math.fsum(values) / len(values) for name, values in columns.items()}


@pytest.mark.parametrize("form", FORMS)
def test_requested_columns(form, tmp_path):
    path = tmp_path / "log"
    path.write_text(written(form, {"vmaf": [95.5, 96.25], "neg": [93.0, 94.0], "motion": [0.0, 1.0]}))
    assert read_log(path, ("neg", "vmaf")).columns == {"vmaf": (95.5, 96.25), "neg": (93.0, 94.0)}


@pytest.mark.parametrize("form", FORMS)
@per_file
@given(data=st.data())
def test_truncated_log(form, data, tmp_path):
    whole = written(form, {"vmaf": [95.123456, 96.5], "neg": [93.654321, 94.5]})
    end = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path / "log"
    path.write_text(whole[:end])
    if whole[end:].isspace() and form != "csv":
        assert read_log(path).columns["neg"] == (93.654321, 94.5)
        return
    try:
        log = read_log(path)
    except ScorerError as error:
        log, message = None, str(error)
    if log is None:
        assert "libvmaf log" in message
    else:
        # A CSV file has no end mark: whole rows may be missing, which the number of frames shows.
        assert form == "csv"
        assert whole[end - 1] == "\n"
        assert {len(values) for values in log.columns.values()} <= {0, 1}


@pytest.mark.parametrize("form", FORMS)
@per_file
@given(place=st.integers(0, 400), junk=st.binary(min_size=1, max_size=4))
def test_damaged_log(form, place, junk, tmp_path):
    good = written(form, {"vmaf": [95.1, 96.5], "neg": [93.6, 94.5]}).encode()
    path = tmp_path / "log"
    path.write_bytes(good[: place % len(good)] + junk + good[place % len(good) + len(junk) :])
    message = str(path)
    try:
        read_log(path)
    except ScorerError as error:
        message = str(error)
    assert str(path) in message


@pytest.mark.parametrize("form", FORMS)
def test_missing_frame(form, tmp_path):
    text = written(form, {"vmaf": [95.0] * 4})
    marks = {
        "xml": ('frameNum="2"', 'frameNum="3"'),
        "json": ('"frameNum": 2', '"frameNum": 3'),
        "csv": ("\n2,", "\n3,"),
    }
    path = tmp_path / "log"
    path.write_text(text.replace(*marks[form]))
    with pytest.raises(
        ScorerError,
        match=r"frame 3 follows frame 1; frames are missing \(gates need every frame, so n_subsample must be 1",
    ):
        read_log(path)


@pytest.mark.parametrize("form", FORMS)
def test_missing_first_frame(form, tmp_path):
    text = written(form, {"vmaf": [95.0]})
    marks = {
        "xml": ('frameNum="0"', 'frameNum="1"'),
        "json": ('"frameNum": 0', '"frameNum": 1'),
        "csv": ("\n0,", "\n1,"),
    }
    path = tmp_path / "log"
    path.write_text(text.replace(*marks[form]))
    with pytest.raises(ScorerError, match="the first frame must be 0, not 1"):
        read_log(path)


def test_log_on_a_full_disk(tmp_path, monkeypatch):
    (tmp_path / "log.xml").write_text("<VMAF><frames>")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(MeasurementError, match=r"log\.xml is not a complete .* Is it cut off\? The disk is full\."):
        read_log(tmp_path / "log.xml")


def test_nan_in_an_unused_column(tmp_path):
    path = tmp_path / "log"
    path.write_text(written("json", {"vmaf": [95.0], "other": [math.nan]}))
    assert read_log(path, ("vmaf",)).columns == {"vmaf": (95.0,)}


def test_column_twice_in_json(tmp_path):
    path = tmp_path / "log"
    path.write_text(written("json", {"vmaf": [95.0], "neg": [93.0]}).replace('"neg": 93', '"vmaf": 93'))
    with pytest.raises(ScorerError, match="the key 'vmaf' appears twice"):
        read_log(path)


def test_null_in_json(tmp_path):
    path = tmp_path / "log"
    path.write_text(written("json", {"psnr_hvs": [math.inf, 40.0]}).replace("Infinity", "null"))
    first, second = read_log(path).columns["psnr_hvs"]
    assert math.isnan(first)
    assert second == 40.0


@pytest.mark.parametrize("text", ["", "vmaf 95", "\n\n", "%PDF-1.4", "frame,vmaf\n0,1\n"])
def test_other_files(text, tmp_path):
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(ScorerError, match="is not a libvmaf log: it must be XML, JSON, or CSV"):
        read_log(path)


def test_missing_log(tmp_path):
    with pytest.raises(ScorerError, match="cannot be read: No such file"):
        read_log(tmp_path / "none.xml")


def test_formats_of_a_real_log(libvmaf, reference, encoded):
    xml, in_json, in_csv = (
        libvmaf(encoded, reference, r"model='version=vmaf_v0.6.1\:name=x'", fmt=form).log for form in FORMS
    )
    assert len(xml.columns["x"]) == 12
    assert xml.columns["x"] == in_csv.columns["x"] == in_json.columns["x"]
    assert (
        xml.pooled_means["x"] == in_json.pooled_means["x"] == pytest.approx(math.fsum(xml.columns["x"]) / 12, abs=1e-6)
    )
    assert xml.version
    assert xml.version == in_json.version


def request(*columns: str) -> ScoreRequest:
    """A request for these columns of two clips that nobody opens."""
    return ScoreRequest(
        reference=Source(Clip("ref.mkv"), ""),
        distorted=Source(Clip("dis.mkv"), ""),
        width=320,
        height=180,
        pix_fmt="yuv420p",
        models=(ModelRun("vmaf", version="vmaf_v0.6.1"), ModelRun("neg", version="vmaf_v0.6.1neg")),
        features=(),
        columns=columns,
        tools=Tools(Ffmpeg("/nowhere/ffmpeg", "n9", True, "named")),
    )


def log(
    reference: int = 3, distorted: int = 3, means: dict[str, float] | None = None, **columns: tuple[float, ...]
) -> ScoreLog:
    """What a scorer might return."""
    return ScoreLog(columns, reference, distorted, "3.2.1", "ffmpeg …", means or {})


def test_complete_log():
    verify_log(
        log(vmaf=(95.0, 96.0, 97.0), neg=(93.0, 94.0, 95.0), means={"neg": 94.0}), request("vmaf", "neg"), "ffmpeg"
    )


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (log(vmaf=(95.0,) * 3), r"no column 'neg'; it has vmaf\. ref\.mkv against dis\.mkv, scorer ffmpeg"),
        (log(), "no column 'vmaf'; it has none"),
        (log(vmaf=(95.0,) * 3, neg=(93.0,) * 2), "2 values of 'neg' for 3 frames"),
        (log(vmaf=(95.0,) * 3, neg=(93.0,) * 4), "4 values of 'neg' for 3 frames"),
        (log(vmaf=(95.0,) * 3, neg=()), "0 values of 'neg' for 3 frames"),
        (
            log(vmaf=(95.0,) * 3, neg=(93.0, math.nan, 93.0)),
            r"neg is not a number in frame 1: ref\.mkv against dis\.mkv",
        ),
        (log(vmaf=(math.nan,) * 3, neg=(93.0,) * 3), "vmaf is not a number in 3 frames, first in frame 0"),
        (log(vmaf=(95.0,) * 3, neg=(93.0, math.inf, math.nan)), "neg is not a number in 2 frames, first in frame 1"),
        (log(vmaf=(95.0,) * 3, neg=(93.0, -math.inf, 93.0)), "neg is not a number in frame 1"),
        (
            log(4, 3, vmaf=(95.0,) * 3, neg=(93.0,) * 3),
            r"4 frames in the reference, 3 in the .*1 more in the ref",
        ),
        (
            log(3, 5, vmaf=(95.0,) * 3, neg=(93.0,) * 3),
            r"3 frames in the .*, 5 in the .*2 more in the distorted",
        ),
        (log(0, 0, vmaf=(), neg=()), "No frame was decoded"),
        (
            log(vmaf=(95.0,) * 3, neg=(93.0,) * 3, means={"neg": 92.9}),
            "own mean of 'neg' is 92.9, but its frames' mean is 93.0",
        ),
        (log(vmaf=(95.0,) * 3, neg=(93.0,) * 3, means={"neg": math.nan}), "own mean of 'neg' is nan"),
    ],
)
def test_incomplete_log(bad, says):
    with pytest.raises(MeasurementError, match=says):
        verify_log(bad, request("vmaf", "neg"), "ffmpeg")


def test_infinite_feature():
    bad = log(vmaf=(95.0,) * 3, neg=(93.0,) * 3, psnr_hvs=(math.inf, 40.0, math.inf))
    with pytest.raises(ScorerError, match=r"psnr_hvs is infinite in 2 frames, first in frame 0, because .*identical"):
        verify_log(bad, request("vmaf", "neg", "psnr_hvs"), "ffmpeg")
    with pytest.raises(ScorerError, match="use psnr_y"):
        verify_log(bad, request("psnr_hvs"), "ffmpeg")


def test_other_columns_are_ignored():
    verify_log(log(vmaf=(95.0,) * 3, other=(math.nan,)), request("vmaf"), "ffmpeg")


def test_control_characters_in_the_path(tmp_path):
    path = Path(tmp_path, "log\x1b[31m")
    path.write_text("nothing")
    with pytest.raises(ScorerError) as caught:
        read_log(path)
    assert "\x1b" not in str(caught.value)


def test_other_type_than_a_log():
    with pytest.raises(ScorerError, match=r"The scorer mine must return ScoreLog, not dict; see pytest_vmaf\.Scorer"):
        verify_log({}, request(), "mine")
