"""`Vmaf`: what the `vmaf` fixture yields, and what works the same without pytest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack, overload

from pytest_vmaf import api
from pytest_vmaf.api import measurement_kinds as kinds
from pytest_vmaf.api.call_errors import explain_calls
from pytest_vmaf.api.context import Context, Record, Records
from pytest_vmaf.api.extensions import standalone
from pytest_vmaf.api.run_measurement import run_measurement
from pytest_vmaf.progress import Progress, choose_progress
from pytest_vmaf.report.notebook import register_views
from pytest_vmaf.settings import make_layer

if TYPE_CHECKING:
    from pytest_vmaf.api import answers, keywords
    from pytest_vmaf.api.baseline_check import Comparable
    from pytest_vmaf.api.bisect_keywords import BisectCall, BisectOptions
    from pytest_vmaf.api.chunk_keywords import CheckSettings, ScoreSettings
    from pytest_vmaf.api.keywords import EncoderLike
    from pytest_vmaf.api.measurement_kinds import Regions
    from pytest_vmaf.api.trial_keywords import DeterminismSettings, SpeedSettings
    from pytest_vmaf.media.clip_like import ClipLike

register_views()
__tracebackhide__ = True  # pytest shows the caller's line, not ours.


@explain_calls
class Vmaf:
    """Score encodes against their references with VMAF and VMAF-NEG, and check gates on the scores.

    The `vmaf` fixture has the settings of the marker, the command line and the ini file. `Vmaf()` works without pytest:
    on a terminal, long work draws a progress line then, unless `progress=False` or `PYTEST_VMAF_PROGRESS=off`.

    `reference` is the original clip, `distorted` an encode of it, `source` a clip to encode: a path, a `Clip`, or an
    object that has one, such as an `Encode`. An encoder is a name (`"libx264:slow"`), a command with `{crf}`, an
    `Encoder`, a function `(source, output, crf)`, or a `Codec`.

    `**settings` are those of `pytest_vmaf.api.keywords` and its neighbours. Given here they apply to every call; a
    call's own take precedence. Gates are `{min,max}_{metric}[_{pool}]`, for example `min_neg=93`. Type checkers know
    the usual ones; pass others as `gates={"min_psnr_hvs_p10": 38}`. Those of `roi` and `quality_map` apply anywhere.

    Raises:
        GateViolation: If gates or tolerances fail. The message lists all of them.
        MeasurementError: If there is no trustworthy score. Its subclasses name the cause.
        SettingsError: If an argument is not valid.
    """

    def __init__(self, *, progress: bool | Progress = True, **settings: Unpack[CheckSettings]) -> None:
        layers = (make_layer("call", settings, find=standalone().find_metric),) if settings else ()
        self._context = Context(layers, standalone(), choose_progress(progress), records=Records(for_report=False))

    @classmethod
    def _from_context(cls, context: Context) -> Vmaf:
        vmaf = cls.__new__(cls)
        vmaf._context = context
        return vmaf

    def __repr__(self) -> str:
        return f"<Vmaf, {len(self.records)} measured>"

    @property
    def records(self) -> list[Record]:
        """One plain record per measurement, in order, as the JSON report has them."""
        return self._context.records.measurements

    @property
    def sections(self) -> list[Record]:
        """The sections that searches added to the report, as plain records."""
        return self._context.records.sections

    def score(
        self, reference: ClipLike, distorted: ClipLike, *, regions: Regions = None, **settings: Unpack[ScoreSettings]
    ) -> answers.Result:
        """Measure a pair of clips, and check the gates of the call and of the marker.

        `regions` are rectangles to score in the same pass, by name: a `Region`, its numbers `(x, y, w, h)`, or the path
        of a track file. `result.regions["face"]` is then a `Result` of its own.
        """
        return run_measurement(self._context, reference, distorted, settings, partial(kinds.whole_picture, regions))

    def check(
        self, reference: ClipLike, distorted: ClipLike, *, regions: Regions = None, **settings: Unpack[ScoreSettings]
    ) -> answers.Result:
        """Measure a pair of clips, and check every gate in force.

        The gates are those of the call, the marker, the command line, the ini file and `gates.defaults`: signs of the
        picture and `above_100`. The nearest one of a name wins. `max_contrast=None` switches a default off.
        With `baseline=True` the scores are also compared with those of an earlier run, by the default tolerances
        `max_drop=0.5` (of the mean NEG) and `max_drop_p5=1`.
        """
        kind = partial(kinds.whole_picture, regions)
        return run_measurement(self._context, reference, distorted, settings, kind, every_gate=True)

    def self_score(self, reference: ClipLike, **settings: Unpack[keywords.Settings]) -> answers.Result:
        """Score a reference against itself. The means are the ceilings that no honest encode exceeds."""
        return run_measurement(self._context, reference, reference, settings, kinds.whole_picture, gated=False)

    def roi(
        self,
        reference: ClipLike,
        distorted: ClipLike,
        *,
        weight: float = 0.5,
        threshold: float = 0.3,
        fade: float = 0.1,
        saliency: str | os.PathLike[str] | None = None,
        synthetic_mask: float | None = None,
        bt601: bool = False,
        stride: int | None = None,
        neg_only: bool | None = None,
        **settings: Unpack[keywords.RoiSettings],
    ) -> answers.RoiResult:
        """Score the whole picture and its salient part, and blend both: `(1 - weight) * full + weight * masked`.

        Args:
            weight: The weight of the salient part, from 0 to 1.
            threshold: The saliency of the reference from which the distorted clip is shown, and not the reference.
            fade: The width of the transition above `threshold`.
            saliency: The path of an ONNX network. None is the bundled one.
            synthetic_mask: One saliency, from 0 to 1, for every pixel instead of a network's.
            bt601: Show the network every clip as limited-range BT.601.
            stride: Run the network on one of so many frames, and on each new picture. Default: 2 if bundled, else 1.
            neg_only: Score the salient part with NEG alone. None: if the call gates its NEG, and no gate needs more.
        """
        mask = (weight, threshold, fade, saliency, synthetic_mask, bt601, stride)
        kind = partial(kinds.region_of_interest, *mask, neg_only)
        return run_measurement(self._context, reference, distorted, settings, kind)

    def quality_map(
        self,
        reference: ClipLike,
        distorted: ClipLike,
        *,
        grid: tuple[int, int] = (4, 4),
        saliency: bool | str | os.PathLike[str] | None = False,
        **settings: Unpack[keywords.MapSettings],
    ) -> answers.QualityMap:
        """Score the whole picture and each tile of a grid (columns, rows) in one run, to show where quality was lost.

        `saliency` also pools the tiles by saliency: True, or the path of a network.
        """
        kind = partial(kinds.tiles, grid, saliency)
        return run_measurement(self._context, reference, distorted, settings, kind).quality_map

    map = quality_map

    def stream(
        self, encode: ClipLike, *, reference: ClipLike | None = None, **expected: Unpack[keywords.StreamSettings]
    ) -> answers.Stream:
        """Check packets and headers: gates, and expectations. `colour_tags="same"` compares with the reference."""
        return api.run_stream.run_stream(self._context, encode, reference, expected)

    def check_baseline(
        self,
        result: Comparable,
        *,
        baseline: str | None = None,
        gates: Mapping[str, keywords.ToleranceLimit] | None = None,
        **tolerances: keywords.ToleranceLimit,
    ) -> None:
        """Compare results that exist already with a baseline.

        Args:
            result: A `Result`, `Bisection` or `Comparison`, or a list of Results of repeated encodes. The means of
                repeated encodes are compared, and differences within the encoder's own noise pass.
            baseline: The name of the baseline. None is the distorted clip's.
            gates: Tolerances by name.
            **tolerances: Tolerances, for example `max_drop=0.3`.
        """
        from pytest_vmaf.api.baseline_check import check_baseline

        check_baseline(self._context, result, {"baseline": baseline or True, "gates": gates, **tolerances})

    def encode(
        self,
        source: ClipLike,
        output: str | os.PathLike[str],
        *,
        encoder: EncoderLike,
        crf: float | None = None,
        attempt: int = 0,
        **settings: Unpack[keywords.EncodeSettings],
    ) -> answers.Encode:
        """Encode a source at one CRF, or at a `bitrate` in kbit/s, or take the encode of an earlier run from the cache.

        The encode is a clip: `vmaf.check(source, vmaf.encode(...))`. `attempt` numbers repeated encodes.
        """
        return api.searches.encode(self._context, source, output, encoder, crf, attempt, settings)

    @overload  # A text is a clip, and a sequence of texts.
    def bisect(self, source: ClipLike, **call: Unpack[BisectCall]) -> answers.Bisection: ...  # type: ignore[overload-overlap]
    @overload
    def bisect(self, source: Sequence[ClipLike], **call: Unpack[BisectCall]) -> tuple[answers.Bisection, ...]: ...
    def bisect(
        self,
        source: ClipLike | Sequence[ClipLike],
        *,
        encoder: EncoderLike,
        targets: float | Sequence[float],
        **settings: Unpack[BisectOptions],
    ) -> answers.Bisection | tuple[answers.Bisection, ...]:
        """Find the highest CRF, or the lowest bitrate (`mode="2pass"`), at which an encoder reaches each target.

        The returned CRF reached the target, and the next coarser one was measured and did not. `bisection[96]` has
        `.crf`, `.bitrate` in bit/s, `.size` in bytes, `.score` and `.encode`. Several targets share one search. A list
        of sources gives a tuple of bisections in its order. `max_bitrate=` and `min_crf=` are gates. The options, in
        `pytest_vmaf.api.keywords.SearchOptions`, are `preset`, `arguments`, `pix_fmt`, `mode`, `metric`, `crf` or
        `bitrate` (the window), `sample`, `start`, `keep`, `workers`, `repeats`, `executor`, `baseline` and `agree`.
        """
        return api.searches.bisect(self._context, source, encoder, targets, settings)

    def speed(
        self, source: ClipLike, *, encoder: EncoderLike, crf: float | None = None, **settings: Unpack[SpeedSettings]
    ) -> answers.Speed:
        """Time encodes, in turn with those of `against=`. A verdict that noise leaves open is a `NoiseError`."""
        return api.speeds.speed(self._context, source, encoder, crf, settings)

    def determinism(
        self,
        source: ClipLike,
        *,
        encoder: EncoderLike,
        crf: float | None = None,
        **settings: Unpack[DeterminismSettings],
    ) -> answers.Determinism:
        """Encode several times, and tell whether packets, or at least scores, are the same each time."""
        return api.repeats.determinism(self._context, source, encoder, crf, settings)

    def compare(
        self,
        sources: ClipLike | Sequence[ClipLike],
        *,
        encoders: Sequence[EncoderLike] | Mapping[str, EncoderLike | keywords.EncoderOptions],
        targets: float | Sequence[float] = (94, 96, 97, 98),
        speed: bool = True,
        **settings: Unpack[keywords.CompareSettings],
    ) -> answers.Comparison:
        """Bisect several encoders, each of which may be an `EncoderOptions`, and compare them at equal quality.

        `speed=False` leaves out the encodes that time each encoder alone.
        """
        return api.searches.compare(self._context, sources, encoders, targets, speed, settings)

    def ladder(
        self,
        source: ClipLike,
        *,
        encoder: EncoderLike,
        resolutions: Sequence[str | tuple[int, int]],
        targets: float | Sequence[float],
        segment: float | None = 2.0,
        **settings: Unpack[keywords.SearchSettings],
    ) -> answers.Ladder:
        """Find the cheapest encode of any resolution (`"1280x720"`) for each target, scored at the source's size.

        `segment` is the number of seconds between key frames; None is the encoder's own.
        """
        return api.searches.ladder(self._context, source, encoder, resolutions, targets, segment, settings)

    def per_shot(
        self,
        source: ClipLike,
        *,
        encoder: EncoderLike,
        target: float,
        threshold: float | None = None,
        shortest: int | None = None,
        fixed: bool = True,
        **settings: Unpack[keywords.SearchSettings],
    ) -> answers.PerShot:
        """Encode each shot at the CRF that reaches the target, join the encodes, and score the whole.

        A shot begins where the picture changes by `threshold` percent of luma, and has `shortest` frames or more.
        `fixed=False` leaves out the comparison with one CRF for the whole clip at equal score.
        """
        return api.searches.per_shot(self._context, source, encoder, target, threshold, shortest, fixed, settings)

    def sweep(
        self,
        sources: ClipLike | Sequence[ClipLike],
        *,
        encoders: Sequence[EncoderLike],
        crfs: Iterable[float] | None = None,
        output: str | os.PathLike[str],
        presets: Sequence[str | int | None] = (None,),
        **settings: Unpack[keywords.SweepSettings],
    ) -> tuple[answers.Row, ...]:
        """Encode and score a grid of encoders, presets and CRFs (or `bitrates`) into the JSON Lines file `output`.

        One that was interrupted resumes. `pytest_vmaf.recommend(rows, target=94)` chooses from the rows.
        """
        return api.searches.sweep(self._context, sources, encoders, crfs, output, presets, settings)
