"""Rounds in turn: their order, when they end, and what cannot be timed. The clock of these tests is made up."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from encoding.builders import paper_job

from pytest_vmaf.encoding.encoders import function_encoder
from pytest_vmaf.errors import EncodeError, MeasurementError, NoiseError, SettingsError
from pytest_vmaf.gates.gate import Gate, parse_gate
from pytest_vmaf.gates.tolerance import parse_tolerance
from pytest_vmaf.search import measure_speed as module
from pytest_vmaf.search.measure_speed import SpeedRequest, looks_of, measure_speed, refuse_untimeable
from pytest_vmaf.search.speed import Speed, SpeedRound
from pytest_vmaf.search.speed_verdicts import SpeedLimits, judge_speed, slowdown_gate, violation_text
from search.speed_builders import Pace, a_speed, against, set_pace

JOB = paper_job("libx264", preset="fast")


def drop(limit: str = "5%") -> SpeedLimits:
    return SpeedLimits((slowdown_gate(parse_tolerance("max_speed_drop", limit, "call")),))


def both(rounds: int | None = None, **settings: object) -> SpeedRequest:
    return SpeedRequest(JOB, 30, against(JOB), rounds, **settings)  # type: ignore[arg-type]


def noisy(fast: float = 1.0, slow: float = 1.0, noise: float = 0.02, seed: int = 1) -> Pace:
    generator = random.Random(seed)
    return lambda preset, _: (fast if preset == "fast" else slow) * math.exp(generator.gauss(0, noise))


def test_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of each that does not count, and then AB BA AB BA."""
    order = set_pace(monkeypatch, lambda *_: 1.0)
    speed = measure_speed(both(4))
    assert order == ["fast", "slow", *("fast", "slow", "slow", "fast") * 2]
    assert speed.against is not None
    assert (len(speed.rounds), len(speed.against.rounds)) == (4, 4)


