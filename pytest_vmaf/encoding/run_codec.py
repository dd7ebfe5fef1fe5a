"""Run a codec in Python: encode a source to a bitstream, and decode that to frames. Imported where it is used."""

from __future__ import annotations

import copy
import hashlib
import operator
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pytest_vmaf.encoding.codec import Codec, read_codec
from pytest_vmaf.encoding.frame_checks import check_frame, kind_of
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.source_frames import SourceFrames, finish, frames_taken
from pytest_vmaf.errors import EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.frame_layout import FrameLayout, layout_of
from pytest_vmaf.media.guard import noted_start
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.media.part import frames_of_part
from pytest_vmaf.media.read_frames import read_frames
from pytest_vmaf.media.spool_frames import LONGEST_NAME, spool_frames
from pytest_vmaf.text import plural, printable

#: One thread at a time runs a codec: the bitstream of one must not meet what the codec remembers of another.
TURN = threading.RLock()
#: The codecs whose decoder was checked, by their number in memory, each with itself so that the number stays its own.
_checked: dict[int, object] = {}
MOST_CHECKED = 100
#: What an encoder may store something in without setting an attribute.
CONTAINERS = (dict, list, set)


def write_bitstream(job: EncodeJob, crf: float, path: Path) -> int:
    """Encode the source with the codec of a job, and write the bitstream to a file.

    Returns:
        The number of frames.

    Raises:
        EncodeError: If the codec raises, does not return bytes, or does not read all frames.
        ClipError: If the source cannot be read.
    """
    codec, pix_fmt = _codec(job), _layout(job).form.name
    source, rate = job.source, job.source.frame_rate
    assert rate is not None  # noqa: S101  (`make_timed_encode` refuses sources without a rate)

    def read() -> Iterator[Any]:
        return iter(read_frames(source.clip, job.ffmpeg, pix_fmt=pix_fmt, timeout=job.timeout))

    frames = SourceFrames(read, source.width, source.height, pix_fmt, rate)
    try:
        with _call(job, crf, "encode", lambda: _position(frames)):
            data = codec.encode(frames, crf)
    finally:
        count = finish(frames)
    if type(data) is not bytes:
        hint = " Return bytes(data)." if isinstance(data, bytearray | memoryview) else ""
        raise EncodeError(f"{_what(job, crf, 'encode')} must return bytes, not {kind_of(data)}.{hint}")
    if not data:
        raise EncodeError(f"{_what(job, crf, 'encode')} must return at least one byte, not b''.")
    if count is None:
        clip = source.clip
        count = frames_of_part(
            clip.name, clip.start, clip.frames, count_frames(clip, job.ffmpeg, job.timeout, job.cache)
        )
    if (taken := frames_taken(frames)) < count:
        raise EncodeError(
            f"{_what(job, crf, 'encode')} read {taken or 'none'} of the {plural(count, 'frame')} of "
            f"{source.clip.name}. A codec must encode all of them."
        )
    path.write_bytes(data)
    return count


def decoded_clip(job: EncodeJob, crf: float, path: Path, count: int, before: dict[str, object] | None = None) -> Clip:
    """Decode a bitstream.

    Args:
        job: The job whose codec wrote it.
        crf: The quality.
        path: The bitstream.
        count: How many frames were encoded.
        before: The codec's attributes before it encoded, if that changed them: the decoder is then run with these, too.

    Returns:
        The frames, in a temporary file that lives as long as the clip.

    Raises:
        EncodeError: If the decoder raises, or returns other frames than as many as were encoded, of the same size and
            type.
    """
    failure: list[BaseException] = []
    digest = hashlib.blake2b() if before is not None else None

    def frames() -> Iterator[Any]:
        try:
            for frame in _frames(job, crf, _codec(job), path.read_bytes(), count):
                if digest is not None:
                    _add(digest, frame)
                yield frame
        except BaseException as error:
            failure.append(error)
            raise

    layout = _layout(job)
    try:
        # Floats are rounded to 16 bits.
        pix_fmt = None if layout.is_float else _spool_format(job, layout)
        name, size = printable(path.name)[-LONGEST_NAME:], path.stat().st_size
        spool = spool_frames(frames(), pix_fmt=pix_fmt, name=name, bitstream=size)
    except MeasurementError:
        if failure:
            raise failure[0] from failure[0].__cause__
        raise
    if digest is not None and before is not None:
        _check_alone(job, crf, path, count, before, digest.digest())
    return Clip.of_spool(spool, job.source.frame_rate)


def drop_frames(job: EncodeJob, crf: float, path: Path, count: int) -> None:
    """Decode a bitstream and drop the frames, to time it. Raises as `decoded_clip`."""
    for _ in _frames(job, crf, _codec(job), path.read_bytes(), count):
        pass


def attributes(job: EncodeJob) -> dict[str, object] | None:
    """What the codec remembers, before its first encode; None if its decoder was checked already."""
    codec = _codec(job)
    if id(codec) in _checked or not hasattr(codec, "__dict__"):
        return None
    while len(_checked) >= MOST_CHECKED:
        del _checked[next(iter(_checked))]
    _checked[id(codec)] = codec
    return {name: copy.copy(value) if isinstance(value, CONTAINERS) else value for name, value in vars(codec).items()}


