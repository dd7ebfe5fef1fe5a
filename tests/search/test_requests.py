"""What users write about a search: read as it is meant, and refused with what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_vmaf.encoding.encode import Encode
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.bisection import Answer
from pytest_vmaf.search.probe import Metric, Probe
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


def test_a_request_says_what_was_written() -> None:
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
def test_targets_are_one_number_or_several(targets: Any, read_as: tuple[float, ...]) -> None:
    found = read_targets(targets)
    assert found == read_as
    assert all(type(target) is float for target in found)


@pytest.mark.parametrize("targets", ["96", ["96"], True, [True], None, [None], {"a": 1}, b"96"[:0] or ["x"], object()])
def test_what_is_no_target_is_refused(targets: Any) -> None:
    with pytest.raises(SettingsError, match="it is a list of numbers, as"):
        read_targets(targets)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pix_fmt": 5}, "pix_fmt is 5; it is the name of a pixel format, as yuv420p10le"),
        ({"pix_fmt": " "}, "pix_fmt is ' '"),
        ({"keep": 5}, "keep is 5; it is a path"),
        ({"keep": ""}, "keep is ''"),
        ({"metric": "ngе"}, "metric is 'ng.*'; did you mean"),
        ({"metric": None}, "metric is 'None'|metric is None"),
        ({"start": 27}, "start is 27; it is {target: CRF}"),
        ({"start": {96: "27"}}, "start is"),
        ({"start": {96: True}}, "start is"),
        ({"arguments": 5}, "arguments is 5; it is a text or a list of words"),
        ({"arguments": {"-g": "5"}}, "arguments is {'-g': '5'}; it is a text or a list of words"),
        ({"arguments": "-x 'open"}, "cannot be split: No closing quotation"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        bisect_request(SCORING, ENCODERS["libx264"], 96, **settings)


def test_words_are_split_as_a_shell_would_or_taken_as_they_are() -> None:
    assert read_words("-x265-params 'a=1:b=2' -g 5") == ("-x265-params", "a=1:b=2", "-g", "5")
    assert read_words(["-g", 5, "two words"]) == ("-g", "5", "two words")  # type: ignore[list-item]
    assert read_words("") == read_words(()) == ()


# Encoders of a comparison.


def own(source: Path, output: Path, crf: int) -> None:
    """An encoder of the user's."""


def test_a_list_holds_whatever_an_encoder_may_be() -> None:
    found = read(["libx264", "libx265:slow", "./enc --crf {crf} {input} {output}", own, ENCODERS["libsvtav1"]])
    assert list(found) == ["libx264", "libx265:slow", "enc", "own", "libsvtav1"]
    assert found["libx265:slow"].preset == "slow"
    assert found["libx265:slow"].encoder.name == "libx265"
    assert found["own"].encoder.function is own
    assert all(each.targets == BASE.targets and each.scoring is SCORING for each in found.values())


def test_a_mapping_gives_labels_and_settings_of_their_own() -> None:
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


def test_a_preset_that_is_said_twice_alike_is_said_once() -> None:
    assert read({"a": {"encoder": "libsvtav1:8", "preset": 8}})["a"].preset == "8"


def test_every_label_has_a_folder_of_its_own_inside_keep() -> None:
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
        ("libx264", r"encoders is 'libx264'; it is a list"),
        (5, r"encoders is 5; it is a list"),
        (None, "encoders is None; it is a list"),
        ([], "encoders is empty; say at least one"),
        ({}, "encoders is empty"),
        (["libx264", "libx264"], "The encoder 'libx264' is given twice; give a mapping from labels"),
        ([own, own], "The encoder 'own' is given twice"),
        (["libx246"], "There is no encoder 'libx246'"),
        ({"a": {"encoder": "libx264", "presett": "slow"}}, "'presett' is no setting .*; did you mean 'preset'"),
        ({"a": {"encoder": "libx264", "targets": 5}}, "'targets' is no setting of one encoder"),
        ({"a": {"preset": "slow"}}, "The encoder 'a' of a comparison has settings, but encoder is missing"),
        ({"a": {"encoder": "libx264:slow", "preset": "fast"}}, "'libx264:slow' names a preset, and preset is 'fast'"),
        ({"": "libx264"}, "'' is no label"),
        ({5: "libx264"}, "5 is no label of an encoder; it is a text"),
        ({"a": {"encoder": "libx264", 5: 5}}, "5 is no setting of one encoder"),
    ],
)
def test_encoders_that_cannot_be_are_refused(encoders: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(encoders)


# Gates.


def limits(max_bitrate: Any = None, min_crf: Any = None, **changes: Any) -> list[tuple[str, float, float]]:
    gates = read_limits(replace(BASE, **changes), max_bitrate, min_crf)
    return [(gate.name, gate.limit, target) for gate, target in gates]  # type: ignore[misc]


def test_a_limit_is_for_all_targets_or_for_each() -> None:
    assert limits(500_000) == [("max_bitrate", 500_000.0, 90.0), ("max_bitrate", 500_000.0, 96.0)]
    assert limits({96: 2e6}, {90: 30}) == [("max_bitrate", 2e6, 96.0), ("min_crf", 30.0, 90.0)]
    assert limits() == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_bitrate": {97: 1}}, "max_bitrate has a limit for 97, which is none of the targets"),
        ({"max_bitrate": "2M"}, "max_bitrate is '2M' for 90; it is a finite number"),
        ({"max_bitrate": float("nan")}, "max_bitrate is nan"),
        ({"min_crf": True}, "min_crf is True"),
        ({"min_crf": {96: None}}, "min_crf is None for 96"),
        ({"min_crf": 5, "encoder": ENCODERS["h264_videotoolbox"]}, "a larger number is finer; use max_bitrate"),
    ],
)
def test_limits_that_cannot_be_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        limits(**given)


def test_an_answer_is_judged_by_its_own_gates_and_an_unmet_one_by_none() -> None:
    encode = Encode("libx264", 27, None, 1000, 10, 1.0, None, "ffmpeg")
    result: Any = None
    met = Answer(96.0, Metric("neg"), "met", "NEG 96", Probe(27, 96.5, result, encode))
    gates = [gate for gate, target in read_limits(BASE, {96: 7000}, {96: 28}) if target == 96]
    verdicts = judge_answer(met, gates)
    assert [(verdict.gate.name, verdict.passed) for verdict in verdicts] == [
        ("target", True), ("max_bitrate", False), ("min_crf", False),
    ]  # fmt: skip
    assert [verdict.margin for verdict in verdicts] == [0.5, -1000.0, -1.0]
    assert violation(met, verdicts[1]) == "8,000 bit/s > 7,000 at NEG 96"
    assert violation(met, verdicts[2]) == "CRF 27 < 28 at NEG 96"
    assert judge_answer(replace(met, outcome="not monotone"), gates) == []


def test_a_start_may_be_what_an_earlier_search_returned() -> None:
    class Earlier:
        encode = Encode("libx264", 27, None, 1000, 10, 1.0, None, "ffmpeg")
        answers: Mapping[float, Answer] = {
            90.0: Answer(90.0, Metric("neg"), "met", "", Probe(27, 90.1, None, encode)),  # type: ignore[arg-type]
            99.0: Answer(99.0, Metric("neg"), "above the ceiling", ""),
        }

    request = bisect_request(SCORING, ENCODERS["libx264"], 90, start=Earlier())  # type: ignore[arg-type]
    assert request.start == {90.0: 27}
