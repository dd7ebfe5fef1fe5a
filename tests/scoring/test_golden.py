"""Netflix's published scores to 1e-3, measured from two paths to a Result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_vmaf.media.clip import Clip

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
    result = score(reference, distorted, model=row["model"], scale=row.get("scale"))
    metric = result.neg if row["model"].endswith("neg") else result.vmaf
    if not row["clip_scores"]:
        metric = metric.unclipped
    assert float(metric.pooled(row["pool"])) == pytest.approx(row["published"], abs=1e-3)
    assert result.provenance["model"] == row["model"].removesuffix("neg")
    if row["frames"] is not None:
        assert len(result.vmaf.frames) == row["frames"]


# The seed's table on Big Buck Bunny, 1280x720, its first 60 frames


@pytest.fixture(scope="session")
def original(bunny: Path, make, tmp_path_factory) -> Path:
    """The first 60 frames, losslessly."""
    output = tmp_path_factory.mktemp("bunny") / "original.mkv"
    return make("-i", bunny, "-frames:v", 60, "-an", "-c:v", "ffv1", output)


@pytest.fixture(scope="session")
def itself(original, score):
    """The result of the original against itself; other results need its scores, too."""
    return score(original, original, threads=2)


@pytest.mark.slow
def test_bunny_against_itself(itself):
    assert float(itself.vmaf.unclipped) == pytest.approx(101.72, abs=0.1)
    assert float(itself.neg.unclipped) == pytest.approx(101.71, abs=0.1)
    assert abs(itself.gap) < 0.1
    assert not itself.above_100


@pytest.mark.slow
def test_honest_bunny(original, encode, score):
    result = score(original, encode(original, 23, None, "-preset", "medium"), threads=2)
    assert float(result.vmaf) == pytest.approx(94.97, abs=0.3)
    assert float(result.neg) == pytest.approx(93.11, abs=0.3)
    assert result.gap < 2.5
    assert not result.above_100


@pytest.mark.slow
def test_sharpened_bunny(original, itself, encode, score):
    result = score(original, encode(original, 23, "unsharp=5:5:1.5", "-preset", "medium"), threads=2)
    assert float(result.vmaf.unclipped) == pytest.approx(104.65, abs=0.5)
    assert float(result.neg) == pytest.approx(83.72, abs=0.5)
    assert result.gap > 15
    assert len(result.above_100) > 40


@pytest.mark.slow
def test_sharpened_bunny_without_encoder(original, itself, make, tmp_path, score):
    sharpened = make("-i", original, "-vf", "unsharp=5:5:1.5", "-c:v", "ffv1", tmp_path / "sharpened.mkv")
    result = score(original, sharpened, threads=2)
    assert float(result.vmaf.unclipped) == pytest.approx(112.9, abs=0.3)
    assert float(result.neg) == pytest.approx(85.42, abs=0.3)
    assert result.gap > 15
    assert result.above_100
