"""Arguments of searches, read into requests and gates; and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_vmaf.encoding.encode import TrialEncode
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.bisection import Answer
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe
from pytest_vmaf.search.requests import bisect_request, contenders, read_limits, read_targets, read_words
from pytest_vmaf.search.verdicts import judge_answer, violation

SCORING = MeasureRequest(Clip(Path("reference.mkv")), Clip(Path("reference.mkv")))
BASE = BisectRequest(SCORING, ENCODERS["libx264"], (90.0, 96.0))


def find(encoder: Any) -> Encoder:
    """As Vmaf.find_encoder, without plugins."""
    if isinstance(encoder, Encoder):
        return encoder
    if isinstance(encoder, str) and "{" not in encoder:
        name, _, preset = encoder.partition(":")
        if name not in ENCODERS:
            raise SettingsError(f"There is no encoder {name!r}.")
        return replace(ENCODERS[name], preset=preset) if preset else ENCODERS[name]
    return function_encoder(encoder) if callable(encoder) else command_encoder(encoder)


def read(encoders: Any, **common: Any) -> dict[str, BisectRequest]:
    return contenders(find, encoders, BASE, **common)


# One search.


def test_bisect_request() -> None:
    request = bisect_request(
        SCORING, ENCODERS["libsvtav1"], [90, 96], preset=8, arguments="-g 25 -svtav1-params 'tune=0:a=b c'",
        pix_fmt="yuv420p10le", metric="neg.p5", crf=(20, 50), start={90: 40}, keep="kept", workers=2,
    )  # fmt: skip
    assert request.preset == "8"
    assert request.arguments == ("-g", "25", "-svtav1-params", "tune=0:a=b c")
    assert (request.targets, request.metric, request.start) == ((90.0, 96.0), Metric("neg", "p5"), {90.0: 40})
    assert (request.crf, request.workers, request.keep) == ((20, 50), 2, Path("kept"))


@pytest.mark.parametrize(
    ("targets", "read_as"),
    [
        (96, (96.0,)),
        ([94, 96.5], (94.0, 96.5)),
        ((x for x in (90, 91)), (90.0, 91.0)),
        (np.float64(96), (96.0,)),
        (np.array([94, 96]), (94.0, 96.0)),
        ([Fraction(181, 2)], (90.5,)),
    ],
)
def test_read_targets(targets: Any, read_as: tuple[float, ...]) -> None:
    found = read_targets(targets)
    assert found == read_as
    assert all(type(target) is float for target in found)


@pytest.mark.parametrize("targets", ["96", ["96"], True, [True], None, [None], {"a": 1}, b"96"[:0] or ["x"], object()])
def test_read_targets_refuses(targets: Any) -> None:
    with pytest.raises(SettingsError, match="targets must be a list of numbers, for example"):
        read_targets(targets)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pix_fmt": 5}, "pix_fmt must be the name of a pixel format, for example yuv420p10le, not 5"),
        ({"pix_fmt": " "}, "pix_fmt must be .*, not ' '"),
        ({"keep": 5}, "keep must be a path, not 5"),
        ({"keep": ""}, "keep must be a path, not ''"),
        ({"metric": "ngе"}, "metric must be .*, not 'ng.*'. Did you mean"),
        ({"metric": None}, "metric must be .*, not None"),
        ({"start": 27}, "start must be {target: CRF}, or the result of an earlier search, not 27"),
        ({"start": {96: "27"}}, "start must be"),
        ({"start": {96: True}}, "start must be"),
        ({"arguments": 5}, "arguments must be a text or a list of words, not 5"),
        ({"arguments": {"-g": "5"}}, "arguments must be a text or a list of words, not {'-g': '5'}"),
        ({"arguments": "-x 'open"}, "cannot be split: No closing quotation"),
    ],
)
def test_bisect_request_refuses(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        bisect_request(SCORING, ENCODERS["libx264"], 96, **settings)


def test_read_words() -> None:
    assert read_words("-x265-params 'a=1:b=2' -g 5") == ("-x265-params", "a=1:b=2", "-g", "5")
    assert read_words(["-g", 5, "two words"]) == ("-g", "5", "two words")  # type: ignore[list-item]
    assert read_words("") == read_words(()) == ()


# Encoders of a comparison.


def own(source: Path, output: Path, crf: int) -> None:
    """An encoder of the user's."""


def test_contenders_of_a_list() -> None:
    found = read(["libx264", "libx265:slow", "./enc --crf {crf} {input} {output}", own, ENCODERS["libsvtav1"]])
    assert list(found) == ["libx264", "libx265:slow", "enc", "own", "libsvtav1"]
    assert found["libx265:slow"].preset == "slow"
    assert found["libx265:slow"].encoder.name == "libx265"
    assert found["own"].encoder.function is own
    assert all(each.targets == BASE.targets and each.scoring is SCORING for each in found.values())


def test_contenders_of_a_mapping() -> None:
    found = read(
        {
            "tune": {"encoder": "libx264:fast", "arguments": "-tune film", "pix_fmt": "yuv420p", "crf": (20, 30)},
            "slow": {"encoder": "libx264", "preset": "slow"},
            "plain": "libx264",
        },
        preset="medium",
        metric="vmaf",
        arguments="-bf 2",
    )
    assert {label: each.preset for label, each in found.items()} == {"tune": "fast", "slow": "slow", "plain": "medium"}
    assert found["tune"].arguments == ("-tune", "film")
    assert (found["tune"].crf, found["slow"].crf) == ((20, 30), None)
    assert found["plain"].arguments == ("-bf", "2")
    assert {each.metric.name for each in found.values()} == {"vmaf"}


