"""Encode: what an encoder wrote. Make one with ffmpeg, a program, a function or a codec, and read its packets."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.packets import displayed_seconds, read_packets
from pytest_vmaf.encoding.rate_modes import at
from pytest_vmaf.encoding.run_encoder import run_encoder
from pytest_vmaf.encoding.scale import as_crf
from pytest_vmaf.errors import ClipError, EncodeError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import is_known
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.media.stopwatch import Spent, Stopwatch


@dataclass(frozen=True)
class TrialEncode:
    """What an encoder wrote in a search. The file is gone unless the search was given a folder to keep it in.

    `size`, `frames`, `duration` and `bitrate` describe the video stream without its container. An encode can be passed
    to `vmaf.score()` and `vmaf.check()` in place of a clip.

    Attributes:
        name: The encoder, its preset and its mode, for example "libx264 slow" or "libx264 slow 2pass".
        crf: The CRF, or the number of another scale of constant quality. On most scales, a larger number means lower
            quality; see `Encoder.larger_is_finer`. The kbit/s of an encode by bitrate.
        path: The file, or None if it was removed after scoring.
        size: Bytes of all packets.
        frames: The number of packets, one for each frame.
        duration: Seconds, by the time stamps of the stream.
        seconds: How long encoding took, in seconds; None if the encode was scored in the same process.
        command: A shell command that makes the encode again.
        checksum: A digest of the sizes and checksums of all packets; "" if it is not known.
        mode: What `crf` is: `"crf"`, or kbit/s in one pass (`"bitrate"`) or in two (`"2pass"`).
        pictures: What a codec in Python decoded from its bitstream. None for a file that ffmpeg decodes, and if the
            file was removed after scoring.
    """

    name: str
    crf: int
    path: Path | None
    size: int
    frames: int
    duration: float
    seconds: float | None
    command: str
    checksum: str = ""
    mode: str = "crf"
    pictures: Clip | None = field(default=None, repr=False, compare=False)

    @property
    def bitrate(self) -> float:
        """The mean bitrate in bit/s."""
        return self.size * 8 / self.duration

    def without_file(self) -> TrialEncode:
        """The same encode, of which no file is left."""
        return TrialEncode(**{**vars(self), "path": None, "pictures": None})

    def to_dict(self) -> dict[str, Any]:
        """The encode as plain data."""
        own = {name: value for name, value in vars(self).items() if name != "pictures"}
        return {**own, "path": self.path and str(self.path), "bitrate": self.bitrate}

    def to_json(self) -> str:
        """The data of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @property
    def clip(self) -> Clip:
        """The encode as a clip, for `vmaf.check(source, encode)`.

        Raises:
            ClipError: If the file was removed after scoring.
        """
        if self.path is None:
            raise ClipError(
                f"The encode of {self.name} at {at(self.mode, self.crf)} was not stored. "
                "Pass keep=FOLDER to the search, or encode it with vmaf.encode()."
            )
        if self.pictures is not None:
            return self.pictures
        # A bare stream states no frame rate.
        return Clip(self.path) if is_known(self.path) else Clip(self.path, frame_rate=self.frames / self.duration)


@dataclass(frozen=True)
class Encode(TrialEncode):
    """What an encoder wrote, with its file. The attributes are those of `TrialEncode`, but `path` is always set."""

    path: Path


def make_encode(job: EncodeJob, crf: float, path: Path) -> Encode:
    """Encode the source at a CRF and read the packets of the encode. A file that is incomplete is removed.

    Args:
        job: The source, the encoder and its settings.
        crf: The CRF.
        path: The file to write.

    Raises:
        EncodeError: If the encoder fails, or writes no video or a video of another duration. The message contains the
            last lines of its output.
        ScorerError: If the time limit is exceeded.
    """
    if job.encoder.codec is None:
        return make_timed_encode(job, crf, path)[0]
    from pytest_vmaf.encoding.run_codec import TURN, attributes, changed_attributes

    with TURN:
        before = attributes(job)
        encode, _ = make_timed_encode(job, crf, path)
        try:
            return with_pictures(job, encode, changed_attributes(job, before))
        except BaseException:
            remove(path)
            raise


def with_pictures(job: EncodeJob, encode: Encode, before: dict[str, object] | None = None) -> Encode:
    """The encode of a codec with the pictures that it decodes; any other encode as it is.

    Args:
        job: The job that made it.
        encode: What it made.
        before: As for `decoded_clip`.

    Raises:
        EncodeError: As `decoded_clip`.
    """
    if job.encoder.codec is None:
        return encode
    from pytest_vmaf.encoding.run_codec import decoded_clip

    return replace(encode, pictures=decoded_clip(job, encode.crf, encode.path, encode.frames, before))


