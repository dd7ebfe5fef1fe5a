"""Encoders as data: what each is told, what is refused before anything runs."""

from __future__ import annotations

import re
import shlex
import string
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vmaf.encoding.encode import EncodeJob, ffmpeg_arguments
from pytest_vmaf.encoding.encoders import (
    ENCODERS,
    PLACEHOLDERS,
    Encoder,
    check_available,
    command_encoder,
    function_encoder,
)
from pytest_vmaf.errors import EncodeError, SettingsError

SOFTWARE = ["libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "libvvenc", "librav1e"]


# The rows.


def test_there_are_rows_for_the_software_and_the_hardware_encoders() -> None:
    kinds = {"nvenc": "h264 hevc av1", "qsv": "h264 hevc vp9 av1", "amf": "h264 hevc av1", "videotoolbox": "h264 hevc"}
    hardware = [f"{codec}_{kind}" for kind, codecs in kinds.items() for codec in codecs.split()]
    assert sorted(ENCODERS) == sorted([*SOFTWARE, *hardware])
    assert all(ENCODERS[name].needs for name in hardware)
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
def test_each_is_told_its_quality_and_preset(
    name: str, preset: str | None, argv: str, job: Callable[..., EncodeJob]
) -> None:
    row = ENCODERS[name]
    told = ffmpeg_arguments(job(row, preset=row.chosen_preset(preset)), 30)
    assert told == ("-c:v", name, *argv.split())


def test_pixel_format_and_further_arguments_come_last_and_as_they_are(job: Callable[..., EncodeJob]) -> None:
    told = job("libx264", preset="fast", pix_fmt="yuv420p10le", arguments=("-x264-params", "a={crf}:b=1"))
    assert ffmpeg_arguments(told, 5)[-4:] == ("-pix_fmt", "yuv420p10le", "-x264-params", "a={crf}:b=1")


def test_further_placeholders_are_filled_from_the_source(job: Callable[..., EncodeJob]) -> None:
    words = ("-crf", "{crf}", "-g", "{frames}", "-s", "{width}x{height}", "-r", "{frame_rate}", "-pix_fmt", "{pix_fmt}")
    told = ffmpeg_arguments(job(Encoder("libx264", arguments=words)), 7)
    assert told == ("-c:v", "libx264", *["-crf", "7", "-g", "12", "-s", "192x128", "-r", "25", "-pix_fmt", "yuv420p"])


# What is there.


@pytest.mark.parametrize("name", SOFTWARE)
def test_the_embedded_ffmpeg_has_the_software_encoders(name: str, ffmpeg: str) -> None:
    check_available(ENCODERS[name], ffmpeg)


def test_an_encoder_that_the_ffmpeg_was_built_without_is_named_with_what_it_has(ffmpeg: str) -> None:
    said = r"was built without the encoder hevc_videotoolbox\. It also needs macOS.*\n.* libx264.*--vmaf-ffmpeg=PATH"
    with pytest.raises(EncodeError, match=said):
        check_available(ENCODERS["hevc_videotoolbox"], ffmpeg)


def test_a_decoder_or_an_audio_encoder_of_the_name_does_not_count(ffmpeg: str) -> None:
    with pytest.raises(EncodeError, match="without the encoder aac"):
        check_available(Encoder("aac", arguments=("-q:a", "{crf}")), ffmpeg)


def test_programs_and_functions_are_not_looked_for_in_ffmpeg(tmp_path: Path) -> None:
    check_available(command_encoder("enc {crf}"), str(tmp_path / "none"))
    check_available(function_encoder(lambda source, output, crf: None), str(tmp_path / "none"))


# Presets.


def test_without_a_preset_the_rows_own_is_used() -> None:
    assert ENCODERS["libx264"].chosen_preset(None) == "medium"
    assert ENCODERS["h264_videotoolbox"].chosen_preset(None) is None


def test_a_preset_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="libx264 has no preset 'meduim'; did you mean 'medium'"):
        ENCODERS["libx264"].chosen_preset("meduim")
    with pytest.raises(SettingsError, match="libaom-av1 has no preset '12'"):
        ENCODERS["libaom-av1"].chosen_preset("12")


def test_a_preset_where_none_is_taken_is_refused() -> None:
    with pytest.raises(SettingsError, match="h264_videotoolbox takes no preset here; preset is 'fast'"):
        ENCODERS["h264_videotoolbox"].chosen_preset("fast")


def test_a_template_with_preset_takes_any_and_needs_one() -> None:
    encoder = command_encoder("enc --speed {preset} {crf}")
    assert encoder.chosen_preset("quite fast") == "quite fast"
    with pytest.raises(SettingsError, match=r"enc has \{preset\} in its command and no preset of its own; say preset="):
        encoder.chosen_preset(None)
    assert command_encoder("enc {preset} {crf}", preset="8").chosen_preset(None) == "8"


