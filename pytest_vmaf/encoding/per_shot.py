"""One CRF a shot: each shot at the target on its own, joined, scored as a whole and compared with one fixed CRF."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.bdrate import rate_at
from pytest_vmaf.encoding.bisect import Bisection, BisectRequest, bisect, sampled
from pytest_vmaf.encoding.compare import curve, overall
from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.encoding.encode import Encode, Job, describe
from pytest_vmaf.encoding.probe import Metric, Probe
from pytest_vmaf.encoding.shots import Shot, detect_shots
from pytest_vmaf.quality.clip import Clip
from pytest_vmaf.quality.errors import EncodeError, MeasurementError, SettingsError
from pytest_vmaf.quality.ffmpeg import by_hand, find_ffmpeg, inspect
from pytest_vmaf.quality.measure import measure
from pytest_vmaf.quality.process import Command, run
from pytest_vmaf.quality.reading import input_arguments
from pytest_vmaf.quality.result import Result
from pytest_vmaf.quality.scorer import Scorer


@dataclass(frozen=True)
class PerShotRequest:
    """One request for a bisection with one target, made anew for each shot.

    ``threshold`` and ``shortest`` (frames) are :func:`detect_shots`'s, its own where None. Without ``fixed`` the
    comparison with one CRF for the whole clip is left out.
    """

    bisect: BisectRequest
    threshold: float | None = None
    shortest: int | None = None
    fixed: bool = True
    progress: Callable[[int, float], None] | None = None


@dataclass(frozen=True)
class ShotAnswer:
    """What one shot needs. ``probe`` is the encode that went into the joined one; ``met`` says if it has the target."""

    shot: Shot
    probe: Probe
    met: bool
    why: str
    probes: int

    @property
    def crf(self) -> int:
        """The shot's CRF."""
        return self.probe.crf


@dataclass(frozen=True, repr=False)
class PerShot:
    """A clip encoded shot by shot. ``result`` and ``encode`` are those of the joined encode as a whole.

    ``fixed`` is the search of the one CRF for the whole clip that has at least the joined encode's score.
    """

    name: str
    reference: str
    target: float
    metric: Metric
    shots: tuple[ShotAnswer, ...]
    encode: Encode
    result: Result
    fixed: Bisection | None

    @property
    def score(self) -> float:
        """The metric of the joined encode."""
        return float(self.metric.of(self.result))

    @property
    def bitrate(self) -> float:
        """Mean bit/s of the joined encode."""
        return self.encode.bitrate

    @property
    def met(self) -> bool:
        """Whether each shot and the joined encode have the target."""
        return self.score >= self.target and all(answer.met for answer in self.shots)

    @property
    def fixed_bitrate(self) -> float:
        """What one CRF for the whole clip spends for the joined encode's score, in bit/s, interpolated.

        Raises MeasurementError where it was not asked for or does not get there.
        """
        rate = None if self.fixed is None else rate_at(curve(self.fixed.probes, self.metric), self.score)
        if rate is None:
            why = "; ".join(answer.why for answer in self.fixed.answers.values()) if self.fixed else "not asked for"
            raise MeasurementError(f"One CRF for the whole clip at {self.metric} {self.score:.3f} is not known: {why}.")
        return rate

    @property
    def saving(self) -> float:
        """How much more bitrate the joined encode has than one CRF at equal score, in percent; less is negative."""
        return (self.bitrate / self.fixed_bitrate - 1) * 100

    @property
    def probes(self) -> int:
        """How many encodes the searches took."""
        return sum(answer.probes for answer in self.shots) + (len(self.fixed.probes) if self.fixed else 0)

    def to_record(self) -> dict[str, Any]:
        """As plain data."""
        saving: dict[str, Any] = {"fixed": None}
        if self.fixed is not None:
            answer = next(iter(self.fixed.answers.values()))
            saving["fixed"] = {"crf": answer.crf if answer.met else None, "outcome": answer.outcome}
            if answer.met and rate_at(curve(self.fixed.probes, self.metric), self.score) is not None:
                saving["fixed"] |= {"bitrate": self.fixed_bitrate, "saving_percent": self.saving}
        return {
            "schema": 1,
            "encoder": self.name,
            "reference": self.reference,
            "metric": str(self.metric),
            "target": self.target,
            "met": self.met,
            "score": self.score,
            "vmaf": float(self.result.vmaf),
            "neg": float(self.result.neg),
            "bitrate": self.bitrate,
            "size": self.encode.size,
            "path": self.encode.path and str(self.encode.path),
            "shots": [
                {
                    "start": answer.shot.start,
                    "frames": answer.shot.frames,
                    "crf": answer.crf,
                    "score": answer.probe.score,
                    "bitrate": answer.probe.bitrate,
                    "size": answer.probe.encode.size,
                    "met": answer.met,
                }
                for answer in self.shots
            ],
            **saving,
            "models": {key: self.result.provenance[key] for key in ("model", "neg_model", "generation", "libvmaf")},
        }

    def __repr__(self) -> str:
        scored = f"{self.metric} {self.score:.3f}, {self.bitrate:.0f} bit/s"
        return f"<PerShot of {self.name}: {len(self.shots)} shots, {scored}>"

    def __str__(self) -> str:
        lines = [
            f"{self.name} on {self.reference}: {len(self.shots)} shots at {self.metric} {self.target:g}, joined "
            f"{self.score:.3f} at {self.bitrate / 1000:.1f} kbit/s, {self.probes} encodes"
        ]
        for answer in self.shots:
            last = answer.shot.start + answer.shot.frames - 1
            note = "" if answer.met else f" ({answer.why})"
            lines.append(
                f"  frames {answer.shot.start} to {last}: CRF {answer.crf}, {answer.probe.score:.3f}, "
                f"{answer.probe.bitrate / 1000:.1f} kbit/s{note}"
            )
        if self.fixed is not None:
            fixed = next(iter(self.fixed.answers.values()))
            lines.append(f"  one CRF: {fixed.why}" + (f"; {self.saving:+.2f} % bitrate" if fixed.met else ""))
        return "\n".join(lines)


