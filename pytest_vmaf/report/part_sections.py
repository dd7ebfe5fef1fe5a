"""Sections of a report about parts of the picture: regions, what is salient, and tiles."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.report.frame_pictures import TIMEOUT, worst_pictures
from pytest_vmaf.report.schema import MOST_BOXES
from pytest_vmaf.report.sections import Chart, DataTable, HeatMap, Line, Paragraph, Section, Shown
from pytest_vmaf.report.series import frames_per_bucket
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score

if TYPE_CHECKING:
    from pytest_vmaf.roi.masked_score import RoiResult
    from pytest_vmaf.roi.quality_map import QualityMap

#: Points of a line, and values of a heat map, that a page still shows at once.
POINTS, VALUES = 200, 40_000
#: Frames of a heat map that can be chosen without scripts.
CHOSEN = 8
#: What salient parts are tinted with, as ffmpeg takes it, and how strongly at most.
TINT, STRENGTH = "0xff3020", 0.7

Pair = tuple[Clip, Clip]
#: x, y, width and height in pixels.
Box = tuple[int, int, int, int]


def regions_section(
    result: Result, where: Mapping[str, str], boxes: Callable[[int], Mapping[str, Box]], clips: Pair, pictures: int
) -> Section:
    """NEG of each region beside the whole picture's over time, and where they lie in the worst frame of the worst.

    ``where`` says it of each region in a few letters, ``boxes`` of a scored frame in pixels.
    """
    rows = [
        (name, where, f"{one.vmaf:.2f}", f"{one.neg:.2f}", f"{one.gap:.2f}", f"{one.neg.min:.2f}", f"{one.neg.p5:.2f}")
        for name, where, one in (
            ("whole picture", _size(result), result),
            *((name, where[name], one) for name, one in result.regions.items()),
        )
    ]
    lines = [_line("whole picture", result.neg), *(_line(name, one.neg) for name, one in result.regions.items())]
    worst = min(result.regions, key=lambda name: float(result.regions[name].neg))
    frame, value = result.regions[worst].neg.worst()[0]
    shown: list[Any] = []
    if pictures:
        caption = f"NEG of {worst} is lowest here: {value:.2f} in {result.context.time_code(frame)}."
        drawn = [(name, *box) for name, box in boxes(frame).items()]
        # The worst first, so that it is never one of those left out.
        drawn.sort(key=lambda each: each[0] != worst)
        if len(drawn) > MOST_BOXES:
            caption += f" {MOST_BOXES} of {len(drawn)} regions are drawn."
        shown = _frame(result, {}, clips, frame, caption, drawn[:MOST_BOXES])
    return Section(
        f"Regions of {result.context.distorted}",
        [
            DataTable(("region", "pixels", "VMAF", "NEG", "gap", "NEG min", "NEG p5"), rows),
            *([Chart(_unit(result), "NEG", lines, (), "The worst frame of each point.")] if _moves(result) else []),
            *shown,
        ],
    )


def roi_section(found: RoiResult, clips: Pair, pictures: int) -> Section:
    """The whole picture, what the mask keeps and the blend; and what is salient in the worst frame."""
    rows = [
        (name, f"{found[f'vmaf{of}']:.3f}", f"{found[f'neg{of}']:.3f}", "–" if gap is None else f"{gap:.3f}")
        for name, of, gap in (
            ("whole picture", "", found.gap),
            ("masked", "_masked", found.gap_masked),
            (f"roi, weight {found.mask.weight:g}", "_roi", None),
        )
    ]
    frame, value = found.neg_masked.worst()[0]
    lines = [_line("whole picture", found.neg), _line("masked", found.neg_masked), _line("roi", found.neg_roi)]
    shown: list[Any] = []
    if pictures:
        caption = f"NEG of what the mask keeps is lowest here: {value:.2f} in {found.context.time_code(frame)}."
        shown = _frame(found, {}, clips, frame, caption, saliency=found.map_of(frame))
    own = [note.removeprefix("roi: ") for note in found.provenance["notes"] if note.startswith("roi: ")]
    notes = [Paragraph(f"{note[:1].upper()}{note[1:]}.") for note in own]
    return Section(
        f"Salient parts of {found.context.distorted}",
        [
            DataTable(("scored", "VMAF", "NEG", "gap"), rows),
            *notes,
            *([Chart(_unit(found), "NEG", lines, (), "The worst frame of each point.")] if _moves(found) else []),
            *shown,
        ],
    )


def map_section(found: QualityMap, clips: Pair, pictures: int) -> Section:
    """NEG of each tile over time as a heat map, the worst tile of each frame, and the tiles' means."""
    count = len(found.neg.frames)
    size = frames_per_bucket(count, min(600, max(1, VALUES // len(found.tiles))))
    lowest = [value for _, value in found.worst_over_time]
    kept = [min(range(start, min(start + size, count)), key=lowest.__getitem__) for start in range(0, count, size)]
    values = [tile.neg.frames for tile in found.tiles]
    rate = found.context.frame_rate
    frames = [
        (frame, None if rate is None else float(frame / rate), [tile[frame] for tile in values]) for frame in kept
    ]
    worst = sorted(range(len(kept)), key=lambda index: lowest[kept[index]])[:CHOSEN]
    under: dict[int, str] = {}
    said: list[Paragraph] = []
    if pictures:
        rows = [{"metric": "neg", "frame": kept[index], "value": lowest[kept[index]]} for index in worst[:pictures]]
        made, left_out = worst_pictures(_record(found, found.whole, rows), *clips, pictures)
        under = {kept.index(picture["frame"]): picture["distorted"] for picture in made}
        said = [Paragraph(left_out)] if left_out else []
    means = [
        (row, *(f"{found.tile(column, row).neg:.2f}" for column in range(found.columns))) for row in range(found.rows)
    ]
    salient = [f"; weighted by saliency {found.neg_salient:.2f}"] if found.saliency else []
    line = Line("worst tile", [(_time(found, frame), lowest[frame]) for frame in kept])
    return Section(
        f"Quality map of {found.distorted}",
        [
            Paragraph(
                f"NEG of the worst tile, in column {found.worst.column} and row {found.worst.row}, is "
                f"{found.neg_tile:.2f} as a mean over time; all tiles have {found.neg_mean:.2f}{''.join(salient)}."
            ),
            HeatMap(
                found.columns,
                found.rows,
                frames,
                low=min(60.0, *lowest),
                high=100.0,
                metric="NEG",
                caption="NEG of each tile" + (f"; the worst of every {size} frames is kept." if size > 1 else "."),
                worst=worst,
                pictures=under,
                size=(int(found.whole["width"]), int(found.whole["height"])),
            ),
            *said,
            *([Chart(_unit(found), "NEG", [line], (), "The lowest tile of each frame.")] if _moves(found) else []),
            DataTable(("row", *(f"column {column}" for column in range(found.columns))), means, "NEG, mean over time"),
        ],
    )


def _frame(
    result: Result,
    whole: Mapping[str, Any],
    clips: Pair,
    frame: int,
    caption: str,
    boxes: Sequence[tuple[str, int, int, int, int]] = (),
    saliency: tuple[bytes, int, int] | None = None,
) -> list[Shown | Paragraph]:
    """A frame of both clips, the reference's tinted where it is salient. What keeps it from being made is said."""
    record = _record(result, whole, [{"metric": "neg", "frame": frame, "value": 0.0}])
    made, left_out = worst_pictures(record, *clips, 1)
    if not made:
        return [Paragraph(left_out or "There is no picture.")]
    picture = made[0]
    shown = [("reference", picture["reference"]), ("distorted", picture["distorted"])]
    if saliency is not None:
        tinted = _tinted(picture, saliency, result.provenance["ffmpeg_path"])
        shown[0] = ("reference, tinted where it is salient", tinted)
    sides = picture["width"], picture["height"], picture["full_width"], picture["full_height"]
    return [Shown(shown, *sides, caption, boxes)]


def _tinted(picture: Mapping[str, Any], saliency: tuple[bytes, int, int], ffmpeg: str) -> str:
    """The reference's picture with a colour over it, the stronger the more salient. Raises ScorerError."""
    content, across, down = saliency
    width, height = picture["width"], picture["height"]
    graph = (
        f"[1:v]scale={width}:{height}:flags=bicubic,format=gray,lut=y=val*{STRENGTH}[mask];"
        f"color=c={TINT}:s={width}x{height}:r=1,format=gbrp[colour];[colour][mask]alphamerge[tint];"
        "[0:v]format=gbrp[picture];[picture][tint]overlay=format=gbrp:shortest=1,"
        "scale=out_color_matrix=bt601:out_range=pc,format=yuvj444p[out]"
    )
    with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
        Path(folder, "mask.raw").write_bytes(content)
        Path(folder, "picture.jpg").write_bytes(base64.b64decode(picture["reference"]))
        argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-f", "jpeg_pipe", "-i", "picture.jpg"]
        argv += ["-f", "rawvideo", "-pixel_format", "gray", "-video_size", f"{across}x{down}", "-i", "mask.raw"]
        argv += ["-filter_complex", graph, "-map", "[out]", "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "4"]
        end = run(FfmpegCommand((*argv, "-f", "image2", "-update", "1", "tinted.jpg"), cwd=folder), TIMEOUT)
        tinted = Path(folder, "tinted.jpg")
        if end.returncode != 0 or not tinted.exists():
            raise ScorerError(f"The saliency could not be drawn.\n{end.explain()}")
        return base64.b64encode(tinted.read_bytes()).decode("ascii")


def _record(result: Result, whole: Mapping[str, Any], worst: list[dict[str, Any]]) -> dict[str, Any]:
    rate = result.context.frame_rate
    made = {**result.provenance, **whole}
    return {"worst": worst, "provenance": made, "frame_rate": None if rate is None else str(rate)}


def _line(name: str, score: Score) -> Line:
    """A score over time, the worst frame of every few where there are many."""
    frames, size = score.frames, frames_per_bucket(len(score.frames), POINTS)
    rate = score.context.frame_rate
    points = []
    for start in range(0, len(frames), size):
        points.append((start if rate is None else float(start / rate), min(frames[start : start + size])))
    return Line(name, points)


def _time(result: Result, frame: int) -> float:
    rate = result.context.frame_rate
    return float(frame if rate is None else frame / rate)


def _unit(result: Result) -> str:
    return "frame" if result.context.frame_rate is None else "s"


def _moves(result: Result) -> bool:
    return len(result.neg.frames) > 1


def _size(result: Result) -> str:
    return f"{result.provenance['width']}x{result.provenance['height']}"
