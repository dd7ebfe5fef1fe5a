"""`vmaf.speed` with real encoders, its gates, records and errors. No test asserts on how long something takes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from encoding.builders import FAST
from search.speed_builders import set_pace

from pytest_vmaf import EncodeError, Encoder, GateViolation, MeasurementError, NoiseError, SettingsError, Vmaf
from pytest_vmaf.search import measure_speed as module


@pytest.fixture
def vmaf() -> Vmaf:
    return Vmaf(progress=False)


def test_one_round(vmaf: Vmaf, clip: Path) -> None:
    speed = vmaf.speed(clip, encoder="libx264:ultrafast", crf=30, rounds=1, against="libx264:veryfast")
    assert (speed.name, speed.frames, speed.crf) == ("libx264 ultrafast", 12, 30)
    assert speed.encode > 0
    assert speed.decode
    assert speed.against is not None
    assert speed.against.name == "libx264 veryfast"
    assert speed.slowdown is not None
    [record] = vmaf.records
    assert (record["status"], record["distorted"]) == ("passed", "speed of libx264 ultrafast at CRF 30")
    assert record["about"] == speed.sentence
    [section] = vmaf.sections
    assert section["blocks"][1]["rows"][1][0] == "libx264 veryfast"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["libx265", "libsvtav1", "libvpx-vp9", "libvvenc"])
def test_real_encoders(vmaf: Vmaf, clip: Path, name: str) -> None:
    preset, crf = FAST[name]
    speed = vmaf.speed(clip, encoder=name, preset=preset, crf=crf, rounds=2)
    assert len(speed.rounds) == 2
    assert all(one.wall > 0 and one.cpu and one.decoding for one in speed.rounds)


def test_too_short(vmaf: Vmaf, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate on an encode of some hundredths of a second is an error; the records have it, too."""
    set_pace(monkeypatch, lambda *_: 0.04)
    with pytest.raises(MeasurementError, match="too short to be timed"):
        vmaf.speed(clip, encoder="libx264:ultrafast", crf=30, rounds=8, decode=False, min_encode_fps=1)
    assert [record["status"] for record in vmaf.records] == ["error"]


