"""The project's saliency network: its contract, its stability, and that it finds what it should."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

Map = NDArray[np.float32]
FOLDER = Path(__file__).parents[2] / "model" / "training"
FILE = FOLDER.parent / "saliency.onnx"
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    """From bytes, so that a network which refers to outside files could not load."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(FILE.read_bytes(), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def saliency(session: onnxruntime.InferenceSession) -> Callable[[NDArray[np.generic]], Map]:
    """saliency(rgb [h,w,3] in 0..255) -> map [h,w]."""

    def run(rgb: NDArray[np.generic]) -> Map:
        frame = (rgb.astype(np.float32) / 255 - MEAN) / DEVIATION
        (out,) = session.run(["saliency_map"], {"input": np.ascontiguousarray(frame.transpose(2, 0, 1)[None])})
        assert out.shape == (1, 1, *rgb.shape[:2])
        assert out.dtype == np.float32
        return np.asarray(out[0, 0])

    return run


@pytest.fixture(scope="module")
def scenes() -> list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Twenty-four rendered scenes with an object, from seeds of three numbers; those of training have two."""
    sys.path.insert(0, str(FOLDER))
    try:
        module = importlib.import_module("scenes")
    finally:
        sys.path.remove(str(FOLDER))
    rendered = (module.render(np.random.default_rng([99, 1, index])) for index in range(60))
    chosen = [(frame, truth > 127) for frame, truth in rendered if 0.03 < (truth > 127).mean() < 0.6][:24]
    assert len(chosen) == 24
    return chosen


def pearson(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    return float(np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1])


def centre_prior(shape: tuple[int, ...]) -> NDArray[np.float64]:
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return np.exp(-2 * (x * x + y * y))


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_the_file_is_small_and_complete() -> None:
    assert FILE.stat().st_size <= 2_000_000
    assert not list(FILE.parent.glob("*.data")), "weights must be inside the file"


def test_names_types_and_working_size(session: onnxruntime.InferenceSession) -> None:
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape[:2]) == ("input", "tensor(float)", [1, 3])
    assert (made.name, made.type, made.shape[:2]) == ("saliency_map", "tensor(float)", [1, 1])
    assert all(isinstance(side, str) for side in (*given.shape[2:], *made.shape[2:])), "height and width are dynamic"
    metadata = session.get_modelmeta().custom_metadata_map
    width, height = int(metadata["working_width"]), int(metadata["working_height"])
    assert width / height == pytest.approx(16 / 9, rel=0.05)
    assert 64 <= height <= 288


@pytest.mark.parametrize(
    ("height", "width"),
    [(16, 16), (17, 31), (101, 203), (324, 576), (576, 324), (480, 854), (854, 480), (1, 1), (16, 900), (900, 16)],
)
def test_any_size_gives_a_finite_map_of_that_size(saliency: Callable[..., Map], height: int, width: int) -> None:
    out = saliency(noise(height, width))
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_flat_frame_gives_a_finite_map_in_range(saliency: Callable[..., Map], level: int) -> None:
    out = saliency(np.full((144, 256, 3), level, np.uint8))
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1


def test_the_same_frame_gives_the_same_map(saliency: Callable[..., Map]) -> None:
    frame = noise(90, 160)
    assert np.array_equal(saliency(frame), saliency(frame))


def test_the_map_is_the_same_from_a_frame_scaled_to_the_working_size(
    saliency: Callable[..., Map], bunny: Path, ffmpeg: str
) -> None:
    large = next(frames(ffmpeg, bunny, 1280, 720))
    small = next(frames(ffmpeg, bunny, 224, 128))
    shrunk = saliency(large)[2::5, 2::5]
    rows = np.arange(shrunk.shape[0]) * 128 // shrunk.shape[0]
    columns = np.arange(shrunk.shape[1]) * 224 // shrunk.shape[1]
    assert pearson(shrunk, saliency(small)[rows][:, columns]) > 0.97


def test_one_pixel_of_shift_and_noise_do_not_make_it_flicker(
    saliency: Callable[..., Map], scenes: list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]
) -> None:
    shifts, noises = [], []
    for frame, _ in scenes:
        large = frame.repeat(3, 0).repeat(3, 1)
        still = saliency(large)
        moved = saliency(np.roll(large, 1, 1))
        shifts.append(np.abs(moved[:, 1:] - still[:, :-1]).mean())
        noisy = large + np.random.default_rng(1).normal(0, 4, large.shape)
        noises.append(np.abs(saliency(np.clip(noisy, 0, 255)) - still).mean())
    assert np.mean(shifts) < 0.01
    assert max(shifts) < 0.03
    assert np.mean(noises) < 0.02


def test_rendered_objects_stand_out_more_than_from_a_centre_prior(
    saliency: Callable[..., Map], scenes: list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]
) -> None:
    maps = [saliency(frame) for frame, _ in scenes]
    inside = [out[truth].mean() > out[~truth].mean() for out, (_, truth) in zip(maps, scenes, strict=True)]
    ours = np.mean([pearson(out, truth) for out, (_, truth) in zip(maps, scenes, strict=True)])
    centre = np.mean([pearson(centre_prior(truth.shape), truth) for _, truth in scenes])
    assert np.mean(inside) >= 0.9
    assert ours > centre + 0.15


def test_it_follows_the_object_not_the_centre(saliency: Callable[..., Map]) -> None:
    """The same red disc on a grey gradient, left and right."""
    y, x = np.mgrid[:144, :256]
    ground = np.repeat((90 + 0.3 * y)[..., None], 3, 2)
    for centre in (64, 192):
        disc = (x - centre) ** 2 + (y - 76) ** 2 < 30**2
        out = saliency(np.where(disc[..., None], np.array([200, 40, 40]), ground))
        assert out[disc].mean() > 2 * out[disc[:, ::-1]].mean()


def frames(ffmpeg: str, clip: Path, width: int, height: int, every: int = 12) -> Iterator[NDArray[np.uint8]]:
    chain = f"select='not(mod(n,{every}))',scale={width}:{height}:flags=area,format=rgb24"
    argv = [ffmpeg, "-v", "error", "-i", str(clip), "-vf", chain, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    raw = subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout
    return iter(np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3))


def test_the_large_character_of_a_film_stands_out_from_sky_and_borders(
    saliency: Callable[..., Map], bunny: Path, ffmpeg: str
) -> None:
    """From the fifth second on Big Buck Bunny stands left of the middle, before grass and under a bright sky."""
    maps = [saliency(frame) for frame in frames(ffmpeg, bunny, 448, 256)][5:]
    assert len(maps) > 4
    for out in maps:
        body = out[60:200, 130:200].mean()
        border = np.concatenate([out[:12].ravel(), out[-12:].ravel(), out[:, :12].ravel(), out[:, -12:].ravel()]).mean()
        assert body > 2 * border
        assert body > 1.2 * out[:80, 380:].mean()


def test_within_a_shot_the_map_moves_little(saliency: Callable[..., Map], bunny: Path, ffmpeg: str) -> None:
    """Between neighbouring frames, where little moves, the map moves little."""
    maps = [saliency(frame) for frame in list(frames(ffmpeg, bunny, 448, 256, every=1))[60:90]]
    changes = [np.abs(a - b).mean() for a, b in itertools.pairwise(maps)]
    assert np.mean(changes) < 0.02


def test_two_trainings_from_a_seed_write_the_same_file(tmp_path: Path) -> None:
    for module in ("torch", "onnx"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed; pip install torch onnx to run this")
    written = []
    for name in ("one.onnx", "two.onnx"):
        argv = [sys.executable, str(FOLDER / "make_saliency.py"), "--scenes", "4", "--steps", "2", "--batch", "2"]
        argv += ["--workers", "1", "--output", str(tmp_path / name)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    onnxruntime.InferenceSession(written[0], providers=["CPUExecutionProvider"])
