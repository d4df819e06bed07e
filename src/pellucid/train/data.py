"""What a network is trained on: photographs, read anew for every batch, or features that were computed once."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, final, runtime_checkable

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from pellucid.inputs.augment import augmented, generator
from pellucid.inputs.food11 import Photo
from pellucid.inputs.photograph import ImageWarning, open_photograph
from pellucid.models.image import ImageClassifier


@runtime_checkable
class Examples(Protocol):
    """Labelled inputs of a network."""

    @property
    def labels(self) -> Int64[Tensor, " example"]: ...

    def batch(self, rows: Sequence[int], view: tuple[int, int] | None = None) -> Float32[Tensor, "row ..."]:
        """The inputs of these rows: as they are, or, for a view (seed, epoch), changed at random in a way it determines."""
        ...


@final
class Photographs:
    """Photographs as `reader` reads them; a view is a random part of each, see `augmented`."""

    def __init__(self, photos: Sequence[Photo], reader: ImageClassifier) -> None:
        self.photos = tuple(photos)
        self.reader = reader
        self.labels = torch.tensor([photo.label for photo in photos], dtype=torch.int64)

    def batch(self, rows: Sequence[int], view: tuple[int, int] | None = None) -> Float32[Tensor, "row channel height width"]:
        def read(row: int) -> Tensor:
            if view is None:
                return self.reader.read(self.photos[row].path).features[0]
            picture, _ = open_photograph(self.photos[row].path)
            values = augmented(picture, self.reader.size, generator(*view, row))
            return (values - mean) / std

        mean, std = (torch.tensor(v)[:, None, None] for v in (self.reader.mean, self.reader.std))
        with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            warnings.simplefilter("ignore", ImageWarning)  # each was shown once, when the folder was looked through
            return torch.stack(list(pool.map(read, rows)))


@final
class Features:
    """Features that do not change from one epoch to the next."""

    def __init__(self, values: Float32[Tensor, "example feature"], labels: Int64[Tensor, " example"]) -> None:
        self.values = values
        self.labels = labels

    def batch(self, rows: Sequence[int], view: tuple[int, int] | None = None) -> Float32[Tensor, "row feature"]:
        return self.values[list(rows)]
