"""Worker-side: attach a test's measurements to its `TestReport`, which xdist sends to the controller."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_vmaf.media.fingerprint import stamps_of
from pytest_vmaf.report.record import plain
from pytest_vmaf.report.schema import is_scored
from pytest_vmaf.testrun.items import CONTEXT, SENT
from pytest_vmaf.testrun.report_options import ReportOptions
from pytest_vmaf.testrun.third_party import junit_properties, to_allure, to_pytest_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_vmaf.api.context import Context
    from pytest_vmaf.media.clip import Clip
    from pytest_vmaf.media.fingerprint import Stamps
    from pytest_vmaf.report.schema import RecordDict
    from pytest_vmaf.report.sections import Section, SectionMaker

#: Failed measurements of one test that get pictures.
MOST_PICTURED = 3
INTERRUPTED = "The run ended while this test was running."
_SECTIONS = pytest.StashKey["list[RecordDict]"]()
_PROPERTIES = pytest.StashKey[list[tuple[str, object]]]()


def attach_measurements(
    item: pytest.Item, report: pytest.TestReport, context: Context, start: int, options: ReportOptions
) -> None:
    """Attach measurements to a report, with pictures if the test failed.

    Args:
        item: The test.
        report: The report of one of its phases, or of a subtest.
        context: What its `vmaf` fixture measured.
        start: The index of the first measurement that no earlier report carried.
        options: Which reports are written.
    """
    measurements = context.records.measurements
    records = measurements[start:]
    fails = report.outcome == "failed" or any(record.get("would_fail") for record in records)
    if fails and options.requested and options.pictures:
        _add_pictures(records, context, start, options.pictures)
    sections = context.records.sections
    # Sections with pictures are made only if a report is written.
    if options.requested and context.records.section_makers:
        from pytest_vmaf.report.sections import collect_sections

        for maker in context.records.section_makers:
            sections += collect_sections(partial(_make_section, maker, options.pictures), "a measurement")
    sections = [*sections, *item.stash.get(_SECTIONS, [])]
    context.records.sections, context.records.section_makers, item.stash[_SECTIONS] = [], [], []
    report.vmaf = {"measurements": plain(records), "sections": sections}  # type: ignore[attr-defined]
    if entries := context.baselines.pop_entries():
        report.vmaf["baselines"] = plain(entries)
    if context.records.would_fail:
        report.vmaf["would_fail"] = plain(context.records.would_fail)
        context.records.would_fail = []
    if not records:
        return
    remove_properties(item)
    properties: list[tuple[str, object]] = [*junit_properties(measurements)]
    item.stash[_PROPERTIES] = properties
    # JUnit XML is written from the report of the teardown, which carries the item's own list.
    item.user_properties += properties
    report.user_properties = list(item.user_properties)
    to_pytest_html(item.config, report, measurements, options.html)
    to_allure(item.config, records, options.html)


def interrupted_report(session: pytest.Session) -> pytest.TestReport | None:
    """A report of what a test had measured when the run was stopped in the middle of it. Under xdist there is none."""
    for item in session.items:
        if (context := item.stash.get(CONTEXT, None)) is None:
            continue
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", INTERRUPTED, "call")
        report.vmaf_error = True  # type: ignore[attr-defined]
        # Pictures would take time that nobody has left.
        attach_measurements(item, report, context, item.stash[SENT], ReportOptions())
        return report
    return None


def _make_section(maker: SectionMaker, pictures: int) -> list[Section]:
    return [maker(pictures)]


def add_sections_of_plugins(item: pytest.Item, context: Context) -> None:
    """Call the plugins' hook for sections, once for each test, after its call."""
    if not item.ihook.pytest_vmaf_test_sections.get_hookimpls():
        item.stash[_SECTIONS] = []
        return
    from pytest_vmaf.report.sections import collect_sections

    copies = plain(context.records.measurements)
    item.stash[_SECTIONS] = collect_sections(
        lambda: item.ihook.pytest_vmaf_test_sections(item=item, measurements=copies), "pytest_vmaf_test_sections"
    )


def remove_properties(item: pytest.Item) -> None:
    """Remove the properties that an earlier attempt added, and no others."""
    for pair in item.stash.get(_PROPERTIES, ()):
        if pair in item.user_properties:
            item.user_properties.remove(pair)
    item.stash[_PROPERTIES] = []


def _add_pictures(records: list[RecordDict], context: Context, start: int, most: int) -> None:
    from pytest_vmaf.report.frame_pictures import worst_pictures

    failed = [index for index, record in enumerate(records) if record["status"] == "failed"]
    for index in failed[:MOST_PICTURED] or _suspect(records, context.records.clips[start:]):
        clips, record = context.records.clips[start + index], records[index]
        if clips is None:
            continue
        reference, distorted, stamps = clips
        try:
            if stamps_of(reference, distorted) != stamps:
                record["left_out"] = "There are no pictures: a clip was written or removed after it was scored."
            else:
                record["pictures"], record["left_out"] = worst_pictures(record, reference, distorted, most)
                # One for each test is enough.
                thumbnails = [picture.pop("thumbnail") for picture in record["pictures"]]
                record["thumbnail"] = next(iter(thumbnails), None)
        except Exception as error:
            # An error here would end the whole run, and the verdict needs no pictures.
            record["left_out"] = f"The pictures could not be made: {type(error).__name__}: {error}"
    for index in failed[MOST_PICTURED:]:
        records[index]["left_out"] = f"Only the first {MOST_PICTURED} failed measurements of a test have pictures."


def _suspect(records: list[RecordDict], clips: Sequence[tuple[Clip, Clip, Stamps] | None]) -> list[int]:
    """The measurement that a failed plain assert was probably about: the one with the lowest NEG."""
    scored = [
        index
        for index, (record, pair) in enumerate(zip(records, clips, strict=True))
        if record["status"] == "passed"
        and is_scored(record)
        and record["gated"]
        and pair is not None
        and pair[0] != pair[1]
    ]
    return sorted(scored, key=lambda index: float(records[index]["neg"]))[:1]
