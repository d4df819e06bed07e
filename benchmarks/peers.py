"""Time to equal quality, beside the peers: how many times faster ours is, as the median over turns taken one after the other.

    python benchmarks/peers.py [--rows lime ig50 ...] [--rounds N] [--photographs N] [--engine openvino] [--layer NAME]
                               [--course FILE] [--cache DIR] [--markdown] [--quick]

benchmarks/README.md says what each row races, what "as it comes" means, and how to install peers that the project does not
need. A row whose peer is not there is skipped, and says so. Exit code 1 where two that should agree did not.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see `pellucid doctor`
os.environ.setdefault("TQDM_DISABLE", "1")  # lime's and Quantus' bars

import argparse
import copy
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from peers_filters import loop, lucent
from peers_gradients import ig_gap, ig_points, memory, smoothgrad
from peers_lime import lime_course, lime_imagenet
from peers_maps import deletion, grad_cam, occlusion, saliency
from peers_race import Absent, Bench, Disagreement, Result, say
from peers_shap import shapley
from peers_small import small, small_network
from torch import nn

import pellucid as pl
from pellucid.models.engine import Engine
from pellucid.models.load import load, load_classifier, untrained


@dataclass(frozen=True)
class Row:
    """What is raced, on how many photographs and how often unless somebody says otherwise: about three minutes' worth."""

    run: Callable[[Bench], list[Result]]
    photographs: int
    rounds: int
    model: str = "imagenet"


ROWS = {
    "lime": Row(lime_imagenet, 5, 1),
    "lime-course": Row(lime_course, 1, 1, "food11-cnn"),
    "shapley": Row(shapley, 3, 1),
    "gap": Row(ig_gap, 2, 1),
    "ig50": Row(ig_points, 5, 1),
    "smoothgrad": Row(smoothgrad, 3, 2),
    "memory": Row(memory, 1, 2),
    "occlusion": Row(occlusion, 3, 1),
    "saliency": Row(saliency, 10, 9),
    "grad-cam": Row(grad_cam, 10, 9),
    "loop": Row(loop, 1, 1),
    "lucent": Row(lucent, 1, 1),
    "deletion": Row(deletion, 10, 5),
    "small": Row(small, 5, 3, "resnet20"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, help="how often everybody takes a turn; each row has its own default")
    parser.add_argument("--photographs", type=int, help="of the ten observation images; each row has its own default")
    parser.add_argument("--engine", choices=get_args(Engine), default="torch", help="what our forward passes run on")
    parser.add_argument("--layer", default="_blocks.8._project_conv", help="whose filters are visualized")
    parser.add_argument("--course", type=Path, help="a checkpoint of food11-cnn; without, its weights are drawn at random")
    parser.add_argument("--cache", type=Path, default=Path("runs/peers"), help="where references are kept")
    parser.add_argument("--markdown", action="store_true", help="print a table")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that all of it runs, the figures mean nothing")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers'
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        + f", our engine {asked.engine}"
        + ("; quick, so the figures mean nothing" if asked.quick else "")
    )
    found: list[Result] = []
    failed = False
    for name in asked.rows:
        say(f"{name} ...")
        start = time.perf_counter()
        try:
            results = ROWS[name].run(bench(ROWS[name], asked))
        except Absent as absent:
            print(f"{name}: skipped, {absent}", flush=True)
            continue
        except Disagreement as disagreement:
            print(f"{name}: no figure, {disagreement}", flush=True)
            failed = True
            continue
        say(f"{name} took {time.perf_counter() - start:.0f} s")
        found += results
        for result in results:
            print(line(result), flush=True)
    if asked.markdown:
        print("\n".join(["", *table(found)]))
    sys.exit(1 if failed else 0)


def bench(row: Row, asked: argparse.Namespace) -> Bench:
    exact = {
        "imagenet": lambda: load_classifier("imagenet"), "food11-cnn": lambda: course_network(asked.course),
        "resnet20": lambda: settled(small_network()),
    }[row.model]()  # fmt: skip
    exact = replace(exact)  # of its own: what is prepared for it stays here
    model = replace(exact, engine=asked.engine)
    photographs = asked.photographs or (1 if asked.quick else row.photographs)
    images = exact.read([str(path) for path in pl.observation_paths()[:photographs]])
    rounds = asked.rounds or (1 if asked.quick else row.rounds)
    target = exact.targets(images)
    pl.explain(model, images[0], method="saliency")  # warm
    _ = model.compiled_gradient(), model.compiled_gradient(lowered=True)  # made once, and not timed
    return Bench(
        model, exact, copy.deepcopy(exact.module), images, target, rounds, asked.cache, asked.engine, asked.layer, asked.quick
    )  # fmt: skip


def course_network(checkpoint: Path | None) -> pl.ImageClassifier:
    """The course's network with the weights in that file, or else with weights that nobody trained, the same in every run."""
    if checkpoint is not None:
        return load(checkpoint, architecture="food11-cnn")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return settled(untrained("food11-cnn"))


def settled(model: pl.ImageClassifier) -> pl.ImageClassifier:
    """The same with the statistics of batch norm as photographs have them.

    With those that it begins with, eleven layers let nothing through, and the answer does not depend on the picture by more
    than rounding.
    """
    norms = [sub for sub in model.module.modules() if isinstance(sub, nn.BatchNorm2d | nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = None  # the plain mean over what it sees
        norm.train()
    with torch.no_grad():
        model.module(model.read([str(path) for path in pl.observation_paths()]).features)
    for norm in norms:
        norm.eval()
    return model


def line(result: Result) -> str:
    low, half, high = result.quartiles
    theirs, ours = result.best
    said = [
        f"{result.method} against {result.peer}: {half:.2f} times [{low:.2f}..{high:.2f}], {len(result.pairs)} turns",
        f"at best {figure(theirs)} against {figure(ours)} {result.unit}",
    ]
    said += [" against ".join(result.quality)] if any(result.quality) else []
    said += [f"{result.overhead:.2f} of its raw passes' time"] if result.overhead is not None else []
    said += [f"asked for {result.bar:g}: {verdict(result)}"]
    return "; ".join(said) + (f" ({result.note})" if result.note else "")


def table(results: list[Result]) -> list[str]:
    head = ("what", "peer", "times [quartiles]", "peer's best", "our best", "peer's quality", "ours", "of raw passes")
    rows = [(*head, "asked for", "reached", "note"), ("---",) * (len(head) + 3)]
    for result in results:
        low, half, high = result.quartiles
        theirs, ours = (f"{figure(value)} {result.unit}" for value in result.best)
        share = f"{result.overhead:.2f}" if result.overhead is not None else ""
        rows.append((
            result.method, result.peer, f"**{half:.1f}** [{low:.1f}..{high:.1f}]", theirs, ours, *result.quality, share,
            f"{result.bar:g}", verdict(result), result.note,
        ))  # fmt: skip
    return [f"| {' | '.join(row)} |" for row in rows]


def verdict(result: Result) -> str:
    if result.reached:
        return "yes"
    return "no" if result.equal else "no, and not of equal quality"


def figure(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


if __name__ == "__main__":
    main()
