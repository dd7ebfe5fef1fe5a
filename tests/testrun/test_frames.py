"""Frames in memory in runs of pytest: pictures, baselines, parameters, workers of xdist, and no file left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., pytest.RunResult]

FRAMES = """
    import numpy as np

    rows, columns = np.mgrid[0:144, 0:176]

    def frame(number, noise=0):
        random = np.random.default_rng(number)
        grey = 128 + 60 * np.sin((columns + 3 * number) / 9) + 50 * np.cos((rows - 2 * number) / 7)
        rgb = np.stack([grey, np.roll(grey, 5, 0), 255 - grey], -1) + random.normal(0, 6, (144, 176, 3))
        return np.clip(rgb + random.normal(0, noise, rgb.shape), 0, 255).astype(np.uint8)

    REFERENCE = np.stack([frame(number) for number in range(4)])
    DISTORTED = np.stack([frame(number, 8) for number in range(4)])
"""


@pytest.fixture(autouse=True)
def made(pytester: pytest.Pytester) -> None:
    """The module `made` for the tests inside."""
    pytester.makepyfile(made=FRAMES)


@pytest.mark.slow
def test_workers(run_xdist: Run, report: Callable[[], dict[str, Any]], pytester: pytest.Pytester, temp: Path) -> None:
    """Each worker has its own files, makes pictures of them, and removes them."""
    pytester.makepyfile(
        test_it="""
        import pytest
        from pytest_vmaf import Clip
        from made import DISTORTED, REFERENCE

        CLIPS = [Clip.from_frames(DISTORTED, name="[red]a<b>"), Clip.from_frames(DISTORTED)]

        @pytest.fixture(scope="session")
        def reference():
            return Clip.from_frames(REFERENCE, name="original")

        @pytest.mark.parametrize("clip", CLIPS)
        def test_parameter(vmaf, reference, clip):
            vmaf.score(reference, clip, min_neg=99.5)

        def test_assert(vmaf):
            assert vmaf.score(REFERENCE, DISTORTED).neg > 99.5

        def test_raising(vmaf):
            def decode():
                yield DISTORTED[0]
                raise ValueError("cut off")

            vmaf.score(REFERENCE, decode())

        def test_parts(vmaf):
            vmaf.quality_map(REFERENCE, DISTORTED, grid=(2, 1), min_neg_tile=99.5)
        """
    )
    result = run_xdist("--vmaf-json=r.json", "--vmaf-json-pictures", "--vmaf-html=r.html")
    result.assert_outcomes(failed=4, errors=1)
    result.stdout.fnmatch_lines(["*ClipError: distorted frames in memory: making frame 1 raised ValueError: cut off*"])
    result.stdout.fnmatch_lines(["*ValueError: cut off*"])
    pictures = {test["id"].partition("::")[2]: test["measurements"][0].get("pictures") for test in report()["tests"]}
    assert all(pictures[name] for name in pictures if name != "test_raising"), pictures
    text = (pytester.path / "r.html").read_text() + (pytester.path / "r.json").read_text() + result.stdout.str()
    assert "[red]a&lt;b&gt; (4 frames in memory, 176x144 rgb24)" in text
    assert "[red]a<b> (4 frames in memory" not in (pytester.path / "r.html").read_text().split("<script")[0]
    assert str(temp) not in text
    assert not [*temp.glob("pytest-vmaf-*")]


@pytest.mark.slow
def test_baselines(pytester: pytest.Pytester, run: Run) -> None:
    """A baseline is named after the clip, and knows the reference by its content."""
    pytester.makepyfile(
        test_it="""
        import pytest
        from pytest_vmaf import Clip
        from made import DISTORTED, REFERENCE

        def test_named(vmaf):
            result = vmaf.score(REFERENCE, Clip.from_frames(DISTORTED, name="a/b [x]"))
            vmaf.check_baseline(result)

        def test_unnamed(vmaf):
            result = vmaf.score(iter(REFERENCE), iter(DISTORTED), baseline=True)
            vmaf.check_baseline(result, baseline="again")
            with pytest.raises(Exception, match="already uses the baseline 'frames in memory'"):
                vmaf.check_baseline(result)

        def test_twice(vmaf):
            vmaf.score(REFERENCE, DISTORTED, baseline=True)
            vmaf.score(REFERENCE, DISTORTED[::-1][::-1], baseline=True)
        """
    )
    result = run("--vmaf-baseline-update=missing")
    result.stdout.fnmatch_lines(["*This test already uses the baseline 'frames in memory'. Give each*"])
    stored = json.loads((pytester.path / "__vmaf__" / "test_it.json").read_text())["tests"]
    assert [*stored["test_named"]] == ["a/b [x]"]
    assert {*stored["test_unnamed"]} == {"frames in memory", "again"}
    run("-k", "named").assert_outcomes(passed=2)
