"""Occlusion, saliency, Grad-CAM and the deletion curve beside captum, pytorch-grad-cam, Quantus and a plain loop."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from peers_race import (
    COSINE,
    Bench,
    Part,
    Result,
    Turn,
    best_batch,
    check_alike,
    correlation,
    cosine,
    middle,
    overhead,
    peer,
    say,
    turns,
)
from torch import Tensor, nn
from without_torchvision import stand_in

import pellucid as pl
from pellucid.attribution import Attribution
from pellucid.models.hooks import find_module

WINDOW, STRIDE = 16, 8
LADDER = (4, 8, 16, 32)
"""Windows an evaluation that captum's best is looked for among."""
ROUGH = 0.99
"""The cosine that maps of occlusion must reach where an engine may ask the network in lower precision."""
SINGLE = 0.999
"""The cosine that two gradients of one image must reach: at the kinks of ReLU6 float32 itself is no closer to float64."""
STEPS = 50
CURVES = 1e-3
"""How far apart two curves of the same probabilities may be in float32."""
AREAS = 5e-3
"""How far apart the areas under them, which are what is reported, may be where an engine asks in lower precision."""


# ------------------------------------------------------------------------------------------------ occlusion


def occlusion(
    bench: Bench, window: int = WINDOW, stride: int = STRIDE, ladder: tuple[int, ...] = LADDER, trial: int = 32
) -> list[Result]:
    """Captum's best batch is looked for with windows and strides of `trial`."""
    window, stride = (4 * window, 4 * stride) if bench.quick else (window, stride)
    part = bench.parts[0]
    batch = best_batch(
        bench, "captum occlusion", lambda _, batch: captum_occlusion(bench.module, part, trial, trial, batch), ladder
    )

    explained(bench, part, "occlusion", window=window, stride=window)  # warm: an engine compiles what it runs

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        return {
            "captum as it comes": lambda: captum_occlusion(bench.module, part, window, stride, 1),
            "captum batched": lambda: captum_occlusion(bench.module, part, window, stride, batch),
            "ours": lambda: explained(bench, part, "occlusion", window=window, stride=stride, fill="zero"),
        }

    taken = turns(bench, ways)
    results = []
    for way, bar in (("captum as it comes", 10.0), ("captum batched", 6.0)):
        least = min(cosine(turn.answers[way][:, 0], turn.answers["ours"].scores[:, 0]) for turn in taken)
        check_alike(f"{way} and ours, occlusion", least, COSINE if bench.engine == "torch" else ROUGH)
        note = f"{batch} windows an evaluation" if way == "captum batched" else "one window an evaluation"
        results.append(result(f"occlusion, {window}/{stride}", way, taken, f"cosine {least:.6f} at least", bar, note))
    return results


