"""Encoders against each other, with real encodes: what a win is by default VMAF and by NEG, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer

from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.errors import EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bdrate import RateQuality, bd_rate, rate_at
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.compare import CompareRequest, compare
from pytest_vmaf.search.comparison import Comparison, Delta
from pytest_vmaf.search.probe import parse_metric
from pytest_vmaf.search.sweep import SweepRequest, sweep

TARGETS = (80.0, 86.0, 90.0)
SHARPENED = ("-vf", "unsharp=5:5:0.4")
Compare = Callable[..., Comparison]


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Clip:
    return Clip(footage("160x120", 12))


def a_request(clip: Clip, encoder: str | Encoder = "libx264", **settings: Any) -> BisectRequest:
    chosen = ENCODERS[encoder] if isinstance(encoder, str) else encoder
    settings.setdefault("preset", "ultrafast" if chosen.name == "libx264" else None)
    return BisectRequest(MeasureRequest(clip, clip), chosen, settings.pop("targets", TARGETS), cover=True, **settings)


def run(contenders: Mapping[str, BisectRequest], *clips: Clip, **settings: Any) -> Comparison:
    scorings = tuple(MeasureRequest(clip, clip) for clip in clips)
    return compare(CompareRequest(scorings, contenders, **settings), FfmpegScorer())


@pytest.fixture(scope="session")
def duel(clip: Clip) -> Comparison:
    """x264, and the same after a filter that sharpens."""
    timed = {"plain": a_request(clip, timed=True), "sharp": a_request(clip, timed=True, arguments=SHARPENED)}
    return run(timed, clip)


@pytest.fixture(scope="session")
def dense(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, RateQuality]]:
    """By label and metric the curve through every CRF that matters."""
    found = {}
    for label, arguments in (("plain", ()), ("sharp", SHARPENED)):
        output = tmp_path_factory.mktemp("dense") / "sweep.jsonl"
        grid = ((ENCODERS["libx264"], ("ultrafast",)),)
        request = SweepRequest((MeasureRequest(clip, clip),), grid, tuple(range(18, 35)), output, arguments=arguments)
        rows = sweep(request, FfmpegScorer())
        found[label] = {
            metric: RateQuality(tuple((row.bitrate, row.scores[metric]) for row in rows)) for metric in ("vmaf", "neg")
        }
    return found


# What is found.


def test_an_encoder_that_sharpens_wins_by_default_vmaf_and_loses_by_neg(duel: Comparison) -> None:
    assert duel.met
    assert duel.bd_rate("sharp", anchor="plain", metric="vmaf") < -4
    assert duel.bd_rate("sharp", anchor="plain") > 10
    assert duel.bd_quality("sharp", anchor="plain", metric="vmaf") > 0 > duel.bd_quality("sharp", anchor="plain")
    assert duel.lost_wins == (("sharp", "plain"),)


def test_bd_rates_are_those_of_all_encodes(duel: Comparison, dense: dict[str, dict[str, RateQuality]]) -> None:
    for metric in ("vmaf", "neg"):
        exact = bd_rate(dense["plain"][metric], dense["sharp"][metric], between=(80, 90))
        assert duel.bd_rate("sharp", anchor="plain", metric=metric) == pytest.approx(exact, abs=1)


def test_what_neg_asks_beyond_vmaf_is_as_from_all_encodes(
    duel: Comparison, dense: dict[str, dict[str, RateQuality]]
) -> None:
    for label in duel.labels:
        for target in TARGETS:
            neg, vmaf = (rate_at(dense[label][metric], target) for metric in ("neg", "vmaf"))
            assert neg is not None
            assert vmaf is not None
            assert duel.penalty(label, target) == pytest.approx((neg / vmaf - 1) * 100, abs=2)
            assert duel.rate(label, target) == pytest.approx(neg, rel=0.01)


def test_sharpening_is_what_neg_takes_back(duel: Comparison) -> None:
    for target in TARGETS:
        assert duel.penalty("sharp", target) > 2 * duel.penalty("plain", target) > 0


def test_against_itself_an_encoder_differs_in_nothing(duel: Comparison) -> None:
    for metric in ("neg", "vmaf"):
        assert duel.bd_rate("plain", anchor="plain", metric=metric) == 0
        assert duel.bd_quality("plain", anchor="plain", metric=metric) == 0
        assert duel.rate_change("plain", 86, anchor="plain", metric=metric) == 0


def test_the_other_way_round_is_the_inverse(duel: Comparison) -> None:
    there, back = duel.bd_rate("sharp", anchor="plain"), duel.bd_rate("plain", anchor="sharp")
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)
    assert duel.bd_quality("sharp", anchor="plain") == pytest.approx(-duel.bd_quality("plain", anchor="sharp"))


def test_a_saving_is_between_the_rates_at_one_target(duel: Comparison) -> None:
    saving = duel.rate_change("sharp", 86, anchor="plain")
    assert saving == pytest.approx((duel.rate("sharp", 86) / duel.rate("plain", 86) - 1) * 100)
    assert saving.unit == "%"
    assert saving.over == "bitrate at NEG 86"
    answer = duel["plain"][86]
    assert answer.next_probe is not None
    assert answer.next_probe.bitrate <= duel.rate("plain", 86) <= answer.bitrate


def test_the_order_of_the_encoders_changes_no_number(duel: Comparison, clip: Clip) -> None:
    other = run({"sharp": a_request(clip, arguments=SHARPENED), "plain": a_request(clip)}, clip)
    assert other.labels == ("sharp", "plain")
    assert other.bd_rate("sharp", anchor="plain") == duel.bd_rate("sharp", anchor="plain")
    assert other.penalty("sharp", 90) == duel.penalty("sharp", 90)
    assert other.lost_wins == duel.lost_wins
    for label in other.labels:
        assert [(p.crf, p.score) for p in other[label].probes] == [(p.crf, p.score) for p in duel[label].probes]


def test_a_comparison_by_default_vmaf_knows_neg_as_well(duel: Comparison, clip: Clip) -> None:
    by_vmaf = {
        label: a_request(clip, metric=parse_metric("vmaf"), arguments=arguments)
        for label, arguments in (("plain", ()), ("sharp", SHARPENED))
    }
    found = run(by_vmaf, clip)
    assert found.lost_wins == (("sharp", "plain"),)
    for label in found.labels:
        assert found.penalty(label, 86) == pytest.approx(duel.penalty(label, 86), abs=2)


def test_a_pool_is_compared_with_the_same_pool_of_vmaf(clip: Clip) -> None:
    found = run({"x264": a_request(clip, metric=parse_metric("neg.p10"), targets=(80, 88))}, clip)
    assert found.penalty("x264", 80).over == "NEG p10 80 over VMAF p10 80"
    assert 0 < found.penalty("x264", 80) < 50


def test_another_metric_is_compared_over_all_of_its_curves(clip: Clip) -> None:
    requests = {
        label: a_request(clip, metric=parse_metric("psnr_y"), targets=(27, 30, 33), arguments=arguments, crf=(17, 40))
        for label, arguments in (("plain", ()), ("sharp", SHARPENED))
    }
    found = run({label: replace(one, cover=False) for label, one in requests.items()}, clip)
    assert found.bd_rate("sharp", anchor="plain") > 10
    assert found.bd_rate("sharp", anchor="plain").over == "BD-rate, psnr_y 27 to 33"
    assert found.bd_rate("sharp", anchor="plain", metric="neg").over == "BD-rate, NEG"
    with pytest.raises(MeasurementError, match="The targets are of psnr_y"):
        found.penalty("plain", 30)


def test_with_one_target_a_win_is_the_bitrate_there(clip: Clip) -> None:
    requests = {
        "plain": a_request(clip, targets=(88,)),
        "sharp": a_request(clip, targets=(88,), arguments=SHARPENED),
    }
    found = run(requests, clip)
    assert found.rate_change("sharp", 88, anchor="plain", metric="vmaf") < -1
    assert found.lost_wins == (("sharp", "plain"),)


def test_speeds_are_of_the_middle_target_where_they_are_asked_for(duel: Comparison, clip: Clip) -> None:
    speed = duel.speed("sharp")
    assert speed is not None
    assert speed.crf == duel["sharp"][86].crf
    assert speed.encode > 0
    assert speed.decode > 0
    untimed = run({"x264": a_request(clip, targets=(80,))}, clip)
    assert untimed.speed("x264") is None


# Several sources.


@pytest.fixture(scope="session")
def three(footage: Callable[..., Path]) -> Comparison:
    clips = [Clip(footage(size, frames)) for size, frames in (("160x120", 8), ("176x100", 8), ("128x128", 9))]
    requests = {
        label: a_request(clips[0], targets=(80, 90), crf=(18, 32), arguments=arguments)
        for label, arguments in (("plain", ()), ("sharp", SHARPENED))
    }
    return run(requests, *clips)


def test_over_sources_a_difference_is_the_mean_with_an_interval(three: Comparison) -> None:
    delta = three.bd_rate("sharp", anchor="plain")
    assert list(delta.per_source) == list(three.bisections)
    assert delta == pytest.approx(fmean(delta.per_source.values()))
    assert delta.interval is not None
    low, high = delta.interval
    assert min(delta.per_source.values()) <= low <= delta <= high <= max(delta.per_source.values())
    assert low < high
    for source, by_label in three.bisections.items():
        alone = Comparison(three.metric, three.targets, {source: by_label})
        assert alone.bd_rate("sharp", anchor="plain") == delta.per_source[source]
        assert alone.bd_rate("sharp", anchor="plain").interval is None


def test_the_order_of_the_sources_changes_no_number(three: Comparison) -> None:
    turned = replace(three, bisections=dict(reversed(three.bisections.items())))
    there, here = (each.bd_rate("sharp", anchor="plain") for each in (three, turned))
    assert (float(there), there.interval) == (float(here), here.interval)


def test_with_several_sources_one_must_be_named(three: Comparison) -> None:
    with pytest.raises(SettingsError, match=r"There are 3 sources; say \.bisections\[source\]\['plain'\]"):
        three["plain"]
    with pytest.raises(SettingsError, match="None is none of the sources"):
        three.rate("plain", 86)
    source = next(iter(three.bisections))
    assert three.rate("plain", 80, source) == pytest.approx(three.bisections[source]["plain"][80].bitrate, rel=0.2)


# Deltas are floats.


def test_a_delta_is_a_float_that_knows_where_it_comes_from() -> None:
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


def test_a_comparison_shows_itself(duel: Comparison) -> None:
    assert repr(duel) == f"<Comparison of plain, sharp on 1 source, {duel.probes} encodes>"
    assert str(duel).startswith("plain: libx264 ultrafast")
    assert "\nsharp: libx264 ultrafast" in str(duel)


# What cannot be compared.


def test_curves_that_hardly_overlap_are_refused_with_who_and_where(clip: Clip) -> None:
    requests = {"fine": a_request(clip, crf=(10, 24)), "coarse": a_request(clip, crf=(32, 51))}
    found = run(requests, clip)
    assert not found.met
    with pytest.raises(MeasurementError, match=r"coarse and fine share 0 of 3 targets .*hardly overlap") as caught:
        found.bd_rate("coarse", anchor="fine")
    assert "NEG 90 of libx264 is not reached: CRF 32, the finest, has" in str(caught.value)
    with pytest.raises(MeasurementError, match=r"coarse on .* not measured on both sides of NEG 90.*is not reached"):
        found.rate("coarse", 90)
    with pytest.raises(MeasurementError, match="has not both VMAF 90 and NEG 90"):
        found.penalty("coarse", 90)
    # Not known is not none.
    with pytest.raises(MeasurementError, match="hardly overlap"):
        _ = found.lost_wins


def test_too_few_points_are_refused_with_who_and_where(clip: Clip) -> None:
    requests = {name: a_request(clip, crf=(26, 31), targets=(80,)) for name in ("one", "two")}
    with pytest.raises(MeasurementError, match=r"one against two on .*BD-rate needs 4 points"):
        run(requests, clip).bd_rate("one", anchor="two")


def test_names_and_metrics_that_are_not_there_are_refused(duel: Comparison) -> None:
    with pytest.raises(SettingsError, match="'x265' was not compared; there are plain, sharp"):
        duel.bd_rate("x265", anchor="plain")
    with pytest.raises(SettingsError, match="'x265' was not compared"):
        duel.penalty("x265", 90)
    with pytest.raises(SettingsError, match="metric is 'vmfa'; did you mean 'vmaf'"):
        duel.bd_rate("sharp", anchor="plain", metric="vmfa")
    with pytest.raises(SettingsError, match="float_ssim was not measured in this comparison"):
        duel.bd_quality("sharp", anchor="plain", metric="float_ssim")


@pytest.mark.parametrize("what", ["no encoder", "no source", "a source twice"])
def test_a_comparison_of_nothing_is_refused(what: str, clip: Clip) -> None:
    contenders = {} if what == "no encoder" else {"x264": a_request(clip)}
    clips = {"no source": [], "a source twice": [clip, clip]}.get(what, [clip])
    with pytest.raises(SettingsError, match=r"at least one encoder and one source|A source is given twice"):
        run(contenders, *clips)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"preset": "fastest"}, "libx264 has no preset 'fastest'"),
        ({"arguments": ("-crf", "20")}, "The argument -crf is libx264's own"),
    ],
)
def test_settings_of_the_last_encoder_are_refused_before_the_first_encodes(
    wrong: dict[str, Any], said: str, clip: Clip
) -> None:
    called: list[int] = []
    counting = function_encoder(lambda source, output, crf: called.append(crf), name="counting")
    with pytest.raises(SettingsError, match=said):
        run({"counting": a_request(clip, counting), "wrong": a_request(clip, **wrong)}, clip)
    assert called == []


# Failing, and what stays.


def test_an_encoder_that_fails_in_the_middle_leaves_what_was_finished(
    clip: Clip, make: Callable[..., Path], temp: Path
) -> None:
    def fails(source: Path, output: Path, crf: int) -> None:
        if crf < 30:
            raise RuntimeError("out of licences")
        make("-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, output)

    requests = {
        "good": a_request(clip, crf=(18, 32)),
        "bad": a_request(clip, function_encoder(fails)),
        "never": a_request(clip),
    }
    with pytest.raises(EncodeError, match=r"fails raised RuntimeError at CRF .*: out of licences") as caught:
        run(requests, clip)
    names = [probe.encode.name for probe in caught.value.probes]
    assert names.count("libx264 ultrafast") >= 6
    assert set(names) <= {"libx264 ultrafast", "fails"}
    assert caught.value.__notes__[-1] == (
        f"This was bad on {clip}; 1 (good on {clip}) of 3 searches had been finished."
    )
    assert list(temp.iterdir()) == []


def test_encodes_that_are_kept_are_apart_by_encoder_and_source(
    clip: Clip, tmp_path: Path, temp: Path, make: Callable[..., Path]
) -> None:
    # The same name in another folder.
    (tmp_path / "other").mkdir()
    other = Clip(make("-i", clip.path, "-frames:v", 8, "-c", "copy", tmp_path / "other" / clip.path.name))
    keep = tmp_path / "kept"
    requests = {
        name: replace(a_request(clip, targets=(80,), crf=(26, 34), keep=keep / name), cover=False)
        for name in ("one", "two")
    }
    found = run(requests, clip, other)
    paths = [by_label[name][80].encode.path for by_label in found.bisections.values() for name in requests]
    assert len(set(paths)) == 4
    assert sorted(path for path in keep.rglob("*") if path.is_file()) == sorted(paths)  # type: ignore[type-var]
    assert list(temp.iterdir()) == []


def test_progress_rises_with_the_probes_and_ends_with_them(clip: Clip) -> None:
    told: list[tuple[int, float]] = []
    requests = {name: a_request(clip, targets=(80,), crf=(26, 34)) for name in ("one", "two")}
    found = run(requests, clip, progress=lambda *numbers: told.append(numbers))
    done = [numbers[0] for numbers in told]
    assert done == sorted(done)
    assert done[0] == 1
    assert told[-1] == (found.probes, found.probes)
    assert all(made <= expected for made, expected in told)
