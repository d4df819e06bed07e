"""The gradients of many copies of a few images, of which sums are taken: by the engine, where it has them."""

from functools import cached_property
from typing import final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from pellucid.models.compiled_gradient import CompiledGradient, CompiledLine
from pellucid.models.image import ImageClassifier, Output

BOTH_WAYS = "openvino, gradients too; in float32"


@final
class Gradients:
    """Asks for values and gradients, as `ImageClassifier.gradients` gives them.

    With `engine="openvino"` the engine gives them, in float32, once a pass there and back has been compared with torch's: the
    same to rounding, which may turn a ReLU over that is just at its kink. Where it cannot, torch does, and `notes` says why.
    Compiling takes a second or two, so this is for many gradients, not for one; `on_lines` says that only sums will be asked
    for.
    """

    def __init__(self, model: ImageClassifier, output: Output, *, on_lines: bool = False) -> None:
        self._model, self._on_lines = model, on_lines
        self._output: Output = output

    @cached_property
    def _compiled(self) -> CompiledGradient | str | None:
        return self._model.compiled_gradient

    @cached_property
    def _line(self) -> CompiledLine | str | None:
        return self._model.compiled_line

    def __call__(
        self, features: Float32[Tensor, "copy channel height width"], target: Int64[Tensor, " copy"]
    ) -> tuple[Float32[Tensor, " copy"], Float32[Tensor, "copy channel height width"]]:
        if not isinstance(self._compiled, CompiledGradient):
            return self._model.gradients(features, target, self._output)
        return self._model.quick_gradients(self._compiled, features, target, self._output)

    def summed(
        self,
        start: Float32[Tensor, "channel height width"],
        step: Float32[Tensor, "channel height width"],
        where: Float32[Tensor, " place"],
        weights: Float32[Tensor, " place"],
        target: Int64[Tensor, ""],
    ) -> Float32[Tensor, "channel height width"]:
        """The weighted sum of the gradients at start + where * step."""
        if isinstance(self._line, CompiledLine):
            return self._model.quick_line(self._line, start, step, where, weights, target, self._output)
        _, gradients = self(start + where[:, None, None, None] * step, target.expand(len(where)))
        return torch.einsum("p,p...->...", weights, gradients)

    @property
    def notes(self) -> dict[str, str]:
        """What an attribution says of it: nothing with torch."""
        if self._on_lines and isinstance(self._line, CompiledLine):
            return {"engine": BOTH_WAYS}
        if self._compiled is None:
            return {}
        if isinstance(self._compiled, str):
            return {"engine": f"openvino; gradients by torch: {self._compiled}"}
        return {"engine": BOTH_WAYS}
