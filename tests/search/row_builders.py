"""Rows of a sweep that nobody made."""

from __future__ import annotations

from typing import Any

from pytest_vmaf.search.rows import Row, Setup


def a_row(crf: int, neg: float, kbit: float | None = None, **changes: Any) -> Row:
    """A row of libx264 medium with this CRF, NEG and bitrate in kbit/s; `changes` are of its setup."""
    setup = {
        "source": "clip.mkv", "source_hash": "1", "width": 320, "height": 180, "frame_rate": "25",
        "encoder": "libx264", "template": ("-crf", "{crf}"), "program_hash": "2", "larger_is_finer": False,
        "preset": "medium", "arguments": (), "pix_fmt": None, "model": "vmaf_v0.6.1", "neg_model": "vmaf_v0.6.1neg",
        "generation": "v0", "scale": None, "align": False, "allow": (),
        "scorer": "ffmpeg 8", "ffmpeg": "8", "pytest_vmaf": "1",
    } | changes  # fmt: skip
    bitrate = 1000 * (6400 * 2 ** (-crf / 6) if kbit is None else kbit)
    return Row(
        setup=Setup(**setup),
        crf=crf,
        size=int(bitrate),
        frames=200,
        duration=8.0,
        bitrate=bitrate,
        seconds=None,
        libvmaf="3.2.1",
        command="ffmpeg",
        scores={"neg": neg, "vmaf": neg + 2, "gap": 2.0, "neg_p5": neg - 3, "psnr_y": neg / 2, "cambi": 1.0},
    )
