"""Baseline entries of results, bisections and comparisons."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.baselines.entry import DIGITS, Entry, score_entry
from pytest_vmaf.baselines.noise import mean_entry, noise_entry
from pytest_vmaf.errors import BaselineError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import content_of, digest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.roi.masked_score import RoiResult
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.comparison import Comparison


def entry_of_result(result: Result, reference: Clip) -> Entry:
    """Build the entry of a result of any kind.

    Args:
        result: The result.
        reference: Its reference, which the entry knows by its bytes.

    Raises:
        BaselineError: If the reference cannot be read.
    """
    return score_entry(result, {**_score_match(result), "reference": _content([reference], result)}, tools_of(result))


def entry_of_results(results: Sequence[Result], reference: Clip) -> Entry:
    """Build the entry of repeated encodes: their means and their spread. Raises as `entry_of_result`."""
    return mean_entry([entry_of_result(each, reference) for each in results])


def entry_of_bisection(bisection: Bisection, source: Clip) -> Entry:
    """Build the entry of a bisection. Raises as `entry_of_result`."""
    from pytest_vmaf.baselines.from_searches import bisect_deviations, bisect_match, bisect_values

    entry = _searched("bisect", bisection, [source], bisect_match(bisection), bisect_values(bisection))
    if bisection.repeats:
        deviations = {where: {"bitrate": {"mean": each}} for where, each in bisect_deviations(bisection).items()}
        entry["noise"] = noise_entry(deviations, 1 + max(map(len, bisection.repeats.values())))
    return entry


def entry_of_comparison(comparison: Comparison, sources: Sequence[Clip]) -> Entry:
    """Build the entry of a comparison. Raises as `entry_of_result`, and SettingsError if there is only one encoder."""
    from pytest_vmaf.baselines.from_searches import compare_match, compare_values

    first = next(iter(next(iter(comparison.bisections.values())).values()))
    return _searched("compare", first, sources, compare_match(comparison), compare_values(comparison))


def _searched(
    kind: str,
    bisection: Bisection,
    sources: Sequence[Clip],
    match: Mapping[str, str],
    values: Mapping[str, Mapping[str, float]],
) -> Entry:
    result = bisection.probes[0].result if bisection.probes else bisection.self_score
    same = {**_score_match(result), **match, "reference": _content(sources, result)}
    rounded = {where: {name: round(number, DIGITS) for name, number in each.items()} for where, each in values.items()}
    return {"kind": kind, "match": same, "shown": tools_of(result), "values": rounded}


def tools_of(result: Result) -> dict[str, str]:
    """The tools that measured. Two entries by different tools are compared all the same."""
    how = result.provenance
    return {
        "scorer": f"{how.get('scorer')} {how.get('scorer_version') or ''}".strip(),
        "ffmpeg": str(how.get("ffmpeg") or "?"),
        "libvmaf": str(how.get("libvmaf") or "?"),
        "encoder": str(how.get("encoder") or "?"),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _score_match(result: Result) -> dict[str, str]:
    how = result.provenance
    # A map has the provenance of its worst tile, which may be another tile in the next run.
    whole: Any = getattr(result, "whole", how)
    filters = whole.get("filters", {})
    match = {
        "model": f"{how.get('model')} / {how.get('neg_model')}",
        "generation": str(how.get("generation")),
        "phone": "yes" if how.get("phone") else "no",
        "size": f"{whole.get('width')}x{whole.get('height')}",
        "pix_fmt": str(how.get("pix_fmt")),
        "frames": str(len(result.neg.frames)),
        "starts": ", ".join(map(str, how.get("starts", ()))),
        "reference filters": str(filters.get("reference", "")),
        "distorted filters": str(filters.get("distorted", "")),
        **({"numbers": "invented by FakeScorer"} if how.get("fake") else {}),
    }
    if hasattr(result, "mask"):
        match |= _mask_match(result)  # type: ignore[arg-type]
    if hasattr(result, "tiles"):
        match |= {"grid": f"{result.columns}x{result.rows}", "saliency": result.saliency or "none"}  # type: ignore[attr-defined]
    return match


def _mask_match(result: RoiResult) -> dict[str, str]:
    mask = result.mask
    network = result.saliency
    if mask.saliency is not None:
        network = f"network {digest([mask.saliency])}"
    if mask.synthetic is not None:
        network = f"{mask.synthetic:g} everywhere"
    numbers = f"weight {mask.weight:g}, threshold {mask.threshold:g}, fade {mask.fade:g}"
    return {
        "mask": f"{numbers}, one look in {mask.every} frames{', BT.601' if mask.bt601 else ''}",
        "saliency": network,
    }


def _content(references: Sequence[Clip], result: Result) -> str:
    """A fingerprint of the bytes of the references."""
    if result.provenance.get("fake"):
        return "none"
    try:
        return ", ".join(map(content_of, references))
    except OSError as error:
        names = ", ".join(map(str, references))
        raise BaselineError(
            f"The baseline needs the bytes of {names}, which cannot be read: {printable(str(error))}."
        ) from None


@lru_cache(maxsize=1)
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return printable((named or [platform.processor() or platform.machine() or "?"])[0])[:100]
