"""The scorer `vmaf`, with Netflix's tool where it is on PATH, and everywhere with a stand-in for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_vmaf.errors import MeasurementError, ModelError, PairError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.plugins import vmaf_cli
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.plugins.vmaf_cli import VmafCliScorer, pytest_vmaf_scorer
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import ModelRun, ScoreRequest, Source, Tools

pytestmark = pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="the scorer needs /dev/fd; this system has none")

NO_TOOL = "no `vmaf` on PATH; install libvmaf's tools (Netflix/vmaf) to run this against the real one"
#: A whole VMAF model, small enough to be written out: half adm and half vif, times 100.
SMALL_MODEL = {
    "model_dict": {
        "model": "svm_type nu_svr\nkernel_type linear\nnr_class 2\ntotal_sv 1\nrho 0\nSV\n1 1:50 2:50 \n",
        "model_type": "LIBSVMNUSVR",
        "norm_type": "none",
        "score_clip": [0.0, 100.0],
        "feature_names": ["VMAF_integer_feature_adm2_score", "VMAF_integer_feature_vif_scale0_score"],
    }
}


slow = pytest.mark.slow


@pytest.fixture(scope="session")
def reference(footage: Callable[..., Path]) -> Path:
    """A small lossless reference: 192x128, 12 frames at 25 frames/s."""
    return footage("192x128", 12)


@pytest.fixture(scope="session")
def encoded(reference: Path, encode: Callable[..., Path]) -> Path:
    """An honest encode of the reference."""
    return encode(reference, 28)


@pytest.fixture(scope="session")
def sharpened(reference: Path, encode: Callable[..., Path]) -> Path:
    """An encode whose default score was raised by a sharpening filter."""
    return encode(reference, 16, "unsharp=5:5:1.0")


def script(path: Path, *lines: str) -> str:
    """An executable that answers --version, and then does what the lines say."""
    version = 'case "$1" in --version) echo 0.0.0 >&2; exit 0;; esac'
    path.write_text("\n".join(["#!/bin/sh", version, *lines, ""]))
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="session")
def real() -> str:
    return shutil.which("vmaf") or pytest.skip(NO_TOOL)


@pytest.fixture(params=["standin", "real"])
def tool(request: pytest.FixtureRequest) -> str:
    path: str = request.getfixturevalue(request.param)
    return path


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: Path, encoded: Path) -> Iterator[list[Path]]:
    """Two clips whose paths no other process has. Afterwards no child, temporary file or descriptor may be left."""
    clips = [tmp_path / reference.name, tmp_path / encoded.name]
    for clip, original in zip(clips, (reference, encoded), strict=True):
        clip.symlink_to(original)
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temp))
    descriptors = os.listdir("/dev/fd")
    yield clips
    assert os.listdir("/dev/fd") == descriptors
    assert list(temp.iterdir()) == []
    assert running(str(tmp_path)) == []


def running(word: str) -> list[str]:
    """The command lines of all processes that have this word in them; empty where there is no /proc."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if word in line:
            lines.append(line)
    return lines


def run(tool: str, reference: Path | Clip, distorted: Path | Clip, **settings: object) -> Result:
    clips = [clip if isinstance(clip, Clip) else Clip(clip) for clip in (reference, distorted)]
    return measure(MeasureRequest(*clips, vmaf_bin=tool, **settings), VmafCliScorer())  # type: ignore[arg-type]


def assert_equal_to_the_ffmpeg_scorer(
    tool: str, reference: Path | Clip, distorted: Path | Clip, **settings: object
) -> Result:
    clips = [clip if isinstance(clip, Clip) else Clip(clip) for clip in (reference, distorted)]
    request = MeasureRequest(*clips, vmaf_bin=tool, **settings)  # type: ignore[arg-type]
    ours, other = measure(request, VmafCliScorer()), measure(request, FfmpegScorer())
    for name in ("vmaf", "neg", "gap", *other.features):
        assert ours[name].frames == pytest.approx(other[name].frames, abs=1e-3), name
    assert set(ours.features) == set(other.features)
    return ours


def test_hook() -> None:
    assert isinstance(pytest_vmaf_scorer(None, "vmaf"), VmafCliScorer)
    assert pytest_vmaf_scorer(None, "ffmpeg") is None


def test_capabilities(tool: str) -> None:
    can = VmafCliScorer().capabilities(Tools(find_ffmpeg(), tool))
    assert (can.name, can.bootstrap, can.reads_clips) == ("vmaf", True, True)
    assert can.version
    assert "\n" not in can.version


