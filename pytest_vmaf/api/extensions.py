"""Scorers, encoders and metrics by name: from conftest files, plugins and entry points, loaded when first used."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

import pluggy

from pytest_vmaf import hookspecs
from pytest_vmaf.errors import EncodeError, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.text import did_you_mean, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_vmaf.api.keywords import EncoderLike
    from pytest_vmaf.encoding.codec import Codec
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.metrics.spec import MetricSpec
    from pytest_vmaf.scoring.scorer import Scorer

SCORER_GROUP, ENCODER_GROUP, METRIC_GROUP = "pytest_vmaf.scorers", "pytest_vmaf.encoders", "pytest_vmaf.metrics"


@dataclass(frozen=True)
class Extensions:
    """Where scorers, encoders and metrics are looked up.

    Attributes:
        hook: Calls the hooks; under pytest those that the test's own conftest files see.
        plugins: Registers what entry points load.
        config: pytest's config, None without pytest.
    """

    hook: pluggy.HookRelay
    plugins: pluggy.PluginManager
    config: object = None
    _metrics: dict[str, MetricSpec | None] = field(default_factory=dict, compare=False, repr=False)

    def scorer(self, name: str) -> Scorer:
        """Find a scorer.

        Raises:
            SettingsError: If there is no scorer of this name.
            ScorerError: If its entry point cannot be loaded.
        """
        scorer = self._load("pytest_vmaf_scorer", SCORER_GROUP, name, ScorerError)
        if scorer is None:
            names = sorted({entry.name for entry in entry_points(group=SCORER_GROUP)})
            raise SettingsError(
                f"There is no scorer {name!r}.{did_you_mean(name, names)} Installed scorers: {', '.join(names)}. A "
                "conftest.py can add one with the hook pytest_vmaf_scorer."
            )
        return cast("Scorer", scorer)

    def metric(self, name: str) -> MetricSpec:
        """Find a metric of a plugin.

        Raises:
            SettingsError: If no plugin has a metric of this name, if the hook fails or returns something else, or if
                the entry point cannot be loaded.
        """
        spec = self.find_metric(name)
        if spec is None:
            names = sorted({entry.name for entry in entry_points(group=METRIC_GROUP)})
            installed = f" Installed: {', '.join(names)}." if names else ""
            raise SettingsError(
                f"There is no metric {name!r}.{did_you_mean(name, names)}{installed} A conftest.py can add one with "
                "the hook pytest_vmaf_metric. Features of libvmaf belong in features=, and the path of an ONNX file "
                "ends with .onnx."
            )
        return spec

    def find_metric(self, name: str) -> MetricSpec | None:
        """Find a metric of a plugin, None if there is none of this name. Raises as `metric`."""
        if name not in self._metrics:
            self._metrics[name] = self._read_metric(name)
        return self._metrics[name]

    def _read_metric(self, name: str) -> MetricSpec | None:
        from pytest_vmaf.gates.plugin_metrics import check_plugin_metric
        from pytest_vmaf.metrics.spec import read_spec

        try:
            metric = self._load("pytest_vmaf_metric", METRIC_GROUP, name, SettingsError)
        except (MeasurementError, SettingsError):
            raise
        except Exception as reason:
            text = printable(f"{type(reason).__name__}: {reason}"[:1000])
            raise SettingsError(f"The hook pytest_vmaf_metric failed for {name!r}: {text}") from reason
        if metric is None:
            return None
        spec = check_plugin_metric(read_spec(metric))
        if spec.name != name:
            raise SettingsError(
                f"The hook pytest_vmaf_metric must return the metric {name!r} or None, not one that is named "
                f"{spec.name!r}."
            )
        return spec

    def encoder(self, encoder: EncoderLike) -> Encoder:
        """Find the encoder that a name, `name:preset:mode:step`, a command, a function or a codec stands for.

        Raises:
            SettingsError: If there is no such encoder.
            EncodeError: If its entry point cannot be loaded.
        """
        from pytest_vmaf.encoding.codec import is_codec
        from pytest_vmaf.encoding.codec_encoder import codec_encoder
        from pytest_vmaf.encoding.encoder_names import read_name, with_mode, with_step
        from pytest_vmaf.encoding.encoders import Encoder, command_encoder, function_encoder

        if isinstance(encoder, Encoder):
            return encoder
        if is_codec(encoder):
            return codec_encoder(cast("Codec[Any]", encoder))
        if isinstance(encoder, str) and "{" not in encoder:
            name, preset, mode, step = read_name(encoder)
            known = with_step(with_mode(self._encoder_by_name(name), mode), step)
            # The preset in the name is then the only one: another preset= would contradict it.
            chosen = None if preset is None else known.resolve_preset(preset)
            return known if preset is None else replace(known, preset=chosen, presets=(preset,))
        if callable(encoder):
            return function_encoder(encoder)
        return command_encoder(cast("str | Sequence[str]", encoder))

    def _encoder_by_name(self, name: str) -> Encoder:
        from pytest_vmaf.encoding.codec import is_codec
        from pytest_vmaf.encoding.codec_encoder import codec_encoder
        from pytest_vmaf.encoding.encoders import ENCODERS, Encoder

        encoder = self._load("pytest_vmaf_encoder", ENCODER_GROUP, name, EncodeError)
        encoder = ENCODERS.get(name) if encoder is None else encoder
        if encoder is None:
            raise SettingsError(
                f"There is no encoder {name!r}.{did_you_mean(name, ENCODERS)} Known encoders: {', '.join(ENCODERS)}.\n"
                "  A command must contain {crf}, for example './myenc --crf {crf} -i {input} -o {output}'. A "
                "conftest.py can add a name with the hook pytest_vmaf_encoder."
            )
        if is_codec(encoder):
            return codec_encoder(cast("Codec[Any]", encoder), name)
        if not isinstance(encoder, Encoder):
            raise SettingsError(
                f"The hook pytest_vmaf_encoder must return an Encoder or a Codec for {name!r}, not {encoder!r:.80}."
            )
        return encoder

    def _load(self, hook: str, group: str, name: str, error: type[Exception]) -> object | None:
        extension: object | None = getattr(self.hook, hook)(config=self.config, name=name)
        # pluggy's load_setuptools_entrypoints would skip a scorer that has the name of any loaded plugin: the scorer
        # `vmaf` has the name under which pytest loads this plugin.
        plugin = f"{group}:{name}"
        if extension is not None or self.plugins.has_plugin(plugin) or self.plugins.is_blocked(plugin):
            return extension
        for entry in entry_points(group=group, name=name):
            try:
                self.plugins.register(entry.load(), plugin)
            except Exception as reason:
                kind = group.rpartition(".")[2].removesuffix("s")
                raise error(f"The {kind} {name!r} cannot be loaded: {printable(repr(reason))}.") from reason
            extension = getattr(self.plugins.hook, hook)(config=self.config, name=name)
        return extension


def standalone() -> Extensions:
    """The extensions without pytest: those of entry points."""
    plugins = pluggy.PluginManager("pytest")
    plugins.add_hookspecs(hookspecs)
    return Extensions(plugins.hook, plugins)
