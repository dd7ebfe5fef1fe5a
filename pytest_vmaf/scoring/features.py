"""The features that can be measured beside a score: names, columns, options and directions.

They are in `model/registry.json`. A feature is written as its name, or with options: `cambi=window_size=33`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.scoring.models import Registry, registry
from pytest_vmaf.text import did_you_mean, printable

#: The feature that a filter of ffmpeg measures, and its columns.
XPSNR = "xpsnr"
XPSNR_COLUMNS = ("xpsnr_y", "xpsnr_u", "xpsnr_v")
#: The least length of the longer side of an encode for CAMBI, in pixels.
LEAST_ENCODE = 216
EXAMPLE = "cambi=enc_width=960:enc_height=540"


@lru_cache(maxsize=1)
def feature_columns() -> Mapping[str, str]:
    """Every column of the features, and the name of its feature."""
    return {column: name for name in registry()["features"] for column in every_column_of(name)}


def columns_of(feature: str) -> tuple[str, ...]:
    """The columns that every libvmaf gives for a feature."""
    return tuple(_entry(feature)["columns"])


def optional_columns_of(feature: str) -> tuple[str, ...]:
    """The columns that older or newer versions of libvmaf do not give."""
    return tuple(_entry(feature).get("optional", ()))


def every_column_of(feature: str) -> tuple[str, ...]:
    """All columns of a feature."""
    return (*columns_of(feature), *optional_columns_of(feature))


def metrics_of(name: str) -> str:
    """A sentence with the metrics of a feature, for messages about one that is taken for a metric; else ""."""
    if name not in registry()["features"] or name in feature_columns():
        return ""
    return f" The metrics of {name} are {', '.join(every_column_of(name))}."


def options_of(feature: str) -> str:
    """The options of a feature as they are written, for example "enc_height=540:enc_width=960"; else ""."""
    return feature.partition("=")[2]


def option_notes(features: Iterable[str]) -> tuple[str, ...]:
    """A note for each feature with options: which."""
    named = (feature.partition("=") for feature in features)
    return tuple(f"{name} is measured with {', '.join(options.split(':'))}" for name, _, options in named if options)


def is_elementary(column: str) -> bool:
    """Whether a column is one of the features that VMAF is made of, which messages do not list."""
    return bool(_entry(feature_columns().get(column, "psnr")).get("elementary"))


def resolve_feature(text: str) -> str:
    """The feature that has this name, or that has the column of this name, with the options that follow it.

    Raises:
        SettingsError: If there is none, or it does not have these options.
    """
    name, equals, options = (part.strip() for part in text.partition("="))
    features, columns = registry()["features"], feature_columns()
    feature = name if name in features else columns.get(name)
    if feature is None:
        other = registry()["not_features"].get(name) or _libvmaf_name(name)
        hint = f" Did you mean {other!r}?" if other else did_you_mean(name, (*features, *columns))
        raise SettingsError(f"{printable(name)!r} is not a libvmaf feature.{hint} Features: {', '.join(features)}.")
    return f"{feature}={':'.join(_options(feature, options, text))}" if equals else feature


def requested_features(names: Iterable[str]) -> tuple[str, ...]:
    """The features of these names, each once. One with options includes the one without, which a gate may request.

    Raises:
        SettingsError: If a name is unknown, or a feature is requested with different options.
    """
    features: dict[str, str] = {}
    for feature in map(resolve_feature, names):
        name = feature.partition("=")[0]
        other = features.get(name, name)
        if name != other != feature != name:
            raise SettingsError(
                f"{name} can be measured with one set of options at a time, not with {options_of(other)} and "
                f"{options_of(feature)}: both have the column {columns_of(name)[0]}."
            )
        features[name] = max(other, feature, key=len)
    return tuple(features.values())


def refuse_sizes(features: Iterable[str], width: int, height: int) -> None:
    """Raise SettingsError if CAMBI cannot measure a picture of this size, or would ignore the encode's size."""
    for feature in features:
        if feature.partition("=")[0] != "cambi":
            continue
        if max(width, height) < LEAST_ENCODE:
            raise SettingsError(
                f"CAMBI needs {LEAST_ENCODE} pixels on the longer side of the picture, not {width}x{height}. Leave out "
                "cambi."
            )
        options = dict(part.split("=") for part in options_of(feature).split(":") if part)
        encode = int(options.get("enc_width", 0)), int(options.get("enc_height", 0))
        if encode[0] > width or encode[1] > height:
            raise SettingsError(
                f"CAMBI's encode of {encode[0]}x{encode[1]} must not be larger than the picture of {width}x{height}, "
                f"which is what is scored ({feature})."
            )