def test_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that gets slower from encode to encode does not make either of two equal commands look slower."""
    set_pace(monkeypatch, lambda _, number: 1.02**number)
    speed = measure_speed(both(8))
    assert speed.slowdown is not None
    assert abs(speed.slowdown.estimate) < 0.1


def test_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    set_pace(monkeypatch, noisy())
    assert len(measure_speed(both(), drop().are_decided).rounds) == 8
    set_pace(monkeypatch, noisy(noise=0.1))
    assert 8 < len(measure_speed(both(), drop().are_decided).rounds) <= 40
    assert len(measure_speed(both(12)).rounds) == 12


@pytest.mark.parametrize(("slower", "passes"), [(1.0, True), (1.03, True), (1.12, False), (1.2, False)])
def test_verdicts(monkeypatch: pytest.MonkeyPatch, slower: float, passes: bool) -> None:
    """As noisy as a busy machine of two cores was (6 % from run to run), many times over: no verdict is wrong."""
    outcomes = []
    for seed in range(40):
        set_pace(monkeypatch, noisy(fast=slower, noise=0.04, seed=seed))
        speed = measure_speed(both(), drop().are_decided)
        try:
            [verdict] = judge_speed(speed, drop())
        except NoiseError:
            continue
        outcomes.append(verdict.passed)
    assert set(outcomes) == {passes}
    assert len(outcomes) > (25 if slower != 1.03 else 5)


def test_refusal() -> None:
    """Noise beyond the tolerance is neither a pass nor a failure."""
    base = [1.0, 1.2, 0.9, 1.0, 1.3, 0.8, 1.0, 1.1]
    with pytest.raises(NoiseError) as refused:
        judge_speed(a_speed([1.0] * 8, base), drop())
    first, *rest = str(refused.value).splitlines()
    assert first == (
        "too noisy to decide: 0.0 % (-30.0 to 20.0) slower than old; max_speed_drop is 5 %, and the noise of 8 rounds "
        "is ±25 %."
    )
    assert "about 240 rounds would tell (rounds=)" in rest[0]
    assert 'clock="instructions" is not disturbed' in rest[0]
    assert rest[-1] == "  8 rounds in turn, judged by CPU seconds"


def test_near_the_limit() -> None:
    base = [0.94, 0.96] * 4
    with pytest.raises(NoiseError, match=r"too near to the limit to decide: 5.0 % "):
        judge_speed(a_speed([1.0] * 8, base), drop())


def test_violation() -> None:
    speed = a_speed([1.0] * 8, [0.9] * 8, notes=("something disturbed it",))
    verdicts = judge_speed(speed, SpeedLimits((*drop().gates, parse_gate("min_decode_fps", 100, "ini"))))
    assert [verdict.passed for verdict in verdicts] == [False, True]
    assert violation_text(speed, verdicts).splitlines() == [
        "10.0 % (10.0 to 10.0) slower than old; max_speed_drop is 5 % (1 of 2 gates failed)",
        "  passed: decoding speed 200.0 frames/s (200.0 to 200.0); min_decode_fps is 100",
        "  source: a.mkv",
        "  8 rounds in turn, judged by CPU seconds",
        "  note: something disturbed it",
    ]


def test_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few frames per second prove nothing while other programs run; enough of them do. Pairs are not concerned."""
    speed = replace(a_speed([1.0] * 8, [0.8] * 8), others=0.6)
    low, high = (SpeedLimits((parse_gate("min_encode_fps", limit, "call"),)) for limit in (40, 60))
    assert judge_speed(speed, low)[0].passed
    with pytest.raises(NoiseError, match=r"too busy to decide: encoding speed 50.0 .*, but other programs took 60 %"):
        judge_speed(speed, high)
    assert not judge_speed(replace(speed, others=0.02), high)[0].passed
    assert not judge_speed(speed, drop())[0].passed
    set_pace(monkeypatch, lambda *_: 1.0)
    monkeypatch.setattr(module.OtherPrograms, "share", lambda _: 0.63)
    # Before it may be the note about other workers of pytest-xdist.
    assert measure_speed(both(1)).notes[-1] == "other programs took 63 % of the processors"


def test_failure_beside_noise() -> None:
    """A gate that fails clearly is a failure, although another one is too noisy to decide."""
    speed = a_speed([1.0] * 8, [0.5, 2.0] * 4)
    gates: tuple[Gate, ...] = (*drop().gates, parse_gate("min_encode_fps", 1000, "call"))
    [verdict] = judge_speed(speed, SpeedLimits(gates))
    assert not verdict.passed
    with pytest.raises(NoiseError):
        judge_speed(speed, SpeedLimits(gates[:1]))


def test_wall() -> None:
    """Wall seconds need an interval of 99.9 %, and more rounds."""
    base = [0.99, 1.0, 0.98, 1.01] * 3
    wall, cpu = (a_speed([1.0] * 12, base, clock=clock).slowdown for clock in ("wall", "cpu"))
    assert wall is not None
    assert cpu is not None
    assert (wall.low, wall.high) == (pytest.approx(-1), pytest.approx(2))
    assert wall.noise >= cpu.noise
    assert a_speed([1.0] * 8, base[:8], clock="wall").to_dict()["slowdown"]["interval"] is None


def test_looks() -> None:
    assert looks_of(None, "cpu", judged=True) == [8, 12, 16, 20, 24, 28, 32, 36, 40]
    assert looks_of(10, "cpu", judged=True) == [8, 10]
    assert looks_of(None, "wall", judged=False) == [8]
    assert looks_of(2, "wall", judged=False) == [2]
    assert looks_of(None, "wall", judged=True)[:3] == [12, 16, 20]
    assert looks_of(None, "instructions", judged=True) == [3]
    for rounds, judged in ((7, True), (0, False), (1001, False), (True, False), (2.0, False)):
        with pytest.raises(SettingsError, match="rounds must be a whole number from"):
            looks_of(rounds, "cpu", judged=judged)  # type: ignore[arg-type]


