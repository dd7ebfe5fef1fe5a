"""Frames in memory: what is accepted, the file that they become, and how long it lives."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media import scratch
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.clip_like import are_frames, as_clip, as_pair, as_sources, clip_name
from pytest_vmaf.media.fingerprint import content_of
from pytest_vmaf.media.spool import explain_command, without_spools

RGB = np.random.default_rng(1).integers(0, 256, (5, 8, 10, 3), np.uint8)
GREY = RGB[..., 0]
Y, U, V = RGB[..., 0], RGB[:, ::2, ::2, 1], RGB[:, ::2, ::2, 2]


def content(clip: Clip) -> bytes:
    return clip.path.read_bytes()


class Tensor:
    """An array of a library of which NumPy knows only DLPack."""

    def __init__(self, array: NDArray[np.uint8], device: int = 1) -> None:
        self.array, self.device = array, device

    def __dlpack__(self, **options: object) -> object:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0


class Gradient(Tensor):
    requires_grad = True


class Readable:
    """An array of a library that NumPy can read."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self.array = array

    def __array__(self, dtype: object = None, copy: object = None) -> NDArray[np.uint8]:
        return self.array


class Dataset:
    """Frames by their numbers, as data sets of PyTorch have them."""

    def __len__(self) -> int:
        return len(RGB)

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        return RGB[number]


