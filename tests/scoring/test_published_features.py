"""Netflix's published values of features, each to its published decimals, measured beside a score by two scorers.

`published_features.json` has every value of its tests that a score can have, on the clips of `golden.json` and on test
patterns. It leaves out other enhancement gain limits than 1, sums made by Netflix's Python code, and its test models.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.vmaf_cli import VmafCliScorer
from pytest_vmaf.scoring.features import feature_columns
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result

Row = list  # of the fields that the file names
DATA = json.loads(Path(__file__).with_name("published_features.json").read_text())
CLIPS = {
    "akiyo": ("akiyo_ref_352x288_yuv420p.yuv", 352, 288, "yuv420p"),
    "akiyo multiplied": ("akiyo_multiply_352x288_yuv420p.yuv", 352, 288, "yuv420p"),
    "src01": ("src01_hrc00_576x324_yuv420p10le.yuv", 576, 324, "yuv420p10le"),
    "src01 encoded": ("src01_hrc01_576x324_yuv420p10le.yuv", 576, 324, "yuv420p10le"),
    "160x90": ("ref_160x90_yuv420p.yuv", 160, 90, "yuv420p"),
    "160x90 encoded": ("dis_160x90_yuv420p.yuv", 160, 90, "yuv420p"),
}
PAIRS = sorted({(row[0], row[1]) for row in DATA["values"]})
#: One pair is quick: it has one frame, and most of the values.
NUMBERS = [pytest.param(*pair, marks=[] if pair[0] == "akiyo" else pytest.mark.slow) for pair in PAIRS]


def test_number_of_values():
    assert len(DATA["values"]) == 161
    assert {row[2] for row in DATA["values"]} <= set(feature_columns())


@pytest.fixture(scope="session")
def clip(request: pytest.FixtureRequest) -> Callable[[str], Clip]:
    """The clip of a name in the file."""

    def find(name: str) -> Clip:
        if name not in CLIPS:
            return request.getfixturevalue("pattern")(name)
        file, width, height, pix_fmt = CLIPS[name]
        golden: Path = request.getfixturevalue("golden")
        return Clip(golden / file, width=width, height=height, pix_fmt=pix_fmt, frame_rate=24)

    return find


def rows_of(reference: str, distorted: str, *, floats: bool) -> list[Row]:
    """The published values of a pair; without `floats` those of every build of libvmaf."""
    rows = [row for row in DATA["values"] if (row[0], row[1]) == (reference, distorted)]
    return [row for row in rows if floats or is_in_every_build(feature_columns()[row[2]])]


def is_in_every_build(feature: str) -> bool:
    """Whether libvmaf has a feature even if it was built without the floating-point ones."""
    return not feature.startswith("float_") or feature in ("float_ssim", "float_ms_ssim")


def assert_published(result: Result, rows: list[Row]) -> None:
    wrong = []
    for _, _, column, frame, value, decimals, source in rows:
        found = float(result[column]) if frame is None else result[column].frames[frame]
        # Logs have six decimals.
        if abs(found - value) > 0.5 * 10**-decimals + 1e-6:
            wrong.append(f"{source}: {column} must be {value}, not {found}")
    assert not wrong


@pytest.mark.parametrize(("reference", "distorted"), NUMBERS)
def test_ffmpeg(reference, distorted, clip, score):
    rows = rows_of(reference, distorted, floats=True)
    features = tuple(dict.fromkeys(feature_columns()[row[2]] for row in rows))
    result = score(clip(reference), clip(distorted), features=features, model="vmaf_v0.6.1")
    assert_published(result, rows)


#: A run of the tool takes a second and more for each pattern.
ONE_PATTERN = [each for each in NUMBERS if each.values[0] in CLIPS or each.values[1] == "board 19"]


@pytest.mark.parametrize(("reference", "distorted"), ONE_PATTERN)
def test_vmaf_tool(reference, distorted, clip):
    tool = shutil.which("vmaf") or pytest.skip("no `vmaf` on PATH; install libvmaf's tools to run this")
    rows = rows_of(reference, distorted, floats=False)
    features = tuple(dict.fromkeys(feature_columns()[row[2]] for row in rows))
    request = MeasureRequest(clip(reference), clip(distorted), features=features, model="vmaf_v0.6.1", vmaf_bin=tool)
    assert_published(measure(request, VmafCliScorer()), rows)
