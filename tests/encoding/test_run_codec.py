"""Codecs in Python: bitstreams, decoded frames, and whatever a codec does wrong."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoding.builders import VIDEO, paper_job
from encoding.codecs import Lossless, Rounding
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.encoding import run_codec
from pytest_vmaf.encoding.cached import encode_key, encode_once
from pytest_vmaf.encoding.codec_encoder import codec_encoder
from pytest_vmaf.encoding.encode import decode_frames, make_encode, make_timed_encode
from pytest_vmaf.encoding.job import EncodeJob, check_arguments
from pytest_vmaf.errors import ClipError, EncodeError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.read_frames import read_frames
from pytest_vmaf.scoring.result import Result

FRAMES = 5


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Callable[..., EncodeJob]:
    """paper(codec): a job whose source has five frames and no file."""

    def frames(*_: object, **__: object) -> Iterator[Any]:
        for number in range(FRAMES):
            yield np.full((VIDEO.height, VIDEO.width, 3), 10 * number, np.uint8)

    monkeypatch.setattr(run_codec, "read_frames", frames)
    monkeypatch.setattr(run_codec, "count_frames", lambda *_: FRAMES)
    return lambda codec, **settings: paper_job(codec_encoder(codec), **settings)


# What comes out


def test_encode(job: Callable[..., EncodeJob], clip: Path, tmp_path: Path, ffmpeg: str) -> None:
    encode = make_encode(job(codec_encoder(Lossless(), "mine")), 7, tmp_path / "out.bin")
    data = encode.path.read_bytes()
    assert (encode.name, encode.crf, encode.frames, encode.size) == ("mine", 7, 12, len(data))
    assert (encode.duration, encode.bitrate) == (0.48, len(data) * 8 / 0.48)
    assert encode.command == f"mine.encode({str(clip)!r}, 7)"
    assert str(encode.clip) == "out.bin (12 frames decoded, 192x128 rgb24)"
    decoded, source = (read_frames(each, ffmpeg, pix_fmt="rgb24") for each in (encode.clip, Clip(clip)))
    assert all(np.array_equal(a, b) for a, b in zip(decoded, source, strict=True))
    assert "pictures" not in encode.to_dict()


@pytest.mark.parametrize("pix_fmt", ["rgb24", "yuv420p"])
def test_lossless_codec_scores_as_its_frames_do(
    pix_fmt: str,
    job: Callable[..., EncodeJob],
    clip: Path,
    tmp_path: Path,
    make: Callable[..., Path],
    score: Callable[..., Result],
) -> None:
    encode = make_encode(job(codec_encoder(Lossless(pix_fmt))), 0, tmp_path / "out.bin")
    scale = ("-vf", "scale=flags=bicubic+accurate_rnd+full_chroma_int")
    converted = make("-i", clip, *scale, "-pix_fmt", pix_fmt, "-c:v", "rawvideo", tmp_path / "converted.nut")
    by_codec, by_hand = (score(clip, each, signs=False) for each in (encode.clip, converted))
    assert by_codec.neg.unclipped.frames == by_hand.neg.unclipped.frames
    assert by_codec.vmaf.unclipped.frames == by_hand.vmaf.unclipped.frames


def test_floats_are_rounded_to_16_bits(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    encode = make_encode(job(codec_encoder(Lossless("gbrpf32le"))), 0, tmp_path / "out.bin")
    assert encode.clip.pix_fmt == "rgb48le"


def test_frames_belong_to_the_codec(paper: Callable[..., EncodeJob], tmp_path: Path) -> None:
    class Twice(Lossless):
        """Iterates twice, the second time through changed arrays."""

        def encode(self, frames: Iterable[Any], quality: float) -> bytes:
            first = list(frames)
            for frame in first:
                frame += 1
            assert [int(frame[0, 0, 0]) for frame in frames] == [0, 10, 20, 30, 40]
            return super().encode(first, quality)

    encode = make_encode(paper(Twice()), 1, tmp_path / "out.bin")
    assert encode.clip.path.read_bytes()[0] == 1


def test_few_frames_in_memory(paper: Callable[..., EncodeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    living, most = set[int](), 0

    class Frame(np.ndarray):  # type: ignore[type-arg]
        def __del__(self) -> None:
            living.discard(id(self))

    def frames(*_: object, **__: object) -> Iterator[Any]:
        nonlocal most
        for _number in range(30):
            frame = np.zeros((VIDEO.height, VIDEO.width, 3), np.uint8).view(Frame)
            living.add(id(frame))
            most = max(most, len(living))
            yield frame

    class Sizes:
        def encode(self, frames: Iterable[Any], quality: int) -> bytes:
            return bytes(len(frame[0]) for frame in frames)

        def decode(self, bitstream: bytes) -> Iterator[Any]:
            yield from frames()

    monkeypatch.setattr(run_codec, "read_frames", frames)
    make_encode(paper(Sizes()), 1, tmp_path / "out.bin")
    gc.collect()
    assert most <= 4


def test_part_and_crop(make: Callable[..., Path], clip: Path, tmp_path: Path, job: Callable[..., EncodeJob]) -> None:
    part = Clip(clip, start=2, frames=4, crop=(0, 0, 64, 48))
    encode = make_encode(job(codec_encoder(Rounding()), source=part), 3, tmp_path / "out.bin")
    assert (encode.frames, encode.clip.width, encode.clip.height) == (4, 64, 48)


def test_file_of_an_earlier_encode_is_replaced(paper: Callable[..., EncodeJob], tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    first = make_encode(paper(Rounding()), 1, path)
    assert make_encode(paper(Rounding()), 9, path).checksum != first.checksum


def test_timed(paper: Callable[..., EncodeJob], tmp_path: Path) -> None:
    encode, spent = make_timed_encode(paper(Rounding()), 1, tmp_path / "out.bin")
    assert encode.pictures is None
    assert spent.wall > 0
    decode_frames(paper(Rounding()), encode)


# What a codec does wrong


class Raises(Rounding):
    def encode(self, frames: Iterable[Any], quality: float) -> bytes:
        for number, _ in enumerate(frames):
            if number == 2:
                raise ValueError("no\nway")
        return b""


class Exits(Rounding):
    def encode(self, frames: Iterable[Any], quality: float) -> bytes:
        sys.exit(3)


class Subscripts(Rounding):
    def encode(self, frames: Any, quality: float) -> bytes:
        return bytes(frames[0])


class Returns(Rounding):
    """Reads all frames, and returns something."""

    def __init__(self, value: object) -> None:
        self.value = value

    def encode(self, frames: Iterable[Any], quality: float) -> Any:
        list(frames)
        return self.value


class ReadsFew(Rounding):
    def __init__(self, count: int) -> None:
        self.count = count

    def encode(self, frames: Iterable[Any], quality: float) -> bytes:
        return super().encode(list(islice(frames, self.count)), quality)


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (Raises(), r"^Raises: encode\(\) at quality 4 raised ValueError after it had read 3 frames: no way$"),
        (Exits(), r"^Exits: encode\(\) at quality 4 raised SystemExit: 3$"),
        (Subscripts(), r"not subscriptable\n  Frames are an iterable: `for frame in frames`, or numpy\.stack"),
        (Returns(None), r"encode\(\) at quality 4 must return bytes, not None\."),
        (Returns("bytes"), r"must return bytes, not str\."),
        (Returns([1, 2]), r"must return bytes, not list\."),
        (Returns(bytearray(b"x")), r"must return bytes, not bytearray\. Return bytes\(data\)\."),
        (Returns(np.zeros(3, np.uint8)), r"must return bytes, not ndarray\."),
        (Returns(b""), r"encode\(\) at quality 4 must return at least one byte"),
        (ReadsFew(0), r"read none of the 5 frames of a\.mkv"),
        (ReadsFew(3), r"read 3 of the 5 frames of a\.mkv"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_encode_error(codec: Any, message: str, paper: Callable[..., EncodeJob], temp: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    with pytest.raises(EncodeError, match=message):
        make_encode(paper(codec), 4, path)
    assert not path.exists()
    assert list(temp.iterdir()) == []


def decoder(change: Callable[[list[Any]], Any]) -> Rounding:
    """A codec that changes its decoded frames."""

    class Changing(Rounding):
        def decode(self, bitstream: bytes) -> Any:
            return change(list(super().decode(bitstream)))

    return Changing()


def raising(frames: list[Any]) -> Iterator[Any]:
    yield from frames[:3]
    raise KeyError("weights")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (raising, r"^Changing: decode\(\) at quality 4 raised KeyError at frame 3: 'weights'$"),
        (lambda frames: frames[1:], r"decode\(\) at quality 4 returned 4 frames, but 5 were encoded\."),
        (lambda frames: [], r"returned 0 frames, but 5 were encoded\."),
        (lambda frames: frames * 2, r"returned more than the 5 frames that were encoded\."),
        (lambda frames: None, r"decode\(\) at quality 4 must return frames, not None\."),
        (lambda frames: b"frames", r"must return frames, not bytes\."),
        (lambda frames: 5, r"must return frames, not int\."),
        (lambda frames: frames[0], r"returned frame 0 with shape \(192, 3\), not \(128, 192, 3\) as it was encoded\."),
        (
            lambda frames: [*frames[:2], frames[2][:-2]],
            r"returned frame 2 with shape \(126, 192, 3\), not \(128, 192, 3\)",
        ),
        (lambda frames: [frame.transpose(2, 0, 1) for frame in frames], r"with shape \(3, 128, 192\), not"),
        (lambda frames: [frame.astype(np.uint16) for frame in frames], r"as uint16, not uint8 as in rgb24\.$"),
        (
            lambda frames: [frame / 255 for frame in frames],
            r"as float64, not uint8 as in rgb24\. Round it: numpy\.rint\(frame \* 255\)\.clip\(0, 255\)\.astype\(numpy",
        ),
        (
            lambda frames: [frame * float("nan") for frame in frames],
            r"as float64, not uint8 as in rgb24\. It has samples that are NaN or infinite, too\.",
        ),
        (lambda frames: [frame.tolist() for frame in frames], r"returned frame 0 as list, not as an array of shape"),
        (lambda frames: ["frame"] * 5, r"returned frame 0, which is not an array|returned frame 0 as str"),
        (lambda frames: [None] * 5, r"returned frame 0"),
    ],
)
def test_decode_error(
    change: Callable[[list[Any]], Any], message: str, paper: Callable[..., EncodeJob], temp: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.bin"
    with pytest.raises(EncodeError, match=message) as caught:
        make_encode(paper(decoder(change)), 4, path)
    assert not path.exists()
    assert list(temp.iterdir()) == []
    if change is raising:
        assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("sample", "message"), [(float("nan"), "a sample of NaN"), (1.5, r"a sample of 1\.5"), (-1.0, "a sample of -1")]
)
def test_floats_beyond_their_range(
    sample: float, message: str, paper: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    class Floats(Lossless):
        def decode(self, bitstream: bytes) -> Any:
            for _ in range(FRAMES):
                yield np.full((VIDEO.height, VIDEO.width, 3), sample, np.float32)

    with pytest.raises(EncodeError, match=rf"{message}\. Floats must be from 0 to 1, as after frame\.clip\(0, 1\)"):
        make_encode(paper(Floats("gbrpf32le")), 4, tmp_path / "out.bin")


@pytest.mark.parametrize("planes", [lambda y: y, lambda y: (y, y), lambda y: (y, y, y)], ids=["y", "two", "444"])
def test_planes(planes: Callable[[Any], Any], paper: Callable[..., EncodeJob], tmp_path: Path) -> None:
    class Planes(Returns):
        pix_fmt = "yuv420p"

        def decode(self, bitstream: bytes) -> Any:
            return [planes(np.zeros((VIDEO.height, VIDEO.width), np.uint8))] * FRAMES

    with pytest.raises(EncodeError, match=r"returned frame 0(, plane 1 with shape| as .*\(Y, U, V\))"):
        make_encode(paper(Planes(b"x")), 4, tmp_path / "out.bin")


def test_failure_of_the_source(
    paper: Callable[..., EncodeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Suppresses(Rounding):
        """Takes any error for the end of the source."""

        def encode(self, frames: Iterable[Any], quality: float) -> bytes:
            with contextlib.suppress(Exception):
                return super().encode(frames, quality)
            return b"x"

    def frames(*_: object, **__: object) -> Iterator[Any]:
        yield np.zeros((VIDEO.height, VIDEO.width, 3), np.uint8)
        raise ClipError("a.mkv is damaged.")

    monkeypatch.setattr(run_codec, "read_frames", frames)
    with pytest.raises(ClipError, match=r"a\.mkv is damaged"):
        make_encode(paper(Suppresses()), 4, tmp_path / "out.bin")
    assert list(tmp_path.iterdir()) == []


# State


class Keeps(Rounding):
    """Keeps the frames, so that its bitstream is short."""

    def encode(self, frames: Iterable[Any], quality: float) -> bytes:
        self.frames = list(frames)
        return b"1"

    def decode(self, bitstream: bytes) -> Any:
        return self.frames


class KeepsShape(Rounding):
    shape: tuple[int, ...] = (1, 1)

    def encode(self, frames: Iterable[Any], quality: float) -> bytes:
        taken = list(frames)
        self.shape = taken[0].shape
        return b"".join(frame.tobytes() for frame in taken)

    def decode(self, bitstream: bytes) -> Any:
        return np.frombuffer(bitstream, np.uint8).reshape(-1, *self.shape)


class KeepsInside(Keeps):
    """It stores the frames in a dictionary that it had before."""

    def __init__(self) -> None:
        self.store: dict[str, Any] = {}

    def encode(self, frames: Iterable[Any], quality: float) -> bytes:
        self.store["frames"] = list(frames)
        return b"0"

    def decode(self, bitstream: bytes) -> Any:
        return self.store["frames"]


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (Keeps(), r"needs what encode\(\) stored in frames\. Without it, decode\(\) raises AttributeError"),
        (KeepsInside(), r"needs what encode\(\) stored in store\. Without it, decode\(\) raises KeyError"),
        (KeepsShape(), r"needs what encode\(\) stored in shape\. Without it, decode\(\) (raises|returns)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_decoder_needs_the_state_of_the_encoder(
    codec: Any, message: str, paper: Callable[..., EncodeJob], tmp_path: Path
) -> None:
    with pytest.raises(EncodeError, match=message):
        make_encode(paper(codec), 4, tmp_path / "out.bin")
    assert not (tmp_path / "out.bin").exists()


def test_statistics_are_no_state(paper: Callable[..., EncodeJob], tmp_path: Path) -> None:
    class Counts(Rounding):
        encodes = decodes = 0

        def encode(self, frames: Iterable[Any], quality: float) -> bytes:
            self.encodes += 1
            return super().encode(frames, quality)

    codec = Counts()
    for quality in (4, 5):
        make_encode(paper(codec), quality, tmp_path / "out.bin")
    assert codec.encodes == 2


def test_frames_after_encode(paper: Callable[..., EncodeJob], tmp_path: Path) -> None:
    class Late(Rounding):
        def encode(self, frames: Iterable[Any], quality: float) -> bytes:
            self.source = frames
            return super().encode(frames, quality)

        def decode(self, bitstream: bytes) -> Any:
            return self.source

    with pytest.raises(EncodeError, match=r"can be read only while encode\(\) runs"):
        make_encode(paper(Late()), 4, tmp_path / "out.bin")


def test_one_thread_at_a_time(paper: Callable[..., EncodeJob], tmp_path: Path) -> None:
    class Alone(Rounding):
        running = 0
        clashes = 0

        def encode(self, frames: Iterable[Any], quality: float) -> bytes:
            self.running += 1
            time.sleep(0.01)
            self.clashes += self.running > 1
            data = super().encode(frames, quality)
            self.running -= 1
            return data

    codec = Alone()
    job = paper(codec)
    threads = [
        threading.Thread(target=make_encode, args=(job, quality, tmp_path / f"{quality}.bin")) for quality in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (codec.clashes, len(list(tmp_path.iterdir()))) == (0, 4)


# Settings and the cache


def test_settings_of_others() -> None:
    encoder = codec_encoder(Rounding())
    with pytest.raises(SettingsError, match=r"^Rounding is a codec and takes no arguments, but arguments is '-x 1'"):
        check_arguments(encoder, ("-x", "1"))
    with pytest.raises(SettingsError, match=r"^Rounding is a codec, whose attribute pix_fmt states the frames"):
        check_arguments(encoder, (), "yuv420p")


def test_cache(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    class Counts(Rounding):
        encodes = 0

        def encode(self, frames: Iterable[Any], quality: float) -> bytes:
            type(self).encodes += 1
            return super().encode(frames, quality)

    class Versioned(Counts):
        version = "1"

    cache = Cache(tmp_path / "cache", 10**9)
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"1")
    assert encode_key(job(codec_encoder(Counts()), cache=cache), 4, tmp_path / "out.bin") is None
    filed = Versioned()
    filed.files = (weights,)  # type: ignore[attr-defined]
    keys = [encode_key(job(codec_encoder(codec), cache=cache), 4, tmp_path / "a.bin") for codec in (Versioned(), filed)]
    weights.write_bytes(b"2")
    keys.append(encode_key(job(codec_encoder(filed), cache=cache), 4, tmp_path / "a.bin"))
    filed.version = "2"
    keys.append(encode_key(job(codec_encoder(filed), cache=cache), 4, tmp_path / "a.bin"))
    # A class of the same name in another module, for example in another test file.
    namesake = type("Versioned", (Versioned,), {"__qualname__": Versioned.__qualname__, "__module__": "other"})
    keys.append(encode_key(job(codec_encoder(namesake()), cache=cache), 4, tmp_path / "a.bin"))
    assert None not in keys
    assert len(set(keys)) == 5
    first = encode_once(job(codec_encoder(Versioned()), cache=cache), 4, tmp_path / "out.bin")
    again = encode_once(job(codec_encoder(Versioned()), cache=cache), 4, tmp_path / "again.bin")
    assert Versioned.encodes == 1
    assert (again.checksum, again.frames, again.size) == (first.checksum, first.frames, first.size)
    assert again.clip.path.read_bytes() == first.clip.path.read_bytes()


INTERRUPT = """
import os, signal, sys, time
sys.path.insert(0, {tests!r})
from encoding.codecs import Rounding
from pytest_vmaf import Vmaf

class Interrupted(Rounding):
    def encode(self, frames, quality):
        for number, frame in enumerate(frames):
            if number == 1:
                os.kill(os.getpid(), signal.{name})
                time.sleep(5)
        return b"x"

try:
    Vmaf(progress=False).encode({clip!r}, "out.bin", encoder=Interrupted(), crf=4)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupt(name: str, clip: Path, temp: Path, tmp_path: Path) -> None:
    code = INTERRUPT.format(tests=str(Path(__file__).parents[1]), name=name, clip=str(clip))
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.stdout == "interrupted\n", run.stderr
    assert list(temp.iterdir()) == []
    assert not (tmp_path / "out.bin").exists()
