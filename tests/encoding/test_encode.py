"""Encodes by ffmpeg, by programs and by functions, and what can go wrong."""

from __future__ import annotations

import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from encoding.builders import FAST, paper_job
from pytest_vmaf.encoding.encode import TrialEncode, make_encode
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.encoding.job import EncodeJob, check_arguments
from pytest_vmaf.errors import ClipError, EncodeError, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import count_frames, inspect
from pytest_vmaf.media.termination import Terminated

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: What the programs of these tests do: $1 input, $2 CRF, $3 output.
X264 = 'ffmpeg -i "$1" -c:v libx264 -preset ultrafast -crf "$2" "$3"'


@pytest.fixture
def stated(ffmpeg: str) -> Callable[[Path], tuple[int, int, float]]:
    """stated(path): packets, bytes and seconds of the video, as ffmpeg's own demuxer sums them up."""

    def read(path: Path) -> tuple[int, int, float]:
        argv = [ffmpeg, "-nostdin", "-hide_banner", "-v", "verbose", "-i", path, "-map", "0:V:0", "-c", "copy"]
        log = subprocess.run([*argv, "-f", "null", "-"], capture_output=True, text=True, check=True).stderr
        packets = re.search(r"Input stream #0:0 \(video\): (\d+) packets read \((\d+) bytes\)", log)
        length = re.search(r"Duration: 00:00:(\d\d\.\d+)", log)
        assert packets
        assert length
        return int(packets[1]), int(packets[2]), float(length[1])

    return read


#: How ffmpeg is given the preset and the CRF of each software encoder by hand.
BY_HAND = {
    "libx264": "-preset {} -crf {}",
    "libx265": "-preset {} -crf {}",
    "libsvtav1": "-preset {} -crf {}",
    "libaom-av1": "-cpu-used {} -row-mt 1 -crf {} -b:v 0",
    "libvpx-vp9": "-deadline good -cpu-used {} -row-mt 1 -crf {} -b:v 0",
    "libvvenc": "-preset {} -qp {}",
    "librav1e": "-speed {} -qp {}",
}
SOFTWARE = [pytest.param(name, marks=() if name == "libx264" else pytest.mark.slow) for name in FAST]

# ffmpeg's encoders


@pytest.mark.parametrize("name", SOFTWARE)
def test_software_encoders(
    name: str,
    job: Callable[..., EncodeJob],
    clip: Path,
    make: Callable[..., Path],
    tmp_path: Path,
    stated: Callable[[Path], tuple[int, int, float]],
) -> None:
    preset, crf = FAST[name]
    path = tmp_path / f"out{ENCODERS[name].suffix}"
    encode = make_encode(job(name, preset=preset), crf, path)
    by_hand = make(
        "-i", clip, "-c:v", name, *BY_HAND[name].format(preset, crf).split(), tmp_path / f"hand{path.suffix}"
    )
    packets, size, duration = stated(by_hand)
    assert (encode.frames, encode.size) == (packets, size)
    assert packets == 12
    assert 0 < encode.size < path.stat().st_size
    assert encode.duration == pytest.approx(0.48, abs=1e-3)
    assert encode.duration == pytest.approx(duration, abs=0.011)
    assert encode.bitrate == pytest.approx(size * 8 / 0.48, rel=1e-3)
    assert (encode.name, encode.crf, encode.path) == (f"{name} {preset}", crf, path)
    assert encode.seconds is not None
    assert encode.seconds > 0


@pytest.mark.parametrize("name", SOFTWARE)
def test_larger_crf_is_coarser(
    name: str, job: Callable[..., EncodeJob], tmp_path: Path, footage: Callable[..., Path]
) -> None:
    preset, crf = FAST[name]
    low, high = ENCODERS[name].crf_range
    encode_job = job(name, footage("192x128", 3), preset=preset)
    sizes = [
        make_encode(encode_job, number, tmp_path / f"out{ENCODERS[name].suffix}").size for number in (low, crf, high)
    ]
    assert sizes == sorted(set(sizes), reverse=True)


