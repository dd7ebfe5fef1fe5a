"""When, where and with which versions a run of pytest took place."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version

import pytest

from pytest_vmaf.report.schema import RecordDict
from pytest_vmaf.testrun.rerun_command import shell_command


def describe_environment(config: pytest.Config) -> RecordDict:
    """The command, the time and the versions of a run, as `schema.RUN` has them."""
    return {
        "command": shell_command(config.invocation_params.args),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "pytest": pytest.__version__,
        "pytest_vmaf": version("pytest-vmaf"),
    }