def tune_per_shot(request: PerShotRequest, scorer: Scorer) -> PerShot:
    """Search each shot, beginning where the shots before it ended; join the encodes and score them as a whole.

    The joined encode is decoded and compared with its parts frame by frame. A shot that cannot reach the target is
    encoded at the finest CRF that any other shot needed. Raises EncodeError where the parts do not join, SettingsError
    for more than one target, and as :func:`pytest_vmaf.encoding.bisect.bisect`.
    """
    base = replace(request.bisect, arguments=(*request.bisect.encoder.joining, *request.bisect.arguments))
    request = replace(request, bisect=base)
    if len(base.targets) != 1:
        raise SettingsError(f"Shot by shot there is one target, not {len(base.targets)}.")
    ffmpeg, timeout = find_ffmpeg(base.scoring.ffmpeg).path, base.scoring.timeout
    named = {"threshold": request.threshold, "shortest": request.shortest}
    with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as temporary:
        folder = Path(temporary)
        reference, _ = sampled(base.scoring, base.sample, ffmpeg, folder)
        given = {name: value for name, value in named.items() if value is not None}
        shots = detect_shots(reference, ffmpeg, timeout=timeout, **given)  # type: ignore[arg-type]
        (folder / "cuts").mkdir()
        clips = cut(reference, [(shot.start, shot.frames) for shot in shots], folder / "cuts", ffmpeg, timeout=timeout)
        runs = len(shots) + bool(request.fixed)
        found = _search(request, scorer, clips, folder / "parts", runs)
        answers = _answers(base, scorer, shots, clips, found, folder / "parts")
        scoring = replace(base.scoring, reference=reference, distorted=reference)
        joined, encode = _join(base, answers, inspect(reference, ffmpeg, 2, timeout), ffmpeg, folder)
        features = (*scoring.features, *base.metric.features)
        result = measure(
            replace(scoring, distorted=Clip(joined), features=features, progress=None), scorer, encode.name
        )
        target = min(float(base.metric.of(result)), 100.0)
        fixed = None
        if request.fixed:
            made = sum(len(each.probes) for each in found)
            middle = round(statistics.mean(answer.crf for answer in answers))
            whole = replace(base, scoring=scoring, sample=None, keep=None, targets=(target,), start={target: middle})
            fixed = bisect(replace(whole, progress=overall(request.progress, made, len(found), runs)), scorer)
            fixed = replace(fixed, reference=str(base.scoring.reference))
        if base.keep is not None:
            base.keep.mkdir(parents=True, exist_ok=True)
            kept = base.keep / f"{base.scoring.reference.path.stem}-{base.encoder.name}-per-shot{base.encoder.suffix}"
            # A move to another file system is a copy: a full disk there must not leave half a file under the name.
            _move(joined, kept)
            encode = replace(encode, path=kept)
    return PerShot(
        name=encode.name,
        reference=str(base.scoring.reference),
        target=base.targets[0],
        metric=base.metric,
        shots=tuple(answers),
        encode=encode,
        result=result,
        fixed=fixed,
    )