@pytest.mark.parametrize(
    ("frames", "options", "pix_fmt", "expected"),
    [
        (RGB, {}, "rgb24", RGB),
        (RGB, {"pix_fmt": "bgr24"}, "bgr24", RGB),
        (RGB[:, ::-1, ::-1], {}, "rgb24", RGB[:, ::-1, ::-1]),
        (list(RGB), {}, "rgb24", RGB),
        (tuple(RGB), {}, "rgb24", RGB),
        ((frame for frame in RGB), {}, "rgb24", RGB),
        (np.moveaxis(RGB, -1, 1), {"layout": "NCHW"}, "rgb24", RGB),
        (np.moveaxis(RGB, -1, 1), {"layout": "tchw"}, "rgb24", RGB),
        (np.moveaxis(RGB, -1, 0), {"layout": "CTHW"}, "rgb24", RGB),
        (list(np.moveaxis(RGB, -1, 1)), {"layout": "NCHW"}, "rgb24", RGB),
        (list(np.moveaxis(RGB, -1, 1)), {"layout": "CHW"}, "rgb24", RGB),
        (GREY, {}, "gray", GREY),
        (list(GREY), {}, "gray", GREY),
        (GREY[..., None], {}, "gray", GREY),
        (GREY[:, None], {"layout": "NCHW"}, "gray", GREY),
        (Readable(RGB), {}, "rgb24", RGB),
        (Tensor(RGB), {}, "rgb24", RGB),
        ([Tensor(frame) for frame in RGB], {}, "rgb24", RGB),
        (RGB / 255, {}, "rgb48le", RGB.astype("<u2") * 257),
        ((RGB / 255).astype(np.float32), {}, "rgb48le", RGB.astype("<u2") * 257),
        ((RGB // 255).astype(np.float16), {}, "rgb48le", (RGB // 255).astype("<u2") * 65535),
        (RGB / 255, {"pix_fmt": "rgb24"}, "rgb24", RGB),
        (GREY / 255, {}, "gray16le", GREY.astype("<u2") * 257),
        (RGB.astype(np.uint16) * 257, {"pix_fmt": "rgb48"}, "rgb48le", RGB.astype("<u2") * 257),
        (RGB.astype(">u2"), {"pix_fmt": "rgb48le"}, "rgb48le", RGB.astype("<u2")),
        (GREY.astype(np.uint16) * 4, {"pix_fmt": "gray10le"}, "gray10le", GREY.astype("<u2") * 4),
    ],
)
def test_accepted(frames: object, options: dict[str, str], pix_fmt: str, expected: NDArray[np.uint8]) -> None:
    clip = Clip.from_frames(frames, **options)  # type: ignore[arg-type]
    assert (clip.width, clip.height, clip.pix_fmt) == (10, 8, pix_fmt)
    assert content(clip) == expected.tobytes()
    assert str(clip) == f"frames in memory (5 frames, 10x8 {pix_fmt})"


def test_planes() -> None:
    expected = b"".join(plane.tobytes() for frame in zip(Y, U, V, strict=True) for plane in frame)
    by_frame = list(zip(Y, U, V, strict=True))
    for frames in ((Y, U, V), by_frame, iter(by_frame), map(list, by_frame)):
        assert content(Clip.from_frames(frames, pix_fmt="yuv420p")) == expected
    ten = tuple(plane.astype(np.uint16) * 4 for plane in (Y, U, V))
    clip = Clip.from_frames(ten, pix_fmt="yuv420p10le")
    assert content(clip) == (np.frombuffer(expected, np.uint8).astype("<u2") * 4).tobytes()
    assert content(Clip.from_frames(tuple(plane / 255 for plane in (Y, U, V)), pix_fmt="yuv420p")) == expected
    # Odd sides are rounded up.
    odd = (Y[:, :3, :5], U[:, :2, :3], V[:, :2, :3])
    assert Clip.from_frames(odd, pix_fmt="yuv420p").frame_bytes() == 15 + 12


def test_planar_rgb() -> None:
    clip = Clip.from_frames(RGB[:1].astype(np.uint16), pix_fmt="gbrp10le")
    assert content(clip) == b"".join(RGB[0, ..., channel].astype("<u2").tobytes() for channel in (1, 2, 0))
    clip = Clip.from_frames(RGB[:1], pix_fmt="yuv444p")
    assert content(clip) == np.moveaxis(RGB[0], -1, 0).tobytes()


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (np.moveaxis(RGB, -1, 1), {}, r'looks like NCHW. State it: Clip.from_frames\(frames, layout="NCHW"\)'),
        (RGB[:, :3], {}, "may be NHWC or NCHW"),
        (RGB[0], {}, r"is one frame. Pass all frames as \[N,H,W,3\], or this one as frames\[None\]"),
        (GREY, {"pix_fmt": "rgb24"}, "is one frame"),
        (np.moveaxis(RGB[0], -1, 0), {}, "either 3 grey frames or one frame of RGB"),
        (RGB[None], {}, r"is a batch of clips. Pass one of them: frames\[0\]"),
        ([RGB], {}, "each item must be one frame. Use `yield from batch`"),
        (np.zeros((2, 8, 6, 4), np.uint8), {}, r"four channels.*Pass frames\[..., :3\]"),
        (np.zeros((2, 8, 6, 2), np.uint8), {}, r"is not frames: expected \[N,H,W,3\]"),
        (np.zeros(5, np.uint8), {}, "is not frames"),
        (np.uint8(5), {}, "is not frames"),
        (RGB, {"layout": "NCHW"}, "does not fit layout 'NCHW' with 1 or 3 channels"),
        (RGB, {"layout": "XYZ"}, "layout must be one of NHWC"),
        (RGB, {"layout": 4}, "layout must be one of"),
        (RGB, {"pix_fmt": "nv12"}, "pix_fmt of frames must be RGB, grey or planar YUV"),
        (RGB, {"pix_fmt": 7}, "pix_fmt of frames must be"),
        (RGB / 255, {"pix_fmt": "gbrpf32le"}, "must have whole numbers, not gbrpf32le"),
        (RGB, {"pix_fmt": "yuv420p"}, r"planes of different sizes. Pass a tuple of arrays \(Y, U, V\)"),
        ((Y, U, V), {}, r'planes need their pixel format: Clip.from_frames\(\(y, u, v\), pix_fmt="yuv420p"\)'),
        (zip(Y, U, V, strict=True), {}, "planes need their pixel format"),
        ((Y, U, V), {"pix_fmt": "rgb24"}, "planes need their pixel format"),
        ((Y, U[:2], V), {"pix_fmt": "yuv420p"}, "same number of frames, not 5, 2, 5"),
        ((Y, U), {"pix_fmt": "yuv420p"}, "three planes"),
        ((Y, Y, Y), {"pix_fmt": "yuv420p"}, r"planes of 10x8 yuv420p have shapes \(\(8, 10\), \(4, 5\), \(4, 5\)\)"),
        (RGB.astype(np.uint16), {}, 'uint16 does not say how many.*pix_fmt="rgb48le"'),
        (GREY.astype(np.uint16), {}, 'pix_fmt="gray16le" or "gray10le"'),
        (RGB.astype(np.int64), {}, r"not int64. Convert them: frames.astype\(np.uint8\)"),
        (RGB > 9, {}, "not bool"),
        (RGB.astype(object), {}, "not object"),
        (RGB.astype(np.complex64), {}, "not complex64"),
        (RGB.astype(np.longdouble), {"pix_fmt": "rgb24"}, "not float128|not longdouble|floats must be"),
        (RGB, {"pix_fmt": "rgb48le"}, "samples of rgb48le must be uint16, not uint8: it has 16 bits"),
        (RGB.astype(np.uint16), {"pix_fmt": "rgb24"}, "must be uint8, not uint16"),
        (GREY.astype(np.uint16) * 5, {"pix_fmt": "gray10le"}, r"frame 0: it has a sample of 12\d\d; .* up to 1023"),
        (RGB.astype(float), {}, r"a sample of 25\d; floats must be from 0 to 1. Use frames.clip\(0, 1\), or divide"),
        (RGB / -255, {}, "a sample of -1; floats"),
        (np.where(np.arange(5)[:, None, None, None] == 2, np.nan, RGB / 255), {}, "frame 2: it has a sample of NaN"),
        ([], {}, "there must be at least one frame"),
        (RGB[:0], {}, "there must be at least one frame"),
        (RGB[:, :0], {}, "must have pixels, not 10x0"),
        (iter(()), {}, "the iterator yielded no frame. It yields its frames only once"),
        ("a.mp4", {}, "must be an array or an iterable of frames, not 'a.mp4'"),
        (b"a.mp4", {}, "must be an array or an iterable of frames"),
        (5, {}, "must be an array or an iterable of frames, not 5"),
        (None, {}, "must be an array or an iterable of frames, not None"),
        ({"a": RGB}, {}, "must be an array or an iterable of frames"),
        (Clip("a.mp4"), {}, "must be an array or an iterable of frames"),
        ([1, 2], {}, "a frame must be an array, not 1"),
        ([RGB[0], None], {}, "frame 1: a frame must be an array, not None"),
        ([RGB[0], RGB[1, :2]], {}, r"frame 1: its shape \(2, 10, 3\) is not that of the frames before, \(8, 10, 3\)"),
        ([RGB[0], RGB[1], RGB[2] / 255], {}, "frame 2: its type float64 is not that of the frames before, uint8"),
        ([(Y[0], U[0], V[0]), (Y[0], U[0], Y[0])], {"pix_fmt": "yuv420p"}, "frame 1: its shape"),
        ([(Y[0], U[0], V[0]), Y[0]], {"pix_fmt": "yuv420p"}, "frame 1: its shape"),
        (Tensor(RGB, 2), {}, r"must be in CPU memory. Copy it there first: frames.cpu\(\)"),
        (Gradient(RGB), {}, r"a tests.* Gradient requires gradients|Gradient requires gradients.*frames.detach\(\)"),
        (np.ma.masked_equal(RGB, RGB[0, 0, 0, 0]), {}, r"frames.filled\(0\)"),
        (RGB, {"name": ""}, "name of frames must be printable text"),
        (RGB, {"name": "a\nb"}, "name of frames must be printable text"),
        (RGB, {"name": "x" * 201}, "of up to 200 characters"),
        (RGB, {"name": 5}, "name of frames must be printable text"),
        (RGB, {"frame_rate": 0}, "frame_rate must be"),
    ],
)
def test_refused(frames: object, options: dict[str, object], message: str, temp: Path) -> None:
    with pytest.raises(ClipError, match=message):
        Clip.from_frames(frames, **options)  # type: ignore[arg-type]
    assert not [*temp.iterdir()]


