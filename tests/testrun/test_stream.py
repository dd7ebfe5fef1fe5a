"""Streams in tests: the marker, the ini file, the command line, and the digest in a baseline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., pytest.RunResult]

HEAD = "import pytest\n"


@pytest.fixture
def out(pytester: pytest.Pytester, stream_encode: Callable[[str], Path]) -> Path:
    """An encode in the folder of the tests."""
    return Path(shutil.copy(stream_encode("x264-open.mp4"), pytester.path / "out.mp4"))


def test_layers(run: Run, out: Path, pytester: pytest.Pytester) -> None:
    """Gates and expectations of marker, command line and ini file apply to vmaf.stream; the nearest one wins."""
    pytester.makeini("[pytest]\nvmaf_gates =\n    max_size=10\n    max_keyframe_distance=10\n    min_neg=99\n")
    pytester.makepyfile(
        HEAD + "@pytest.mark.vmaf(max_size=1e6, stream={'codec': 'h264', 'closed_gop': True})\n"
        "def test_it(vmaf):\n    vmaf.stream('out.mp4', max_keyframe_distance=12)\n"
        "def test_taken_back(vmaf):\n    vmaf.stream('out.mp4', closed_gop=None)\n"
    )
    result = run("--vmaf-gate=max_bitrate=1e9")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*GateViolation: a GOP is open, and closed ones are required (1 of 5 gates failed)"])
    result.stdout.fnmatch_lines(["*key frame distance 12 > 10 frames*(2 of 3 gates failed)"])


def test_never_checked(run: Run, out: Path, pytester: pytest.Pytester) -> None:
    """An expectation of the marker that nothing read is no pass."""
    pytester.makepyfile(
        HEAD + "from pytest_vmaf import FakeScorer\n"
        "@pytest.mark.vmaf(stream={'closed_gop': True})\n"
        "def test_it(vmaf):\n    vmaf.self_score('out.mp4', scorer=FakeScorer())\n    vmaf.records[0]['gated'] = True\n"
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stream closed_gop (marker) was never checked*"])


CHECK = "vmaf.check('out.mp4', 'out.mp4', scorer=FAKE, allow='same', "


@pytest.mark.parametrize("call", ["vmaf.stream('out.mp4', ", pytest.param(CHECK, marks=pytest.mark.slow)])
def test_bitstream(call: str, run: Run, out: Path, pytester: pytest.Pytester) -> None:
    """The digest is written with a baseline, compared with it, and accepted anew."""
    expected = "bitstream='same'" if "stream" in call else "stream={'bitstream': 'same'}"
    pytester.makepyfile(
        test_it="from pytest_vmaf import FakeScorer\nFAKE = FakeScorer(vmaf=95, neg=93)\n"
        f"def test_it(vmaf):\n    {call}baseline=True, {expected})\n"
    )
    first = run("--vmaf-gate=max_keyframe_distance=999")
    first.assert_outcomes(failed=1)
    first.stdout.no_fnmatch_line("*not made by vmaf.check*")
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    [entry] = json.loads((pytester.path / "__vmaf__" / "test_it.json").read_text())["tests"]["test_it"].values()
    assert entry["bitstream"]["packets"] == 30
    run().assert_outcomes(passed=1)
    # One bit of the thirteenth packet, where only a decoder would see it.
    data = bytearray(out.read_bytes())
    data[data.find(b"mdat") + 4000] ^= 1
    out.write_bytes(data)
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*GateViolation: *bitstream is not the baseline's (1 of * gates failed)"])
    result.stdout.fnmatch_lines(["*first difference: packet * (about 0:00.*); 30 packets in the baseline, 30 now"])
    result.stdout.fnmatch_lines(["*if the change is intended, accept it: *--vmaf-baseline-update=changed"])
    result.stdout.fnmatch_lines(["FAILED * not as expected  bitstream  test_it (out.mp4)"])
    run("--vmaf-baseline-update=changed").assert_outcomes(passed=1)
    run().assert_outcomes(passed=1)


@pytest.mark.slow
def test_no_digest(run: Run, out: Path, pytester: pytest.Pytester) -> None:
    """A baseline that was written without a digest does not pass for one."""
    test = "from pytest_vmaf import FakeScorer\n\ndef test_it(vmaf):\n    vmaf.check('out.mp4', 'out.mp4', "
    test += "allow='same', scorer=FakeScorer(vmaf=95, neg=93), baseline=True"
    pytester.makepyfile(test_it=f"{test})\n")
    run("--vmaf-baseline-update=missing").assert_outcomes(passed=1)
    pytester.makepyfile(test_it=f"{test}, stream={{'bitstream': 'same'}})\n")
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*GateViolation: the baseline contains no digest of the packets*"])


@pytest.mark.slow
def test_report(run: Run, out: Path, pytester: pytest.Pytester) -> None:
    """The stream and its expectations are in the report, and report-only mode applies to them."""
    pytester.makepyfile("def test_it(vmaf):\n    vmaf.stream('out.mp4', codec='hevc', max_size=1)\n")
    result = run("--vmaf-report-only", "--vmaf-json=r.json", "--vmaf-html=r.html")
    assert result.ret == 0
    page = (pytester.path / "r.html").read_text()
    assert "codec is h264, not hevc" in page
    assert "H.264 High@" in page
    [measurement] = json.loads((pytester.path / "r.json").read_text())["tests"][0]["measurements"]
    assert measurement["would_fail"] is True
    assert measurement["stream"]["codec"] == "h264"
