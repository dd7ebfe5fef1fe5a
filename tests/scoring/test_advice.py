"""VMAF v1 as Netflix advises: the model for high frame rates, 10 bit, CAMBI at the size and depth of the encode."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import Vmaf
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.models import model_names, resolve_model
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result

V1, HFR = "vmaf_v1.0.16_3d0h", "vmaf_v1.0.16_hfr_3d0h"
IN_10_BIT = "settb=AVTB,setpts=N,format=yuv420p10le"


@pytest.fixture(scope="session")
def fast(footage: Callable[..., Path]) -> Path:
    """Four frames at 50 frames/s, of a size that VMAF v1 can score."""
    return footage("320x180", 4, 50)


@pytest.fixture(scope="session")
def coded(fast: Path, encode: Callable[..., Path]) -> Path:
    """An encode of it."""
    return encode(fast, 30)


@pytest.fixture(scope="session")
def small(fast: Path, encode: Callable[..., Path]) -> Path:
    """An encode of it at a smaller size."""
    return encode(fast, 24, "scale=240:136")


def notes(result: Result) -> str:
    return "\n".join(result.provenance["notes"])


def prepared(reference: Clip, distorted: Clip, **settings: Any) -> PreparedScoring:
    """What a score would measure."""
    return prepare(MeasureRequest(reference, distorted, **settings), FfmpegScorer())


# The model for high frame rates


@pytest.mark.parametrize("name", [name for name in model_names() if "v1.0.16_" in name and "_hfr_" not in name])
def test_twin_of_every_model(name: str) -> None:
    twin = name.replace("16_", "16_hfr_")
    assert twin in model_names()
    # A model that is named is taken as it is.
    for each in (name, twin):
        pair = resolve_model(each, width=1920, height=1080, frame_rate=Fraction(60))
        assert pair.neg.version == each
        assert not pair.follows_advice


@pytest.mark.parametrize(
    ("rate", "is_high"),
    [(None, False), (0, False), (25, False), (Fraction(46999, 1000), False), (47, True), (50, True), (120, True)],
)
@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"width": 1920, "height": 1080}, "3d0h"),
        ({"width": 3840, "height": 2160}, "1d5h_2160"),
        ({"width": 1920, "height": 1080, "phone": True}, "5d0h"),
    ],
)
def test_model_of_a_frame_rate(settings: dict[str, int], name: str, rate: Fraction | None, is_high: bool) -> None:
    pair = resolve_model(generation="v1", frame_rate=rate, **settings)  # type: ignore[arg-type]
    assert pair.neg.version == f"vmaf_v1.0.16_{'hfr_' if is_high else ''}{name}"
    assert pair.follows_advice


def test_v0_has_no_advice() -> None:
    pair = resolve_model(width=1920, height=1080, frame_rate=Fraction(60))
    assert pair.neg.version == "vmaf_v0.6.1neg"
    assert not pair.follows_advice


def test_park_joy(bunny: Path, make: Callable[..., Path], tmp_path: Path, score: Callable[..., Result]) -> None:
    reference = bunny.parent / "park_joy_420_720p50_frm0to9_480x270.y4m"
    distorted = make("-i", reference, "-c:v", "libx264", "-crf", 28, tmp_path / "crf28.mp4")
    advised, plain = score(reference, distorted, generation="v1"), score(reference, distorted, model=V1)
    assert (float(advised.neg), float(plain.neg)) == (pytest.approx(82.06, abs=0.05), pytest.approx(77.64, abs=0.05))
    assert (advised.provenance["neg_model"], advised.provenance["pix_fmt"]) == (HFR, "yuv420p10le")
    assert (plain.provenance["neg_model"], plain.provenance["pix_fmt"]) == (V1, "yuv420p")
    assert "the model for 47 frames/s and more is taken (these are 50)" in notes(advised)
    assert "Netflix" not in notes(plain)


@pytest.mark.slow
def test_rate_is_that_of_the_frames_that_are_scored(
    fast: Path, coded: Path, encode: Callable[..., Path], score: Callable[..., Result]
) -> None:
    # The reference decides.
    allow = ("frame_rate",)
    assert prepared(Clip(fast), Clip(coded, frame_rate=25), generation="v1", allow=allow).models.neg_name == HFR
    assert prepared(Clip(fast, frame_rate=25), Clip(coded), generation="v1", allow=allow).models.neg_name == V1
    # Half of its frames are dropped.
    result = score(fast, encode(fast, 30, "fps=25"), generation="v1", match_rate=True)
    assert (result.provenance["neg_model"], len(result.neg.frames)) == (V1, 2)


def test_raw_clips_without_a_rate(make: Callable[..., Path], fast: Path, tmp_path: Path) -> None:
    raw = make("-i", fast, "-f", "rawvideo", tmp_path / "raw.yuv")
    clip = Clip(raw, width=320, height=180)
    plan = prepared(clip, clip, generation="v1")
    assert plan.models.neg_name == V1
    assert plan.pair
    assert any(
        "no frame rate is stated, so the model for less than 47 frames/s is taken" in note for note in plan.pair.notes
    )
    clip = Clip(raw, width=320, height=180, frame_rate=60)
    assert prepared(clip, clip, generation="v1").models.neg_name == HFR


def test_scorer_without_clips() -> None:
    models = []
    for rate in (None, 50):
        clip = Clip("reference.yuv", width=1920, height=1080, frame_rate=rate)
        models.append(measure(MeasureRequest(clip, clip, generation="v1"), FakeScorer()).provenance["neg_model"])
    assert models == [V1, HFR]


@pytest.mark.parametrize("frames", [1, *(pytest.param(number, marks=pytest.mark.slow) for number in (2, 3, 5))])
def test_few_frames(frames: int, footage: Callable[..., Path], score: Callable[..., Result]) -> None:
    clip = footage("320x180", frames, 60)
    assert len(score(clip, clip, generation="v1").neg.frames) == frames


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("vmaf_v0.6.1neg", V1)), HFR]
)
def test_lead_of_every_kind_of_model(
    name: str, make: Callable[..., Path], footage: Callable[..., Path], tmp_path: Path, score: Callable[..., Result]
) -> None:
    from pytest_vmaf.scoring.models import registry

    entry = next(each for each in registry()["models"] if name in (each["name"], each.get("neg")))
    clip = footage("216x160", 12, 50)
    # Without loss: a cut of an encode would be another encode.
    blurred = make("-i", clip, "-vf", "gblur=sigma=2:enable='mod(n,2)'", "-c:v", "ffv1", tmp_path / "blurred.mkv")
    whole = score(clip, blurred, model=name).neg.frames
    start, end = 5, 8
    for lead_in, lead_out in ((entry["lead_in"], entry["lead_out"]), (entry["lead_in"] - 1, entry["lead_out"])):
        trim = f"trim=start_frame={start - lead_in}:end_frame={end + lead_out},setpts=N/50/TB"
        cuts = [
            make("-i", each, "-vf", trim, "-c:v", "ffv1", tmp_path / f"cut-{each.name}") for each in (clip, blurred)
        ]
        part = score(*cuts, model=name).neg.frames[lead_in : lead_in + end - start]
        assert (part == whole[start:end]) is (lead_in == entry["lead_in"])


# 10 bit, and CAMBI


def by_hand(libvmaf: Callable[..., object], distorted: Path, reference: Path, model: str, **cambi: int) -> list[float]:
    """The scores of two clips of one size, in 10 bit."""
    options = "".join(rf"\:cambi.enc_{name}={value}" for name, value in cambi.items())
    raw = libvmaf(
        distorted, reference, rf"model='version={model}\:name=neg\:disable_clip=true{options}'", chain=IN_10_BIT
    )
    assert raw.log is not None, raw  # type: ignore[attr-defined]
    return list(raw.log.columns["neg"])  # type: ignore[attr-defined]


def test_ten_bit(libvmaf: Callable[..., object], fast: Path, coded: Path, score: Callable[..., Result]) -> None:
    result = score(fast, coded, generation="v1")
    assert result.neg.unclipped.frames == pytest.approx(by_hand(libvmaf, coded, fast, HFR, bitdepth=8), abs=1e-6)
    assert result.provenance["pix_fmt"] == "yuv420p10le"
    assert "scored in 10 bit; CAMBI knows that the encode has 8 bit" in notes(result)
    # Without its depth, the steps of 8-bit samples would count as banding.
    assert result.neg.unclipped.frames != pytest.approx(by_hand(libvmaf, coded, fast, HFR), abs=0.01)


@pytest.mark.slow
def test_feature_cambi(fast: Path, coded: Path, small: Path, libvmaf: Callable[..., object],
                       score: Callable[..., Result]) -> None:  # fmt: skip
    """It is told of the encode what the model's own CAMBI is told."""
    result = score(fast, coded, generation="v1", features=("cambi",))
    plain = score(fast, coded, model=HFR, features=("cambi",))
    assert result.features["cambi"].frames == plain.features["cambi"].frames
    assert float(plain.features["cambi"]) > 0
    scaled = score(fast, small, generation="v1", scale="bicubic", features=("cambi",))
    assert scaled.provenance["command"].count("enc_width=265") == 3


