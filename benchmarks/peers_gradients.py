"""Integrated gradients and SmoothGrad beside captum's, by time and by memory."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
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
    remembered,
    say,
    turns,
)
from torch import Tensor, nn

import pellucid as pl
from pellucid.attribution import Attribution
from pellucid.inputs.baselines import make_baseline
from pellucid.methods import methods

POINTS = 50
"""Of captum's rule, and the copies of its SmoothGrad: what it does when nobody says otherwise, and what papers take."""
NOISE = 0.15
"""SmoothGrad's, as a share of the image's value range."""
LADDER = (4, 10, 20, 40)
"""Batches that captum's best is looked for among."""
COPIES = (20, 30, 36, 40, 42, 44, 46, 48, 50, 56, 64, 80)
"""How many noisy copies of ours are tried."""
IN_ONE_BATCH = 200
"""Points that captum is asked to take at once, at most: more do not fit into an ordinary machine."""
ROUNDING = 1e-3
"""How much the same gap, itself a small difference of logits, may differ between two ways of computing them in float32."""
SEED = 20_000_003
"""Of the reference; no round's."""


# ------------------------------------------------------------------------------------------------ integrated gradients


def captum_ig(module: nn.Module, part: Part, points: int, batch: int | None) -> Tensor:
    """Captum's map of one photograph from black, by the Gauss-Legendre rule, its default."""
    explainer = peer("captum.attr", "captum").IntegratedGradients(module)
    return explainer.attribute(
        part.images.features, baselines=black(part), target=part.label, n_steps=points, internal_batch_size=batch
    )


def black(part: Part) -> Tensor:
    return make_baseline(part.images, "black")


def our_ig(model: pl.ImageClassifier, part: Part, **options: Any) -> Attribution:
    return pl.explain(model, part.images, method="integrated_gradients", target=part.target, baseline="black", **options)


def gap(bench: Bench, part: Part, scores: Tensor) -> float:
    """How far the scores are from adding up to the change of the logit, as a share of it; measured in float32."""
    first, last = bench.exact.values(torch.cat([black(part), part.images.features]), part.target.expand(2)).double().tolist()
    return abs(float(scores.sum(dtype=torch.float64)) - (last - first)) / abs(last - first)


def captum_ig_batch(bench: Bench) -> int:
    part = bench.parts[0]
    return best_batch(bench, "captum integrated gradients", lambda n, b: captum_ig(bench.module, part, n, b), LADDER)


def points_needed(bench: Bench, part: Part, tolerance: float, batch: int) -> int:
    """How many points captum needs, doubled from 50 until the gap holds."""

    def make() -> np.ndarray:
        points = POINTS
        while True:
            found = gap(bench, part, captum_ig(bench.module, part, points, batch))
            say(f"    captum with {points} points: gap {found:.2%}")
            if found <= tolerance:
                return np.array(points)
            points *= 2

    version = peer("captum", "captum").__version__
    return int(remembered(bench, "captum-points", part, {"tolerance": tolerance, "captum": version}, make))


def at_once(bench: Bench) -> int:
    """How many points captum may take in one batch here: 200, or what half of the memory that is free can hold."""
    part, held = bench.parts[0], 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal held
        held += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        bench.module(part.images.features.clone().requires_grad_())
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    return max(1, min(IN_ONE_BATCH, int(free / 2 / held)))


def ig_gap(bench: Bench) -> list[Result]:
    tolerance = 0.25 if bench.quick else 0.01
    batch, most = captum_ig_batch(bench), at_once(bench)
    needed = [points_needed(bench, part, tolerance, batch) for part in bench.parts]

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        points = needed[part.number]
        whole = None if points <= most else most
        return {
            "captum as it comes": lambda: captum_ig(bench.module, part, points, whole),
            "captum at its best batch": lambda: captum_ig(bench.module, part, points, batch),
            "ours": lambda: our_ig(bench.model, part, tolerance=tolerance),
        }

    taken = turns(bench, ways)
    ours = max(gap(bench, turn.part, turn.answers["ours"].scores) for turn in taken)
    evaluations = [turn.answers["ours"].work.backwards for turn in taken]
    attempts = [2 * points - POINTS for points in needed]  # 50 + 100 + ... + points
    results = []
    for way, bar in (("captum as it comes", 15.0), ("captum at its best batch", 4.0)):
        theirs = max(gap(bench, turn.part, turn.answers[way]) for turn in taken)
        note = (
            f"timed is captum's last attempt; with those before it, it takes {sum(attempts) / sum(needed):.1f} times the points"
        )
        split = any(points > most for points in needed) and way == "captum as it comes"
        note += f"; above {most} points it is given batches of {most}, to fit into memory" if split else ""
        note += f"; batches of {batch}" if way == "captum at its best batch" else ""
        results.append(
            Result(
                f"integrated gradients, gap at most {tolerance:.0%}",
                way,
                pairs(taken, way),
                (
                    f"gap at most {theirs:.2%}, {spread(needed)} points",
                    f"gap at most {ours:.2%}, {spread(evaluations)} points",
                ),
                max(ours, theirs) <= tolerance * (1 + ROUNDING),
                bar,
                over(taken),
                note,
            )
        )
    return results