def _search(request: PerShotRequest, scorer: Scorer, clips: Sequence[Clip], parts: Path, runs: int) -> list[Bisection]:
    base, target = request.bisect, request.bisect.targets[0]
    found: list[Bisection] = []
    for number, clip in enumerate(clips):
        made = sum(len(each.probes) for each in found)
        known = [each[target].crf for each in found if each[target].met]
        one = replace(
            base,
            scoring=replace(base.scoring, reference=clip, distorted=clip),
            sample=None,
            # The shot before is the best guess for this one, and its probes say how steep this content is.
            start={target: known[-1]} if known else base.start,
            keep=parts / f"{number:04d}",
            progress=overall(request.progress, made, len(found), runs),
        )
        try:
            found.append(bisect(one, scorer))
        except MeasurementError as error:
            error.probes = (*(probe for each in found for probe in each.probes), *error.probes)
            error.add_note(f"This was shot {number + 1} of {len(clips)}.")
            raise
    return found


def _answers(
    base: BisectRequest,
    scorer: Scorer,
    shots: Sequence[Shot],
    clips: Sequence[Clip],
    found: Sequence[Bisection],
    parts: Path,
) -> list[ShotAnswer]:
    target = base.targets[0]
    finer = max if base.encoder.larger_is_finer else min
    low, high = base.crf or base.encoder.crf_range
    met = [each[target].crf for each in found if each[target].met]
    finest = finer(met) if met else finer(low, high)
    answers = []
    for number, (shot, clip, each) in enumerate(zip(shots, clips, found, strict=True)):
        answer, probes = each[target], len(each.probes)
        probe = answer.probe if answer.met else None
        if probe is None:
            # Any target that this one encode has makes the search end with it.
            alone = replace(
                base,
                scoring=replace(base.scoring, reference=clip, distorted=clip),
                sample=None,
                targets=(1e-3,),
                crf=(finest, finest),
                start={},
                keep=parts / f"{number:04d}",
            )
            made = bisect(alone, scorer)
            probe, probes = made.probes[0], probes + len(made.probes)
        answers.append(ShotAnswer(shot, probe, answer.met, answer.why, probes))
    return answers


def _join(
    base: BisectRequest, answers: Sequence[ShotAnswer], source: Any, ffmpeg: str, folder: Path
) -> tuple[Path, Encode]:
    """Join the shots' encodes without encoding again, and make sure that it decodes to their very frames."""
    timeout = base.scoring.timeout
    paths = [answer.probe.encode.path for answer in answers]
    listing, joined = folder / "joined.txt", folder / f"joined{base.encoder.suffix}"
    # The names are ours: a shot's number and what `probe` makes of the encoder's name.
    listing.write_text("ffconcat version 1.0\n" + "".join(f"file '{path}'\n" for path in paths))
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-protocol_whitelist", "file"]
    argv += ["-f", "concat", "-safe", "0", "-i", f"file:{listing}", "-map", "0:V:0", "-c", "copy"]
    argv += ["-y", f"file:{joined}"]
    command = Command(tuple(argv), shown=by_hand(argv))
    end = run(command, timeout)
    if end.returncode != 0:
        raise EncodeError(f"The shots' encodes cannot be joined.\n{end.explain()}")
    parts = [line for path in paths if path is not None for line in _frame_hashes(Clip(path), ffmpeg, timeout)]
    whole = _frame_hashes(Clip(joined), ffmpeg, timeout)
    if whole != parts:
        at = next(
            (n for n, (a, b) in enumerate(zip(whole, parts, strict=False)) if a != b), min(len(whole), len(parts))
        )
        raise EncodeError(
            f"The joined encode of {len(paths)} shots is not what its parts are: frame {at} differs ({len(whole)} "
            f"frames, {len(parts)} in the parts). Streams of {base.encoder.name} do not join by copying."
        )
    job = Job(
        base.encoder, source, ffmpeg, base.encoder.chosen_preset(base.preset), base.arguments, base.pix_fmt, timeout
    )
    encode = describe(job, answers[0].crf, joined, str(command), None)
    return joined, replace(encode, name=f"{job.name} per shot", path=None)


def _frame_hashes(clip: Clip, ffmpeg: str, timeout: float | None) -> list[str]:
    lines: list[str] = []
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", *input_arguments(clip)]
    argv += ["-map", "0:V:0", "-fps_mode", "passthrough", "-f", "framehash", "-hash", "murmur3", "pipe:1"]
    end = run(Command(tuple(argv), on_stdout=lines.append, shown=by_hand(argv)), timeout)
    if end.returncode != 0:
        raise EncodeError(f"{clip.name} does not decode.\n{end.explain()}")
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]


def _move(path: Path, to: Path) -> None:
    import os
    import shutil

    part = to.with_name(f".{to.name}.part")
    try:
        shutil.copyfile(path, part)
        os.replace(part, to)
    finally:
        part.unlink(missing_ok=True)
