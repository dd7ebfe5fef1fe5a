"""Colours of a pair: grey, RGB, tags, matrices and film grain, scored as a plain ffmpeg call scores them."""

from __future__ import annotations

import re
import shlex
import subprocess

import numpy as np
import pytest

from pytest_vmaf.errors import ClipError, PairError
from pytest_vmaf.media.brightness import DIFFERENCE, Brightness, quantiles
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.media.inspection_log import InspectionLog
from pytest_vmaf.media.pair import check_pair
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare

slow = pytest.mark.slow
FRAMES = 6
#: x264 keeps samples and tags.
LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", 0)
GREY = "extractplanes=y,setparams=range=tv"


@pytest.fixture(scope="module")
def colour(make, footage, tmp_path_factory):
    """A small lossless colour clip without tags: 192x128, 6 frames, yuv420p."""
    scene = "testsrc2=size=192x128:rate=25,noise=alls=6:allf=t:all_seed=7,format=yuv420p"
    folder = tmp_path_factory.mktemp("colour")
    return make("-f", "lavfi", "-i", scene, "-frames:v", FRAMES, folder / "colour.y4m")


@pytest.fixture(scope="module")
def coded(make, colour, tmp_path_factory):
    """coded(filters, *options, name="x.mkv"): the colour clip filtered and coded, once per module."""
    folder, clips = tmp_path_factory.mktemp("coded"), {}

    def clip(filters: str, *options: object, name: str = "clip.mkv", source=None):
        key = (filters, options, name, source)
        if key not in clips:
            path = folder / f"{len(clips)}-{name}"
            clips[key] = make("-i", source or colour, "-vf", filters, *options, path)
        return clips[key]

    return clip


@pytest.fixture(scope="module")
def plain(ffmpeg, tmp_path_factory):
    """plain(reference, distorted): NEG of the luma planes of two grey clips that a plain ffmpeg decodes."""
    folder = tmp_path_factory.mktemp("plain")

    def neg(reference, distorted) -> float:
        inputs = []
        for clip in (distorted, reference):
            argv = [ffmpeg, "-v", "error", "-i", clip, "-f", "rawvideo", "-pix_fmt", "gray", "-"]
            luma = subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout
            planes = [luma[at : at + 192 * 128] + b"\x80" * (192 * 64) for at in range(0, len(luma), 192 * 128)]
            raw = folder / f"{len(inputs)}.yuv"
            raw.write_bytes(b"".join(planes))
            inputs += ["-f", "rawvideo", "-video_size", "192x128", "-pixel_format", "yuv420p", "-i", raw]
        argv = [ffmpeg, "-nostdin", *inputs, "-lavfi", "[0][1]libvmaf=model=version=vmaf_v0.6.1neg", "-f", "null", "-"]
        end = subprocess.run(argv, capture_output=True, text=True, check=True)
        return float(re.search(r"VMAF score: ([\d.]+)", end.stderr)[1])

    return neg


def plan(ffmpeg, reference, distorted, **settings):
    """The checked pair."""
    settings = {"scale": None, "align": False, "allow": (), **settings}
    clips = (clip if isinstance(clip, Clip) else Clip(clip) for clip in (reference, distorted))
    return check_pair(*clips, ffmpeg, **settings)


def problems(ffmpeg, reference, distorted, **settings) -> str:
    """The problems of a pair; "" if there are none."""
    try:
        plan(ffmpeg, reference, distorted, **settings)
    except PairError as error:
        return str(error)
    return ""


# Grey


@pytest.fixture(scope="module")
def grey(coded):
    """The luma of the colour clip without chroma, lossless, limited range."""
    return coded(GREY, "-c:v", "ffv1", "-pix_fmt", "gray", "-color_range", "tv")


@pytest.fixture(scope="module")
def grey_encode(coded):
    """An encode of the luma without chroma, limited range."""
    return coded(GREY, "-c:v", "libx265", "-crf", 34, "-x265-params", "log-level=error", name="grey.mp4")


