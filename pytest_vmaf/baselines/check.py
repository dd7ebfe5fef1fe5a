"""What a test does with its baselines: finds an entry, holds it, and keeps the new one for who writes files."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from pytest_vmaf.baselines.drift import drift_lines, drift_of
from pytest_vmaf.baselines.entry import Entry, differs, frames_of
from pytest_vmaf.baselines.judge import ToleranceVerdict, hold, is_better, refuse_incomparable, says, tool_differences
from pytest_vmaf.baselines.noise import with_margins
from pytest_vmaf.baselines.outcome import Outcome
from pytest_vmaf.errors import BaselineError, SettingsError
from pytest_vmaf.gates.tolerance import DEFAULTS, Tolerance, in_force
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.settings import Layer
from pytest_vmaf.text import printable


@dataclass(frozen=True)
class BaselineLocation:
    """Where the baselines of one test are: the ``file``, and the test's name in it; ``common`` is looked into second.

    ``command`` runs the test alone; ``modes`` are what --vmaf-update says; ``sends`` whether new entries are wanted.
    """

    file: Path
    test: str
    command: str
    common: Path | None = None
    modes: frozenset[str] = frozenset()
    sends: bool = False
    here: Path = Path()

    def find(self, clip: str) -> tuple[Entry | None, Path]:
        """The entry in force and the file that has it. Raises BaselineError for files that are none."""
        from pytest_vmaf.baselines.files import read

        for file in filter(None, (self.file, self.common)):
            if entry := read(file).get(self.test, {}).get(clip):
                return entry, file
        return None, self.file

    def shown(self, file: Path) -> str:
        """A file's name for people, from where pytest was started."""
        return printable(str(file.relative_to(self.here) if file.is_relative_to(self.here) else file))

    def update(self, mode: str) -> str:
        """The command that accepts what was measured."""
        return f"{self.command} --vmaf-update={mode}"


class Baselines:
    """The baselines of one test, in the order it asks for them."""

    def __init__(self, place: BaselineLocation | None) -> None:
        self.place = place
        #: Entries that were measured, for the process that writes files.
        self.measured: list[dict[str, Any]] = []
        #: Tolerances of the marker that some measurement was held by or took back, and how many entries were held.
        self.answered: set[tuple[str, str, str]] = set()
        self.count = 0
        self._names: set[str] = set()
        self._known: list[tuple[weakref.ref[Any], Sequence[Clip], int]] = []

    def prepare_check(self, layers: Sequence[Layer], kind: str, holds: Callable[[str], bool], name: str) -> BaselineCheck | None:
        """What the layers ask for, None where it is no baseline; ``holds`` says which metrics this measurement has.

        ``name`` is the entry's where the test gives none. Raises SettingsError, and BaselineError for the files.
        """
        asked = next((layer.baseline for layer in layers if layer.baseline is not None), None)
        own = [layer for layer in layers if layer.origin in ("call", "marker")]
        if layers[0].baseline is False:
            # A call takes back what the marker asked for.
            self.count += 1
            self.answered |= {each.key for layer in own for each in layer.tolerances}
        if not asked:
            loose = [each for layer in own for each in layer.tolerances if each.limit is not None]
            if loose and asked is None:
                raise SettingsError(f"{loose[0]} is held against a baseline, and none is asked for; say baseline=True.")
            return None
        if self.place is None:
            raise SettingsError(
                "baseline= belongs to tests: an entry stands beside the test's module, under the test's name. Use the "
                "vmaf fixture of pytest; Vmaf() has neither."
            )
        for layer in own[:1]:
            for each in layer.tolerances:
                if layer.origin == "call" and not holds(each.metric):
                    raise SettingsError(f"{each.name} holds nothing here: this measures no {each.metric}.")
        chosen = tuple(each for each in in_force([layer.tolerances for layer in layers], kind) if holds(each.metric))
        if not chosen:
            raise SettingsError(f"baseline= would hold nothing; say e.g. {next(iter(DEFAULTS[kind]))}=….")
        self.answered |= {each.key for layer in own for each in layer.tolerances if holds(each.metric)}
        self.answered |= {each.key for layer in layers[:1] for each in layer.tolerances if each.limit is None}
        self.count += 1
        clip = printable(asked if isinstance(asked, str) else name)
        if clip in self._names:
            raise SettingsError(
                f"This test has held a baseline for {clip!r} already, and which of them an entry is for nobody could "
                "tell; give each a name: baseline='a name'."
            )
        self._names.add(clip)
        return BaselineCheck(self, self.place, clip, chosen, *self.place.find(clip))

    def remember(self, found: Any, references: Sequence[Clip], record: int) -> None:
        """Remember of what clips something was measured, and which record is its first."""
        self._known.append((weakref.ref(found), references, record))

    def find_origin(self, found: Any) -> tuple[Sequence[Clip], int] | None:
        """What is remembered of it, None of what another session measured."""
        return next(((clips, record) for known, clips, record in self._known if known() is found), None)

    def pop_entries(self) -> list[dict[str, Any]]:
        """What was measured since the last time."""
        taken, self.measured = self.measured, []
        return taken

    def unchecked(self, marker: Iterable[Layer]) -> list[str]:
        """What the marker says about baselines and no measurement checked."""
        names = []
        for layer in marker:
            if layer.baseline and not self.count:
                names.append(f"baseline={layer.baseline!r}")
            names += [each.name for each in layer.tolerances if each.limit is not None and each.key not in self.answered]
        return names


