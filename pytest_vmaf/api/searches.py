"""Searches: what Vmaf does with an encoder rather than with an encode. Each runs one room and records what it found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.api.run_search import Searching, named, rounded
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip import Clip

if TYPE_CHECKING:
    from pytest_vmaf.baselines.check import BaselineCheck
    from pytest_vmaf.encoding.encode import Encode
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.scoring.prepare import MeasureRequest
    from pytest_vmaf.scoring.scorer import Scorer
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.comparison import Comparison
    from pytest_vmaf.search.ladder import Ladder
    from pytest_vmaf.search.per_shot import PerShot
    from pytest_vmaf.search.requests import Limit
    from pytest_vmaf.search.rows import Row

    Source = str | os.PathLike[str] | Clip
    AnyEncoder = str | Encoder | Sequence[str] | Callable[[Path, Path, int], object]


class Searches(Searching):
    """The searching half of :class:`pytest_vmaf.Vmaf`, which has what it works with."""

    def encode(
        self,
        source: Source,
        output: str | os.PathLike[str],
        *,
        encoder: AnyEncoder,
        crf: int,
        preset: str | int | None = None,
        arguments: str | Sequence[str] = (),
        pix_fmt: str | None = None,
        attempt: int = 0,
        **settings: Any,
    ) -> Encode:
        """Encode at one CRF to the file ``output``; what an earlier run made of the same comes from the cache.

        ``encoder`` and its settings are those of :meth:`bisect`. ``attempt`` numbers encodes that are made again to see
        how much they differ: none is another's copy. Nothing is measured. Returns an Encode: ``.path``, ``.bitrate``,
        ``.size``, ``.frames``, ``.command``. Raises EncodeError, ClipError, SettingsError.
        """
        __tracebackhide__ = True
        from pytest_vmaf.encoding.cached import encode_once
        from pytest_vmaf.search.requests import bisect_request, encode_job, read_path

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> Encode:
            if options:
                raise SettingsError(f"{min(options)!r} is a setting of a search; an encode is made at one CRF.")
            chosen = self.find_encoder(encoder)
            request = bisect_request(scorings[0], chosen, 1, preset=preset, arguments=arguments, pix_fmt=pix_fmt)
            return encode_once(replace(encode_job(request, crf), attempt=attempt), crf, read_path("output", output))

        return self._search(source, f"encode with {named(encoder)}", settings, run)

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
        - ``keep``: the folder where the encodes of the answers stay;
        - ``repeats``: how often the answers are encoded in all, to know the encoder's own noise (for ``baseline``);
        - ``baseline`` and tolerances (``max_bitrate_rise="2%"``): hold what an earlier run found, and begin there.

        Returns a Bisection: ``found[96].crf``, ``.bitrate``, ``.size``, ``.score``, ``.encode``, ``.outcome``.
        Raises GateViolation, and MeasurementError (whose ``probes`` are those that were finished), SettingsError.
        """
        __tracebackhide__ = True
        from pytest_vmaf.baselines.from_results import entry_of_bisection
        from pytest_vmaf.baselines.from_searches import start_of
        from pytest_vmaf.report.search_sections import bisect_section
        from pytest_vmaf.search.bisect import bisect
        from pytest_vmaf.search.bisect_request import SearchPlan
        from pytest_vmaf.search.requests import bisect_request, read_limits

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> Bisection:
            __tracebackhide__ = True
            asked: BaselineCheck | None = options.pop("baseline")
            if asked and asked.entry and asked.entry["kind"] == "bisect":
                # An encoder that did not change is then found where it was.
                options.setdefault("start", start_of(asked.entry))
            request = bisect_request(scorings[0], self.find_encoder(encoder), targets, **options)
            limits = read_limits(request, max_bitrate, min_crf)
            with self._progress(f"bisecting {request.encoder.name}", unit="probes") as shown:
                found = bisect(request, scorer, SearchPlan(progress=rounded(shown)))
            self._record_sections([bisect_section(found)])
            self.baselines.remember(found, [scorings[0].reference], len(self.records))
            compared = asked.compare(entry_of_bisection(found, scorings[0].reference)) if asked else None
            self._record_answers([found], limits, compared)
            return found

        return self._search(source, f"bisect with {named(encoder)}", settings, run, "bisect")

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
        from pytest_vmaf.baselines.from_results import entry_of_comparison
        from pytest_vmaf.encoding.encoders import ENCODERS
        from pytest_vmaf.report.search_sections import compare_sections
        from pytest_vmaf.search.compare import CompareRequest, compare
        from pytest_vmaf.search.requests import bisect_request, contenders

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> Comparison:
            asked: BaselineCheck | None = options.pop("baseline")
            base = bisect_request(scorings[0], ENCODERS["libx264"], targets)
            each = contenders(self.find_encoder, encoders, base, **options)
            with self._progress(f"comparing {', '.join(each)}", unit="probes") as shown:
                found = compare(CompareRequest(tuple(scorings), each, speed, rounded(shown)), scorer)
            self._record_sections(compare_sections(found))
            clips = [one.reference for one in scorings]
            self.baselines.remember(found, clips, len(self.records))
            compared = asked.compare(entry_of_comparison(found, clips)) if asked else None
            self._record_answers([one for by_label in found.bisections.values() for one in by_label.values()], (), compared)
            return found

        return self._search(sources, "compare", settings, run, "compare")

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
        from pytest_vmaf.report.search_sections import ladder_section
        from pytest_vmaf.search.build_ladder import LadderRequest, build_ladder, read_sizes
        from pytest_vmaf.search.requests import bisect_request

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> Ladder:
            base = bisect_request(scorings[0], self.find_encoder(encoder), targets, **options)
            sizes = read_sizes(resolutions)
            with self._progress(f"ladder of {base.encoder.name}", unit="probes") as shown:
                ladder = build_ladder(LadderRequest(base, sizes, segment, rounded(shown)), scorer)
            self._record_sections([ladder_section(ladder)])
            self._record_rungs(ladder)
            return ladder

        return self._search(source, f"ladder of {named(encoder)}", settings, run)

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
        from pytest_vmaf.report.search_sections import per_shot_section
        from pytest_vmaf.search.requests import bisect_request
        from pytest_vmaf.search.tune_per_shot import PerShotRequest, tune_per_shot
        from pytest_vmaf.search.verdicts import judge_score

        def run(scorings: Sequence[MeasureRequest], scorer: Scorer, options: dict[str, Any]) -> PerShot:
            base = bisect_request(scorings[0], self.find_encoder(encoder), target, **options)
            with self._progress(f"shots with {base.encoder.name}", unit="probes") as shown:
                request = PerShotRequest(base, threshold, shortest, fixed, rounded(shown))
                found = tune_per_shot(request, scorer)
            self._record_sections([per_shot_section(found)])
            self._record([(found.result, [judge_score(base.metric, base.targets[0], found.score)])])
            return found

        return self._search(source, f"shots with {named(encoder)}", settings, run)

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
        rows, which ``recommend`` (:mod:`pytest_vmaf.search.recommend`) chooses from. Raises as :meth:`bisect`.
        """
        __tracebackhide__ = True
        from pytest_vmaf.search.requests import read_list, read_path, read_pix_fmt, read_words
        from pytest_vmaf.search.sweep import SweepRequest, sweep

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
