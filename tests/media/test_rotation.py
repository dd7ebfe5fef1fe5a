"""Display matrices and Exif orientations: pictures that are turned against each other, and those that only look so."""

from __future__ import annotations

import shlex
import struct
import subprocess

import numpy as np
import pytest

from pytest_vmaf.errors import PairError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.pair import check_pair
from pytest_vmaf.media.rotation import TURNS, find_turn

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 20)
slow = pytest.mark.slow
#: What ffmpeg writes as a display matrix, how ffmpeg prints it, and how coded pictures look against it.
MATRICES = {
    "90": (("-display_rotation", 90), "90°", "turned by 90°"),
    "180": (("-display_rotation", 180), "180°", "turned by 180°"),
    "270": (("-display_rotation", 270), "-90°", "turned by 270°"),
    "hflip": (("-display_hflip",), "180°", "mirrored left to right"),
    "vflip": (("-display_vflip",), "0°", "mirrored upside down"),
}


@pytest.fixture(scope="module")
def coded(make, footage, tmp_path_factory):
    """An encode whose pictures are shown as they are coded."""
    folder = tmp_path_factory.mktemp("coded")
    return make("-i", footage("320x180", 6), *X264, folder / "coded.mp4")


@pytest.fixture(scope="module")
def turned(make, coded, tmp_path_factory):
    """turned("90"): the same frames with a display matrix."""
    folder = tmp_path_factory.mktemp("turned")

    def clip(name):
        path = folder / f"{name}.mp4"
        return path if path.exists() else make(*MATRICES[name][0], "-i", coded, "-c", "copy", path)

    return clip


def check(ffmpeg, reference, distorted, allow=()):
    return check_pair(Clip(reference), Clip(distorted), ffmpeg, scale=None, align=False, allow=allow)


@pytest.mark.parametrize("name", ["90", *(pytest.param(name, marks=slow) for name in MATRICES if name != "90")])
def test_encoder_fed_coded_frames(name, coded, turned, ffmpeg, tmp_path):
    with pytest.raises(PairError) as raised:
        check(ffmpeg, turned(name), coded)
    message, (_, angle, turn) = str(raised.value), MATRICES[name]
    assert message.startswith(
        f"not comparable: rotation: the reference has a display matrix ({angle}), the distorted clip has no display "
        f"matrix, and the pictures are {turn} against each other."
    )
    assert 'allow=["rotation"] (--vmaf-allow=rotation)' in message
    # Neither the sizes nor the first frames are reasons of their own.
    assert message.count("\n  - ") == 0
    command = shlex.split(message.partition("the reference is: ")[2].partition("; or")[0])
    subprocess.run([ffmpeg, "-v", "error", *command[1:]], check=True, cwd=tmp_path)
    assert not check(ffmpeg, tmp_path / command[-1], coded).notes


def test_matrix_of_the_distorted(coded, turned, ffmpeg):
    with pytest.raises(PairError, match=r"the distorted clip has a display matrix \(180°\), and .*from the distorted"):
        check(ffmpeg, coded, turned("180"))


@pytest.mark.parametrize("name", ["90", pytest.param("hflip", marks=slow)])
def test_encode_of_what_players_show(name, turned, make, ffmpeg, tmp_path):
    shown = make("-i", turned(name), *X264, tmp_path / "shown.mp4")
    for pair in ((turned(name), shown), (shown, turned(name))):
        [note] = check(ffmpeg, *pair).notes
        assert "pictures are scored as players show them" in note
    assert check(ffmpeg, turned(name), turned(name)).notes == ()


def test_rotation_allowed(coded, turned, ffmpeg):
    assert check(ffmpeg, turned("180"), coded, allow=["rotation"]).offset == 0


def test_crop_after_rotation(turned, make, ffmpeg, score, tmp_path):
    # The crop is in pixels of the picture as it is shown, 180x320.
    part = make("-i", turned("90"), "-vf", "crop=80:200:20:100", "-c:v", "ffv1", tmp_path / "part.mkv")
    result = score(part, Clip(turned("90"), crop=(20, 100, 80, 200)))
    assert result.features["psnr_y"].frames == pytest.approx([60.0] * 6)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        pytest.param(2, "mirrored left to right", marks=slow),
        (6, "turned by 270°"),
    ],
)
def test_exif_orientation(orientation, turn, coded, make, ffmpeg, tmp_path):
    plain = make("-i", coded, "-frames:v", 1, "-q:v", 2, tmp_path / "plain.jpg")
    ifd = struct.pack("<HHHIII", 1, 0x112, 3, 1, orientation, 0)
    data = b"Exif\0\0II*\0\x08\0\0\0" + ifd
    jpeg = plain.read_bytes()
    exif = tmp_path / "exif.jpg"
    exif.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + jpeg[2:])
    with pytest.raises(PairError, match=rf"rotation: .* the pictures are {turn} against each other") as raised:
        check(ffmpeg, exif, plain)
    command = str(raised.value).partition("the reference is: ")[2].partition(";")[0].split()
    subprocess.run([ffmpeg, "-v", "error", *command[1:]], check=True, cwd=tmp_path)
    check(ffmpeg, tmp_path / "exif-coded.bmp", plain)
    # A picture that is turned as it is shown is the same picture.
    check(ffmpeg, exif, make("-i", exif, tmp_path / "shown.png"))


@pytest.mark.parametrize(
    "turn", [name if name == "turned by 90°" else pytest.param(name, marks=slow) for name in TURNS]
)
def test_turned_without_a_matrix(turn, coded, make, ffmpeg, tmp_path):
    name = TURNS[turn].split("=")[-1]
    back = {"cclock": "transpose=clock", "clock": "transpose=cclock"}.get(name, TURNS[turn])
    distorted = make("-i", coded, "-vf", back, *X264, tmp_path / "turned.mp4")
    with pytest.raises(PairError, match=f"rotation: the pictures are {turn} against each other, and neither") as raised:
        check(ffmpeg, coded, distorted)
    command = shlex.split(str(raised.value).partition("first run ")[2].partition("; or")[0])
    subprocess.run([ffmpeg, "-v", "error", *command[1:]], check=True, cwd=tmp_path)
    check(ffmpeg, coded, tmp_path / command[-1], ["order"])


def test_oblique_matrix(coded, make, ffmpeg, tmp_path):
    oblique = make("-display_rotation", 30, "-i", coded, "-c", "copy", tmp_path / "oblique.mp4")
    with pytest.raises(PairError, match=r"display matrix \(30°\).*not turned by a right angle") as raised:
        check(ffmpeg, oblique, coded)
    command = shlex.split(str(raised.value).partition("the reference is: ")[2].partition("; or")[0])
    subprocess.run([ffmpeg, "-v", "error", *command[1:]], check=True, cwd=tmp_path)
    assert check(ffmpeg, tmp_path / command[-1], coded).notes == ()


def test_find_turn_of_flat_pictures():
    assert find_turn(b"\x10" * 2304, b"\x80" * 2304) == ""


def test_patterns_that_have_several_turns() -> None:
    rows, columns = np.indices((36, 64)) // 2
    board = np.where((rows + columns) % 2, 235, 16).astype(np.uint8)
    assert find_turn(board.tobytes(), (251 - board).tobytes()) == ""