def test_lossless_grey_has_the_luma_of_colour(colour, grey, score):
    result = score(colour, grey)
    assert min(result["psnr_y"].frames) == 60
    # The chroma of the reference is lost, which its PSNR shows.
    assert result["psnr_cb"] < 40
    assert result.neg == score(colour, colour).neg
    note = "distorted converted from gray to yuv420p (luma as stored, neutral chroma)"
    assert result.provenance["notes"] == [note]
    assert (result.provenance["color_range"], result.provenance["matrix"]) == ("tv", "unknown")


@pytest.mark.slow
def test_grey_encode(colour, grey, grey_encode, score, plain, coded):
    expected = plain(grey, grey_encode)
    against_grey, against_colour = score(grey, grey_encode), score(colour, grey_encode)
    assert float(against_grey.neg) == pytest.approx(expected, abs=1e-4)
    assert against_grey.neg.unclipped.frames == against_colour.neg.unclipped.frames
    assert min(against_grey["psnr_cb"].frames) == 60
    # Colour against a grey reference is scored on its luma as well.
    assert score(grey, coded("null", *LOSSLESS)).neg == score(grey, grey).neg


@pytest.mark.parametrize("depth", [10, pytest.param(16, marks=slow)])
def test_deep_grey(depth, coded, colour, grey, score):
    chain = f"format=yuv420p{depth}le,extractplanes=y,setparams=range=tv"
    deep = coded(chain, "-c:v", "ffv1", "-pix_fmt", f"gray{depth}le")
    # Limited range is shifted from 8 bits to more, which changes no level.
    result = score(colour, deep)
    assert min(result["psnr_y"].frames) >= 60
    assert result.neg == score(deep, grey).neg


def test_full_range_grey_beside_limited_colour(coded, colour, score, ffmpeg):
    # What any converter makes of colour: grey is full range by convention.
    full = coded("format=gray", "-c:v", "ffv1")
    result = score(full, colour)
    assert min(result["psnr_y"].frames) > 55
    assert (
        "reference converted from gray to yuv420p (full range to limited, neutral chroma)" in result.provenance["notes"]
    )
    stored = plan(ffmpeg, full, coded("format=gray", "-c:v", "libx264", "-crf", 20, name="grey.mp4"))
    assert stored.color_range == "pc"


def test_flipped_range_of_grey(grey, grey_encode, colour, make, remedy, tmp_path, ffmpeg):
    flag = ("-c", "copy", "-bsf:v", "hevc_metadata=video_full_range_flag=1")
    flipped = make("-i", grey_encode, *flag, tmp_path / "flipped.mp4")
    assert "colour range: the reference is tagged tv, the distorted clip pc" in problems(ffmpeg, grey_encode, flipped)
    # The convention would explain it, but the pictures do not.
    said = problems(ffmpeg, colour, flipped)
    assert "as if the distorted clip had been squeezed from full to limited range" in said
    said = problems(ffmpeg, flipped, colour)
    assert "as if the distorted clip had been expanded to full range" in said
    assert problems(ffmpeg, remedy(said, flipped), colour) == ""


@pytest.mark.parametrize(("chain", "name"), [("format=gray", "full"), ("extractplanes=y", "limited")])
def test_raw_grey_has_no_tag(chain, name, coded, colour, score, ffmpeg):
    raw = Clip(coded(chain, "-f", "rawvideo", name="grey.raw"), width=192, height=128, pix_fmt="gray")
    result = score(colour, raw)
    assert min(result["psnr_y"].frames) > 55
    note = f"is grey (gray) without a range tag; {name} range is assumed, which fits best"
    assert f"distorted {note}" in result.provenance["notes"]
    assert f"reference {note}" in plan(ffmpeg, raw, colour).notes


