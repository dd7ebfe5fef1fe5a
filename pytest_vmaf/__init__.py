"""Gate video encoders on perceptual quality in pytest: VMAF, VMAF-NEG and the gap between them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.errors import (
        BaselineError,
        CacheWarning,
        ClipError,
        EncodeError,
        GateViolation,
        IncomparableScores,
        LogError,
        MaskError,
        MeasurementError,
        ModelError,
        PairError,
        ScorerError,
        SettingsError,
    )
    from pytest_vmaf.gates.gate import Gate
    from pytest_vmaf.media.clip import Clip
    from pytest_vmaf.report.sections import Chart, DataTable, HeatMap, Line, Paragraph, Section, Shown
    from pytest_vmaf.roi.masked_score import RoiResult
    from pytest_vmaf.roi.quality_map import QualityMap
    from pytest_vmaf.roi.regions import Region
    from pytest_vmaf.scoring.fake import FakeScorer
    from pytest_vmaf.scoring.result import FramesAbove, Result
    from pytest_vmaf.scoring.score import Score
    from pytest_vmaf.scoring.scorer import Capabilities, ScoreLog, Scorer, ScoreRequest, Tools
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.comparison import Comparison
    from pytest_vmaf.search.ladder import Ladder
    from pytest_vmaf.search.per_shot import PerShot

__all__ = [
    "BaselineError",
    "Bisection",
    "CacheWarning",
    "Capabilities",
    "Chart",
    "Clip",
    "ClipError",
    "Comparison",
    "DataTable",
    "EncodeError",
    "Encoder",
    "FakeScorer",
    "FramesAbove",
    "Gate",
    "GateViolation",
    "HeatMap",
    "IncomparableScores",
    "Ladder",
    "Line",
    "LogError",
    "MaskError",
    "MeasurementError",
    "ModelError",
    "PairError",
    "Paragraph",
    "PerShot",
    "QualityMap",
    "Region",
    "Result",
    "RoiResult",
    "Score",
    "ScoreLog",
    "ScoreRequest",
    "Scorer",
    "ScorerError",
    "Section",
    "SettingsError",
    "Shown",
    "Tools",
    "Vmaf",
]

_EXPORTS = {
    "api.vmaf": ("Vmaf",),
    "encoding.encoders": ("Encoder",),
    "errors": (
        "BaselineError",
        "CacheWarning",
        "ClipError",
        "EncodeError",
        "GateViolation",
        "IncomparableScores",
        "LogError",
        "MaskError",
        "MeasurementError",
        "ModelError",
        "PairError",
        "ScorerError",
        "SettingsError",
    ),
    "gates.gate": ("Gate",),
    "media.clip": ("Clip",),
    "report.sections": (
        "Chart",
        "DataTable",
        "HeatMap",
        "Line",
        "Paragraph",
        "Section",
        "Shown",
    ),
    "roi.masked_score": ("RoiResult",),
    "roi.quality_map": ("QualityMap",),
    "roi.regions": ("Region",),
    "scoring.fake": ("FakeScorer",),
    "scoring.result": (
        "FramesAbove",
        "Result",
    ),
    "scoring.score": ("Score",),
    "scoring.scorer": (
        "Capabilities",
        "ScoreLog",
        "ScoreRequest",
        "Scorer",
        "Tools",
    ),
    "search.bisection": ("Bisection",),
    "search.comparison": ("Comparison",),
    "search.ladder": ("Ladder",),
    "search.per_shot": ("PerShot",),
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> Any:
    # Resolved when first asked for (PEP 562), so that a run without VMAF tests imports none of it.
    if name in _MODULES:
        return getattr(import_module(f"pytest_vmaf.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
