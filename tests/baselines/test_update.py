"""Baseline updates at the end of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_vmaf.baselines.files import file_of, read, write
from pytest_vmaf.baselines.update import RunState, update
from pytest_vmaf.baselines.update_options import UpdateOptions

ENTRY: dict[str, Any] = {"kind": "bisect", "match": {}, "shown": {}, "values": {}}


def test_pruning_of_modules_that_share_a_name(tmp_path: Path) -> None:
    """Two files of one stem have one baseline file. A test that did not pass in either keeps its baselines."""
    modules = [tmp_path / "test_a.py", tmp_path / "test_a.yaml"]
    for module in modules:
        module.touch()
    nodes = [f"{module.name}::test_x" for module in modules]
    file = file_of(modules[0])
    for failed, left in (({nodes[0]}, {"one", "two"}), ({nodes[1]}, {"one", "two"}), (set[str](), {"two"})):
        write(file, {"test_x": {"one": ENTRY, "two": ENTRY}})
        where = {"file": str(file), "common": "", "test": "test_x", "better": False}
        passed = [(node, "passed", [{**where, "clip": "two", "entry": ENTRY}]) for node in nodes[:1]]
        run = RunState(
            root=tmp_path,
            here=tmp_path,
            ended=True,
            tests=[test for test in passed if test[0] not in failed],
            failed=failed,
            ran=set(nodes),
            collected={str(module): {"test_x": node} for module, node in zip(modules, nodes, strict=True)},
            complete=True,
        )
        update(run, UpdateOptions(frozenset({"all"})))
        assert set(read(file)["test_x"]) == left
