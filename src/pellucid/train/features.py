"""`imagenet`'s features of photographs, computed once and kept on disk."""

import hashlib
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float32
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pellucid.inputs.food11 import Photo
from pellucid.inputs.photograph import ImageWarning
from pellucid.models.batches import BATCH
from pellucid.models.hooks import run_to
from pellucid.models.image import ImageClassifier
from pellucid.store import write_whole
from pellucid.train.progress import Progress

POOLED = "_avg_pooling"
"""The layer of EfficientNet-Lite0 before its last: 1,280 means."""
FILE = "features.safetensors"
EVERY = 500
"""How many photographs are computed between two writings of the file."""


@final
class FeatureStore:
    """The features of photographs by the SHA-256 of their bytes, for one network, in one file."""

    def __init__(self, folder: Path, model: ImageClassifier) -> None:
        self.path = folder / FILE
        self.model = model
        self._known: dict[str, Tensor] = self._read()

    def _read(self) -> dict[str, Tensor]:
        """What the file holds; nothing when there is none, it is damaged, or it was made by another network."""
        if not self.path.is_file():
            return {}
        try:
            content = load(self.path.read_bytes())
        except SafetensorError:
            return {}  # every feature can be computed again
        ours = content.pop(self.model.fingerprint, None)
        return content if ours is not None else {}

    def write(self) -> None:
        # subtle: the network's fingerprint is a key of its own, so that the file needs no second format beside its tensors
        content = {self.model.fingerprint: torch.zeros(0), **self._known}
        write_whole(self.path, save(content))

    def compute(self, photos: Sequence[Photo]) -> Generator[Progress, None, Float32[Tensor, "photo feature"]]:
        """The features of the photographs, those that are not known yet computed, and saved every now and then."""
        names = [hashlib.sha256(photo.path.read_bytes()).hexdigest() for photo in photos]
        paths = {name: photo.path for name, photo in zip(names, photos, strict=True) if name not in self._known}
        missing = list(paths)
        for start in range(0, len(missing), BATCH):
            part = missing[start : start + BATCH]
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore", ImageWarning)  # each was shown when the folder was looked through
                read = self.model.read([paths[name] for name in part])
                values = run_to(self.model.module, POOLED, read.features).flatten(1)
            self._known.update((name, value.clone()) for name, value in zip(part, values, strict=True))
            if (start // BATCH + 1) % (EVERY // BATCH) == 0:
                self.write()
            yield Progress("features", len(names) - len(missing) + start + len(part), len(names))
        if missing:
            self.write()
        return torch.stack([self._known[name] for name in names])
