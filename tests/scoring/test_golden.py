"""Netflix's published scores to 1e-3, measured from two paths to a Result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_vmaf.media.clip import Clip

pytestmark = pytest.mark.every_python

#: The number of rows, for environments without the file.
ROWS = 8


@pytest.fixture(scope="session")
def published(golden: Path) -> list[dict]:
    """The rows of golden.json."""
    return json.loads((golden / "golden.json").read_text())["scores"]


def test_number_of_rows(published):
    assert len(published) == ROWS


#: The last row has 480 lines and takes longer than all the others.
NUMBERS = [*range(ROWS - 1), pytest.param(ROWS - 1, marks=pytest.mark.slow)]


@pytest.mark.parametrize("number", NUMBERS)
def test_published_scores(number, published, golden, score):
    row = published[number]
    raw = {key: row[key] for key in ("width", "height", "pix_fmt")} if row["frames"] is not None else {}
    reference, distorted = (
        Clip(golden / row[side], frame_rate=row.get("frame_rate"), **raw) for side in ("reference", "distorted")
    )
    # Netflix scaled one pair to another shape.
    result = score(reference, distorted, model=row["model"], scale=row.get("scale"), allow=("display",))
    metric = result.neg if row["model"].endswith("neg") else result.vmaf
    if not row["clip_scores"]:
        metric = metric.unclipped
    assert float(metric.pooled(row["pool"])) == pytest.approx(row["published"], abs=1e-3)
    assert result.provenance["model"] == row["model"].removesuffix("neg")
    if row["frames"] is not None:
        assert len(result.vmaf.frames) == row["frames"]


# Netflix's test patterns. The scores are from its python/test/quality_runner_test.py.


@pytest.mark.parametrize(
    ("reference", "distorted", "published"),
    [
        ("flat 16", "flat 25", 97.42804264261031),
        ("board 0", "board 19", 35.06866714286451),
        pytest.param("flat 16", "flat 16", 97.428042675471147, marks=pytest.mark.slow),
        pytest.param("board 0", "board 10", 7.985898744818505, marks=pytest.mark.slow),
        pytest.param("board 0", "board 0", 99.14289994394608, marks=pytest.mark.slow),
    ],
)
def test_patterns(reference, distorted, published, pattern, score):
    result = score(pattern(reference), pattern(distorted), model="vmaf_v0.6.1")
    assert float(result.vmaf) == pytest.approx(published, abs=1e-6)


# Big Buck Bunny, 1280x720. Its published numbers are of 60 frames and were repeated by hand; these are of the first 6.


@pytest.fixture(scope="session")
def original(bunny: Path, make, tmp_path_factory) -> Path:
    """The first frames, losslessly."""
    output = tmp_path_factory.mktemp("bunny") / "original.mkv"
    return make("-i", bunny, "-frames:v", 6, "-an", "-c:v", "ffv1", output)


@pytest.mark.slow
def test_bunny(original, encode, make, tmp_path, score):
    # In one test, because each of these results needs the scores of the original against itself.
    itself = score(original, original, threads=2)
    assert float(itself.vmaf.unclipped) == pytest.approx(98.92, abs=0.1)
    assert float(itself.neg.unclipped) == pytest.approx(98.92, abs=0.1)
    assert abs(itself.gap) < 0.1
    assert not itself.above_100

    honest = score(original, encode(original, 23, None, "-preset", "medium"), threads=2)
    assert float(honest.vmaf) == pytest.approx(93.18, abs=0.3)
    assert float(honest.neg) == pytest.approx(91.33, abs=0.3)
    assert honest.gap < 2.5
    assert not honest.above_100

    enhanced = score(original, encode(original, 23, "unsharp=5:5:1.5", "-preset", "medium"), threads=2)
    assert float(enhanced.vmaf.unclipped) == pytest.approx(103.88, abs=0.5)
    assert float(enhanced.neg) == pytest.approx(81.12, abs=0.5)
    assert enhanced.gap > 15
    assert len(enhanced.above_100) > 4

    lossless = make("-i", original, "-vf", "unsharp=5:5:1.5", "-c:v", "ffv1", tmp_path / "sharpened.mkv")
    result = score(original, lossless, threads=2)
    assert float(result.vmaf.unclipped) == pytest.approx(111.34, abs=0.3)
    assert float(result.neg) == pytest.approx(82.59, abs=0.3)
    assert result.gap > 15
    assert result.above_100
