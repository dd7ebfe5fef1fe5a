"""pytest_vmaf.cli.recommend."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli import search_input as asked
from pytest_vmaf.cli import search_output as said
from pytest_vmaf.cli.common import write
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.search.rows import Row


def run_recommend(options: argparse.Namespace) -> int:
    """The CRF for a target, chosen or searched."""
    from pytest_vmaf.search.serialize import bisection_record

    if (options.from_corpus is None) == (options.src is None):
        raise SettingsError("recommend reads --from-corpus JSONL or searches --src CLIP; say one of both.")
    if options.from_corpus is not None:
        return _choose(options)
    if options.target_bitrate is not None:
        raise SettingsError("--target-bitrate chooses among the rows of --from-corpus; a search has --target-vmaf.")
    head, targets, vmaf = asked.head_of(options, "recommend"), asked.targets(options), asked.session(options)
    asked.check_writable(options)
    (clip,) = asked.sources([options.src], options, head)
    with said.error_in_output(options, head):
        head["target_model"] = asked.target_model(options, head["metric"], [clip])
        found = vmaf.bisect(
            clip,
            encoder=options.encoder or "libx264",
            targets=targets,
            metric=head["metric"],
            **asked.settings(options),
        )
    said.put(options, head, bisection_record(found), vmaf.sections)
    return said.exit_code(answer.why for answer in found.answers.values() if not answer.met)


def _choose(options: argparse.Namespace) -> int:
    """A recommendation from a corpus."""
    from pytest_vmaf.search.recommend import recommend
    from pytest_vmaf.search.serialize import recommendation_record

    head, max_bitrate = asked.head_of(options, "recommend"), asked.bitrate(options)
    asked.refuse_searching(options)
    asked.check_writable(options)
    targets = options.targets or [None]
    if len(targets) != 1:
        raise SettingsError(f"A recommendation from a corpus has one target; --target-vmaf has {len(targets)}.")
    with said.error_in_output(options, head):
        rows = _rows(options, head)
        found = recommend(
            rows,
            target=targets[0],
            max_bitrate=max_bitrate,
            metric=head["metric"],
            encoder=options.encoder,
            preset=options.preset,
        )
        names = {"vmaf": "model", "neg": "neg_model"}.get(head["metric"].partition(".")[0])
        if names is not None:
            head["target_model"] = getattr(found[0].setup, names)
    if options.format == "json":
        met = all(each.met for each in found)
        write(
            options.output, said.as_json(head, {"met": met, "recommendations": list(map(recommendation_record, found))})
        )
    else:
        write(options.output, "".join(f"{line}\n" for line in [said.about(head), *(each.why for each in found)]))
    return said.exit_code(each.why for each in found if not each.met)


def _rows(options: argparse.Namespace, head: dict[str, Any]) -> tuple[Row, ...]:
    """The rows of the corpus, those of the model alone where one is named."""
    from pytest_vmaf.search.rows import read_rows

    rows = read_rows(options.from_corpus)
    if options.model or options.generation or options.phone is not None:
        models = sorted({f"{row.setup.model} / {row.setup.neg_model}" for row in rows})
        rows = tuple(row for row in rows if row.setup.model == _named(options, row))
        if models and not rows:
            raise SettingsError(
                f"No row of {printable(str(options.from_corpus))} was scored with that model; there is "
                f"{'; '.join(models)}."
            )
    elif options.metric is None and rows and all(asked.has_neg_built_in(row.setup.model) for row in rows):
        head["metric"], head["neg"] = "neg", True
    return rows


def _named(options: argparse.Namespace, row: Row) -> str:
    # At least as large as any model needs; it is a name that is asked for, not whether the model fits.
    return asked.named_pair(options, (max(512, row.setup.width), max(512, row.setup.height))).name
