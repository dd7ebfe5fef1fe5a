"""The scorer `pyav`, with PyAV where it is installed, and everywhere with stand-ins for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from plugins.test_vmaf_cli import SMALL_MODEL
from pytest_vmaf.api.vmaf import Vmaf
from pytest_vmaf.errors import MeasurementError, PairError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.plugins import pyav
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.plugins.pyav import PyavScorer, pytest_vmaf_scorer
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import ModelRun, RepeatableScorer, ScoreRequest, Source, Tools

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the scorer hands pipes down; run on Linux or macOS")

installed = pytest.mark.skipif(
    find_spec("av") is None, reason="PyAV is not installed; pip install 'pytest-vmaf[pyav]' in Python 3.12 or later"
)
every_python = pytest.mark.every_python
slow = pytest.mark.slow
PAIRS = "settb=AVTB,setpts=N"


@pytest.fixture(scope="session")
def reference(footage: Callable[..., Path]) -> Path:
    """A small lossless reference: 192x128, 12 frames at 25 frames/s."""
    return footage("192x128", 12)


@pytest.fixture(scope="session")
def encoded(reference: Path, encode: Callable[..., Path]) -> Path:
    """An honest encode of the reference."""
    return encode(reference, 28)


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """stub("18.0.0"): an `av` of this version, without libvmaf, in place of any other."""

    def write(version: str, *lines: str) -> Path:
        folder = tmp_path / "site" / "av"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("\n".join([*lines, f"__version__ = {version!r}", ""]))
        (folder / "filter.py").write_text("filters_available = {'scale', 'ssim'}\n")
        monkeypatch.syspath_prepend(folder.parent)
        return folder.parent

    return write


def request_for(reference: Path, distorted: Path, chain: str = PAIRS, **changes: object) -> ScoreRequest:
    request = ScoreRequest(
        reference=Source(Clip(reference), chain),
        distorted=Source(Clip(distorted), chain),
        width=192,
        height=128,
        pix_fmt="yuv420p",
        models=(ModelRun("vmaf", version="vmaf_v0.6.1"),),
        features=(),
        columns=("vmaf",),
        tools=Tools(find_ffmpeg()),
        timeout=60,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def assert_equal_to_the_ffmpeg_scorer(reference: Path | Clip, distorted: Path | Clip, **settings: object) -> Result:
    clips = [clip if isinstance(clip, Clip) else Clip(clip) for clip in (reference, distorted)]
    request = MeasureRequest(*clips, **settings)  # type: ignore[arg-type]
    ours, other = measure(request, PyavScorer()), measure(request, FfmpegScorer())
    assert set(ours.features) == set(other.features)
    for name in ("vmaf", "neg", "gap", *other.features):
        assert ours[name].frames == pytest.approx(other[name].frames, abs=1e-6), name
    return ours


def test_hook() -> None:
    assert isinstance(pytest_vmaf_scorer(None, "pyav"), PyavScorer)
    assert pytest_vmaf_scorer(None, "ffmpeg") is None


def test_repeatable() -> None:
    assert isinstance(PyavScorer(), RepeatableScorer)


# The rest of the processor's functions are tried by every real test.
@installed
@every_python
def test_capabilities(ffmpeg: str) -> None:
    can = PyavScorer().capabilities(Tools(find_ffmpeg()))
    assert (can.name, can.bootstrap, can.reads_clips) == ("pyav", False, True)
    assert int(can.version.partition(".")[0]) >= 19
    programs = PyavScorer().programs(Tools(find_ffmpeg()))
    assert programs[:2] == (ffmpeg, sys.executable)
    assert any("vmaf" in Path(program).name for program in programs[2:])


@installed
@every_python
def test_score(reference: Path, encoded: Path, temp: Path) -> None:
    features = ("float_ssim", "psnr_hvs")
    result = assert_equal_to_the_ffmpeg_scorer(reference, encoded, features=features)
    assert (len(result.neg.frames), result.provenance["scorer"]) == (12, "pyav")
    assert result.gap > 0
    assert {"float_ssim", "psnr_hvs", "psnr_y"} <= set(result.features)
    assert list(temp.iterdir()) == []


# At this width libvmaf 3.2 is off by 0.3 points with AVX2.
@installed
@every_python
def test_width_that_avx2_scores_wrong(make: Callable[..., Path], reference: Path, tmp_path: Path) -> None:
    narrow = make("-i", reference, "-vf", "scale=144:100", "-frames:v", 4, tmp_path / "narrow.y4m")
    blurred = make("-i", narrow, "-vf", "avgblur=1,noise=alls=20:all_seed=1", tmp_path / "blurred.y4m")
    assert_equal_to_the_ffmpeg_scorer(narrow, blurred)


@installed
@every_python
def test_v1_in_10_bits(footage: Callable[..., Path], encode: Callable[..., Path]) -> None:
    """The models' CAMBI and the feature are told the size and depth of the encode."""
    source = footage("320x240", 3, 50)
    small = encode(source, 28, "scale=288:216")
    result = assert_equal_to_the_ffmpeg_scorer(source, small, generation="v1", scale="bicubic", features=("cambi",))
    assert "--pix-fmt yuv420p10le" in result.provenance["command"]
    assert "enc_width=288" in result.provenance["command"]


