"""Regions and quality maps as users of pytest meet them, each behaviour with its -n2 twin; and what the report says."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_vmaf.gates.defaults import DEFAULT_GATES
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report import document as documents

Run = Callable[..., pytest.RunResult]
#: Of children that are pytests: plugins that the tests here are not about, and that take most of their time to load.
LEAN = " ".join(f"-p no:{name}" for name in ("hypothesispytest", "html", "metadata", "allure_pytest"))
FACE = (200, 80, 96, 72)
NEG_TILE = label("neg_tile")


@pytest.fixture(scope="session")
def blurred(footage: Callable[..., Path], make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of 320x180 pixels, blurred in 96x72 of them."""
    x, y, w, h = FACE
    graph = f"[0]crop={w}:{h}:{x}:{y},gblur=2[s];[0][s]overlay={x}:{y}:format=yuv420"
    output = tmp_path_factory.mktemp("blurred") / "blurred.mkv"
    return make("-i", footage("320x180", 4), "-filter_complex", graph, "-pix_fmt", "yuv420p", "-c:v", "ffv1", output)


@pytest.fixture
def run(pytester: pytest.Pytester, footage: Callable[..., Path], blurred: Path) -> Run:
    """Run pytest with a JSON report, alone or under -n2; the tests inside have `from clip_paths import *`."""
    pytester._monkeypatch.setenv("PYTEST_ADDOPTS", LEAN)
    pytester.makepyfile(clip_paths=f"REF, BAD, FACE = {str(footage('320x180', 4))!r}, {str(blurred)!r}, {FACE!r}\n")

    def under(*arguments: str) -> pytest.RunResult:
        options = ["--vmaf-json=r.json", "-p", "no:cacheprovider"]
        return pytester.runpytest(*options, "-p", "no:xdist", *arguments)

    return under


def entries(pytester: pytest.Pytester) -> dict[str, dict[str, Any]]:
    """Each test's entry in the report, which is checked against its schema."""
    document = documents.read(pytester.path / "r.json")
    return {test["id"].partition("::")[2]: test for test in document["tests"]}


@pytest.mark.slow
def test_region_gate(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import *
        from pytest_vmaf import Region

        def test_bad(vmaf):
            face = Region(*FACE, min_neg=90, max_gap=9)
            vmaf.check(REF, BAD, min_neg=50, regions={"face": face, "sky": (0, 0, 64, 64)})

        def test_good(vmaf):
            result = vmaf.check(REF, BAD, min_neg=50, regions={"sky": Region(0, 0, 64, 64, min_neg=90)})
            assert result.regions["sky"].neg > 95
        """
    )
    result = run()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.re_match_lines_random([r".*GateViolation: face: NEG \d+\.\d+ < 90 \(1 of 17 gates failed\)"])
    bad, good = entries(pytester)["test_bad"]["measurements"], entries(pytester)["test_good"]["measurements"]
    assert [each["status"] for each in bad] == ["passed", "failed", "passed"]
    assert [each["distorted"].rpartition(" [")[2] for each in bad[1:]] == ["face 96x72+200+80]", "sky 64x64+0+0]"]
    assert {gate["name"]: gate["passed"] for gate in bad[1]["gates"]} == {"min_neg": False, "max_gap": True}
    assert [gate["name"] for gate in bad[0]["gates"]] == ["min_neg", *DEFAULT_GATES]
    assert bad[1]["neg"] < 90 < bad[2]["neg"]
    assert [each["status"] for each in good] == ["passed"] * 2


@pytest.mark.slow
def test_region_pictures(run: Run, pytester: pytest.Pytester, make: Callable[..., Path], tmp_path: Path) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import *
        from pytest_vmaf import Region

        def test_bad(vmaf):
            vmaf.check(REF, BAD, regions={"face": Region(*FACE, min_neg=90)})
        """
    )
    run("--vmaf-pictures=1", "--vmaf-json-pictures").assert_outcomes(failed=1)
    whole, face = entries(pytester)["test_bad"]["measurements"]
    assert not whole.get("pictures")
    [picture] = face["pictures"]
    assert (picture["width"], picture["height"]) == FACE[2:]
    assert (picture["full_width"], picture["full_height"]) == FACE[2:]
    # It is the crop of the reference, as far as JPEG goes.
    x, y, w, h = FACE
    (tmp_path / "picture.jpg").write_bytes(base64.b64decode(picture["reference"]))
    reference = re.search(r"'(.*?)'", (pytester.path / "clip_paths.py").read_text())
    assert reference is not None
    cut = f"select=eq(n\\,{picture['frame']}),crop={w}:{h}:{x}:{y}:exact=1"
    grey = []
    for number, (clip, filters) in enumerate(((reference[1], cut), (tmp_path / "picture.jpg", "null"))):
        options = ("-vf", f"{filters},format=rgb24,format=gray", "-frames:v", 1, "-f", "rawvideo")
        grey.append(np.frombuffer(make("-i", clip, *options, tmp_path / f"{number}.raw").read_bytes(), np.uint8))
    assert np.abs(grey[0].astype(int) - grey[1].astype(int)).mean() < 6


