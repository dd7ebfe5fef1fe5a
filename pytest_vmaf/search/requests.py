"""What users write about a search, read into requests; and the gates that a search holds."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.encode import EncodeJob, check_arguments
from pytest_vmaf.encoding.encoders import Encoder, check_available
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import Gate
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.inspect import look
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.probe import parse_metric
from pytest_vmaf.text import closest_match, printable

Limit = float | Mapping[float, float] | None
#: What an encoder of a comparison may have of its own.
OWN = ("encoder", "preset", "arguments", "pix_fmt", "crf")


def bisect_request(
    scoring: MeasureRequest,
    encoder: Encoder,
    targets: float | Sequence[float],
    *,
    preset: str | int | None = None,
    arguments: str | Sequence[str] = (),
    pix_fmt: str | None = None,
    metric: str = "neg",
    crf: tuple[int, int] | None = None,
    sample: float | None = None,
    start: Mapping[float, int] | Bisection | None = None,
    keep: str | os.PathLike[str] | None = None,
    workers: int = 1,
    repeats: int = 1,
) -> BisectRequest:
    """The request for a bisection, as :meth:`pytest_vmaf.Vmaf.bisect` explains it. Raises SettingsError."""
    return BisectRequest(
        scoring=scoring,
        encoder=encoder,
        targets=read_targets(targets),
        metric=parse_metric(metric),
        preset=None if preset is None else str(preset),
        arguments=read_words(arguments),
        pix_fmt=read_pix_fmt(pix_fmt),
        crf=crf,
        sample=sample,
        start=_start(start),
        keep=None if keep is None else read_path("keep", keep),
        workers=workers,
        repeats=repeats,
    )


def encode_job(request: BisectRequest, crf: int) -> EncodeJob:
    """What encodes by this request at a CRF. Raises SettingsError, EncodeError and ClipError for what cannot be."""
    scoring, encoder = request.scoring, request.encoder
    ffmpeg = find_ffmpeg(scoring.ffmpeg, scoring.cache).path
    check_available(encoder, ffmpeg, scoring.cache)
    check_arguments(encoder, request.arguments)
    low, high = encoder.crf_range
    if type(crf) is not int or not low <= crf <= high:
        raise SettingsError(f"crf is {crf!r:.80}; for {encoder.name} it is a whole number from {low} to {high}.")
    preset = encoder.chosen_preset(request.preset)
    source = look(scoring.reference, ffmpeg, 2, scoring.timeout, scoring.cache)
    return EncodeJob(
        encoder, source, ffmpeg, preset, request.arguments, request.pix_fmt, scoring.timeout, scoring.cache
    )


def contenders(
    find: Any, encoders: Sequence[Any] | Mapping[str, Any], base: BisectRequest, **common: Any
) -> dict[str, BisectRequest]:
    """What ``encoders`` of a comparison stand for, by label, each with the settings of ``base`` where it has no own.

    A list holds what ``encoder=`` of a bisection may be, "libx264:slow" names a preset too; a mapping from labels
    holds the same, or {"encoder": ..., "preset": ..., "arguments": ..., "pix_fmt": ..., "crf": ...}.
    Encodes that are kept get a folder for each label. Raises SettingsError for labels given twice and unknown settings.
    """
    if isinstance(encoders, str) or not isinstance(encoders, Mapping | Sequence):
        raise SettingsError(f"encoders is {encoders!r:.80}; it is a list, as ['libx264', 'libsvtav1'], or a mapping.")
    given = list(encoders.items()) if isinstance(encoders, Mapping) else [(None, each) for each in encoders]
    if not given:
        raise SettingsError("encoders is empty; say at least one, as ['libx264', 'libsvtav1'].")
    requests: dict[str, BisectRequest] = {}
    folders: set[str] = set()
    for label, each in given:
        if label is not None and (not isinstance(label, str) or not label.strip()):
            raise SettingsError(f"{label!r:.80} is no label of an encoder; it is a text, as 'slow'.")
        own = dict(each) if isinstance(each, Mapping) else {"encoder": each}
        for unknown in own.keys() - OWN:
            near = closest_match(str(unknown), OWN)
            raise SettingsError(
                f"{unknown!r:.80} is no setting of one encoder of a comparison; did you mean {near!r}? "
                f"It has {', '.join(OWN)}."
            )
        if "encoder" not in own:
            raise SettingsError(f"The encoder {label!r:.80} of a comparison has settings, but encoder is missing.")
        name = own.pop("encoder")
        said = name if isinstance(name, str) and "{" not in name else None
        if said and ":" in said:
            _, _, preset = said.partition(":")
            if str(own.setdefault("preset", preset)) != preset:
                raise SettingsError(f"The encoder {said!r} names a preset, and preset is {own['preset']!r}; say one.")
        encoder = find(name)
        one = bisect_request(base.scoring, encoder, base.targets, **{**common, **own})
        shown = printable(label or said or encoder.name)
        if shown in requests:
            raise SettingsError(f"The encoder {shown!r} is given twice; give a mapping from labels to tell them apart.")
        folder = "".join(c if c.isalnum() else "_" for c in shown)[:60]
        # Labels may differ in what no name of a folder can have.
        folder += f"_{len(requests) + 1}" if folder.casefold() in folders else ""
        folders.add(folder.casefold())
        requests[shown] = replace(one, keep=one.keep and one.keep / folder)
    return requests


def read_targets(targets: float | Sequence[float]) -> tuple[float, ...]:
    """One target or several, as numbers. Raises SettingsError."""
    given = list(targets) if isinstance(targets, Iterable) else [targets]
    if not all(isinstance(target, Real) and not isinstance(target, bool) for target in given):
        raise SettingsError(f"targets is {targets!r:.80}; it is a list of numbers, as [94, 96].")
    try:
        return tuple(map(float, given))
    except OverflowError:
        raise SettingsError(f"targets is {targets!r:.80}; no score is that large.") from None


def read_limits(request: BisectRequest, max_bitrate: Limit, min_crf: Limit) -> list[tuple[Gate, float]]:
    """The gates on a search, each with the target it is for. Raises SettingsError."""
    if min_crf is not None and request.encoder.larger_is_finer:
        raise SettingsError(f"min_crf: on {request.encoder.name}'s scale a larger number is finer; use max_bitrate.")
    gates = []
    for name, bound, metric, given in (
        ("max_bitrate", "max", "bitrate", max_bitrate),
        ("min_crf", "min", "crf", min_crf),
    ):
        if given is None:
            continue
        each = dict(given) if isinstance(given, Mapping) else dict.fromkeys(request.targets, given)
        if not each:
            raise SettingsError(f"{name} is empty, so it would hold nothing; say {{target: number}}, or leave it out.")
        for target, limit in each.items():
            if target not in request.targets:
                raise SettingsError(f"{name} has a limit for {target!r}, which is none of the targets.")
            if isinstance(limit, bool) or not isinstance(limit, int | float) or not abs(limit) < 1e15:
                raise SettingsError(f"{name} is {limit!r} for {target:g}; it is a finite number.")
            gates.append((Gate(name, bound, metric, "mean", float(limit), "call"), float(target)))
    return gates


def read_words(arguments: str | Sequence[str]) -> tuple[str, ...]:
    """Arguments as a list of words; a text is split as a shell would. Raises SettingsError."""
    if not isinstance(arguments, Sequence):
        raise SettingsError(f"arguments is {arguments!r:.80}; it is a text or a list of words.")
    try:
        return tuple(shlex.split(arguments)) if isinstance(arguments, str) else tuple(map(str, arguments))
    except ValueError as error:
        raise SettingsError(f"The arguments {arguments!r} cannot be split: {error}.") from None


def read_list(name: str, values: Any, example: str) -> list[Any]:
    """Several values. Raises SettingsError for a single one."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise SettingsError(f"{name} is {values!r:.80}; it is a list, as {example}.")
    return list(values)


def read_path(name: str, path: str | os.PathLike[str]) -> Path:
    """A path. Raises SettingsError."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path) or "\0" in str(path):
        raise SettingsError(f"{name} is {path!r:.80}; it is a path.")
    return Path(path)


def read_pix_fmt(pix_fmt: str | None) -> str | None:
    """A pixel format's name. Raises SettingsError."""
    if pix_fmt is not None and not (isinstance(pix_fmt, str) and pix_fmt.strip()):
        raise SettingsError(f"pix_fmt is {pix_fmt!r:.80}; it is the name of a pixel format, as yuv420p10le.")
    return pix_fmt


def _start(start: Mapping[float, int] | Bisection | None) -> dict[float, int]:
    if start is None:
        return {}
    answers = getattr(start, "answers", None)
    known = start if answers is None else {target: each.crf for target, each in answers.items() if each.met}
    if not isinstance(known, Mapping) or not all(
        isinstance(target, int | float) and type(crf) is int for target, crf in known.items()
    ):
        raise SettingsError(f"start is {start!r:.80}; it is {{target: CRF}}, or what an earlier bisect returned.")
    return {float(target): crf for target, crf in known.items()}
