"""What the searching subcommands' flags ask for: sources, targets, and the model whose score these are."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli.common import PASSED, check_folder, check_output, clips_of, say
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip import RAW_SUFFIXES, Clip
from pytest_vmaf.options import OPTIONS
from pytest_vmaf.settings import make_layer
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.scoring.models import ModelPair

#: What a raw source is taken for where the flags do not say; a ladder's largest resolution goes before the size.
ASSUMED_SIZE, ASSUMED_RATE = (1920, 1080), "24"
#: The flags that only a search has a use for, as argparse names them.
SEARCH_ONLY = (
    "width", "height", "pix_fmt", "frame_rate", "encoder_args", "encode_pix_fmt", "crf_range", "sample_clip_seconds",
    "keep", "workers", "features", "scale", "align", "allow", "scorer", "ffmpeg", "vmaf_bin", "threads", "timeout",
)  # fmt: skip


def head_of(options: argparse.Namespace, command: str) -> dict[str, Any]:
    """What every JSON output begins with. ``target_model`` and ``assumed`` are filled in when they are known.

    Raises SettingsError for metrics and models that contradict each other, ModelError for unknown models.
    """
    metric = target_metric(options)
    return {
        "schema": 1,
        "command": command,
        "neg": is_neg(metric),
        "metric": metric,
        "target_model": None,
        "assumed": [],
    }


def is_neg(metric: str) -> bool:
    """Whether targets of this metric are VMAF NEG."""
    return metric.partition(".")[0] == "neg"


def target_metric(options: argparse.Namespace) -> str:
    """The metric of the targets: the score of the model that is asked for, as it was published.

    That is NEG with --neg, where the NEG twin is named, and for models that have NEG built in (v1).
    """
    pair = named_pair(options, (3840, 2160))
    named = options.model or "auto"
    twin = named == pair.neg.version != pair.credit.version
    built_in = has_neg_built_in(pair.name)
    metric: str | None = options.metric
    if options.neg and metric is not None and not is_neg(metric):
        raise SettingsError(f"--neg and --metric {metric} contradict each other.")
    if twin and metric is not None and metric.partition(".")[0] == "vmaf":
        raise SettingsError(f"{named} has no {metric}: that is {pair.credit.version}'s. Leave out --metric.")
    if metric is None and built_in and not options.neg:
        say(PASSED, f"{options.model or 'v1'} has NEG built in, so targets are NEG; --metric vmaf credits enhancement.")
    return metric or ("neg" if options.neg or twin or built_in else "vmaf")


def has_neg_built_in(name: str) -> bool:
    """Whether a pair whose crediting model has this name was published without credit for enhancement, as v1."""
    return name.removesuffix(" (phone)").endswith(" credited")


def named_pair(options: argparse.Namespace, size: tuple[int, int]) -> ModelPair:
    """The pair of models that the flags name, for a reference of this size in pixels."""
    from pytest_vmaf.scoring.models import resolve_model

    generation, phone = options.generation or "v0", bool(options.phone)
    return resolve_model(options.model or "auto", generation=generation, phone=phone, width=size[0], height=size[1])


def target_model(options: argparse.Namespace, metric: str, clips: Sequence[Clip]) -> str | None:
    """The model of the targets' scores, several where the sources' sizes ask for them; None for other metrics."""
    from pytest_vmaf.media.ffmpeg import find_ffmpeg
    from pytest_vmaf.media.inspect import inspect

    name = metric.partition(".")[0]
    if name not in ("vmaf", "neg"):
        return None
    ffmpeg = find_ffmpeg(options.ffmpeg).path
    videos = [inspect(clip, ffmpeg, 1, options.timeout) for clip in clips]
    pairs = [named_pair(options, (video.width, video.height)) for video in videos]
    return ", ".join(dict.fromkeys(pair.neg_name if name == "neg" else pair.name for pair in pairs))


def session(options: argparse.Namespace) -> Vmaf:
    """What measures, with a progress bar where standard error is a terminal."""
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.progress import progress_on

    keywords = {option.name: getattr(options, option.name) for option in OPTIONS}
    layer = make_layer("command line", {k: v for k, v in keywords.items() if v is not None})
    return Vmaf(layers=[layer], progress=progress_on(sys.stderr))


def sources(
    paths: Sequence[Path], options: argparse.Namespace, head: dict[str, Any], size: tuple[int, int] = ASSUMED_SIZE
) -> list[Clip]:
    """The sources; what had to be assumed about raw ones is said, and written into the head. Raises SettingsError."""
    raw = [path for path in paths if path.suffix.lower() in RAW_SUFFIXES and path.is_file()]
    assumes_size = options.width is None and options.height is None and bool(raw)
    if assumes_size:
        options = argparse.Namespace(**{**vars(options), "width": size[0], "height": size[1]})
    clips = []
    for clip in clips_of(paths, options):
        assumed: dict[str, Any] = {}
        if clip.path in raw and assumes_size:
            _check_whole(clip)
            assumed = {"width": clip.width, "height": clip.height, "pix_fmt": clip.pix_fmt or "yuv420p"}
        if clip.is_raw and clip.frame_rate is None:
            assumed["frame_rate"] = ASSUMED_RATE
            geometry = {"width": clip.width, "height": clip.height, "pix_fmt": clip.pix_fmt}
            clip = Clip(clip.path, **geometry, frame_rate=ASSUMED_RATE)  # type: ignore[arg-type]
        if assumed:
            size_said = f"{clip.width}x{clip.height} {assumed['pix_fmt']} and " if "width" in assumed else ""
            rate_said = f"{ASSUMED_RATE} frames/s, on which bitrates and CRFs depend" if "frame_rate" in assumed else ""
            flags = [*(["--width and --height"] if size_said else []), *(["--framerate"] if rate_said else [])]
            said = (size_said + rate_said).removesuffix(" and ")
            say(PASSED, f"{clip.path.name!r} is taken for {said}; say {' and '.join(flags)} otherwise.")
            head["assumed"].append({"source": str(clip), **assumed})
        clips.append(clip)
    return clips


def _check_whole(clip: Clip) -> None:
    size, frame = os.stat(clip.path).st_size, clip.frame_bytes()
    if size == 0 or size % frame:
        raise SettingsError(
            f"{clip} has {size} bytes, which are no whole frames of {frame}; say its --width, --height and --pix-fmt."
        )


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of a search, by their names in :meth:`pytest_vmaf.Vmaf.bisect`."""
    return {
        "preset": options.preset,
        "arguments": options.encoder_args,
        "pix_fmt": options.encode_pix_fmt,
        "crf": options.crf_range,
        "sample": options.sample_clip_seconds,
        "keep": options.keep,
        "workers": options.workers,
    }


