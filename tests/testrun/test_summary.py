"""The end of a run on terminals of several widths."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

TESTS = """
    import pytest
    from pytest_vmaf import FakeScorer

    def check(vmaf, neg, **settings):
        vmaf.check("a.mkv", "an_encode_1080p_crf23.mp4", scorer=FakeScorer(neg=neg), **settings)

    @pytest.mark.parametrize("clip", ["season-1/night_scene_1080p_crf23_veryslow_grain.mp4"])
    def test_targets_of_the_nightly_encoder_build(vmaf, clip):
        check(vmaf, 80, min_neg=90)

    def test_typo(vmaf): check(vmaf, 95, min_negg_pp=90)
    def test_generation(vmaf): check(vmaf, 95, generation="v1")
    def test_good(vmaf): check(vmaf, 95, min_neg=90)
"""


@pytest.fixture(autouse=True)
def _fake(fake: None) -> None:
    """Nothing is measured here."""


def rows_of(result: pytest.RunResult) -> list[str]:
    """The table, without its head line."""
    lines = result.outlines
    start = next(number for number, line in enumerate(lines) if "vmaf: measurements" in line)
    return lines[start + 1 : next(number for number, line in enumerate(lines) if line.startswith("FAKE"))]


@pytest.mark.parametrize("width", [80, 120])
def test_width(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    pytester.makepyfile(test_it=TESTS)
    result = run("--vmaf-html=r.html")
    head, *rows = rows_of(result)
    assert len(rows) == 4
    assert all(len(row) <= width for row in (head, *rows))
    column = head.index("  test") + 2
    assert [row[column:][:6] for row in rows] == ["test_t", "test_t", "test_g", "test_g"]
    assert rows[1].endswith("_grain.mp4]" if width == 80 else "veryslow_grain.mp4]")
    assert rows[0].startswith("no score  'min_negg_pp' (call) has an")
    assert "-10.00  min_neg " in rows[1]
    assert "no min_ gate" in rows[3]
    assert rows[3][head.index("model") :].startswith("v1")
    assert sum("r.html" in line and line.startswith("vmaf:") for line in result.outlines) == 1


def test_ci_shows_whole_names(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(test_it=TESTS)
    _, *rows = rows_of(run())
    assert rows[1].endswith("season-1/night_scene_1080p_crf23_veryslow_grain.mp4] (an_encode_1080p_crf23.mp4)")