def test_no_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(ClipError, match=r"cannot be written to a temporary file: No such file.*gone; set TMPDIR"):
        Clip.from_frames(RGB)


def test_pictures() -> None:
    class Picture(Readable):
        mode = "P"

        def convert(self, mode: str) -> None: ...

    with pytest.raises(
        ClipError, match=r'Picture of mode \'P\' has no RGB samples. Convert it: image.convert\("RGB"\)'
    ):
        Clip.from_frames([Picture(GREY[0])])

    class Decoded:
        def to_ndarray(self) -> None: ...

    with pytest.raises(ClipError, match=r"must be an array, not .* Use frame.to_ndarray"):
        Clip.from_frames([Decoded()])  # type: ignore[list-item]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal(number: signal.Signals, tmp_path: Path) -> None:
    """A process that is ended while it writes frames removes what it has written."""
    code = (
        "import os, sys, numpy as np\n"
        "from pytest_vmaf import Clip\n"
        "def frames():\n"
        "    while True:\n"
        "        yield np.zeros((512, 512, 3), np.uint8)\n"
        "        os.kill(os.getpid(), int(sys.argv[1]))\n"
        "Clip.from_frames(frames())\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    end = subprocess.run([sys.executable, "-c", code, str(int(number))], capture_output=True, env=environment)
    assert end.returncode in (-number, 128 + number), end.stderr
    assert not [*tmp_path.iterdir()]


def test_torch() -> None:
    torch = pytest.importorskip("torch", reason="install torch to run this")
    tensor = torch.from_numpy(RGB.copy())
    for frames in (tensor, list(tensor), iter(tensor), torch.utils.data.DataLoader(tensor, batch_size=None)):
        assert content(Clip.from_frames(frames)) == RGB.tobytes()
    half = tensor.permute(0, 3, 1, 2).double() / 255
    assert content(Clip.from_frames(half, layout="NCHW")) == (RGB.astype("<u2") * 257).tobytes()
    refused = {
        half.requires_grad_(): r"a torch Tensor requires gradients.*frames.detach\(\)",
        half.detach().bfloat16(): r"frames.float\(\)",
        tensor.to("meta"): "cannot be read as a NumPy array|CPU memory",
        tensor.long(): "not int64",
    }
    for frames, message in refused.items():
        with pytest.raises(ClipError, match=message):
            Clip.from_frames(frames, layout=None if frames.shape[-1] == 3 else "NCHW")
    with pytest.raises(ClipError, match=r"each item must be one frame, not a list of 1 array of shape \(1, 8, 10, 3\)"):
        Clip.from_frames(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(tensor)))


