"""Texts for people: printable names, closest match, plurals, time codes."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, strategies as st

from pytest_vmaf.text import (
    beginning_of,
    closest_match,
    did_you_mean,
    never_checked,
    plural,
    printable,
    sentences_of,
    shell_join,
    time_code,
)


@given(st.text())
def test_printable_is_encodable(text: str) -> None:
    safe = printable(text)
    assert safe.isprintable()
    safe.encode("utf-8")


def test_printable_escapes() -> None:
    assert printable("a\udcffb\n\x1b[2J\u202e") == r"a\udcffb\n\x1b[2J\u202e"
    assert printable("Größe 1 ✓ 'x'") == "Größe 1 ✓ 'x'"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("min_ngg", "min_neg"),
        ("neg_min", "min_neg"),
        ("Min-Neg", "min_neg"),
        ("modle", "model"),
        ("generations", "generation"),
        ("qp", None),
        ("", None),
    ],
)
def test_closest_match(name: str, match: str | None) -> None:
    assert closest_match(name, ["min_neg", "model", "generation", "min_vmaf", "input"]) == match


def test_did_you_mean() -> None:
    assert did_you_mean("neg_min", ["min_neg"]) == " Did you mean 'min_neg'?"
    assert did_you_mean("crff", ["crf"], "{{{}}}") == " Did you mean '{crf}'?"
    assert did_you_mean("qp", ["input"]) == ""
    assert did_you_mean("x", []) == ""


def test_plural() -> None:
    assert [plural(number, "frame") for number in (0, 1, 2, 1.0, 0.5, 1_234_567)] == [
        "0 frames",
        "1 frame",
        "2 frames",
        "1 frame",
        "0.5 frames",
        "1234567 frames",
    ]


def test_never_checked() -> None:
    assert never_checked(["min_neg"], " (marker)") == "min_neg (marker) was never checked"
    assert never_checked(["min_neg", "max_gap"]) == "min_neg, max_gap were never checked"


@pytest.mark.parametrize(
    ("seconds", "hours", "text"),
    [
        (0, False, "0:00.000"),
        (59.9996, False, "1:00.000"),
        (61.5, False, "1:01.500"),
        (61.5, True, "0:01:01.500"),
        (3599.9999, False, "1:00:00.000"),
        (36000.001, False, "10:00:00.001"),
    ],
)
def test_time_code(seconds: float, hours: bool, text: str) -> None:
    assert time_code(seconds, hours=hours) == text


@given(st.lists(st.text(st.sampled_from("ab '\"\\$`!\n:|"), max_size=8), max_size=4))
def test_shell_join(arguments: list[str]) -> None:
    assert shlex.split(shell_join(arguments)) == arguments


def test_shell_join_in_a_shell() -> None:
    arguments = ["libvmaf=model='version=a\\:name=b|c'", "it's", "$HOME '", "a\\\\'", "!!'", "`id`'", "end'\\"]
    end = subprocess.run(["bash", "-c", f"printf '%s\\0' {shell_join(arguments)}"], capture_output=True, text=True)
    assert end.stdout.split("\0")[:-1] == arguments
    assert shell_join(arguments[:2]) == '"libvmaf=model=\'version=a\\:name=b|c\'" "it\'s"'


def test_sentences() -> None:
    text = "'x' is not a model, e.g. a.mkv at 2.5 dB. Did you mean 'y'? Models: a, b."
    assert sentences_of(text) == ["'x' is not a model, e.g. a.mkv at 2.5 dB.", "Did you mean 'y'?", "Models: a, b."]
    assert beginning_of(text, 60) == "'x' is not a model, e.g. a.mkv at 2.5 dB. Did you mean 'y'?"
    assert beginning_of(text, 40) == "'x' is not a model, e.g. a.mkv at 2.5 …"
    assert beginning_of(text, 999) == text
    assert beginning_of("x" * 99, 10) == "x" * 9 + " …"
    assert beginning_of("", 10) == ""
