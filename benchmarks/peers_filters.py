"""Filter visualization beside a plain loop of full passes, and beside lucent."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from peers_race import Bench, Part, Result, Turn, middle, peer, turns
from torch import Tensor, nn
from without_torchvision import stand_in

import pellucid as pl
from pellucid.inputs.image import normalised
from pellucid.models.batches import BATCH
from pellucid.models.hooks import find_module

FILTERS = tuple(range(10))
STEPS = 100
RATE = 0.1
NOISE = 0.01
SLACK = 0.05
"""How much weaker our pictures may excite their filters than those of the same recipe, which part ways in rounding."""


def loop(bench: Bench) -> list[Result]:
    """The same recipe as a plain loop: Adam on the pixels, unbounded, no movements, from the same grey noise."""
    steps, wanted = (3, FILTERS[:2]) if bench.quick else (STEPS, FILTERS)

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        return {
            "a loop": lambda: by_hand(bench, wanted, steps, seed),
            "ours": lambda: pl.filters(
                bench.model, bench.layer, wanted, steps=steps, rate=RATE, noise=NOISE, parameterisation="pixel",
                transforms="none", bound="none", seed=seed,
            ),
        }  # fmt: skip

    taken = turns(bench, ways, together=True)
    theirs, ours = (
        np.mean([excitement(bench, read(turn.answers[way]), wanted) for turn in taken])
        for way, read in (("a loop", torch.cat), ("ours", lambda made: made.features))
    )
    return [raced(bench, taken, "a loop", wanted, steps, theirs, ours, SLACK, "a hook, full passes, one filter at a time")]


def by_hand(bench: Bench, wanted: tuple[int, ...], steps: int, seed: int) -> list[Tensor]:
    kept: dict[str, Tensor] = {}

    def keep(module: nn.Module, given: object, output: Tensor) -> None:
        kept["output"] = output

    hook = find_module(bench.module, bench.layer).register_forward_hook(keep)
    values = 0.5 + NOISE * torch.randn(
        1, len(bench.model.mean), *bench.model.size, generator=torch.Generator().manual_seed(seed)
    )
    made = []
    for wished in wanted:
        picture = normalised(values.clamp(0, 1), bench.model.mean, bench.model.std).requires_grad_()
        adam = torch.optim.Adam([picture], lr=RATE)
        for _ in range(steps):
            adam.zero_grad()
            bench.module(picture)
            (-kept["output"][0, wished].mean()).backward()
            adam.step()
        made.append(picture.detach())
    hook.remove()
    bench.module.zero_grad()
    return made


def lucent(bench: Bench) -> list[Result]:
    """Each with its own recipe: both ascend in decorrelated Fourier coordinates and move the picture about."""
    stand_in()
    render = peer("lucent.optvis.render", "torch-lucent")
    param, transform, objectives = (
        peer(f"lucent.optvis.{name}", "torch-lucent") for name in ("param", "transform", "objectives")
    )
    steps, wanted = (3, FILTERS[:2]) if bench.quick else (STEPS, FILTERS)
    side = bench.model.size[0]

    def network_reads(picture: Tensor) -> Tensor:
        return normalised(picture, bench.model.mean, bench.model.std)

    def by_peer(seed: int) -> Tensor:
        torch.manual_seed(seed)
        np.random.seed(seed)
        made = [
            render.render_vis(
                bench.module, objectives.channel(bench.layer.replace(".", "_"), wished), lambda: param.image(side),
                transforms=[*transform.standard_transforms, network_reads], preprocess=False, thresholds=(steps,),
                progress=False, show_image=False,
            )[0]
            for wished in wanted
        ]  # fmt: skip
        return network_reads(torch.from_numpy(np.concatenate(made)).permute(0, 3, 1, 2))

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        return {
            "lucent": lambda: by_peer(seed),
            "ours": lambda: pl.filters(bench.model, bench.layer, wanted, steps=steps, seed=seed),
        }

    taken = turns(bench, ways, together=True)
    theirs = np.mean([excitement(bench, turn.answers["lucent"], wanted) for turn in taken])
    ours = np.mean([excitement(bench, turn.answers["ours"].features, wanted) for turn in taken])
    return [
        raced(bench, taken, "lucent", wanted, steps, theirs, ours, 0.0, "as it comes, but reading pictures as the network does")
    ]


def excitement(bench: Bench, features: Tensor, wanted: tuple[int, ...]) -> float:
    """How strongly the pictures excite their filters, standing still, on average over the map and over the filters."""
    with torch.no_grad():
        maps = bench.exact.layer_output(features, bench.layer).float()
    return float(maps[torch.arange(len(wanted)), list(wanted)].mean())


def raced(
    bench: Bench,
    taken: list[Turn],
    way: str,
    wanted: tuple[int, ...],
    steps: int,
    theirs: Any,
    ours: Any,
    slack: float,
    note: str,
) -> Result:
    passes = len(wanted) * steps
    share = [turn.seconds["ours"] / (passes * turn.seconds["raw gradient"] / BATCH) for turn in taken]
    bar = 5.0 if way == "a loop" else 6.0
    return Result(
        f"filter visualization, {len(wanted)} filters of {bench.layer}, {steps} steps",
        way,
        tuple((turn.seconds[way], turn.seconds["ours"]) for turn in taken),
        (f"activation {theirs:.3f}", f"activation {ours:.3f}"),
        bool(ours >= theirs - slack * abs(theirs)),
        bar,
        middle(share),
        note,
    )
