"""Whether a network really answers by the planted cause and by nothing else: the cause replaced, and everything else replaced.

Without such a proof the truth would be assumed: a network may have found another way. See Zhou, Booth, Ribeiro and Shah, "Do
Feature Attribution Methods Correctly Attribute Features?", AAAI 2022, https://arxiv.org/abs/2104.14403.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pellucid.inputs.image import normalised
from pellucid.models.image import ImageClassifier
from pellucid.planted.scenes import Scenes

PLACES = 8
"""Other places at which as many pixels are replaced."""


@final
@dataclass(frozen=True, eq=False)
class Evidence:
    """The target's probability, image by image: of the picture as it is, and with some of its pixels replaced."""

    intact: Float32[Tensor, " batch"]
    replaced: Float32[Tensor, " batch"]
    """Inside the mask is what another class has there; where there are several, the one that changes the least."""
    elsewhere: Float32[Tensor, " batch"]
    """As many pixels outside the mask are another picture's: the mean over PLACES places."""
    transplanted: Float32[Tensor, " batch"]
    """All pixels outside the mask are another picture's, which itself is of another class."""

    @property
    def holds(self) -> Bool[Tensor, " batch"]:
        """Whether replacing the cause halves the probability or worse, and replacing anything else does not."""
        half = self.intact / 2
        return (self.replaced <= half) & (self.elsewhere > half) & (self.transplanted > half)

    @property
    def share(self) -> float:
        """Of the images for which it holds."""
        return float(self.holds.float().mean())

    def __getitem__(self, kept: Int64[Tensor, " kept"]) -> "Evidence":
        return Evidence(self.intact[kept], self.replaced[kept], self.elsewhere[kept], self.transplanted[kept])


def evidence(model: ImageClassifier, scenes: Scenes, source: torch.Generator) -> Evidence:
    """What the network answers when the scenes' masks, or what lies outside them, are replaced."""
    mask = scenes.mask[:, None]

    def probability(values: Float32[Tensor, "batch 3 height width"]) -> Float32[Tensor, " batch"]:
        return model.values(normalised(values, model.mean, model.std), scenes.target, "probability")

    def mean_elsewhere() -> Float32[Tensor, " batch"]:
        places = torch.stack([_elsewhere(one, source) for one in scenes.mask], 1)
        return torch.stack([probability(torch.where(one[:, None], scenes.rest, scenes.values)) for one in places]).mean(0)

    return Evidence(
        intact=probability(scenes.values),
        replaced=torch.stack([probability(torch.where(mask, other, scenes.values)) for other in scenes.others]).amax(0),
        elsewhere=mean_elsewhere(),
        transplanted=probability(torch.where(mask, scenes.values, scenes.rest)),
    )


def _elsewhere(mask: Bool[Tensor, "height width"], source: torch.Generator) -> Bool[Tensor, "place height width"]:
    """The mask moved to random other places, around the edges too, none of which touches it."""
    found: list[Tensor] = []
    for place in torch.randperm(mask.numel(), generator=source).tolist():
        moved = mask.roll(divmod(place, mask.shape[1]), (0, 1))
        if not (moved & mask).any():
            found.append(moved)
        if len(found) == PLACES:
            break
    assert len(found) == PLACES
    return torch.stack(found)
