"""Damage that NEG does not see, on real clips, which `check` refuses, and honest encodes, which it does not."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
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
#: What is done to a clip before an honest encode at a high quality, the gate that fails, and the clip: of the four, the
#: one on which the damage comes closest to the gate, or nearly.
DAMAGES = {
    "swapped chroma": ("swapuv", "max_colour_loss", "car"),
    "negated chroma": ("negate=components=u+v", "max_colour_loss", "car"),
    "hue 180": ("hue=h=180", "max_colour_loss", "car"),
    "hue 40": ("hue=h=40", "max_colour_loss", "car"),
    "no colour": ("hue=s=0", "max_colour_loss", "car"),
    "half a colour": ("hue=s=2.2", "max_colour_loss", "car"),
    "darker": ("eq=brightness=-0.1", "max_level_shift", "seeking"),
    "brighter": ("eq=brightness=0.09", "max_level_shift", "car"),
    "gamma": ("eq=gamma=1.1", "max_level_shift", "seeking"),
    "contrast": ("eq=contrast=1.05", "max_contrast", "car"),
    "less contrast": ("eq=contrast=0.9", "max_contrast_loss", "car"),
    "logo": ("drawbox=iw*3/4:ih/10:iw/8:ih/9:c=white@0.6:t=fill", "max_patch", "seeking"),
    "lost blocks": (
        "drawbox=48:32:48:16:c=gray:t=fill:enable='between(n,8,9)',drawbox=160:80:64:16:c=green:t=fill:enable='eq(n,8)'",
        "max_patch",
        "seeking",
    ),
    "mixed frames": ("tmix=2", "max_lag", "bunny"),
    "mixed fields": ("phase=t", "max_lag", "bunny"),
    "colour of a part": (
        "split[a][b];[b]crop=iw/2:ih/2:0:0,hue=s=0[c];[a][c]overlay=0:0:format=yuv420",
        "max_patch",
        "seeking",
    ),
    "chroma shifted a little": ("chromashift=cbh=3:crh=3", "max_colour_shift", "bunny"),
    "BT.601 taken for BT.709": (
        "scale=in_color_matrix=bt601:out_color_matrix=bt709,setparams=colorspace=unknown",
        "max_colour_matrix",
        "bunny",
    ),
    "BT.709 taken for BT.601": (
        "scale=in_color_matrix=bt709:out_color_matrix=bt601,setparams=colorspace=unknown",
        "max_colour_matrix",
        "bunny",
    ),
    "late chroma": (
        "split[a][b];[b]tpad=start=4:start_mode=clone[c];[a][c]mergeplanes=map0s=0:map0p=0:"
        f"map1s=1:map1p=1:map2s=1:map2p=2:format=yuv420p,trim=end_frame={FRAMES}",
        "max_colour_lag",
        "bunny",
    ),
    "unsharp": ("unsharp=5:5:0.5", "max_enhancement", "seeking"),
    "cas": ("cas=0.8", "max_enhancement", "car"),
    "one black frame": (f"drawbox=c=black:t=fill:{ONE}", "max_collapse", "seeking"),
    "one grey frame": (f"drawbox=c=gray:t=fill:{ONE}", "max_collapse", "seeking"),
    "one mirrored frame": (f"split[a][b];[b]hflip[c];[a][c]overlay={ONE}:format=yuv420", "max_collapse", "seeking"),
    "shifted chroma": ("chromashift=cbh=8:crh=8", "max_colour_loss", "bunny"),
}
#: The order of the frames of the distorted clip, and the clip.
ORDERS = {
    "two swapped": ([*range(7), 8, 7, *range(9, FRAMES)], "seeking"),
    "one doubled, a later one dropped": (DOUBLED, "car"),
    "one late from the middle on": ([*range(8), *range(7, FRAMES - 1)], "signing"),
    "frozen": ([*range(6), *[6] * 5, *range(11, FRAMES)], "bunny"),
}


@pytest.fixture(scope="module")
def natural(make, shared_folder, tmp_path_factory) -> Callable[[str], Path]:
    """natural("car"): a part of a natural clip, lossless."""
    folder = tmp_path_factory.mktemp("fidelity")

    @cache
    def clip(key: str) -> Path:
        folder_name, name, start, size = CLIPS[key]
        cut = f"trim=start_frame={start}:end_frame={start + FRAMES},setpts=N/25/TB"
        chain = f"{cut},scale={size}:out_range=tv,format=yuv420p"
        source = shared_folder(folder_name) / name
        return make("-i", source, "-vf", chain, "-r", 25, "-frames:v", FRAMES, folder / f"{key}.y4m")

    return clip


@pytest.fixture(scope="module")
def encode_each(make) -> Callable[[Path, dict[str, str], str], dict[str, Path]]:
    """encode_each(source, {name: filters}, "libx264 -crf 14"): an encode behind each chain, all made by one ffmpeg."""

    def encode(source: Path, chains: dict[str, str], encoder: str) -> dict[str, Path]:
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
@pytest.mark.parametrize("clip", ["car", "seeking", "bunny"])
def test_damage_is_caught(natural, encode_each, clip):
    chains = {name: chain for name, (chain, _, where) in DAMAGES.items() if where == clip}
    missed = {
        name: failed
        for name, path in encode_each(natural(clip), chains, "libx264 -preset veryfast -crf 14").items()
        if DAMAGES[name][1] not in (failed := failed_gates(natural(clip), path, min_neg=60))
    }
    assert not missed


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDERS)
def test_displaced_frames(natural, encode_each, name):
    order, clip = ORDERS[name]
    chain = f"shuffleframes={' '.join(map(str, order))}"
    [path] = encode_each(natural(clip), {name: chain}, "libx264 -preset veryfast -crf 20").values()
    with pytest.raises(PairError, match=r"displaced: .* the reference \d frames? "):
        Vmaf(cache=False).score(natural(clip), path)
    if name == "frozen":
        assert Vmaf(cache=False).score(natural(clip), path, allow=["displaced"])


#: Encoders and qualities that come closest to the default gates.
HONEST = {
    "car": {
        "libx264 -preset veryfast -crf {}": (14, 26, 38, 48),
        "libx265 -preset ultrafast -x265-params log-level=error -crf {}": (36,),
        "libsvtav1 -preset 10 -crf {}": (55,),
        "libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 0 -crf {}": (55,),
    },
    "signing": {"libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 0 -crf {}": (55,), "mpeg4 -q:v {}": (20,)},
    "seeking": {"mpeg4 -q:v {}": (20,)},
    "bunny": {"libsvtav1 -preset 10 -crf {}": (24,)},
}


@pytest.mark.slow
@pytest.mark.parametrize("clip", HONEST)
def test_honest_encodes_pass(natural, encode_each, clip):
    for template, qualities in HONEST[clip].items():
        for quality in qualities:
            [path] = encode_each(natural(clip), {"honest": "null"}, template.format(quality)).values()
            assert failed_gates(natural(clip), path) == set(), (template, quality)


WHITE = "hue=s=0,fade=out:0:14:color=white"
#: Chains for the reference whose encodes come closest to the default gates.
PLAIN = {
    "car": ("hue=s=0", "fade=in:2:14", WHITE),
    "signing": ("hue=s=0", "fade=in:2:14"),
    "bunny": ("fade=out:0:14", WHITE),
}


@pytest.mark.slow
@pytest.mark.parametrize("clip", PLAIN)
def test_grey_and_fading_references_pass(natural, make, clip):
    source = natural(clip)
    for number, chain in enumerate(PLAIN[clip]):
        reference, encode = (source.with_name(f"{clip}-plain-{number}.{suffix}") for suffix in ("mkv", "mp4"))
        make("-i", source, "-vf", f"{chain},format=yuv420p", "-c:v", "ffv1", reference)
        make("-i", reference, "-c:v", "libx264", "-crf", 34, encode)
        assert failed_gates(reference, encode) == set(), chain


def test_default_gates_on_small_clips(reference, encode):
    honest = encode(reference, 20)
    assert failed_gates(reference, honest) == set()
    damaged = encode(reference, 20, "swapuv,eq=brightness=0.1")
    failed = failed_gates(reference, damaged)
    shifts = {"max_level_shift", "max_level_shift_max"}
    assert failed >= shifts | {"max_colour_loss"}
    assert failed_gates(reference, damaged, **dict.fromkeys(shifts)) == failed - shifts


def test_signs_switched_off(reference, encode):
    vmaf = Vmaf(cache=False, signs=False)
    result = vmaf.check(reference, encode(reference, 20, "swapuv"), above_100=False)
    assert result.signs == {}
    assert "signs" not in vmaf.records[0]["provenance"]["command"]


def test_same_file(footage, tmp_path):
    vmaf, reference = Vmaf(cache=False), footage("96x64", 4)
    link, copy = tmp_path / "link.mkv", tmp_path / "copy.mkv"
    os.link(reference, link)
    copy.write_bytes(reference.read_bytes())
    for path, what in ((reference, "the reference itself"), (link, "a copy"), (copy, "a copy")):
        with pytest.raises(PairError, match=f"same: the distorted clip is {what}"):
            vmaf.check(reference, path)
    assert any("same" in note for note in vmaf.score(reference, copy).provenance["notes"])
    assert vmaf.check(reference, copy, allow=["same"])
    assert not any("same" in note for note in vmaf.self_score(reference).provenance["notes"])
