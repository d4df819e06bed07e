"""The gradients of many copies of a few images, of which sums are taken: by the engine, where it has them."""

from typing import final

from jaxtyping import Float32, Int64
from torch import Tensor

from pellucid.models.image import ImageClassifier, Output


@final
class Gradients:
    """Asks for values and gradients, as `ImageClassifier.gradients` gives them.

    With `engine="openvino"` the engine gives them, in float32, once a pass there and back has been compared with torch's: the
    same to rounding, which may turn a ReLU over that is just at its kink. Where it cannot, torch does, and `notes` says why.
    Compiling takes a second or two, so this is for many gradients, not for one.
    """

    def __init__(self, model: ImageClassifier, output: Output) -> None:
        self._model = model
        self._output: Output = output
        self._compiled = model.compiled_gradient

    def __call__(
        self, features: Float32[Tensor, "copy channel height width"], target: Int64[Tensor, " copy"]
    ) -> tuple[Float32[Tensor, " copy"], Float32[Tensor, "copy channel height width"]]:
        if self._compiled is None or isinstance(self._compiled, str):
            return self._model.gradients(features, target, self._output)
        return self._model.quick_gradients(self._compiled, features, target, self._output)

    @property
    def notes(self) -> dict[str, str]:
        """What an attribution says of it: nothing with torch."""
        if self._compiled is None:
            return {}
        if isinstance(self._compiled, str):
            return {"engine": f"openvino; gradients by torch: {self._compiled}"}
        return {"engine": "openvino, gradients too; in float32"}
