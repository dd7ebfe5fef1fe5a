"""Options and gates, each from the nearest place that sets it: call > marker > command line > ini > default.

Light enough for pytest to load in every run: what needs the quality room imports it when called, and named tuples are
made four times as fast as dataclasses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_vmaf.errors import SettingsError

if TYPE_CHECKING:
    from pytest_vmaf.gates.gate import Gate
    from pytest_vmaf.gates.tolerance import Tolerance


class Option(NamedTuple):
    """One setting: its name in Python, its command-line flag, its ini type (ini name: ``vmaf_`` + name) and help."""

    name: str
    flag: str
    ini_type: Any
    default: object
    check: Callable[[object], object]
    help: str

    @property
    def ini(self) -> str:
        """The ini name."""
        return f"vmaf_{self.name.removeprefix('vmaf_')}"

    @property
    def dest(self) -> str:
        """Where the command line keeps it."""
        return f"vmaf_option_{self.name}"


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def _path_text(value: object) -> str:
    import os

    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return _text(value)


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


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("a whole number from 1")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
        raise ValueError("a number of seconds above 0")
    return float(value)


def _size(value: object) -> int:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,15})([kMGT]?)B?", value)):
        value = int(match[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[match[2]]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("a number of bytes, as 500M or 2G")
    return value


def _generation(value: object) -> object:
    from pytest_vmaf.scoring.models import registry

    if value not in registry()["auto"]:
        raise ValueError(f"one of {', '.join(registry()['auto'])}")
    return value


def _scale(value: object) -> object:
    from pytest_vmaf.media.pair import SCALERS

    if value not in SCALERS:
        raise ValueError(f"one of {', '.join(SCALERS)}")
    return value


def _allowances(value: object) -> tuple[str, ...]:
    from pytest_vmaf.media.pair import ALLOWANCES

    words = _words(value)
    if set(words) - set(ALLOWANCES):
        raise ValueError(f"a list of {', '.join(ALLOWANCES)}")
    return words


def _features(value: object) -> tuple[str, ...]:
    from pytest_vmaf.scoring.models import resolve_feature

    return tuple(resolve_feature(word) for word in _words(value))


def _scorer(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if not (callable(getattr(value, "score", None)) and callable(getattr(value, "capabilities", None))):
        raise ValueError("a scorer's name, or an object with score() and capabilities()")
    return value


#: Every setting but the gates; `plugin` makes the command line and the ini names of it, README its table.
OPTIONS = (
    Option(
        "model",
        "--vmaf-model",
        "string",
        "auto",
        _path_text,
        "VMAF model: a name (either twin selects the pair), the path of a JSON file, or auto (by the reference's size)",
    ),
    Option("generation", "--vmaf-generation", "string", "v0", _generation, "the automatic model's generation: v0, v1"),
    Option("phone", "--vmaf-phone", "bool", False, _flag, "score for viewing on a phone"),
    Option(
        "features", "--vmaf-feature", "args", (), _features, "measure this libvmaf feature too, e.g. psnr (repeatable)"
    ),
    Option(
        "scale",
        "--vmaf-scale",
        "string",
        None,
        _scale,
        "scale a smaller distorted clip up to the reference: bicubic, bilinear, lanczos, spline, neighbor, area",
    ),
    Option("align", "--vmaf-align", "bool", False, _flag, "skip frames that only one clip has at its start"),
    Option(
        "allow",
        "--vmaf-allow",
        "args",
        (),
        _allowances,
        "score clips in spite of this: hdr, interlaced, frame_rate (repeatable)",
    ),
    Option("scorer", "--vmaf-scorer", "string", "ffmpeg", _scorer, "scorer backend: ffmpeg, vmaf, or a plugin's name"),
    Option("ffmpeg", "--vmaf-ffmpeg", "string", None, _path_text, "ffmpeg to use (default: embedded, then PATH)"),
    Option("vmaf_bin", "--vmaf-bin", "string", "vmaf", _path_text, "Netflix's vmaf tool, for --vmaf-scorer=vmaf"),
    Option(
        "threads", "--vmaf-threads", "int", None, _whole, "libvmaf threads (default: all cores, divided by workers)"
    ),
    Option("timeout", "--vmaf-timeout", "float", None, _seconds, "seconds after which a scoring is stopped"),
    Option("cache", "--vmaf-no-cache", "bool", True, _flag, "measure everything anew, and keep nothing"),
    Option(
        "cache_dir",
        "--vmaf-cache-dir",
        "string",
        None,
        _path_text,
        "folder of scores and encodes of earlier runs (default: in pytest's cache)",
    ),
    Option("cache_size", "--vmaf-cache-size", "string", 2_000_000_000, _size, "most that it may take, e.g. 500M, 2G"),
)
BY_NAME = {option.name: option for option in OPTIONS}


class Layer(NamedTuple):
    """What one place says: its options, checked, its gates, and what it says of baselines.

    ``baseline`` is whether to hold one (a text names its entry), or None where the place does not say.
    """

    origin: str
    options: Mapping[str, object]
    gates: tuple[Gate, ...]
    tolerances: tuple[Tolerance, ...] = ()
    baseline: bool | str | None = None


class Settings(NamedTuple):
    """The settings in force for one measurement, and where each came from."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]


