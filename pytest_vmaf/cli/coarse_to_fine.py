"""`pytest-vmaf sweep --coarse-to-fine`: a coarse grid of CRFs, then a fine one around the best row of each curve."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_vmaf.cli import search_flags as flags
from pytest_vmaf.errors import SettingsError

if TYPE_CHECKING:
    from pytest_vmaf.media.clip import Clip
    from pytest_vmaf.search.rows import Row

#: The ends of vmaf-tune's coarse grid.
FINEST, COARSEST = 10, 50
#: None is the encoder's own.
Presets = Sequence[str | None]
#: Sweeps sources, encoders, presets and CRFs.
Sweep = Callable[[Sequence["Clip"], Sequence[str], Presets, Sequence[float]], Sequence["Row"]]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    group = parser.add_argument_group("coarse to fine")
    text = "sweep every tenth CRF from 10 to 50, then each CRF around the coarsest one that meets the target"
    group.add_argument("--coarse-to-fine", action="store_true", help=f"{text}; without a target around the best")
    group.add_argument("--target", "--targets", dest="neg_targets", type=flags.floats, help="the NEG score to meet")
    text = "the default VMAF to meet (with --neg: NEG)"
    group.add_argument("--target-vmaf", "--target-vmafs", dest="targets", type=flags.floats, help=text)
    group.add_argument("--coarse-step", type=int, default=10, metavar="N", help="CRFs between coarse rows (default 10)")
    group.add_argument("--fine-radius", type=int, default=5, metavar="N", help="CRFs on both sides (default 5)")
    text = "CRFs between fine rows (default 1); a fraction requires --crf-step"
    group.add_argument("--fine-step", type=flags.crf, default=1, metavar="N", help=text)


def sweep_coarse_to_fine(sweep: Sweep, sources: Sequence[Clip], options: argparse.Namespace) -> list[Row]:
    """Sweep the coarse grid of all curves, and the fine one of each.

    Args:
        sweep: What sweeps.
        sources: The sources.
        options: The parsed command line.

    Returns:
        The rows, all coarse ones first.

    Raises:
        SettingsError: For steps and radii that make no grid.
    """
    presets: Presets = options.preset or [None]
    coarse = range(FINEST, COARSEST + 1, options.coarse_step)
    rows = [*sweep(sources, options.encoders, presets, coarse)]
    curves = [(source, encoder, preset) for source in sources for encoder in options.encoders for preset in presets]
    for number, (source, encoder, preset) in enumerate(curves):
        curve = rows[number * len(coarse) : (number + 1) * len(coarse)]
        if fine := fine_crfs(curve, *target_of(options), options.fine_radius, options.fine_step):
            rows += sweep([source], [encoder], [preset], fine)
    return rows


def check_flags(options: argparse.Namespace) -> None:
    """Check the flags before anything is encoded.

    Raises:
        SettingsError: For steps and radii that make no grid, for several targets, and for flags without effect.
    """
    from pytest_vmaf.encoding.encoder_names import read_name

    for name, lowest in (("coarse_step", 1), ("fine_radius", 0)):
        if getattr(options, name) < lowest:
            raise SettingsError(
                f"--{name.replace('_', '-')} must be a whole number from {lowest}, not {getattr(options, name)}."
            )
    steps = options.fine_step / (options.crf_step or 1)
    if not (steps > 0 and abs(steps - round(steps)) < 1e-6):
        raise SettingsError(
            f"--fine-step must be a multiple of --crf-step ({options.crf_step or 1}), not {options.fine_step}."
        )
    _, target = target_of(options)
    if not options.coarse_to_fine and target is not None:
        raise SettingsError("A target of a sweep requires --coarse-to-fine. Use bisect to search for one.")
    if options.coarse_to_fine and (options.crf or options.suite):
        flag = "--crf" if options.crf else "--suite"
        raise SettingsError(f"{flag} and --coarse-to-fine exclude each other: both say which CRFs are swept.")
    modes = [options.mode, *(read_name(encoder).mode for encoder in options.encoders or ())]
    if options.coarse_to_fine and set(modes) - {None, "crf"}:
        raise SettingsError("--coarse-to-fine is for CRFs. Use bisect --mode 2pass to search for a bitrate.")


def target_of(options: argparse.Namespace) -> tuple[str, float | None]:
    """The metric of the target, and the target, if there is one.

    Raises:
        SettingsError: If there are several.
    """
    if options.targets and options.neg_targets:
        raise SettingsError("--target (NEG) and --target-vmaf (default VMAF) exclude each other.")
    targets = options.neg_targets or options.targets or [None]
    if len(targets) > 1:
        raise SettingsError(f"--coarse-to-fine takes one target, not {len(targets)}. Use bisect for several.")
    return "neg" if options.neg_targets or options.neg else "vmaf", targets[0]


def fine_crfs(rows: Sequence[Row], metric: str, target: float | None, radius: int, step: float) -> list[float]:
    """The CRFs of the fine grid of one curve, without those of its coarse rows.

    They lie around the coarsest row that meets the target. Without a target, or if no row meets it, they lie around the
    row with the highest score. If the coarsest row meets the target, the grid is empty.
    """
    met = [row for row in rows if target is not None and row.scores[metric] >= target]
    by_size = sorted(rows, key=lambda row: row.crf, reverse=not rows[0].setup.larger_is_finer)
    if by_size[0] in met:
        return []
    best = next((row for row in by_size if row in met), max(rows, key=lambda row: row.scores[metric]))
    exact = Fraction(str(step))
    first = Fraction(str(best.crf)) - radius
    near = [flags.as_number(first + place * exact) for place in range(int(2 * radius / exact) + 1)]
    return [crf for crf in near if FINEST <= crf <= COARSEST and crf not in [row.crf for row in rows]]
