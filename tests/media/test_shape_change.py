"""Sample aspect ratios that change within a stream, whose frames ffmpeg gives the first ratio."""

from __future__ import annotations

import re

import pytest

from pytest_vmaf.errors import PairError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.media.shape_change import shape_changes

slow = pytest.mark.slow
KINDS = {"h264": "libx264", "hevc": "libx265", "m2v": "mpeg2video"}


@pytest.fixture(scope="module")
def joined(make, footage, tmp_path_factory):
    """joined(kind, *ratios): a bare stream of two frames of each sample aspect ratio."""
    folder = tmp_path_factory.mktemp("joined")

    def stream(kind: str, *ratios: str):
        parts = []
        for number, ratio in enumerate(ratios):
            chain = f"trim=start_frame={2 * number}:end_frame={2 * number + 2},setsar={ratio}"
            part = folder / f"part-{number}.{kind}"
            parts.append(make("-i", footage("192x128", 6), "-vf", chain, "-c:v", KINDS[kind], part).read_bytes())
        path = folder / f"{'-'.join(ratios).replace('/', 'to')}.{kind}"
        path.write_bytes(b"".join(parts))
        return path

    return stream


@pytest.mark.parametrize("kind", ["h264", *(pytest.param(kind, marks=slow) for kind in ("hevc", "m2v"))])
def test_shape_change_of_a_bare_stream(kind, joined, ffmpeg):
    one, other = (inspect(Clip(joined(kind, *ratios)), ffmpeg, 6) for ratios in (("1", "1"), ("1", "4/3")))
    # MPEG-2 states the shape of the display.
    ratios = r"\S+ to \S+" if kind == "m2v" else "1 to 4/3"
    [text] = shape_changes(one, other, (), ffmpeg, None, None)
    assert re.match(f"sample aspect ratio: it changes from {ratios} in frame 2 of the distorted clip, so players", text)
    assert shape_changes(one, other, ["display"], ffmpeg, None, None) == []
    assert shape_changes(other, other, (), ffmpeg, None, None) == []


@slow
def test_score_of_a_shape_change(joined, score):
    one, other = joined("h264", "1", "1", "1"), joined("h264", "1", "1", "4/3")
    for pair, what in (((one, other), "distorted clip"), ((other, one), "reference")):
        with pytest.raises(PairError, match=f"ratio: it changes from 1 to 4/3 in frame 4 of the {what}, so players"):
            score(*pair)
    assert score(one, other, allow=["display"]).neg > 90


@slow
def test_shape_change_of_a_transport_stream(joined, make, ffmpeg, tmp_path):
    clock = ("-bsf:v", "setts=ts=N*3600:time_base=1/90000", "-f", "mpegts")
    path = make("-i", joined("h264", "1", "1", "4/3"), "-c", "copy", *clock, tmp_path / "a.ts")
    video = inspect(Clip(path), ffmpeg, 6)
    steady = inspect(Clip(joined("h264", "1", "1", "1")), ffmpeg, 6)
    [text] = shape_changes(video, steady, (), ffmpeg, None, None)
    assert text.startswith("sample aspect ratio: it changes from 1 to 4/3 in frame 4 of the reference")


def test_steady_shape(joined, make, ffmpeg, tmp_path, monkeypatch):
    """Equal headers need no decoding, and files that state the shape themselves no look."""
    steady = inspect(Clip(joined("h264", "1", "1", "1")), ffmpeg, 6)
    monkeypatch.setattr("pytest_vmaf.media.shape_change.FrameLines", None)
    assert shape_changes(steady, steady, (), ffmpeg, None, None) == []
    film = inspect(Clip(make("-i", steady.clip.path, "-c", "copy", tmp_path / "film.mp4")), ffmpeg, 6)
    monkeypatch.setattr("pytest_vmaf.media.shape_change.run", None)
    assert shape_changes(film, film, (), ffmpeg, None, None) == []
