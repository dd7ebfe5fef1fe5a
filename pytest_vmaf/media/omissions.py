"""Omissions: what is not scored of a clip, in words."""

from __future__ import annotations

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.part import describe_part
from pytest_vmaf.media.unreadable import sequence_of


def is_single(video: Video) -> bool:
    """Whether this is one still picture, and not a sequence."""
    return video.is_picture and not video.clip.is_sequence


def part_note(what: str, start: int, frames: int | None) -> str:
    """Which frames of a clip are scored, and that those of the result are counted from the first of them."""
    return f"{what}: {describe_part(start, frames)}; frame 0 of the result is frame {start} of the clip"


def omission_notes(video: Video, what: str) -> list[str]:
    """What is not scored of a clip, in words."""
    notes = []
    if video.streams > 1:
        ordinal = "the first" if not video.stream else f"stream {video.stream}"
        which = ", which players show," if video.clip.stream is None and ", default" in video.tracks else ""
        how = f"Clip(path, stream={0 if video.stream else 1}) selects another"
        notes.append(f"{what} has {video.streams} video streams ({video.tracks}); {ordinal}{which} is scored; {how}")
    if is_single(video) and (sequence := sequence_of(video.clip.path)):
        notes.append(f"{what} is one picture of {sequence[1]}; {Clip(sequence[0]).spelled()} is all of them")
    if video.format.has_alpha:
        notes.append(f"{what} has transparency ({video.pix_fmt}), which is ignored")
    if video.film_grain == "VVC":
        notes.append(f"{what} describes film grain, which ffmpeg does not add to VVC")
    elif video.film_grain and video.clip.film_grain:
        notes.append(
            f"{what} is scored with the film grain ({video.film_grain}) that decoders add; "
            "Clip(path, film_grain=False) (--no-film-grain) scores it without"
        )
    elif video.film_grain:
        notes.append(f"{what} is scored without its film grain ({video.film_grain})")
    return notes
