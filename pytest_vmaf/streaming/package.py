"""Package a bitrate ladder for HLS or DASH: one fragmented MP4 for each encode, and the manifests."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pytest_vmaf.encoding.packets import Packet, read_packets
from pytest_vmaf.errors import ClipError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.streaming import manifests
from pytest_vmaf.streaming.codec_strings import movie_codec_string
from pytest_vmaf.streaming.manifests import MANIFEST, SEGMENT, Rendition
from pytest_vmaf.streaming.mp4 import LARGEST_HEAD, Index, Segment, read_index
from pytest_vmaf.text import printable


def peak_bitrate(path: Path, ffmpeg: str, segment: float = SEGMENT, timeout: float | None = None) -> float:
    """Measure the peak segment bit rate of an encode's first video stream, without its container.

    Segments are cut as `package` cuts them: at the first key frame at least `segment` seconds after the previous cut.

    Args:
        path: The encode.
        ffmpeg: Path of the ffmpeg.
        segment: The shortest length of a segment in seconds.
        timeout: Time limit in seconds.

    Returns:
        The peak in bit/s, as `manifests.peak_of` defines it.

    Raises:
        ClipError: If the file cannot be read.
    """
    packets = read_packets(Clip(path), ffmpeg, timeout)
    shortest = _shortest(packets, segment)
    starts = [0]
    for number, packet in enumerate(packets):
        if packet.is_key and number and packet.dts - packets[starts[-1]].dts >= shortest:
            starts.append(number)
    times = [*(packets[start].time for start in starts), max(packet.time + packet.duration for packet in packets)]
    if times[-1] <= times[0]:
        raise ClipError(f"{Clip(path)} has {len(packets)} frames that take no time.")
    sizes = [sum(packet.size for packet in packets[a:b]) for a, b in pairwise([*starts, len(packets)])]
    return manifests.peak_of([Segment(size, b - a) for size, (a, b) in zip(sizes, pairwise(times), strict=True)])


def _shortest(packets: Sequence[Packet], segment: float) -> float:
    """The shortest decoding time between two cuts, in seconds, for segments that are displayed for `segment` seconds.

    ffmpeg cuts by decoding time, in which an open GOP begins earlier by the frames that precede its key frame. Half a
    frame is tolerated, since Matroska rounds times to milliseconds.
    """
    keys = [packet for packet in packets if packet.is_key] or packets[:1]
    lead = max(key.time - keys[0].time - (key.dts - keys[0].dts) for key in keys)
    return max(0.0, segment - lead - packets[0].duration / 2)


def package(
    renditions: Sequence[Rendition],
    folder: str | os.PathLike[str],
    ffmpeg: str,
    form: Literal["hls", "dash"],
    *,
    segment: float = SEGMENT,
) -> Path:
    """Write a bitrate ladder to a folder, ready to be served.

    Each rendition becomes one fragmented MP4 (CMAF) with a segment index and the packets of its encode; for HLS, also a
    media playlist. The bandwidths in the manifest are those of the written segments. Files of an earlier package are
    replaced. After a failure, no file of the new package is left.

    Args:
        renditions: The steps of the ladder.
        folder: The folder. It is created if necessary.
        ffmpeg: Path of the ffmpeg.
        form: "hls" or "dash".
        segment: The shortest length of a segment in seconds.

    Returns:
        The manifest: `index.m3u8` or `index.mpd`.

    Raises:
        SettingsError: If there are no renditions, the form is unknown, or an encode would be overwritten.
        ClipError: If an encode cannot be packaged.
        MeasurementError: If the folder cannot be written to.
    """
    if form not in MANIFEST:
        raise SettingsError(f"form must be 'hls' or 'dash', not {form!r}.")
    folder, name = Path(folder), MANIFEST[form]
    ladder = manifests.sort_renditions(renditions)
    outputs = {folder.resolve() / f"{rendition.name}.mp4" for rendition in ladder}
    for rendition in ladder:
        if rendition.path.resolve() in outputs:
            raise SettingsError(f"{Clip(rendition.path)} would be overwritten. Package into another folder.")
    try:
        with _staging_folder(folder, last=name) as stage:
            manifest = _write_renditions(ladder, stage, ffmpeg, form, segment)
            (stage / name).write_text(manifest, "ascii", newline="\n")
    except OSError as error:
        reason = error.strerror or error
        raise MeasurementError(f"The package cannot be written to {printable(str(folder))}: {reason}.") from error
    return folder / name


def _write_renditions(ladder: list[Rendition], stage: Path, ffmpeg: str, form: str, segment: float) -> str:
    """Write the files of all renditions, and return the manifest."""
    indexes: dict[str, Index] = {}
    independent = True
    for number, rendition in enumerate(ladder):
        output = stage / f"{rendition.name}.mp4"
        packets = read_packets(Clip(rendition.path), ffmpeg)
        independent &= _is_independent(rendition, packets)
        index = indexes[rendition.name] = _remux(rendition, output, ffmpeg, _shortest(packets, segment))
        bitrate, peak = manifests.mean_of(index.segments), manifests.peak_of(index.segments)
        ladder[number] = replace(rendition, bitrate=bitrate, peak=peak)
        if form == "hls":
            playlist = manifests.hls_media(output.name, index)
            output.with_name(f"{rendition.name}.m3u8").write_text(playlist, "ascii", newline="\n")
    if form == "hls":
        return manifests.hls(ladder, independent=independent)
    longest = max(index.duration for index in indexes.values())
    return manifests.dash(ladder, longest, indexes=indexes, independent=independent)


@contextmanager
def _staging_folder(folder: Path, last: str) -> Iterator[Path]:
    """A temporary folder whose files then move to `folder`, `last` at the end. After a failure, none of them stays."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    moved: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Inside, so that files can be moved without copying.
        with scratch_folder(folder) as stage:
            yield Path(stage)
            # Whoever reads the manifest then finds every file that it names.
            for file in sorted(Path(stage).iterdir(), key=lambda file: file.name == last):
                os.replace(file, folder / file.name)
                moved.append(folder / file.name)
    except BaseException:
        for path in moved:
            path.unlink(missing_ok=True)
        for place in missing:
            with suppress(OSError):
                place.rmdir()
        raise


