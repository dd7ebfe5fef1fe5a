"""What belongs to one test: its marker, its name, its baselines, and the keys under which pytest stores them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_vmaf.baselines.options import UpdateOptions
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.settings import Layer, make_layer
from pytest_vmaf.testrun.options import ReportOptions

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.baselines.check import BaselineLocation

#: The vmaf object of a test, and how many of its records were sent with a report.
SESSION: pytest.StashKey[Vmaf] = pytest.StashKey()
#: What the command line and the ini file say.
LAYERS = pytest.StashKey[tuple[Layer, ...]]()
REPORT_OPTIONS = pytest.StashKey[ReportOptions]()
UPDATE_OPTIONS = pytest.StashKey[UpdateOptions]()
SENT = pytest.StashKey[int]()


def cache_layer(config: pytest.Config) -> tuple[Layer, ...]:
    """Where scores and encodes are kept unless somebody says otherwise; nowhere if pytest keeps nothing."""
    cache = getattr(config, "cache", None)
    try:
        return (Layer("default", {"cache_dir": str(cache.mkdir("vmaf"))}, ()),) if cache is not None else ()
    except OSError:
        return ()


def baseline_location(item: pytest.Item) -> BaselineLocation:
    """Where the baselines of this test are."""
    from pytest_vmaf.baselines.check import BaselineLocation
    from pytest_vmaf.baselines.files import file_of
    from pytest_vmaf.testrun.rerun_command import again

    options, name = item.config.stash[UPDATE_OPTIONS], item_name(item)
    try:
        path = os.path.relpath(item.path, item.config.invocation_params.dir)
    except ValueError:
        # On another drive.
        path = str(item.path)
    return BaselineLocation(
        file=file_of(item.path, options.platform),
        test=name,
        command=again(item.config, path, name),
        here=item.config.invocation_params.dir,
        common=file_of(item.path) if options.platform else None,
        modes=options.modes,
        sends=bool(options.modes or options.candidate),
    )


def marker_layer(node: pytest.Item) -> tuple[Layer, ...]:
    """The settings and gates of the test's vmaf markers; the nearest marker wins. Fails the test if one is wrong."""
    keywords: dict[str, object] = {}
    # iter_markers goes from the nearest (function) to the farthest (module).
    for mark in node.iter_markers("vmaf"):
        if mark.args:
            pytest.fail(f"The vmaf marker takes keywords only, as min_neg=93, not {mark.args[0]!r}.", pytrace=False)
        keywords = {**mark.kwargs, **keywords}
    wrong = ""
    try:
        return (make_layer("marker", keywords),) if keywords else ()
    except SettingsError as error:
        wrong = str(error)
    # Outside of the except, so that pytest shows the sentence alone.
    pytest.fail(f"The vmaf marker of this test is wrong: {wrong}", pytrace=False)


def item_name(item: pytest.Item) -> str:
    """A test's name in its module, as its node id has it, without what xdist adds to it for a group."""
    chain = item.listchain()
    files = [place for place, node in enumerate(chain) if isinstance(node, pytest.File)]
    return "::".join(node.name for node in chain[files[-1] + 1 if files else -1 :])
