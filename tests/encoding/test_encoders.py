"""Encoders: the table, presets, templates, functions and their errors."""

from __future__ import annotations

import re
import shlex
import string
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from encoding.builders import paper_job
from pytest_vmaf.encoding.availability import check_available
from pytest_vmaf.encoding.encoders import (
    ENCODERS,
    PLACEHOLDERS,
    Encoder,
    command_encoder,
    function_encoder,
)
from pytest_vmaf.errors import EncodeError, SettingsError

SOFTWARE = ["libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "libvvenc", "librav1e"]


# The table


def test_names() -> None:
    kinds = {"nvenc": "h264 hevc av1", "qsv": "h264 hevc vp9 av1", "amf": "h264 hevc av1", "videotoolbox": "h264 hevc"}
    hardware = [f"{codec}_{kind}" for kind, codecs in kinds.items() for codec in codecs.split()]
    assert sorted(ENCODERS) == sorted([*SOFTWARE, *hardware])
    assert all(ENCODERS[name].requires for name in hardware)
    assert {name for name, row in ENCODERS.items() if row.larger_is_finer} == {
        "h264_videotoolbox",
        "hevc_videotoolbox",
    }


@pytest.mark.parametrize(
    ("name", "preset", "argv"),
    [
        ("libx264", "slow", "-preset slow -crf 30"),
        ("libx265", "slow", "-preset slow -crf 30"),
        ("libsvtav1", "-1", "-preset -1 -crf 30"),
        ("libaom-av1", "8", "-cpu-used 8 -row-mt 1 -crf 30 -b:v 0"),
        ("libvpx-vp9", "5", "-deadline good -cpu-used 5 -row-mt 1 -crf 30 -b:v 0"),
        ("libvvenc", "fast", "-preset fast -qp 30"),
        ("librav1e", "10", "-speed 10 -qp 30"),
        ("h264_nvenc", "p7", "-preset p7 -tune hq -rc vbr -cq 30 -b:v 0"),
        ("av1_nvenc", None, "-preset p5 -tune hq -rc vbr -cq 30 -b:v 0"),
        ("hevc_qsv", "veryslow", "-preset veryslow -global_quality 30"),
        ("h264_amf", None, "-quality balanced -rc cqp -qp_i 30 -qp_p 30"),
        ("hevc_videotoolbox", None, "-q:v 30"),
    ],
)
def test_ffmpeg_arguments(name: str, preset: str | None, argv: str) -> None:
    row = ENCODERS[name]
    arguments = paper_job(row, preset=row.resolve_preset(preset)).ffmpeg_arguments(30)
    assert arguments == ("-c:v", name, *argv.split())


def test_ffmpeg_arguments_of_the_user() -> None:
    encode_job = paper_job("libx264", preset="fast", pix_fmt="yuv420p10le", arguments=("-x264-params", "a={crf}:b=1"))
    assert encode_job.ffmpeg_arguments(5)[-4:] == ("-pix_fmt", "yuv420p10le", "-x264-params", "a={crf}:b=1")


def test_placeholders_from_source() -> None:
    words = ("-crf", "{crf}", "-g", "{frames}", "-s", "{width}x{height}", "-r", "{frame_rate}", "-pix_fmt", "{pix_fmt}")
    arguments = paper_job(Encoder("libx264", arguments=words)).ffmpeg_arguments(7)
    assert arguments == (
        "-c:v",
        "libx264",
        *["-crf", "7", "-g", "12", "-s", "192x128", "-r", "25", "-pix_fmt", "yuv420p"],
    )


# Availability


def test_available_in_embedded_ffmpeg(ffmpeg: str) -> None:
    for name in SOFTWARE:
        check_available(ENCODERS[name], ffmpeg)


def test_not_available(ffmpeg: str) -> None:
    message = r"was built without the encoder hevc_videotoolbox\. It also needs macOS.*\n.* libx264.*--vmaf-ffmpeg=PATH"
    with pytest.raises(EncodeError, match=message):
        check_available(ENCODERS["hevc_videotoolbox"], ffmpeg)


def test_audio_encoder_not_available(ffmpeg: str) -> None:
    with pytest.raises(EncodeError, match="without the encoder aac"):
        check_available(Encoder("aac", arguments=("-q:a", "{crf}")), ffmpeg)


def test_program_always_available(tmp_path: Path) -> None:
    check_available(command_encoder("enc {crf}"), str(tmp_path / "none"))
    check_available(function_encoder(lambda source, output, crf: None), str(tmp_path / "none"))


# Presets


def test_preset_default() -> None:
    assert ENCODERS["libx264"].resolve_preset(None) == "medium"
    assert ENCODERS["h264_videotoolbox"].resolve_preset(None) is None


def test_preset_unknown() -> None:
    with pytest.raises(SettingsError, match=r"no preset 'meduim'\. Did you mean 'medium'\? Presets: ultrafast, "):
        ENCODERS["libx264"].resolve_preset("meduim")
    with pytest.raises(SettingsError, match=r"libaom-av1 has no preset '12'\."):
        ENCODERS["libaom-av1"].resolve_preset("12")


def test_preset_not_supported() -> None:
    with pytest.raises(SettingsError, match="h264_videotoolbox does not take a preset, but preset is 'fast'"):
        ENCODERS["h264_videotoolbox"].resolve_preset("fast")


def test_preset_of_template() -> None:
    encoder = command_encoder("enc --speed {preset} {crf}")
    assert encoder.resolve_preset("quite fast") == "quite fast"
    with pytest.raises(SettingsError, match=r"enc has \{preset\} in its command but no default preset\. Set preset="):
        encoder.resolve_preset(None)
    assert replace(command_encoder("enc {preset} {crf}"), preset="8").resolve_preset(None) == "8"


# Fields


@pytest.mark.parametrize("crf_range", [(51, 0), (3, 3), (0, 1001), (0.0, 51.0), (True, 5), (0,), 51, "05"], ids=repr)
def test_crf_range_invalid(crf_range: object) -> None:
    with pytest.raises(SettingsError, match=r"crf_range must be two integers, .*, not "):
        Encoder("x", crf_range, arguments=("{crf}",))  # type: ignore[arg-type]


def test_crf_range_of_bitrates() -> None:
    with pytest.raises(SettingsError, match=r"steps of 10, write \(30, 600\), and \{crf\}0 in the command"):
        Encoder("x", (300, 6000), command=("enc", "{crf}k"), larger_is_finer=True)


@pytest.mark.parametrize(
    "ways", [{}, {"arguments": ("{crf}",), "command": ("{crf}",)}, {"command": ("{crf}",), "function": print}], ids=repr
)
def test_arguments_or_command_or_function(ways: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="must have one of arguments, command, function and codec"):
        Encoder("x", **ways)  # type: ignore[arg-type]


def test_crf_missing() -> None:
    with pytest.raises(SettingsError, match=r"enc: \{crf\} is missing, so every encode would be the same"):
        command_encoder("enc -i {input} -o {output}")


def test_placeholder_of_file_in_arguments() -> None:
    with pytest.raises(SettingsError, match=r"\{output\} is not a placeholder\. Placeholders: \{crf\}, "):
        Encoder("libx264", arguments=("-crf", "{crf}", "{output}"))


def test_arguments_not_strings() -> None:
    with pytest.raises(SettingsError, match="arguments must be a sequence of strings, not"):
        Encoder("libx264", arguments=("-crf", "{crf}", 5))  # type: ignore[arg-type]


# Command templates


def test_template() -> None:
    encoder = command_encoder("'/opt/my tools/enc' --crf {crf} -i {input} --note 'a b' -o {output}")
    assert encoder.command == (
        "/opt/my tools/enc",
        "--crf",
        "{crf}",
        "-i",
        "{input}",
        "--note",
        "a b",
        "-o",
        "{output}",
    )
    assert encoder.name == "enc"
    assert not encoder.reads_stdin


def test_template_of_paths(tmp_path: Path) -> None:
    encoder = command_encoder([tmp_path / "enc", "{crf}"])
    assert encoder.command == (str(tmp_path / "enc"), "{crf}")
    assert encoder.reads_stdin


@pytest.mark.parametrize("template", ["   ", []])
def test_template_empty(template: str) -> None:
    with pytest.raises(SettingsError, match="The encoder's command is empty"):
        command_encoder(template)


def test_template_unclosed_quote() -> None:
    with pytest.raises(SettingsError, match="cannot be split: No closing quotation"):
        command_encoder("enc '{crf}")


@pytest.mark.parametrize("template", [None, [1, 2], b"enc {crf}"], ids=repr)
def test_template_invalid(template: object) -> None:
    with pytest.raises(SettingsError, match=r"encoder must be a name, a command template, .*, not "):
        command_encoder(template)  # type: ignore[arg-type]


def test_name_printable() -> None:
    assert command_encoder(["en\x1b[2Jc", "{crf}"]).name == r"en\x1b[2Jc"


@settings(max_examples=30)
@given(st.text(string.ascii_lowercase + "_", min_size=0, max_size=12).filter(lambda name: name not in PLACEHOLDERS))
def test_placeholder_unknown(name: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"{{{name}}} is not a placeholder.")):
        command_encoder(["enc", "{crf}", f"--x={{{name}}}"])


