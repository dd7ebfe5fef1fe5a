"""The command that runs one test again has the options of the run, and chooses no other tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_vmaf.testrun.rerun_command import kept


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("--source clip.mp4 tests", "--source clip.mp4"),
        ("-c other.ini --rootdir sub tests", "-c other.ini --rootdir sub"),
        ("-k x -m slow -n2 --dist load -x -q -rA --maxfail=3 --tb short tests", ""),
        (
            "--vmaf-generation=v1 --vmaf-update all --vmaf-candidate=here tests --crf 34",
            "--vmaf-generation=v1 --crf 34",
        ),
    ],
)
def test_options_keep_their_values_and_what_chose_tests_goes(
    given: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "other.ini", "34"):
        (tmp_path / name).touch()
    for name in ("sub", "tests"):
        (tmp_path / name).mkdir()
    assert " ".join(kept(given.split(), ["tests"])) == told