def higher_is_better(column: str) -> bool:
    """Whether a larger value of a metric is better: not for gaps, banding (CAMBI) and chroma distortion."""
    feature = feature_columns().get(column)
    if feature is None:
        return column.partition("_")[0] != "gap"
    return bool(_entry(feature)["higher_is_better"]) and column not in _entry(feature).get("lower", ())


def extractor_of(feature: str) -> str:
    """libvmaf's name of the feature extractor, for example "adm" of `adm_neg`."""
    return str(_entry(feature).get("extractor", feature.partition("=")[0]))


def fixed_options(feature: str) -> dict[str, str]:
    """The options of libvmaf that a feature always has: the gain limit of 1 of those without enhancement gain."""
    limit = _entry(feature).get("gain")
    return {str(limit): "1"} if limit else {}


def logged_column(column: str, feature: str, options: Mapping[str, str]) -> str:
    """The name of a column in libvmaf's log, which has the options that are not the defaults, by their short names."""
    entry = _entry(feature)
    plain = column.removesuffix("_neg") if entry.get("gain") else column
    parts = [str(entry.get("logged", {}).get(plain, plain))]
    for name in sorted(options):
        short, default = ("egl", 100) if name == entry.get("gain") else _short_name(entry, name)
        if float(options[name]) != default:
            parts.append(f"{short}_{options[name]}")
    return "_".join(parts)


def _short_name(entry: Registry, option: str) -> tuple[str, float]:
    known = entry["options"][option]
    return str(known["short"]), float(known["default"])


def _entry(feature: str) -> Registry:
    entry: Registry = registry()["features"][feature.partition("=")[0]]
    return entry


def _libvmaf_name(name: str) -> str:
    """What a name of libvmaf's or another tool's is called here, if it is one; else ""."""
    plain = name.replace("_egl_1", "_neg").removeprefix("VMAF_").removesuffix("_score")
    for each in (plain, plain.replace("feature_", ""), plain.removeprefix("float_"), plain.removeprefix("integer_")):
        if each in feature_columns():
            return each
    return ""


def _options(feature: str, text: str, whole: str) -> list[str]:
    known = _entry(feature).get("options")
    where = f"{printable(whole)!r:.200}"
    if not known:
        raise SettingsError(f"{where}: {feature} has no options here. Write {feature!r}.")
    values: dict[str, str] = {}
    for part in text.split(":"):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not value:
            raise SettingsError(f"{where} must be NAME=OPTION=VALUE[:OPTION=VALUE], for example {EXAMPLE!r}.")
        if name not in known:
            raise SettingsError(
                f"{where}: {feature} has no option {printable(name)!r:.80}.{did_you_mean(name, known)} "
                f"Options: {', '.join(known)}."
            )
        if name in values:
            raise SettingsError(f"{where} has the option {name} twice.")
        values[name] = _number(name, value, known[name], where)
    if ("enc_width" in values) != ("enc_height" in values):
        raise SettingsError(f"{where} must have both enc_width and enc_height, or neither.")
    if "enc_width" in values and max(float(values[side]) for side in ("enc_width", "enc_height")) < LEAST_ENCODE:
        raise SettingsError(f"{where}: enc_width or enc_height must be at least {LEAST_ENCODE}.")
    return [f"{name}={values[name]}" for name in sorted(values)]


def _number(name: str, text: str, known: Registry, where: str) -> str:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not known["low"] <= number <= known["high"] or (known.get("whole") and number != int(number)):
        kind = "a whole number" if known.get("whole") else "a number"
        raise SettingsError(
            f"{where}: {name} must be {kind} from {known['low']:g} to {known['high']:g}, not {printable(text)!r:.80}."
        )
    return f"{number:g}"
