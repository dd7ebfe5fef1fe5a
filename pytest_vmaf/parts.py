"""What of the picture is looked at: the public measurements of salient parts and of tiles."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_vmaf.gates.metrics import MAP_METRICS, ROI_METRICS
from pytest_vmaf.media.clip import Clip

if TYPE_CHECKING:
    from pytest_vmaf.report.sections import Section
    from pytest_vmaf.roi.masked_score import RoiResult
    from pytest_vmaf.roi.quality_map import QualityMap
    from pytest_vmaf.scoring.prepare import MeasureRequest
    from pytest_vmaf.scoring.scorer import Scorer

    Path = str | os.PathLike[str] | Clip


class Parts:
    """The part of :class:`pytest_vmaf.Vmaf` that looks at parts of the picture."""

    _run: Any

    def roi(
        self,
        reference: Path,
        distorted: Path,
        *,
        weight: float = 0.5,
        threshold: float = 0.3,
        fade: float = 0.1,
        saliency: str | os.PathLike[str] | None = None,
        synthetic_mask: float | None = None,
        bt601: bool = False,
        stride: int | None = None,
        **settings: Any,
    ) -> RoiResult:
        """Score the whole picture and its salient part, and blend: (1 − weight) · full + weight · masked.

        The mask is made of the reference by ``saliency``, the path of an ONNX network (None: the one that comes along);
        saliency below ``threshold`` shows the reference, from ``threshold`` + ``fade`` on the distorted clip.
        ``synthetic_mask`` is one saliency for every pixel instead. ``bt601`` shows the network every clip as limited
        BT.601. ``stride`` has it look at one of so many frames, and at each new picture (None: 2 for the one that comes
        along, 1 for others). Returns a RoiResult: ``.vmaf_full .vmaf_masked .vmaf_roi``, the same with
        ``neg_``, ``.gap_masked``, ``.mask_coverage``. The gates of the call and the marker are held, as are
        ``min_roi``, ``min_neg_roi``, ``min_neg_masked`` and the like wherever they were set.

        Raises as :meth:`score`; MaskError where no mask can be made, or where it keeps nothing of any frame.
        """
        __tracebackhide__ = True
        from pytest_vmaf.roi.frame_masks import Mask, read_path
        from pytest_vmaf.roi.masked_score import measure_roi

        def measuring(request: MeasureRequest, scorer: Scorer) -> RoiResult:
            path = read_path("saliency", saliency)
            return measure_roi(request, scorer, Mask(weight, threshold, fade, path, synthetic_mask, bt601, stride))

        def section(result: RoiResult, clips: tuple[Clip, Clip], pictures: int) -> Section:
            from pytest_vmaf.report.part_sections import roi_section

            return roi_section(result, clips, pictures)

        found: RoiResult = self._run(reference, distorted, settings, measuring, extra=ROI_METRICS, section=section)
        return found

    def map(
        self,
        reference: Path,
        distorted: Path,
        *,
        grid: tuple[int, int] = (4, 4),
        saliency: bool | str | os.PathLike[str] | None = False,
        **settings: Any,
    ) -> QualityMap:
        """Score each tile of a grid (columns, rows) on its own, all in one run, to show where quality was lost.

        With ``saliency`` (True, or the path of a network) the tiles are pooled by what is salient in them too. Returns
        a QualityMap: ``.tile(column, row)``, ``.worst``, ``.neg_tile``, ``.neg_salient``. Holds ``min_neg_tile``,
        ``max_gap_tile`` and, with ``saliency``, ``min_neg_salient``. Raises as :meth:`score`; ModelError for tiles that
        are too small.
        """
        __tracebackhide__ = True
        from pytest_vmaf.roi.frame_masks import read_path
        from pytest_vmaf.roi.quality_map import measure_map

        def measuring(request: MeasureRequest, scorer: Scorer) -> QualityMap:
            path = None if isinstance(saliency, bool) else read_path("saliency", saliency)
            return measure_map(request, scorer, grid, saliency not in (False, None), path)

        def section(result: QualityMap, clips: tuple[Clip, Clip], pictures: int) -> Section:
            from pytest_vmaf.report.part_sections import map_section

            return map_section(result, clips, pictures)

        found: QualityMap = self._run(reference, distorted, settings, measuring, extra=MAP_METRICS, section=section)
        return found
