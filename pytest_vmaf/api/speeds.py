"""`Vmaf.speed`: read the request, time the encoder, check the gates and record the result."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from pytest_vmaf.api.context import Context
from pytest_vmaf.api.run_search import SearchInput, check_options, encoder_label, run_search, whole_numbers
from pytest_vmaf.baselines.judge import Outcome
from pytest_vmaf.errors import GateViolation, SettingsError
from pytest_vmaf.gates.gate import Gate, Verdict, effective
from pytest_vmaf.gates.metrics import DECODE_FPS, SPEED, SPEED_GATES
from pytest_vmaf.media.clip_like import ClipLike
from pytest_vmaf.report.record import outcome_gates, unscored_record, with_gates
from pytest_vmaf.report.section_makers import section_maker
from pytest_vmaf.settings import Layer, make_layer

if TYPE_CHECKING:
    from pytest_vmaf.api.keywords import EncoderLike, EncoderOptions
    from pytest_vmaf.api.trial_keywords import SpeedSettings
    from pytest_vmaf.search.measure_speed import SpeedRequest
    from pytest_vmaf.search.speed import Speed
    from pytest_vmaf.search.speed_verdicts import SpeedLimits

# pytest shows the caller's line, not ours.
__tracebackhide__ = True
#: The options of a search that each encode has.
ENCODER_OPTIONS = ("preset", "arguments", "pix_fmt", "mode", "bitrate", "crf_step")
#: The options of `Vmaf.speed`, beside those of its encodes and its gates.
OPTIONS = ("against", "rounds", "clock", "decode")
#: The forms of its gates, valid or not, and of the gate on a slowdown.
GATES, DROPS = rf"(min|max)_({'|'.join(SPEED_GATES)}).*", rf"max_{SPEED}_(drop|rise).*"
#: Rounds for a baseline, unless the call says otherwise.
BASELINE_ROUNDS = 16


def speed(
    context: Context, source: ClipLike, encoder: EncoderLike, crf: float | None, settings: SpeedSettings
) -> Speed:
    """As `Vmaf.speed`."""
    from pytest_vmaf.report.speed_section import speed_section
    from pytest_vmaf.search.measure_speed import measure_speed
    from pytest_vmaf.search.speed_verdicts import judge_speed

    options, own, rest = _sort(settings)
    title = f"speed of {encoder_label(encoder)}"

    def run(search: SearchInput) -> Speed:
        check_options(search, ENCODER_OPTIONS, "speed is measured at one CRF")
        limits = _limits(context, (make_layer("call", own, find=context.find_metric), *context.layers), options)
        with context.progress(f"timing {encoder_label(encoder)}", unit="rounds") as update:
            request = _request(context, search, encoder, crf, options, whole_numbers(update))
            if search.baseline and request.rounds is None:
                request = replace(request, rounds=BASELINE_ROUNDS)
            measured = measure_speed(request, limits.are_decided if limits.gates else None)
        context.records.add_sections([speed_section(measured)])
        verdicts = judge_speed(measured, limits)
        _record(context, measured, verdicts, _compare(search, request, measured))
        return measured

    # Against another command, the drop is a gate. Otherwise it is a tolerance on a baseline.
    return run_search(context, source, title, rest, run, baseline_kind="" if "against" in options else "speed")


def _sort(settings: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object], dict[str, object]]:
    """The options of the method, its gates, and what is left for every search."""
    options = {name: value for name, value in settings.items() if name in OPTIONS and value is not None}
    mapping = settings.get("gates")
    named = dict(mapping) if isinstance(mapping, Mapping) else {}
    forms = (GATES, DROPS) if "against" in options or not settings.get("baseline") else (GATES,)

    def is_own(name: object) -> bool:
        return isinstance(name, str) and any(re.fullmatch(form, name) for form in forms)

    own = {name: value for name, value in {**named, **settings}.items() if is_own(name)}
    rest = {name: value for name, value in settings.items() if name not in OPTIONS and not is_own(name)}
    if named:
        rest["gates"] = {name: value for name, value in named.items() if not is_own(name)}
    return options, own, rest


def _compare(search: SearchInput, request: SpeedRequest, measured: Speed) -> Outcome:
    """Compare a speed with its baseline, if one is requested."""
    if search.baseline is None:
        return Outcome()
    from pytest_vmaf.baselines.from_speeds import entry_of_speed

    job = request.job
    command = " ".join([shlex.join(job.encoder.command) or job.name, *job.arguments])
    return search.baseline.compare(entry_of_speed(measured, command, search.scorings[0].reference))


def _limits(context: Context, layers: Sequence[Layer], options: Mapping[str, object]) -> SpeedLimits:
    """The gates in force, wherever they are set. They count as checked: what cannot be judged is an error."""
    from pytest_vmaf.search.speed_verdicts import SpeedLimits, slowdown_gate

    gates: list[Gate] = [gate for gate in effective(layer.gates for layer in layers) if gate.metric in SPEED_GATES]
    tolerances = effective([each for each in layer.tolerances if each.metric == SPEED] for layer in layers)
    for layer in layers:
        context.records.checked.update(gate.key for gate in layer.gates if gate.metric in SPEED_GATES)
    if "against" not in options:
        if stray := [each for each in layers[0].tolerances if each.limit is not None]:
            raise SettingsError(
                f"{stray[0]} compares the speed with that of another command. Name it: "
                'against="./last-release --crf {crf} -i {input} -o {output}". Or compare with an earlier run on this '
                "machine: baseline=True."
            )
        tolerances = ()
    for layer in layers if "against" in options else ():
        context.baselines.answered.update(each.key for each in layer.tolerances if each.metric == SPEED)
    if options.get("clock") == "instructions" and gates:
        raise SettingsError(f"{gates[0]} requires time: clock must be 'cpu' or 'wall', not 'instructions'.")
    if options.get("decode") is False and (decoding := [gate for gate in gates if gate.metric == DECODE_FPS]):
        raise SettingsError(f"{decoding[0]} requires the decoder, which decode=False leaves out.")
    return SpeedLimits((*gates, *map(slowdown_gate, tolerances)))


def _request(
    context: Context,
    search: SearchInput,
    encoder: EncoderLike,
    crf: float | None,
    options: Mapping[str, object],
    progress: object,
) -> SpeedRequest:
    from pytest_vmaf.encoding.encoders import ENCODERS
    from pytest_vmaf.encoding.rate_modes import keyword_of
    from pytest_vmaf.search.bisect_request import invalid
    from pytest_vmaf.search.measure_speed import SpeedRequest
    from pytest_vmaf.search.requests import bisect_request, contenders, encode_job, number_of, with_one_number
    from pytest_vmaf.search.speed import CLOCKS

    clock, decode = options.get("clock", "cpu"), options.get("decode", True)
    if clock not in CLOCKS:
        raise invalid("clock", f"one of {', '.join(CLOCKS)}", clock)
    if not isinstance(decode, bool):
        raise invalid("decode", "True or False", decode)
    base = bisect_request(search.scorings[0], ENCODERS["libx264"], 1)
    both: dict[str, EncoderLike | EncoderOptions] = {"candidate": encoder}
    if (other := options.get("against")) is not None:
        if isinstance(other, Mapping) and (own := {"crf", "bitrate"} & other.keys()):
            name = min(own)
            raise SettingsError(
                f"against has no {name} of its own: both encode at the {name} of vmaf.speed. Leave it out."
            )
        # What it does not say for itself is as the candidate's.
        both["base"] = cast("EncoderLike", other)
    find = context.extensions.encoder
    requests = contenders(find, both, base, **with_one_number(search.options, find(encoder), crf))
    modes = {keyword_of(each.encoder.mode) for each in requests.values()}
    if len(modes) > 1:
        raise SettingsError("against must encode as encoder does: both at a CRF, or both at a bitrate.")
    number = number_of(requests["candidate"])
    jobs = {label: encode_job(each, number) for label, each in requests.items()}
    return SpeedRequest(
        jobs["candidate"],
        jobs["candidate"].encoder.scale.read("crf", number),
        jobs.get("base"),
        cast("int | None", options.get("rounds")),
        clock,
        decode,
        progress,  # type: ignore[arg-type]
    )


def _record(context: Context, measured: Speed, verdicts: Sequence[Verdict], outcome: Outcome) -> None:
    from pytest_vmaf.encoding.rate_modes import label_at
    from pytest_vmaf.search.speed_verdicts import violation_text

    records = context.records
    marked = any(layer.gates for layer in context.layers if layer.origin == "marker")
    subject = f"speed of {measured.name} at {label_at(measured.mode, measured.crf)}"
    record = unscored_record(measured.reference, subject, measured.sentence, verdicts)
    record |= {"gated": bool(verdicts or outcome.name) or not marked, "every_gate": False}
    records.add(with_gates(record, outcome_gates(outcome, None), failed=bool(outcome.failed)))
    if maker := section_maker(outcome):
        records.section_makers.append(maker)
    if outcome.failed or not all(verdict.passed for verdict in verdicts):
        violation = GateViolation(violation_text(measured, verdicts, outcome))
        violation.result = measured
        context.violate(violation, [len(records.measurements) - 1])