def _remux(rendition: Rendition, output: Path, ffmpeg: str, shortest: float) -> Index:
    clip = Clip(rendition.path)
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "warning", "-xerror", *input_arguments(clip)]
    argv += ["-map", "0:V:0", "-c", "copy", "-map_metadata", "-1", "-fflags", "+bitexact"]
    # By default ffmpeg writes hev1, which Apple's players do not accept.
    argv += ["-tag:v", "hvc1"] if rendition.codecs.startswith("hvc1") else []
    argv += ["-movflags", "+cmaf+frag_keyframe+delay_moov+global_sidx+skip_trailer"]
    argv += ["-min_frag_duration", str(int(shortest * 1_000_000)), "-f", "mp4", f"file:{output.absolute()}"]
    end = run(FfmpegCommand(tuple(argv)))
    if end.returncode != 0:
        raise ClipError(f"{clip} cannot be packaged: ffmpeg could not write a fragmented MP4.\n{end.explain()}")
    with output.open("rb") as file:
        head = file.read(LARGEST_HEAD)
    try:
        codecs, index = movie_codec_string(head), read_index(head, output.stat().st_size)
    except ClipError as error:
        raise ClipError(f"{clip} cannot be packaged. {error}") from error
    if codecs != rendition.codecs:
        raise ClipError(
            f"codecs of the rendition {rendition.name!r} must be {codecs}, as {clip} is, not {rendition.codecs}."
        )
    return index


def _is_independent(rendition: Rendition, packets: Sequence[Packet]) -> bool:
    """Whether no frame that follows a key frame is displayed before it.

    Such a frame belongs to an open GOP, and may need the one before.
    """
    clip, latest, independent = Clip(rendition.path), -math.inf, True
    for packet in packets:
        if packet.pts is None:
            raise ClipError(
                f"{clip} does not state when its frames are displayed, as is usual for bare streams.\n"
                "  Encode to .mp4 or .mkv, and package that."
            )
        latest = packet.pts if packet.is_key else latest
        independent &= packet.pts >= latest
    if not packets[0].is_key or packets[0].pts != min(packet.time for packet in packets):
        raise ClipError(
            f"{clip} cannot be packaged: it does not begin with a key frame, so players cannot start.\n"
            "  libvvenc needs -vvenc-params poc0idr=1."
        )
    return independent
