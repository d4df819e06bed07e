"""What the evidence on one more map takes, where other maps of the same picture or text have theirs already.

    python benchmarks/evidence.py [--photographs 3] [METHOD...]

For each method the evidence is asked for twice, in turn: of a model that has seen nothing yet, and of one that was asked about
another method's map of the same picture before. Both must say the same to the last bit. Printed is the median of the ratios,
with its quartiles. The same for the scores of a text's tokens.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see `pellucid doctor`

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pellucid as pl
from pellucid.analysis.passages import example
from pellucid.analysis.token_scores import TokenMethod
from pellucid.evidence import Trust

METHODS = ("saliency", "grad_cam", "integrated_gradients", "smoothgrad", "occlusion", "lime")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--photographs", type=int, default=3)
    asked = parser.parse_args()
    model = pl.load("imagenet")
    pictures = [model.read(f"observation:{n}") for n in range(asked.photographs)]
    seen = replace(model)
    for images in pictures:
        pl.trust(seen, images, pl.explain(model, images, method="input_x_gradient"))
    for method in asked.methods:
        turns = []
        for images in pictures:
            a = pl.explain(model, images, method=method)
            turns.append(turn(lambda a=a, images=images, of=None: pl.trust(of, images, a), replace(model), seen, len(turns)))
        say(method, turns)
    encoder = pl.load("minilm-qa")
    asked_again = replace(encoder)
    text = example("errand")
    made = {name: pl.token_scores(encoder, text.question, text.context, method=name) for name in get_args(TokenMethod)}
    pl.token_trust(asked_again, made["input_x_gradient"])
    for name, scores in made.items():
        turns = [
            turn(lambda scores=scores, of=None: pl.token_trust(of, scores), replace(encoder), asked_again, n) for n in range(5)
        ]
        say(f"tokens, {name}", turns)


def turn(ask: Callable[..., Trust], new: object, seen: object, first: int) -> tuple[float, float]:
    """Seconds of both, each second time the other way round; AssertionError where they do not say the same."""
    taken, said = {}, []
    for name, of in (("new", new), ("seen", seen))[:: 1 if first % 2 else -1]:
        start = time.perf_counter()
        said.append(repr(ask(of=of).evidence))
        taken[name] = time.perf_counter() - start
    assert said[0] == said[1]
    return taken["new"], taken["seen"]


def say(title: str, turns: list[tuple[float, float]]) -> None:
    ratios = sorted(new / seen for new, seen in turns)
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    news, seens = (statistics.median(times) for times in zip(*turns, strict=True))
    print(f"{title}: {news:.2f} s alone, {seens:.2f} s after another; {middle:.1f} times ({low:.1f} to {high:.1f})", flush=True)


if __name__ == "__main__":
    main()