def test_gates(vmaf: Vmaf, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_pace(monkeypatch, lambda preset, _: 1.2 if preset == "slow" else 1.0)
    vmaf.speed(clip, encoder="libx264:fast", crf=30, against="libx264:slow", max_speed_drop="5%", min_encode_fps=90)
    [gate, fps] = vmaf.records[0]["gates"][::-1]
    assert (gate["name"], gate["metric"], gate["limit"], gate["passed"]) == ("max_speed_drop", "slowdown", 5.0, True)
    assert gate["value"] == pytest.approx(-20)
    assert (fps["name"], fps["value"]) == ("min_encode_fps", 100.0)
    with pytest.raises(GateViolation, match=r"16.7 % \(16.7 to 16.7\) slower than libx264 fast; max_speed_drop is 5 %"):
        vmaf.speed(clip, encoder="libx264:slow", crf=30, against="libx264:fast", gates={"max_speed_drop": "5%"})
    assert vmaf.records[1]["status"] == "failed"
    with pytest.raises(GateViolation, match=r"encoding speed 100.0 frames/s .*; min_encode_fps is 120"):
        Vmaf(progress=False).speed(clip, encoder="libx264:fast", crf=30, min_encode_fps=120, min_decode_fps=10)


def test_noise(vmaf: Vmaf, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_pace(monkeypatch, lambda _, number: 1.0 + 0.4 * (number % 3))
    with pytest.raises(NoiseError, match="too noisy to decide"):
        vmaf.speed(clip, encoder="libx264:fast", crf=30, against="libx264:slow", max_speed_drop="5%", rounds=8)
    assert vmaf.records[0]["status"] == "error"


def test_function(vmaf: Vmaf, clip: Path, encoded: Path, encode: Callable[..., Path]) -> None:
    """The CPU seconds of a function are those of this process and its children."""
    made = encode(clip, 30)

    def copy(source: Path, output: Path, crf: int) -> None:
        sum(range(2_000_000))
        shutil.copyfile(made, output)

    speed = vmaf.speed(clip, encoder=copy, crf=30, rounds=1, decode=False)
    assert speed.rounds[0].cpu
    assert speed.decode is None
    with pytest.raises(SettingsError, match="it is a function, which runs in this process"):
        vmaf.speed(clip, encoder=copy, crf=30, clock="instructions")


def test_pipeline(vmaf: Vmaf, clip: Path, program: Callable[..., Path]) -> None:
    """A script that reads from standard input and pipes into a second process; a script that fails."""
    script = program('ffmpeg -i - -f yuv4mpegpipe - | ffmpeg -i - -c:v libx264 -preset ultrafast -crf "$1" "$2"')
    speed = vmaf.speed(clip, encoder=f"{script} {{crf}} {{output}}", crf=30, rounds=1)
    assert speed.frames == 12
    assert speed.rounds[0].cpu
    broken = program("echo no licence >&2; exit 3", name="broken")
    with pytest.raises(EncodeError, match="no licence"):
        vmaf.speed(clip, encoder=f"{broken} {{crf}} {{output}}", crf=30)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
@pytest.mark.slow
def test_instructions(vmaf: Vmaf, clip: Path, encode: Callable[..., Path], program: Callable[..., Path]) -> None:
    """A verdict on 1 % that needs three rounds, whatever else the machine does."""
    made = encode(clip, 30)
    lines = f'i=0; while [ $i -lt "$1" ]; do i=$((i+1)); done; cp {made} "$4"'
    script = program(lines)
    old, slow = (f"{script} {loops} {{crf}} {{input}} {{output}}" for loops in (2_000, 2_400))
    with pytest.raises(GateViolation, match=r"slower than the other command; max_speed_drop is 1 %.*\n.*\n.*3 rounds"):
        vmaf.speed(clip, encoder=slow, crf=30, against=old, max_speed_drop="1%", clock="instructions")
    [record] = vmaf.records
    assert 1 < record["gates"][0]["value"] < 20
    assert re.search(r"instructions a frame, counted by (valgrind|perf) \d", record["about"])


def test_instructions_of_a_failure(
    vmaf: Vmaf, clip: Path, program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that only fails under the counter: the error names the counter."""
    counter = program("echo illegal instruction >&2; exit 4", name="valgrind")
    monkeypatch.setattr(module, "find_counter", lambda: module.InstructionCounter("valgrind 1.0", str(counter)))
    with pytest.raises(EncodeError, match="illegal instruction") as failure:
        vmaf.speed(clip, encoder="libx264", crf=30, clock="instructions")
    assert "It ran under valgrind 1.0" in failure.value.__notes__[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_speed_drop": "5%"}, "compares the speed with that of another command. Name it: against="),
        ({"max_speed_drop": 5, "against": "libx264"}, "Write max_speed_drop with a percentage, for example '5%'"),
        ({"max_speed_rise": "5%", "against": "libx264"}, "Write max_speed_drop with a percentage"),
        ({"clock": "time"}, "clock must be one of cpu, wall, instructions, not 'time'"),
        ({"clock": "instructions", "min_encode_fps": 3}, "min_encode_fps=3 (call) requires time"),
        ({"rounds": 0}, "rounds must be a whole number from 1 to 1000, not 0"),
        (
            {"rounds": 5, "min_encode_fps": 3},
            "rounds must be a whole number from 8 to 1000, not 5: the clock 'cpu' needs more",
        ),
        ({"decode": False, "min_decode_fps": 9}, "min_decode_fps=9 (call) requires the decoder, which decode=False"),
        ({"decode": 1}, "decode must be True or False, not 1"),
        ({"min_neg": 90}, "min_neg is not a gate of a search"),
        ({"min_encode_fps_p5": 90}, "encode_fps has no pools. Write min_encode_fps."),
        ({"crf": 99}, "crf must be a whole number from 0 to 51"),
        ({"workers": 2}, "'workers' is an option of a search; speed is measured at one CRF"),
        (
            {"stream": {"codec": "vp9"}},
            "stream is about one encode. Pass the encode to vmaf.check(source, encode, stream={",
        ),
        ({"against": {"encoder": "libx264", "crf": (20, 30)}}, "against has no crf of its own"),
        ({"codec": "vp9"}, "codec is about one encode. Pass the encode to vmaf.check"),
        ({"agianst": "libx264"}, "'agianst' is not a setting of a search. Did you mean 'against'?"),
    ],
)
def test_settings(vmaf: Vmaf, clip: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        vmaf.speed(clip, **{"encoder": "libx264", "crf": 30, **settings})  # type: ignore[arg-type]
    assert message in str(refused.value)


def test_other_methods(vmaf: Vmaf, clip: Path, encode: Callable[..., Path]) -> None:
    """Gates on speed cannot be checked elsewhere."""
    with pytest.raises(SettingsError, match=r"requires vmaf.speed\(\): no other method measures speed"):
        vmaf.check(clip, encode(clip, 30), min_encode_fps=3)
    with pytest.raises(SettingsError, match="max_speed_drop"):
        vmaf.check(clip, encode(clip, 30), max_speed_drop="5%")


def test_encoder_object(vmaf: Vmaf, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_pace(monkeypatch, lambda *_: 1.0)
    other = Encoder("libx264", arguments=("-preset", "ultrafast", "-crf", "{crf}"))
    speed = vmaf.speed(clip, encoder=other, crf=30, against={"encoder": other, "arguments": "-threads 1"}, rounds=1)
    assert speed.against is not None
    assert speed.against.name == "the other command"
