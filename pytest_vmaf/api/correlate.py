"""`correlate`, whose result notebooks show as the tables and charts of the report."""

from __future__ import annotations

from pytest_vmaf.correlation.correlate import correlate as correlate
from pytest_vmaf.report.notebook import register_views

register_views()
