"""Tracks: their forms, their limits, and the messages about invalid ones."""

from __future__ import annotations

import csv
import io
import json
import os
import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.roi import tracks
from pytest_vmaf.roi.regions import Region
from pytest_vmaf.roi.tracks import read_track

FIELDS = ("x", "y", "w", "h")
sides = st.integers(1, 65535)
boxes = st.tuples(st.integers(0, 65535), st.integers(0, 65535), sides, sides)
sparse = st.dictionaries(st.integers(0, 40), boxes, min_size=1, max_size=10)


def as_csv(rows: dict[int, tuple[int, ...]], columns: list[str], extra: str = "") -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*columns, "note"])
    for frame, box in rows.items():
        row = dict(zip(FIELDS, box, strict=True), frame=frame)
        writer.writerow([*(row[column] for column in columns), extra])
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tracks")


@pytest.fixture
def written(tmp_path):
    """written(content, name="track.csv"): the path of a file of that content."""

    def write(content: str | bytes, name: str = "track.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@settings(max_examples=30, deadline=None)
@given(sparse, st.permutations([*FIELDS, "frame"]), st.text("a,\"\n'é", max_size=6), st.booleans())
def test_track_forms_agree(folder, rows, columns, note, mark):
    objects = [{"frame": n, **dict(zip(FIELDS, box, strict=True)), "score": 0.5} for n, box in rows.items()]
    forms = [
        json.dumps(objects),
        json.dumps({str(n): list(box) for n, box in rows.items()}),
        as_csv(rows, columns, note),
    ]
    wanted, box = [], rows[min(rows)]
    for frame in range(max(rows) + 1):
        box = rows.get(frame, box)
        wanted.append(box)
    assert read_track(rows, hold=True, largest=True) == wanted
    assert read_track(objects, hold=True, largest=True) == wanted
    for text in forms:
        # The kind of file is seen from its content.
        path = folder / "track"
        path.write_text(text, encoding="utf-8-sig" if mark else "utf-8", newline="")
        assert read_track(path, hold=True, largest=True) == wanted


@settings(max_examples=30, deadline=None)
@given(st.lists(boxes, min_size=1, max_size=20))
def test_track_without_frame_numbers(folder, track):
    files = {
        "list.json": json.dumps(track),
        "objects.json": json.dumps([dict(zip(FIELDS, box, strict=True)) for box in track]),
        "rows.csv": as_csv(dict(enumerate(track)), list(FIELDS)),
    }
    for name, text in files.items():
        (folder / name).write_text(text, newline="")
        assert read_track(folder / name, largest=True) == track
    assert read_track(np.array(track), largest=True) == read_track(np.array(track, float), largest=True) == track


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(["t.json", "t.csv"]), st.sampled_from([b"", b"x,y,w,h\n", b"[[1,2,"]))
def test_track_any_bytes(folder, data, name, head):
    (folder / name).write_bytes(head + data)
    try:
        found = read_track(folder / name, hold=True, largest=True)
    except SettingsError as error:
        refused, found = str(error), []
    assert found or name in refused
    assert all(type(number) is int and 0 <= number <= 65535 for box in found for number in box)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "",
            "track.csv, line 1: the columns must include x, y, w and h once each",
        ),
        ("x,y,w,h\n", "track.csv has no boxes"),
        ("frame;x;y;w;h\n0;1;2;3;4\n", "the frames from 0 on, not ['frame;x;y;w;h']."),
        ("x,y,w,h,x\n1,2,3,4,5\n", "the frames from 0 on, not ['x', 'y', 'w', 'h', 'x']."),
        ("x,y,w,h\n1,2,3,4\n\n1,2,3\n", "track.csv, line 4: expected 4 cells as in the header, got 3"),
        (
            "x,y,w,h\n1,2,3,4\n1,,3,4\n",
            "track.csv, line 3: y must be a whole number of pixels from 0 to 65535, not ''.",
        ),
        (
            "x,y,w,h\n1,2,3,4\n1,2.5,3,4\n",
            "track.csv, line 3: y must be a whole number of pixels from 0 to 65535, not 2.5.",
        ),
        ("x,y,w,h\n1,2,nan,4\n", "track.csv, line 2: w must be a whole number of pixels from 1 to 65535, not 'nan'."),
        ("x,y,w,h\n1,1_0,3,4\n", "track.csv, line 2: y must be a whole number of pixels from 0 to 65535, not '1_0'."),
        ("x,y,w,h\n1,٣,3,4\n", "track.csv, line 2: y must be a whole number of pixels from 0 to 65535, not '٣'."),
        ("x,y,w,h\n1,-2,3,4\n", "track.csv, line 2: y must be a whole number of pixels from 0 to 65535, not -2."),
        ("x,y,w,h\n1,2,3,0\n", "track.csv, line 2: h must be a whole number of pixels from 1 to 65535, not 0."),
        ("frame,x,y,w,h\n0,1,2,3,4\n0,1,2,3,4\n", "track.csv, line 3: frame 0 already has a box"),
        (
            "frame,x,y,w,h\n-1,1,2,3,4\n",
            "track.csv, line 2: the frame number must be a whole number from 0 to 999999, not -1.",
        ),
        (
            "frame,x,y,w,h\n0.5,1,2,3,4\n",
            "track.csv, line 2: the frame number must be a whole number from 0 to 999999, not 0.5.",
        ),
        (
            "frame,x,y,w,h\n,1,2,3,4\n",
            "track.csv, line 2: the frame number must be a whole number from 0 to 999999, not ''.",
        ),
        (
            "frame,x,y,w,h\n0,1,2,3,4\n10000000,1,2,3,4\n",
            "track.csv, line 3: the frame number must be a whole number from 0 to 999999, not 10000000.",
        ),
        ('x,y,w,h\n"1"2,2,3,4\n', "track.csv, line 2: this is not CSV"),
        ("x,y,w,h\n" + "1" * 70000 + ",2,3,4\n", "track.csv must not have lines of more than 65536 characters"),
        (b"x,y,w,h\n1,2,3,4\n\xff,2,3,4\n", "track.csv must be text in UTF-8"),
        ("x,y,w,h\n1,2,3,4\n".encode("utf-16"), "track.csv must be text in UTF-8"),
        ("[[1,2,3,4],", "track.csv is not valid JSON: "),
        ("[[1,2,3,4],\n[1,2,3]]", "track.csv, frame 1: a box must be (x, y, w, h) in pixels, not [1, 2, 3]."),
        ('[[1,2,3,"4"]]', "track.csv, frame 0: h must be a whole number of pixels from 1 to 65535, not '4'."),
        ("[[1,2,3,NaN]]", "track.csv is not valid JSON: NaN is not a JSON number"),
        ("[[1,2,Infinity,4]]", "track.csv is not valid JSON: Infinity is not a JSON number"),
        ("[[1,2,true,4]]", "track.csv, frame 0: w must be a whole number of pixels from 1 to 65535, not True."),
        ("[[1,2,null,4]]", "track.csv, frame 0: w must be a whole number of pixels from 1 to 65535, not None."),
        ("[[1,2,3," + "1" * 5000 + "]]", "track.csv is not valid JSON: Exceeds the limit"),
        ("[" * 100000, "track.csv is not valid JSON: it is nested too deeply"),
        ("[1,2,3,4]", "track.csv, frame 0: a box must be (x, y, w, h) in pixels, not 1."),
        ("[]", "track.csv has no boxes"),
        ('["abcd"]', "track.csv, frame 0: a box must be (x, y, w, h) in pixels, not 'abcd'."),
        ('[{"frame": 0, "x": 1, "y": 2, "w": 3}]', "track.csv, entry 0: h is missing; a box must have x, y, w and h."),
        (
            '[{"frame": "0", "x": 1, "y": 2, "w": 3, "h": 4}]',
            "track.csv, entry 0: the frame number must be a whole number from 0 to 999999, not '0'.",
        ),
        ('[{"frame": 0, "x": 1, "y": 2, "w": 3, "h": 4}, [1,2,3,4]]', "track.csv: entry 1 has no frame number, unlike"),
        ('[[1,2,3,4], {"frame": 1, "x": 1, "y": 2, "w": 3, "h": 4}]', "track.csv: entry 1 has a frame number, unlike"),
        ('{"0": [1,2,3,4], "0": [5,6,3,4]}', "track.csv is not valid JSON: the key '0' appears twice"),
        ('{"0": [1,2,3,4], "00": [5,6,3,4]}', "track.csv, frame 0: frame 0 already has a box"),
        (
            '{"-1": [1,2,3,4]}',
            "track.csv, frame '-1': the frame number must be a whole number from 0 to 999999, not '-1'.",
        ),
        (
            '{"10000000": [1,2,3,4]}',
            "track.csv, frame 10000000: the frame number must be a whole number from 0 to 999999, not 10000000.",
        ),
        (
            '[{"frame": 1e400, "x": 1, "y": 2, "w": 3, "h": 4}]',
            "track.csv, entry 0: the frame number must be a whole number from 0 to 999999, not inf.",
        ),
    ],
)
@pytest.mark.parametrize("hold", [False, True])
def test_track_file_invalid(written, content, message, hold):
    with pytest.raises(SettingsError, match=re.escape(message)):
        read_track(written(content), hold=hold)


