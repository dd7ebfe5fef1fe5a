"""`pytest-vmaf recommend`: the CRF for a target, from a corpus or from a search."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vmaf.cli import search_flags as flags, search_input as inputs, search_output as output
from pytest_vmaf.cli.common import Commands, add_command
from pytest_vmaf.cli.formats import add_output
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.search.recommend import Recommendation
    from pytest_vmaf.search.rows import Row


def add_parser(commands: Commands) -> None:
    """Add the command."""
    text = "recommend a CRF for a target, from a corpus or by searching"
    usage = "[options] (SOURCE | --from-corpus JSONL)"
    parser = add_command(commands, "recommend", run, text, flags.EXIT_CODES, usage=usage, more=flags.TARGETS)
    add = parser.add_argument
    add("--from-corpus", type=Path, metavar="JSONL", help="choose among the rows of a corpus")
    add("--target-bitrate", type=float, metavar="KBPS", help="choose the best row of a corpus within this bitrate")
    add("--encoder", help="encoder of the search (default libx264), or of the corpus' rows")
    flags.add_search(parser, required=False)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Choose among rows or search, write the result, and exit by the targets."""
    if (options.from_corpus is None) == (not options.source and not options.src):
        raise SettingsError("recommend needs either --from-corpus JSONL (to choose among rows) or a clip (to search).")
    return _search(options) if options.from_corpus is None else _choose(options)


def _search(options: argparse.Namespace) -> int:
    if options.target_bitrate is not None:
        raise SettingsError("--target-bitrate chooses among the rows of --from-corpus. Use --targets to search.")
    search = inputs.read_search(options, "recommend")
    with output.searching(options, search):
        bisection = search.vmaf.bisect(
            search.clips[0], encoder=options.encoder or "libx264", targets=search.targets, **search.settings
        )
    output.write_search(options, search.head, bisection.to_dict(), output.answer_rows(bisection), search.vmaf.sections)
    return output.exit_code(answer.why for answer in bisection.answers.values() if not answer.met)


def _choose(options: argparse.Namespace) -> int:
    from pytest_vmaf.search.recommend import recommend

    head, max_bitrate = inputs.Head("recommend", inputs.target_metric(options)), inputs.max_bitrate(options)
    inputs.refuse_search_flags(options)
    inputs.check_writable(options)
    targets = inputs.read_targets(options)
    if len(targets) > 1:
        raise SettingsError(f"A recommendation from a corpus takes one target, not {len(targets)}.")
    with output.error_in_output(options, head):
        rows = _read_rows(options, head)
        recommendations = recommend(
            rows,
            target=targets[0] if targets else None,
            max_bitrate=max_bitrate,
            metric=head.metric,
            encoder=options.encoder,
            preset=options.preset,
        )
        models = {"vmaf": "model", "neg": "neg_model"}.get(head.metric.partition(".")[0])
        if models is not None:
            head.target_model = getattr(recommendations[0].setup, models)
    records = [each.to_dict() for each in recommendations]
    record = {"met": all(each.met for each in recommendations), "recommendations": records}
    rows_of_csv = [_csv_row(each) for each in recommendations]
    output.write_search(options, head, record, rows_of_csv, lines=[each.why for each in recommendations])
    return output.exit_code(each.why for each in recommendations if not each.met)


def _csv_row(recommendation: Recommendation) -> dict[str, object]:
    record, row = recommendation.to_dict(), recommendation.row
    metric = recommendation.metric
    key = metric.name if metric.pool == "mean" else f"{metric.name}_{metric.pool}"
    numbers: dict[str, object] = dict.fromkeys(("crf", "score", "bitrate", "size"))
    if row is not None:
        numbers = {"crf": row.crf, "score": row.scores[key], "bitrate": row.bitrate, "size": row.size}
    return {**{name: value for name, value in record.items() if name != "row"}, **numbers}


def _read_rows(options: argparse.Namespace, head: inputs.Head) -> tuple[Row, ...]:
    """The rows of the corpus. If a model is named, only those that were scored with it."""
    from pytest_vmaf.search.row_files import read_rows

    rows = read_rows(options.from_corpus)
    if options.model or options.generation or options.phone is not None:
        models = sorted({f"{row.setup.model} / {row.setup.neg_model}" for row in rows})
        rows = tuple(row for row in rows if row.setup.model == _model_name(options, row))
        if models and not rows:
            raise SettingsError(
                f"No row of {printable(str(options.from_corpus))} was scored with that model. Its rows have "
                f"{'; '.join(models)}."
            )
    elif options.metric is None and rows and all(inputs.has_neg_built_in(row.setup.model) for row in rows):
        head.metric = "neg"
    return rows


def _model_name(options: argparse.Namespace, row: Row) -> str:
    # At least the size that every model needs: only the name matters, not whether the model fits.
    rate = Fraction(row.setup.frame_rate) if row.setup.frame_rate else None
    return inputs.named_pair(options, (max(512, row.setup.width), max(512, row.setup.height)), rate).name
