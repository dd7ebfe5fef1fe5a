"""Gates and settings of a manifest as layers, and what of them applies to one test."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pytest_vmaf.api.gate_selection import has_baseline, supports
from pytest_vmaf.errors import ModelError, SettingsError
from pytest_vmaf.gates.expectations import Expectation
from pytest_vmaf.gates.gate import gate_names
from pytest_vmaf.gates.metrics import ENCODE_METRICS
from pytest_vmaf.gates.tolerance import Tolerance
from pytest_vmaf.option_table import BY_NAME
from pytest_vmaf.settings import MANIFEST, Layer, make_layer
from pytest_vmaf.suite.table import Table
from pytest_vmaf.text import did_you_mean

#: Settings that are paths, relative to the manifest.
PATHS = ("model", "ffmpeg", "vmaf_bin", "cache_dir")


def read_layer(table: Table) -> Layer:
    """The settings and gates of a table of the manifest. Raises Problem for an invalid one."""
    settings, gates = table.table("settings"), table.table("gates")
    settings.refuse_unknown(BY_NAME)
    options: dict[str, object] = {}
    for name, value in settings.values.items():
        layer = _one(settings, name, {name: _resolved(name, value, table.source.path.parent)})
        options |= layer.options
        _refuse_unknown_model(settings, name, layer)
    for name, limit in gates.values.items():
        if name != "above_100" and not name.startswith(("min_", "max_")):
            hint = did_you_mean(name, gate_names())
            raise gates.problem(f"is not a gate.{hint} Gates begin with min_ or max_.", name)
        layer = _one(gates, name, {"gates": {name: limit}, "metrics": options.get("metrics")})
        for gate in layer.gates:
            if not supports(gate.metric, ()):
                raise gates.problem("is not measured by the tests of a manifest. Write a test in Python.", name)
    try:
        # All at once, because two names may be one gate.
        keywords = {"gates": dict(gates.values), "metrics": options.get("metrics")}
        layer = make_layer(MANIFEST, keywords, find=table.source.find_metric)
    except SettingsError as error:
        raise gates.problem(f"is invalid: {error}") from None
    return layer._replace(options=options, stream=_expectations(table))


def _expectations(table: Table) -> tuple[Expectation, ...]:
    if not isinstance(table.values.get("stream"), dict):
        # Of a clip, it is the number of a stream.
        return ()
    stream = table.table("stream")
    expected = [_one(stream, name, {"stream": {name: value}}) for name, value in stream.values.items()]
    return tuple(each for layer in expected for each in layer.stream)


def layers_of_test(layers: Sequence[Layer], *, baseline: bool, search: bool) -> tuple[Layer, ...]:
    """The layers of one test, with the tolerances that its baseline is compared by.

    Args:
        layers: The layers of the clip, of the entry and of the manifest.
        baseline: Whether the test has a baseline.
        search: Whether it is a bisection.
    """
    chosen = []
    for layer in layers:
        tolerances = tuple(each for each in layer.tolerances if baseline and applies(each, search=search))
        # What a search finds is not compared with a baseline packet by packet.
        stream = tuple(each for each in layer.stream if each.name != "bitstream" or (baseline and not search))
        chosen.append(layer._replace(tolerances=tolerances, stream=stream))
    nearest = Layer(MANIFEST, {}, (), (), baseline or None)
    return (nearest, *(each for each in chosen if each.options or each.gates or each.tolerances or each.stream))


def applies(tolerance: Tolerance, *, search: bool) -> bool:
    """Whether the baseline of a bisection, or of a measurement, has what a tolerance is about."""
    return tolerance.metric in ENCODE_METRICS if search else has_baseline(tolerance.metric, ())


def unused(layer: Layer, layers: Collection[Layer]) -> Iterator[tuple[str, str]]:
    """The tolerances and expectations of a layer that no test of these layers has, each with the name of its table."""
    used = {each.key for other in layers for each in other.tolerances}
    yield from (("gates", each.name) for each in layer.tolerances if each.limit is not None and each.key not in used)
    expected = {each.name for other in layers for each in other.stream}
    yield from (("stream", each.name) for each in layer.stream if each.name not in expected)


def _one(table: Table, name: str, keywords: Mapping[str, object]) -> Layer:
    try:
        return make_layer(MANIFEST, keywords, find=table.source.find_metric)
    except SettingsError as error:
        raise table.problem(f"is invalid: {error}", name) from None


def _resolved(name: str, value: object, folder: Path) -> object:
    """A setting, with its path relative to the manifest; names of models and programs stay."""
    if name == "metrics":
        listed = [value] if isinstance(value, str) else value
        return [_network(each, folder) for each in listed] if isinstance(listed, list) else value
    if name in PATHS and isinstance(value, str) and (name == "cache_dir" or "/" in value or os.sep in value):
        return str(folder / value)
    return value


def _network(value: object, folder: Path) -> object:
    """A metric of the setting `metrics`, with the path of a network relative to the manifest."""
    return str(folder / value) if isinstance(value, str) and ".onnx" in value else value


def _refuse_unknown_model(table: Table, name: str, layer: Layer) -> None:
    """Raise Problem once, at collection, instead of a ModelError in each test."""
    model = layer.options.get("model", "auto")
    if name == "model" and model != "auto":
        from pytest_vmaf.scoring.models import named_model

        try:
            named_model(str(model))
        except ModelError as error:
            raise table.problem(f"is invalid: {error}", name) from None
