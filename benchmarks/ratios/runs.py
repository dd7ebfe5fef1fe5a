"""What a run of pytest costs: one test more than an empty run, and the collection of tests with the unused plugin."""

from __future__ import annotations

import shutil
import sys

from benchmarks.paired import Side, command, measure_rounds
from benchmarks.ratios.raw import raw_score
from benchmarks.ratios.section import Figure, Section, Setup, table

SCORED = "def test_score(vmaf):\n    vmaf.check({!r}, {!r}, above_100=False)\n"
EMPTY = "def test_nothing(): ...\n"
#: Collecting is short, so that it takes more rounds to see a difference.
COLLECTIONS = 4


def measure_runs(setup: Setup) -> Section:
    """Run one test with and without a cache, an empty one, and collect with and without the plugin."""
    pair, other = (setup.pair(640, 360, 48, crf) for crf in (28, 32))
    folder = setup.folder / "run"
    folder.mkdir()
    for name, encode in (("score", pair.encode), ("other", other.encode)):
        (folder / f"test_{name}.py").write_text(SCORED.format(str(pair.reference), str(encode)))
    (folder / "test_nothing.py").write_text(EMPTY)
    bare = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--disable-plugin-autoload"]
    pytest = [*bare, "-p", "pytest_vmaf.plugin"]
    cache, stored = folder / "cache", folder / "stored"

    def restore() -> None:
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(stored, cache)

    command([*pytest, f"--vmaf-cache-dir={stored}", "test_other.py"], folder).run()
    sides: dict[str, Side] = {
        "no cache": command([*pytest, "--vmaf-no-cache", "test_score.py"], folder),
        "cache": command([*pytest, f"--vmaf-cache-dir={cache}", "test_score.py"], folder, restore),
        "empty": command([*pytest, "test_nothing.py"], folder),
        "raw": raw_score(pair, folder),
    }
    costs = measure_rounds(sides, setup.rounds)
    what = f"a run of pytest with one test, less an empty run, {setup.count(48)} frames at 640x360"
    figures = [
        Figure(f"{what}, no cache", "raw ffmpeg", costs["no cache"], costs["raw"], costs["empty"]),
        Figure(f"{what}, a cache of another encode's run", "raw ffmpeg", costs["cache"], costs["raw"], costs["empty"]),
    ]
    (folder / "empty_plugin.py").write_text("")
    plugins = {"the plugin": pytest, "an empty plugin": [*bare, "-p", "empty_plugin"], "no plugin": bare}
    collect = {name: command([*run, "--collect-only", "test_nothing.py"], folder) for name, run in plugins.items()}
    costs = measure_rounds(collect, COLLECTIONS * setup.rounds)
    for name in ("the plugin", "an empty plugin"):
        label = f"`pytest --collect-only` with {name}, one empty test"
        figures.append(Figure(label, "with no plugin", costs[name], costs["no plugin"], in_milliseconds=True))
    return Section("Runs of pytest", table(figures))
