"""The subcommand `roi-score` of `pytest-vmaf`: vmaf-roi-score's flags, its JSON and its exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pytest_vmaf.cli.common import (
    NOT_MEASURED,
    PASSED,
    VIOLATED,
    add_scoring,
    check_output,
    clips_of,
    refuse_tolerances,
    say,
    write,
)
from pytest_vmaf.errors import GateViolation, LogError, MaskError, ScorerError

#: The exit codes that are vmaf-roi-score's: no mask, and no pooled score.
NO_MASK, NO_SCORE = 64, 65
SCHEMA = 1
#: vmaf-roi-score's, whatever the size; "auto" goes by it.
MODEL = "vmaf_v0.6.1"


def add_command(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "roi-score",
        help="the score of what a saliency mask keeps, blended with the whole picture's",
        epilog="exit codes: 0 scored and gates hold, 1 a gate is violated, 2 usage, 3 the clips could not be compared, "
        "64 no mask could be made, 65 no pooled score, else the scorer's own",
    )
    parser.set_defaults(run=_roi_score)
    parser.add_argument("--reference", type=Path, required=True, help="what the encoder was given")
    parser.add_argument("--distorted", type=Path, required=True, help="what it made of it")
    parser.add_argument("--width", type=int, help="of raw video, in pixels")
    parser.add_argument("--height", type=int, help="of raw video, in pixels")
    parser.add_argument("--pix-fmt", help="of raw video, as ffmpeg names it (default yuv420p)")
    parser.add_argument("--frame-rate", "--framerate", help="of raw video, sequences and bare streams")
    mask = parser.add_mutually_exclusive_group()
    mask.add_argument(
        "--saliency-model", type=Path, metavar="PATH", help="ONNX network (default: the one that comes along)"
    )
    mask.add_argument(
        "--synthetic-mask", type=float, metavar="FILL", help="one saliency from 0 to 1 for every pixel, for testing"
    )
    parser.add_argument("--weight", type=float, default=0.5, help="of the masked score, 0 to 1 (default 0.5)")
    parser.add_argument("--threshold", type=float, default=0.3, help="saliency below shows the reference (default 0.3)")
    parser.add_argument("--fade", type=float, default=0.1, help="band above the threshold, 0 is hard (default 0.1)")
    parser.add_argument("--bt601", action="store_true", help="show the network every clip as limited BT.601")
    parser.add_argument(
        "--stride",
        type=int,
        metavar="N",
        help="the network looks at one of N frames (default 2, with --saliency-model 1)",
    )
    parser.add_argument("--neg", action="store_true", help="the scores without enhancement gain and the gap, too")
    parser.add_argument("--gate", action="append", default=[], metavar="NAME=LIMIT", help="as min_roi=90 (repeatable)")
    parser.add_argument("--output", type=Path, help="write the JSON there instead of to standard output")
    add_scoring(parser)


def _roi_score(options: argparse.Namespace) -> int:
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.options import OPTIONS
    from pytest_vmaf.progress import progress_on
    from pytest_vmaf.roi.blending import layout_of
    from pytest_vmaf.roi.masked_score import blended
    from pytest_vmaf.settings import make_layer

    keywords = {option.name: getattr(options, option.name) for option in OPTIONS}
    if keywords["vmaf_bin"] is not None and keywords["scorer"] is None:
        # Who names the tool wants it to score.
        keywords["scorer"] = "vmaf"
    if (keywords["model"], keywords["generation"]) == (None, None):
        keywords["model"] = MODEL
    layer = make_layer("command line", {k: v for k, v in keywords.items() if v is not None}, options.gate)
    refuse_tolerances(layer)
    # All of them hold, so they go with the call: it refuses those of what it does not measure.
    gates: dict[str, Any] = {gate.name: gate.limit for gate in layer.gates}
    session = Vmaf(layers=[layer._replace(gates=())], progress=progress_on(sys.stderr))
    check_output(options.output)
    code = PASSED
    try:
        if options.pix_fmt is not None:
            # No usage error here: vmaf-roi-score has a code for it.
            layout_of(options.pix_fmt, 1, 1)
        clips = clips_of([options.reference, options.distorted], options)
        found = session.roi(
            *clips,
            weight=options.weight,
            threshold=options.threshold,
            fade=options.fade,
            saliency=options.saliency_model,
            synthetic_mask=options.synthetic_mask,
            bt601=options.bt601,
            stride=options.stride,
            **gates,
        )
    except MaskError as error:
        return say(NO_MASK, f"saliency mask failed: {error}")
    except LogError as error:
        return say(NO_SCORE, f"no pooled score: {error}")
    except ScorerError as error:
        return say(_own(error.exit_code), f"error: {error}")
    except GateViolation as violation:
        code, found = say(VIOLATED, str(violation)), violation.result
    # In vmaf-roi-score's order; what it does not know comes behind, and only if it is asked for.
    data: dict[str, Any] = {
        "schema_version": SCHEMA,
        "vmaf_full": float(found.vmaf_full),
        "vmaf_masked": float(found.vmaf_masked),
        "weight": options.weight,
        "vmaf_roi": blended(float(found.vmaf_full), float(found.vmaf_masked), options.weight),
        "model": found.provenance["model"],
        "saliency_model": found.saliency if options.saliency_model is None else str(options.saliency_model),
        "reference": str(options.reference),
        "distorted": str(options.distorted),
    }
    if options.neg:
        data |= {name: float(found[name]) for name in ("neg", "neg_masked", "neg_roi", "gap", "gap_masked")}
        data |= {"neg_model": found.provenance["neg_model"], "mask_coverage": float(found.mask_coverage)}
    write(options.output, json.dumps(data, indent=2, allow_nan=False) + "\n")
    return code


def _own(exit_code: int) -> int:
    """A tool's exit code as this command's: as a shell gives it where a signal killed it, never the code of success."""
    return 128 - exit_code if exit_code < 0 else exit_code or NOT_MEASURED
