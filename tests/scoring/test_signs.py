"""Signs of the picture, from columns and from small frames that are made here."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_vmaf.errors import LogError, PairError
from pytest_vmaf.media.small_frames import HEIGHT, WIDTH
from pytest_vmaf.scoring.sign_meter import SignMeter
from pytest_vmaf.scoring.signs import COLUMNS, SIGNS, check_columns, displaced_runs, refuse_displaced, sign_metrics

MODELS = SimpleNamespace(neg=SimpleNamespace(column="neg"), detail_columns=("credited", "limited"))


def scene(frames: int = 12) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames of luma and chroma in which a bright square moves over a gradient."""
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    pictures = []
    for frame in range(frames):
        luma = 40 + x + 0.5 * y
        luma[20:44, 4 + 4 * frame : 28 + 4 * frame] = 220
        chroma = np.full((HEIGHT, WIDTH // 2), 128.0)
        chroma[: HEIGHT // 2] += 20
        chroma[HEIGHT // 2 :] -= 30
        pictures.append((luma, chroma))
    return pictures


def measure(reference: list, distorted: list, chunk: int = 1000) -> dict[str, tuple[float, ...]]:
    """The columns of a stream in which both clips are side by side, fed in chunks."""
    stream = b"".join(
        np.concatenate([np.hstack([a[0], b[0]]).ravel(), np.hstack([a[1], b[1]]).ravel()])
        .clip(0, 255)
        .astype(np.uint8)
        .tobytes()
        for a, b in zip(reference, distorted, strict=True)
    )
    meter = SignMeter()
    for start in range(0, len(stream), chunk):
        meter.feed(stream[start : start + chunk])
    return dict(meter.finish())


def metrics(signs: dict, every_neg: float = 95.0, **columns: tuple[float, ...]) -> dict[str, tuple[float, ...]]:
    """The metrics of these columns, with this NEG in every frame that no column says otherwise."""
    frames = len(signs["error"])
    flat = {"neg": (every_neg,) * frames, "credited": (0.9,) * frames, "limited": (0.9,) * frames}
    return sign_metrics(SimpleNamespace(signs=signs, columns={**flat, **columns}), MODELS, 640 * 360)


def test_identical_clips_have_no_signs():
    signs = measure(scene(), scene())
    assert set(signs) == set(COLUMNS)
    assert all(len(column) == 12 for column in signs.values())
    assert {name: max(values) for name, values in metrics(signs).items()} == pytest.approx(
        dict.fromkeys(SIGNS, 0.0), abs=1e-4
    )
    assert displaced_runs(signs) == []


@pytest.mark.parametrize("chunk", [1, 7, 100_000])
def test_chunks_change_nothing(chunk):
    reference, distorted = scene(3), [(luma + 3, chroma) for luma, chroma in scene(3)]
    assert measure(reference, distorted, chunk) == measure(reference, distorted)


def test_level_shift():
    brighter = metrics(measure(scene(), [(luma + 10, chroma) for luma, chroma in scene()]))
    assert brighter["level_shift"] == pytest.approx([10.0] * 12, abs=0.01)
    # A shift of one half of the picture is no shift of the level.
    half = metrics(measure(scene(), [(luma + 10 * (np.arange(HEIGHT) < 36)[:, None], c) for luma, c in scene()]))
    assert max(half["level_shift"]) < 3


def test_contrast():
    stretched = [(128 + 1.1 * (luma - 128), chroma) for luma, chroma in scene()]
    assert metrics(measure(scene(), stretched))["contrast"] == pytest.approx([9.5] * 12, abs=0.7)


def test_contrast_loss():
    flatter = metrics(measure(scene(), [(128 + 0.9 * (luma - 128), chroma) for luma, chroma in scene()]))
    assert flatter["contrast_loss"] == pytest.approx([9.5] * 12, abs=0.7)
    assert max(flatter["contrast"]) < 0


def test_fading_references():
    # Each frame of the distorted clip is as bright as the reference's frame before.
    [(luma, chroma)] = scene(1)
    fades = [(16 + (luma - 16) * 0.9**frame, chroma) for frame in range(12)]
    signs = measure(fades, [fades[0], *fades[:-1]])
    assert min(signs["contrast"][1:]) > 1
    assert max(metrics(signs)["contrast"]) == 0
    assert max(metrics({**signs, "spread": (2000.0,) * 12})["contrast"]) > 1


def test_patch():
    logo = [(luma.copy(), chroma) for luma, chroma in scene()]
    for luma, _ in logo:
        luma[8:16, 100:108] += 40
    assert metrics(measure(scene(), logo))["patch"] == pytest.approx([40.0] * 12, abs=0.1)
    pale = [(luma, chroma.copy()) for luma, chroma in scene()]
    pale[5][1][[*range(8), *range(HEIGHT // 2, HEIGHT // 2 + 8)], :8] = 128
    patch = metrics(measure(scene(), pale))["patch"]
    assert patch[5] == pytest.approx(0.7 * 1300**0.5, abs=0.1)
    assert max(patch[:5] + patch[6:]) == 0


def test_colour_shift():
    x, y = np.meshgrid(np.arange(WIDTH // 2), np.arange(HEIGHT // 2))

    def colours(shift: float) -> list:
        plane = 128 + 60 * np.sin((x - shift) / 6) * np.cos(y / 5)
        return [(luma, np.vstack([plane, 256 - plane])) for luma, _ in scene(3)]

    # Half a pixel of 64.
    shifted = metrics(measure(colours(0), colours(0.5)))["colour_shift"]
    assert shifted == pytest.approx([100 * 0.5 / 64] * 3, rel=0.05)
    assert max(metrics(measure(scene(3), scene(3)))["colour_shift"]) == 0


def test_lag():
    reference = [
        (luma * 0 + 128 + 80 * np.sin((np.arange(WIDTH) - frame) / 8), c) for frame, (luma, c) in enumerate(scene())
    ]
    mixed = [reference[0], *(((a[0] + b[0]) / 2, b[1]) for a, b in pairwise(reference))]
    assert metrics(measure(reference, mixed))["lag"][1:-1] == pytest.approx([0.5] * 10, abs=0.05)
    # Noise that an encoder takes away is no lag.
    noise = np.random.default_rng(1)
    noisy = [(luma + noise.normal(0, 9, luma.shape), chroma) for luma, chroma in reference]
    assert max(metrics(measure(noisy, reference))["lag"]) < 0.03


@pytest.mark.parametrize("turn", [1, -1], ids=["BT.601 taken for BT.709", "the reverse"])
def test_colour_matrix(turn):
    x, y = np.meshgrid(np.arange(WIDTH // 2), np.arange(HEIGHT // 2))
    cb, cr = 30 * np.sin(x / 9), 25 * np.cos(y / 7)
    reference = [(luma, 128 + np.concatenate([cb, cr])) for luma, _ in scene()]
    move = turn * np.kron(-0.11555 * cb - 0.20794 * cr, np.ones((2, 2)))
    other = measure(reference, [(luma + move, colour) for luma, colour in reference])
    assert fmean(other["colour_matrix"]) == pytest.approx(turn, abs=0.1)
    assert min(metrics(other)["colour_matrix"]) > 0.5
    # Neither another contrast nor another strength of colour is one.
    for change in ([(0.95 * luma, c) for luma, c in reference], [(luma, 64 + c / 2) for luma, c in reference]):
        assert max(metrics(measure(reference, change))["colour_matrix"]) < 0.1


def test_colour_lag():
    def colours(frame: int) -> np.ndarray:
        plane = 128 + 60 * np.sin((np.arange(WIDTH // 2) - 2 * frame) / 6) * np.ones((HEIGHT // 2, 1))
        return np.vstack([plane, 256 - plane])

    reference = [(luma, colours(frame)) for frame, (luma, _) in enumerate(scene())]
    late = [(luma, colours(max(0, frame - 3))) for frame, (luma, _) in enumerate(scene())]
    assert metrics(measure(reference, reference))["colour_lag"] == (0.0,) * 12
    assert metrics(measure(reference, late))["colour_lag"] == (0.0, *[1.0] * 11)


def test_colour_loss():
    for change, loss in (
        (lambda c: np.full_like(c, 128), 100),
        (lambda c: 128 + 1.5 * (c - 128), 50),
        (lambda c: np.vstack([c[HEIGHT // 2 :], c[: HEIGHT // 2]]), 190),
        (lambda c: 256 - c, 200),
    ):
        changed = metrics(measure(scene(), [(luma, change(chroma)) for luma, chroma in scene()]))
        assert changed["colour_loss"] == pytest.approx([loss] * 12, rel=0.05)


def test_colour_loss_by_psnr():
    signs = measure(scene(), scene())
    planes = {"psnr_y": (45.0,) * 12, "psnr_cb": (60.0,) * 12, "psnr_cr": (36.0,) * 12}
    assert metrics(signs, **planes)["colour_loss"] == pytest.approx([30.0] * 12)


def test_coarse_encodes_are_trusted_less():
    signs = measure(scene(), [(luma + 4, 128 + 0.7 * (chroma - 128)) for luma, chroma in scene()])
    fine, coarse = metrics(signs), metrics(signs, 30)
    for name, share in (("colour_loss", 4), ("level_shift", 4), ("patch", 8)):
        assert coarse[name][0] == pytest.approx(fine[name][0] / share)


def test_displaced_frames():
    reference = scene(24)
    order = [*range(10), 11, 10, *range(12, 18), *range(17, 23)]
    signs = measure(reference, [reference[frame] for frame in order])
    assert displaced_runs(signs) == [(10, 10, 1), (11, 11, -1), (18, 23, -1)]
    request = SimpleNamespace(
        reference=SimpleNamespace(clip="r.y4m"), distorted=SimpleNamespace(clip="d.mkv"), width=320, height=180
    )
    text = (
        r"displaced: 8 frames of 24 .*: frame 10 shows the reference 1 frame later; "
        r"frame 11 shows the reference 1 frame earlier; frames 18 to 23 show the reference 1 frame earlier"
    )
    with pytest.raises(PairError, match=text):
        refuse_displaced(SimpleNamespace(signs=signs, distorted_frames=24), request)


def runs_of(error: float, nearest: float, move: float, by: int, count: int = 8, shift: float = 0.0) -> list:
    """The displaced runs of a clip of 24 frames in which some, from frame 8 on, have these signs."""
    there = [8 <= frame < 8 + count for frame in range(24)]
    columns = {"error": (error, 10.0), "nearest_error": (nearest, 10.0), "nearest_move": (move, 0.0)}
    columns |= {"displacement": (by, 0), "level_shift": (shift, 0.0)}
    return displaced_runs({name: [a if at else b for at in there] for name, (a, b) in columns.items()})


def test_displaced_frames_of_a_slow_picture():
    assert runs_of(11.5, 10, 2.5, 1) == [(8, 15, 1)]
    assert runs_of(11.5, 10, 2.5, -1) == [(8, 15, -1)]
    # A coarse encode that repeats the picture is late, and by little of what coding leaves.
    assert runs_of(50.5, 50, 0.9, -1) == []
    assert runs_of(12, 11, 2.5, -1) == []
    # A few frames that are early, and noise.
    assert runs_of(11, 10, 2.5, 1) == [(8, 15, 1)]
    assert runs_of(11, 10, 2.5, 1, count=4) == []
    assert runs_of(10.2, 10, 0.4, 1) == []
    # A fade whose brightness is behind.
    assert runs_of(14, 10, 6, -1, shift=2) == []


def test_predicted_frames_are_not_displaced():
    # Two thirds of a coarse frame are predicted from the next one.
    reference = scene(24)
    mixed = [*reference]
    mixed[10] = ((reference[10][0] + 2 * reference[11][0]) / 3, reference[10][1])
    assert displaced_runs(measure(reference, mixed)) == []


def test_still_and_foreign_frames_are_not_displaced():
    still = [scene(1)[0]] * 12
    assert displaced_runs(measure(still, still)) == []
    black = [*scene(12)]
    black[6] = (np.zeros((HEIGHT, WIDTH)), black[6][1])
    assert displaced_runs(measure(scene(12), black)) == []


def test_collapse():
    signs = measure(scene(), scene())
    neg, psnr = [90.0] * 12, [40.0] * 12
    neg[5], psnr[5] = 20.0, 25.0
    neg[8] = 40.0
    collapse = metrics(signs, neg=tuple(neg), psnr_y=tuple(psnr))["collapse"]
    # Frame 8 has the PSNR of the others: its picture is as good.
    assert collapse == (*[0.0] * 5, 70.0, *[0.0] * 6)


def test_collapse_within_a_shot():
    signs = measure(scene(), scene())
    signs["change"] = (*[1.0] * 6, 5000.0, *[1.0] * 5)
    neg, psnr = (90.0,) * 6 + (30.0,) * 6, (42.0,) * 6 + (28.0,) * 6
    assert max(metrics(signs, neg=neg, psnr_y=psnr)["collapse"]) == 0


def test_enhancement():
    signs = measure(scene(), scene())
    detail = {"credited": (0.95,) * 12, "limited": (0.93,) * 12}
    assert metrics(signs, **detail)["enhancement"] == pytest.approx([20.0] * 12)
    assert metrics(signs, 35, **detail)["enhancement"] == pytest.approx([10.0] * 12)
    flat = [(luma * 0 + 30, chroma) for luma, chroma in scene()]
    assert set(metrics(measure(flat, flat), **detail)["enhancement"]) == {0.0}


def test_missing_columns_are_refused():
    signs = measure(scene(3), scene(3))
    check_columns(signs, 3, "a against b")
    with pytest.raises(LogError, match="have 3 values of 'level_shift' for 4 frames: a against b"):
        check_columns(signs, 4, "a against b")
    with pytest.raises(LogError, match="have 0 values of 'change' for 3 frames"):
        check_columns({name: column for name, column in signs.items() if name != "change"}, 3, "a against b")


def test_flat_frames_do_not_dilute():
    """A black intro of three quarters must not hide what was done to the rest."""
    black = [(luma * 0 + 16, chroma * 0 + 128) for luma, chroma in scene(9)]
    film = scene(3)
    louder = [(128 + 1.05 * (luma - 128), chroma) for luma, chroma in film]
    signs = measure(black + film, black + louder)
    alone = metrics(measure(film, louder))["contrast"]
    assert fmean(metrics(signs)["contrast"]) == pytest.approx(fmean(alone), rel=0.05)
    frames = {"credited": (0.9,) * 9 + (0.97,) * 3, "limited": (0.9,) * 12}
    enhancement = metrics(signs, **frames)["enhancement"]
    assert fmean(enhancement) == pytest.approx(max(enhancement))
    assert max(enhancement) > 12.5
    # All flat: nothing is known.
    assert set(metrics(measure(black, black))["enhancement"]) == {0.0}
