"""A training run on disk: `checkpoint.pth`, the best weights, and `last.pth`, all that is needed to go on."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.models.load import state_dict
from pellucid.store import write_whole

BEST, LAST = "checkpoint.pth", "last.pth"
NEEDED = ("model_state_dict", "recipe", "epoch", "optimizer", "data", "history")


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes the file whole or not at all. OSError with the reason when it cannot be written; the old one is kept."""
    buffer = io.BytesIO()  # subtle: torch.save into a file would turn a full disk into a RuntimeError without a reason
    torch.save(content, buffer)
    write_whole(path, buffer.getvalue())


def read(path: Path) -> dict[str, Any]:
    """A run's `last.pth`. ValueError when it is not one; nothing in it is executed."""
    state_dict(path)  # for its messages about files that are no checkpoint at all
    content = torch.load(path, map_location="cpu", weights_only=True)
    lacking = [key for key in NEEDED if key not in content]
    if lacking:
        raise ValueError(f"{str(path)!r} holds weights but no training run: it lacks {', '.join(lacking)}")
    return content


def to_cpu(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy that later steps do not change."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights.items()}
