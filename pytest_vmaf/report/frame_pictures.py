"""Pictures of the worst frames of a measurement: reference, distorted clip, and their difference."""

from __future__ import annotations

import base64
import time
from collections import deque
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from pytest_vmaf.errors import MeasurementError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.report.schema import Record, RecordDict
from pytest_vmaf.text import printable

KINDS = ("reference", "distorted", "difference")
#: Differences are multiplied by this. Without it, the difference of two honest encodes looks black.
AMPLIFIED = 8
#: The longest side of a picture in pixels, and its most bytes as JPEG.
LONGEST = 960
MOST_BYTES = 200_000
#: The longest side of a thumbnail in pixels, and its JPEG quantiser.
THUMBNAIL, THUMBNAIL_QUALITY = 224, 7
#: JPEG quantisers, best first. Each picture is encoded with all of them, because decoding again would take longer.
QUALITIES = (3, 8, 20)
TIMEOUT = 120.0
JPEG_MAGIC = b"\xff\xd8\xff"
#: The colour matrices that swscale knows. It refuses frames with other tags.
MATRICES = ("bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc")


def worst_pictures(record: Record, reference: Clip, distorted: Clip, most: int) -> tuple[list[RecordDict], str | None]:
    """Make pictures of the worst frames of a measurement, as they were scored.

    Args:
        record: The record of the measurement.
        reference: The reference.
        distorted: The distorted clip.
        most: How many frames to show.

    Returns:
        The pictures, each a `schema.PICTURE` with its `thumbnail`, and what was left out and why, or None. A failure is
        such a reason too.
    """
    rows = choose(record.get("worst") or [], most)
    if not rows:
        return [], "There are no pictures, because the record has no worst frames." if most > 0 else None
    if record["provenance"].get("fake"):
        return [], "There are no pictures, because the scorer reads no clips."
    start = time.monotonic()
    try:
        with scratch_folder() as folder:
            return _pictures(record, rows, (reference, distorted), Path(folder))
    except (MeasurementError, OSError) as error:
        return [], f"There are no pictures: {_reason(error, time.monotonic() - start)}"


def choose(worst: Iterable[Record], most: int) -> list[Record]:
    """Choose frames: the worst of each metric, then the second worst of each, and so on, without repetitions."""
    queues: dict[str, deque[Record]] = {}
    for row in worst:
        queues.setdefault(row["metric"], deque()).append(row)
    rows: dict[int, Record] = {}
    while any(queues.values()):
        for queue in queues.values():
            while queue and queue[0]["frame"] in rows:
                queue.popleft()
            if queue:
                row = queue.popleft()
                rows[row["frame"]] = row
    return list(rows.values())[: max(most, 0)]


def _pictures(
    record: Record, rows: Sequence[Record], clips: tuple[Clip, Clip], folder: Path
) -> tuple[list[RecordDict], str | None]:
    provenance, rate = record["provenance"], record.get("frame_rate")
    frames = sorted(int(row["frame"]) for row in rows)
    full = int(provenance["width"]), int(provenance["height"])
    shrink = min(Fraction(1), Fraction(LONGEST, max(full)))
    width, height = (max(1, round(side * shrink)) for side in full)
    less = min(Fraction(1), Fraction(THUMBNAIL, max(width, height)))
    small = max(1, round(width * less)), max(1, round(height * less))
    argv = _arguments(provenance, frames, clips, (width, height), small)
    end = run(FfmpegCommand(tuple(argv), cwd=str(folder)), TIMEOUT)
    expected = (len(QUALITIES) * len(KINDS) + 2) * len(frames)
    count = len(list(folder.iterdir()))
    first_error = end.tail[0].strip() if end.tail else ""
    # An encoder that never got a frame is not an error of its own. The first error is the cause of all others.
    if end.returncode != 0 and "before EOF" not in first_error:
        raise ScorerError(f"ffmpeg {end.how}: {first_error or 'it printed nothing'}")
    if count != expected:
        raise ScorerError(f"ffmpeg must write {expected} files, not {count}; has a clip changed since it was scored?")
    pictures, too_large = [], []
    for row in rows:
        number = frames.index(row["frame"]) + 1
        jpegs = {kind: _smallest_loss(folder, kind, number) for kind in KINDS}
        if None in jpegs.values():
            too_large.append(row["frame"])
            continue
        time_of = float(row["frame"] / Fraction(rate)) if rate else None
        about = {"frame": int(row["frame"]), "time": time_of, "metric": row["metric"], "value": float(row["value"])}
        sizes = {"width": width, "height": height, "full_width": full[0], "full_height": full[1]}
        names = {kind: folder / f"{kind}-small-{number}.jpg" for kind in KINDS[:2]}
        encoded = {kind: base64.b64encode(file.read_bytes()).decode("ascii") for kind, file in names.items()}
        thumbnail = {"frame": about["frame"], "width": small[0], "height": small[1], **encoded}
        pictures.append({**about, **sizes, "amplified": AMPLIFIED, **jpegs, "thumbnail": thumbnail})
    left_out = f"Left out, as they are larger than {MOST_BYTES // 1000} KB: frame {', '.join(map(str, too_large))}."
    return pictures, left_out if too_large else None


