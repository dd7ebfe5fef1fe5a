"""One encode: by every software encoder, by programs and by functions; and what each may do wrong."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoding.builders import FAST
from pytest_vmaf.encoding.encode import Encode, EncodeJob, check_arguments, ffmpeg_arguments, make_encode
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.errors import ClipError, EncodeError, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import Video, count_frames, inspect

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: What the programs of these tests do: $1 input, $2 CRF, $3 output.
X264 = 'ffmpeg -i "$1" -c:v libx264 -preset ultrafast -crf "$2" "$3"'


@pytest.fixture
def stated(ffmpeg: str) -> Callable[[Path], tuple[int, int, float]]:
    """stated(path): packets, bytes and seconds of the video, as ffmpeg's own demuxer sums them up."""

    def read(path: Path) -> tuple[int, int, float]:
        argv = [ffmpeg, "-nostdin", "-hide_banner", "-v", "verbose", "-i", path, "-map", "0:V:0", "-c", "copy"]
        said = subprocess.run([*argv, "-f", "null", "-"], capture_output=True, text=True, check=True).stderr
        packets = re.search(r"Input stream #0:0 \(video\): (\d+) packets read \((\d+) bytes\)", said)
        length = re.search(r"Duration: 00:00:(\d\d\.\d+)", said)
        assert packets
        assert length
        return int(packets[1]), int(packets[2]), float(length[1])

    return read


# ffmpeg's encoders.


@pytest.mark.parametrize("name", FAST)
def test_every_software_encoder_writes_every_frame_and_is_described_rightly(
    name: str,
    job: Callable[..., EncodeJob],
    tmp_path: Path,
    ffmpeg: str,
    stated: Callable[[Path], tuple[int, int, float]],
) -> None:
    preset, crf = FAST[name]
    path = tmp_path / f"out{ENCODERS[name].suffix}"
    encode = make_encode(job(name, preset=preset), crf, path)
    assert count_frames(Clip(path), ffmpeg) == encode.frames == 12
    packets, size, duration = stated(path)
    assert (encode.frames, encode.size) == (packets, size)
    assert 0 < encode.size < path.stat().st_size
    assert encode.duration == pytest.approx(0.48, abs=1e-3)
    assert encode.duration == pytest.approx(duration, abs=0.011)
    assert encode.bitrate == pytest.approx(size * 8 / 0.48, rel=1e-3)
    assert (encode.name, encode.crf, encode.path) == (f"{name} {preset}", crf, path)
    assert encode.seconds is not None
    assert encode.seconds > 0


@pytest.mark.parametrize("name", FAST)
def test_a_larger_number_is_coarser_with_every_software_encoder(
    name: str, job: Callable[..., EncodeJob], tmp_path: Path, footage: Callable[..., Path]
) -> None:
    preset, crf = FAST[name]
    low, high = ENCODERS[name].crf_range
    told = job(name, footage("192x128", 6), preset=preset)
    sizes = [make_encode(told, number, tmp_path / f"out{ENCODERS[name].suffix}").size for number in (low, crf, high)]
    assert sizes == sorted(set(sizes), reverse=True)


