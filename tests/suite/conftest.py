"""Manifests in a temporary folder."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.suite.manifest import read_suite
from pytest_vmaf.suite.suite import Suite

#: A clip with everything that it must have.
CLIP = '[[clips]]\nname = "a"\npath = "a.y4m"\nsha256 = "unchecked"\n'
#: An entry with everything that it must have.
ENCODE = '[[encodes]]\nname = "x"\nencoder = "libx264"\ncrfs = [28]\n'

Read = Callable[..., Suite]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """read(text, name="vmaf.toml"): the suite of a manifest."""

    def run(text: str | bytes, name: str = "vmaf.toml") -> Suite:
        data = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
        (tmp_path / name).write_bytes(data)
        return read_suite(tmp_path / name)

    return run


@pytest.fixture
def problems(read: Read, tmp_path: Path) -> Callable[..., list[str]]:
    """problems(text): the lines of the error of a broken manifest."""

    def run(text: str | bytes, name: str = "vmaf.toml") -> list[str]:
        with pytest.raises(SettingsError) as error:
            read(text, name)
        return str(error.value).replace(f"{tmp_path}{os.sep}", "").splitlines()

    return run
