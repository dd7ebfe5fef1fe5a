"""Gate video encoders on perceptual quality in pytest: VMAF, VMAF-NEG and the gap between them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_vmaf.api.keywords import (
        BisectSettings,
        CheckSettings,
        CompareSettings,
        EncoderOptions,
        EncodeSettings,
        MapSettings,
        RoiSettings,
        SearchSettings,
        Settings,
        SweepSettings,
    )
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.encoding.encode import Encode
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
    from pytest_vmaf.media.clip import Clip, ClipLike
    from pytest_vmaf.report.schema import REPORT_SCHEMA
    from pytest_vmaf.report.sections import Chart, DataTable, HeatMap, Line, Paragraph, Section, Shown
    from pytest_vmaf.roi.masked_score import RoiResult
    from pytest_vmaf.roi.quality_map import QualityMap, Tile
    from pytest_vmaf.roi.regions import Region
    from pytest_vmaf.scoring.fake import FakeScorer
    from pytest_vmaf.scoring.result import FramesAbove, Result
    from pytest_vmaf.scoring.score import Score
    from pytest_vmaf.scoring.scorer import (
        Capabilities,
        EncodeStep,
        EncodingScorer,
        JoiningScorer,
        ModelRun,
        RepeatableScorer,
        ScoreLog,
        Scorer,
        ScoreRequest,
        Source,
        Tools,
    )
    from pytest_vmaf.search.bisection import Answer, Bisection
    from pytest_vmaf.search.comparison import Comparison, Delta
    from pytest_vmaf.search.ladder import Ladder, Rung
    from pytest_vmaf.search.per_shot import PerShot, ShotAnswer
    from pytest_vmaf.search.probe import Probe
    from pytest_vmaf.search.recommend import recommend
    from pytest_vmaf.search.rows import Row
    from pytest_vmaf.search.speed import Speed

__all__ = [
    "REPORT_SCHEMA",
    "Answer",
    "BaselineError",
    "BisectSettings",
    "Bisection",
    "CacheWarning",
    "Capabilities",
    "Chart",
    "CheckSettings",
    "Clip",
    "ClipError",
    "ClipLike",
    "CompareSettings",
    "Comparison",
    "DataTable",
    "Delta",
    "Encode",
    "EncodeError",
    "EncodeSettings",
    "EncodeStep",
    "Encoder",
    "EncoderOptions",
    "EncodingScorer",
    "FakeScorer",
    "FramesAbove",
    "Gate",
    "GateViolation",
    "HeatMap",
    "IncomparableScores",
    "JoiningScorer",
    "Ladder",
    "Line",
    "LogError",
    "MapSettings",
    "MaskError",
    "MeasurementError",
    "ModelError",
    "ModelRun",
    "PairError",
    "Paragraph",
    "PerShot",
    "Probe",
    "QualityMap",
    "Region",
    "RepeatableScorer",
    "Result",
    "RoiResult",
    "RoiSettings",
    "Row",
    "Rung",
    "Score",
    "ScoreLog",
    "ScoreRequest",
    "Scorer",
    "ScorerError",
    "SearchSettings",
    "Section",
    "Settings",
    "SettingsError",
    "ShotAnswer",
    "Shown",
    "Source",
    "Speed",
    "SweepSettings",
    "Tile",
    "Tools",
    "Vmaf",
    "recommend",
]

_EXPORTS = {
    "api.keywords": (
        "BisectSettings",
        "CheckSettings",
        "CompareSettings",
        "EncodeSettings",
        "EncoderOptions",
        "MapSettings",
        "RoiSettings",
        "SearchSettings",
        "Settings",
        "SweepSettings",
    ),
    "api.vmaf": ("Vmaf",),
    "encoding.encode": ("Encode",),
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
    "media.clip": ("Clip", "ClipLike"),
    "report.schema": ("REPORT_SCHEMA",),
    "report.sections": ("Chart", "DataTable", "HeatMap", "Line", "Paragraph", "Section", "Shown"),
    "roi.masked_score": ("RoiResult",),
    "roi.quality_map": ("QualityMap", "Tile"),
    "roi.regions": ("Region",),
    "scoring.fake": ("FakeScorer",),
    "scoring.result": ("FramesAbove", "Result"),
    "scoring.score": ("Score",),
    "scoring.scorer": (
        "Capabilities",
        "EncodeStep",
        "EncodingScorer",
        "JoiningScorer",
        "ModelRun",
        "RepeatableScorer",
        "ScoreLog",
        "ScoreRequest",
        "Scorer",
        "Source",
        "Tools",
    ),
    "search.bisection": ("Answer", "Bisection"),
    "search.comparison": ("Comparison", "Delta"),
    "search.ladder": ("Ladder", "Rung"),
    "search.per_shot": ("PerShot", "ShotAnswer"),
    "search.probe": ("Probe",),
    "search.recommend": ("recommend",),
    "search.rows": ("Row",),
    "search.speed": ("Speed",),
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    # Names are resolved on first use (PEP 562), so that a run without VMAF tests imports none of these modules.
    if name in _MODULES:
        return getattr(import_module(f"pytest_vmaf.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
