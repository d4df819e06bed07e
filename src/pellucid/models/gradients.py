"""The gradients of many copies of a few images, of which sums are taken: by the engine, where it has them."""

from functools import cached_property
from typing import final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from pellucid.models.compiled_gradient import CompiledGradient
from pellucid.models.image import ImageClassifier, Output

BOTH_WAYS = "openvino, gradients too; in float32"
LOWERED = f"{BOTH_WAYS}, the way back in bfloat16"


@final
class Gradients:
    """Asks for values and gradients, as `ImageClassifier.gradients` gives them.

    With `engine="openvino"` the engine gives them, in float32, once a pass there and back has been compared with torch's: the
    same to rounding, which may turn a ReLU over that is just at its kink. Where it cannot, torch does, and `notes` says why.
    Compiling takes a second, so this is for many gradients, not for one. Where they are `noisy`, and of a mean that strays by
    far more than they do, the dense layers of the way back are in bfloat16 on a CPU that computes so.
    """

    def __init__(self, model: ImageClassifier, output: Output, noisy: bool = False) -> None:
        self._model, self._noisy = model, noisy
        self._output: Output = output

    @cached_property
    def _compiled(self) -> CompiledGradient | str | None:
        return self._model.compiled_gradient(lowered=self._noisy)

    def __call__(
        self, features: Float32[Tensor, "copy channel height width"], target: Int64[Tensor, " copy"]
    ) -> tuple[Float32[Tensor, " copy"], Float32[Tensor, "copy channel height width"]]:
        if not isinstance(self._compiled, CompiledGradient):
            return self._model.gradients(features, target, self._output)
        return self._model.quick_gradients(self._compiled, features, target, self._output)

    def values(
        self, features: Float32[Tensor, "copy channel height width"], target: Int64[Tensor, " copy"]
    ) -> Float32[Tensor, " copy"]:
        """Just the values, for a few copies: compiling the network once more, without gradients, would not pay."""
        if isinstance(compiled := self._compiled, CompiledGradient):
            return self._model.quick_gradients(compiled, features, target, self._output)[0]
        return self._model.on("torch").values(features, target, self._output)

    def summed(
        self,
        starts: Float32[Tensor, "image channel height width"],
        steps: Float32[Tensor, "image channel height width"],
        where: Float32[Tensor, " place"],
        weights: Float32[Tensor, " place"],
        target: Int64[Tensor, " image"],
    ) -> Float32[Tensor, "image channel height width"]:
        """Of every image, the weighted sum of the gradients at start + where * step."""
        if isinstance(compiled := self._compiled, CompiledGradient):
            given = zip(zip(starts, steps, strict=True), target, strict=True)
            sums = [self._model.quick_sum(compiled, line, where, weights, one, self._output) for line, one in given]
            return torch.stack(sums)
        copies = starts[:, None] + where[:, None, None, None] * steps[:, None]
        _, gradients = self(copies.flatten(0, 1), target.repeat_interleave(len(where)))
        return torch.stack([torch.einsum("p,p...->...", weights, one) for one in gradients.unflatten(0, (-1, len(where)))])

    @property
    def notes(self) -> dict[str, str]:
        """What an attribution says of it: nothing with torch."""
        if self._compiled is None:
            return {}
        if isinstance(self._compiled, str):
            return {"engine": f"openvino; gradients by torch: {self._compiled}"}
        return {"engine": LOWERED if self._compiled.lowered else BOTH_WAYS}
