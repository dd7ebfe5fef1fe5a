"""The bundled saliency model: its contract, its stability, and the objects that it finds."""

from __future__ import annotations

import functools
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
Scene = tuple[NDArray[np.uint8], NDArray[np.bool_]]
FOLDER = Path(__file__).parents[2] / "model" / "training"
FILE = FOLDER.parent / "saliency.onnx"
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    """From bytes, so that a network which refers to other files cannot load."""
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
def render() -> Callable[[int], list[Scene]]:
    """render(3): rendered scenes with an object, from seeds of three numbers; those of training have two."""
    sys.path.insert(0, str(FOLDER))
    try:
        module = importlib.import_module("scenes")
    finally:
        sys.path.remove(str(FOLDER))

    @functools.cache
    def scenes(count: int) -> list[Scene]:
        rendered = (module.render(np.random.default_rng([99, 1, index])) for index in range(60))
        chosen = ((frame, truth > 127) for frame, truth in rendered if 0.03 < (truth > 127).mean() < 0.6)
        return list(itertools.islice(chosen, count))

    return scenes


def pearson(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    return float(np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1])


def centre_prior(shape: tuple[int, ...]) -> NDArray[np.float64]:
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return np.exp(-2 * (x * x + y * y))


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_file() -> None:
    assert FILE.stat().st_size <= 2_000_000
    assert not list(FILE.parent.glob("*.data")), "weights must be inside the file"


def test_contract(session: onnxruntime.InferenceSession) -> None:
    (source,), (output,) = session.get_inputs(), session.get_outputs()
    assert (source.name, source.type, source.shape[:2]) == ("input", "tensor(float)", [1, 3])
    assert (output.name, output.type, output.shape[:2]) == ("saliency_map", "tensor(float)", [1, 1])
    assert all(isinstance(side, str) for side in (*source.shape[2:], *output.shape[2:])), "sizes are dynamic"
    metadata = session.get_modelmeta().custom_metadata_map
    width, height = int(metadata["working_width"]), int(metadata["working_height"])
    assert width / height == pytest.approx(16 / 9, rel=0.05)
    assert 64 <= height <= 288


@pytest.mark.parametrize(
    ("height", "width"),
    [(16, 16), (17, 31), (101, 203), (324, 576), (480, 854), (854, 480), (1, 1), (16, 900), (900, 16)],
)
def test_any_size(saliency: Callable[..., Map], height: int, width: int) -> None:
    out = saliency(noise(height, width))
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("level", [0, 127, 255])
def test_flat_frame(saliency: Callable[..., Map], level: int) -> None:
    out = saliency(np.full((144, 256, 3), level, np.uint8))
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1


def test_same_frame(saliency: Callable[..., Map]) -> None:
    frame = noise(90, 160)
    assert np.array_equal(saliency(frame), saliency(frame))


def test_scaled_frame(saliency: Callable[..., Map], bunny: Path, ffmpeg: str) -> None:
    large = next(frames(ffmpeg, bunny, 1280, 720, count=1))
    small = next(frames(ffmpeg, bunny, 224, 128, count=1))
    shrunk = saliency(large)[2::5, 2::5]
    rows = np.arange(shrunk.shape[0]) * 128 // shrunk.shape[0]
    columns = np.arange(shrunk.shape[1]) * 224 // shrunk.shape[1]
    assert pearson(shrunk, saliency(small)[rows][:, columns]) > 0.97


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_stability(saliency: Callable[..., Map], render: Callable[..., list[Scene]], count: int) -> None:
    """A pixel of shift and a little noise change the map little."""
    shifts, noises = [], []
    for frame, _ in render(count):
        large = frame.repeat(3, 0).repeat(3, 1)
        still = saliency(large)
        moved = saliency(np.roll(large, 1, 1))
        shifts.append(np.abs(moved[:, 1:] - still[:, :-1]).mean())
        noisy = large + np.random.default_rng(1).normal(0, 4, large.shape)
        noises.append(np.abs(saliency(np.clip(noisy, 0, 255)) - still).mean())
    assert np.mean(shifts) < 0.01
    assert max(shifts) < 0.03
    assert np.mean(noises) < 0.02


@pytest.mark.slow
def test_rendered_objects(saliency: Callable[..., Map], render: Callable[..., list[Scene]]) -> None:
    """Rendered objects stand out more than under a centre prior."""
    scenes = render(12)
    assert len(scenes) == 12
    maps = [saliency(frame) for frame, _ in scenes]
    inside = [out[truth].mean() > out[~truth].mean() for out, (_, truth) in zip(maps, scenes, strict=True)]
    ours = np.mean([pearson(out, truth) for out, (_, truth) in zip(maps, scenes, strict=True)])
    centre = np.mean([pearson(centre_prior(truth.shape), truth) for _, truth in scenes])
    assert np.mean(inside) >= 0.9
    assert ours > centre + 0.15


def test_object_beside_centre(saliency: Callable[..., Map]) -> None:
    """The same red disc on a grey gradient, left and right."""
    y, x = np.mgrid[:144, :256]
    ground = np.repeat((90 + 0.3 * y)[..., None], 3, 2)
    for centre in (64, 192):
        disc = (x - centre) ** 2 + (y - 76) ** 2 < 30**2
        out = saliency(np.where(disc[..., None], np.array([200, 40, 40]), ground))
        assert out[disc].mean() > 2 * out[disc[:, ::-1]].mean()


def frames(
    ffmpeg: str, clip: Path, width: int, height: int, every: int = 12, count: int = 999
) -> Iterator[NDArray[np.uint8]]:
    chain = f"select='not(mod(n,{every}))',scale={width}:{height}:flags=area,format=rgb24"
    argv = [ffmpeg, "-v", "error", "-i", str(clip), "-vf", chain, "-fps_mode", "passthrough", "-frames:v", str(count)]
    argv += ["-f", "rawvideo", "-"]
    raw = subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout
    return iter(np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3))


def test_character_of_film(saliency: Callable[..., Map], bunny: Path, ffmpeg: str) -> None:
    """From the fifth second on, Big Buck Bunny stands left of the centre, in front of grass and under a bright sky."""
    maps = [saliency(frame) for frame in list(frames(ffmpeg, bunny, 448, 256, every=24))[3:]]
    assert len(maps) > 2
    for out in maps:
        body = out[60:200, 130:200].mean()
        border = np.concatenate([out[:12].ravel(), out[-12:].ravel(), out[:, :12].ravel(), out[:, -12:].ravel()]).mean()
        assert body > 2 * border
        assert body > 1.2 * out[:80, 380:].mean()


@pytest.mark.slow
def test_stability_in_film(saliency: Callable[..., Map], bunny: Path, ffmpeg: str) -> None:
    """From frame to frame the map changes little where little moves."""
    maps = [saliency(frame) for frame in list(frames(ffmpeg, bunny, 448, 256, every=1, count=76))[60:]]
    changes = [np.abs(a - b).mean() for a, b in itertools.pairwise(maps)]
    assert np.mean(changes) < 0.02


@pytest.mark.slow
def test_training_reproducible(tmp_path: Path) -> None:
    for module in ("torch", "onnx"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed; pip install torch onnx to run this")
    files = []
    for name in ("one.onnx", "two.onnx"):
        argv = [sys.executable, str(FOLDER / "make_saliency.py"), "--scenes", "4", "--steps", "2", "--batch", "2"]
        argv += ["--workers", "1", "--output", str(tmp_path / name)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    onnxruntime.InferenceSession(files[0], providers=["CPUExecutionProvider"])