def test_grey_pictures(coded, score):
    png = coded(f"{GREY},setparams=range=pc", "-frames:v", 1, "-pix_fmt", "gray", name="a.png")
    again = coded("null", "-pix_fmt", "gray", name="b.png", source=png)
    result = score(png, again)
    assert (result["psnr_y"], result.provenance["color_range"]) == (60, "pc")
    # Grey and colour pictures are converted by their tags.
    jpeg = coded("format=yuvj444p", "-q:v", 1, name="c.jpg", source=png)
    assert score(png, jpeg)["psnr_y"] > 40


def test_grey_beside_rgb(coded, grey, score):
    # Luma depends on the matrix. That of grey is BT.601 in most programs.
    rgb = coded("format=gbrp", "-c:v", "ffv1")
    result = score(rgb, grey)
    assert result["psnr_y"] > 40
    assert "luma is made of RGB by the matrix BT.601, as that of grey usually is" in result.provenance["notes"]
    assert result.provenance["matrix"] == "smpte170m"


def test_grey_with_transparency_and_bits(coded, colour, ffmpeg, score):
    alpha = coded("format=gray,format=ya8", "-c:v", "rawvideo", name="alpha.nut")
    result = score(colour, alpha)
    assert min(result["psnr_y"].frames) > 55
    assert "distorted has transparency (ya8), which is ignored" in result.provenance["notes"]
    bits = coded("format=gray,format=monow", "-c:v", "rawvideo", name="bits.nut")
    assert plan(ffmpeg, bits, bits).pix_fmt == "yuv420p"


def test_chroma_that_is_not_there(coded, ffmpeg, grey):
    # v1 needs larger frames than the other tests have.
    options = ("-c:v", "ffv1", "-frames:v", 2, "-pix_fmt", "gray")
    large = coded(f"scale=320:180,format=yuv420p,{GREY}", *options)
    can = FfmpegScorer()

    def notes(clip, **settings) -> tuple[str, ...]:
        prepared = prepare(MeasureRequest(Clip(clip), Clip(clip), **settings), can)
        return prepared.pair.notes if prepared.pair else ()

    said = "reads chroma, but the reference and the distorted clip have none; neutral chroma is scored"
    assert f"vmaf_v1.0.16_3d0h {said}" in notes(large, generation="v1")
    assert f"ciede {said}" in notes(grey, features=("ciede",))
    assert not any("chroma, but" in note for note in notes(grey))
    with pytest.raises(PairError, match=r"psnr_hvs measures chroma, but .* are grey and have none\. Leave it out"):
        notes(grey, features=("psnr_hvs",))


# Tags


def test_tags_of_rgb(coded, ffmpeg):
    master = coded("format=gbrp,setparams=color_primaries=bt709:color_trc=bt709", "-c:v", "ffv1")
    retag = "h264_metadata=colour_primaries=9:transfer_characteristics=8"
    encode = coded("null", "-c:v", "libx264", "-crf", 20, "-bsf:v", retag, name="encode.mp4")
    said = problems(ffmpeg, master, encode)
    assert "transfer: the reference is tagged bt709, the distorted clip linear." in said
    assert "primaries: the reference is tagged bt709, the distorted clip bt2020." in said
    # Pictures of screens are tagged with either curve, while nothing is converted.
    screen = coded("format=gbrp,setparams=color_primaries=bt709:color_trc=iec61966-2-1", "-c:v", "ffv1")
    assert problems(ffmpeg, screen, master) == ""


def test_transfer_of_grey(coded, ffmpeg):
    one, other = (coded(f"{GREY},setparams=color_trc={trc}", "-c:v", "ffv1") for trc in ("bt709", "linear"))
    assert "transfer: the reference is tagged bt709, the distorted clip linear" in problems(ffmpeg, one, other)
    # Grey pictures may be tagged as sRGB.
    picture = coded(f"{GREY},setparams=color_trc=iec61966-2-1", "-c:v", "ffv1")
    assert problems(ffmpeg, picture, one) == ""
    # Primaries mean nothing without colours.
    wide, narrow = (coded(f"{GREY},setparams=color_primaries={name}", "-c:v", "ffv1") for name in ("bt2020", "bt709"))
    assert problems(ffmpeg, wide, narrow) == ""


