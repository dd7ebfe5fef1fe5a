"""The worst frames of a measurement as pictures: reference, distorted, and what differs between them."""

from __future__ import annotations

import base64
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pytest_vmaf.errors import MeasurementError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.text import printable

KINDS = ("reference", "distorted", "difference")
#: The difference of two honest encodes is black to the eye; times this it is not.
AMPLIFIED = 8
#: Longest side of a picture, in pixels, and the most bytes that it may have as JPEG.
LONGEST = 960
MOST_BYTES = 200_000
#: JPEG quantisers, best first. Each picture is coded with all, since decoding again would cost far more.
QUALITIES = (3, 8, 20)
TIMEOUT = 120.0
JPEG_MAGIC = b"\xff\xd8\xff"
#: Matrices that swscale computes with; it refuses frames that are tagged otherwise.
MATRICES = ("bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc")


def worst_pictures(
    record: dict[str, Any], reference: Clip, distorted: Clip, most: int
) -> tuple[list[dict[str, Any]], str | None]:
    """At most ``most`` worst frames of a measurement as pictures (schema.PICTURE), and what was left out, in words.

    They are the frames that were scored, shrunk to 960 pixels. What keeps them from being made is said, not raised.
    """
    rows = choose(record.get("worst") or [], most)
    if not rows:
        return [], "There are no pictures, as no worst frames were kept." if most > 0 else None
    if record["provenance"].get("fake"):
        return [], "There are no pictures, as the scorer is a fake that reads no clip."
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
            return _pictures(record, rows, (reference, distorted), Path(folder))
    except (MeasurementError, OSError) as error:
        return [], f"There are no pictures: {_reason(error, time.monotonic() - begun)}"


