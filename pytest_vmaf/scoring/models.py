"""The VMAF models in pairs, default and NEG, and the libvmaf features; both read from `model/registry.json`."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias, cast

from pytest_vmaf.errors import ModelError, SettingsError
from pytest_vmaf.scoring.scorer import ModelRun
from pytest_vmaf.text import did_you_mean, printable

#: Above this length of the shorter side, in pixels, "auto" takes the model for 2160-line displays.
LARGEST_HD_SIDE = 1440
#: From this many frames/s on, "auto" takes the v1 model for high frame rates.
HIGH_FRAME_RATE = 47
#: Bytes of the largest file that is read as a model; the largest known model has 0.6 MB.
LARGEST_MODEL_FILE = 16 << 20
#: libvmaf's enhancement gain limits: its default, and that of the NEG variants.
DEFAULT_GAIN, NEG_GAIN = "100", "1"

#: The data of `model/registry.json`, which the wheel contains: models, the choices of "auto", and features.
Registry: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class ModelPair:
    """A VMAF model and its NEG variant, which are always scored together.

    Attributes:
        name: The default model's name.
        neg_name: The NEG variant's name.
        generation: "v0" or "v1".
        default: How to run the default model, which rewards enhancement; column `vmaf`.
        neg: How to run the NEG variant, which does not; column `neg`.
        low: The lower bound of both models' scores.
        high: The upper bound of both models' scores.
        min_side: Pixels a frame must have on its shorter side. Below that libvmaf crashes or gives no score.
        min_long_side: Pixels a frame must have on its longer side.
        has_transform: Whether phone mode is a transformation of this model's scores.
        phone: Whether the pair is for viewing on a phone.
        detail_columns: The columns of the log with the same detail measured by both models, default first: what
            `signs` tells enhancement from. Empty if they are not known.
        follows_advice: Whether the pair was chosen for the clip, which is then scored as `scoring.advice` says.
    """

    name: str
    neg_name: str
    generation: str
    default: ModelRun
    neg: ModelRun
    low: float
    high: float
    min_side: int
    min_long_side: int
    has_transform: bool
    phone: bool = False
    detail_columns: tuple[str, ...] = ()
    follows_advice: bool = False

    @property
    def label(self) -> str:
        """Both names, for example "vmaf_v0.6.1 / vmaf_v0.6.1neg"."""
        return f"{self.name} / {self.neg_name}"


def resolve_model(
    model: str = "auto",
    *,
    generation: str = "v0",
    phone: bool = False,
    width: int,
    height: int,
    frame_rate: Fraction | None = None,
) -> ModelPair:
    """The pair of models for a reference.

    Args:
        model: "auto" (chosen by generation, the reference's shorter side and, for v1, its frame rate), a built-in name,
            either name of a pair, or the path of a model's JSON file. A named model wins over `generation`.
        generation: "v0" or "v1".
        phone: Whether to score for viewing on a phone.
        width: The reference's width in pixels.
        height: The reference's height in pixels.
        frame_rate: In frames/s; None if it is unknown.

    Raises:
        ModelError: If the model is unknown, cannot be read, has no phone mode, or the frames are too small for it.
        SettingsError: If the generation is unknown.
    """
    follows_advice = has_advice(model, generation)
    if model == "auto":
        choices = registry()["auto"]
        if generation not in choices:
            raise SettingsError(f"generation must be one of {', '.join(choices)}, not {generation!r}.")
        display = "phone" if phone else "1080" if min(width, height) <= LARGEST_HD_SIDE else "2160"
        model = choices[generation][display]
        if frame_rate and frame_rate >= HIGH_FRAME_RATE:
            entry = _entry(model) or {}
            model = entry.get("hfr", model)
    pair = named_model(model, phone)
    if phone and not pair.phone:
        pair = _on_phone(pair)
    refuse_small(pair, width, height)
    return replace(pair, follows_advice=follows_advice)


def named_model(model: str, phone: bool = False) -> ModelPair:
    """The pair of a built-in model, by either name, or of a model's JSON file. Raises ModelError."""
    is_path = model.endswith(".json") or "/" in model or "\\" in model
    return _from_file(Path(model)) if is_path else _built_in(model, phone)


def has_advice(model: str, generation: str) -> bool:
    """Whether Netflix's advice for VMAF v1 is followed: for a model that is chosen, not for one that is named."""
    return (model, generation) == ("auto", "v1")


def refuse_small(pair: ModelPair, width: int, height: int, what: str = "Frames") -> None:
    """Raise ModelError if pictures of this size in pixels, described as `what`, are too small for the models."""
    short, long = sorted((width, height))
    if short < pair.min_side or long < pair.min_long_side:
        raise ModelError(
            f"{what} of {width}x{height} are too small for {pair.name}, which needs {pair.min_side} pixels on the "
            f"shorter and {pair.min_long_side} on the longer side; libvmaf crashes or gives no score below that.\n"
            "  Use larger ones, or a model for smaller ones (vmaf_v0.6.1 takes 18 pixels)."
        )


def model_names() -> tuple[str, ...]:
    """Every built-in model's name, NEG variants included."""
    entries = registry()["models"]
    return tuple(name for entry in entries for name in (entry["name"], entry.get("neg")) if name)


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Read `model/registry.json`."""
    text = resources.files("pytest_vmaf.model").joinpath("registry.json").read_text(encoding="utf-8")
    return cast(Registry, json.loads(text))


def _entry(name: str) -> Registry | None:
    return next((entry for entry in registry()["models"] if name in (entry["name"], entry.get("neg"))), None)


def _built_in(name: str, phone: bool) -> ModelPair:
    entry = _entry(name)
    if entry is None:
        names = "\n  ".join(model_names())
        raise ModelError(
            f"{name!r} is not a known VMAF model.{did_you_mean(name, model_names())} Give the path of a model's JSON "
            f"file, or one of these names:\n  {names}"
        )
    name, phone_mode = entry["name"], entry["phone"]
    if phone and phone_mode is None:
        raise ModelError(
            f"{name} is for {entry['display_height']}-line displays and has no phone mode. Leave out phone, or name a "
            "model for 1080 lines."
        )
    if phone and phone_mode != "transform":
        return replace(_built_in(phone_mode, phone=False), phone=True)
    neg = entry.get("neg") or name
    bootstrap = entry.get("bootstrap", False)
    # v1 is NEG as it was published; v0 models without a published NEG variant get their gain limited here.
    v1 = entry["generation"] == "v1"
    return ModelPair(
        name=f"{name} credited" if v1 else name,
        neg_name=f"{name} gain-limited" if neg == name and not v1 else neg,
        generation=entry["generation"],
        default=ModelRun("vmaf", name, overrides=tuple(entry["default_overrides"].items()), bootstrap=bootstrap),
        neg=ModelRun("neg", neg, overrides=tuple(entry["neg_overrides"].items()), bootstrap=bootstrap),
        low=entry["range"][0],
        high=entry["range"][1],
        min_side=entry["min_side"],
        min_long_side=entry["min_long_side"],
        has_transform=phone_mode == "transform",
        detail_columns=tuple(entry["detail"]),
    )


def _on_phone(pair: ModelPair) -> ModelPair:
    if not pair.has_transform:
        raise ModelError(f"{pair.name} has no score_transform and therefore no phone mode. Leave out phone.")
    return replace(
        pair,
        name=f"{pair.name} (phone)",
        neg_name=f"{pair.neg_name} (phone)",
        default=replace(pair.default, transform=True),
        neg=replace(pair.neg, transform=True),
        phone=True,
    )


def _from_file(path: Path) -> ModelPair:
    file = printable(str(path))
    try:
        if path.exists() and not path.is_file():
            raise ModelError(f"The VMAF model {file} is not a regular file.")
        if path.stat().st_size > LARGEST_MODEL_FILE:
            raise ModelError(f"{file} is too large for a VMAF model.")
        data = path.read_bytes()
        model = json.loads(data)["model_dict"]
        names = [str(name) for name in model["feature_names"]]
        options = [dict(each) for each in model.get("feature_opts_dicts") or [{} for _ in names]]
        gains = [float(value) for each in options for key, value in each.items() if "enhn_gain" in key]
        low, high = (float(bound) for bound in model["score_clip"])
        if not -math.inf < low < high < math.inf:
            raise ValueError(f"score_clip goes from {low} to {high}")
    except OSError as error:
        raise ModelError(f"The VMAF model {file} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise ModelError(
            f"{file} is not a VMAF model in JSON with feature_names and score_clip ({type(error).__name__}: {error})."
        ) from error
    limits = sorted({f"{name}.{name.removeprefix('float_')}_enhn_gain_limit" for name in _extractors_with_gain(names)})
    if not limits:
        raise ModelError(f"{file} uses neither adm nor vif, so there is no enhancement gain to leave out (NEG).")
    # Both runs get overrides whatever the file says, so that a file cannot pass off one variant as the other. The
    # limits in the file only decide what the two are called.
    is_neg = bool(gains) and all(gain == 1 for gain in gains)
    label = f"{file} (sha256 {hashlib.sha256(data).hexdigest()[:12]})"
    v1 = any(name.startswith("Speed_chroma") for name in names)
    smallest = 319 if v1 else 18
    known = _entry(path.stem) or {"min_side": smallest, "min_long_side": smallest}
    return ModelPair(
        name=f"{label}{' credited' if is_neg else ''}",
        neg_name=f"{label}{'' if is_neg else ' gain-limited'}",
        generation="v1" if v1 else "v0",
        default=ModelRun("vmaf", path=path.absolute(), overrides=tuple((limit, DEFAULT_GAIN) for limit in limits)),
        neg=ModelRun("neg", path=path.absolute(), overrides=tuple((limit, NEG_GAIN) for limit in limits)),
        low=low,
        high=high,
        min_side=known["min_side"],
        min_long_side=known["min_long_side"],
        has_transform=isinstance(model.get("score_transform"), dict),
        detail_columns=_detail_columns(limits, v1),
    )


def _detail_columns(limits: list[str], v1: bool) -> tuple[str, ...]:
    """The detail columns of a model from a file. Those of v1 depend on options of the file."""
    if v1 or not any("adm" in limit for limit in limits):
        return ()
    column = "adm_scale1" if any(limit.startswith("float_adm") for limit in limits) else "integer_adm_scale1"
    return column, f"{column}_egl_1"


def _extractors_with_gain(feature_names: list[str]) -> set[str]:
    """The libvmaf extractors behind a model's features that have an enhancement gain limit."""
    matches = (re.match(r"VMAF_(integer_)?feature_(adm|vif)", name) for name in feature_names)
    return {match[2] if match[1] else f"float_{match[2]}" for match in matches if match}
