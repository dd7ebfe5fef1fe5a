"""Baselines during a test: find the stored entry, compare it with the new one, and pass on the new one."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.baselines.entry import Entry, differs
from pytest_vmaf.baselines.judge import Outcome, ToleranceVerdict, compare_entries, is_better, refuse_incomparable
from pytest_vmaf.errors import BaselineError, SettingsError
from pytest_vmaf.gates.metrics import SPEED
from pytest_vmaf.gates.tolerance import DEFAULTS, Tolerance, in_force
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.pools import is_window
from pytest_vmaf.settings import OWN_ORIGINS, Layer
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.baselines.equal_rate_check import Agree, EqualRateCheck


@dataclass(frozen=True)
class BaselineLocation:
    """Where the baselines of one test are stored.

    Attributes:
        file: The baseline file that is read first, and written.
        test: The test's name in the file.
        command: Builds the command that runs this test alone.
        common: A file that is read if `file` does not have the baseline.
        modes: The modes of `--vmaf-baseline-update`.
        sends: Whether new entries are passed on to be written.
        here: The folder in which pytest was started.
    """

    file: Path
    test: str
    command: Callable[[], str]
    common: Path | None = None
    modes: frozenset[str] = frozenset()
    sends: bool = False
    here: Path = Path()

    def find(self, name: str) -> tuple[Entry | None, Path]:
        """The entry in force, None if there is none, and the file that contains it.

        Raises:
            BaselineError: If a file cannot be read.
        """
        from pytest_vmaf.baselines.files import read

        for file in filter(None, (self.file, self.common)):
            if entry := read(file).get(self.test, {}).get(name):
                return entry, file
        return None, self.file

    def display(self, file: Path) -> str:
        """The path of a file for messages, relative to the folder in which pytest was started."""
        return printable(str(file.relative_to(self.here) if file.is_relative_to(self.here) else file))

    def update_command(self, mode: str) -> str:
        """The command that accepts the new measurement."""
        return f"{self.command()} --vmaf-baseline-update={mode}"


class Baselines:
    """The baselines of one test.

    Attributes:
        place: Where they are stored, None outside pytest.
        measured: New entries, for the process that writes files.
        answered: The keys of the tolerances that a measurement checked or a call took back.
        count: How many baselines were requested or taken back.
    """

    def __init__(self, place: BaselineLocation | None) -> None:
        self.place = place
        self.measured: list[dict[str, Any]] = []
        self.answered: set[tuple[str, str, str]] = set()
        self.count = 0
        self._names: set[str] = set()
        self._origins: list[tuple[weakref.ref[Any], Sequence[Clip], int]] = []

    def prepare_check(
        self, layers: Sequence[Layer], kind: str, measures: Callable[[str], bool], name: str
    ) -> BaselineCheck | None:
        """Prepare the comparison that the layers request.

        Args:
            layers: The layers of settings, that of the call first.
            kind: The kind of the entry: "score", "bisect", "compare", "stream" or "speed".
            measures: Whether this measurement has a metric.
            name: The name of the baseline, unless the test gives it one.

        Returns:
            The check, or None if no baseline is requested.

        Raises:
            SettingsError: If nothing could be checked, or the name is used twice.
            BaselineError: If the baseline file cannot be read.
        """
        baseline = next((layer.baseline for layer in layers if layer.baseline is not None), None)
        own = [each for layer in layers if layer.origin in OWN_ORIGINS for each in layer.tolerances]
        if layers[0].baseline is False:
            # The call takes back what the marker requests.
            self.count += 1
            self.answered |= {each.key for each in own}
        if not baseline:
            # A marker may be meant for another method: `vmaf.speed` alone measures speed.
            mine = [each for each in own if each in layers[0].tolerances or each.metric != SPEED or measures(SPEED)]
            if baseline is None and (stray := [each for each in mine if each.limit is not None]):
                raise SettingsError(f"{stray[0]} requires a baseline, but none is requested. Add baseline=True.")
            return None
        if self.place is None:
            raise SettingsError(
                "baseline= requires the vmaf fixture: baselines are stored next to the test module under the test's "
                "name, and Vmaf() has neither."
            )
        tolerances = _tolerances(layers, kind, measures)
        self.answered |= {each.key for each in own if measures(each.metric)}
        self.answered |= {each.key for each in layers[0].tolerances if each.limit is None}
        self.count += 1
        clip = printable(baseline if isinstance(baseline, str) else name)
        if clip in self._names:
            raise SettingsError(
                f'This test already uses the baseline {clip!r}. Give each baseline its own name: baseline="name".'
            )
        self._names.add(clip)
        return BaselineCheck(self, self.place, clip, tolerances, *self.place.find(clip))

    def remember(self, result: Any, references: Sequence[Clip], record: int) -> None:
        """Note the references that a result was measured with, and the index of its first record."""
        if self.place is not None:
            self._origins.append((weakref.ref(result, self._forget), references, record))

    def find_origin(self, result: Any) -> tuple[Sequence[Clip], int] | None:
        """The references and the record of a result; None if another `Vmaf` measured it."""
        return next(((clips, record) for known, clips, record in self._origins if known() is result), None)

    def _forget(self, gone: weakref.ref[Any]) -> None:
        # Frames in memory live as long as something refers to them.
        self._origins = [origin for origin in self._origins if origin[0] is not gone]

    def pop_entries(self) -> list[dict[str, Any]]:
        """The entries that were measured since the last call."""
        entries, self.measured = self.measured, []
        return entries

    def unchecked(self, marker: Iterable[Layer]) -> list[str]:
        """What the marker requests of baselines and no measurement checked."""
        names = []
        for layer in marker:
            if layer.baseline and not self.count:
                names.append(f"baseline={layer.baseline!r}")
            names += [
                each.name for each in layer.tolerances if each.limit is not None and each.key not in self.answered
            ]
        return names


@dataclass(frozen=True)
class BaselineCheck:
    """A comparison with a baseline that a test requests.

    Attributes:
        baselines: The baselines of the test.
        place: Where they are stored.
        clip: The name of this baseline.
        tolerances: The tolerances in force.
        entry: The stored entry, None if there is none.
        file: The file that contains it.
    """

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

    @property
    def plugin_metrics(self) -> list[str]:
        """The metrics of plugins that the tolerances need."""
        return [each.plugin_metric for each in self.tolerances if each.plugin_metric]

    @property
    def windows(self) -> list[str]:
        """The windows of frames that the tolerances compare."""
        return sorted({each.pool for each in self.tolerances if is_window(each.pool)})

    def require_points(self, agreement: EqualRateCheck) -> None:
        """Raise BaselineError if the entry lacks what `agree=` compares, unless this run is going to write it."""
        if self.entry is not None and not self.is_replaced:
            agreement.require_points(self.entry, self.place.update_command("changed"))

    @property
    def is_replaced(self) -> bool:
        """Whether this run replaces an entry that differs."""
        return bool(self.place.modes & {"changed", "all"})

    def compare(
        self, new: Entry, rate: Fraction | None = None, *, same_bitstream: bool = False, agreement: Agree = None
    ) -> Outcome:
        """Compare the stored entry with a new one.

        An entry that `--vmaf-baseline-update` is going to write is not compared.

        Args:
            new: The entry of the new measurement.
            rate: The frame rate, for time codes.
            same_bitstream: Whether the packets must be the baseline's. The new entry then has a digest.
            agreement: What `agree=` compares at equal bitrate.

        Raises:
            BaselineError: If the two were not measured under the same conditions, or are too noisy.
        """
        from pytest_vmaf.baselines.equal_rate_check import NOISE_LINE, equal_rates_of, failures_of
        from pytest_vmaf.baselines.from_streams import bitstream_difference
        from pytest_vmaf.baselines.messages import failure_lines, verdict_text
        from pytest_vmaf.baselines.noise import with_margins

        place, old, verdicts, error = self.place, self.entry, list[ToleranceVerdict](), None
        equal_rates, unequal, changed, where_changed = tuple[Any, ...](), "", "", list[str]()
        if old is not None:
            try:
                refuse_incomparable(old, new, lambda: place.update_command("changed"))
                verdicts = with_margins(compare_entries(old, new, self.tolerances), old, new)
                equal_rates, unequal = equal_rates_of(None if self.is_replaced else agreement, old)
            except BaselineError as caught:
                error = caught
            if same_bitstream:
                changed, where_changed = bitstream_difference(old, new, rate)
        if place.sends:
            doubt = error is not None or changed or unequal or any(not each.passed for each in equal_rates)
            better = old is not None and not doubt and is_better(old, new, verdicts)
            where = {"file": str(place.file), "common": str(place.common or ""), "test": place.test, "clip": self.clip}
            self.baselines.measured.append({**where, "entry": new, "better": better})
        if old is None:
            return Outcome(new=new, name=self.clip) if place.modes & {"missing", "all"} else self._missing(new)
        if self.is_replaced and differs(old, new):
            return Outcome(old=old, new=new, name=self.clip)
        if error is not None:
            raise error
        failed = [each for each in verdicts if not each.passed]
        failures = list(dict.fromkeys(map(verdict_text, failed)))
        lines = []
        if not verdicts and not same_bitstream:
            names = ", ".join(each.name for each in self.tolerances)
            failures = [f"nothing to compare for {self.clip}"]
            lines = [f"{names} could not be checked: neither the baseline nor the new measurement contains the metric."]
        elif failed:
            lines = failure_lines(failed, old, new, rate)
        if agreement and not self.is_replaced:
            failures += failures_of(equal_rates, unequal, self.clip, failures)
        failures += [changed] if changed else []
        lines += [*where_changed, *([NOISE_LINE] if any(not each.passed for each in equal_rates) else [])]
        if failed or changed or lines:
            lines.append(f"baseline: {place.display(self.file)}, {place.test!r}, {self.clip!r}")
            lines.append(f"if the change is intended, accept it: {place.update_command('changed')}")
        passed = [verdict_text(each) for each in verdicts if each.passed]
        packets = (changed or "bitstream is the baseline's", not changed) if same_bitstream else None
        passed += [packets[0]] if packets and packets[1] else []
        passed += [each.text for each in equal_rates if each.passed]
        texts = tuple(failures), tuple(lines), tuple(passed)
        return Outcome(tuple(verdicts), *texts, old, new, self.clip, packets, equal_rates)

    def _missing(self, new: Entry) -> Outcome:
        from pytest_vmaf.baselines.files import find

        file = self.place.display(self.place.file)
        entry = f"{file} does not contain {self.place.test!r}, {self.clip!r}"
        lines = (
            f"no baseline: {entry if find(self.place.file) else f'{file} does not exist'}",
            f"write it: {self.place.update_command('missing')}",
        )
        return Outcome(failed=(f"no baseline for {self.clip}",), lines=lines, new=new, name=self.clip)


def _tolerances(layers: Sequence[Layer], kind: str, measures: Callable[[str], bool]) -> tuple[Tolerance, ...]:
    """The tolerances in force that this measurement can check. Raises SettingsError if there is none."""
    for each in layers[0].tolerances:
        if not measures(each.metric):
            hint = ""
            if each.metric == "bitrate" and kind == "score":
                hint = " Baselines of vmaf.bisect have one. Here, max_bitrate= limits the bitrate itself."
            raise SettingsError(f"{each.name} cannot be checked here: this measurement has no {each.metric}.{hint}")
    tolerances = in_force([layer.tolerances for layer in layers], kind)
    if not (measurable := tuple(each for each in tolerances if measures(each.metric))):
        name, limit = next(iter(DEFAULTS[kind].items()))
        raise SettingsError(f"baseline= has no tolerance to check. Set one, for example {name}={limit!r}.")
    return measurable
