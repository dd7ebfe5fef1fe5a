"""The plugin API of pytest-vmaf: hooks that conftest files and plugins may implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import pytest

    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.report.sections import Section
    from pytest_vmaf.scoring.scorer import Scorer

hookspec = pluggy.HookspecMarker("pytest")


@hookspec(firstresult=True)
def pytest_vmaf_scorer(config: pytest.Config | None, name: str) -> Scorer | None:
    """Return the scorer backend of this name, or None when the name is not yours.

    A scorer has two methods, ``capabilities(tools)`` and ``score(request)``; ``pytest_vmaf.scoring.scorer`` says what
    goes in and what must come out. Its log is verified: every asked column, every frame, finite numbers.

    Implement it in a ``conftest.py``, in any pytest plugin, or in a module that an installed package names in the
    entry-point group ``pytest_vmaf.scorers``; the last is imported only when its name is first asked for::

        # conftest.py
        def pytest_vmaf_scorer(config, name):
            if name == "farm":
                return FarmScorer(config.getini("farm_url"))

    ``config`` is None where there is no pytest: under ``pytest_vmaf.Vmaf()`` and the ``pytest-vmaf`` command. Marked
    with ``pluggy.HookimplMarker("pytest")``, one module serves both.
    """


@hookspec(firstresult=True)
def pytest_vmaf_encoder(config: pytest.Config | None, name: str) -> Encoder | None:
    """Return the encoder of this name, or None when the name is not yours.

    :class:`pytest_vmaf.Encoder` is data: how quality and preset are told, and which way the scale runs. Implement it
    where ``pytest_vmaf_scorer`` may be; the entry-point group is ``pytest_vmaf.encoders``::

        def pytest_vmaf_encoder(config, name):
            if name == "ours":
                return Encoder("ours", (0, 63), command=("ours", "--qp", "{crf}", "-o", "{output}", "-"))
    """


@hookspec
def pytest_vmaf_test_sections(item: pytest.Item, measurements: Sequence[Mapping[str, Any]]) -> Sequence[Section] | None:
    """Return sections for this test's entry in the report, from what it measured (``schema.MEASUREMENT``).

    Called once where the test ran, after its call, whatever the outcome; under xdist on the worker. What it is given is
    a copy. If an implementation raises, the report says so in place of this hook's sections; the test's outcome stands.
    ``Section``, ``Paragraph``, ``DataTable``, ``Chart``, ``Line``, ``Shown`` (pictures with rectangles) and ``HeatMap``
    come from :mod:`pytest_vmaf`::

        def pytest_vmaf_test_sections(item, measurements):
            return [Section("Bitrate", [DataTable(["clip", "bit/s"], [["out.mp4", 1_800_000]])])]
    """


@hookspec
def pytest_vmaf_run_sections(config: pytest.Config, document: Mapping[str, Any]) -> Sequence[Section] | None:
    """Return sections about the whole run, shown after its tests. Called once, on the controller, when all is known.

    ``document`` is a copy of the report as data (``schema.DOCUMENT``).
    """
