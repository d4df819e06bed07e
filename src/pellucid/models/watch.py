"""The output of many perturbed copies of a few images, of which only sums matter: less exactly where that does no harm."""

from collections.abc import Callable, Mapping
from typing import Literal, final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pellucid.models.engine import Compiled, Quick
from pellucid.models.image import ImageClassifier, Output
from pellucid.models.local import Local, Maps, Precision

PROBES = 10
"""Copies of an image that are asked both ways, before the quicker one is trusted with the others."""
Rough = Literal["bfloat16", "int8"]
LIMITS: dict[Rough, float] = {"bfloat16": 0.2, "int8": 0.4}
"""The error that is let pass, as a share of how much the answers vary: its square, 4 and 16 %, is what it adds to their
variance. Whoever sums fewer answers gives others."""


@final
class Watch:
    """Asks for the output of copies of images, and remembers which of the images may be asked about less exactly.

    With `engine="torch"` it is `ImageClassifier.values`. With OpenVINO the first `probes` copies of each image are asked in
    float32 and in bfloat16, or in eight-bit integers with `engine="openvino-int8"`. From then on an image is asked about
    in that, and the mean difference of its probes is taken off, unless the rest of the difference is above a limit of how much
    the exact answers vary; then float32 stays. On a CPU that does not compute in bfloat16 it stays too, as where so few copies
    an image are `expected` that comparing would take as long, and nothing is compared.
    """

    def __init__(
        self,
        model: ImageClassifier,
        images: Float32[Tensor, "image channel height width"],
        target: Int64[Tensor, " image"],
        output: Output,
        *,
        limits: Mapping[Rough, float] = LIMITS,
        probes: int = PROBES,
        expected: int | None = None,
    ) -> None:
        self._model, self._images, self._target = model, images, target
        self._output: Output = output
        self._compiled: Quick | None = model.compiled
        self._rough: Rough | None = None
        if model.engine == "openvino-int8":
            self._rough = "int8"
        elif self._compiled is not None and self._compiled.has_bfloat16:
            self._rough = "bfloat16"
        self._limits, self._probes = limits, probes
        self._refused = ""
        if self._rough and expected is not None and expected <= 2 * probes:
            self._rough, self._refused = None, "in float32: too few copies to compare precisions by"
        self._integers: Callable[[Tensor, Precision], Tensor] | None = None
        self._exact: list[list[float]] = [[] for _ in target]
        self._inexact: list[list[float]] = [[] for _ in target]
        self._offset, self._settled = torch.zeros(2, len(target))
        self.asked_twice = 0
        """Passes for the comparison alone."""
        self.quick = torch.zeros(len(target), dtype=torch.bool)
        """Images that are asked about less exactly."""
        self.error = torch.zeros(len(target))
        """Of a single answer, as a share of how much the answers vary; 0 where all so far were in float32."""
        self._local: Local | str | None = None
        self._begun: dict[Precision, list[Maps]] = {}

    def squares(self, window: int) -> None:
        """From now on, copies differ from their images in one square of that side: where OpenVINO can, only what the square
        changes is computed."""
        self._local = self._model.local(window)

    @property
    def exact(self) -> bool:
        """Whether all that is still to be asked is asked exactly, so that no answer depends on those before it."""
        return self._rough is None

    @property
    def lasting(self) -> Float32[Tensor, " image"]:
        """How much of the error may be there in any sum, however many copies: that of integers, which round alike each time."""
        return self.error if self._rough == "int8" else torch.zeros_like(self.error)

    def __call__(
        self,
        copies: Float32[Tensor, "copy channel height width"],
        owners: Int64[Tensor, " copy"],
        corners: Int64[Tensor, "copy 2"] | None = None,
    ) -> Float32[Tensor, " copy"]:
        """The output of each copy, for the target of the image that it was made from; `corners` are the squares' top left."""
        if self._compiled is None:
            return self._model.values(copies, self._target[owners], self._output)
        if self._rough == "int8" and self._integers is None:
            self._quantize(copies[: self._probes])

        def ask(which: Bool[Tensor, " copy"] | slice, exactly: bool) -> Tensor:
            wanted = self._target[owners[which]]
            if not len(wanted):
                return torch.empty(0)
            precision: Precision = "bfloat16" if not exactly and self._rough == "bfloat16" else "float32"
            compiled = self._asked(owners[which], None if corners is None else corners[which])
            if not exactly and self._integers is not None:
                compiled = self._integers
            return self._model.quick_values(compiled, copies[which], wanted, self._output, precision)

        if self._rough is None:
            return ask(slice(None), exactly=True)
        values = torch.empty(len(copies))
        quick = self.quick[owners]
        values[~quick] = ask(~quick, exactly=True)
        values[quick] = ask(quick, exactly=False) - self._offset[owners[quick]]
        self.error[owners[quick]] = self._settled[owners[quick]]
        probed = self._wanting(owners) & ~quick
        self.asked_twice += int(probed.sum())
        inexact = ask(probed, exactly=False)
        self._compare(owners[probed].tolist(), values[probed].tolist(), inexact.tolist())
        return values

    def _quantize(self, copies: Tensor) -> None:
        assert isinstance(self._compiled, Compiled)
        try:
            self._integers = self._compiled.quantized(torch.cat([self._images, copies]))
        except ValueError as error:
            self._rough, self._refused = None, f"in float32: not in int8, {error}"

    def _asked(self, owners: Tensor, corners: Tensor | None) -> Callable[[Tensor, Precision], Tensor]:
        local = self._local
        if corners is None or not isinstance(local, Local):
            assert self._compiled is not None
            return self._compiled

        def ask(copies: Tensor, precision: Precision) -> Tensor:
            if precision not in self._begun:
                self._begun[precision] = local.begun(self._images, precision)
            return local(copies, corners, self._begun[precision], owners, precision)

        return ask

    @property
    def notes(self) -> dict[str, str]:
        """What an attribution says of it: nothing with torch."""
        if self._compiled is None:
            return {}
        said = self._refused or "in float32: this CPU does not compute in bfloat16"
        if self._rough:
            said = f"in {self._rough}, once compared with float32: {int(self.quick.sum())} of {len(self.quick)} images"
        if isinstance(self._local, str):
            said += f"; every copy as a whole: {self._local}"
        elif self._local is not None:
            said += "; layers only where a square reaches"
        return {"engine": f"openvino; {said}"}

    def _wanting(self, owners: Int64[Tensor, " copy"]) -> Bool[Tensor, " copy"]:
        """Those that an image still lacks for its `probes`."""
        lacks = [self._probes - len(known) for known in self._exact]
        wanted = []
        for owner in owners.tolist():
            wanted.append(lacks[owner] > 0)
            lacks[owner] -= 1
        return torch.tensor(wanted)

    def _compare(self, owners: list[int], exact: list[float], inexact: list[float]) -> None:
        assert self._rough is not None
        for owner, one, other in zip(owners, exact, inexact, strict=True):
            self._exact[owner].append(one)
            self._inexact[owner].append(other)
            if len(self._exact[owner]) == self._probes:
                answers = torch.tensor(self._exact[owner], dtype=torch.float64)
                apart = torch.tensor(self._inexact[owner], dtype=torch.float64) - answers
                error = float(apart.std() / answers.std().clamp(min=1e-30))
                if error <= self._limits[self._rough]:
                    self.quick[owner], self._offset[owner], self._settled[owner] = True, apart.mean(), error
