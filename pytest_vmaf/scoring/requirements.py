"""Requirements on the build that measures (`vmaf_require`): versions of libvmaf and ffmpeg, models, and digests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.command import Command
from pytest_vmaf.media.process import run
from pytest_vmaf.media.scratch import scratch_folder

NAMES = ("libvmaf", "ffmpeg", "model")
REQUIREMENT = re.compile(r"(\w+)\s*(==|>=|=|<)\s*([^\s@<>=]+)(?:@([0-9a-f]{8,64}))?")
EXAMPLE = "requirements such as libvmaf>=3.2, ffmpeg=n9.0.2 or model=vmaf_v0.6.1@DIGEST"
#: A version that has an order, after the "n" or "v" of release tags; what follows it is ignored.
NUMBERS = re.compile(r"[nv]?(\d+(?:\.\d+)*)(?![\w.])")
#: The line of libvmaf's log with its version.
LOG_VERSION = re.compile(r'<VMAF version="([^"]*)"')
#: Characters of a digest that `pytest-vmaf doctor` prints.
DIGITS = 16
HELP = (
    "  Install the required build, and name it with --vmaf-ffmpeg=PATH or --vmaf-bin=PATH, or change vmaf_require.\n"
    "  `pytest-vmaf doctor` prints the versions and digests that are installed."
)


class Requirement(NamedTuple):
    """One requirement.

    Attributes:
        name: One of `NAMES`.
        operator: "=", ">=" or "<".
        version: A version, or the name of a model.
        digest: The beginning of a digest in hexadecimal, "" for any.
    """

    name: str
    operator: str
    version: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{self.version}{'@' if self.digest else ''}{self.digest}"


@dataclass(frozen=True)
class Build:
    """What measures.

    Attributes:
        libvmaf: libvmaf's version; None if it is not known yet.
        ffmpeg: ffmpeg's version.
        models: The names of the pair of models; None if they are not known yet.
        ffmpeg_digest: Makes the digest of ffmpeg with its libraries, None if there is none.
        model_digests: Makes the digests of the models: of the files of model files, and otherwise of the programs that
            contain the models; an empty list if there is none.
    """

    libvmaf: str | None
    ffmpeg: str
    models: tuple[str, ...] | None
    ffmpeg_digest: Callable[[], str | None]
    model_digests: Callable[[], Sequence[str]]


def parse_requirements(value: object) -> tuple[Requirement, ...]:
    """Read requirements that are separated by commas or lines. Raises ValueError with what the value must be."""
    if isinstance(value, tuple) and all(isinstance(each, Requirement) for each in value):
        return value
    if not isinstance(value, str):
        raise ValueError(EXAMPLE)
    return tuple(_requirement(part) for text in re.split(r"[,\n]", value) if (part := text.strip()))


def refuse_other_build(requirements: Iterable[Requirement], build: Build) -> None:
    """Raise ScorerError if a build does not meet the requirements, as far as it is known."""
    requirements = tuple(requirements)
    problems = [text for each in requirements if each.name != "model" and (text := _problem(each, build))]
    models = [each for each in requirements if each.name == "model"]
    if models and not any(_is_model(each, build) for each in models):
        there = " / ".join(build.models) if build.models else "another build"
        digests = ", ".join(digest[:DIGITS] for digest in _model_digests(models, build))
        problems.append(
            f"{' or '.join(map(str, models))} is required, not {there}{f' (@{digests})' if digests else ''}"
        )
    if problems:
        listed = "\n  - ".join(problems)
        raise ScorerError(f"The build that measures is not the required one (vmaf_require):\n  - {listed}\n{HELP}")


def libvmaf_version(ffmpeg: str) -> str:
    """The version of the libvmaf in an ffmpeg, which only a log tells.

    Raises:
        ScorerError: If this ffmpeg cannot score.
    """
    clip = ["-f", "lavfi", "-i", "color=size=64x64:rate=25,format=yuv420p"]
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", *clip, *clip, "-frames:v", "2"]
    with scratch_folder() as folder:
        log = Path(folder) / "log.xml"
        end = run(
            Command((*argv, "-lavfi", "libvmaf=log_path=log.xml", "-f", "null", "-"), cwd=str(folder)), timeout=60
        )
        match = LOG_VERSION.search(log.read_text("utf-8", "replace")) if log.exists() else None
    if end.returncode != 0 or match is None:
        raise ScorerError(f"The version of libvmaf is not known.\n{end.explain()}")
    return match[1]


def file_digest(path: Path) -> str:
    """The SHA-256 of a model file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _requirement(text: str) -> Requirement:
    match = REQUIREMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{EXAMPLE} ({text!r:.60} does not have this form)")
    name, operator, version, digest = match[1], match[2].replace("==", "="), match[3], match[4] or ""
    if name not in NAMES:
        raise ValueError(f"{EXAMPLE} ({name!r} is not one of {', '.join(NAMES)})")
    if operator != "=" and (name == "model" or digest):
        raise ValueError(f"{EXAMPLE} (a model and a digest need =, not {operator})")
    if operator != "=" and not NUMBERS.match(version):
        raise ValueError(f"{EXAMPLE} ({version!r} is not a version that can be compared with {operator})")
    if digest and name == "libvmaf":
        raise ValueError(f"{EXAMPLE} (libvmaf has no digest; use that of ffmpeg, which contains it)")
    return Requirement(name, operator, version, digest)


def _problem(required: Requirement, build: Build) -> str:
    version = build.libvmaf if required.name == "libvmaf" else build.ffmpeg
    if version is None:
        return ""
    if not _is_version(required, version):
        why = (
            ""
            if required.operator == "=" or NUMBERS.match(version)
            else f", which has no order; require it as {required.name}={version}"
        )
        return f"{required} is required, not {version}{why}"
    if required.digest:
        digest = build.ffmpeg_digest() or ""
        if not digest.startswith(required.digest):
            return f"{required} is required, not {version}@{digest[:DIGITS] or 'a build without a digest'}"
    return ""


def _is_version(required: Requirement, version: str) -> bool:
    if required.operator == "=":
        wanted, there = (re.sub(r"^[nv](?=\d)", "", text) for text in (required.version, version))
        return there == wanted or re.match(re.escape(wanted) + r"[-+_~]", there) is not None
    wanted_numbers, numbers = _numbers(required.version), _numbers(version)
    if not numbers:
        return False
    return numbers >= wanted_numbers if required.operator == ">=" else numbers < wanted_numbers


def _numbers(version: str) -> list[int]:
    match = NUMBERS.match(version)
    numbers = [int(part) for part in match[1].split(".")] if match else []
    # 3.2 and 3.2.0 are equal.
    return numbers + [0] * (4 - len(numbers)) if numbers else []


def _is_model(required: Requirement, build: Build) -> bool:
    if build.models is not None and required.version not in build.models:
        return False
    return not required.digest or any(each.startswith(required.digest) for each in build.model_digests())


def _model_digests(models: Iterable[Requirement], build: Build) -> Sequence[str]:
    return build.model_digests() if any(each.digest for each in models) else ()
