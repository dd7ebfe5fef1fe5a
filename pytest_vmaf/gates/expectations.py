"""Expectations on a stream that are not numbers: codec, profile, pixel format, frame rate, colour tags, closed GOPs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pytest_vmaf.bitstream.profiles import ALIASES, PROFILES, plain_name
from pytest_vmaf.bitstream.rates import FULL
from pytest_vmaf.bitstream.stream import CODEC_NAMES, Change, Stream, no_rate
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.gates.gate import Gate, Verdict, verdict_of
from pytest_vmaf.gates.stream_numbers import at_time, stream_number
from pytest_vmaf.media.ntsc import ntsc_rate
from pytest_vmaf.text import did_you_mean, short_repr, time_code

#: The colour tags by their names in ffmpeg.
COLOUR_TAGS = ("color_range", "matrix", "primaries", "transfer")
SAME = "same"


@dataclass(frozen=True)
class Expectation:
    """What one place expects of a stream.

    Attributes:
        name: For example "codec".
        value: What is expected, checked.
        origin: Where it was set: "call" or "marker".
    """

    name: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Check:
    """The outcome of checking an expectation.

    Attributes:
        name: The expectation's name.
        origin: Where it was set.
        text: What is, and what was expected, in words.
        passed: Whether it is as expected.
        where: Where in the stream it is not, as lines of a message.
    """

    name: str
    origin: str
    text: str
    passed: bool
    where: tuple[str, ...] = ()


def _codec(value: object) -> str:
    name = plain_name(value) if isinstance(value, str) else ""
    name = ALIASES.get(name, name)
    if name not in CODEC_NAMES:
        raise ValueError(f"one of {', '.join(CODEC_NAMES)}")
    return name


def _profile(value: object) -> str:
    if not isinstance(value, str) or not plain_name(value):
        raise ValueError("the usual name of a profile, for example 'High' or 'Main 10'")
    return value


def _pix_fmt(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("ffmpeg's name of a pixel format, for example yuv420p")
    return value


def _frame_rate(value: object) -> Fraction:
    try:
        # The shortest text of a float: 23.976 is meant, and not what is nearest to it in binary.
        rate = Fraction(str(value)) if isinstance(value, str | int | float | Fraction) else Fraction(0)
    except (ValueError, ArithmeticError):
        rate = Fraction(0)
    if isinstance(value, bool) or not 0 < rate <= 10_000:
        raise ValueError("a number of frames per second, for example 24 or '30000/1001'")
    return rate


def _colour_tags(value: object) -> str | dict[str, str]:
    if value == SAME:
        return SAME
    if not isinstance(value, Mapping) or not value or not all(isinstance(tag, str) for tag in value.values()):
        raise ValueError("'same' (as the reference's), or a mapping such as {'primaries': 'bt2020'}")
    if unknown := [name for name in value if name not in COLOUR_TAGS]:
        raise ValueError(f"a mapping of {', '.join(COLOUR_TAGS)}; {unknown[0]!r:.40} is not one of them")
    return dict(value)


def _bitstream(value: object) -> str:
    if value != SAME:
        raise ValueError("'same': the packets must be the baseline's")
    return SAME


def _closed(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e15:
        raise ValueError("a number above 0")
    return float(value)


def _share(value: object) -> float:
    if _positive(value) > 1:
        raise ValueError("a share of the buffer above 0 and at most 1")
    return _positive(value)


#: The check of each, which raises ValueError with what the value must be. The last four say how numbers are measured.
FIELDS: Mapping[str, Callable[[object], object]] = {
    "codec": _codec,
    "profile": _profile,
    "pix_fmt": _pix_fmt,
    "frame_rate": _frame_rate,
    "colour_tags": _colour_tags,
    "bitstream": _bitstream,
    "closed_gop": _closed,
    "window": _positive,
    "vbv_size": _positive,
    "vbv_rate": _positive,
    "vbv_init": _share,
}


def parse_expectations(values: Mapping[str, object], origin: str) -> tuple[Expectation, ...]:
    """Read expectations. None takes one back that was set elsewhere.

    Raises:
        SettingsError: If a name or a value is not valid.
    """
    expectations = []
    for name, value in values.items():
        if name not in FIELDS:
            hint = did_you_mean(str(name), FIELDS)
            raise SettingsError(f"{name!r:.60} ({origin}) is not an expectation on a stream.{hint}")
        try:
            checked = None if value is None else FIELDS[name](value)
        except ValueError as error:
            raise SettingsError(f"{name} ({origin}) must be {error}, not {short_repr(value)}.") from None
        expectations.append(Expectation(name, checked, origin))
    return tuple(expectations)


def in_force(layers: Iterable[Iterable[Expectation]]) -> dict[str, Expectation]:
    """The expectations in force by name: each from the first layer that sets it, without those taken back.

    Raises:
        SettingsError: If one needs another that is not there, or contradicts it.
    """
    chosen: dict[str, Expectation] = {}
    for layer in layers:
        for each in layer:
            chosen.setdefault(each.name, each)
    expected = {name: each for name, each in chosen.items() if each.value is not None and each.value is not False}
    if ("vbv_size" in expected) != ("vbv_rate" in expected):
        raise SettingsError("A buffer needs both vbv_size= in bits and vbv_rate= in bit/s.")
    if "codec" in expected and "profile" in expected:
        refuse_foreign(expected["profile"], expected["codec"].value)
    return expected


def refuse_foreign(profile: Expectation, codec: str) -> None:
    """Raise SettingsError if a profile is not one of the codec's."""
    names = PROFILES[codec]
    if plain_name(profile.value) not in map(plain_name, names):
        raise SettingsError(
            f"profile ({profile.origin}) must be a profile of {CODEC_NAMES[codec]}, not {profile.value!r:.60}. "
            f"Profiles: {', '.join(names)}."
        )


