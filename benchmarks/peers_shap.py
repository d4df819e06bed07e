"""Kernel SHAP beside captum's and shap's: time until the values are as close to those of very many samples as theirs are."""

from collections.abc import Callable

import numpy as np
import torch
from peers_lime import Rung, climbed
from peers_race import Bench, Part, Result, Turn, best_batch, correlation, middle, overhead, peer, remembered, say, turns
from torch import Tensor, nn

from pellucid.inputs.perturb import fill, perturbed
from pellucid.inputs.superpixels import Segmentation, superpixels
from pellucid.methods import methods

SEED = 20_000_003
"""Of the reference; no round's."""
CUT = Segmentation(segments=50)
"""SLIC, 50 segments: the same superpixels for all."""


def shapley(bench: Bench) -> list[Result]:
    captum, package = peer("captum.attr", "captum"), peer("shap", "shap")
    theirs, most, many = (30, 60, 100) if bench.quick else (1000, 2000, 20_000)
    cuts = [superpixels(part.images.pixels, CUT, part.images.names)[0] for part in bench.parts]
    batch = best_batch(
        bench, "captum", lambda n, size: by_captum(captum, bench, bench.parts[0], cuts[0], n, size, 0), (10, 25, 50)
    )

    def ways(part: Part, seed: int) -> dict[str, Callable[[], object]]:
        cut = cuts[part.number]
        return {
            "captum": lambda: by_captum(captum, bench, part, cut, theirs, 1, seed),
            "captum, batched": lambda: by_captum(captum, bench, part, cut, theirs, batch, seed),
            "shap": lambda: by_shap(package, bench, part, cut, theirs, seed),
            "ours": lambda: rungs(bench, part, most, seed),
        }

    references = [reference(bench, part, many) for part in bench.parts]
    taken = turns(bench, ways, warm=True)

    def close(turn: Turn, values: np.ndarray | Tensor) -> float:
        return correlation(values, references[turn.part.number])

    found = []
    for name, told in (("captum", "as it comes"), ("captum, batched", f"in batches of {batch}"), ("shap", "in batches of 10")):
        reached = float(np.mean([close(turn, turn.answers[name]) for turn in taken]))
        chosen, ours = -1, float("nan")
        for number, rung in enumerate(taken[0].answers["ours"]):
            ours = float(np.mean([close(turn, turn.answers["ours"][number].weights) for turn in taken]))
            if ours >= reached:
                chosen = number
                say(f"  {name}: r {reached:.4f}, ours with {rung.samples} samples {ours:.4f}")
                break
        picked = [turn.answers["ours"][chosen] for turn in taken]
        found.append(
            Result(
                "Kernel SHAP",
                f"{name.split(',')[0]}, {theirs} samples, {told}",
                tuple((turn.seconds[name], rung.seconds) for turn, rung in zip(taken, picked, strict=True)),
                (f"r {reached:.4f}", f"r {ours:.4f}, {picked[0].samples} samples"),
                ours >= reached,
                1,
                middle([overhead(rung.answer.work, rung.seconds, turn) for turn, rung in zip(taken, picked, strict=True)]),
                f"correlation of the values of 50 superpixels with {many} samples, mean of {len(taken)} runs",
            )
        )
    return found


def by_captum(captum, bench: Bench, part: Part, cut: Tensor, samples: int, batch: int, seed: int) -> np.ndarray:
    torch.manual_seed(seed)
    np.random.seed(seed)
    explainer = captum.KernelShap(nn.Sequential(bench.module, nn.Softmax(1)))
    values = explainer.attribute(
        part.images.features, baselines=fill(part.images, cut, "mean")[None], target=part.label, feature_mask=cut[None, None],
        n_samples=samples, perturbations_per_eval=batch, return_input_shape=False,
    )  # fmt: skip
    return values[0].numpy()


def by_shap(package, bench: Bench, part: Part, cut: Tensor, samples: int, seed: int) -> np.ndarray:
    """All superpixels are kept: by default it fits ten of them, chosen by a lasso."""
    hidden, features = fill(part.images, cut, "mean"), part.images.features[0]

    def probabilities(visible: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            masks = torch.from_numpy(visible > 0.5).split(10)
            return torch.cat([bench.module(perturbed(features, hidden, cut, some)).softmax(1) for some in masks])[
                :, part.label
            ].numpy()

    np.random.seed(seed)
    number = int(cut.max()) + 1
    explainer = package.KernelExplainer(probabilities, np.zeros((1, number)))
    return explainer.shap_values(np.ones((1, number)), nsamples=samples, l1_reg=False, silent=True)[0]


def rungs(bench: Bench, part: Part, most: int, seed: int) -> list[Rung]:
    """Every answer of ours on the way to `most` samples."""
    options = {"samples": most, "segments": CUT.segments, "seed": seed}
    return climbed(methods["kernel_shap"].stream(bench.model, part.images, part.target, **options), most)


def reference(bench: Bench, part: Part, samples: int) -> np.ndarray:
    options = {"samples": samples, "segments": CUT.segments, "seed": SEED}

    def make() -> np.ndarray:
        return methods["kernel_shap"](bench.exact, part.images, part.target, **options).segment_weights[0].numpy()

    return remembered(bench, "kernel_shap", part, options, make)
