"""A race: what takes part, the turns they take, and what comes out of it."""

import hashlib
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import pellucid as pl
from pellucid.attribution import Work
from pellucid.inputs.image import Images
from pellucid.models.batches import BATCH

COSINE = 0.9999
"""Between two ways of computing the same map in float32, which are no closer to float64 themselves."""


class Absent(Exception):
    """A peer that is not installed."""


class Disagreement(Exception):
    """Two that should have computed the same did not, so their times say nothing."""


def peer(module: str, package: str) -> Any:
    """The module of a peer; Absent, with the package's name, where it cannot be imported."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Absent(f"{package} is not there ({error}); benchmarks/README.md says how to install it") from None


@dataclass(frozen=True)
class Bench:
    """What a race runs on."""

    model: pl.ImageClassifier
    """Ours, with the engine that was asked for."""
    exact: pl.ImageClassifier
    """The same in torch and float32: what references are made with."""
    module: nn.Module
    """The network as it was loaded, for peers to run, who may leave hooks and gradients in it."""
    images: Images
    target: Tensor
    rounds: int
    cache: Path
    engine: str
    layer: str
    """Whose filters are visualized."""
    quick: bool

    @cached_property
    def parts(self) -> list["Part"]:
        """The photographs one by one."""
        return [Part(self.images[n], self.target[n : n + 1], n) for n in range(len(self.images))]

    def raw(self) -> dict[str, Callable[[], object]]:
        """A pass of the network by hand, over one batch: what no method can do without."""
        features = self.images.features[torch.arange(BATCH) % len(self.images)]
        target = self.target[torch.arange(BATCH) % len(self.images)]

        def forward() -> Tensor:
            with torch.no_grad():
                return self.module(features)

        def gradient() -> Tensor:
            leaf = features.clone().requires_grad_()
            return torch.autograd.grad(self.module(leaf).gather(1, target[:, None]).sum(), leaf)[0]

        return {"raw forward": forward, "raw gradient": gradient}


@dataclass(frozen=True)
class Part:
    """The photographs of a turn."""

    images: Images
    target: Tensor
    number: int

    @property
    def label(self) -> int:
        """The class, of a single photograph."""
        return int(self.target)


@dataclass(frozen=True)
class Turn:
    """Everybody's turn on the same photographs with the same seed."""

    part: Part
    seed: int
    seconds: dict[str, float] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)


Ways = Callable[[Part, int], Mapping[str, Callable[[], Any]]]


def turns(bench: Bench, ways: Ways, *, together: bool = False, warm: bool = False) -> list[Turn]:
    """All ways in turn on each photograph (or on all of them together), in every round, and each time another goes first.

    So whatever else the machine does falls on all of them. The seed is the number of the round. With `warm`
    everybody has a turn before that does not count.
    """
    parts = [Part(bench.images, bench.target, 0)] if together else bench.parts
    for way in (*bench.raw().values(), *(ways(parts[0], 0).values() if warm else ())):
        way()
    taken = []
    for seed in range(bench.rounds):
        for part in parts:
            turn = Turn(part, seed)
            running = list((dict(ways(part, seed)) | bench.raw()).items())
            first = len(taken) % len(running)
            for name, way in running[first:] + running[:first]:
                start = time.perf_counter()
                turn.answers[name] = way()
                turn.seconds[name] = time.perf_counter() - start
            taken.append(turn)
            shown = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in turn.seconds.items())
            say(f"  round {seed + 1}, {', '.join(part.images.names) if not together else 'all'}: {shown}")
    return taken


def best_batch(bench: Bench, name: str, run: Callable[[int, int], object], ladder: Sequence[int]) -> int:
    """The fastest of these batch sizes for as many passes as the largest of them, each tried twice, in turn."""
    ladder = ladder[:2] if bench.quick else ladder
    taken = dict.fromkeys(ladder, float("inf"))
    for _ in range(2):
        for batch in ladder:
            start = time.perf_counter()
            run(max(ladder), batch)
            taken[batch] = min(taken[batch], time.perf_counter() - start)
    best = min(taken, key=lambda batch: taken[batch])
    say(f"  {name}: best batch {best} of " + ", ".join(f"{batch} ({seconds:.2f} s)" for batch, seconds in taken.items()))
    return best


def overhead(work: Work, seconds: float, turn: Turn) -> float:
    """Our time, as a share of what the same number of raw passes takes."""
    plain = (work.forwards - work.backwards) * turn.seconds["raw forward"] + work.backwards * turn.seconds["raw gradient"]
    return seconds / (plain / BATCH)


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    method: str
    peer: str
    pairs: tuple[tuple[float, float], ...]
    """What the peer and ours took, turn by turn."""
    quality: tuple[str, str]
    """Of the peer's answer and of ours."""
    equal: bool
    """Whether ours is at least as good."""
    bar: float
    overhead: float | None = None
    """Ours over the raw passes that it makes."""
    note: str = ""
    unit: str = "s"

    @property
    def ratios(self) -> list[float]:
        return [theirs / ours for theirs, ours in self.pairs]

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of the ratios; of a single turn all three are its ratio."""
        ratios = self.ratios
        if len(ratios) == 1:
            return ratios[0], ratios[0], ratios[0]
        low, half, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, half, high

    @property
    def best(self) -> tuple[float, float]:
        theirs, ours = zip(*self.pairs, strict=True)
        return min(theirs), min(ours)

    @property
    def reached(self) -> bool:
        return self.equal and self.quartiles[1] >= self.bar


def cosine(one: Tensor, other: Tensor) -> float:
    one, other = one.double().flatten(), other.double().flatten()
    return float(one @ other / (one.norm() * other.norm()))


def correlation(one: np.ndarray | Tensor, other: np.ndarray | Tensor) -> float:
    """Pearson's."""
    return float(np.corrcoef(np.asarray(one).ravel(), np.asarray(other).ravel())[0, 1])


def check_alike(what: str, value: float, least: float) -> None:
    if not value >= least:
        raise Disagreement(f"{what}: agreement {value:.6f}, expected at least {least}")


def remembered(
    bench: Bench, kind: str, part: Part, options: Mapping[str, object], make: Callable[[], np.ndarray]
) -> np.ndarray:
    """What was made before for this network, photograph and these options, from the cache; otherwise it is made and kept."""
    digest = hashlib.sha256(part.images.features.numpy().tobytes())
    digest.update(repr((kind, bench.exact.fingerprint, part.target.tolist(), sorted(options.items()))).encode())
    path = bench.cache / f"{kind}-{digest.hexdigest()[:24]}.npy"
    if path.exists():
        return np.load(path)
    say(f"  {kind} of {part.images.names[0]} is made and kept in {path}")
    made = make()
    bench.cache.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    with unfinished.open("wb") as file:
        np.save(file, made)
    unfinished.replace(path)
    return made


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