@pytest.mark.parametrize(
    "filters", ["null", "format=gbrp,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"], ids=["601", "709"]
)
def test_flipped_range_beside_rgb(filters, coded, make, remedy, tmp_path, ffmpeg):
    master = coded("format=gbrp", "-c:v", "ffv1")
    encode = coded(filters, "-c:v", "libx264", "-crf", 20, name="encode.mp4")
    flag = ("-c", "copy", "-bsf:v", "h264_metadata=video_full_range_flag=1")
    flipped = make("-i", encode, *flag, tmp_path / "flipped.mp4")
    assert problems(ffmpeg, master, encode) == ""
    message = problems(ffmpeg, master, flipped)
    assert "as if the distorted clip had been squeezed" in message
    assert problems(ffmpeg, master, remedy(message, flipped)) == ""


def test_assumed_tags(coded, ffmpeg):
    master = coded("format=gbrp", "-c:v", "ffv1")
    encode = coded("null", "-c:v", "libx264", "-crf", 20, name="encode.mp4")
    assumed = "distorted lacks colour tags; assumed for the conversion from and to RGB: matrix BT.601, limited range"
    assert assumed in plan(ffmpeg, master, encode).notes
    tagged = coded("setparams=range=tv:colorspace=bt709", *LOSSLESS)
    assert not any("assumed" in note for note in plan(ffmpeg, master, tagged).notes)
    wide = coded("setparams=color_primaries=bt2020", *LOSSLESS)
    assert "only one clip has a tag for its primaries; bt2020 is assumed for both" in plan(ffmpeg, master, wide).notes


def test_limited_rgb(coded, make, tmp_path, ffmpeg):
    full = coded("format=gbrp", "-c:v", "libx264rgb", "-qp", 0, name="rgb.mp4")
    flag = ("-c", "copy", "-bsf:v", "h264_metadata=video_full_range_flag=0")
    limited = make("-i", full, *flag, tmp_path / "limited.mp4")
    note = "reference is RGB and tagged limited range (tv); ffmpeg reads all RGB as full range"
    assert note in plan(ffmpeg, limited, limited).notes
    assert "colour range: the reference is tagged tv, the distorted clip pc" in problems(ffmpeg, limited, full)


@pytest.mark.parametrize("crf", [48, pytest.param(51, marks=slow)])
def test_coarse_encodes_have_no_wrong_range(crf, bunny, make, tmp_path, ffmpeg):
    source = make("-ss", 2, "-i", bunny, "-vf", "scale=192:-2", "-frames:v", 8, *LOSSLESS, tmp_path / "source.mkv")
    coarse = make("-i", source, "-c:v", "libx264", "-crf", crf, tmp_path / "coarse.mp4")
    brightness = Brightness.of(*(inspect(Clip(clip), ffmpeg, 8) for clip in (source, coarse)))
    assert min(brightness.expanded, brightness.squeezed) > 4 * DIFFERENCE
    assert brightness.contradiction() == ""


@pytest.fixture(scope="module")
def remedy(ffmpeg, tmp_path_factory):
    """remedy(message, clip): the clip after the command that a message names for it."""
    folder = tmp_path_factory.mktemp("remedies")

    def run(message: str, clip, number: int = 0):
        argv = shlex.split(re.findall(r"ffmpeg (-i IN .*?OUT\.mkv)", message)[number])
        output = folder / f"{len(list(folder.iterdir()))}.mkv"
        names = {"IN": str(clip), "OUT.mkv": str(output)}
        subprocess.run([ffmpeg, "-v", "error", *(names.get(word, word) for word in argv)], check=True)
        return output

    return run


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("range=tv", "range=pc"),
        pytest.param("range=pc", "range=tv", marks=slow),
        ("colorspace=bt709", "colorspace=bt2020nc"),
        pytest.param("color_primaries=bt709", "color_primaries=bt2020", marks=slow),
        pytest.param("color_trc=bt709", "color_trc=linear", marks=slow),
        pytest.param("format=gray,setparams=range=tv", "format=gray,setparams=range=pc", marks=slow),
    ],
)
def test_commands_that_correct_tags(one, other, coded, remedy, ffmpeg):
    first, second = (coded(tags if "," in tags else f"setparams={tags}", *LOSSLESS) for tags in (one, other))
    assert problems(ffmpeg, first, remedy(problems(ffmpeg, first, second), second)) == ""


