"""pytest_vmaf.cli.tune_per_shot."""

from __future__ import annotations

import argparse

from pytest_vmaf.cli import search_input as asked
from pytest_vmaf.cli import search_output as said
from pytest_vmaf.cli.common import write
from pytest_vmaf.errors import SettingsError


def run_per_shot(options: argparse.Namespace) -> int:
    """One CRF a shot."""
    head, targets, vmaf = asked.head_of(options, "tune-per-shot"), asked.targets(options), asked.session(options)
    asked.check_writable(options)
    if len(targets) != 1:
        raise SettingsError(f"Shot by shot there is one target; --target-vmaf has {len(targets)}.")
    (clip,) = asked.sources([options.src], options, head)
    with said.error_in_output(options, head):
        head["target_model"] = asked.target_model(options, head["metric"], [clip])
        found = vmaf.per_shot(
            clip,
            encoder=options.encoder,
            target=targets[0],
            threshold=options.threshold,
            shortest=options.shortest,
            fixed=not options.no_fixed,
            metric=head["metric"],
            **asked.settings(options),
        )
    if options.plan_out is not None:
        write(options.plan_out, said.as_json(head, found.to_record()))
    said.put(options, head, found.to_record(), vmaf.sections)
    unmet = [f"frame {each.shot.start} on: {each.why}" for each in found.shots if not each.met]
    if found.score < found.target:
        unmet.append(f"the joined encode has {found.metric} {found.score:.3f}, below {found.target:g}")
    return said.exit_code(unmet)
