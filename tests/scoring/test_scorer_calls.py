"""Scorers that raise or return what they must not: an error that names them, never a score or a failed gate."""

from __future__ import annotations

import signal
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_vmaf import Clip, FakeScorer, GateViolation, ScorerError, Vmaf
from pytest_vmaf.media.termination import Terminated
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import Capabilities, ScoreLog
from pytest_vmaf.scoring.scorer_calls import call

LOG = ScoreLog({"vmaf": (95.0,) * 3, "neg": (93.0,) * 3}, 3, 3, "1", "farm", {"neg": 93.0})


class Farm:
    """A scorer that returns or raises what it was given."""

    def __init__(self, answer: object = LOG, can: object = None) -> None:
        self.answer = answer
        self.can = can or Capabilities("farm", "1", reads_clips=False)

    def capabilities(self, tools: object) -> Any:
        return give(self.can)

    def score(self, request: object) -> Any:
        return give(self.answer)


def give(answer: object) -> object:
    if isinstance(answer, BaseException):
        raise answer
    return answer


def check(scorer: object) -> Any:
    return Vmaf(scorer=scorer).check("ref.mkv", "dis.mkv", min_neg=90)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "The scorer Farm must return ScoreLog, not NoneType"),
        ([], "must return ScoreLog, not list"),
        ("<VMAF/>", "must return ScoreLog, not str"),
        (np.ones(3), "must return ScoreLog, not ndarray"),
        ((each for each in ()), "must return ScoreLog, not generator"),
        (ScoreLog, "must return ScoreLog, not type"),
        (
            replace(LOG, columns=None),
            "Farm: ScoreLog.columns must be a mapping of column names, not NoneType",
        ),
        (replace(LOG, columns=[("vmaf", (95.0,))]), "must be a mapping of column names, not list"),
        (replace(LOG, columns={1: (95.0,)}), "must be a mapping of column names, not dict"),
        (replace(LOG, columns={"vmaf": "95"}), r"ScoreLog.columns\['vmaf'\] must be a tuple of floats, .*, not str"),
        (replace(LOG, columns={"vmaf": 95.0}), "must be a tuple of floats, one for each frame, not float 95.0"),
        (replace(LOG, columns={"vmaf": {0: 95.0}}), "must be a tuple of floats, one for each frame, not dict"),
        (
            replace(LOG, columns={"vmaf": iter([95.0])}),
            "must be a tuple of floats, .*, not list_iterator",
        ),
        (replace(LOG, columns={"vmaf": ("95",) * 3}), "must be floats, not str '95'"),
        (replace(LOG, columns={"vmaf": (None,) * 3}), "must be floats, not NoneType None"),
        (replace(LOG, columns={"vmaf": (True,) * 3}), "must be floats, not bool True"),
        (replace(LOG, columns={"vmaf": (1j,) * 3}), "must be floats, not complex 1j"),
        (replace(LOG, columns={"vmaf": np.ones((3, 2))}), "must be floats, not list"),
        (replace(LOG, columns={**LOG.columns, "neg": (10**400,) * 3}), "neg is infinite in 3 frames"),
        (
            replace(LOG, columns={**LOG.columns, "neg": (1e30,) * 3}, pooled_means={}),
            r"neg is 1e\+30 in frame 0",
        ),
        (
            replace(LOG, columns={**LOG.columns, "vmaf": (9e3,) * 3}),
            "vmaf is 9000 in frame 0, and must be between",
        ),
        (replace(LOG, columns={**LOG.columns, "vmaf": (95.0, -300.0, 95.0)}), "vmaf is -300 in frame 1"),
        (replace(LOG, reference_frames=None), "ScoreLog.reference_frames must be a number of frames .*, not NoneType"),
        (replace(LOG, distorted_frames=3.0), "ScoreLog.distorted_frames must be a number of frames .*, not float 3.0"),
        (replace(LOG, reference_frames=-1, distorted_frames=-1), "must be a number of frames .*, not int -1"),
        (replace(LOG, pooled_means=None), "ScoreLog.pooled_means must be a mapping of column names, not NoneType"),
        (replace(LOG, pooled_means={"neg": "93"}), "the values of ScoreLog.pooled_means must be floats, not str '93'"),
        (replace(LOG, libvmaf=None), "ScoreLog.libvmaf must be a string, not NoneType"),
        (replace(LOG, command=["farm"]), "ScoreLog.command must be a string, not list"),
        (replace(LOG, signs=None), "ScoreLog.signs must be a mapping"),
        (
            ValueError("queue full"),
            r"The scorer Farm failed in score \(test_scorer_calls.py, line \d+\): ValueError: queue full",
        ),
        (KeyError("vmaf"), "failed in score .*: KeyError: 'vmaf'"),
        (AssertionError("low"), "failed in score .*: AssertionError: low"),
        (GateViolation("low"), "failed in score .*: GateViolation: low"),
        (ConnectionError("farm refused"), "failed in score .*: ConnectionError: farm refused"),
        (SystemExit(0), "failed in score .*: SystemExit: 0"),
        (ScorerError("the farm is closed"), "^the farm is closed$"),
    ],
)
def test_answers(answer: object, said: str) -> None:
    with pytest.raises(ScorerError, match=said) as caught:
        check(Farm(answer))
    assert len(str(caught.value)) < 500