def _smallest_loss(folder: Path, kind: str, number: int) -> str | None:
    """The best JPEG (base64) of a picture that is not too large. None if all are."""
    for quality in QUALITIES:
        jpeg = (folder / f"{kind}-{quality}-{number}.jpg").read_bytes()
        if not jpeg.startswith(JPEG_MAGIC):
            raise ScorerError("ffmpeg wrote an incomplete JPEG; is the disk full?")
        if len(jpeg) <= MOST_BYTES:
            return base64.b64encode(jpeg).decode("ascii")
    return None


def _arguments(
    provenance: Record, frames: Sequence[int], clips: tuple[Clip, Clip], size: tuple[int, int], small: tuple[int, int]
) -> list[str]:
    """ffmpeg's arguments. It reads both clips and writes KIND-QUALITY-NUMBER.jpg, numbered from 1.

    Of the clips, though not of their difference, it also writes KIND-small-NUMBER.jpg.
    """
    matrix = provenance["matrix"]
    if matrix not in MATRICES:
        matrix = "bt2020nc" if matrix == "bt2020c" else "bt709" if provenance["height"] >= 720 else "smpte170m"
    # The scorer's filters leave no tags. Both clips get the same chroma location: that of the container is not scored,
    # so it must not show as a difference. Side data goes, or a viewer would rotate the picture a second time.
    to_rgb = (
        # trim closes its input after the last frame, which ends the decoding.
        f"trim=end_frame={frames[-1] + 1},select='{'+'.join(f'eq(n,{frame})' for frame in frames)}',"
        # An encoder with a time base of frames would otherwise see several frames at one time.
        "settb=1,setpts=N,"
        f"setparams=range={provenance['color_range']}:colorspace={matrix},"
        "scale=flags=bicubic+accurate_rnd+full_chroma_int:in_h_chr_pos=0:in_v_chr_pos=128,format=gbrp,"
        "setsar=1,sidedata=mode=delete"
    )
    amplified = ":".join(f"{channel}='min(val*{AMPLIFIED},255)'" for channel in "rgb")
    # Scaled down only after the difference, by averaging: before it, fine differences would cancel out. JPEG is full
    # range BT.601, whatever the clip is.
    to_jpeg = (
        f"scale={size[0]}:{size[1]}:flags=area+accurate_rnd:out_color_matrix=bt601:out_range=pc,format=yuvj444p,split="
    )
    graph = [
        f"[{video_stream(clip, number)}]{provenance['filters'][kind]},{to_rgb},split[{kind}][{kind}-2]"
        for number, (kind, clip) in enumerate(zip(("reference", "distorted"), clips, strict=True))
    ]
    graph.append(f"[reference-2][distorted-2]blend=all_mode=difference,lutrgb={amplified}[difference]")
    for kind in KINDS:
        ends = [f"[{kind}-q{quality}]" for quality in QUALITIES] + [f"[{kind}-small]"] * (kind != "difference")
        graph.append(f"[{kind}]{to_jpeg}{len(ends)}{''.join(ends)}")
    graph += [f"[{kind}-small]scale={small[0]}:{small[1]}:flags=area[{kind}-qsmall]" for kind in KINDS[:2]]
    argv = [provenance["ffmpeg_path"], "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror"]
    argv += [argument for clip in clips for argument in input_arguments(clip)]
    argv += ["-filter_complex", ";".join(graph)]
    for kind in KINDS:
        outputs: list[tuple[object, int]] = [(quality, quality) for quality in QUALITIES]
        for name, quality in outputs + [("small", THUMBNAIL_QUALITY)] * (kind != "difference"):
            argv += ["-map", f"[{kind}-q{name}]", "-fps_mode", "passthrough", "-enc_time_base", "1/1"]
            argv += ["-c:v", "mjpeg", "-bitexact", "-q:v", str(quality), "-f", "image2", f"{kind}-{name}-%d.jpg"]
    return argv


def _reason(error: MeasurementError | OSError, seconds: float) -> str:
    if isinstance(error, OSError):
        return f"the system refused ({printable(error.strerror or str(error))})."
    # The error of a timeout is about scoring, and names a setting that does not apply here.
    return f"they took more than {TIMEOUT:g} s." if seconds >= TIMEOUT else str(error).splitlines()[0]
