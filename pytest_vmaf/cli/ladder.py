"""pytest_vmaf.cli.ladder."""

from __future__ import annotations

import argparse
import sys

from pytest_vmaf.cli import search_input as asked
from pytest_vmaf.cli import search_output as said
from pytest_vmaf.cli.common import write
from pytest_vmaf.text import printable


def run_ladder(options: argparse.Namespace) -> int:
    """A bitrate ladder."""
    from pytest_vmaf.search.build_ladder import parse_size

    head, targets, vmaf = asked.head_of(options, "ladder"), asked.targets(options), asked.session(options)
    asked.check_writable(options)
    sizes = [parse_size(text) for text in options.resolutions]
    (clip,) = asked.sources([options.src], options, head, max(sizes))
    settings = asked.settings(options)
    if options.package is not None and settings["keep"] is None:
        settings["keep"] = options.package / "encodes"
    with said.error_in_output(options, head):
        head["target_model"] = asked.target_model(options, head["metric"], [clip])
        ladder = vmaf.ladder(
            clip,
            encoder=options.encoder,
            resolutions=sizes,
            targets=targets,
            segment=options.segment,
            metric=head["metric"],
            **settings,
        )
    if options.format in ("table", "json"):
        said.put(options, head, {**ladder.to_record(), "targets": targets, "met": ladder.met}, vmaf.sections)
    elif not ladder.rungs:
        # A manifest that lists nothing cannot be played.
        print("pytest-vmaf: there is no rung, so no manifest is written.", file=sys.stderr)
    elif options.package is None:
        text = ladder.to_hls() if options.format == "hls" else ladder.to_dash()
        write(options.output, said.noted(text, head, targets))
    if options.package is not None and ladder.rungs:
        manifest = ladder.package(options.package, "dash" if options.format == "dash" else "hls")
        text = said.noted(manifest.read_text(encoding="utf-8"), head, targets)
        write(manifest, text)
        print(f"pytest-vmaf: packaged: {printable(str(manifest))}", file=sys.stderr)
        if options.format in ("hls", "dash"):
            write(options.output, text)
    return said.exit_code(ladder.unmet.values())
