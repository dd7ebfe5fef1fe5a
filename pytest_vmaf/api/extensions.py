"""pytest_vmaf.api.extensions."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from pytest_vmaf import hookspecs
from pytest_vmaf.errors import EncodeError, ScorerError, SettingsError
from pytest_vmaf.text import did_you_mean, printable

if TYPE_CHECKING:
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.scoring.scorer import Scorer


SCORER_GROUP, ENCODER_GROUP = "pytest_vmaf.scorers", "pytest_vmaf.encoders"


def load_scorer(name: str, hook: Any, plugins: pluggy.PluginManager, config: Any) -> Scorer:
    """The scorer of this name: from a conftest or plugin that is loaded, else by its entry point.

    Raises SettingsError that lists the names there are.
    """
    scorer: Scorer | None = _from_plugins("pytest_vmaf_scorer", SCORER_GROUP, name, hook, plugins, config)
    if scorer is None:
        names = tuple(sorted({entry.name for entry in entry_points(group=SCORER_GROUP)}))
        raise SettingsError(
            f"There is no scorer {name!r}.{did_you_mean(name, names or ('ffmpeg',))} Installed are "
            f"{', '.join(names)}; a conftest.py may add one with the hook pytest_vmaf_scorer."
        )
    return scorer


def load_encoder(name: str, hook: Any, plugins: pluggy.PluginManager, config: Any) -> Encoder:
    """The encoder of this name: from a conftest or plugin, by its entry point, else the one that is known here.

    Raises SettingsError with the nearest name.
    """
    from pytest_vmaf.encoding.encoders import ENCODERS, Encoder

    encoder = _from_plugins("pytest_vmaf_encoder", ENCODER_GROUP, name, hook, plugins, config) or ENCODERS.get(name)
    if encoder is None:
        raise SettingsError(
            f"There is no encoder {name!r}.{did_you_mean(name, tuple(ENCODERS))} There are "
            f"{', '.join(ENCODERS)}.\n  A command is known by its {{crf}}, as './myenc --crf {{crf}} -i {{input}} -o "
            "{output}'; a conftest.py may add a name with the hook pytest_vmaf_encoder."
        )
    if not isinstance(encoder, Encoder):
        raise SettingsError(f"The hook pytest_vmaf_encoder gave {encoder!r:.80} for {name!r}, not an Encoder.")
    return encoder


def _from_plugins(hook_name: str, group: str, name: str, hook: Any, plugins: pluggy.PluginManager, config: Any) -> Any:
    found = getattr(hook, hook_name)(config=config, name=name)
    # Not pluggy's load_setuptools_entrypoints: it passes over a scorer that has the name of any loaded plugin, as the
    # scorer `vmaf` has pytest's own name for this one.
    plugin_name = f"{group}:{name}"
    if found is None and not (plugins.has_plugin(plugin_name) or plugins.is_blocked(plugin_name)):
        for entry in entry_points(group=group, name=name):
            try:
                plugins.register(entry.load(), plugin_name)
            except Exception as error:
                what = group.rpartition(".")[2].removesuffix("s")
                wrong = EncodeError if what == "encoder" else ScorerError
                raise wrong(f"The {what} {name!r} cannot be loaded: {printable(repr(error))}.") from error
            found = getattr(plugins.hook, hook_name)(config=config, name=name)
    return found


def _standalone_plugins() -> pluggy.PluginManager:
    plugins = pluggy.PluginManager("pytest")
    plugins.add_hookspecs(hookspecs)
    return plugins
