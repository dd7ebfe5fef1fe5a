"""Sentences for calls that Python itself would refuse with a bare TypeError, such as `bisect(target=80)`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.report.record import error_record
from pytest_vmaf.text import closest_match, short_repr

T = TypeVar("T")
#: Other names of what the methods take, which no spelling is near to.
SYNONYMS = {
    "qp": "crf",
    "q": "crf",
    "qps": "crfs",
    "codec": "encoder",
    "codecs": "encoders",
    "ref": "reference",
    "src": "source",
    "clip": "source",
    "clips": "sources",
    "encoded": "distorted",
    "out": "output",
    "path": "output",
    "sizes": "resolutions",
    "scores": "targets",
}
#: Keywords of which a call has one: a CRF, or kbit/s.
IN_PLACE = {"crf": "bitrate", "crfs": "bitrates"}


def explain_calls(cls: type[T]) -> type[T]:
    """Class decorator: public methods name the keyword that was meant if one is missing. Signatures stay as they are.

    The methods raise SettingsError then, as for any other keyword that is not valid.
    """
    explained: dict[object, object] = {}
    for name, method in list(vars(cls).items()):
        if not name.startswith("_") and callable(method):
            explained.setdefault(method, _explained(method))
            setattr(cls, name, explained[method])
    return cls


def _explained(method: Callable[..., object]) -> Callable[..., object]:
    expected = signature(method)

    @wraps(method)
    def call(*arguments: Any, **keywords: Any) -> object:
        __tracebackhide__ = True
        try:
            expected.bind(*arguments, **keywords)
            why = "; ".join(_missing(_numbers(expected, keywords), _unknown(expected, keywords)))
        except TypeError as error:
            why = _why(expected, arguments[1:], keywords) or str(error)
        if not why:
            return method(*arguments, **keywords)
        refusal = SettingsError(f"vmaf.{method.__name__}(): {why}.")
        # As every other error, so that the summary and the report have it.
        record = {**error_record("", method.__name__, refusal), "started": time.time()}
        arguments[0]._context.records.add(record)
        raise refusal

    return call


def _why(expected: Signature, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> str:
    """Why a call does not fit, and how to write it; "" if Python's own words must do."""
    own = [parameter for parameter in expected.parameters.values() if parameter.kind != Parameter.VAR_KEYWORD][1:]
    by_place = [parameter.name for parameter in own if parameter.kind != Parameter.KEYWORD_ONLY]
    named = [parameter.name for parameter in own if parameter.kind == Parameter.KEYWORD_ONLY]
    if len(arguments) > len(by_place):
        rest = list(zip(named, arguments[len(by_place) :], strict=False))
        written = ", ".join(f"{name}={short_repr(value)}" for name, value in rest)
        return f"only {' and '.join(by_place)} can be passed without a name; write {written}"
    required = {parameter.name for parameter in own if parameter.default is Parameter.empty}
    required |= {*_numbers(expected, keywords)}
    missing = [name for name in (*by_place[len(arguments) :], *named) if name in required - {*keywords}]
    return "; ".join(_missing(missing, _unknown(expected, keywords)))


def _numbers(expected: Signature, keywords: Mapping[str, object]) -> list[str]:
    """The keyword for the number of an encode, if neither it nor the one in its place is there."""
    names = [name for name in IN_PLACE if name in expected.parameters]
    return [name for name in names if keywords.keys().isdisjoint((name, IN_PLACE[name]))]


def _unknown(expected: Signature, keywords: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in keywords.items() if name not in expected.parameters}


def _missing(missing: list[str], unknown: dict[str, object]) -> Iterator[str]:
    for name in missing:
        synonym = next((word for word in unknown if SYNONYMS.get(word) == name), None)
        meant = synonym or closest_match(name, unknown)
        if meant is None:
            yield f"{name}= {f'or {IN_PLACE[name]}= ' if name in IN_PLACE else ''}is missing"
        else:
            yield f"there is no {meant!r}; write {name}={_fitting(name, unknown.pop(meant))}"


def _fitting(name: str, value: object) -> str:
    """The value as the keyword takes it: a list where its name is a plural."""
    if name.endswith("s") and not isinstance(value, list | tuple | Mapping):
        return f"[{short_repr(value)}]"
    if not name.endswith("s") and isinstance(value, list | tuple) and len(value) == 1:
        return short_repr(value[0])
    return short_repr(value)
