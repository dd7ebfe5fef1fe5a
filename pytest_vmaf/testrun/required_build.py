"""The check of `vmaf_require` before the first test of a run."""

from __future__ import annotations

import pytest

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.settings import Layer, resolve


def refuse_other_build_at_start(layers: tuple[Layer, ...]) -> None:
    """End the run if the ffmpeg of the command line and the ini file is not a required build.

    Models, and other scorers than ffmpeg, are checked with each measurement.

    Raises:
        pytest.UsageError: If it is another build, or if there is none.
    """
    values = resolve(layers).values
    if not values["require"]:
        return
    from pytest_vmaf.media.ffmpeg import find_ffmpeg
    from pytest_vmaf.scoring.build_check import check_ffmpeg

    try:
        check_ffmpeg(values["require"], find_ffmpeg(values["ffmpeg"]), scores=values["scorer"] == "ffmpeg")
    except MeasurementError as error:
        raise pytest.UsageError(f"pytest-vmaf: {error}") from None
