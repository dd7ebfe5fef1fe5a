"""Comparisons of encoders: BD-rates, bitrates at a target, the NEG penalty, several sources, and what is refused."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.errors import EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bdrate import RateQuality, bd_quality, bd_rate, rate_at
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.compare import CompareRequest, compare
from pytest_vmaf.search.comparison import Comparison
from pytest_vmaf.search.delta import Delta
from pytest_vmaf.search.metric import Metric, parse_metric
from pytest_vmaf.search.rate_curve import curve
from pytest_vmaf.search.sweep import SweepRequest, sweep
from search.builders import NEG, CurveScorer, a_bisection, a_comparison, a_curve, copying

TARGETS = (80.0, 86.0, 90.0)
SHARPENED = ("-vf", "unsharp=5:5:0.4")


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Clip:
    return Clip(footage("160x120", 12))


def a_request(clip: Clip, encoder: str | Encoder = "libx264", **settings: Any) -> BisectRequest:
    chosen = ENCODERS[encoder] if isinstance(encoder, str) else encoder
    settings.setdefault("preset", "ultrafast" if chosen.name == "libx264" else None)
    return BisectRequest(MeasureRequest(clip, clip), chosen, settings.pop("targets", TARGETS), **settings)


def run(contenders: Mapping[str, BisectRequest], *clips: Clip, scorer: object = None, **settings: Any) -> Comparison:
    scorings = tuple(MeasureRequest(clip, clip) for clip in clips)
    return compare(CompareRequest(scorings, contenders, **settings), scorer or FfmpegScorer())  # type: ignore[arg-type]


def both(clip: Clip, **settings: Any) -> dict[str, BisectRequest]:
    """x264, and the same after a filter that sharpens."""
    return {"plain": a_request(clip, **settings), "sharp": a_request(clip, arguments=SHARPENED, **settings)}


@pytest.fixture(scope="session")
def duel(clip: Clip) -> Comparison:
    """A comparison of real encodes."""
    return run(both(clip), clip, speed=True)


@pytest.fixture(scope="session")
def dense(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, RateQuality]]:
    """By label and metric, the curve through every CRF that matters."""
    curves = {}
    for label, arguments in (("plain", ()), ("sharp", SHARPENED)):
        output = tmp_path_factory.mktemp("dense") / "sweep.jsonl"
        grid = ((ENCODERS["libx264"], ("ultrafast",)),)
        request = SweepRequest((MeasureRequest(clip, clip),), grid, tuple(range(18, 35)), output, arguments=arguments)
        rows = sweep(request, FfmpegScorer())
        curves[label] = {
            metric: RateQuality(tuple((row.bitrate, row.scores[metric]) for row in rows)) for metric in ("vmaf", "neg")
        }
    return curves


@pytest.fixture(scope="session")
def pair() -> Comparison:
    """Curves without encodes: "sharp" needs 25 % more bitrate for the same NEG, and less for the same VMAF."""
    return a_comparison(plain=a_curve(), sharp=a_curve(1.25, gap=5.0))


# Real encodes.


@pytest.mark.slow
def test_sharpening_wins_by_vmaf_and_loses_by_neg(duel: Comparison) -> None:
    assert duel.met
    assert duel.bd_rate("sharp", anchor="plain", metric="vmaf") < -4
    assert duel.bd_rate("sharp", anchor="plain") > 10
    assert duel.bd_quality("sharp", anchor="plain", metric="vmaf") > 0 > duel.bd_quality("sharp", anchor="plain")
    assert duel.lost_wins == (("sharp", "plain"),)
    for target in TARGETS:
        assert duel.penalty("sharp", target) > 2 * duel.penalty("plain", target) > 0


@pytest.mark.slow
def test_speed(duel: Comparison, pair: Comparison) -> None:
    speed = duel.speed("sharp")
    assert speed is not None
    assert speed.crf == duel["sharp"][86].crf
    assert speed.encode > 0
    assert speed.decode > 0
    assert pair.speed("sharp") is None


@pytest.mark.slow
def test_results_equal_those_of_a_sweep(duel: Comparison, dense: dict[str, dict[str, RateQuality]]) -> None:
    for metric in ("vmaf", "neg"):
        exact = bd_rate(dense["plain"][metric], dense["sharp"][metric], between=(80, 90))
        assert duel.bd_rate("sharp", anchor="plain", metric=metric) == pytest.approx(exact, abs=1)
    for label in duel.labels:
        for target in TARGETS:
            neg, vmaf = (rate_at(dense[label][metric], target) for metric in ("neg", "vmaf"))
            assert neg is not None
            assert vmaf is not None
            assert duel.penalty(label, target) == pytest.approx((neg / vmaf - 1) * 100, abs=2)
            assert duel.rate(label, target) == pytest.approx(neg, rel=0.01)


@pytest.mark.slow
def test_targets_of_vmaf_cover_neg(clip: Clip) -> None:
    comparison = run(both(clip, metric=parse_metric("vmaf"), targets=(86,), crf=(20, 34)), clip)
    assert comparison.lost_wins == (("sharp", "plain"),)
    assert comparison.penalty("sharp", 86) > 2 * comparison.penalty("plain", 86) > 0


@pytest.mark.slow
def test_targets_of_a_pool(clip: Clip) -> None:
    comparison = run({"x264": a_request(clip, metric=parse_metric("neg.p10"), targets=(80,), crf=(22, 36))}, clip)
    assert comparison.penalty("x264", 80).over == "NEG p10 80 over VMAF p10 80"
    assert 0 < comparison.penalty("x264", 80) < 50


@pytest.mark.slow
def test_targets_of_a_feature(clip: Clip) -> None:
    comparison = run(both(clip, metric=parse_metric("psnr_y"), targets=(27, 30, 33), crf=(17, 40)), clip)
    assert comparison.bd_rate("sharp", anchor="plain") > 10


# Curves.


def test_anchor_and_inverse(pair: Comparison) -> None:
    for metric in ("neg", "vmaf"):
        assert pair.bd_rate("plain", anchor="plain", metric=metric) == 0
        assert pair.bd_quality("plain", anchor="plain", metric=metric) == 0
        assert pair.rate_change("plain", 88, anchor="plain", metric=metric) == 0
    there, back = pair.bd_rate("sharp", anchor="plain"), pair.bd_rate("plain", anchor="sharp")
    assert there == pytest.approx(25, abs=0.1)
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)
    assert pair.bd_quality("sharp", anchor="plain") == pytest.approx(-pair.bd_quality("plain", anchor="sharp"))


def test_bd_rate_is_between_shared_targets() -> None:
    comparison = a_comparison((82, 88, 94), one=a_curve(), other=a_curve(1.25)[1:])
    curves = [curve(comparison[label].probes, NEG) for label in ("one", "other")]
    delta = comparison.bd_rate("other", anchor="one")
    assert delta.over == "BD-rate, NEG 82 to 94"
    assert delta == bd_rate(*curves, between=(82, 94))
    fewer = a_comparison((82, 88, 96), one=a_curve(), other=a_curve(1.25)[1:])
    assert fewer.bd_rate("other", anchor="one").over == "BD-rate, NEG 82 to 88"
    assert fewer.bd_rate("other", anchor="one") == bd_rate(*curves, between=(82, 88))
    # Quality is compared between the bitrates that both spend for these targets.
    low, high = (rate_at(each, quality) for each, quality in ((curves[1], 82), (curves[0], 88)))
    assert low is not None
    assert high is not None
    assert fewer.bd_quality("other", anchor="one") == bd_quality(*curves, between=(low, high))


def test_rate_change(pair: Comparison) -> None:
    change = pair.rate_change("sharp", 88, anchor="plain")
    assert change == pytest.approx((pair.rate("sharp", 88) / pair.rate("plain", 88) - 1) * 100)
    assert (change.unit, change.over) == ("%", "bitrate at NEG 88")
    answer = pair["plain"][88]
    assert answer.next_probe is not None
    assert answer.next_probe.bitrate <= pair.rate("plain", 88) <= answer.bitrate


def test_penalty(pair: Comparison) -> None:
    delta = pair.penalty("plain", 88)
    neg, vmaf = (rate_at(curve(pair["plain"].probes, Metric(name)), 88) for name in ("neg", "vmaf"))
    assert neg is not None
    assert vmaf is not None
    assert delta == (neg / vmaf - 1) * 100
    assert (delta.unit, delta.over) == ("%", "NEG 88 over VMAF 88")


@pytest.mark.parametrize("targets", [(82, 88, 94), (88,)])
def test_lost_wins(targets: tuple[float, ...]) -> None:
    sharp = a_comparison(targets, plain=a_curve(), sharp=a_curve(1.25, gap=5.0))
    assert sharp.lost_wins == (("sharp", "plain"),)
    assert a_comparison(targets, plain=a_curve(), better=a_curve(0.8)).lost_wins == ()
    assert a_comparison(targets, plain=a_curve(), nearly=a_curve(gap=2.02)).lost_wins == ()


def test_pool_of_neg_and_vmaf(pair: Comparison) -> None:
    pooled = replace(pair, metric=parse_metric("neg.p10"))
    assert pooled.penalty("plain", 88).over == "NEG p10 88 over VMAF p10 88"
    assert pooled.bd_rate("sharp", anchor="plain", metric="vmaf").over == "BD-rate, VMAF"
    assert pooled.bd_rate("sharp", anchor="plain", metric="vmaf.p10").over == "BD-rate, VMAF p10 82 to 94"


def test_feature_is_compared_over_complete_curves() -> None:
    pair = a_comparison(plain=a_curve(psnr=True), other=a_curve(1.25, psnr=True))
    assert pair.bd_rate("other", anchor="plain", metric="psnr_y").over == "BD-rate, psnr_y"
    with pytest.raises(MeasurementError, match=r"The targets must be of NEG or VMAF .*, not of psnr_y"):
        replace(pair, metric=parse_metric("psnr_y")).penalty("plain", 30)


# Several sources.


@pytest.fixture(scope="session")
def three() -> Comparison:
    rates = {"a.mkv": 1.1, "b.mkv": 1.25, "c.mkv": 1.3}
    bisections = {s: {"plain": a_bisection(a_curve()), "sharp": a_bisection(a_curve(r))} for s, r in rates.items()}
    return Comparison(NEG, (82, 88, 94), bisections)


def test_mean_and_interval_of_sources(three: Comparison) -> None:
    delta = three.bd_rate("sharp", anchor="plain")
    assert list(delta.per_source) == list(three.bisections)
    assert delta == pytest.approx(fmean(delta.per_source.values()))
    assert delta.interval is not None
    low, high = delta.interval
    assert min(delta.per_source.values()) <= low < delta < high <= max(delta.per_source.values())
    for source, by_label in three.bisections.items():
        alone = Comparison(three.metric, three.targets, {source: by_label})
        assert alone.bd_rate("sharp", anchor="plain") == delta.per_source[source]
        assert alone.bd_rate("sharp", anchor="plain").interval is None
    turned = replace(three, bisections=dict(reversed(three.bisections.items())))
    other = turned.bd_rate("sharp", anchor="plain")
    assert (float(other), other.interval) == (float(delta), delta.interval)


def test_rates_of_each_source() -> None:
    sources = {"a.mkv": a_curve(), "b.mkv": a_curve(1.5, gap=5.0)}
    two = Comparison(NEG, TARGETS, {source: {"one": a_bisection(each)} for source, each in sources.items()})
    penalty = two.penalty("one", 88)
    for source, by_label in two.bisections.items():
        alone = Comparison(NEG, TARGETS, {source: by_label})
        assert (two.rate("one", 88, source), penalty.per_source[source]) == (
            alone.rate("one", 88), alone.penalty("one", 88),
        )  # fmt: skip
    assert len(set(penalty.per_source.values())) == 2


def test_narrowest_span_of_sources() -> None:
    targets = (79.0, 82.0, 88.0, 94.0, 96.0)
    whole, fewer = a_bisection(a_curve(), targets), a_bisection(a_curve()[1:], targets)
    doubtful = replace(whole, answers={**whole.answers, 79.0: replace(whole[79.0], outcome="not monotone")})
    bisections = {
        "a.mkv": {"one": whole, "two": whole},
        "b.mkv": {"one": fewer, "two": whole},
        "c.mkv": {"one": whole, "two": doubtful},
    }
    delta = Comparison(NEG, targets, bisections).bd_rate("two", anchor="one")
    assert delta.over == "BD-rate, NEG 82 to 94"


def test_source_must_be_named(three: Comparison) -> None:
    with pytest.raises(SettingsError, match=r"There are 3 sources\. Use \.bisections\[source\]\['plain'\]"):
        three["plain"]
    with pytest.raises(SettingsError, match=r"source must be one of a\.mkv, b\.mkv, c\.mkv, not None"):
        three.rate("plain", 88)
    assert three.rate("plain", 88, "b.mkv") == three.rate("plain", 88, "a.mkv")


# Texts.


def test_delta_is_a_float() -> None:
    delta = Delta({"a": -10.0, "b": -20.0, "c": -30.0}, "%", "BD-rate, NEG 90 to 96")
    assert delta <= -20
    assert f"{delta:.1f} {delta}" == "-20.0 -20.0"
    assert type(delta + 1) is float
    assert repr(delta) == "<-20.00 % (BD-rate, NEG 90 to 96, 3 sources, 95 %: -30.00 to -10.00)>"
    again = pickle.loads(pickle.dumps(delta))
    assert again == delta
    assert (again.per_source, again.interval, again.unit, again.over) == (
        delta.per_source, delta.interval, delta.unit, delta.over,
    )  # fmt: skip
    assert repr(Delta({"a": 1.5}, "points", "BD-quality")) == "<+1.50 points (BD-quality, 1 source)>"


def test_comparison_in_words(pair: Comparison, three: Comparison) -> None:
    assert repr(pair) == "<Comparison of plain, sharp on 1 source, 14 encodes>"
    assert repr(three) == "<Comparison of plain, sharp on 3 sources, 42 encodes>"
    assert str(pair).startswith("plain: libx264 medium on reference.mkv: NEG")
    assert "\nsharp: libx264 medium on" in str(pair)
    assert re.fullmatch(r"sharp against plain: [+-]\d+\.\d\d % \(BD-rate, .*, 1 source\)", str(pair).splitlines()[-1])
    apart = a_comparison((88, 92, 96), fine=a_curve()[:4], coarse=a_curve()[3:])
    assert "\ncoarse and fine both meet 1 of 3 targets" in str(apart)


# What cannot be compared.


def test_curves_that_hardly_overlap() -> None:
    comparison = a_comparison((88, 92, 96), fine=a_curve()[:4], coarse=a_curve()[3:])
    assert not comparison.met
    with pytest.raises(MeasurementError, match=r"coarse and fine both meet 1 of 3 targets .*hardly overlap") as caught:
        comparison.bd_rate("coarse", anchor="fine")
    assert "NEG 96 of libx264 is not reached: CRF 27, the finest, has 88.000" in str(caught.value)
    with pytest.raises(MeasurementError, match=r"coarse on a\.mkv was not measured on both sides of NEG 96.*reached"):
        comparison.rate("coarse", 96)
    with pytest.raises(MeasurementError, match=r"not measured on both sides of VMAF 99.*: encode at more CRFs"):
        comparison.rate("coarse", 99, metric="vmaf")
    with pytest.raises(MeasurementError, match=r"coarse on a\.mkv does not reach both VMAF 96 and NEG 96"):
        comparison.penalty("coarse", 96)
    # A pair that is not known differs from a pair without a lost win.
    with pytest.raises(MeasurementError, match="hardly overlap"):
        _ = comparison.lost_wins


def test_too_few_points() -> None:
    comparison = a_comparison((88,), one=a_curve()[2:5], two=a_curve()[2:5])
    with pytest.raises(MeasurementError, match=r"one against two on a\.mkv: BD-rate needs 4 points"):
        comparison.bd_rate("one", anchor="two")


def test_unknown_names_and_metrics(pair: Comparison) -> None:
    with pytest.raises(SettingsError, match="An encoder must be one of plain, sharp, not 'x265'"):
        pair.bd_rate("x265", anchor="plain")
    with pytest.raises(SettingsError, match="not 'x265'"):
        pair.penalty("x265", 88)
    with pytest.raises(SettingsError, match=r"not 'vmfa'\. Did you mean 'vmaf'"):
        pair.bd_rate("sharp", anchor="plain", metric="vmfa")
    with pytest.raises(SettingsError, match=r"float_ssim was not measured in this comparison\. Request it with"):
        pair.bd_quality("sharp", anchor="plain", metric="float_ssim")


def test_source_given_twice(clip: Clip) -> None:
    with pytest.raises(SettingsError, match="Every source must be given once"):
        run({"x264": a_request(clip)}, clip, clip)


# The searches of a comparison.


@pytest.fixture(scope="session")
def copy(clip: Clip, encode: Callable[..., Path]) -> Encoder:
    return copying(encode(clip.path, 30))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "fastest"}, "libx264 has no preset 'fastest'"),
        ({"arguments": ("-crf", "20")}, "-crf"),
        ({"crf": (0, 99)}, "crf must be two whole numbers"),
    ],
)
def test_settings_are_checked_before_encoding(settings: dict[str, Any], message: str, clip: Clip) -> None:
    encoded: list[int] = []
    counting = function_encoder(lambda source, output, crf: encoded.append(crf))
    with pytest.raises(SettingsError, match=message):
        run({"counting": a_request(clip, counting), "wrong": a_request(clip, **settings)}, clip)
    assert encoded == []


@pytest.mark.slow
def test_failure_in_the_middle(clip: Clip, copy: Encoder, temp: Path) -> None:
    def fails(source: Path, output: Path, crf: int) -> None:
        if crf < 20:
            raise RuntimeError("out of licences")
        copy.function(source, output, crf)  # type: ignore[misc]

    requests = {"good": copy, "bad": function_encoder(fails), "never": copy}
    with pytest.raises(EncodeError, match=r"fails raised RuntimeError at CRF .*: out of licences") as caught:
        run({label: a_request(clip, each) for label, each in requests.items()}, clip, scorer=CurveScorer(frames=12))
    names = [probe.encode.name for probe in caught.value.probes]
    assert names.count("copy") >= 6
    assert set(names) <= {"copy", "fails"}
    assert caught.value.__notes__[-1] == (
        f"This was bad on {clip}; 1 (good on {clip}) of 3 searches had been finished."
    )
    assert list(temp.iterdir()) == []


def test_every_source_is_searched(clip: Clip, copy: Encoder, footage: Callable[..., Path]) -> None:
    other = Clip(footage("160x120", 6))
    request = a_request(clip, copy, targets=(80,), crf=(12, 15))
    comparison = run({"one": request}, clip, other, scorer=CurveScorer(frames=12))
    references = {source: each["one"].reference for source, each in comparison.bisections.items()}
    assert references == {str(clip): str(clip), str(other): str(other)}


@pytest.mark.slow
def test_order_of_encoders(clip: Clip, copy: Encoder) -> None:
    requests = {"one": a_request(clip, copy), "two": a_request(clip, copy, targets=(81, 86, 89))}
    there, back = (
        run(dict(each), clip, scorer=CurveScorer(frames=12)) for each in (requests.items(), [*requests.items()][::-1])
    )
    assert (there.labels, back.labels) == (("one", "two"), ("two", "one"))
    for label in requests:
        # The order changes trial encodes, because searches share what they learn, and nothing that a curve rests on.
        assert {(p.crf, p.score) for p in there[label].points} == {(p.crf, p.score) for p in back[label].points}


@pytest.mark.slow
def test_encodes_are_kept_apart(clip: Clip, copy: Encoder, tmp_path: Path, temp: Path) -> None:
    # The same file name in another folder.
    (tmp_path / "other").mkdir()
    other = Clip(tmp_path / "other" / clip.path.name)
    other.path.write_bytes(clip.path.read_bytes())
    keep = tmp_path / "kept"
    requests = {name: a_request(clip, copy, targets=(80,), keep=keep / name) for name in ("one", "two")}
    comparison = run(requests, clip, other, scorer=CurveScorer(frames=12))
    assert {source: list(each) for source, each in comparison.bisections.items()} == {
        str(clip): ["one", "two"], str(other): ["one", "two"],
    }  # fmt: skip
    paths = [bisection[80].encode.path for bisection in comparison.searches]
    assert len(set(paths)) == 4
    assert sorted(path for path in keep.rglob("*") if path.is_file()) == sorted(paths)  # type: ignore[type-var]
    assert list(temp.iterdir()) == []


@pytest.mark.slow
def test_progress(clip: Clip, copy: Encoder) -> None:
    calls: list[tuple[int, float]] = []
    requests = {name: a_request(clip, copy, targets=(80,)) for name in ("one", "two")}
    comparison = run(requests, clip, scorer=CurveScorer(frames=12), progress=lambda *numbers: calls.append(numbers))
    made = [numbers[0] for numbers in calls]
    assert made == sorted(made)
    assert made[0] == 1
    assert calls[-1] == (comparison.probes, comparison.probes)
    assert all(done <= expected for done, expected in calls)
