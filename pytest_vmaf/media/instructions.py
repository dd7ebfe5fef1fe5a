"""InstructionCounter: counts the instructions of a program and of what it starts, with perf or valgrind."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pytest_vmaf.errors import MeasurementError, ScorerError
from pytest_vmaf.media.command import Command
from pytest_vmaf.media.process import run

#: The line of `perf stat -x ,` about the one event, of the processes and their children.
PERF = re.compile(r"^(\d+),[^,]*,instructions:u", re.MULTILINE)
#: The total in a log of cachegrind; each process has a log.
VALGRIND = re.compile(r"^==\d+== I\s+refs:\s+([\d,]+)$", re.MULTILINE)
#: How long a trial with /bin/true may take.
TRIAL_SECONDS = 30.0


@dataclass(frozen=True)
class InstructionCounter:
    """A program that runs another one and counts its instructions in user mode.

    Attributes:
        name: The tool with its version, for example "valgrind 3.19.0".
        path: Where it is.
    """

    name: str
    path: str

    def command(self, folder: Path) -> tuple[str, ...]:
        """What stands before the program in the command line. The counts are written to the folder."""
        if self.name.startswith("perf"):
            # An encode of two passes runs twice.
            output = ("--append", "-o", str(folder / "perf.log"))
            return self.path, "stat", "-x", ",", "-e", "instructions:u", *output, "--"
        # Without the simulation of caches, cachegrind only counts.
        options = ("--tool=cachegrind", "--cache-sim=no", "--trace-children=yes", "--cachegrind-out-file=/dev/null")
        return self.path, *options, f"--log-file={str(folder).replace('%', '%%')}/%p.log", "--"

    def read(self, folder: Path) -> int:
        """The instructions that the logs in the folder count. The logs are removed.

        Raises:
            MeasurementError: If the tool counted nothing.
        """
        form, total = PERF if self.name.startswith("perf") else VALGRIND, 0
        for log in folder.glob("*.log"):
            total += sum(int(count.replace(",", "")) for count in form.findall(log.read_text(errors="replace")))
            log.unlink()
        if not total:
            raise MeasurementError(f"{self.name} counted no instructions. Use another clock, for example clock='cpu'.")
        return total


def find_counter() -> InstructionCounter | None:
    """The perf that can count on this machine, else valgrind; None if there is neither.

    Virtual machines often hide the processor's counters, and containers often forbid them. perf is there then, and
    does not count.
    """
    return _try(shutil.which("perf"), shutil.which("valgrind"))


@lru_cache(maxsize=4)
def _try(perf: str | None, valgrind: str | None) -> InstructionCounter | None:
    true = shutil.which("true") or "/bin/true"
    if perf:
        lines = _lines(perf, "stat", "-x", ",", "-e", "instructions:u", "--", true)
        if any(map(PERF.match, lines)):
            return InstructionCounter(f"perf {_version(perf)}", perf)
    if valgrind and (version := _version(valgrind)):
        return InstructionCounter(f"valgrind {version}", valgrind)
    return None


def _version(program: str) -> str:
    match = re.search(r"\d+\.\d[\w.]*", " ".join(_lines(program, "--version")))
    return match[0] if match else ""


def _lines(*argv: str) -> list[str]:
    lines: list[str] = []
    try:
        run(Command(argv, on_stdout=lines.append, on_stderr=lines.append), TRIAL_SECONDS)
    except ScorerError:
        return []
    return lines