def test_remedy_of_the_note(fast: Path, coded: Path) -> None:
    advised = prepared(Clip(fast), Clip(coded), generation="v1").pair
    assert advised
    name = "\n".join(advised.notes).partition("model='")[2].partition("'")[0]
    named = prepared(Clip(fast), Clip(coded), model=name)
    assert (named.models.neg_name, named.job.pix_fmt) == (HFR, "yuv420p")
    assert named.pair
    assert not any("Netflix" in note for note in named.pair.notes)


def test_encode_of_more_bits(
    fast: Path, encode: Callable[..., Path], libvmaf: Callable[..., object], score: Callable[..., Result]
) -> None:
    deep = encode(fast, 30, None, "-pix_fmt", "yuv420p10le")
    result = score(fast, deep, generation="v1")
    assert result.neg.unclipped.frames == pytest.approx(by_hand(libvmaf, deep, fast, HFR), abs=1e-6)
    assert "scored in 10 bit" in notes(result)
    assert "CAMBI" not in notes(result)


@pytest.mark.slow
def test_master_of_more_bits(make: Callable[..., Path], fast: Path, coded: Path, tmp_path: Path,
                             score: Callable[..., Result]) -> None:  # fmt: skip
    master = make("-i", fast, "-pix_fmt", "yuv420p12le", "-c:v", "ffv1", tmp_path / "master.mkv")
    result = score(master, coded, generation="v1")
    assert result.provenance["pix_fmt"] == "yuv420p12le"
    assert "scored in 12 bit; CAMBI knows that the encode has 8 bit" in notes(result)


