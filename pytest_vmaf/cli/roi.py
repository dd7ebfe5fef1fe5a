"""`pytest-vmaf roi`: the score of a masked clip. Also named `roi-score`, with vmaf-roi-score's flags and exit codes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import NOT_MEASURED, PASSED, VIOLATED
from pytest_vmaf.cli.formats import add_file
from pytest_vmaf.cli.selection import add_selection
from pytest_vmaf.errors import GateViolation, LogError, MaskError, ScorerError, SettingsError
from pytest_vmaf.gates.metrics import NEG_ROI_METRICS, ROI_METRICS

if TYPE_CHECKING:
    from pytest_vmaf.roi.masked_score import RoiResult

#: vmaf-roi-score's own exit codes: no mask, and no pooled score.
NO_MASK, NO_SCORE = 64, 65
SCHEMA = 1
#: vmaf-roi-score's model for every size. The model "auto" depends on the size.
MODEL = "vmaf_v0.6.1"
#: The beginning of a gate for the blended score of the model.
ROI = re.compile(r"^(min|max)_roi(?=_|$)")
EXIT_CODES = "0 all gates pass, 1 one fails, 2 usage, 3 not comparable, 64 no mask, 65 no score, else the scorer's"


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "score the salient part of the picture, blended with the score of the whole picture"
    usage = "[options] REFERENCE DISTORTED"
    parser = common.add_command(commands, "roi", run, text, EXIT_CODES, aliases=("roi-score",), usage=usage)
    add = parser.add_argument
    add("clips", type=Path, nargs="*", metavar="CLIP", help="the original clip, and the encoded clip")
    add("--reference", type=Path, help=argparse.SUPPRESS)
    add("--distorted", type=Path, help=argparse.SUPPRESS)
    common.add_raw_video(parser)
    add_selection(parser, "reference", "distorted")
    mask = parser.add_mutually_exclusive_group().add_argument
    mask("--saliency-model", type=Path, metavar="PATH", help="ONNX saliency model (default: the bundled model)")
    mask("--synthetic-mask", type=float, metavar="FILL", help="one saliency from 0 to 1 for every pixel, for testing")
    add("--weight", type=float, default=0.5, help="weight of the masked score, 0 to 1 (default 0.5)")
    add("--threshold", type=float, default=0.3, help="show the reference below this saliency (default 0.3)")
    add("--fade", type=float, default=0.1, help="width of the soft edge above the threshold, 0 is hard (default 0.1)")
    add("--bt601", action="store_true", help="give the network every clip as limited-range BT.601")
    add("--stride", type=int, metavar="N", help="run the network on every Nth frame (default 2; --saliency-model: 1)")
    add("--neg", action="store_true", help="add the NEG scores and the gap")
    common.add_gate(parser, "min_roi=90")
    add_file(parser)
    common.add_settings(parser)


def run(options: argparse.Namespace) -> int:
    """Score, write the JSON, and exit by the gates or by what failed."""
    from pytest_vmaf.cli.search_input import names_neg
    from pytest_vmaf.roi.blending import layout_of

    clips = [clip for clip in (options.reference, options.distorted, *options.clips) if clip is not None]
    if len(clips) != 2:
        raise SettingsError(f"{options.command} takes two clips, the original and the encoded one, not {len(clips)}.")
    options.reference, options.distorted = clips
    if options.model is None and options.generation is None:
        options.model = MODEL
    neg = names_neg(options)
    layer = common.settings_layer(options)
    # Gates of a call must all be measurable; gates of a layer need not be.
    gates: dict[str, Any] = {
        ROI.sub(r"\1_neg_roi", gate.name) if neg else gate.name: gate.limit for gate in layer.gates
    }
    vmaf = common.measuring_session(layer._replace(gates=()))
    common.check_output(options.output)
    code = PASSED
    try:
        if options.pix_fmt is not None:
            # This is not a usage error: vmaf-roi-score has its own code for it.
            layout_of(options.pix_fmt, 1, 1)
        reference, distorted = common.read_clips([options.reference, options.distorted], options)
        names = ("weight", "threshold", "fade", "synthetic_mask", "bt601", "stride")
        settings: dict[str, Any] = {name: getattr(options, name) for name in names}
        # The file has the scores of the named model, whatever the gates need; a gate may need the other model.
        metrics = {"neg_roi" if ROI.match(gate.name) else gate.metric for gate in layer.gates}
        settings["neg_only"] = neg and not options.neg and not metrics & {*ROI_METRICS} - {*NEG_ROI_METRICS}
        result = vmaf.roi(reference, distorted, saliency=options.saliency_model, **settings, **gates)
    except MaskError as error:
        return common.print_message(f"saliency mask failed: {error}", NO_MASK)
    except LogError as error:
        return common.print_message(f"no pooled score: {error}", NO_SCORE)
    except ScorerError as error:
        return common.print_message(f"error: {error}", _exit_code(error.exit_code))
    except GateViolation as violation:
        code, result = common.print_message(str(violation), VIOLATED), violation.result
    common.write_json(options.output, _record(options, result, neg=neg))
    return code


def _record(options: argparse.Namespace, result: RoiResult, *, neg: bool) -> dict[str, Any]:
    """vmaf-roi-score's keys in its order, with the scores of the model that is named, NEG or not.

    Further keys come last, and only with `--neg`.
    """
    from pytest_vmaf.roi.masked_score import blended

    full, masked = (float(result[name]) for name in (("neg", "neg_masked") if neg else ("vmaf", "vmaf_masked")))
    record: dict[str, Any] = {
        "schema_version": SCHEMA,
        "vmaf_full": full,
        "vmaf_masked": masked,
        "weight": options.weight,
        "vmaf_roi": blended(full, masked, options.weight),
        "model": result.provenance["neg_model" if neg else "model"],
        "saliency_model": result.saliency if options.saliency_model is None else str(options.saliency_model),
        "reference": str(options.reference),
        "distorted": str(options.distorted),
    }
    if options.neg:
        record |= {name: float(result[name]) for name in ("neg", "neg_masked", "neg_roi", "gap", "gap_masked")}
        record |= {"neg_model": result.provenance["neg_model"], "mask_coverage": float(result.mask_coverage)}
    return record


def _exit_code(code: int) -> int:
    """A tool's exit code as a shell gives it: 128 plus the signal that killed it. Never 0."""
    return 128 - code if code < 0 else code or NOT_MEASURED
