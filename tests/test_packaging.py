"""Wheel, sdist and editable install: all contain the folders that are outside of the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Folders at the top of the repository that are installed inside the package.
INSIDE = ("plugins", "model", "templates")
TRY = (
    "import pytest_vmaf, pytest_vmaf.plugins.ffmpeg, pytest_vmaf.plugins.vmaf_cli, pytest_vmaf.plugins.pyav;"
    "import pytest_vmaf.templates;"
    "from pytest_vmaf.scoring.models import registry; assert registry()['models'];"
    "from pytest_vmaf import Vmaf, FakeScorer; assert Vmaf(scorer=FakeScorer(neg=9)).score('a', 'b').neg == 9;"
    "from importlib.metadata import entry_points;"
    "assert {e.name for e in entry_points(group='pytest_vmaf.scorers')} == {'ffmpeg', 'pyav', 'vmaf'};"
    "print(pytest_vmaf.__file__)"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, because building writes into it, and so may another worker at once."""
    copy = tmp_path_factory.mktemp("source") / "pytest-vmaf"
    unwanted = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist")
    return shutil.copytree(ROOT, copy, ignore=unwanted)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of its own that has the build backend and nothing else. What it needs otherwise is added to its path."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder, with_pip=False, system_site_packages=False)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pip(python, "install", "--no-compile", *requirements)
    return python


def pip(python: Path, *arguments: str) -> None:
    """Run this environment's pip for another Python."""
    argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(python), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def build(python: Path, hook: str, source: Path, output: Path) -> Path:
    """Call a hook of the build backend."""
    code = f"import sys; from setuptools import build_meta; build_meta.{hook}(sys.argv[1])"
    done = subprocess.run([python, "-c", code, str(output)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(output.glob("*.whl" if hook == "build_wheel" else "*.tar.gz"))


def try_it(python: Path, folder: Path) -> str:
    """Use the installed package, and return where it is."""
    # The dependencies come from this environment, so that no test downloads hundreds of megabytes.
    here = next(path for path in sys.path if path.endswith("site-packages"))
    code = f"import sys; sys.path.append({here!r}); {TRY}"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_distributions(source: Path, python: Path, tmp_path: Path) -> None:
    # The wheel is built from the sdist, as installers do.
    with tarfile.open(build(python, "build_sdist", source, tmp_path)) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        sdist.extractall(tmp_path / "sdist", filter="data")
    assert {"pyproject.toml", "plugins/ffmpeg.py", "model/registry.json", "templates/__init__.py", "LICENSE"} <= names
    assert "pytest_vmaf/py.typed" in names
    [unpacked] = (tmp_path / "sdist").iterdir()
    wheel = build(python, "build_wheel", unpacked, tmp_path)
    files = zipfile.ZipFile(wheel).namelist()
    package = {
        str(path.relative_to(ROOT)) for path in ROOT.glob("pytest_vmaf/**/*") if path.suffix in (".py", ".typed")
    }
    data = {f"pytest_vmaf/{path.relative_to(ROOT)}" for folder in INSIDE for path in (ROOT / folder).glob("*.*")}
    assert package | data <= set(files)
    assert not [name for name in files if name.startswith(("tests", "examples", "benchmarks", "plugins", "model"))]
    pip(python, "install", "--no-compile", "--no-deps", str(wheel))
    assert try_it(python, tmp_path).startswith(str(python.parents[1]))
    pip(python, "install", "--no-deps", "--no-build-isolation", "-e", str(source))
    assert try_it(python, tmp_path).startswith(str(source))


def test_entry_points() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"vmaf": "pytest_vmaf.plugin"}
    assert "Framework :: Pytest" in project["classifiers"]
