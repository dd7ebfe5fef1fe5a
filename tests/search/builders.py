"""Synthetic searches: curves instead of scores, and a copied encode instead of an encoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from pytest_vmaf import FakeScorer, Vmaf
from pytest_vmaf.encoding.encode import TrialEncode
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.features import feature_columns, resolve_feature
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest
from pytest_vmaf.search.bisect import PLAIN, bisect
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan
from pytest_vmaf.search.bisection import Answer, Bisection
from pytest_vmaf.search.comparison import Comparison
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe

NEG = Metric("neg")
CEILING = 99.5
Curve = Callable[[float], float]


def line(crf: float) -> float:
    """NEG 100 at CRF 0, and 1.5 less for each CRF."""
    return 100 - 1.5 * crf


class CurveScorer(FakeScorer):
    """Scores an encode by the CRF in its file's name, and records the columns that it is asked for."""

    def __init__(self, curve: Curve = line, frames: int = 8) -> None:
        super().__init__(self_score=CEILING, frames=frames)
        self.curve, self.frames, self.columns = curve, frames, list[tuple[str, ...]]()

    def score(self, request: ScoreRequest) -> ScoreLog:
        self.columns.append(tuple(request.columns))
        crf = re.search(r"-crf(\d+(?:\.\d+)?)\.", request.distorted.clip.path.name)
        neg = self.curve(float(crf[1])) if crf else CEILING
        features = dict.fromkeys(set(request.columns) - {"vmaf", "neg"}, neg / 2)
        fake = FakeScorer(neg + 2, neg, features=features, self_score=CEILING, frames=self.frames)
        return fake.score(request)


class TwoMetrics(CurveScorer):
    """NEG as the curve has it, and a PSNR of half of it, each with the change of the encoder in the file's name."""

    def __init__(self, **changes: tuple[float, float]) -> None:
        super().__init__(frames=12)
        self.changes = changes

    def score(self, request: ScoreRequest) -> ScoreLog:
        log = super().score(request)
        name = request.distorted.clip.path.name
        neg, other = next((each for label, each in self.changes.items() if f"-{label}-" in name), (0.0, 0.0))
        by_column = {"vmaf": neg, "neg": neg}
        columns = {
            column: tuple(value + by_column.get(column, other) for value in values)
            for column, values in log.columns.items()
        }
        return replace(log, columns=columns)


def named_x264(ffmpeg: str, name: str, *arguments: str) -> Encoder:
    """x264 under another name, which is a part of the names of its encodes."""
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", *arguments, "-crf", "{crf}")
    return Encoder(name, (10, 45), command=(ffmpeg, "-v", "error", "-i", "{input}", *encoder, "{output}"))


def copying(file: Path, name: str = "copy", **settings: object) -> Encoder:
    """An encoder that writes a copy of this file at every CRF."""

    def copy(source: Path, output: Path, crf: int) -> None:
        output.write_bytes(file.read_bytes())

    return replace(function_encoder(copy), name=name, **settings)  # type: ignore[arg-type]


def search(
    clip: Path | Clip,
    encoder: Encoder,
    *targets: float,
    curve: Curve = line,
    scorer: object = None,
    plan: SearchPlan = PLAIN,
    scoring: Mapping[str, object] | None = None,
    **settings: object,
) -> Bisection:
    """One bisection, scored by a curve unless a scorer is given."""
    source = clip if isinstance(clip, Clip) else Clip(clip)
    measure = MeasureRequest(source, source, **(scoring or {}))  # type: ignore[arg-type]
    request = BisectRequest(measure, encoder, targets, **settings)  # type: ignore[arg-type]
    return bisect(request, scorer or CurveScorer(curve), plan)  # type: ignore[arg-type]


@cache
def a_result(neg: float, vmaf: float, psnr: float | None = None) -> Result:
    features = {} if psnr is None else dict.fromkeys(("psnr_y", "psnr_cb", "psnr_cr"), psnr)
    scorer = FakeScorer(vmaf, neg, features=features, frames=4)
    return Vmaf(scorer=scorer).score("reference.mkv", "encode.mp4", features=list(features)[:1])


def a_probe(crf: int, neg: float, rate: float, gap: float = 2.0, psnr: float | None = None) -> Probe:
    """A trial encode of one second; the rate is in kbit/s."""
    encode = TrialEncode("libx264", crf, None, round(rate * 125), 25, 1.0, None, "ffmpeg")
    return Probe(crf, neg, a_result(neg, neg + gap, psnr), encode)


def a_curve(rate: float = 1.0, gap: float = 2.0, psnr: bool = False) -> tuple[Probe, ...]:
    """NEG 97 to 79 by steps of 3, with half the bits every three CRFs."""
    crfs = range(18, 39, 3)
    return tuple(
        a_probe(crf, 115 - crf, rate * 4000 / 2 ** (crf / 3 - 6), gap, 50 - crf / 2 if psnr else None) for crf in crfs
    )


def with_features(probes: tuple[Probe, ...], **features: Callable[[float], float]) -> tuple[Probe, ...]:
    """The same trial encodes with further columns, each a function of NEG."""
    return tuple(
        replace(probe, result=_with_columns(probe.score, tuple((k, f(probe.score)) for k, f in features.items())))
        for probe in probes
    )


@cache
def _with_columns(neg: float, columns: tuple[tuple[str, float], ...]) -> Result:
    names = dict.fromkeys(resolve_feature(column) for column, _ in columns)
    values = {column: 1.0 for name in names for column, feature in feature_columns().items() if feature == name}
    scorer = FakeScorer(neg + 2, neg, features={**values, **dict(columns)}, frames=4)
    return Vmaf(scorer=scorer).score("reference.mkv", "encode.mp4", features=list(names))


def a_bisection(probes: tuple[Probe, ...], targets: tuple[float, ...] = (82, 88, 94)) -> Bisection:
    answers = {}
    for target in targets:
        reached = [probe for probe in probes if probe.score >= target]
        missed = [probe for probe in probes if probe.score < target]
        if reached and missed:
            answers[target] = Answer(target, NEG, "met", "libx264", CEILING, reached[-1], missed[0])
        elif reached:
            answers[target] = Answer(target, NEG, "met at the coarsest", "libx264", CEILING, reached[-1])
        else:
            finest = ((probes[0].crf, probes[0].score),)
            answers[target] = Answer(target, NEG, "below at the finest", "libx264", CEILING, evidence=finest)
    return Bisection(
        encoder=ENCODERS["libx264"],
        name="libx264 medium",
        reference="reference.mkv",
        arguments=(),
        metric=NEG,
        ceiling=CEILING,
        self_score=a_result(CEILING, CEILING),
        answers=answers,
        probes=probes,
    )


def a_comparison(targets: tuple[float, ...] = (82, 88, 94), **labels: tuple[Probe, ...]) -> Comparison:
    """A comparison of curves on one source."""
    return Comparison(NEG, targets, {"a.mkv": {label: a_bisection(each, targets) for label, each in labels.items()}})
