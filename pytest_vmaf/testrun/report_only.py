"""Report-only mode: failed gates are reported and fail no test. Where it is switched on, and until when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import pytest

from pytest_vmaf.errors import SettingsError

#: The option, the ini value, and the keyword of the marker.
FLAG, INI, INI_UNTIL, KEYWORD = "--vmaf-report-only", "vmaf_report_only", "vmaf_report_only_until", "report_only"
DESTINATION = "vmaf_report_only"


class ReportOnly(NamedTuple):
    """Report-only mode as the command line and the ini file set it.

    Attributes:
        origin: Where it is switched on, "" if it is not.
        until: The last day on which it may be on, by UTC; None for any day.
        ended: Whether that day is over. Then nothing switches it on.
    """

    origin: str = ""
    until: date | None = None
    ended: bool = False

    @property
    def active(self) -> bool:
        """Whether it is on for tests without a marker of their own."""
        return bool(self.origin) and not self.ended

    def __str__(self) -> str:
        return f"{self.origin}, until {self.until}" if self.until else self.origin


def read_report_only(config: pytest.Config, today: date | None = None) -> ReportOnly:
    """Read the mode.

    Args:
        config: The config.
        today: The date, if not today's.

    Raises:
        SettingsError: If a value of the ini file is invalid.
    """
    try:
        in_ini = bool(config.getini(INI))
    except (TypeError, ValueError, pytest.UsageError) as error:
        raise SettingsError(f"{INI} (ini) must be true or false: {error}") from None
    flag = config.getoption(DESTINATION)
    text = (config.getini(INI_UNTIL) or "").strip()
    until = _date(text) if text else None
    origin = "command line" if flag else "ini" if in_ini and flag is None else ""
    return ReportOnly(origin, until, until is not None and (today or datetime.now(UTC).date()) > until)


def header_lines(mode: ReportOnly) -> list[str]:
    """The lines of pytest's header; none while the mode is off."""
    if mode.ended:
        return [f"vmaf: report-only mode ended after {mode.until} ({INI_UNTIL}): failed gates fail their tests again."]
    return [f"vmaf: REPORT ONLY ({mode}): failed gates and tolerances fail no test."] if mode.active else []


def applies(mode: ReportOnly, marks: Sequence[pytest.Mark]) -> bool:
    """Whether the mode is on for a test with these vmaf markers, of which the nearest that sets it wins."""
    for mark in marks:
        value = mark.kwargs.get(KEYWORD)
        if value is None:
            continue
        if not isinstance(value, bool):
            pytest.fail(f"{KEYWORD} (marker) must be True or False, not {value!r:.80}.", pytrace=False)
        return value and not mode.ended
    return mode.active


def _date(text: str) -> date:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise SettingsError(f"{INI_UNTIL} (ini) must be a date such as 2027-01-31, not {text!r:.40}.")