@pytest.mark.parametrize(("name", "near"), [("inptu", "{input}"), ("pixfmt", "{pix_fmt}"), ("qp", None)])
def test_placeholder_suggestion(name: str, near: str | None) -> None:
    with pytest.raises(SettingsError, match=r"is not a placeholder\.") as caught:
        command_encoder(["enc", "{crf}", f"{{{name}}}"])
    assert (f"Did you mean {near!r}?" if near else "Placeholders: {crf}, ") in str(caught.value)
    assert ("Did you mean" in str(caught.value)) is (near is not None)


@pytest.mark.parametrize("slope", [0, 5, "-0.1"], ids=repr)
def test_slope_invalid(slope: object) -> None:
    with pytest.raises(SettingsError, match="slope must be a number between -5 and 5"):
        Encoder("x", arguments=("{crf}",), slope=slope)  # type: ignore[arg-type]


#: Arguments without braces of their own.
words = st.text(st.characters(exclude_characters="{}\0", exclude_categories=["Cs"]), max_size=12)
templates = st.lists(
    st.tuples(words, st.sampled_from(["", *(f"{{{name}}}" for name in PLACEHOLDERS)]), words), max_size=8
)


@settings(max_examples=25)
@given(templates)
def test_template_quoted_or_list(parts: list[tuple[str, str, str]]) -> None:
    words = ["enc", "{crf}", *map("".join, parts)]
    assert command_encoder(shlex.join(words)) == command_encoder(words)


