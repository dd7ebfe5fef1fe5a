"""Searches: what Vmaf does with an encoder rather than with an encode. Each runs one room and records what it found."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_vmaf.quality.clip import Clip, as_clip
from pytest_vmaf.quality.errors import EncodeError, GateViolation, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.quality.gate import Verdict
from pytest_vmaf.quality.process import printable
from pytest_vmaf.report.record import measured, not_measured
from pytest_vmaf.settings import BY_NAME, Layer, make_layer, resolve

if TYPE_CHECKING:
    from pytest_vmaf.encoding.answers import Bisection
    from pytest_vmaf.encoding.compare import Comparison
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.encoding.ladder import Ladder
    from pytest_vmaf.encoding.per_shot import PerShot
    from pytest_vmaf.encoding.requests import Limit
    from pytest_vmaf.encoding.rows import Row
    from pytest_vmaf.quality.gate import Gate
    from pytest_vmaf.quality.measure import MeasureRequest
    from pytest_vmaf.quality.scorer import Scorer
    from pytest_vmaf.report.section import Section

    Source = str | os.PathLike[str] | Clip
    AnyEncoder = str | Encoder | Sequence[str] | Callable[[Path, Path, int], object]

Found = TypeVar("Found")
#: What a search may be told beside its targets; everything else is a setting of the scoring.
SEARCHING = ("preset", "arguments", "pix_fmt", "metric", "crf", "sample", "start", "keep", "workers")
#: What the searches ask for by name, each some of it; somebody who mistypes means these too.
ASKED = ("encoder", "encoders", "targets", "target", "max_bitrate", "min_crf", "resolutions", "crfs", "output")


class Searches:
    """The searching half of :class:`pytest_vmaf.Vmaf`, which has what it works with."""

    _layers: tuple[Layer, ...]
    _progress: Any
    _request: Any
    _encoder: Callable[[str], Encoder]
    records: list[dict[str, Any]]
    clips: list[Any]
    sections: list[dict[str, Any]]

    def bisect(
        self,
        source: Source,
        *,
        encoder: AnyEncoder,
        targets: float | Sequence[float],
        max_bitrate: Limit = None,
        min_crf: Limit = None,
        **settings: Any,
    ) -> Bisection:
        """Find, for each target, the largest CRF whose score is at or above it, and its bitrate. Exact.

        ``encoder`` is a name ("libx264"), a command template ("./myenc --crf {crf} -i {input} -o {output}"), an
        Encoder, or a function of (source, output, crf). The gates ``max_bitrate`` (bit/s) and ``min_crf`` are numbers
        for all targets, or {target: number}. Settings, beside those of every measurement:

        - ``preset`` and ``arguments`` (a text or a list) for the encoder, ``pix_fmt`` to encode in;
        - ``metric``: "neg", "vmaf", "psnr_y", …, with ".p5" or another pool;
        - ``crf``: the window (finest, coarsest) that is searched; ``sample``: so many seconds from the source's middle;
        - ``start``: where an earlier search ended ({96: 27}, or what it returned); ``workers``: probes at once;
        - ``keep``: the folder where the encodes of the answers stay.

        Returns a Bisection: ``found[96].crf``, ``.bitrate``, ``.size``, ``.score``, ``.encode``, ``.outcome``.
        Raises GateViolation, and MeasurementError (whose ``probes`` are those that were finished), SettingsError.
        """
        __tracebackhide__ = True
        from pytest_vmaf.encoding.bisect import bisect
        from pytest_vmaf.encoding.requests import bisect_request, read_limits
        from pytest_vmaf.report.encodings import bisect_section

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> Bisection:
            __tracebackhide__ = True
            request = bisect_request(scorings[0], self.find_encoder(encoder), targets, **options)
            limits = read_limits(request, max_bitrate, min_crf)
            with self._progress(f"bisecting {request.encoder.name}", unit="probes") as shown:
                found = bisect(replace(request, progress=_rounded(shown)), scorer)
            self._record_sections([bisect_section(found)])
            self._record_answers([found], limits)
            return found

        return self._search(source, f"bisect with {_named(encoder)}", settings, run)

    def compare(
        self,
        sources: Source | Sequence[Source],
        *,
        encoders: Sequence[AnyEncoder] | Mapping[str, Any],
        targets: float | Sequence[float] = (94, 96, 97, 98),
        speed: bool = True,
        **settings: Any,
    ) -> Comparison:
        """Bisect several encoders on one source or several, and compare what they need for the same quality.

        ``encoders`` is a list of what ``encoder`` of :meth:`bisect` may be ("libx264:slow" names a preset too), or a
        mapping from labels to that, or to {"encoder": ..., "preset": ..., "arguments": ..., "pix_fmt": ..., "crf":
        ...}; further settings are those of :meth:`bisect`, for all. With ``speed`` one encode of each is timed alone.

        Returns a Comparison: ``.bd_rate("libsvtav1", anchor="libx264")`` in percent, ``.bd_quality``, ``.rate``,
        ``.rate_change``, ``.penalty`` (what NEG asks beyond default VMAF), ``.lost_wins``, ``.speed``. Raises as
        :meth:`bisect`.
        """
        __tracebackhide__ = True
        from pytest_vmaf.encoding.compare import CompareRequest, compare
        from pytest_vmaf.encoding.encoders import ENCODERS
        from pytest_vmaf.encoding.requests import bisect_request, contenders
        from pytest_vmaf.report.encodings import compare_sections

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> Comparison:
            base = bisect_request(scorings[0], ENCODERS["libx264"], targets)
            each = {
                label: replace(one, cover=one.metric.name in ("vmaf", "neg"), timed=speed)
                for label, one in contenders(self.find_encoder, encoders, base, **options).items()
            }
            with self._progress(f"comparing {', '.join(each)}", unit="probes") as shown:
                found = compare(CompareRequest(tuple(scorings), each, _rounded(shown)), scorer)
            self._record_sections(compare_sections(found))
            self._record_answers([one for by_label in found.found.values() for one in by_label.values()])
            return found

        return self._search(sources, "compare", settings, run)

    def ladder(
        self,
        source: Source,
        *,
        encoder: AnyEncoder,
        resolutions: Sequence[str | tuple[int, int]],
        targets: float | Sequence[float],
        segment: float | None = 2.0,
        **settings: Any,
    ) -> Ladder:
        """Find the cheapest encode of any resolution ("1280x720") for each target, scored at the source's size.

        ``segment`` is the distance of key frames in seconds (None: the encoder's own). Further settings are those of
        :meth:`bisect`; with ``keep`` the rungs' encodes stay, and ``.package(folder, "hls")`` makes them playable.
        Returns a Ladder: ``.rungs``, ``.hull``, ``.to_hls()``, ``.to_dash()``, ``.to_json()``. Raises as
        :meth:`bisect`.
        """
        __tracebackhide__ = True
        from pytest_vmaf.encoding.ladder import LadderRequest, build_ladder, read_sizes
        from pytest_vmaf.encoding.requests import bisect_request
        from pytest_vmaf.report.encodings import ladder_section

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> Ladder:
            base = bisect_request(scorings[0], self.find_encoder(encoder), targets, **options)
            sizes = read_sizes(resolutions)
            with self._progress(f"ladder of {base.encoder.name}", unit="probes") as shown:
                ladder = build_ladder(LadderRequest(base, sizes, segment, _rounded(shown)), scorer)
            self._record_sections([ladder_section(ladder)])
            self._record_rungs(ladder)
            return ladder

        return self._search(source, f"ladder of {_named(encoder)}", settings, run)

    def per_shot(
        self,
        source: Source,
        *,
        encoder: AnyEncoder,
        target: float,
        threshold: float | None = None,
        shortest: int | None = None,
        fixed: bool = True,
        **settings: Any,
    ) -> PerShot:
        """Encode each shot at the CRF that gives it the target, join the encodes and score the whole.

        ``threshold`` (percent of luma) and ``shortest`` (frames) tell where a shot begins. With ``fixed`` one CRF for
        the whole clip is searched too, and ``.rate_change`` says in percent what the shots' own CRFs spend beside it at
        equal score. Further settings are those of :meth:`bisect`. Returns a PerShot: ``.shots``, ``.score``,
        ``.bitrate``, ``.rate_change``. Raises as :meth:`bisect`.
        """
        __tracebackhide__ = True
        from pytest_vmaf.encoding.per_shot import PerShotRequest, tune_per_shot
        from pytest_vmaf.encoding.requests import bisect_request, judge_score
        from pytest_vmaf.report.encodings import per_shot_section

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> PerShot:
            base = bisect_request(scorings[0], self.find_encoder(encoder), target, **options)
            with self._progress(f"shots with {base.encoder.name}", unit="probes") as shown:
                request = PerShotRequest(base, threshold, shortest, fixed, _rounded(shown))
                found = tune_per_shot(request, scorer)
            self._record_sections([per_shot_section(found)])
            self._record([(found.result, [judge_score(base.metric, base.targets[0], found.score)])])
            return found

        return self._search(source, f"shots with {_named(encoder)}", settings, run)

    def sweep(
        self,
        sources: Source | Sequence[Source],
        *,
        encoders: Sequence[AnyEncoder],
        crfs: Iterable[int],
        output: str | os.PathLike[str],
        presets: Sequence[str | int | None] = (None,),
        arguments: str | Sequence[str] = (),
        pix_fmt: str | None = None,
        **settings: Any,
    ) -> tuple[Row, ...]:
        """Encode and score a grid of encoders, presets and CRFs into a file of JSON Lines, one row an encode.

        A sweep that was stopped goes on where it ended; rows that are there are not made again. Returns the grid's
        rows, which ``recommend`` (:mod:`pytest_vmaf.encoding.recommend`) chooses from. Raises as :meth:`bisect`.
        """
        __tracebackhide__ = True
        from pytest_vmaf.encoding.requests import read_list, read_path, read_pix_fmt, read_words
        from pytest_vmaf.encoding.sweep import SweepRequest, sweep

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> tuple[Row, ...]:
            if options:
                raise SettingsError(
                    f"{min(options)!r} is a setting of a search; a sweep makes every encode of its grid."
                )
            words = tuple(
                None if preset is None else str(preset) for preset in read_list("presets", presets, "['fast', 'slow']")
            )
            chosen = read_list("encoders", encoders, "['libx264', 'libsvtav1']")
            request = SweepRequest(
                scorings=tuple(scorings),
                encoders=tuple((self.find_encoder(encoder), words) for encoder in chosen),
                crfs=tuple(read_list("crfs", crfs, "range(20, 40, 4)")),
                output=read_path("output", output),
                arguments=read_words(arguments),
                pix_fmt=read_pix_fmt(pix_fmt),
            )
            with self._progress("sweeping", unit="encodes") as shown:
                return sweep(replace(request, progress=shown), scorer)

        return self._search(sources, "sweep", settings, run)

    def find_encoder(self, encoder: AnyEncoder, **rest: Any) -> Encoder:
        """The encoder that a name, a command template or a function stands for. Raises SettingsError."""
        from pytest_vmaf.encoding.encoders import Encoder, command_encoder, function_encoder

        if isinstance(encoder, Encoder):
            return encoder
        if isinstance(encoder, str) and "{" not in encoder:
            name, colon, preset = encoder.partition(":")
            found = self._encoder(name)
            return replace(found, preset=found.chosen_preset(preset)) if colon else found
        if callable(encoder):
            return function_encoder(encoder, **rest)
        return command_encoder(encoder, **rest)

    def _search(
        self,
        sources: Source | Sequence[Source],
        what: str,
        settings: Mapping[str, Any],
        run: Callable[[Sequence[MeasureRequest], Scorer, dict[str, Any]], Found],
    ) -> Found:
        """Resolve the settings and run; what goes wrong is recorded, as any measurement that failed is."""
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
            resolved = resolve((layer, *self._layers))
            prepared = [self._request(clip, clip, resolved, ()) for clip in map(as_clip, clips)]
            return run([scoring for scoring, _ in prepared], prepared[0][1], options)
        except (MeasurementError, SettingsError, OSError) as caught:
            error: Exception = caught
            if isinstance(caught, OSError):
                error = ScorerError(f"The system refused what the search needs: {printable(str(caught))}.")
            names = ", ".join(map(str, clips))
            self.records.append({**not_measured(names, what, error), "started": started})
            self.clips.append(None)
            # What a function of the user's raised is theirs to see; what led to our own messages says nothing more.
            raise error.with_traceback(None) from (error.__cause__ if isinstance(error, EncodeError) else None)
        finally:
            for record in self.records[first:]:
                record["started"] = started

    def _record_sections(self, sections: Sequence[Section]) -> None:
        self.sections += [section.to_record() for section in sections]

    def _record(self, results: Iterable[tuple[Any, Sequence[Verdict]]]) -> None:
        """A search is gated by itself, unless the marker has gates: those are held against nothing here."""
        marked = any(layer.gates for layer in self._layers if layer.origin == "marker")
        for result, verdicts in results:
            self.records.append({**measured(result, verdicts), "gated": not marked, "every_gate": False})
            self.clips.append(None)

    def _record_rungs(self, ladder: Ladder) -> None:
        """One record for each rung; a resolution that does not reach a target is none to complain of, the ladder is."""
        from pytest_vmaf.encoding.requests import best_below, judge_score

        for rung in ladder.rungs:
            score = rung.probe.score
            self._record([(rung.probe.result, [judge_score(ladder.metric, target, score) for target in rung.targets])])
        for target in ladder.unmet:
            result, score = best_below(ladder.found.values(), target)
            self._record([(result, [judge_score(ladder.metric, target, score)])])

    def _record_answers(self, searches: Iterable[Bisection], limits: Sequence[tuple[Gate, float]] = ()) -> None:
        """One record for each encode that answers a target; the gates of all targets are judged together."""
        __tracebackhide__ = True
        from pytest_vmaf.encoding.requests import best_below, judge_answer, judge_score, violation

        violations = []
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
        if violations:
            raise GateViolation(
                f"{'; '.join(violations)} ({len(violations)} of {len(limits)} gates violated)\n"
                + "\n".join(f"  {line}" for line in str(found).splitlines())
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
    from pytest_vmaf.quality.models import nearest

    known = (*SEARCHING, *BY_NAME)
    for name in settings:
        if name in ("max_bitrate", "min_crf"):
            raise SettingsError(f"{name} is a gate of vmaf.bisect; here assert on what is returned.")
        if name not in known and not name.startswith(("min_", "max_")):
            raise SettingsError(
                f"{name!r} is no setting of a search; did you mean {nearest(name, (*known, *ASKED))!r}?"
            )


def _rounded(shown: Callable[[int, int | None], None] | None) -> Callable[[int, float], None] | None:
    return None if shown is None else lambda done, expected: shown(done, max(done, round(expected)))


def _named(encoder: object) -> str:
    name = getattr(encoder, "name", None) or getattr(encoder, "__name__", None) or encoder
    return printable(f"{name:.80}" if isinstance(name, str) else f"{name!r:.80}")