def test_bfloat16() -> None:
    class Bfloat:
        def __array__(self, dtype: object = None, copy: object = None) -> NDArray[np.uint8]:
            raise TypeError("Got unsupported ScalarType BFloat16")

    with pytest.raises(ClipError, match=r"cannot be read as a NumPy array: .* Convert it first: frames.float\(\)"):
        Clip.from_frames(Bfloat())


def test_raising_generator(temp: Path) -> None:
    closed = []

    def frames() -> Iterator[NDArray[np.uint8]]:
        yield RGB[0]
        yield RGB[1]
        raise ValueError("no more")

    with pytest.raises(ClipError, match="foo: making frame 2 raised ValueError: no more") as caught:
        Clip.from_frames(frames(), name="foo")
    assert caught.value.frame == 2
    assert isinstance(caught.value.__cause__, ValueError)

    def endless() -> Iterator[NDArray[np.float64]]:
        try:
            while True:
                yield RGB[0] * 2.0
        finally:
            closed.append(True)

    with pytest.raises(ClipError, match="frame 0: "):
        Clip.from_frames(endless())
    assert closed
    assert not [*temp.iterdir()]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, pytest.skip.Exception])
def test_interrupted(interruption: type[BaseException], temp: Path) -> None:
    def frames() -> Iterator[NDArray[np.uint8]]:
        yield RGB[0]
        raise interruption

    with pytest.raises(interruption):
        Clip.from_frames(frames())
    assert not [*temp.iterdir()]


def test_streaming(temp: Path) -> None:
    """Frames are written as they come: the file grows while the generator runs."""
    sizes = []

    def frames() -> Iterator[NDArray[np.uint8]]:
        for _ in range(4):
            yield np.zeros((512, 512, 3), np.uint8)
            sizes.append(sum(path.stat().st_size for path in temp.glob("*/*")))

    Clip.from_frames(frames())
    assert sizes == sorted(sizes)
    assert sizes[0] > 0


@pytest.mark.slow
def test_lifetime(temp: Path) -> None:
    clip = Clip.from_frames(RGB, name="foo")
    part, twin, restored = replace(clip, start=1, frames=1), copy.deepcopy(clip), pickle.loads(pickle.dumps(clip))
    path = clip.path
    assert clip == twin == restored
    assert str(part) == "foo (5 frames in memory, 10x8 rgb24, frame 1)"
    assert part.spelled() == "dataclasses.replace(Clip.from_frames(…), start=1, frames=1)"
    assert repr(clip) == "<Clip foo (5 frames in memory, 10x8 rgb24)>"
    del clip, part, restored
    gc.collect()
    assert path.exists()
    key = twin.as_key
    assert key == twin
    del twin
    gc.collect()
    assert not path.exists()
    assert not [*temp.iterdir()]