def test_sigterm_ends_a_scorer() -> None:
    with pytest.raises(Terminated):
        check(Farm(Terminated(signal.SIGTERM)))


@pytest.mark.parametrize("make", [tuple, list, np.array, np.float32, lambda values: array("d", values)])
def test_columns_of_numbers(make: Callable[[object], Any]) -> None:
    result = check(Farm(replace(LOG, columns={"vmaf": make((95, 95, 95)), "neg": make((93, 93, 93))})))
    assert set(map(type, result.neg.frames)) == {float}
    assert result.neg == 93


@pytest.mark.parametrize(
    ("can", "said"),
    [
        ({"name": "farm"}, "The scorer Farm must return Capabilities, not dict"),
        (Capabilities(None, "1"), "The scorer Farm: Capabilities.name must be a string, not None"),  # type: ignore[arg-type]
        (Capabilities("farm", 1.0), "Capabilities.version must be a string, not 1.0"),  # type: ignore[arg-type]
        (Capabilities("farm", "1", reads_clips=None), "reads_clips must be true or false"),  # type: ignore[arg-type]
        (RuntimeError("no licence"), "The scorer Farm failed in capabilities .*: RuntimeError: no licence"),
    ],
)
def test_capabilities(can: object, said: str) -> None:
    with pytest.raises(ScorerError, match=said):
        check(Farm(can=can))


def test_no_scorers() -> None:
    with pytest.raises(ScorerError, match=r"must be an object, for example Farm\(\), not a class"):
        check(Farm)
    with pytest.raises(ScorerError, match=r"must have the methods of pytest_vmaf.Scorer, and 5 has not"):
        call(5, "score", None)  # type: ignore[arg-type]


def test_joint_logs() -> None:
    class Joint(Farm):
        def score_together(self, requests: object) -> Any:
            return (LOG,)

    regions = {"face": (0, 0, 64, 64)}
    with pytest.raises(ScorerError, match="The scorer Joint: score_together must be a tuple of 2 ScoreLogs, not tuple"):
        Vmaf(scorer=Joint()).check("ref.mkv", "dis.mkv", regions=regions)


def test_frames_of_parts() -> None:
    class Joint(Farm):
        def score_together(self, requests: object) -> Any:
            short = replace(LOG, columns={"vmaf": (95.0,), "neg": (93.0,)}, reference_frames=1, distorted_frames=1)
            return (LOG, short)

    said = "The scorer farm must score as many frames of each part, not whole picture: 3, face: 1"
    with pytest.raises(ScorerError, match=said):
        Vmaf(scorer=Joint()).check("ref.mkv", "dis.mkv", regions={"face": (0, 0, 64, 64)})


def test_programs_and_commands(tmp_path: Path) -> None:
    class Repeatable(Farm):
        def __init__(self) -> None:
            pass

        answer, can = LOG, Capabilities("farm", "1", reads_clips=False)

        def programs(self, tools: object) -> Any:
            return 5

        def command(self, request: object) -> str:
            return "farm"

    with pytest.raises(ScorerError, match="The scorer Repeatable: programs must return names of programs, not 5"):
        Vmaf(scorer=Repeatable(), cache=True, cache_dir=str(tmp_path)).check("ref.mkv", "dis.mkv", min_neg=90)


@pytest.mark.parametrize("signs", [True, False])
@pytest.mark.parametrize("frames", [5, 12])
def test_frames_that_were_not_scored(reference: Path, encoded: Path, tmp_path: Path, make, frames, signs) -> None:
    columns = dict.fromkeys(("vmaf", "neg", "psnr_y", "psnr_cb", "psnr_cr"), (95.0,) * frames)
    scorer = Farm(ScoreLog(columns, frames, frames, "1", "farm"), Capabilities("farm", "1"))
    request = MeasureRequest(Clip(reference), Clip(encoded), signs=signs)
    if frames == 12:
        assert measure(request, scorer).neg == 95
        # The scorer repeats the last frame of the shorter clip.
        short = make("-i", encoded, "-frames:v", 9, "-c", "copy", tmp_path / "short.mp4")
        request = replace(request, distorted=Clip(short))
    with pytest.raises(ScorerError, match=f"The scorer Farm reports {frames} frames"):
        measure(request, scorer)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"vmaf": "95"}, "vmaf must be a number or a sequence of them, not '95'"),
        ({"neg": None}, "neg must be a number or a sequence of them, not None"),
        ({"neg": []}, r"neg must be a number or a sequence of them, not \[\]"),
        ({"self_score": True}, "self_score must be a number or a sequence of them, not True"),
        ({"features": 5}, "features must be a mapping of columns to values, not 5"),
        ({"features": {"psnr_y": "40"}}, "psnr_y must be a number or a sequence of them, not '40'"),
        ({"frames": []}, r"frames must be a whole number of at least 1, not \[\]"),
        ({"frames": 0}, "frames must be a whole number of at least 1, not 0"),
    ],
)
def test_invented_numbers(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"FakeScorer: {said}"):
        FakeScorer(**settings)
