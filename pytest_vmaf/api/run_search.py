"""How a search is run and recorded: what `Searches` has in common, whatever is searched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_vmaf.errors import EncodeError, GateViolation, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.gates.gate import Verdict
from pytest_vmaf.media.clip import Clip, as_clip
from pytest_vmaf.options import BY_NAME
from pytest_vmaf.report.baseline_section import section_maker
from pytest_vmaf.report.record import error_record, measurement_record, outcome_gates, with_gates
from pytest_vmaf.settings import Layer, make_layer, resolve
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.baselines.check import Baselines
    from pytest_vmaf.baselines.outcome import Outcome
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.gates.gate import Gate
    from pytest_vmaf.report.sections import Section, SectionMaker
    from pytest_vmaf.scoring.prepare import MeasureRequest
    from pytest_vmaf.scoring.scorer import Scorer
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.ladder import Ladder

    Source = str | os.PathLike[str] | Clip
    AnyEncoder = str | Encoder | Sequence[str] | Callable[[Path, Path, int], object]

Found = TypeVar("Found")
#: What a search may be told beside its targets; everything else is a setting of the scoring.
#: (baseline= is read with the tolerances of the call.)
SEARCHING = ("preset", "arguments", "pix_fmt", "metric", "crf", "sample", "start", "keep", "workers", "repeats")
#: What the searches ask for by name, each some of it; somebody who mistypes means these too.
ASKED = ("encoder", "encoders", "targets", "target", "max_bitrate", "min_crf", "resolutions", "crfs", "output")


class Searching:
    """The part of :class:`pytest_vmaf.Vmaf` that searches work with: settings in, records out."""

    _layers: tuple[Layer, ...]
    _progress: Any
    _request: Any
    _encoder: Callable[[str], Encoder]
    records: list[dict[str, Any]]
    clips: list[Any]
    sections: list[dict[str, Any]]
    makings: list[SectionMaker]
    baselines: Baselines

    def find_encoder(self, encoder: AnyEncoder) -> Encoder:
        """The encoder that a name, a command template or a function stands for. Raises SettingsError."""
        from pytest_vmaf.encoding.encoders import Encoder, command_encoder, function_encoder

        if isinstance(encoder, Encoder):
            return encoder
        if isinstance(encoder, str) and "{" not in encoder:
            name, colon, preset = encoder.partition(":")
            found = self._encoder(name)
            # It is then the only one: another preset= would contradict it.
            return replace(found, preset=found.chosen_preset(preset), presets=(preset,)) if colon else found
        if callable(encoder):
            return function_encoder(encoder)
        return command_encoder(encoder)

    def _search(
        self,
        sources: Source | Sequence[Source],
        what: str,
        settings: Mapping[str, Any],
        run: Callable[[Sequence[MeasureRequest], Scorer, dict[str, Any]], Found],
        kind: str = "",
    ) -> Found:
        """Resolve the settings and run; what goes wrong is recorded, as any measurement that failed is.

        A search whose baselines are of a ``kind`` finds among its options what is asked of one, "baseline".
        """
        __tracebackhide__ = True
        started = time.time()
        first = len(self.records)
        clips: Sequence[Any] = []
        try:
            clips = _listed(sources)
            _check_names(settings)
            options = {name: value for name, value in settings.items() if name in SEARCHING and value is not None}
            layer = make_layer("call", {name: value for name, value in settings.items() if name not in SEARCHING})
            if layer.gates:
                raise SettingsError(
                    f"{layer.gates[0].name} is no gate of a search, which has max_bitrate and min_crf. Hold it with "
                    "vmaf.check(source, found[96].encode.path), or assert on found[96].result."
                )
            if options.get("repeats", 1) != 1 and kind != "bisect":
                raise SettingsError("repeats is a setting of vmaf.bisect, whose baseline they are for.")
            options |= self._baseline((layer, *self._layers), kind, clips, what)
            resolved = resolve((layer, *self._layers))
            prepared = [self._request(clip, clip, resolved, ()) for clip in map(as_clip, clips)]
            return run([scoring for scoring, _ in prepared], prepared[0][1], options)
        except (MeasurementError, SettingsError, OSError) as caught:
            error: Exception = caught
            if isinstance(caught, OSError):
                error = ScorerError(f"The system refused what the search needs: {printable(str(caught))}.")
            names = ", ".join(map(str, clips))
            self.records.append({**error_record(names, what, error), "started": started})
            self.clips.append(None)
            # What a function of the user's raised is theirs to see; what led to our own messages says nothing more.
            raise error.with_traceback(None) from (error.__cause__ if isinstance(error, EncodeError) else None)
        finally:
            for record in self.records[first:]:
                record["started"] = started

    def _baseline(self, layers: Sequence[Layer], kind: str, clips: Sequence[Any], what: str) -> dict[str, Any]:
        """What is asked of a baseline, as an option. Raises SettingsError where there is none of such a search."""
        if not kind:
            if layers[0].baseline or layers[0].tolerances:
                raise SettingsError(f"{what} has no baseline; vmaf.bisect and vmaf.compare have, and every score.")
            return {}
        from pytest_vmaf.gates.metrics import BD_RATE, ENCODE_METRICS

        has = ENCODE_METRICS if kind == "bisect" else (BD_RATE,)
        names = ", ".join(as_clip(clip).path.name for clip in clips)
        return {"baseline": self.baselines.prepare_check(layers, kind, has.__contains__, f"{names}: {what}")}

    def _record_sections(self, sections: Sequence[Section]) -> None:
        self.sections += [section.to_record() for section in sections]

    def _record(self, results: Iterable[tuple[Any, Sequence[Verdict]]]) -> None:
        """A search is gated by itself, unless the marker has gates: those are held against nothing here."""
        marked = any(layer.gates for layer in self._layers if layer.origin == "marker")
        for result, verdicts in results:
            self.records.append({**measurement_record(result, verdicts), "gated": not marked, "every_gate": False})
            self.clips.append(None)

    def _record_rungs(self, ladder: Ladder) -> None:
        """One record for each rung; a resolution that does not reach a target is none to complain of, the ladder is."""
        from pytest_vmaf.search.verdicts import best_below, judge_score

        for rung in ladder.rungs:
            score = rung.probe.score
            self._record([(rung.probe.result, [judge_score(ladder.metric, target, score) for target in rung.targets])])
        for target in ladder.unmet:
            result, score = best_below(ladder.found.values(), target)
            self._record([(result, [judge_score(ladder.metric, target, score)])])

    def _record_answers(
        self,
        searches: Iterable[Bisection],
        limits: Sequence[tuple[Gate, float]] = (),
        compared: Outcome | None = None,
    ) -> None:
        """One record for each encode that answers a target; the gates of all targets are judged together.

        With what a baseline says, where there is one: its numbers go with the first record.
        """
        __tracebackhide__ = True
        from pytest_vmaf.search.verdicts import best_below, judge_answer, judge_score, violation

        violations: list[str] = []
        first = len(self.records)
        for found in searches:
            verdicts: dict[int, list[Verdict]] = {}
            for answer in found.answers.values():
                gates = [gate for gate, target in limits if target == answer.target]
                mine = judge_answer(answer, gates)
                violations += [violation(answer, verdict) for verdict in mine if not verdict.passed]
                violations += [] if answer.met or not gates else [answer.why]
                if answer.met:
                    verdicts.setdefault(answer.crf, []).extend(mine)
                else:
                    # Whether the test asks for it or not: a target that is not met stands in the report as that.
                    result, score = best_below([found], answer.target)
                    self._record([(result, [judge_score(answer.metric, answer.target, score)])])
            probes = {probe.crf: probe for probe in found.probes}
            self._record((probes[crf].result, each) for crf, each in verdicts.items())
        lines = str(found).splitlines()
        held = len(limits)
        if compared is not None:
            violations += compared.failed
            held += len(compared.failed) + len(compared.also)
            self.makings += filter(None, [section_maker(compared)])
            lines = [*compared.lines, *(f"also held: {also}" for also in compared.also), *lines]
            for record in self.records[first : first + 1]:
                self.records[first] = with_gates(record, outcome_gates(compared, None), failed=bool(compared.failed))
        if violations:
            raise GateViolation(
                f"{'; '.join(violations)} ({len(violations)} of {held} gates violated)\n"
                + "\n".join(f"  {line}" for line in lines)
            )


def _listed(sources: Any) -> Sequence[Source]:
    """One source or several. Raises SettingsError."""
    many = (
        [sources] if isinstance(sources, str | os.PathLike | Clip) or not isinstance(sources, Iterable) else [*sources]
    )
    for source in many:
        if not isinstance(source, str | os.PathLike | Clip):
            raise SettingsError(f"{source!r:.80} is no source; it is a path, or a Clip.")
    if not many:
        raise SettingsError("There is no source; say at least one.")
    return many


def _check_names(settings: Iterable[str]) -> None:
    """Raise SettingsError for what is neither a setting of a search nor of its measurements, with the nearest name."""
    from pytest_vmaf.text import did_you_mean

    known = (*SEARCHING, *BY_NAME, "baseline")
    for name in settings:
        if name in ("max_bitrate", "min_crf"):
            raise SettingsError(f"{name} is a gate of vmaf.bisect; here assert on what is returned.")
        if name not in known and not name.startswith(("min_", "max_")):
            raise SettingsError(f"{name!r} is no setting of a search.{did_you_mean(name, (*known, *ASKED))}")


def rounded(shown: Callable[[int, int | None], None] | None) -> Callable[[int, float], None] | None:
    """A bar's update for searches, which expect a fraction of a probe."""
    return None if shown is None else lambda done, expected: shown(done, max(done, round(expected)))


def named(encoder: object) -> str:
    """An encoder in a message, whatever was given for one."""
    name = getattr(encoder, "name", None) or getattr(encoder, "__name__", None) or encoder
    return printable(f"{name:.80}" if isinstance(name, str) else f"{name!r:.80}")
