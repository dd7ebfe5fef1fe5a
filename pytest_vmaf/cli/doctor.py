"""`pytest-vmaf doctor`: the installed ffmpeg, libvmaf and models, tried out."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from typing import TYPE_CHECKING

from pytest_vmaf.cli.common import NOT_MEASURED, PASSED, Commands, add_command
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.media.ffmpeg import Ffmpeg

#: Large enough for every model of the registry. Motion needs two frames.
TEST_CLIP = "testsrc2=size=640x480:rate=25,format=yuv420p"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    text, exit_codes = "check the installation: ffmpeg, libvmaf, models", "0 the default scorer works, 3 it does not"
    parser = add_command(commands, "doctor", run, text, exit_codes)
    parser.add_argument("--ffmpeg", help="ffmpeg to check (default: embedded, then PATH)")
    parser.add_argument("--vmaf-bin", default="vmaf", help="Netflix's vmaf tool")


def run(options: argparse.Namespace) -> int:
    """Print a line per part, and exit by whether the default scorer can use the default models."""
    from importlib.metadata import entry_points, version

    from pytest_vmaf.api.extensions import SCORER_GROUP
    from pytest_vmaf.media.ffmpeg import INSTALL, find_ffmpeg

    lines = [f"pytest-vmaf {version('pytest-vmaf')}, Python {platform.python_version()}, {platform.platform()}"]
    lines.append(f"scorers: {', '.join(sorted(entry.name for entry in entry_points(group=SCORER_GROUP)))}")
    healthy = False
    try:
        ffmpeg = find_ffmpeg(options.ffmpeg)
    except MeasurementError as error:
        lines.append(f"ffmpeg: missing. {str(error).partition(chr(10))[0]}")
    else:
        lines.append(f"ffmpeg: {printable(ffmpeg.path)} ({ffmpeg.origin}), version {ffmpeg.version}")
        lines.append(f"encoders: {_encoders(ffmpeg)}")
        if pins := _pins(ffmpeg):
            lines += pins
        models, healthy = _models(ffmpeg)
        lines += models
    lines.append(f"vmaf tool: {_vmaf_tool(options.vmaf_bin)}")
    lines.append(
        "ready: the default scorer works." if healthy else f"NOT ready: the default scorer cannot score.\n{INSTALL}"
    )
    print("\n".join(lines))
    return PASSED if healthy else NOT_MEASURED


def _pins(ffmpeg: Ffmpeg) -> list[str]:
    """Values of `vmaf_require` that accept this build alone; none if it cannot score."""
    from pytest_vmaf.media.builds import build_of
    from pytest_vmaf.scoring.requirements import DIGITS, libvmaf_version

    try:
        libvmaf = libvmaf_version(ffmpeg.path) if ffmpeg.has_libvmaf else ""
    except MeasurementError:
        libvmaf = ""
    digest = (build_of(ffmpeg.path) or "")[:DIGITS]
    # The models of libvmaf are inside of it.
    at = f"@{digest}" if digest else ""
    if not libvmaf:
        return []
    return [
        f"to require this build: vmaf_require = libvmaf={libvmaf}, ffmpeg={ffmpeg.version}{at}",
        f"to require a model of it, too: model=vmaf_v0.6.1{at}",
    ]


def _models(ffmpeg: Ffmpeg) -> tuple[list[str], bool]:
    from pytest_vmaf.scoring.models import model_names, registry

    if not ffmpeg.has_libvmaf:
        return ["libvmaf: missing; this ffmpeg was built without it."], False
    bootstrap = {entry["name"] for entry in registry()["models"] if entry.get("bootstrap")}
    loads = {name: _loads(ffmpeg.path, name) for name in model_names() if name not in bootstrap}
    missing = [name for name in loads if not loads[name]]
    lines = [f"libvmaf models: {', '.join(name for name in loads if loads[name]) or 'none'}"]
    if missing:
        lines.append(f"models missing in this libvmaf: {', '.join(missing)}; a newer build may have them.")
    lines.append(f"models for --vmaf-scorer=vmaf only: {', '.join(sorted(bootstrap))}")
    return lines, all(loads.get(name) for name in ("vmaf_v0.6.1", "vmaf_v0.6.1neg"))


def _loads(ffmpeg: str, model: str) -> bool:
    clip = ["-f", "lavfi", "-i", TEST_CLIP]
    graph = f"[0:v][1:v]libvmaf=model='version={model}\\:name=probe':log_path=probe.xml"
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", *clip, *clip]
    return _call([*argv, "-frames:v", "2", "-lavfi", graph, "-f", "null", "-"])[0] == 0


def _encoders(ffmpeg: Ffmpeg) -> str:
    from pytest_vmaf.encoding.encoders import ENCODERS

    software = [name for name, encoder in ENCODERS.items() if not encoder.requires]
    listing = _call([ffmpeg.path, "-hide_banner", "-encoders"])[1]
    names = {words[1] for line in listing.splitlines() if len(words := line.split()) > 1}
    return ", ".join(name for name in software if name in names) or f"none of {', '.join(software)}"


def _vmaf_tool(vmaf_bin: str) -> str:
    path = shutil.which(os.path.expanduser(vmaf_bin))
    if path is None:
        return f"{printable(vmaf_bin)} was not found; only --vmaf-scorer=vmaf needs it (--vmaf-bin)."
    lines = _call([os.path.abspath(path), "--version"])[1].strip().splitlines()
    return f"{printable(path)}, version {printable(lines[0]) if lines else '?'}"


def _call(argv: list[str]) -> tuple[int | None, str]:
    """Run a tool in a folder of its own: its exit code and what it prints, or None and why it cannot be run."""
    import subprocess

    from pytest_vmaf.media.scratch import scratch_folder

    with scratch_folder() as folder:
        try:
            end = subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, f"({error})"
    return end.returncode, (end.stdout or end.stderr).decode("utf-8", "replace")
