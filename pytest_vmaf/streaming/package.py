"""A bitrate ladder as files that can be served: every encode as one fragmented MP4, and a manifest over them."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pytest_vmaf.encoding.packets import Packet, read_packets
from pytest_vmaf.errors import ClipError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.streaming.codec_strings import movie_codec_string
from pytest_vmaf.streaming.manifests import (
    MANIFEST,
    SEGMENT,
    Rendition,
    dash,
    hls,
    hls_media,
    mean_of,
    ordered,
    peak_of,
)
from pytest_vmaf.streaming.mp4 import LARGEST_HEAD, Index, Segment, read_index
from pytest_vmaf.text import printable


def peak_bitrate(path: Path, ffmpeg: str, segment: float = SEGMENT, timeout: float | None = None) -> float:
    """The peak segment bit rate of an encode's first video stream in bit/s, of its packets alone, without a container.

    Segments are cut as :func:`package` cuts them: at the first key frame that is ``segment`` seconds or more behind
    the cut before it. As in RFC 8216 4.3.4.2 the peak is the largest bit rate of any neighbouring segments that last
    0.5 to 1.5 times the target duration together, so that a short rest at the end counts only with what precedes it.
    Raises ClipError when the file cannot be read.
    """
    packets = read_packets(Clip(path), ffmpeg, timeout)
    shortest = _shortest(packets, segment)
    starts = [0]
    for number, packet in enumerate(packets):
        if packet.is_key and number and packet.dts - packets[starts[-1]].dts >= shortest:
            starts.append(number)
    ends = [*starts[1:], len(packets)]
    times = [*(packets[start].time for start in starts), max(packet.time + packet.duration for packet in packets)]
    if times[-1] <= times[0]:
        raise ClipError(f"{Clip(path)} does not last: its {len(packets)} frames take no time.")
    sizes = [sum(packet.size for packet in packets[start:end]) for start, end in zip(starts, ends, strict=True)]
    return peak_of([Segment(size, times[n + 1] - times[n]) for n, size in enumerate(sizes)])


def _shortest(packets: Sequence[Packet], segment: float) -> float:
    """Seconds of decoding time between two cuts at least, for segments that are shown for ``segment`` seconds.

    ffmpeg cuts by decoding time, in which an open GOP begins earlier by the frames that lead its key frame. And half a
    frame of patience, since Matroska rounds times to milliseconds.
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
    timeout: float | None = None,
) -> Path:
    """Write a ladder into a folder, ready to be served: ``index.m3u8`` or ``index.mpd``, whose path is returned.

    Every rendition becomes one fragmented MP4 (CMAF) with a segment index, its frames as they are, cut as
    :func:`peak_bitrate` says; for HLS with a media playlist beside it. Bandwidths in the manifest are those of the
    segments as written. Files of an earlier package are replaced; after a failure nothing of this one is there.
    ``timeout`` in seconds for each run of ffmpeg. Raises SettingsError as :func:`hls`, ClipError for an encode that
    cannot be packaged, MeasurementError where the folder cannot be written to.
    """
    if form not in MANIFEST:
        raise SettingsError(f"form is {form!r}; a package is 'hls' or 'dash'.")
    if not 0 < segment < math.inf:
        raise SettingsError(f"segment is {segment!r}; a segment lasts more than 0 s.")
    folder = Path(folder)
    ladder = ordered(renditions)
    places = {folder.resolve() / f"{one.name}.mp4" for one in ladder}
    if taken := [one for one in ladder if one.path.resolve() in places]:
        raise SettingsError(f"{Clip(taken[0].path)} would be overwritten; package into a folder of its own.")
    try:
        with _whole_or_not_at_all(folder, MANIFEST[form]) as stage:
            indexes: dict[str, Index] = {}
            independent = True
            for number, one in enumerate(ladder):
                made = stage / f"{one.name}.mp4"
                packets = read_packets(Clip(one.path), ffmpeg, timeout)
                independent &= _is_independent(one, packets)
                index = indexes[one.name] = _remux(one, made, ffmpeg, _shortest(packets, segment), timeout)
                ladder[number] = replace(one, bitrate=mean_of(index.segments), peak=peak_of(index.segments))
                if form == "hls":
                    (stage / f"{one.name}.m3u8").write_text(hls_media(made.name, index), "ascii", newline="\n")
            if form == "hls":
                manifest = hls(ladder, independent=independent)
            else:
                longest = max(index.duration for index in indexes.values())
                manifest = dash(ladder, longest, indexes=indexes, independent=independent)
            (stage / MANIFEST[form]).write_text(manifest, "ascii", newline="\n")
    except OSError as error:
        where = printable(str(folder))
        raise MeasurementError(f"No package can be written to {where}: {error.strerror or error}.") from error
    return folder / MANIFEST[form]


