"""Failures in sentences for readers who do not know the names of gates."""

from __future__ import annotations

import re

from pytest_vmaf.gates.metrics import ABOVE, label
from pytest_vmaf.report.order import badness, rank
from pytest_vmaf.report.schema import DROP, IN_PERCENT, NO_BASELINE, RISE, Record
from pytest_vmaf.report.summary import GEOMETRY
from pytest_vmaf.report.verdict import explain_pass
from pytest_vmaf.report.wording import limit_text, margin, moment, short_clip, value
from pytest_vmaf.text import beginning_of, plural

#: What a failed gate on a sign of the picture, or on the encoder itself, means.
MEANINGS = {
    "enhancement": "the picture was sharpened",
    "contrast": "the contrast was raised",
    "contrast_loss": "the contrast was lowered",
    "colour_loss": "colours were lost or changed",
    "colour_shift": "colours are out of place",
    "colour_matrix": "colours were converted with another matrix",
    "colour_lag": "colours are those of another frame",
    "level_shift": "the brightness changed",
    "patch": "a part of the picture is damaged or covered",
    "lag": "frames are mixed with others",
    "collapse": "single frames are broken",
    "slowdown": "the encoder is slower",
    "changed_packets": "the encoder does not write the same each time",
    "changed_frames": "encodes of the same source have other scores each time",
}
#: Failed gates of one test that are named in its sentence.
NAMED = 2
#: The longest beginning of a message, in characters.
LONGEST = 200


def explain(test: Record) -> str:
    """Why a test failed or was not measured, in a sentence; "" for a plain pass."""
    if text := explain_pass(test):
        return text
    if test["status"] in ("failed", "xfailed"):
        gates = [(gate, _region(each)) for each in _failing(test) for gate in _failed(each)]
        if gates:
            gates.sort(key=lambda gate: rank(gate[0]))
            reasons = list(dict.fromkeys(f"{region}{explain_gate(gate)}" for gate, region in gates))
            more = [f"{plural(len(reasons) - NAMED, 'more gate')} failed"] if len(reasons) > NAMED else []
            return _sentence("; ".join([*reasons[:NAMED], *more]))
    first = str(test["message"]).strip().partition("\n")[0].removeprefix("pytest_vmaf.")
    return _sentence(beginning_of(first, LONGEST))


def explain_gate(gate: Record) -> str:
    """A failed gate in words, for example "NEG 84.10 is 2.90 below the minimum of 87"."""
    metric, miss = str(gate["metric"]), margin(gate).lstrip("+-")
    if gate.get("text"):
        return str(gate["text"])
    if metric == NO_BASELINE:
        return "the baseline is missing"
    if metric == ABOVE:
        return f"{plural(gate['value'], 'frame')} scored above 100 and above the reference itself"
    pool = str(gate["pool"])
    for beginning, verb in ((DROP, "fell"), (RISE, "rose")):
        if metric.startswith(beginning):
            name = metric.removeprefix(beginning).removesuffix(IN_PERCENT)
            return f"{_of(name, pool)} {verb} by {value(gate)} since the baseline, {limit_text(gate)} allowed"
    if metric in MEANINGS and gate["bound"] == "max":
        return f"{MEANINGS[metric]} ({_of(label(metric), pool)} {value(gate)}, at most {limit_text(gate)})"
    side = "below the minimum" if gate["bound"] == "min" else "above the maximum"
    return f"{_of(label(metric), pool)} {value(gate)} is {miss} {side} of {limit_text(gate)}"


def worst_moment(test: Record) -> str:
    """The worst frame of the worst failed gate, for example "worst in frame 31 (0:01.240)"; "" if there is none."""
    for each in sorted(test["measurements"], key=badness):
        for gate in sorted(_failed(each), key=rank):
            rows = [row for row in each.get("worst") or () if row["metric"] == gate["metric"]]
            if rows and each.get("frames", 1) > 1:
                return f"worst in {moment(each, rows[0]['frame'])}"
    return ""


def _of(name: str, pool: str) -> str:
    """A metric and its pool, for example "NEG of the worst frames (p5)"."""
    if pool in ("mean", "count"):
        return name
    if pool in ("min", "max"):
        return f"{'lowest' if pool == 'min' else 'highest'} {name}"
    low = re.fullmatch(r"p\d+", pool) and int(pool[1:]) <= 25
    return f"{name} of the worst frames ({pool})" if low else f"{name} {pool}"


def _region(measurement: Record) -> str:
    """The beginning of a sentence about a region, for example "face: "; "" for a whole picture."""
    match = GEOMETRY.search(short_clip(measurement["distorted"]))
    return f"{match[1]}: " if match else ""


def _failing(test: Record) -> list[Record]:
    """The measurements that may have failed a test: not those in report-only mode."""
    return [each for each in test["measurements"] if not each.get("would_fail")]


def _failed(measurement: Record) -> list[Record]:
    return [gate for gate in measurement["gates"] if gate.get("passed") is False]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
