"""Settings and gates in layers: call, marker, command line, ini, default. The nearest layer wins.

Every pytest run imports this module, so heavy modules are imported inside functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.option_table import BY_NAME, OPTIONS, Option

if TYPE_CHECKING:
    from pytest_vmaf.gates.expectations import Expectation
    from pytest_vmaf.gates.gate import Gate
    from pytest_vmaf.gates.plugin_metrics import FindMetric
    from pytest_vmaf.gates.tolerance import Tolerance
    from pytest_vmaf.metrics.spec import MetricSpec

#: The fields of `Clip`, which users also try as settings.
CLIP_FIELDS = ("width", "height", "pix_fmt", "frame_rate", "crop", "stream", "film_grain", "start", "frames")
#: Other words for them.
CLIP_WORDS = {"fps": "frame_rate", "framerate": "frame_rate", "rate": "frame_rate", "pixel_format": "pix_fmt"}

#: The origin of what a manifest sets for its tests, as a marker does for others.
MANIFEST = "manifest"
#: The origins of what belongs to one test, without and with the call.
TEST_ORIGINS = ("marker", MANIFEST)
OWN_ORIGINS = ("call", *TEST_ORIGINS)


class Layer(NamedTuple):
    """What one place sets.

    Attributes:
        origin: The place: "call", "marker", "manifest", "command line", "ini" or "default".
        options: Checked values by option name.
        gates: The gates.
        tolerances: The tolerances of a baseline.
        baseline: Whether to compare with a baseline, or the baseline's name; None where the place does not set it.
        stream: Expectations on the stream of an encode.
    """

    origin: str
    options: Mapping[str, object]
    gates: tuple[Gate, ...]
    tolerances: tuple[Tolerance, ...] = ()
    baseline: bool | str | None = None
    stream: tuple[Expectation, ...] = ()


class Settings(NamedTuple):
    """The settings of one measurement, and the origin of each."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]


def make_layer(
    origin: str,
    keywords: Mapping[str, object],
    assignments: Iterable[str] = (),
    find: FindMetric | None = None,
) -> Layer:
    """Sort keywords into options, gates and tolerances.

    Args:
        origin: The place that sets them.
        keywords: Options, gates and tolerances by name. The keyword `gates` is a mapping of further gates and
            tolerances, for names that type checkers do not know.
        assignments: Further gates and tolerances, each as `NAME=LIMIT`.
        find: Finds metrics of plugins. The layer's own `metrics` are known without it.

    Raises:
        SettingsError: If a name or a value is not valid.
    """
    from pytest_vmaf.gates.gate import parse_assignment, parse_gate, refuse_twice
    from pytest_vmaf.gates.tolerance import is_tolerance, parse_tolerance

    options: dict[str, object] = {}
    gates: list[Gate] = []
    tolerances: list[Tolerance] = []
    keywords = {**keywords, **_read_metrics(keywords, origin)}
    find = finder(keywords.get("metrics"), find)
    for assignment in assignments:
        name, equals, limit = (part.strip() for part in assignment.partition("="))
        if equals and is_tolerance(name):
            tolerances.append(parse_tolerance(name, limit, origin, find))
        else:
            gates.append(parse_assignment(assignment, origin, find))
    for name, value in _with_gates(keywords, origin).items():
        if name in BY_NAME:
            if value is not None and name == "metrics":
                options[name] = value
            elif value is not None:
                options[name] = _checked(BY_NAME[name], value, origin)
        elif is_tolerance(name):
            tolerances.append(parse_tolerance(name, value, origin, find))
        else:
            gates.append(parse_gate(name, value, origin, find=find))
    refuse_twice(gates)
    refuse_twice(tolerances, "tolerance")
    baseline = _baseline(keywords.get("baseline"), origin)
    return Layer(origin, options, tuple(gates), tuple(tolerances), baseline, _expectations(keywords, origin))


def listed_metric(metrics: object, name: str) -> MetricSpec | None:
    """The metric of this name in the value of the setting `metrics`, unless only its name is there."""
    from pytest_vmaf.metrics.spec import MetricSpec

    listed = metrics if isinstance(metrics, tuple) else ()
    return next((each for each in listed if isinstance(each, MetricSpec) and each.name == name), None)


def _read_metrics(keywords: Mapping[str, object], origin: str) -> dict[str, object]:
    """The setting `metrics`, checked, if it is given. Its metrics must be known before gates are read."""
    value = keywords.get("metrics")
    if value is None:
        return {}
    from pytest_vmaf.gates.plugin_metrics import check_plugin_metric
    from pytest_vmaf.metrics.spec import MetricSpec

    checked = _checked(BY_NAME["metrics"], value, origin)
    for each in checked if isinstance(checked, tuple) else ():
        if isinstance(each, MetricSpec):
            check_plugin_metric(each)
    return {"metrics": checked}


