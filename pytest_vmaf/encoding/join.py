"""Join the encodes of a clip's parts without encoding again, and check the result frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from pytest_vmaf.encoding.encode import Encode, TrialEncode, describe
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.errors import EncodeError
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run


def join(job: EncodeJob, parts: Sequence[TrialEncode], folder: Path) -> tuple[Path, Encode]:
    """Join encodes by copying their packets.

    Args:
        job: The job of the encodes.
        parts: The encodes in order. Their files are below `folder`.
        folder: Where the joined file is written.

    Returns:
        The joined file, and its description.

    Raises:
        EncodeError: If they cannot be joined, or the joined file does not decode to the frames of its parts.
    """
    paths = [part.path for part in parts if part.path is not None]
    listing, joined = folder / "joined.txt", folder / f"joined{job.encoder.suffix}"
    # These names need no quoting: numbered folders, and file names that the search has made of the encoder's name.
    lines = "".join(f"file '{path.relative_to(folder).as_posix()}'\n" for path in paths)
    listing.write_text(f"ffconcat version 1.0\n{lines}", "utf-8")
    argv = [job.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-protocol_whitelist", "file"]
    argv += ["-f", "concat", "-safe", "0", "-i", f"file:{listing}", "-map", "0:V:0", "-c", "copy", "-y"]
    command = FfmpegCommand((*argv, f"file:{joined}"))
    end = run(command, job.timeout)
    if end.returncode != 0:
        raise EncodeError(f"The encodes cannot be joined.\n{end.explain()}")
    expected = [line for path in paths for line in _frame_hashes(job, path)]
    actual = _frame_hashes(job, joined)
    if actual != expected:
        at = next(index for index, (a, b) in enumerate(zip_longest(actual, expected)) if a != b)
        raise EncodeError(
            f"The joined encode differs from its {len(paths)} parts at frame {at} ({len(actual)} frames, "
            f"{len(expected)} in the parts). Streams of {job.encoder.name} do not join by copying."
        )
    return joined, describe(job, parts[0].crf, joined, str(command), None)


def _frame_hashes(job: EncodeJob, path: Path) -> list[str]:
    lines: list[str] = []
    clip = job.clip(path)
    argv = [job.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", *input_arguments(clip)]
    argv += ["-map", video_stream(clip), "-fps_mode", "passthrough", "-f", "framehash", "-hash", "murmur3", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), on_stdout=lines.append), job.timeout)
    if end.returncode != 0:
        raise EncodeError(f"{clip.name} does not decode.\n{end.explain()}")
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]
