"""Whether a test failed because of quality: a gate, a baseline, or a plain assert on a score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from pytest_vmaf.errors import GateViolation
from pytest_vmaf.report.schema import NO_BASELINE, Record

#: Whether the comparison that an assert explained last, in this process, was one of a score.
SCORE_COMPARED = pytest.StashKey[bool]()


def is_violation(error: BaseException, measurements: Sequence[Record], *, score_compared: bool) -> bool:
    """Whether an error of a test says that quality is too low.

    Args:
        error: What ended the test.
        measurements: What the test measured.
        score_compared: Whether a comparison of a score was the last that an assert explained.
    """
    if type(error) is AssertionError and score_compared:
        return True
    if not any(isinstance(each, GateViolation) for each in _chain(error)):
        return False
    failed = [each for each in measurements if each["status"] == "failed"]
    gates = [gate for each in failed for gate in each["gates"] if gate.get("passed") is False]
    # A search also raises for a target that nothing met, which no record need have. A missing baseline is no verdict.
    return not failed or any(gate["metric"] != NO_BASELINE for gate in gates)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, the errors in a group, and the error during whose handling it was raised."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _chain(each)
    if (before := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        yield from _chain(before)