@installed
@slow
@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p", "yuv444p12le", "yuv420p16le"])
def test_score_other_depths_and_chroma(
    make: Callable[..., Path], reference: Path, tmp_path: Path, pix_fmt: str
) -> None:
    source = make("-i", reference, "-frames:v", 4, "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "source.mkv")
    blurred = make("-i", source, "-vf", "avgblur=2", "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "blurred.mkv")
    assert_equal_to_the_ffmpeg_scorer(source, blurred, features=("psnr", "float_ssim"))


@installed
@slow
def test_odd_size(make: Callable[..., Path], reference: Path, tmp_path: Path) -> None:
    source = make("-i", reference, "-frames:v", 4, "-vf", "crop=191:127:0:0:exact=1", tmp_path / "odd.y4m")
    blurred = make("-i", source, "-vf", "avgblur=2", tmp_path / "blurred.y4m")
    assert_equal_to_the_ffmpeg_scorer(source, blurred)


@installed
@slow
def test_part_and_regions(reference: Path, encoded: Path) -> None:
    whole = measure(MeasureRequest(Clip(reference), Clip(encoded)), FfmpegScorer())
    part = [Clip(path, start=4, frames=5) for path in (reference, encoded)]
    assert measure(MeasureRequest(*part), PyavScorer()).neg.frames == pytest.approx(whole.neg.frames[4:9], abs=1e-6)
    regions = {"left": (0, 0, 96, 128), "corner": (96, 64, 90, 60)}
    results = [Vmaf(scorer=name).score(reference, encoded, regions=regions) for name in ("ffmpeg", "pyav")]
    for region in regions:
        ours, other = (result.regions[region].neg.frames for result in results)
        assert ours == pytest.approx(other, abs=1e-6)


@installed
@slow
def test_model_by_path(make: Callable[..., Path], reference: Path, encoded: Path, tmp_path: Path) -> None:
    path = tmp_path / "models: new = old" / "half of: both.json"
    path.parent.mkdir()
    path.write_text(json.dumps(SMALL_MODEL))
    result = assert_equal_to_the_ffmpeg_scorer(reference, encoded, model=str(path))
    assert 0 < float(result.neg) < float(result.vmaf) < 100


@installed
@every_python
def test_cached(reference: Path, encoded: Path, tmp_path: Path) -> None:
    vmaf = Vmaf(scorer="pyav", cache_dir=tmp_path / "cache", signs=False)
    first, second = (vmaf.score(reference, encoded) for _ in range(2))
    assert not first.provenance["cached"]
    assert second.provenance["cached"]
    assert second.neg.frames == first.neg.frames


@installed
@slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="the command is written for bash")
def test_command_repeats_the_run(reference: Path, encoded: Path, tmp_path: Path) -> None:
    result = measure(MeasureRequest(Clip(reference), Clip(encoded)), PyavScorer())
    command = result.provenance["command"]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert f'mean="{result.vmaf.unclipped:.6f}' in (tmp_path / "log.xml").read_text()


@installed
@every_python
def test_lengths(make: Callable[..., Path], reference: Path, tmp_path: Path) -> None:
    short = make("-i", reference, "-frames:v", 5, "-c:v", "ffv1", tmp_path / "short.mkv")
    with pytest.raises(PairError, match=r"12 frames .* reference, 5 .*\(7 more in the reference\)"):
        PyavScorer().score(request_for(reference, short))
    with pytest.raises(PairError, match=r"5 frames .* reference, 12 .*\(7 more in the distorted clip\)"):
        PyavScorer().score(request_for(short, reference))
    with pytest.raises(ScorerError, match="No frame was decoded"):
        PyavScorer().score(request_for(reference, reference, f"trim=start_frame=99,{PAIRS}"))


REFUSALS = {
    "tiny frames": ({"chain": f"scale=16:16,{PAIRS}", "width": 16, "height": 16}, r"crashed[\s\S]*SIGSEGV"),
    "unknown model": ({"models": (ModelRun("vmaf", version="vmaf_v0.0.0"),)}, r"lacks one of the models vmaf_v0\.0\.0"),
    "small frames of v1": (
        {"models": (ModelRun("vmaf", version="vmaf_v1.0.16_3d0h"),)},
        "could not compute them for frames of 192x128",
    ),
    "another size": ({"width": 190}, "A clip ends within frame"),
    "another format": ({"pix_fmt": "gbrp"}, "cannot read gbrp"),
    "failing filter": (
        {"chain": "crop=5000:5000"},
        r"could not decode the (reference|distorted clip)[\s\S]*Invalid too big",
    ),
}


@installed
@every_python
@pytest.mark.parametrize("what", REFUSALS)
def test_refusals(what: str, reference: Path, temp: Path) -> None:
    changes, message = REFUSALS[what]
    with pytest.raises(ScorerError, match=message):
        PyavScorer().score(request_for(reference, reference, **changes))  # type: ignore[arg-type]
    assert list(temp.iterdir()) == []


@installed
@slow
def test_damaged_clip(make: Callable[..., Path], reference: Path, tmp_path: Path) -> None:
    whole = make("-i", reference, "-c:v", "libx264", "-crf", 10, "-g", 4, tmp_path / "whole.mkv")
    data = bytearray(whole.read_bytes())
    middle = len(data) * 3 // 4
    data[middle : middle + 3000] = bytes(range(250)) * 12
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(data)
    with pytest.raises(MeasurementError, match=r"damaged\.mkv is (cut off or )?damaged"):
        measure(MeasureRequest(Clip(reference), Clip(damaged)), PyavScorer())


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyav, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "version_info", (3, 11, 9))
    with pytest.raises(
        ScorerError, match=r"not installed\. This is Python 3\.\d+\.\d+\.\n.*pytest-vmaf\[pyav\]'"
    ) as error:
        PyavScorer().capabilities(Tools(find_ffmpeg()))
    assert "--vmaf-scorer=ffmpeg" in str(error.value)
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    with pytest.raises(ScorerError, match=r"which is not installed\.\n"):
        PyavScorer().capabilities(Tools(find_ffmpeg()))


