"""A crop, or a stream, of a file everywhere: encodes, cuts, regions, maps, pictures of reports, the command."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from pytest_vmaf import Encoder, Vmaf
from pytest_vmaf.cli.main import main
from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import count_frames, inspect
from pytest_vmaf.report.frame_pictures import worst_pictures

CROP = (32, 22, 128, 100)
FILTER = "crop=128:100:32:22"


@pytest.fixture(scope="module")
def source(footage):
    return footage("192x128", 6)


@pytest.fixture(scope="module")
def part(make, source, tmp_path_factory):
    """The crop as a file of its own."""
    return make("-i", source, "-vf", FILTER, "-c:v", "ffv1", tmp_path_factory.mktemp("part") / "part.mkv")


@pytest.fixture
def vmaf():
    return Vmaf()


@pytest.mark.parametrize("arguments", [pytest.param("", marks=pytest.mark.slow), "-vf hflip"])
def test_encode(arguments, source, part, vmaf, tmp_path):
    """The crop comes before the user's own filters, in one process with scoring too."""
    settings = {"encoder": "libx264", "preset": "ultrafast", "arguments": arguments}
    encodes = [
        vmaf.encode(clip, crf=30, output=tmp_path / f"{number}.mp4", **settings)
        for number, clip in enumerate((Clip(source, crop=CROP), part))
    ]
    assert encodes[0].size == encodes[1].size
    assert FILTER in encodes[0].command


@pytest.mark.slow
def test_bisect(source, part, vmaf):
    settings = {"encoder": "libx264", "preset": "ultrafast", "targets": [60], "crf": (20, 44)}
    cropped, alone = (vmaf.bisect(clip, **settings) for clip in (Clip(source, crop=CROP), part))
    points = [[(p.crf, p.score, p.encode.size) for p in answer.probes] for answer in (cropped, alone)]
    assert points[0] == points[1]
    assert "(crop 128x100 at 32,22)" in cropped.reference


def test_program_that_reads_stdin(source, ffmpeg, vmaf, tmp_path):
    command = f"{shlex.quote(ffmpeg)} -v error -f yuv4mpegpipe -i - -c:v libx264 -crf {{crf}} -y {{output}}"
    encode = vmaf.encode(Clip(source, crop=CROP), encoder=command, crf=30, output=tmp_path / "a.mp4")
    video = inspect(encode.clip, ffmpeg, 1)
    assert (video.width, video.height) == (128, 100)


def test_program_that_reads_the_file(source, ffmpeg, vmaf, tmp_path):
    encoder = Encoder("copy", command=("cp", "{input}", "{output}", "{crf}"))
    for clip in (Clip(source, crop=CROP), Clip(source, stream=0)):
        with pytest.raises(SettingsError, match="copy reads the file itself and cannot know which part of") as raised:
            vmaf.encode(clip, encoder=encoder, crf=30, output=tmp_path / "a.mp4")
    with pytest.raises(SettingsError) as raised:
        vmaf.encode(Clip(source, crop=CROP), encoder=lambda a, b, c: None, crf=30, output=tmp_path / "a.mp4")
    command = shlex.split(str(raised.value).partition("\n")[2])
    subprocess.run([ffmpeg, "-v", "error", *command[1:]], check=True, cwd=tmp_path)
    video = inspect(Clip(tmp_path / "selected.mkv"), ffmpeg, 1)
    assert (video.width, video.height) == (128, 100)


def test_cut(source, ffmpeg, tmp_path):
    [piece] = cut(Clip(source, crop=CROP), [(1, 3)], tmp_path, ffmpeg)
    video = inspect(piece, ffmpeg, 1)
    assert (video.width, video.height, count_frames(piece, ffmpeg)) == (128, 100, 3)


@pytest.mark.slow
def test_regions_and_tiles(source, part, vmaf, make, tmp_path):
    distorted = make("-i", part, "-c:v", "libx264", "-crf", 35, tmp_path / "a.mp4")
    clips = [Clip(source, crop=CROP), part]
    regions = {"middle": (20, 20, 64, 48)}
    scored = [vmaf.score(clip, distorted, regions=regions).regions["middle"] for clip in clips]
    assert scored[0].neg.unclipped.frames == scored[1].neg.unclipped.frames
    maps = [vmaf.map(clip, distorted, grid=(2, 2)) for clip in clips]
    assert maps[0].worst.neg == maps[1].worst.neg


def test_pictures_of_reports(source, part, score, make, tmp_path, vmaf):
    distorted = make("-i", part, "-c:v", "libx264", "-crf", 35, tmp_path / "a.mp4")
    pictures = []
    for reference in (Clip(source, crop=CROP), Clip(part)):
        vmaf.score(reference, distorted)
        rows, left_out = worst_pictures(vmaf.records[-1], reference, Clip(distorted), 1)
        assert left_out is None
        pictures.append([rows[0][kind] for kind in ("reference", "distorted", "difference")])
    assert pictures[0] == pictures[1]


def test_command(source, part, make, tmp_path, capsys):
    distorted = make("-i", part, "-c:v", "libx264", "-crf", 35, tmp_path / "a.mp4")
    flags = ["--reference-crop", "32,22,128,100", "--distorted-stream", "0", "--format", "json"]
    assert main(["score", str(source), str(distorted), *flags]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["reference"], record["provenance"]["width"]) == (f"{source} (crop 128x100 at 32,22)", 128)
    assert main(["score", str(part), str(source), "--distorted-crop", "32,22,128,100"]) == 0
    assert main(["score", str(source), str(distorted), "--reference-stream", "-1"]) == 2
    assert "stream must be the number of a video stream" in capsys.readouterr().err


def test_command_with_an_invalid_crop(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["score", "a.mkv", "b.mkv", "--reference-crop", "1,2,3"])
    assert raised.value.code == 2
    assert "argument --reference-crop: must be X,Y,W,H in pixels" in capsys.readouterr().err


@pytest.mark.slow
def test_baseline_knows_the_crop(source, part, pytester, make):
    distorted = make("-i", part, "-c:v", "libx264", "-crf", 35, pytester.path / "a.mp4")
    test = """
        import pytest_vmaf
        def test_it(vmaf):
            vmaf.score(pytest_vmaf.Clip({source!r}, crop={crop}), {distorted!r}, baseline=True)
    """
    values = {"source": str(source), "distorted": str(distorted)}
    pytester.makepyfile(test.format(crop=CROP, **values))
    assert pytester.runpytest("--vmaf-baseline-update=missing", "-q").ret == 0
    assert pytester.runpytest("-q").ret == 0
    pytester.makepyfile(test.format(crop=(0, 0, 128, 100), **values))
    outcome = pytester.runpytest("-q")
    assert outcome.ret == 1
    outcome.stdout.fnmatch_lines(["*reference*"])
