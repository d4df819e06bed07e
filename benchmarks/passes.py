"""How much faster a pass is through a prepared model than through the module as a user would call it.

    python benchmarks/passes.py [--rounds 7] [--models imagenet food11-cnn] [--batches 1 10]

Forward, and forward with the gradient by the input. Compared are: the module called by hand (`no_grad`; `.backward()`), the
model with prepare=False, and the model. They take turns in every round, so that whatever else the machine does falls on all
of them; printed is the median over the rounds of the ratio to the module by hand, with its quartiles. Also printed: what
preparing costs once, and what asking costs each time whether the copy still holds.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see `pellucid doctor`

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

import pellucid as pl
from pellucid.models.load import load_classifier, untrained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--models", nargs="+", default=["imagenet", "food11-cnn"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 10])
    asked = parser.parse_args()
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    for name in asked.models:
        model = load_classifier(name) if name in ("imagenet", "food11") else untrained(name)
        model = replace(model)  # of its own: not prepared yet
        once = timed(lambda model=model: model.prepared)
        again = statistics.median(timed(lambda model=model: model.prepared) for _ in range(20))
        kind = "folded" if model.prepared.altered else "not folded"
        print(f"{name}: prepared once in {once * 1e3:.0f} ms ({kind}), asked again in {again * 1e3:.1f} ms")
        for batch in asked.batches:
            features = torch.randn(batch, len(model.mean), *model.size, generator=torch.Generator().manual_seed(0))
            compare(model, features, asked.rounds)


def compare(model: pl.ImageClassifier, features: Tensor, rounds: int) -> None:
    """Prints the ratios of one batch."""
    as_it_is = replace(model, prepare=False)
    target = torch.zeros(len(features), dtype=torch.long)
    passes: dict[str, dict[str, Callable[[], object]]] = {
        "forward": {
            "by hand": lambda: by_hand(model, features),
            "as it is": lambda: as_it_is.logits(features),
            "prepared": lambda: model.logits(features),
        },
        "forward and gradient": {
            "by hand": lambda: by_hand_and_back(model, features),
            "as it is": lambda: as_it_is.gradients(features, target),
            "prepared": lambda: model.gradients(features, target),
        },
    }
    for title, ways in passes.items():
        for way in ways.values():
            way()  # warm
        taken = [{name: timed(way) for name, way in ways.items()} for _ in range(rounds)]
        shown = []
        for name in ("as it is", "prepared"):
            low, middle, high = statistics.quantiles([one["by hand"] / one[name] for one in taken], n=4)
            shown.append(f"{name} {middle:.2f} times [{low:.2f}..{high:.2f}]")
        best = min(one["prepared"] for one in taken) / len(features)
        print(
            f"  batch {len(features)}, {title}: {', '.join(shown)}; prepared at best {best * 1e3:.1f} ms an image", flush=True
        )


def by_hand(model: pl.ImageClassifier, features: Tensor) -> Tensor:
    with torch.no_grad():
        return model.module(features)


def by_hand_and_back(model: pl.ImageClassifier, features: Tensor) -> Tensor | None:
    leaf = features.clone().requires_grad_()
    model.module(leaf)[:, 0].sum().backward()
    model.module.zero_grad()
    return leaf.grad


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