@dataclass(frozen=True)
class BaselineCheck:
    """A baseline that is asked for: its name, the tolerances in force, and the entry, None where there is none."""

    baselines: Baselines
    place: BaselineLocation
    clip: str
    tolerances: tuple[Tolerance, ...]
    entry: Entry | None = field(repr=False)
    file: Path

    @property
    def features(self) -> list[str]:
        """The libvmaf features that the tolerances need."""
        return [each.feature for each in self.tolerances if each.feature]

    def compare(self, new: Entry, rate: Fraction | None = None) -> Outcome:
        """Hold the entry against a new one; ``rate`` is the frame rate, for time codes.

        What --vmaf-update would write is not held. Raises BaselineError where the two are not of one thing.
        """
        place, old = self.place, self.entry
        better = old is not None and self._is_better(old, new)
        if place.sends:
            sent = {"file": str(place.file), "common": str(place.common or ""), "test": place.test, "clip": self.clip}
            self.baselines.measured.append({**sent, "entry": new, "better": better})
        if old is None:
            return Outcome(new=new, name=self.clip) if place.modes & {"missing", "all"} else self._missing(new)
        if place.modes & {"changed", "all"} and differs(old, new):
            return Outcome(old=old, new=new, name=self.clip)
        refuse_incomparable(old, new, place.update("changed"))
        held = with_margins(hold(old, new, self.tolerances), old, new)
        failed = [each for each in held if not each.passed]
        if not held:
            asked = ", ".join(each.name for each in self.tolerances)
            told = f"{asked} held nothing: neither the baseline nor what was measured now has such a number."
            return Outcome(
                failed=(f"nothing to compare for {self.clip}",), lines=(told,), old=old, new=new, name=self.clip
            )
        also = [says(each) for each in held if each.passed]
        lines: list[str] = []
        if failed:
            lines += [_missed(each) for each in failed]
            for where in dict.fromkeys(each.where for each in failed):
                lines += _drift(old, new, where, rate)
            if differing := tool_differences(old, new):
                lines.append(f"what differs: {'; '.join(differing)}")
            lines.append(f"baseline: {place.shown(self.file)}, {place.test!r}, {self.clip!r}")
            lines.append(f"if this is meant, accept it: {place.update('changed')}")
        said = dict.fromkeys(says(each) for each in failed)
        return Outcome(tuple(held), tuple(said), tuple(lines), tuple(also), old, new, self.clip)

    def _is_better(self, old: Entry, new: Entry) -> bool:
        try:
            refuse_incomparable(old, new, "")
            return is_better(old, new, with_margins(hold(old, new, self.tolerances), old, new))
        except BaselineError:
            return False

    def _missing(self, new: Entry) -> Outcome:
        from pytest_vmaf.baselines.files import find

        file = self.place.shown(self.place.file)
        where = f"{file} has no entry {self.place.test!r}, {self.clip!r}"
        what = where if find(self.place.file) else f"there is no {file}"
        lines = [f"no baseline: {what}", f"write it: {self.place.update('missing')}"]
        return Outcome(failed=(f"no baseline for {self.clip}",), lines=tuple(lines), new=new, name=self.clip)


def _missed(held: ToleranceVerdict) -> str:
    name = f"{held.tolerance.name} in {printable(held.where)}" if held.where else held.tolerance.name
    if held.why:
        return f"{name}: {held.why} (set by the {held.tolerance.origin})"
    unit = " %" if held.tolerance.relative else ""
    missed = held.worse - (held.tolerance.limit or 0.0)
    return f"{name}: missed by {missed:.3g}{unit} (set by the {held.tolerance.origin})"


def _drift(old: Entry, new: Entry, where: str, rate: Fraction | None) -> list[str]:
    if new["kind"] != "score":
        return []
    parts = [entry if not where else (entry.get("regions") or {}).get(where, {}) for entry in (old, new)]
    (before, span), (now, now_span) = map(frames_of, parts)
    drift = drift_of(before, now) if span == now_span else None
    of = f"{printable(where)}: " if where else ""
    return [] if drift is None else [f"{of}NEG by frame: {line}" for line in drift_lines(drift, rate, span)]