@pytest.mark.slow
def test_other_process(tmp_path: Path) -> None:
    """A pickled clip is readable elsewhere, and removed by its owner alone. A killed owner's file is swept."""
    clip = Clip.from_frames(RGB)
    (tmp_path / "clip").write_bytes(pickle.dumps(clip))
    read = "import pickle, pathlib, sys; clip = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()); print(clip)"
    done = subprocess.run([sys.executable, "-c", read, tmp_path / "clip"], capture_output=True, text=True, check=True)
    assert done.stdout == "frames in memory (5 frames, 10x8 rgb24)\n"
    assert clip.path.exists()
    folder = tmp_path / "temp"
    folder.mkdir()
    make = (
        "import os, signal, sys, numpy as np\n"
        "from pytest_vmaf import Clip\n"
        "clip = Clip.from_frames(np.zeros((1, 4, 4, 3), np.uint8))\n"
        "print(clip.path.exists())\n"
        "sys.stdout.flush()\n"
        "if sys.argv[1] == 'fork' and os.fork() == 0: sys.exit()\n"
        "if sys.argv[1] == 'fork': os.wait(); print(clip.path.exists()); sys.stdout.flush()\n"
        "if sys.argv[1] == 'kill': os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "TMPDIR": str(folder)}
    for how, code, count in (("end", 0, 0), ("fork", 0, 0), ("kill", -signal.SIGKILL, 1)):
        end = subprocess.run([sys.executable, "-c", make, how], capture_output=True, text=True, env=environment)
        assert (end.returncode, end.stdout.split()) == (code, ["True"] * (2 if how == "fork" else 1)), end.stderr
        assert len([*folder.iterdir()]) == count
    scratch.sweep(str(folder), again=True)
    assert not [*folder.iterdir()]


def test_content() -> None:
    """Caches and baselines know frames by their content, whatever their names and files are."""
    a, b = Clip.from_frames(RGB, name="a"), Clip.from_frames(list(RGB))
    assert content_of(a) == content_of(b) != content_of(Clip.from_frames(RGB[::-1]))
    assert content_of(a) != content_of(Clip.from_frames(RGB, pix_fmt="bgr24"))


def test_names() -> None:
    clip = Clip.from_frames(RGB, name="x/../[b]é<i>")
    assert (clip.name, clip.title) == ("x/../[b]é<i>", "x/../[b]é<i>")
    assert clip.stem == "x-..-b-i"
    assert clip.stem == Path(clip.stem).name
    assert Clip.from_frames(RGB).stem == "frames-in-memory"
    assert Clip.from_frames(RGB, name="é").stem == "frames"
    command = f"ffmpeg -i file:{clip.path}"
    assert str(clip.path) not in without_spools(command)
    assert explain_command(command).startswith("ffmpeg -i file:x-..-b-i-")
    assert explain_command(command).endswith(".raw holds frames that were in memory")
    assert explain_command("ffmpeg -i a.mp4") == "ffmpeg -i a.mp4"


def test_what_stands_for_clips() -> None:
    assert as_clip(RGB).in_memory
    assert as_clip(list(RGB)).in_memory
    assert as_clip(iter(RGB)).in_memory
    assert as_clip(dict(enumerate(RGB)).values()).in_memory  # such as a data loader
    with pytest.raises(ClipError, match="must be a path, a Clip, an encode or frames in memory, not <memory"):
        as_clip(memoryview(RGB))  # type: ignore[arg-type]
    assert not are_frames("a.mp4")
    assert not are_frames(["a.mp4"])
    assert not are_frames(Clip("a.mp4"))
    assert not are_frames(np.ndarray)
    assert not are_frames({"a": RGB})
    assert len(as_sources([RGB, RGB])) == 2
    assert len(as_sources(["a.mp4", RGB])) == 2
    assert len(as_sources(map(str, "ab"))) == 2
    for frames in (list(RGB), iter(RGB), (frame for frame in RGB), Dataset(), zip(Y, U, V, strict=True), RGB):
        assert len(as_sources(frames)) == 1
    assert as_sources(iter(())) == []
    assert content(as_clip(as_sources(iter(RGB))[0])) == content(as_clip(Dataset())) == RGB.tobytes()  # type: ignore[arg-type]
    with pytest.raises(ClipError, match="making frame 0 raised ZeroDivisionError"):
        as_clip(as_sources(1 / 0 for _ in "a")[0])  # type: ignore[arg-type]
    with pytest.raises(ClipError, match=r"an encode or frames in memory, not .* Call it, and pass what it returns"):
        as_clip(lambda: RGB)  # type: ignore[arg-type, return-value]
    assert clip_name(RGB) == clip_name(iter(RGB)) == "frames in memory"
    first, second = as_pair(RGB, RGB)
    assert first is second
    frames = iter(RGB)
    with pytest.raises(ClipError, match="distorted frames in memory: the iterator yielded no frame"):
        as_pair(frames, frames)
    frames = iter(RGB)
    assert as_pair(frames, frames, alone=True)[1].in_memory
    with pytest.raises(ClipError, match=r"not frames \(ndarray\). Use Clip.from_frames"):
        Clip(RGB)  # type: ignore[arg-type]
