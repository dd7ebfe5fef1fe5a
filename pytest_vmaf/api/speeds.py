"""`Vmaf.speed`: read the request, time the encoder, check the gates and record the result."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from pytest_vmaf.api.context import Context
from pytest_vmaf.api.run_search import SearchInput, check_options, encoder_label, run_search, whole_numbers
from pytest_vmaf.errors import GateViolation, SettingsError
from pytest_vmaf.gates.gate import Gate, Verdict, effective
from pytest_vmaf.gates.metrics import SPEED, SPEED_GATES
from pytest_vmaf.media.clip import ClipLike
from pytest_vmaf.report.record import unscored_record
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
ENCODER_OPTIONS = ("preset", "arguments", "pix_fmt")
#: The options of `Vmaf.speed`, beside those of its encodes and its gates.
OPTIONS = ("against", "rounds", "clock", "decode")


def speed(context: Context, source: ClipLike, encoder: EncoderLike, crf: int, settings: SpeedSettings) -> Speed:
    """As `Vmaf.speed`."""
    from pytest_vmaf.report.speed_section import speed_section
    from pytest_vmaf.search.measure_speed import measure_speed
    from pytest_vmaf.search.speed_verdicts import judge_speed

    options, own, rest = _sort(settings)

    def run(search: SearchInput) -> Speed:
        check_options(search, ENCODER_OPTIONS, "speed is measured at one CRF")
        layers = (make_layer("call", own), *context.layers)
        limits = _limits(context, layers, options)
        with context.progress(f"timing {encoder_label(encoder)}", unit="rounds") as update:
            request = _request(context, search, encoder, crf, options, whole_numbers(update))
            measured = measure_speed(request, limits.are_decided if limits.gates else None)
        context.records.add_sections([speed_section(measured)])
        verdicts = judge_speed(measured, limits)
        _record(context, measured, verdicts)
        return measured

    return run_search(context, source, f"speed of {encoder_label(encoder)}", rest, run)


def _sort(settings: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object], dict[str, object]]:
    """The options of the method, its gates, and what is left for every search."""
    options = {name: value for name, value in settings.items() if name in OPTIONS and value is not None}
    mapping = settings.get("gates")
    named = dict(mapping) if isinstance(mapping, Mapping) else {}
    own = {name: value for name, value in {**named, **settings}.items() if _is_own(name)}
    rest = {name: value for name, value in settings.items() if name not in OPTIONS and not _is_own(name)}
    if named:
        rest["gates"] = {name: value for name, value in named.items() if not _is_own(name)}
    return options, own, rest


def _is_own(name: object) -> bool:
    gates = "|".join(SPEED_GATES)
    return isinstance(name, str) and re.fullmatch(rf"(min|max)_({gates}).*|max_{SPEED}_(drop|rise).*", name) is not None


def _limits(context: Context, layers: Sequence[Layer], options: Mapping[str, object]) -> SpeedLimits:
    """The gates in force, wherever they are set. They count as checked: what cannot be judged is an error."""
    from pytest_vmaf.search.speed_verdicts import SpeedLimits, slowdown_gate

    gates: list[Gate] = [gate for gate in effective(layer.gates for layer in layers) if gate.metric in SPEED_GATES]
    tolerances = effective([each for each in layer.tolerances if each.metric == SPEED] for layer in layers)
    if tolerances and "against" not in options:
        raise SettingsError(
            f"{tolerances[0]} compares the speed with that of another command. Name it: "
            'against="./last-release --crf {crf} -i {input} -o {output}".'
        )
    for layer in layers:
        context.records.checked.update(gate.key for gate in layer.gates if gate.metric in SPEED_GATES)
        context.baselines.answered.update(each.key for each in layer.tolerances if each.metric == SPEED)
    if options.get("clock") == "instructions" and gates:
        raise SettingsError(f"{gates[0]} requires time: clock must be 'cpu' or 'wall', not 'instructions'.")
    return SpeedLimits((*gates, *map(slowdown_gate, tolerances)))


def _request(
    context: Context,
    search: SearchInput,
    encoder: EncoderLike,
    crf: int,
    options: Mapping[str, object],
    progress: object,
) -> SpeedRequest:
    from pytest_vmaf.encoding.encoders import ENCODERS
    from pytest_vmaf.search.bisect_request import invalid
    from pytest_vmaf.search.measure_speed import SpeedRequest
    from pytest_vmaf.search.requests import bisect_request, contenders, encode_job
    from pytest_vmaf.search.speed import CLOCKS

    clock, decode = options.get("clock", "cpu"), options.get("decode", True)
    if clock not in CLOCKS:
        raise invalid("clock", f"one of {', '.join(CLOCKS)}", clock)
    if not isinstance(decode, bool):
        raise invalid("decode", "True or False", decode)
    base = bisect_request(search.scorings[0], ENCODERS["libx264"], 1)
    both: dict[str, EncoderLike | EncoderOptions] = {"candidate": encoder}
    if (other := options.get("against")) is not None:
        # What it does not say for itself is as the candidate's.
        both["base"] = cast("EncoderLike", other)
    requests = contenders(context.extensions.encoder, both, base, **search.options)
    jobs = {label: encode_job(each, crf) for label, each in requests.items()}
    return SpeedRequest(
        jobs["candidate"],
        crf,
        jobs.get("base"),
        cast("int | None", options.get("rounds")),
        clock,
        decode,
        progress,  # type: ignore[arg-type]
    )


def _record(context: Context, measured: Speed, verdicts: Sequence[Verdict]) -> None:
    from pytest_vmaf.search.speed_verdicts import violation_text

    records = context.records
    marked = any(layer.gates for layer in context.layers if layer.origin == "marker")
    subject = f"speed of {measured.name} at CRF {measured.crf}"
    record = unscored_record(measured.reference, subject, measured.sentence, verdicts)
    records.add({**record, "gated": bool(verdicts) or not marked, "every_gate": False})
    if not all(verdict.passed for verdict in verdicts):
        index = len(records.measurements) - 1
        violation = GateViolation(violation_text(measured, verdicts))
        violation.result = measured
        context.violate(violation, [index])
