"""Colours of a source on their way through the encoders: full range, and grey with limited range."""

from __future__ import annotations

import pytest

from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.encoding.encode import make_encode
from pytest_vmaf.encoding.encoders import ENCODERS
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.media.pair import check_pair

AS_STORED = "scale=in_range=full:out_range=full,format=yuv420p,setparams=range=tv"
SOFTWARE = ("libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "libvvenc", "librav1e")


@pytest.fixture(scope="module")
def full(make, footage, tmp_path_factory):
    """A source in full range: 3 frames, tagged."""
    chain = "scale=out_range=pc:out_color_matrix=bt709,setparams=range=pc:colorspace=bt709"
    options = ("-frames:v", 3, "-c:v", "libx264", "-qp", 0, "-preset", "ultrafast")
    return make("-i", footage("192x128", 12), "-vf", chain, *options, tmp_path_factory.mktemp("full") / "full.mkv")


@pytest.fixture(scope="module")
def grey(make, footage, tmp_path_factory):
    """The luma of a source without chroma, limited range: 3 frames."""
    options = ("-frames:v", 3, "-c:v", "ffv1", "-pix_fmt", "gray", "-color_range", "tv")
    chain = "extractplanes=y,setparams=range=tv"
    return make("-i", footage("192x128", 12), "-vf", chain, *options, tmp_path_factory.mktemp("grey") / "grey.mkv")


def test_full_range_arguments(job, full, clip):
    def arguments(source, *words: str, encoder: str = "libvvenc") -> list[str]:
        made = job(encoder, source, preset="faster", arguments=words).ffmpeg_arguments(30)
        return list(made[made.index("-preset") + 4 :])

    assert arguments(full) == ["-vvenc-params", "range=full"]
    assert arguments(full, "-vvenc-params", "fga=1", "-g", "8") == ["-vvenc-params", "range=full:fga=1", "-g", "8"]
    # Filters and options that change the range, and sources without it.
    for words in (("-vf", "scale=out_range=tv"), ("-vvenc-params", "range=limited"), ("-color_range", "tv")):
        assert arguments(full, *words) == list(words)
    assert arguments(clip) == []
    assert arguments(full, encoder="libx264") == []


def test_grey_arguments(job, grey):
    def filters(encoder: str, *words: str, **settings: object) -> str:
        made = job(encoder, grey, preset=ENCODERS[encoder].preset, arguments=words, **settings).ffmpeg_arguments(30)
        return made[made.index("-vf") + 1] if "-vf" in made else ""

    assert filters("libsvtav1") == AS_STORED
    assert filters("libsvtav1", "-vf", "hqdn3d") == f"{AS_STORED},hqdn3d"
    assert filters("libx264") == filters("libx264", pix_fmt="gray") == ""
    assert filters("libx264", pix_fmt="yuv420p") == AS_STORED


@pytest.mark.slow
@pytest.mark.parametrize("name", SOFTWARE)
def test_full_range_through_encoders(name, job, full, tmp_path, ffmpeg):
    encoder = ENCODERS[name]
    encode = make_encode(job(name, full, preset=encoder.preset), 30, tmp_path / f"encode{encoder.suffix}")
    assert inspect(encode.clip, ffmpeg, 1).color_range == "pc"
    assert check_pair(Clip(full), encode.clip, ffmpeg, scale=None, align=False, allow=()).color_range == "pc"


@pytest.mark.slow
@pytest.mark.parametrize("name", SOFTWARE)
def test_grey_through_encoders(name, job, grey, tmp_path, score):
    encoder = ENCODERS[name]
    crf = 60 if name == "librav1e" else 20
    encode = make_encode(job(name, grey, preset=encoder.preset), crf, tmp_path / f"encode{encoder.suffix}")
    # Squeezed as if it were full range, it would have 31 dB.
    assert score(grey, encode.clip)["psnr_y"] > 35


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pix_fmt"), [("libx264", "yuv420p10le"), ("libvvenc", None)])
def test_unknown_matrix_through_encoders(name, pix_fmt, job, clip, make, tmp_path, ffmpeg, score):
    # Depth is converted by ffmpeg's scaler, which refuses the tag.
    tag = ("-vf", "setparams=colorspace=ycgco", "-frames:v", 3, "-c:v", "libx264", "-qp", 0)
    source = make("-i", clip, *tag, tmp_path / "source.mkv")
    task = job(name, source, preset=ENCODERS[name].preset, pix_fmt=pix_fmt)
    encode = make_encode(task, 20, tmp_path / "encode.mp4")
    assert score(source, encode.clip)["psnr_y"] > 35
    [part] = cut(Clip(source), [(0, 3)], tmp_path, ffmpeg, size=(96, 64))
    video = inspect(part, ffmpeg, 1)
    assert (video.width, video.matrix) == (96, "ycgco")


@pytest.mark.parametrize("pix_fmt", ["p010le", pytest.param("nv12", marks=pytest.mark.slow)])
def test_cut_of_alternating_chroma(pix_fmt, clip, make, tmp_path, ffmpeg):
    raw = make("-i", clip, "-pix_fmt", pix_fmt, "-frames:v", 3, "-f", "rawvideo", tmp_path / "a.raw")
    planar = make("-i", clip, "-pix_fmt", "yuv420p10le" if pix_fmt == "p010le" else "yuv420p", "-frames:v", 3,
                  "-f", "rawvideo", tmp_path / "b.raw")  # fmt: skip
    source = Clip(raw, width=192, height=128, pix_fmt=pix_fmt, crop=(8, 8, 100, 80))
    [part] = cut(source, [(0, 3)], tmp_path, ffmpeg)
    other = Clip(planar, width=192, height=128, pix_fmt=inspect(part, ffmpeg, 1).pix_fmt)
    samples = make("-i", part.path, "-f", "rawvideo", tmp_path / "part.raw")
    raw_planar = ("-f", "rawvideo", "-video_size", "192x128", "-pixel_format", other.pix_fmt, "-i", other.path)
    expected = make(*raw_planar, "-vf", "crop=100:80:8:8", "-f", "rawvideo", tmp_path / "expected.raw")
    assert samples.read_bytes() == expected.read_bytes()
