"""The models of measurements, which a report names where they differ: their scores do not compare."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vmaf.report.schema import Record


def model_of(record: Record) -> str:
    """The model of a measurement, for example "vmaf_v0.6.1 (phone)"; "" if nothing was measured."""
    return str((record.get("provenance") or {}).get("model") or "")


def differ_in_model(records: Sequence[Record]) -> bool:
    """Whether measurements have different models, so that their scores do not compare."""
    return len({model for record in records if (model := model_of(record))}) > 1