def test_grey_that_an_encoder_took_for_full_range(grey, coded, remedy, score, ffmpeg):
    """Its tag is right, and ffmpeg ignored it; or the tag is wrong, and the encode is right."""
    squeezed = coded("format=yuv420p", *LOSSLESS, source=grey)
    message = problems(ffmpeg, grey, squeezed)
    assert "as if the distorted clip had been squeezed from full to limited range" in message
    assert score(remedy(message, grey), squeezed)["psnr_y"] > 50
    chain = re.search(r"encode it with -vf (\S+)", message)[1]
    assert score(grey, coded(chain, *LOSSLESS, source=grey))["psnr_y"] >= 60


@slow
def test_grey_whose_tag_is_wrong(grey, coded, remedy, score, ffmpeg):
    wide = coded("format=gray,setparams=range=tv", "-c:v", "ffv1")
    limited = coded("setparams=range=tv", *LOSSLESS)
    message = problems(ffmpeg, limited, wide)
    assert "as if the distorted clip had been expanded to full range" in message
    assert score(limited, remedy(message, wide), allow=["order"])["psnr_y"] > 50


@slow
def test_commands_that_convert(coded, remedy, score, ffmpeg):
    full = coded("scale=out_range=pc,setparams=range=pc", *LOSSLESS)
    limited = coded("setparams=range=tv", *LOSSLESS)
    converted = remedy(problems(ffmpeg, limited, full), full, 1)
    assert score(limited, converted)["psnr_y"] > 50


@slow
@pytest.mark.parametrize("depth", [8, 10])
def test_commands_that_convert_grey(depth, coded, remedy, score, ffmpeg):
    form = "gray" if depth == 8 else "gray10le"
    limited = coded(f"{GREY},format={form}" if depth == 8 else f"format=yuv420p10le,{GREY}", "-c:v", "ffv1")
    full = coded(f"scale=out_range=pc,format={form}", "-c:v", "ffv1", "-color_range", "pc")
    for one, other in ((limited, full), (full, limited)):
        assert score(one, remedy(problems(ffmpeg, one, other), other, 1))["psnr_y"] > 50


@pytest.mark.parametrize(
    ("matrix", "tags"),
    [
        ("ycgco", ""),
        pytest.param("bt2020c", "", marks=slow),
        pytest.param("bt2020c", ":color_trc=bt2020-10", marks=slow),
        pytest.param("chroma-derived-nc", "", marks=slow),
        pytest.param("chroma-derived-c", ":color_primaries=smpte170m", marks=slow),
        pytest.param("ictcp", "", marks=slow),
        pytest.param("ictcp", ":color_primaries=bt2020:color_trc=smpte2084", marks=slow),
    ],
)
def test_commands_that_convert_a_matrix(matrix, tags, coded, remedy, ffmpeg):
    rgb, strange = coded("format=gbrp", "-c:v", "ffv1"), coded(f"setparams=colorspace={matrix}{tags}", *LOSSLESS)
    allow = ["hdr"] if matrix == "ictcp" else []
    said = problems(ffmpeg, rgb, strange, allow=allow)
    assert problems(ffmpeg, rgb, remedy(said, strange), allow=allow) == ""


@slow
def test_matrix_that_no_command_converts(coded, ffmpeg):
    rgb = coded("format=gbrp", "-c:v", "ffv1")
    for tags in ("smpte2085", "ictcp:color_trc=bt709", "bt2020c:color_trc=arib-std-b67"):
        strange = coded(f"setparams=colorspace={tags}", *LOSSLESS)
        assert "with a program that knows" in problems(ffmpeg, rgb, strange, allow=["hdr"])


