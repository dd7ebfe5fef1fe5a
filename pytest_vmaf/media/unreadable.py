"""Why a path is not a clip, and the command that makes one of it."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.text import closest_match, plural, printable

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".dpx", ".exr", ".jp2")
#: A folder with more names is not searched for a similar one.
MOST_NAMES = 1000
URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):/+(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
#: Names of streams that can be read only once, while a clip is read several times.
STREAMS = re.compile(r"-|(?:/dev/(?:stdin|fd/\d+)|/proc/(?:self|\d+)/fd/\d+)")
#: What the first bytes of a compressed file are, and the command that expands it.
COMPRESSED = (
    (b"\x1f\x8b", "gzip", "gunzip --keep"),
    (b"\xfd7zXZ\x00", "xz", "unxz --keep"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd --keep"),
    (b"BZh", "bzip2", "bunzip2 --keep"),
    (b"PK\x03\x04", "ZIP", "unzip"),
)
HLS = re.compile(rb"(?:\xef\xbb\xbf)?#EXTM3U")
DASH = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<MPD\b", re.DOTALL)
CONCAT = re.compile(rb"(?:ffconcat version|(?:#[^\n]*\n|\s)*file\s+['\"/\w.\\-])")
WEB_PAGE = re.compile(rb"\s*<(?:!doctype html|html)\b", re.IGNORECASE)
#: WAV, MP3 (with and without ID3), AAC, FLAC, AIFF, AMR.
SOUND = re.compile(rb"RIFF....WAVE|RF64....WAVE|ID3|\xff[\xe2-\xfb]|fLaC|FORM....AIF[FC]|#!AMR", re.DOTALL)
LFS = b"version https://git-lfs.github.com/spec/"


def why_unsuitable(clip: Clip, head: bytes) -> str:
    """Why a file with these first bytes is not a video itself, and what makes one of it; "" for anything else."""
    name, path = clip.name, str(clip.path)
    # Without sound and subtitles, which may not fit into Matroska.
    into = f"-an -sn -c copy {_shell(Path(clip.path.name).with_suffix('.mkv').name)}"
    if HLS.match(head) or DASH.match(head):
        kind = "an HLS playlist" if HLS.match(head) else "a DASH manifest"
        return (
            f"{name} is {kind}, which names other files. Make one file of its best video:\n"
            # ffmpeg finds the segments of a relative path in the wrong folder.
            f"  ffmpeg -i {_shell(str(clip.path.absolute()))} {into}"
        )
    if CONCAT.match(head):
        return (
            f"{name} is a concat script, which names other files. Make one file of them:\n"
            f"  ffmpeg -f concat -safe 0 -i {_shell(path)} {into}"
        )
    for magic, kind, command in COMPRESSED:
        if head.startswith(magic):
            return f"{name} is compressed with {kind}. Expand it first:\n  {command} {_shell(path)}"
    if SOUND.match(head):
        return f"{name} is a sound file, not a video."
    if WEB_PAGE.match(head):
        return f"{name} is a web page, not a video. Look at it in a browser: it may say why the download failed."
    if head.startswith(LFS):
        return f"{name} is a pointer of Git LFS, not the video: Git LFS has not fetched the file yet."
    return ""


def is_stream(clip: Clip) -> bool:
    """Whether the path names an open stream, such as standard input. A file may be called - too."""
    return STREAMS.fullmatch(str(clip.path)) is not None and not (str(clip.path) == "-" and clip.path.is_file())


def why_no_file(clip: Clip) -> str:
    """Why a path is not a regular file, and what makes one of it."""
    path = clip.path
    if clip.in_memory and not path.exists():
        return (
            f"{clip.name} cannot be read any more: its temporary file was removed with the process or call that made "
            "it. Make the clip again, from the frames."
        )
    if is_stream(clip):
        what = (
            "standard input" if str(path) in ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0") else "an open stream"
        )
        return f"{clip.name} is {what}, and a clip is read more than once. Write it to a file first:\n  cat > clip.y4m"
    if path.is_fifo():
        return (
            f"{clip.name} is a named pipe, and a clip is read more than once. Write it to a file first:\n"
            f"  cat {_shell(str(path))} > clip.y4m"
        )
    if path.is_dir():
        return f"{clip.name} is a folder. {_what_in(path, os.listdir(path))}"
    if path.exists():
        return f"{clip.name} is not a regular file."
    if (url := URL.match(str(path))) and not re.fullmatch("[a-z]", url["scheme"], re.IGNORECASE):
        return _why_url(clip, url["scheme"].lower(), url["rest"])
    if re.search(r"[*?\[]", path.name) and path.parent.is_dir():
        names = [match.name for match in path.parent.glob(path.name)]
        if names:
            return (
                f"{clip.name} matches {plural(len(names), 'file')}, and a clip is one file or a sequence of pictures. "
                + (_what_in(path.parent, names, path.name))
            )
        return f"{clip.name} matches no file."
    if hashes := re.search(r"#+", path.name):
        pattern = f"%0{len(hashes[0])}d" if len(hashes[0]) > 1 else "%d"
        written = path.with_name(path.name.replace(hashes[0], pattern, 1))
        return f"{clip.name} does not exist. The number of a picture sequence is written like {str(written)!r}."
    if path.is_symlink():
        return f"{clip.name} is a link to {printable(os.readlink(path))}, which does not exist."
    names = os.listdir(path.parent) if path.parent.is_dir() else []
    hint = _similar_name(path, names) if len(names) <= MOST_NAMES else ""
    where = "" if path.is_absolute() else f"\n  The working directory is {printable(os.getcwd())}."
    return f"{clip.name} does not exist.{printable(hint)}{where}"


def _similar_name(path: Path, names: Sequence[str]) -> str:
    """The hint for a file that does not exist: a name that is near, whatever its suffix."""
    stems = {Path(name).stem: name for name in sorted(names, reverse=True)}
    if path.suffix in {Path(name).suffix for name in names}:
        stems.update({Path(name).stem: name for name in names if Path(name).suffix == path.suffix})
    near = closest_match(path.stem, stems)
    return f" Did you mean {stems[near]!r}?" if near is not None else ""


def sequence_of(path: Path) -> tuple[Path, int] | None:
    """The pattern of the numbered sequence that a picture belongs to, and how many it has. None for a single one."""
    patterns = _patterns(path.parent, os.listdir(path.parent) if path.parent.is_dir() else [])
    own = [(pattern, count) for pattern, count in patterns.items() if _belongs(path.name, pattern)]
    return (path.parent / own[0][0], own[0][1]) if own and own[0][1] > 1 else None


def _why_url(clip: Clip, scheme: str, rest: str) -> str:
    # A path has lost one of the two slashes.
    url = f"{scheme}://{rest}"
    if scheme == "file":
        return f"{printable(f'file:///{rest}')} is a URL. Pass the path: {printable(f'/{rest}')}"
    advice = f"{printable(url)} is a URL, not a local file. Download it first"
    if scheme not in ("http", "https", "ftp"):
        return f"{advice}."
    stem = Path(rest.partition("?")[0]).stem or "clip"
    return f"{advice}:\n  ffmpeg -i {_shell(url)} -an -sn -c copy {_shell(stem + '.mkv')}"


def _what_in(folder: Path, names: list[str], glob: str = "") -> str:
    """What to pass instead of a folder, or of a pattern that a shell would expand."""
    patterns = _patterns(folder, names)
    if patterns:
        pattern, count = max(patterns.items(), key=lambda item: item[1])
        return f"The sequence of its {count} pictures is\n  Clip({printable(repr(str(folder / pattern)))})"
    pictures = sorted(name for name in names if name.lower().endswith(PICTURE_SUFFIXES))
    if len(pictures) > 1:
        suffix = Path(pictures[0]).suffix
        every = _shell(str(folder / (glob or f"*{suffix}")))
        return (
            "Its pictures are not numbered one by one. Make a video of them, in the order of their names:\n"
            f"  ffmpeg -pattern_type glob -i {every} -c:v ffv1 pictures.mkv"
        )
    # A manifest stands for its segments.
    files = sorted(
        (name for name in names if (folder / name).is_file()),
        key=lambda name: (not name.endswith((".m3u8", ".mpd")), name),
    )
    return f"Name one of its files, for example {printable(str(folder / files[0]))}" if files else "It has no files."


def _patterns(folder: Path, names: list[str]) -> dict[str, int]:
    """The patterns of picture sequences without gaps among these names, with the number of their files."""
    numbers: dict[str, set[int]] = {}
    for name in names:
        match = re.fullmatch(r"(?P<before>.*?)(?P<digits>\d+)(?P<after>\D*\.\w+)", name)
        if match and name.lower().endswith(PICTURE_SUFFIXES) and "%" not in name:
            digits = match["digits"]
            width = f"0{len(digits)}" if digits.startswith("0") or len(digits) > 1 else ""
            numbers.setdefault(f"{match['before']}%{width}d{match['after']}", set()).add(int(digits))
    # Numbers without leading zeros have several widths.
    widths = Counter(re.sub(r"%\d*d", "%d", pattern) for pattern in numbers)
    for pattern in [each for each in numbers if widths[re.sub(r"%\d*d", "%d", each)] > 1]:
        some = numbers.pop(pattern)
        numbers.setdefault(re.sub(r"%\d*d", "%d", pattern), set()).update(some)
    return {pattern: len(each) for pattern, each in numbers.items() if len(each) == max(each) - min(each) + 1 > 1}


def _belongs(name: str, pattern: str) -> bool:
    before, after = re.split(r"%\d*d", pattern)
    return re.fullmatch(re.escape(before) + r"\d+" + re.escape(after), name) is not None


def _shell(text: str) -> str:
    return printable(shlex.quote(text))