def choose(worst: Iterable[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """Each metric's worst frame, then each one's second worst, and so on; a frame that was taken is passed over."""
    queues: dict[str, deque[Mapping[str, Any]]] = {}
    for row in worst:
        queues.setdefault(row["metric"], deque()).append(row)
    taken: dict[int, Mapping[str, Any]] = {}
    while any(queues.values()):
        for queue in queues.values():
            while queue and queue[0]["frame"] in taken:
                queue.popleft()
            if queue:
                row = queue.popleft()
                taken[row["frame"]] = row
    return list(taken.values())[: max(most, 0)]


def _pictures(
    record: dict[str, Any], rows: Sequence[Mapping[str, Any]], clips: tuple[Clip, Clip], folder: Path
) -> tuple[list[dict[str, Any]], str | None]:
    made = record["provenance"]
    frames = sorted(int(row["frame"]) for row in rows)
    full = int(made["width"]), int(made["height"])
    shrink = min(Fraction(1), Fraction(LONGEST, max(full)))
    width, height = (max(1, round(side * shrink)) for side in full)
    argv = _arguments(made, frames, clips, (width, height))
    end = run(FfmpegCommand(tuple(argv), cwd=str(folder)), TIMEOUT)
    wanted = len(QUALITIES) * len(KINDS) * len(frames)
    got = len(list(folder.iterdir()))
    # An encoder that never saw a frame is no error of its own.
    if end.returncode != 0 and "before EOF" not in (end.tail[0] if end.tail else ""):
        # The first error is the cause; the rest tells how all else ended for it.
        raise ScorerError(f"ffmpeg {end.how} and said: {end.tail[0].strip() if end.tail else 'nothing'}")
    if got != wanted:
        raise ScorerError(f"ffmpeg wrote {got} files in place of {wanted}; has a clip changed since it was scored?")
    pictures, too_large = [], []
    for row in rows:
        number = frames.index(row["frame"]) + 1
        coded = {kind: _smallest_loss(folder, kind, number) for kind in KINDS}
        if None in coded.values():
            too_large.append(row["frame"])
            continue
        rate = record.get("frame_rate")
        pictures.append(
            {
                "frame": int(row["frame"]),
                "time": float(row["frame"] / Fraction(rate)) if rate else None,
                "metric": row["metric"],
                "value": float(row["value"]),
                "width": width,
                "height": height,
                "full_width": full[0],
                "full_height": full[1],
                "amplified": AMPLIFIED,
                **coded,
            }
        )
    left_out = f"Larger than {MOST_BYTES // 1000} KB, and left out: frame {', '.join(map(str, too_large))}."
    return pictures, left_out if too_large else None


def _smallest_loss(folder: Path, kind: str, number: int) -> str | None:
    """The best JPEG of a picture that is not too large, as base64."""
    for quality in QUALITIES:
        jpeg = (folder / f"{kind}-{quality}-{number}.jpg").read_bytes()
        if not jpeg.startswith(JPEG_MAGIC):
            raise ScorerError("ffmpeg wrote something else than JPEG. Is the disk full?")
        if len(jpeg) <= MOST_BYTES:
            return base64.b64encode(jpeg).decode("ascii")
    return None


def _arguments(
    made: Mapping[str, Any], frames: Sequence[int], clips: tuple[Clip, Clip], size: tuple[int, int]
) -> list[str]:
    """ffmpeg's argument list: reads reference and distorted, writes KIND-QUALITY-NUMBER.jpg, numbered from 1."""
    matrix = made["matrix"]
    if matrix not in MATRICES:
        matrix = "bt2020nc" if matrix == "bt2020c" else "bt709" if made["height"] >= 720 else "smpte170m"
    # The scorer's chains end without tags. Chroma is placed alike for both: what a container says of its place is not
    # scored, and must not show as a difference. Side data goes, or a viewer would turn the picture a second time.
    to_rgb = (
        # trim closes its input behind the last wanted frame, which ends the decoding.
        f"trim=end_frame={frames[-1] + 1},select='{'+'.join(f'eq(n,{frame})' for frame in frames)}',"
        # An encoder that counts in frames, not in microseconds, would find several at one time.
        "settb=1,setpts=N,"
        f"setparams=range={made['color_range']}:colorspace={matrix},"
        "scale=flags=bicubic+accurate_rnd+full_chroma_int:in_h_chr_pos=0:in_v_chr_pos=128,format=gbrp,"
        "setsar=1,sidedata=mode=delete"
    )
    amplified = ":".join(f"{channel}='min(val*{AMPLIFIED},255)'" for channel in "rgb")
    # Only then made small, by averaging: thinned or blurred first, fine differences would cancel out. JPEG is full
    # range BT.601, whatever the clip was.
    to_jpeg = (
        f"scale={size[0]}:{size[1]}:flags=area+accurate_rnd:out_color_matrix=bt601:out_range=pc,format=yuvj444p,"
        f"split={len(QUALITIES)}"
    )
    read = ((0, "reference"), (1, "distorted"))
    graph = [f"[{number}:V:0]{made['filters'][kind]},{to_rgb},split[{kind}][{kind}-2]" for number, kind in read]
    graph.append(f"[reference-2][distorted-2]blend=all_mode=difference,lutrgb={amplified}[difference]")
    graph += [f"[{kind}]{to_jpeg}{''.join(f'[{kind}-q{quality}]' for quality in QUALITIES)}" for kind in KINDS]
    argv = [made["ffmpeg_path"], "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror"]
    argv += [argument for clip in clips for argument in input_arguments(clip)]
    argv += ["-filter_complex", ";".join(graph)]
    for kind in KINDS:
        for quality in QUALITIES:
            argv += ["-map", f"[{kind}-q{quality}]", "-fps_mode", "passthrough", "-enc_time_base", "1/1"]
            argv += ["-c:v", "mjpeg", "-bitexact", "-q:v", str(quality), "-f", "image2", f"{kind}-{quality}-%d.jpg"]
    return argv


def _reason(error: MeasurementError | OSError, seconds: float) -> str:
    if isinstance(error, OSError):
        return f"the system refused it ({printable(error.strerror or str(error))})."
    # What is said of a time limit is about scoring, and how to change it.
    return f"they took more than {TIMEOUT:g} s." if seconds >= TIMEOUT else str(error).splitlines()[0]