# Matrices that ffmpeg's scaler does not know

UNKNOWN = ("ycgco", "bt2020c", "smpte2085", "chroma-derived-nc", "chroma-derived-c", "ictcp", "ipt-c2")


@slow
def test_unknown_matrices(coded, ffmpeg):
    for matrix in UNKNOWN:
        one = coded(f"setparams=colorspace={matrix}", *LOSSLESS)
        assert "setparams=colorspace=unknown" in plan(ffmpeg, one, one).reference_filters.split(","), matrix


def test_unknown_matrix(coded, score):
    one = coded("setparams=colorspace=ycgco", *LOSSLESS)
    worse = coded("gblur=0.6,setparams=colorspace=ycgco", *LOSSLESS)
    result = score(one, worse)
    expected = score(coded("null", *LOSSLESS), coded("gblur=0.6", *LOSSLESS))
    assert result.neg.unclipped.frames == expected.neg.unclipped.frames


@slow
def test_unknown_matrix_in_the_scaler(coded, score):
    # A conversion of depth or size needs the scaler, but no matrix.
    one = coded("setparams=colorspace=ycgco", *LOSSLESS)
    deep = coded("format=yuv420p10le,setparams=colorspace=ycgco", *LOSSLESS)
    assert min(score(deep, one)["psnr_y"].frames) >= 60
    small, plain = (coded(f"scale=96:64{tag}", *LOSSLESS) for tag in (",setparams=colorspace=ycgco", ""))
    expected = score(coded("null", *LOSSLESS), plain, scale="bicubic")
    assert score(one, small, scale="bicubic").neg.unclipped.frames == expected.neg.unclipped.frames


def test_unknown_matrix_beside_others(coded, ffmpeg):
    one = coded("setparams=colorspace=ycgco", *LOSSLESS)
    other = coded("setparams=colorspace=bt2020c", *LOSSLESS)
    pair = plan(ffmpeg, one, coded("null", *LOSSLESS))
    assert "setparams=colorspace=unknown" in pair.reference_filters.split(",")
    assert "setparams=colorspace=unknown" not in pair.distorted_filters.split(",")
    assert "matrix: the reference is tagged ycgco, the distorted clip bt2020c" in problems(ffmpeg, one, other)
    rgb = coded("format=gbrp", "-c:v", "ffv1")
    assert "matrix: the distorted clip is tagged ycgco, which ffmpeg's scaler cannot convert" in problems(
        ffmpeg, rgb, one
    )


# Chroma formats and sample arrangements

#: One of each arrangement and chroma format.
RAW = ("nv21", "nv24", "p016le", "uyvy422", "y210le", "xv30le", "vuya")
MORE_RAW = ("yuv410p", "yuv440p", "yuva420p", "yuv420p14be", "yuv444p10msble", "nv20le")


@pytest.mark.parametrize("names", [("nv12", "p010"), pytest.param((*RAW, *MORE_RAW), marks=slow)])
def test_raw_arrangements_keep_luma(names, make, coded, colour, tmp_path, score):
    paths = {name: tmp_path / f"{name}.raw" for name in names}
    outputs = [part for name in names for part in ("-map", 0, "-pix_fmt", name, "-f", "rawvideo", paths[name])]
    make("-i", coded("gblur=0.6", *LOSSLESS), *outputs)
    expected = score(colour, coded("gblur=0.6", *LOSSLESS))
    for name, path in paths.items():
        result = score(colour, Clip(path, width=192, height=128, pix_fmt=name))
        assert list(result.neg.frames) == pytest.approx(list(expected.neg.frames), abs=1e-4), name


def test_odd_crop_of_alternating_chroma(coded, colour, make, tmp_path, score):
    for name in ("nv12", "uyvy422"):
        raw = make("-i", colour, "-pix_fmt", name, "-f", "rawvideo", tmp_path / f"{name}.raw")
        crop = (9, 8, 101, 78)
        result = score(Clip(colour, crop=crop), Clip(raw, width=192, height=128, pix_fmt=name, crop=crop))
        assert result["psnr_y"] == 60
        assert result["psnr_cb"] > 35, name
        assert result["psnr_cr"] > 35, name


