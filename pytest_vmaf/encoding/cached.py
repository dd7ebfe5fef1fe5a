"""Encodes from the cache: their keys, and how they are stored and restored."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pytest_vmaf.cache.entries import UNREADABLE, fetch, forget, key_of, store
from pytest_vmaf.encoding.codec import read_codec
from pytest_vmaf.encoding.encode import Encode, make_encode, with_pictures
from pytest_vmaf.encoding.encoders import ENCODERS
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.pass_statistics import pack, read_statistics, unpack
from pytest_vmaf.encoding.rate_modes import rate_control
from pytest_vmaf.encoding.run_encoder import run_first_pass
from pytest_vmaf.encoding.scale import as_crf
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.executors.cores import cores
from pytest_vmaf.json_shapes import Each, Optional, conform
from pytest_vmaf.media.builds import build_of, machine
from pytest_vmaf.media.fingerprint import Unchanged, content_of, digest, files_of
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.media.stopwatch import Spent
from pytest_vmaf.text import printable

#: Programs that run others, or run what their arguments contain: their own bytes do not determine the encode.
LAUNCHERS = re.compile(
    r"(?:python|perl|ruby|node|java|lua|php|pwsh|powershell|bash|dash|sh|zsh|env|nice|ionice|time|timeout|taskset|numactl|"
    r"wine|wine64|qemu-.*|docker|podman|apptainer|singularity|ssh|sudo|doas|su|runuser|busybox|cmd|[gmn]?awk|make|script|"
    r"flock|gdb|strace|ltrace|perf|valgrind|xargs|find|parallel|chroot|unshare|setsid|nohup|stdbuf|systemd-run|bwrap|"
    r"conda|mamba|nix|uv|pipx|poetry|cargo|go|dotnet|mono|tclsh|expect)[\d.]*(?:\.exe)?",
    re.IGNORECASE,
)
#: Arguments of encodings in several passes, which read what another pass has written.
PASSES = re.compile(r"(?:^|[-:])(?:pass|passlogfile|stats|rc_stats)(?:$|[=:\d])")
#: Hardware encoders. Their output depends on the driver.
HARDWARE = re.compile(r"_(?:nvenc|qsv|vaapi|amf|videotoolbox|v4l2m2m|mediacodec|vulkan|d3d12va|omx|rkmpp|mf|cuvid)$")
#: Arguments that read options or filters from a file, which may name further files.
SCRIPTS = re.compile(r"^-/|^@|^-\w+_script|\bsendcmd\b")
#: An option of ffmpeg for a stream, such as -c:v, and a part of a template that stands for one value, such as {preset}.
OPTION, PLACEHOLDER = re.compile(r"-[A-Za-z]+:[avsd](?::\d+)?"), re.compile(r"\{\w+\}")
#: The most bytes of statistics that are stored: they are read into memory. x264's grow with pixels and frames.
MOST_STATISTICS = 256 << 20
#: The data of a first pass's entry.
STATISTICS = {"sizes": Each(int), "wall": float, "cpu": Optional(float)}
#: The data of an entry.
SHAPE = {"size": int, "frames": int, "duration": float, "seconds": Optional(float), "checksum": Optional(str)}


def encode_key(job: EncodeJob, crf: float, path: Path) -> str | None:
    """The cache key of an encode, made of everything that its bytes depend on; the bytes of statistics among them.

    Returns:
        The key, or None if there is no cache or the encode may depend on something unknown: a function, a launcher
        such as `sh` or `docker`, a hardware driver, a first pass, a folder.
    """
    encoder = job.encoder
    facts = None if encoder.codec is None else read_codec(encoder.codec)
    # Two functions of one name may differ in what they close over, and two codecs in their weights.
    if job.cache is None or encoder.function is not None or (facts and not (facts.version or encoder.files)):
        return None
    words = _words(job, crf)
    modes = [] if encoder.mode == "crf" else [encoder.mode, job.statistics and job.statistics.digest]
    builds = [build_of(program, job.cache) for program in dict.fromkeys((job.ffmpeg, *encoder.command[:1]))]
    unknown = bool(encoder.requires) or HARDWARE.search(encoder.name) or None in builds or _launches(encoder.command)
    if (unknown and not encoder.files) or any(PASSES.search(word) or SCRIPTS.search(word) for word in words):
        return None
    kind = type(encoder.codec)
    pieces = [piece for word in _may_name_files(job, crf) for piece in _pieces(word)]
    named = [file for file in pieces if os.path.exists(file) or ("%" in file and "/" in file)]
    if not all(map(os.path.isfile, named)):
        # A folder, a device or a pattern: the argument does not tell which files are read.
        return None
    try:
        return key_of(
            "encode",
            encoder=[encoder.name, words, encoder.larger_is_finer, *modes],
            crf=crf,
            attempt=job.attempt,
            builds=builds,
            files=[digest([Path(file)], "", job.cache) for file in dict.fromkeys((*encoder.files, *named))],
            source=[content_of(job.source.clip, job.cache), job.source.clip.path.suffix.lower()],
            suffix=path.suffix,
            **({"codec": [kind.__module__, kind.__qualname__, facts.pix_fmt, facts.version]} if facts else {}),
            # Encoders choose their threads by the number of cores, and some encode differently with more threads.
            machine=[*machine(), cores()],
        )
    except OSError:
        return None


def restore(job: EncodeJob, crf: float, path: Path, key: str | None) -> Encode | None:
    """Write a cached encode to a file.

    Returns:
        Its description, or None if the key is not in the cache or the entry is invalid.
    """
    entry = fetch(job.cache, "encode", key, into=path)
    if entry is None:
        return None
    try:
        conform(entry.data, SHAPE, "encode")
        size, frames, duration, seconds, checksum = (entry.data.get(name) for name in SHAPE)
        if not (
            0 < size <= path.stat().st_size and 0 < frames < 10**9 > duration > 0 and (seconds is None or seconds > 0)
        ):
            raise ValueError("numbers that no encode of this size has")
        command = job.command(crf, path)
        numbers = size, frames, duration, seconds
        return Encode(job.name, as_crf(crf), path, *numbers, command, checksum or "", job.encoder.mode)
    except UNREADABLE as error:
        path.unlink(missing_ok=True)
        forget(job.cache, "encode", key, f"{type(error).__name__}: {error}")
        return None


def store_encode(job: EncodeJob, encode: Encode, path: Path, key: str | None) -> None:
    """Store an encode, whose file is at `path`, under its key."""
    store(job.cache, "encode", key, {name: getattr(encode, name) for name in SHAPE}, path)


def encode_once(job: EncodeJob, crf: float, path: Path) -> Encode:
    """Encode to a file, or restore the encode from the cache. An existing file is replaced only by a complete encode.

    Searches combine the steps themselves: they store a trial encode after it was scored, and a measurement of speed
    must never be answered from the cache.

    Raises:
        SettingsError: If the file is the source or is not a regular file.
        EncodeError: As `make_encode`.
    """
    if path.exists() and (not path.is_file() or any(path.samefile(file) for file in files_of(job.source.clip))):
        raise SettingsError(f"output must be a file other than the source, not {printable(str(path))}.")
    unchanged = Unchanged(job.source.clip)
    # In the same file system, so that the file can be moved.
    with scratch_folder(path.absolute().parent) as folder:
        temporary = Path(folder, path.name)
        job = with_statistics(job, crf, Path(folder, "pass"))
        key = encode_key(job, crf, path)
        encode = restore(job, crf, temporary, key)
        if encode is not None:
            encode = with_pictures(job, encode)
        else:
            encode = make_encode(job, crf, temporary)
            if unchanged():
                store_encode(job, encode, temporary, key)
        os.replace(temporary, path)
    return replace(encode, path=path)


def with_statistics(job: EncodeJob, crf: float, prefix: Path) -> EncodeJob:
    """The job with the statistics of its first pass, from the cache or of a new run; a job of one pass as it is.

    Args:
        job: The job.
        crf: The bitrate in kbit/s.
        prefix: How the names of the statistics begin.

    Raises:
        EncodeError: As `run_first_pass`.
    """
    if not job.has_two_passes or job.statistics is not None:
        return job
    control = rate_control(job.encoder.name, "2pass")
    # For every bitrate, if the statistics do not depend on it.
    key = encode_key(job, 0 if control.shared else crf, Path("first.pass"))
    entry = fetch(job.cache, "encode", key)
    if entry is not None:
        try:
            conform(entry.data, STATISTICS, "first pass")
            unpack(entry.data["sizes"], entry.blob, prefix, control.statistics)
            spent = Spent(entry.data["wall"], entry.data["cpu"])
            if (statistics := read_statistics(prefix, control.statistics, spent)) is not None:
                return replace(job, statistics=statistics)
            raise ValueError("empty statistics")
        except UNREADABLE as error:
            forget(job.cache, "encode", key, f"{type(error).__name__}: {error}")
    unchanged = Unchanged(job.source.clip)
    statistics = run_first_pass(job, crf, prefix)
    small = sum(file.stat().st_size for file in statistics.files) <= MOST_STATISTICS
    if key is not None and small and unchanged():
        sizes, blob = pack(statistics)
        store(job.cache, "encode", key, {"sizes": sizes, **vars(statistics.spent)}, blob)
    return replace(job, statistics=statistics)


def named_files(word: str) -> list[str]:
    """The parts of an argument that may be file names: /cfg, --cfg=/cfg, qpfile=/cfg:me=hex."""
    return [word, word.partition("=")[2], *re.split("[=:,;]", word)]


def _may_name_files(job: EncodeJob, crf: float) -> list[str]:
    """The arguments that may name files: those that users write, without presets and CRFs. A folder may be `fast`."""
    encoder = job.encoder
    known = ENCODERS.get(encoder.name)
    own = encoder.arguments if known is None or known.arguments != encoder.arguments else ()
    templates = [part for part in (*own, *_without_files(encoder.command)) if not PLACEHOLDER.fullmatch(part)]
    return [word for word in (*job.fill(crf, templates), *job.arguments) if not OPTION.fullmatch(word)]


def _pieces(word: str) -> list[str]:
    """As `named_files`, with names in quotes, before labels and after the letter of an option."""
    parts = [*named_files(word), *re.split(r"[=:,;'\"\[\]@|\s]", word), *re.split(r"[=:,;'\"\[\]@|]", word)]
    return [piece for part in parts for piece in (part, part[part.find("/") :]) if piece not in ("", "/", ".", "..")]


def _words(job: EncodeJob, crf: float) -> list[str]:
    """The arguments of an encode, with stand-ins for the names of source and output."""
    if job.encoder.codec is not None:
        return []
    if not job.encoder.command:
        return [*job.ffmpeg_arguments(crf)]
    command = _without_files(job.encoder.command)
    return [*job.fill(crf, command), *job.arguments, job.pix_fmt or "", job.preset or ""]


def _without_files(command: Iterable[str]) -> list[str]:
    """A command with stand-ins for the names of source and output."""
    return [re.sub(r"\{(input|output)\}", "\0\\1", part) for part in command]


def _launches(command: Iterable[str]) -> bool:
    """Whether a command runs other programs than its first, as far as its arguments tell."""
    words = enumerate(command)
    return any(LAUNCHERS.fullmatch(Path(word).name) or (number and shutil.which(word)) for number, word in words)
