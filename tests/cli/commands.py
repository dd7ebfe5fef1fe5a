"""Command lines, and how tests run them."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_vmaf.cli.main import build_parser as build_parser_anew

#: The commands that search, and a preset that encodes fast.
SEARCHES = ("compare", "ladder", "tune-per-shot", "recommend")
#: All that measure or encode.
MEASURING = (*SEARCHES, "score", "check", "roi", "roi-score", "encode", "bisect", "per-shot", "quality-map")
FAST = ("--preset", "veryfast")
#: A search of one encode, which meets the target 1.
ONE = ("--crf-range", "30-30")
#: The parser is built once: it has over a thousand flags, and parsing leaves it as it was.
build_parser = functools.cache(build_parser_anew)
posix = pytest.mark.skipif(os.name != "posix", reason="needs shell scripts, signals and pseudo-terminals")


class Done(NamedTuple):
    """A finished command."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def run_process(*arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    argv = [sys.executable, "-m", "pytest_vmaf", *map(str, arguments)]
    environment = {**os.environ, **env}
    return subprocess.run(argv, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120)


def strict(text: str) -> Any:
    """Read JSON as of RFC 8259: no NaN, no Infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def searching(command: str, clip: Path | str, targets: str = "1", *more: object) -> list[object]:
    """The shortest command line that searches."""
    own = {
        "compare": ["--encoders", "libx264", "--no-speed"],
        "ladder": ["--encoder", "libx264", "--resolutions", "192x108"],
        "tune-per-shot": ["--encoder", "libx264", "--no-fixed"],
        "recommend": [],
    }[command]
    return [command, "--src", clip, *own, *FAST, "--target-vmafs", targets, *more]


def sweeping(clip: Path, output: Path, *more: object) -> list[object]:
    """The shortest command line that sweeps."""
    return ["corpus", "--src", clip, "--encoder", "libx264", *FAST, "--crf", "20-30:5", "--output", output, *more]