def captum_occlusion(module: nn.Module, part: Part, window: int, stride: int, batch: int) -> Tensor:
    return peer("captum.attr", "captum").Occlusion(module).attribute(
        part.images.features, sliding_window_shapes=(part.images.features.shape[1], window, window),
        strides=(part.images.features.shape[1], stride, stride), target=part.label, perturbations_per_eval=batch,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ all photographs at once


def saliency(bench: Bench) -> list[Result]:
    attr = peer("captum.attr", "captum")

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        return {
            "captum": lambda: attr.Saliency(bench.module).attribute(part.images.features, target=part.target, abs=False),
            "ours": lambda: explained(bench, part, "saliency"),
        }

    taken = turns(bench, ways, together=True, warm=True)
    true = doubled(bench)
    theirs, ours = taken[0].answers["captum"], taken[0].answers["ours"].scores
    near_theirs, near_ours, between = (
        [cosine(one, other) for one, other in zip(*pair, strict=True)]
        for pair in ((theirs, true), (ours, true), (theirs, ours))
    )
    check_alike("captum and ours, saliency", min(between), SINGLE)
    title, note = f"saliency, {len(bench.images)} images", "as it comes, in one batch; cosine with the gradient in float64"
    mean_theirs, mean_ours = sum(near_theirs) / len(near_theirs), sum(near_ours) / len(near_ours)
    quality = (
        f"cosine {mean_theirs:.6f}, at least {min(near_theirs):.6f}",
        f"cosine {mean_ours:.6f}, at least {min(near_ours):.6f}",
    )
    equal = mean_ours >= min(mean_theirs, COSINE)
    return [replace(result(title, "captum", taken, "", 1.5, note), quality=quality, equal=equal)]


def doubled(bench: Bench) -> Tensor:
    """The gradient of the targets' logits in float64."""
    module, leaf = copy.deepcopy(bench.module).double(), bench.images.features.double().requires_grad_()
    return torch.autograd.grad(module(leaf).gather(1, bench.target[:, None]).sum(), leaf)[0]


def grad_cam(bench: Bench) -> list[Result]:
    stand_in()
    package = peer("pytorch_grad_cam", "grad-cam")
    targets = peer("pytorch_grad_cam.utils.model_targets", "grad-cam")
    name = explained(bench, bench.parts[0], "grad_cam").notes["layer"]
    layer = find_module(bench.module, name)

    def by_peer(part: Part) -> np.ndarray:
        with package.GradCAM(model=bench.module, target_layers=[layer]) as made:
            wanted = [targets.ClassifierOutputTarget(label) for label in part.target.tolist()]
            return made(input_tensor=part.images.features, targets=wanted)

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        return {"pytorch-grad-cam": lambda: by_peer(part), "ours": lambda: explained(bench, part, "grad_cam")}

    taken = turns(bench, ways, together=True, warm=True)
    ours, theirs = taken[0].answers["ours"].map(), taken[0].answers["pytorch-grad-cam"]
    # correlation, since the peer stretches every map over 0 to 1
    least = min(correlation(one, other) for one, other in zip(ours, theirs, strict=True))
    check_alike("pytorch-grad-cam and ours", least, 0.99)
    title = f"Grad-CAM, {len(bench.images)} images"
    return [
        result(title, "pytorch-grad-cam", taken, f"r {least:.4f} at least", 5.0, f"as it comes, in one batch; layer {name}")
    ]


# ------------------------------------------------------------------------------------------------ deletion


def deletion(bench: Bench) -> list[Result]:
    steps = 10 if bench.quick else STEPS
    whole = Part(bench.images, bench.target, 0)
    maps = explained(bench, whole, "saliency")
    scores, black = maps.map(), bench.images.normalise(torch.zeros_like(bench.images.features))

    def ours(part: Part) -> pl.Measurement:
        return pl.measure(bench.model, part.images, maps, metric="deletion", steps=steps, fill="black", orders=0)

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        return {
            "a loop": lambda: [
                curve_by_hand(bench.module, *one, steps)
                for one in zip(part.images.features, black, scores, part.target.tolist(), strict=True)
            ],
            "ours": lambda: ours(part),
        }

    taken = turns(bench, ways, together=True, warm=True)
    loop, mine = torch.tensor(taken[0].answers["a loop"]), taken[0].answers["ours"].extras["curve"]
    apart = float((loop - mine).abs().max())
    areas = float((loop - mine).mean(1).abs().max())
    if bench.engine == "torch":
        check_alike("the loop's curve and ours", 1 - apart, 1 - CURVES)
    else:
        check_alike("the areas under the loop's curve and ours", 1 - areas, 1 - AREAS)
    title = f"deletion curve, {steps} steps, {len(bench.images)} images"
    agreed = f"curves at most {apart:.1g} apart, areas {areas:.1g}"
    return [result(title, "a loop", taken, agreed, 5.0, "an image and a step at a time"), *quantus(bench, scores, title, ours)]


def curve_by_hand(module: nn.Module, image: Tensor, fill: Tensor, scores: Tensor, label: int, steps: int) -> list[float]:
    """The deletion curve as one writes it down."""
    order = scores.flatten().argsort(descending=True)
    curve = []
    for step in range(steps + 1):
        gone = order[: round(len(order) * step / steps)]
        picture = image.flatten(1).clone()
        picture[:, gone] = fill.flatten(1)[:, gone]
        with torch.no_grad():
            curve.append(float(module(picture.view_as(image)[None]).softmax(1)[0, label]))
    return curve


def quantus(bench: Bench, scores: Tensor, title: str, ours: Callable[[Part], pl.Measurement]) -> list[Result]:
    """Beside PixelFlipping, whose steps must divide the number of pixels and go through the channels one by one."""
    package = peer("quantus", "quantus")
    channels, pixels = bench.images.features.shape[1], scores[0].numel()
    steps = 10 if bench.quick else STEPS
    size = next(n for n in range(-(-channels * pixels // steps), pixels + 1) if pixels % n == 0)

    def by_peer(part: Part) -> np.ndarray:
        metric = package.PixelFlipping(features_in_step=size, perturb_baseline="black", disable_warnings=True)
        found = metric(
            model=bench.module, x_batch=part.images.features.numpy(), y_batch=part.target.numpy(),
            a_batch=scores[:, None].numpy(), device="cpu",
        )  # fmt: skip
        return np.array(found)

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        return {"Quantus": lambda: by_peer(part), "ours": lambda: ours(part)}

    taken = turns(bench, ways, together=True, warm=True)
    points = taken[0].answers["Quantus"].shape[1]
    say(f"  Quantus: {points} points of {size} values")
    note = f"PixelFlipping with {points} steps, which must divide the image; all images in one batch"
    return [result(title, "Quantus", taken, "another curve: it flips single channels", 5.0, note)]


# ------------------------------------------------------------------------------------------------ what rows share


def explained(bench: Bench, part: Part, method: str, **options: Any) -> Attribution:
    return pl.explain(bench.model, part.images, method=method, target=part.target, **options)


def result(method: str, way: str, taken: list[Turn], agreed: str, bar: float, note: str) -> Result:
    """Of two that computed the same."""
    return Result(
        method, way, tuple((turn.seconds[way], turn.seconds["ours"]) for turn in taken), ("the same", agreed), True, bar,
        middle([overhead(turn.answers["ours"].work, turn.seconds["ours"], turn) for turn in taken]), note,
    )  # fmt: skip