def ig_points(bench: Bench) -> list[Result]:
    points = 10 if bench.quick else POINTS
    batch = captum_ig_batch(bench)

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        return {
            "captum as it comes": lambda: captum_ig(bench.module, part, points, None),
            "captum at its best batch": lambda: captum_ig(bench.module, part, points, batch),
            "ours": lambda: our_ig(bench.model, part, steps=points, rule="gauss_legendre"),
        }

    taken = turns(bench, ways)
    results = []
    for way, bar in (("captum as it comes", 6.0), ("captum at its best batch", 1.7)):
        least = min(cosine(turn.answers[way], turn.answers["ours"].scores) for turn in taken)
        check_alike(f"{way} and ours, integrated gradients with {points} points", least, COSINE)
        results.append(
            Result(
                f"integrated gradients, {points} points",
                way,
                pairs(taken, way),
                ("the same map", f"cosine {least:.6f} at least"),
                True,
                bar,
                over(taken),
                f"batches of {batch}" if way == "captum at its best batch" else "",
            )
        )
    return results


# ------------------------------------------------------------------------------------------------ SmoothGrad


def captum_smoothgrad(module: nn.Module, part: Part, samples: int, batch: int | None, seed: int) -> Tensor:
    """Captum's mean signed gradient of one photograph over noisy copies."""
    attr = peer("captum.attr", "captum")
    torch.manual_seed(seed)
    return attr.NoiseTunnel(attr.Saliency(module)).attribute(
        part.images.features, nt_type="smoothgrad", nt_samples=samples, nt_samples_batch_size=batch,
        stdevs=float(NOISE * part.images.value_range), target=part.label, abs=False,
    )  # fmt: skip


def our_smoothgrad(model: pl.ImageClassifier, part: Part, samples: int, seed: int, **options: Any) -> Attribution:
    return pl.explain(
        model, part.images, method="smoothgrad", target=part.target, samples=samples, noise=NOISE, seed=seed, **options
    )


def smoothgrad_reference(bench: Bench, part: Part, samples: int) -> np.ndarray:
    """The mean signed gradient over very many copies, their noise drawn independently, in float32."""
    options = {"samples": samples, "noise": NOISE, "seed": SEED}

    def make() -> np.ndarray:
        return methods["smoothgrad"](bench.exact, part.images, part.target, **options).scores.numpy()

    return remembered(bench, "smoothgrad", part, options, make)


def smoothgrad(bench: Bench) -> list[Result]:
    theirs, many, copies = (6, 20, (4, 6, 8)) if bench.quick else (POINTS, 2000, COPIES)
    part = bench.parts[0]
    batch = best_batch(bench, "captum SmoothGrad", lambda n, b: captum_smoothgrad(bench.module, part, n, b, 0), LADDER)
    references = [smoothgrad_reference(bench, part, many) for part in bench.parts]

    def ways(part: Part, seed: int) -> dict[str, Callable[[], Any]]:
        peers: dict[str, Callable[[], Any]] = {
            "captum as it comes": lambda: captum_smoothgrad(bench.module, part, theirs, None, seed),
            "captum at its best batch": lambda: captum_smoothgrad(bench.module, part, theirs, batch, seed + 1000),
        }
        ours = {f"ours {n}": lambda n=n: our_smoothgrad(bench.model, part, n, seed, antithetic=True) for n in copies}
        return peers | ours

    taken = turns(bench, ways)

    def close(way: str) -> float:
        found = []
        for turn in taken:
            answer = turn.answers[way]
            scores = answer.scores if isinstance(answer, Attribution) else answer
            found.append(correlation(scores, references[turn.part.number]))
        return float(np.mean(found))

    ways_of_captum = ("captum as it comes", "captum at its best batch")
    reached = float(np.mean([close(way) for way in ways_of_captum]))  # the same estimate, drawn twice
    chosen, ours = copies[-1], float("nan")
    for chosen in copies:
        ours = close(f"ours {chosen}")
        say(f"  {chosen} copies of ours: correlation {ours:.4f}; {theirs} of captum: {reached:.4f}")
        if ours >= reached:
            break
    return [
        Result(
            f"SmoothGrad, what {theirs} independent samples reach",
            way,
            pairs(taken, way, f"ours {chosen}"),
            (f"r {reached:.4f}", f"r {ours:.4f}, {chosen} samples"),
            ours >= reached,
            bar,
            over(taken, f"ours {chosen}"),
            f"correlation of the signed gradients with {many} samples, mean of {len(taken)} runs"
            + (f"; batches of {batch}" if way == ways_of_captum[1] else ""),
        )
        for way, bar in zip(ways_of_captum, (5.0, 1.8), strict=True)
    ]


# ------------------------------------------------------------------------------------------------ memory


def memory(bench: Bench) -> list[Result]:
    samples = 10 if bench.quick else POINTS
    results = []
    for method, title in (("ig", "integrated gradients"), ("smoothgrad", "SmoothGrad")):
        pairs = []
        for number in range(bench.rounds):
            theirs, ours = (peak(who, method, samples, bench.engine) for who in ("captum", "ours"))
            say(f"  {method}, round {number + 1}: captum {theirs:.0f} MiB, ours {ours:.0f} MiB")
            pairs.append((theirs, ours))
        results.append(
            Result(
                f"peak memory of {title}, {samples} passes",
                "captum as it comes",
                tuple(pairs),
                ("", ""),
                True,
                20.0,
                note="of a new process, above where it was after a map of two passes",
                unit="MiB",
            )
        )
    return results


def peak(who: str, method: str, samples: int, engine: str) -> float:
    command = [sys.executable, str(Path(__file__).with_name("peers_memory.py")), who, method, str(samples), engine]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


# ------------------------------------------------------------------------------------------------ what rows share


def pairs(taken: list[Turn], way: str, ours: str = "ours") -> tuple[tuple[float, float], ...]:
    return tuple((turn.seconds[way], turn.seconds[ours]) for turn in taken)


def over(taken: list[Turn], ours: str = "ours") -> float:
    return middle([overhead(turn.answers[ours].work, turn.seconds[ours], turn) for turn in taken])


def spread(counts: list[int]) -> str:
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
