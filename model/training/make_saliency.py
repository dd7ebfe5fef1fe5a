"""Train the saliency model on rendered scenes and write it as ONNX: `python make_saliency.py --output FILE`.

Everything follows from the seed and the number of threads, which is one. No data set is read and no other network is
used. Requires torch and onnx, which the installed package does not.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from saliency_network import DEVIATION, MEAN, STEP, WORKING, Located, Saliency, fit
from scenes import render
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

#: Sizes of batches in training: several, so that the network does not learn a single size or shape.
SIZES = ((96, 160), (96, 176), (112, 160), (80, 144), (112, 192))


def scene(seed: int, index: int) -> NDArray[np.uint8]:
    """Render one scene: RGB and coverage, [h,w,4]."""
    return np.dstack(render(np.random.default_rng([seed, index])))


def rendered(seed: int, count: int, workers: int) -> NDArray[np.uint8]:
    """Render the scenes to train on, [count,h,w,4]."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # sums in a different order round differently
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return np.stack(pool.map(functools.partial(scene, seed), range(count), chunksize=10))


def intrude(rgb: Tensor, truth: Tensor, rng: np.random.Generator) -> Tensor:
    """Blend in other scenes, and parts of them from the border, behind the objects. All of it is background."""
    n, _, h, w = rgb.shape
    y, x = torch.linspace(-1, 1, h)[None, :, None], torch.linspace(-1, 1, w)[None, None]
    centre = rng.uniform(-1, 1, (2, n))
    axis, sign = rng.integers(0, 2, n), rng.choice([-1.0, 1.0], n)
    centre[axis, np.arange(n)] = sign * rng.uniform(0.9, 1.4, n)
    radius = np.where(rng.random(n) < 0.4, rng.uniform(0.3, 1.0, (2, n)), 0.0) + 1e-3
    cy, cx, ry, rx = (torch.from_numpy(v).float()[:, None, None] for v in (*centre, *radius))
    veil = np.where(rng.random(n) < 0.35, rng.uniform(0, 0.5, (2, n)), 0.0)
    front, back = torch.from_numpy(veil).float()[..., None, None, None]
    rgb = rgb + (front * truth + back * (1 - truth)) * (rgb.roll(2, 0) - rgb)
    inside = (((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1).float()[:, None] * (1 - truth)
    return rgb + inside * (rgb.roll(1, 0) - rgb)


def batches(
    pool: NDArray[np.uint8], steps: int, size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield random windows of random scenes with random colours: normalised frames, and coverage at half their size."""
    mean, deviation = (torch.tensor(v)[None, :, None, None] for v in (MEAN, DEVIATION))
    h, w = pool.shape[1:3]
    for _ in range(steps):
        zoom = rng.uniform(0.85, 1)
        ch, cw = int(h * zoom), int(w * zoom * rng.uniform(0.9, 1))
        top, left = int(rng.integers(h - ch + 1)), int(rng.integers(w - cw + 1))
        chosen = pool[np.sort(rng.choice(len(pool), size, replace=len(pool) < size)), top : top + ch, left : left + cw]
        data = torch.from_numpy(chosen).permute(0, 3, 1, 2).float() / 255
        data = F.interpolate(data, SIZES[int(rng.integers(len(SIZES)))], mode="bilinear")
        data = torch.where(torch.from_numpy(rng.random((size, 1, 1, 1)) < 0.5), data, data.flip(3))
        rgb, truth = intrude(data[:, :3], data[:, 3:], rng), data[:, 3:]
        if rng.random() < 0.4:  # rendered outlines are sharper than filmed ones
            soft = F.interpolate(rgb, scale_factor=float(rng.uniform(0.35, 0.8)), mode="bilinear")
            rgb = fit(soft, rgb)
        if rng.random() < 0.25:
            rgb = rgb[:, torch.from_numpy(rng.permutation(3))]
        gain, power = rng.normal(1, 0.12, (2, size, 3, 1, 1)).astype(np.float32)
        rgb = (rgb.clamp(0, 1) ** torch.from_numpy(np.exp(power - 1)) * torch.from_numpy(gain)).clamp(0, 1)
        if rng.random() < 0.3:
            rgb = rgb + rng.uniform(0, 0.04) * torch.from_numpy(rng.standard_normal(tuple(rgb.shape), np.float32))
        yield (rgb - mean) / deviation, F.avg_pool2d(truth, 2)


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """The sum of cross entropy, Dice, and one minus Pearson's correlation, weighted."""
    p = torch.sigmoid(logits)
    dice = 1 - ((2 * (p * truth).sum((1, 2, 3)) + 20) / ((p + truth).sum((1, 2, 3)) + 20)).mean()
    a, b = p - p.mean((1, 2, 3), True), truth - truth.mean((1, 2, 3), True)
    pearson = (a * b).sum((1, 2, 3)) / ((a * a).sum((1, 2, 3)) * (b * b).sum((1, 2, 3)) + 1).sqrt()
    return F.binary_cross_entropy_with_logits(logits, truth) + 0.3 * dice + 0.5 * (1 - pearson).mean()


def train(pool: NDArray[np.uint8], steps: int, seed: int, size: int) -> Saliency:
    """Train with AdamW, at a rate that rises and then falls as a cosine. Returns exponentially averaged weights."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    net = Saliency().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.997), use_buffers=True)  # type: ignore[no-untyped-call]
    adam = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-3)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, total_steps=max(steps, 3), pct_start=0.1)
    total = 0.0
    for step, (frames, truth) in enumerate(batches(pool, steps, size, np.random.default_rng(seed)), 1):
        loss = loss_of(net(frames.contiguous(memory_format=torch.channels_last)), truth)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        cycle.step()
        averaged.update_parameters(net)
        total += loss.item()
        if step % 100 == 0:
            print(f"step {step}: loss {total / 100:.4f}", flush=True)
            total = 0.0
    trained = averaged.module.eval()
    assert isinstance(trained, Saliency)  # noqa: S101 - for the type checker
    return trained


def write(net: Saliency, output: Path) -> None:
    """Write the network as ONNX, with a resize to the working area before it and one back after it.

    The graph computes the sizes.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    axes = {"frame": {2: "h", 3: "w"}, "map": {2: "mh", 3: "mw"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without further dependencies warns that it is deprecated
        torch.onnx.export(
            Located(net).eval(),
            (torch.zeros(1, 3, *WORKING),),
            output,
            dynamo=False,
            opset_version=18,
            input_names=["frame"],
            output_names=["map"],
            dynamic_axes=axes,
        )
    core = onnx.load(output).graph

    node = helper.make_node
    before = [
        node("Shape", ["input"], ["size"], start=2),
        node("Cast", ["size"], ["sides"], to=TensorProto.FLOAT),
        node("ReduceProd", ["sides"], ["area"], keepdims=1),
        node("Div", ["wanted_area", "area"], ["zoom_squared"]),
        node("Sqrt", ["zoom_squared"], ["zoom"]),
        node("Mul", ["sides", "zoom"], ["wanted"]),
        node("Div", ["wanted", "step"], ["wanted_steps"]),
        node("Round", ["wanted_steps"], ["steps"]),
        node("Clip", ["steps", "least", "most"], ["bounded"]),
        node("Mul", ["bounded", "step"], ["working"]),
        node("Cast", ["working"], ["working_sides"], to=TensorProto.INT64),
        node("Concat", ["frames", "working_sides"], ["working_size"], axis=0),
        node("Resize", ["input", "", "", "working_size"], ["frame"], mode="linear", antialias=1),
    ]
    after = [
        node("Concat", ["maps", "size"], ["map_size"], axis=0),
        node("Resize", ["map", "", "", "map_size"], ["resized"], mode="linear", antialias=1),
        node("Clip", ["resized", "zero", "one"], ["saliency_map"]),
    ]
    numbers = {"wanted_area": WORKING[0] * WORKING[1], "step": STEP, "least": 3, "most": 40, "zero": 0, "one": 1}
    constants = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in numbers.items()]
    constants += [numpy_helper.from_array(np.array([1, n]), name) for name, n in (("frames", 3), ("maps", 1))]
    graph = helper.make_graph(
        [*before, *core.node, *after],
        "saliency",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [helper.make_tensor_value_info("saliency_map", TensorProto.FLOAT, [1, 1, "H", "W"])],
        [*constants, *core.initializer],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, producer_name="pytest-vmaf"
    )
    helper.set_model_props(
        model, {"working_width": str(WORKING[1]), "working_height": str(WORKING[0]), "license": "MIT"}
    )
    onnx.checker.check_model(model, full_check=True)
    output.write_bytes(model.SerializeToString())


def main() -> None:
    """Render the scenes, train the network and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scenes", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2, help="processes that render; training uses one thread")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "saliency.onnx")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scenes = rendered(arguments.seed, arguments.scenes, arguments.workers)
    write(train(scenes, arguments.steps, arguments.seed, arguments.batch), arguments.output)


if __name__ == "__main__":
    main()
