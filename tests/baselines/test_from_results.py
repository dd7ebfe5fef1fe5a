"""Baseline entries of results."""

from __future__ import annotations

import os
from pathlib import Path

from scoring.builders import a_result

from pytest_vmaf import Clip
from pytest_vmaf.baselines.from_results import entry_of_result


def test_reference_rewritten_with_same_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "ref.mkv"
    digests = []
    for content in (b"one", b"two"):
        path.write_bytes(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        digests.append(entry_of_result(a_result(), Clip(path))["match"]["reference"])
    assert digests[0] != digests[1]
