"""`measure_speed`: time an encoder in rounds, in turn with another one, until a verdict is clear."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.scale import as_crf
from pytest_vmaf.errors import EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.media.instructions import InstructionCounter, find_counter
from pytest_vmaf.media.other_programs import OtherPrograms
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.media.stopwatch import Stopwatch
from pytest_vmaf.search.paired_ratio import FEWEST, FEWEST_WALL, candidate_first
from pytest_vmaf.search.speed import Clock, Speed, SpeedRound, time_encode
from pytest_vmaf.text import plural

#: Rounds between two looks at the verdict, and the most rounds unless the call says otherwise. Each look has its own
#: chance of being wrong, and more rounds make a look more certain.
STEP, USUAL_ROUNDS = 4, 40
#: Rounds where instructions are counted, which hardly vary and take fifty times as long.
COUNTED_ROUNDS = 3
MOST_ROUNDS = 1000
#: Starting a program takes some hundredths of a second. What takes less than this measures the start.
SHORTEST_SECONDS = 0.1
#: The share of the encoder's time that reading the source may take before a note says so.
READING = 0.25
#: An encoder that uses less CPU than this share of its wall time does its work elsewhere: on a GPU, or another machine.
ELSEWHERE = 0.1
#: From this share of all processors on, other programs make encodes slower than they are.
BUSY = 0.1


@dataclass(frozen=True)
class SpeedRequest:
    """What to time.

    Attributes:
        job: The encoder and the source.
        crf: The CRF.
        against: The encoder to run in turn with it, of the same source; None for none.
        rounds: The rounds; with a verdict to reach, the most of them. None for as many as are usual.
        clock: What is judged.
        decode: Whether to time the decoder, too.
        progress: Called with the number of rounds made, and the number expected in all.
    """

    job: EncodeJob
    crf: float
    against: EncodeJob | None = None
    rounds: int | None = None
    clock: Clock = "cpu"
    decode: bool = True
    progress: Callable[[int, float], None] | None = None

    @property
    def jobs(self) -> list[EncodeJob]:
        """The encoder, and the other one if there is one."""
        return [self.job, *([self.against] if self.against else [])]


def measure_speed(request: SpeedRequest, is_decided: Callable[[Speed], bool] | None = None) -> Speed:
    """Encode in rounds. A round has one encode of each encoder, in turn: AB, BA, AB, …

    Args:
        request: What to time.
        is_decided: Whether the verdict on a speed is clear, so that no more rounds are needed. None if there is no
            verdict to reach.

    Raises:
        SettingsError: For a clock that does not suit the encoder or the machine.
        EncodeError: If an encoder fails, or its encodes differ in their number of frames.
    """
    counter = _counter(request) if request.clock == "instructions" else None
    looks = looks_of(request.rounds, request.clock, judged=is_decided is not None)
    rounds: list[list[SpeedRound]] = [[] for _ in request.jobs]
    with scratch_folder(None) as temporary:
        folder = Path(temporary)
        frames, notes = None, list[str]()
        if counter is None:
            # The first encodes read programs and the source from the disk, and do not count.
            frames, first = _one_round(request, request.job, folder, None, None)
            if request.against:
                _one_round(request, request.against, folder, None, frames)
            notes = _notes(request, first)
        others = OtherPrograms()
        for number in range(looks[-1]):
            order = range(len(request.jobs))
            for which in order if candidate_first(number) else reversed(order):
                frames, one = _one_round(request, request.jobs[which], folder, counter, frames)
                rounds[which].append(one)
            if request.progress:
                request.progress(number + 1, float(looks[-1]))
            speed = _speed(request, frames or 0, rounds, counter, notes)
            if number + 1 in looks and is_decided and is_decided(speed):
                break
        share = others.share()
    if share is not None and share > BUSY and counter is None:
        speed = replace(speed, notes=(*speed.notes, f"other programs took {100 * share:.0f} % of the processors"))
    return replace(speed, others=share)


def looks_of(rounds: int | None, clock: Clock, *, judged: bool) -> list[int]:
    """The numbers of rounds after which to look at the verdict; the last is the most.

    Raises:
        SettingsError: If the number of rounds is not valid.
    """
    fewest = {"instructions": COUNTED_ROUNDS, "wall": FEWEST_WALL}.get(clock, FEWEST)
    least = fewest if judged else 1
    if rounds is not None and (type(rounds) is not int or not least <= rounds <= MOST_ROUNDS):
        why = f": the clock {clock!r} needs more for a verdict" if rounds in range(1, least) else ""
        raise SettingsError(f"rounds must be a whole number from {least} to {MOST_ROUNDS}, not {rounds!r:.80}{why}.")
    if not judged:
        return [rounds or min(fewest, FEWEST)]
    most = rounds or (COUNTED_ROUNDS if clock == "instructions" else USUAL_ROUNDS)
    return sorted({*range(fewest, most, STEP), most})


def refuse_untimeable(speed: Speed, metrics: Sequence[str]) -> None:
    """Refuse to judge what cannot be timed.

    Args:
        speed: What was measured.
        metrics: What is judged: "encode_fps", "decode_fps" or "slowdown".

    Raises:
        MeasurementError: If encodes are too short, or their work is done elsewhere.
    """
    for metric in metrics:
        name = {"encode_fps": "wall", "decode_fps": "decoding"}.get(metric, speed.clock)
        for each in filter(None, (speed, speed.against if metric == "slowdown" else None)):
            seconds = [value for one in each.rounds if (value := getattr(one, name)) is not None]
            if not seconds:
                raise MeasurementError(f"This system does not tell {name} seconds of processes. Use clock='wall'.")
            if name == "instructions":
                continue
            what = f"Decoding an encode of {each.name}" if name == "decoding" else f"An encode with {each.name}"
            idle = name == "cpu" and all(one.cpu is None or one.cpu < ELSEWHERE * one.wall for one in each.rounds)
            if idle and median(one.wall for one in each.rounds) >= SHORTEST_SECONDS:
                raise MeasurementError(
                    f"{what} takes {median(seconds):.3f} s of CPU in {median(one.wall for one in each.rounds):.3f} s: "
                    "the work is done elsewhere, on a GPU, in a container or by another machine. Use clock='wall'."
                )
            if median(seconds) < SHORTEST_SECONDS:
                raise MeasurementError(
                    f"{what} takes {median(seconds):.3f} s, which is too short to be timed: starting a program takes "
                    f"some hundredths of a second. It must take at least {SHORTEST_SECONDS:g} s.\n"
                    "  Use a longer clip, for example this one ten times: "
                    "ffmpeg -stream_loop 9 -i CLIP -c copy longer.mkv"
                )


def _one_round(
    request: SpeedRequest, job: EncodeJob, folder: Path, counter: InstructionCounter | None, frames: int | None
) -> tuple[int, SpeedRound]:
    """One encode: its frames, and what it took. `frames` is what it must have."""
    path = folder / f"timed{job.encoder.suffix}"
    if counter is not None:
        job = replace(job, counted_by=counter.command(folder))
    try:
        encode, one = time_encode(job, request.crf, path, decode=request.decode and counter is None)
    except EncodeError as error:
        if counter is not None:
            error.add_note(
                f"It ran under {counter.name}, which may not know all instructions of the processor. Without it, use "
                "clock='cpu'."
            )
        raise
    if frames is not None and encode.frames != frames:
        raise EncodeError(
            f"{job.name} wrote {encode.frames} frames, and the first encode has {frames}. Speeds of encodes that "
            "differ in their frames cannot be compared."
        )
    return encode.frames, one if counter is None else replace(one, instructions=counter.read(folder))


def _speed(
    request: SpeedRequest,
    frames: int,
    rounds: Sequence[Sequence[SpeedRound]],
    counter: InstructionCounter | None,
    notes: Sequence[str],
) -> Speed:
    source = str(request.job.source.clip)
    speeds = [
        Speed(
            as_crf(request.crf),
            frames,
            tuple(each),
            job.name,
            source,
            request.clock,
            counter=counter.name if counter else "",
            mode=job.encoder.mode,
        )
        for job, each in zip(request.jobs, rounds, strict=True)
    ]
    base = speeds[1] if len(speeds) > 1 else None
    if base is not None and base.name == speeds[0].name:
        base = replace(base, name="the other command" if request.jobs[0] != request.jobs[1] else "itself")
    return replace(speeds[0], against=base, notes=tuple(notes))


def _notes(request: SpeedRequest, first: SpeedRound) -> list[str]:
    """What disturbs the measurement."""
    notes = []
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1 and request.clock != "instructions":
        notes.append(f"{plural(workers - 1, 'other pytest-xdist worker')} ran at the same time, which disturbs time")
    job = request.job
    reads = not job.runs_here and (not job.encoder.command or job.encoder.reads_stdin)
    if reads and request.clock == "cpu" and first.cpu:
        watch = Stopwatch()
        count_frames(job.source.clip, job.ffmpeg, job.timeout)
        share = (watch.read().cpu or 0.0) / first.cpu
        if share > READING:
            notes.append(
                f"starting ffmpeg and reading the source take {100 * min(share, 1.0):.0f} % of the CPU seconds, which "
                "hides as much of a slowdown: use a longer clip, or y4m"
            )
    return notes


def _counter(request: SpeedRequest) -> InstructionCounter:
    for job in request.jobs:
        if job.runs_here:
            kind = "codec" if job.encoder.codec is not None else "function"
            raise SettingsError(
                f"The instructions of {job.name} cannot be counted: it is a {kind}, which runs in this process. Use "
                "clock='cpu', or make it a command."
            )
    counter = find_counter()
    if counter is None:
        raise SettingsError(
            "Instructions cannot be counted here: perf is missing or may not count, and valgrind is missing. Install "
            "valgrind, or use clock='cpu'."
        )
    return counter
