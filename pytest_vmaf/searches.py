"""Searches: what Vmaf does with an encoder rather than with an encode. Each runs one room and records what it found."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_vmaf.quality.clip import Clip, as_clip
from pytest_vmaf.quality.errors import GateViolation, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.quality.gate import Gate, Verdict
from pytest_vmaf.quality.process import printable
from pytest_vmaf.report.record import measured, not_measured
from pytest_vmaf.settings import Layer, make_layer, resolve

if TYPE_CHECKING:
    from pytest_vmaf.encoding.bisect import Answer, Bisection, BisectRequest
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.quality.measure import MeasureRequest
    from pytest_vmaf.quality.scorer import Scorer
    from pytest_vmaf.report.section import Section

    Source = str | os.PathLike[str] | Clip
    AnyEncoder = str | Encoder | Sequence[str] | Callable[[Path, Path, int], object]
    Limit = float | Mapping[float, float] | None

Found = TypeVar("Found")


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
        targets: Sequence[float],
        preset: str | int | None = None,
        arguments: str | Sequence[str] = (),
        pix_fmt: str | None = None,
        metric: str = "neg",
        crf: tuple[int, int] | None = None,
        sample: float | None = None,
        start: Mapping[float, int] | Bisection | None = None,
        keep: str | os.PathLike[str] | None = None,
        workers: int = 1,
        max_bitrate: Limit = None,
        min_crf: Limit = None,
        **settings: Any,
    ) -> Bisection:
        """Find, for each target, the largest CRF whose score is at or above it, and its bitrate. Exact.

        ``encoder`` is a name ("libx264"), a command template ("./myenc --crf {crf} -i {input} -o {output}"), an
        Encoder, or a function of (source, output, crf). ``arguments`` are further ones for it. ``metric`` is "neg",
        "vmaf", "psnr_y", …, with ".p5" or another pool. ``crf`` narrows the range that is searched, ``sample`` the
        source to so many seconds from its middle, ``start`` begins where an earlier search ended ({96: 27}, or what it
        returned).
        The encodes of the answers are kept in the folder ``keep``. ``workers`` probes run at once. The gates
        ``max_bitrate`` (bit/s) and ``min_crf`` are numbers for all targets, or {target: number}.

        Returns a Bisection: ``found[96].crf``, ``.bitrate``, ``.size``, ``.score``, ``.encode``, ``.outcome``.
        Raises GateViolation, and MeasurementError (whose ``probes`` are those that were finished), SettingsError.
        """
        __tracebackhide__ = True
        from pytest_vmaf.encoding.bisect import BisectRequest, bisect
        from pytest_vmaf.encoding.probe import parse_metric
        from pytest_vmaf.report.encodings import bisect_section

        def run(scoring: MeasureRequest, scorer: Scorer) -> Bisection:
            __tracebackhide__ = True
            chosen = self.find_encoder(encoder)
            request = BisectRequest(
                scoring=scoring,
                encoder=chosen,
                targets=_targets(targets),
                metric=parse_metric(metric),
                preset=None if preset is None else str(preset),
                arguments=_words(arguments),
                pix_fmt=pix_fmt,
                crf=crf,
                sample=sample,
                start=_start(start),
                keep=None if keep is None else Path(keep),
                workers=workers,
            )
            limits = _limits(request, max_bitrate, min_crf)
            with self._progress(f"bisecting {chosen.name}", unit="probes") as shown:
                found = bisect(replace(request, progress=_rounded(shown)), scorer)
            self._record_search([bisect_section(found)])
            self._record_answers(scoring.reference, found, limits)
            return found

        return self._search(source, f"bisect with {_named(encoder)}", settings, run)

    def find_encoder(self, encoder: AnyEncoder, **rest: Any) -> Encoder:
        """The encoder that a name, a command template or a function stands for. Raises SettingsError."""
        from pytest_vmaf.encoding.encoders import Encoder, command_encoder, function_encoder

        if isinstance(encoder, Encoder):
            return encoder
        if isinstance(encoder, str) and "{" not in encoder:
            return self._encoder(encoder)
        if callable(encoder):
            return function_encoder(encoder, **rest)
        return command_encoder(encoder, **rest)

    def _search(
        self,
        source: Source,
        what: str,
        settings: Mapping[str, Any],
        run: Callable[[MeasureRequest, Scorer], Found],
    ) -> Found:
        """Resolve the settings and run; what goes wrong is recorded, as any measurement that failed is."""
        __tracebackhide__ = True
        started = time.time()
        first = len(self.records)
        try:
            layer = make_layer("call", settings)
            if layer.gates:
                raise SettingsError(
                    f"{layer.gates[0].name} is no gate of a search, which has max_bitrate and min_crf. Hold it with "
                    "vmaf.check(source, found[96].encode.path), or assert on found[96].result."
                )
            clip = as_clip(source)
            scoring, scorer = self._request(clip, clip, resolve((layer, *self._layers)), ())
            return run(scoring, scorer)
        except (MeasurementError, SettingsError, OSError) as caught:
            error: Exception = caught
            if isinstance(caught, OSError):
                error = ScorerError(f"The system refused what the search needs: {printable(str(caught))}.")
            self.records.append({**not_measured(str(source), what, error), "started": started})
            self.clips.append(None)
            raise error.with_traceback(None) from None
        finally:
            for record in self.records[first:]:
                record["started"] = started

    def _record_search(self, sections: Sequence[Section]) -> None:
        self.sections += [section.to_record() for section in sections]

    def _record_answers(self, reference: Clip, found: Bisection, limits: Sequence[tuple[Gate, float]] = ()) -> None:
        """One record for each encode that answers a target; the gates of all targets are judged together."""
        __tracebackhide__ = True
        marked = any(layer.gates for layer in self._layers if layer.origin == "marker")
        verdicts: dict[int, list[Verdict]] = {}
        violations = []
        for answer in found.answers.values():
            gates = [gate for gate, target in limits if target == answer.target]
            mine = _verdicts(answer, gates)
            violations += [_violated(answer, verdict) for verdict in mine if not verdict.passed]
            violations += [] if answer.met or not gates else [answer.why]
            if answer.probe is not None:
                verdicts.setdefault(answer.probe.crf, []).extend(mine)
        for crf, each in verdicts.items():
            probe = next(probe for probe in found.probes if probe.crf == crf)
            self.records.append({**measured(probe.result, each), "gated": not marked, "every_gate": False})
            self.clips.append(None)
        if violations:
            raise GateViolation(
                f"{'; '.join(violations)} ({len(violations)} of {len(limits)} gates violated)\n"
                + "\n".join(f"  {line}" for line in str(found).splitlines())
            )


def _verdicts(answer: Answer, gates: Sequence[Gate]) -> list[Verdict]:
    if not answer.met:
        return []
    values = {"bitrate": answer.bitrate, "crf": float(answer.crf)}
    metric = answer.metric
    reached = Gate("target", "min", metric.name, metric.pool, answer.target, "call")
    verdicts = [Verdict(reached, answer.score, answer.score - answer.target)]
    for gate in gates:
        value, limit = values[gate.metric], gate.limit or 0.0
        verdicts.append(Verdict(gate, value, limit - value if gate.bound == "max" else value - limit))
    return verdicts


def _violated(answer: Answer, verdict: Verdict) -> str:
    gate = verdict.gate
    if gate.metric == "bitrate":
        return f"{verdict.value:,.0f} bit/s > {gate.limit:,.0f} at {answer.metric} {answer.target:g}"
    return f"CRF {verdict.value:g} < {gate.limit:g} at {answer.metric} {answer.target:g}"


def _limits(request: BisectRequest, max_bitrate: Limit, min_crf: Limit) -> list[tuple[Gate, float]]:
    if min_crf is not None and request.encoder.larger_is_finer:
        raise SettingsError(f"min_crf: on {request.encoder.name}'s scale a larger number is finer; use max_bitrate.")
    gates = []
    for name, bound, metric, given in (
        ("max_bitrate", "max", "bitrate", max_bitrate),
        ("min_crf", "min", "crf", min_crf),
    ):
        if given is None:
            continue
        each = dict(given) if isinstance(given, Mapping) else dict.fromkeys(request.targets, given)
        for target, limit in each.items():
            if target not in request.targets:
                raise SettingsError(f"{name} has a limit for {target!r}, which is none of the targets.")
            if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit):
                raise SettingsError(f"{name} is {limit!r} for {target:g}; it is a finite number.")
            gates.append((Gate(name, bound, metric, "mean", float(limit), "call"), float(target)))
    return gates


def _targets(targets: Sequence[float]) -> tuple[float, ...]:
    given = [targets] if isinstance(targets, int | float) else list(targets)
    if not all(isinstance(target, int | float) and not isinstance(target, bool) for target in given):
        raise SettingsError(f"targets is {targets!r:.80}; it is a list of numbers, as [94, 96].")
    return tuple(map(float, given))


def _words(arguments: str | Sequence[str]) -> tuple[str, ...]:
    import shlex

    try:
        return tuple(shlex.split(arguments)) if isinstance(arguments, str) else tuple(map(str, arguments))
    except ValueError as error:
        raise SettingsError(f"The arguments {arguments!r} cannot be split: {error}.") from None


def _start(start: Mapping[float, int] | Bisection | None) -> dict[float, int]:
    if start is None:
        return {}
    if isinstance(start, Mapping):
        return {float(target): crf for target, crf in start.items()}
    return {target: answer.crf for target, answer in start.answers.items() if answer.met}


def _rounded(shown: Callable[[int, int | None], None] | None) -> Callable[[int, float], None] | None:
    return None if shown is None else lambda done, expected: shown(done, max(done, round(expected)))


def _named(encoder: object) -> str:
    name = getattr(encoder, "name", None) or getattr(encoder, "__name__", None) or encoder
    return printable(f"{name:.80}" if isinstance(name, str) else f"{name!r:.80}")
