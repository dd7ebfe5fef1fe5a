"""Which measurements of two reports belong together, and whether they can be compared."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pytest_vmaf.report.schema import Record
from pytest_vmaf.report.wording import first_line, short_clip
from pytest_vmaf.text import printable

#: The characters of a reason.
LONGEST = 200
#: The end of the name of a search's answer: a CRF, or a bitrate such as 1500k.
QUALITY = re.compile(r"\d+(\.\d+)?k?$")
T = TypeVar("T")
#: What must be the same in the provenance of two scores, by the words of the message.
SAME = {
    "model": "model",
    "NEG model": "neg_model",
    "generation": "generation",
    "phone mode": "phone",
    "width": "width",
    "height": "height",
    "pixel format": "pix_fmt",
    "frames": "frames",
    "first frames": "starts",
    "filters": "filters",
    "invented scores": "fake",
}
#: What may differ, and is named.
TOOLS = {"scorer": "scorer", "version of the scorer": "scorer_version", "libvmaf": "libvmaf", "ffmpeg": "ffmpeg"}


@dataclass(frozen=True)
class Pair:
    """A measurement in two reports, or in one of them.

    Attributes:
        run: The name of the run, "" where a report has only one.
        test: The id of the test.
        before: The measurement in the base report.
        after: The measurement in the new report.
        missing: Why the test of the new report has no measurement.
    """

    run: str
    test: str
    before: Record | None = None
    after: Record | None = None
    missing: str = ""

    @property
    def clip(self) -> str:
        """The name of the distorted clip, with the one before where that was another."""
        names = [short_clip(each["distorted"]) for each in (self.before, self.after) if each]
        return " → ".join(dict.fromkeys(names))

    @property
    def obstacle(self) -> str:
        """Why the two cannot be compared; "" if they can, or if there is only one."""
        if self.missing:
            return self.missing
        if self.after is not None and self.after["status"] == "error":
            return f"not measured: {first_line(self.after.get('error') or '', LONGEST)}"
        if self.before is None or self.after is None:
            return ""
        return "; ".join(_differences(_conditions(self.before), _conditions(self.after)))

    @property
    def tools(self) -> list[str]:
        """What differs in the tools that measured. Two such measurements are compared all the same."""
        if self.before is None or self.after is None:
            return []
        before, after = (each.get("provenance") or {} for each in (self.before, self.after))
        return _differences(*({name: how.get(key) for name, key in TOOLS.items()} for how in (before, after)))


def pairs(base: Record, new: Record) -> Iterator[Pair]:
    """Pair the measurements of two documents, in the order of the new one; what is gone comes last.

    Tests are paired by their id and the name of their run, and the measurements of a test by their clip. Where that
    leaves as many in both reports, they are paired in their order: a name may contain a CRF or a temporary folder.
    """
    old, now = _by_id(base), _by_id(new)
    for name in dict.fromkeys((*now, *old)):
        for before, after in _matched(old.get(name, []), now.get(name, []), key=lambda each: each[0]):
            run = (after or before or ("", {}))[0]
            yield from _of_test(Pair(run, name), before and before[1], after and after[1])


def _by_id(document: Record) -> dict[str, list[tuple[str, Record]]]:
    """The tests by their ids, each with the name of its run."""
    tests: dict[str, list[tuple[str, Record]]] = {}
    for test in document["tests"]:
        tests.setdefault(test["id"], []).append((str(document["runs"][test["run"]]["name"]), test))
    return tests


def _of_test(place: Pair, before: Record | None, after: Record | None) -> Iterator[Pair]:
    old = [each for each in (before or {}).get("measurements", ()) if each["status"] != "error"]
    if after is not None and not after["measurements"]:
        if old or after["status"] == "error":
            message = first_line(after["message"], LONGEST)
            yield Pair(place.run, place.test, missing=f"not measured ({after['status']}): {message}")
        return
    for one, other in _matched(old, (after or {}).get("measurements", ()), key=_key):
        yield Pair(place.run, place.test, one, other)


def _key(measurement: Record) -> object:
    """What tells the measurements of a test apart: clip and subtest. Of an answer of a search, the CRF may change."""
    name = short_clip(measurement["distorted"])
    targets = [gate["limit"] for gate in measurement["gates"] if gate["name"] == "target"]
    return QUALITY.sub("", name) if targets else name, measurement.get("subtest") or "", *targets


def _matched(before: Sequence[T], after: Sequence[T], key: Callable[[T], object]) -> list[tuple[T | None, T | None]]:
    """Pair what has the same key, and what is left by its order if both sides have as many left."""
    waiting: dict[object, deque[T]] = {}
    for one in before:
        waiting.setdefault(key(one), deque()).append(one)
    matches: list[tuple[T | None, T | None]] = []
    for other in after:
        same = waiting.get(key(other))
        matches.append((same.popleft() if same else None, other))
    left = [one for same in waiting.values() for one in same]
    if len(left) == sum(one is None for one, _ in matches):
        rest = iter(left)
        return [(next(rest) if one is None else one, other) for one, other in matches]
    return [*matches, *((one, None) for one in left)]


def _conditions(measurement: Record) -> dict[str, object]:
    how = measurement.get("provenance") or {}
    metrics = {f"metric {name}": metric for name, metric in (how.get("metrics") or {}).items()}
    values = {name: how.get(key) for name, key in SAME.items()}
    return {"reference": short_clip(measurement["reference"]), **values, **metrics}


def _differences(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """What differs, in words. A key that one side lacks is no difference: another version may have written it."""
    names = [name for name in before if None not in (before[name], after.get(name)) and before[name] != after[name]]
    return [f"{printable(name)} {_text(before[name])} → {_text(after[name])}" for name in names]


def _text(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return first_line({"True": "yes", "False": "no"}.get(text, text) or "none", LONGEST)