def test_v210(coded, colour, score):
    raw = coded("format=yuv422p10le", "-c:v", "v210", "-f", "rawvideo", name="clip.v210")
    result = score(colour, Clip(raw, width=192, height=128))
    assert min(result["psnr_y"].frames) >= 60
    assert result.provenance["pix_fmt"] == "yuv422p10le"


def test_finer_chroma_is_scored(coded, ffmpeg, colour):
    for pix_fmt, scored in (("yuv411p", "yuv422p"), ("yuv410p", "yuv420p"), ("yuv440p", "yuv444p")):
        clip = coded(f"format={pix_fmt}", "-c:v", "rawvideo", name="chroma.nut")
        pair = plan(ffmpeg, colour, clip)
        assert pair.pix_fmt == scored
        assert f"distorted converted from {pix_fmt} to {scored}" in pair.notes


@pytest.mark.parametrize("names", [("rgb24",), pytest.param(("bgra", "gbrpf32le", "x2rgb10le", "xyz12le"), marks=slow)])
def test_raw_rgb(names, coded, colour, make, tmp_path, score):
    for name in names:
        path = make("-i", colour, "-pix_fmt", name, "-f", "rawvideo", tmp_path / f"{name}.raw")
        result = score(colour, Clip(path, width=192, height=128, pix_fmt=name))
        assert min(result["psnr_y"].frames) > 36, name


# Film grain


@pytest.fixture(scope="module")
def grainy(coded):
    """An AV1 encode whose decoders add film grain."""
    options = ("-c:v", "libsvtav1", "-preset", 10, "-crf", 20, "-svtav1-params", "film-grain=30")
    return coded("null", *options, name="grainy.mp4")


def test_film_grain(colour, grainy, score, ffmpeg, make, tmp_path):
    result, without = score(colour, grainy), score(colour, Clip(grainy, film_grain=False))
    note = "film grain (AV1) that decoders add; Clip(path, film_grain=False) (--no-film-grain) scores it without"
    assert result.provenance["notes"] == [f"distorted is scored with the {note}"]
    assert without.provenance["notes"] == ["distorted is scored without its film grain (AV1)"]
    assert without["psnr_y"] > result["psnr_y"] + 1
    decoded = make("-filmgrain", 0, "-c:v", "libdav1d", "-i", grainy, *LOSSLESS, tmp_path / "decoded.mkv")
    assert without.neg.unclipped.frames == score(colour, decoded).neg.unclipped.frames


def test_film_grain_that_a_decoder_always_adds(grainy, ffmpeg, monkeypatch):
    log = InspectionLog(0)
    log("  Stream #0:0 -> #0:0 (av1 (libaom-av1) -> rawvideo (native))")
    assert log.decoder == "libaom-av1"
    monkeypatch.setattr(InspectionLog, "decoder", "libaom-av1")
    with pytest.raises(ClipError, match=r"film_grain=False needs an ffmpeg with libdav1d"):
        inspect(Clip(grainy, film_grain=False), ffmpeg, 1)
    assert inspect(Clip(grainy), ffmpeg, 1).film_grain == "AV1"


@slow
def test_film_grain_of_vvc(colour, coded, ffmpeg):
    options = ("-c:v", "libvvenc", "-preset", "faster", "-qp", 32, "-vvenc-params", "fga=1")
    notes = plan(ffmpeg, colour, coded("null", *options, name="vvc.mp4")).notes
    assert "distorted describes film grain, which ffmpeg does not add to VVC" in notes


@pytest.mark.parametrize("count", [1, 2, 100, 255, 256, 257, 4096])
def test_quantiles(count):
    levels = np.random.default_rng(count).integers(0, 256, count, np.uint8) // 3
    assert quantiles(levels.tobytes()) == pytest.approx(np.quantile(levels, np.linspace(0, 1, 256)), rel=1e-13)