def changed_attributes(job: EncodeJob, before: dict[str, object] | None) -> dict[str, object] | None:
    """The attributes from before an encode, if the encode set any; else None."""
    return before if before is not None and _changed(_codec(job), before) else None


def _changed(codec: object, before: dict[str, object]) -> list[str]:
    return [name for name, value in vars(codec).items() if name not in before or not _same(before[name], value)]


def _same(before: object, value: object) -> bool:
    """Whether an attribute is the same object, or still contains the same ones."""
    if isinstance(before, dict) and isinstance(value, dict):
        return _same([*before, *before.values()], [*value, *value.values()])
    if isinstance(before, list) and isinstance(value, list):
        return len(before) == len(value) and all(map(operator.is_, before, value))
    return before is value or (isinstance(value, set) and before == value)


def _check_alone(
    job: EncodeJob, crf: float, path: Path, count: int, before: dict[str, object], expected: bytes
) -> None:
    """Refuse a decoder that needs attributes set by `encode`, which the bitrate does not count."""
    codec = _codec(job)
    names = _changed(codec, before)
    try:
        alone = copy.copy(codec)
        vars(alone).clear()
        vars(alone).update(before)
    except Exception:
        # It cannot be copied.
        return
    digest, cause = hashlib.blake2b(), None
    try:
        for frame in _frames(job, crf, alone, path.read_bytes(), count):
            _add(digest, frame)
    except EncodeError as error:
        cause = error.__cause__ or error
    if cause is not None or digest.digest() != expected:
        how = f"raises {type(cause).__name__}: {printable(str(cause))}" if cause else "returns other frames"
        raise EncodeError(
            f"{job.name}: decode() needs what encode() stored in {', '.join(names)}. Without it, decode() {how}.\n"
            "  Write it into the bytes: they must contain all that a decoder needs, or the bitrate would be too low."
        ) from cause


def _frames(job: EncodeJob, crf: float, codec: Codec[Any], data: bytes, count: int) -> Iterator[Any]:
    """The frames of a bitstream, each checked."""
    layout = _layout(job)
    example = layout.read(bytearray(layout.frame_bytes))
    what, number = _what(job, crf, "decode"), 0

    def position() -> str:
        return f" at frame {number}" if number else ""

    with _call(job, crf, "decode", position):
        decoded = codec.decode(data)
        if not isinstance(decoded, Iterable) or isinstance(decoded, str | bytes | dict):
            raise EncodeError(f"{what} must return frames, not {kind_of(decoded)}.")
        frames = iter(decoded)
    try:
        while True:
            with _call(job, crf, "decode", position):
                try:
                    frame = next(frames)
                except StopIteration:
                    break
                if number >= count:
                    raise EncodeError(f"{what} returned more than the {plural(count, 'frame')} that were encoded.")
                frame = check_frame(frame, example, layout, f"{what} returned frame {number}")
            yield frame
            number += 1
        if number < count:
            raise EncodeError(f"{what} returned {plural(number, 'frame')}, but {count} were encoded.")
    finally:
        if isinstance(frames, Generator):
            frames.close()


@contextmanager
def _call(job: EncodeJob, crf: float, method: str, position: Callable[[], str]) -> Iterator[None]:
    """Run the user's code: one thread at a time, with its errors worded."""
    try:
        with TURN, noted_start():
            yield
    except (MeasurementError, SettingsError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        text = printable(" ".join(str(error).split()))
        what = _what(job, crf, method)
        hint = ""
        if isinstance(error, TypeError) and SourceFrames.__name__ in text:
            hint = "\n  Frames are an iterable: `for frame in frames`, or numpy.stack(list(frames)) for all of them."
        raise EncodeError(f"{what} raised {type(error).__name__}{position()}: {text}{hint}") from error


def _position(frames: SourceFrames) -> str:
    """How far the source was read, for messages."""
    taken = frames_taken(frames)
    return f" after it had read {plural(taken, 'frame')}" if taken else ""


def _layout(job: EncodeJob) -> FrameLayout:
    """The layout of the codec's frames. Those of YUV have the range of their source."""
    name = read_codec(_codec(job)).pix_fmt.replace("yuvj", "yuv")
    layout = layout_of(name, job.source.width, job.source.height)
    if _is_full(job, layout) and layout.form.depth > 8:
        raise SettingsError(
            f"{job.name}: {job.source.clip.name} has the full range, and frames in {name} cannot state it. Use an RGB "
            "layout as the codec's pix_fmt, for example rgb48le."
        )
    return layout


def _is_full(job: EncodeJob, layout: FrameLayout) -> bool:
    return layout.form.kind == "yuv" and job.source.color_range == "pc"


def _spool_format(job: EncodeJob, layout: FrameLayout) -> str:
    # Raw frames have no tags. The name itself says that the range is full.
    name = layout.form.name
    return name.replace("yuv", "yuvj") if _is_full(job, layout) else name


def _codec(job: EncodeJob) -> Codec[Any]:
    codec = job.encoder.codec
    assert codec is not None  # noqa: S101
    return codec


def _what(job: EncodeJob, crf: float, method: str) -> str:
    return f"{job.name}: {method}() at quality {crf}"


def _add(digest: Any, frame: Any) -> None:
    for plane in frame if isinstance(frame, tuple) else (frame,):
        digest.update(np.ascontiguousarray(plane).tobytes())
