"""Suite: what a manifest contains, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.rate_modes import keyword_of
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.settings import Layer
from pytest_vmaf.suite.file_hash import check_hash


@dataclass(frozen=True)
class SuiteClip:
    """A clip of a suite.

    Attributes:
        name: Its name in test ids.
        clip: The file, and what the manifest states about it.
        hash: The expected hash with its algorithm ("sha256:…"); "" if the manifest says "unchecked".
        groups: The groups that it belongs to.
        place: File and line of the manifest, for messages.
        layer: The settings and gates of every test of this clip.
    """

    name: str
    clip: Clip
    hash: str
    groups: tuple[str, ...]
    place: str
    layer: Layer

    def verify(self, cache: Cache | None = None) -> None:
        """Check that the file is there and has its hash.

        Raises:
            ClipError: If it is missing, or another one.
        """
        check_hash(self.clip, self.hash, f"the clip {self.name!r} of {self.place}", cache)


@dataclass(frozen=True)
class SuiteEncode:
    """An entry of `[[encodes]]`: an encoder, and what it is tested with.

    Attributes:
        name: Its name in test ids.
        encoder: The encoder.
        crfs: The CRFs to encode at, or none.
        targets: The targets of a bisection, or none.
        options: Options of every encode by their names in `Vmaf.encode`: preset, arguments, pix_fmt.
        search: Further options of the bisection by their names in `Vmaf.bisect`.
    """

    name: str
    encoder: Encoder
    crfs: tuple[float, ...]
    targets: tuple[float, ...]
    options: Mapping[str, Any]
    search: Mapping[str, Any]


@dataclass(frozen=True)
class SuitePair:
    """An entry of `[[pairs]]`: encodes that exist already.

    Attributes:
        name: Its name in test ids.
        folder: The folder of the manifest.
        distorted: The path, relative to the folder, in which {clip} and {crf} stand for the test's.
        fields: What the manifest states about the files, by their names in `Clip`.
        hash: The expected hash with its algorithm, "" if it has none.
        crfs: The values of {crf}, or none.
    """

    name: str
    folder: Path
    distorted: str
    fields: Mapping[str, Any]
    hash: str
    crfs: tuple[float, ...]

    def clip_of(self, test: SuiteTest) -> Clip:
        """The encode that a test checks."""
        crf = "" if test.crf is None else f"{test.crf:.12g}"
        text = self.distorted.replace("{clip}", test.clip.name).replace("{crf}", crf)
        return Clip(self.folder / text, **self.fields)


@dataclass(frozen=True)
class SuiteTest:
    """One test.

    Attributes:
        name: Its name within its entry, for example "bunny-28".
        entry: The entry of the manifest.
        clip: The reference.
        crf: The CRF; None for bisections and for pairs without CRFs.
        layers: Settings and gates, the nearest first.
        marks: The names of its marks: the clip's groups, and the markers of the suite and of the entry.
        report_only: Report-only mode, None if the manifest does not set it.
        line: The line of the entry.
    """

    name: str
    entry: SuiteEncode | SuitePair
    clip: SuiteClip
    crf: float | None
    layers: tuple[Layer, ...]
    marks: tuple[str, ...]
    report_only: bool | None
    line: int

    @property
    def id(self) -> str:
        """The end of its node id."""
        return f"{self.entry.name}::{self.name}"


@dataclass(frozen=True)
class Suite:
    """A manifest that was read. `pytest_vmaf.read_suite(path)` makes it.

    Attributes:
        path: The manifest.
        clips: The clips, in the order of the manifest.
        tests: The tests, in the order of the manifest.
    """

    path: Path
    clips: tuple[SuiteClip, ...]
    tests: tuple[SuiteTest, ...]

    def verify(self, cache: Cache | None = None) -> None:
        """Check that every clip is there and has its hash. Raises ClipError for the first that has not."""
        for clip in self.clips:
            clip.verify(cache)

    def sweeps(self) -> Iterator[dict[str, Any]]:
        """The grids of the entries with an encoder and CRFs, as the keywords of `Vmaf.sweep` without `output`.

        Clips with other settings are a grid of their own: `for grid in suite.sweeps(): vmaf.sweep(**grid, output=…)`.
        """
        grids: dict[tuple[str, str], tuple[SuiteEncode, dict[str, object], dict[str, Clip]]] = {}
        for test in self.tests:
            if not isinstance(test.entry, SuiteEncode) or test.crf is None:
                continue
            settings: dict[str, object] = {}
            for layer in reversed(test.layers):
                settings |= layer.options
            key = test.entry.name, repr(sorted(settings.items()))
            grids.setdefault(key, (test.entry, settings, {}))[2][test.clip.name] = test.clip.clip
        for entry, settings, clips in grids.values():
            options = dict(entry.options)
            preset = options.pop("preset", None)
            yield {
                "sources": [*clips.values()],
                "encoders": [entry.encoder],
                "presets": [preset],
                f"{keyword_of(entry.encoder.mode)}s": entry.crfs,
                **options,
                **settings,
            }
