"""Conditions: the tools and the machine of a measurement, without paths or names of hosts."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

from benchmarks.ratios.raw import threads
from pytest_vmaf.media.ffmpeg import find_ffmpeg


def conditions(load: float, tools: tuple[str, ...]) -> str:
    """One line about a section: when it was made, with what, on what, and how busy that was before and after."""
    cores = threads()
    parts = [
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"pytest-vmaf {version('pytest-vmaf')}{_commit()}",
        f"ffmpeg {find_ffmpeg().version}",
        *tools,
        f"pytest {version('pytest')}",
        f"Python {platform.python_version()}",
        f"{platform.system()} {platform.machine()}",
        f"{_processor()}, {cores} {'core' if cores == 1 else 'cores'}",
        f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after",
    ]
    return f"Measured {'; '.join(parts)}."


@cache
def _commit() -> str:
    """The commit of the checkout before the page is written, if it is one and there is git."""
    try:
        argv = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
        return f" at {subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()}"
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor() -> str:
    """The processor's name for people."""
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.processor() or "an unknown processor"
