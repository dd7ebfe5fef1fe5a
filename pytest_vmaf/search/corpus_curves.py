"""Rate-quality curves through the rows of a corpus, by encoder and source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.gates.metrics import metric_of
from pytest_vmaf.search.bdrate import RateQuality, rate_at
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.rows import Row, Setup
from pytest_vmaf.text import did_you_mean, plural, printable, short_repr

#: How many names a sentence lists.
NAMED = 5
#: What tells encoders apart.
ENCODER_FIELDS = ("encoder", "template", "program_hash", "larger_is_finer", "preset", "mode", "arguments", "pix_fmt")
EncoderKey = tuple[object, ...]
#: The labels of encoders by what tells them apart.
Labels = Mapping[EncoderKey, str]


@dataclass(frozen=True)
class CorpusCurve:
    """The rows of one encoder on one source, and the curve through them.

    Attributes:
        rows: The rows that have the metric.
        key: The name of the metric in their scores.
        quality: The curve.
    """

    rows: tuple[Row, ...]
    key: str
    quality: RateQuality

    def signed(self, score: float) -> float:
        """A score as a point of the curve, on which higher is better."""
        return -score if self.quality.negated else score

    def reaches(self, target: float) -> bool:
        """Whether a target lies between the ends of the curve."""
        return self.quality.points[0][1] <= self.signed(target) <= self.quality.points[-1][1]

    def rate(self, target: float) -> float | None:
        """The bitrate in bit/s at a target; None beyond the ends of the curve."""
        return rate_at(self.quality, self.signed(target))

    def coarsest(self, target: float) -> Row:
        """The cheapest row that reaches a target on the curve."""
        good = [row for row in self.rows if self.signed(row.scores[self.key]) >= self.signed(target)]
        return min(good, key=lambda row: row.bitrate)

    @property
    def span(self) -> str:
        """The scores that were measured, in words."""
        scores = sorted(row.scores[self.key] for row in self.rows)
        return f"{scores[0]:.4g} to {scores[-1]:.4g}"


@dataclass(frozen=True)
class CorpusCurves:
    """All curves of a corpus by one metric.

    Attributes:
        curves: By the label of an encoder and the name of a source, the curve.
        without: The same for rows that make no curve: the reason.
        notes: Which rows do not count, a sentence each.
    """

    curves: Mapping[str, Mapping[str, CorpusCurve]]
    without: Mapping[str, Mapping[str, str]]
    notes: tuple[str, ...]


def read_curves(rows: Sequence[Row], labels: Labels, metric: Metric) -> CorpusCurves:
    """Make the curves of the encoders that have a label.

    Raises:
        SettingsError: If no row has the metric.
    """
    key = metric.name if metric.pool == "mean" else f"{metric.name}_{metric.pool}"
    if not any(key in row.scores for row in rows):
        known = short_list(sorted(rows[0].scores))
        raise SettingsError(
            f"No row has {metric}. The first has {known}.\n  To measure a feature, pass features= to it."
        )
    sources = _source_labels([row.setup for row in rows])
    groups: dict[str, dict[str, dict[Setup, dict[float, Row]]]] = {label: {} for label in sorted(labels.values())}
    for row in rows:
        by_source = groups[labels[encoder_key(row.setup)]]
        # The later of two rows for one encode counts.
        by_source.setdefault(sources[row.setup.source_hash], {}).setdefault(row.setup, {})[row.crf] = row
    notes: list[str] = []
    curves: dict[str, dict[str, CorpusCurve]] = {label: {} for label in groups}
    without: dict[str, dict[str, str]] = {label: {} for label in groups}
    for label, by_source in groups.items():
        for source, setups in sorted(by_source.items()):
            if len(setups) > 1:
                notes.append(f"{label} on {source} was swept with {len(setups)} settings or versions; the last counts.")
            own = [row for row in [*setups.values()][-1].values() if key in row.scores]
            try:
                curves[label][source] = _curve(own, metric, key)
            except MeasurementError:
                without[label][source] = f"{plural(len(own), 'row')} with {metric} make no curve"
    return CorpusCurves(curves, without, tuple(notes))


def encoder_key(setup: Setup) -> EncoderKey:
    """What tells an encoder apart from others."""
    return tuple(getattr(setup, name) for name in ENCODER_FIELDS)


def encoder_labels(setups: Iterable[Setup]) -> dict[EncoderKey, str]:
    """A label for each encoder: name, preset, mode, arguments and pixel format, and the build of one of several."""
    keys = {encoder_key(setup): setup for setup in setups}
    names = {key: _encoder_name(setup) for key, setup in keys.items()}
    counts, labels = Counter(names.values()), dict[EncoderKey, str]()
    for key, name in names.items():
        label = f"{name} (build {keys[key].program_hash[:8]})" if counts[name] > 1 else name
        while label in labels.values():
            # Two commands of one program.
            label = f"{name} ({len(labels) + 1})"
        labels[key] = label
    return labels


def labels_of(name: str, labels: Labels) -> set[str]:
    """The labels that a name means: "libx264 slow" or "libx264:slow" one encoder, "libx264" all of its presets.

    Raises:
        SettingsError: For an unknown name.
    """
    if name in labels.values():
        return {name}
    encoder, preset = ENCODER_FIELDS.index("encoder"), ENCODER_FIELDS.index("preset")
    meant = {label for key, label in labels.items() if name in (key[encoder], f"{key[encoder]}:{key[preset]}")}
    if not meant:
        known = sorted(labels.values())
        hint = did_you_mean(str(name), known)
        raise SettingsError(f"There is no encoder {short_repr(name)} in the rows.{hint} There are {short_list(known)}.")
    return meant


def short_list(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _encoder_name(setup: Setup) -> str:
    mode = "" if setup.mode == "crf" else setup.mode
    return printable(" ".join(filter(None, (setup.encoder, setup.preset, mode, *setup.arguments, setup.pix_fmt))))


def _curve(rows: Sequence[Row], metric: Metric, key: str) -> CorpusCurve:
    negated = not metric_of(metric.name).higher_is_better
    points = tuple((row.bitrate, -row.scores[key] if negated else row.scores[key]) for row in rows)
    return CorpusCurve(tuple(rows), key, RateQuality(points, negated))


def _source_labels(setups: Iterable[Setup]) -> dict[str, str]:
    """A name for each source by its hash; those of two files with one name end with the hash."""
    names = {setup.source_hash: printable(setup.source) for setup in setups}
    counts = Counter(names.values())
    return {key: f"{name} ({key[:8]})" if counts[name] > 1 else name for key, name in names.items()}