def test_json_is_not_read_as_csv(written):
    with pytest.raises(SettingsError, match=r"track\.json is not valid JSON: Expecting value: line 1"):
        read_track(written("x,y,w,h\n1,2,3,4\n", "track.json"))
    with pytest.raises(SettingsError, match=r"track\.json must be a list of boxes .*, not 5\."):
        read_track(written("5", "track.json"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            5,
            "The track must be a list of boxes (x, y, w, h), one for each frame, a mapping of frame",
        ),
        ({1, 2}, "the path of a JSON or CSV file, not {1, 2}."),
        (((1, 2, 3, 4) for _ in range(3)), "the path of a JSON or CSV file, not <generator ob"),
        ((1, 2, 3, 4), "The track, frame 0: a box must be (x, y, w, h) in pixels, not 1."),
        (
            [(1, 2, 3, 4), (1, 2, 3.5, 4)],
            "The track, frame 1: w must be a whole number of pixels from 1 to 65535, not 3.5.",
        ),
        ([(1, 2, 3, 4), (1, 2, np.bool_(True), 4)], "The track, frame 1: w must be "),
        ([{1, 2, 3, 4}], "The track, frame 0: a box must be (x, y, w, h) in pixels, not {1, 2, 3, 4}."),
        (
            {True: (1, 2, 3, 4)},
            "The track, frame True: the frame number must be a whole number from 0 to 999999, not True.",
        ),
        (
            {"a\nb": (1, 2, 3, 4)},
            r"The track, frame 'a\nb': the frame number must be a whole number from 0 to 999999, not 'a\nb'.",
        ),
        (
            {10**5000: (1, 2, 3, 4)},
            "the frame number must be a whole number from 0 to 999999, not a number of thousands of digits.",
        ),
    ],
)
def test_track_values_invalid(source, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        read_track(source)


def test_track_gaps():
    rows = {2: (1, 2, 3, 4), 5: (2, 2, 3, 4)}
    with pytest.raises(SettingsError, match=r"no box for frame 0 \(4 of the frames 0 to 5 have none\)\.\n.*hold=True"):
        read_track(rows)
    region = Region.track(rows, hold=True)
    assert region.boxes == ((1, 2),) * 5 + ((2, 2),)
    assert region.holds


def test_track_sizes():
    track = [(0, 0, 8, 8), (0, 0, 8, 8), (4, 4, 6, 12), (9, 9, 5, 5)]
    with pytest.raises(
        SettingsError, match=r"3 sizes, for example 8x8 in frame 0 and 6x12 in frame 2\..*\n.*window of 8x12"
    ):
        Region.track(track)
    region = Region.track(track, largest=True)
    assert region.size == (8, 12)
    assert region.inner == tuple(track)
    assert region.boxes == ((0, -2), (0, -2), (3, 4), (7, 5))


def test_track_file_unreadable(tmp_path):
    with pytest.raises(ClipError, match=r"The track .*none\.csv does not exist"):
        read_track(tmp_path / "none.csv")
    with pytest.raises(ClipError, match="is not a regular file"):
        read_track(tmp_path)
    with pytest.raises(ClipError, match=r"The track a\\x00\\nb does not exist"):
        read_track("a\0\nb")
    with pytest.raises(ClipError, match="cannot be read: File name too long"):
        read_track("x" * 5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only POSIX systems have named pipes")
def test_track_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ClipError, match="is not a regular file"):
        read_track(tmp_path / "pipe")


def test_track_limits(written, monkeypatch):
    with pytest.raises(SettingsError, match=r"more lists and objects than a track of 1000000 frames"):
        read_track(written("[" + "[]," * 1_000_001 + "[]]"))
    path = written("x,y,w,h\n" + "1,2,3,4\n" * 200)
    assert len(read_track(path)) == 200
    monkeypatch.setattr(tracks, "LARGEST_TRACK", 199)
    with pytest.raises(SettingsError, match="line 201: the frame number must be a whole number from 0 to 198, not 199"):
        read_track(path)
    monkeypatch.setattr(tracks, "LARGEST_FILE", 1 << 10)
    with pytest.raises(SettingsError, match=r"track\.csv must have at most 0 MiB"):
        read_track(path)


def test_track_with_many_keys(written):
    """A key that appears twice among very many is found in linear time."""
    keys = ", ".join(f'"{n}": [0, 0, 8, 8]' for n in (*range(30_000), 29_999))
    with pytest.raises(SettingsError, match="the key '29999' appears twice"):
        read_track(written(f"{{{keys}}}", "track.json"))
