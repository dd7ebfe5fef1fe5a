"""Vmaf: what the `vmaf` fixture yields, and what works the same without pytest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import pluggy

from pytest_vmaf.api.extensions import _standalone_plugins, load_encoder, load_scorer
from pytest_vmaf.api.gate_selection import _gates, _holds, _measures
from pytest_vmaf.api.run_measurement import NO_CHECK, Measured, _cores, _with_progress, _with_regions
from pytest_vmaf.api.searches import Searches
from pytest_vmaf.baselines.check import BaselineLocation, Baselines
from pytest_vmaf.baselines.outcome import Outcome
from pytest_vmaf.cache import Cache
from pytest_vmaf.errors import BaselineError, GateViolation, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.gates.gate import Gate, effective, judge
from pytest_vmaf.gates.messages import describe
from pytest_vmaf.media.clip import Clip, as_clip
from pytest_vmaf.media.fingerprint import Stamps, stamps_of
from pytest_vmaf.parts import Parts
from pytest_vmaf.progress import no_progress
from pytest_vmaf.report.baseline_section import section_maker
from pytest_vmaf.report.record import error_record, measurement_record, outcome_gates, with_gates
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.settings import Layer, Settings, make_layer, resolve
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.report.sections import Section, SectionMaker
    from pytest_vmaf.roi.regions import Region
    from pytest_vmaf.scoring.scorer import Scorer

    Path = str | os.PathLike[str] | Clip
    Regions = Mapping[str, Region | Sequence[int] | str | os.PathLike[str]] | None
    Progress = Callable[..., AbstractContextManager[Callable[[int, int | None], None] | None]]


class Vmaf(Searches, Parts):
    """Scores encodes against their references with VMAF and VMAF-NEG in one pass, and holds gates against them.

    Every setting may be given here, and again in each call, where it wins: ``model`` ("auto", a built-in name or the
    path of a JSON file), ``generation`` ("v0", "v1"), ``phone``, ``features`` (libvmaf's names, as "psnr"), ``scale``
    ("bicubic" scales a smaller distorted clip up), ``align`` (skip frames only one clip has at its start), ``allow``
    ("hdr", "interlaced", "frame_rate"), ``scorer`` (a name or a Scorer), ``ffmpeg``, ``vmaf_bin``, ``threads``,
    ``timeout`` (seconds). Gates are keywords too: ``min_neg=93``, ``min_neg_p5=85``, ``max_gap=3``,
    ``min_psnr_y=38``, ``above_100=False``.

    Under pytest the ``vmaf`` fixture is one of these, with the marker, the command line and the ini file behind it.
    """

    def __init__(
        self,
        *,
        layers: Sequence[Layer] = (),
        hook: Any = None,
        plugins: pluggy.PluginManager | None = None,
        config: Any = None,
        progress: Progress | None = None,
        place: BaselineLocation | None = None,
        **settings: Any,
    ) -> None:
        self._layers = (make_layer("call", settings), *layers) if settings else tuple(layers)
        self._plugins = plugins or _standalone_plugins()
        self._hook = hook or self._plugins.hook
        self._config = config
        self._progress = progress or no_progress
        #: What is held against what earlier runs kept.
        self.baselines = Baselines(place)
        #: One plain record per measurement, in order.
        self.records: list[dict[str, Any]] = []
        #: The reference and distorted clip of each record, with what tells whether their files were written since.
        self.clips: list[tuple[Clip, Clip, Stamps] | None] = []
        #: The gates of the marker that some measurement of the test was held against, or took back.
        self._answered: set[tuple[str, ...]] = set()
        #: What searches add to the report, as records of sections.
        self.sections: list[dict[str, Any]] = []
        #: What makes further sections, asked only where there is a report, since their pictures cost something.
        self.makings: list[SectionMaker] = []

    def __repr__(self) -> str:
        return f"<Vmaf, {len(self.records)} measured>"

    def score(self, reference: Path, distorted: Path, *, regions: Regions = None, **settings: Any) -> Result:
        """Measure, and hold the gates of the call and of the marker against the result.

        ``regions`` maps names to rectangles that are scored in the same pass: a :class:`pytest_vmaf.Region`, its four
        numbers (x, y, w, h), or the path of a track's file; ``result.regions["face"]`` is then a Result of its own.
        Raises GateViolation (an AssertionError) that lists all violations, MeasurementError when there is no score
        that can be trusted, SettingsError for unknown or impossible settings.
        """
        __tracebackhide__ = True
        return self._run(reference, distorted, settings, measure, regions=regions)

    def check(self, reference: Path, distorted: Path, *, regions: Regions = None, **settings: Any) -> Result:
        """As :meth:`score`, with every effective gate: call > marker > command line > ini > default.

        By default that is ``max_gap=3`` and ``above_100``; ``max_gap=None`` or ``above_100=False`` switch them off.

        With ``baseline=True`` (or a text that names the entry) the scores are held against those of an earlier run too,
        here and in :meth:`score`, ``roi`` and ``map``: ``max_drop=0.5`` (of NEG's mean) and ``max_drop_p5=1`` unless
        told otherwise, ``max_gap_rise``, ``max_psnr_y_drop="2%"`` and the like where asked for. Raises BaselineError
        where the two cannot be compared.
        """
        __tracebackhide__ = True
        return self._run(reference, distorted, settings, measure, every_gate=True, regions=regions)

    def self_score(self, reference: Path, **settings: Any) -> Result:
        """The reference scored against itself; the means are the ceilings that no honest encode passes."""
        __tracebackhide__ = True
        return self._run(reference, reference, settings, measure, gates=False)

    def check_baseline(self, result: Any, *, baseline: str | None = None, **tolerances: Any) -> None:
        """Hold a baseline against what was measured: a Result, Bisection or Comparison.

        ``baseline`` names the entry, by default the distorted clip; ``tolerances`` are ``max_drop=0.3`` and the like.
        It also takes a list of Results of repeated encodes, of which the means are compared, and what differs by no
        more than they do among themselves is told apart. Raises GateViolation, BaselineError and SettingsError.
        """
        __tracebackhide__ = True
        from pytest_vmaf.api.baseline_check import check_baseline

        check_baseline(self, result, {"baseline": baseline or True, **tolerances}, self._layers)

    def _run(
        self,
        reference: Path,
        distorted: Path,
        keywords: Mapping[str, Any],
        measuring: Callable[[MeasureRequest, Scorer], Measured],
        *,
        every_gate: bool = False,
        gates: bool = True,
        regions: Regions = None,
        extra: Sequence[str] = (),
        section: Callable[[Measured, tuple[Clip, Clip], int], Section] | None = None,
    ) -> Measured:
        """Measure and hold gates; ``extra`` are the metrics that this measurement has beside those of all.

        ``section`` makes its section of a report, of the result, the clips and the number of pictures it may have.
        """
        __tracebackhide__ = True
        applied: tuple[Gate, ...] = ()
        compared = Outcome()
        started = time.time()
        try:
            layers = (make_layer("call", keywords), *self._layers)
            if not gates and (layers[0].gates or layers[0].tolerances or layers[0].baseline):
                raise SettingsError("self_score holds no gates; assert on what it returns.")
            applied = _gates(layers, every_gate, extra) if gates else ()
            if regions is not None:
                measuring, section, more = _with_regions(regions)
                applied = (*applied, *more)
            clips = as_clip(reference), as_clip(distorted)
            holds = partial(_measures, extra)
            asked = self.baselines.prepare_check(layers, "score", holds, clips[1].path.name) if gates else None
            request, scorer = self._request(*clips, resolve(layers), applied, asked.features if asked else ())
            stamps = stamps_of(request.reference, request.distorted)
            with self._progress(f"{request.distorted.path.name}") as shown:
                result = measuring(_with_progress(request, shown), scorer)
            verdicts = judge(result, applied)
            if asked:
                from pytest_vmaf.baselines.from_results import entry_of_result

                if stamps_of(request.reference)[0] != stamps[0]:
                    raise BaselineError(f"{request.reference} was written to while it was scored.")
                compared = asked.compare(entry_of_result(result, request.reference), result.context.frame_rate)
        except (MeasurementError, SettingsError, OSError) as caught:
            error = caught
            if isinstance(caught, OSError):
                # A full disk, a temporary folder that is gone: whatever it is, nothing was measured.
                error = ScorerError(f"The system refused what scoring needs: {printable(str(caught))}.")
            record = error_record(str(reference), str(distorted), error, applied)
            self.records.append({**record, "started": started})
            self.clips.append(None)
            # The caller's line is what matters; ours, and what led here, say nothing that the message does not.
            raise error.with_traceback(None) from None
        if gates:
            self._answered.update(gate.key for gate in layers[0].gates if gate.limit is None)
            self._answered.update(gate.key for layer in layers for gate in layer.gates if _holds(gate, extra))
        every: dict[str, Result] = {"": result, **result.regions}
        for region, one in every.items():
            mine = [verdict for verdict in verdicts if verdict.gate.region == region]
            # A region has its own gates and no others: it is neither a check, nor does it hold the marker's.
            how = {"gated": gates, "every_gate": every_gate} if not region else NO_CHECK
            record = {**measurement_record(one, mine), "started": started, **how}
            self.records.append(
                with_gates(record, outcome_gates(compared, region), failed=bool(compared.failed and not region))
            )
            self.clips.append((request.reference, request.distorted, stamps))
        self.baselines.remember(result, [request.reference], len(self.records) - len(every))
        self.makings += filter(None, [section_maker(compared)])
        if section is not None:
            self.makings.append(partial(section, result, (request.reference, request.distorted)))
        if compared.failed or not all(verdict.passed for verdict in verdicts):
            violation = GateViolation(describe(result, verdicts, compared.failed, compared.lines, compared.also))
            violation.result = result
            raise violation
        return result

    def unchecked_gates(self) -> tuple[Gate, ...]:
        """Gates of the marker that no measurement was held against."""
        marked = (gate for layer in self._layers if layer.origin == "marker" for gate in effective([layer.gates]))
        return tuple(gate for gate in marked if gate.key not in self._answered)

    def unchecked_baselines(self) -> list[str]:
        """What the marker says of baselines, where no measurement was held by it."""
        return self.baselines.unchecked([layer for layer in self._layers if layer.origin == "marker"])

    def _encoder(self, name: str) -> Encoder:
        return load_encoder(name, self._hook, self._plugins, self._config)

    def _request(
        self,
        reference: Clip,
        distorted: Clip,
        settings: Settings,
        gates: Sequence[Gate],
        features: Sequence[str] = (),
    ) -> tuple[MeasureRequest, Scorer]:
        values = dict(settings.values)
        folder, size = values.pop("cache_dir"), values.pop("cache_size")
        values["cache"] = Cache(FilePath(folder), size) if values["cache"] and folder else None
        scorer = values.pop("scorer")
        if isinstance(scorer, str):
            scorer = load_scorer(scorer, self._hook, self._plugins, self._config)
        needed = [gate.feature for gate in gates if gate.feature]
        values["features"] = (*values["features"], *needed, *features)
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        values["threads"] = values["threads"] or max(1, _cores() // workers)
        return MeasureRequest(reference=reference, distorted=distorted, **values), scorer
