"""Whether a program or a function that encodes rounds the CRFs of a search or a sweep in steps of less than one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_vmaf.encoding.crf_steps import is_rounded
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.rate_modes import at
from pytest_vmaf.errors import EncodeError
from pytest_vmaf.search.bisect_request import BisectRequest
from pytest_vmaf.search.prober import Prober
from pytest_vmaf.search.rows import Row

#: How far a fraction must be from a whole CRF to tell whether its encode is another one.
APART = 0.25


def check_steps(request: BisectRequest, prober: Prober, answers: Sequence[float]) -> None:
    """Encode at the whole CRFs around an answer, and compare the encodes. Those of ffmpeg are tried before a search.

    Args:
        request: The search.
        prober: What makes its encodes.
        answers: The CRFs that reach the targets.

    Raises:
        EncodeError: If the encoder rounds the CRFs, so that the search cannot tell which of them reaches a target.
    """
    encoder, steps = request.encoder, request.encoder.scale.steps
    if encoder.crf_step == 1 or encoder.arguments or not answers:
        return
    place = steps.index(answers[len(answers) // 2])
    # An answer and its neighbour differ, unless it is the last of the window.
    pair = sorted(steps[place : place + 2] if place + 1 < len(steps) else steps[place - 1 :])
    first = math.floor(pair[0])
    around = sorted({first, *pair, first + 1})
    if not {*around} <= {*steps}:
        return
    for crf in around:
        if crf not in prober.probes:
            prober.glance(crf)
    if is_rounded([_content(prober, crf) for crf in around]):
        numbers = ", ".join(f"{at('crf', crf)} has {prober.probes[crf].encode.size} bytes" for crf in around)
        raise EncodeError(
            f"{prober.job.name} rounds CRFs without a message, so crf_step must not be {encoder.crf_step}: of "
            f"{len(around)} encodes, some are the same ({numbers}).\n"
            "  Leave out crf_step, or pass the number to the encoder in a form that takes fractions."
        )
    for crf in {*around} - {*request.steps}:
        # The rest of the search knows the window alone.
        del prober.probes[crf]


def check_rows(encoder: Encoder, rows: Sequence[Row]) -> None:
    """Compare the rows of a sweep at CRFs from a whole one to the next.

    Args:
        encoder: The encoder.
        rows: All rows of it on one source.

    Raises:
        EncodeError: If the encoder rounds the CRFs, so that rows have a number that they were not encoded at.
    """
    if encoder.crf_step == 1 or encoder.arguments:
        return
    by_crf: dict[float, Row] = {row.crf: row for row in rows}
    for first in sorted({math.floor(crf) for crf in by_crf if crf % 1}):
        # Nearer numbers may make the same encode by chance, where a clip is short and quantisers are whole numbers.
        around = [crf for crf in sorted(by_crf) if first <= crf <= first + 1 and not 0 < abs(crf - round(crf)) < APART]
        if {first, first + 1} <= {*around} and is_rounded(
            [(by_crf[crf].size, *sorted(by_crf[crf].scores.items())) for crf in around]
        ):
            raise EncodeError(
                f"{encoder.name} rounds CRFs without a message, so crf_step must not be {encoder.crf_step}: rows from "
                f"{at('crf', first)} to {first + 1} of {by_crf[first].setup.source} are the same.\n"
                "  Remove the rows at fractions and leave out crf_step, or pass the number in a form that takes them, "
                "and write to another file."
            )


def _content(prober: Prober, crf: float) -> object:
    """What tells an encode apart from others."""
    probe = prober.probes[crf]
    return probe.encode.checksum, probe.encode.size, probe.score
