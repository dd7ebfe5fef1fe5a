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
    "import pytest_vmaf, pytest_vmaf.plugins.ffmpeg, pytest_vmaf.plugins.vmaf_cli, pytest_vmaf.templates;"
    "from pytest_vmaf.scoring.models import registry; assert registry()['models'];"
    "from pytest_vmaf import Vmaf, FakeScorer; assert Vmaf(scorer=FakeScorer(neg=9)).score('a', 'b').neg == 9;"
    "from importlib.metadata import entry_points;"
    "assert {e.name for e in entry_points(group='pytest_vmaf.scorers')} == {'ffmpeg', 'vmaf'};"
    "print(pytest_vmaf.__file__)"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, because building writes into it, and so may another worker at once."""
    copy = tmp_path_factory.mktemp("source") / "pytest-vmaf"
    unwanted = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist")
    return shutil.copytree(ROOT, copy, ignore=unwanted)


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the sdist, the wheel built from the sdist."""
    pytest.importorskip("build", reason="the package `build` is not installed; pip install '.[test]'")
    output = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "build", "--outdir", str(output), str(source)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {"wheel": next(output.glob("*.whl")), "sdist": next(output.glob("*.tar.gz"))}


@pytest.mark.slow
def test_wheel_contents(built: dict[str, Path]) -> None:
    names = zipfile.ZipFile(built["wheel"]).namelist()
    package = {
        str(path.relative_to(ROOT)) for path in ROOT.glob("pytest_vmaf/**/*") if path.suffix in (".py", ".typed")
    }
    data = {f"pytest_vmaf/{path.relative_to(ROOT)}" for folder in INSIDE for path in (ROOT / folder).glob("*.*")}
    assert package | data <= set(names)
    assert not [name for name in names if name.startswith(("tests", "examples", "benchmarks", "plugins", "model"))]


@pytest.mark.slow
def test_sdist_contents(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "plugins/ffmpeg.py", "model/registry.json", "templates/__init__.py", "LICENSE"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("how", ["sdist", "editable"])
def test_installation(source: Path, built: dict[str, Path], tmp_path: Path, how: str) -> None:
    venv.create(tmp_path / "venv", with_pip=True, system_site_packages=False)
    python = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    target = ["-e", str(source)] if how == "editable" else [str(built[how])]
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", *target]
    subprocess.run(install, check=True, capture_output=True)
    # The dependencies come from this environment, so that no test downloads hundreds of megabytes.
    here = next(path for path in sys.path if path.endswith("site-packages"))
    code = f"import sys; sys.path.append({here!r}); {TRY}"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    inside = str(source) if how == "editable" else str(tmp_path)
    assert done.stdout.startswith(inside)


def test_entry_points() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"vmaf": "pytest_vmaf.plugin"}
    assert "Framework :: Pytest" in project["classifiers"]
