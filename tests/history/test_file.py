"""History files: appending, repairing, reading and rewriting."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from history.builders import a_line
from pytest_vmaf import MeasurementError
from pytest_vmaf.history import file as files
from pytest_vmaf.history.file import MAX_PRUNED, append_lines, read_history, rewriting, write_lines

LINES = tuple(a_line(number) for number in range(3))
TEXTS = [f"{line.to_json()}\n" for line in LINES]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def test_append(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "history.jsonl"
    assert (append_lines(path, LINES[:2]), append_lines(path, LINES[2:]), append_lines(path, [])) == (2, 1, 0)
    assert path.read_text() == "".join(TEXTS)
    assert read_history(path) == LINES


@pytest.mark.parametrize("cut", [1, 9, 40, -20])
def test_torn_line(path: Path, cut: int) -> None:
    """A line that a kill cut off is left out by readers, and removed by the next run."""
    path.write_text(TEXTS[0] + TEXTS[1][:cut])
    assert read_history(path) == LINES[:1]
    append_lines(path, LINES[2:])
    assert path.read_text() == TEXTS[0] + TEXTS[2]
    path.write_text(TEXTS[1][:cut])
    append_lines(path, LINES[:1])
    assert read_history(path) == LINES[:1]


def test_missing_line_end(path: Path) -> None:
    path.write_text(TEXTS[0].rstrip())
    append_lines(path, LINES[1:])
    assert read_history(path) == LINES


def test_foreign_file(path: Path) -> None:
    """A file that is no history stays as it is."""
    path.write_text('{"kind": "something else"}\n')
    with pytest.raises(MeasurementError, match="is not a history that pytest --vmaf-history writes"):
        append_lines(path, LINES)
    assert path.read_text() == '{"kind": "something else"}\n'
    path.write_text(f"{TEXTS[0]}edited\n{TEXTS[1]}")
    with pytest.raises(MeasurementError, match=r"history\.jsonl, line 2: Not a line of a history"):
        read_history(path)
    with pytest.raises(MeasurementError, match="must be a regular file"):
        append_lines(path.parent, LINES)
    with pytest.raises(MeasurementError, match="No such file"):
        read_history(path.parent / "nothing")


def test_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_lines(path, LINES)
    monkeypatch.setattr(files, "MAX_LINE", 50)
    with pytest.raises(MeasurementError, match="line 1: longer than"):
        read_history(path)
    monkeypatch.setattr(files, "MAX_FILE", 50)
    with pytest.raises(MeasurementError, match="`pytest-vmaf history prune` makes it smaller"):
        read_history(path)
    monkeypatch.setattr(files, "MAX_LINE", 1 << 20)
    # The remedy works.
    with rewriting(path, largest=MAX_PRUNED) as lines:
        del lines[1:]
    assert read_history(path, largest=MAX_PRUNED) == tuple(LINES[:1])


@pytest.mark.skipif(os.name != "posix", reason="needs /dev/full")
def test_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written completely is not there at all."""
    append_lines(path, LINES[:1])

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(MeasurementError, match="cannot be written: No space left on device"):
        append_lines(path, LINES[1:])
    assert path.read_text() == TEXTS[0]


@pytest.mark.skipif(files.fcntl is None, reason="needs file locks")
def test_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer waits for another one, but not forever."""
    append_lines(path, LINES[:1])
    with rewriting(path) as lines:
        lines.append(LINES[1])
        waiting = threading.Thread(target=append_lines, args=(path, LINES[2:]))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        monkeypatch.setattr(files, "LONGEST_WAIT", 0.0)
        with pytest.raises(MeasurementError, match="has been locked by another run"):
            append_lines(path, LINES)
    waiting.join(10)
    # The file has been replaced meanwhile, and the writer found the new one.
    assert read_history(path) == LINES


def test_rewriting(path: Path) -> None:
    write_lines(path, LINES)
    stamp = path.stat().st_ino
    with rewriting(path):
        pass
    assert path.stat().st_ino == stamp
    with pytest.raises(ZeroDivisionError), rewriting(path) as lines:
        lines[:] = lines[: 1 // 0]
    assert read_history(path) == LINES


@pytest.mark.slow
def test_writers_at_once(path: Path) -> None:
    """Two processes that append, and one that is killed in the middle, tear no line."""
    code = (
        "import sys; from pathlib import Path; from history.builders import a_line;"
        "from pytest_vmaf.history.file import append_lines;"
        "[append_lines(Path(sys.argv[1]), [a_line(n, test=f't.py::{sys.argv[2]}')] * 5) for n in range(200)]"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parents[1], *sys.path)))}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], env=environment) for name in ("a", "b", "c")
    ]
    while not path.exists() or path.stat().st_size < 20_000:
        pass
    writers[2].kill()
    assert [writer.wait() for writer in writers][:2] == [0, 0]
    append_lines(path, LINES)
    lines = read_history(path)
    assert [sum(line.test == f"t.py::{name}" for line in lines) for name in "ab"] == [1000, 1000]
    assert lines[-3:] == LINES