def make_timed_encode(job: EncodeJob, crf: float, path: Path) -> tuple[Encode, Spent]:
    """Like `make_encode`, with the time that the encoder took, which is exact if nothing else runs in this process.

    The bitstream of a codec is not decoded.
    """
    needs_rate = job.encoder.codec is not None or job.source.clip.is_raw or job.source.is_picture
    if job.source.frame_rate is None and needs_rate:
        raise EncodeError(_no_rate(job))
    # A function's work is done in this process.
    watch = Stopwatch(own=job.runs_here)
    try:
        frames = run_encoder(job, crf, path)
        spent = watch.read()
        if job.statistics is not None:
            spent += job.statistics.spent
        if frames is not None:
            return describe_bitstream(job, crf, path, frames, spent.wall), spent
        if path.is_symlink() or path.stat().st_nlink > 1:
            raise EncodeError(
                f"{job.name} created a link instead of a file at {job.at(crf)}. The encoder must write its own output "
                "file."
            )
        return describe(job, crf, path, job.command(crf, path), spent.wall), spent
    except BaseException:
        remove(path)
        raise


def decode_frames(job: EncodeJob, encode: Encode) -> None:
    """Decode an encode, and drop the frames.

    Raises:
        ClipError: If ffmpeg cannot decode it.
        EncodeError: As `decoded_clip`.
    """
    if job.encoder.codec is None:
        count_frames(job.clip(encode.path), job.ffmpeg, job.timeout)
        return
    from pytest_vmaf.encoding.run_codec import drop_frames

    drop_frames(job, encode.crf, encode.path, encode.frames)


def describe(job: EncodeJob, crf: float, path: Path, command: str, seconds: float | None) -> Encode:
    """Read the packets of an encode's video stream.

    Raises:
        EncodeError: If there are none, or if their duration is not that of as many frames of the source.
    """
    try:
        packets = read_packets(job.clip(path), job.ffmpeg, job.timeout, strict=False)
    except ClipError as error:
        raise EncodeError(f"{job.name} wrote no readable video at {job.at(crf)}.\n{error}") from None
    size = sum(packet.size for packet in packets)
    if not size:
        raise EncodeError(f"{job.name} wrote {len(packets)} empty packets at {job.at(crf)}.")
    # In a bare stream, packets may have no time stamps.
    duration = displayed_seconds(packets) if all(packet.pts is not None for packet in packets) else 0.0
    if duration == 0:
        if not job.source.frame_rate:
            raise EncodeError(_no_rate(job))
        duration = float(len(packets) / job.source.frame_rate)
    _check_duration(job, crf, len(packets), duration)
    checksum = hashlib.sha256(" ".join(f"{each.size}:{each.checksum}" for each in packets).encode()).hexdigest()
    numbers = size, len(packets), duration, seconds
    return Encode(job.name, as_crf(crf), path, *numbers, command, checksum, job.encoder.mode)


def describe_bitstream(job: EncodeJob, crf: float, path: Path, frames: int, seconds: float | None) -> Encode:
    """The encode of a codec: all bytes of its bitstream count."""
    assert job.source.frame_rate is not None  # noqa: S101
    data = path.read_bytes()
    duration = float(frames / job.source.frame_rate)
    digest = hashlib.sha256(data).hexdigest()
    return Encode(job.name, as_crf(crf), path, len(data), frames, duration, seconds, job.command(crf, path), digest)


def remove(path: Path) -> None:
    """Remove a file that may be incomplete. A folder is not an encode and stays."""
    if not path.is_dir():
        path.unlink(missing_ok=True)


def _check_duration(job: EncodeJob, crf: float, frames: int, duration: float) -> None:
    """A bitrate is only right if the encode lasts as long as its frames do in the source, by rate or by time stamps."""
    rate = job.source.frame_rate
    by_rate = None if rate is None else float(frames / rate)
    tolerance = max(0.002 * duration, 1.5 * duration / frames)
    if by_rate is not None and abs(duration - by_rate) <= tolerance:
        return
    by_times = displayed_seconds(read_packets(job.source.clip, job.ffmpeg, job.timeout, strict=False))
    if not abs(duration - by_times) <= tolerance:
        raise EncodeError(
            f"The encode of {job.name} at {job.at(crf)} lasts {duration:.3f} s by its time stamps, but its {frames} "
            f"frames last {by_times if by_rate is None else by_rate:.3f} s in {job.source.clip.name}. Its bitrate "
            "would be wrong."
        )


def _no_rate(job: EncodeJob) -> str:
    return (
        f"{job.source.clip.name} states no frame rate, so bitrates are unknown. Set it: Clip(..., frame_rate=24), "
        "or --frame-rate=24 in the pytest-vmaf command."
    )
