"""Raw commands to compare with: those that a result names, and those of a script that bisects by hand."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.clips import Pair
from benchmarks.paired import Side, command
from pytest_vmaf import Result, Vmaf
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.media.ffmpeg import find_ffmpeg

#: The model of trial encodes in ffmpeg's filter.
NEG = r"version=vmaf_v0.6.1neg\:name=neg\:disable_clip=true"


def raw_score(pair: Pair, folder: Path, **settings: str) -> Side:
    """The command that a result names: the same columns by the same tool, without a look at the clips before.

    Raises:
        SystemExit: If its scores are not those of the result.
    """
    result = Vmaf(cache=False, progress=False, **settings).score(pair.reference, pair.encode)  # type: ignore[arg-type]
    text = str(result.provenance["command"])
    # The vmaf tool reads two pipes, which a shell makes.
    side = command(["bash", "-c", text] if "<(" in text else shlex.split(text), folder)
    side.run()
    _refuse_others(result, next(path for name in ("vmaf.xml", "log.xml") if (path := folder / name).exists()))
    return side


def _refuse_others(result: Result, log: Path) -> None:
    frames = [float(frame.attrib["neg"]) for frame in ElementTree.parse(log).iter("frame")]
    if frames != list(result.neg.unclipped.frames):
        raise SystemExit("The raw command gives other scores than pytest-vmaf, so their costs cannot be compared.")
    log.unlink()


def encode_and_score(source: Path, encoder: Encoder, folder: Path, crf: float) -> float:
    """Encode and score with two ffmpeg commands, NEG alone. Returns its mean."""
    quiet = [find_ffmpeg().path, "-nostdin", "-y", "-loglevel", "error"]
    chosen = [part.format(crf=crf, preset=encoder.preset) for part in encoder.arguments]
    encode, log = folder / f"raw{encoder.suffix}", folder / "raw.json"
    argv = [*quiet, "-i", str(source), "-an", "-c:v", encoder.name, *chosen, str(encode)]
    subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)
    graph = (
        "[0:v]settb=AVTB,setpts=N[d];[1:v]settb=AVTB,setpts=N[r];"
        f"[d][r]libvmaf=model='{NEG}':log_path={log.name}:log_fmt=json:n_threads={threads()}[v]"
    )
    filters = ["-filter_complex", graph, "-map", "[v]", "-f", "null", "-"]
    subprocess.run([*quiet, "-i", str(encode), "-i", str(source), *filters], check=True, cwd=folder)
    return float(json.loads(log.read_text())["pooled_metrics"]["neg"]["mean"])


def threads() -> int:
    """The processors that this process may use, which is how many threads pytest-vmaf scores in."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
