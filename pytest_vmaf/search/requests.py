"""Read what users write about a search into requests and gates."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.encoder_names import read_name, with_mode
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import Gate
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect_request import BisectRequest, check_encoder, invalid, make_job
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.metric import Metric, parse_metric
from pytest_vmaf.text import did_you_mean, printable

Limit = float | Mapping[float, float] | None
#: The settings that each encoder of a comparison can have for itself.
OWN = ("encoder", "preset", "arguments", "pix_fmt", "crf", "mode")


def bisect_request(
    scoring: MeasureRequest,
    encoder: Encoder,
    targets: float | Sequence[float],
    *,
    preset: str | int | None = None,
    arguments: str | Sequence[str] = (),
    pix_fmt: str | None = None,
    metric: str | Metric = "neg",
    crf: tuple[float | None, float | None] | None = None,
    sample: float | None = None,
    start: Mapping[float, float] | Bisection | None = None,
    keep: str | os.PathLike[str] | None = None,
    workers: int = 1,
    repeats: int = 1,
    mode: str | None = None,
) -> BisectRequest:
    """Read the arguments of `Vmaf.bisect`, which documents them. Raises SettingsError for invalid ones."""
    return BisectRequest(
        scoring,
        with_mode(encoder, mode),
        read_targets(targets),
        metric if isinstance(metric, Metric) else parse_metric(metric),
        None if preset is None else str(preset),
        read_words(arguments),
        read_pix_fmt(pix_fmt),
        crf,
        sample,
        _read_start(start),
        None if keep is None else read_path("keep", keep),
        workers,
        repeats,
    )


def encode_job(request: BisectRequest, crf: float) -> EncodeJob:
    """What encodes the reference of this request at a CRF.

    Raises:
        SettingsError: For settings and CRFs that the encoder does not have.
        EncodeError: If the encoder is not available.
        ClipError: If the reference cannot be read.
    """
    ffmpeg, preset = check_encoder(request)
    request.encoder.scale.read("crf", crf)
    return make_job(request, ffmpeg, preset, request.scoring.reference)


def contenders(
    find: Callable[[Any], Encoder], encoders: Sequence[Any] | Mapping[str, Any], base: BisectRequest, **common: Any
) -> dict[str, BisectRequest]:
    """Read the encoders of a comparison.

    Args:
        find: Returns the encoder that a value stands for.
        encoders: A list of what `encoder` of a bisection can be, where "libx264:slow" names a preset too; or a mapping
            from labels to that, or to a mapping with "encoder" and further keys of `OWN`.
        base: The source and the targets.
        common: Settings of the encoders that have none of their own.

    Returns:
        A request for each encoder, by label. The encodes to keep go to a folder for each label.

    Raises:
        SettingsError: For a label given twice and for unknown settings.
    """
    if isinstance(encoders, str) or not isinstance(encoders, Mapping | Sequence):
        raise invalid("encoders", "a list, for example ['libx264', 'libsvtav1'], or a mapping from labels", encoders)
    labelled = encoders.items() if isinstance(encoders, Mapping) else [(None, each) for each in encoders]
    if not labelled:
        raise SettingsError("encoders is empty. Give at least one, for example ['libx264', 'libsvtav1'].")
    requests: dict[str, BisectRequest] = {}
    folders: set[str] = set()
    for label, each in labelled:
        name, request = _contender(find, label, each, base, common)
        if name in requests:
            raise SettingsError(f"Every label must be given once, not {name!r} twice. Use a mapping from labels.")
        folder = "".join(c if c.isalnum() else "_" for c in name)[:60]
        # Labels can differ in characters that the name of a folder cannot have.
        folder += f"_{len(requests) + 1}" if folder.casefold() in folders else ""
        folders.add(folder.casefold())
        requests[name] = replace(request, keep=request.keep and request.keep / folder)
    return requests


def _contender(
    find: Callable[[Any], Encoder], label: object, value: Any, base: BisectRequest, common: Mapping[str, Any]
) -> tuple[str, BisectRequest]:
    if label is not None and not (isinstance(label, str) and label.strip()):
        raise invalid("The label of an encoder", "a text, for example 'slow'", label)
    settings = dict(value) if isinstance(value, Mapping) else {"encoder": value}
    for unknown in settings.keys() - OWN:
        raise SettingsError(
            f"{unknown!r:.80} is not a setting of a single encoder of a comparison.{did_you_mean(str(unknown), OWN)} "
            f"Its settings are {', '.join(OWN)}."
        )
    if "encoder" not in settings:
        raise SettingsError(f"encoder is missing from the settings of {label!r:.80}.")
    encoder = settings.pop("encoder")
    name = encoder if isinstance(encoder, str) and "{" not in encoder else ""
    _, preset, mode = read_name(name)
    settings.setdefault("mode", mode or common.get("mode"))
    if preset is not None and str(settings.setdefault("preset", preset)) != preset:
        raise SettingsError(f"{name!r} names a preset, but preset is {settings['preset']!r}. Give only one of them.")
    request = bisect_request(base.scoring, find(encoder), base.targets, **{**common, **settings})
    return printable(str(label or name or request.encoder.name)), request


def read_targets(targets: float | Sequence[float]) -> tuple[float, ...]:
    """One target or several, as numbers. Raises SettingsError for anything else."""
    values = list(targets) if isinstance(targets, Iterable) else [targets]
    if not all(isinstance(target, Real) and not isinstance(target, bool) for target in values):
        raise invalid("targets", "a list of numbers, for example [94, 96]", targets)
    try:
        return tuple(map(float, values))
    except OverflowError:
        raise invalid("targets", "a list of scores", targets) from None


def read_limits(request: BisectRequest, max_bitrate: Limit, min_crf: Limit) -> list[tuple[Gate, float]]:
    """The gates of a search, each with its target.

    Args:
        request: The search.
        max_bitrate: The highest bitrate in bit/s, for all targets or as {target: limit}.
        min_crf: The lowest CRF, for all targets or as {target: limit}.

    Raises:
        SettingsError: For a limit that is not a number, or belongs to no target.
    """
    if min_crf is not None and request.encoder.larger_is_finer:
        raise SettingsError(f"min_crf: on the scale of {request.encoder.name}, larger is finer. Use max_bitrate.")
    gates = []
    for name, bound, metric, limits in (
        ("max_bitrate", "max", "bitrate", max_bitrate),
        ("min_crf", "min", "crf", min_crf),
    ):
        if limits is None:
            continue
        by_target = dict(limits) if isinstance(limits, Mapping) else dict.fromkeys(request.targets, limits)
        if not by_target:
            raise SettingsError(f"{name} is empty, so it would check nothing. Give {{target: limit}}, or leave it out.")
        for target, limit in by_target.items():
            if target not in request.targets:
                raise SettingsError(f"{name} has a limit for {target!r}, which is not a target.")
            if isinstance(limit, bool) or not isinstance(limit, int | float) or not abs(limit) < 1e15:
                raise invalid(f"{name} at {target:g}", "a finite number", limit)
            gates.append((Gate(name, bound, metric, "mean", float(limit), "call"), float(target)))
    return gates


def read_words(arguments: str | Sequence[str]) -> tuple[str, ...]:
    """Arguments as a list of words; a text is split as a shell would. Raises SettingsError if it cannot be."""
    if not isinstance(arguments, Sequence):
        raise invalid("arguments", "a text or a list of words", arguments)
    try:
        return tuple(shlex.split(arguments)) if isinstance(arguments, str) else tuple(map(str, arguments))
    except ValueError as error:
        raise SettingsError(f"The arguments {arguments!r} cannot be split: {error}.") from None


def read_list(name: str, values: Any, example: str) -> list[Any]:
    """Several values. Raises SettingsError for a single one."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise invalid(name, f"a list, for example {example}", values)
    return list(values)


def read_path(name: str, path: str | os.PathLike[str]) -> Path:
    """A path. Raises SettingsError for anything else."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path) or "\0" in str(path):
        raise invalid(name, "a path", path)
    return Path(path)


def read_pix_fmt(pix_fmt: str | None) -> str | None:
    """The name of a pixel format. Raises SettingsError for anything else."""
    if pix_fmt is not None and not (isinstance(pix_fmt, str) and pix_fmt.strip()):
        raise invalid("pix_fmt", "the name of a pixel format, for example yuv420p10le", pix_fmt)
    return pix_fmt


def _read_start(start: Mapping[float, float] | Bisection | None) -> dict[float, float]:
    if start is None:
        return {}
    answers = getattr(start, "answers", None)
    crfs = start if answers is None else {target: each.crf for target, each in answers.items() if each.met}
    if not isinstance(crfs, Mapping) or not all(
        isinstance(target, int | float) and type(crf) in (int, float) for target, crf in crfs.items()
    ):
        raise invalid("start", "{target: CRF}, or the result of an earlier search", start)
    return {float(target): crf for target, crf in crfs.items()}
