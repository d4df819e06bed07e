"""The training loop: AdamW, a cosine schedule with warm-up, validation and a checkpoint after every epoch.

The random draws of a step depend on the seed, the epoch and the step alone, so a run that was stopped and resumed ends with
the weights of one that was not, bit for bit on the same machine with as many threads.
"""

import math
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pellucid.inputs.augment import generator
from pellucid.train import checkpoint
from pellucid.train.data import Examples
from pellucid.train.progress import Epoch, Progress, Result, Score

WARM_UP = 0.05
"""The share of the steps in which the rate rises."""


@final
@dataclass(frozen=True)
class Recipe:
    """How to train. ValueError for a number out of its range."""

    architecture: str
    epochs: int
    batch: int
    rate: float
    """The highest learning rate; it rises to this and falls along a cosine to 0."""
    seed: int = 0
    decay: float = 0.01
    """AdamW's weight decay."""
    smoothing: float = 0.0
    """Label smoothing."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; at least 1")
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise ValueError(f"rate is {self.rate}; expected a number above 0")
        if not 0 <= self.smoothing < 1 or not self.decay >= 0:
            raise ValueError(f"smoothing is {self.smoothing} and decay {self.decay}; expected 0 to below 1, and at least 0")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; at least 0")

    def factor(self, step: int, steps: int) -> float:
        """The rate of a step of the whole run, as a share of the highest."""
        rising = max(1, round(WARM_UP * steps))
        if step < rising:
            return (step + 1) / rising
        return (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2


@final
@dataclass(frozen=True)
class Run:
    """Where a run is kept, and what its files say beside the weights that are trained."""

    out: Path
    data: str
    """The data set's digest: a run goes on only with the data it began with."""
    labels: tuple[str, ...]
    frozen: Mapping[str, Tensor] = field(default_factory=dict)
    """Weights that are not trained but belong to the network that is saved."""
    prefix: str = ""
    """What the trained weights are called by in it."""

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        trained = {self.prefix + name: tensor for name, tensor in module.state_dict().items()}
        return checkpoint.to_cpu({**self.frozen, **trained})

    def restore(self, module: nn.Module, weights: Mapping[str, Tensor]) -> None:
        module.load_state_dict({name: weights[self.prefix + name] for name in module.state_dict()})

    def started(self, recipe: Recipe) -> dict[str, Any]:
        """The run's `last.pth`. ValueError when it was made with other data or another recipe."""
        content = checkpoint.read(self.out / checkpoint.LAST)
        before, now = content["recipe"], asdict(recipe)
        other = [f"{name} {before.get(name)}, not {now[name]}" for name in now if before.get(name) != now[name]]
        if other:
            raise ValueError(f"the run in {str(self.out)!r} was started with {'; '.join(other)}: resume it with the same")
        if content["data"] != self.data:
            raise ValueError(f"the run in {str(self.out)!r} was started with other photographs; train in another folder")
        return content


