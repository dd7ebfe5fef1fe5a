"""Gate video encoders on perceptual quality in pytest: VMAF, VMAF-NEG and the gap between them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # `X as X` tells type checkers that X is exported. Every class of the modules with a star is.
    from pytest_vmaf.api.chunk_keywords import ScoreSettings as ScoreSettings
    from pytest_vmaf.api.correlate import correlate as correlate
    from pytest_vmaf.api.keywords import (
        BisectSettings as BisectSettings,
        CheckSettings as CheckSettings,
        CompareSettings as CompareSettings,
        EncoderOptions as EncoderOptions,
        EncodeSettings as EncodeSettings,
        MapSettings as MapSettings,
        RoiSettings as RoiSettings,
        SearchSettings as SearchSettings,
        Settings as Settings,
        StreamSettings as StreamSettings,
        SweepSettings as SweepSettings,
    )
    from pytest_vmaf.api.trial_keywords import (
        DeterminismSettings as DeterminismSettings,
        SpeedSettings as SpeedSettings,
    )
    from pytest_vmaf.api.vmaf import Vmaf as Vmaf
    from pytest_vmaf.bitstream.stream import Stream as Stream
    from pytest_vmaf.correlation.correlation import (
        ClipGroup as ClipGroup,
        Correlation as Correlation,
        MetricAgreement as MetricAgreement,
    )
    from pytest_vmaf.correlation.curve import MosCurve as MosCurve
    from pytest_vmaf.correlation.differences import MetricDifference as MetricDifference
    from pytest_vmaf.correlation.join import RatedClip as RatedClip
    from pytest_vmaf.correlation.statistics import Estimate as Estimate
    from pytest_vmaf.encoding.codec import Codec as Codec
    from pytest_vmaf.encoding.encode import Encode as Encode, TrialEncode as TrialEncode
    from pytest_vmaf.encoding.encoders import Encoder as Encoder
    from pytest_vmaf.encoding.source_frames import SourceFrames as SourceFrames
    from pytest_vmaf.errors import *  # noqa: F403
    from pytest_vmaf.gates.gate import Gate as Gate
    from pytest_vmaf.history.file import read_history as read_history
    from pytest_vmaf.history.line import HistoryLine as HistoryLine
    from pytest_vmaf.media.clip import Clip as Clip
    from pytest_vmaf.media.clip_like import ClipLike as ClipLike
    from pytest_vmaf.media.read_frames import read_frames as read_frames
    from pytest_vmaf.metrics.metric import ClipMetric as ClipMetric, FramePairs as FramePairs, Metric as Metric
    from pytest_vmaf.metrics.network_metric import NetworkMetric as NetworkMetric
    from pytest_vmaf.report.schema import REPORT_SCHEMA as REPORT_SCHEMA
    from pytest_vmaf.report.sections import (
        Chart as Chart,
        DataTable as DataTable,
        HeatMap as HeatMap,
        Line as Line,
        Paragraph as Paragraph,
        Pictures as Pictures,
        Section as Section,
        Shown as Shown,
    )
    from pytest_vmaf.roi.masked_score import RoiResult as RoiResult
    from pytest_vmaf.roi.quality_map import QualityMap as QualityMap, Tile as Tile
    from pytest_vmaf.roi.regions import Region as Region
    from pytest_vmaf.scoring.fake import FakeScorer as FakeScorer
    from pytest_vmaf.scoring.result import FramesAbove as FramesAbove, Result as Result
    from pytest_vmaf.scoring.score import Score as Score
    from pytest_vmaf.scoring.scorer import *  # noqa: F403
    from pytest_vmaf.search.agreement import Agreement as Agreement
    from pytest_vmaf.search.benchmark import (
        Benchmark as Benchmark,
        MatchedRate as MatchedRate,
        RankedEncoder as RankedEncoder,
    )
    from pytest_vmaf.search.bisection import Answer as Answer, Bisection as Bisection
    from pytest_vmaf.search.comparison import Comparison as Comparison
    from pytest_vmaf.search.delta import Delta as Delta
    from pytest_vmaf.search.determinism import Determinism as Determinism, RepeatedEncode as RepeatedEncode
    from pytest_vmaf.search.ladder import Ladder as Ladder, Rung as Rung
    from pytest_vmaf.search.per_shot import PerShot as PerShot, ShotAnswer as ShotAnswer
    from pytest_vmaf.search.probe import Probe as Probe, Trial as Trial
    from pytest_vmaf.search.rank_encoders import benchmark as benchmark
    from pytest_vmaf.search.recommend import recommend as recommend
    from pytest_vmaf.search.rows import Row as Row
    from pytest_vmaf.search.speed import Speed as Speed, SpeedRound as SpeedRound
    from pytest_vmaf.suite.manifest import read_suite as read_suite
    from pytest_vmaf.suite.suite import (
        Suite as Suite,
        SuiteClip as SuiteClip,
        SuiteEncode as SuiteEncode,
        SuitePair as SuitePair,
        SuiteTest as SuiteTest,
    )

#: The public names by module. They are resolved on first use (PEP 562): a run without VMAF tests imports none of them.
_EXPORTS = {
    "api.chunk_keywords": "ScoreSettings",
    "api.correlate": "correlate",
    "api.keywords": "BisectSettings CheckSettings CompareSettings EncodeSettings EncoderOptions MapSettings "
    "RoiSettings SearchSettings Settings StreamSettings SweepSettings",
    "api.trial_keywords": "DeterminismSettings SpeedSettings",
    "api.vmaf": "Vmaf",
    "bitstream.stream": "Stream",
    "correlation.correlation": "ClipGroup Correlation MetricAgreement",
    "correlation.curve": "MosCurve",
    "correlation.differences": "MetricDifference",
    "correlation.join": "RatedClip",
    "correlation.statistics": "Estimate",
    "encoding.codec": "Codec",
    "encoding.encode": "Encode TrialEncode",
    "encoding.encoders": "Encoder",
    "encoding.source_frames": "SourceFrames",
    "errors": "BaselineError CacheWarning ClipError EncodeError GateViolation IncomparableScores LogError "
    "MaskError MeasurementError MetricError ModelError NoiseError PairError PairWarning ScorerError SettingsError",
    "gates.gate": "Gate",
    "history.file": "read_history",
    "history.line": "HistoryLine",
    "media.clip": "Clip",
    "media.clip_like": "ClipLike",
    "media.read_frames": "read_frames",
    "metrics.metric": "ClipMetric FramePairs Metric",
    "metrics.network_metric": "NetworkMetric",
    "report.schema": "REPORT_SCHEMA",
    "report.sections": "Chart DataTable HeatMap Line Paragraph Pictures Section Shown",
    "roi.masked_score": "RoiResult",
    "roi.quality_map": "QualityMap Tile",
    "roi.regions": "Region",
    "scoring.fake": "FakeScorer",
    "scoring.result": "FramesAbove Result",
    "scoring.score": "Score",
    "scoring.scorer": "Capabilities EncodeStep EncodingScorer JoiningScorer ModelRun RepeatableScorer "
    "ScoreLog ScoreRequest Scorer Source Tools",
    "search.agreement": "Agreement",
    "search.benchmark": "Benchmark MatchedRate RankedEncoder",
    "search.bisection": "Answer Bisection",
    "search.comparison": "Comparison",
    "search.delta": "Delta",
    "search.determinism": "Determinism RepeatedEncode",
    "search.ladder": "Ladder Rung",
    "search.per_shot": "PerShot ShotAnswer",
    "search.probe": "Probe Trial",
    "search.rank_encoders": "benchmark",
    "search.recommend": "recommend",
    "search.rows": "Row",
    "search.speed": "Speed SpeedRound",
    "suite.manifest": "read_suite",
    "suite.suite": "Suite SuiteClip SuiteEncode SuitePair SuiteTest",
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names.split()}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(f"pytest_vmaf.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
