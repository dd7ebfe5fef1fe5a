"""`pytest-vmaf doctor`."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from cli.commands import Run


def test_ready(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("vmaf_v0.6.1", "vmaf_v0.6.1neg")
    monkeypatch.setattr("pytest_vmaf.scoring.models.model_names", lambda: names)
    done = run("doctor")
    assert done.returncode == 0, done.stdout
    assert "pyav: " in done.stdout
    pins = ("to require this build: vmaf_require = libvmaf=", "model=vmaf_v0.6.1@")
    for word in ("ffmpeg: ", *pins, "vmaf_v0.6.1neg", "XPSNR: measured.", "vmaf tool:", "ready: the"):
        assert word in done.stdout


def test_tool_in_the_working_directory(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("ffmpeg", "ffmpeg version 1.0"), ("vmaf", "v3.0.0")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {text}\n")
        (tmp_path / name).chmod(0o755)
    done = run("doctor", "--ffmpeg", "./ffmpeg", "--vmaf-bin", "./vmaf", cwd=tmp_path)
    assert "vmaf tool: ./vmaf, version v3.0.0" in done.stdout


def test_not_ready(run: Run, tmp_path: Path) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text("#!/bin/sh\necho ffmpeg version 1.0\n")
    ffmpeg.chmod(0o755)
    done = run("doctor", "--ffmpeg", ffmpeg)
    assert done.returncode == 3
    assert "libvmaf: missing" in done.stdout
    assert "XPSNR: not measured; the filter xpsnr is in ffmpeg 7.1 and later." in done.stdout
    assert "NOT ready" in done.stdout
    assert "imageio-ffmpeg" in done.stdout
    if find_spec("av") is None:
        assert "pyav: not installed; its libvmaf computes v0, NEG, v1, which this ffmpeg does not: pip" in done.stdout
        assert "--vmaf-scorer=pyav" in done.stdout


def wrapper(path: Path, ffmpeg: str, libvmaf: str, build: str) -> Path:
    """An ffmpeg that is the real one, except for what it does with libvmaf, and what it says about it."""
    real = shlex.quote(ffmpeg)
    lines = ["#!/bin/sh", 'case "$*" in', f"*-version*) echo ffmpeg version 1.0; echo {build};;"]
    path.write_text("\n".join([*lines, f"*libvmaf*) {libvmaf};;", f'*) exec {real} "$@";;', "esac", ""]))
    path.chmod(0o755)
    return path


def test_libvmaf_that_computes_nothing(run: Run, ffmpeg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was built with libvmaf and exits with 0, as ffmpeg does after a failed feature."""
    names = ("vmaf_v0.6.1", "vmaf_v1.0.16_3d0h")
    monkeypatch.setattr("pytest_vmaf.scoring.models.model_names", lambda: names)
    done = run("doctor", "--ffmpeg", wrapper(tmp_path / "ffmpeg", ffmpeg, "exit 0", "--enable-libvmaf"))
    assert done.returncode == 3
    assert "libvmaf models: none" in done.stdout
    assert "models that this libvmaf cannot compute: vmaf_v0.6.1, vmaf_v1.0.16_3d0h" in done.stdout


@pytest.mark.skipif(find_spec("av") is None, reason="PyAV is not installed; pip install 'pytest-vmaf[pyav]'")
@pytest.mark.every_python
def test_pyav_in_place_of_libvmaf(run: Run, ffmpeg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("vmaf_v0.6.1", "vmaf_v0.6.1neg", "vmaf_v1.0.16_3d0h", "vmaf_v9.9.9")
    monkeypatch.setattr("pytest_vmaf.scoring.models.model_names", lambda: names)
    done = run("doctor", "--ffmpeg", wrapper(tmp_path / "ffmpeg", ffmpeg, "exit 1", "none"))
    assert done.returncode == 3
    assert "pyav: PyAV " in done.stdout
    assert "models: vmaf_v0.6.1, vmaf_v0.6.1neg, vmaf_v1.0.16_3d0h; it cannot compute vmaf_v9.9.9." in done.stdout
    assert "Unlike this ffmpeg it computes v0, NEG, v1: --vmaf-scorer=pyav" in done.stdout
    assert "Use --vmaf-scorer=pyav (ini: vmaf_scorer = pyav), which can." in done.stdout
