"""What the flags of a search command request: sources, targets, model and settings, checked before any encode."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli import common, search_flags as flags
from pytest_vmaf.cli.vmaf_tune import compare_duration
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip import RAW_SUFFIXES, Clip
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.scoring.models import ModelPair

#: The defaults for raw sources. A ladder's largest resolution replaces the size.
DEFAULT_SIZE, DEFAULT_RATE = (1920, 1080), "24"
#: A size that every model takes, to ask for the names of models.
LARGE = 3840, 2160
#: The settings of a search by their names in `Vmaf.bisect`, and the flags that set them.
SETTINGS = {
    "preset": "preset", "arguments": "encoder_args", "pix_fmt": "encode_pix_fmt", "crf": "crf_range",
    "sample": "sample_clip_seconds", "keep": "keep", "workers": "workers", "crf_step": "crf_step",
}  # fmt: skip
#: The flags that only a search uses, by argparse's names.
SEARCH_ONLY = (
    "width", "height", "pix_fmt", "frame_rate", "crop", "stream", "start", "frames",
    *(flag for flag in SETTINGS.values() if flag != "preset"), "features",
    "scale", "align", "match_rate", "allow", "scorer", "ffmpeg", "vmaf_bin", "threads", "timeout",
)  # fmt: skip


@dataclass
class Head:
    """The keys that every JSON output of a search begins with.

    Attributes:
        command: The name of the command.
        neg: Whether the targets are VMAF-NEG scores.
        metric: The metric of the targets.
        target_model: The model behind the targets' scores, once it is known. None for other metrics.
        assumed: The defaults that raw sources got because no flag describes them.
    """

    command: str
    metric: str
    target_model: str | None = None
    assumed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def neg(self) -> bool:
        """Whether the targets are VMAF-NEG scores."""
        return is_neg(self.metric)

    def to_dict(self) -> dict[str, Any]:
        """The keys in their order."""
        own = asdict(self)
        return {"schema": 1, "command": own.pop("command"), "neg": self.neg, **own}


@dataclass(frozen=True)
class SearchInput:
    """Everything a search needs.

    Attributes:
        head: The beginning of the output.
        targets: The target scores, at least one.
        vmaf: The session that searches.
        clips: The sources.
        settings: The settings of the search by their names in `Vmaf.bisect`.
    """

    head: Head
    targets: list[float]
    vmaf: Vmaf
    clips: list[Clip]
    settings: dict[str, Any]


def read_search(options: argparse.Namespace, command: str, size: tuple[int, int] = DEFAULT_SIZE) -> SearchInput:
    """Read the flags of a search, and check that all output can be written.

    Args:
        options: The parsed command line.
        command: The name of the command.
        size: Width and height of raw sources that no flag describes.

    Raises:
        SettingsError: For invalid flags.
        ModelError: For an unknown model.
    """
    head = Head(command, target_metric(options))
    targets = read_targets(options)
    if not targets:
        raise SettingsError("--targets is missing. Give at least one NEG score to reach, for example 94,96.")
    vmaf = common.measuring_session(common.settings_layer(options))
    check_writable(options)
    settings = {name: getattr(options, flag) for name, flag in SETTINGS.items()} | {"mode": flags.mode_of(options)}
    if options.by_bitrate:
        settings["bitrate"] = settings.pop("crf")
    clips = read_sources(options, head, size)
    return SearchInput(head, targets, vmaf, clips, {"metric": head.metric, **settings})


def read_targets(options: argparse.Namespace) -> list[float]:
    """The targets, of `--targets` or of `--target-vmafs`. Raises SettingsError if both are given."""
    if options.targets and options.neg_targets:
        raise SettingsError("--targets (NEG) and --target-vmafs (default VMAF) exclude each other.")
    return list(options.neg_targets or options.targets or ())


def is_neg(metric: str) -> bool:
    """Whether a metric is VMAF-NEG or a pool of it."""
    return metric.partition(".")[0] == "neg"


def target_metric(options: argparse.Namespace) -> str:
    """The metric of the targets. Of `--targets` that is NEG.

    Of `--target-vmafs` it is the score of the requested model as it was published: NEG with `--neg`, for a NEG variant,
    and for models that have NEG built in (v1).

    Raises:
        SettingsError: If the flags contradict each other.
        ModelError: For an unknown model.
    """
    pair = named_pair(options, LARGE)
    name = options.model or "auto"
    is_variant = is_neg_variant(name, pair)
    built_in = has_neg_built_in(pair.name)
    metric: str | None = options.metric
    if options.neg and metric is not None and not is_neg(metric):
        raise SettingsError(f"--neg and --metric {metric} contradict each other.")
    if is_variant and metric is not None and metric.partition(".")[0] == "vmaf":
        raise SettingsError(f"{name} does not measure {metric}; {pair.default.version} does. Leave out --metric.")
    if metric is None and options.neg_targets:
        return "neg"
    if metric is None and built_in and not options.neg:
        name = options.model or "v1"
        common.print_message(f"{name} has NEG built in, so targets are NEG. Use --metric vmaf to credit enhancement.")
    return metric or ("neg" if options.neg or is_variant or built_in else "vmaf")


def names_neg(options: argparse.Namespace) -> bool:
    """Whether the model that the flags name was published as one that does not credit enhancement.

    Raises:
        ModelError: For an unknown model.
    """
    pair = named_pair(options, LARGE)
    return is_neg_variant(options.model or "auto", pair) or has_neg_built_in(pair.name)


def is_neg_variant(name: str, pair: ModelPair) -> bool:
    """Whether the name is that of the pair's NEG variant."""
    return name == pair.neg.version != pair.default.version


