"""Wheel, sdist and editable install all carry the rooms that stand outside the package folder."""

from __future__ import annotations

import ast
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSTALLED = (
    "pytest_vmaf/plugin.py",
    "pytest_vmaf/py.typed",
    "pytest_vmaf/quality/measure.py",
    "pytest_vmaf/plugins/ffmpeg.py",
    "pytest_vmaf/plugins/vmaf_cli.py",
    "pytest_vmaf/model/registry.json",
    "pytest_vmaf/templates/__init__.py",
    "pytest_vmaf/templates/report.html",
    "pytest_vmaf/templates/parts.html",
    "pytest_vmaf/templates/style.css",
    "pytest_vmaf/templates/script.js",
    "pytest_vmaf/templates/icon-good.svg",
    "pytest_vmaf/templates/icon-bad.svg",
    "pytest_vmaf/report/html.py",
    "pytest_vmaf/encoding/bisect.py",
    "pytest_vmaf/roi/masked_score.py",
    "pytest_vmaf/model/saliency.onnx",
    "pytest_vmaf/model/SALIENCY.md",
)
TRY = (
    "import pytest_vmaf, pytest_vmaf.plugins.ffmpeg, pytest_vmaf.plugins.vmaf_cli, pytest_vmaf.templates;"
    "from pytest_vmaf.scoring.models import registry; assert registry()['models'];"
    "from pytest_vmaf import Vmaf, FakeScorer; assert Vmaf(scorer=FakeScorer(neg=9)).score('a', 'b').neg == 9;"
    "from importlib.metadata import entry_points;"
    "assert {e.name for e in entry_points(group='pytest_vmaf.scorers')} == {'ffmpeg', 'vmaf'};"
    "print(pytest_vmaf.__file__)"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the sdist, the wheel built from the sdist."""
    pytest.importorskip("build", reason="the package `build` is not installed; pip install '.[test]'")
    output = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "build", "--outdir", str(output), str(ROOT)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {"wheel": next(output.glob("*.whl")), "sdist": next(output.glob("*.tar.gz"))}


@pytest.mark.slow
def test_the_wheel_carries_every_room_and_no_tests(built: dict[str, Path]) -> None:
    names = zipfile.ZipFile(built["wheel"]).namelist()
    assert set(INSTALLED) <= set(names)
    assert not [name for name in names if name.startswith(("tests", "examples", "benchmarks", "plugins", "model"))]


@pytest.mark.slow
def test_the_sdist_carries_the_folders_as_they_stand(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "plugins/ffmpeg.py", "model/registry.json", "templates/__init__.py", "LICENSE"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("how", ["wheel", "sdist", "editable"])
def test_every_way_of_installing_finds_the_rooms(built: dict[str, Path], tmp_path: Path, how: str) -> None:
    venv.create(tmp_path / "venv", with_pip=True, system_site_packages=False)
    python = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    target = ["-e", str(ROOT)] if how == "editable" else [str(built[how])]
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", *target]
    subprocess.run(install, check=True, capture_output=True)
    # What it depends on comes from here, so that no test downloads hundreds of megabytes.
    here = next(path for path in sys.path if path.endswith("site-packages"))
    code = f"import sys; sys.path.append({here!r}); {TRY}"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    inside = str(ROOT) if how == "editable" else str(tmp_path)
    assert done.stdout.startswith(inside)


def test_the_plugin_is_registered_with_pytest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"vmaf": "pytest_vmaf.plugin"}
    assert "Framework :: Pytest" in project["classifiers"]


@pytest.mark.parametrize("module", sorted(ROOT.glob("pytest_vmaf/**/*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_run_one_way(module: Path) -> None:
    room = module.relative_to(ROOT / "pytest_vmaf").parts[0]
    imported = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
    if room == "quality":
        assert not {name for name in imported if name.split(".")[0] == "pytest"}
        ours = {name for name in imported if name.startswith("pytest_vmaf")}
        assert all(name.startswith(("pytest_vmaf.quality", "pytest_vmaf.model")) for name in ours)
    if room == "encoding":
        assert not {name for name in imported if name.split(".")[0] == "pytest"}
        ours = {name for name in imported if name.startswith("pytest_vmaf")}
        assert all(name.startswith(("pytest_vmaf.quality", "pytest_vmaf.encoding")) for name in ours)
        if module.stem in ("search", "curve", "bdrate"):
            # Pure: what they know of the project is each other, and what an error is.
            assert ours <= {"pytest_vmaf.search.beliefs", "pytest_vmaf.errors"}
    if room == "roi":
        assert not {name for name in imported if name.split(".")[0] == "pytest"}
        ours = {name for name in imported if name.startswith("pytest_vmaf")}
        assert all(name.startswith(("pytest_vmaf.quality", "pytest_vmaf.roi")) for name in ours)
        if module.stem == "mask":
            # Pure arithmetic.
            assert ours <= {"pytest_vmaf.media.clip", "pytest_vmaf.errors"}
    if room == "report":
        above = ("pytest_vmaf.api.vmaf", "pytest_vmaf.search", "pytest_vmaf.plugin")
        assert not {name for name in imported if name.startswith(above)}
    if room != "plugin.py":
        assert "pytest_vmaf.plugin" not in imported


@pytest.mark.parametrize("module", sorted(ROOT.glob("plugins/*.py")), ids=lambda p: p.name)
def test_scorers_know_the_quality_room_only(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pytest_vmaf"):
            assert node.module.startswith("pytest_vmaf.quality.")
            assert node.module.rpartition(".")[2] not in ("measure", "result", "gate", "models")
