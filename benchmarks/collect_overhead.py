"""Benchmark: the time that the unused plugin adds to `pytest --collect-only`, for complete processes.

python benchmarks/collect_overhead.py [--runs 31]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from paired import compare


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=31)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing(): ...\n")
        alone = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--disable-plugin-autoload"]
        compare("with vmaf", [*alone, "-p", "pytest_vmaf.plugin"], "without", alone, folder, options.runs)


if __name__ == "__main__":
    main()
