"""Gate video encoders on perceptual quality in pytest: VMAF, VMAF-NEG and the gap between them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_vmaf.encoding.answers import Bisection
    from pytest_vmaf.encoding.comparison import Comparison
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.encoding.rungs import Ladder
    from pytest_vmaf.encoding.shot_answers import PerShot
    from pytest_vmaf.quality.clip import Clip
    from pytest_vmaf.quality.errors import (
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
    from pytest_vmaf.quality.fake import FakeScorer
    from pytest_vmaf.quality.gate import Gate
    from pytest_vmaf.quality.result import FramesAbove, Result
    from pytest_vmaf.quality.score import Score
    from pytest_vmaf.quality.scorer import Capabilities, ScoreLog, Scorer, ScoreRequest, Tools
    from pytest_vmaf.report.section import Chart, DataTable, HeatMap, Line, Paragraph, Section, Shown
    from pytest_vmaf.roi.masked import RoiResult
    from pytest_vmaf.roi.regions import Region
    from pytest_vmaf.roi.tiles import QualityMap
    from pytest_vmaf.session import Vmaf

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

_ROOMS = {
    "Bisection": "encoding.answers",
    "Clip": "quality.clip",
    "Comparison": "encoding.comparison",
    "Encoder": "encoding.encoders",
    "Ladder": "encoding.rungs",
    "PerShot": "encoding.shot_answers",
    "FakeScorer": "quality.fake",
    "FramesAbove": "quality.result",
    "Gate": "quality.gate",
    "QualityMap": "roi.tiles",
    "Region": "roi.regions",
    "Result": "quality.result",
    "RoiResult": "roi.masked",
    "Score": "quality.score",
    "Vmaf": "session",
    **dict.fromkeys(("Chart", "DataTable", "HeatMap", "Line", "Paragraph", "Section", "Shown"), "report.section"),
    **dict.fromkeys(("Capabilities", "ScoreLog", "ScoreRequest", "Scorer", "Tools"), "quality.scorer"),
    **dict.fromkeys(
        (
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
        "quality.errors",
    ),
}


def __getattr__(name: str) -> Any:
    # Resolved when first asked for (PEP 562), so that a run without VMAF tests imports none of it.
    if name in _ROOMS:
        return getattr(import_module(f"pytest_vmaf.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
