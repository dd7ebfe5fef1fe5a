"""Steps finer than a CRF: what encoders take, the scale, how ffmpeg gets a fraction, and names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from encoding.builders import FAST, paper_job
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.encoding.cached import encode_key
from pytest_vmaf.encoding.encode import make_encode
from pytest_vmaf.encoding.encoder_names import read_name, with_mode, with_step
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.encoding.fraction_trial import check_fractions
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.errors import EncodeError, SettingsError

QUARTERS = Encoder("libx264", crf_step=0.25)
WHOLE = ["libaom-av1", "libvpx-vp9", "libvvenc", "librav1e", "h264_qsv", "av1_amf"]


# The scale


def test_scale() -> None:
    scale = QUARTERS.scale
    assert (len(scale.steps), scale.steps[:3], scale.steps[-1]) == (205, (0, 0.25, 0.5), 51)
    assert [type(step) for step in scale.steps[:2]] == [int, float]
    assert scale.window((20.5, None))[:2] == (20.5, 20.75)
    assert scale.has(23.75)
    assert not scale.has(23.3)
    # Whole numbers stay as they are, in keys and in JSON.
    assert str(scale.read("crf", 23.0)) == "23"


def test_no_float_noise() -> None:
    scale = Encoder("libx264", crf_step=0.1).scale
    assert [str(step) for step in scale.window((23, 23.5))] == ["23", "23.1", "23.2", "23.3", "23.4", "23.5"]
    assert scale.read("crf", 23 + 0.1 * 3) == 23.3
    assert scale.read("crf", 20.400000000000006) == 20.4


def test_larger_is_finer() -> None:
    encoder = Encoder("x", (17.5, 19), command=("x", "{crf}"), larger_is_finer=True, crf_step=0.5)
    assert encoder.scale.steps == (19, 18.5, 18, 17.5)


def test_default() -> None:
    assert Encoder("libx264") == ENCODERS["libx264"]
    assert Encoder("libx264", crf_step=1.0) == ENCODERS["libx264"]
    assert Encoder("libx264").scale.steps == range(52)
    assert replace(QUARTERS, crf_step=1) == ENCODERS["libx264"]


@pytest.mark.parametrize("step", [0, -0.25, float("nan"), 2, 0.3, 1 / 3, 0.001, "0.25", None], ids=repr)
def test_step_invalid(step: object) -> None:
    with pytest.raises(SettingsError, match=r"libx264: crf_step must be 1, or 1 divided by a whole number .*, not "):
        Encoder("libx264", crf_step=step)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_only(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} takes whole numbers after -.* crf_step must not be 0.5. Leave it"):
        Encoder(name, crf_step=0.5)


def test_other_steps_refused() -> None:
    with pytest.raises(SettingsError, match=r"libsvtav1 takes steps of 0\.25, .* Use crf_step=0\.25"):
        Encoder("libsvtav1", crf_step=0.1)
    with pytest.raises(SettingsError, match="libx264 takes whole numbers after -qp"):
        Encoder("libx264", arguments=("-qp", "{crf}"), crf_step=0.5)
    with pytest.raises(SettingsError, match=r"bitrates have no step\. Leave out crf_step=0\.5, or mode='2pass'"):
        with_mode(replace(QUARTERS, crf_step=0.5), "2pass")
    with pytest.raises(SettingsError, match="x has qualities of its own"):
        Encoder("x", qualities=(1, 3), command=("x", "{crf}"), crf_step=0.5)


@pytest.mark.parametrize("crf_range", [(0.3, 40), (40, 0), (0, 2000), (0, "9"), 5], ids=repr)
def test_range_invalid(crf_range: Any) -> None:
    with pytest.raises(SettingsError, match=r"crf_range must be two numbers in steps of 0\.25"):
        Encoder("x", crf_range, command=("x", "{crf}"), crf_step=0.25)


@pytest.mark.parametrize(
    ("encoder", "number", "message"),
    [
        (QUARTERS, 23.3, r"crf must be a number from 0 to 51 in steps of 0\.25 for libx264, not 23\.3\.$"),
        (QUARTERS, 51.25, "crf must be a number from 0 to 51 in steps"),
        (QUARTERS, True, "not True"),
        (ENCODERS["libx264"], 23.25, r"a whole number .*, not 23\.25\. For fractions, set crf_step=0\.25 \(--crf-step"),
        (ENCODERS["libsvtav1"], 23.3, r"not 23\.3\. It takes steps of 0\.25: set crf_step=0\.25"),
        (ENCODERS["libaom-av1"], 23.25, r"a whole number from 1 to 63 for libaom-av1, not 23\.25\.$"),
    ],
)
def test_number_off_the_grid(encoder: Encoder, number: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        encoder.scale.read("crf", number)


@pytest.mark.parametrize("window", [(20.3, 30), (30, 20.5), (20,), (None, 51.25), "20-30"], ids=repr)
def test_window_off_the_grid(window: object) -> None:
    with pytest.raises(SettingsError, match=r"crf must be two numbers from 0 to 51 in steps of 0\.25 for libx264"):
        QUARTERS.scale.window(window)


# Arguments and keys


def test_arguments_of_x264() -> None:
    assert paper_job(QUARTERS, preset="fast").ffmpeg_arguments(23.25)[2:] == ("-preset", "fast", "-crf", "23.25")


def test_arguments_of_svt_av1() -> None:
    encoder = Encoder("libsvtav1", crf_step=0.25)
    job = paper_job(encoder, preset="8")
    assert job.ffmpeg_arguments(30)[2:] == ("-preset", "8", "-crf", "30")
    assert job.ffmpeg_arguments(30.25)[2:] == ("-preset", "8", "-svtav1-params", "crf=30.25")
    # ffmpeg takes the last of several values.
    own = paper_job(encoder, preset="8", arguments=("-g", "9", "-svtav1-params:v", "tune=0"))
    assert own.ffmpeg_arguments(30.25)[2:] == ("-preset", "8", "-g", "9", "-svtav1-params:v", "crf=30.25:tune=0")


def test_key_of_a_whole_number(job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    """An encode at a whole CRF is the same encode, whatever the step of the search."""
    path = Path("a.mp4")
    for name in ("libx264", "libsvtav1"):
        whole, stepped = (
            replace(job(Encoder(name, crf_step=step), preset=FAST[name][0]), cache=Cache(tmp_path))
            for step in (1, 0.25)
        )
        key = encode_key(whole, 30, path)
        assert key == encode_key(stepped, stepped.encoder.scale.read("crf", 30.0), path)
        assert key != encode_key(stepped, 30.25, path)


# Names


def test_names() -> None:
    assert read_name("libx264:slow:crf_step=0.25") == ("libx264", "slow", None, 0.25)
    assert read_name("libx264:crf_step=0.1") == ("libx264", None, None, 0.1)
    for wrong in ("0.3", "a", "nan", ""):
        with pytest.raises(SettingsError, match="libx264: crf_step must be 1, or"):
            read_name(f"libx264:crf_step={wrong}")


def test_with_step() -> None:
    assert with_step(ENCODERS["libx264"], 0.25) == QUARTERS
    assert with_step(QUARTERS, None) is QUARTERS
    assert with_step(QUARTERS, 0.25) is QUARTERS
    with pytest.raises(SettingsError, match=r"libx264 has the step 0\.25, but crf_step is 0\.5\. Give one"):
        with_step(QUARTERS, 0.5)
    assert with_step(function_encoder(lambda source, output, crf: None), 0.5).scale.read("crf", 0.5) == 0.5


# Real encoders


@pytest.mark.parametrize(("name", "step"), [("libx264", 0.1), ("libx265", 0.1), ("libsvtav1", 0.25)])
@pytest.mark.slow
def test_every_step_differs(name: str, step: float, job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    encoder = Encoder(name, crf_step=step)
    # Presets without adaptive quantisation round to whole quantisers in a frame.
    one = job(encoder, preset={"libx264": "veryfast", "libx265": "superfast"}.get(name, FAST[name][0]))
    crfs = encoder.scale.window((30, 31))
    sums = [make_encode(one, crf, tmp_path / f"{crf}.mp4").checksum for crf in crfs]
    assert len(set(sums)) == len(crfs)
    if name == "libsvtav1":
        # The same encode, whichever way the number goes.
        params = Encoder(name, (1, 63), arguments=("-preset", "{preset}", "-svtav1-params", "crf={crf}"))
        other = make_encode(replace(one, encoder=params), 30, tmp_path / "params.mp4")
        assert other.checksum == sums[0]


def test_trial(ffmpeg: str) -> None:
    """An option that this ffmpeg rounds, which no table names."""
    rounds = Encoder("libx264", arguments=("-preset", "ultrafast", "-qmin", "{crf}", "-qmax", "{crf}"), crf_step=0.5)
    with pytest.raises(
        EncodeError, match=r"rounds CRFs without a message: 3 test encodes from CRF 26 to 27 .*\n.*Leave"
    ):
        check_fractions(rounds, ffmpeg)
    passes = replace(rounds, arguments=("-preset", "ultrafast", "-x264-params", "aq-mode=1:crf={crf}"))
    check_fractions(passes, ffmpeg)
    # Nothing is known where the trial fails; the first encode tells why.
    check_fractions(replace(rounds, arguments=("-no-such-option", "{crf}")), ffmpeg)