def make_layer(origin: str, keywords: Mapping[str, object], gates: Iterable[str] = ()) -> Layer:
    """Split keywords into options, gates and tolerances; ``gates`` are further ones of both as NAME=LIMIT text.

    Raises SettingsError that says what is wrong, where, and the nearest right name.
    """
    from pytest_vmaf.gates.gate import parse_assignment, parse_gate, refuse_twice
    from pytest_vmaf.gates.metrics import ABOVE
    from pytest_vmaf.gates.tolerance import is_tolerance, parse_tolerance, refuse_tolerance_twice
    from pytest_vmaf.text import closest_match

    options: dict[str, object] = {}
    parsed, tolerances = [], []
    for text in gates:
        name, equals, limit = (part.strip() for part in text.partition("="))
        if equals and is_tolerance(name):
            tolerances.append(parse_tolerance(name, limit, origin))
        else:
            parsed.append(parse_assignment(text, origin))
    for name, value in keywords.items():
        if name == "baseline":
            continue
        if name in BY_NAME:
            if value is not None:
                options[name] = _checked(BY_NAME[name], value, origin)
        elif is_tolerance(name):
            tolerances.append(parse_tolerance(name, value, origin))
        elif name == ABOVE or name.startswith(("min_", "max_")):
            parsed.append(parse_gate(name, value, origin))
        else:
            near = closest_match(name, (*BY_NAME, "min_neg", "max_gap", "min_vmaf", ABOVE, "baseline", "max_drop"))
            raise SettingsError(f"{name!r} ({origin}) is neither an option nor a gate; did you mean {near!r}?")
    refuse_twice(parsed)
    refuse_tolerance_twice(tolerances)
    return Layer(origin, options, tuple(parsed), tuple(tolerances), _baseline(keywords.get("baseline"), origin))


def resolve(layers: Iterable[Layer]) -> Settings:
    """Each option from the first layer that sets it, else its default."""
    values: dict[str, Any] = {option.name: option.default for option in OPTIONS}
    origins = dict.fromkeys(values, "default")
    for layer in reversed(list(layers)):
        for name, value in layer.options.items():
            values[name], origins[name] = value, layer.origin
    return Settings(values, origins)


def _baseline(value: object, origin: str) -> bool | str | None:
    named = isinstance(value, str) and bool(value.strip()) and len(value) <= 200
    if value is None or isinstance(value, bool) or named:
        return value  # type: ignore[return-value]
    raise SettingsError(f"baseline ({origin}) is {value!r:.80}; it is True, False, or a text that names the entry.")


def _checked(option: Option, value: object, origin: str) -> object:
    try:
        return option.check(value)
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(f"{option.name} ({origin}) is {value!r}; it is {error}.") from None
