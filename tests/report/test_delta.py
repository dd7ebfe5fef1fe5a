"""What changed between two reports, and how it is said."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pytest_vmaf.report import delta_page
from pytest_vmaf.report.delta import Change, Delta, compare
from pytest_vmaf.report.markdown import MOST_CHARACTERS
from report.builders import HOSTILE, STREAM, a_document, a_measurement, a_test, an_error

Record = dict[str, Any]


def measured(neg: float = 94.0, clip: str = "out.mp4", **settings: Any) -> Record:
    return {**a_measurement(neg + 2, neg, **{"min_neg": 93, **settings}), "distorted": f"/tmp/run-{neg}/{clip}"}


def a_named_test(name: str, *measurements: Record, status: str = "passed", **more: Any) -> Record:
    return a_test(status, *measurements, name=name, **more)


def changed(before: Record, after: Record, tolerance: float = 0.01) -> Delta:
    return compare(a_document(a_named_test("test_a", before)), a_document(a_named_test("test_a", after)), tolerance)


def short(changes: tuple[Change, ...]) -> list[tuple[str, float | None, float | None, str]]:
    return [(each.number.name, each.before, each.after, (each.gate or {}).get("name", "")) for each in changes]


def test_kinds() -> None:
    base = a_document(
        *(
            a_named_test(name, measured(neg))
            for name, neg in zip(("test_a", "test_b", "test_c", "test_d"), (94, 95, 96, 97), strict=True)
        ),
    )
    new = a_document(
        a_named_test("test_a", measured(91), status="failed"),
        a_named_test("test_b", measured(94.5)),
        a_named_test("test_c", measured(96.004)),
        a_named_test("test_e", measured(97.5)),
        a_named_test("test_f"),
    )
    delta = compare(base, new)
    assert [(each.test.partition("::")[2], *short((each,))[0]) for each in delta.worse] == [
        ("test_a", "neg", 94, 91, "min_neg"),
        ("test_b", "neg", 95, 94.5, "min_neg"),
    ]
    assert (delta.worse[0].difference, delta.worse[0].fails, delta.worse[1].fails) == (-3, True, False)
    assert short(delta.new) == [("neg", None, 97.5, "min_neg")]
    assert short(delta.gone) == [("neg", 97, None, "")]
    assert (delta.unchanged, delta.better, delta.incomparable) == (1, (), ())
    back = compare(new, base)
    assert [short((each,))[0][:3] for each in back.better] == [("neg", 91, 94), ("neg", 94.5, 95)]
    assert compare(base, base).unchanged == 4


def test_directions() -> None:
    """A lower NEG and SSIM, and a higher bitrate, gap and speed loss are worse; the order is that of their weight."""
    before = measured(max_gap=9)
    before["features"] = {"float_ssim": 0.99, "xpsnr_y": 40.0, "psnr_y": 40.0}
    after = copy.deepcopy(before)
    before["stream"], after["stream"] = {**STREAM, "bitrate": 100_000.0}, {**STREAM, "bitrate": 105_000.0}
    after["neg"], after["gap"] = 93.5, 2.5
    after["features"] |= {"float_ssim": 0.96, "xpsnr_y": 41.0, "psnr_y": 41.0}
    for gate in after["gates"]:
        gate["value"] = after.get(gate["metric"], gate["value"])
    delta = changed(before, after)
    assert [each.number.name for each in delta.worse] == ["bitrate", "float_ssim", "neg", "gap"]
    assert [round(each.weight, 3) for each in delta.worse] == [5, 3, 0.5, 0.5]
    assert [each.number.name for each in delta.better] == ["xpsnr_y"]
    # The default score and the gap are compared where a gate limits them.
    for each in (before, after):
        each["gates"] = [gate for gate in each["gates"] if gate["metric"] != "gap"]
    assert [each.number.name for each in changed(before, after).worse] == ["bitrate", "float_ssim", "neg"]
    assert [each.number.name for each in changed(before, after, 4).worse] == ["bitrate"]


def test_fallen_gate() -> None:
    """A change below the tolerance is listed if a gate fails; so is a gate in words."""
    delta = changed(measured(93.004), measured(92.999))
    assert [(each.number.name, each.fails) for each in delta.worse] == [("neg", True)]
    before = measured()
    codec = {"name": "codec", "metric": "codec", "pool": "mean", "bound": "min", "limit": 1.0, "origin": "call"}
    before["gates"].append({**codec, "value": 1.0, "margin": 0.0, "passed": True, "text": "codec is h264"})
    after = copy.deepcopy(before)
    after["gates"][-1] |= {"value": 0.0, "margin": -1.0, "passed": False, "text": "codec is hevc, not h264"}
    assert short(changed(before, after).worse) == [("codec", 1, 0, "codec")]
    assert short(changed(after, before).better) == [("codec", 0, 1, "codec")]
    [row] = delta_page.sections_of(changed(before, after), a_document(), 9)[0].blocks[0].rows  # type: ignore[union-attr]
    assert list(row)[1:] == ["codec", "passed", "failed", "–", "codec is hevc, not h264"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "vmaf_4k_v0.6.1"}, "model vmaf_v0.6.1 → vmaf_4k_v0.6.1"),
        ({"frames": 23, "phone": True}, "phone mode no → yes; frames 24 → 23"),
        ({"fake": False}, "invented scores yes → no"),
        ({"starts": None}, ""),
        ({"libvmaf": "9.9", "scorer_version": "7"}, ""),
    ],
)
def test_conditions(change: Record, why: str) -> None:
    before, after = measured(94), measured(91)
    before["provenance"]["libvmaf"] = after["provenance"]["libvmaf"] = "3.0"
    after["provenance"] |= change
    delta = changed(before, after)
    assert [pair.obstacle for pair in delta.incomparable] == ([why] if why else [])
    assert len(delta.worse) == (not why)
    assert bool(delta.notes) == ("libvmaf" in change)


def test_pairing() -> None:
    """Clips are paired by name, else by order; runs by name; errors and tests without a measurement are named."""
    two = (measured(94, "a.mp4"), measured(95, "b.mp4"))
    swapped = compare(a_document(a_named_test("test_a", *two)), a_document(a_named_test("test_a", *reversed(two))))
    assert (swapped.unchanged, swapped.worse) == (2, ())
    delta = changed(measured(94, "crf30.mp4"), measured(93.5, "crf31.mp4"))
    assert delta.worse[0].clip == "crf30.mp4 → crf31.mp4"
    numbers = ((94, "CRF 25"), (96, "1500k"), (94, "CRF 19"), (96, "2000k"))
    answers = [measured(neg, f"libx264 {number}") for neg, number in numbers]
    for answer, target in zip(answers, (93, 95, 93, 95), strict=True):
        answer["gates"][0] |= {"name": "target", "limit": float(target)}
    before, after = (a_document(a_named_test("test_a", *each)) for each in (answers[:2], answers[2:]))
    assert compare(before, after).unchanged == 2
    more = compare(a_document(a_named_test("test_a", two[0])), a_document(a_named_test("test_a", *reversed(two))))
    assert (more.unchanged, [each.clip for each in more.new]) == (1, ["b.mp4"])
    runs = [{**a_document()["runs"][0], "name": name} for name in ("x86", "arm")]
    tests = [{**a_named_test("test_a", each), "run": run} for run, each in enumerate(two)]
    one, other = a_document(), a_document()
    one |= {"runs": runs, "tests": tests}
    other |= {"runs": [*reversed(runs)], "tests": [{**test, "run": 1 - test["run"]} for test in tests]}
    assert compare(one, other).unchanged == 2
    failing = {**one, "tests": [{**test, "status": "failed"} for test in tests]}
    text = delta_page.markdown(compare(one, failing), failing, one)
    assert [row in text for row in ("| test&#95;a (x86) |", "| test&#95;a (arm) |")] == [True, True]
    skipped = a_named_test("test_a", status="skipped") | {"message": "no clip"}
    broken = a_named_test("test_b", an_error(), status="error")
    new = compare(
        a_document(a_named_test("test_a", two[0]), a_named_test("test_b", two[1])), a_document(skipped, broken)
    )
    assert [pair.obstacle for pair in new.incomparable] == [
        "not measured (skipped): no clip",
        "not measured: out/crf23.mp4 does not exist.",
    ]
    assert len(compare(a_document(broken), a_document(a_named_test("test_b", two[1]))).new) == 1


def test_comment() -> None:
    """The comment begins with its marker, escapes names, and is cut with a count."""
    name = f"test_x[@org/team|{HOSTILE}\n#12]"
    base = a_document(a_named_test(name, measured(94)), branch="main", commit="a" * 40)
    new = a_document(a_named_test(name, measured(91), status="failed"), branch="topic", commit="b" * 40)
    text = delta_page.markdown(compare(base, new), new, base)
    lines = text.splitlines()
    assert lines[:2] == [delta_page.MARKER, "## &#10008; VMAF&#58; 1 of 1 test failed"]
    assert "### Failed (1)" in text
    assert "NEG 91.00 is 2.00 below the minimum of 93 |" in text
    assert "topic &#64; bbbbbbbbbb compared with main &#64; aaaaaaaaaa" in text
    assert "| NEG | 94.00 | 91.00 | -3.00 | -2.00 min&#95;neg |" in text
    stopped = a_document(a_named_test(name, measured(94)), ended="interrupted", ran=2)
    assert "stopped before its end, 1 test short" in delta_page.markdown(compare(base, stopped), stopped, base)
    assert "<script" not in text
    assert "@org" not in text
    page = delta_page.page(compare(base, new), new, base)
    assert '<header class="bad">' in page
    assert "<script>alert" not in page


def test_long_comment() -> None:
    many = [f"test_{'x' * 200}_{number}" for number in range(60)]
    base, new = (a_document(*(a_named_test(name, each) for name in many)) for each in (measured(94), measured(93.5)))
    delta = compare(base, new)
    text = delta_page.markdown(delta, new, base)
    assert len(text) <= MOST_CHARACTERS
    assert text.count("| NEG |") == 25
    assert "35 more are left out here." in text
    assert "### Worse (60)" in text
    data = delta_page.data(delta, new, base)
    assert (len(data["worse"]), data["passed"]) == (60, True)
    place = dict.fromkeys(("run", "test", "clip"), "")
    assert {**data["worse"][0], **place} == {
        **place,
        "metric": "neg",
        "pool": "mean",
        "unit": "",
        "higher_is_better": True,
        "before": 94.0,
        "after": 93.5,
        "difference": -0.5,
        "gate": "min_neg",
        "margin": 0.5,
        "passed": True,
    }