@contextmanager
def _whole_or_not_at_all(folder: Path, last: str) -> Iterator[Path]:
    """A folder to write into, whose files then move to ``folder``, ``last`` at last; none of them stays otherwise."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    moved: list[Path] = []
    stage = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Inside, so that moving does not mean copying.
        stage = Path(tempfile.mkdtemp(prefix=".package-", dir=folder))
        yield stage
        # Whoever finds the manifest finds all that it names.
        for made in sorted(stage.iterdir(), key=lambda made: made.name == last):
            os.replace(made, folder / made.name)
            moved.append(folder / made.name)
        shutil.rmtree(stage)
    except BaseException:
        for path in moved:
            path.unlink(missing_ok=True)
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
        for place in missing:
            with suppress(OSError):
                place.rmdir()
        raise


def _remux(one: Rendition, made: Path, ffmpeg: str, shortest: float, timeout: float | None) -> Index:
    clip = Clip(one.path)
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "warning", "-xerror", *input_arguments(clip)]
    argv += ["-map", "0:V:0", "-c", "copy", "-map_metadata", "-1", "-fflags", "+bitexact"]
    # Left to itself ffmpeg writes hev1, which Apple's players do not take.
    argv += ["-tag:v", "hvc1"] if one.codecs.startswith("hvc1") else []
    argv += ["-movflags", "+cmaf+frag_keyframe+delay_moov+global_sidx+skip_trailer"]
    argv += ["-min_frag_duration", str(int(shortest * 1_000_000)), "-f", "mp4", f"file:{made.absolute()}"]
    end = run(FfmpegCommand(tuple(argv)), timeout)
    if end.returncode != 0:
        raise ClipError(f"{clip} cannot be packaged: ffmpeg wrote no fragmented MP4 of it.\n{end.explain()}")
    with made.open("rb") as file:
        head = file.read(LARGEST_HEAD)
    try:
        codecs, index = movie_codec_string(head), read_index(head, made.stat().st_size)
    except ClipError as error:
        raise ClipError(f"{clip} cannot be packaged. {error}") from error
    if codecs != one.codecs:
        raise ClipError(f"{clip} is {codecs}, not {one.codecs} as its rendition {printable(one.name)!r} says.")
    return index


def _is_independent(one: Rendition, packets: Sequence[Packet]) -> bool:
    """Whether no frame that follows a key frame is shown before it (an open GOP, which may need the one before)."""
    clip, latest, independent = Clip(one.path), -math.inf, True
    for packet in packets:
        if packet.pts is None:
            raise ClipError(
                f"{clip} does not say when its frames are shown, as bare streams do not.\n"
                "  Let the encoder write .mp4 or .mkv, and package that."
            )
        latest = packet.pts if packet.is_key else latest
        independent &= packet.pts >= latest
    first = min(packet.pts for packet in packets if packet.pts is not None)
    if not packets[0].is_key or packets[0].pts != first:
        raise ClipError(
            f"{clip} cannot be packaged: it does not begin with a key frame, and a player has nowhere to start.\n"
            "  libvvenc begins so by itself; encode with -vvenc-params poc0idr=1."
        )
    return independent
