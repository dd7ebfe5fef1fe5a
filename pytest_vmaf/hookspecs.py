"""The hooks of pytest-vmaf, which conftest files and plugins may implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import pytest

    from pytest_vmaf.encoding.codec import Codec
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.metrics.metric import ClipMetric, Metric
    from pytest_vmaf.report.sections import Section
    from pytest_vmaf.scoring.scorer import Scorer

hookspec = pluggy.HookspecMarker("pytest")


@hookspec(firstresult=True)
def pytest_vmaf_scorer(config: pytest.Config | None, name: str) -> Scorer | None:
    """Return the scorer of this name, or None if the name is not yours.

    A scorer has two methods, `capabilities(tools)` and `score(request)`; `pytest_vmaf.Scorer` is their protocol. Every
    log is verified: it must contain each requested column, each frame, and only finite numbers.

    Implement the hook in a `conftest.py`, in a pytest plugin, or in a module that an installed package names in the
    entry-point group `pytest_vmaf.scorers`. Such a module is imported when its name is first requested. Marked with
    `pluggy.HookimplMarker("pytest")`, one module serves pytest and the `pytest-vmaf` command::

        # conftest.py
        def pytest_vmaf_scorer(config, name):
            if name == "farm":
                return FarmScorer(config.getini("farm_url"))

    Args:
        config: pytest's config; None in `pytest_vmaf.Vmaf()` and in the `pytest-vmaf` command.
        name: The name of the scorer.
    """


@hookspec(firstresult=True)
def pytest_vmaf_encoder(config: pytest.Config | None, name: str) -> Encoder | Codec[Any] | None:
    """Return the encoder of this name, or None if the name is not yours.

    A `pytest_vmaf.Encoder` is data: how to set quality and preset, and the direction of the quality scale. A
    `pytest_vmaf.Codec` encodes and decodes in Python. Implement the hook where `pytest_vmaf_scorer` may be implemented;
    the entry-point group is `pytest_vmaf.encoders`::

        def pytest_vmaf_encoder(config, name):
            if name == "ours":
                return Encoder("ours", (0, 63), command=("ours", "--qp", "{crf}", "-o", "{output}", "-"))

    Args:
        config: pytest's config; None in `pytest_vmaf.Vmaf()` and in the `pytest-vmaf` command.
        name: The name of the encoder.
    """


@hookspec(firstresult=True)
def pytest_vmaf_metric(config: pytest.Config | None, name: str) -> Metric | ClipMetric | None:
    """Return the metric of this name, or None if the name is not yours.

    A metric has a `name`, a `direction` ("higher" or "lower") and a method `measure(reference, distorted)`;
    `pytest_vmaf.Metric` is its protocol. The hook is called for the names in `metrics=`, and for gates on metrics that
    pytest-vmaf does not have, such as `min_ssimulacra2=70`. Implement it where `pytest_vmaf_scorer` may be implemented;
    the entry-point group is `pytest_vmaf.metrics`::

        def pytest_vmaf_metric(config, name):
            if name == "ssimulacra2":
                return Ssimulacra2()

    Args:
        config: pytest's config; None in `pytest_vmaf.Vmaf()` and in the `pytest-vmaf` command.
        name: The name of the metric.
    """


@hookspec
def pytest_vmaf_test_sections(item: pytest.Item, measurements: Sequence[Mapping[str, Any]]) -> Sequence[Section] | None:
    """Return sections for a test in the report.

    The hook is called once for each test, after its call, whatever the outcome; under xdist in the worker. If an
    implementation raises, the report shows the error instead of its sections, and the test's outcome does not change.
    `Section`, `Paragraph`, `DataTable`, `Chart`, `Line`, `Pictures` (with rectangles) and `HeatMap` come from
    `pytest_vmaf`::

        def pytest_vmaf_test_sections(item, measurements):
            return [Section("Bitrate", [DataTable(["clip", "bit/s"], [["out.mp4", 1_800_000]])])]

    Args:
        item: The test.
        measurements: A copy of what the test measured; `report.schema.MEASUREMENT` is the shape.
    """


@hookspec
def pytest_vmaf_run_sections(config: pytest.Config, document: Mapping[str, Any]) -> Sequence[Section] | None:
    """Return sections about the whole run, which the report shows after the tests.

    The hook is called once, on the controller, at the end of the run.

    Args:
        config: pytest's config.
        document: A copy of the report as data; `report.schema.DOCUMENT` is the shape.
    """
