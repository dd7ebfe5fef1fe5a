"""Scores of two encodes of real footage: one worse where people look, the other worse elsewhere.

A window of Big Buck Bunny with the character in it. Both clips are the same good encode; in the one a bad encode stands
in the box around the character, in the other a less bad one stands everywhere else. The box is a fifth to a quarter of
the picture, so the whole picture's scores take the second clip for the worse one or see no difference. Somebody who
watches looks at the character.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_vmaf import Region, Vmaf

FRAMES, WIDTH, HEIGHT = 4, 640, 360
GOOD = 18


@dataclass(frozen=True)
class Shot:
    """A window of the footage, the box (x, y, w, h) around the character, and the CRFs that are bad and less bad."""

    start: int
    box: tuple[int, int, int, int]
    subject_crf: int
    background_crf: int


@dataclass(frozen=True)
class Clips:
    reference: Path
    subject_worse: Path
    background_worse: Path
    box: tuple[int, int, int, int]


#: He stands in front of his burrow and stretches.
SHOT = Shot(55, (88, 12, 210, 300), 42, 36)
#: In VMAF points, by which the order has to be right: a tenth of what a viewer sees as a difference (six points).
CLEARLY = 0.6


@pytest.fixture(scope="module")
def clips(bunny: Path, make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("ranking")
    end = SHOT.start + FRAMES
    cut = f"trim=start_frame={SHOT.start}:end_frame={end},setpts=PTS-STARTPTS,scale={WIDTH}:{HEIGHT}"
    reference = make("-i", bunny, "-vf", cut, "-c:v", "ffv1", folder / "reference.mkv")

    def coded(crf: int) -> Path:
        return make("-i", reference, "-c:v", "libx264", "-crf", crf, folder / f"crf{crf}.mp4")

    def laid(inside: Path, outside: Path, name: str) -> Path:
        x, y, w, h = SHOT.box
        graph = f"[1]crop={w}:{h}:{x}:{y}[box];[0][box]overlay={x}:{y}:format=yuv420"
        output = ("-pix_fmt", "yuv420p", "-c:v", "ffv1", folder / name)
        return make("-i", outside, "-i", inside, "-filter_complex", graph, *output)

    good = coded(GOOD)
    return Clips(
        reference,
        laid(coded(SHOT.subject_crf), good, "subject.mkv"),
        laid(good, coded(SHOT.background_crf), "background.mkv"),
        SHOT.box,
    )


@pytest.mark.slow
def test_region_ranks_by_subject(clips: Clips) -> None:
    vmaf = Vmaf()
    regions = {"character": Region(*clips.box)}
    subject = vmaf.score(clips.reference, clips.subject_worse, regions=regions)
    background = vmaf.score(clips.reference, clips.background_worse, regions=regions)
    assert subject.vmaf >= background.vmaf
    assert subject.neg >= background.neg
    assert subject.regions["character"].vmaf < background.regions["character"].vmaf - 20
    assert subject.regions["character"].neg < background.regions["character"].neg - 20


@pytest.mark.slow
def test_masked_score_ranks_by_subject(clips: Clips) -> None:
    # By the project's own network, at the threshold, the fade and the weight that everybody has by default.
    vmaf = Vmaf()
    subject = vmaf.roi(clips.reference, clips.subject_worse)
    background = vmaf.roi(clips.reference, clips.background_worse)
    assert subject.vmaf_full >= background.vmaf_full
    for score in ("vmaf_roi", "neg_roi", "vmaf_masked", "neg_masked"):
        assert subject[score] < background[score] - CLEARLY, score


@pytest.mark.slow
def test_salient_tiles_rank_by_subject(clips: Clips) -> None:
    vmaf = Vmaf()
    subject = vmaf.quality_map(clips.reference, clips.subject_worse, grid=(8, 5), saliency=True)
    background = vmaf.quality_map(clips.reference, clips.background_worse, grid=(8, 5), saliency=True)
    assert subject.whole.neg >= background.whole.neg
    assert subject.neg_salient < background.neg_salient - CLEARLY
    # The worst tile lies where it was made bad.
    x, y, w, h = clips.box
    worst = subject.worst
    assert x < worst.x + worst.w / 2 < x + w
    assert y < worst.y + worst.h / 2 < y + h
    worst = background.worst
    assert not (x < worst.x + worst.w / 2 < x + w and y < worst.y + worst.h / 2 < y + h)