def test_score(tool: str, reference: Path, encoded: Path) -> None:
    result = assert_equal_to_the_ffmpeg_scorer(tool, reference, encoded)
    assert len(result.neg.frames) == 12
    assert result.gap > 0


@pytest.mark.slow
def test_score_raw_video(tool: str, make: Callable[..., Path], reference: Path, encoded: Path, tmp_path: Path) -> None:
    raw = [make("-i", path, "-f", "rawvideo", tmp_path / f"{path.stem}.yuv") for path in (reference, encoded)]
    clips = [Clip(path, width=192, height=128, pix_fmt="yuv420p", frame_rate=25) for path in raw]
    assert_equal_to_the_ffmpeg_scorer(tool, *clips)


# The other chroma formats, in two depths.
@slow
@pytest.mark.parametrize("pix_fmt", ["yuv422p10le", "yuv444p16le"])
def test_score_other_depths_and_chroma(
    tool: str, make: Callable[..., Path], reference: Path, tmp_path: Path, pix_fmt: str
) -> None:
    source = make("-i", reference, "-frames:v", 4, "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "source.mkv")
    blurred = make("-i", source, "-vf", "avgblur=2", "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "blurred.mkv")
    assert_equal_to_the_ffmpeg_scorer(tool, source, blurred, features=("psnr",))


@slow
def test_tags_unknown_to_the_tool(
    tool: str, make: Callable[..., Path], reference: Path, encoded: Path, tmp_path: Path
) -> None:
    tags = "setfield=tff,setparams=chroma_location=topleft"
    tagged = make("-i", encoded, "-vf", tags, "-c:v", "ffv1", tmp_path / "tagged.mkv")
    settings = {"features": ("psnr",), "allow": ("interlaced",)}
    result = assert_equal_to_the_ffmpeg_scorer(tool, reference, tagged, **settings)
    assert result["psnr_cb"] == pytest.approx(run(tool, reference, encoded, **settings)["psnr_cb"], abs=1e-9)


def test_score_features(tool: str, reference: Path, encoded: Path) -> None:
    features = ("psnr", "float_ssim", "xpsnr", "adm_neg", "vif", "motion")
    result = assert_equal_to_the_ffmpeg_scorer(tool, reference, encoded, features=features)
    columns = {"psnr_y", "psnr_cb", "psnr_cr", "float_ssim", "xpsnr_v", "integer_adm2_neg", "integer_motion2"}
    assert columns <= set(result.features)


def test_v1_of_a_smaller_encode(tool: str, footage: Callable[..., Path], encode: Callable[..., Path]) -> None:
    """The models' CAMBI and the feature are told the size and depth of the encode."""
    reference = footage("320x180", 3, 50)
    small = encode(reference, 28, "scale=288:162")
    result = assert_equal_to_the_ffmpeg_scorer(
        tool, reference, small, generation="v1", scale="bicubic", features=("cambi",)
    )
    assert "enc_width=288" in result.provenance["command"]


def test_scales_a_smaller_encode(tool: str, reference: Path, encode: Callable[..., Path]) -> None:
    assert_equal_to_the_ffmpeg_scorer(tool, reference, encode(reference, 24, "scale=96:64"), scale="bicubic")


def test_score_one_small_frame(tool: str, make: Callable[..., Path], reference: Path, tmp_path: Path) -> None:
    # Both decoders are then gone before the tool has opened anything.
    small = make("-i", reference, "-vf", "scale=128:72", "-frames:v", 1, tmp_path / "small.y4m")
    assert len(run(tool, small, small).vmaf.frames) == 1


@slow
def test_above_100(tool: str, reference: Path, sharpened: Path) -> None:
    request = MeasureRequest(Clip(reference), Clip(sharpened), vmaf_bin=tool)
    ours, other = measure(request, VmafCliScorer()), measure(request, FfmpegScorer())
    assert [frame for frame, *_ in ours.above_100.frames] == [frame for frame, *_ in other.above_100.frames]


def golden_rows() -> list[tuple[int, str]]:
    # The stand-in's libvmaf is the ffmpeg scorer's, which scores all rows in test_golden.
    return [(0, "standin"), *((number, "real") for number in range(8))]


@slow
@pytest.mark.parametrize(("number", "which"), golden_rows())
def test_published_scores(request: pytest.FixtureRequest, golden: Path, number: int, which: str) -> None:
    tool = request.getfixturevalue(which)
    row = json.loads((golden / "golden.json").read_text())["scores"][number]
    raw = row["reference"].endswith(".yuv")
    geometry = {key: row[key] for key in ("width", "height", "pix_fmt")} if raw else {}
    clips = [
        Clip(golden / row[which], frame_rate=row.get("frame_rate"), **geometry) for which in ("reference", "distorted")
    ]
    # Netflix scaled one pair to another shape.
    result = run(tool, *clips, model=row["model"], scale=row.get("scale"), allow=("display",))
    score = result.neg if row["model"].endswith("neg") else result.vmaf
    assert (score if row["clip_scores"] else score.unclipped) == pytest.approx(row["published"], abs=1e-3)


@pytest.fixture(scope="session")
def short(reference: Path, make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first six frames of the reference. The other six do not fit into a pipe."""
    output = tmp_path_factory.mktemp("short") / "short.mkv"
    return make("-i", reference, "-frames:v", 6, "-c:v", "ffv1", output)


def test_one_frame_missing(tool: str, footage: Callable[..., Path], make: Callable[..., Path], tmp_path: Path) -> None:
    # The frame fits into a pipe.
    whole = footage("64x64", 6)
    shorter = make("-i", whole, "-frames:v", 5, "-c:v", "ffv1", tmp_path / "short.mkv")
    with pytest.raises(PairError, match=r"6 frames .* reference, 5 .*\(1 more in the reference\)"):
        run(tool, whole, shorter)


@slow
def test_shorter_distorted(tool: str, reference: Path, short: Path) -> None:
    with pytest.raises(PairError, match=r"12 frames .* reference, 6 .*\(6 more in the reference\)"):
        run(tool, reference, short)


def test_shorter_reference(tool: str, reference: Path, short: Path) -> None:
    with pytest.raises(PairError, match=r"6 frames .* reference, 12 .*\(6 more in the distorted clip\)"):
        run(tool, short, reference)


def test_frames_after_filters(tool: str, reference: Path) -> None:
    cut = "trim=start_frame={}:end_frame={},settb=AVTB,setpts=N"
    log = VmafCliScorer().score(request_for(tool, reference, reference, cut.format(2, 10), cut.format(2, 10)))
    assert (log.reference_frames, log.distorted_frames, len(log.columns["vmaf"])) == (8, 8, 8)
    with pytest.raises(PairError, match="12 frames in the reference, 8 in the distorted clip"):
        VmafCliScorer().score(request_for(tool, reference, reference, distorted=cut.format(2, 10)))


def request_for(
    tool: str,
    reference_clip: Path,
    distorted_clip: Path,
    reference: str = "settb=AVTB,setpts=N",
    distorted: str = "settb=AVTB,setpts=N",
    model: str = "vmaf_v0.6.1",
) -> ScoreRequest:
    return ScoreRequest(
        reference=Source(Clip(reference_clip), reference),
        distorted=Source(Clip(distorted_clip), distorted),
        width=192,
        height=128,
        pix_fmt="yuv420p",
        models=(ModelRun("vmaf", version=model),),
        features=(),
        columns=("vmaf",),
        tools=Tools(find_ffmpeg(), tool),
        timeout=60,
    )


def test_align(tool: str, reference: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    chain = "trim=start_frame=3,setpts=PTS-STARTPTS"
    late = make("-i", reference, "-vf", chain, "-c:v", "libx264", "-crf", 20, tmp_path / "late.mkv")
    assert len(run(tool, reference, late, align=True).neg.frames) == 9


def test_progress_to_the_last_frame(tool: str, reference: Path, encoded: Path) -> None:
    counts: list[int] = []
    VmafCliScorer().score(replace(request_for(tool, reference, encoded), progress=counts.append))
    assert counts[-1] == 12
    assert counts == sorted(counts)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the command is written for bash")
def test_command_repeats_the_run(tool: str, reference: Path, encoded: Path, tmp_path: Path) -> None:
    result = run(tool, reference, encoded)
    command = result.vmaf.context.provenance["command"]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert f'mean="{result.vmaf.unclipped:.6f}' in (tmp_path / "log.xml").read_text()


def test_model_by_path(tool: str, marked: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "models: new = old" / "half of: both.json"
    path.parent.mkdir()
    path.write_text(json.dumps(SMALL_MODEL))
    result = assert_equal_to_the_ffmpeg_scorer(tool, *marked, model=str(path))
    assert 0 < float(result.neg) < float(result.vmaf) < 100


def test_bootstrap_interval(real: str, reference: Path, encoded: Path) -> None:
    result = run(real, reference, encoded, model="vmaf_b_v0.6.3")
    for twin in ("vmaf", "neg"):
        low, middle, high = (float(result[f"{twin}_{part}"]) for part in ("ci_p95_lo", "bagging", "ci_p95_hi"))
        assert 0 < low < middle < high
        assert low < float(result[twin]) < high
        assert result[f"{twin}_stddev"] > 0
    assert result.gap > 0


def test_bootstrap_refused_by_ffmpeg_scorer(reference: Path, encoded: Path) -> None:
    with pytest.raises(ModelError, match=r"confidence interval.*--vmaf-scorer=vmaf"):
        measure(MeasureRequest(Clip(reference), Clip(encoded), model="vmaf_b_v0.6.3"), FfmpegScorer())


def test_system_without_dev_fd(
    standin: str, reference: Path, encoded: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(vmaf_cli, "FD_FOLDER", str(tmp_path / "none"))
    with pytest.raises(ScorerError, match="--vmaf-scorer=ffmpeg"):
        run(standin, reference, encoded)


def test_missing_tool(reference: Path, encoded: Path) -> None:
    with pytest.raises(ScorerError, match="'no-such-vmaf' does not exist") as error:
        run("no-such-vmaf", reference, encoded)
    for word in ("--vmaf-bin", "libvmaf", "--vmaf-scorer=ffmpeg"):
        assert word in str(error.value)


def test_other_program_of_that_name(tmp_path: Path, reference: Path, encoded: Path) -> None:
    other = tmp_path / "vmaf"
    other.write_text("#!/bin/sh\necho unknown option >&2; exit 2\n")
    other.chmod(0o755)
    with pytest.raises(ScorerError, match=r"does not answer --version[\s\S]*exit code 2[\s\S]*--vmaf-bin"):
        run(str(other), reference, encoded)


def test_unknown_model(tool: str, reference: Path, encoded: Path) -> None:
    with pytest.raises(ScorerError, match=r"cannot load one of the models vmaf_v0\.0\.0[\s\S]*command: "):
        VmafCliScorer().score(request_for(tool, reference, encoded, model="vmaf_v0.0.0"))


FAILURES = {
    "exits with 1 at once": (["echo no good >&2", "exit 1"], r"failed[\s\S]*exit code 1[\s\S]*no good"),
    "exits with 1 at the end": (['cat "$2" "$4" >/dev/null', "exit 1"], r"failed[\s\S]*exit code 1"),
    "crashes at once": (["kill -SEGV $$"], r"crashed[\s\S]*killed by SIGSEGV"),
    "crashes at the end": (['cat "$2" "$4" >/dev/null', "kill -ABRT $$"], r"crashed[\s\S]*killed by SIGABRT"),
    "is killed": (["kill -KILL $$"], r"crashed[\s\S]*killed by SIGKILL"),
    "leaves no log at once": (["exit 0"], r"wrote no log"),
    "leaves no log at the end": (['cat "$2" "$4" >/dev/null', "exit 0"], r"wrote no log"),
    "leaves half a log": (
        ['cat "$2" "$4" >/dev/null', "echo '<VMAF version=\"1\"><frames>' >log.xml"],
        "not a complete libvmaf log",
    ),
    "lacks a feature": (
        ["echo 'problem loading feature extractor: float_adm' >&2", "exit 1"],
        "lacks the feature extractor float_adm",
    ),
    "stops early but well": (
        ['head -c 200000 "$2" >/dev/null', 'head -c 200000 "$4" >/dev/null', "echo '<VMAF/>' >log.xml"],
        "before it had read both clips",
    ),
    "reads one clip only": (['cat "$2" >/dev/null', "echo '<VMAF/>' >log.xml"], "before it had read both clips"),
}


@pytest.mark.parametrize("how", FAILURES)
def test_failing_tool(how: str, tmp_path: Path, marked: list[Path]) -> None:
    lines, message = FAILURES[how]
    begin = time.monotonic()
    with pytest.raises(ScorerError, match=message) as error:
        VmafCliScorer().score(request_for(script(tmp_path / "vmaf", *lines), *marked))
    if how != "leaves half a log":
        assert f"command: {tmp_path / 'vmaf'} -r /dev/fd/" in str(error.value)
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    ("size", "pix_fmt", "is_odd"),
    [
        ("191x128", "yuv420p", True),
        ("192x127", "yuv420p10le", True),
        ("191x128", "yuv422p", True),
        ("192x127", "yuv422p", False),
        ("191x127", "yuv444p", False),
    ],
)
def test_tool_that_crashes_on_odd_sizes(size: str, pix_fmt: str, is_odd: bool, tmp_path: Path, reference: Path) -> None:
    """As Netflix's tool does since 3.2.0."""
    tool = script(tmp_path / "vmaf", 'echo "Error reading YUV frame data." >&2', "kill -SEGV $$")
    width, height = map(int, size.split("x"))
    chain = f"scale={width}:{height},format={pix_fmt}"
    request = request_for(tool, reference, reference, chain, chain)
    with pytest.raises(ScorerError, match="killed by SIGSEGV") as error:
        VmafCliScorer().score(replace(request, width=width, height=height, pix_fmt=pix_fmt))
    assert (f"failed on {size} in {pix_fmt}" in str(error.value)) is is_odd
    assert ("too small" not in str(error.value)) is is_odd
    assert ("--vmaf-scorer=ffmpeg" in str(error.value)) is is_odd


# It has a child of its own, with a path in its command line by which it is found if it is left behind.
HANGS = ['touch "$0.started"', "sh -c 'sleep 300; :' \"$0\""]


@pytest.mark.slow
def test_hanging_tool(tmp_path: Path, marked: list[Path]) -> None:
    with pytest.raises(ScorerError, match=r"time limit of 1\.5 s[\s\S]*command: \S+vmaf -r /dev/fd"):
        run(script(tmp_path / "vmaf", *HANGS), *marked, timeout=1.5)
    assert (tmp_path / "vmaf.started").exists()


def test_ctrl_c_stops_everything(tmp_path: Path, marked: list[Path]) -> None:
    def interrupt() -> None:
        while not (tmp_path / "vmaf.started").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    tool = script(tmp_path / "vmaf", *HANGS)
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(tool, *marked, timeout=60)
    thread.join()


@pytest.mark.parametrize("broken", ["reference", "distorted"])
def test_failing_decoder(tool: str, marked: list[Path], broken: str) -> None:
    request = request_for(tool, *marked, **{broken: "crop=5000:5000"})
    with pytest.raises(ScorerError, match=rf"could not decode the {broken}[\s\S]*Invalid too big"):
        VmafCliScorer().score(request)


def test_damaged_clip(tool: str, marked: list[Path], make: Callable[..., Path], tmp_path: Path) -> None:
    whole = make("-i", marked[0], "-c:v", "libx264", "-crf", 10, "-g", 4, tmp_path / "whole.mkv")
    data = bytearray(whole.read_bytes())
    middle = len(data) * 3 // 4
    data[middle : middle + 3000] = bytes(range(250)) * 12
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(data)
    with pytest.raises(MeasurementError, match=r"damaged\.mkv is (cut off or )?damaged"):
        run(tool, marked[0], damaged)


def test_size_change_within_clip(tool: str, reference: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    # As later than the frames that are inspected first.
    parts = [
        make("-i", reference, "-frames:v", count, "-s", size, "-c:v", "libx264", tmp_path / f"{size}.h264")
        for size, count in (("192x128", 8), ("96x64", 4))
    ]
    joined = tmp_path / "joined.h264"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(ScorerError, match="changes at frame 8, from 192x128 to 96x64"):
        VmafCliScorer().score(request_for(tool, reference, joined))


def test_arguments(reference: Path) -> None:
    model = ModelRun("neg", version="vmaf_v0.6.1", overrides=(("adm.adm_enhn_gain_limit", "1"),), transform=True)
    request = replace(request_for("vmaf", reference, reference), models=(model,), features=("psnr",), threads=3)
    argv = vmaf_cli.arguments("vmaf", request, {model: ""}, "r", "d")
    options = "version=vmaf_v0.6.1:name=neg:disable_clip=true:enable_transform=true:adm.adm_enhn_gain_limit=1"
    assert argv[argv.index("--model") + 1] == options
    assert argv[argv.index("--feature") + 1] == "psnr"
    assert argv[argv.index("--threads") + 1] == "3"
    with pytest.raises(ScorerError, match="cannot read rgb24"):
        vmaf_cli.arguments("vmaf", replace(request, pix_fmt="rgb24"), {model: ""}, "r", "d")
