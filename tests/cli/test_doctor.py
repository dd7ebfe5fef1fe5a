"""`pytest-vmaf doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.commands import Run


def test_ready(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("vmaf_v0.6.1", "vmaf_v0.6.1neg")
    monkeypatch.setattr("pytest_vmaf.scoring.models.model_names", lambda: names)
    done = run("doctor")
    assert done.returncode == 0, done.stdout
    pins = ("to require this build: vmaf_require = libvmaf=", "model=vmaf_v0.6.1@")
    for word in ("ffmpeg: ", *pins, "vmaf_v0.6.1neg", "vmaf tool:", "ready: the default scorer works."):
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
    assert "NOT ready" in done.stdout
    assert "imageio-ffmpeg" in done.stdout