def test_command(job: Callable[..., EncodeJob], tmp_path: Path, clip: Path) -> None:
    encode = make_encode(job("libx264", preset="veryfast"), 30, tmp_path / "out.mp4")
    assert "-loglevel" not in encode.command
    assert "protocol" not in encode.command
    again = tmp_path / "again"
    again.mkdir()
    subprocess.run(encode.command, shell=True, cwd=again, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert (again / "out.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()


def test_arguments_and_pix_fmt(job: Callable[..., EncodeJob], tmp_path: Path, ffmpeg: str) -> None:
    path = tmp_path / "out.mp4"
    encode_job = job("libx264", preset="veryfast", pix_fmt="yuv420p10le", arguments=("-bf", "0", "-vf", "scale=96:64"))
    make_encode(encode_job, 30, path)
    video = inspect(Clip(path), ffmpeg, 1)
    assert (video.pix_fmt, video.width, video.height) == ("yuv420p10le", 96, 64)


def test_failure(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match=r"libx264 .*failed at CRF 30: it ended with exit code") as caught:
        make_encode(job("libx264", preset="veryfast", arguments=("-g", "no")), 30, tmp_path / "o")
    assert "-g no " in str(caught.value)
    assert "Invalid argument" in str(caught.value)
    assert not (tmp_path / "o").exists()


def test_missing_gpu(job: Callable[..., EncodeJob], tmp_path: Path, ffmpeg: str) -> None:
    there = subprocess.run([ffmpeg, "-hide_banner", "-encoders"], capture_output=True, text=True).stdout
    if "h264_nvenc" not in there or Path("/dev/nvidiactl").exists():
        pytest.skip("needs an ffmpeg with NVENC where there is no NVIDIA GPU")
    with pytest.raises(EncodeError, match="h264_nvenc p5 failed at CRF 30") as caught:
        make_encode(job("h264_nvenc", preset="p5"), 30, tmp_path / "out.mp4")
    assert "It needs an NVIDIA GPU and its driver." in str(caught.value)
    assert re.search(r"libcuda|[Nn]vidia|CUDA", str(caught.value).partition("last lines were")[2])


def test_source_missing(job: Callable[..., EncodeJob], tmp_path: Path, clip: Path) -> None:
    source = Path(shutil.copy(clip, tmp_path / "source.mkv"))
    encode_job = job("libx264", source, preset="veryfast")
    source.unlink()
    with pytest.raises(ClipError, match=r"source\.mkv does not exist"):
        make_encode(encode_job, 30, tmp_path / "out.mp4")


def test_source_cut_off(job: Callable[..., EncodeJob], tmp_path: Path, encoded: Path) -> None:
    source = tmp_path / "cut.mp4"
    source.write_bytes(encoded.read_bytes())
    encode_job = job("libx264", source, preset="veryfast")
    with source.open("r+b") as file:
        file.seek(encoded.stat().st_size // 2)
        file.write(bytes(2000))
    with pytest.raises(EncodeError, match="libx264 veryfast failed at CRF 30"):
        make_encode(encode_job, 30, tmp_path / "out.mp4")


# Duration and size


def test_duration_of_one_frame(job: Callable[..., EncodeJob], footage: Callable[..., Path], tmp_path: Path):
    encode = make_encode(job("libx264", footage("192x128", 1), preset="veryfast"), 30, tmp_path / "out.mp4")
    assert (encode.frames, encode.duration) == (1, pytest.approx(0.04))


def test_duration_of_bare_stream(
    job: Callable[..., EncodeJob], footage: Callable[..., Path], program: Callable[..., Path], tmp_path: Path
) -> None:
    source = footage("192x128", 10, "24000/1001")
    command = [program(X264), "{input}", "{crf}", "{output}"]
    encode = make_encode(job(command_encoder(command), source), 30, tmp_path / "out.h264")
    assert encode.frames == 10
    assert encode.duration == pytest.approx(10 * 1001 / 24000, rel=1e-4)


def test_duration_by_uneven_time_stamps(
    make: Callable[..., Path], job: Callable[..., EncodeJob], footage: Callable[..., Path], tmp_path: Path
) -> None:
    # 12 frames whose second half is shown at half the speed.
    uneven = make("-i", footage("192x128", 12), "-vf", "setpts='if(lt(N,6),N,2*N-6)/25/TB'", "-fps_mode", "passthrough",
                  "-c:v", "ffv1", tmp_path / "uneven.mkv")  # fmt: skip
    encode = make_encode(job("libx264", uneven, preset="veryfast"), 30, tmp_path / "out.mkv")
    # From 0 to frame 11 at (2 x 11 - 6) / 25 s; the last is shown for the mean of the others.
    assert encode.duration == pytest.approx(16 / 25 * 12 / 11, abs=2e-3)


def test_size_without_sound(
    job: Callable[..., EncodeJob],
    program: Callable[..., Path],
    tmp_path: Path,
    stated: Callable[[Path], tuple[int, int, float]],
) -> None:
    sound = "-f lavfi -i sine=d=1 -map 1:a -map 0:v -c:a aac -c:v libx264 -preset ultrafast"
    command = [program(f'ffmpeg -i "$1" {sound} -crf "$2" "$3"'), "{input}", "{crf}", "{output}"]
    encode = make_encode(job(command_encoder(command)), 30, tmp_path / "out.mp4")
    alone = make_encode(job("libx264", preset="ultrafast"), 30, tmp_path / "alone.mp4")
    assert encode.frames == 12
    assert encode.size == alone.size == stated(tmp_path / "alone.mp4")[1]


def test_raw_video_without_rate(
    make: Callable[..., Path], job: Callable[..., EncodeJob], clip: Path, tmp_path: Path
) -> None:
    raw = make("-i", clip, "-f", "rawvideo", tmp_path / "raw.yuv")
    encode_job = job("libx264", Clip(raw, width=192, height=128), preset="veryfast")
    with pytest.raises(EncodeError, match=r"raw\.yuv states no frame rate, so bitrates are unknown\. Set it: Clip"):
        make_encode(encode_job, 30, tmp_path / "out.mp4")
    with_rate = job("libx264", Clip(raw, width=192, height=128, frame_rate=50), preset="veryfast")
    encode = make_encode(with_rate, 30, tmp_path / "out.mp4")
    assert (encode.frames, encode.duration) == (12, pytest.approx(0.24, abs=1e-3))


# Programs


def test_program_file_names(
    program: Callable[..., Path], job: Callable[..., EncodeJob], clip: Path, tmp_path: Path, ffmpeg: str
) -> None:
    source = Path(shutil.copy(clip, tmp_path / 'it\'s a "$HOME" {crf} %d; rm.mkv'))
    path = tmp_path / "out put's.mp4"
    enc = program(X264, name='my "enc" o\'r')
    encoder = command_encoder(f"{shlex.quote(str(enc))} {{input}} {{crf}} {{output}}")
    encode = make_encode(job(encoder, source), 30, path)
    assert encode.frames == count_frames(Clip(path), ffmpeg) == 12
    assert encode.name == 'my "enc" o\'r'
    assert "out put" in encode.command


def test_program_arguments(program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    enc = program('printf "%s\\n" "$@" > "$0.log"', X264)
    placeholders = ["{preset}", "{width}x{height}", "{frame_rate}", "{frames}", "{pix_fmt}"]
    encoder = command_encoder([enc, "{input}", "--q={crf}", "{output}", *placeholders])
    with pytest.raises(EncodeError, match="failed at CRF 30"):
        # As CRF this script gets "--q=30", which x264 refuses.
        make_encode(job(encoder, preset="very fast", arguments=("a b", "{crf}")), 30, tmp_path / "out.mp4")
    arguments = Path(f"{enc}.log").read_text().splitlines()
    assert arguments[1:] == [
        "--q=30",
        str(tmp_path / "out.mp4"),
        "very fast",
        "192x128",
        "25",
        "12",
        "yuv420p",
        "a b",
        "{crf}",
    ]


def test_program_placeholder_unknown(
    make: Callable[..., Path], job: Callable[..., EncodeJob], clip: Path, tmp_path: Path
) -> None:
    picture = make("-i", clip, "-frames:v", 1, tmp_path / "one.png")
    with pytest.raises(EncodeError, match=r"one\.png states no frame rate"):
        make_encode(job(command_encoder("enc {crf} {output} {frame_rate}"), picture), 30, tmp_path / "out.mp4")
    encode_job = job(command_encoder("enc {crf} {output} {frames}"))
    encode_job = replace(encode_job, source=replace(encode_job.source, duration=None))
    with pytest.raises(EncodeError, match=r"enc needs \{frames\}, which .*reference-.*\.mkv does not state"):
        make_encode(encode_job, 30, tmp_path / "out.mp4")


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_program_pipes(
    pix_fmt: str,
    make: Callable[..., Path],
    program: Callable[..., Path],
    job: Callable[..., EncodeJob],
    tmp_path: Path,
    ffmpeg: str,
) -> None:
    source = make("-f", "lavfi", "-i", "testsrc2=s=192x128:r=30000/1001", "-frames:v", 7, "-pix_fmt", pix_fmt,
                  "-c:v", "ffv1", tmp_path / "source.mkv")  # fmt: skip
    enc = program("ffmpeg -f yuv4mpegpipe -i - -c:v ffv1 -f matroska -")
    path = tmp_path / "out.mkv"
    encode = make_encode(job(command_encoder([enc, "{crf}"]), source), 30, path)
    # The program is lossless, so whatever y4m brought it is here.
    video = inspect(Clip(path), ffmpeg, 1)
    assert (video.pix_fmt, encode.frames) == (pix_fmt, 7)
    assert video.frame_rate == pytest.approx(Fraction(30000, 1001), rel=1e-4)
    assert md5(ffmpeg, path) == md5(ffmpeg, source)
    assert re.search(rf" -i .*source\.mkv .*-f yuv4mpegpipe - \| .*{enc.name} 30 > out\.mkv$", encode.command)


def md5(ffmpeg: str, path: Path) -> str:
    argv = [ffmpeg, "-nostdin", "-v", "error", "-i", path, "-map", "0:V:0", "-fps_mode", "passthrough"]
    return subprocess.check_output([*argv, "-c:v", "rawvideo", "-f", "md5", "-"], text=True)


def test_program_pipes_command(program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    enc = program('ffmpeg -i - -c:v libx264 -preset ultrafast -crf "$1" -f matroska -bitexact -')
    encode = make_encode(job(command_encoder([enc, "{crf}"])), 30, tmp_path / "out.mkv")
    again = tmp_path / "again"
    again.mkdir()
    subprocess.run(encode.command, shell=True, cwd=again, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert (again / "out.mkv").read_bytes() == (tmp_path / "out.mkv").read_bytes()


def test_y4m_unsupported_format(
    make: Callable[..., Path], program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    source = make("-f", "lavfi", "-i", "testsrc2=s=192x128", "-frames:v", 5, "-pix_fmt", "rgb24",
                  "-c:v", "rawvideo", tmp_path / "source.nut")  # fmt: skip
    encoder = command_encoder([program('ffmpeg -i - -c:v libx264 -crf "$1" "$2"'), "{crf}", "{output}"])
    with pytest.raises(EncodeError, match=r"y4m cannot carry rgb24\. Choose a conversion, for example pix_fmt="):
        make_encode(job(encoder, source), 30, tmp_path / "out.mp4")
    assert make_encode(job(encoder, source, pix_fmt="yuv420p"), 30, tmp_path / "out.mp4").frames == 5


def test_program_stops_reading(
    program: Callable[..., Path], job: Callable[..., EncodeJob], make: Callable[..., Path], tmp_path: Path
) -> None:
    # More than a pipe holds, so that ffmpeg is still writing when the reader has gone.
    source = make("-f", "lavfi", "-i", "testsrc2=s=640x360", "-frames:v", 24, "-c:v", "ffv1", tmp_path / "large.mkv")
    enc = program('ffmpeg -i - -frames:v 3 -c:v libx264 -preset ultrafast -crf "$1" "$2"')
    encode = make_encode(job(command_encoder([enc, "{crf}", "{output}"]), source), 30, tmp_path / "out.mp4")
    assert encode.frames == 3


def test_program_source_damaged(
    program: Callable[..., Path], job: Callable[..., EncodeJob], encoded: Path, tmp_path: Path
) -> None:
    source = tmp_path / "damaged.mp4"
    source.write_bytes(encoded.read_bytes())
    encode_job = job(command_encoder([program('cat > "$2"'), "{crf}", "{output}"]), source)
    with source.open("r+b") as file:
        file.seek(encoded.stat().st_size // 2)
        file.write(bytes(2000))
    with pytest.raises(EncodeError, match=r"damaged\.mp4 is cut off or damaged \(error while decoding MB"):
        make_encode(encode_job, 30, tmp_path / "out.y4m")
    assert not (tmp_path / "out.y4m").exists()


@pytest.mark.parametrize("reads", ["{input}", "-"])
def test_program_missing(reads: str, job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    encoder = command_encoder([tmp_path / "no-such-enc", "{crf}", reads, "{output}"])
    before = open_files()
    with pytest.raises(EncodeError, match=r"no-such-enc was not found in /.*, or is not executable"):
        make_encode(job(encoder), 30, tmp_path / "out.mp4")
    assert open_files() == before


def test_command_of_the_embedded_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = command_encoder("ffmpeg -i {input} -crf {crf} {output}")
    on_path = tmp_path / "ffmpeg"
    on_path.write_text("#!/bin/sh\n")
    on_path.chmod(0o755)
    for folder, program in ((tmp_path, "ffmpeg"), (tmp_path / "empty", "/embedded/ffmpeg")):
        monkeypatch.setenv("PATH", str(folder))
        job = replace(paper_job(encoder), ffmpeg="/embedded/ffmpeg", encoder=encoder)
        assert job.program_argv(30, Path("out.mp4"))[0] == program
        assert job.name == "ffmpeg"


def open_files() -> set[str]:
    folder = Path("/proc/self/fd")
    return set(os.listdir(folder)) if folder.exists() else set()


@pytest.mark.parametrize("reads", ["{input}", "-"])
@pytest.mark.parametrize("writes", ["{output}", "-"])
def test_program_fails(
    reads: str, writes: str, program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    # Its last argument is the output, or - for standard output.
    enc = program('[ "$3" = - ] || echo half > "$3"', "echo half", "echo no licence for this >&2; exit 3")
    path = tmp_path / "out.mp4"
    before = open_files()
    with pytest.raises(
        EncodeError, match=r"enc failed at CRF 30: it ended with exit code 3\.\n.*\n.*\n +no licence for this"
    ):
        make_encode(job(command_encoder([enc, "{crf}", reads, writes])), 30, path)
    assert not path.exists()
    assert open_files() == before


def test_program_reports_a_full_disk(
    program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    enc = program("echo 'muxer: No space left on device' >&2; exit 228")
    with pytest.raises(EncodeError, match=r"^The disk is full\. enc failed at CRF 30: it ended with exit code 228\."):
        make_encode(job(command_encoder([enc, "{crf}", "{input}", "{output}"])), 30, tmp_path / "out.mp4")


@pytest.mark.parametrize("writes", ["{output}", "-"])
def test_program_writes_nothing(
    writes: str, program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    enc = program("echo all done >&2", "cat > /dev/null")
    message = r"enc exited normally at CRF 30 but wrote no output\.\n.*\n.*\n +all done"
    with pytest.raises(EncodeError, match=message):
        make_encode(job(command_encoder([enc, "{crf}", writes])), 30, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_program_writes_folder(program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match="exited normally at CRF 30 but wrote no output"):
        make_encode(job(command_encoder([program('mkdir "$1"'), "{output}", "{input}", "{crf}"])), 30, tmp_path / "out")


@pytest.mark.parametrize(
    "writes",
    [
        "echo this is no video",
        "head -c 5000 /dev/zero",
        "ffmpeg -f lavfi -i sine=d=1 -f ipod -movflags +frag_keyframe -",
    ],
    ids=["text", "zeros", "sound alone"],
)
def test_program_writes_no_video(
    writes: str, program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    enc = program(f'{writes} > "$1"')
    path = tmp_path / "out.mp4"
    with pytest.raises(EncodeError, match="enc wrote no readable video at CRF 30"):
        make_encode(job(command_encoder([enc, "{output}", "{input}", "{crf}"])), 30, path)
    assert not path.exists()


@linux
@pytest.mark.parametrize("reads", ["{input}", "-"])
@pytest.mark.slow
def test_program_hangs(reads: str, program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    enc = program('echo half > "$2"', 'sleep 60 & echo $$ $! > pids.part; mv pids.part "$0.pids"; wait')
    path = tmp_path / "out.mp4"
    encode_job = job(command_encoder([enc, "{crf}", "{output}", reads]), timeout=2)
    with pytest.raises(ScorerError, match="The time limit of 2 s was exceeded"):
        make_encode(encode_job, 30, path)
    pids = Path(f"{enc}.pids").read_text().split()
    assert len(pids) == 2
    assert all(ended(int(pid)) for pid in pids)
    assert not path.exists()


def ended(pid: int) -> bool:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@linux
def test_program_leaves_child(
    program: Callable[..., Path], job: Callable[..., EncodeJob], clip: Path, tmp_path: Path
) -> None:
    enc = program(X264, 'sleep 60 > /dev/null 2>&1 & echo $! > "$0.pid"')
    encode = make_encode(
        job(command_encoder([enc, "{input}", "{crf}", "{output}"]), timeout=30), 30, tmp_path / "out.mp4"
    )
    assert encode.frames == 12
    os.kill(int(Path(f"{enc}.pid").read_text()), 9)


#: Encodes in a process whose files cannot grow beyond 4 KiB, as on a full disk; prints the error.
FULL_DISK = """
import pickle, resource, sys
from pathlib import Path
from pytest_vmaf.encoding.encode import make_encode
from pytest_vmaf.errors import EncodeError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
for job in pickle.loads(Path(sys.argv[1]).read_bytes()):
    try:
        make_encode(job, 20, Path(sys.argv[2]))
    except EncodeError as error:
        print(repr(str(error)))
"""


def test_full_disk(program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="file sizes are limited on POSIX systems")
    jobs = [
        job("libx264", preset="veryfast"),
        job(command_encoder([program(X264), "{input}", "{crf}", "{output}"])),
        job(command_encoder([program("ffmpeg -i - -c:v libx264 -f mpegts -", name="b"), "{crf}"])),
    ]
    (tmp_path / "jobs").write_bytes(pickle.dumps(jobs))
    path = tmp_path / "out.mp4"
    argv = [sys.executable, "-c", FULL_DISK, tmp_path / "jobs", path]
    errors = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(errors) == len(jobs)
    assert all("failed at CRF 20" in error for error in errors)
    assert all(re.search(r"File too large|SIGXFSZ|exit code 153", error) for error in errors)
    assert not path.exists()


# Functions


def test_function(job: Callable[..., EncodeJob], clip: Path, encoded: Path, tmp_path: Path):
    calls = []

    def mine(source: Path, output: Path, crf: int) -> None:
        calls.append((source, output, crf))
        shutil.copy(encoded, output)

    encode = make_encode(job(function_encoder(mine)), 27, tmp_path / "out.mp4")
    assert calls == [(clip, tmp_path / "out.mp4", 27)]
    assert isinstance(calls[0][0], Path)
    assert (encode.name, encode.frames, encode.path) == ("mine", 24, tmp_path / "out.mp4")
    assert encode.command == f"mine({str(clip)!r}, 'out.mp4', 27)"


def test_function_raises(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    def mine(source: Path, output: Path, crf: int) -> None:
        output.write_text("half")
        raise KeyError("no licence")

    with pytest.raises(EncodeError, match="The encoder mine raised KeyError at CRF 30: 'no licence'") as caught:
        make_encode(job(function_encoder(mine)), 30, tmp_path / "out.mp4")
    assert isinstance(caught.value.__cause__, KeyError)
    assert not (tmp_path / "out.mp4").exists()


def test_function_raises_our_error(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    def mine(source: Path, output: Path, crf: int) -> None:
        raise ClipError("that is no clip for me")

    with pytest.raises(ClipError, match=r"^that is no clip for me$"):
        make_encode(job(function_encoder(mine)), 30, tmp_path / "out.mp4")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Terminated(signal.SIGTERM)])
def test_function_interrupted(job: Callable[..., EncodeJob], tmp_path: Path, error: KeyboardInterrupt) -> None:
    def mine(source: Path, output: Path, crf: int) -> None:
        output.write_text("half")
        raise error

    with pytest.raises(type(error)):
        make_encode(job(function_encoder(mine)), 30, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_function_writes_nothing(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match="<lambda> exited normally at CRF 30 but wrote no output"):
        make_encode(job(function_encoder(lambda source, output, crf: None)), 30, tmp_path / "out.mp4")


# Arguments


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("libx264", ("-g", "48", "-crf", "20")),
        ("libx264", ("-crf:v", "20")),
        ("libx264", ("-preset", "slow")),
        ("libvpx-vp9", ("-b:v", "1M")),
        ("libvvenc", ("-qp", "20")),
        ("h264_videotoolbox", ("-q:v", "20")),
        ("libx264", ("-c:v", "libx265")),
        ("libx264", ("-codec", "libx265")),
        ("libx264", ("-vcodec", "libx265")),
    ],
)
def test_check_arguments_refuses(name: str, arguments: tuple[str, ...]) -> None:
    option = next(word for word in arguments if word.startswith("-") and word != "-g")
    with pytest.raises(SettingsError, match=f"arguments must not contain {option}: {name} gets it from the search"):
        check_arguments(ENCODERS[name], arguments)


def test_check_arguments_accepts() -> None:
    check_arguments(ENCODERS["libx264"], ("-g", "48", "-tune", "film", "-x264-params", "bframes=0"))
    check_arguments(ENCODERS["libvpx-vp9"], ("-deadline", "best", "-row-mt", "0"))
    check_arguments(command_encoder("enc -c {crf}"), ("-c", "5"))


def test_check_arguments_of_function() -> None:
    with pytest.raises(SettingsError, match="mine is a function and takes no arguments, but arguments is '-g 5'"):
        check_arguments(Encoder("mine", function=print), ("-g", "5"))


@settings(max_examples=25)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.integers(0, 51))
def test_placeholder_stays_one_argument(preset: str, crf: int) -> None:
    encoder = Encoder("x", arguments=("-a", "{preset}", "-b={crf}:{preset}", "{ crf }", "-c", "{crf}"))
    arguments = paper_job(encoder, preset=preset).ffmpeg_arguments(crf)
    assert arguments == ("-c:v", "x", "-a", preset, f"-b={crf}:{preset}", "{ crf }", "-c", str(crf))


def test_bitrate() -> None:
    assert TrialEncode("x", 30, None, size=1000, frames=50, duration=2.0, seconds=None, command="").bitrate == 4000
