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
    for word in ("ffmpeg: ", "vmaf_v0.6.1neg", "vmaf tool:", "ready: the default scorer works."):
        assert word in done.stdout


def test_not_ready(run: Run, tmp_path: Path) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text("#!/bin/sh\necho ffmpeg version 1.0\n")
    ffmpeg.chmod(0o755)
    done = run("doctor", "--ffmpeg", ffmpeg)
    assert done.returncode == 3
    assert "libvmaf: missing" in done.stdout
    assert "NOT ready" in done.stdout
    assert "imageio-ffmpeg" in done.stdout
