"""LIME beside `lime`: samples, and so time, until the weights are as close to those of very many samples as `lime`'s are."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from peers_race import Bench, Disagreement, Part, Result, Turn, correlation, middle, overhead, peer, remembered, say, turns
from torch import Tensor

from pellucid.attribution import Attribution
from pellucid.inputs.superpixels import Segmentation
from pellucid.methods import methods

SEED = 20_000_003
"""Of the reference; no round's."""
CUT = Segmentation()
"""SLIC, 200 segments, labels from 0: the same superpixels for both."""


@dataclass(frozen=True)
class Rung:
    """An answer of ours, and how long it took to get there."""

    samples: int
    seconds: float
    answer: Attribution

    @property
    def weights(self) -> Tensor:
        return self.answer.segment_weights[0]


def lime_imagenet(bench: Bench) -> list[Result]:
    return [lime(bench, "LIME", bar=10, most=1024)]


def lime_course(bench: Bench) -> list[Result]:
    return [lime(bench, "LIME, course CNN at 128", bar=4, most=1000)]


def lime(bench: Bench, method: str, bar: float, most: int) -> Result:
    package = peer("lime.lime_image", "lime")
    theirs, most, many = (20, 50, 60) if bench.quick else (1000, most, 20_000)

    def ways(part: Part, seed: int) -> dict[str, Callable[[], object]]:
        return {"lime": lambda: as_it_comes(package, bench, part, theirs, seed), "ours": lambda: rungs(bench, part, most, seed)}

    references = [reference(bench, part, many) for part in bench.parts]
    as_it_comes(package, bench, bench.parts[0], 10, 0)  # warm: both import what cuts superpixels, an engine compiles
    rungs(bench, bench.parts[0], 10, 0)
    taken = turns(bench, ways)
    for turn in taken:
        check_same_superpixels(turn)

    def close(turn: Turn, weights: np.ndarray | Tensor) -> float:
        return correlation(weights, references[turn.part.number])

    reached = float(np.mean([close(turn, turn.answers["lime"][1]) for turn in taken]))
    chosen, ours = -1, float("nan")
    for number, rung in enumerate(taken[0].answers["ours"]):
        ours = float(np.mean([close(turn, turn.answers["ours"][number].weights) for turn in taken]))
        say(f"  {rung.samples} samples of ours: correlation {ours:.4f}; {theirs} of lime: {reached:.4f}")
        if ours >= reached:
            chosen = number
            break
    picked = [turn.answers["ours"][chosen] for turn in taken]
    return Result(
        method,
        f"lime as it comes, {theirs} samples",
        tuple((turn.seconds["lime"], rung.seconds) for turn, rung in zip(taken, picked, strict=True)),
        (f"r {reached:.4f}", f"r {ours:.4f}, {picked[0].samples} samples"),
        ours >= reached,
        bar,
        middle([overhead(rung.answer.work, rung.seconds, turn) for turn, rung in zip(taken, picked, strict=True)]),
        f"correlation of the superpixels' weights with {many} samples, mean of {len(taken)} runs",
    )


def as_it_comes(package, bench: Bench, part: Part, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The superpixels, and lime's weights of them."""
    from skimage.segmentation import slic

    mean, std = (torch.tensor(values)[:, None, None] for values in (bench.model.mean, bench.model.std))

    def segmented(image: np.ndarray) -> np.ndarray:
        labels = slic(image, CUT.segments, CUT.compactness, sigma=CUT.sigma, start_label=0, channel_axis=-1)
        return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)  # lime hides columns 0 to S-1

    def probabilities(images: np.ndarray) -> np.ndarray:
        features = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - mean) / std
        with torch.no_grad():
            return bench.module(features).softmax(1).numpy()

    explained = package.LimeImageExplainer(random_state=seed).explain_instance(
        part.images.pixels[0].numpy() / 255, probabilities, labels=(part.label,), top_labels=None, num_samples=samples,
        segmentation_fn=segmented,
    )  # fmt: skip
    weights = np.zeros(int(explained.segments.max()) + 1)
    for segment, weight in explained.local_exp[part.label]:
        weights[segment] = weight
    return explained.segments, weights


def rungs(bench: Bench, part: Part, most: int, seed: int) -> list[Rung]:
    """Every answer of ours on the way to `most` samples."""
    stream = methods["lime"].stream(bench.model, part.images, part.target, samples=most, segments=CUT.segments, seed=seed)
    return climbed(stream, most)


def climbed(stream: Iterator[Attribution], most: int) -> list[Rung]:
    """Its answers with the time that each had taken, of at most so many samples."""
    found: list[Rung] = []
    spent = 0.0
    while True:
        start = time.perf_counter()
        answer = next(stream, None)
        spent += time.perf_counter() - start
        if answer is None:
            return found
        found.append(Rung(round(answer.work.fraction * most), spent, answer))


def check_same_superpixels(turn: Turn) -> None:
    segments, _ = turn.answers["lime"]
    if not np.array_equal(segments, turn.answers["ours"][0].answer.segments[0].numpy()):
        raise Disagreement("lime and ours cut the photograph into different superpixels")


def reference(bench: Bench, part: Part, samples: int) -> np.ndarray:
    """The weights after very many samples, in float32, the superpixels hidden as coins fall: what lime aims at too."""
    options = {"samples": samples, "design": "coin", "segments": CUT.segments, "seed": SEED}
    compiled = bench.model.compiled  # its logits in float32 are torch's to 1e-5, in half the time
    model = bench.exact if compiled is None or compiled.has_bfloat16 else bench.model.on("openvino")

    def make() -> np.ndarray:
        last: Attribution | None = None
        for last in methods["lime"].stream(model, part.images, part.target, **options):
            if last.work.forwards % 2000 == 0:
                say(f"    {last.work.forwards} of {samples} samples")
        assert last is not None
        return last.segment_weights[0].numpy()

    return remembered(bench, "lime", part, options, make)
