"""The output of many perturbed copies of a few images, of which only sums matter: in bfloat16 where that does no harm."""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pellucid.models.engine import Quick
from pellucid.models.image import ImageClassifier, Output
from pellucid.models.local import Begun, Local, Precision

PROBES = 10
"""Copies of an image that are asked in both precisions, before the quicker one is trusted with the others."""
LIMIT = 0.2
"""The error that is let pass, as a share of how much the answers vary: its square, 4 %, is what it adds to their variance.
Whoever sums fewer answers gives less."""


@final
class Watch:
    """Asks for the output of copies of images, and remembers which of the images may be asked about in bfloat16.

    With `engine="torch"` it is `ImageClassifier.values`. With OpenVINO the first `PROBES` copies of each image are asked in
    float32 and in bfloat16. From then on an image is asked about in bfloat16, and the mean difference of its probes is taken
    off, unless the rest of the difference is above `limit` of how much the exact answers vary; then float32 stays. On a CPU
    that does not compute in bfloat16 it stays too, and nothing is compared.
    """

    def __init__(
        self, model: ImageClassifier, target: Int64[Tensor, " batch"], output: Output, *, limit: float = LIMIT
    ) -> None:
        self._model, self._target, self._limit = model, target, limit
        self._output: Output = output
        self._compiled: Quick | None = model.compiled
        self._compares = self._compiled is not None and self._compiled.has_bfloat16
        self._exact: list[list[float]] = [[] for _ in target]
        self._rough: list[list[float]] = [[] for _ in target]
        self._offset = torch.zeros(len(target))
        self.asked_twice = 0
        """Passes in bfloat16 for the comparison alone."""
        self.quick = torch.zeros(len(target), dtype=torch.bool)
        """Images that are asked about in bfloat16."""
        self.error = torch.zeros(len(target))
        """Of a single answer in bfloat16, as a share of how much the answers vary; 0 in float32."""
        self._local: Local | str | None = None
        self._begun: dict[Precision, Begun] = {}

    def squares(self, images: Float32[Tensor, "image channel height width"], window: int) -> None:
        """From now on, copies differ from their images in one square of that side: where OpenVINO can, only what the square
        changes is computed."""
        self._images, self._local = images, self._model.local(window)

    def __call__(
        self,
        copies: Float32[Tensor, "copy channel height width"],
        owners: Int64[Tensor, " copy"],
        corners: Int64[Tensor, "copy 2"] | None = None,
    ) -> Float32[Tensor, " copy"]:
        """The output of each copy, for the target of the image that it was made from; `corners` are the squares' top left."""
        if self._compiled is None:
            return self._model.values(copies, self._target[owners], self._output)

        def ask(which: Bool[Tensor, " copy"] | slice, precision: Precision) -> Tensor:
            compiled = self._asked(owners[which], None if corners is None else corners[which], precision)
            wanted = self._target[owners[which]]
            if not len(wanted):
                return torch.empty(0)
            return self._model.quick_values(compiled, copies[which], wanted, self._output, precision)

        if not self._compares:
            return ask(slice(None), "float32")
        values = torch.empty(len(copies))
        quick = self.quick[owners]
        values[~quick] = ask(~quick, "float32")
        values[quick] = ask(quick, "bfloat16") - self._offset[owners[quick]]
        probed = torch.tensor([len(self._exact[i]) < PROBES for i in owners.tolist()]) & ~quick
        self.asked_twice += int(probed.sum())
        rough = ask(probed, "bfloat16")
        self._compare(owners[probed].tolist(), values[probed].tolist(), rough.tolist())
        return values

    def _asked(self, owners: Tensor, corners: Tensor | None, precision: Precision) -> Callable[[Tensor, Precision], Tensor]:
        local = self._local
        if corners is None or not isinstance(local, Local):
            assert self._compiled is not None
            return self._compiled
        if precision not in self._begun:
            self._begun[precision] = local.begun(self._images, precision)
        return lambda copies, precision: local(copies, corners, self._begun[precision], owners, precision)

    @property
    def notes(self) -> dict[str, str]:
        """What an attribution says of it: nothing with torch."""
        if self._compiled is None:
            return {}
        said = "in float32: this CPU does not compute in bfloat16"
        if self._compares:
            said = f"in bfloat16, once compared with float32: {int(self.quick.sum())} of {len(self.quick)} images"
        if isinstance(self._local, str):
            said += f"; every copy as a whole: {self._local}"
        elif self._local is not None:
            said += "; the first layers only where a square reaches"
        return {"engine": f"openvino; {said}"}

    def _compare(self, owners: list[int], exact: list[float], rough: list[float]) -> None:
        for owner, one, other in zip(owners, exact, rough, strict=True):
            self._exact[owner].append(one)
            self._rough[owner].append(other)
            if len(self._exact[owner]) == PROBES:
                answers = torch.tensor(self._exact[owner], dtype=torch.float64)
                apart = torch.tensor(self._rough[owner], dtype=torch.float64) - answers
                error = float(apart.std() / answers.std().clamp(min=1e-30))
                if error <= self._limit:
                    self.quick[owner], self._offset[owner], self.error[owner] = True, apart.mean(), error
