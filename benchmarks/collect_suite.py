"""Benchmark: the time to collect a manifest of 200 clips and 3 CRFs, beside 600 empty tests in Python.

python -m benchmarks.collect_suite [--clips 200] [--runs 5] [--yaml]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.paired import compare

ENTRY = '\n[[clips]]\nname = "clip-{0}"\npath = "clips/clip-{0}.y4m"\nsha256 = "{1}"\ngroups = ["natural", "g{2}"]\n'
ENCODES = '\n[[encodes]]\nname = "x264"\nencoder = "libx264:veryfast"\ncrfs = [22, 28, 34]\n'
YAML = "- {{name: clip-{0}, path: clips/clip-{0}.y4m, sha256: '{1}', groups: [natural, g{2}]}}\n"
YAML_ENCODES = "encodes:\n- {name: x264, encoder: 'libx264:veryfast', crfs: [22, 28, 34]}\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--yaml", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [(number, f"{number:064x}", number % 7) for number in range(options.clips)]
        if options.yaml:
            manifest = folder / "vmaf.yaml"
            manifest.write_text("version: 1\nclips:\n" + "".join(YAML.format(*clip) for clip in clips) + YAML_ENCODES)
        else:
            manifest = folder / "vmaf.toml"
            manifest.write_text("version = 1\n" + "".join(ENTRY.format(*clip) for clip in clips) + ENCODES)
        tests = folder / "test_many.py"
        tests.write_text(
            "import pytest\n"
            f"@pytest.mark.parametrize('clip', range({options.clips}))\n"
            "@pytest.mark.parametrize('crf', (22, 28, 34))\n"
            "def test_it(crf, clip, vmaf, tmp_path): ...\n"
        )
        collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--disable-plugin-autoload"]
        collect += ["-p", "pytest_vmaf.plugin"]
        compare("manifest", [*collect, manifest.name], "python", [*collect, tests.name], folder, options.runs)


if __name__ == "__main__":
    main()