def test_too_short() -> None:
    with pytest.raises(MeasurementError, match=r"takes 0.010 s, which is too short.*\n.*-stream_loop 9"):
        refuse_untimeable(a_speed([0.01] * 8, [1.0] * 8), ["slowdown"])
    with pytest.raises(MeasurementError, match=r"An encode with old takes 0.010 s"):
        refuse_untimeable(a_speed([1.0] * 8, [0.01] * 8), ["slowdown"])
    speed = Speed(30, 100, (SpeedRound(1.0, 1.0, 0.02),) * 8, "new")
    refuse_untimeable(speed, ["encode_fps"])
    with pytest.raises(MeasurementError, match=r"Decoding an encode of new takes 0.020 s"):
        refuse_untimeable(speed, ["decode_fps"])


def test_work_elsewhere() -> None:
    """CPU seconds of what a GPU or a container does are not seen."""
    speed = Speed(30, 100, (SpeedRound(10.0, 0.02),) * 8, "new", against=a_speed([1.0] * 8))
    with pytest.raises(MeasurementError, match=r"the work is done elsewhere.* Use clock='wall'"):
        refuse_untimeable(speed, ["slowdown"])
    refuse_untimeable(replace(speed, clock="wall"), ["slowdown"])
    without = Speed(30, 100, (SpeedRound(10.0),) * 8, "new", against=a_speed([1.0] * 8))
    with pytest.raises(MeasurementError, match="does not tell cpu seconds"):
        refuse_untimeable(without, ["slowdown"])


def test_fewer_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that drops frames would be fast."""
    set_pace(monkeypatch, lambda *_: 1.0, lambda preset: 90 if preset == "slow" else 100)
    with pytest.raises(EncodeError, match="libx264 slow wrote 90 frames, and the first encode has 100"):
        measure_speed(both(2))


def test_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    set_pace(monkeypatch, lambda *_: 1.0)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    assert "1 other pytest-xdist worker ran" in measure_speed(both(1)).notes[0]
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT")
    assert measure_speed(both(1)).notes == ()
    monkeypatch.setattr(module.Stopwatch, "read", lambda _: SpeedRound(1.0, 0.5))
    assert measure_speed(both(1)).notes == (
        "starting ffmpeg and reading the source take 50 % of the CPU seconds, which hides as much of a slowdown: use a "
        "longer clip, or y4m",
    )


def test_no_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instructions are counted or refused; another clock never takes their place."""
    monkeypatch.setattr(module, "find_counter", lambda: None)
    with pytest.raises(SettingsError, match="perf is missing or may not count, and valgrind is missing"):
        measure_speed(both(clock="instructions"))
    function = paper_job(function_encoder(lambda *_: None))
    with pytest.raises(SettingsError, match="it is a function, which runs in this process"):
        measure_speed(SpeedRequest(function, 30, clock="instructions"))


def test_texts() -> None:
    speed = a_speed([1.0] * 8, [1.25] * 8)
    assert str(speed) == (
        "new at CRF 30 on a.mkv: 50.0 frames/s encoded, 200.0 decoded, 25.0 % (25.0 to 25.0) faster than old, by CPU "
        "seconds, 8 rounds"
    )
    assert repr(speed) == f"<Speed of new, CRF 30: {speed.sentence}>"
    data = speed.to_dict()
    assert data["slowdown"] == {"percent": -25.0, "interval": [-25.0, -25.0]}
    assert data["against"]["encode"] == 40.0
    assert a_speed([1.0], [1.0]).to_dict()["slowdown"] == {"percent": 0.0, "interval": None}
    uncounted = Speed(30, 100, (SpeedRound(1.0, 0.0),), "new", against=speed)
    assert uncounted.slowdown is None
    assert str(uncounted).endswith("100.0 frames/s encoded, 1 round")