def prepare(out: Path, *, resume: bool) -> None:
    """Makes the folder of a run. ValueError when it already holds one (or, resuming, holds none), OSError when it cannot be."""
    last = out / checkpoint.LAST
    if resume and not last.is_file():
        raise ValueError(f"there is no run to resume in {str(out)!r}: it has no {checkpoint.LAST}")
    if last.exists() and not resume:
        raise ValueError(f"{str(out)!r} already holds a training run; resume it, or train in another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(error.errno, f"cannot make the folder {str(out)!r}: {error.strerror}") from None


def recipe_of(out: Path) -> Recipe:
    """The recipe of the run in that folder, to resume it with. ValueError when there is none."""
    prepare(out, resume=True)
    return Recipe(**checkpoint.read(out / checkpoint.LAST)["recipe"])


def fit(
    module: nn.Module, training: Examples, validation: Examples, recipe: Recipe, run: Run, *, resume: bool = False
) -> Generator[Progress, None, Result]:
    """Trains the module in place, yielding after every batch; the last epoch's weights are in it in the end.

    After every epoch `last.pth` is written, and `checkpoint.pth` when the epoch is the best so far; whatever stops the run, no
    more than the epoch under way is lost. Raises what `prepare` raises, OSError when a file cannot be written, ValueError for
    a run that was started otherwise, FloatingPointError when the loss is no longer finite.
    """
    prepare(run.out, resume=resume)
    optimizer = torch.optim.AdamW(module.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    history: list[Epoch] = []
    if resume:
        content = run.started(recipe)
        run.restore(module, content["model_state_dict"])
        optimizer.load_state_dict(content["optimizer"])
        history = [Epoch.of(plain) for plain in content["history"]]
    else:
        _save(run, recipe, module, optimizer, history)  # before any work, so that an unwritable folder is known at once
    for number in range(len(history) + 1, recipe.epochs + 1):
        loss = yield from _epoch(module, optimizer, training, recipe, number)
        score = yield from scored(module, validation, len(run.labels), recipe.batch, number, recipe.epochs)
        if not math.isfinite(loss + score.loss):
            raise FloatingPointError(f"the loss is {loss} after epoch {number}; a rate below {recipe.rate} may do")
        best = max_epoch(history)
        history.append(Epoch(number, loss, score))
        if history[-1].better_than(best):
            _save(run, recipe, module, None, history)
        _save(run, recipe, module, optimizer, history)
        yield Progress("epoch", number, recipe.epochs, number, recipe.epochs, loss, report=history[-1])
    best = max_epoch(history)
    assert best is not None
    return Result(run.out / checkpoint.BEST, tuple(history), best)


def max_epoch(history: list[Epoch]) -> Epoch | None:
    """The best of them, the earlier of two that are as good."""
    best: Epoch | None = None
    for epoch in history:
        best = epoch if epoch.better_than(best) else best
    return best


def _epoch(
    module: nn.Module, optimizer: torch.optim.Optimizer, training: Examples, recipe: Recipe, number: int
) -> Generator[Progress, None, float]:
    """Every example once, in an order of the epoch's own; gives the mean loss."""
    labels = training.labels
    order = torch.randperm(len(labels), generator=generator(recipe.seed, number)).split(recipe.batch)
    device = next(module.parameters()).device
    total, done = 0.0, 0
    for step, rows in enumerate(order):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * recipe.factor((number - 1) * len(order) + step, recipe.epochs * len(order))
        inputs = training.batch(rows.tolist(), (recipe.seed, number)).to(device)
        cuda = [device] if device.type == "cuda" else []
        module.train()
        try:
            with torch.random.fork_rng(devices=cuda), torch.enable_grad():  # dropout draws from the global generator
                torch.manual_seed(generator(recipe.seed, number, step).initial_seed())
                loss = cross_entropy(module(inputs), labels[rows].to(device), label_smoothing=recipe.smoothing)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        finally:
            module.eval()  # so that whoever stops here has a network that answers
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the loss is {value} in epoch {number}; a rate below {recipe.rate} may do. The last epoch's weights are kept"
            )
        total, done = total + value * len(rows), done + len(rows)
        yield Progress("training", done, len(labels), number, recipe.epochs, total / done)
    return total / done


def scored(
    module: nn.Module, examples: Examples, classes: int, batch: int, epoch: int = 0, epochs: int = 0
) -> Generator[Progress, None, Score]:
    """How the module does on the examples, which it sees as they are."""
    device = next(module.parameters()).device
    labels = examples.labels
    loss = 0.0
    right, count = torch.zeros(classes, dtype=torch.int64), labels.bincount(minlength=classes)
    module.eval()
    for rows in torch.arange(len(labels)).split(batch):
        with torch.no_grad():
            logits = module(examples.batch(rows.tolist()).to(device)).float().cpu()
        loss += float(cross_entropy(logits, labels[rows], reduction="sum"))
        right += labels[rows][logits.argmax(1) == labels[rows]].bincount(minlength=classes)
        yield Progress("validation" if epochs else "evaluation", int(rows[-1]) + 1, len(labels), epoch, epochs)
    return Score(loss / len(labels), tuple(right.tolist()), tuple(count.tolist()))


def _save(run: Run, recipe: Recipe, module: nn.Module, optimizer: torch.optim.Optimizer | None, history: list[Epoch]) -> None:
    """The best weights alone, or, with the optimizer, all that is needed to go on. Numbers, strings and tensors only."""
    content: dict[str, Any] = {
        "model_state_dict": run.weights(module),
        "architecture": recipe.architecture,
        "labels": list(run.labels),
        "epoch": len(history),
        "history": [epoch.plain() for epoch in history],
        "recipe": asdict(recipe),
        "data": run.data,
    }
    if optimizer is not None:
        content["optimizer"] = optimizer.state_dict()
    checkpoint.save(run.out / (checkpoint.BEST if optimizer is None else checkpoint.LAST), content)
