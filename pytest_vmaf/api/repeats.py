"""`Vmaf.determinism`: repeat an encode, check what is expected of it, and record the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_vmaf.api.context import Context
from pytest_vmaf.api.run_search import SearchInput, check_options, encoder_label, run_search, whole_numbers
from pytest_vmaf.errors import GateViolation
from pytest_vmaf.gates.gate import Gate, Verdict
from pytest_vmaf.gates.metrics import CHANGED_FRAMES, CHANGED_PACKETS
from pytest_vmaf.media.clip_like import ClipLike
from pytest_vmaf.report.record import unscored_record
from pytest_vmaf.report.repeats import repeats_data

if TYPE_CHECKING:
    from pytest_vmaf.api.keywords import EncoderLike
    from pytest_vmaf.api.trial_keywords import DeterminismSettings
    from pytest_vmaf.search.determinism import Determinism

# pytest shows the caller's line, not ours.
__tracebackhide__ = True
#: The options of a search that each encode has.
ENCODER_OPTIONS = ("preset", "arguments", "pix_fmt", "mode", "bitrate", "crf_step")
#: What may be expected of repeated encodes.
EXPECTATIONS = ("bitstream", "quality")


def determinism(
    context: Context, source: ClipLike, encoder: EncoderLike, crf: float | None, settings: DeterminismSettings
) -> Determinism:
    """As `Vmaf.determinism`."""
    from pytest_vmaf.encoding.encoders import ENCODERS
    from pytest_vmaf.report.determinism_section import determinism_section
    from pytest_vmaf.search.bisect_request import invalid
    from pytest_vmaf.search.repeat_encodes import RepeatRequest, repeat_encodes
    from pytest_vmaf.search.requests import bisect_request, contenders, encode_job, number_of, with_one_number

    rest = {name: value for name, value in settings.items() if name not in ("runs", "expect")}

    def run(search: SearchInput) -> Determinism:
        check_options(search, ENCODER_OPTIONS, "encodes are repeated at one CRF")
        runs, expect = settings.get("runs", 3), settings.get("expect")
        if expect is not None and expect not in EXPECTATIONS:
            raise invalid("expect", "'bitstream', 'quality' or None", expect)
        base = bisect_request(search.scorings[0], ENCODERS["libx264"], 1)
        find = context.extensions.encoder
        options = with_one_number(search.options, find(encoder), crf)
        [request] = contenders(find, [encoder], base, **options).values()
        with context.progress(f"repeating {encoder_label(encoder)}", unit="encodes") as update:
            scoring = search.scorings[0]
            job = encode_job(request, number_of(request))
            number = job.encoder.scale.read("crf", number_of(request))
            repeated = repeat_encodes(RepeatRequest(job, number, scoring, runs, whole_numbers(update)), search.scorer)
        context.records.add_sections([determinism_section(repeated)])
        _record(context, repeated, expect, [_verdict(repeated, expect)] if expect else [])
        return repeated

    return run_search(context, source, f"determinism of {encoder_label(encoder)}", rest, run)


def _verdict(repeated: Determinism, expect: str) -> Verdict:
    """The expectation as a gate: no packet, or no frame's score, may change."""
    packets, frames = repeated.packet_difference, repeated.frame_difference
    metric, count = CHANGED_FRAMES, frames.count if frames else 0
    if expect == "bitstream":
        # The decoder's configuration alone may differ.
        metric, count = CHANGED_PACKETS, max(packets.count, 1) if packets else 0
    gate = Gate(f"max_{metric}", "max", metric, "mean", 0.0, "call")
    return Verdict(gate, float(count), float(-count))


def _record(context: Context, repeated: Determinism, expect: str | None, verdicts: list[Verdict]) -> None:
    from pytest_vmaf.encoding.rate_modes import label_at

    records = context.records
    marked = any(layer.gates for layer in context.layers if layer.origin == "marker")
    where = f"{repeated.name} at {label_at(repeated.mode, repeated.crf)}"
    subject = f"determinism of {where}"
    record = unscored_record(repeated.reference, subject, repeated.sentence, verdicts)
    record |= {"repeats": repeats_data(repeated), "gated": bool(verdicts) or not marked, "every_gate": False}
    records.add(record)
    if not all(verdict.passed for verdict in verdicts):
        text = f"{where} is {repeated.sentence}; expect is {expect!r}"
        lines = [f"{text} (1 of 1 gates failed)", *repeated.difference.split("; ", 1), f"source: {repeated.reference}"]
        violation = GateViolation("\n  ".join(lines))
        violation.result = repeated
        context.violate(violation, [len(records.measurements) - 1])