# What an encoder may be.


@pytest.mark.parametrize(
    "crf_range", [(51, 0), (3, 3), (0.0, 51.0), (True, 5), (0,), (0, 1, 2), 51, None, "05"], ids=repr
)
def test_a_range_that_is_none_is_refused(crf_range: object) -> None:
    with pytest.raises(SettingsError, match=r"crf_range is .*; it is two whole numbers"):
        Encoder("x", crf_range, arguments=("{crf}",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "ways", [{}, {"arguments": ("{crf}",), "command": ("{crf}",)}, {"command": ("{crf}",), "function": print}], ids=repr
)
def test_exactly_one_way_to_run_is_said(ways: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="ffmpeg arguments, a command or a function; one of them"):
        Encoder("x", **ways)  # type: ignore[arg-type]


def test_a_command_that_does_not_tell_the_quality_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"enc: \{crf\} is missing, so every encode would be the same one"):
        command_encoder("enc -i {input} -o {output}")


def test_ffmpeg_is_told_the_files_anyway() -> None:
    with pytest.raises(SettingsError, match=r"\{output\} is no placeholder here"):
        Encoder("libx264", arguments=("-crf", "{crf}", "{output}"))


def test_words_that_are_no_text_are_refused() -> None:
    with pytest.raises(SettingsError, match="arguments and command are lists of words"):
        Encoder("libx264", arguments=("-crf", "{crf}", 5))  # type: ignore[arg-type]


# Command templates.


def test_a_template_is_split_as_a_shell_would_and_named_after_its_program() -> None:
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


def test_a_template_may_be_a_list_with_paths(tmp_path: Path) -> None:
    encoder = command_encoder([tmp_path / "enc", "{crf}"])
    assert encoder.command == (str(tmp_path / "enc"), "{crf}")
    assert encoder.reads_stdin


@pytest.mark.parametrize("template", ["", "   ", []])
def test_an_empty_template_is_refused(template: str) -> None:
    with pytest.raises(SettingsError, match="The encoder's command is empty"):
        command_encoder(template)


def test_a_quote_that_does_not_end_is_refused() -> None:
    with pytest.raises(SettingsError, match="cannot be split: No closing quotation"):
        command_encoder("enc '{crf}")


@pytest.mark.parametrize("template", [5, None, [1, 2], b"enc {crf}"], ids=repr)
def test_what_is_no_template_is_refused(template: object) -> None:
    with pytest.raises(SettingsError, match=r"encoder is .*; it is a name, a command template"):
        command_encoder(template)  # type: ignore[arg-type]


def test_control_characters_in_the_name_are_shown_as_escapes() -> None:
    assert command_encoder(["en\x1b[2Jc", "{crf}"]).name == r"en\x1b[2Jc"


@given(st.text(string.ascii_lowercase + "_", min_size=0, max_size=12).filter(lambda name: name not in PLACEHOLDERS))
def test_an_unknown_placeholder_is_refused_and_the_nearest_named(name: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"{{{name}}} is no placeholder here; did you mean {{")):
        command_encoder(["enc", "{crf}", f"--x={{{name}}}"])


#: Words as people write them into templates: no braces of their own.
words = st.text(st.characters(exclude_characters="{}\0", exclude_categories=["Cs"]), max_size=12)
templates = st.lists(
    st.tuples(words, st.sampled_from(["", *(f"{{{name}}}" for name in PLACEHOLDERS)]), words), max_size=8
)


@given(templates)
def test_quoting_a_template_gives_the_same_encoder_as_its_list(parts: list[tuple[str, str, str]]) -> None:
    words = ["enc", "{crf}", *map("".join, parts)]
    assert command_encoder(shlex.join(words)) == command_encoder(words)


@given(st.lists(st.text("{}:!crf \"'\\", max_size=10), max_size=6))
def test_braces_that_are_no_placeholder_stay_as_they_are(parts: list[str]) -> None:
    plain = [part for part in parts if not re.search(r"\{\w*\}", part)]
    assert command_encoder(["enc", "{crf}", *plain]).command == ("enc", "{crf}", *plain)


# Functions.


def test_a_function_is_known_by_its_name() -> None:
    def my_encoder(source: Path, output: Path, crf: int) -> None: ...

    assert function_encoder(my_encoder).name == "my_encoder"
    assert function_encoder(partial(my_encoder)).name == "partial"
    assert function_encoder(my_encoder, name="ours", crf_range=(1, 9)).crf_range == (1, 9)


def test_a_function_that_takes_something_else_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"called with \(source, output, crf\): .*too many positional"):
        function_encoder(lambda source, output: None)  # type: ignore[arg-type,misc]
    with pytest.raises(SettingsError, match=r"called with \(source, output, crf\): .*missing a required"):
        function_encoder(lambda a, b, c, d: None)  # type: ignore[arg-type,misc]
