"""The table of settings: name, command-line flag, ini name, check, default and help of each.

Every pytest run imports this module, so heavy modules are imported inside functions. The classes are named tuples,
which Python creates four times as fast as dataclasses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

#: The flags of the settings whose flags have another name.
FLAG_WORDS = {
    "features": "feature",
    "metrics": "metric",
    "cache": "no-cache",
    "signs": "no-signs",
    "vmaf_bin": "bin",
}


class Option(NamedTuple):
    """One setting.

    Attributes:
        name: The keyword in Python.
        default: The value where no layer sets it.
        check: Returns the checked value, or raises ValueError with what the value must be.
        help: The help of the flag.
        ini_help: The help of the ini value, where it differs from the flag's.
    """

    name: str
    default: object
    check: Callable[[object], object]
    help: str
    ini_help: str = ""

    @property
    def flag(self) -> str:
        """The command-line flag."""
        word = FLAG_WORDS.get(self.name, self.name)
        return f"--vmaf-{word.replace('_', '-')}"

    @property
    def ini(self) -> str:
        """The ini name."""
        return f"vmaf_{self.name.removeprefix('vmaf_')}"

    @property
    def ini_type(self) -> Any:
        """The type of the ini value, as in `parser.addini`."""
        return INI_TYPES.get(self.check, "string")

    @property
    def dest(self) -> str:
        """The name under which pytest stores the flag's value."""
        return f"vmaf_option_{self.name}"


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a non-empty string")
    return value