def targets(options: argparse.Namespace) -> list[float]:
    """At least one target. Raises SettingsError."""
    if not options.targets:
        raise SettingsError("--target-vmafs is missing; say at least one target, as 94,96.")
    found: list[float] = options.targets
    return found


def check_writable(options: argparse.Namespace) -> None:
    """Before anything is encoded: raise SettingsError for what could not be written at the end of it."""
    files = {"--output": options.output, "--plan-out": getattr(options, "plan_out", None)}
    said = [path.resolve() for path in files.values() if path is not None]
    given = options.src if isinstance(options.src, list) else [options.src]
    read = [path for path in (*given, getattr(options, "from_corpus", None)) if path is not None]
    for flag, path in files.items():
        check_output(path, flag)
        if path is not None and path.resolve() in [each.resolve() for each in read]:
            raise SettingsError(f"{flag} {printable(str(path))!r} is what is read; name another file.")
    if len(set(said)) < len(said):
        raise SettingsError(f"--output and --plan-out are one file, {printable(str(said[0]))!r}.")
    for flag in ("keep", "package"):
        folder = getattr(options, flag, None)
        if folder is not None:
            check_folder(folder, f"--{flag}", made=True)


def refuse_searching(options: argparse.Namespace) -> None:
    """Raise SettingsError for a flag that choosing among the rows of a corpus has no use for."""
    said = [name for name in SEARCH_ONLY if getattr(options, name) is not None]
    if said:
        flag = {"features": "feature"}.get(said[0], said[0]).replace("_", "-")
        raise SettingsError(f"--{flag} is of a search; the rows of --from-corpus are encoded and scored already.")


def bitrate(options: argparse.Namespace) -> float | None:
    """The greatest bitrate in bit/s. Raises SettingsError for one that cannot be."""
    if options.target_bitrate is None:
        return None
    if not 0 < options.target_bitrate < math.inf:
        raise SettingsError(f"--target-bitrate is {options.target_bitrate:g}; it is a number of kbit/s above 0.")
    return float(options.target_bitrate) * 1000
