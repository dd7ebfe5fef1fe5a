"""The keywords of Vmaf's methods as typed dictionaries, so that editors complete them and mypy finds typos.

The gate grammar forms more names than are listed here. Give those as `gates={"min_psnr_hvs_p5": 38}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypedDict

from pytest_vmaf.api.agreement_keywords import AgreementOptions, AgreeOptions
from pytest_vmaf.api.encode_keywords import (
    BitrateOptions as BitrateOptions,
    EncodeOptions as EncodeOptions,
    EncoderLike as EncoderLike,
    EncoderOptions as EncoderOptions,
    PathLike as PathLike,
)
from pytest_vmaf.api.executor_keywords import ExecutorOptions
from pytest_vmaf.api.stream_keywords import StreamExpectations as StreamExpectations, StreamSettings as StreamSettings
from pytest_vmaf.encoding.rate_modes import Mode
from pytest_vmaf.metrics.metric import MetricLike
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisection import Bisection

#: The limit of a gate; None switches the gate off.
Limit = float | None
#: How much worse than its baseline a metric may be: a number, or a share such as "2%"; None switches it off.
ToleranceLimit = float | str | None


class Settings(TypedDict, total=False):
    """The settings of every measurement.

    Attributes:
        model: `"auto"` (by the reference's size and, for v1, its frame rate), a built-in name, or the path of a JSON
            file.
        generation: The generation of the automatic model, `"v0"` or `"v1"`. v1 is scored in 10 bit, as Netflix advises;
            a model that is named scores the samples as they are.
        phone: Score for viewing on a phone.
        features: Further features, for example `["psnr", "xpsnr", "adm"]`; some have options:
            `["cambi=enc_width=960:enc_height=540"]`.
        metrics: Metrics of plugins to measure as well: a `Metric` or a `ClipMetric`, the name of one that a plugin has,
            or the path of an ONNX file (`"lpips.onnx"`, with its direction `"lpips.onnx:lower"`).
        scale: The scaler that brings a smaller distorted clip to the reference's size, for example `"bicubic"`.
        part: Read only this part of each clip: its start and its length, in frames (`(100, 48)`) or in seconds (`("4s",
            "2s")`). It does not apply to a `Clip` with a part of its own, nor to an `Encode`, which is of the part
            already.
        align: Skip frames that only one of the clips has at its start.
        match_rate: If the frame rates differ, drop and double frames of the reference as the distorted clip does. Each
            frame is found by its picture, and the notes say how many were dropped and doubled.
        allow: Properties that are refused by default: `"hdr"`, `"interlaced"`, `"frame_rate"`, `"time_stamps"`,
            `"display"` (pictures that are shown in other shapes), `"rotation"`, `"displaced"` (frames that show another
            frame of the reference), `"same"` (a reference against itself, in `check`); and `"order"`, which silences
            the warning about the order of the clips.
        signs: Whether to measure signs of the picture, and to check their default gates.
        scorer: The scorer's name ("ffmpeg", "vmaf", "pyav" or a plugin's), or a `Scorer`.
        ffmpeg: The path of the ffmpeg to use.
        vmaf_bin: The path of Netflix's vmaf tool, for `scorer="vmaf"`.
        require: What must measure, for example `"libvmaf>=3.2, ffmpeg=n9.0.2, model=vmaf_v0.6.1"`; another build is an
            error. `FakeScorer` meets no requirement.
        threads: Threads of libvmaf.
        timeout: Time limit per measurement, in seconds.
        cache: Whether to use the cache of scores and encodes.
        cache_dir: The cache's folder.
        cache_size: The cache's limit, in bytes or as `"2G"`.
    """

    model: PathLike | None
    generation: Literal["v0", "v1"] | None
    phone: bool | None
    features: str | Sequence[str] | None
    metrics: MetricLike | Sequence[MetricLike] | None
    scale: Literal["bicubic", "bilinear", "lanczos", "spline", "neighbor", "area"] | None
    part: str | tuple[int | float | str, int | float | str | None] | None
    align: bool | None
    match_rate: bool | None
    allow: str | Sequence[str] | None
    signs: bool | None
    scorer: str | Scorer | None
    ffmpeg: PathLike | None
    vmaf_bin: PathLike | None
    require: str | None
    threads: int | None
    timeout: float | None
    cache: bool | None
    cache_dir: PathLike | None
    cache_size: int | str | None


class CheckSettings(Settings, total=False):
    """Settings, and the usual gates and tolerances.

    Attributes:
        gates: Gates and tolerances whose names are not listed, by name.
        baseline: Compare with a baseline: True, or the baseline's name.
        stream: What is expected of the encode's stream beside numbers, for example
            `{"codec": "h264", "closed_gop": True}`.
    """

    gates: Mapping[str, float | str | bool | None] | None
    baseline: bool | str | None
    above_100: bool | int | None
    max_above_100: bool | int | None
    stream: StreamExpectations | None
    max_bitrate: Limit
    min_bitrate: Limit
    max_size: Limit
    max_peak_bitrate: Limit
    max_keyframe_distance: Limit
    max_level: float | str | None
    min_vmaf: Limit
    min_vmaf_min: Limit
    min_vmaf_p1: Limit
    min_vmaf_p5: Limit
    min_vmaf_p10: Limit
    min_vmaf_harmonic_mean: Limit
    max_vmaf_stdev: Limit
    min_neg: Limit
    min_neg_min: Limit
    min_neg_p1: Limit
    min_neg_p5: Limit
    min_neg_p10: Limit
    min_neg_harmonic_mean: Limit
    max_neg_stdev: Limit
    max_colour_loss: Limit
    max_colour_loss_max: Limit
    max_colour_shift: Limit
    max_level_shift: Limit
    max_level_shift_max: Limit
    max_contrast: Limit
    max_contrast_loss: Limit
    max_patch: Limit
    max_lag: Limit
    max_colour_matrix: Limit
    max_colour_lag: Limit
    max_collapse: Limit
    max_enhancement: Limit
    max_gap: Limit
    max_gap_max: Limit
    max_gap_p5: Limit
    min_psnr_y: Limit
    min_psnr_y_min: Limit
    min_psnr_y_p5: Limit
    min_psnr_cb: Limit
    min_psnr_cb_min: Limit
    min_psnr_cb_p5: Limit
    min_psnr_cr: Limit
    min_psnr_cr_min: Limit
    min_psnr_cr_p5: Limit
    min_xpsnr_y: Limit
    min_xpsnr_y_min: Limit
    min_xpsnr_y_p5: Limit
    min_psnr_hvs: Limit
    min_psnr_hvs_min: Limit
    min_psnr_hvs_p5: Limit
    min_float_ssim: Limit
    min_float_ssim_min: Limit
    min_float_ssim_p5: Limit
    min_float_ms_ssim: Limit
    min_float_ms_ssim_min: Limit
    min_float_ms_ssim_p5: Limit
    min_ciede2000: Limit
    min_ciede2000_min: Limit
    min_ciede2000_p5: Limit
    max_cambi: Limit
    max_cambi_max: Limit
    max_drop: ToleranceLimit
    max_drop_min: ToleranceLimit
    max_drop_p1: ToleranceLimit
    max_drop_p5: ToleranceLimit
    max_drop_p10: ToleranceLimit
    max_vmaf_drop: ToleranceLimit
    max_vmaf_drop_p5: ToleranceLimit
    max_gap_rise: ToleranceLimit
    max_psnr_y_drop: ToleranceLimit
    max_psnr_cb_drop: ToleranceLimit
    max_psnr_cr_drop: ToleranceLimit
    max_xpsnr_y_drop: ToleranceLimit
    max_float_ssim_drop: ToleranceLimit
    max_cambi_rise: ToleranceLimit


class RoiSettings(CheckSettings, total=False):
    """The settings and gates of `vmaf.roi`."""

    min_roi: Limit
    min_roi_min: Limit
    min_roi_p5: Limit
    min_vmaf_roi: Limit
    min_neg_roi: Limit
    min_neg_roi_min: Limit
    min_neg_roi_p5: Limit
    min_vmaf_masked: Limit
    min_neg_masked: Limit
    min_neg_masked_min: Limit
    min_neg_masked_p5: Limit
    min_mask_coverage: Limit
    max_gap_masked: Limit
    max_neg_masked_drop: ToleranceLimit
    max_neg_roi_drop: ToleranceLimit


class MapSettings(CheckSettings, total=False):
    """The settings and gates of `vmaf.quality_map`."""

    min_neg_tile: Limit
    min_neg_tile_min: Limit
    min_neg_tile_p5: Limit
    min_neg_salient: Limit
    min_neg_salient_min: Limit
    min_neg_salient_p5: Limit
    max_gap_tile: Limit
    max_neg_tile_drop: ToleranceLimit
    max_neg_salient_drop: ToleranceLimit


class EncodeSettings(Settings, EncodeOptions, BitrateOptions, total=False):
    """The settings of `vmaf.encode`."""


class SweepSettings(Settings, ExecutorOptions, total=False):
    """The settings of `vmaf.sweep`: those of its measurements, and of every encode.

    Attributes:
        arguments: Further arguments of the encoders, as a string or a list.
        pix_fmt: The pixel format to encode in.
        mode: As in `EncodeOptions`.
        bitrates: For the modes of bitrates: kbit/s, in place of `crfs`.
        crf_step: As in `EncodeOptions`.
        sample: Encode so many seconds from the middle of each source.
    """

    arguments: str | Sequence[str]
    pix_fmt: str | None
    mode: Mode | None
    bitrates: Iterable[int] | None
    crf_step: float | None
    sample: float | None


class SearchOptions(EncodeOptions, total=False):
    """The options of a search, beside those of its encodes.

    Attributes:
        metric: The metric of the targets: `"neg"`, `"vmaf"`, `"psnr_y"` …, with `.p5` or another pool.
        crf: The window that is searched, the smaller number first. None as one of them is the end of the scale.
        bitrate: The window in kbit/s, for the modes of bitrates. Without a mode it means one pass.
        sample: Search on so many seconds from the middle of the source.
        start: Where an earlier search ended: `{96: 27}`, or what it returned.
        keep: The folder that stores the encodes of the answers.
        workers: Trial encodes at once.
        repeats: How often the answers are encoded in all, to measure the encoder's own noise (`vmaf.bisect` only).
    """

    metric: str
    crf: tuple[float | None, float | None] | None
    bitrate: tuple[int | None, int | None] | None
    sample: float | None
    start: Mapping[float, float] | Bisection | None
    keep: PathLike | None
    workers: int
    repeats: int


class SearchSettings(Settings, SearchOptions, ExecutorOptions, total=False):
    """The settings of a search: those of its measurements, and its own options."""


class BisectSettings(SearchSettings, AgreeOptions, total=False):
    """The settings of `vmaf.bisect`, with its baseline and the tolerances on it."""

    baseline: bool | str | None
    gates: Mapping[str, float | str | bool | None] | None
    max_bitrate_rise: ToleranceLimit
    max_crf_drop: ToleranceLimit
    max_crf_rise: ToleranceLimit


class CompareSettings(SearchSettings, AgreementOptions, total=False):
    """The settings of `vmaf.compare`, with its baseline and the tolerance on it."""

    baseline: bool | str | None
    gates: Mapping[str, float | str | bool | None] | None
    max_bd_rate_rise: ToleranceLimit
