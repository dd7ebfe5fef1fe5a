"""`agree=` of a search with a baseline: what the search must encode for it, and the comparison at equal bitrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_vmaf.baselines.equal_rate_check import EqualRateCheck
from pytest_vmaf.errors import SettingsError

if TYPE_CHECKING:
    from pytest_vmaf.api.run_search import SearchInput
    from pytest_vmaf.baselines.entry import Entry
    from pytest_vmaf.baselines.judge import Outcome
    from pytest_vmaf.search.bisect_request import BisectRequest
    from pytest_vmaf.search.bisection import Bisection


class BaselineAgreement:
    """The comparison of one search with its baseline. Without `agree=`, only tolerances are compared."""

    def __init__(self, search: SearchInput, request: BisectRequest) -> None:
        """Check that the baseline has the points of every metric, before anything is encoded.

        Raises:
            BaselineError: If it has not.
            SettingsError: If no other metric than that of the targets is named.
        """
        self._baseline = search.baseline
        self._check = None
        if search.agree and search.baseline:
            if {*search.agree} == {request.metric}:
                raise SettingsError(
                    f"agree must name metrics other than {request.metric.text}, the metric of the targets, for "
                    'example ["psnr_y", "float_ms_ssim"].'
                )
            self._check = EqualRateCheck(request.metric, search.agree, request.targets, {})
            search.baseline.require_points(self._check)

    def rates(self, label: str, source: int) -> tuple[float, ...]:
        """The bitrates that a search must surround, in bit/s: what the targets needed in the baseline."""
        baseline = self._baseline
        if baseline is None or self._check is None or baseline.entry is None or baseline.is_replaced:
            return ()
        return self._check.rates(baseline.entry, label, source)

    def compare(self, entry: Entry, searches: Mapping[str, Sequence[Bisection]]) -> Outcome | None:
        """Compare an entry with the baseline, if there is one, and add the points of the searches to it.

        Args:
            entry: The entry of the search.
            searches: By label ("" for a bisection), the bisection of each source.

        Raises:
            BaselineError: If the two cannot be compared.
        """
        if self._baseline is None:
            return None
        if self._check is None:
            return self._baseline.compare(entry)
        check = replace(self._check, searches=searches)
        return self._baseline.compare({**entry, "points": check.points()}, agreement=check)
