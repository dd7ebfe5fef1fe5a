"""Encodes of a clip's parts, joined into one without encoding again, and checked frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.encoding.encode import Encode, EncodeJob, describe, encoded_clip
from pytest_vmaf.errors import EncodeError
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run


def join(job: EncodeJob, parts: Sequence[Encode], folder: Path) -> tuple[Path, Encode]:
    """Join encodes without encoding again into a file in ``folder``, where they are, and look at what came out.

    Raises EncodeError where that cannot be, or does not decode to the very frames of its parts.
    """
    paths = [part.path for part in parts if part.path is not None]
    listing, joined = folder / "joined.txt", folder / f"joined{job.encoder.suffix}"
    # The names are ours: folders with a number, and what `probe` makes of the encoder's name.
    lines = "".join(f"file '{path.relative_to(folder).as_posix()}'\n" for path in paths)
    listing.write_text(f"ffconcat version 1.0\n{lines}", "utf-8")
    argv = [job.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-protocol_whitelist", "file"]
    argv += ["-f", "concat", "-safe", "0", "-i", f"file:{listing}", "-map", "0:V:0", "-c", "copy"]
    argv += ["-y", f"file:{joined}"]
    command = FfmpegCommand(tuple(argv))
    end = run(command, job.timeout)
    if end.returncode != 0:
        raise EncodeError(f"The encodes cannot be joined.\n{end.explain()}")
    apart = [line for path in paths for line in _frame_hashes(job, path)]
    whole = _frame_hashes(job, joined)
    if whole != apart:
        at = next(
            (n for n, (a, b) in enumerate(zip(whole, apart, strict=False)) if a != b), min(len(whole), len(apart))
        )
        raise EncodeError(
            f"The joined encode of {len(paths)} parts is not what its parts are: frame {at} differs ({len(whole)} "
            f"frames, {len(apart)} in the parts). Streams of {job.encoder.name} do not join by copying."
        )
    return joined, describe(job, parts[0].crf, joined, str(command), None)


def _frame_hashes(job: EncodeJob, path: Path) -> list[str]:
    lines: list[str] = []
    clip = encoded_clip(job, path)
    argv = [job.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", *input_arguments(clip)]
    argv += ["-map", "0:V:0", "-fps_mode", "passthrough", "-f", "framehash", "-hash", "murmur3", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), on_stdout=lines.append), job.timeout)
    if end.returncode != 0:
        raise EncodeError(f"{clip.name} does not decode.\n{end.explain()}")
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]
