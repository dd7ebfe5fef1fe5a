"""Searches on executors: the answers of serial ones, and what fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.api.vmaf import Vmaf
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.errors import EncodeError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan
from pytest_vmaf.search.search_tasks import Search, run_searches
from search.builders import CEILING, CurveScorer, copying


@pytest.fixture(scope="module")
def clips(footage: Callable[..., Path]) -> list[Path]:
    return [footage("160x120", 8), footage("160x120", 6)]


def fail(source: Path, output: Path, crf: int) -> None:
    """An encoder that always fails."""
    raise RuntimeError("no")


def answers(value: object) -> object:
    """Plain data without what differs from run to run."""
    if isinstance(value, dict):
        return {key: answers(each) for key, each in value.items() if key not in ("command", "speed")}
    return [answers(each) for each in value] if isinstance(value, list | tuple) else value


@pytest.mark.slow
def test_answers_of_serial_searches(clips: list[Path]) -> None:
    vmaf = Vmaf(progress=False, cache=False, scorer=FakeScorer(neg=[93.0] * 8))
    sizes = ["160x120", "80x60"]
    calls: dict[str, Callable[[Executor | None], Any]] = {
        "compare": lambda executor: vmaf.compare(
            clips[0], encoders=["libx264:ultrafast", "libx265:ultrafast"], targets=90, crf=(49, 51), executor=executor
        ),
        "ladder": lambda executor: vmaf.ladder(
            clips[0], encoder="libx264:ultrafast", resolutions=sizes, targets=90, crf=(49, 51), executor=executor
        ),
        "per_shot": lambda executor: vmaf.per_shot(
            clips[0], encoder="libx264:ultrafast", target=90, crf=(49, 51), fixed=False, executor=executor
        ),
    }
    bisect: Any = {"encoder": "libx264:ultrafast", "targets": 90, "crf": (49, 51)}
    with ThreadPoolExecutor(2) as executor:
        pair = vmaf.bisect(clips, executor=executor, **bisect)
        assert [answers(each.to_dict()) for each in pair] == [
            answers(vmaf.bisect(c, **bisect).to_dict()) for c in clips
        ]
        [alone] = vmaf.bisect(clips[:1], **bisect)
        assert answers(alone.to_dict()) == answers(pair[0].to_dict())
        for name, call in calls.items():
            here, placed = call(None), call(executor)
            assert answers(placed.to_dict()) == answers(here.to_dict()), name
            if name == "compare":
                # Speeds are measured here, when the searches have ended.
                assert all(search.speed for search in placed.searches)


def test_searches_of_one_source_share_what_they_learn(clips: list[Path], encode: Callable[..., Path]) -> None:
    source, copy = Clip(clips[0]), copying(encode(clips[0], 30))
    base = BisectRequest(MeasureRequest(source, source), copy, (62, 81))
    other = replace(base, scoring=MeasureRequest(Clip(clips[1]), Clip(clips[1])), encoder=copying(encode(clips[1], 30)))
    requests = (base, other, base)
    scorer = CurveScorer(lambda crf: CEILING / (1 + math.exp(0.4 * (crf - 30))))
    [first, _, second] = run_searches([Search("", each, SearchPlan()) for each in requests], scorer, None)
    assert second.answers.keys() == first.answers.keys()
    assert [answer.crf for answer in second.answers.values()] == [answer.crf for answer in first.answers.values()]
    assert len(second.probes) < len(first.probes)


def test_failures_of_searches(clips: list[Path]) -> None:
    vmaf = Vmaf(progress=False, cache=False, scorer=FakeScorer())
    encoders = {"a": Encoder("fail", function=fail), "b": Encoder("fail", function=fail, crf_range=(1, 9))}
    with ThreadPoolExecutor(2) as executor, pytest.raises(EncodeError) as caught:
        vmaf.compare(clips, encoders=encoders, targets=90, executor=executor)
    assert str(caught.value).startswith("4 of 4 searches failed:\n")
    assert f"  b on {clips[1]}: The encoder fail raised RuntimeError" in str(caught.value)
    assert caught.value.probes == ()
    with pytest.raises(SettingsError, match="Every source must be given once"):
        vmaf.bisect([clips[0], clips[0]], encoder="libx264", targets=90)
