"""The VMAF models: pairs of one with and one without credit for enhancement, read from model/registry.json."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from pytest_vmaf.errors import ModelError, SettingsError
from pytest_vmaf.scoring.scorer import ModelRun
from pytest_vmaf.text import closest_match, did_you_mean, printable

#: Above this length of the shorter side, in pixels, "auto" takes the model for 2160-line displays.
LARGEST_HD_SIDE = 1440
#: A model file larger than this is no VMAF model (the largest known one has 0.6 MB).
LARGEST_MODEL_FILE = 16 << 20
ON, OFF = "100", "1"


@dataclass(frozen=True)
class ModelPair:
    """The two runs of one model: ``credit`` pays for enhancement (column ``vmaf``), ``neg`` does not (column ``neg``).

    ``low`` and ``high`` bound the model's scale. A frame must have ``min_side`` pixels on its shorter and
    ``min_long_side`` on its longer side, below which libvmaf crashes or leaves no score.
    """

    name: str
    neg_name: str
    generation: str
    credit: ModelRun
    neg: ModelRun
    low: float
    high: float
    min_side: int
    min_long_side: int
    phone: bool
    has_transform: bool

    @property
    def label(self) -> str:
        """The pair in words, for people."""
        return f"{self.name} / {self.neg_name}"


def resolve_model(
    model: str = "auto", *, generation: str = "v0", phone: bool = False, width: int, height: int
) -> ModelPair:
    """The pair of models for a reference of this size, in pixels.

    ``model`` is "auto" (by generation and by the reference's shorter side), a built-in name, either twin of a pair, or
    the path of a model's JSON file. A named model wins over ``generation``.
    Raises ModelError for unknown names and for frames that are too small.
    """
    if model == "auto":
        model = _automatic(generation, phone, min(width, height))
    pair = _from_file(Path(model)) if _is_path(model) else _built_in(model, phone)
    if phone and not pair.phone:
        pair = _on_phone(pair)
    refuse_small(pair, width, height)
    return pair


def refuse_small(pair: ModelPair, width: int, height: int, what: str = "Frames") -> None:
    """Raise ModelError for pictures (``what`` they are) that are too small for the models, in pixels."""
    short, long = sorted((width, height))
    if short < pair.min_side or long < pair.min_long_side:
        raise ModelError(
            f"{what} of {width}x{height} are too small for {pair.name}: it needs {pair.min_side} pixels on the shorter "
            f"and {pair.min_long_side} on the longer side; libvmaf crashes or gives no score below that.\n"
            "  Use larger ones, or a model for smaller ones (vmaf_v0.6.1 takes 18 pixels)."
        )


def model_names() -> tuple[str, ...]:
    """Every built-in name, the NEG twins included."""
    entries = registry()["models"]
    return tuple(name for entry in entries for name in (entry["name"], entry.get("neg")) if name)


@lru_cache(maxsize=1)
def registry() -> dict[str, Any]:
    """What model/registry.json holds: the models, what "auto" takes, and the features with their columns."""
    text = resources.files("pytest_vmaf.model").joinpath("registry.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def feature_columns() -> Mapping[str, str]:
    """Each column a libvmaf feature can give, and the feature that gives it."""
    features = registry()["features"]
    return {column: name for name, feature in features.items() for column in feature["columns"]}


def resolve_feature(name: str) -> str:
    """The libvmaf feature for a feature's or a column's name. Raises SettingsError with the nearest name."""
    features, columns = registry()["features"], feature_columns()
    if name in features:
        return name
    if name in columns:
        return columns[name]
    hint = registry()["not_features"].get(name)
    raise SettingsError(
        f"{name!r} is no libvmaf feature; did you mean {hint or closest_match(name, (*features, *columns))!r}? "
        f"There are {', '.join(features)}."
    )


def higher_is_better(column: str) -> bool:
    """Whether more of this is better; in gaps (of a mask or a tile too), banding and chroma distortion it is not."""
    feature = feature_columns().get(column)
    return column.partition("_")[0] != "gap" and (
        feature is None or bool(registry()["features"][feature]["higher_is_better"])
    )


def _automatic(generation: str, phone: bool, shorter_side: int) -> str:
    automatic = registry()["auto"]
    if generation not in automatic:
        raise SettingsError(f"generation is {generation!r}; it is one of {', '.join(automatic)}.")
    name: str = automatic[generation]["phone" if phone else "1080" if shorter_side <= LARGEST_HD_SIDE else "2160"]
    return name


def _is_path(model: str) -> bool:
    return model.endswith(".json") or "/" in model or "\\" in model


def _built_in(name: str, phone: bool) -> ModelPair:
    entry = next((e for e in registry()["models"] if name in (e["name"], e.get("neg"))), None)
    if entry is None:
        raise ModelError(
            f"{name!r} is not a known VMAF model.{did_you_mean(name, model_names())} There are\n  "
            + "\n  ".join(model_names())
            + "\n  and any model's JSON file by its path."
        )
    if phone and entry["phone"] is None:
        raise ModelError(
            f"{entry['name']} is for {entry['display_height']}-line displays and has no phone mode; leave out phone, "
            "or name a model for 1080 lines."
        )
    if phone and entry["phone"] != "transform":
        return replace(_built_in(entry["phone"], phone=False), phone=True)
    credit = ModelRun(
        column="vmaf",
        version=entry["name"],
        overrides=tuple(entry["credit_overrides"].items()),
        bootstrap=entry.get("bootstrap", False),
    )
    neg = replace(
        credit,
        column="neg",
        version=entry.get("neg") or entry["name"],
        overrides=tuple(entry["neg_overrides"].items()),
    )
    if entry["generation"] == "v1":
        names = (f"{entry['name']} credited", entry["name"])
    else:
        names = (entry["name"], entry.get("neg") or f"{entry['name']} gain-limited")
    return ModelPair(
        name=names[0],
        neg_name=names[1],
        generation=entry["generation"],
        credit=credit,
        neg=neg,
        low=entry["range"][0],
        high=entry["range"][1],
        min_side=entry["min_side"],
        min_long_side=entry["min_long_side"],
        phone=False,
        has_transform=entry["phone"] == "transform",
    )


def _on_phone(pair: ModelPair) -> ModelPair:
    if not pair.has_transform:
        raise ModelError(f"{pair.name} has no score_transform, so it has no phone mode; leave out phone.")
    return replace(
        pair,
        name=f"{pair.name} (phone)",
        neg_name=f"{pair.neg_name} (phone)",
        credit=replace(pair.credit, transform=True),
        neg=replace(pair.neg, transform=True),
        phone=True,
    )


def _from_file(path: Path) -> ModelPair:
    shown = printable(str(path))
    try:
        if path.exists() and not path.is_file():
            raise ModelError(f"The VMAF model {shown} is not a regular file.")
        if path.stat().st_size > LARGEST_MODEL_FILE:
            raise ModelError(f"{shown} is too large for a VMAF model.")
        data = path.read_bytes()
        model = json.loads(data)["model_dict"]
        names = [str(name) for name in model["feature_names"]]
        options = [dict(each) for each in model.get("feature_opts_dicts") or [{} for _ in names]]
        given = [float(value) for each in options for key, value in each.items() if "enhn_gain" in key]
        low, high = (float(bound) for bound in model["score_clip"])
        if not -math.inf < low < high < math.inf:
            raise ValueError(f"score_clip goes from {low} to {high}")
    except OSError as error:
        raise ModelError(f"The VMAF model {shown} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise ModelError(
            f"{shown} is not a VMAF model in JSON with feature_names and score_clip ({type(error).__name__}: {error})."
        ) from error
    limits = {f"{extractor}.{extractor.removeprefix('float_')}_enhn_gain_limit" for extractor in _gain_limited(names)}
    if not limits:
        raise ModelError(f"{shown} uses neither adm nor vif, so it has no enhancement gain to leave out (NEG).")
    # Both twins are overridden whatever the file says, so that it cannot pass off the one as the other; what it says
    # only names them.
    limited = bool(given) and all(limit == 1 for limit in given)
    label = f"{shown} (sha256 {hashlib.sha256(data).hexdigest()[:12]})"
    on = tuple((limit, ON) for limit in sorted(limits))
    off = tuple((limit, OFF) for limit in sorted(limits))
    known = next((e for e in registry()["models"] if e["name"] == path.stem or e.get("neg") == path.stem), None)
    v1 = any(name.startswith("Speed_chroma") for name in names)
    return ModelPair(
        name=f"{label}{' credited' if limited else ''}",
        neg_name=f"{label}{'' if limited else ' gain-limited'}",
        generation="v1" if v1 else "v0",
        credit=ModelRun("vmaf", path=path.absolute(), overrides=on),
        neg=ModelRun("neg", path=path.absolute(), overrides=off),
        low=low,
        high=high,
        min_side=known["min_side"] if known else 319 if v1 else 18,
        min_long_side=known["min_long_side"] if known else 319 if v1 else 18,
        phone=False,
        has_transform=isinstance(model.get("score_transform"), dict),
    )


def _gain_limited(feature_names: list[str]) -> set[str]:
    """The extractors, by their libvmaf names, among a model's features that know an enhancement gain limit."""
    found = set()
    for name in feature_names:
        if match := re.match(r"VMAF_(integer_)?feature_(adm|vif)", name):
            found.add(match[2] if match[1] else f"float_{match[2]}")
    return found
