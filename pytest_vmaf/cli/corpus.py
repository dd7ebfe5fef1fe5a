"""pytest_vmaf.cli.corpus."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pytest_vmaf.cli import search_input as asked
from pytest_vmaf.cli.common import PASSED
from pytest_vmaf.text import printable


def run_corpus(options: argparse.Namespace) -> int:
    """A grid of encodes, into JSON Lines."""
    vmaf, head = asked.session(options), {"assumed": list[dict[str, Any]]()}
    asked.check_writable(options)
    presets = [preset for each in options.preset or [[None]] for preset in each]
    rows = vmaf.sweep(
        asked.sources(options.src, options, head),
        encoders=options.encoders,
        presets=presets,
        crfs=[crf for each in options.crf for crf in each],
        output=options.output,
        arguments=options.encoder_args or "",
        pix_fmt=options.encode_pix_fmt,
    )
    models = ", ".join(dict.fromkeys(f"{row.setup.model} and {row.setup.neg_model}" for row in rows))
    where = printable(str(options.output))
    print(f"pytest-vmaf: {len(rows)} rows in {where}, each scored with {models}.", file=sys.stderr)
    return PASSED