def test_contender_with_its_preset_twice() -> None:
    assert read({"a": {"encoder": "libsvtav1:8", "preset": 8}})["a"].preset == "8"


def test_contenders_keep_in_own_folders() -> None:
    labels = ["x264:slow", "x264 slow", "X264_SLOW", "..", "a/../b", "\x1b[2J", "é" * 300, "é" * 301]
    found = read(dict.fromkeys(labels, "libx264"), keep="kept")
    folders = [each.keep for each in found.values()]
    assert len({str(folder).casefold() for folder in folders}) == len(labels)
    for folder in folders:
        assert folder is not None
        assert folder.parent == Path("kept")
        assert ".." not in folder.name
        assert len(folder.name.encode()) < 200
    assert read(["libx264"], keep="kept")["libx264"].keep == Path("kept/libx264")
    assert all("\x1b" not in label for label in found)


@pytest.mark.parametrize(
    ("encoders", "said"),
    [
        ("libx264", r"encoders must be a list, .*, not 'libx264'"),
        (5, r"encoders must be a list, .*, not 5"),
        (None, "encoders must be a list, .*, not None"),
        ([], "encoders is empty. Give at least one"),
        ({}, "encoders is empty"),
        (["libx264", "libx264"], "given once, not 'libx264' twice. Use a mapping from labels"),
        ([own, own], "given once, not 'own' twice"),
        (["libx246"], "There is no encoder 'libx246'"),
        ({"a": {"encoder": "libx264", "presett": "slow"}}, "'presett' is not a setting .*. Did you mean 'preset'"),
        ({"a": {"encoder": "libx264", "targets": 5}}, "'targets' is not a setting of a single encoder"),
        ({"a": {"preset": "slow"}}, "encoder is missing from the settings of 'a'"),
        ({"a": {"encoder": "libx264:slow", "preset": "fast"}}, "'libx264:slow' names a preset, but preset is 'fast'"),
        ({"": "libx264"}, "The label of an encoder must be a text, .*, not ''"),
        ({5: "libx264"}, "The label of an encoder must be a text, .*, not 5"),
        ({"a": {"encoder": "libx264", 5: 5}}, "5 is not a setting of a single encoder"),
    ],
)
def test_contenders_refuses(encoders: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(encoders)


# Gates.


def limits(max_bitrate: Any = None, min_crf: Any = None, **changes: Any) -> list[tuple[str, float, float]]:
    gates = read_limits(replace(BASE, **changes), max_bitrate, min_crf)
    return [(gate.name, gate.limit, target) for gate, target in gates]  # type: ignore[misc]


def test_read_limits() -> None:
    assert limits(500_000) == [("max_bitrate", 500_000.0, 90.0), ("max_bitrate", 500_000.0, 96.0)]
    assert limits({96: 2e6}, {90: 30}) == [("max_bitrate", 2e6, 96.0), ("min_crf", 30.0, 90.0)]
    assert limits() == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_bitrate": {97: 1}}, "max_bitrate has a limit for 97, which is not a target"),
        ({"max_bitrate": "2M"}, "max_bitrate at 90 must be a finite number, not '2M'"),
        ({"max_bitrate": float("nan")}, "max_bitrate at 90 must be a finite number, not nan"),
        ({"min_crf": True}, "min_crf at 90 must be a finite number, not True"),
        ({"min_crf": {96: None}}, "min_crf at 96 must be a finite number, not None"),
        ({"min_crf": 5, "encoder": ENCODERS["h264_videotoolbox"]}, "larger is finer. Use max_bitrate"),
    ],
)
def test_read_limits_refuses(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        limits(**given)


def test_judge_answer() -> None:
    encode = TrialEncode("libx264", 27, None, 1000, 10, 1.0, None, "ffmpeg")
    result: Any = None
    met = Answer(96.0, Metric("neg"), "met", "libx264", 99.5, Probe(27, 96.5, result, encode))
    gates = [gate for gate, target in read_limits(BASE, {96: 7000}, {96: 28}) if target == 96]
    verdicts = judge_answer(met, gates)
    assert [(verdict.gate.name, verdict.passed) for verdict in verdicts] == [
        ("target", True), ("max_bitrate", False), ("min_crf", False),
    ]  # fmt: skip
    assert [verdict.margin for verdict in verdicts] == [0.5, -1000.0, -1.0]
    assert violation(met, verdicts[1]) == "8,000 bit/s > 7,000 at NEG 96"
    assert violation(met, verdicts[2]) == "CRF 27 < 28 at NEG 96"
    assert judge_answer(replace(met, outcome="not monotone"), gates) == []


def test_start_from_a_bisection() -> None:
    class Earlier:
        encode = TrialEncode("libx264", 27, None, 1000, 10, 1.0, None, "ffmpeg")
        answers: Mapping[float, Answer] = {
            90.0: Answer(90.0, Metric("neg"), "met", "libx264", 99.5, Probe(27, 90.1, None, encode)),  # type: ignore[arg-type]
            99.0: Answer(99.0, Metric("neg"), "above the ceiling", "libx264", 98.0),
        }

    request = bisect_request(SCORING, ENCODERS["libx264"], 90, start=Earlier())  # type: ignore[arg-type]
    assert request.start == {90.0: 27}
