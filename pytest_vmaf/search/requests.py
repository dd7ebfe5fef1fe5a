"""Read what users write about a search into requests and gates."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

from pytest_vmaf.encoding.encoder_names import read_name, with_common_step, with_mode, with_step
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.rate_modes import keyword_of
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import Gate
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect_request import BisectRequest, check_encoder, invalid, make_job
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.metric import Metric, parse_metric
from pytest_vmaf.text import did_you_mean, printable

Limit = float | Mapping[float, float] | None
Window = tuple[float | None, float | None] | None
#: A window, a number, or a list of numbers.
Numbers = TypeVar("Numbers")
#: The settings that each encoder of a comparison can have for itself.
OWN = ("encoder", "preset", "arguments", "pix_fmt", "crf", "bitrate", "mode", "crf_step")


def bisect_request(
    scoring: MeasureRequest,
    encoder: Encoder,
    targets: float | Sequence[float],
    *,
    preset: str | int | None = None,
    arguments: str | Sequence[str] = (),
    pix_fmt: str | None = None,
    metric: str | Metric = "neg",
    crf: Window = None,
    bitrate: Window = None,
    sample: float | None = None,
    start: Mapping[float, float] | Bisection | None = None,
    keep: str | os.PathLike[str] | None = None,
    workers: int = 1,
    repeats: int = 1,
    mode: str | None = None,
    crf_step: float | None = None,
) -> BisectRequest:
    """Read the arguments of `Vmaf.bisect`, which documents them. Raises SettingsError for invalid ones."""
    encoder, window = in_mode(with_step(encoder, crf_step), mode, crf, bitrate)
    return BisectRequest(
        scoring,
        encoder,
        read_targets(targets),
        metric if isinstance(metric, Metric) else parse_metric(metric),
        None if preset is None else str(preset),
        read_words(arguments),
        read_pix_fmt(pix_fmt),
        window,
        sample,
        _read_start(start),
        None if keep is None else read_path("keep", keep),
        workers,
        repeats,
    )


def in_mode(
    encoder: Encoder, mode: str | None, crf: Numbers | None, bitrate: Numbers | None, plural: str = ""
) -> tuple[Encoder, Numbers | None]:
    """The encoder in its mode, and what a call gives for it: `crf`, or `bitrate` in kbit/s.

    A CRF that was read as kbit/s, or the reverse, would be a poor encode without an error. So each mode has a keyword
    of its own. `bitrate` without a mode means one pass.

    Args:
        encoder: The encoder.
        mode: The mode that the call gives, if any.
        crf: The call's `crf`.
        bitrate: The call's `bitrate`.
        plural: The ending of both keywords.

    Raises:
        SettingsError: If it gives the keyword of the other mode, both, or a mode that the encoder does not have.
    """
    if mode is None and bitrate is not None and crf is None and encoder.mode == "crf":
        mode = "bitrate"
    chosen = with_mode(encoder, mode)
    if chosen.mode == "crf" and bitrate is not None:
        instead = f"Give one of them, or write crf{plural}=" if crf is None else f"Leave out bitrate{plural}="
        raise SettingsError(f"bitrate{plural}= is for mode='bitrate' and mode='2pass', not mode='crf'. {instead}.")
    if chosen.mode != "crf" and crf is not None:
        instead = f"Leave out crf{plural}=" if bitrate is not None else f"Write bitrate{plural}=, in kbit/s"
        raise SettingsError(
            f"crf{plural}= is not for mode={chosen.mode!r}, in which {chosen.name} encodes by bitrate. {instead}."
        )
    return chosen, crf if bitrate is None else bitrate


def with_one_number(options: Mapping[str, Any], encoder: Encoder, crf: float | None) -> dict[str, Any]:
    """The options of one encode as those of a search whose window is its number; see `number_of`.

    Args:
        options: The options, which may have `bitrate`.
        encoder: The encoder.
        crf: The other number, if it is given.

    Raises:
        SettingsError: If there is no number, or if there are two.
    """
    numbers = {"crf": crf, "bitrate": options.get("bitrate")}
    given = {name: (number, number) for name, number in numbers.items() if number is not None}
    if len(given) != 1:
        raise SettingsError("An encode has either crf= or, in kbit/s, bitrate=. Give one of them.")
    mode = {"mode": "bitrate"} if "bitrate" in given and encoder.mode == "crf" and "mode" not in options else {}
    return {**options, **given, **mode}


def number_of(request: BisectRequest) -> Any:
    """The number of an encode whose request `with_one_number` made."""
    return request.crf and request.crf[0]


def encode_job(request: BisectRequest, crf: float) -> EncodeJob:
    """What encodes the reference of this request at a CRF.

    Raises:
        SettingsError: For settings and CRFs that the encoder does not have.
        EncodeError: If the encoder is not available.
        ClipError: If the reference cannot be read.
    """
    request.encoder.scale.read(keyword_of(request.encoder.mode), crf)
    ffmpeg, preset = check_encoder(request)
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
    modes = {keyword_of(request.encoder.mode): request.encoder for request in requests.values()}
    if stray := sorted({"crf", "bitrate"} & common.keys() - modes.keys()):
        [encoder] = modes.values()
        in_mode(encoder, encoder.mode, **{"crf": None, "bitrate": None, stray[0]: common[stray[0]]})
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
    chosen = settings.pop("encoder")
    name = chosen if isinstance(chosen, str) and "{" not in chosen else ""
    _, preset, mode, step = read_name(name)
    settings.setdefault("mode", mode or common.get("mode"))
    settings.setdefault("crf_step", step)
    if preset is not None and str(settings.setdefault("preset", preset)) != preset:
        raise SettingsError(f"{name!r} names a preset, but preset is {settings['preset']!r}. Give only one of them.")
    encoder = find(chosen)
    if settings["crf_step"] is None:
        encoder = with_common_step(encoder, common.get("crf_step"))
    # The windows of all are for the encoders whose mode they fit.
    other = {"crf", "bitrate"} - {keyword_of(with_mode(encoder, settings["mode"]).mode)}
    fitting = {key: value for key, value in common.items() if key not in other}
    request = bisect_request(base.scoring, encoder, base.targets, **{**fitting, **settings})
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