def test_scaled_encode_and_its_regions(
    libvmaf: Callable[..., object], make: Callable[..., Path], fast: Path, small: Path, tmp_path: Path,
    score: Callable[..., Result],
) -> None:  # fmt: skip
    box = (60, 10, 240, 165)
    result = Vmaf(generation="v1").score(fast, small, scale="bicubic", regions={"part": box})
    scaled = make(
        *("-i", small, "-vf", "scale=320:180:flags=bicubic,format=yuv420p10le", "-c:v", "ffv1", "-level", 3),
        tmp_path / "scaled.mkv",
    )
    # CAMBI takes no encode of less than 150 lines.
    by_size = by_hand(libvmaf, scaled, fast, HFR, width=265, height=150, bitdepth=8)
    assert result.neg.unclipped.frames == pytest.approx(by_size, abs=1e-6)
    assert "CAMBI knows that the encode has 265x150 and 8 bit" in notes(result)
    crop = f"crop={box[2]}:{box[3]}:{box[0]}:{box[1]}:exact=1"
    parts = [
        make(
            "-i", each, "-vf", f"format=yuv420p10le,{crop}", "-c:v", "ffv1", "-level", 3, tmp_path / f"part-{each.name}"
        )
        for each in (fast, scaled)
    ]
    # 240x165 of 320x180 were 180x125 of the encode.
    by_size = by_hand(libvmaf, parts[1], parts[0], HFR, width=217, height=150, bitdepth=8)
    assert result.regions["part"].neg.unclipped.frames == pytest.approx(by_size, abs=1e-6)


@pytest.mark.parametrize(
    "size", ["64x36", *(pytest.param(size, marks=pytest.mark.slow) for size in ("120x180", "318x180"))]
)
def test_every_size_of_an_encode_is_scored(
    size: str, fast: Path, encode: Callable[..., Path], score: Callable[..., Result]
) -> None:
    encoded = encode(fast, 30, f"scale={size},setsar=1")
    result = score(fast, encoded, generation="v1", scale="bicubic", allow=("display",))
    assert len(result.neg.frames) == 4


# Searches choose as scores do


@pytest.mark.slow
def test_search(fast: Path, tmp_path: Path) -> None:
    vmaf = Vmaf(generation="v1", cache=None)
    found = vmaf.bisect(fast, encoder="libx264", preset="ultrafast", targets=[60], crf=(34, 36), keep=tmp_path)
    models = {probe.result.provenance["neg_model"] for probe in found.probes if probe.result}
    assert models == {HFR}
    assert {probe.result.provenance["pix_fmt"] for probe in found.probes if probe.result} == {"yuv420p10le"}
    probe = next(probe for probe in found.probes if probe.encode.path)
    again = vmaf.score(fast, probe.encode.path)
    assert again.neg.frames == probe.result.neg.frames
    assert notes(again).splitlines()[-1] == notes(probe.result).splitlines()[-1]


@pytest.mark.slow
def test_rungs_of_a_ladder(fast: Path) -> None:
    ladder = Vmaf(generation="v1", scale="bicubic", cache=None).ladder(
        fast, encoder="libx264", preset="ultrafast", resolutions=["320x180", "240x136"], targets=[60], crf=(34, 35)
    )
    probes = [probe for bisection in ladder.bisections.values() for probe in bisection.probes]
    told = [notes(probe.result) for probe in probes if probe.result]
    encodes = {note.partition("CAMBI knows that the encode has ")[2].partition(";")[0] for note in told}
    assert encodes == {"8 bit", "265x150 and 8 bit"}
