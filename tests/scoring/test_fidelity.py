"""Damage that NEG does not see, on real clips, which `check` refuses, and honest encodes, which it does not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf import GateViolation, PairError, Vmaf

FRAMES = 16
#: Natural clips: a folder of the published ones, a name in it, the first frame of the part, the size to scale to.
CLIPS = {
    "bunny": ("footage", "bigbuckbunny.mp4", 60, "320:180"),
    "car": ("footage", "car.mp4", 60, "320:180"),
    "signing": ("footage", "signing_walk.mkv", 20, "240:180"),
    "seeking": ("golden", "Seeking_30_480_1050.mp4", 60, "270:180"),
}
ONE = "enable='eq(n,8)'"
DOUBLED = [*range(5), 4, *range(5, 10), *range(11, FRAMES)]
#: What is done to a clip before an honest encode at a high quality, and the gate that fails.
DAMAGES = {
    "swapped chroma": ("swapuv", "max_colour_loss"),
    "negated chroma": ("negate=components=u+v", "max_colour_loss"),
    "hue 180": ("hue=h=180", "max_colour_loss"),
    "hue 40": ("hue=h=40", "max_colour_loss"),
    "no colour": ("hue=s=0", "max_colour_loss"),
    "half a colour": ("hue=s=2.2", "max_colour_loss"),
    "darker": ("eq=brightness=-0.1", "max_level_shift"),
    "brighter": ("eq=brightness=0.09", "max_level_shift"),
    "gamma": ("eq=gamma=1.1", "max_level_shift"),
    "contrast": ("eq=contrast=1.05", "max_contrast"),
    "unsharp": ("unsharp=5:5:0.5", "max_enhancement"),
    "cas": ("cas=0.8", "max_enhancement"),
    "one black frame": (f"drawbox=c=black:t=fill:{ONE}", "max_collapse"),
    "one grey frame": (f"drawbox=c=gray:t=fill:{ONE}", "max_collapse"),
    "one mirrored frame": (f"split[a][b];[b]hflip[c];[a][c]overlay={ONE}:format=yuv420", "max_collapse"),
}
#: The order of the frames of the distorted clip.
ORDERS = {
    "two swapped": [*range(7), 8, 7, *range(9, FRAMES)],
    "one doubled, a later one dropped": DOUBLED,
    "one late from the middle on": [*range(8), *range(7, FRAMES - 1)],
    "frozen": [*range(6), *[6] * 5, *range(11, FRAMES)],
}


@pytest.fixture(scope="module", params=CLIPS)
def source(request, make, shared_folder, tmp_path_factory) -> Path:
    """A part of a natural clip, lossless."""
    folder_name, name, start, size = CLIPS[request.param]
    folder = tmp_path_factory.mktemp("fidelity")
    chain = (
        f"trim=start_frame={start}:end_frame={start + FRAMES},setpts=N/25/TB,scale={size}:out_range=tv,format=yuv420p"
    )
    return make(
        "-i",
        shared_folder(folder_name) / name,
        "-vf",
        chain,
        "-r",
        25,
        "-frames:v",
        FRAMES,
        folder / f"{request.param}.y4m",
    )


@pytest.fixture(scope="module")
def encode_each(source, make) -> Callable[[dict[str, str], str], dict[str, Path]]:
    """encode_each({name: filters}, "libx264 -crf 14"): an encode behind each filter chain, all made by one ffmpeg."""

    def encode(chains: dict[str, str], encoder: str) -> dict[str, Path]:
        paths = {name: source.with_name(f"{source.stem}-{n}-{len(chains)}.mkv") for n, name in enumerate(chains)}
        arguments: list[object] = []
        for name, chain in chains.items():
            arguments += ["-filter_complex", f"[0:v]{chain}[v{len(arguments)}]"]
            arguments += ["-map", f"[v{len(arguments) - 2}]", "-fps_mode", "passthrough"]
            arguments += ["-c:v", *encoder.split(), paths[name]]
        make("-i", source, *arguments)
        return paths

    return encode


def failed_gates(source: Path, distorted: Path, **settings: object) -> set[str]:
    """The names of the gates that an encode fails."""
    vmaf = Vmaf(cache=False)
    try:
        vmaf.check(source, distorted, **settings)
    except GateViolation:
        return {gate["name"] for gate in vmaf.records[0]["gates"] if not gate["passed"]}
    return set()


@pytest.mark.slow
def test_damage_is_caught(source, encode_each):
    encodes = encode_each({name: chain for name, (chain, _) in DAMAGES.items()}, "libx264 -preset veryfast -crf 14")
    missed = {
        name: failed
        for name, path in encodes.items()
        if DAMAGES[name][1] not in (failed := failed_gates(source, path, min_neg=60))
    }
    assert not missed


@pytest.mark.slow
def test_shifted_chroma(source, encode_each):
    [path] = encode_each({"shift": "chromashift=cbh=8:crh=8"}, "libx264 -preset veryfast -crf 12").values()
    if "car" in source.name:
        pytest.skip("the clip has next to no colour")
    assert "max_colour_loss" in failed_gates(source, path)


@pytest.mark.slow
def test_displaced_frames(source, encode_each):
    chains = {name: f"shuffleframes={' '.join(map(str, order))}" for name, order in ORDERS.items()}
    for name, path in encode_each(chains, "libx264 -preset veryfast -crf 20").items():
        with pytest.raises(PairError, match=r"displaced: .* the reference \d frames? |alignment: ") as raised:
            Vmaf(cache=False).score(source, path)
        # A shift that begins early is the alignment's.
        if "displaced: " in str(raised.value):
            assert Vmaf(cache=False).score(source, path, allow=["displaced"]), name


HONEST = {
    "x264": ["libx264 -preset veryfast -crf {}", 14, 26, 38, 48],
    "x265": ["libx265 -preset ultrafast -x265-params log-level=error -crf {}", 20, 36],
    "svt": ["libsvtav1 -preset 10 -crf {}", 24, 55],
    "vp9": ["libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 0 -crf {}", 30, 55],
    "mpeg4": ["mpeg4 -q:v {}", 4, 20],
}


@pytest.mark.slow
@pytest.mark.parametrize("encoder", HONEST)
def test_honest_encodes_pass(source, encode_each, encoder):
    template, *qualities = HONEST[encoder]
    for quality in qualities:
        [path] = encode_each({f"{encoder}{quality}": "null"}, template.format(quality)).values()
        assert failed_gates(source, path) == set(), quality


@pytest.mark.slow
def test_grey_and_fading_references_pass(source, make):
    for number, chain in enumerate(("hue=s=0", "fade=out:0:14", "fade=in:2:14", "hue=s=0,fade=out:0:14:color=white")):
        reference = make(
            "-i", source, "-vf", f"{chain},format=yuv420p", "-c:v", "ffv1", source.with_name(f"plain-{number}.mkv")
        )
        for crf in (18, 34):
            path = make("-i", reference, "-c:v", "libx264", "-crf", crf, source.with_name(f"plain-{number}-{crf}.mp4"))
            assert failed_gates(reference, path) == set(), (chain, crf)


def test_default_gates_on_small_clips(reference, encode):
    honest = encode(reference, 20)
    assert failed_gates(reference, honest) == set()
    assert "max_colour_loss" in failed_gates(reference, encode(reference, 20, "swapuv"))
    assert "max_level_shift" in failed_gates(reference, encode(reference, 20, "eq=brightness=0.1"))
    off = {"max_level_shift": None, "max_level_shift_max": None}
    assert not {"max_level_shift", "max_level_shift_max"} & failed_gates(
        reference, encode(reference, 20, "eq=brightness=0.1"), **off
    )


def test_signs_switched_off(reference, encode):
    vmaf = Vmaf(cache=False, signs=False)
    result = vmaf.check(reference, encode(reference, 20, "swapuv"), above_100=False)
    assert result.signs == {}
    assert "signs" not in vmaf.records[0]["provenance"]["command"]


def test_same_file(reference, tmp_path):
    vmaf = Vmaf(cache=False)
    link, copy = tmp_path / "link.mkv", tmp_path / "copy.mkv"
    os.link(reference, link)
    copy.write_bytes(reference.read_bytes())
    for path, what in ((reference, "the reference itself"), (link, "a copy"), (copy, "a copy")):
        with pytest.raises(PairError, match=f"same: the distorted clip is {what}"):
            vmaf.check(reference, path)
    assert any("same" in note for note in vmaf.score(reference, copy).provenance["notes"])
    assert vmaf.check(reference, copy, allow=["same"])
    assert not any("same" in note for note in vmaf.self_score(reference).provenance["notes"])