@settings(max_examples=25)
@given(st.lists(st.text("{}:!crf \"'\\", max_size=10), max_size=6))
def test_braces_kept(parts: list[str]) -> None:
    plain = [part for part in parts if not re.search(r"\{\w*\}", part)]
    assert command_encoder(["enc", "{crf}", *plain]).command == ("enc", "{crf}", *plain)


# Functions


def test_function_name() -> None:
    def my_encoder(source: Path, output: Path, crf: int) -> None: ...

    assert function_encoder(my_encoder).name == "my_encoder"
    assert function_encoder(partial(my_encoder)).name == "partial"
    assert replace(function_encoder(my_encoder), crf_range=(1, 9)).name == "my_encoder"


def test_function_signature() -> None:
    with pytest.raises(SettingsError, match=r"must take \(source, output, crf\): .*too many positional"):
        function_encoder(lambda source, output: None)  # type: ignore[arg-type,misc]
    with pytest.raises(SettingsError, match=r"must take \(source, output, crf\): .*missing a required"):
        function_encoder(lambda a, b, c, d: None)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("files", 5, "files must be a sequence of strings, not 5"),
        ("files", "a.cfg", "files must be a sequence of strings, not 'a.cfg'"),
        ("command", "./enc -q {crf}", r"Write command=\('./enc', '-q', '\{crf\}'\)"),
        ("command", "enc '{crf}", r"not \"enc '\{crf\}\"\.$"),
        ("presets", [1], r"presets must be a sequence of strings, not \[1\]"),
        ("preset", 5, "preset must be a string or None, not 5"),
        ("name", 5, "The name of an encoder must be printable text, not 5"),
        ("name", "", "The name of an encoder must be printable text, not ''"),
        ("larger_is_finer", "no", "larger_is_finer must be True or False, not 'no'"),
        ("requires", 5, "requires must be a string, not 5"),
        ("function", 5, "function must be callable, not 5"),
        ("suffix", "\0", r"suffix must be a suffix such as .*, not '\\x00'"),
        ("suffix", "/a", "suffix must be a suffix such as .*, not '/a'"),
        ("suffix", None, "suffix must be a suffix"),
    ],
)
def test_field_of_another_type(field, value, words):
    with pytest.raises(SettingsError, match=words):
        Encoder(**{"name": "mine", **({} if field == "function" else {"command": ("enc", "{crf}")}), field: value})


def test_command_that_begins_with_a_variable():
    with pytest.raises(SettingsError, match=r"begins with a variable\. Write `env MODE=good \./enc …`"):
        command_encoder("MODE=good ./enc --crf {crf}")
    assert command_encoder("env MODE=good ./enc --crf {crf}").command[0] == "env"


def test_command_with_a_pipe():
    with pytest.raises(SettingsError, match=r"enc: no shell reads the command, so '\|' would be an argument"):
        command_encoder("enc --crf {crf} - | pack -o {output}")
    assert command_encoder("sh -c 'enc --crf {crf} - | pack -'").command[0] == "sh"
