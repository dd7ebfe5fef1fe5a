"""`pytest-vmaf suite` and `pytest-vmaf sweep --suite`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_vmaf.cli.main import main
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.suite.file_hash import hash_of

MANIFEST = """
version = 1
[[clips]]
name = "a"
path = "{clip}"
sha256 = "{sha256}"
[[encodes]]
name = "fast"
encoder = "libx264:ultrafast"
crfs = [30, 40]
[[encodes]]
name = "found"
encoder = "libx264:ultrafast"
targets = [60]
"""


@pytest.fixture
def manifest(clip: Path, tmp_path: Path) -> Path:
    """A manifest of one real clip."""
    path = tmp_path / "vmaf.toml"
    path.write_text(MANIFEST.format(clip=clip.as_posix(), sha256=hash_of(Clip(clip))))
    return path


def test_list(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suite", str(manifest), "--verify"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [f"{manifest}::{each}" for each in ("fast::a-30", "fast::a-40", "found::a-60")]
    assert printed.err == "pytest-vmaf: 3 tests of 1 clip.\n"


def test_hash(manifest: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a manifest that is not complete yet: without hashes, encoders and other clips' files."""
    own = f'sha256 = "{hash_of(Clip(clip))}"'
    text = manifest.read_text().replace(own, "").replace("libx264", "myenc")
    manifest.write_text(f'{text}\n[[clips]]\nname = "b"\npath = "none.y4m"\n')
    assert main(["suite", str(manifest), "--hash"]) == 3
    printed = capsys.readouterr()
    assert printed.out == f"# a\n{own}\n"
    assert "none.y4m: it does not exist, or is not a file" in printed.err


def test_broken_manifest(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest.write_text(manifest.read_text().replace("crfs", "crf"))
    assert main(["suite", str(manifest)]) == 2
    assert f"usage: {manifest}:10: encodes[fast] has an unknown key 'crf'." in capsys.readouterr().err


def test_other_clip(manifest: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest.write_text(manifest.read_text().replace(hash_of(Clip(clip)), "0" * 64))
    output = manifest.with_name("rows.jsonl")
    for command in (["suite", str(manifest), "--verify"], ["sweep", "--suite", str(manifest), "--output", str(output)]):
        assert main(command) == 3
        assert "is not the clip 'a' of" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.slow
def test_sweep(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "rows.jsonl"
    assert main(["sweep", "--suite", str(manifest), "--output", str(output)]) == 0
    assert "2 rows in" in capsys.readouterr().err
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(row["encoder"], row["preset"], row["crf"]) for row in rows] == [
        ("libx264", "ultrafast", 30),
        ("libx264", "ultrafast", 40),
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--crf", "20"], "--crf is not for a suite"),
        (["a.y4m"], "A source is not for a suite"),
        (["--output", "{manifest}"], "is also an input file"),
    ],
)
def test_flags(
    manifest: Path, tmp_path: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [flag.format(manifest=manifest) for flag in flags]
    assert main(["sweep", "--suite", str(manifest), "--output", str(tmp_path / "rows.jsonl"), *given]) == 2
    assert message in capsys.readouterr().err


def test_neither_suite_nor_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "a.y4m", "--output", str(tmp_path / "rows.jsonl")]) == 2
    assert "--encoder is missing. Give --encoder, --crf and sources, or --suite." in capsys.readouterr().err


def test_nothing_to_sweep(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest.write_text(manifest.read_text().replace("crfs = [30, 40]", "targets = [70]"))
    assert main(["sweep", "--suite", str(manifest), "--output", str(tmp_path / "rows.jsonl")]) == 2
    assert "has no entry with an encoder and crfs" in capsys.readouterr().err
