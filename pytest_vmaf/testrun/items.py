"""What belongs to one test: its marker, its name, its baselines, and the keys under which pytest stores them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_vmaf.baselines.update_options import UpdateOptions
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.settings import Layer, make_layer
from pytest_vmaf.testrun.options import metric_finder
from pytest_vmaf.testrun.report_only import KEYWORD, ReportOnly
from pytest_vmaf.testrun.report_options import ReportOptions

if TYPE_CHECKING:
    from pytest_vmaf.api.context import Context
    from pytest_vmaf.baselines.check import BaselineLocation

#: What the `vmaf` fixture of a test knows, and how many of its records a report has carried.
CONTEXT: pytest.StashKey[Context] = pytest.StashKey()
SENT = pytest.StashKey[int]()
#: The settings of the command line and of the ini file.
LAYERS = pytest.StashKey[tuple[Layer, ...]]()
#: What the manifest of a test sets for it.
MANIFEST_LAYERS = pytest.StashKey[tuple[Layer, ...]]()
REPORT_OPTIONS = pytest.StashKey[ReportOptions]()
REPORT_ONLY = pytest.StashKey[ReportOnly]()
UPDATE_OPTIONS = pytest.StashKey[UpdateOptions]()


def item_name(item: pytest.Item) -> str:
    """A test's name in its module, as in its node id, without the group that xdist adds."""
    chain = item.listchain()
    files = [index for index, node in enumerate(chain) if isinstance(node, pytest.File)]
    return "::".join(node.name for node in chain[files[-1] + 1 if files else -1 :])


def cache_layer(config: pytest.Config) -> tuple[Layer, ...]:
    """The default cache folder, inside pytest's own; none if pytest's cache is switched off."""
    cache = getattr(config, "cache", None)
    try:
        return (Layer("default", {"cache_dir": str(cache.mkdir("vmaf"))}, ()),) if cache is not None else ()
    except OSError:
        return ()


def baseline_location(item: pytest.Item) -> BaselineLocation:
    """Where the baselines of a test are stored."""
    from pytest_vmaf.baselines.check import BaselineLocation
    from pytest_vmaf.baselines.files import file_of
    from pytest_vmaf.testrun.rerun_command import rerun_command

    options, name, here = item.config.stash[UPDATE_OPTIONS], item_name(item), item.config.invocation_params.dir
    try:
        path = os.path.relpath(item.path, here)
    except ValueError:
        # The file is on another drive.
        path = str(item.path)
    return BaselineLocation(
        file=file_of(item.path, options.platform),
        test=name,
        command=partial(rerun_command, item.config, path, name),
        here=here,
        common=file_of(item.path) if options.platform else None,
        modes=options.modes,
        sends=bool(options.modes or options.candidate),
    )


def marker_layer(item: pytest.Item) -> tuple[Layer, ...]:
    """The settings and gates of the test's vmaf markers, of which the nearest wins, and of its manifest."""
    keywords: dict[str, object] = {}
    gates: dict[str, object] = {}
    # iter_markers goes from the nearest (function) to the farthest (module).
    for mark in item.iter_markers("vmaf"):
        if mark.args:
            pytest.fail(
                f"The vmaf marker accepts only keywords, for example min_neg=93, not {mark.args[0]!r}.", pytrace=False
            )
        own = {name: value for name, value in mark.kwargs.items() if (name, value) != ("gates", None)}
        own.pop(KEYWORD, None)
        # In either form a gate of a nearer marker wins. A marker that sets a gate in both forms is refused below.
        own_gates = own.pop("gates") if isinstance(own.get("gates"), Mapping) else {}
        nearer = {*keywords, *gates}
        keywords |= {name: value for name, value in own.items() if name not in nearer}
        gates |= {name: limit for name, limit in own_gates.items() if name not in nearer}
    keywords = {"gates": gates, **keywords} if gates else keywords
    try:
        find = metric_finder(
            item.config, item.ihook, (*item.stash.get(MANIFEST_LAYERS, ()), *item.config.stash[LAYERS])
        )
        own_layers = (make_layer("marker", keywords, find=find),) if keywords else ()
        return (*own_layers, *item.stash.get(MANIFEST_LAYERS, ()))
    except SettingsError as caught:
        error = caught
    # Outside of the except block, so that pytest does not show where the error came from.
    pytest.fail(f"The vmaf marker of this test is invalid: {error}", pytrace=False)
