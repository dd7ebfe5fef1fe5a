"""Text for people: printable names, closest match, plurals, time codes."""

from __future__ import annotations

import difflib
import re
import reprlib
import shlex
from collections.abc import Iterable, Sequence
from fractions import Fraction

#: After two letters or a quote, a full stop ends a sentence.
SENTENCE_END = re.compile(r"(?:(?<=\w\w[.?!])|(?<=['\")][.?!]))\s+")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 20


def printable(text: str) -> str:
    """Escape undecodable bytes and control characters, so that the text is safe to print anywhere."""
    if text.isprintable():
        # Nearly every line of a log.
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def short_repr(value: object) -> str:
    """The repr of any value in at most 80 characters. Of a large one it is not made as a whole."""
    try:
        return _SHORT.repr(value)[:80]
    except ValueError:
        return "a number of thousands of digits"


def closest_match(name: str, names: Iterable[str]) -> str | None:
    """Find the name that was most likely meant.

    Words count in any order: `neg_min` finds `min_neg`.

    Returns:
        The name, or None if none is near (a `difflib` ratio below 0.6).
    """
    candidates = list(dict.fromkeys(names))
    if near := difflib.get_close_matches(name, candidates, n=1):
        return near[0]
    by_words = {_sorted_words(candidate): candidate for candidate in reversed(candidates)}
    near = difflib.get_close_matches(_sorted_words(name), list(by_words), n=1)
    return by_words[near[0]] if near else None


def did_you_mean(name: str, names: Iterable[str], form: str = "{}") -> str:
    """The hint for an unknown name: ` Did you mean 'min_neg'?`, or "" if no name is near.

    Args:
        name: The unknown name.
        names: The known ones.
        form: What to suggest, where `{}` stands for the closest match.
    """
    near = closest_match(name, names)
    return f" Did you mean {form.format(near)!r}?" if near is not None else ""


def sentences_of(text: str) -> list[str]:
    """Split a text after each sentence. Numbers, suffixes of files and abbreviations end none."""
    return SENTENCE_END.split(text)


def beginning_of(text: str, most: int) -> str:
    """As many whole sentences of a text as fit into `most` characters; of a longer first one, as many words."""
    first, *others = sentences_of(text)
    for sentence in others:
        if len(first) + len(sentence) + 1 > most:
            break
        first += f" {sentence}"
    return first if len(first) <= most else f"{first[:most].rpartition(' ')[0] or first[: most - 1]} …"


def no_attribute(owner: object, name: str, use: str) -> AttributeError:
    """The error of `__getattr__` for an attribute that does not exist, with what to use in its place; "" if nothing."""
    hint = f"; use {use}" if use else ""
    return AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=owner)


def plural(number: float, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{number:.12g} {noun}{'' if number == 1 else 's'}"


def never_checked(names: Sequence[str], suffix: str = "") -> str:
    """The beginning of a warning: "min_neg=93 was never checked", or "were" for several names."""
    return f"{', '.join(names)}{suffix} {'was' if len(names) == 1 else 'were'} never checked"


def shell_join(arguments: Iterable[str]) -> str:
    """A command for a POSIX shell, as `shlex.join` makes it, but with readable quotes around single quotes.

    Filters of ffmpeg contain single quotes, for each of which `shlex` writes five characters.
    """

    def quote(argument: str) -> str:
        # In double quotes these characters, and a backslash before one, still have a meaning.
        plain = "'" in argument and not re.search(r'[$`"!]|\\(?:[\\\n]|$)', argument)
        return f'"{argument}"' if plain else shlex.quote(argument)

    return " ".join(map(quote, arguments))


def frame_text(frame: int, time: str, first: int = 0) -> str:
    """A frame by its number in a result, its time, and its number in the reference where frame 0 is another there."""
    details = [*([time] if time else []), *([f"{first + frame} in the reference"] if first else [])]
    return f"frame {frame} ({'; '.join(details)})" if details else f"frame {frame}"


def time_code(seconds: float | Fraction, *, hours: bool = False) -> str:
    """Seconds as m:ss.mmm, or as h:mm:ss.mmm from one hour on or where `hours` are wanted."""
    ms = round(seconds * 1000)
    rest = f"{ms // 1000 % 60:02d}.{ms % 1000:03d}"
    if hours or ms >= 3_600_000:
        return f"{ms // 3_600_000}:{ms // 60_000 % 60:02d}:{rest}"
    return f"{ms // 60_000 % 60}:{rest}"


def _sorted_words(name: str) -> str:
    return "_".join(sorted(name.lower().replace("-", "_").split("_")))
