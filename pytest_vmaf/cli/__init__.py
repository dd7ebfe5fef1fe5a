"""The command `pytest-vmaf`."""

from pytest_vmaf.cli.main import main

__all__ = ["main"]
