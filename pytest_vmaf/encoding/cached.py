"""Encodes of earlier searches: found by all that went into them, and put where a new one would have been written."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_vmaf.cache import UNREADABLE, fetch, forget, key_of, store
from pytest_vmaf.encoding.encode import Encode, EncodeJob, command_of, ffmpeg_arguments, filled, make_encode
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.builds import build_of, machine
from pytest_vmaf.media.fingerprint import Unchanged, content_of, digest, files_of
from pytest_vmaf.text import printable

#: Programs that run others, or what their arguments say: their own bytes do not tell what is encoded.
LAUNCHERS = re.compile(
    r"(?:python|perl|ruby|node|java|lua|php|pwsh|powershell|bash|dash|sh|zsh|env|nice|ionice|time|timeout|taskset|numactl|"
    r"wine|wine64|qemu-.*|docker|podman|apptainer|singularity|ssh|sudo|doas|su|runuser|busybox|cmd|[gmn]?awk|make|script|"
    r"flock|gdb|strace|ltrace|perf|valgrind|xargs|find|parallel|chroot|unshare|setsid|nohup|stdbuf|systemd-run|bwrap|"
    r"conda|mamba|nix|uv|pipx|poetry|cargo|go|dotnet|mono|tclsh|expect)[\d.]*(?:\.exe)?",
    re.IGNORECASE,
)
#: Arguments of encodings in several passes, which read what another pass has written.
PASSES = re.compile(r"(?:^|[-:])(?:pass|passlogfile|stats|rc_stats)(?:$|[=:\d])")
#: Encoders of hardware, which a driver makes.
HARDWARE = re.compile(r"_(?:nvenc|qsv|vaapi|amf|videotoolbox|v4l2m2m|mediacodec|vulkan|d3d12va|omx|rkmpp|mf|cuvid)$")
#: Arguments that name files which name others: options and filters in files.
SCRIPTS = re.compile(r"^-/|^@|^-\w+_script|\bsendcmd\b")


def encode_key(job: EncodeJob, crf: int, path: Path) -> str | None:
    """The name of an encode: all that its bytes depend on. None where that cannot be said, or nothing is kept."""
    if job.cache is None:
        return None
    encoder = job.encoder
    if encoder.function is not None:
        # What it is made of nobody can tell: two of one name may differ in what they close over.
        return None
    words = _words(job, crf)
    builds = [build_of(program, job.cache) for program in dict.fromkeys((job.ffmpeg, *encoder.command[:1]))]
    # What hardware and its driver are nobody can tell from here.
    unknown = bool(encoder.needs) or HARDWARE.search(encoder.name) or None in builds or _launches(encoder.command)
    if (unknown and not encoder.files) or any(PASSES.search(word) or SCRIPTS.search(word) for word in words):
        return None
    named = [file for word in words for file in _pieces(word) if os.path.exists(file) or ("%" in file and "/" in file)]
    if not all(map(os.path.isfile, named)):
        # A folder, a device, a pattern: what is read from there is not told.
        return None
    try:
        return key_of(
            "encode",
            encoder=[encoder.name, words, encoder.larger_is_finer],
            crf=crf,
            attempt=job.attempt,
            builds=builds,
            files=[digest([Path(file)], "", job.cache) for file in dict.fromkeys((*encoder.files, *named))],
            source=[content_of(job.source.clip, job.cache), job.source.clip.path.suffix.lower()],
            suffix=path.suffix,
            # Encoders choose their threads by the cores, and some write something else with more of them.
            machine=[*machine(), cores()],
        )
    except OSError:
        return None


def restore(job: EncodeJob, crf: int, path: Path, key: str | None) -> Encode | None:
    """Write the encode that is kept under a key to ``path``, and say what it is; None where there is none."""
    entry = fetch(job.cache, "encode", key, into=path)
    if entry is None:
        return None
    try:
        data = entry.data
        if _number(data["size"], int) > path.stat().st_size or not data["frames"] < 10**9 > data["duration"]:
            raise ValueError("more than the file can hold")
        return Encode(
            name=job.name,
            crf=crf,
            path=path,
            size=_number(data["size"], int),
            frames=_number(data["frames"], int),
            duration=_number(data["duration"], float),
            seconds=None if data["seconds"] is None else _number(data["seconds"], float),
            command=command_of(job, crf, path),
        )
    except UNREADABLE as error:
        path.unlink(missing_ok=True)
        forget(job.cache, "encode", key, f"{type(error).__name__}: {error}")
        return None


def keep_encode(job: EncodeJob, encode: Encode, path: Path, key: str | None) -> None:
    """Keep an encode under its key."""
    facts = {name: getattr(encode, name) for name in ("size", "frames", "duration", "seconds")}
    store(job.cache, "encode", key, facts, path)


def encode_once(job: EncodeJob, crf: int, path: Path) -> Encode:
    """Encode at this CRF to ``path``, or write there what an earlier run made of the same. Raises as `make_encode`."""
    if path.exists() and (not path.is_file() or any(path.samefile(file) for file in files_of(job.source.clip))):
        raise SettingsError(f"output is {printable(str(path))}, which is the source, or no file to write to.")
    unchanged = Unchanged(job.source.clip)
    key = encode_key(job, crf, path)
    # Beside its place: whatever goes wrong, what was there before stays.
    with tempfile.TemporaryDirectory(prefix=".pytest-vmaf-", dir=path.absolute().parent) as folder:
        made = Path(folder, path.name)
        encode = restore(job, crf, made, key)
        if encode is None:
            encode = make_encode(job, crf, made)
            if unchanged():
                keep_encode(job, encode, made, key)
        os.replace(made, path)
    return replace(encode, path=path)


def named_files(word: str) -> list[str]:
    """What in an argument may be the name of a file: /cfg, --cfg=/cfg, qpfile=/cfg:me=hex."""
    return [word, word.partition("=")[2], *re.split("[=:,;]", word)]


def _pieces(word: str) -> list[str]:
    """As :func:`named_files`, with what stands in quotes, before labels and after the letter of an option."""
    parts = [*named_files(word), *re.split(r"[=:,;'\"\[\]@|\s]", word), *re.split(r"[=:,;'\"\[\]@|]", word)]
    return [piece for part in parts for piece in (part, part[part.find("/") :]) if piece not in ("", "/", ".", "..")]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _words(job: EncodeJob, crf: int) -> list[str]:
    """The arguments of an encode, with the names of source and output left open."""
    if not job.encoder.command:
        return [*ffmpeg_arguments(job, crf)]
    files = {"{input}": "\0input", "{output}": "\0output"}
    command = [re.sub(r"\{(?:in|out)put\}", lambda match: files[match[0]], part) for part in job.encoder.command]
    return [*filled(job, crf, command), *job.arguments, job.pix_fmt or "", job.preset or ""]


def _launches(command: Iterable[str]) -> bool:
    """Whether a command runs other programs than its first, as far as its words say."""
    for number, word in enumerate(command):
        if LAUNCHERS.fullmatch(Path(word).name) or (number and shutil.which(word)):
            return True
    return False


def _number(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind or not value > 0:
        raise ValueError(f"{value!r:.80} is no number above 0")
    return value