def test_region_hostile_name(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import *
        import pytest
        from pytest_vmaf import Region

        def test_bad(vmaf):
            vmaf.check(REF, BAD, regions={"<script>alert(1)</script>[red]": Region(*FACE, min_neg=90)})

        @pytest.mark.parametrize("name", ["\\x1b[31m", "\\u202e", "\\ud800", "a\\nb"], ids=range(4))
        def test_unprintable(vmaf, name):
            # Half a surrogate pair would end a worker that sends it.
            vmaf.check(REF, BAD, regions={name: FACE})
        """
    )
    result = run("--vmaf-html=r.html")
    result.assert_outcomes(failed=1, errors=4)
    assert "\x1b[31m" not in result.stdout.str()
    assert "[red]" in result.stdout.str()
    page = (pytester.path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page
    assert "\u202e" not in page


MAP = """
from clip_paths import *
import pytest

def test_map(vmaf):
    vmaf.quality_map(REF, BAD, grid=(4, 3))
"""


@pytest.mark.parametrize("origin", ["call", "marker", "ini", "command line"])
def test_tile_gate_origins(origin: str, run: Run, pytester: pytest.Pytester) -> None:
    text, options = MAP, []
    if origin == "call":
        text = MAP.replace("grid=(4, 3)", "grid=(4, 3), min_neg_tile=90")
    elif origin == "marker":
        text = MAP.replace("def test", "@pytest.mark.vmaf(min_neg_tile=90)\ndef test")
    elif origin == "ini":
        pytester.makeini("[pytest]\nvmaf_gates = min_neg_tile=90")
    else:
        options = ["--vmaf-gate=min_neg_tile=90"]
    pytester.makepyfile(test_it=text)
    result = run(*options)
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines_random([rf".*GateViolation: {NEG_TILE} \d+\.\d+ < 90 \(1 of 1 gates failed\)"])
    [measurement] = entries(pytester)["test_map"]["measurements"]
    [gate] = measurement["gates"]
    assert (gate["name"], gate["origin"], gate["passed"]) == ("min_neg_tile", origin, False)


def test_tile_gate_switched_off(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=MAP.replace("def test", "@pytest.mark.vmaf(min_neg_tile=90)\ndef test").replace(
            "grid=(4, 3)", "grid=(4, 3), min_neg_tile=None, min_neg_tile_min=1"
        )
    )
    run("--vmaf-gate=max_gap_tile=50").assert_outcomes(passed=1)
    [measurement] = entries(pytester)["test_map"]["measurements"]
    assert {gate["name"]: gate["passed"] for gate in measurement["gates"]} == {
        "min_neg_tile_min": True,
        "max_gap_tile": True,
    }


@pytest.mark.slow
def test_marked_tile_gate_unchecked(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import *
        import pytest

        @pytest.mark.vmaf(min_neg_tile=1)
        def test_check_alone(vmaf):
            vmaf.check(REF, BAD, regions={"sky": (0, 0, 64, 64)})

        @pytest.mark.vmaf(min_neg_tile=1)
        def test_with_map(vmaf):
            vmaf.check(REF, BAD)
            vmaf.quality_map(REF, BAD, grid=(2, 1))

        @pytest.mark.vmaf(min_neg_salient=1)
        def test_map_without_saliency(vmaf):
            vmaf.quality_map(REF, BAD, grid=(2, 1))
        """
    )
    result = run()
    assert {name: test["status"] for name, test in entries(pytester).items()} == {
        "test_check_alone": "failed",
        "test_with_map": "passed",
        "test_map_without_saliency": "error",
    }
    said = result.stdout.str()
    assert "min_neg_tile (marker) was never checked: no measurement in this test supports it." in said
    assert "saliency=True" in said


@pytest.mark.slow
def test_marked_gate_of_no_tile(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import *
        import pytest

        @pytest.mark.vmaf(above_100=True, min_neg=1)
        def test_map_alone(vmaf):
            vmaf.quality_map(REF, BAD, grid=(2, 1))

        @pytest.mark.vmaf(above_100=True, min_neg=1)
        def test_taken_back(vmaf):
            vmaf.quality_map(REF, BAD, grid=(2, 1), above_100=False)

        @pytest.mark.vmaf(above_100=True, min_neg=1)
        def test_with_score(vmaf):
            vmaf.quality_map(REF, BAD, grid=(2, 1))
            vmaf.score(REF, BAD)

        @pytest.mark.vmaf(min_neg_roi=1)
        def test_ceiling_alone(vmaf):
            vmaf.self_score(REF)
            vmaf.quality_map(REF, BAD, grid=(2, 1))
        """
    )
    result = run()
    assert {name: test["status"] for name, test in entries(pytester).items()} == {
        "test_map_alone": "failed",
        "test_taken_back": "passed",
        "test_with_score": "passed",
        "test_ceiling_alone": "failed",
    }
    said = result.stdout.str()
    assert "\nabove_100 (marker) was never checked: no measurement in this test supports it." in said
    assert "min_neg_roi (marker) was never checked" in said
    assert "measured nothing" not in said


def test_tile_gate_in_check(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clip_paths import *

        def test_wrong(vmaf):
            vmaf.check(REF, BAD, min_neg_tile=1)

        def test_wrong_region(vmaf):
            vmaf.check(REF, BAD, regions={"face": (300, 0, 64, 64)})
        """
    )
    result = run()
    assert result.ret == 1
    said = result.stdout.str()
    assert "min_neg_tile requires vmaf.quality_map(): no other method measures neg_tile." in said
    assert "Region 'face' reaches to x=364, but the picture has 320x180 pixels" in said
    for test in entries(pytester).values():
        assert [measurement["status"] for measurement in test["measurements"]] == ["error"]