def test_the_command_repeats_the_encode(job: Callable[..., EncodeJob], tmp_path: Path, clip: Path) -> None:
    encode = make_encode(job("libx264", preset="veryfast"), 30, tmp_path / "out.mp4")
    assert "-loglevel" not in encode.command
    assert "protocol" not in encode.command
    again = tmp_path / "again"
    again.mkdir()
    subprocess.run(encode.command, shell=True, cwd=again, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert (again / "out.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()


def test_user_arguments_and_the_pixel_format_reach_the_encoder(
    job: Callable[..., EncodeJob], tmp_path: Path, ffmpeg: str
) -> None:
    path = tmp_path / "out.mp4"
    told = job("libx264", preset="veryfast", pix_fmt="yuv420p10le", arguments=("-bf", "0", "-vf", "scale=96:64"))
    make_encode(told, 30, path)
    video = inspect(Clip(path), ffmpeg, 1)
    assert (video.pix_fmt, video.width, video.height) == ("yuv420p10le", 96, 64)


@pytest.mark.parametrize("name", ["libx264", "libvpx-vp9"])
def test_a_failure_is_told_in_the_encoders_own_words_and_leaves_no_file(
    name: str, job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    with pytest.raises(EncodeError, match=rf"{name} .*failed at CRF 30: it ended with exit code") as caught:
        make_encode(
            job(name, preset="veryfast" if name == "libx264" else "5", arguments=("-g", "no")), 30, tmp_path / "o"
        )
    assert "-g no " in str(caught.value)
    assert "Invalid argument" in str(caught.value)
    assert not (tmp_path / "o").exists()


def test_a_gpu_that_is_missing_is_said_with_what_ffmpeg_said(
    job: Callable[..., EncodeJob], tmp_path: Path, ffmpeg: str
) -> None:
    there = subprocess.run([ffmpeg, "-hide_banner", "-encoders"], capture_output=True, text=True).stdout
    if "h264_nvenc" not in there or Path("/dev/nvidiactl").exists():
        pytest.skip("needs an ffmpeg with NVENC where there is no NVIDIA GPU")
    with pytest.raises(EncodeError, match="h264_nvenc p5 failed at CRF 30") as caught:
        make_encode(job("h264_nvenc", preset="p5"), 30, tmp_path / "out.mp4")
    assert "It needs an NVIDIA GPU and its driver." in str(caught.value)
    assert re.search(r"libcuda|[Nn]vidia|CUDA", str(caught.value).partition("last lines were")[2])


def test_a_source_that_is_gone_is_named(job: Callable[..., EncodeJob], tmp_path: Path, clip: Path) -> None:
    source = Path(shutil.copy(clip, tmp_path / "source.mkv"))
    told = job("libx264", source, preset="veryfast")
    source.unlink()
    with pytest.raises(ClipError, match=r"source\.mkv does not exist"):
        make_encode(told, 30, tmp_path / "out.mp4")


def test_a_source_that_is_cut_off_is_refused(job: Callable[..., EncodeJob], tmp_path: Path, encoded: Path) -> None:
    source = tmp_path / "cut.mp4"
    source.write_bytes(encoded.read_bytes())
    told = job("libx264", source, preset="veryfast")
    with source.open("r+b") as file:
        file.seek(encoded.stat().st_size // 2)
        file.write(bytes(2000))
    with pytest.raises(EncodeError, match="libx264 veryfast failed at CRF 30"):
        make_encode(told, 30, tmp_path / "out.mp4")


# What an encode is found to be.


def test_the_duration_of_one_frame_is_the_sources(
    job: Callable[..., EncodeJob], footage: Callable[..., Path], tmp_path: Path
):
    encode = make_encode(job("libx264", footage("192x128", 1), preset="veryfast"), 30, tmp_path / "out.mp4")
    assert (encode.frames, encode.duration) == (1, pytest.approx(0.04))


def test_a_bare_stream_has_the_sources_frame_rate(
    job: Callable[..., EncodeJob], footage: Callable[..., Path], program: Callable[..., Path], tmp_path: Path
) -> None:
    source = footage("192x128", 10, "24000/1001")
    command = [program(X264), "{input}", "{crf}", "{output}"]
    encode = make_encode(job(command_encoder(command), source), 30, tmp_path / "out.h264")
    assert encode.frames == 10
    assert encode.duration == pytest.approx(10 * 1001 / 24000, rel=1e-4)


def test_uneven_time_stamps_are_the_durations_measure(
    make: Callable[..., Path], job: Callable[..., EncodeJob], footage: Callable[..., Path], tmp_path: Path
) -> None:
    # 12 frames whose second half is shown at half the speed.
    uneven = make("-i", footage("192x128", 12), "-vf", "setpts='if(lt(N,6),N,2*N-6)/25/TB'", "-fps_mode", "passthrough",
                  "-c:v", "ffv1", tmp_path / "uneven.mkv")  # fmt: skip
    encode = make_encode(job("libx264", uneven, preset="veryfast"), 30, tmp_path / "out.mkv")
    # From 0 to frame 11 at (2 x 11 - 6) / 25 s; the last is shown for the mean of the others.
    assert encode.duration == pytest.approx(16 / 25 * 12 / 11, abs=2e-3)


def test_sound_and_other_streams_are_not_counted(
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


def test_raw_video_without_a_frame_rate_has_no_bitrate(
    make: Callable[..., Path], job: Callable[..., EncodeJob], clip: Path, tmp_path: Path
) -> None:
    raw = make("-i", clip, "-f", "rawvideo", tmp_path / "raw.yuv")
    told = job("libx264", Clip(raw, width=192, height=128), preset="veryfast")
    with pytest.raises(EncodeError, match=r"raw\.yuv states no frame rate, so no bitrate can be built; say Clip"):
        make_encode(told, 30, tmp_path / "out.mp4")
    timed = job("libx264", Clip(raw, width=192, height=128, frame_rate=50), preset="veryfast")
    encode = make_encode(timed, 30, tmp_path / "out.mp4")
    assert (encode.frames, encode.duration) == (12, pytest.approx(0.24, abs=1e-3))


# Programs.


def test_a_program_gets_input_and_output_with_any_name(
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


def test_a_program_is_told_what_it_asks_for_and_further_arguments_last(
    program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    enc = program('printf "%s\\n" "$@" > "$0.said"', X264)
    asked = ["{preset}", "{width}x{height}", "{frame_rate}", "{frames}", "{pix_fmt}"]
    encoder = command_encoder([enc, "{input}", "--q={crf}", "{output}", *asked])
    with pytest.raises(EncodeError, match="failed at CRF 30"):
        # As CRF this script gets "--q=30", which x264 refuses.
        make_encode(job(encoder, preset="very fast", arguments=("a b", "{crf}")), 30, tmp_path / "out.mp4")
    said = Path(f"{enc}.said").read_text().splitlines()
    assert said[1:] == [
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


def test_a_program_that_asks_for_what_the_source_does_not_say(
    make: Callable[..., Path], job: Callable[..., EncodeJob], clip: Path, tmp_path: Path
) -> None:
    picture = make("-i", clip, "-frames:v", 1, tmp_path / "one.png")
    with pytest.raises(EncodeError, match=r"one\.png states no frame rate"):
        make_encode(job(command_encoder("enc {crf} {output} {frame_rate}"), picture), 30, tmp_path / "out.mp4")
    told = job(command_encoder("enc {crf} {output} {frames}"))
    told = replace(told, source=replace(told.source, duration=None))
    with pytest.raises(EncodeError, match=r"enc asks for \{frames\}, which .*reference-.*\.mkv does not say"):
        make_encode(told, 30, tmp_path / "out.mp4")


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p12le"])
def test_y4m_on_standard_input_and_the_encode_on_standard_output(
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


def test_the_command_of_a_piped_encode_repeats_it(
    program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    enc = program('ffmpeg -i - -c:v libx264 -preset ultrafast -crf "$1" -f matroska -bitexact -')
    encode = make_encode(job(command_encoder([enc, "{crf}"])), 30, tmp_path / "out.mkv")
    again = tmp_path / "again"
    again.mkdir()
    subprocess.run(encode.command, shell=True, cwd=again, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert (again / "out.mkv").read_bytes() == (tmp_path / "out.mkv").read_bytes()


@pytest.mark.parametrize("pix_fmt", ["rgb24", "nv12", "yuva420p", "gbrp"])
def test_what_y4m_cannot_carry_must_be_converted_by_name(
    pix_fmt: str, make: Callable[..., Path], program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    source = make("-f", "lavfi", "-i", "testsrc2=s=192x128", "-frames:v", 5, "-pix_fmt", pix_fmt,
                  "-c:v", "rawvideo", tmp_path / "source.nut")  # fmt: skip
    encoder = command_encoder([program('ffmpeg -i - -c:v libx264 -crf "$1" "$2"'), "{crf}", "{output}"])
    with pytest.raises(
        EncodeError, match=rf"y4m cannot carry {pix_fmt}, and a conversion must be asked for: say pix_fmt="
    ):
        make_encode(job(encoder, source), 30, tmp_path / "out.mp4")
    assert make_encode(job(encoder, source, pix_fmt="yuv420p"), 30, tmp_path / "out.mp4").frames == 5


def test_a_program_may_stop_reading_once_it_has_what_it_wants(
    program: Callable[..., Path], job: Callable[..., EncodeJob], footage: Callable[..., Path], tmp_path: Path
) -> None:
    # More than a pipe holds, so that ffmpeg is still writing when the reader has gone.
    enc = program('ffmpeg -i - -frames:v 3 -c:v libx264 -crf "$1" "$2"')
    encode = make_encode(
        job(command_encoder([enc, "{crf}", "{output}"]), footage("640x360", 24)), 30, tmp_path / "out.mp4"
    )
    assert encode.frames == 3


def test_a_source_that_cannot_be_decoded_is_not_the_programs_fault(
    program: Callable[..., Path], job: Callable[..., EncodeJob], encoded: Path, tmp_path: Path
) -> None:
    source = tmp_path / "damaged.mp4"
    source.write_bytes(encoded.read_bytes())
    told = job(command_encoder([program('cat > "$2"'), "{crf}", "{output}"]), source)
    with source.open("r+b") as file:
        file.seek(encoded.stat().st_size // 2)
        file.write(bytes(2000))
    with pytest.raises(EncodeError, match=r"ffmpeg could not decode .*damaged\.mp4 for enc"):
        make_encode(told, 30, tmp_path / "out.y4m")
    assert not (tmp_path / "out.y4m").exists()


@pytest.mark.parametrize("reads", ["{input}", "-"])
def test_a_program_that_is_missing_is_named(reads: str, job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    encoder = command_encoder([tmp_path / "no-such-enc", "{crf}", reads, "{output}"])
    before = open_files()
    with pytest.raises(EncodeError, match="no-such-enc does not exist or cannot be run; it was looked for in /"):
        make_encode(job(encoder), 30, tmp_path / "out.mp4")
    assert open_files() == before


def open_files() -> set[str]:
    folder = Path("/proc/self/fd")
    return set(os.listdir(folder)) if folder.exists() else set()


@pytest.mark.parametrize("reads", ["{input}", "-"])
@pytest.mark.parametrize("writes", ["{output}", "-"])
def test_a_program_that_fails_is_shown_with_what_it_said(
    reads: str, writes: str, program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    enc = program(
        "echo half an encode", 'echo half an encode > "${3:-/dev/null}"', "echo no licence for this >&2; exit 3"
    )
    path = tmp_path / "out.mp4"
    before = open_files()
    with pytest.raises(
        EncodeError, match=r"enc failed at CRF 30: it ended with exit code 3\.\n.*\n.*\n +no licence for this"
    ):
        make_encode(job(command_encoder([enc, "{crf}", reads, writes])), 30, path)
    assert not path.exists()
    assert open_files() == before


@pytest.mark.parametrize("writes", ["{output}", "-"])
def test_a_program_that_writes_nothing_is_refused(
    writes: str, program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    enc = program("echo all done >&2", "cat > /dev/null")
    said = r"enc ended well at CRF 30 but wrote nothing to the output file that it was given\.\n.*\n.*\n +all done"
    with pytest.raises(EncodeError, match=said):
        make_encode(job(command_encoder([enc, "{crf}", writes])), 30, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_program_that_writes_a_folder_is_refused(
    program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    with pytest.raises(EncodeError, match="wrote nothing to the output file"):
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
def test_a_program_that_writes_no_video_is_refused(
    writes: str, program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    enc = program(f'{writes} > "$1"')
    path = tmp_path / "out.mp4"
    with pytest.raises(EncodeError, match="What enc wrote at CRF 30 holds no video that can be read"):
        make_encode(job(command_encoder([enc, "{output}", "{input}", "{crf}"])), 30, path)
    assert not path.exists()


@linux
@pytest.mark.parametrize("reads", ["{input}", "-"])
def test_a_program_that_hangs_is_stopped_with_all_it_has_started(
    reads: str, program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    enc = program('echo half > "$2"', 'sleep 60 & echo $$ $! > pids.part; mv pids.part "$0.pids"; wait')
    path = tmp_path / "out.mp4"
    told = job(command_encoder([enc, "{crf}", "{output}", reads]), timeout=2)
    with pytest.raises(ScorerError, match="The time limit of 2 s was exceeded"):
        make_encode(told, 30, path)
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
def test_a_program_that_leaves_a_child_behind_is_not_waited_for_longer_than_its_output(
    program: Callable[..., Path], job: Callable[..., EncodeJob], clip: Path, tmp_path: Path
) -> None:
    enc = program(X264, 'sleep 60 > /dev/null 2>&1 & echo $! > "$0.pid"')
    encode = make_encode(
        job(command_encoder([enc, "{input}", "{crf}", "{output}"]), timeout=30), 30, tmp_path / "out.mp4"
    )
    assert encode.frames == 12
    os.kill(int(Path(f"{enc}.pid").read_text()), 9)


@pytest.fixture
def disk() -> Iterator[Callable[[int], None]]:
    """disk(size): no file of this process and its children grows beyond it, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("way", ["libx264", "program", "standard output"])
def test_a_full_disk_is_an_error_that_leaves_no_file(
    way: str, disk: Callable[[int], None], program: Callable[..., Path], job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    encoders: dict[str, Encoder | str] = {
        "libx264": "libx264",
        "program": command_encoder([program(X264), "{input}", "{crf}", "{output}"]),
        "standard output": command_encoder([program("ffmpeg -i - -c:v libx264 -f mpegts -", name="b"), "{crf}"]),
    }
    path = tmp_path / "out.mp4"
    told = job(encoders[way], preset="veryfast" if way == "libx264" else None)
    disk(4096)
    with pytest.raises(EncodeError, match="failed at CRF 20") as caught:
        make_encode(told, 20, path)
    assert re.search(r"File too large|SIGXFSZ|exit code 153", str(caught.value))
    assert not path.exists()


# Functions.


def copies(encoded: Path) -> Callable[[Path, Path, int], object]:
    return lambda source, output, crf: shutil.copy(encoded, output)


def test_a_function_gets_source_output_and_crf(
    job: Callable[..., EncodeJob], clip: Path, encoded: Path, tmp_path: Path
):
    got = []

    def mine(source: Path, output: Path, crf: int) -> None:
        got.append((source, output, crf))
        shutil.copy(encoded, output)

    encode = make_encode(job(function_encoder(mine)), 27, tmp_path / "out.mp4")
    assert got == [(clip, tmp_path / "out.mp4", 27)]
    assert isinstance(got[0][0], Path)
    assert (encode.name, encode.frames, encode.path) == ("mine", 24, tmp_path / "out.mp4")
    assert encode.command == f"mine({str(clip)!r}, 'out.mp4', 27)"


def test_what_a_function_raises_is_an_encode_error_with_its_cause(
    job: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    def mine(source: Path, output: Path, crf: int) -> None:
        output.write_text("half")
        raise KeyError("no licence")

    with pytest.raises(EncodeError, match="The encoder mine raised KeyError at CRF 30: 'no licence'") as caught:
        make_encode(job(function_encoder(mine)), 30, tmp_path / "out.mp4")
    assert isinstance(caught.value.__cause__, KeyError)
    assert not (tmp_path / "out.mp4").exists()


def test_what_a_function_says_in_our_terms_stays_as_it_is(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    def mine(source: Path, output: Path, crf: int) -> None:
        raise ClipError("that is no clip for me")

    with pytest.raises(ClipError, match=r"^that is no clip for me$"):
        make_encode(job(function_encoder(mine)), 30, tmp_path / "out.mp4")


def test_ctrl_c_within_a_function_removes_what_it_has_begun(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    def mine(source: Path, output: Path, crf: int) -> None:
        output.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_encode(job(function_encoder(mine)), 30, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_function_that_writes_nothing_is_refused(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match="<lambda> ended well at CRF 30 but wrote nothing"):
        make_encode(job(function_encoder(lambda source, output, crf: None)), 30, tmp_path / "out.mp4")


# Arguments.


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("libx264", ("-g", "48", "-crf", "20")),
        ("libx264", ("-crf:v", "20")),
        ("libx264", ("-crf:v:0", "20")),
        ("libx264", ("-preset", "slow")),
        ("libvpx-vp9", ("-b:v", "1M")),
        ("libvvenc", ("-qp", "20")),
        ("h264_videotoolbox", ("-q:v", "20")),
        ("libx264", ("-c:v", "libx265")),
        ("libx264", ("-vcodec", "libx265")),
    ],
)
def test_arguments_that_take_back_what_the_search_sets_are_refused(name: str, arguments: tuple[str, ...]) -> None:
    option = next(word for word in arguments if word.startswith("-") and word != "-g")
    with pytest.raises(SettingsError, match=f"The argument {option} is {name}'s own here"):
        check_arguments(ENCODERS[name], arguments)


def test_other_arguments_are_the_users_business() -> None:
    check_arguments(ENCODERS["libx264"], ("-g", "48", "-tune", "film", "-x264-params", "bframes=0"))
    check_arguments(ENCODERS["libvpx-vp9"], ("-deadline", "best", "-row-mt", "0"))
    check_arguments(command_encoder("enc -c {crf}"), ("-c", "5"))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.integers(0, 51))
def test_what_is_filled_in_stays_one_argument(preset: str, crf: int) -> None:
    encoder = Encoder("x", arguments=("-a", "{preset}", "-b={crf}:{preset}", "{x}y"[:0] + "{ crf }", "-c", "{crf}"))
    video = Video(Clip("a.mkv"), 2, 2, "yuv420p", Fraction(25), "tv", "bt709", "bt709", "bt709", False, False, b"")
    told = ffmpeg_arguments(EncodeJob(encoder, video, "ffmpeg", preset), crf)
    assert told == ("-c:v", "x", "-a", preset, f"-b={crf}:{preset}", "{ crf }", "-c", str(crf))


def test_the_bitrate_is_that_of_the_stream() -> None:
    assert Encode("x", 30, None, size=1000, frames=50, duration=2.0, seconds=None, command="").bitrate == 4000
