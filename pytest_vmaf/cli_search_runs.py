"""What the searching subcommands do: each asks `Vmaf`, writes what came of it, and exits by whether all is met."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pytest_vmaf import cli_search_asked as asked
from pytest_vmaf import cli_search_said as said
from pytest_vmaf.cli_parts import PASSED, write
from pytest_vmaf.quality.errors import SettingsError
from pytest_vmaf.quality.process import printable

if TYPE_CHECKING:
    from pytest_vmaf.encoding.rows import Row

ENCODERS = ["libx264", "libx265", "libsvtav1"]


def run_compare(options: argparse.Namespace) -> int:
    """Encoders against each other."""
    from pytest_vmaf.encoding.records import comparison_record

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
    answers = [answer for each in found.found.values() for one in each.values() for answer in one.answers.values()]
    return said.exit_code(answer.why for answer in answers if not answer.met)


def run_ladder(options: argparse.Namespace) -> int:
    """A bitrate ladder."""
    from pytest_vmaf.encoding.ladder import parse_size

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


def run_recommend(options: argparse.Namespace) -> int:
    """The CRF for a target, chosen or searched."""
    from pytest_vmaf.encoding.records import bisection_record

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
    from pytest_vmaf.encoding.recommend import recommend
    from pytest_vmaf.encoding.records import recommendation_record

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
    from pytest_vmaf.encoding.rows import read_rows

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
