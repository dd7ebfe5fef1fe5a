"""Flags that select a part of each clip: of its picture, its streams or its frames."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace

from pytest_vmaf.media.clip import Clip


def add_selection(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add the flags that select a part of each clip: `--reference-crop` for "reference", `--crop` for ""."""
    group = parser.add_argument_group("parts of the clips")
    for name in names:
        flag, whose = (f"--{name}-", f"of the {name}") if name else ("--", "of each source")
        text = f"read only this part of each picture {whose}, without black bars for example"
        group.add_argument(f"{flag}crop", type=_read_crop, metavar="X,Y,W,H", help=text)
        text = f"which video stream {whose} to read, from 0 (default: the one that players show)"
        group.add_argument(f"{flag}stream", type=int, metavar="N", help=text)
    for name in ("", *filter(None, names)):
        flag = f"--{name}-" if name else "--"
        whose = f"of the {name}" if name else "of both clips" if names[0] else "of each source"
        text = f"the first frame {whose} to read: its number, from 0, or seconds such as 1.5s"
        group.add_argument(f"{flag}start", type=_read_position, metavar="FRAME", help=text)
        text = f"how many frames {whose} to read, or seconds such as 2s (default: all)"
        group.add_argument(f"{flag}frames", type=_read_position, metavar="N", help=text)
    text = "score AV1 and other clips without the film grain that decoders add"
    group.add_argument("--no-film-grain", dest="film_grain", action="store_false", help=text)


def select(clips: Sequence[Clip], options: argparse.Namespace) -> list[Clip]:
    """The clips with what the flags select of each: `--reference-start`, or `--start` for both, and so on.

    Raises:
        ClipError: If it is not valid.
    """
    names = ("reference_", "distorted_") if hasattr(options, "reference_crop") else ("",) * len(clips)
    selected = []
    for clip, name in zip(clips, names, strict=True):
        both = {field: getattr(options, field, None) for field in ("start", "frames")}
        own = {field: getattr(options, f"{name}{field}", None) for field in both}
        start, frames = (own[field] if own[field] is not None else both[field] for field in both)
        changed = replace(
            clip,
            crop=getattr(options, f"{name}crop", None),
            stream=getattr(options, f"{name}stream", None),
            film_grain=getattr(options, "film_grain", True),
            start=0 if start is None else start,
            frames=frames,
        )
        selected.append(changed)
    return selected


def _read_crop(text: str) -> tuple[int, ...]:
    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"must be X,Y,W,H in pixels, for example 0,138,1920,804, not {text!r}")
    return tuple(map(int, numbers))


def _read_position(text: str) -> int | str:
    """A number of frames, or a text that `Clip` checks. 1.5 is in seconds, as in Python."""
    if re.fullmatch(r"[0-9]+\.[0-9]+", text):
        return f"{text}s"
    return int(text) if text.isdecimal() and len(text) < 12 else text
