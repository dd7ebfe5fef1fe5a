"""Run one test of a suite: check the hashes, encode, and check as a test in Python would."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.api.context import Context, stream_key
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.encoding.rate_modes import file_part, keyword_of
from pytest_vmaf.errors import GateViolation, MeasurementError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.report.record import error_record
from pytest_vmaf.settings import resolve
from pytest_vmaf.suite.file_hash import check_hash
from pytest_vmaf.suite.suite import SuiteEncode, SuiteTest

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf


def run_test(vmaf: Vmaf, context: Context, test: SuiteTest, folder: Path) -> None:
    """Run a test.

    Args:
        vmaf: What measures.
        context: What it knows.
        test: The test.
        folder: Where encodes are written.

    Raises:
        GateViolation: If a gate or a tolerance fails, or a target is not reached.
        MeasurementError: If a clip is missing or another one, and if there is no trustworthy score.
        SettingsError: If a setting does not fit the clips.
    """
    source, entry, cache = test.clip.clip, test.entry, _cache(context)
    if isinstance(entry, SuiteEncode):
        _verified(context, test, source, test.clip.hash, f"the clip {test.clip.name!r} of {test.clip.place}", cache)
        if test.crf is None:
            _bisect(vmaf, context, test, entry, folder)
            return
        output = folder / f"{test.name}{entry.encoder.suffix}"
        number: dict[str, Any] = {keyword_of(entry.encoder.mode): test.crf}
        vmaf.check(source, vmaf.encode(source, output, encoder=entry.encoder, **number, **entry.options))
        return
    distorted = entry.clip_of(test)
    _verified(context, test, source, test.clip.hash, f"the clip {test.clip.name!r} of {test.clip.place}", cache)
    _verified(context, test, distorted, entry.hash, f"the encode of {test.id!r}", cache)
    vmaf.check(source, distorted)


def _bisect(vmaf: Vmaf, context: Context, test: SuiteTest, entry: SuiteEncode, folder: Path) -> None:
    """Search, and check each encode that reaches a target with the gates of the test."""
    source, first = test.clip.clip, len(context.records.measurements)
    keywords: dict[str, Any] = {**entry.options, **entry.search}
    if not any(layer.baseline for layer in test.layers):
        # It compares with a baseline, which some clips of an entry may lack.
        keywords.pop("agree", None)
    bisection = vmaf.bisect(source, encoder=entry.encoder, targets=entry.targets, keep=folder, **keywords)
    answers = bisection.answers.values()
    if unmet := [answer.why for answer in answers if not answer.met]:
        message = "\n  ".join([f"{'; '.join(unmet)}", *str(bisection).splitlines()])
        context.violate(GateViolation(message), range(first, len(context.records.measurements)))
        # In report-only mode the test goes on. Without an answer, there is nothing else to check.
        for record in context.records.measurements[first:]:
            record["gated"] = True
        context.records.checked |= {gate.key for layer in test.layers for gate in layer.gates}
        context.records.checked |= {stream_key(each.name) for layer in test.layers for each in layer.stream}
    # Several targets may have one answer.
    for crf, answer in {answer.crf: answer for answer in answers if answer.met}.items():
        if "sample" in entry.search:
            # What was searched is a part of the clip, and the gates are for all of it.
            output = folder / f"{test.name}-{file_part(entry.encoder.mode, crf)}{entry.encoder.suffix}"
            number: dict[str, Any] = {keyword_of(entry.encoder.mode): crf}
            encode = vmaf.encode(source, output, encoder=entry.encoder, **number, **entry.options)
            vmaf.check(source, encode, baseline=False)
        else:
            vmaf.check(source, answer, baseline=False)


def _verified(context: Context, test: SuiteTest, clip: Clip, expected: str, name: str, cache: Cache | None) -> None:
    started = time.time()
    try:
        check_hash(clip, expected, name, cache)
    except MeasurementError as error:
        # As every other error, so that the summary and the report have it.
        context.records.add({**error_record(str(test.clip.clip), str(clip), error), "started": started})
        raise


def _cache(context: Context) -> Cache | None:
    values = resolve(context.layers).values
    return Cache(Path(values["cache_dir"]), values["cache_size"]) if values["cache"] and values["cache_dir"] else None