def _path_text(value: object) -> str:
    return _text(os.fspath(value) if isinstance(value, os.PathLike) else value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [word for part in value.split(",") if (word := part.strip())]
    if not isinstance(value, Sequence) or not all(isinstance(word, str) and word for word in value):
        raise ValueError("a list of names")
    return tuple(value)


def _count(value: object, expected: str = "a whole number of at least 1") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(expected)
    return value


def at_once(value: object) -> int:
    """Check a number of threads or processes. Far more than there are cores would leave the machine none."""
    count, most = _count(value), max(64, 4 * (os.cpu_count() or 1))
    if count > most:
        cores = f"{os.cpu_count() or 1} core{'s' if os.cpu_count() != 1 else ''}"
        raise ValueError(f"at most {most} on this machine, which has {cores}")
    return count


#: A thread cannot wait for longer, in seconds.
LONGEST_WAIT = 1e9


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError("a number of seconds above 0")
    if value > LONGEST_WAIT:
        raise ValueError(f"at most {LONGEST_WAIT:g} seconds")
    return float(value)


def _size(value: object) -> int:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,15})([kMGT]?)B?", value)):
        value = int(match[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[match[2]]
    return _count(value, "a number of bytes, for example 500M or 2G")


def _generation(value: object) -> object:
    from pytest_vmaf.scoring.models import registry

    return _one_of(value, registry()["auto"])


def _scale(value: object) -> object:
    from pytest_vmaf.media.geometry import SCALERS

    return _one_of(value, SCALERS)


def _one_of(value: object, words: Iterable[str]) -> object:
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"one of {', '.join(words)}")
    return value


def _allowed(value: object) -> tuple[str, ...]:
    from pytest_vmaf.media.pair import ALLOWANCES

    words = _words(value)
    if set(words) - set(ALLOWANCES):
        raise ValueError(f"a list of {', '.join(ALLOWANCES)}")
    return words


def _features(value: object) -> tuple[str, ...]:
    from pytest_vmaf.scoring.features import resolve_feature

    return tuple(resolve_feature(word) for word in _words(value))


def _metrics(value: object) -> tuple[object, ...]:
    """Read names of metrics, paths of ONNX files and metrics: names stay, the others become a `MetricSpec`."""
    from pytest_vmaf.metrics.network_metric import is_network, network_metric
    from pytest_vmaf.metrics.spec import MetricSpec, check_name, is_metric, read_spec

    if isinstance(value, str):
        value = _words(value)
    listed = [*value] if isinstance(value, Sequence) and not isinstance(value, bytes) else [value]
    chosen: dict[str, object] = {}
    for each in listed:
        known: object
        if isinstance(each, MetricSpec):
            known = each
        elif is_network(each):
            known = read_spec(network_metric(each))  # type: ignore[arg-type]
        elif isinstance(each, str):
            check_name(each, "in metrics")
            known = each
        elif is_metric(each) or isinstance(each, type):
            known = read_spec(each)
        else:
            raise ValueError("a list of metrics, of their names and of paths of ONNX files")
        first = chosen.setdefault(str(known), known)
        if getattr(first, "metric", first) is not getattr(known, "metric", first):
            raise ValueError(f"a list with one metric of each name (two are named {known})")
    return tuple(chosen.values())


def _requirements(value: object) -> object:
    from pytest_vmaf.scoring.requirements import parse_requirements

    return parse_requirements(value)


def _part(value: object) -> object:
    """Read a start and a length, in the units of `Clip`."""
    from pytest_vmaf.errors import ClipError
    from pytest_vmaf.media.part import read_length, read_start

    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
    if not isinstance(words, Sequence) or len(words) != 2:
        raise ValueError('a start and a length, in frames (100, 48) or in seconds ("4s", "2s")')
    start, length = (int(word) if isinstance(word, str) and word.isdecimal() else word for word in words)
    try:
        return read_start(start, "part"), read_length(length, "part")
    except ClipError as error:
        raise ValueError(f"a start and a length ({error})") from None


def _scorer(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if not (callable(getattr(value, "score", None)) and callable(getattr(value, "capabilities", None))):
        raise ValueError("the name of a scorer, or an object with score() and capabilities()")
    return value


#: The type of an ini value by its check, where it is not a string.
INI_TYPES: dict[object, str] = {
    _flag: "bool",
    at_once: "int",
    _seconds: "float",
    _features: "args",
    _metrics: "args",
    _allowed: "args",
}
#: Every setting but the gates. The command line, the ini names and the reference of options are made from it.
OPTIONS = (
    Option(
        "model",
        "auto",
        _path_text,
        "VMAF model: a built-in name (default or NEG, either selects the pair), the path of a JSON file, or auto "
        "(by the size of the reference)",
    ),
    Option("generation", "v0", _generation, "generation of the automatic model: v0, v1"),
    Option("phone", False, _flag, "score for viewing on a phone"),
    Option("features", (), _features, "also measure this feature, for example psnr, xpsnr or adm (repeatable)"),
    Option(
        "metrics",
        (),
        _metrics,
        "also measure this metric: the name of a plugin's, or an ONNX file, for example lpips.onnx:lower (repeatable)",
    ),
    Option(
        "scale",
        None,
        _scale,
        "scale a smaller distorted clip up to the reference: bicubic, bilinear, lanczos, spline, neighbor, area",
    ),
    Option(
        "part",
        None,
        _part,
        "read only this part of each clip: START,LENGTH in frames (100,48) or seconds (4s,2s)",
    ),
    Option("align", False, _flag, "skip frames that only one of the clips has at its start"),
    Option(
        "match_rate",
        False,
        _flag,
        "if the frame rates differ, drop and double frames of the reference as the distorted clip does",
    ),
    Option(
        "allow",
        (),
        _allowed,
        "allow a property that is refused by default: hdr, interlaced, frame_rate, time_stamps, displaced, display, "
        "rotation, same, order (repeatable)",
    ),
    Option(
        "signs",
        True,
        _flag,
        "do not measure signs of the picture (colour, level, contrast, collapse, enhancement), nor check their gates",
        "measure signs of the picture, and check their gates (default: true)",
    ),
    Option("scorer", "ffmpeg", _scorer, "scorer backend: ffmpeg, vmaf, pyav, or the name of a plugin"),
    Option("ffmpeg", None, _path_text, "ffmpeg to use (default: the one of imageio-ffmpeg, then PATH)"),
    Option("vmaf_bin", "vmaf", _path_text, "Netflix's vmaf tool, for --vmaf-scorer=vmaf"),
    Option(
        "require",
        (),
        _requirements,
        "refuse other builds: versions, models and digests, for example libvmaf>=3.2,ffmpeg=n9.0.2",
    ),
    Option("threads", None, at_once, "threads of libvmaf (default: all cores, divided by the number of xdist workers)"),
    Option("timeout", None, _seconds, "time limit per measurement, in seconds"),
    Option(
        "cache",
        True,
        _flag,
        "disable the cache of scores and encodes",
        "use the cache of scores and encodes (default: true)",
    ),
    Option("cache_dir", None, _path_text, "folder of the cache of scores and encodes (default: inside pytest's cache)"),
    Option("cache_size", 2_000_000_000, _size, "size limit of the cache, for example 500M, 2G"),
)
BY_NAME = {option.name: option for option in OPTIONS}
