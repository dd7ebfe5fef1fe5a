"""Hangs what a test measured on its report, in the process where it ran: the only way to the controller."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_vmaf.media.fingerprint import stamps_of
from pytest_vmaf.report.record import plain
from pytest_vmaf.report.sections import collect_sections
from pytest_vmaf.testrun.third_party import junit_properties, to_allure, to_pytest_html

if TYPE_CHECKING:
    from pytest_vmaf.api.context import Context
    from pytest_vmaf.report.sections import Section, SectionMaker
    from pytest_vmaf.testrun.options import ReportOptions

#: Failed measurements of one test that get pictures.
MOST_PICTURED = 3
_sections = pytest.StashKey[list[dict[str, Any]]]()
_properties = pytest.StashKey[list[tuple[str, object]]]()


def attach(item: pytest.Item, report: Any, context: Context, start: int, outputs: ReportOptions) -> None:
    """Put the measurements from number ``start`` on onto the report of a test's call, with pictures where it failed."""
    records = context.records.measurements[start:]
    if report.outcome == "failed" and outputs.asked and outputs.pictures:
        _picture(records, context, start, outputs.pictures)
    sections = [*_made(context, outputs), *item.stash.get(_sections, [])]
    context.records.sections, context.records.section_makers = [], []
    item.stash[_sections] = []
    report.vmaf = {"measurements": plain(records), "sections": sections}
    if kept := context.baselines.pop_entries():
        report.vmaf["baselines"] = plain(kept)
    if not records:
        return
    forget(item)
    ours: list[tuple[str, object]] = list(junit_properties(context.records.measurements))
    item.stash[_properties] = ours
    # The teardown's report carries the item's own list, and JUnit XML is written from that one.
    item.user_properties += ours
    report.user_properties = list(item.user_properties)
    if outputs.html is not None and report.outcome == "failed":
        report.sections.append(("vmaf report", str(outputs.html)))
    to_pytest_html(item.config, report, context.records.measurements, outputs.html)
    to_allure(item.config, records, outputs.html)


def _made(context: Context, outputs: ReportOptions) -> list[dict[str, Any]]:
    """The sections of what was measured; those with pictures are made only where there is a report."""
    makings = context.records.section_makers if outputs.asked else []
    made = [collect_sections(partial(_listed, each, outputs.pictures), "a measurement") for each in makings]
    return [*context.records.sections, *(section for sections in made for section in sections)]


def _listed(section: SectionMaker, pictures: int) -> list[Section]:
    return [section(pictures)]


def _likeliest(records: list[dict[str, Any]]) -> list[int]:
    """A plain assert failed, and which measurement it was about nobody says: the one with the lowest NEG."""
    scored = [
        index
        for index, record in enumerate(records)
        if record["status"] == "passed" and record["gated"] and record["reference"] != record["distorted"]
    ]
    return sorted(scored, key=lambda index: float(records[index]["neg"]))[:1]


def keep_sections(item: pytest.Item, context: Context) -> None:
    """Ask the plugins for sections, once a test, after its call; its report takes them along."""
    copies = plain(context.records.measurements)
    item.stash[_sections] = collect_sections(
        lambda: item.ihook.pytest_vmaf_test_sections(item=item, measurements=copies), "pytest_vmaf_test_sections"
    )


def forget(item: pytest.Item) -> None:
    """Take back the properties of an earlier attempt, and only these."""
    for pair in item.stash.get(_properties, ()):
        if pair in item.user_properties:
            item.user_properties.remove(pair)
    item.stash[_properties] = []


def _picture(records: list[dict[str, Any]], context: Context, start: int, most: int) -> None:
    from pytest_vmaf.report.frame_pictures import worst_pictures

    failed = [index for index, record in enumerate(records) if record["status"] == "failed"]
    for index in failed[:MOST_PICTURED] or _likeliest(records):
        clips = context.records.clips[start + index]
        if clips is None:
            continue
        reference, distorted, stamps = clips
        try:
            if stamps_of(reference, distorted) != stamps:
                records[index]["left_out"] = "There are no pictures: a clip was written or removed after it was scored."
                continue
            shown = worst_pictures(records[index], reference, distorted, most)
            records[index]["pictures"], records[index]["left_out"] = shown
        except Exception as error:
            # An error here would end the whole run; the verdict needs no pictures.
            records[index]["left_out"] = f"The pictures could not be made: {type(error).__name__}: {error}"
    for index in failed[MOST_PICTURED:]:
        records[index]["left_out"] = f"Only the first {MOST_PICTURED} failed measurements of a test have pictures."