def has_neg_built_in(name: str) -> bool:
    """Whether a pair of models with this name was published without credit for enhancement, such as v1."""
    return name.removesuffix(" (phone)").endswith(" credited")


def named_pair(options: argparse.Namespace, size: tuple[int, int], frame_rate: Fraction | None = None) -> ModelPair:
    """The pair of models that the flags name, for a reference of this width and height in pixels, and frames/s."""
    from pytest_vmaf.scoring.models import resolve_model

    return resolve_model(
        options.model or "auto",
        generation=options.generation or "v0",
        phone=bool(options.phone),
        width=size[0],
        height=size[1],
        frame_rate=frame_rate,
    )


def target_model(options: argparse.Namespace, metric: str, clips: Sequence[Clip]) -> str | None:
    """The model behind the targets' scores: several if the sources' sizes need them, None for other metrics."""
    from pytest_vmaf.media.ffmpeg import find_ffmpeg
    from pytest_vmaf.media.inspect import FIRST_FRAMES, inspect

    name = metric.partition(".")[0]
    if name not in ("vmaf", "neg"):
        return None
    ffmpeg = find_ffmpeg(options.ffmpeg).path
    videos = [inspect(clip, ffmpeg, FIRST_FRAMES, options.timeout) for clip in clips]
    pairs = [named_pair(options, (video.width, video.height), video.frame_rate) for video in videos]
    return ", ".join(dict.fromkeys(pair.neg_name if name == "neg" else pair.name for pair in pairs))


def read_sources(options: argparse.Namespace, head: Head, size: tuple[int, int] = DEFAULT_SIZE) -> list[Clip]:
    """The sources. Defaults that raw ones get are printed and noted in the head.

    Raises:
        SettingsError: For flags that do not fit the sources.
    """
    paths = _source_paths(options)
    raw = [path for path in paths if path.suffix.lower() in RAW_SUFFIXES and path.is_file()]
    assumes_size = options.width is None and options.height is None and bool(raw)
    if assumes_size:
        options = argparse.Namespace(**{**vars(options), "width": size[0], "height": size[1]})
    clips = common.read_clips(paths, options)
    sources = [_with_defaults(clip, head, assumes_size=assumes_size and clip.path in raw) for clip in clips]
    compare_duration(options, sources)
    return sources


def _with_defaults(clip: Clip, head: Head, *, assumes_size: bool) -> Clip:
    assumed: dict[str, Any] = {}
    texts, flags = [], []
    if assumes_size:
        size, frame = os.stat(clip.path).st_size, clip.frame_bytes()
        if size == 0 or size % frame:
            raise SettingsError(
                f"{clip} has {size} bytes, not a whole number of frames of {frame}. "
                "Give its --width, --height and --pix-fmt."
            )
        assumed = {"width": clip.width, "height": clip.height, "pix_fmt": clip.pix_fmt or "yuv420p"}
        texts.append(f"{clip.width}x{clip.height} {assumed['pix_fmt']}")
        flags.append("--width and --height")
    if clip.is_raw and clip.frame_rate is None:
        assumed["frame_rate"] = DEFAULT_RATE
        clip = replace(clip, frame_rate=Fraction(DEFAULT_RATE))
        texts.append(f"{DEFAULT_RATE} frames/s, which bitrates and CRFs depend on")
        flags.append("--frame-rate")
    if assumed:
        what, flag = " and ".join(texts), " and ".join(flags)
        common.print_message(f"{clip.path.name!r} is read as {what}. Use {flag} if that is wrong.")
        head.assumed.append({"source": str(clip), **assumed})
    return clip


def _source_paths(options: argparse.Namespace) -> list[Path]:
    """The sources, as arguments or with `--src`. Raises SettingsError if there are none, or too many."""
    paths: list[Path] = [*options.source, *options.src]
    if options.needs_source and not paths:
        raise SettingsError("The clip to encode is missing.")
    if options.most_sources and len(paths) > options.most_sources:
        raise SettingsError(f"{options.command} takes one clip to encode, not {len(paths)}.")
    return paths


def check_writable(options: argparse.Namespace) -> None:
    """Check before anything is encoded that all output can be written.

    Raises:
        SettingsError: If it cannot, or if it would replace an input.
    """
    files = {"--output": options.output, "--plan-out": getattr(options, "plan_out", None)}
    inputs = [*_source_paths(options), getattr(options, "from_corpus", None)]
    taken = {path.resolve(): "an input file" for path in inputs if path is not None}
    for flag, path in files.items():
        common.check_output(path, flag)
        if path is not None:
            if path.resolve() in taken:
                use = taken[path.resolve()]
                raise SettingsError(f"{flag} {printable(str(path))!r} is also {use}; name another file.")
            taken[path.resolve()] = f"the file of {flag}"
    for flag in ("keep", "package"):
        folder = getattr(options, flag, None)
        if folder is not None:
            common.check_folder(folder, f"--{flag}", may_be_new=True)


def refuse_search_flags(options: argparse.Namespace) -> None:
    """Check the flags of a recommendation from a corpus.

    Raises:
        SettingsError: For a flag that only a search uses.
    """
    for name in SEARCH_ONLY:
        if getattr(options, name) is not None:
            flag = {"features": "feature"}.get(name, name).replace("_", "-")
            raise SettingsError(
                f"--{flag} is only for searches; the rows of --from-corpus are already encoded and scored."
            )


def max_bitrate(options: argparse.Namespace) -> float | None:
    """`--target-bitrate` in bit/s.

    Raises:
        SettingsError: If it is not a positive number.
    """
    if options.target_bitrate is None:
        return None
    if not 0 < options.target_bitrate < math.inf:
        raise SettingsError(f"--target-bitrate must be a number of kbit/s above 0, not {options.target_bitrate:g}.")
    return float(options.target_bitrate) * 1000
