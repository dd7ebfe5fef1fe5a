"""What codecs state about themselves, and the scales of encoders."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoding.codecs import Rounding
from pytest_vmaf import Codec
from pytest_vmaf.encoding.codec import is_codec, read_codec
from pytest_vmaf.encoding.codec_encoder import codec_encoder
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.errors import SettingsError


def stating(**attributes: object) -> Codec[Any]:
    """A codec with these attributes."""
    codec = Rounding()
    for name, value in attributes.items():
        setattr(codec, name, value)
    return codec


def test_defaults() -> None:
    encoder = codec_encoder(Rounding())
    assert (encoder.name, encoder.crf_range, encoder.qualities) == ("Rounding", (0, 51), ())
    assert (encoder.larger_is_finer, encoder.suffix, encoder.files) == (False, ".bin", ())
    assert read_codec(Rounding()).pix_fmt == "rgb24"
    assert isinstance(Rounding(), Codec)


def test_attributes() -> None:
    codec = stating(name="mine", qualities=(0.5, 1, 2.5), larger_is_finer=True, pix_fmt="rgb48", files=Path("w.pt"))
    encoder = codec_encoder(codec)
    assert (encoder.name, encoder.crf_range, encoder.qualities) == ("mine", (0.5, 2.5), (0.5, 1, 2.5))
    assert (encoder.larger_is_finer, encoder.files, list(encoder.scale.steps)) == (True, ("w.pt",), [2.5, 1, 0.5])
    assert read_codec(codec).pix_fmt == "rgb48le"


def test_encoder_takes_precedence() -> None:
    encoder = Encoder("own", (1, 9), codec=stating(qualities=(0.5, 1.5)), suffix=".lc")
    assert (encoder.crf_range, encoder.qualities, encoder.suffix) == ((1, 9), (), ".lc")
    assert Encoder("own", codec=stating(crf_range=(1, 9))).crf_range == (1, 9)


@pytest.mark.parametrize(
    ("grid", "steps"),
    [
        ((3, 1, 0.5), (0.5, 1, 3)),
        ([0.0018, 0.0035], (0.0018, 0.0035)),
        (np.float32([0.1, 0.7]), (0.1, 0.7)),
        (np.array([0.25, 1]), (0.25, 1.0)),
        ((Fraction(1, 2), 2), (0.5, 2)),
        ((4,), (4,)),
        ((1e-300, 1e300), (1e-300, 1e300)),
        ((1, 2, 4, 8), (1, 2, 4, 8)),
    ],
    ids=repr,
)
def test_grid(grid: object, steps: tuple[float, ...]) -> None:
    encoder = codec_encoder(stating(qualities=grid))
    assert encoder.qualities == steps
    assert {type(step) for step in encoder.qualities} <= {int, float}
    assert replace(encoder, preset=None) == encoder


def test_grid_without_gaps_is_a_range() -> None:
    encoder = codec_encoder(stating(qualities=range(1, 9)))
    assert (encoder.crf_range, encoder.qualities) == ((1, 8), ())


@pytest.mark.parametrize(
    "grid",
    [(), (1, 3, 2), (1, 1), (1, float("nan")), ("1", "2"), "abc", 5, (True, 2), range(1002), len],
    ids=repr,
)
def test_grid_invalid(grid: object) -> None:
    with pytest.raises(SettingsError, match=r"^Rounding: qualities must "):
        codec_encoder(stating(qualities=grid))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": 5}, "The name of a codec must be a string, not 5"),
        ({"larger_is_finer": 1}, "larger_is_finer must be True or False, not 1"),
        ({"version": 2}, "version must be a string"),
        ({"files": "a.pt"}, "files must be a sequence of strings"),
        ({"pix_fmt": "nv12"}, "pix_fmt of frames must be RGB, grey or planar YUV"),
        ({"pix_fmt": 5}, "pix_fmt of frames must be RGB, grey or planar YUV"),
        ({"crf_range": (5, 1)}, "crf_range must be two integers"),
        ({"crf_range": (1, 5), "qualities": (1, 3)}, "qualities or crf_range, not both"),
        ({"encode": None}, r"must have the method encode\(frames, quality\)"),
        ({"decode": lambda *, data: data}, r"the method must be decode\(bitstream\): "),
        ({"encode": lambda frames: b""}, r"the method must be encode\(frames, quality\): too many"),
    ],
)
def test_attribute_invalid(attributes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        codec_encoder(stating(**attributes))


def test_async_method() -> None:
    async def decode(bitstream: bytes) -> None: ...

    with pytest.raises(SettingsError, match=r"decode\(bitstream\) must be a plain method, not async"):
        codec_encoder(stating(decode=decode))


def test_class_instead_of_instance() -> None:
    with pytest.raises(SettingsError, match=r"must be an instance, not the class: Rounding\(…\)"):
        codec_encoder(Rounding)  # type: ignore[arg-type]


def test_range_and_grid() -> None:
    with pytest.raises(SettingsError, match="must have crf_range or qualities, not both"):
        Encoder("x", (1, 5), arguments=("{crf}",), qualities=(1, 1.5))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Rounding(), True),
        (Rounding, True),
        (print, False),
        ("libx264", False),
        (b"x", False),
        (["enc", "{crf}"], False),
        (ENCODERS["libx264"], False),
        (type("Half", (), {"encode": print})(), True),
    ],
)
def test_is_codec(value: object, expected: bool) -> None:
    assert is_codec(value) is expected


def test_grid_of_a_command() -> None:
    encoder = Encoder("quarters", qualities=(20, 20.25, 20.5), command=("enc", "{crf}"))
    assert encoder.scale.read("crf", 20.25) == 20.25
    assert list(encoder.scale.window((20, 20.25))) == [20, 20.25]
    assert list(encoder.scale.window((20.25, None))) == [20.25, 20.5]


@pytest.mark.parametrize("value", [0.7, True, "1", None, float("nan"), [1]], ids=repr)
def test_number_outside_of_a_grid(value: object) -> None:
    with pytest.raises(SettingsError, match=r"crf must be one of 0.5, 1, 2.5 for mine, not "):
        codec_encoder(stating(qualities=(0.5, 1, 2.5)), "mine").scale.read("crf", value)


def test_long_grid_in_a_message() -> None:
    encoder = codec_encoder(stating(qualities=[step / 10 for step in range(900)]))
    with pytest.raises(SettingsError, match=r"crf must be one of 0.0, 0.1, 0.2, 0.3, …, 89.9 for Rounding, not 7.77"):
        encoder.scale.read("crf", 7.77)