def finder(listed: object, find: FindMetric | None) -> FindMetric:
    """A function that finds metrics: in the value of the setting `metrics`, then elsewhere."""
    return lambda name: listed_metric(listed, name) or (find(name) if find else None)


def resolve(layers: Iterable[Layer]) -> Settings:
    """Take each option from the first layer that sets it, or its default."""
    values: dict[str, Any] = {option.name: option.default for option in OPTIONS}
    origins = dict.fromkeys(values, "default")
    for layer in reversed(list(layers)):
        for name, value in layer.options.items():
            values[name], origins[name] = value, layer.origin
    return Settings(values, origins)


def _with_gates(keywords: Mapping[str, object], origin: str) -> dict[str, object]:
    """The keywords without `baseline`, and with the contents of `gates=` in place of it. Raises SettingsError."""
    names = {name: value for name, value in keywords.items() if name not in ("baseline", "gates")}
    if names.get("stream") is None or isinstance(names["stream"], Mapping):
        names.pop("stream", None)
    mapping = keywords.get("gates")
    if mapping is not None and not isinstance(mapping, Mapping):
        raise SettingsError(f"gates ({origin}) must be a mapping of names to limits, not {mapping!r:.80}.")
    for name, limit in (mapping or {}).items():
        if not _is_gate(name):
            raise SettingsError(f"{name!r:.80} in gates ({origin}) is not a gate. Gates begin with min_ or max_.")
        if name in names:
            raise SettingsError(f"{name} ({origin}) is set twice: as a keyword and in gates.")
        names[name] = limit
    if "report_only" in names:
        raise SettingsError(
            f"report_only ({origin}) is not a setting of measurements. Switch report-only mode on by the vmaf marker, "
            "--vmaf-report-only or the ini value vmaf_report_only. Outside of pytest, catch GateViolation."
        )
    if call := {"chunk", "executor"} & set(names):
        raise SettingsError(
            f"{' and '.join(sorted(call))} ({origin}) must be passed to vmaf.score() or vmaf.check() itself."
        )
    for name, value in names.items():
        if name not in BY_NAME and not _is_gate(name):
            raise SettingsError(_why_unknown(name, value, origin))
    return names


def _why_unknown(name: str, value: object, origin: str) -> str:
    """Why a keyword is neither a setting nor a gate, and what is meant."""
    from pytest_vmaf.gates.expectations import FIELDS
    from pytest_vmaf.gates.metrics import ABOVE
    from pytest_vmaf.text import did_you_mean

    field, text = CLIP_WORDS.get(name, name), f"{value!r:.40}"
    if field in CLIP_FIELDS:
        gate = f" To gate it: stream={{{field!r}: {text}}}." if field in FIELDS else ""
        return (
            f"{name!r} ({origin}) describes a clip, not a measurement. "
            f"Pass Clip(path, {field}={text}, …) in place of the path.{gate}"
        )
    if name in FIELDS:
        return f"{name!r} ({origin}) is not a number, so it belongs in stream=: stream={{{name!r}: {text}}}."
    known = (*BY_NAME, "min_neg", "max_gap", "min_vmaf", ABOVE, "baseline", "gates", "max_drop")
    return f"{name!r} ({origin}) is neither a setting nor a gate.{did_you_mean(name, known)}"


def _expectations(keywords: Mapping[str, object], origin: str) -> tuple[Expectation, ...]:
    expected = keywords.get("stream")
    if not isinstance(expected, Mapping):
        return ()
    from pytest_vmaf.gates.expectations import parse_expectations

    return parse_expectations(expected, origin)


def _is_gate(name: object) -> bool:
    return isinstance(name, str) and (name == "above_100" or name.startswith(("min_", "max_")))


def _baseline(value: object, origin: str) -> bool | str | None:
    if value is None or isinstance(value, bool) or (isinstance(value, str) and value.strip() and len(value) <= 200):
        return value
    raise SettingsError(f"baseline ({origin}) must be True, False or the name of a baseline, not {value!r:.80}.")


def _checked(option: Option, value: object, origin: str) -> object:
    try:
        return option.check(value)
    except SettingsError:
        raise
    except ValueError as error:
        from pytest_vmaf.text import short_repr

        raise SettingsError(f"{option.name} ({origin}) must be {error}, not {short_repr(value)}.") from None
