"""Makers of sections: what builds a section once a report is written, and is not imported before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_vmaf.baselines.judge import Outcome
    from pytest_vmaf.report.sections import Section, SectionMaker


def section_maker(outcome: Outcome) -> SectionMaker | None:
    """The maker of the section of a baseline's outcome. None if no baseline was requested."""

    def make(pictures: int) -> Section:
        from pytest_vmaf.report.baseline_section import baseline_section

        return baseline_section(outcome)

    return make if outcome.name else None
