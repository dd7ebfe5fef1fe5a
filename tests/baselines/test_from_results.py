"""What an entry says of the clips that it was made of."""

from __future__ import annotations

import os
from pathlib import Path

from scoring.builders import a_result

from pytest_vmaf import Clip
from pytest_vmaf.baselines.from_results import entry_of_result


def test_a_reference_that_is_written_anew_is_another_though_size_and_time_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ref.mkv"
    said = []
    for content in (b"one", b"two"):
        path.write_bytes(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        said.append(entry_of_result(a_result(), Clip(path))["match"]["reference"])
    assert said[0] != said[1]
