"""Which ffmpeg, libvmaf and models there are, found by running them, and what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from importlib.metadata import entry_points, version

from pytest_vmaf.api.extensions import SCORER_GROUP
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.media.ffmpeg import INSTALL, Ffmpeg, find_ffmpeg
from pytest_vmaf.scoring.models import model_names, registry
from pytest_vmaf.text import printable

#: Large enough for every model of the registry; two frames, so that motion is there.
PROBE = "testsrc2=size=640x480:rate=25,format=yuv420p"


def examine(ffmpeg: str | None, vmaf_bin: str) -> tuple[list[str], bool]:
    """A line per finding, and whether the default scorer can score with the default models."""
    lines = [f"pytest-vmaf {version('pytest-vmaf')}, Python {platform.python_version()}, {platform.platform()}"]
    lines.append(f"scorers: {', '.join(sorted(entry.name for entry in entry_points(group=SCORER_GROUP)))}")
    healthy = False
    try:
        found = find_ffmpeg(ffmpeg)
    except MeasurementError as error:
        lines += [f"ffmpeg: missing. {str(error).partition(chr(10))[0]}"]
    else:
        lines.append(f"ffmpeg: {printable(found.path)} ({found.origin}), version {found.version}")
        lines += _encoders(found)
        models, healthy = _models(found)
        lines += models
    lines += _vmaf_tool(vmaf_bin)
    lines.append(
        "ready: the default scorer works." if healthy else f"NOT ready: the default scorer cannot score.\n{INSTALL}"
    )
    return lines, healthy


def _models(ffmpeg: Ffmpeg) -> tuple[list[str], bool]:
    if not ffmpeg.has_libvmaf:
        return ["libvmaf: missing; this ffmpeg was built without it."], False
    bootstrap = {entry["name"] for entry in registry()["models"] if entry.get("bootstrap")}
    names = [name for name in model_names() if name not in bootstrap]
    missing = [name for name in names if not _loads(ffmpeg.path, name)]
    there = [name for name in names if name not in missing]
    lines = [f"libvmaf models: {', '.join(there) or 'none'}"]
    if missing:
        lines.append(f"models this libvmaf has not: {', '.join(missing)}; a newer build may have them.")
    lines.append(f"models for --vmaf-scorer=vmaf only: {', '.join(sorted(bootstrap))}")
    return lines, {"vmaf_v0.6.1", "vmaf_v0.6.1neg"} <= set(there)


def _loads(ffmpeg: str, model: str) -> bool:
    graph = f"[0:v][1:v]libvmaf=model='version={model}\\:name=probe':log_path=probe.xml"
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error"]
    argv += [
        "-f",
        "lavfi",
        "-i",
        PROBE,
        "-f",
        "lavfi",
        "-i",
        PROBE,
        "-frames:v",
        "2",
        "-lavfi",
        graph,
        "-f",
        "null",
        "-",
    ]
    with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
        try:
            end = subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return end.returncode == 0


def _encoders(ffmpeg: Ffmpeg) -> list[str]:
    said = _said([ffmpeg.path, "-hide_banner", "-encoders"])
    names = {words[1] for line in said.splitlines() if len(words := line.split()) > 1}
    wanted = ("libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "libvvenc", "librav1e")
    return [f"encoders: {', '.join(name for name in wanted if name in names) or 'none of ' + ', '.join(wanted)}"]


def _vmaf_tool(vmaf_bin: str) -> list[str]:
    path = shutil.which(os.path.expanduser(vmaf_bin))
    if path is None:
        return [f"vmaf tool: {printable(vmaf_bin)} is not there; only --vmaf-scorer=vmaf needs it (--vmaf-bin)."]
    answer = _said([path, "--version"]).strip().splitlines()
    return [f"vmaf tool: {printable(path)}, version {printable(answer[0]) if answer else '?'}"]


def _said(argv: list[str]) -> str:
    """What a tool prints, or why it cannot be run."""
    try:
        end = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"({error})"
    return (end.stdout or end.stderr).decode("utf-8", "replace")
