"""What the searching subcommands do: each asks `Vmaf`, writes what came of it, and exits by whether all is met."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pytest_vmaf.cli import search_input as asked
from pytest_vmaf.cli import search_output as said

if TYPE_CHECKING:
    pass

ENCODERS = ["libx264", "libx265", "libsvtav1"]


def run_compare(options: argparse.Namespace) -> int:
    """Encoders against each other."""
    from pytest_vmaf.search.serialize import comparison_record

    head, targets, vmaf = asked.head_of(options, "compare"), asked.targets(options), asked.session(options)
    asked.check_writable(options)
    clips = asked.sources(options.src, options, head)
    with said.error_in_output(options, head):
        head["target_model"] = asked.target_model(options, head["metric"], clips)
        found = vmaf.compare(
            clips,
            encoders=options.encoders or ENCODERS,
            targets=targets,
            speed=not options.no_speed,
            metric=head["metric"],
            **asked.settings(options),
        )
    said.put(options, head, comparison_record(found), vmaf.sections)
    answers = [answer for each in found.bisections.values() for one in each.values() for answer in one.answers.values()]
    return said.exit_code(answer.why for answer in answers if not answer.met)
