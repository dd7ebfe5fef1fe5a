"""What other tools cost that score a pair: ffmpeg-quality-metrics, and Netflix's `vmaf` tool."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.clips import Pair
from benchmarks.paired import Side, command, measure_rounds
from benchmarks.ratios.raw import raw_score, threads
from benchmarks.ratios.scores import RAW, SCORE
from benchmarks.ratios.section import Figure, Section, Setup, table
from pytest_vmaf import Vmaf
from pytest_vmaf.media.ffmpeg import find_ffmpeg

FIRST, LATER = "the first score of a process", 'a later score, `scorer="vmaf"`'
TOOL = "raw `vmaf` tool, fed by two ffmpegs"
BOTH, ALONE = "ffmpeg-quality-metrics, both models in two runs", "ffmpeg-quality-metrics, one model"
MODELS = ("vmaf_v0.6.1.json", "vmaf_v0.6.1neg.json")


def measure_peers(setup: Setup) -> Section:
    """Score 48 frames at 640x360 with each tool that is there."""
    absent: list[str] = []
    if setup.peer is None:
        absent.append("- Not measured: ffmpeg-quality-metrics, since `--peer` is not a command. `pip install` has it.")
    if setup.vmaf_tool is None:
        absent.append("- Not measured: Netflix's `vmaf` tool, since `--vmaf-tool` is not a command.")
    head = f"{setup.count(48)} frames at 640x360. A score has both models, PSNR and signs of the picture."
    lines, tools = [head, "", *absent], list[str]()
    if setup.peer or setup.vmaf_tool:
        figures, tools = _compare(setup)
        lines += [*([""] if absent else []), *table(figures)]
    return Section("Other tools", tuple(lines), tuple(tools))


def _compare(setup: Setup) -> tuple[list[Figure], list[str]]:
    """The figures of the tools that are there, and their versions."""
    pair = setup.pair(640, 360, 48)
    clips = [str(pair.reference), str(pair.encode)]
    sides = {
        FIRST: command([sys.executable, "-c", SCORE, *clips], setup.folder),
        RAW: raw_score(pair, setup.folder),
    }
    tools: list[str] = []
    compared: list[tuple[str, str]] = []
    if setup.peer:
        tools.append(f"ffmpeg-quality-metrics {_version(setup.peer, '--help')}")
        _refuse_other_scores(setup.peer, pair, setup.folder)
        one, neg = (_quality_metrics(setup.peer, pair, model) for model in MODELS)
        sides[ALONE] = command(one, setup.folder)
        sides[BOTH] = command(["sh", "-c", f"{shlex.join(one)} && {shlex.join(neg)}"], setup.folder)
        compared += [(FIRST, BOTH), (FIRST, ALONE)]
    if setup.vmaf_tool:
        tools.append(f"vmaf {_version(setup.vmaf_tool, '--version')}")
        vmaf = Vmaf(cache=False, progress=False, scorer="vmaf", vmaf_bin=setup.vmaf_tool)
        sides[LATER] = Side(lambda: vmaf.score(*clips))
        sides[TOOL] = raw_score(pair, setup.folder, scorer="vmaf", vmaf_bin=setup.vmaf_tool)
        compared += [(LATER, TOOL), (TOOL, RAW)]
    costs = measure_rounds(sides, setup.rounds)
    return [Figure(ours, theirs, costs[ours], costs[theirs]) for ours, theirs in compared], tools


def _quality_metrics(peer: str, pair: Pair, model: str) -> list[str]:
    """The command that measures one model and PSNR."""
    argv = [peer, str(pair.encode), str(pair.reference), "--ffmpeg-path", find_ffmpeg().path, "--no-summary"]
    argv += ["--vmaf-threads", str(threads()), "--vmaf-model-path", model]
    return [*argv, "-m", "vmaf", "--vmaf-features", "psnr"]


def _refuse_other_scores(peer: str, pair: Pair, folder: Path) -> None:
    """Raise SystemExit if the peer's NEG is not ours."""
    done = subprocess.run(_quality_metrics(peer, pair, MODELS[1]), cwd=folder, check=True, capture_output=True)
    frames = [frame["vmaf"] for frame in json.loads(done.stdout)["vmaf"]]
    ours = Vmaf(cache=False, progress=False).score(pair.reference, pair.encode).neg
    if len(frames) != len(ours.frames) or any(abs(a - b) > 0.01 for a, b in zip(frames, ours.frames, strict=True)):
        raise SystemExit("ffmpeg-quality-metrics gives other scores than pytest-vmaf: their costs do not compare.")


def _version(program: str, flag: str) -> str:
    done = subprocess.run([program, flag], capture_output=True, text=True, check=True)
    text = (done.stdout + done.stderr).strip()
    match = re.search(r"\bv?(\d+\.\d+\.\d+\S*)", text)
    # A build from a checkout has a commit.
    return match[1] if match else next((line for line in text.splitlines() if len(line) <= 40), "of an unknown version")
