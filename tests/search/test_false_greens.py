"""Encodes whose numbers look better than they are: each is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf import EncodeError, MeasurementError, SettingsError, Vmaf
from pytest_vmaf.encoding.encoders import Encoder
from search.builders import CurveScorer, copying, search as curve_search

CRF = (20, 36)


def search(source: Path, **settings: object) -> object:
    return Vmaf().bisect(source, targets=[60], crf=CRF, **{"encoder": "libx264:ultrafast", **settings})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def source(footage: Callable[..., Path]) -> Path:
    return footage("192x128", 12)


@pytest.fixture
def by_hand(ffmpeg: str) -> Callable[..., None]:
    """Encode with x264 as an encoder function would."""

    def run(source: Path, output: Path, crf: int, *arguments: str) -> None:
        argv = [ffmpeg, "-nostdin", "-loglevel", "error", "-y", "-i", source, "-c:v", "libx264", "-preset", "ultrafast"]
        subprocess.run([*argv, "-crf", str(crf), *arguments, output], check=True)

    return run


@pytest.mark.parametrize("arguments", ["-g 12 {folder}/second.mp4", "-an -c:v libx264 {folder}/second.mkv"])
def test_second_output(arguments: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises((EncodeError, SettingsError), match=r"make ffmpeg write 2 output files|must not contain -c:v"):
        search(source, arguments=arguments.format(folder=tmp_path))


@pytest.mark.parametrize("arguments", ["-f null", "-map 0:a", "-i other.mp4", "-filter_complex null", "-y"])
def test_arguments_of_input_or_output(arguments: str, source: Path) -> None:
    with pytest.raises(
        SettingsError, match="libx264 gets it from the search, which sets the quality, the input and the"
    ):
        search(source, arguments=arguments)


@pytest.mark.parametrize(
    ("encoder", "arguments"),
    [
        ("libx264:ultrafast", ["-bsf:v", r"setts=ts=TS+gte(N\,11)*5/TB"]),
        ("libx264:ultrafast", ["-vf", r"setpts=PTS+gte(N\,11)*5/TB"]),
        pytest.param("libvpx-vp9:5", ["-bsf:v", "setts=ts=TS*10"], marks=pytest.mark.slow),
    ],
)
def test_stretched_time_stamps(encoder: str, arguments: list[str], source: Path) -> None:
    with pytest.raises(MeasurementError, match=r"by its time stamps, but its 12 frames last 0\.480 s|frame rate: "):
        search(source, encoder=encoder, arguments=arguments)


@pytest.mark.slow
def test_bitstream_filter_is_scored(source: Path) -> None:
    noise = Encoder(
        "libx264",
        arguments=("-preset", "ultrafast", "-crf", "{crf}", "-bsf:v", r"noise=amount=if(eq({crf}\,20)\,0\,99)"),
    )
    # The first encode, at CRF 20, is intact.
    with pytest.raises(MeasurementError) as caught:
        search(source, encoder=noise, start={60: 20})
    assert [probe.crf for probe in caught.value.probes] == [20]


@pytest.mark.slow
def test_encoder_that_writes_to_its_input(
    source: Path, by_hand: Callable[..., None], make: Callable[..., Path], tmp_path: Path
) -> None:
    mine = tmp_path / "source.mkv"
    shutil.copyfile(source, mine)

    def cheat(source: Path, output: Path, crf: int) -> None:
        by_hand(source, output, crf)
        make("-i", output, "-c:v", "ffv1", source)

    with pytest.raises(EncodeError, match="was written to during the search"):
        search(mine, encoder=cheat)


@pytest.mark.slow
def test_encode_that_starts_later(source: Path) -> None:
    with pytest.raises(EncodeError, match="must start with its source, not 5 frames off"):
        search(source, arguments=["-vf", "trim=start_frame=5,setpts=PTS-STARTPTS"], align=True)


@pytest.mark.slow
def test_packets_hidden_by_an_edit_list(
    source: Path, by_hand: Callable[..., None], make: Callable[..., Path], tmp_path: Path
) -> None:
    def padded(source: Path, output: Path, crf: int) -> None:
        whole = tmp_path / "whole.mp4"
        by_hand(source, whole, crf, "-vf", "tpad=start=12:start_mode=clone", "-g", "48")
        make("-ss", "0.48", "-i", whole, "-c", "copy", output)

    with pytest.raises(MeasurementError, match=r"the file has .* frames, but 12 were scored|by its time stamps"):
        search(source, encoder=padded)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_encoder_that_links_its_output(
    link: Callable[[Path, Path], None], source: Path, by_hand: Callable[..., None], tmp_path: Path
) -> None:
    def cached(source: Path, output: Path, crf: int) -> None:
        by_hand(source, tmp_path / "cache.mp4", crf)
        link(tmp_path / "cache.mp4", output)

    with pytest.raises(EncodeError, match=r"created a link instead of a file at CRF"):
        search(source, encoder=cached)


@pytest.mark.slow
def test_sample_and_whole_are_kept_apart(source: Path, encode: Callable[..., Path], tmp_path: Path) -> None:
    encodes = [copying(encode(source, 30, None, "-frames:v", str(frames))) for frames in (12, 6)]
    whole = curve_search(source, encodes[0], 60, scorer=CurveScorer(frames=12), keep=tmp_path / "kept")
    part = curve_search(source, encodes[1], 60, scorer=CurveScorer(frames=6), keep=tmp_path / "kept", sample=0.24)
    assert whole[60].encode.path != part[60].encode.path
    assert len(list((tmp_path / "kept").iterdir())) == 2


@pytest.mark.slow
def test_rung_of_another_size(source: Path) -> None:
    with pytest.raises(EncodeError, match="must have the size of its source, 96x64, not 80x64"):
        Vmaf().ladder(
            source, encoder="libx264:ultrafast", targets=[20], resolutions=["96x64"], arguments="-vf scale=80:64"
        )


def test_empty_gate(source: Path) -> None:
    with pytest.raises(SettingsError, match="max_bitrate is empty, so it would check nothing"):
        search(source, max_bitrate={})


@pytest.mark.parametrize(
    "settings",
    [
        {"targets": [10**400]},
        {"min_crf": 10**400},
        {"keep": "a\0b"},
        {"encoder": lambda source, output, crf: (_ for _ in ()).throw(SystemExit(0))},
    ],
    ids=["targets", "min_crf", "keep", "exit"],
)
def test_hostile_values(settings: dict[str, object], source: Path) -> None:
    with pytest.raises((SettingsError, MeasurementError)):
        Vmaf().bisect(source, **{"encoder": "libx264:ultrafast", "targets": [60], "crf": CRF, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"crf_range": (0, 10**8)}, {"slope": float("nan")}, {"slope": "x"}, {"slope": 0}])
def test_invalid_encoder(values: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        Encoder("x", arguments=("-crf", "{crf}"), **values)  # type: ignore[arg-type]
