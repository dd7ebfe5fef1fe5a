"""Report sections about parts of the picture: regions, salient parts and tiles."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.report.frame_pictures import TIMEOUT, worst_pictures
from pytest_vmaf.report.schema import MOST_BOXES, MOST_FRAMES, Record
from pytest_vmaf.report.sections import Chart, DataTable, HeatMap, Line, Paragraph, Pictures, Section
from pytest_vmaf.report.series import WORST_POINTS, frames_per_bucket, time_axis
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score

if TYPE_CHECKING:
    from pytest_vmaf.roi.masked_score import RoiResult
    from pytest_vmaf.roi.quality_map import QualityMap

#: The most values of a heat map that a page still shows at once.
VALUES = 40_000
#: Frames of a heat map that can be chosen without scripts.
CHOICES = 8
#: The colour of salient parts, as ffmpeg writes it, and its largest opacity.
TINT, OPACITY = "0xff3020", 0.7

Pair = tuple[Clip, Clip]
#: x, y, width and height in pixels.
Box = tuple[int, int, int, int]
NamedBox = tuple[str, int, int, int, int]
#: One byte per pixel, with the width and the height.
Saliency = tuple[bytes, int, int]


def regions_section(
    result: Result, sizes: Mapping[str, str], boxes: Callable[[int], Mapping[str, Box]], clips: Pair, pictures: int
) -> Section:
    """Scores of each region and of the whole picture, and where the regions are in the worst frame of the worst.

    Args:
        result: The result with its regions.
        sizes: The size and place of each region as a short text.
        boxes: The rectangles of the regions in a scored frame.
        clips: The reference and the distorted clip, for the pictures.
        pictures: How many pictures the section may have.
    """
    parts = [("whole picture", f"{result.provenance['width']}x{result.provenance['height']}", result)]
    parts += [(name, sizes[name], one) for name, one in result.regions.items()]
    rows = [
        (name, size, *(f"{score:.2f}" for score in (one.vmaf, one.neg, one.gap, one.neg.min, one.neg.p5)))
        for name, size, one in parts
    ]
    worst = min(result.regions, key=lambda name: float(result.regions[name].neg))
    frame, value = result.regions[worst].neg.worst()[0]
    images: list[Pictures | Paragraph] = []
    if pictures:
        caption = f"NEG of {worst} is lowest here: {value:.2f} in {result.context.time_code(frame)}."
        # The worst first, so that it is never left out.
        named = sorted(((name, *box) for name, box in boxes(frame).items()), key=lambda each: each[0] != worst)
        if len(named) > MOST_BOXES:
            caption += f" {MOST_BOXES} of {len(named)} regions are drawn."
        images = _images(result, clips, frame, caption, named[:MOST_BOXES])
    return Section(
        f"Regions of {result.context.distorted}",
        [
            DataTable(("region", "pixels", "VMAF", "NEG", "gap", "NEG min", "NEG p5"), rows),
            *_chart({name: one.neg for name, _, one in parts}),
            *images,
        ],
    )


def roi_section(result: RoiResult, clips: Pair, pictures: int) -> Section:
    """Scores of the whole picture, the masked picture and their blend, and the salient parts of the worst frame."""
    views = (("whole picture", ""), ("masked", "_masked"), (f"roi, weight {result.mask.weight:g}", "_roi"))
    scores = {metric: f"{score:.3f}" for metric, score in result.scores.items()}
    # A gap is not blended, and the masked picture may have been scored with NEG alone.
    rows = [(name, *(scores.get(f"{metric}{of}", "–") for metric in ("vmaf", "neg", "gap"))) for name, of in views]
    frame, value = result.neg_masked.worst()[0]
    images: list[Pictures | Paragraph] = []
    if pictures:
        caption = f"NEG of the masked picture is lowest here: {value:.2f} in {result.context.time_code(frame)}."
        images = _images(result, clips, frame, caption, saliency=result.map_of(frame))
    notes = [note.removeprefix("roi: ") for note in result.provenance["notes"] if note.startswith("roi: ")]
    return Section(
        f"Salient parts of {result.context.distorted}",
        [
            DataTable(("scored", "VMAF", "NEG", "gap"), rows),
            *(Paragraph(f"{note[:1].upper()}{note[1:]}.") for note in notes),
            *_chart({"whole picture": result.neg, "masked": result.neg_masked, "roi": result.neg_roi}),
            *images,
        ],
    )


def map_section(quality: QualityMap, clips: Pair, pictures: int) -> Section:
    """NEG of each tile over time as a heat map, the worst tile of each frame as a chart, and the means of the tiles."""
    count, tiles = len(quality.worst.neg.frames), quality.tiles
    size = frames_per_bucket(count, min(MOST_FRAMES, max(1, VALUES // len(tiles))))
    lowest = [value for _, value in quality.worst_over_time]
    # Of each bucket of frames the worst.
    frames = [min(range(start, min(start + size, count)), key=lowest.__getitem__) for start in range(0, count, size)]
    values = [tile.neg.frames for tile in tiles]
    rate = quality.context.frame_rate
    unit, time = time_axis(rate)
    cells = [(frame, None if rate is None else time(frame), [tile[frame] for tile in values]) for frame in frames]
    worst = sorted(range(len(frames)), key=lambda index: lowest[frames[index]])[:CHOICES]
    under: dict[int, str] = {}
    left_out: str | None = None
    if pictures:
        rows = [{"metric": "neg", "frame": frames[index], "value": lowest[frames[index]]} for index in worst[:pictures]]
        images, left_out = worst_pictures(_record(quality.whole, rows, quality.whole.provenance), *clips, pictures)
        under = {frames.index(picture["frame"]): picture["distorted"] for picture in images}
    columns = range(quality.columns)
    means = [(row, *(f"{quality.tile(column, row).neg:.2f}" for column in columns)) for row in range(quality.rows)]
    salient = f"; weighted by saliency {quality.neg_salient:.2f}" if quality.saliency else ""
    line = Line("worst tile", [(time(frame), lowest[frame]) for frame in frames])
    chart = [Chart(unit, "NEG", [line], (), "The lowest tile of each frame.")] if count > 1 else []
    return Section(
        f"Quality map of {quality.context.distorted}",
        [
            Paragraph(
                f"The worst tile is in column {quality.worst.column} and row {quality.worst.row}. Its mean NEG "
                f"over time is {quality.neg_tile:.2f}; the whole picture has {quality.whole.neg:.2f}{salient}."
            ),
            HeatMap(
                quality.columns,
                quality.rows,
                cells,
                low=min(60.0, *lowest),
                high=100.0,
                metric="NEG",
                caption="NEG of each tile" + (f", of every {size} frames the worst." if size > 1 else "."),
                worst=worst,
                pictures=under,
                size=(int(quality.whole.provenance["width"]), int(quality.whole.provenance["height"])),
            ),
            *([Paragraph(left_out)] if left_out else []),
            *chart,
            DataTable(("row", *(f"column {column}" for column in columns)), means, "NEG, mean over time"),
        ],
    )


def _chart(scores: Mapping[str, Score]) -> list[Chart]:
    """NEG over time. None for clips of a single frame."""
    first = next(iter(scores.values()))
    count = len(first.frames)
    size = frames_per_bucket(count)
    unit, time = time_axis(first.context.frame_rate)
    lines = []
    for name, score in scores.items():
        # Clipped at each access.
        frames = score.frames
        points = [
            (round(time(start), 3), round(min(frames[start : start + size]), 3)) for start in range(0, count, size)
        ]
        lines.append(Line(name, points))
    return [Chart(unit, "NEG", lines, (), WORST_POINTS)] if count > 1 else []


def _images(
    result: Result, clips: Pair, frame: int, text: str, boxes: Sequence[NamedBox] = (), saliency: Saliency | None = None
) -> list[Pictures | Paragraph]:
    """A frame of both clips, the reference's tinted where it is salient, or a sentence why there is none."""
    images, left_out = worst_pictures(_record(result, [{"metric": "neg", "frame": frame, "value": 0.0}]), *clips, 1)
    if not images:
        return [Paragraph(left_out or "No picture could be made.")]
    image = images[0]
    first = ("reference", image["reference"])
    if saliency is not None:
        first = ("reference, tinted where it is salient", _tint(image, saliency, result.provenance["ffmpeg_path"]))
    sides = image["width"], image["height"], image["full_width"], image["full_height"]
    return [Pictures([first, ("distorted", image["distorted"])], *sides, text, boxes)]


def _tint(picture: Record, saliency: Saliency, ffmpeg: str) -> str:
    """Lay a colour over the reference's picture, the stronger the more salient. Returns a JPEG as base64.

    Raises:
        ScorerError: If ffmpeg fails.
    """
    content, across, down = saliency
    width, height = picture["width"], picture["height"]
    graph = (
        f"[1:v]scale={width}:{height}:flags=bicubic,format=gray,lut=y=val*{OPACITY}[mask];"
        f"color=c={TINT}:s={width}x{height}:r=1,format=gbrp[colour];[colour][mask]alphamerge[tint];"
        "[0:v]format=gbrp[picture];[picture][tint]overlay=format=gbrp:shortest=1,"
        "scale=out_color_matrix=bt601:out_range=pc,format=yuvj444p[out]"
    )
    with scratch_folder() as folder:
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


def _record(result: Result, worst: Sequence[Record], whole: Record | None = None) -> Record:
    """The part of a measurement's record that pictures need. `whole` is about the whole picture, not about a tile."""
    rate = result.context.frame_rate
    provenance = {**result.provenance, **(whole or {})}
    return {"worst": worst, "provenance": provenance, "frame_rate": None if rate is None else str(rate)}
