"""Short texts of a report: gates in words, and names of tests, clips and frames."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pytest_vmaf.bitstream.header import level_name
from pytest_vmaf.gates.metrics import ABOVE, ENCODE_METRICS, STREAM_METRICS, decimals, label, metric_of
from pytest_vmaf.report.order import smallest_margin
from pytest_vmaf.report.schema import DROP, IN_PERCENT, NO_BASELINE, RISE, Record, is_scored
from pytest_vmaf.text import frame_text, plural, printable, time_code

#: The title of the section about what metrics say of encoders.
AGREEMENT = "Agreement of metrics"
#: The symbol and the words of each status. A symbol can be read without colour.
WORDS = {
    "error": ("⚠", "error"),
    "failed": ("✘", "failed"),
    "xfailed": ("○", "failed as expected"),
    "skipped": ("–", "skipped"),
    "passed": ("✔", "passed"),
}
#: What is said of a gate or a test that failed in report-only mode.
WOULD_FAIL = "would fail (report only)"


def describe_failure(gate: Record) -> str:
    """A gate with its value and limit, for example "NEG p5 84.10 where at least 87 is required"."""
    if gate.get("text"):
        return str(gate["text"])
    if gate["metric"] == NO_BASELINE:
        return "the baseline is missing"
    if gate["metric"] == ABOVE:
        return f"{_frames_above(gate)}, where {gate['limit']:g} {'is' if gate['limit'] == 1 else 'are'} allowed"
    bound = "at least" if gate["bound"] == "min" else "at most"
    return f"{_name(gate)} {value(gate)} where {bound} {limit_text(gate)} is required"


def describe_value(gate: Record) -> str:
    """A gate's value and its distance from the limit, for example "NEG p5 84.10, margin -2.90"."""
    if gate.get("text"):
        return str(gate["text"])
    if gate["metric"] == NO_BASELINE:
        return "the baseline is missing"
    return _frames_above(gate) if gate["metric"] == ABOVE else f"{_name(gate)} {value(gate)}, margin {margin(gate)}"


def _frames_above(gate: Record) -> str:
    return f"{plural(gate['value'], 'frame')} above 100 and the reference's own score"


def _name(gate: Record) -> str:
    pool = "" if gate["pool"] in ("mean", "count") else f" {gate['pool']}"
    return f"{label(gate['metric']).removesuffix(IN_PERCENT)}{pool}"


def margin(gate: Record) -> str:
    """How far a gate is from its limit. A gate that just failed does not look as if it had passed."""
    if gate.get("text"):
        return "as expected" if gate["passed"] else "not as expected"
    if gate["metric"] == NO_BASELINE:
        return "missing"
    digits = _decimals(gate)
    if not digits:
        return f"{gate['margin']:+,.0f}"
    text = f"{gate['margin']:+.{digits}f}"
    text = text if float(text) or not gate["margin"] else f"{gate['margin']:+.1g}"
    return f"{text} %" if gate["metric"].endswith(IN_PERCENT) else text


def value(gate: Record) -> str:
    """A gate's value with its unit, and with enough decimals to tell it from the limit."""
    unit = f" {metric_of(gate['metric']).unit}".rstrip() or (" %" if gate["metric"].endswith(IN_PERCENT) else "")
    first = _decimals(gate)
    if gate["metric"] == "level":
        return level_name(gate["value"])
    if not first:
        return f"{gate['value']:,.0f}{unit}"
    for digits in (first, 4, 6):
        text = f"{gate['value']:.{digits}f}"
        if float(text) != gate["limit"] or not gate["margin"]:
            break
    return f"{text}{unit}"


def limit_text(gate: Record) -> str:
    """A gate's limit as the user wrote it, large numbers with separators."""
    if gate["metric"] == "level":
        return level_name(gate["limit"])
    if gate["metric"] in (*ENCODE_METRICS, *STREAM_METRICS):
        return f"{gate['limit']:,.{decimals(gate['metric'], gate['limit'])}f}"
    return f"{gate['limit']:g}{' %' if gate['metric'].endswith(IN_PERCENT) else ''}"


def _decimals(gate: Record) -> int:
    # Drops and rises are small numbers of any unit.
    if gate["metric"].startswith((DROP, RISE)) and "ssim" not in gate["metric"]:
        return 2
    return decimals(gate["metric"], gate["limit"], gate["value"])


def score(value: float, metric: str) -> str:
    """A score of one frame or a pool, with the decimals of its metric."""
    return f"{value:.{max(2, decimals(metric, value))}f}"


def moment(measurement: Record, frame: int) -> str:
    """A frame with its time code, for example "frame 31 (0:01.240)". Without the time if the frame rate is unknown."""
    seconds = seconds_of(measurement, frame)
    return frame_text(frame, "" if seconds is None else time_code(seconds), measurement.get("first_frame") or 0)


def seconds_of(measurement: Record, frame: float) -> float | None:
    """The time of a frame in seconds. None if the frame rate is unknown."""
    rate = measurement.get("frame_rate")
    return float(frame / Fraction(rate)) if rate and Fraction(rate) > 0 else None


def clean(text: str) -> str:
    """Escape what HTML cannot contain or show: control characters, and surrogates of undecodable names."""
    return text if text.isprintable() else "".join(c if c in "\n\t" else printable(c) for c in text)


def short_id(test_id: str) -> str:
    """A test id without its file."""
    return test_id.partition("::")[2] or test_id


def short_clip(path: str) -> str:
    """A clip's name without its folders. The geometry of raw video stays."""
    return path.replace("\\", "/").rpartition("/")[2] or path


def headlines(records: Sequence[Record], most: int) -> list[str]:
    """One line for each measurement, up to `most`: clip, scores and smallest margin. Then how many more there are."""
    lines = []
    for record in records[:most]:
        clip = cut(short_clip(record["distorted"]), 100, middle=True)
        if record["status"] == "error":
            lines.append(f"{clip}: not measured: {first_line(record.get('error') or '', 300)}")
            continue
        numbers = ", ".join(f"{label(key)} {decimal(record.get(key)) or '–'}" for key in ("neg", "vmaf", "gap"))
        above = f"{plural(record.get('above_100') or 0, 'frame')} above 100"
        margin = margin_of(record)
        what = f"{numbers}, {above}" if is_scored(record) else record.get("about") or ""
        mark = f"{WOULD_FAIL}: " if record.get("would_fail") else ""
        lines.append(f"{clip}: {mark}{what}; {f'smallest margin {margin}' if margin else 'no gate'}")
    if more := len(records[most:]):
        lines.append(f"{more} more")
    return lines


def margin_of(record: Record) -> str:
    """The smallest margin with its gate, for example "-0.71 min_neg"; "" if no gate was checked."""
    gate = smallest_margin(record)
    return f"{margin(gate)} {gate['name']}" if gate else ""


def decimal(value: float | None, digits: int = 2) -> str:
    """A number with this many decimals; "" for None."""
    return "" if value is None else f"{value:.{digits}f}"


def cut(text: object, most: int, *, middle: bool = False) -> str:
    """Shorten a text to one line of at most `most` characters, at its end or in its `middle`."""
    line = printable(str(text))
    if len(line) <= most:
        return line
    return f"{line[: most // 3]}…{line[-(most - most // 3 - 1) :]}" if middle else f"{line[: most - 1]}…"


def first_line(message: str, most: int) -> str:
    """The first line of a message, in at most `most` characters."""
    return cut(message.strip().partition("\n")[0].strip() or "No message.", most)
