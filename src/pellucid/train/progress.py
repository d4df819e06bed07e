"""What a training run says while it runs, and at its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from pellucid.inputs.food11 import Skipped

Stage = Literal["reading", "features", "training", "validation", "epoch", "evaluation", "done"]


@final
@dataclass(frozen=True)
class Score:
    """How a network does on labelled examples."""

    loss: float
    """Mean cross-entropy, in nats."""
    right: tuple[int, ...]
    """Of each class, how many were answered with it."""
    count: tuple[int, ...]
    """Of each class, how many there are."""

    @property
    def accuracy(self) -> float:
        return sum(self.right) / sum(self.count)

    def by_class(self, labels: tuple[str, ...]) -> dict[str, float | None]:
        """The accuracy on each class; None where there is no example."""
        return {name: r / n if n else None for name, r, n in zip(labels, self.right, self.count, strict=True)}

    def plain(self) -> dict[str, Any]:
        return {"loss": self.loss, "accuracy": self.accuracy, "right": list(self.right), "count": list(self.count)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Score":
        return cls(plain["loss"], tuple(plain["right"]), tuple(plain["count"]))


@final
@dataclass(frozen=True)
class Epoch:
    """An epoch that is over and saved."""

    number: int
    training_loss: float
    """Mean over the epoch's batches, as they were trained: on random views and while the weights changed."""
    validation: Score

    def plain(self) -> dict[str, Any]:
        return {"number": self.number, "training_loss": self.training_loss, "validation": self.validation.plain()}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Epoch":
        return cls(plain["number"], plain["training_loss"], Score.of(plain["validation"]))

    def better_than(self, other: "Epoch | None") -> bool:
        """Whether more validation examples are right, or as many at a lower loss."""
        if other is None:
            return True
        return (self.validation.accuracy, -self.validation.loss) > (other.validation.accuracy, -other.validation.loss)


@final
@dataclass(frozen=True)
class Result:
    """A run that is over."""

    checkpoint: Path
    """The weights of the best epoch."""
    history: tuple[Epoch, ...]
    best: Epoch
    evaluation: Score | None = None
    """Of the best epoch's weights on photographs that had no part in choosing them, where there are any."""
    skipped: tuple[Skipped, ...] = ()
    """Files that could not be used."""
    absent: tuple[str, ...] = ()
    """Classes without a training example, which the network cannot have learnt."""


@final
@dataclass(frozen=True)
class Progress:
    """How far a stage has come: `done` of `total` examples, in epoch `epoch` of `epochs`."""

    stage: Stage
    done: int
    total: int
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    """Mean training loss of the epoch so far."""
    report: Epoch | None = None
    """The epoch that has just been saved; only at stage "epoch"."""
    result: Result | None = None
    """Only at stage "done"."""
