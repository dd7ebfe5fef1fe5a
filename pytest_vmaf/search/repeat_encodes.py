"""`repeat_encodes`: encode the same source several times with the same settings, and compare what was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_vmaf.encoding.encode import Encode, make_encode
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.packet_digests import PacketDigests, read_digests
from pytest_vmaf.encoding.scale import as_crf
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.determinism import Determinism, RepeatedEncode

MOST_RUNS = 100


@dataclass(frozen=True)
class RepeatRequest:
    """What to repeat.

    Attributes:
        job: The encoder and the source.
        crf: The CRF.
        scoring: The reference, and how to score encodes that differ.
        runs: The number of encodes.
        progress: Called with the number of encodes made, and the number of all.
    """

    job: EncodeJob
    crf: float
    scoring: MeasureRequest
    runs: int = 3
    progress: Callable[[int, float], None] | None = None


def repeat_encodes(request: RepeatRequest, scorer: Scorer) -> Determinism:
    """Encode so many times. Nothing comes from the cache of encodes, and encodes that are the same are scored once.

    Raises:
        SettingsError: If the number of runs is not valid.
        EncodeError: If the encoder fails.
        MeasurementError: If an encode cannot be scored.
    """
    if type(request.runs) is not int or not 2 <= request.runs <= MOST_RUNS:
        raise SettingsError(f"runs must be a whole number from 2 to {MOST_RUNS}, not {request.runs!r:.80}.")
    job = replace(request.job, cache=None)
    encodes: list[Encode] = []
    streams: list[PacketDigests] = []
    with scratch_folder(None) as folder:
        for number in range(1, request.runs + 1):
            path = Path(folder) / f"run{number}{job.encoder.suffix}"
            encode = make_encode(job, request.crf, path)
            encodes.append(encode)
            # The bitstream of a codec has no packets.
            whole = PacketDigests("", (encode.checksum,), (None,))
            streams.append(whole if encode.pictures else read_digests(job.clip(path), job.ffmpeg, job.timeout))
            if request.progress:
                request.progress(number, float(request.runs))
        results: dict[str, Result] = {}
        if len({stream.digest for stream in streams}) > 1:
            for encode, stream in zip(encodes, streams, strict=True):
                if stream.digest not in results:
                    name = f"{encode.name} {job.label_at(request.crf)}, {encode.path.stem}"
                    scoring = replace(
                        request.scoring, distorted=encode.pictures or job.clip(encode.path), progress=None
                    )
                    results[stream.digest] = measure(scoring, scorer, name, str(request.scoring.reference))
    pairs = zip(encodes, streams, strict=True)
    repeated = [RepeatedEncode(s.digest, e.size, e.bitrate, results.get(s.digest)) for e, s in pairs]
    differences = [(streams[0].difference(stream), number) for number, stream in enumerate(streams, 1)]
    first, which = next(((each, number) for each, number in differences if each), (None, None))
    source = str(request.scoring.reference)
    return Determinism(job.name, as_crf(request.crf), source, tuple(repeated), first, which, job.encoder.mode)