def test_version_without_libvmaf(stub: Callable[[str], Path]) -> None:
    folder = stub("18.0.0")
    with pytest.raises(ScorerError, match=r"PyAV 18\.0\.0 in .*site was built without libvmaf") as error:
        PyavScorer().capabilities(Tools(find_ffmpeg()))
    assert "version 19" in str(error.value)
    assert str(folder) in str(error.value)
    # Its libraries are unknown, so nothing of it is cached.
    assert PyavScorer().programs(Tools(find_ffmpeg())) == ()


def test_other_module_of_that_name(stub: Callable[..., Path]) -> None:
    stub("1.0", "import this_is_not_there")
    with pytest.raises(ScorerError, match=r"cannot be used\.[\s\S]*No module named 'this_is_not_there'"):
        PyavScorer().capabilities(Tools(find_ffmpeg()))


READ_ALL = "import os, sys; files = [open(int(name), 'rb') for name in sys.argv if name.isdigit()]\n"
READ_ALL += "while any([file.read(9999) for file in files]): pass\n"
FAILURES = {
    "exits with 1 at once": (
        "print('no good', file=sys.stderr); sys.exit(1)",
        r"failed[\s\S]*exit code 1[\s\S]*no good",
    ),
    "lacks a feature": (
        "sys.exit('problem during vmaf_use_feature: float_psnr')",
        r"lacks the feature float_psnr\. .*, or psnr in its place",
    ),
    "crashes at once": ("os.kill(os.getpid(), 11)", r"crashed[\s\S]*killed by SIGSEGV"),
    "is killed at the end": (READ_ALL + "os.kill(os.getpid(), 9)", r"crashed[\s\S]*killed by SIGKILL"),
    "leaves no log": (READ_ALL, "wrote no log"),
    "leaves half a log": (
        READ_ALL + "open('log.xml', 'w').write('<VMAF version=\"1\"><frames>')",
        "not a complete libvmaf log",
    ),
    "cannot be stopped early": ("import time; time.sleep(300)", "time limit of 1.5 s"),
}


@pytest.mark.parametrize("how", FAILURES)
def test_failing_program(
    how: str, stub: Callable[[str], Path], reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temp: Path
) -> None:
    stub("19.0.0")
    lines, message = FAILURES[how]
    monkeypatch.setattr(pyav, "PROGRAM", tmp_path / "program.py")
    (tmp_path / "program.py").write_text(f"import os, sys\n{lines}\n")
    descriptors = os.listdir("/dev/fd")
    begin = time.monotonic()
    with pytest.raises(ScorerError, match=message):
        PyavScorer().score(request_for(reference, reference, timeout=1.5 if "stopped" in how else 60))
    assert time.monotonic() - begin < 20
    assert os.listdir("/dev/fd") == descriptors
    assert list(temp.iterdir()) == []
    assert running(str(tmp_path)) == []


def running(word: str) -> list[str]:
    """The command lines of all processes that have this word in them; empty where there is no /proc."""
    return [line for line in _command_lines() if word in line]


def _command_lines() -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue


def test_ctrl_c_stops_everything(
    stub: Callable[[str], Path], reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub("19.0.0")
    monkeypatch.setattr(pyav, "PROGRAM", tmp_path / "program.py")
    (tmp_path / "program.py").write_text(f"import time\nopen({str(tmp_path / 'began')!r}, 'w')\ntime.sleep(300)\n")

    def interrupt() -> None:
        while not (tmp_path / "began").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        PyavScorer().score(request_for(reference, reference))
    thread.join()
    assert running(str(tmp_path)) == []
