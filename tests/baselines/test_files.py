"""Baseline files: reading untrusted input, writing, names and links."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf import BaselineError
from pytest_vmaf.baselines import files
from pytest_vmaf.baselines.entry import differs, frames_of, numbers_of, start_of
from pytest_vmaf.baselines.files import LARGEST_BYTES, SCHEMA, file_of, parse, read, text_of, write
from pytest_vmaf.baselines.judge import compare_entries, refuse_incomparable
from pytest_vmaf.baselines.messages import verdict_text
from pytest_vmaf.baselines.noise import with_margins
from pytest_vmaf.cli.baseline import _differences, _values
from pytest_vmaf.gates.tolerance import parse_tolerance

ENTRY: dict[str, Any] = {
    "kind": "score",
    "match": {"model": "m"},
    "shown": {"scorer": "s"},
    "values": {"neg": {"mean": 93.0, "p5": 90}},
    "frames": {"span": 1, "neg": ["93.00 -1.25"]},
}
TOLERANCES = [parse_tolerance(name, 1, "call") for name in ("max_drop", "max_gap_rise", "max_bitrate_rise")]


def a_file(**changes: Any) -> dict[str, Any]:
    return {"schema": SCHEMA, "tests": {"test_a": {"out.mp4": {**ENTRY, **changes}}}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = file_of(tmp_path / "test_x.py")
    path.parent.mkdir()
    return path


def test_file_names(tmp_path: Path) -> None:
    assert file_of(tmp_path / "test_x.py") == tmp_path / "__vmaf__" / "test_x.json"
    assert file_of(tmp_path / "test_x.py", "linux-x86_64").name == "test_x.linux-x86_64.json"


def test_round_trip(file: Path) -> None:
    tests = {"b": {"out.mp4": ENTRY}, "a[ü]": {"z": ENTRY, "a": ENTRY}, "none": {}}
    write(file, tests)
    text = file.read_text()
    assert read(file) == {name: clips for name, clips in tests.items() if clips}
    assert text.endswith("}\n")
    assert text.index('"a[ü]"') < text.index('"b"')
    assert text.splitlines()[1].startswith(' "')
    assert text_of(read(file)) == text


def test_bounds(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, {"a": {"out.mp4": ENTRY}})
    monkeypatch.setattr(files, "MOST_VALUES", 3)
    file.write_text(file.read_text() + " ")  # what was read is cached
    with pytest.raises(BaselineError, match="it has more than 3 values"):
        read(file)
    with pytest.raises(BaselineError, match=r"must not be larger than 64 MiB\. Split the module"):
        write(file, {"a": {"out.mp4": ENTRY}})
    monkeypatch.setattr(files, "MOST_VALUES", 999)
    assert read(file) == {"a": {"out.mp4": ENTRY}}


def test_file_without_entries_is_removed(file: Path) -> None:
    assert read(file) == {}
    write(file, {"a": {"out.mp4": ENTRY}})
    write(file, {"a": {}})
    assert not file.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe{}", "utf-8"),
        (b"[]", "was not written by pytest --vmaf-baseline-update"),
        (b'{"schema": true, "tests": {}}', "was not written by"),
        (b'{"schema": 2, "tests": {}}', "its schema must be 1, not 2"),
        (b'{"schema": 1}', "lacks 'tests'"),
        (b'{"schema": 1, "tests": {"a": {}, "a": {}}}', "the key 'a' appears twice"),
        (b'{"schema": 1, "tests": {"a": NaN}}', "NaN is not a JSON number"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"schema": 1, "tests": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, ""),
        (
            json.dumps(a_file(values={"neg": {"mean": True}})).encode(),
            "mean must be a finite number, not True",
        ),
        (json.dumps(a_file(values={"neg": 3})).encode(), "values.neg must be an object, not 3"),
        (json.dumps(a_file()).replace("93.0", "1e999").encode(), "must be a finite number, not inf"),
        (json.dumps(a_file()).replace("93.0", "9" * 5000).encode(), ""),
        (json.dumps(a_file(frames={"span": 1, "neg": ["x"]})).encode(), "must be a string of the right form"),
        (json.dumps(a_file(frames={"span": 0, "neg": []})).encode(), "has a span of 0"),
        (json.dumps(a_file(frames={"span": 1, "neg": ["1.00"] * 401})).encode(), "has 401 rows"),
        (json.dumps(a_file(frames=None)).encode(), "lacks 'frames'"),
        (json.dumps(a_file(kind="bisect")).encode(), "has frames, which the kind bisect does not have"),
        (json.dumps(a_file(match={"model": 3})).encode(), "match.model must be a string, not 3"),
        (json.dumps(a_file(more=1)).encode(), "unknown key 'more'"),
    ],
)
def test_unreadable_file(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(BaselineError, match=rf"(?s)test_x\.json is not a readable baseline file: .*{message}") as e:
        read(file)
    assert "--vmaf-baseline-update=missing" in str(e.value)


def test_huge_file(file: Path) -> None:
    with file.open("wb") as sparse:
        sparse.truncate(LARGEST_BYTES + 1)
    with pytest.raises(BaselineError, match="larger than 64 MiB"):
        read(file)


def test_folder_and_outside_link(file: Path, tmp_path: Path) -> None:
    file.mkdir()
    with pytest.raises(BaselineError, match="not a regular file"):
        read(file)
    with pytest.raises(ValueError, match="not a regular file"):
        write(file, {"a": {"b": ENTRY}})
    file.rmdir()

    outside = tmp_path.parent / f"{tmp_path.name}-outside.json"
    outside.write_text("{}")
    for target in (outside, tmp_path.parent / "nowhere.json"):
        file.symlink_to(target)
        with pytest.raises(BaselineError, match="link that leads out of"):
            read(file)
        with pytest.raises(ValueError, match="link that leads out of"):
            write(file, {"a": {"b": ENTRY}})
        file.unlink()
    assert outside.read_text() == "{}"


def test_linked_folder(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__vmaf__").symlink_to(elsewhere)
    with pytest.raises(ValueError, match="link that leads out of"):
        write(file_of(tmp_path / "tests" / "test_x.py"), {"a": {"b": ENTRY}})
    assert not list(elsewhere.iterdir())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A right file with any value in the place of one of its parts."""
    document = a_file(
        regions={"face": {name: ENTRY[name] for name in ("match", "values", "frames")}},
        noise={"n": 3, "stdev": {"": {"neg": {"mean": 0.1}}}},
    )
    node: Any = document
    while True:
        key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        if draw(st.booleans()) or not isinstance(node[key], dict | list) or not node[key]:
            node[key] = draw(json_values)
            return document
        node[key] = dict(node[key]) if isinstance(node[key], dict) else list(node[key])
        node = node[key]


@settings(max_examples=40, deadline=None)
@given(damaged() | json_values)
def test_any_json(value: Any) -> None:
    try:
        tests = parse(json.dumps(value).encode())
    except (ValueError, RecursionError):
        return
    for clips in tests.values():
        for entry in clips.values():
            numbers_of(entry)
            frames_of(entry)
            start_of(entry)
            assert isinstance(_values(entry), str)
            list(_differences(ENTRY, entry))
            assert isinstance(differs(ENTRY, entry), bool)
            try:
                refuse_incomparable(entry, ENTRY, lambda: "pytest")
            except BaselineError:
                continue
            verdicts = compare_entries(entry, ENTRY, TOLERANCES)
            assert all(isinstance(verdict_text(each), str) for each in verdicts)
            with contextlib.suppress(BaselineError):
                with_margins(verdicts, entry, ENTRY)


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    try:
        assert isinstance(parse(data), dict)
    except (ValueError, RecursionError):
        return