def initial_share(expected: Mapping[str, Expectation]) -> float:
    """How full the decoder's buffer is at first."""
    return float(expected["vbv_init"].value) if "vbv_init" in expected else FULL


def judge_stream(stream: Stream, gates: Iterable[Gate]) -> tuple[Verdict, ...]:
    """Check each gate against a stream. Raises as `stream_number`."""
    return tuple(
        verdict_of(gate, stream_number(stream, gate.name, gate.metric, gate.limit))
        for gate in gates
        if gate.limit is not None
    )


def check_expectations(
    stream: Stream,
    expected: Mapping[str, Expectation],
    tags: Callable[[], tuple[Mapping[str, str], Mapping[str, str]]],
) -> list[Check]:
    """Check a stream. The digest is compared with the baseline's, elsewhere.

    Args:
        stream: The stream.
        expected: The expectations in force.
        tags: Reads the colour tags of the encode and of the reference. They are those that decoders see: of the stream,
            and of its container.
    """
    if "profile" in expected:
        # With another codec, the wrong codec is what matters.
        codec = expected["codec"].value if "codec" in expected else stream.codec
        refuse_foreign(expected["profile"], codec)
    checks = {"codec": _check_codec, "frame_rate": _check_rate, "closed_gop": _check_gops}
    done = [check(stream, expected[name]) for name, check in checks.items() if name in expected]
    done += [_check_field(stream, expected[name]) for name in ("profile", "pix_fmt") if name in expected]
    return [*done, _check_tags(expected["colour_tags"], *tags())] if "colour_tags" in expected else done


def _check_codec(stream: Stream, expected: Expectation) -> Check:
    passed = stream.codec == expected.value
    return Check(expected.name, expected.origin, _is("codec", stream.codec, expected.value, passed), passed)


def _check_field(stream: Stream, expected: Expectation) -> Check:
    """The first header and all that follow it must have the value."""
    value = str(getattr(stream, expected.name))
    if not value:
        raise MeasurementError(f"The {expected.name} of {stream.clip} cannot be read: its headers have subpictures.")

    def differs(text: str) -> bool:
        return plain_name(text) != plain_name(expected.value)

    changed = [change for change in stream.changes if expected.name in change.values]
    wrong = [change for change in changed if differs(change.values[expected.name])]
    passed = not differs(value) and not wrong
    actual = value if differs(value) or not wrong else wrong[0].values[expected.name]
    text = _is(expected.name, actual, expected.value, passed)
    return Check(expected.name, expected.origin, text, passed, () if passed else tuple(map(_place, changed[:3])))


def _check_rate(stream: Stream, expected: Expectation) -> Check:
    rate = stream.frame_rate
    if rate is None:
        raise MeasurementError(no_rate(stream.clip))
    if stream.rate_source == "user":
        raise MeasurementError(
            f"frame_rate ({expected.origin}) cannot be checked: {stream.clip} has the frame rate that "
            "Clip(frame_rate=) or --frame-rate states, and not one of its own."
        )
    # In a bare stream and a long file, the rate is exact.
    right = rate in (expected.value, ntsc_rate(expected.value))
    passed = right and stream.uneven is None
    actual, wanted = f"{float(rate):.6g}", f"{float(expected.value):.6g}"
    if actual == wanted and not right:
        actual, wanted = str(rate), str(expected.value)
    text = _is("frame rate", actual, wanted, right) + (" on average, but not even" if right and not passed else "")
    where = []
    if uneven := stream.uneven:
        where = [
            f"uneven times: frame {uneven.frame} is shown at {time_code(uneven.time)}, {abs(uneven.late):.3f} s "
            f"{'later' if uneven.late > 0 else 'earlier'} than at an even rate"
        ]
    return Check(expected.name, expected.origin, text, passed, () if passed else tuple(where))


def _check_gops(stream: Stream, expected: Expectation) -> Check:
    gop = stream.open_gop
    if gop is None:
        return Check(expected.name, expected.origin, "all GOPs are closed", passed=True)
    time = f" ({time_code(gop.frame / stream.frame_rate)})" if stream.frame_rate else ""
    where = f"first open GOP: key frame {gop.frame}{time} in packet {gop.packet}: {gop.why}"
    return Check(expected.name, expected.origin, "a GOP is open, and closed ones are required", False, (where,))


def _check_tags(expected: Expectation, own: Mapping[str, str], reference: Mapping[str, str]) -> Check:
    same = expected.value == SAME
    wrong = {
        name: (mine, tag)
        for name, tag in (reference if same else expected.value).items()
        # To decoders, a range that is not stated is limited. Some encoders always state it, and others never do.
        if (mine := own.get(name, "unknown")) != tag
        and not (same and name == "color_range" and {mine, tag} == {"tv", "unknown"})
    }
    whose = "the reference's" if same else "required"
    listed = ", ".join(f"{name} {mine}, not {tag}" for name, (mine, tag) in wrong.items())
    text = f"colour tags are not as {whose}: {listed}" if wrong else f"colour tags are {whose}"
    return Check(expected.name, expected.origin, text.replace("as required", "as they must be"), not wrong)


def _is(name: str, value: str, expected: str, passed: bool) -> str:
    return f"{name} is {value}" if passed else f"{name} is {value}, not {expected}"


def _place(change: Change) -> str:
    return f"packet {change.packet}{at_time(change.time)}: {change.what}"
