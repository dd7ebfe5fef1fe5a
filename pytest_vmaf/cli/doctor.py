"""`pytest-vmaf doctor`: the installed ffmpeg, libvmaf and models, tried out."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from typing import TYPE_CHECKING

from pytest_vmaf.cli.common import NOT_MEASURED, PASSED, Commands, add_command
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.media.ffmpeg import Ffmpeg

#: The models that the default scorer needs.
DEFAULTS = ("vmaf_v0.6.1", "vmaf_v0.6.1neg")


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
    from pytest_vmaf.media.ffmpeg import INSTALL, find_ffmpeg, has_filter

    lines = [f"pytest-vmaf {version('pytest-vmaf')}, Python {platform.python_version()}, {platform.platform()}"]
    lines.append(f"scorers: {', '.join(sorted(entry.name for entry in entry_points(group=SCORER_GROUP)))}")
    healthy, remedy = False, ""
    try:
        ffmpeg = find_ffmpeg(options.ffmpeg)
    except MeasurementError as error:
        lines.append(f"ffmpeg: missing. {_first_line(error)}")
    else:
        lines.append(f"ffmpeg: {printable(ffmpeg.path)} ({ffmpeg.origin}), version {ffmpeg.version}")
        lines.append(f"encoders: {_encoders(ffmpeg)}")
        if pins := _pins(ffmpeg):
            lines += pins
        there = has_filter(ffmpeg.path, "xpsnr")
        lines.append(f"XPSNR: {'measured' if there else 'not measured; the filter xpsnr is in ffmpeg 7.1 and later'}.")
        models, missing = _models(ffmpeg)
        lines += models
        healthy = not {*DEFAULTS} & {*missing}
        text, computed = _pyav(ffmpeg, missing)
        lines.append(text)
        if not healthy and {*DEFAULTS} <= {*computed}:
            remedy = "  Use --vmaf-scorer=pyav (ini: vmaf_scorer = pyav), which can.\n"
    lines.append(f"vmaf tool: {_vmaf_tool(options.vmaf_bin)}")
    lines.append(
        "ready: the default scorer works."
        if healthy
        else f"NOT ready: the default scorer cannot score.\n{remedy}{INSTALL}"
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


def _models(ffmpeg: Ffmpeg) -> tuple[list[str], list[str]]:
    """Lines about the models that ffmpeg's libvmaf computes, and the names of those that it does not."""
    names, bootstrap = _model_names()
    if not ffmpeg.has_libvmaf:
        return ["libvmaf: missing; this ffmpeg was built without it."], names
    try:
        _, computed, _ = _try_scorer("ffmpeg", ffmpeg, names)
    except (MeasurementError, SettingsError) as error:
        return [f"libvmaf: the trial failed. {_first_line(error)}"], names
    missing = [name for name in names if name not in computed]
    lines = [f"libvmaf models: {', '.join(computed) or 'none'}"]
    if missing:
        lines.append(f"models that this libvmaf cannot compute: {', '.join(missing)}; a newer build may.")
    lines.append(f"models for --vmaf-scorer=vmaf only: {', '.join(bootstrap)}")
    return lines, missing


def _pyav(ffmpeg: Ffmpeg, missing: list[str]) -> tuple[str, list[str]]:
    """A line about the scorer `pyav`, and the models that it computes. `missing` are those that ffmpeg does not."""
    from importlib.util import find_spec

    if find_spec("av") is None:
        need = "only --vmaf-scorer=pyav needs it"
        # A missing float model does not count: PyAV cannot compute it either.
        if lacking := [name for name in missing if "float" not in name]:
            need = f"its libvmaf computes {_kinds(lacking)}, which this ffmpeg does not"
        here = "" if sys.version_info >= (3, 12) else f" (this is {platform.python_version()})"
        install = f"pip install 'pytest-vmaf[pyav]' in Python 3.12 or later{here}, then --vmaf-scorer=pyav"
        return f"pyav: not installed; {need}: {install}.", []
    names, _ = _model_names()
    try:
        version, computed, libvmaf = _try_scorer("pyav", ffmpeg, names)
    except (MeasurementError, SettingsError) as error:
        return f"pyav: installed, but cannot score. {_first_line(error)}", []
    line = f"pyav: PyAV {version}, libvmaf {libvmaf or '?'}, models: {', '.join(computed) or 'none'}"
    if other := [name for name in names if name not in computed]:
        line += f"; it cannot compute {', '.join(other)}"
    if better := [name for name in computed if name in missing]:
        line += f". Unlike this ffmpeg it computes {_kinds(better)}: --vmaf-scorer=pyav"
    return line, computed


def _try_scorer(name: str, ffmpeg: Ffmpeg, models: list[str]) -> tuple[str, list[str], str]:
    """A scorer's version, the models that it computes, and the version of its libvmaf."""
    from pytest_vmaf.api.extensions import standalone
    from pytest_vmaf.scoring.model_trial import computed_models
    from pytest_vmaf.scoring.scorer import Tools

    scorer = standalone().scorer(name)
    version = scorer.capabilities(Tools(ffmpeg)).version
    return version, *computed_models(scorer, ffmpeg, models)


def _model_names() -> tuple[list[str], list[str]]:
    """The models of the registry, those with a confidence interval apart."""
    from pytest_vmaf.scoring.models import model_names, registry

    bootstrap = {entry["name"] for entry in registry()["models"] if entry.get("bootstrap")}
    return [name for name in model_names() if name not in bootstrap], sorted(bootstrap)


def _kinds(models: list[str]) -> str:
    """The kinds of models, for messages."""
    kinds = {"v0": "_v0.", "NEG": "neg", "v1": "_v1."}
    return ", ".join(kind for kind, part in kinds.items() if any(part in name for name in models))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


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
